//! Hands the payload of flows to `tls` and `dns`.

use std::sync::Arc;

use super::App;
use crate::dns::DnsSession;
use crate::error::Weirds;
use crate::flow::{Dir, FlowEnd, Moment, Observer, Payload, Proto};
use crate::tls::{Interner, KeyLog, Session};

/// One shard's observer.
#[derive(Debug, Default)]
pub(super) struct AppObserver {
    interner: Interner,
}

impl AppObserver {
    /// See [`Interner::use_keys`].
    pub(super) fn use_keys(&mut self, keys: Arc<KeyLog>) {
        self.interner.use_keys(keys);
    }

    /// See [`Interner::problems`].
    pub(super) fn problems(&mut self) -> Weirds {
        self.interner.problems()
    }
}

/// State of one flow; nothing is allocated before its first payload.
#[derive(Debug, Default)]
pub(super) enum AppState {
    /// No payload yet.
    #[default]
    Unseen,
    /// Payload that nothing here reads (UDP that is not DNS).
    Ignored,
    /// A TCP stream.
    Session(Session),
    /// DNS over UDP or TCP.
    Dns(Box<DnsSession>),
}

impl AppState {
    fn begin(payload: &Payload<'_>) -> Self {
        let dns = DnsSession::is_dns(payload.ports.orig, payload.ports.resp);
        match payload.proto {
            Proto::Tcp | Proto::Udp if dns => Self::Dns(Box::default()),
            Proto::Tcp => Self::Session(Session::default()),
            _ => Self::Ignored,
        }
    }
}

impl Observer for AppObserver {
    type Flow = AppState;
    type Facts = App;

    fn payload(&mut self, flow: &mut AppState, payload: &Payload<'_>) {
        if matches!(flow, AppState::Unseen) {
            *flow = AppState::begin(payload);
        }
        match flow {
            AppState::Session(session) => session.payload(&mut self.interner, payload),
            AppState::Dns(session) => session.payload(payload),
            AppState::Unseen | AppState::Ignored => {}
        }
    }

    fn acked(&mut self, flow: &mut AppState, by: Dir, offset: i64, at: Moment) {
        if let AppState::Session(session) = flow {
            session.acked(by, offset, at);
        }
    }

    fn wants(&self, flow: &AppState, dir: Dir) -> bool {
        match flow {
            AppState::Unseen => true,
            AppState::Ignored => false,
            AppState::Session(session) => session.wants(dir),
            AppState::Dns(session) => session.wants(dir),
        }
    }

    fn swap(&mut self, flow: &mut AppState) {
        match flow {
            AppState::Session(session) => session.swap(),
            AppState::Dns(session) => session.swap(),
            AppState::Unseen | AppState::Ignored => {}
        }
    }

    fn finish(&mut self, flow: AppState, end: &FlowEnd) -> App {
        match flow {
            AppState::Unseen | AppState::Ignored => App::default(),
            AppState::Session(session) => App { session: session.finish(&mut self.interner, end), dns: None },
            AppState::Dns(session) => App { dns: Some(Box::new(session.finish(end))), ..App::default() },
        }
    }
}
