//! Which collector made a bundle, from its paths.
//!
//! Takes paths of one input; names the layout, and whose words a log is. What else the paths mean is known to the stages
//! that read them.

/// Who laid the files out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layout {
    /// OpenShift `oc adm must-gather`.
    MustGather,
    /// `sos report`.
    Sosreport,
    /// `kubectl cluster-info dump --output-directory`.
    ClusterInfoDump,
    /// `troubleshoot.sh` support bundle.
    Troubleshoot,
    /// Retina capture.
    Retina,
    /// The files of a node as they lie there (`/var/log/pods`).
    Node,
    /// Nothing known.
    Plain,
}

impl Layout {
    /// The name as people say it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::MustGather => "must-gather",
            Self::Sosreport => "sosreport",
            Self::ClusterInfoDump => "cluster-info dump",
            Self::Troubleshoot => "troubleshoot.sh",
            Self::Retina => "Retina",
            Self::Node => "node",
            Self::Plain => "plain",
        }
    }

    /// The layout of the input that has these paths.
    pub fn of<'a>(paths: &(impl Iterator<Item = &'a str> + Clone)) -> Self {
        let any = |part: &str| paths.clone().any(|p| format!("/{}", p.replace('!', "/")).contains(part));
        let (nodes, logs) = (any("/nodes.json"), any("/kube-system/") && any("/logs.txt"));
        match () {
            () if any("/sos_commands/") => Self::Sosreport,
            () if any("/cluster-scoped-resources/")
                || any("/host_service_logs/")
                || any("/must-gather.logs") =>
            {
                Self::MustGather
            }
            () if any("/cluster-resources/") || any("/host-collectors/") => Self::Troubleshoot,
            () if any("/ip-resources.txt") || any("/iptables-rules.txt") => Self::Retina,
            () if nodes && logs => Self::ClusterInfoDump,
            () if any("/var/log/pods/") || any("/var/log/containers/") => Self::Node,
            () => Self::Plain,
        }
    }
}

/// Whether a path says that a container wrote the file: all of it is what that container says. As kubelets and collectors
/// lay them out this is known; of any other log in a folder of that name it is likely.
pub(super) fn of_container(path: &str) -> Option<Certainty> {
    let name = path.rsplit(['/', '!']).next().unwrap_or_default();
    let folders = || path.rsplit(['/', '!']).skip(1);
    if name == "logs.txt" && folders().count() > 1 {
        return Some(Certainty::Likely); // of `kubectl cluster-info dump`, by its first line for certain
    }
    if !name.contains(".log") {
        return None;
    }
    if writer_of(path).is_some() {
        return Some(Certainty::Known);
    }
    let in_folder = folders().any(|folder| folder == "pods" || folder == "containers");
    let linked = folders().next() == Some("containers") && name.matches('_').count() > 1;
    let cut_out = folders().next() == Some("logs");
    in_folder.then_some(if linked || cut_out { Certainty::Known } else { Certainty::Likely })
}

/// How certain a path is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Certainty {
    Known,
    Likely,
}

/// How the logs of a pod begin that `kubectl cluster-info dump` writes.
pub(super) const LOGS_OF: &str = "==== START logs for container ";

/// The pod and container of `==== START logs for container kube-apiserver of pod kube-system/kube-apiserver-cp-1 ====`.
pub fn writer_of_dumped(line: &str) -> Option<(String, Option<String>)> {
    let (container, pod) = line.strip_prefix(LOGS_OF)?.trim_end_matches([' ', '=']).split_once(" of pod ")?;
    pod.contains('/').then(|| (pod.to_owned(), Some(container.to_owned())))
}

/// Whether a pod is certainly no API server's: hosted control planes run in any namespace, under such names.
pub fn is_stranger(namespace: &str, pod: &str, container: Option<&str>) -> bool {
    let is_known = |name: &str| API_SERVERS.iter().any(|known| name.contains(known));
    namespace != "kube-system" && !is_known(pod) && !container.is_some_and(is_known)
}

/// What the names of pods and containers hold that an API server runs in: its own, those of aggregated ones, and of programs
/// that have one within (k3s, vcluster's syncer, …).
const API_SERVERS: [&str; 16] = [
    "apiserver",
    "api-server",
    "aggregator",
    "control-plane",
    "controlplane",
    "hyperkube",
    "k0s",
    "k3d-",
    "k3k",
    "k3s",
    "kcp",
    "microshift",
    "minikube",
    "rke2",
    "syncer",
    "vcluster",
];

/// `namespace/pod` and container of a path: `…/NS_POD_UID/CONTAINER/0.log`, `…/namespaces/NS/pods/POD/…`,
/// `…/pods/logs/NS/POD/CONTAINER.log`, `POD_NS_CONTAINER-ID.log`. Names that the kubelet gives are known in any folder.
pub fn writer_of(path: &str) -> Option<(String, Option<String>)> {
    let name = path.rsplit(['/', '!']).next()?;
    linked(name).or_else(|| collected(path)).or_else(|| {
        let container = path.rsplit(['/', '!']).find(|p| !is_file_part(p)).map(str::to_owned);
        pod_of_directory(path).map(|pod| (pod, container))
    })
}

/// `POD_NS_CONTAINER-ID.log`, as the kubelet links them: the ID has 64 digits.
fn linked(name: &str) -> Option<(String, Option<String>)> {
    let mut parts = name.splitn(3, '_');
    let (pod, namespace, rest) = (parts.next()?, parts.next()?, parts.next()?);
    let (stem, _) = rest.split_once(".log")?;
    let (container, id) = stem.rsplit_once('-')?;
    let is_id = id.len() == 64 && id.bytes().all(|b| b.is_ascii_hexdigit());
    is_id.then(|| (format!("{namespace}/{pod}"), Some(container.to_owned())))
}

/// `pods/logs/NS/POD/CONTAINER.log` and `…/CONTAINER-previous.log` of troubleshoot.sh.
fn collected(path: &str) -> Option<(String, Option<String>)> {
    let parts: Vec<_> = path.rsplitn(6, ['/', '!']).collect();
    let [name, pod, namespace, "logs", "pods", ..] = parts.as_slice() else { return None };
    let stem = name.split_once(".log")?.0;
    let container = stem.strip_suffix("-previous").unwrap_or(stem);
    Some((format!("{namespace}/{pod}"), Some(container.to_owned())))
}

fn is_file_part(part: &str) -> bool {
    part == "logs" || part == "rotated" || part.contains(".log")
}

fn pod_of_directory(path: &str) -> Option<String> {
    let parts: Vec<_> = path.split(['/', '!']).collect();
    let gathered = || {
        let found = parts.windows(4).find(|p| matches!(p, ["namespaces", _, "pods", _]))?;
        found.get(1).zip(found.get(3)).map(|(ns, pod)| format!("{ns}/{pod}"))
    };
    of_kubelet(&parts).or_else(gathered)
}

/// A folder `NS_POD_UID`, which no other name has in `pods`; elsewhere such as the kubelet lays out, with `CONTAINER/0.log` in
/// it.
fn of_kubelet(parts: &[&str]) -> Option<String> {
    (0..parts.len()).rev().find_map(|place| {
        let mut names = parts.get(place)?.splitn(3, '_');
        let (ns, pod, uid) = (names.next()?, names.next()?, names.next()?);
        let in_pods = place.checked_sub(1).and_then(|before| parts.get(before)) == Some(&"pods");
        let is_numbered = |name: &&str| {
            let number = name.split_once(".log").map_or("", |(number, _)| number);
            !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())
        };
        let laid_out = || place + 3 == parts.len() && parts.last().is_some_and(is_numbered);
        (in_pods || is_uid(uid) && laid_out()).then(|| format!("{ns}/{pod}"))
    })
}

/// Whether it lies as the kubelet lays out what a runtime writes: with a header of its own in front of each line.
pub(super) fn is_framed(path: &str) -> bool {
    let parts: Vec<_> = path.split(['/', '!']).collect();
    of_kubelet(&parts).is_some() || parts.last().is_some_and(|name| linked(name).is_some())
}

/// A UUID, or the hash that a static pod has in its place: 32 digits with or without dashes.
fn is_uid(text: &str) -> bool {
    let digits = || text.bytes().filter(|b| *b != b'-');
    matches!(text.len(), 32 | 36) && digits().count() == 32 && digits().all(|b| b.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::{Certainty, is_stranger, of_container};

    #[test]
    fn who_may_run_an_api_server() {
        for (namespace, pod, container, stranger) in [
            ("evil", "tenant-0", Some("app"), true),
            ("evil", "tenant-0", None, true),
            ("kube-system", "anything", Some("app"), false),
            ("clusters-a", "kube-apiserver-7d9", Some("audit-logs"), false),
            ("kamaji", "tenant-a-7d9", Some("kube-apiserver"), false),
            ("team-x", "dev-0", Some("syncer"), false),
            ("metrics", "custom-metrics-apiserver-1", Some("adapter"), false),
        ] {
            assert_eq!(is_stranger(namespace, pod, container), stranger, "{namespace}/{pod} {container:?}");
        }
    }

    #[test]
    fn paths_of_containers_are_told() {
        let linked = format!("x/a_evil_c-{}.log", "0123456789abcdef".repeat(4));
        for (path, expected) in [
            ("evil_a_9a6abc05-c272-55d3-a421-a5cbcb13f927/c/0.log", Some(Certainty::Known)),
            ("p.tgz!./evil_a_0123456789abcdef0123456789abcdef/c/0.log", Some(Certainty::Known)),
            ("a_b_c/d/0.log", None),
            ("support_bundle_9a6abc05-c272-55d3-a421-a5cbcb13f927/logs/kube-apiserver.log", None),
            (&linked, Some(Certainty::Known)),
            ("x.tgz!var/log/pods/evil_a_uid/c/0.log.20261121-020000.gz", Some(Certainty::Known)),
            ("var/log/containers/a_evil_c-0123.log", Some(Certainty::Known)),
            ("m/namespaces/evil/pods/a/c/c/logs/current.log", Some(Certainty::Known)),
            ("pods/a/c/c/logs/previous.log", Some(Certainty::Known)),
            ("cluster-resources/pods/logs/evil/a/c-previous.log", Some(Certainty::Known)),
            ("pods/evil.log", Some(Certainty::Likely)),
            ("logs/pods/evil/a/c.log.1", Some(Certainty::Likely)),
            ("containers/evil.log", Some(Certainty::Likely)),
            ("namespaces/evil/pods/a/a.yaml", None),
            ("dump/evil/a/logs.txt", Some(Certainty::Likely)),
            ("collect/logs.txt", None),
            ("logs/all.log", None),
            ("evil/pods.json", None),
            ("a.log", None),
        ] {
            assert_eq!(of_container(path), expected, "{path}");
        }
    }
}
