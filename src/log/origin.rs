//! Who wrote a log: component, host and pod, from paths, envelopes and source-file names in klog headers.
//!
//! Takes the path of a log and its sampled lines; gives names. Layouts: `/var/log/pods`, must-gather, cluster-info dump
//! and troubleshoot.sh. Never opens a file.

use super::envelope::Peeled;
use super::{Edge, EventFields};
use crate::bundle::{is_stranger, writer_of, writer_of_dumped};

/// Names of a log as a whole.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Origin {
    pub component: Option<String>,
    pub host: Option<String>,
    /// `namespace/pod` of who wrote it.
    pub pod: Option<String>,
    /// Whether that pod is no API server's; absent where none is named.
    pub stranger: Option<bool>,
}

/// Components whose names stand in paths and units, longest first where one holds another.
const COMPONENTS: [&str; 12] = [
    "kube-controller-manager",
    "kube-scheduler",
    "kube-apiserver",
    "kube-proxy",
    "konnectivity-server",
    "konnectivity-agent",
    "openshift-apiserver",
    "kubelet",
    "kubectl",
    "etcd",
    "crio",
    "containerd",
];

/// Source files that only one component has.
const FILES: [(&str, &str); 8] = [
    ("dispatcher.go", "kube-apiserver"),
    ("remote_available_controller.go", "kube-apiserver"),
    ("healthz.go", "kube-apiserver"),
    ("alloc.go", "kube-apiserver"),
    ("options.go", "kube-apiserver"),
    ("kubelet.go", "kubelet"),
    ("kubelet_node_status.go", "kubelet"),
    ("controllermanager.go", "kube-controller-manager"),
];

/// Component and host of a log.
pub(super) fn of_log<'p>(
    path: &str,
    samples: &(impl Iterator<Item = &'p Peeled<'static>> + Clone),
) -> Origin {
    let writer = writer_of(path).or_else(|| writer_of_dumped(&samples.clone().next()?.message));
    let (pod, container) = writer.unzip();
    let container = container.flatten();
    let host = samples.clone().find_map(|p| p.host.clone()).or_else(|| host_of(pod.as_deref()?));
    let stranger = pod.as_deref().and_then(|pod| pod.split_once('/'));
    let stranger = stranger.map(|(namespace, pod)| is_stranger(namespace, pod, container.as_deref()));
    let from_file = || {
        samples.clone().find_map(|p| {
            let caller = p.caller.as_deref()?;
            FILES.iter().find(|(file, _)| caller.starts_with(file)).map(|(_, name)| (*name).to_owned())
        })
    };
    let from_text = || samples.clone().any(|p| is_command(&p.message)).then(|| "kubectl".to_owned());
    let component = container.or_else(|| component_of(path)).or_else(from_file).or_else(from_text);
    Origin { component, host, pod, stranger }
}

/// The component that a path names: the container's directory, else a known name in the file name.
fn component_of(path: &str) -> Option<String> {
    let mut parts = path.rsplit(['/', '!']);
    let name = parts.next()?;
    let known = |text: &str| COMPONENTS.iter().find(|c| text.contains(**c)).map(|c| (*c).to_owned());
    known(name).or_else(|| parts.next().and_then(known))
}

/// A line of a recorded session: `$ kubectl create …`.
pub(super) fn is_command(message: &str) -> bool {
    message.starts_with("$ kubectl ") || message.starts_with("$ oc ")
}

/// The node of a static pod (`kube-system/kube-apiserver-cp-1`).
fn host_of(pod: &str) -> Option<String> {
    let name = pod.split_once('/')?.1;
    let component = ["kube-apiserver-", "etcd-", "kube-controller-manager-", "kube-scheduler-"];
    component.iter().find_map(|c| name.strip_prefix(c)).map(str::to_owned)
}

/// The connection that a message is about, where only its writer tells: an API client's call goes to the API server.
pub(super) fn edge(edge: Edge, component: Option<&str>, fields: &EventFields) -> Edge {
    let Some(component) = component else { return edge };
    let client = ["kubelet", "kube-controller-manager", "kube-scheduler", "kube-proxy", "kubectl"];
    let port = fields.destination.map(|d| d.port()).or(fields.url.as_ref().map(|u| u.port));
    match edge {
        Edge::Other if component == "etcd" && port == Some(2380) => Edge::EtcdPeer,
        Edge::Other | Edge::Kubelet if client.contains(&component) => Edge::Apiserver,
        // etcd is the API server's only gRPC server on the network
        Edge::Other if component == "kube-apiserver" && fields.grpc_code.is_some() => Edge::Etcd,
        // the API server's own view of its clients
        Edge::Server if component == "kube-apiserver" => Edge::Apiserver,
        edge => edge,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_component_pod_and_host() {
        for (path, component, pod, host) in [
            (
                "logs/var/log/pods/kube-system_kube-apiserver-cp-1_23c6/kube-apiserver/0.log",
                Some("kube-apiserver"),
                Some("kube-system/kube-apiserver-cp-1"),
                Some("cp-1"),
            ),
            ("logs/pods/a_b-1_c/webhook/0.log.20261121-023716.gz", Some("webhook"), Some("a/b-1"), None),
            (
                "mg/namespaces/openshift-x/pods/p-1/ctr/ctr/logs/current.log",
                Some("ctr"),
                Some("openshift-x/p-1"),
                None,
            ),
            (
                "var/log/containers/p-1_n_app-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef.log",
                Some("app"),
                Some("n/p-1"),
                None,
            ),
            ("logs/p-1_n_app.log", None, None, None),
            ("logs.txt", None, None, None),
            (
                "cluster-resources/pods/logs/kube-system/kube-apiserver-cp-1/kube-apiserver-previous.log",
                Some("kube-apiserver"),
                Some("kube-system/kube-apiserver-cp-1"),
                Some("cp-1"),
            ),
            ("logs/journalctl-kubelet.cp-1.log", Some("kubelet"), None, None),
            ("logs/4f5-json.log", None, None, None),
        ] {
            let origin = of_log(path, &[].iter());
            let got = (origin.component.as_deref(), origin.pod, origin.host.as_deref());
            assert_eq!(got, (component, pod.map(str::to_owned), host), "{path}");
        }
    }

    #[test]
    fn the_first_line_of_a_dumped_log_names_its_writer() {
        let of = |line: &str| {
            let line = crate::log::envelope::peel(line).into_owned();
            let origin = of_log("collect/cp-1/logs.txt", &[&line].into_iter());
            (origin.component, origin.pod, origin.host, origin.stranger)
        };
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(
            of("==== START logs for container kube-apiserver of pod kube-system/kube-apiserver-cp-1 ===="),
            (text("kube-apiserver"), text("kube-system/kube-apiserver-cp-1"), text("cp-1"), Some(false))
        );
        assert_eq!(
            of("==== START logs for container c of pod evil/a ===="),
            (text("c"), text("evil/a"), None, Some(true))
        );
        assert_eq!(of("W1121 02:25:49.766606   31227 dispatcher.go:205] m").1, None);
    }
}
