//! Whole-stage tests: each format with lines as its command prints them, damage, and what the questions answer.

use std::fs;

use super::*;
use crate::bundle::{Limits, SourceKind, discover};

/// The map of a bundle with these files.
fn of(files: &[(&str, &str)]) -> ClusterMap {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let bundle = discover(&[dir.path().to_owned()], &Limits::default()).unwrap();
    read(&bundle.sources)
}

fn socket(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn addresses(backends: &[Backend]) -> Vec<String> {
    backends.iter().map(|b| b.address.to_string()).collect()
}

const SERVICE: &str = r#"{"apiVersion": "v1", "kind": "Service",
 "metadata": {"name": "policy-webhook", "namespace": "policy-system"},
 "spec": {"clusterIP": "10.96.12.13", "clusterIPs": ["10.96.12.13", "fd00::13"],
  "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": 10250},
            {"name": "metrics", "port": 8080, "nodePort": 30080, "protocol": "TCP", "targetPort": "metrics"}]},
 "status": {"loadBalancer": {"ingress": [{"ip": "198.51.100.7"}]}}}
"#;

const SLICE: &str = r"apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
addressType: IPv4
metadata:
  name: policy-webhook-1da82
  namespace: policy-system
  labels:
    kubernetes.io/service-name: policy-webhook
endpoints:
- addresses: [10.244.1.7]
  conditions: {ready: true}
  nodeName: node-1
  targetRef: {kind: Pod, name: policy-webhook-5d8f7c9b6d-9qz4l, namespace: policy-system}
- addresses: [10.244.1.8]
  conditions: {ready: false}
ports:
- {name: https, port: 10250, protocol: TCP}
- {name: metrics, port: 9090, protocol: TCP}
";

const WIDE: &str = "\
NAMESPACE        NAME                                  READY   STATUS    RESTARTS   AGE   IP            NODE     NOMINATED NODE   READINESS GATES
platform-audit   pod/audit-webhook-6c9d7b5f4-x7k2p     0/1     Running   0          6s    10.244.1.20   node-1   <none>           <none>
policy-system    pod/policy-webhook-5d8f7c9b6d-9qz4l   1/1     Running   2 (5m ago) 5s    10.244.1.7    node-1   <none>           <none>

NAMESPACE   NAME          STATUS   ROLES    AGE   VERSION   INTERNAL-IP   EXTERNAL-IP   OS-IMAGE    KERNEL-VERSION   CONTAINER-RUNTIME
            node/cp-1     Ready    <none>   7s              172.28.0.2    <none>        <unknown>   <unknown>        <unknown>
            node/node-1   Ready    <none>   7s              172.28.0.3    <none>        <unknown>   <unknown>        <unknown>
";

/// The callee of a kind and name.
fn callee<'m>(map: &'m ClusterMap, kind: &str, name: &str) -> Option<&'m Callee> {
    map.callees_named(name).into_iter().find(|c| c.kind == kind)
}

/// The value of a counter of node-1.
fn counter(map: &ClusterMap, name: &str) -> Option<u64> {
    let of_node = |c: &&Counter| c.name == name && c.host.as_deref() == Some("node-1");
    map.counters.iter().find(of_node).map(|c| c.value)
}

#[test]
fn objects_of_json_and_yaml_say_where_a_service_leads() {
    let map = of(&[("s.json", SERVICE), ("e.yaml", SLICE), ("wide.txt", WIDE)]);
    let service = map.service("policy-system", "policy-webhook").unwrap();
    assert_eq!(service.cluster_ips, [ip("10.96.12.13"), ip("fd00::13")]);
    assert_eq!(service.external_ips, [ip("198.51.100.7")]);
    assert_eq!((service.ports[0].target_port, service.ports[1].target_port), (Some(10250), None));
    let backends = map.backends(socket("10.96.12.13:443"));
    assert_eq!(addresses(&backends), ["10.244.1.7:10250", "10.244.1.8:10250"]);
    assert_eq!((backends[0].ready, backends[1].ready), (true, false));
    assert_eq!(backends[0].node.as_deref(), Some("node-1"));
    assert_eq!(backends[0].pod.as_deref(), Some("policy-system/policy-webhook-5d8f7c9b6d-9qz4l"));
    // By NodePort on a node, and by the load balancer's address.
    assert_eq!(addresses(&map.backends(socket("172.28.0.2:30080"))), ["10.244.1.7:9090", "10.244.1.8:9090"]);
    assert_eq!(addresses(&map.backends(socket("198.51.100.7:443")))[0], "10.244.1.7:10250");
    // And back.
    assert_eq!(map.services_behind(socket("10.244.1.7:10250")), [service]);
    assert_eq!(map.endpoints_state("policy-system", "policy-webhook"), Endpoints::Ready(1));
    assert_eq!(map.endpoints_state("policy-system", "other"), Endpoints::None);
    assert_eq!(map.endpoints_state("elsewhere", "other"), Endpoints::Unknown);
}

#[test]
fn owners_are_known_by_address() {
    let pods = r#"{"kind": "PodList", "apiVersion": "v1", "items": [
 {"metadata": {"name": "kube-apiserver-cp-1", "namespace": "kube-system"},
  "spec": {"nodeName": "cp-1", "hostNetwork": true}, "status": {"podIP": "172.28.0.2", "podIPs": [{"ip": "172.28.0.2"}]}},
 {"metadata": {"name": "done", "namespace": "jobs"}, "status": {"phase": "Succeeded", "podIP": "10.244.1.7"}}]}"#;
    let map = of(&[("s.json", SERVICE), ("pods.json", pods), ("wide.txt", WIDE)]);
    assert!(matches!(map.owner(ip("10.96.12.13")), Some(Owner::Service(s)) if s.name == "policy-webhook"));
    assert!(matches!(map.owner(ip("172.28.0.2")), Some(Owner::Node(n)) if n.name == "cp-1"));
    // The pod that ended comes after the one that has its address now.
    let owners = map.owners(ip("10.244.1.7"));
    assert!(matches!(owners[0], Owner::Pod(p) if p.name == "policy-webhook-5d8f7c9b6d-9qz4l"));
    assert!(matches!(owners[1], Owner::Pod(p) if p.name == "done"));
    assert_eq!(owners.len(), 2);
    assert_eq!(map.owner(ip("192.0.2.1")), None);
    assert_eq!(map.host_of(ip("172.28.0.3")), Some("node-1"));
    assert!(map.pods.iter().any(|p| p.name == "kube-apiserver-cp-1" && p.host_network));
    assert!(map.conflicts.is_empty(), "{:?}", map.conflicts);
    let ready: Vec<_> = map.pods.iter().map(|p| p.ready).collect();
    assert_eq!(ready, [None, None, Some(false), Some(true)]);
}

#[test]
fn callees_are_found_by_every_name_that_a_log_says() {
    let hooks = r#"{"apiVersion": "v1", "kind": "List", "items": [
{"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration", "metadata": {"name": "policy"},
 "webhooks": [{"name": "validate.policy.example.com", "failurePolicy": "Ignore", "timeoutSeconds": 5,
   "clientConfig": {"caBundle": "LS0tLS1C\nRUdJTg==", "service": {"name": "policy-webhook", "namespace": "policy-system", "port": 8443}}},
  {"name": "url.policy.example.com", "clientConfig": {"url": "https://hook.example.com/x"}}]},
{"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "things.example.com"},
 "spec": {"conversion": {"strategy": "Webhook", "webhook": {"clientConfig": {"service": {"name": "conv", "namespace": "things"}}}}}},
{"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": "v1beta1.metrics.k8s.io"},
 "spec": {"service": {"name": "metrics-server", "namespace": "kube-system", "port": 443}}},
{"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": "v1."}, "spec": {"version": "v1"}}]}"#;
    let map = of(&[("hooks.json", hooks)]);
    assert_eq!(map.callees.len(), 4);
    let hook = callee(&map, "webhook", "validate.policy.example.com").unwrap();
    assert_eq!(hook.service, Some(("policy-system".to_owned(), "policy-webhook".to_owned())));
    assert_eq!((hook.port, hook.timeout_seconds, hook.fail_open), (8443, Some(5), Some(true)));
    assert_eq!(*hook.ca_bundle, *b"-----BEGIN");
    assert_eq!(
        callee(&map, "webhook", "url.policy.example.com").unwrap().url.as_deref(),
        Some("https://hook.example.com/x")
    );
    assert_eq!(map.callees_named("policy").len(), 2);
    assert_eq!(callee(&map, "conversion", "things.example.com").unwrap().port, 443);
    assert!(callee(&map, "apiservice", "v1beta1.metrics.k8s.io").is_some());
    assert_eq!(map.callees_of_service("kube-system", "metrics-server").len(), 1);
}

#[test]
fn of_secrets_only_certificates_are_kept() {
    let secret = r#"{"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "tls", "namespace": "a"}, "data": {
 "tls.crt": "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUEKLS0tLS1FTkQgQ0VSVElGSUNBVEUtLS0tLQo=",
 "tls.key": "LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVktLS0tLQpTRUNSRVQKLS0tLS1FTkQgUlNBIFBSSVZBVEUgS0VZLS0tLS0K",
 "token": "U0VDUkVU"}}"#;
    let both = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\nSECRET\n-----END PRIVATE KEY-----\n";
    let cut = "-----BEGIN CERTIFICATE-----\nMIIC\n-----BEGIN PRIVATE KEY-----\nSECRET\n-----END PRIVATE KEY-----\n-----BEGIN CERTIFICATE-----\nMIID\n-----END CERTIFICATE-----\n";
    // The end of another certificate may stand behind the key.
    let around = "-----BEGIN CERTIFICATE-----\nMIIE\n-----BEGIN PRIVATE KEY-----\nSECRET\n-----END PRIVATE KEY-----\n-----END CERTIFICATE-----\n";
    let map = of(&[("s.json", secret), ("ca.pem", both), ("cut.pem", cut), ("around.pem", around)]);
    let kept: Vec<(&str, String)> = map
        .certificates
        .iter()
        .map(|held| (held.place.as_str(), String::from_utf8(held.bytes.to_vec()).unwrap()))
        .collect();
    let block = |inside: &str| format!("-----BEGIN CERTIFICATE-----\n{inside}\n-----END CERTIFICATE-----\n");
    let whole = [("ca.pem", "MIIB"), ("cut.pem", "MIID"), ("Secret a/tls tls.crt", "MIIA")];
    assert_eq!(kept, whole.map(|(place, inside)| (place, block(inside))));
}

#[test]
fn every_shape_of_json_and_yaml_gives_its_objects() {
    let a = r#"{"apiVersion":"v1","kind":"Node","metadata":{"name":"a"}}"#;
    let b = a.replace("\"a\"", "\"b\"");
    let yaml = |name: &str| format!("apiVersion: v1\nkind: Node\nmetadata:\n  name: {name}\n");
    let table = [
        ("one document", a.to_owned(), 1),
        ("NDJSON", format!("{a}\n{b}\n"), 2),
        ("documents one after another", format!("{a}{b}"), 2),
        ("an array", format!("[{a},{b}]"), 2),
        ("a List", format!(r#"{{"apiVersion":"v1","items":[{a},{b}],"kind":"List"}}"#), 2),
        ("a typed list", r#"{"kind":"NodeList","apiVersion":"v1","items":[{"metadata":{"name":"a"}}]}"#.to_owned(), 1),
        ("its kind last", r#"{"apiVersion":"v1","items":[{"metadata":{"name":"a"}}],"kind":"NodeList"}"#.to_owned(), 1),
        ("items null", r#"{"apiVersion":"v1","items":null,"kind":"NodeList"}"#.to_owned(), 0),
        ("YAML documents", format!("---\n{}---\n# nothing\n---\n{}", yaml("a"), yaml("b")), 2),
        ("a YAML List", "apiVersion: v1\nkind: List\nitems:\n- kind: Node\n  metadata: {name: a}\n- kind: Node\n  metadata: {name: b}\n".to_owned(), 2),
        ("a typed YAML list", "---\napiVersion: v1\nitems:\n- metadata:\n    name: a\nkind: NodeList\n".to_owned(), 1),
        ("JSON after a byte order mark", format!("\u{feff}{a}"), 1),
        ("JSON behind byte order marks", format!("\u{feff}{a}\u{feff}{b}"), 2),
        ("JSON in a YAML stream", format!("---\n{a}\n---\n{}", yaml("b")), 2),
    ];
    for (name, text, nodes) in table {
        let map = of(&[("o", &text)]);
        assert_eq!(map.nodes.len(), nodes, "{name}");
        assert!(map.inputs[0].problems.is_empty(), "{name}: {:?}", map.inputs[0].problems);
    }
}

#[test]
fn items_of_a_custom_resource_are_no_objects_of_the_cluster() {
    let item = r#"{"apiVersion":"v1","kind":"Node","metadata":{"name":"a"}}"#;
    let bare = item.replace(r#""apiVersion":"v1","#, "");
    let damaged = |version: &str, item: &str| {
        let item = item.replace(',', ",\n            ").replacen('{', "{\n            ", 1);
        format!(
            "{{\n    \"apiVersion\": \"{version}\",\n    \"items\": [\n        {item}\n        }},\n        {{\n            \"kind\": "
        )
    };
    for (text, nodes) in [
        (format!(r#"{{"apiVersion":"meta.k8s.io/v1","items":[{item}],"kind":"List"}}"#), 1),
        (format!(r#"{{"apiVersion":"","kind":"","items":[{item}]}}"#), 1),
        (format!(r#"{{"apiVersion":"evil.example/v1","items":[{bare}],"kind":"Trap"}}"#), 0),
        (format!(r#"{{"kind":"TrapList","apiVersion":"evil.example/v1","items":[{bare}]}}"#), 0),
        (damaged("v1", item), 1),
        (damaged("v1", &bare), 1),
        (damaged("evil.example/v1", item), 0),
        (damaged("evil.example/v1", &bare), 0),
        (item.replace("\"v1\"", "\"evil.example/v1\""), 0),
        (format!(r#"{{"apiVersion":"v1","items":[{item}],"kind":"List"}}"#), 1),
        (format!(r#"{{"apiVersion":"evil.example/v1","items":[{item}],"kind":"Trap"}}"#), 0),
        (format!(r#"{{"kind":"Trap","apiVersion":"evil.example/v1","items":[{item}]}}"#), 0),
        (format!(r#"{{"kind":"Trap","items":[{item}]}}"#), 0),
        (format!("apiVersion: evil.example/v1\nitems:\n- {item}\nkind: Trap\n"), 0),
    ] {
        assert_eq!(of(&[("o", &text)]).nodes.len(), nodes, "{text}");
    }
}

const ROUTE: &str = "default via 10.0.0.1 dev eth0\n";
const KLOG: &str = "W1121 02:00:05.000001       7 d.go:1] m\n";
const JOURNAL: &str = "Nov 21 02:24:47 cp-1 kube-apiserver[28800]: W1121 02:24:47.529354   28800 d.go:1] m\n";

/// A Service in JSON and in YAML.
fn services() -> [String; 2] {
    let json = serde_json::json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a", "namespace": "b"}, "spec": {"clusterIP": "10.0.0.9"}});
    let yaml =
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: a\n  namespace: b\nspec:\n  clusterIP: 10.0.0.9\n";
    [serde_json::to_string_pretty(&json).unwrap() + "\n", yaml.to_owned()]
}

#[test]
fn outputs_one_behind_the_other_in_one_file_are_all_read() {
    let [json, yaml] = services();
    for service in [&json, &yaml] {
        for text in [
            format!("{ROUTE}{service}"),
            format!("{service}{ROUTE}"),
            format!("{ROUTE}{JOURNAL}{service}"),
            format!("{}{service}{}", JOURNAL.repeat(400), ROUTE.repeat(3)),
            format!("{service}{KLOG}").replace(KLOG, &format!("{ROUTE}{KLOG}")),
            format!(
                "=== date ===\nSat Nov 21\n=== ip route ===\n{ROUTE}=== journalctl ===\n{JOURNAL}=== kubectl ===\n{service}"
            ),
            format!("$ ip route\n{ROUTE}$ kubectl get svc\n{service}"),
        ] {
            let map = of(&[("all.txt", &text)]);
            assert_eq!((map.services.len(), map.routes.is_empty()), (1, false), "{text}");
            assert!(map.inputs.iter().all(|i| i.problems.is_empty()), "{text}");
            let lines: Vec<_> = map.inputs.iter().map(|i| i.lines.unwrap() as usize).collect();
            assert!(lines.iter().all(|n| *n == text.lines().count()), "{lines:?} {text}");
        }
    }
    let map = of(&[("all.txt", &format!("{json}{}", yaml.replace("name: a", "name: c")))]);
    assert_eq!(map.services.len(), 2, "YAML behind JSON");
    let damaged = format!("{ROUTE}{KLOG}{ROUTE}").replace(KLOG, "{\n  \"kind\": \"Service\",\n  }\n");
    assert_eq!(
        of(&[("all.txt", &damaged)]).inputs.iter().flat_map(|i| i.problems.iter()).next().unwrap().at,
        crate::error::Place::Line(4)
    );
}

/// Whoever writes the messages of a log writes no objects, whatever stands in front of them.
#[test]
fn what_a_log_quotes_is_never_believed() {
    let [json, yaml] = services();
    let route = "10.9.9.0/24 via 10.0.0.1 dev eth0\n".to_owned();
    let pem = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n".to_owned();
    for quoted in [json, yaml, route, pem] {
        for text in [
            format!("{KLOG}{quoted}{KLOG}"),
            format!("{KLOG}{quoted}"),
            format!("{KLOG}=== kubectl get svc ===\n{quoted}"),
            format!("{KLOG}{JOURNAL}{quoted}"),
            format!("{}{quoted}", KLOG.repeat(900)),
            format!("{ROUTE}{KLOG}{quoted}{KLOG}"),
            format!("{}{KLOG}{quoted}", ROUTE.repeat(300)),
            format!("=== kubectl logs a ===\nlistening\n{quoted}"),
            format!("{}{quoted}", "listening\n".repeat(4)),
        ] {
            let map = of(&[("all.txt", &text)]);
            let nets: Vec<_> = map.routes.iter().filter(|r| format!("{r:?}").contains("10.9.9.0")).collect();
            assert!(map.services.is_empty() && map.certificates.is_empty() && nets.is_empty(), "{text}");
        }
    }
}

/// Lists within lists, none of which ends: each is looked through to the end of the file only so often.
#[test]
fn objects_that_never_end_are_not_all_read_to_the_end() {
    let service =
        r#"{"kind":"Service","metadata":{"name":"a","namespace":"b"},"spec":{"clusterIP":"10.0.0.9"}}"#;
    let names = |lists: usize| {
        let map = of(&[("a.json", &format!("{service}\n{}", "{\"items\":[\n".repeat(lists)))]);
        assert_eq!(map.services.len(), 1);
        map.inputs[0].problems.iter().map(|w| w.name).collect::<Vec<_>>()
    };
    assert_eq!(names(100), ["damaged_object"]);
    assert_eq!(names(20_000), ["damaged_object", "limit_damage"]);
}

#[test]
fn damage_of_one_object_does_not_lose_the_others() {
    let json: String = (0..4)
        .map(|n| format!("        {{\n            \"kind\": \"Node\",\n            \"metadata\": {{\n                \"name\": \"n{n}\"\n            }}\n        }}"))
        .collect::<Vec<_>>()
        .join(",\n");
    let json = format!(
        "{{\n    \"apiVersion\": \"v1\",\n    \"items\": [\n{json}\n    ],\n    \"kind\": \"List\"\n}}\n"
    );
    let yaml = (0..4).fold("apiVersion: v1\nkind: List\nitems:\n".to_owned(), |yaml, n| {
        yaml + &format!("- kind: Node\n  metadata:\n    name: n{n}\n")
    });
    let table = [
        ("json", json.replacen("\"name\": \"n1\"", "\"name\": \"n1", 1), vec!["n0", "n2", "n3"]),
        ("json cut", json[..json.find("\"n3\"").unwrap()].to_owned(), vec!["n0", "n1", "n2"]),
        ("yaml", yaml.replacen("name: n1", "name: [n1", 1), vec!["n0", "n2", "n3"]),
        ("ndjson", "{\"kind\":\"Node\",\"metadata\":{\"name\":\"n0\"}}\n{\"kind\":\"Node\",\"metadata\"\n{\"kind\":\"Node\",\"metadata\":{\"name\":\"n2\"}}\n".to_owned(), vec!["n0", "n2"]),
        ("documents", "kind: Node\nmetadata: {name: n0}\n---\nkind: Node\nmetadata: {name: [}\n---\nkind: Node\nmetadata: {name: n2}\n".to_owned(), vec!["n0", "n2"]),
    ];
    for (name, text, expected) in table {
        let map = of(&[("o", &text)]);
        let names: Vec<&str> = map.nodes.iter().map(|n| n.name.as_str()).collect();
        assert_eq!(names, expected, "{name}");
        assert!(map.inputs[0].problems.any_loss(), "{name}");
        assert_eq!(map.inputs[0].status(), "partial", "{name}");
    }
}

#[test]
fn yaml_bombs_end_early() {
    let first = "kind: Node\nmetadata: {name: a}\nx0: &x0 [lol, lol]\n".to_owned();
    let laughs = (1..30).fold(first, |text, n| text + &format!("x{n}: &x{n} [*x{}, *x{}]\n", n - 1, n - 1));
    let deep = format!("kind: Node\nmetadata: {}{}\n", "[".repeat(5000), "]".repeat(5000));
    let json = format!("{{\"kind\": \"Node\", \"apiVersion\": {}{}}}", "[".repeat(5000), "]".repeat(5000));
    for text in [laughs, deep, json] {
        let map = of(&[("o", &text)]);
        assert!(map.inputs[0].problems.any_loss());
    }
}

#[test]
fn conntrack_translates_a_tuple_in_both_directions() {
    let text = "\
tcp      6 7 CLOSE src=172.28.0.2 dst=10.96.12.13 sport=54172 dport=443 src=10.244.1.7 dst=172.28.0.2 sport=10250 dport=54172 [ASSURED] mark=0 use=1
ipv4     2 tcp      6 117 SYN_SENT src=172.28.0.2 dst=10.96.12.74 sport=38046 dport=443 [UNREPLIED] src=10.244.1.68 dst=172.28.0.2 sport=10250 dport=1024 mark=0 use=1
udp      17 20 src=10.244.1.7 dst=10.96.0.10 sport=4000 dport=53 packets=1 bytes=60 src=10.244.1.9 dst=10.244.1.7 sport=53 dport=4000 packets=1 bytes=80 mark=0 use=1
icmp     1 29 src=10.0.0.1 dst=10.0.0.2 type=8 code=0 id=7 src=10.0.0.2 dst=10.0.0.1 type=0 code=0 id=7 mark=0 use=1
tcp      6 431999 ESTABLISHED src=127.0.0.1 dst=127.0.0.1 sport=42990 dport=2379 src=127.0.0.1 dst=127.0.0.1 sport=2379 dport=42990 [ASSURED] mark=0 use=1
conntrack v1.4.7 (conntrack-tools): 5 flow entries have been shown.
";
    let map = of(&[("conntrack.cp.txt", text), ("wide.txt", WIDE)]);
    assert_eq!(map.translations.len(), 4);
    let (client, service, pod) =
        (socket("172.28.0.2:54172"), socket("10.96.12.13:443"), socket("10.244.1.7:10250"));
    let found = map.translation(6, client, service).unwrap();
    assert_eq!(found.reply.0, pod);
    assert_eq!(map.translated(6, client, pod), Some(found));
    assert_eq!(map.translation(17, client, service), None);
    // Source and destination both rewritten.
    let both = map.translated(6, socket("172.28.0.2:1024"), socket("10.244.1.68:10250")).unwrap();
    assert_eq!(both.original, (socket("172.28.0.2:38046"), socket("10.96.12.74:443")));
    assert!(both.unreplied && !found.unreplied);
    let backends = map.backends(service);
    assert_eq!(addresses(&backends), ["10.244.1.7:10250"]);
    assert_eq!((backends[0].learnt, backends[0].node.as_deref()), (Learnt::Conntrack, Some("node-1")));
    assert!(map.backends(socket("127.0.0.1:2379")).is_empty());
    assert_eq!(map.hosts.values().collect::<Vec<_>>(), ["cp-1"]);
}

const SAVE: &str = r#"# Generated by iptables-save v1.8.9 (nf_tables) on Sat Nov 21 02:24:50 2026
*filter
:KUBE-SERVICES - [0:0]
-A OUTPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A KUBE-SERVICES -d 10.43.77.201/32 -p tcp -m comment --comment "cert-manager/cert-manager-webhook:https has no endpoints" -m tcp --dport 443 -j REJECT --reject-with icmp-port-unreachable
COMMIT
*nat
:KUBE-SEP-A - [0:0]
-A KUBE-SEP-A -s 10.42.1.20/32 -m comment --comment "platform-audit/audit-webhook:https" -j KUBE-MARK-MASQ
-A KUBE-SEP-A -p tcp -m comment --comment "platform-audit/audit-webhook:https" -m tcp -j DNAT --to-destination 10.42.1.20:10250
-A KUBE-SEP-B -p tcp -m comment --comment "platform-audit/audit-webhook:https" -m tcp -j DNAT --to-destination 10.42.1.21:10250
-A KUBE-SEP-6 -p tcp -m comment --comment "six/six" -m tcp -j DNAT --to-destination [fd00::7]:443
-A KUBE-SERVICES -d 10.43.12.171/32 -p tcp -m comment --comment "platform-audit/audit-webhook:https cluster IP" -m tcp --dport 443 -j KUBE-SVC-A
-A KUBE-SERVICES -d 198.51.100.7/32 -p tcp -m comment --comment "platform-audit/audit-webhook:https loadbalancer IP" -m tcp --dport 443 -j KUBE-EXT-A
-A KUBE-SERVICES -d fd00:1::1/128 -p tcp -m comment --comment "six/six cluster IP" -m tcp --dport 443 -j KUBE-SVC-6
-A KUBE-EXT-A -j KUBE-SVC-A
-A KUBE-SVC-A ! -s 10.42.0.0/16 -d 10.43.12.171/32 -p tcp -m comment --comment "platform-audit/audit-webhook:https cluster IP" -m tcp --dport 443 -j KUBE-MARK-MASQ
-A KUBE-SVC-A -m comment --comment "platform-audit/audit-webhook:https -> 10.42.1.20:10250" -m statistic --mode random --probability 0.50000000000 -j KUBE-SEP-A
-A KUBE-SVC-A -m comment --comment "platform-audit/audit-webhook:https -> 10.42.1.21:10250" -j KUBE-SEP-B
-A KUBE-SVC-A -j KUBE-SVC-A
-A KUBE-SVC-6 -j KUBE-SEP-6
COMMIT
# Completed on Sat Nov 21 02:24:50 2026
"#;

const LISTING: &str = "\
Chain PREROUTING (policy ACCEPT 0 packets, 0 bytes)
 pkts bytes target     prot opt in     out     source               destination
    9   540 KUBE-SERVICES  all  --  *      *       0.0.0.0/0            0.0.0.0/0            /* kubernetes service portals */

Chain KUBE-SEP-A (1 references)
 pkts bytes target     prot opt in     out     source               destination
    0     0 KUBE-MARK-MASQ  all  --  *      *       10.42.1.20           0.0.0.0/0            /* platform-audit/audit-webhook:https */
    3   180 DNAT       tcp  --  *      *       0.0.0.0/0            0.0.0.0/0            /* platform-audit/audit-webhook:https */ tcp to:10.42.1.20:10250

Chain KUBE-SERVICES (2 references)
 pkts bytes target     prot opt in     out     source               destination
    3   180 KUBE-SVC-A  tcp  --  *      *       0.0.0.0/0            10.43.12.171         /* platform-audit/audit-webhook:https cluster IP */ tcp dpt:443
    3   180 REJECT     tcp  --  *      *       0.0.0.0/0            10.43.77.201         /* cert-manager/cert-manager-webhook:https has no endpoints */ tcp dpt:443 reject-with icmp-port-unreachable

Chain KUBE-SVC-A (1 references)
 pkts bytes target     prot opt in     out     source               destination
    3   180 KUBE-SEP-A  all  --  *      *       0.0.0.0/0            0.0.0.0/0            /* platform-audit/audit-webhook:https -> 10.42.1.20:10250 */
";

const NFT: &str = r#"table ip kube-proxy {
	comment "rules for kube-proxy {}"

	set cluster-ips {
		type ipv4_addr
		comment "Active ClusterIPs"
		elements = { 10.43.12.171, 10.43.77.201 }
	}

	map no-endpoint-services {
		type ipv4_addr . inet_proto . inet_service : verdict
		comment "vmap to drop or reject packets to services with no endpoints"
		elements = { 10.43.77.201 . tcp . 443 comment "cert-manager/cert-manager-webhook:https" : goto reject-chain }
	}

	map service-ips {
		type ipv4_addr . inet_proto . inet_service : verdict
		elements = { 10.43.0.1 . tcp . 443 : goto service-2QRHZV4L-default/kubernetes/tcp/https,
			     10.43.12.171 . tcp . 443 : goto service-ULMVA6XW-platform-audit/audit-webhook/tcp/https }
	}

	chain service-ULMVA6XW-platform-audit/audit-webhook/tcp/https {
		ip daddr 10.43.12.171 tcp dport 443 ip saddr != 10.42.0.0/16 jump mark-for-masquerade
		numgen random mod 2 vmap { 0 : goto endpoint-A-platform-audit/audit-webhook/tcp/https__10.42.1.20/10250, 1 : goto endpoint-B }
	}

	chain endpoint-A-platform-audit/audit-webhook/tcp/https__10.42.1.20/10250 {
		ip saddr 10.42.1.20 jump mark-for-masquerade
		meta l4proto tcp dnat to 10.42.1.20:10250
	}

	chain endpoint-B {
		meta l4proto tcp dnat to 10.42.1.21:10250
	}
}
table ip nat {
	chain KUBE-SERVICES {
		meta l4proto tcp ip daddr 10.43.12.9 tcp dport 443 counter packets 0 bytes 0 jump KUBE-SVC-X
	}
	chain KUBE-SVC-X {
		counter packets 0 bytes 0 jump KUBE-SEP-X
	}
	chain KUBE-SEP-X {
		meta l4proto tcp counter packets 0 bytes 0 dnat to 10.42.1.9:8443
	}
}
"#;

const IPVS: &str = "\
IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn
TCP  10.43.12.171:443 rr
  -> 10.42.1.20:10250             Masq    1      0          0
  -> 10.42.1.21:10250             Masq    1      0          0
TCP  10.43.77.201:443 rr
";

const IPVS_SAVE: &str = "\
-A -t 10.43.12.171:443 -s rr
-a -t 10.43.12.171:443 -r 10.42.1.20:10250 -m -w 1
-a -t 10.43.12.171:443 -r 10.42.1.21:10250 -m -w 1
-A -t 10.43.77.201:443 -s rr
";

#[test]
fn rules_lead_from_virtual_to_real_addresses() {
    let audit = Some("platform-audit/audit-webhook");
    let cert = Some("cert-manager/cert-manager-webhook");
    let two: &[&str] = &["10.42.1.20:10250", "10.42.1.21:10250"];
    let table = [
        ("save", SAVE, two, audit, cert, 4),
        ("listing", LISTING, &["10.42.1.20:10250"], audit, cert, 2),
        ("nft", NFT, two, audit, cert, 3),
        ("ipvs", IPVS, two, None, None, 2),
        ("ipvs save", IPVS_SAVE, two, None, None, 2),
    ];
    for (name, text, backends, audit, cert, count) in table {
        let map = of(&[("rules.txt", text)]);
        assert_eq!(map.destinations.len(), count, "{name}: {:?}", map.destinations);
        let found = map.backends(socket("10.43.12.171:443"));
        assert_eq!(addresses(&found), backends, "{name}");
        assert!(found.iter().all(|b| b.learnt == Learnt::Rules));
        let destination = map.destinations_of(socket("10.43.12.171:443"))[0];
        assert_eq!((destination.service.as_deref(), destination.rejects), (audit, false), "{name}");
        let rejects = map.destinations_of(socket("10.43.77.201:443"))[0];
        assert!(rejects.rejects, "{name}");
        assert_eq!((rejects.service.as_deref(), rejects.backends.len()), (cert, 0), "{name}");
        assert_eq!(map.inputs[0].status(), "ok", "{name}");
    }
    let map = of(&[("rules.txt", SAVE)]);
    assert_eq!(addresses(&map.backends(socket("198.51.100.7:443"))), two);
    assert_eq!(addresses(&map.backends(socket("[fd00:1::1]:443"))), ["[fd00::7]:443"]);
    assert_eq!(addresses(&of(&[("r", NFT)]).backends(socket("10.43.12.9:443"))), ["10.42.1.9:8443"]);
}

#[test]
fn tables_of_kubectl_are_read() {
    let services = "\
NAMESPACE   NAME         TYPE           CLUSTER-IP    EXTERNAL-IP           PORT(S)                      AGE   SELECTOR
default     kubernetes   ClusterIP      10.96.0.1     <none>                443/TCP                      5d    <none>
web         front        LoadBalancer   10.96.7.7     198.51.100.7          80:30080/TCP,443:30443/TCP   5d    app=front
web         away         ExternalName   <none>        db.example.com        <none>                       5d    <none>
";
    let endpoints = "\
NAMESPACE   NAME         ENDPOINTS                                      AGE
default     kubernetes   172.28.0.2:6443                                5d
web         front        10.244.1.7:8443,10.244.1.8:8443 + 3 more...    5d
web         empty        <none>                                         5d
";
    let slices = "\
NAMESPACE   NAME          ADDRESSTYPE   PORTS   ENDPOINTS                 AGE
web         front-7xk2p   IPv4          8443    10.244.1.7,10.244.1.9     5d
";
    let map = of(&[("svc.txt", services), ("ep.txt", endpoints), ("slices.txt", slices)]);
    let front = map.service("web", "front").unwrap();
    assert_eq!(front.external_ips, [ip("198.51.100.7")]);
    assert_eq!(
        front.ports.iter().map(|p| (p.port, p.node_port)).collect::<Vec<_>>(),
        [(80, Some(30080)), (443, Some(30443))]
    );
    assert_eq!(map.service("web", "away").unwrap().external_name.as_deref(), Some("db.example.com"));
    assert_eq!(addresses(&map.backends(socket("10.96.0.1:443"))), ["172.28.0.2:6443"]);
    let front: Vec<_> = map.endpoints_of("web", "front").iter().map(|e| e.address.to_string()).collect();
    assert_eq!(front, ["10.244.1.7:8443", "10.244.1.8:8443", "10.244.1.9:8443"]);
    assert_eq!(map.endpoints_state("web", "empty"), Endpoints::None);
    let map = of(&[("wide.txt", WIDE)]);
    assert_eq!(
        map.nodes.iter().map(|n| (n.name.as_str(), n.ips[0])).collect::<Vec<_>>(),
        [("cp-1", ip("172.28.0.2")), ("node-1", ip("172.28.0.3"))]
    );
    assert_eq!(map.pods[1].ips, [ip("10.244.1.7")]);
    assert_eq!(map.pods[1].node.as_deref(), Some("node-1"));
}

#[test]
fn host_state_says_what_listens_and_where_packets_go() {
    let addr = "\
1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN group default qlen 1000
    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00
    inet 127.0.0.1/8 scope host lo
2: eth0@if5: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1450 qdisc noqueue state UP group default
    link/ether 02:42:ac:1c:00:03 brd ff:ff:ff:ff:ff:ff link-netnsid 0
    inet 172.28.0.3/24 brd 172.28.0.255 scope global eth0
    inet6 fe80::42:acff:fe1c:3/64 scope link
9: kube-ipvs0: <BROADCAST,NOARP> mtu 1500 qdisc noop state DOWN group default
    inet 10.96.0.1/32 scope global kube-ipvs0
";
    let oneline = "2: eth0    inet 172.28.0.2/24 brd 172.28.0.255 scope global eth0\\       valid_lft forever preferred_lft forever\n";
    let routes = "\
default via 172.28.0.1 dev eth0 proto dhcp src 172.28.0.3 metric 100
10.244.1.0/24 dev cni0 proto kernel scope link src 10.244.1.1
10.244.2.0/24 via 172.28.0.4 dev eth0 mtu 1400
blackhole 10.244.3.0/26 proto 80
local 172.28.0.3 dev eth0 table local proto kernel scope host src 172.28.0.3
";
    let neighbours = "172.28.0.1 dev eth0 lladdr 02:42:0a:00:00:01 REACHABLE\n172.28.0.9 dev eth0  FAILED\n";
    let ss = "\
Netid State  Recv-Q Send-Q Local Address:Port  Peer Address:Port Process
nl    UNCONN 0      0      rtnl:kernel         *
u_str LISTEN 0      4096   /run/x.sock 19000   * 0
tcp   LISTEN 129    128    *:10250             *:*               users:((\"webhook\",pid=1,fd=3))
	 skmem:(r0,rb131072,t0)
tcp   LISTEN 0      4096   127.0.0.1:2379      0.0.0.0:*
tcp   ESTAB  0      517    172.28.0.3:51000    10.244.1.7:10250
tcp   LISTEN 0      4096   [::ffff:10.0.0.1]:443 [::]:*
";
    let nstat = "#kernel\nIpInReceives                    95                 0.0\nTcpExtListenOverflows           12                 0.0\nTcpExtListenDrops               0                  0.0\n";
    let map = of(&[
        ("wide.txt", WIDE),
        ("nodes/node-1/ip_addr.txt", addr),
        ("ip-o-addr.cp-1.txt", oneline),
        ("node-1/ip_route.txt", routes),
        ("ip-neigh.node-1.txt", neighbours),
        (
            "node-1/arp",
            "IP address       HW type     Flags       HW address            Mask     Device\n172.28.0.8       0x1         0x0         00:00:00:00:00:00     *        eth0\n",
        ),
        ("sosreport-node-1-2026-11-21-abcdefg/sos_commands/networking/ss_-peaonmi", ss),
        ("nstat_-zas.node-1", nstat),
    ]);
    assert!(map.inputs.iter().all(|i| i.status() == "ok"), "{:?}", map.inputs);
    assert_eq!(
        map.host_addresses,
        [("cp-1".to_owned(), ip("172.28.0.2")), ("node-1".to_owned(), ip("172.28.0.3"))]
    );
    let eth0 =
        map.interfaces.iter().find(|i| i.name == "eth0" && i.host.as_deref() == Some("node-1")).unwrap();
    assert_eq!((eth0.mtu, eth0.mac.as_deref()), (Some(1450), Some("02:42:ac:1c:00:03")));
    let kinds: Vec<_> = map.routes.iter().map(|r| (r.kind.as_str(), r.destination.1, r.mtu)).collect();
    assert_eq!(
        kinds,
        [("unicast", 0, None), ("unicast", 24, None), ("unicast", 24, Some(1400)), ("blackhole", 26, None)]
    );
    let covers: Vec<bool> = map.routes.iter().map(|r| r.covers(ip("10.244.3.9"))).collect();
    assert_eq!(covers, [true, false, false, true]);
    let mut states: Vec<_> = map.neighbours.iter().map(|n| (n.ip.to_string(), n.state.as_str())).collect();
    states.sort_unstable();
    let expected = [("172.28.0.1", "REACHABLE"), ("172.28.0.8", "INCOMPLETE"), ("172.28.0.9", "FAILED")];
    assert_eq!(states, expected.map(|(ip, state)| (ip.to_owned(), state)));
    assert_eq!(map.sockets.len(), 4);
    let full = &map.sockets[0];
    assert_eq!((full.local_ip, full.local_port, full.recv_q, full.send_q), (None, 10250, 129, 128));
    assert_eq!((full.process.as_deref(), full.host.as_deref()), (Some("webhook"), Some("node-1")));
    assert_eq!(map.sockets[2].peer, Some(socket("10.244.1.7:10250")));
    assert_eq!(map.sockets[3].local_ip, Some(ip("10.0.0.1")));
    assert_eq!(counter(&map, "TcpExtListenOverflows"), Some(12));
    assert_eq!(counter(&map, "TcpExtListenDrops"), None);
}

#[test]
fn counters_come_in_three_more_shapes() {
    let table = [
        (
            "netstat",
            "TcpExt: SyncookiesSent ListenOverflows ListenDrops\nTcpExt: 0 12 13\n",
            "TcpExtListenOverflows",
            12,
        ),
        (
            "netstat -s",
            "Ip:\n    Forwarding: 1\nTcpExt:\n    12 times the listen queue of a socket overflowed\n",
            "TcpExtListenOverflows",
            12,
        ),
        (
            "conntrack -S",
            "cpu=0   \tfound=0 invalid=2 insert=0 insert_failed=3 drop=0\ncpu=1   \tfound=0 invalid=0 insert=0 insert_failed=4 drop=0\n",
            "conntrack_insert_failed",
            7,
        ),
    ];
    for (name, text, counter, value) in table {
        let bytes = text.as_bytes();
        let mut b = build::Builder::new(&[]);
        let mut host = text::HostText::new(&mut b, SourceIndex(0));
        let understood = text.lines().filter(|l| host.line(l)).count();
        host.finish();
        assert!(understood > 0 && !bytes.is_empty(), "{name}");
        let found = b.map.counters.iter().find(|c| c.name == counter).map(|c| c.value);
        assert_eq!(found, Some(value), "{name}: {:?}", b.map.counters);
    }
}

#[test]
fn hosts_come_from_paths() {
    let nodes = host::NodeNames::of(["cp-1", "node-1", "node-10", "ip-10-0-0-1.ec2.internal"].into_iter());
    let table = [
        ("cluster/conntrack.cp.txt", Some("cp-1")),
        ("conntrack.node-10.txt", Some("node-10")),
        ("node-1/conntrack.txt", Some("node-1")),
        ("ss_node-10_all.txt", Some("node-10")),
        ("x-node-10-y.txt", Some("node-10")),
        ("host_service_logs/ip-10-0-0-1.ec2.internal/ss.txt", Some("ip-10-0-0-1.ec2.internal")),
        ("iptables-save.worker7.txt", Some("worker7")),
        ("sosreport-infra3-01234567-2026-11-21-abcdefg/sos_commands/x", Some("infra3")),
        ("sosreport-a-b-2026-11-21-abcdefg/sos_commands/x", Some("a-b")),
        ("conntrack.node.txt", Some("node")),
        ("cluster/pods-wide.txt", None),
        ("cluster/conntrack", None),
    ];
    for (path, host) in table {
        assert_eq!(nodes.host_of_path(path).as_deref(), host, "{path}");
    }
}

#[test]
fn disagreements_are_kept_as_sentences() {
    let other = SERVICE.replace("10.96.12.13", "10.96.12.99");
    let stale = SAVE
        .replace("10.43.12.171", "10.96.12.13")
        .replace("platform-audit/audit-webhook", "policy-system/policy-webhook");
    let late = WIDE.replace("10.244.1.20", "10.244.1.7");
    let map = of(&[
        ("a.json", SERVICE),
        ("b.json", &other),
        ("e.yaml", SLICE),
        ("rules.txt", &stale),
        ("wide.txt", &late),
    ]);
    let said: Vec<&str> = map.conflicts.iter().map(|c| c.text.as_str()).collect();
    assert_eq!(
        said,
        [
            "Service policy-system/policy-webhook has the ClusterIP 10.96.12.13, fd00::13 in a.json and 10.96.12.99, fd00::13 in b.json",
            "10.244.1.7 belongs to pod platform-audit/audit-webhook-6c9d7b5f4-x7k2p in wide.txt and to pod policy-system/policy-webhook-5d8f7c9b6d-9qz4l in wide.txt",
            "10.96.12.13:443 (policy-system/policy-webhook) leads to 10.42.1.20:10250, 10.42.1.21:10250 in rules.txt and to 10.244.1.7:10250 in e.yaml",
            "198.51.100.7:443 (policy-system/policy-webhook) leads to 10.42.1.20:10250, 10.42.1.21:10250 in rules.txt and to 10.244.1.7:10250 in e.yaml",
        ]
    );
}

#[test]
fn dumps_that_disagree_are_told_with_their_times() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.json"), SERVICE).unwrap();
    fs::write(dir.path().join("b.json"), SERVICE.replace("10.96.12.13", "10.96.12.99")).unwrap();
    let mut bundle = discover(&[dir.path().to_owned()], &Limits::default()).unwrap();
    for (source, hour) in bundle.sources.iter_mut().zip(2..) {
        source.path = format!("bundle.tar!{}", source.path);
        source.written = Some(crate::time::Timestamp::from_parts(1_795_219_200 + hour * 3600, 0));
    }
    let said = read(&bundle.sources).conflicts.remove(0).text;
    let dated = "10.96.12.13, fd00::13 in bundle.tar!a.json of 2026-11-21T02:00:00Z and 10.96.12.99, fd00::13 in bundle.tar!b.json of 2026-11-21T03:00:00Z";
    assert!(said.ends_with(dated), "{said}");
}

#[test]
fn damage_never_panics() {
    let samples = [SERVICE, SLICE, WIDE, SAVE, LISTING, NFT, IPVS, IPVS_SAVE];
    let sources = SourceIndex(0);
    let read = |text: &str| {
        let mut b = build::Builder::new(&[]);
        documents::read(text, &Limits::default(), &mut crate::error::Weirds::default(), &mut |o| {
            objects::add(&mut b, &o, sources);
        });
        let mut host = text::HostText::new(&mut b, sources);
        for line in text.lines() {
            host.line(line);
        }
        host.finish();
        conflicts::find(&mut b);
        let _ = b.map.backends(socket("10.43.12.171:443"));
    };
    for sample in samples {
        for cut in (0..sample.len()).step_by(7) {
            read(&String::from_utf8_lossy(&sample.as_bytes()[..cut]));
        }
        for at in 0..sample.len() {
            let mut bytes = sample.as_bytes().to_vec();
            bytes[at] ^= 1 << (at % 8);
            read(&String::from_utf8_lossy(&bytes));
        }
    }
}

#[test]
fn an_unknown_kind_is_no_use_and_no_problem() {
    let map =
        of(&[("events.json", "{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[{\"kind\":\"Event\"}]}")]);
    assert_eq!(map.inputs[0].status(), "skipped");
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.log"), "I1121 02:24:41.000000 1 main.go:1] hello\n").unwrap();
    let bundle = discover(&[dir.path().to_owned()], &Limits::default()).unwrap();
    assert_eq!(bundle.sources[0].kind, SourceKind::Log);
    assert!(read(&bundle.sources).inputs.is_empty(), "logs are another stage's");
}

/// A Service has a chain for each of its endpoints: all of them are followed. Chains that lead ever deeper are not, and
/// that is said.
#[test]
fn a_service_of_a_thousand_endpoints_is_followed_to_each() {
    use std::fmt::Write as _;
    let save = |chains: String| {
        format!(
            "# Generated by iptables-save v1.8.9 on Sat Nov 21 02:24:50 2026\n*nat\n-A KUBE-SERVICES -d 10.43.12.171/32 -p tcp -m tcp --dport 443 -j KUBE-SVC-A\n{chains}COMMIT\n"
        )
    };
    let mut wide = String::new();
    for n in 0..1500 {
        let address = format!("10.42.{}.{}:8443", n / 250, n % 250 + 1);
        let _ = writeln!(
            wide,
            "-A KUBE-SVC-A -j KUBE-SEP-{n}\n-A KUBE-SEP-{n} -p tcp -m tcp -j DNAT --to-destination {address}"
        );
    }
    let map = of(&[("iptables-save.txt", &save(wide))]);
    assert_eq!(map.destinations[0].backends.len(), 1500);
    let said =
        |map: &ClusterMap| map.inputs.iter().any(|i| i.problems.iter().any(|w| w.name == "limit_chains"));
    assert!(!said(&map));
    let mut deep = "-A KUBE-SVC-A -j C0\n".to_owned();
    for n in 0..100_000 {
        let _ = writeln!(deep, "-A C{n} -j C{}", n + 1);
    }
    deep += "-A C20 -p tcp -m tcp -j DNAT --to-destination 10.42.1.20:8443\n";
    let map = of(&[("iptables-save.txt", &save(deep))]);
    assert_eq!(map.destinations[0].backends.len(), 1);
    assert!(said(&map));
}

#[test]
fn an_object_of_endless_values_is_cut_and_said() {
    let many = "{\"\":0},".repeat(300_000);
    let text = format!(
        r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"p","namespace":"n"}},"spec":{{"x":[{many}0]}},"status":{{"podIP":"10.0.0.1"}}}}
{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"q","namespace":"n"}},"status":{{"podIP":"10.0.0.2"}}}}"#
    );
    let map = of(&[("pods.json", &text)]);
    assert_eq!(
        map.pods.iter().map(|p| (p.name.as_str(), p.ips.len())).collect::<Vec<_>>(),
        [("p", 0), ("q", 1)]
    );
    let said: Vec<_> = map.inputs[0].problems.iter().map(|w| (w.name, w.count, w.loss)).collect();
    assert_eq!(said, [("limit_object_values", 1, true)]);
}

#[test]
fn one_thing_with_endless_parts_keeps_some_and_says_so() {
    let address = |n: u32| std::net::Ipv4Addr::from(0x0a00_0000 + n);
    let pod = |from: u32| {
        let ips: Vec<_> = (from..from + 300).map(|n| format!(r#"{{"ip":"{}"}}"#, address(n))).collect();
        let ips = ips.join(",");
        format!(r#"{{"kind":"Pod","metadata":{{"name":"p","namespace":"n"}},"status":{{"podIPs":[{ips}]}}}}"#)
    };
    let rule =
        |n| format!("-A K -d 10.96.0.1/32 -p tcp --dport 443 -j DNAT --to-destination {}:1\n", address(n));
    let rules = "*nat\n".to_owned() + &(0..50).map(rule).collect::<Vec<_>>().concat();
    let service = r#"{"apiVersion":"v1","kind":"Service","metadata":{"name":"s","namespace":"n"},"spec":{"clusterIP":"10.96.0.1","ports":[{"port":443}]}}
{"kind":"Endpoints","metadata":{"name":"s","namespace":"n"},"subsets":[{"addresses":[{"ip":"10.1.1.1"}],"ports":[{"port":1}]}]}"#;
    let map =
        of(&[("pods.json", &(pod(0) + "\n" + &pod(1000))), ("rules.txt", &rules), ("service.json", service)]);
    assert_eq!(map.pods[0].ips.len(), 256);
    let said: Vec<_> = map.inputs.iter().flat_map(|i| i.problems.iter()).map(|w| (w.name, w.count)).collect();
    assert_eq!(said, [("limit_addresses", 3)]);
    assert_eq!(map.destinations[0].backends.len(), 50);
    let texts: Vec<_> = map.conflicts.iter().map(|c| c.text.as_str()).collect();
    assert!(texts.iter().any(|t| t.contains("10.0.0.15:1, 34 more in rules.txt")), "{texts:?}");
}

/// Who may write a Service or an EndpointSlice of one namespace names no call to the pods of another.
#[test]
fn an_address_is_its_pods_whatever_other_namespaces_say() {
    let service = |namespace: &str, name: &str, ip: &str, external: &str| {
        format!(
            r#"{{"kind":"Service","metadata":{{"name":"{name}","namespace":"{namespace}"}},"spec":{{"clusterIP":"{ip}","externalIPs":[{external}],"ports":[{{"port":443}}]}}}}"#
        )
    };
    let slice = |namespace: &str, name: &str| {
        format!(
            r#"{{"kind":"EndpointSlice","metadata":{{"name":"{name}-1","namespace":"{namespace}","labels":{{"kubernetes.io/service-name":"{name}"}}}},"endpoints":[{{"addresses":["10.0.0.2"]}}],"ports":[{{"port":443}}]}}"#
        )
    };
    let pod = r#"{"kind":"Pod","metadata":{"name":"pay-0","namespace":"acme"},"status":{"podIP":"10.0.0.2"}}
{"kind":"Node","metadata":{"name":"n"},"status":{"addresses":[{"type":"InternalIP","address":"172.28.0.2"}]}}"#;
    let theirs = service("aevil", "aaa", "10.96.0.8", r#""10.0.0.2","10.96.0.7","172.28.0.2""#)
        + "\n"
        + &slice("aevil", "aaa");
    let own = service("acme", "pay", "10.96.0.7", "") + "\n" + &slice("acme", "pay");
    let map = of(&[("a.json", &theirs), ("b.json", &own), ("c.json", pod)]);
    assert_eq!(map.conflicts.len(), 3, "{:?}", map.conflicts);
    assert!(matches!(map.owner(ip("10.0.0.2")), Some(Owner::Pod(p)) if p.name == "pay-0"));
    assert_eq!(map.service_of_address(socket("10.0.0.2:443")), None);
    let name = |s: &Service| s.name.clone();
    assert_eq!(map.service_of_address(socket("10.96.0.7:443")).map(name).as_deref(), Some("pay"));
    assert_eq!(map.service_of_address(socket("172.28.0.2:443")).map(name).as_deref(), Some("aaa"));
    assert_eq!(map.service_of_address(socket("172.28.0.2:6443")), None);
    let behind: Vec<_> = map.services_behind(socket("10.0.0.2:443")).into_iter().map(name).collect();
    assert_eq!(behind, ["pay", "aaa"]);
    let claims = theirs.replace("\"10.96.0.8\"", "\"10.0.0.2\"");
    let map = of(&[("a.json", &claims), ("b.json", &own), ("c.json", pod)]);
    let said: Vec<_> = map.conflicts.iter().map(|c| c.text.as_str()).collect();
    for what in ["the endpoint", "the external address", "the ClusterIP"] {
        let text = format!(
            "Service aevil/aaa has {what} 10.0.0.2 in a.json, which is that of pod acme/pay-0 in c.json"
        );
        assert!(said.contains(&&*text), "{said:?}");
    }
    let of_service = "Service aevil/aaa has the external address 10.96.0.7 in a.json, which is that of Service acme/pay in b.json";
    assert!(said.contains(&of_service), "{said:?}");
    assert_eq!(said.len(), 4, "{said:?}");
    assert!(
        matches!(map.owner(ip("10.0.0.2")), Some(Owner::Pod(p)) if p.name == "pay-0"),
        "not the ClusterIP's"
    );
    assert_eq!(map.service_of_address(socket("10.0.0.2:443")), None);
}

/// Nor does it name the pod, or take the address of another namespace's Service.
#[test]
fn a_name_in_an_endpoint_is_held_against_the_pods() {
    let slice = |namespace: &str, service: &str, ip: &str, pod: &str| {
        format!(
            r#"{{"kind":"EndpointSlice","metadata":{{"name":"{service}-1","namespace":"{namespace}","labels":{{"kubernetes.io/service-name":"{service}"}}}},"endpoints":[{{"addresses":["{ip}"],"targetRef":{{"kind":"Pod","namespace":"{namespace}","name":"{pod}"}}}}],"ports":[{{"port":443}}]}}"#
        )
    };
    let pod = |name: &str, ip: &str, more: &str| {
        format!(
            r#"{{"kind":"Pod","metadata":{{"name":"{name}","namespace":"acme"}},"spec":{{"nodeName":"n"}},"status":{{{more}"podIP":"{ip}"}}}}"#
        )
    };
    let service = |namespace: &str, name: &str, ip: &str| {
        format!(
            r#"{{"kind":"Service","metadata":{{"name":"{name}","namespace":"{namespace}"}},"spec":{{"clusterIP":"{ip}"}}}}"#
        )
    };
    let objects = [
        service("aevil", "aaa", "10.96.0.8"),
        slice("aevil", "aaa", "10.0.0.2", "web-0"),
        slice("aevil", "aaa", "10.96.0.7", "web-0"),
        slice("aevil", "aaa", "10.0.0.9", "web-0"),
        slice("acme", "pay", "10.0.0.2", "pay-0"),
        slice("acme", "new", "10.0.0.3", "new-1"),
        service("acme", "pay", "10.96.0.7"),
        pod("pay-0", "10.0.0.2", ""),
        pod("new-0", "10.0.0.3", ""),
        pod("alone-0", "10.0.0.9", ""),
        pod("s-0", "10.0.0.6", ""),
        pod("done", "10.0.0.6", r#""phase":"Failed","#).replace("acme", "aevil"),
        slice("aevil", "aaa", "10.0.0.6", "ghost"),
        pod("job-0", "10.0.0.4", r#""phase":"Succeeded","#),
    ];
    let map = of(&[("a.json", &objects.join("\n"))]);
    for (address, pod) in [
        ("10.0.0.2:443", "acme/pay-0"),
        // The pods were listed before it came.
        ("10.0.0.3:443", "acme/new-1"),
        ("10.0.0.9:443", "acme/alone-0"),
        ("10.0.0.4:443", "acme/job-0"),
        // One that has ended speaks for no name beside it.
        ("10.0.0.6:443", "acme/s-0"),
        ("10.96.0.7:443", "aevil/web-0"),
    ] {
        assert_eq!(map.pod_of(socket(address)).as_deref(), Some(pod), "{address}");
    }
    assert_eq!(map.node_of(socket("10.0.0.9:443")), Some("n"));
    let said: Vec<_> = map.conflicts.iter().map(|c| c.text.as_str()).collect();
    let of_service =
        "Service aevil/aaa has the endpoint 10.96.0.7 in a.json, which is that of Service acme/pay in a.json";
    assert!(said.contains(&of_service), "{said:?}");
}

#[test]
fn endpoints_grow_with_the_bytes_of_objects_and_no_faster() {
    let list = |each: &dyn Fn(u32) -> String| (0..400).map(each).collect::<Vec<_>>().join(",");
    let addresses = list(&|n| format!("\"10.9.{}.{}\"", n / 200, n % 200));
    let ports = list(&|n| format!(r#"{{"port":{},"name":"p{n}"}}"#, 1000 + n));
    let slice = |addresses: &str, ports: &str| {
        format!(
            r#"{{"kind":"EndpointSlice","metadata":{{"name":"s-1","namespace":"n","labels":{{"kubernetes.io/service-name":"s"}}}},
"endpoints":[{{"addresses":[{addresses}]}}],"ports":[{ports}]}}"#
        )
    };
    let all = slice(&addresses, &ports);
    let map = of(&[("a.json", &all)]);
    let most = (1 << 16) + all.len();
    assert!((1 << 16..=most).contains(&map.endpoints.len()), "{} of {most}", map.endpoints.len());
    let said: Vec<_> = map.inputs[0].problems.iter().map(|w| (w.name, w.loss)).collect();
    assert_eq!(said, [("limit_endpoints", true)]);
    let few = slice(&addresses, r#"{"port":1},{"port":2},{"port":3}"#);
    let map = of(&[("a.json", &all), ("b.json", &few)]);
    assert!(map.endpoints.iter().any(|e| e.source.0 == 1), "what was read before leaves room");
    assert!(map.inputs[1].problems.iter().next().is_none());
}

#[test]
fn real_addresses_of_all_rules_together_are_bounded_and_said() {
    let dir = tempfile::tempdir().unwrap();
    let to_chain = |n| format!("-A K -d 10.96.0.{n}/32 -p tcp --dport 443 -j C\n");
    let to_address = |n| format!("-A C -j DNAT --to-destination 10.244.0.{n}:1\n");
    let rules = [to_chain(1), to_chain(2), to_chain(3)].into_iter().chain((1..=6).map(to_address));
    fs::write(dir.path().join("rules.txt"), "*nat\n".to_owned() + &rules.collect::<Vec<_>>().concat())
        .unwrap();
    let limits = Limits { facts: 10, ..Limits::default() };
    let map = read(&discover(&[dir.path().to_owned()], &limits).unwrap().sources);
    let backends: Vec<_> = map.destinations.iter().map(|d| (d.backends.len(), d.rejects)).collect();
    assert_eq!(backends, [(6, false), (4, false)], "none of the third: it would seem to lead nowhere");
    let said: Vec<_> = map.inputs[0].problems.iter().map(|w| (w.name, w.count, w.loss)).collect();
    assert_eq!(said, [("limit_facts", 8, true)]);
}

#[test]
fn addresses_count_as_facts_and_a_thing_without_room_for_its_own_is_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let ips = |n, field| {
        let of = |k| format!(r#"{{"{field}":"10.0.{n}.{k}"}}"#);
        (1..=4).map(of).collect::<Vec<_>>().join(",")
    };
    let pods = (0..3).map(|n| {
        let ips = ips(n, "ip");
        format!(
            r#"{{"kind":"Pod","metadata":{{"name":"p{n}","namespace":"n"}},"status":{{"podIPs":[{ips}]}}}}"#
        )
    });
    let pods: String = pods.flat_map(|pod| [pod, "\n".to_owned()]).collect();
    fs::write(dir.path().join("a.json"), pods.repeat(2)).unwrap();
    let link = |n| format!("2: eth0    inet 10.1.1.{n}/24 scope global eth0\n");
    let links = (1..=12).map(link).collect::<Vec<_>>().concat();
    fs::write(dir.path().join("ip-addr.txt"), links).unwrap();
    let limits = Limits { facts: 10, ..Limits::default() };
    let map = read(&discover(&[dir.path().to_owned()], &limits).unwrap().sources);
    assert_eq!(map.pods.iter().map(|p| (&*p.name, p.ips.len())).collect::<Vec<_>>(), [("p0", 4), ("p1", 4)]);
    assert_eq!(map.interfaces.iter().map(|i| i.ips.len()).collect::<Vec<_>>(), [10]);
    let of = |n: usize| map.inputs[n].problems.iter().map(|w| (w.name, w.loss)).collect::<Vec<_>>();
    assert_eq!([of(0), of(1)], [vec![("limit_facts", true)], vec![("limit_facts", true)]]);
}

#[test]
fn equal_certificates_of_many_places_are_kept_once() {
    let map = |n| {
        format!(
            r#"{{"kind":"ConfigMap","metadata":{{"name":"kube-root-ca.crt","namespace":"n{n}"}},"data":{{"ca.crt":"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"}}}}"#
        )
    };
    let map = of(&[("a.json", &(0..9).map(map).collect::<Vec<_>>().join("\n"))]);
    assert_eq!(map.certificates.len(), 9);
    let first = &map.certificates[0].bytes;
    assert!(map.certificates.iter().all(|held| std::sync::Arc::ptr_eq(first, &held.bytes)));
}
