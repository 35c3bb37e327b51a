//! The stage as a whole, on small logs written to a directory: what becomes one event, and when it was.

use std::fs;

use super::*;
use crate::bundle::{self, Limits};

/// Reads files given as path and text.
fn read_files(files: &[(&str, &str)]) -> Logs {
    read_files_with(files, &LogOptions::default())
}

fn read_files_with(files: &[(&str, &str)], options: &LogOptions) -> Logs {
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let bundle = bundle::discover(&[dir.path().to_owned()], &Limits::default()).unwrap();
    read(&bundle.sources, &EventSet::builtin(), options)
}

/// Each event as time, name and its lines' numbers.
fn shown(logs: &Logs) -> Vec<String> {
    let line = |l: &LogLine| l.number.to_string();
    logs.events
        .iter()
        .map(|e| {
            let lines: Vec<_> = e.lines.iter().map(line).collect();
            format!("{} {} {}", e.time.map_or_else(String::new, |t| t.to_string()), e.name, lines.join(","))
        })
        .collect()
}

const CALL: &str = "failed calling webhook \"v.example.com\": failed to call webhook: Post \
                    \"https://v.ns.svc:443/validate?timeout=5s\": context deadline exceeded";

fn dispatcher(stamp: &str) -> String {
    format!(
        "W1121 {stamp}    7 dispatcher.go:205] Failed calling webhook, failing open v.example.com: {CALL}\n"
    )
}

fn unhandled(stamp: &str) -> String {
    let quoted = CALL.replace('"', "\\\"");
    format!(
        "E1121 {stamp}    7 dispatcher.go:213] \"Unhandled Error\" err=\"{quoted}\" logger=\"UnhandledError\"\n"
    )
}

fn cri(stamp: &str, line: &str) -> String {
    format!("2026-11-21T{stamp}00Z stderr F {line}")
}

#[test]
fn what_the_webhook_authenticator_says_and_the_request_that_failed_with_it_are_one_call() {
    let call = r#"Post \"https://hook.shop.svc:443/authenticate?timeout=3s\": dial tcp 10.96.12.20:443: connect: connection refused"#;
    let pair = |second: u32| {
        format!(
            "E1121 02:00:{second}.346774   21099 webhook.go:154] \"Failed to make webhook authenticator request\" err=\"{call}\"\n\
             E1121 02:00:{second}.346864   21099 authentication.go:75] \"Unable to authenticate the request\" err=\"[invalid bearer token, {call}]\"\n"
        )
    };
    let text = pair(36) + &pair(37);
    let logs = read_files(&[("kube-apiserver.log", &text)]);
    let lines: Vec<usize> = logs.events.iter().map(|e| e.lines.len()).collect();
    assert_eq!(lines, [2, 2]);
    assert!(logs.events.iter().all(|e| e.edge == Edge::AuthWebhook && e.fields.reason.ends_with("refused")));
}

/// Who may write what only an API server writes: a pod that is none, by path or by what a collector says, does not.
#[test]
fn a_heading_far_behind_in_a_log_tells_whose_words_follow() {
    let usual = "I1121 02:00:00.000001    7 alloc.go:330] \"allocated clusterIPs\" service=\"a/kubectl \"\n";
    let own = dispatcher("02:00:05.000001");
    let theirs = own.replace("v.example", "w.example").replace("v.ns", "w.ns").replace(":05.", ":06.");
    for heading in [
        "$ kubectl logs -n tenant e-0",
        "root@cp-1:/var/tmp# oc logs -n tenant e-0",
        "> kubectl logs -n tenant e-0",
        "$ tail -n 5 /var/log/pods/tenant_e-0_u/c/0.log",
        "==> dump/tenant/e-0/logs.txt <==",
        "==== START logs for container c of pod tenant/e-0 ====",
    ] {
        for between in [usual, &own] {
            let text = format!("{}{between}{heading}\n{theirs}{}", usual.repeat(20_000), usual.repeat(200));
            let logs = read_files(&[("kube-apiserver.log", &text)]);
            let told: Vec<_> = logs.events.iter().map(|e| e.pod.as_deref().filter(|_| e.pretends)).collect();
            let own = (between != usual).then_some(None);
            assert_eq!(told, own.into_iter().chain([Some("tenant/e-0")]).collect::<Vec<_>>(), "{heading}");
        }
    }
}

#[test]
fn words_of_an_api_server_in_the_log_of_another_pod_pretend() {
    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    let line = dispatcher("02:00:05.000001");
    let available = "E1121 02:00:05.000001    7 remote_available_controller.go:493] \"Unhandled Error\" err=\"v1beta1.metrics.k8s.io failed with: failing or missing response from https://10.96.12.81:443/apis/metrics.k8s.io/v1beta1: Get \\\"https://10.96.12.81:443/apis/metrics.k8s.io/v1beta1\\\": dial tcp 10.96.12.81:443: connect: connection refused\" logger=\"UnhandledError\"\n";
    let own = "E1121 02:00:05.000001    7 dispatcher.go:7] Post \"https://h.n.svc:443/x\": dial tcp 10.0.0.9:443: connect: connection refused\n";
    let retold = format!("E1121 02:00:05.000001    7 x.go:7] Internal error occurred: {CALL}\n");
    let by = |namespace: &str, pod: &str, container: &str| {
        let inner = serde_json::json!({ "log": line, "stream": "stderr", "time": "2026-11-21T02:00:05.000001Z",
            "kubernetes": { "namespace_name": "kube-system", "pod_name": "kube-apiserver-cp-1" } });
        serde_json::json!({ "log": inner.to_string(), "stream": "stdout", "time": "2026-11-21T02:00:05.000001Z",
            "kubernetes": { "namespace_name": namespace, "pod_name": pod, "container_name": container } })
        .to_string()
            + "\n"
    };
    let of_tenant = "var/log/pods/evil_tenant-0_0a1b2c3d-0000-0000-0000-000000000000/app/0.log";
    for (path, text, pretends) in [
        (of_tenant, &*cri("02:00:05.000002", &line), true),
        (of_tenant, &cri("02:00:05.000002", available), true),
        (
            of_tenant,
            &cri("02:00:05.000002", &format!("Nov 21 02:00:05 cp-1 kube-apiserver[1]: {line}")),
            true,
        ),
        (of_tenant, &cri("02:00:05.000002", own), false),
        (of_tenant, &cri("02:00:05.000002", &retold), false),
        (&format!("var/log/containers/tenant-0_evil_app-{ID}.log"), &cri("02:00:05.000002", &line), true),
        (
            "var/log/pods/kube-system_kube-apiserver-cp-1_0a1b/kube-apiserver/0.log",
            &cri("02:00:05.000002", &line),
            false,
        ),
        (
            "var/log/pods/clusters-a_hosted-7d9_0a1b2c3d-0000-0000-0000-000000000000/kube-apiserver/0.log",
            &cri("02:00:05.000002", &line),
            false,
        ),
        ("kube-apiserver.log", &line, false),
        ("all.log", &format!("[pod/tenant-0/app] {line}"), true),
        ("all.log", &format!("[pod/kube-apiserver-cp-1/kube-apiserver] {line}"), false),
        ("all.log", &format!("tenant-0 app {line}"), true),
        ("all.log", &format!("kube-apiserver-cp-1 kube-apiserver {line}"), false),
        ("export.json", &by("evil", "tenant-0", "app"), true),
        ("export.json", &by("clusters-a", "kube-apiserver-7d9", "kube-apiserver"), false),
    ] {
        let logs = read_files(&[(path, text)]);
        let told: Vec<_> = logs.events.iter().map(|e| e.pretends).collect();
        assert_eq!(told, [pretends], "{path}: {text}");
    }
}

#[test]
fn whose_words_lines_are_follows_the_headings_of_a_file() {
    let own = dispatcher("02:00:05.000001");
    let theirs = own.replace("v.example", "w.example").replace("v.ns", "w.ns").replace(":05.", ":06.");
    let framed = |line: &str| cri("02:00:09.000002", line);
    let dumped = |of: &str, said: &str| {
        format!("==== START logs for container {of} ====\n{said}==== END logs for container {of} ====\n")
    };
    let api_server = dumped("kube-apiserver of pod kube-system/kube-apiserver-cp-1", &own);
    let tail = "==> var/log/pods/tenant_e-0_9a6abc05-c272-55d3-a421-a5cbcb13f927/c/0.log <==\n";
    let tail_own = "==> var/log/pods/kube-system_kube-apiserver-cp-1_0123456789abcdef0123456789abcdef/kube-apiserver/0.log <==\n";
    let grep = |name: &str| format!("{name}:1:{}", framed(&theirs));
    let pod = "./tenant_e-0_9a6abc05-c272-55d3-a421-a5cbcb13f927/c/0.log";
    let linked = format!("e-0_tenant_c-{}.log", "0123456789abcdef".repeat(4));
    for (text, pods) in [
        (format!("{api_server}{}", dumped("c of pod tenant/e-0", &theirs)), vec![None, Some("tenant/e-0")]),
        (
            format!("{}{api_server}", dumped("c of pod tenant/e-0", &theirs)),
            vec![Some("tenant/e-0"), Some("tenant/e-0")],
        ),
        (
            format!(
                "==> kube-apiserver.log <==\n{own}\n==> cluster-resources/pods/logs/tenant/e-0/c.log <==\n{theirs}"
            ),
            vec![None, Some("tenant/e-0")],
        ),
        (format!("{tail}{}\n{tail_own}{}", framed(&theirs), framed(&own)), vec![Some("tenant/e-0"), None]),
        (format!("{own}{tail}{}", framed(&theirs)), vec![None, Some("tenant/e-0")]),
        (
            format!("$ journalctl -u kube-apiserver\n{own}$ kubectl logs -n tenant e-0\n{theirs}"),
            vec![None, Some("tenant/e-0")],
        ),
        (
            format!("$ kubectl logs -n tenant e-0\n{theirs}$ journalctl -u kube-apiserver\n{own}"),
            vec![Some("tenant/e-0"), Some("tenant/e-0")],
        ),
        (format!("$ crictl logs 0123abcd\n{own}"), vec![None]),
        (grep(pod), vec![Some("tenant/e-0")]),
        (grep(&linked), vec![Some("tenant/e-0")]),
    ] {
        let logs = read_files(&[("all.txt", &text)]);
        let told: Vec<_> = logs.events.iter().map(|e| e.pod.as_deref().filter(|_| e.pretends)).collect();
        assert_eq!(told, pods, "{text}");
    }
}

#[test]
fn what_the_client_says_of_a_response_and_its_callers_line_are_one_call() {
    const RETRY: &str = "unexpected error when reading response body. Please retry. Original error: ";
    let error = |port: u16| format!("read tcp 10.0.0.2:{port}->10.0.0.3:443: read: connection reset by peer");
    let structured = |second: u32, port: u16| {
        let error = error(port);
        format!(
            "E1121 02:00:0{second}.000148   7 request.go:1252] \"Unexpected error when reading response body\" err=\"{error}\"\n\
             W1121 02:00:0{second}.000292   7 dispatcher.go:217] Failed calling webhook, failing closed v.example.com: failed calling webhook \"v.example.com\": failed to call webhook: {RETRY}{error}\n"
        )
    };
    // before klog was structured; two at one time, then one whose caller keeps silent, and a caller's line too late
    let client = |second: u32| {
        let error = error(5);
        format!(
            "E1121 02:00:0{second}.000148   7 request.go:989] Unexpected error when reading response body: {error}\n"
        )
    };
    let caller = |at: &str| {
        let error = error(5);
        format!("W1121 02:00:0{at}   7 reflector.go:424] failed to list *v1.Pod: {RETRY}{error}\n")
    };
    let text = [
        structured(1, 4001),
        structured(2, 4002),
        client(3),
        client(3),
        client(4),
        caller("3.000292"),
        caller("3.000292"),
        caller("4.900292"),
    ];
    let logs = read_files_with(&[("kube-apiserver.log", &text.concat())], &year_2026());
    let lines: Vec<String> =
        shown(&logs).iter().map(|l| l.split(' ').next_back().unwrap().to_owned()).collect();
    assert_eq!(lines, ["2,1", "4,3", "8,5", "9,6", "7", "10"]);
    let webhooks = logs.events.iter().filter(|e| e.fields.webhook.is_some()).count();
    assert_eq!(webhooks, 2);
}

#[test]
fn a_reflectors_second_line_about_a_list_is_a_copy() {
    let get = |kind: &str| {
        format!(
            "failed to list *v1.{kind}: Get \"https://10.0.0.2:6443/{kind}\": dial tcp 10.0.0.2:6443: connect: connection refused"
        )
    };
    let (node, pod, job) = (get("Node"), get("Pod"), get("Job"));
    let quoted = |text: &str| text.replace('"', "\\\"");
    let text = [
        format!("W1129 07:41:06.176368   24 reflector.go:569] {node}"),
        format!(
            "E1129 07:41:06.176402   24 reflector.go:166] \"Unhandled Error\" err=\"f.go:160: Failed to watch *v1.Node: {}\" logger=\"UnhandledError\"",
            quoted(&node)
        ),
        format!("W1129 07:41:07.176368   24 reflector.go:539] f.go:150: {pod}"),
        format!("E1129 07:41:07.176402   24 reflector.go:147] f.go:150: Failed to watch *v1.Pod: {pod}"),
        format!(
            "E1129 07:41:08.176402   24 reflector.go:205] \"Failed to watch\" err=\"{}\" type=\"*v1.Job\"",
            quoted(&job)
        ),
    ];
    let logs = read_files_with(&[("kube-scheduler.log", &(text.join("\n") + "\n"))], &year_2026());
    let lines: Vec<usize> = logs.events.iter().map(|e| e.lines.len()).collect();
    assert_eq!(lines, [2, 2, 1]);
}

#[test]
fn copies_join_one_to_one_and_parallel_calls_stay_apart() {
    let stamps = ["02:00:05.000001", "02:00:05.000002", "02:00:05.000003"];
    let mut text = String::new();
    for s in stamps {
        text += &cri(s, &dispatcher(s));
    }
    for s in ["02:00:05.000301", "02:00:05.000302"] {
        text += &cri(s, &unhandled(s));
    }
    let kubectl = format!(
        "# 2026-11-21T02:00:00Z\n$ kubectl create -f x\nError from server: Internal error occurred: {CALL}\n"
    );
    let logs = read_files(&[("kube-apiserver.log", &text), ("kubectl.txt", &kubectl)]);
    assert_eq!(
        shown(&logs),
        [
            "2026-11-21T02:00:05.000001000Z deadline_exceeded 1,3",
            "2026-11-21T02:00:05.000002000Z deadline_exceeded 2,5",
            "2026-11-21T02:00:05.000003000Z deadline_exceeded 3,4",
        ]
    );
    assert!(logs.events.iter().all(|e| e.component.as_deref() == Some("kube-apiserver")));
}

/// The same lines of klog as a journal, as CRI, and bare.
fn in_three_forms(lines: &str) -> [String; 3] {
    let with = |head: &dyn Fn(&str) -> String| lines.lines().map(|l| head(l) + l + "\n").collect::<String>();
    let stamp = |line: &str| line.split(' ').nth(1).unwrap_or_default().to_owned();
    [
        with(&|l| format!("2026-11-21T{}+0000 cp-1 kube-apiserver[9]: ", stamp(l))),
        with(&|l| format!("2026-11-21T{}321Z stderr F ", stamp(l))),
        lines.to_owned(),
    ]
}

#[test]
fn a_line_in_several_sources_is_one_and_twice_in_one_source_is_two() {
    let twice = dispatcher("02:00:05.000001").repeat(2);
    let own = twice + &unhandled("02:00:05.000301") + &dispatcher("02:00:07.000000");
    let [journal, cri, bare] = in_three_forms(&own);
    // this file lost a line, and has one that the others lost
    let part = bare.replacen(&dispatcher("02:00:05.000001"), "", 1) + &dispatcher("02:00:08.000000");
    let pods = "pods/kube-system_kube-apiserver-cp-1_1/kube-apiserver/0.log";
    for (one, two, three) in [
        (("a.log", &journal), (pods, &cri), ("x/kube-apiserver.log", &part)),
        (("x.log", &part), (pods, &journal), ("y/kube-apiserver.log", &cri)),
        (("old/a.log.1", &part), ("a.log", &cri), ("z/a.log", &journal)),
    ] {
        let logs = read_files_with(&[one, two, three].map(|(p, t)| (p, t.as_str())), &year_2026());
        let got: Vec<_> = logs.events.iter().map(|e| e.time.map(|t| t.0 / 1_000_000_000 % 60)).collect();
        assert_eq!(got, [5, 5, 7, 8].map(Some), "{:?}", shown(&logs));
        // the copies under "Unhandled Error" are one line as well, and go to one call
        let copies: usize = logs.events.iter().map(|e| e.lines.len()).sum();
        assert_eq!(copies, 3 + 2 + 3 + 3 + 1, "{:?}", shown(&logs));
        assert!(logs.events.iter().take(3).all(|e| e.host.as_deref() == Some("cp-1")), "{:?}", logs.events);
    }
}

#[test]
fn lines_of_several_hosts_or_at_several_times_are_no_twins() {
    let line = dispatcher("02:00:05.000001");
    let of = |host: &str| format!("Nov 21 02:00:05 {host} kube-apiserver[9]: {line}");
    let count = |files: &[(&str, &str)]| read_files_with(files, &year_2026()).events.len();
    assert_eq!(count(&[("a.log", &of("cp-1")), ("b.log", &of("cp-2"))]), 2);
    assert_eq!(count(&[("a.log", &of("cp-1")), ("b.log", &of("cp-2")), ("c.log", &line)]), 2);
    assert_eq!(count(&[("a.log", &of("cp-1")), ("b.log", &of("cp-1.example.com"))]), 1);
    assert_eq!(count(&[("a.log", &of("cp-1")), ("b.log", &of("cp-1").replace("    7 ", "    8 "))]), 2);
    // of a program that tells seconds the runtime's own stamp tells more
    let line = "2026-11-21T02:00:05.000000001Z stderr F 2026/11/21 02:00:05 http: proxy error: dial tcp 10.0.0.1:443: \
                connect: connection refused\n";
    assert_eq!(count(&[("a.log", line), ("b.log", line)]), 1);
    assert_eq!(count(&[("a.log", line), ("b.log", &line.replace("01Z", "02Z"))]), 2);
}

/// Lines at these seconds, each with the next of these words behind the stamp of Go's `log`.
fn seconds(at: &[u32], words: &str) -> String {
    let line = |s: &u32| {
        let reason = format!("dial tcp 10.0.0.1:{words}: connect: connection refused");
        format!("2026/11/21 02:00:{s:02} http: proxy error: {reason}\n")
    };
    at.iter().map(line).collect()
}

#[test]
fn lines_that_tell_seconds_are_twins_where_their_sequences_agree() {
    let count = |one: &str, other: &str| {
        read_files_with(&[("a/webhook.log", one), ("b/webhook.log", other)], &year_2026()).events.len()
    };
    let lines = seconds(&[5, 5, 7, 9, 30], "443");
    assert_eq!(count(&lines, &lines), 5, "a copy");
    assert_eq!(count(&lines, &seconds(&[7, 9, 30, 31], "443")), 6, "one begins later, and ends later");
    assert_eq!(count(&lines, &seconds(&[5, 7, 7, 9, 30], "443")), 10, "at other times");
    assert_eq!(count(&lines, &seconds(&[5, 5, 7, 9, 30], "444")), 10, "of other calls");
    assert_eq!(count(&seconds(&[5], "443"), &seconds(&[5], "443")), 2, "a line alone may be said twice");
    assert_eq!(
        count(&seconds(&[5, 5, 5], "443"), &seconds(&[5, 5, 5], "443")),
        6,
        "so may several in one second"
    );
    let client = "2026/11/21 02:00:05 http: TLS handshake error from 10.0.0.1:40000: EOF\n";
    assert_eq!(count(client, client), 1, "its port tells a call from all others");
    // beside the container's log, whose runtime tells more
    let cri = |l: &str| format!("2026-11-21T{}.000400300Z stderr F {l}\n", &l[11..19]);
    let cri: String = lines.lines().map(cri).collect();
    assert_eq!(count(&lines, &cri), 5);
    let journal = |host: &str| {
        let line = |l: &str| format!("Nov 21 {} {host} webhook[9]: {l}\n", &l[11..19]);
        lines.lines().map(line).collect::<String>()
    };
    assert_eq!(count(&journal("a"), &journal("b")), 10, "of several hosts");
    assert_eq!(count(&journal("a"), &journal("a.example.com")), 5);
    assert_eq!(count(&journal("a"), &lines), 5);
    let pods = ["pods/n_p-1_u/webhook/0.log", "pods/n_p-2_u/webhook/0.log"];
    let replicas = read_files(&pods.map(|path| (path, cri.as_str())));
    assert_eq!(replicas.events.len(), 10, "of several pods");
}

/// An audit event and an event of Kubernetes have an identity, wherever they are told.
#[test]
fn what_has_an_identity_is_one_in_several_sources() {
    let audit = |id: &str| {
        let message = serde_json::to_string(&format!("Internal error occurred: {CALL}")).unwrap();
        format!(
            "{{\"kind\":\"Event\",\"apiVersion\":\"audit.k8s.io/v1\",\"auditID\":\"{id}\",\"stage\":\"ResponseComplete\",\"responseStatus\":{{\"message\":{message},\"code\":500}},\"stageTimestamp\":\"2026-11-21T02:00:05.000001Z\"}}\n"
        )
    };
    let logs =
        |one: &str, other: &str| read_files(&[("audit.log", one), ("copy/audit.log", other)]).events.len();
    assert_eq!(logs(&audit("a"), &audit("a")), 1);
    assert_eq!(logs(&audit("a").replace("{\"kind\":", "{\"kind\": "), &audit("a")), 1, "with spaces");
    assert_eq!(logs(&audit("a"), &audit("b")), 2);
    let event = |uid: &str, count: u32| {
        let event = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": [{
            "kind": "Event", "count": count, "lastTimestamp": "2026-11-21T02:00:05Z", "reason": "Unhealthy",
            "message": "Readiness probe failed: Get \"https://10.244.1.7:8443/readyz\": dial tcp 10.244.1.7:8443: connect: connection refused",
            "metadata": {"uid": uid}, "source": {"component": "kubelet", "host": "n"}}]});
        serde_json::to_string_pretty(&event).unwrap()
    };
    let events =
        |one: &str, other: &str| read_files(&[("events.json", one), ("n/events.json", other)]).events.len();
    assert_eq!(events(&event("a", 1), &event("a", 1)), 1);
    assert_eq!(events(&event("a", 1), &event("a", 2)), 2, "it happened again");
    assert_eq!(events(&event("a", 1), &event("b", 1)), 2);
}

#[test]
fn a_controller_and_a_user_each_repeat_what_the_api_server_answered() {
    let quoted = CALL.replace('"', "\\\"");
    for said in [format!("Internal error occurred: {quoted}"), quoted.clone()] {
        let controller = |s: &str| {
            format!(
                "2026-11-21T{s}+0000 cp-1 kube-controller-manager[9]: E1121 {s}       9 replica_set.go:560] \
                 \"Unhandled Error\" err=\"sync \\\"a/b\\\" failed with {said}\" logger=\"UnhandledError\"\n"
            )
        };
        let log = ["02:00:05.000001", "02:00:15.000001"].map(|s| cri(s, &dispatcher(s))).concat();
        let echo = ["02:00:05.002001", "02:00:15.002001"].map(controller).concat();
        let kubectl = ["02:00:00", "02:00:10"].map(|s| {
            format!("# 2026-11-21T{s}Z\n$ kubectl create -f x\nError from server: Internal error occurred: {CALL}\n")
        });
        let files = [
            ("kube-apiserver.log", &*log),
            ("journalctl-kube-controller-manager.log", &echo),
            ("kubectl.txt", &kubectl.concat()),
        ];
        let logs = read_files(&files);
        assert_eq!(logs.events.len(), 2, "{:?}", shown(&logs));
        assert!(logs.events.iter().all(|e| e.lines.len() == 3), "{:?}", shown(&logs));
        assert!(logs.events.iter().all(|e| e.component.as_deref() == Some("kube-apiserver")));
    }
}

#[test]
fn a_clients_error_without_its_call_is_an_event_of_its_own() {
    let kubectl = format!(
        "# 2026-11-21T02:00:00Z\n$ kubectl create -f x\nError from server: Internal error occurred: {CALL}\n"
    );
    let logs = read_files(&[("kubectl.txt", &kubectl)]);
    assert_eq!(shown(&logs), ["2026-11-21T02:00:00.000000000Z deadline_exceeded 3"]);
    assert_eq!(logs.events[0].component.as_deref(), Some("kubectl"));
}

#[test]
fn a_clients_error_with_a_4_tuple_tells_the_zone() {
    let cause = "failed calling webhook \"v.example.com\": failed to call webhook: Post \
                 \"https://v.ns.svc:443/validate?timeout=5s\": read tcp 10.0.0.1:40000->10.0.0.2:443: read: \
                 connection reset by peer";
    let log = format!(
        "W1120 21:00:00.500000    7 dispatcher.go:217] Failed calling webhook, failing closed v.example.com: {cause}\n"
    );
    let kubectl = format!(
        "# 2026-11-21T02:00:00Z\n$ kubectl create -f x\nerror: failed to create: Internal error occurred: {cause}\n"
    );
    let logs = read_files(&[("kube-apiserver.log", &log), ("kubectl.txt", &kubectl)]);
    let event = &logs.events[0];
    assert_eq!(shown(&logs).len(), 1);
    assert_eq!(event.lines.len(), 2);
    let base = &logs.reports.iter().find(|r| r.component.as_deref() == Some("kube-apiserver")).unwrap().base;
    assert_eq!((base.zone.as_deref(), base.assumed_zone), (Some("-05:00"), false), "{}", base.from);
    // what a tenant's pod writes of it moves nothing, and what the controller's does
    for (path, moved) in
        [("pods/evil_x_1/x/0.log", false), ("pods/kube-system_c_1/kube-controller-manager/0.log", true)]
    {
        let copy = cri("02:00:00.700000", &format!("Internal error occurred: {cause}\n"));
        let logs = read_files(&[("kube-apiserver.log", &log), (path, &copy)]);
        let base =
            &logs.reports.iter().find(|r| r.component.as_deref() == Some("kube-apiserver")).unwrap().base;
        assert_eq!(base.zone.as_deref() == Some("-05:00"), moved, "{path}: {}", base.from);
    }
}

#[test]
fn a_trace_gives_begin_and_duration() {
    let mut text = cri("02:00:05.000100", &dispatcher("02:00:05.000001"));
    text += &cri(
        "02:00:05.000400",
        "I1121 02:00:05.000301    7 trace.go:236] Trace[5]: \"Call validating webhook\" configuration:c,webhook:v.example.com,\
         resource:/v1, Resource=pods,operation:CREATE,UID:1 (21-Nov-2026 02:00:00.000) (total time: 5000ms):\n",
    );
    let logs = read_files(&[("kube-apiserver.log", &text)]);
    let fields = &logs.events[0].fields;
    assert_eq!(fields.duration, Some(TimeDelta::from_secs(5)));
    assert_eq!(fields.started.unwrap().to_string(), "2026-11-21T02:00:00.000000000Z");
    assert_eq!(shown(&logs), ["2026-11-21T02:00:05.000100000Z deadline_exceeded 1,2"]);
}

#[test]
fn multi_line_values_and_partial_lines_are_one_entry() {
    let text = "E1121 02:00:05.000001    7 controller.go:157] \"Unhandled Error\" err=<\n\
                \tfailed to do: Get \"https://10.0.0.1:6443/api/v1/pods\": dial tcp 10.0.0.1:6443: connect: connection refused\n\
                \tmore\n > logger=\"UnhandledError\"\n\
                W1121 02:00:06.000001    7 x.go:1] fine\n";
    let logs = read_files(&[("kubelet.log", text)]);
    let event = &logs.events[0];
    assert_eq!((&*event.name, event.edge), ("connection_refused", Edge::Apiserver));
    assert_eq!(event.lines.iter().map(|l| l.number).collect::<Vec<_>>(), [1, 2]);

    let whole = dispatcher("02:00:05.000001");
    let (one, two) = whole.split_at(120);
    let text = format!(
        "2026-11-21T02:00:05.000100000Z stderr P {one}\n2026-11-21T02:00:05.000200000Z stderr F {two}"
    );
    let logs = read_files(&[("0.log", &text)]);
    assert_eq!(logs.events.len(), 1);
    assert_eq!(&*logs.events[0].name, "deadline_exceeded");
}

#[test]
fn lines_that_a_runtime_cut_are_joined_across_the_other_stream() {
    let whole = dispatcher("02:00:05.000001");
    let whole = whole.trim_end();
    let parts = [&whole[..60], &whole[60..150], &whole[150..]];
    let cri = |n: usize, flag: &str| format!("2026-11-21T02:00:05.00010{n}000Z stderr {flag} {}\n", parts[n]);
    let docker = |n: usize, end: &str| {
        let text = serde_json::to_string(&format!("{}{end}", parts[n])).unwrap();
        format!("{{\"log\":{text},\"stream\":\"stderr\",\"time\":\"2026-11-21T02:00:05.00010{n}000Z\"}}\n")
    };
    let other = "2026-11-21T02:00:05.000101500Z stdout F GET /readyz\n";
    for text in [
        [cri(0, "P"), other.to_owned(), cri(1, "P"), cri(2, "F"), other.to_owned()].concat(),
        [docker(0, ""), docker(1, ""), docker(2, "\n")].concat(),
    ] {
        let logs = read_files(&[("0.log", &text)]);
        let [event] = logs.events.as_slice() else { panic!("{text}: {:?}", shown(&logs)) };
        assert_eq!((&*event.name, event.edge), ("deadline_exceeded", Edge::Webhook), "{text}");
        assert_eq!(event.time.map(|t| t.to_string()).as_deref(), Some("2026-11-21T02:00:05.000100000Z"));
    }
}

#[test]
fn an_hour_that_comes_twice_is_told_by_the_order_of_lines() {
    let line = |time: &str| {
        format!("W1025 {time}.000000       7 x.go:1] dial tcp 10.0.0.1:443: connect: connection refused\n")
    };
    let text = [line("02:59:58"), line("02:00:02"), line("02:30:00"), line("03:00:00")].concat();
    let zone = Some(jiff::tz::TimeZone::get("Europe/Berlin").unwrap());
    let options = LogOptions { zone, ..year_2026() };
    let logs = read_files_with(&[("kubelet.log", &text)], &options);
    let times: Vec<_> = logs.events.iter().map(|e| e.time.unwrap().to_string()[11..19].to_owned()).collect();
    assert_eq!(times, ["00:59:58", "01:00:02", "01:30:00", "02:00:00"]);
}

#[test]
fn multi_line_values_of_a_log_in_reverse_are_one_entry() {
    let entry = |port: u16, second: u8| {
        let head = format!("Nov 21 02:00:0{second} cp-1 kubelet[7]:");
        [
            format!(
                "{head} E1121 02:00:0{second}.000001       7 reflector.go:157] \"Unhandled Error\" err=<"
            ),
            format!(
                "{head} \tGet \"https://10.0.0.1:{port}/api\": dial tcp 10.0.0.1:{port}: connect: connection refused"
            ),
            format!("{head} \tmore"),
            format!("{head}  > logger=\"UnhandledError\""),
        ]
    };
    let plain = "Nov 21 02:00:03 cp-1 kubelet[7]: I1121 02:00:03.000001       7 x.go:1] fine".to_owned();
    let mut lines = [entry(6443, 1).as_slice(), &entry(6444, 2), &[plain], &entry(6445, 4)].concat();
    let read = |lines: &[String]| {
        let logs = read_files(&[("kubelet.log", &lines.join("\n"))]);
        let told = |e: &LogEvent| (e.time.map(|t| t.to_string()), e.edge, e.fields.destination);
        (logs.events.iter().map(told).collect::<Vec<_>>(), shown(&logs))
    };
    let (told, numbers) = read(&lines);
    assert!(numbers[0].ends_with("01.000001000Z connection_refused 1,2"), "{numbers:?}");
    lines.reverse();
    let (turned, numbers) = read(&lines);
    assert_eq!(turned, told);
    assert!(numbers[0].ends_with("01.000001000Z connection_refused 13,12"), "{numbers:?}");
}

#[test]
fn what_no_event_knows_is_shown() {
    let text = "W1121 02:00:05.000001    7 x.go:1] Get \"https://10.0.0.1:6443/api\": dial tcp 10.0.0.1:6443: connect: no medium found\n";
    let logs = read_files(&[("kubelet.log", text)]);
    assert_eq!((logs.events.len(), logs.reports[0].unrecognised), (0, 1));
    assert_eq!(logs.reports[0].unrecognised_lines[0].number, 1);
}

/// Wherever whatever shipped it cut the line, the failure is one, and of its reason only the whole counts.
#[test]
fn a_line_that_was_cut_before_its_reason_is_a_failure() {
    for whole in [dispatcher("02:00:05.000001"), unhandled("02:00:05.000001")] {
        let (from, reason) = ("failed calling webhook", "context deadline exceeded");
        let (from, end) =
            (whole.find(from).unwrap() + from.len(), whole.find(reason).unwrap() + reason.len());
        for n in from..end {
            let logs = read_files(&[("kube-apiserver.log", &whole[..n])]);
            let names: Vec<_> = logs.events.iter().map(|e| &*e.name).collect();
            assert_eq!(names, ["reason_cut_off"], "{}", &whole[..n]);
        }
        let logs = read_files(&[("kube-apiserver.log", &whole[..end])]);
        assert_eq!(logs.events[0].name.as_ref(), "deadline_exceeded");
    }
    let alert = |words: &str| {
        let line = dispatcher("02:00:05.000001").replace("context deadline exceeded", words);
        let logs = read_files(&[("kube-apiserver.log", &line)]);
        (logs.events[0].name.to_string(), logs.events[0].fields.alert.clone())
    };
    let told = |name: &str, alert: Option<&str>| (name.to_owned(), alert.map(str::to_owned));
    assert_eq!(alert("remote error: tls: certificate requ"), told("reason_cut_off", None));
    assert_eq!(
        alert("remote error: tls: certificate required"),
        told("tls_alert", Some("certificate required"))
    );
    assert_eq!(alert("remote error: tls: no words of Go"), told("tls_alert", Some("no words of Go")));
}

/// A line that was cut is one call with the lines of it that are whole, and tells what they tell.
#[test]
fn a_cut_line_is_completed_by_whole_lines_of_its_call() {
    let (first, copy) = (dispatcher("02:00:05.000001"), unhandled("02:00:05.000301"));
    let cut = |line: &str, words: &str| line[..line.find(words).unwrap()].to_owned() + "\n";
    let client = |line: &str| {
        format!(
            "# 2026-11-21T02:00:00Z\n$ kubectl create -f x\nError from server (InternalError): Internal error occurred: {line}\n"
        )
    };
    let (client, of_server) = (client(CALL), |one: &str, two: &str| one.to_owned() + two);
    let cases = [
        (of_server(&cut(&first, "validate?"), &copy), String::new(), "deadline_exceeded 1,2"),
        (of_server(&first, &cut(&copy, "validate?")), String::new(), "deadline_exceeded 1,2"),
        (
            of_server(&cut(&first, "validate?"), &cut(&copy, "v.ns.svc")),
            client.clone(),
            "deadline_exceeded 1,2,3",
        ),
        (first.clone(), cut(&client, "v.ns.svc"), "deadline_exceeded 1,3"),
        (of_server(&cut(&first, "validate?"), &cut(&copy, "v.ns.svc")), String::new(), "reason_cut_off 1,2"),
    ];
    for (server, kubectl, told) in cases {
        let logs =
            read_files_with(&[("kube-apiserver.log", &server), ("kubectl.txt", &kubectl)], &year_2026());
        assert_eq!(shown(&logs), [format!("2026-11-21T02:00:05.000001000Z {told}")], "{server}{kubectl}");
        assert_eq!(logs.events[0].fields.fail_open, Some(true), "{server}");
    }
    // a whole line completes one call
    let two = cut(&first, "validate?") + &cut(&dispatcher("02:00:06.000001"), "validate?") + &copy;
    let logs = read_files_with(&[("kube-apiserver.log", &two)], &year_2026());
    let names: Vec<_> = logs.events.iter().map(|e| &*e.name).collect();
    assert_eq!(names, ["deadline_exceeded", "reason_cut_off"]);
    let other = cut(&first, "validate?") + &copy.replace("v.example.com", "w.example.com");
    let logs = read_files_with(&[("kube-apiserver.log", &other)], &year_2026());
    assert_eq!(logs.events.len(), 2, "of another webhook");
}

/// What a denial quotes over several lines belongs to it wherever a window of the log ends.
#[test]
fn words_of_a_denial_are_read_with_it_across_windows() {
    let quoted = "  Get \"https://ghcr.io/v2/\": dial tcp 140.82.121.33:443: i/o timeout\n".repeat(2)
        + "x: W1121 02:00:05.000001       7 d.go:1] dial tcp 140.82.121.33:443: i/o timeout\n";
    let denial = "Error from server (Forbidden): error when creating \"x.yaml\": admission webhook \"v.example.com\" \
                  denied the request: \n\n";
    let count = 6_000;
    let logs = read_files(&[("ci.log", &format!("{denial}{quoted}").repeat(count))]);
    assert_eq!((logs.events.len(), logs.reports[0].unrecognised), (count, 0));
    assert!(logs.events.iter().all(|e| &*e.name == "webhook_denied"));
}

#[test]
fn text_that_is_no_log_is_skipped_and_damaged_text_never_panics() {
    let logs = read_files(&[("README.txt", "Collected by hand.\n")]);
    assert!(logs.reports.is_empty() && logs.inputs[0].skipped);
    let whole = cri("02:00:05.000100", &dispatcher("02:00:05.000001")) + &unhandled("02:00:05.000301");
    for n in (0..whole.len()).step_by(7) {
        let mut bytes = whole.clone().into_bytes();
        bytes[n] ^= 0x95;
        let _ = read_files(&[("a.log", &String::from_utf8_lossy(&bytes)), ("b.log", &whole[..n])]);
    }
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let mut text = String::new();
    for n in 0..20_000 {
        let stamp = format!("02:{:02}:{:02}.{:06}", n / 60 % 60, n % 60, n);
        text += &cri(&stamp, &if n % 3 == 0 { unhandled(&stamp) } else { dispatcher(&stamp) });
    }
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        shown(&pool.install(|| read_files(&[("kube-apiserver.log", &text)])))
    };
    let one = run(1);
    assert!(one.len() > 10_000);
    assert_eq!(one, run(2));
    assert_eq!(one, run(5));
}

/// What journalctl printed of the journal in `tests/journals`, in every format that it has.
#[test]
fn every_output_of_journalctl_tells_the_same_failures() {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/journals");
    let told = |name: &str, options: &LogOptions| {
        let bundle = bundle::discover(&[dir.join(name)], &Limits::default()).unwrap();
        let logs = read(&bundle.sources, &EventSet::builtin(), options);
        assert_eq!(logs.reports.len(), 1, "{name}");
        let events = logs.events.iter().map(|e| {
            let time = e.time.map_or_else(String::new, |t| t.to_string());
            let from = (e.component.as_deref().unwrap_or("-"), e.host.as_deref().unwrap_or("-"));
            format!(
                "{time} {} {} {from:?} x{}",
                e.name,
                e.fields.apiservice.as_deref().unwrap_or("-"),
                e.lines.len()
            )
        });
        (logs.reports[0].format.clone(), events.collect::<Vec<_>>())
    };
    let (_, expected) = told("journalctl-short-precise.txt", &year_2026());
    assert_eq!(expected.len(), 5, "{expected:#?}");
    for (name, format) in [
        ("journalctl-short-iso-precise.txt", "journal short-iso-precise"),
        ("journalctl-short-unix.txt", "journal short-unix"),
        ("journalctl-verbose.txt", "journal verbose"),
        ("journalctl-export.txt", "journal export"),
        ("journalctl-json.txt", "journal json"),
        ("journalctl-json-pretty.txt", "journal json-pretty"),
        ("journalctl-json-seq.txt", "journal json"),
        ("journalctl-json-sse.txt", "journal json"),
        ("journalctl-reverse.txt", "journal short-precise"),
        ("zstd-keyed-compact.journal.xz", "journal export"),
        ("unclean.journal~.xz", "journal export"),
    ] {
        let got = told(name, &year_2026());
        // verbose hides what is not printable: `[97B blob data]`
        let expected = if format == "journal verbose" { expected[..4].to_vec() } else { expected.clone() };
        assert_eq!((got.0.split(" / ").next(), &got.1), (Some(format), &expected), "{name}");
    }
}

/// Outputs with stamps of seconds, of another zone, or without any date: klog's own header gives the microseconds.
#[test]
fn coarse_outputs_of_journalctl_take_their_microseconds_from_klog() {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/journals");
    let klog = ["26:31.766616", "26:31.767112", "26:31.772817", "26:32.154053"];
    for (name, format, zone) in [
        ("journalctl-short.txt", "journal short", "UTC"),
        ("journalctl-short-iso.txt", "journal short-iso", "UTC"),
        ("journalctl-short-full.txt", "journal short-full", "UTC"),
        ("journalctl-with-unit.txt", "journal with-unit", "UTC"),
        ("journalctl-new-york.txt", "journal short-full", "EST"),
        ("journalctl-short-monotonic.txt", "journal short-monotonic", "UTC"),
        ("journalctl-cat.txt", "klog", "UTC"),
    ] {
        let bundle = bundle::discover(&[dir.join(name)], &Limits::default()).unwrap();
        let logs = read(&bundle.sources, &EventSet::builtin(), &year_2026());
        let report = &logs.reports[0];
        assert!(report.format.starts_with(format), "{name}: {}", report.format);
        let named = report.base.zone.as_deref().unwrap_or("UTC");
        assert!(named == zone || named == "-05:00" && zone == "EST", "{name}: {named}");
        let times: Vec<_> = logs
            .events
            .iter()
            .filter(|e| e.edge == Edge::AggregatedApi)
            .map(|e| e.time.unwrap().to_string())
            .collect();
        let expected: Vec<_> = klog.iter().map(|t| format!("2026-11-21T02:{t}000Z")).collect();
        assert_eq!(times, expected, "{name}");
    }
}

/// Who wrote a log is told by its path, its units, or what only one program writes.
#[test]
fn components_are_named_from_path_unit_and_content() {
    let refused =
        "Get \"https://10.0.0.1:6443/api/v1/nodes/n1\": dial tcp 10.0.0.1:6443: connect: connection refused";
    let klog = |file: &str| format!("E1121 02:00:05.000001    7 {file}:99] {refused}\n");
    for (path, text, component, edge) in [
        ("logs/kubelet.cp-1.log", klog("x.go"), "kubelet", Edge::Apiserver),
        ("host_service_logs/masters/kubelet_service.log", klog("x.go"), "kubelet", Edge::Apiserver),
        ("pods/kube-system_kube-scheduler-cp-1_0c2e/kube-scheduler/0.log", klog("x.go"), "kube-scheduler", Edge::Apiserver),
        ("namespaces/a/pods/hook-1/hook/hook/logs/current.log", klog("x.go"), "hook", Edge::Apiserver),
        ("a.log", format!("Nov 21 02:00:05 cp-1 kube-controller-manager[9]: {}", klog("x.go")), "kube-controller-manager", Edge::Apiserver),
        ("a.log", format!("Sat 2026-11-21 02:00:05 UTC cp-1 kubelet.service[9]: {}", klog("x.go")), "kubelet", Edge::Apiserver),
        ("a.log", klog("dispatcher.go"), "kube-apiserver", Edge::Apiserver),
        ("a.log", klog("kubelet_node_status.go"), "kubelet", Edge::Apiserver),
        ("a.log", format!("# 2026-11-21T02:00:00Z\n$ kubectl get nodes\nUnable to connect to the server: {refused}\n"), "kubectl", Edge::Apiserver),
        (
            "konnectivity-agent.log",
            "E1121 02:00:05.000001    1 client.go:540] \"error dialing backend\" err=\"dial tcp 10.0.0.7:9443: connect: \
             connection refused\" dialAddress=\"10.0.0.7:9443\"\n".to_owned(),
            "konnectivity-agent",
            Edge::Konnectivity,
        ),
    ] {
        let logs = read_files(&[(path, &text)]);
        let event = logs.events.first().unwrap_or_else(|| panic!("{path}: {text}"));
        assert_eq!((event.component.as_deref(), event.edge), (Some(component), edge), "{path}: {text}");
    }
}

/// The kubelet's own words of a pod that does not answer, as `kubectl get events` prints them.
#[test]
fn events_of_kubernetes_are_a_log() {
    let json = r#"{
    "apiVersion": "v1",
    "items": [
        {
            "apiVersion": "v1",
            "count": 7,
            "firstTimestamp": "2026-11-21T01:58:00Z",
            "kind": "Event",
            "lastTimestamp": "2026-11-21T02:00:05Z",
            "message": "Readiness probe failed: Get \"https://10.244.1.7:8443/readyz\": dial tcp 10.244.1.7:8443: connect: connection refused",
            "reason": "Unhealthy",
            "source": {
                "component": "kubelet",
                "host": "node-1"
            },
            "type": "Warning"
        }
    ],
    "kind": "List"
}
"#;
    let yaml = "apiVersion: v1\nitems:\n- apiVersion: v1\n  count: 7\n  kind: Event\n  lastTimestamp: \"2026-11-21T02:00:05Z\"\n  \
                message: 'Readiness probe failed: Get \"https://10.244.1.7:8443/readyz\": dial tcp\n    10.244.1.7:8443: connect: \
                connection refused'\n  reason: Unhealthy\n  source:\n    component: kubelet\n    host: node-1\nkind: List\n";
    for (name, text, line) in [("events.json", json, 10), ("events.yaml", yaml, 7)] {
        let logs = read_files(&[(name, text)]);
        assert_eq!(
            shown(&logs),
            [format!("2026-11-21T02:00:05.000000000Z connection_refused {line}")],
            "{name}"
        );
        let event = &logs.events[0];
        assert_eq!((event.edge, event.host.as_deref()), (Edge::Probe, Some("node-1")));
        assert_eq!(event.component.as_deref(), Some("kubelet"));
        assert_eq!(event.fields.destination.unwrap().to_string(), "10.244.1.7:8443");
    }
}

/// As kubectl, jq and clients print them, behind other objects or not; items of an EventList have no kind.
#[test]
fn events_among_other_objects_are_a_log() {
    use serde_json::{Value, json};
    let pod = |n: usize| json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": format!("p{n}"), "annotations": {"quoted": "{\"involvedObject\":{}}"}}});
    let event = |n: usize, kind: bool| {
        let message = format!(
            "Readiness probe failed: Get \"https://10.244.1.{n}:8443/readyz\": dial tcp 10.244.1.{n}:8443: connect: connection refused"
        );
        let mut event = json!({"metadata": {"name": format!("e{n}"), "managedFields": [{"apiVersion": "v1", "fieldsV1": {"f:involvedObject": {}}}]},
            "involvedObject": {"kind": "Pod", "name": "p"}, "lastTimestamp": "2026-11-21T02:00:05Z", "reason": "Unhealthy", "message": message});
        if kind {
            event["kind"] = "Event".into();
            event["apiVersion"] = "v1".into();
        }
        event
    };
    let read = |name: &str, text: &str| {
        let logs = read_files(&[(name, text)]);
        let found: Vec<_> = logs.events.iter().map(|e| e.fields.destination.unwrap().to_string()).collect();
        assert_eq!(found, ["10.244.1.7:8443", "10.244.1.8:8443"], "{name} {}", &text[..text.len().min(900)]);
        logs.events.iter().map(|e| e.lines[0].number).collect::<Vec<_>>()
    };
    for kind in [true, false] {
        for pods in [0, 3, 3_000] {
            let mut items: Vec<Value> = (0..pods).map(pod).collect();
            items.extend([event(7, kind), event(8, kind)]);
            let list =
                json!({"apiVersion": "v1", "kind": if kind { "List" } else { "EventList" }, "items": items});
            assert_eq!(read("compact.json", &list.to_string()), [1, 1]);
            let pretty = serde_json::to_string_pretty(&list).unwrap();
            let lines = read("pretty.json", &pretty);
            assert!(
                lines.iter().all(|n| pretty.lines().nth(*n as usize - 1).unwrap().contains("\"message\""))
            );
            let each = items.iter().map(Value::to_string).collect::<Vec<_>>().join("\n");
            assert_eq!(read("each.json", &each), [pods as u64 + 1, pods as u64 + 2]);
            let documents: Vec<_> = items.iter().map(|i| serde_json::to_string_pretty(i).unwrap()).collect();
            let documents = documents.join("\n");
            read("documents.json", &documents);
            read("windows.json", &documents.replace('\n', "\r\n"));
        }
    }
    let (one, two) = (event(7, true), event(8, true));
    let list = |event: &Value| json!({"apiVersion": "v1", "items": [event], "kind": "List"});
    let indented = |value: &Value| format!("{value:#}\n").replace("  ", "    ");
    for (name, first, second) in [
        ("indents.json", format!("{:#}\n", list(&one)), indented(&list(&two))),
        ("lines.json", format!("{one}\n"), indented(&two)),
        ("array.json", indented(&list(&one)), format!("[{two}]\n")),
    ] {
        read(name, &(first + &second));
    }
    let item = |n: usize| {
        format!(
            "- apiVersion: v1\n  involvedObject:\n    kind: Pod\n  kind: Event\n  lastTimestamp: \"2026-11-21T02:00:05Z\"\n  message: 'Get \"https://10.244.1.{n}:8443/readyz\": dial tcp\n    10.244.1.{n}:8443: connect: connection refused'\n  reason: Unhealthy\n"
        )
    };
    let pods = "- apiVersion: v1\n  kind: Pod\n  metadata:\n    name: a\n".repeat(400);
    let items = format!("{pods}{}{}", item(7), item(8));
    assert_eq!(read("list.yaml", &format!("apiVersion: v1\nitems:\n{items}kind: List\n")), [1608, 1616]);
    let indented = format!("  {}\n", items.trim_end().replace('\n', "\n  "));
    assert_eq!(read("indented.yaml", &format!("apiVersion: v1\nitems:\n{indented}")), [1608, 1616]);
    let documents =
        items.replace("\n  ", "\n").replace("- apiVersion", "---\napiVersion").replacen("---\n", "", 1);
    read("documents.yaml", &documents);
    let template = format!("---\nkind: Template\nobjects:\n{}parameters:\n- name: dial tcp a\n", item(9));
    let held = format!("- kind: Template\n  objects:\n  {}\n", item(9).trim_end().replace('\n', "\n  "));
    read(
        "held.yaml",
        &format!("apiVersion: v1\nitems:\n{held}{}{held}{}kind: List\n{template}", item(7), item(8)),
    );
    let document = |n: usize| item(n).replace("\n  ", "\n").replace("- apiVersion", "---\napiVersion");
    read("template.yaml", &format!("{template}{}{template}{}", document(7), document(8)));
    read("list-documents.yaml", &format!("apiVersion: v1\nitems:\n{}kind: List\n{}", item(7), document(8)));
    read(
        "documents-list.yaml",
        &format!("{}---\napiVersion: v1\nitems:\n{}kind: List\n", document(7), item(8)),
    );
}

/// What quotes an event is none: a pod's annotation, a key of a ConfigMap.
#[test]
fn events_that_objects_quote_are_none() {
    let event = r#"{"kind":"Event","involvedObject":{"kind":"Pod"},"reason":"r","lastTimestamp":"2026-11-21T02:00:05Z","message":"dial tcp 10.244.1.7:8443: connect: connection refused"}"#;
    let real = event.replace("1.7", "1.9");
    let quoting = serde_json::json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": event, "b": format!("\n{event}\n")}});
    let inside = format!("      {}\n", event.replace(',', ",\n      "));
    let yaml = format!(
        "apiVersion: v1\nitems:\n- apiVersion: v1\n  data:\n    a: |\n{inside}      - involvedObject:\n          kind: Pod\n        kind: Event\n        reason: r\n        message: dial tcp 10.244.1.7:8443: connect: connection refused\n  kind: ConfigMap\nkind: List\n"
    );
    for text in [quoting.to_string(), serde_json::to_string_pretty(&quoting).unwrap(), yaml] {
        assert!(read_files(&[("a.txt", &text)]).events.is_empty(), "{text}");
    }
    let dumped = |of: &str| {
        format!(
            "==== START logs for container c of pod {of} ====\n{event}\n==== END logs for container c of pod {of} ====\n"
        )
    };
    for text in [
        format!(r#"{{"apiVersion":"v1","items":[{quoting},{real},{quoting}],"kind":"List"}}"#),
        format!("{quoting}\n{}{real}\n{}", dumped("kube-system/p"), dumped("tenant/p")),
    ] {
        let found = read_files(&[("a.json", &text)]).events;
        assert_eq!(found.len(), 1, "{text}");
        assert_eq!(found[0].fields.destination.unwrap().to_string(), "10.244.1.9:8443");
    }
}

/// Threads take a log in windows, and the first of them in pieces: what an object holds is no event there either, and no
/// true one is lost.
#[test]
fn events_are_those_between_objects_wherever_windows_end() {
    use serde_json::{Value, json};
    let event = |address: &str| {
        json!({"apiVersion": "v1", "involvedObject": {"kind": "Pod"}, "kind": "Event", "lastTimestamp": "2026-11-21T02:00:05Z",
            "message": format!("Readiness probe failed: Get \"https://{address}:8443/readyz\": dial tcp {address}:8443: connect: connection refused"),
            "metadata": {"managedFields": [{"apiVersion": "v1", "fieldsV1": {"f:involvedObject": {}}}]}, "reason": "Unhealthy"})
    };
    let pod =
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"annotations": {"a": "x".repeat(8000)}}});
    let forged = json!({"apiVersion": "v1", "kind": "Foo", "list": vec![event("10.9.9.9"); 3]});
    let truth: Vec<_> = (0..6).map(|n| format!("10.244.1.{n}")).collect();
    let items = |pods: usize, pad: usize| -> Vec<Value> {
        let mut items = vec![pod.clone(); pods];
        items.push(json!({"kind": "Pad", "text": "x".repeat(pad)}));
        items.extend(truth.iter().flat_map(|address| [event(address), forged.clone()]));
        items.extend(vec![pod.clone(); 40]);
        items
    };
    let list = |items: &[Value]| json!({"apiVersion": "v1", "items": items, "kind": "List"});
    let documents = |items: &[Value], between: &str, text: fn(&Value) -> String| {
        items.iter().map(text).collect::<Vec<_>>().join(between)
    };
    let yaml = |item: &Value| serde_saphyr::to_string(item).unwrap();
    for boundary in [256 << 10, 1 << 20, (1 << 20) + (256 << 10)] {
        // the pads move what stands at the boundary by less than an event and over two of them with what is forged
        for pad in (0..5_000).step_by(997) {
            let items = items(boundary / 8_080 - 1, pad);
            for (name, text) in [
                ("compact.json", list(&items).to_string()),
                ("each.json", documents(&items, "\n", Value::to_string)),
                ("pretty.json", format!("{:#}", list(&items))),
                ("documents.json", documents(&items, "\n", |item| format!("{item:#}"))),
                ("documents.yaml", documents(&items, "---\n", yaml)),
            ] {
                let logs = read_files(&[(name, &text)]);
                let mut found: Vec<_> =
                    logs.events.iter().map(|e| e.fields.destination.unwrap().ip().to_string()).collect();
                found.sort();
                assert_eq!(found, truth, "{name} {boundary} {pad}");
                let short = |line: &LogLine| {
                    !text.lines().nth(line.number as usize - 1).unwrap().contains(&*line.text.to_string())
                };
                assert!(!logs.events.iter().flat_map(|e| &e.lines).any(short), "{name}");
            }
        }
    }
}

/// As `(journalctl -o export; cat kube-apiserver.log)` writes it. A field's lines are no lines of a log.
#[test]
fn a_log_behind_a_journal_of_any_output_is_read() {
    let export = |message: &str| {
        format!(
            "__CURSOR=s=1\n__REALTIME_TIMESTAMP=1795226405000000\n_HOSTNAME=cp-1\nSYSLOG_IDENTIFIER=kubelet\nMESSAGE={message}\n\n"
        )
    };
    let pretty = |message: &str| {
        format!(
            "{{\n\t\"__REALTIME_TIMESTAMP\" : \"1795226405000000\",\n\t\"_HOSTNAME\" : \"cp-1\",\n\t\"SYSLOG_IDENTIFIER\" : \"kubelet\",\n\t\"MESSAGE\" : \"{message}\"\n}}\n"
        )
    };
    let verbose = |message: &str| {
        format!(
            "Sat 2026-11-21 02:00:05.000000 UTC [s=1;i=2]\n    _HOSTNAME=cp-1\n    SYSLOG_IDENTIFIER=kubelet\n    MESSAGE={message}\n"
        )
    };
    let made: [&dyn Fn(&str) -> String; 3] = [&export, &pretty, &verbose];
    let log = format!("{}{}", dispatcher("02:00:05.000001"), dispatcher("02:00:25.000002"));
    let short = log.replace("W1121", "Nov 21 02:00:06 cp-1 kube-apiserver[7]: W1121");
    for entry in made {
        for behind in [&log, &short] {
            let before = entry("m").repeat(2);
            let quiet = "I1121 02:00:06.000000    7 alloc.go:330] \"allocated\"\n".repeat(30_000);
            let text = format!("{before}{behind}{quiet}{}", dispatcher("02:00:45.000001"));
            let logs = read_files_with(&[("x.log", &text)], &year_2026());
            let first: Vec<_> = logs.events.iter().map(|e| e.lines[0].number).collect();
            let line = before.lines().count() as u64 + 1;
            assert_eq!(first, [line, line + 1, line + 30_002], "{:?}", shown(&logs));
        }
    }
    let value = format!("A=b\n\n{}{log}\n\n", export(log.lines().next().unwrap()));
    let forged = [
        b"__CURSOR=s=1\n__REALTIME_TIMESTAMP=1795226405000000\nCOREDUMP_ENVIRON\n",
        &(value.len() as u64).to_le_bytes()[..],
        value.as_bytes(),
        b"\n\n",
    ]
    .concat();
    let forged = String::from_utf8(forged).unwrap();
    assert!(read_files(&[("journal.export", &forged)]).events.is_empty());
    let real = format!("{forged}{}", export(log.lines().next().unwrap()));
    assert_eq!(read_files(&[("journal.export", &real)]).events.len(), 1);
}

/// Cut, damaged or too long: what tells of a failure there is not read, and that is said.
#[test]
fn entries_and_objects_that_are_not_whole_are_told() {
    let call = dispatcher("02:00:05.000001");
    let head = "__CURSOR=s=1\n__REALTIME_TIMESTAMP=1795226405000000\n";
    let size = 5_usize << 20;
    let field = [b"A\n", &(size as u64).to_le_bytes()[..], &vec![b'a'; size], b"\n"].concat();
    let field = String::from_utf8(field).unwrap();
    let event = r#"{"apiVersion":"v1","involvedObject":{},"kind":"Event","lastTimestamp":"2026-11-21T02:00:05Z","message":"m","reason":"r"}"#;
    let object = format!("{event}\n{{\"kind\":\"Event\",\"message\":{call:?}");
    for (name, text) in [
        ("journal.export", format!("{head}MESSAGE=m\n\n{head}{field}MESSAGE={call}\n{head}MESSAGE=m\n")),
        ("events.json", object),
    ] {
        let logs = read_files(&[(name, &text)]);
        assert!(logs.events.is_empty(), "{name}");
        let told = logs.inputs[0].problems.iter().any(|p| p.name == "entry_not_whole");
        assert!(told, "{name} {:?}", logs.inputs);
    }
}

/// A log behind other outputs is read, with the lines of the file.
#[test]
fn a_log_behind_other_outputs_is_read() {
    let route = "default via 10.0.0.1 dev eth0\n10.0.0.0/8 via 10.0.0.1 dev eth0\n";
    let objects = "{\n    \"apiVersion\": \"v1\",\n    \"kind\": \"List\",\n    \"items\": []\n}\n";
    let pem = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
    let yaml = "apiVersion: v1\nkind: Service\nmetadata:\n  name: a\n  namespace: b\n";
    let log = format!("{}{}", dispatcher("02:00:05.000001"), unhandled("02:00:07.000002"));
    for before in [
        route.to_owned(),
        route.repeat(600),
        objects.to_owned(),
        objects.repeat(2_000),
        pem.to_owned(),
        yaml.to_owned(),
        format!("{pem}{objects}{route}"),
    ] {
        let logs = read_files(&[("all.txt", &format!("{before}{log}"))]);
        let first = before.lines().count() as u64 + 1;
        let lines: Vec<_> = logs.events.iter().flat_map(|e| e.lines.iter().map(|l| l.number)).collect();
        assert_eq!(lines, [first, first + 1], "{}", &before[..30]);
        assert!(logs.reports[0].format.contains("klog"), "{}", logs.reports[0].format);
        assert_eq!(
            logs.reports[0].first.map(|t| t.to_string()),
            Some("2026-11-21T02:00:05.000001000Z".to_owned())
        );
    }
}

/// Three lines of an API server, the second of which tells nothing.
fn served() -> [(&'static str, String); 3] {
    [
        ("2026-11-21T02:00:06.531Z", dispatcher("02:00:05.000001")),
        ("2026-11-21T02:00:06.532Z", "I1121 02:00:06.000000    7 alloc.go:330] \"allocated\"\n".to_owned()),
        ("2026-11-21T02:00:07.533Z", unhandled("02:00:07.000002")),
    ]
}

/// A document of records made by `record` of time, milliseconds and line, on one line and over many.
fn documents(
    around: &dyn Fn(serde_json::Value) -> serde_json::Value,
    record: &dyn Fn(&str, i64, &str) -> serde_json::Value,
) -> [String; 3] {
    let records: Vec<_> = served()
        .iter()
        .map(|(time, line)| {
            let at: jiff::Timestamp = time.parse().unwrap();
            record(time, at.as_millisecond(), line)
        })
        .collect();
    let lines: Vec<_> = records.iter().map(ToString::to_string).collect();
    let document = around(records.into());
    [document.to_string(), serde_json::to_string_pretty(&document).unwrap(), lines.join("\n")]
}

/// What the services of clouds give of a log, as one JSON document or a record a line: the header of klog tells the
/// time, the service its year and zone.
#[test]
fn documents_of_cloud_services_are_logs() {
    use serde_json::json;
    type Around<'a> = &'a dyn Fn(serde_json::Value) -> serde_json::Value;
    type Record<'a> = &'a dyn Fn(&str, i64, &str) -> serde_json::Value;
    let forms: [(Around<'_>, Record<'_>); 7] = [
        (
            &|r| json!({"events": r, "nextForwardToken": "f/1"}),
            &|_, millis, line| json!({"timestamp": millis, "message": line, "ingestionTime": millis + 900}),
        ),
        (
            &|r| json!({"messageType": "DATA_MESSAGE", "logEvents": r}),
            &|_, millis, line| json!({"id": "1", "timestamp": millis, "message": line}),
        ),
        (
            &|r| json!({"results": r, "status": "Complete"}),
            &|time, _, line| json!([{"field": "@timestamp", "value": time.replace('T', " ").replace('Z', "")}, {"field": "@message", "value": line}]),
        ),
        (
            &|r| r,
            &|time, _, line| json!({"insertId": "a", "textPayload": line, "timestamp": time.replace("06.53", "05.00"), "resource": {"labels": {}}}),
        ),
        (
            &|r| json!({"records": r}),
            &|time, _, line| json!({"category": "kube-apiserver", "time": time, "properties": {"log": line, "stream": "stderr"}}),
        ),
        (
            &|r| r,
            &|time, _, line| json!({"TimeGenerated": time, "Category": "kube-apiserver", "Message": line}),
        ),
        (
            &|r| json!({"hits": {"total": 3, "hits": r}}),
            &|time, _, line| json!({"_index": "k", "_source": {"@timestamp": time, "log": line, "stream": "stderr", "kubernetes": {"host": "cp-1"}}}),
        ),
    ];
    for (around, record) in forms {
        for (form, document) in documents(around, record).iter().enumerate() {
            if form == 2 && document.starts_with("[{\"field") {
                continue; // rows without a document around them come of no command
            }
            let logs = read_files(&[("export.json", document)]);
            let lines: Vec<_> = logs.events.iter().flat_map(|e| e.lines.iter().map(|l| l.number)).collect();
            let times: Vec<_> = logs.events.iter().map(|e| e.time.map(|t| t.to_string())).collect();
            assert_eq!(times.len(), 2, "{document}");
            assert!(
                times[0].as_ref().is_some_and(|t| t.starts_with("2026-11-21T02:00:0")),
                "{times:?} {document}"
            );
            let klog = !document.contains("textPayload") && !document.contains("_source");
            assert!(
                !klog || times[0].as_deref() == Some("2026-11-21T02:00:05.000001000Z"),
                "{times:?} {document}"
            );
            assert!(
                !klog || times[1].as_deref() == Some("2026-11-21T02:00:07.000002000Z"),
                "{times:?} {document}"
            );
            assert_eq!(logs.events[0].component.as_deref(), Some("kube-apiserver"), "{document}");
            match form {
                0 => assert_eq!(lines, [1, 1], "{document}"),
                1 => assert!(lines[0] > 2 && lines[1] > lines[0] + 4, "{lines:?} {document}"),
                _ => assert_eq!(lines, [1, 3], "{document}"),
            }
            if form == 2 {
                continue; // a log of lines
            }
            let behind = read_files(&[("export.txt", &format!("$ the command\n\n{document}"))]);
            let places = |logs: &Logs, above| -> Vec<_> {
                logs.events.iter().map(|e| (e.time, e.lines[0].number - above)).collect()
            };
            assert_eq!(places(&behind, 2), places(&logs, 0), "behind a line of text: {document}");
        }
    }
}

/// A document on one line is read in pieces like any log, and what a damaged one holds is still shown.
#[test]
fn a_document_on_one_line_is_read_record_by_record() {
    let record = |n: usize| {
        let stamp = format!("02:{:02}:{:02}.{n:06}", n / 60 % 60, n % 60);
        let line = serde_json::to_string(&dispatcher(&stamp)).unwrap();
        let millis = 1_795_226_400_000 + n as i64 % 3600 * 1000;
        // keys do not come in the same order everywhere
        if n % 5 == 4 {
            format!(r#"{{"message":{line},"timestamp":{millis}}}"#)
        } else {
            format!(r#"{{"timestamp":{millis},"message":{line}}}"#)
        }
    };
    let count = 8_000;
    let records: Vec<_> = (0..count).map(record).collect();
    let whole = format!(r#"{{"events":[{}],"nextForwardToken":"f"}}"#, records.join(","));
    assert!(whole.len() > 2 << 20);
    let logs = read_files(&[("export.json", &whole)]);
    assert_eq!(logs.events.len(), count);
    assert!(logs.events.iter().all(|e| e.time.is_some() && e.resolution.0 == 1000));
    assert!(logs.inputs.iter().all(|i| i.problems.is_empty()), "{:?}", logs.inputs);
    let first = &logs.events[0].lines[0];
    assert!(first.text.to_string() == records[0] && first.truncated && first.number == 1, "{first:?}");
    // cut within the last message, and with a stray bracket in the middle
    let cut = &whole[..whole.find(&records[7]).unwrap() + records[7].find("connection").unwrap_or(250)];
    assert_eq!(read_files(&[("export.json", cut)]).events.len(), 8);
    let damaged = whole.replacen("},{", "}],{", 3);
    assert_eq!(read_files(&[("export.json", &damaged)]).events.len(), count);
}

/// The YAML that `gcloud logging read` prints, and tables.
#[test]
fn yaml_and_tables_of_cloud_services_are_logs() {
    let yaml = |(time, line): &(&str, String)| {
        format!(
            "---\ninsertId: a\nlogName: projects/p/logs/stderr\nresource:\n  labels:\n    container_name: kube-apiserver\n    namespace_name: n\n    pod_name: p\n  type: k8s_container\ntextPayload: |\n  {line}timestamp: '{time}'\n"
        )
    };
    let quoted = |line: &str| line.trim_end().replace('"', "\"\"");
    let csv = |(time, line): &(&str, String)| {
        format!("{},\"{}\"\n", time.replace('T', " ").replace('Z', ""), quoted(line))
    };
    let portal = |(_, line): &(&str, String)| {
        format!("a,\"11/21/2026, 2:00:31.000 AM\",kube-apiserver,\"{}\"\n", quoted(line))
    };
    for (name, text, times, lines) in [
        ("read.yaml", served().iter().map(yaml).collect::<String>(), ["06.531000", "07.533000"], [11, 35]),
        (
            "insights.csv",
            "@timestamp,@message\n".to_owned() + &served().iter().map(csv).collect::<String>(),
            ["05.000001", "07.000002"],
            [2, 4],
        ),
        (
            "portal.csv",
            "TenantId,TimeGenerated [UTC],Category,log_s\n".to_owned()
                + &served().iter().map(portal).collect::<String>(),
            ["05.000001", "07.000002"],
            [2, 4],
        ),
    ] {
        let logs = read_files(&[(name, &text)]);
        let expected =
            [0, 1].map(|n| format!("2026-11-21T02:00:{}000Z deadline_exceeded {}", times[n], lines[n]));
        assert_eq!(shown(&logs), expected, "{text}");
        assert_eq!(logs.events[0].component.as_deref(), Some("kube-apiserver"));
    }
}

/// Rotated parts of one container, one of them packed, are one log in order of time.
#[test]
fn parts_of_a_log_are_read_in_order_of_time() {
    let line = |second: u32| {
        cri(&format!("02:00:{second:02}.0000"), &dispatcher(&format!("02:00:{second:02}.000000")))
    };
    let dir = "pods/kube-system_kube-apiserver-cp-1_0c2e/kube-apiserver";
    let (new, old) = (format!("{dir}/0.log"), format!("{dir}/0.log.20261121-020010"));
    let logs = read_files(&[(&new, &line(20)), (&old, &line(5))]);
    assert_eq!(logs.reports.len(), 1);
    assert_eq!(logs.reports[0].sources.len(), 2);
    assert_eq!(logs.reports[0].sources, [SourceIndex(1), SourceIndex(0)], "oldest first");
    let times: Vec<_> = logs.events.iter().map(|e| e.time.unwrap().to_string()).collect();
    assert_eq!(times, ["2026-11-21T02:00:05.000000000Z", "2026-11-21T02:00:20.000000000Z"]);
}

/// What rotation cut belongs together: the parts of a line that the runtime cut, and a line that `copytruncate` did.
#[test]
fn a_line_that_rotation_cut_is_one_line() {
    let dir = "pods/kube-system_kube-apiserver-cp-1_0c2e/kube-apiserver";
    let (new, old) = (format!("{dir}/0.log"), format!("{dir}/0.log.20261121-020010"));
    let message = dispatcher("02:00:05.000001");
    let message = message.trim_end();
    let at = message.find("context").unwrap() + 9;
    let (one, two) = message.split_at(at);
    let part = |second: u32, tag: &str, text: &str| {
        format!("2026-11-21T02:00:{second:02}.000100Z stderr {tag} {text}\n")
    };
    let other = "2026-11-21T02:00:05.000100Z stdout F hello\n";
    let whole = part(4, "F", dispatcher("02:00:04.000001").trim_end());
    let later = part(9, "F", dispatcher("02:00:09.000001").trim_end());
    let expected = [
        "2026-11-21T02:00:04.000100000Z deadline_exceeded 1",
        "2026-11-21T02:00:05.000100000Z deadline_exceeded 2",
        "2026-11-21T02:00:09.000100000Z deadline_exceeded ",
    ];
    for (before, after) in [
        (format!("{whole}{}", part(5, "P", one)), format!("{}{later}", part(5, "F", two))),
        (format!("{whole}{}{other}", part(5, "P", one)), format!("{other}{}{later}", part(5, "F", two))),
        (
            format!("{whole}{}", part(5, "P", one)),
            format!("{}{}{later}", part(5, "P", two), part(5, "F", "")),
        ),
    ] {
        let logs = read_files(&[(&old, &before), (&new, &after)]);
        let shown = shown(&logs);
        assert_eq!(shown.len(), 3, "{shown:?}");
        for (line, start) in shown.iter().zip(expected) {
            assert!(line.starts_with(start), "{line} {start}");
        }
        let last = logs.events[2].lines[0].number;
        assert_eq!(last, after.lines().count() as u64, "later lines keep their numbers");
    }
    // a line itself was cut
    let line = part(5, "F", message);
    let text = format!("{whole}{line}{later}");
    let cut = whole.len() + line.len() - 20;
    let logs = read_files(&[(&old, &text[..cut]), (&new, &text[cut..])]);
    assert_eq!(shown(&logs).len(), 3, "{:?}", shown(&logs));
    assert_eq!(logs.events[1].lines[0].text.to_string(), line.trim_end());
    // a part without a last line end before one that begins with an entry of its own
    let logs = read_files(&[(&old, whole.trim_end()), (&new, &later)]);
    assert_eq!(shown(&logs).len(), 2, "{:?}", shown(&logs));
}

fn year_2026() -> LogOptions {
    LogOptions { year: Some(2026), ..LogOptions::default() }
}

/// Of many logs with many failures each, as much is kept as may be, the same for any number of threads; a log with few
/// keeps all of its own, and what was left out is said of the log that it was left out of.
#[test]
fn failures_of_all_logs_together_are_bounded_and_no_log_takes_the_room_of_another() {
    let stamp = |n: usize| format!("02:{:02}:{:02}.{n:06}", n / 60 % 60, n % 60);
    let many = |file: usize, count: usize| {
        (0..count).map(move |n| {
            cri(&stamp(n), &dispatcher(&stamp(n)).replace("5s", &format!("{}s", 10_000 + file * 1000 + n)))
        })
    };
    let files = [("a.log", 300), ("b.log", 2), ("c.log", 200), ("d.log", 40)];
    let dir = tempfile::tempdir().unwrap();
    for (n, (path, count)) in files.iter().enumerate() {
        fs::write(dir.path().join(path), many(n, *count).collect::<String>()).unwrap();
    }
    let bundle = bundle::discover(&[dir.path().to_owned()], &Limits::default()).unwrap();
    let read = |most: usize, threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let options = LogOptions::default();
        pool.install(|| assemble::read_within(&bundle.sources, &EventSet::builtin(), &options, most))
    };
    let all = read(usize::MAX, 2);
    assert_eq!(all.reports.iter().map(|r| r.events).collect::<Vec<_>>(), [300, 2, 200, 40]);
    assert!(!all.inputs.iter().any(|i| i.problems.any_loss()));

    let one = read(200_000, 1);
    let counts: Vec<u64> = one.reports.iter().map(|r| r.events).collect();
    assert!(counts[0] == counts[2] && counts[0] > 40 && counts[0] < 200, "{counts:?}");
    assert_eq!([counts[1], counts[3]], [2, 40]);
    let left_out = |logs: &Logs| -> Vec<(u64, String)> {
        let problems = logs.inputs.iter().flat_map(|i| i.problems.iter());
        problems.map(|p| (p.count, format!("{} at {}: {}", p.name, p.at, p.detail))).collect()
    };
    let said = left_out(&one);
    assert_eq!(said.iter().map(|(n, _)| *n).collect::<Vec<_>>(), [300 - counts[0], 200 - counts[0]]);
    let begin = format!("failures_left_out at line {}: only the first {} failures", counts[0] + 1, counts[0]);
    assert!(said.iter().all(|(_, text)| text.starts_with(&begin)), "{said:?}");
    for threads in [2, 8] {
        let other = read(200_000, threads);
        assert_eq!(other.events, one.events, "{threads} threads");
        assert_eq!(left_out(&other), said, "{threads} threads");
    }

    let none = read(1, 2);
    assert_eq!((none.events.len(), none.reports.len()), (0, 4), "they are logs still");
}

/// A table's rows that go on what is not there, each of which seems to begin a value of its own, and one row that tells no
/// time and goes on for megabytes.
#[test]
fn rows_of_a_table_that_try_to_be_entries_stand_for_themselves() {
    const REFUSED: &str = "dial tcp 10.96.12.10:443: connect: connection refused";
    let row = |second: usize, message: &str| format!("2026-11-21 02:00:{second:02}.000,\"{message}\"\n");
    let head = "@timestamp,@message\n";
    let rows: String = (1..50).map(|n| row(n, &format!("\t{REFUSED} =<"))).collect();
    let logs = read_files(&[("a.csv", &format!("{head}{rows}"))]);
    let lines: Vec<_> = logs.events.iter().map(|e| e.lines.len()).collect();
    assert_eq!(lines, [1; 49]);

    let value = format!("{}\t{REFUSED}\n >", row(1, "a.go:1] \"Failed\" err=<").trim_end_matches("\"\n"));
    let logs = read_files(&[("a.csv", &format!("{head}{}{}", row(0, "x"), value + "\"\n"))]);
    assert_eq!(logs.events.len(), 1, "a value within one cell: {:?}", shown(&logs));

    let long = format!("x,{}\n", format!("{REFUSED}{}", ",x".repeat(2050)).repeat(100));
    let table = format!("{head}{}{long}{}", row(1, "x"), row(2, REFUSED));
    let logs = read_files(&[("a.csv", &table)]);
    let times: Vec<_> = logs.events.iter().filter_map(|e| e.time).collect();
    assert!(logs.events.len() > 1, "{:?}", shown(&logs));
    assert_eq!(times.last().map(ToString::to_string).as_deref(), Some("2026-11-21T02:00:02.000000000Z"));
}

/// Names without end in front of it do not hide what was wanted of a certificate; where a message is cut in front of what
/// may be a failure, that is a loss, at the line where it is.
#[test]
fn a_message_cut_in_front_of_a_failure_is_a_loss_and_endless_names_hide_none() {
    let refused = "dial tcp 10.0.0.2:443: connect: connection refused";
    let call = "W1121 02:00:05.000001       7 dispatcher.go:225] Failed calling webhook, failing closed a.example: failed calling webhook \"a.example\": failed to call webhook: Post \"https://h.ns.svc:443/v?timeout=10s\"";
    let names: Vec<_> = (0..4000).map(|n| format!("n{n}.x")).collect();
    let told = |text: &str| {
        let dir = tempfile::tempdir().unwrap();
        let before = "I1121 02:00:04.000001       7 x.go:1] nothing\n".repeat(3);
        fs::write(dir.path().join("a.log"), format!("{before}{text}\n")).unwrap();
        let bundle = bundle::discover(&[dir.path().to_owned()], &Limits::default()).unwrap();
        let logs = read(&bundle.sources, &EventSet::builtin(), &LogOptions::default());
        let said = logs.inputs[0]
            .problems
            .iter()
            .find(|p| p.name == "limit_entry")
            .map(|p| (p.at.to_string(), p.loss));
        let events: Vec<_> =
            logs.events.iter().map(|e| (e.name.to_string(), e.fields.x509_wanted.clone())).collect();
        (events, said)
    };
    let at = |loss| Some(("line 4".to_owned(), loss));
    let endless = format!(
        "{call}: tls: failed to verify certificate: x509: certificate is valid for {}, not h.ns.svc",
        names.join(", ")
    );
    assert_eq!(
        told(&endless),
        (vec![("x509_name_mismatch".to_owned(), Some("h.ns.svc".to_owned()))], at(false))
    );
    let filler = "x".repeat(17 << 10);
    let behind = format!("I1121 02:00:05.000001       7 x.go:1] {filler} {refused}");
    assert_eq!(told(&behind), (Vec::new(), at(true)));
    let told_before = format!("{call}: {refused} {filler} {refused}");
    assert_eq!(told(&told_before).1, at(false));
    let nothing = format!("I1121 02:00:05.000001       7 x.go:1] a timeout of {filler}");
    assert_eq!(told(&nothing), (Vec::new(), at(false)));
}
