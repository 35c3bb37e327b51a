//! The inventory of certificates: a bundle without packets, made by `tests/certificates/make.py`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn bundle() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/certificates/bundle")
}

fn run(arguments: &[&str]) -> Output {
    let run = Command::new(env!("CARGO_BIN_EXE_wirecause"))
        .args(arguments)
        .args(["--year", "2026", "--tz", "UTC"])
        .arg(bundle())
        .output();
    run.expect("it runs")
}

fn records(arguments: &[&str]) -> Vec<Value> {
    let out = run(arguments);
    assert_eq!(out.status.code(), Some(0), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).lines().map(|l| serde_json::from_str(l).expect("JSON")).collect()
}

#[test]
fn each_certificate_has_its_role_place_and_days_left() {
    let expected: &[(&str, &str, &[&str], i64)] = &[
        // Subject, role, places, days left at 2026-11-21 02:25:20.
        ("CN=cp-1", "etcd", &["pki/etcd/server.pem"], 2962),
        ("CN=etcd-ca", "etcd_ca", &["pki/etcd/server.pem"], 2962),
        (
            "CN=front-proxy-ca",
            "front_proxy_ca",
            &["ConfigMap kube-system/extension-apiserver-authentication requestheader-client-ca-file"],
            2962,
        ),
        ("CN=hook", "webhook_serving", &["Secret shop/hook-tls tls.crt"], 2962),
        (
            "CN=hook-ca",
            "ca_bundle",
            &["caBundle of conversion carts.shop.example.com", "Secret shop/hook-tls ca.crt"],
            2962,
        ),
        ("CN=hook-ca", "ca_bundle", &["caBundle of webhook v.shop.example.com in hooks"], 2962),
        ("CN=kube-apiserver", "apiserver", &["pki/apiserver.crt"], 9),
        (
            "CN=kubernetes",
            "cluster_ca",
            &[
                "ConfigMap kube-system/extension-apiserver-authentication client-ca-file",
                "ConfigMap shop/kube-root-ca.crt ca.crt",
                "admin.conf cluster prod",
            ],
            2962,
        ),
        ("CN=kubernetes-admin,O=system:masters", "control_plane_client", &["admin.conf user admin"], 2962),
        ("CN=metrics", "aggregated_api_serving", &["Secret kube-system/metrics-tls tls.crt"], 2962),
        ("CN=system:node:node-1,O=system:nodes", "kubelet_client", &["pki/kubelet-client-current.pem"], -2),
    ];
    let mut found: Vec<_> = records(&["certs", "--format", "ndjson"])
        .iter()
        .map(|c| {
            let text = |key: &str| c[key].as_str().unwrap_or_default().to_owned();
            let mut places: Vec<String> = c["found"]
                .as_array()
                .expect("places")
                .iter()
                .map(|f| f["place"].as_str().expect("a place").to_owned())
                .collect();
            places.sort();
            (text("subject"), text("role"), places, c["days_left"].as_i64().expect("days"))
        })
        .collect();
    let mut expected: Vec<_> = expected
        .iter()
        .map(|(subject, role, places, days)| {
            let mut places: Vec<String> = places.iter().map(|p| (*p).to_owned()).collect();
            places.sort();
            ((*subject).to_owned(), (*role).to_owned(), places, *days)
        })
        .collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}

#[test]
fn chains_and_ca_bundles_are_compared() {
    let all = records(&["certs", "--format", "ndjson"]);
    let by_subject = |subject: &str| all.iter().find(|c| c["subject"] == subject).expect("it is there");
    let authority = |subject: &str| by_subject(subject)["authority"].as_str().expect("a word").to_owned();
    assert_eq!(authority("CN=kube-apiserver"), by_subject("CN=kubernetes")["sha256"].as_str().unwrap());
    assert_eq!((authority("CN=kubernetes").as_str(), authority("CN=metrics").as_str()), ("self", "missing"));
    let mismatches = by_subject("CN=hook")["mismatches"].as_array().expect("mismatches");
    assert_eq!(mismatches.len(), 1, "the conversion's caBundle fits: {mismatches:?}");
    let text = mismatches[0].as_str().expect("a sentence");
    assert!(
        text.contains("webhook v.shop.example.com") && text.contains("CN=hook (Secret shop/hook-tls"),
        "{text}"
    );
    let chosen = records(&["certs", "--format", "ndjson", "--where", "cert.mismatch && !cert.ca"]);
    assert_eq!(chosen.len(), 1);
    let soon =
        records(&["certs", "--format", "ndjson", "--where", "cert.expires_soon", "--expiry-warning", "5"]);
    assert_eq!(soon.len(), 0);
}

#[test]
fn what_will_fail_next_is_told_without_alarm() {
    let out = run(&["analyze", "--format", "json"]);
    let report: Value = serde_json::from_slice(&out.stdout).expect("a report");
    let told: Vec<_> = report["findings"]
        .as_array()
        .expect("findings")
        .iter()
        .filter(|f| f["verdict"] == "certificate")
        .map(|f| {
            assert_eq!((f["severity"].as_str(), f["count"].as_u64()), (Some("info"), Some(1)));
            (f["cause"].as_str().unwrap_or_default(), f["target"]["certificate"].as_str().unwrap_or_default())
        })
        .collect();
    let expected = [
        ("ca_bundle_does_not_fit", "CN=hook"),
        ("certificate_expired", "CN=system:node:node-1,O=system:nodes"),
        ("certificate_expires_soon", "CN=kube-apiserver"),
    ];
    let mut sorted = told.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, expected);
    assert_eq!(report["certificates"].as_array().map(Vec::len), Some(11));
    // The expired kubelet certificate makes --fail-on info fail, and nothing louder.
    assert_eq!(run(&["analyze", "--fail-on", "info"]).status.code(), Some(10));
}

#[test]
fn private_keys_are_noted_and_left() {
    let mut shown = String::new();
    for arguments in [
        &["certs", "-v"][..],
        &["analyze", "--format", "json"],
        &["analyze", "--format", "html"],
        &["certs", "--format", "json"],
    ] {
        let out = run(arguments);
        shown.push_str(&String::from_utf8_lossy(&out.stdout));
        shown.push_str(&String::from_utf8_lossy(&out.stderr));
    }
    assert!(!shown.contains("c2VjcmV0") && !shown.contains("YzJWamNtVjA"));
    let report: Value =
        serde_json::from_slice(&run(&["analyze", "--format", "json"]).stdout).expect("a report");
    let keys: Vec<_> = report["inputs"]
        .as_array()
        .expect("inputs")
        .iter()
        .filter(|i| i["problems"].as_array().is_some_and(|p| p.iter().any(|p| p["name"] == "private_key")))
        .map(|i| i["path"].as_str().unwrap_or_default())
        .collect();
    assert_eq!(keys, ["admin.conf", "objects.json", "pki/kubelet-client-current.pem"]);
}

#[test]
fn names_of_certificates_are_redacted() {
    let shown = String::from_utf8_lossy(&run(&["certs", "--format", "json", "--redact"]).stdout).into_owned();
    for name in ["hook.shop.svc", "hook-ca", "hook-tls", "metrics-tls", "node-1", "v.shop.example.com"] {
        assert!(!shown.contains(name), "{name} in {shown}");
    }
}

/// Stale or short of an intermediate certificate: which of them it is, the certificates do not tell.
#[test]
fn a_ca_bundle_that_an_unseen_issuer_may_link_to_is_not_called_stale() {
    let chain = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/certificates/intermediate");
    let run = Command::new(env!("CARGO_BIN_EXE_wirecause"))
        .args(["analyze", "--format", "json", "--year", "2026", "--tz", "UTC"])
        .arg(chain)
        .output()
        .expect("it runs");
    let report: Value = serde_json::from_slice(&run.stdout).expect("JSON");
    let told: Vec<_> = report["findings"].as_array().expect("findings").iter().collect();
    let [finding] = told[..] else { panic!("{report}") };
    assert_eq!(finding["rule"], "x509/cabundle-or-intermediate");
    assert_eq!(finding["cause"], "client_distrusts_server_ca");
}
