//! Which version of Kubernetes or etcd a log is of, as its component says when it starts.
//!
//! Takes lines of a log (its head, its tail, and those of its first window that hold a mark); gives component and
//! version. A start in the middle of a long log is not looked for: the search over all of it is for failures.

use super::envelope::Peeled;

/// What lines that state a version hold.
pub(super) const MARKS: [&[u8]; 4] = [b"Version: v", b"kubeletVersion", b"etcd-version", b"version=\"v"];

/// Every component and version that the lines state, each once, in order of the lines.
pub(super) fn of_log<'p>(
    samples: impl Iterator<Item = &'p Peeled<'static>>,
    component: Option<&str>,
) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for line in samples {
        let Some((named, version)) = stated(line) else { continue };
        let of_line = line.ident.as_deref().map(|i| i.trim_end_matches(".service"));
        let Some(component) = named.or(of_line.filter(|i| is_known(i))).or(component.filter(|c| is_known(c)))
        else {
            continue;
        };
        let stated = (component.to_owned(), version.to_owned());
        if !found.contains(&stated) {
            found.push(stated);
        }
    }
    found
}

/// A version, and the component where the words name it.
fn stated<'p>(line: &'p Peeled<'_>) -> Option<(Option<&'static str>, &'p str)> {
    let message = line.message.trim();
    // server.go:187] Version: v1.36.2
    if let Some(version) = message.strip_prefix("Version: ").and_then(version_at) {
        return Some((None, version));
    }
    // "Kubelet version" kubeletVersion="v1.36.0"; "Starting" version="v1.30.1"; "Version info" version="v1.27.1"
    let starts = ["Kubelet version", "Version info", "Starting", "starting an etcd server"];
    let words = message.trim_start_matches('"');
    if !starts.iter().any(|start| words.starts_with(start)) {
        return None;
    }
    [("kubeletVersion", Some("kubelet")), ("etcd-version", Some("etcd")), ("version", None)]
        .into_iter()
        .find_map(|(key, component)| {
            let value = line.values.iter().find(|(k, _)| k == key).map(|(_, value)| value.as_str());
            let quoted = || message.split_once(&format!(" {key}=\"")).map(|(_, rest)| rest);
            Some((component, version_at(value.or_else(quoted)?)?))
        })
}

/// The version at the beginning of a text: `v1.36.2`, `3.5.16`, `v1.30.4-gke.1348000+abc`.
fn version_at(text: &str) -> Option<&str> {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || ".-+_".contains(c))).unwrap_or(text.len());
    let version = text.get(..end.min(MAX_VERSION))?;
    let numbers = version.strip_prefix('v').unwrap_or(version);
    let (major, rest) = numbers.split_once('.')?;
    let number = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
    (number(major) && number(rest)).then_some(version)
}

/// Whether a version of it tells something about the cluster.
fn is_known(component: &str) -> bool {
    component.starts_with("kube") || component == "etcd" || component == "openshift-apiserver"
}

/// Bytes of a version at most.
const MAX_VERSION: usize = 64;

#[cfg(test)]
mod tests {
    use super::super::envelope;
    use super::*;

    #[test]
    fn components_state_their_version_when_they_start() {
        for (line, component, stated) in [
            (
                "Nov 21 02:24:38 cp-1 kube-apiserver[28800]: I1121 02:24:38.686085   28800 server.go:187] Version: v1.36.2",
                None,
                Some(("kube-apiserver", "v1.36.2")),
            ),
            (
                "I1121 02:24:38.686085   28800 server.go:187] Version: v1.36.2",
                Some("kube-apiserver"),
                Some(("kube-apiserver", "v1.36.2")),
            ),
            (
                r#"I0412 10:00:00.000001    1234 server.go:467] "Kubelet version" kubeletVersion="v1.29.3""#,
                None,
                Some(("kubelet", "v1.29.3")),
            ),
            (
                r#"{"ts":1712916000000.1,"caller":"app/server.go:467","msg":"Kubelet version","v":0,"kubeletVersion":"v1.29.3"}"#,
                None,
                Some(("kubelet", "v1.29.3")),
            ),
            (
                r#"I0412 10:00:00.000001       1 controllermanager.go:187] "Starting" version="v1.29.3""#,
                Some("kube-controller-manager"),
                Some(("kube-controller-manager", "v1.29.3")),
            ),
            (
                r#"{"level":"info","ts":"2024-04-12T10:00:00.1Z","caller":"embed/etcd.go:308","msg":"starting an etcd server","etcd-version":"3.5.12","git-sha":"e7b3bb6cc"}"#,
                None,
                Some(("etcd", "3.5.12")),
            ),
            ("I1121 02:24:38.686085   28800 server.go:187] Version: unknown", Some("kube-apiserver"), None),
            (r#"I1121 02:24:38.686085 1 main.go:1] "Starting" version="v1.2.3""#, Some("webhook"), None),
        ] {
            let line = envelope::peel(line).into_owned();
            let found = of_log(std::iter::once(&line), component);
            let found: Vec<_> = found.iter().map(|(c, v)| (c.as_str(), v.as_str())).collect();
            assert_eq!(found, stated.into_iter().collect::<Vec<_>>(), "{}", line.message);
        }
    }
}
