//! Each sample gives the answer that its README gives: verdict, cause, calls, target and proof.

use std::path::Path;

use serde_json::Value;

mod sample;

/// Name of the sample; then verdict, cause, calls and target name of each finding of severity warning or error.
type Answer = (&'static str, &'static [(&'static str, &'static str, u64, &'static str)]);

const ANSWERS: [Answer; 23] = [
    (
        "api-server-behind-nginx-resets",
        &[("connection_reset", "rst_after_client_hello", 4, "192.168.64.10:6443")],
    ),
    (
        "connection-went-dead",
        &[
            ("io_timeout", "established_connection_blackholed", 1, "hook.shop.svc"),
            ("io_timeout", "syn_dropped", 1, "hook.shop.svc"),
        ],
    ),
    ("etcd-refused", &[("connection_refused", "rst_to_syn", 8, "192.168.64.30:2379")]),
    ("firewall-resets-client-hello", &[("connection_reset", "rst_by_middlebox", 3, "hook.shop.svc")]),
    (
        "log-in-new-york-time",
        &[
            ("connection_refused", "rst_from_pod_nothing_listening", 3, "policy-webhook.policy-system.svc"),
            ("connection_reset", "rst_after_client_hello", 3, "mesh-injector.mesh.svc"),
        ],
    ),
    ("lossy-link", &[]),
    ("next-hop-down", &[("no_route", "arp_unanswered", 3, "192.168.64.30:8443")]),
    (
        "no-common-cipher",
        &[(
            "tls_handshake_failure",
            "alert_handshake_failure_no_common_cipher",
            3,
            "quota-webhook.legacy-apps.svc",
        )],
    ),
    (
        "no-route-by-icmp",
        &[
            ("no_route", "icmp_admin_prohibited", 3, "capi-webhook-service"),
            ("no_route", "icmp_host_unreachable", 2, "capm3-webhook-service"),
        ],
    ),
    ("node-drops-syn", &[("io_timeout", "syn_dropped", 2, "hook.shop.svc")]),
    (
        "old-client-distrusts-server",
        &[("x509_unknown_authority", "client_distrusts_server_ca", 3, "192.168.64.10:6443")],
    ),
    (
        "refused-no-endpoints",
        &[("no_endpoints", "icmp_port_unreachable_no_endpoints", 4, "cert-manager-webhook.cert-manager.svc")],
    ),
    (
        "refused-nothing-listening",
        &[("connection_refused", "rst_from_pod_nothing_listening", 5, "policy-webhook.policy-system.svc")],
    ),
    (
        "reset-after-hello-and-after-request",
        &[
            ("connection_reset", "rst_after_client_hello", 4, "mesh-injector.mesh.svc"),
            ("connection_reset", "rst_after_request", 2, "batch-admission.batch.svc"),
        ],
    ),
    (
        "server-does-not-accept",
        &[
            ("io_timeout", "server_not_accepting", 2, "hook.shop.svc"),
            ("tls_handshake_timeout", "server_not_accepting", 2, "hook.shop.svc"),
        ],
    ),
    (
        "server-speaks-only-tls-1.1",
        &[
            ("tls_handshake_failure", "alert_protocol_version", 3, "kubemod-webhook-service"),
            ("tls_handshake_failure", "alert_protocol_version", 2, "naming-webhook"),
        ],
    ),
    (
        "serving-certificate-expired",
        &[("x509_expired", "serving_cert_expired", 4, "prometheus-operator.monitoring.svc")],
    ),
    (
        "silent-after-client-hello",
        &[(
            "tls_handshake_timeout",
            "client_hello_acked_no_server_hello",
            2,
            "vault-agent-injector-svc.vault.svc",
        )],
    ),
    ("slow-response", &[("slow_response", "response_after_deadline", 10, "image-scanner.scan.svc")]),
    (
        "stalled-until-deadline",
        &[("tls_handshake_timeout", "client_hello_acked_no_server_hello", 3, "opa.opa.svc")],
    ),
    ("syn-ack-lost", &[("io_timeout", "syn_ack_lost_on_return_path", 2, "webhook.knative-serving.svc")]),
    ("syn-dropped", &[("io_timeout", "syn_dropped", 24, "gatekeeper-webhook-service.gatekeeper-system.svc")]),
    ("webhook-denies", &[]),
];

#[test]
fn every_sample_gives_its_answer() {
    let names: Vec<_> = sample::bundles().iter().map(|bundle| name(bundle)).collect();
    assert_eq!(
        names,
        ANSWERS.map(|(name, _)| name),
        "a sample without its row here, or a row without its sample"
    );
    let wrong: Vec<_> =
        sample::bundles().iter().zip(ANSWERS).filter_map(|(b, a)| compare(b, &a).err()).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_denial_is_told_without_alarm() {
    let bundle = sample::bundles().into_iter().find(|b| name(b) == "webhook-denies").expect("the sample");
    let report = analyze(&bundle);
    let quiet: Vec<_> = findings(&report).filter(|f| f["severity"] == "info").collect();
    assert_eq!(quiet.len(), 1, "{quiet:#?}");
    assert_eq!((quiet[0]["verdict"].as_str(), quiet[0]["count"].as_u64()), (Some("webhook_denied"), Some(4)));
}

fn compare(bundle: &Path, (name, answer): &Answer) -> Result<(), String> {
    let report = analyze(bundle);
    let loud: Vec<&Value> = findings(&report).filter(|f| f["severity"] != "info").collect();
    let seen: Vec<_> =
        loud.iter().map(|f| format!("{} {} x{}", f["verdict"], f["cause"], f["count"])).collect();
    let described = |f: &Value, (verdict, cause, calls, target): &(&str, &str, u64, &str)| {
        f["verdict"] == *verdict
            && f["cause"] == *cause
            && f["count"] == *calls
            && f["target"].to_string().contains(target)
    };
    let right = loud.len() == answer.len() && answer.iter().all(|a| loud.iter().any(|f| described(f, a)));
    if !right {
        return Err(format!("{name}: {seen:?} where {answer:?} was expected"));
    }
    let unproven = loud.iter().filter_map(|f| f["occurrences"].as_array()).flatten().find(|o| {
        let empty = |key: &str| o[key].as_array().is_none_or(Vec::is_empty);
        empty("logs") || empty("flows")
    });
    unproven.map_or(Ok(()), |o| Err(format!("{name}: a call without its line or its flow: {o}")))
}

fn analyze(bundle: &Path) -> Value {
    let (code, out) = sample::run(&["analyze", "--format", "json"], &[bundle.to_owned()]);
    assert_eq!(code, 0, "{}", bundle.display());
    serde_json::from_slice(&out).expect("a report in JSON")
}

fn findings(report: &Value) -> impl Iterator<Item = &Value> {
    report["findings"].as_array().expect("findings").iter()
}

fn name(bundle: &Path) -> String {
    let folder = bundle.parent().and_then(|p| p.file_name()).expect("a folder of its own");
    folder.to_string_lossy().into_owned()
}
