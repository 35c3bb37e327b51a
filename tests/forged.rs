//! What somebody claims who is not on the path, not the API server, or not whose address it is: it is told, and decides
//! nothing.

use serde_json::{Value, json};
use tempfile::TempDir;

mod made;
mod sample;
use made::{analyze, bundle, ipv4, line_with, pcap, syn, tcp};

/// When calls fail: 2026-11-21 02:00:05 UTC.
const SECOND: u32 = 1_795_226_405;

/// An ICMP error of 198.51.100.1 that quotes the first 8 bytes of a segment of [`syn`] with this sequence number.
fn prohibited(port: u16, seq: u32) -> Vec<u8> {
    let mut quoted = syn(port);
    quoted[24..28].copy_from_slice(&seq.to_be_bytes());
    let mut packet = ipv4(9, 0, 1, &[&[3, 10, 0, 0, 0, 0, 0, 0][..], &quoted[..28]].concat());
    packet[12..20].copy_from_slice(&[198, 51, 100, 1, 10, 0, 0, 1]);
    packet
}

/// The line of a call that fails just after the packets of its second.
fn line() -> String {
    line_with("").replace("02:00:05.000001", "02:00:05.001001").replace("10.96.0.7", "10.0.0.2")
}

/// A dial of which a line says that there is no route, with an ICMP error before that.
fn turned_down(error: Option<Vec<u8>>) -> TempDir {
    let log = line().replace("connection refused", "no route to host");
    let packets = [syn(1)].into_iter().chain(error).map(|packet| (SECOND, packet));
    bundle(&[("kube-apiserver.log", log.as_bytes()), ("a.pcap", &pcap(packets))])
}

fn first<'r>(report: &'r Value, key: &str) -> &'r Value {
    &report["findings"][0][key]
}

fn anomalies<'r>(report: &'r Value, kind: &str) -> Vec<&'r str> {
    let all = report["anomalies"].as_array().into_iter().flatten();
    all.filter(|a| a["kind"] == kind).filter_map(|a| a["text"].as_str()).collect()
}

#[test]
fn an_icmp_error_of_a_packet_that_was_not_sent_changes_no_verdict() {
    let told = |error| {
        let (_, report) = analyze(&turned_down(error), &["--year", "2026"]);
        (first(&report, "cause").clone(), anomalies(&report, "stray_icmp").len())
    };
    let alone = told(None);
    assert_eq!(told(Some(prohibited(1, 77))), (alone.0.clone(), 1));
    let (true_one, strays) = told(Some(prohibited(1, 1)));
    assert!(true_one == "icmp_admin_prohibited" && strays == 0 && alone.0 != true_one, "{true_one}");
}

#[test]
fn an_icmp_error_of_a_packet_that_was_not_sent_is_shown_as_such() {
    let folder = turned_down(Some(prohibited(1, 77)));
    let (_, out) = sample::run(&["flows", "--format", "ndjson"], &[folder.path().to_owned()]);
    let flow: Value = serde_json::from_slice(&out).expect("one flow");
    assert_eq!(flow["stray_icmp"][0]["name"], "host_prohibited");
    assert!(flow.get("icmp").is_none(), "{flow}");
    let (_, out) = sample::run(&["timeline", "--flow", "0"], &[folder.path().to_owned()]);
    let out = String::from_utf8_lossy(&out);
    assert!(out.contains("host_prohibited") && out.contains("was not sent"), "{out}");
}

/// A refused dial of 10.0.0.2, which took one long before, whose line is in this file.
fn refused(path: &str, line: &str, objects: &Value) -> Value {
    let answer = |port: u16, flags: u8| {
        let mut answer = tcp(port, true, flags, b"");
        answer[31] = 2; // what the SYN sent
        answer
    };
    let before = [syn(2), answer(2, 18), tcp(2, false, 16, b"")].map(|packet| (SECOND - 300, packet));
    let packets = before.into_iter().chain([(SECOND, syn(1)), (SECOND, answer(1, 20))]);
    let folder = bundle(&[("a.pcap", &pcap(packets)), ("objects.json", objects.to_string().as_bytes())]);
    let log = folder.path().join(path);
    std::fs::create_dir_all(log.parent().expect("a folder")).expect("writable");
    std::fs::write(log, line).expect("writable");
    analyze(&folder, &["--year", "2026"]).1
}

fn service(namespace: &str, name: &str, spec: &Value, status: &Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "Service", "spec": spec, "status": status,
        "metadata": { "name": name, "namespace": namespace } })
}

fn slice(namespace: &str, name: &str, pod: &str) -> Value {
    json!({ "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "ports": [{ "port": 443 }],
        "metadata": { "name": format!("{name}-x"), "namespace": namespace,
            "labels": { "kubernetes.io/service-name": name } },
        "endpoints": [{ "addresses": ["10.0.0.2"],
            "targetRef": { "kind": "Pod", "namespace": namespace, "name": pod } }] })
}

/// A Service whose pod has the address 10.0.0.2.
fn owner(namespace: &str, name: &str) -> [Value; 3] {
    let spec = json!({ "clusterIP": "10.96.0.7", "ports": [{ "port": 443 }] });
    let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "pay-0", "namespace": namespace },
        "spec": { "nodeName": "n" }, "status": { "phase": "Running", "podIP": "10.0.0.2" } });
    [service(namespace, name, &spec, &json!({})), slice(namespace, name, "pay-0"), pod]
}

#[test]
fn words_of_an_api_server_in_the_log_of_another_pod_are_no_certainty() {
    let line = line();
    let log = |namespace: &str, pod: &str, container: &str| {
        let path =
            format!("var/log/pods/{namespace}_{pod}_0a1b2c3d-0000-0000-0000-000000000000/{container}/0.log");
        let line = format!("2026-11-21T02:00:05.001002Z stderr F {line}");
        refused(&path, &line, &json!({ "apiVersion": "v1", "kind": "List", "items": owner("ns", "ab") }))
    };
    let own = log("kube-system", "kube-apiserver-cp-1", "kube-apiserver");
    let theirs = log("evil", "tenant-0", "app");
    assert_eq!(first(&own, "confidence"), "high", "{own}");
    assert_eq!(first(&theirs, "confidence"), "medium", "{theirs}");
    let missing = |report: &Value| report["findings"][0]["occurrences"][0]["missing"].to_string();
    assert!(
        missing(&theirs).contains("written by pod evil/tenant-0, by its names not by an API server"),
        "{}",
        missing(&theirs)
    );
    assert!(!missing(&own).contains("written by"));
}

#[test]
fn a_probe_of_what_is_not_the_pods_is_no_certainty() {
    let probe = |pod: &str, said: &str| {
        let line = format!(
            "I1121 02:00:05.001002     900 prober.go:107] \"Probe failed\" probeType=\"Readiness\" pod=\"{pod}\" podUID=\"a\" containerName=\"c\" probeResult=\"failure\" output=\"{said}\"\n"
        );
        let claim = service(
            "evil",
            "mine",
            &json!({ "clusterIP": "10.96.0.8", "externalIPs": ["10.0.0.2"], "ports": [{ "port": 443 }] }),
            &json!({}),
        );
        let items: Vec<Value> = owner("ns", "ab").into_iter().chain([claim]).collect();
        let objects = json!({ "apiVersion": "v1", "kind": "List", "items": items });
        refused("kubelet.log", &line, &objects)
    };
    let dial = "dial tcp 10.0.0.2:443: connect: connection refused";
    let dial_service = "dial tcp 10.96.0.7:443: connect: connection refused";
    let url = "Get \\\"https://ab.ns.svc:443/\\\": dial tcp 10.96.0.7:443: connect: connection refused";
    for said in [dial, &format!("Get \\\"https://10.0.0.2:443/\\\": {dial}")] {
        let own = probe("ns/pay-0", said);
        assert_eq!(
            (first(&own, "confidence"), first(&own, "edge")),
            (&json!("high"), &json!("probe")),
            "{own}"
        );
    }
    for said in [dial, dial_service, url] {
        let theirs = probe("evil/e-0", said);
        assert_eq!(first(&theirs, "confidence"), "medium", "{said}: {theirs}");
        let missing = theirs["findings"][0]["occurrences"][0]["missing"].to_string();
        assert!(missing.contains("a probe of pod evil/e-0 names what is not that pod's"), "{missing}");
    }
}

#[test]
fn an_event_of_kubernetes_takes_no_connection_from_a_line_of_the_api_server() {
    let event = |seconds: u32| {
        json!({ "apiVersion": "v1", "kind": "Event", "metadata": { "name": "e.1", "namespace": "ns", "uid": "u" },
            "involvedObject": { "kind": "Pod", "namespace": "ns", "name": "pay-0" }, "reason": "Unhealthy",
            "message": "Readiness probe failed: dial tcp 10.0.0.2:443: connect: connection refused", "count": 1,
            "source": { "component": "kubelet" }, "lastTimestamp": format!("2026-11-21T02:00:{seconds:02}Z") })
    };
    for seconds in [5, 6] {
        let mut items = owner("ns", "ab").to_vec();
        items.push(event(seconds));
        let objects = json!({ "apiVersion": "v1", "kind": "List", "items": items });
        // a good while after its packets: a stamp of the second fits them better
        let line = line().replace("02:00:05.001001", "02:00:05.201001");
        let report = refused("kube-apiserver.log", &line, &objects);
        let found = report["findings"].as_array().expect("findings");
        let carried = |f: &&Value| f["occurrences"][0]["flows"].as_array().is_some_and(|f| !f.is_empty());
        let [carried] = found.iter().filter(carried).collect::<Vec<_>>()[..] else { panic!("{report}") };
        let told = &carried["occurrences"][0]["logs"][0]["path"];
        assert_eq!((&carried["edge"], told), (&json!("webhook"), &json!("kube-apiserver.log")), "{report}");
        assert!(report.to_string().contains("objects.json"), "the event is read");
    }
}

#[test]
fn a_claimed_address_is_called_by_the_name_of_whose_it_is() {
    let ports = json!([{ "port": 443 }]);
    let claims = [
        service("aevil", "aaa", &json!({ "clusterIP": "10.0.0.2", "ports": ports }), &json!({})),
        service(
            "aevil",
            "aaa",
            &json!({ "clusterIP": "10.96.0.8", "externalIPs": ["10.0.0.2"], "ports": ports }),
            &json!({}),
        ),
        service(
            "aevil",
            "aaa",
            &json!({ "clusterIP": "10.96.0.8", "ports": ports }),
            &json!({ "loadBalancer": { "ingress": [{ "ip": "10.0.0.2" }] } }),
        ),
        slice("aevil", "aaa", "web-0"),
    ];
    for claim in claims {
        let theirs = service("aevil", "aaa", &json!({ "ports": ports }), &json!({}));
        let items: Vec<Value> = [claim.clone(), theirs].into_iter().chain(owner("acme", "pay")).collect();
        let line = "E1121 02:00:05.001001       7 x.go:1] \"Failed\" err=\"dial tcp 10.0.0.2:443: connect: connection refused\"\n";
        let report = refused(
            "kube-apiserver.log",
            line,
            &json!({ "apiVersion": "v1", "kind": "List", "items": items }),
        );
        let target = first(&report, "target");
        assert_eq!(
            (&target["service"], &target["pod"]),
            (&json!("acme/pay"), &json!("acme/pay-0")),
            "{claim}"
        );
        let said = anomalies(&report, "sources_disagree");
        assert!(
            said.iter().any(|text| text.contains("aevil/aaa") && text.contains("pod acme/pay-0")),
            "{claim}: {said:?}"
        );
    }
}

#[test]
fn an_event_of_kubernetes_alone_is_no_certainty() {
    let message = "Error creating: Internal error occurred: failed calling webhook \"v.example.com\": failed to call webhook: \
        Post \"https://hook.shop.svc:443/validate?timeout=10s\": tls: failed to verify certificate: x509: certificate signed \
        by unknown authority";
    let event = json!({ "apiVersion": "v1", "kind": "Event", "metadata": { "name": "e.1", "namespace": "ns", "uid": "u" },
        "involvedObject": { "kind": "ReplicaSet", "namespace": "ns", "name": "pay" }, "reason": "FailedCreate",
        "message": message, "count": 1, "source": { "component": "replicaset-controller" },
        "lastTimestamp": "2026-11-21T02:00:30Z" });
    let objects = json!({ "apiVersion": "v1", "kind": "List", "items": [event] });
    let report = refused("kube-apiserver.log", &line(), &objects);
    let found = report["findings"].as_array().expect("findings");
    let told = found.iter().find(|f| f["verdict"] == "x509_unknown_authority").expect("what the event tells");
    assert_eq!(told["confidence"], "medium", "{told}");
    assert_eq!(told["occurrences"][0]["missing"][0]["what"], "time_span", "{told}");
    assert!(told["occurrences"][0]["missing"].to_string().contains("writer"), "{told}");
}
