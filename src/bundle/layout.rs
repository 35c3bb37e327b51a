//! Which collector made a bundle, from its paths.
//!
//! Takes paths of one input; names the layout. What the paths mean in each is known to the stages that read them.

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

/// Whether a path says that a container wrote the file, as kubelets and collectors lay them out: all of it is what that
/// container says. `/var/log/pods/NS_POD_UID/CONTAINER/0.log`, `/var/log/containers/…`, must-gather's
/// `pods/POD/CONTAINER/CONTAINER/logs/current.log`, `NS/POD/logs.txt` of `cluster-info dump`.
pub(super) fn is_container_log(path: &str) -> bool {
    let mut parts = path.rsplit(['/', '!']);
    let is_log = parts.next().is_some_and(|name| name.contains(".log") || name == "logs.txt");
    is_log && (path.ends_with("logs.txt") || parts.any(|part| part == "pods" || part == "containers"))
}

#[cfg(test)]
mod tests {
    use super::is_container_log;

    #[test]
    fn paths_of_containers_are_told() {
        for (path, expected) in [
            ("x.tgz!var/log/pods/evil_a_uid/c/0.log.20261121-020000.gz", true),
            ("var/log/containers/a_evil_c-0123.log", true),
            ("m/namespaces/evil/pods/a/c/c/logs/current.log", true),
            ("dump/evil/a/logs.txt", true),
            ("namespaces/evil/pods/a/a.yaml", false),
            ("logs/all.log", false),
            ("evil/pods.json", false),
            ("a.log", false),
        ] {
            assert_eq!(is_container_log(path), expected, "{path}");
        }
    }
}
