//! What `kubectl logs --prefix`, stern and grep print in front of the lines of several pods.
//!
//! Takes the line; gives what follows the names, and adds these. stern's JSON is in `cloud`.

use super::envelope::{self, Layer, Peeled};
use super::{grammar, stamp};
use crate::bundle::{is_stranger, writer_of};

/// `[pod/kube-apiserver-cp-1/kube-apiserver] message`: the container names the component. The pod's namespace stands
/// nowhere, so the pod stays unnamed.
pub(super) fn prefix<'t>(text: &'t str, out: &mut Peeled<'_>) -> Option<&'t str> {
    let (inside, message) = text.strip_prefix("[pod/")?.split_once("] ")?;
    let (pod, container) = inside.split_once('/')?;
    if !plain(pod) || !plain(container) {
        return None;
    }
    out.layers.push(Layer::Prefix);
    said_by(pod, container, out);
    Some(message)
}

/// `kube-apiserver-cp-1 kube-apiserver W1121 …`, as stern prints lines of several pods: only with klog behind it, since two
/// words are how any text may begin. The pod's namespace stands nowhere, as with `kubectl logs --prefix`.
pub(super) fn stern<'t>(text: &'t str, out: &mut Peeled<'_>) -> Option<&'t str> {
    let (pod, rest) = text.split_once(' ')?;
    let (container, message) = rest.split_once(' ')?;
    // with `--timestamps` a stamp stands in front of it
    let behind =
        stamp::rfc3339(message.as_bytes()).and_then(|(_, taken)| message.get(taken..)?.strip_prefix(' '));
    let inner = behind.unwrap_or(message);
    let known = envelope::has_klog_head(inner);
    if !plain(pod) || !plain(container) || !known {
        return None;
    }
    out.layers.push(Layer::Stern);
    said_by(pod, container, out);
    Some(message)
}

/// Of a pod in some namespace its names tell whether it may be an API server's.
fn said_by(pod: &str, container: &str, out: &mut Peeled<'_>) {
    out.stranger |= is_stranger("", pod, Some(container));
    out.ident.get_or_insert_with(|| container.to_owned());
}

/// `var/log/pods/NS_POD_UID/CONTAINER/0.log:12:message`, as grep prints lines of the logs of several containers: each line
/// names its own. Beside what it looked for a dash stands for the colon.
pub(super) fn file<'t>(text: &'t str, out: &mut Peeled<'_>) -> Option<&'t str> {
    let head = text.get(..grammar::floor(text, MAX_PATH))?;
    let log = head.find(".log")? + ".log".len();
    let end = match head.as_bytes().get(log)? {
        b':' | b'-' => log,
        _ => log + head.get(log..)?.find(':')?, // of a rotated one the name goes on
    };
    let path = head.get(..end).filter(|path| !path.contains(char::is_whitespace))?;
    let (pod, container) = writer_of(path)?;
    let (mark, rest) = text.get(end..)?.split_at(1);
    let numbered = rest.trim_start_matches(|c: char| c.is_ascii_digit()).strip_prefix(mark);
    let message = numbered.filter(|_| stamp::rfc3339(rest.as_bytes()).is_none()).unwrap_or(rest);
    let (namespace, name) = pod.split_once('/')?;
    out.layers.push(Layer::File);
    out.stranger = is_stranger(namespace, name, container.as_deref());
    (out.pod, out.ident) = (Some(pod), container);
    Some(message)
}

/// Bytes of a path that are looked at.
const MAX_PATH: usize = 512;

/// A name of a pod or container.
fn plain(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.'))
}

/// A line without the colours that stern gives to the names in front of it: `ESC [ 38 ; 5 ; 2 m`.
pub(super) fn uncoloured(line: &str) -> String {
    let parts = line.split("\x1b[").map(|part| {
        let number = part.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';');
        number.strip_prefix('m').unwrap_or(part)
    });
    parts.collect()
}
