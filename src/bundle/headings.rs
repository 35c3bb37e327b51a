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

/// A container whose words follow a heading.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Container {
    /// The pod, where it is certainly no API server's; empty where it has no name.
    pub stranger: Option<Box<str>>,
    /// A runtime put a header in front of each of its lines, so that none of them can be a heading.
    pub framed: bool,
}

/// The container behind a heading: `kubectl logs -n a b`, `oc -n a exec b -- cat c`,
/// `==> var/log/pods/a_b_UID/c/0.log <==`, `==== START logs for container c of pod a/b ====`.
pub(super) fn container(heading: &[u8]) -> Option<Container> {
    let text = String::from_utf8_lossy(heading);
    if text.starts_with(LOGS_OF) {
        let stranger = layout::writer_of_dumped(text.trim_end()).and_then(|(pod, container)| {
            let (namespace, pod) = pod.split_once('/')?;
            named(Some(namespace), pod, container.as_deref())
        });
        return Some(Container { stranger, framed: false });
    }
    let file = text.trim_end().strip_prefix("==> ").and_then(|rest| rest.strip_suffix(" <=="));
    if let Some(path) = file.filter(|path| is_of_container(path)) {
        return Some(Container { stranger: of_file(path), framed: layout::is_framed(path) });
    }
    text.split([';', '|', '&']).find_map(|command| {
        let written: Vec<&str> = command.split_ascii_whitespace().collect();
        let words: Vec<&str> = written.iter().copied().map(bare).collect();
        let stranger = match asked(&words) {
            Some(verb) => {
                let of_shell = written.iter().skip(verb + 1).any(|word| word.contains('$'));
                of_command(&words, verb, of_shell)
            }
            None if is_bare_journal(&words) => None,
            None => of_words(&words, shown(&words)?),
        };
        Some(Container { stranger, framed: false })
    })
}

/// The name of a pod that is no API server's.
fn named(namespace: Option<&str>, pod: &str, container: Option<&str>) -> Option<Box<str>> {
    let plain = !pod.is_empty() && pod.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'));
    let name = || match namespace.filter(|_| plain) {
        Some(namespace) => format!("{namespace}/{pod}").into(),
        None => Box::default(),
    };
    layout::is_stranger(namespace.unwrap_or_default(), pod, container).then(name)
}

/// A word without what a shell or a title puts around it: `$(which`, `kubectl)`, `"logs`.
fn bare(word: &str) -> &str {
    word.trim_matches(['"', '\'', '`', '$', '(', ')', '{', '}', '[', ']', '<', '>', ':', ','])
}

/// The place of the word by which a command has a container say something. What stands behind an option is its value or
/// not, as the option takes one; what else stands first is what is asked for.
fn asked(words: &[&str]) -> Option<usize> {
    let (mut asks, mut before) = (false, "");
    words.iter().position(|&word| {
        let option = std::mem::replace(&mut before, word);
        match program(word) {
            Program::Shows => return true,
            Program::Asks => asks = true,
            Program::Other if !asks => {}
            Program::Other => match word {
                _ if matches!(option, "-n" | "--namespace") => {}
                // the command goes on in the next line
                "logs" | "log" | "attach" | "rsh" | "stern" | "tail" | "\\" => return true,
                "exec" => return value(words, ["-n", "--namespace"]) != Some("kube-system"),
                // of docker and of ctr; behind `minikube kubectl`
                "compose" | "container" | "service" | "pod" | "task" | "tasks" | "t" | "--" => {}
                _ => asks = word.starts_with('-') || option.starts_with('-') && !option.contains('='),
            },
        }
        false
    })
}

/// Who is asked, where it is no API server: `logs -n a b`, `logs -l app=b`. A number of a runtime names nobody, and what
/// the shell puts in is no name.
fn of_command(words: &[&str], verb: usize, of_shell: bool) -> Option<Box<str>> {
    let mut before = "";
    let mut rest = words.iter().skip(verb + 1).copied().take_while(|word| *word != "--");
    let first = rest.find(|word| {
        let option = std::mem::replace(&mut before, word);
        !word.starts_with('-')
            && (!option.starts_with('-') || option.contains('=') || FLAGS.contains(&option))
    });
    let asked = first.or_else(|| value(words, ["-l", "--selector"])).unwrap_or_default();
    let of_runtime =
        words.iter().any(|word| matches!(*word, "crictl" | "docker" | "podman" | "nerdctl" | "ctr"));
    if of_runtime && (of_shell || asked.bytes().all(|b| b.is_ascii_hexdigit())) {
        return None;
    }
    let pod = asked.strip_prefix("pod/").or_else(|| asked.strip_prefix("pods/")).unwrap_or(asked);
    let container = value(words, ["-c", "--container"]);
    let stranger = named(value(words, ["-n", "--namespace"]), pod, container)?;
    Some(if of_shell { Box::default() } else { stranger })
}

/// Options of `logs` that take no value.
const FLAGS: [&str; 7] =
    ["-p", "-f", "--previous", "--follow", "--timestamps", "--prefix", "--all-containers"];

/// Messages of a journal without their heads, whoever wrote them.
fn is_bare_journal(words: &[&str]) -> bool {
    words.iter().any(|word| word.ends_with("journalctl"))
        && words.iter().any(|word| matches!(*word, "cat" | "-ocat" | "--output=cat"))
}

/// The value of an option where a command names it first; what stands behind `--` is the container's.
fn value<'w>(words: &[&'w str], [short, long]: [&str; 2]) -> Option<&'w str> {
    let mut words = words.iter().take_while(|word| **word != "--");
    let value = words.by_ref().find_map(|word| {
        let value = word.strip_prefix(long).or_else(|| word.strip_prefix(short))?;
        Some(value.strip_prefix('=').unwrap_or(value))
    })?;
    if value.is_empty() { words.next().copied() } else { Some(value) }
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

/// The file of a container that a command does more with than list it, or what the API server passes on of one.
fn shown<'w>(words: &[&'w str]) -> Option<&'w str> {
    let lists = words.iter().any(|word| matches!(*word, "ls" | "ll"));
    let has = |word: &str, part| word.contains(part);
    let passed = |word: &str| has(word, "/proxy/") || has(word, "/namespaces/") && has(word, "/log");
    words.iter().copied().find(|word| passed(word) || !lists && is_of_container(word))
}

/// Whose that is, where it is no API server's. A folder alone has said nothing yet, and grep names the files of one in
/// front of their lines.
fn of_words(words: &[&str], path: &str) -> Option<Box<str>> {
    let says = [".log", "logs.txt", "*", "/log?", "/proxy/"].iter().any(|part| path.contains(part));
    let greps = words.iter().any(|word| word.ends_with("grep") || *word == "rg");
    let one = layout::writer_of(path).is_some() && !path.contains('*');
    if (says || path.ends_with("/log")) && (one || !greps) { of_file(path) } else { None }
}

/// Whose file or object a path names, where it is no API server's.
fn of_file(path: &str) -> Option<Box<str>> {
    let folders: Vec<&str> = path.rsplit(['/', '\\']).collect();
    let behind = |name: &str| path.split('/').skip_while(|part| *part != name).nth(1);
    if let Some((pod, container)) = layout::writer_of(path) {
        let (namespace, pod) = pod.split_once('/')?;
        return named(Some(namespace), pod, container.as_deref());
    }
    // what stands further out is the collector's
    let own = path.rsplit_once("/pods/").or_else(|| path.rsplit_once("/containers/"));
    match folders.as_slice() {
        ["logs.txt", pod, namespace, ..] => named(Some(*namespace), pod, None),
        [_] => None, // `0.log` has no name
        _ => match behind("pods").or_else(|| behind("services")).zip(behind("namespaces")) {
            Some((pod, namespace)) => named(Some(namespace), pod, None),
            None => named(None, own.map_or(path, |(_, own)| own), None),
        },
    }
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
    use super::container;

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
            assert!(container(heading.as_bytes()).is_some(), "{heading}");
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
            assert_eq!(container(heading.as_bytes()), None, "{heading}");
        }
    }

    #[test]
    fn who_is_no_api_server_is_told() {
        let uid = "9a6abc05-c272-55d3-a421-a5cbcb13f927";
        for (heading, stranger) in [
            ("==== START logs for container c of pod a/b ====", Some("a/b")),
            (
                "==== START logs for container kube-apiserver of pod kube-system/kube-apiserver-cp-1 ====",
                None,
            ),
            ("$ kubectl logs -n a b", Some("a/b")),
            (
                "root@apiserver-1:~# kubectl --kubeconfig /etc/k3s.yaml -n a logs --tail 10 -p pod/b",
                Some("a/b"),
            ),
            ("$ kubectl logs b", Some("")),
            ("$ kubectl logs -n a -l app=b", Some("")),
            ("$ kubectl logs -n a -l app=kube-apiserver", None),
            ("$ kubectl logs -n kube-system -l app=b", None),
            ("$ for p in b c; do kubectl logs -n a $p; done", Some("")),
            ("$ kubectl logs -n a b -c kube-apiserver", None),
            ("$ kubectl -n a exec b -- cat apiserver", Some("a/b")),
            ("$ crictl logs 0123abcd", None),
            ("$ docker logs $(docker ps -q -f name=kube-apiserver)", None),
            ("$ docker logs web", Some("")),
            ("$ kubectl get --raw /api/v1/namespaces/a/pods/b/log?container=c", Some("a/b")),
            ("$ tail -n 5 /var/log/pods/a_b_u/c/0.log", Some("a/b")),
            ("$ cat /var/log/pods/*/*/0.log", Some("")),
            ("$ cat dump/a/b/logs.txt", Some("a/b")),
            ("$ cat pods/b.log", Some("")),
            ("$ cat control-plane/pods/b.log", Some("")),
            ("$ cat /var/log/pods/kube-system_kube-apiserver-*/*/0.log", None),
            ("$ cd /var/log/pods/", None),
            ("root@cp-1:/var/log/pods# ip route", None),
            ("$ grep -rn x /var/log/pods", None),
            ("$ grep -n x /var/log/pods/a_b_u/c/0.log", Some("a/b")),
            ("$ cat 0.log", None),
            ("==> cluster-resources/pods/logs/a/b/c.log <==", Some("a/b")),
            (&format!("==> a_b_{uid}/c/0.log <=="), Some("a/b")),
            (&format!("==> kube-system_b_{uid}/c/0.log <=="), None),
        ] {
            let found = container(heading.as_bytes()).expect(heading);
            assert_eq!(found.stranger.as_deref(), stranger, "{heading}");
            assert_eq!(found.framed, heading.contains(uid), "{heading}");
        }
    }
}
