//! What the heading of an output says of whose words follow: a command, a path, a title.
//!
//! Takes the line. A shell has no end of spellings for one command, so that programs are known by their names wherever
//! these stand, and files by their paths whatever shows them.

use memchr::memmem::find;

use super::layout::{self, LOGS_OF};

/// A heading behind which a log follows: `journalctl -u kubelet`, `kubectl logs …`, `/var/log/syslog`.
pub(super) fn names_a_log(heading: &[u8]) -> bool {
    [&b"journalctl"[..], b"logs", b"/log", b".log", b"dmesg"].iter().any(|word| find(heading, word).is_some())
}

/// A heading behind which the words of a container follow: `kubectl logs -n a b`, `oc -n a exec b -- cat c`,
/// `==> var/log/pods/a_b_UID/c/0.log <==`, `==== START logs for container c of pod a/b ====`.
pub(super) fn names_a_container(heading: &[u8]) -> bool {
    let text = String::from_utf8_lossy(heading);
    let file = text.trim_end().strip_prefix("==> ").and_then(|rest| rest.strip_suffix(" <=="));
    text.starts_with(LOGS_OF)
        || file.is_some_and(is_of_container)
        || text.split([';', '|', '&']).any(|command| {
            let words: Vec<&str> = command.split_ascii_whitespace().map(bare).collect();
            asks_a_container(&words) || shows_a_file(&words)
        })
}

/// A word without what a shell or a title puts around it: `$(which`, `kubectl)`, `"logs`.
fn bare(word: &str) -> &str {
    word.trim_matches(['"', '\'', '`', '$', '(', ')', '{', '}', '[', ']', '<', '>', ':', ','])
}

/// Whether a command has a container say something. What stands behind an option is its value or not, as the option
/// takes one; what else stands first is what is asked for.
fn asks_a_container(words: &[&str]) -> bool {
    let (mut asks, mut before) = (false, "");
    words.iter().any(|&word| {
        let option = std::mem::replace(&mut before, word);
        match program(word) {
            Program::Shows => return true,
            Program::Asks => asks = true,
            Program::Other if !asks => {}
            Program::Other => match word {
                _ if matches!(option, "-n" | "--namespace") => {}
                // the command goes on in the next line
                "logs" | "log" | "attach" | "rsh" | "stern" | "tail" | "\\" => return true,
                "exec" => return namespace(words) != Some("kube-system"),
                // of docker and of ctr; behind `minikube kubectl`
                "compose" | "container" | "service" | "pod" | "task" | "tasks" | "t" | "--" => {}
                _ => asks = word.starts_with('-') || option.starts_with('-') && !option.contains('='),
            },
        }
        false
    }) || is_bare_journal(words)
}

/// Messages of a journal without their heads, whoever wrote them.
fn is_bare_journal(words: &[&str]) -> bool {
    words.iter().any(|word| word.ends_with("journalctl"))
        && words.iter().any(|word| matches!(*word, "cat" | "-ocat" | "--output=cat"))
}

/// The namespace that a command names first; what stands behind `--` is the container's.
fn namespace<'w>(words: &[&'w str]) -> Option<&'w str> {
    let mut words = words.iter().take_while(|word| **word != "--");
    let option = words.by_ref().find_map(|word| {
        let value = word.strip_prefix("--namespace").or_else(|| word.strip_prefix("-n"))?;
        Some(value.strip_prefix('=').unwrap_or(value))
    })?;
    if option.is_empty() { words.next().copied() } else { Some(option) }
}

/// What a word is as a program.
enum Program {
    /// It shows what containers say.
    Shows,
    /// It does so where it is asked to.
    Asks,
    Other,
}

/// `kubectl`, `/usr/local/bin/kubectl`, `microk8s.kubectl`, `kubectl-1.30`, `$KUBECTL`.
fn program(word: &str) -> Program {
    let name = word.rsplit(['/', '\\']).next().unwrap_or_default().to_ascii_lowercase();
    match name.strip_suffix(".exe").unwrap_or(&name) {
        "stern" | "kubetail" | "kail" => Program::Shows,
        "k" | "kc" | "oc" | "kubecolor" | "crictl" | "podman" | "nerdctl" | "ctr" => Program::Asks,
        // a host may be called so
        name if (name.contains("kubectl") || name.starts_with("docker")) && !name.contains('@') => {
            Program::Asks
        }
        _ => Program::Other,
    }
}

/// Whether a command names a file of a container, and does more than list it; or what the API server passes on of one.
fn shows_a_file(words: &[&str]) -> bool {
    let lists = words.iter().any(|word| matches!(*word, "ls" | "ll"));
    let has = |word: &str, part| word.contains(part);
    let passed = |word: &str| has(word, "/proxy/") || has(word, "/namespaces/") && has(word, "/log");
    words.iter().any(|word| passed(word) || !lists && is_of_container(word))
}

/// A path of a container's log, or of a folder of them, as kubelets and collectors name them.
fn is_of_container(path: &str) -> bool {
    let name = path.rsplit(['/', '\\']).next().unwrap_or_default();
    let number = name.strip_suffix(".log").is_some_and(|n| n.parse::<u32>().is_ok());
    let folder = ["/log/pods", "/log/containers"].iter().any(|folder| path.contains(folder));
    folder || number || name == "logs.txt" || layout::of_container(path).is_some()
}

#[cfg(test)]
mod tests {
    use super::names_a_container;

    #[test]
    fn whose_words_follow_is_known_however_it_is_spelt() {
        let linked = format!("==> x/b_a_c-{}.log <==", "0123456789abcdef".repeat(4));
        for heading in [
            "$ kubectl logs -n a b",
            "=== oc --context x -n a --since=1h logs b ===",
            "+ sudo crictl logs 0123",
            "user@localhost:~$ oc logs b",
            "root@kubectl-host:~# kubectl logs b",
            "$ /usr/local/bin/kubectl logs -n a b",
            "PS C:\\k8s> C:\\k8s\\kubectl.exe logs b",
            "$ microk8s.kubectl logs -n a b",
            "$ kubectl-1.30 logs b",
            "$ $(which kubectl) logs b",
            "$ ${KUBECTL} logs b",
            "$ k3s kubectl --as admin logs b",
            "$ kubectl -s https://x:6443 --tail 10 logs b",
            "$ kubectl --insecure-skip-tls-verify logs b",
            "$ kubectl -n get -l app=x logs",
            "$ minikube kubectl -- logs b",
            "$ watch kubectl logs b",
            "$ ssh cp-1 'kubectl logs b'",
            "$ kubectl get ns;kubectl logs b",
            "$ kubectl get pods -o name|xargs kubectl logs",
            "$ for p in $(kubectl get pods -o name);do kubectl logs $p;done",
            "$ kubectl -n a exec b -- cat /c",
            "$ kubectl exec kube-system -- cat /c",
            "$ kubectl exec -n a b -- c -n kube-system",
            "$ kubectl attach -n a b",
            "$ kubectl -n a \\",
            "$ kubectl get --raw /api/v1/namespaces/a/pods/b/log?container=c",
            "$ kubectl get --raw /api/v1/namespaces/a/services/b/proxy/c",
            "$ docker compose logs",
            "$ docker-compose logs b",
            "$ stern -n a .",
            "$ journalctl CONTAINER_NAME=x -o cat",
            "$ cat /var/log/containers/b_a_c-012.log",
            "$ tail -n 100 cluster-resources/pods/logs/a/b/c.log",
            "$ zcat /var/log/pods/*/*/0.log.*.gz",
            "$ cd /var/log/pods/",
            "$ cat logs.txt",
            "$ tail 0.log",
            "==> dump/a/b/logs.txt <==",
            "==> a_b_9a6abc05-c272-55d3-a421-a5cbcb13f927/c/0.log <==",
            "==> a_b_0123456789abcdef0123456789abcdef/c/0.log <==",
            &linked,
            "==== START logs for container c of pod a/b ====",
        ] {
            assert!(names_a_container(heading.as_bytes()), "{heading}");
        }
        for heading in [
            "=== kubectl get pods and logs ===",
            "$ kubectl get pods -n logs",
            "$ kubectl -n logs get pods",
            "$ kubectl get pods -A -o json; ls logs",
            "$ kubectl -n kube-system exec etcd-cp-1 -- etcdctl endpoint health",
            "root@kubectl-host:~# ls logs",
            "$ oc debug node/a -- chroot /host ip route",
            "$ kubectl exec --namespace=kube-system etcd-cp-1 -- etcdctl endpoint health",
            "$ docker ps -a",
            "$ ls -l /var/log/pods/*/*",
            "$ journalctl -u kubelet",
            "=== kubelet logs ===",
            "==> /var/log/syslog <==",
            "$ tail kube-apiserver.log",
        ] {
            assert!(!names_a_container(heading.as_bytes()), "{heading}");
        }
    }
}
