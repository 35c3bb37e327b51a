//! One incident in the layouts of the tools that collect bundles: the same finding comes out of each.
//!
//! Takes the pieces of a sample; writes them with the paths and forms of must-gather, sosreport, `kubectl cluster-info
//! dump`, troubleshoot.sh and a plain folder.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

#[allow(dead_code, reason = "only the runner of samples is used here")]
mod sample;

/// The sample's pieces, and where the bundle is made.
struct Made {
    sample: PathBuf,
    folder: TempDir,
}

impl Made {
    fn new() -> Self {
        let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/refused-nothing-listening/bundle");
        Self { sample, folder: TempDir::new().expect("a temporary folder") }
    }

    fn piece(&self, path: &str) -> String {
        fs::read_to_string(self.sample.join(path)).expect("a piece of the sample")
    }

    fn objects(&self, kind: &str) -> Value {
        serde_json::from_str(&self.piece(&format!("cluster/{kind}.json"))).expect("JSON")
    }

    /// A List for each namespace, with the kind that collectors give it.
    fn lists(&self, kind: &str) -> BTreeMap<String, Value> {
        let mut items: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for item in self.objects(kind)["items"].as_array().expect("items") {
            let namespace = item["metadata"]["namespace"].as_str().expect("a namespace");
            items.entry(namespace.to_owned()).or_default().push(item.clone());
        }
        let list = |items: Vec<Value>| {
            let kind = format!("{}List", items[0]["kind"].as_str().expect("a kind"));
            json!({"kind": kind, "apiVersion": items[0]["apiVersion"], "metadata": {}, "items": items})
        };
        items.into_iter().map(|(namespace, items)| (namespace, list(items))).collect()
    }

    /// The API server's own lines, without what the journal put before them.
    fn klog(&self) -> Vec<String> {
        let journal = self.piece("logs/journalctl-kube-apiserver.cp-1.log");
        let own = journal.lines().filter_map(|l| l.split_once("kube-apiserver[")?.1.split_once("]: "));
        own.map(|(_, line)| line.to_owned()).filter(|l| l.starts_with(['I', 'W', 'E'])).collect()
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.folder.path().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, text).expect("a file");
    }

    fn capture(&self, path: &str) {
        self.write(path, "");
        let from = self.sample.join("pcap/cp-1-eth0.pcap");
        fs::copy(from, self.folder.path().join(path)).expect("the capture");
    }

    /// Verdict, cause, calls and Service of each finding.
    fn findings(&self) -> Vec<(String, String, u64, String)> {
        let report = self.report();
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        let found = report["findings"].as_array().expect("findings").iter().map(|f| {
            let count = f["count"].as_u64().unwrap_or_default();
            (text(&f["verdict"]), text(&f["cause"]), count, text(&f["target"]["service"]))
        });
        found.collect()
    }

    fn report(&self) -> Value {
        let (_, out) = sample::run(&["analyze", "--format", "json"], &[self.folder.path().to_owned()]);
        serde_json::from_slice(&out).expect("a report")
    }

    fn expect_the_finding(&self) {
        let expected = (
            "connection_refused".to_owned(),
            "rst_from_pod_nothing_listening".to_owned(),
            5,
            "policy-system/policy-webhook".to_owned(),
        );
        assert_eq!(self.findings(), [expected]);
    }
}

/// Block YAML, as collectors write objects.
fn yaml(value: &Value, indent: usize) -> String {
    let pad = " ".repeat(indent);
    match value {
        Value::Object(map) if !map.is_empty() => {
            let entry =
                |(k, v): (&String, &Value)| format!("{pad}{}:{}", Value::from(k.as_str()), after(v, indent));
            map.iter().map(entry).collect()
        }
        Value::Array(items) if !items.is_empty() => {
            items.iter().flat_map(|v| [format!("{pad}-"), after(v, indent)]).collect()
        }
        other => format!("{pad}{other}\n"),
    }
}

fn after(value: &Value, indent: usize) -> String {
    let nested = match value {
        Value::Object(map) => !map.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => false,
    };
    if nested { format!("\n{}", yaml(value, indent + 2)) } else { format!(" {value}\n") }
}

/// `W1121 02:24:50.123456 …` with the stamp of `kubectl logs --timestamps` before it.
fn stamped(line: &str) -> String {
    let (month, day, time) = (&line[1..3], &line[3..5], &line[6..21]);
    format!("2026-{month}-{day}T{time}000Z {line}\n")
}

fn lines(klog: &[String]) -> String {
    klog.iter().flat_map(|l| [l.as_str(), "\n"]).collect()
}

#[test]
fn must_gather() {
    let made = Made::new();
    let root = "must-gather.local.5421342344627712289/quay-io-release-dev-sha256-0f3a/";
    let folders = [
        ("services", "core/services"),
        ("endpoints", "core/endpoints"),
        ("endpointslices", "discovery.k8s.io/endpointslices"),
    ];
    for (kind, path) in folders {
        for (namespace, list) in made.lists(kind) {
            made.write(
                &format!("{root}namespaces/{namespace}/{path}.yaml"),
                &format!("---\n{}", yaml(&list, 0)),
            );
        }
    }
    let hooks = made.objects("validatingwebhookconfigurations");
    for hook in hooks["items"].as_array().expect("items") {
        let name = hook["metadata"]["name"].as_str().expect("a name");
        let folder = "cluster-scoped-resources/admissionregistration.k8s.io/validatingwebhookconfigurations";
        made.write(&format!("{root}{folder}/{name}.yaml"), &format!("---\n{}", yaml(hook, 0)));
    }
    let log: String = made.klog().iter().map(|l| stamped(l)).collect();
    let container = "namespaces/kube-system/pods/kube-apiserver-cp-1/kube-apiserver/kube-apiserver/logs";
    made.write(&format!("{root}{container}/current.log"), &log);
    made.write(&format!("{root}{container}/previous.log"), "");
    made.capture(&format!("{root}network_logs/cp-1/2026-11-21T02:24:41.pcap"));
    made.write("event-filter.html", "<html></html>");
    made.expect_the_finding();
}

#[test]
fn sosreport() {
    let made = Made::new();
    let root = "sosreport-cp-1-2026-11-21-abcdefg/";
    made.write(
        &format!("{root}sos_commands/logs/journalctl_--no-pager"),
        &made.piece("logs/journalctl-kube-apiserver.cp-1.log"),
    );
    let conntrack = made.piece("cluster/conntrack.cp.txt");
    let extended: String = conntrack.lines().flat_map(|l| ["ipv4     2 ", l, "\n"]).collect();
    made.write(&format!("{root}sos_commands/conntrack/conntrack_-L_-o_extended"), &extended);
    made.write(
        &format!("{root}sos_commands/firewall_tables/iptables-save_-t_nat"),
        &made.piece("cluster/iptables-save.cp.txt"),
    );
    made.write(
        &format!("{root}sos_commands/kubernetes/cluster-info/services"),
        &made.piece("cluster/services.json"),
    );
    made.capture(&format!("{root}var/tmp/apiserver.pcap"));
    made.expect_the_finding();
}

/// The dump has no endpoints: the pod is learnt from time alone.
fn cluster_info(made: &Made) -> Vec<(String, String)> {
    let pod = json!({
        "metadata": {"name": "policy-webhook-5d8f7c9b6d-9qz4l", "namespace": "policy-system"},
        "spec": {"nodeName": "node-1"},
        "status": {"podIP": "10.244.1.7", "podIPs": [{"ip": "10.244.1.7"}], "phase": "Running"},
    });
    let pods = json!({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": [pod]});
    let mut files: Vec<(String, String)> = Vec::new();
    for (namespace, mut list) in made.lists("services") {
        // Items of a typed list carry neither kind nor version.
        for item in list["items"].as_array_mut().expect("items") {
            item.as_object_mut().expect("an object").retain(|k, _| k != "kind" && k != "apiVersion");
        }
        files.push((format!("{namespace}/services.json"), format!("{list:#}\n")));
    }
    files.push(("policy-system/pods.json".to_owned(), format!("{pods:#}\n")));
    let of = "container kube-apiserver of pod kube-system/kube-apiserver-cp-1 ====";
    let log = format!("==== START logs for {of}\n{}==== END logs for {of}\n", lines(&made.klog()));
    files.push(("kube-system/kube-apiserver-cp-1/logs.txt".to_owned(), log));
    files
}

#[test]
fn cluster_info_dump() {
    let made = Made::new();
    for (path, text) in cluster_info(&made) {
        made.write(&path, &text);
    }
    made.capture("cp-1.pcap");
    made.expect_the_finding();
}

#[test]
fn logs_in_a_cluster_info_dump_on_one_stream_are_missed_aloud() {
    let made = Made::new();
    let stream: String = cluster_info(&made).into_iter().map(|(_, text)| text).collect();
    made.write("dump.txt", &stream);
    made.capture("cp-1.pcap");
    let report = made.report();
    let inputs = report["inputs"].as_array().expect("inputs");
    let dump = inputs.iter().find(|i| i["path"] == "dump.txt").expect("the dump");
    assert_eq!(dump["status"], "partial");
    assert_eq!(dump["problems"][0]["name"], "logs_among_objects");
}

#[test]
fn troubleshoot() {
    let made = Made::new();
    let root = "support-bundle-2026-11-21T02_30_00/";
    for kind in ["services", "endpoints", "endpointslices"] {
        for (namespace, list) in made.lists(kind) {
            made.write(&format!("{root}cluster-resources/{kind}/{namespace}.json"), &format!("{list:#}"));
        }
    }
    let hooks = made.piece("cluster/validatingwebhookconfigurations.json");
    made.write(&format!("{root}cluster-resources/validating-webhook-configurations.json"), &hooks);
    made.write(
        &format!("{root}cluster-resources/pods/logs/kube-system/kube-apiserver-cp-1/kube-apiserver.log"),
        &lines(&made.klog()),
    );
    made.write(&format!("{root}cluster-resources/pods-errors.json"), "null");
    made.write(&format!("{root}analysis.json"), "[]");
    made.write(
        &format!("{root}version.yaml"),
        "apiVersion: troubleshoot.sh/v1beta2\nkind: SupportBundle\nspec:\n  versionNumber: 0.1.0\n",
    );
    made.capture(&format!("{root}run-tcpdump/capture.pcap"));
    made.expect_the_finding();
}

#[test]
fn plain_folder() {
    let made = Made::new();
    made.write("apiserver.log", &lines(&made.klog()));
    made.write("svc.yaml", &yaml(&made.objects("services"), 0));
    made.write("slices.yaml", &yaml(&made.objects("endpointslices"), 0));
    made.capture("a.pcap");
    made.expect_the_finding();
}
