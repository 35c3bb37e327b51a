//! The hosts that a ladder draws as columns.

use super::document::{End, FlowRef};

/// Callers by address, servers by address and port, each once, in order of first use.
pub(super) struct Lanes(pub(super) Vec<String>);

impl Lanes {
    pub(super) fn of(flows: &[FlowRef]) -> Self {
        let mut lanes: Vec<String> = Vec::new();
        for name in flows.iter().flat_map(|f| [caller(&f.orig), end(&f.resp)]) {
            if !lanes.contains(&name) {
                lanes.push(name);
            }
        }
        Self(lanes)
    }

    /// Places of a flow's sides.
    pub(super) fn ends(&self, flow: &FlowRef) -> (usize, usize) {
        let place = |name: &str| self.0.iter().position(|l| l == name).unwrap_or_default();
        (place(&caller(&flow.orig)), place(&end(&flow.resp)))
    }
}

/// Its port is of one attempt only.
fn caller(end: &End) -> String {
    end.ip.clone()
}

/// Address and port as they are written.
pub(super) fn end(end: &End) -> String {
    if end.ip.contains(':') {
        format!("[{}]:{}", end.ip, end.port)
    } else {
        format!("{}:{}", end.ip, end.port)
    }
}
