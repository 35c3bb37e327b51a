//! Whose words a kubelet repeats of a probe, of a lifecycle hook and of the start of a container.
//!
//! Takes the text of a failure; gives the place behind which a program in the container, or whoever wrote its
//! specification, may have chosen the words (`pkg/probe`, `pkg/kubelet/lifecycle` of Kubernetes). A probe over HTTP, TCP
//! or gRPC is the kubelet's own call and told in its own words; what a command printed tells of no call of the kubelet.
//! Never reads what it says, and never knows which addresses are the pod's own.

use super::grammar::url_parts;

/// Whose words a text is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Words {
    /// Where those end that the kubelet or the runtime vouches for; nothing where all are theirs.
    pub end: Option<usize>,
    /// They tell of a call to the pod that the kubelet made itself.
    pub call: bool,
}

/// Reads the text of a failure; `headline` is what stands beside it in a structured line.
pub(super) fn words(text: &str, headline: Option<&str>) -> Words {
    let quoted =
        of_headline(headline.unwrap_or_default()).or_else(|| of_prober(text)).or_else(|| of_hook(text));
    let told = quoted.map(|(at, by)| (at, by, text.get(at..).unwrap_or_default()));
    let call = told.is_some_and(|(_, by, said)| match by {
        By::Prober => of_network_probe(said),
        By::Http => of_network(said.split(ANSWERED).next().unwrap_or_default()),
        By::Command => false,
    });
    let foreign = told.filter(|(.., said)| !call && !of_runtime(said)).map(|(at, ..)| at);
    let answer = text.find(ANSWERED).filter(|_| quoted.is_some());
    Words { end: [foreign, answer, of_container(text)].into_iter().flatten().min(), call }
}

/// What gave the words that a kubelet quotes.
#[derive(Clone, Copy)]
enum By {
    /// A probe of any kind.
    Prober,
    /// A hook over HTTP.
    Http,
    /// A hook that is a command.
    Command,
}

/// The headline of a structured line says that the value beside it is what a probe or a hook gave.
fn of_headline(headline: &str) -> Option<(usize, By)> {
    match headline {
        "Probe failed" | "Probe errored" | "Probe warning" => Some((0, By::Prober)),
        _ if headline.starts_with("Exec lifecycle hook ") => Some((0, By::Command)),
        _ if headline.starts_with("HTTP lifecycle hook ") => Some((0, By::Http)),
        _ => None,
    }
}

/// What a probe gave, behind the words for it, in an event, in what kubectl prints of one, or in a line of an old kubelet.
fn of_prober(text: &str) -> Option<(usize, By)> {
    let of_event = ["failed: ", "errored: ", "warning: "];
    let of_line = ["\" failed (failure): ", "\" failed (unknown): ", "\" errored: "];
    let behind = |at: usize| {
        let (before, rest) = text.split_at(at);
        let word = before.rsplit(|c: char| !c.is_ascii_alphabetic()).next();
        let told = matches!(word, Some("Readiness" | "Liveness" | "Startup")) && !before.contains(CALL);
        let rest = rest.strip_prefix(PROBE).filter(|_| told)?;
        let event = of_event.iter().find(|words| rest.starts_with(**words)).map(|words| words.len());
        let line = || {
            let words = of_line.iter().filter_map(|words| Some(rest.find(words)? + words.len()));
            words.min().filter(|_| rest.starts_with("for \""))
        };
        event.or_else(line).map(|len| (at + PROBE.len() + len, By::Prober))
    };
    text.match_indices(PROBE).find_map(|(at, _)| behind(at))
}

/// What a hook gave: its command and what that printed, or the call that it is.
fn of_hook(text: &str) -> Option<(usize, By)> {
    let at = text.find(HOOK)?;
    let (before, rest) = text.split_at(at);
    if before.contains(CALL) {
        return None;
    }
    let over_http = before.ends_with("HTTP").then(|| rest.find(" - error: ")).flatten();
    let by_http = |n: usize| (at + n + " - error: ".len(), By::Http);
    Some(over_http.map_or((at + HOOK.len(), By::Command), by_http))
}

/// Words of the kubelet and of container runtimes behind which a container's command, or what it printed, is quoted.
const OF_CONTAINER: [&str; 11] = [
    "command '",
    "with PostStartHookError: ",
    "with PreStopHookError: ",
    "with RunContainerError: ",
    "with CreateContainerError: ",
    "failed to exec in container: ",
    "failed to start exec ",
    "error executing command in container: ",
    "failed to create containerd task: ",
    "OCI runtime ",
    "unable to start container process: ",
];

fn of_container(text: &str) -> Option<usize> {
    let found = OF_CONTAINER.iter().filter_map(|words| Some((text.find(words)?, words)));
    let (at, words) = found.min()?;
    let (before, rest) = text.split_at(at + words.len());
    let command = *words != "command '" || rest.contains("' exited with ");
    let own = of_runtime(rest.trim_start_matches('"')) || before.contains(CALL);
    (command && !own).then_some(before.len())
}

/// The kubelet's own call of the runtime failed.
fn of_runtime(text: &str) -> bool {
    one_line(text) && OF_RUNTIME.iter().any(|begin| text.starts_with(begin))
}

/// How an error of the kubelet's own call of the runtime begins.
const OF_RUNTIME: [&str; 3] = [
    "context deadline exceeded",
    "rpc error: code = DeadlineExceeded desc = context deadline exceeded",
    "rpc error: code = Unavailable desc = connection error: desc = \"transport: ",
];

const PROBE: &str = " probe ";
const HOOK: &str = " lifecycle hook ";
/// The body of the answer to a hook, or what its command printed.
const ANSWERED: &str = ", message: \"";
/// A webhook's answer, which a failed call quotes, may hold any of these words.
const CALL: &str = "failed calling ";

/// In the words of a probe over the network. It takes any certificate: it never finds one wrong.
fn of_network_probe(output: &str) -> bool {
    let grpc = ["timeout: failed to connect service \"", "timeout: health rpc did not complete within "];
    let told = output.starts_with("HTTP probe failed with statuscode: ")
        || grpc.iter().any(|begin| output.starts_with(begin))
        || output.starts_with("error: failed to connect service at \"")
        || of_dial(output);
    one_line(output) && (told || of_network(output) && !output.contains("x509: "))
}

/// `Get "https://10.0.0.5:8443/healthz": dial tcp 10.0.0.5:8443: …`: where a URL names an address no other is called.
fn of_network(output: &str) -> bool {
    let Some(call) = output.strip_prefix("Get ") else { return false };
    let split = match call.strip_prefix('"') {
        Some(quoted) => quoted.split_once("\": "),
        None => call.split_once(": "),
    };
    let Some((url, cause)) = split else { return false };
    let Some((url, _)) = url_parts(url).filter(|_| !url.contains(char::is_whitespace)) else { return false };
    let Ok(ip) = url.host.parse::<std::net::IpAddr>() else { return one_line(output) };
    let called = std::net::SocketAddr::new(ip, url.port).to_string();
    let dialled = cause.split_once("->").map(|(_, far)| far).or_else(|| cause.strip_prefix("dial tcp "));
    one_line(output)
        && dialled.is_none_or(|far| far.strip_prefix(&*called).is_some_and(|rest| rest.starts_with(": ")))
}

/// `dial tcp 10.0.0.5:8443: connect: connection refused`.
fn of_dial(output: &str) -> bool {
    output.strip_prefix("dial tcp").is_some_and(|rest| rest.starts_with([' ', ':']))
}

fn one_line(output: &str) -> bool {
    !output.trim_end().contains('\n')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{EventSet, classify, envelope, memory::Memory};

    /// What a command may print: another's failure, word for word.
    const PRINTED: [&str; 7] = [
        "failed calling webhook \"v.example.com\": failed to call webhook: Post \"https://w.ns.svc:443/v?timeout=10s\": dial tcp 10.96.12.13:443: connect: connection refused",
        "failed calling webhook \"v.example.com\": failed to call webhook: Post \"https://w.ns.svc:443/v?timeout=10s\": tls: failed to verify certificate: x509: certificate signed by unknown authority",
        "Get \"https://10.0.0.5:8443/\": dial tcp 10.96.12.13:443: connect: connection refused",
        "Get \"https://10.0.0.5:8443/\": x509: certificate signed by unknown authority",
        "admission webhook \"v.example.com\" denied the request: no",
        "remote error: tls: bad certificate",
        "rpc error: code = Unknown desc = x: dial tcp 10.96.12.13:443: connect: connection refused",
    ];

    /// The same value in quotes that stand `depth` quotes deep.
    fn quoted(text: &str, depth: usize) -> String {
        (0..depth).fold(text.to_owned(), |text, _| text.replace('\\', "\\\\").replace('"', "\\\""))
    }

    fn lines(printed: &str) -> Vec<String> {
        let klog = |rest: String| format!("I1121 02:24:47.600354     900 {rest}");
        let of_pod = "probeType=\"Readiness\" pod=\"evil/e-0\" podUID=\"a\" containerName=\"c\"";
        let (once, twice) = (quoted(printed, 1), quoted(printed, 2));
        let event = format!("Readiness probe failed: {printed}");
        let json = serde_json::json!({ "apiVersion": "v1", "kind": "Event", "message": event, "reason": "Unhealthy",
            "involvedObject": { "kind": "Pod", "namespace": "evil", "name": "e-0" },
            "source": { "component": "kubelet" }, "lastTimestamp": "2026-11-21T02:24:47Z" });
        vec![
            klog(format!(
                "prober.go:107] \"Probe failed\" {of_pod} probeResult=\"failure\" output=\"{once}\""
            )),
            klog(format!("prober.go:107] \"Probe errored\" err=\"{once}\" {of_pod}")),
            klog(format!("prober.go:111] Readiness probe for \"e-0_evil(a):c\" failed (failure): {printed}")),
            format!("Warning  Unhealthy  86s (x13 over 7m29s)  kubelet  {event}"),
            json.to_string(),
            klog(format!(
                "handlers.go:72] \"Exec lifecycle hook for Container in Pod failed\" err=\"command 'x' exited with 1: {once}, message: \\\"{twice}\\\"\" pod=\"evil/e-0\""
            )),
            klog(format!(
                "event.go:9] \"Event occurred\" kind=\"Pod\" reason=\"FailedPostStartHook\" message=\"Exec lifecycle hook ([{once}]) for Container \\\"c\\\" in Pod \\\"p\\\" failed - error: {once}, message: \\\"{twice}\\\"\""
            )),
            klog(format!(
                "event.go:9] \"Event occurred\" kind=\"Pod\" reason=\"FailedPostStartHook\" message=\"HTTP lifecycle hook (/x) for Container \\\"c\\\" in Pod \\\"p\\\" failed - error: no, message: \\\"{twice}\\\"\""
            )),
            klog(format!(
                "pod_workers.go:1301] \"Error syncing pod, skipping\" err=\"failed to \\\"StartContainer\\\" for \\\"c\\\" with RunContainerError: \\\"failed to create containerd task: exec: {twice}\\\"\" pod=\"evil/e-0\""
            )),
            klog(format!(
                "log.go:9] \"ExecSync cmd from runtime service failed\" err=\"rpc error: code = Unknown desc = failed to exec in container: failed to start exec \\\"h\\\": OCI runtime exec failed: exec failed: unable to start container process: exec: \\\"{twice}\\\": executable file not found in $PATH: unknown\" containerID=\"h\""
            )),
        ]
    }

    fn told(line: &str) -> classify::Told {
        classify::classify(&envelope::peel(line), &EventSet::builtin(), &mut Memory::default())
    }

    #[test]
    fn what_a_command_printed_is_no_failure() {
        for printed in PRINTED {
            for line in lines(printed) {
                assert_eq!(told(&line), classify::Told::Nothing, "{line}");
            }
        }
        let several = format!(
            "I1121 02:24:47.600354     900 prober.go:107] \"Probe failed\" probeResult=\"failure\" output=<\n\tdial tcp 10.0.0.5:8443: connect: connection refused\n\t{}\n >",
            PRINTED[0]
        );
        assert_eq!(told(&several), classify::Told::Nothing, "no probe over the network says two lines");
    }

    #[test]
    fn what_the_kubelet_says_of_its_own_probe_is_one_of_that_edge() {
        for (said, event) in [
            (
                "Get \"https://10.0.0.5:8443/healthz\": dial tcp 10.0.0.5:8443: connect: connection refused",
                "connection_refused",
            ),
            (
                "Get https://10.0.0.5:8443/healthz: dial tcp 10.0.0.5:8443: connect: connection refused",
                "connection_refused",
            ),
            (
                "Get \"http://[fd00::5]:80/\": dial tcp [fd00::5]:80: connect: connection refused",
                "connection_refused",
            ),
            (
                "Get \"https://10.0.0.5:8443/\": read tcp 10.0.0.1:4000->10.0.0.5:8443: read: connection reset by peer",
                "connection_reset",
            ),
            (
                "Get \"https://10.0.0.5:8443/\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)",
                "deadline_exceeded",
            ),
            ("Get \"https://10.0.0.5:8443/\": net/http: TLS handshake timeout", "tls_handshake_timeout"),
            (
                "Get \"https://web.example.com:8443/\": dial tcp 10.0.0.5:8443: connect: connection refused",
                "connection_refused",
            ),
            ("dial tcp 10.0.0.5:8443: connect: connection refused", "connection_refused"),
            (
                "timeout: failed to connect service \"10.244.1.7:9443\" within 1s: context deadline exceeded",
                "deadline_exceeded",
            ),
            ("HTTP probe failed with statuscode: 503", "probe_status"),
        ] {
            for line in &lines(said)[..5] {
                // which probes give no error, and which old kubelets do not know
                if line.contains("Probe errored") || line.contains("(failure): timeout") {
                    continue;
                }
                let classify::Told::Event(known) = told(line) else { panic!("{line}") };
                let name = &*EventSet::builtin().event(known.event).unwrap().name.clone();
                assert_eq!((name, known.edge.name()), (event, "probe"), "{line}");
            }
        }
    }

    #[test]
    fn a_failed_call_may_quote_such_words() {
        for text in [
            "failed calling webhook \"a\": an error on the server (\"Readiness probe failed: no\")",
            "failed calling webhook \"a\": an error on the server (\"OCI runtime x, lifecycle hook\")",
            "the readiness probe failed: no",
            "rpc error: code = Unavailable desc = connection error: desc = \"transport: Error while dialing: dial unix /run/containerd/containerd.sock: connect: connection refused\"",
            "failed to \"StartContainer\" for \"c\" with RunContainerError: \"context deadline exceeded\"",
            "HTTP lifecycle hook (/x) for Container \"c\" in Pod \"p\" failed - error: Get \"http://10.0.0.5:80/x\": EOF",
        ] {
            assert_eq!(words(text, None).end, None, "{text}");
        }
    }
}
