//! The ways in which a call can end, as the words of an event can mean them.
//!
//! A vocabulary of event files (`endings`, `server_endings`) and no more: what each looks like in packets is known to
//! `correlate` alone.

use std::sync::Arc;

use serde::Deserialize;

/// A way in which a call can end. `orig` made the call, `resp` was to answer it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// The first SYN was answered by RST.
    Refused,
    /// An ICMP error quotes the originator.
    Icmp,
    /// RST by the responder on what was established.
    Reset,
    /// FIN by the responder.
    PeerClosed,
    /// Alert by the responder.
    PeerAlert,
    /// Alert by the originator.
    OwnAlert,
    /// The originator closed what was established, without an answer to its last step.
    GaveUp,
    /// SYNs without any answer, or data that was never acknowledged: no packet marks the end.
    Unanswered,
    /// A handshake that was under way and did not finish, whenever the originator closed it: Go's goes on in the
    /// background after the call's deadline.
    Stalled,
    /// The capture shows no packet of the responder at all, and the originator's last one: the reply may not have been
    /// captured.
    Unheard,
    /// First bytes of the responder that are no TLS.
    FirstAnswer,
    /// The responder answered a request.
    Response,
    /// On HTTP/2 the responder said what is as small as the reset of one stream.
    StreamReset,
}

impl Ending {
    /// Every ending: what an event can mean whose definition names none.
    pub const ALL: [Self; 13] = [
        Self::Refused,
        Self::Icmp,
        Self::Reset,
        Self::PeerClosed,
        Self::PeerAlert,
        Self::OwnAlert,
        Self::GaveUp,
        Self::Unanswered,
        Self::Stalled,
        Self::Unheard,
        Self::FirstAnswer,
        Self::Response,
        Self::StreamReset,
    ];

    /// snake_case, as in event files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Icmp => "icmp",
            Self::Reset => "reset",
            Self::PeerClosed => "peer_closed",
            Self::PeerAlert => "peer_alert",
            Self::OwnAlert => "own_alert",
            Self::GaveUp => "gave_up",
            Self::Unanswered => "unanswered",
            Self::Stalled => "stalled",
            Self::Unheard => "unheard",
            Self::FirstAnswer => "first_answer",
            Self::Response => "response",
            Self::StreamReset => "stream_reset",
        }
    }
}

/// The endings that an event can mean, likeliest first; empty where no packet
/// can show it.
pub type Endings = Arc<[Ending]>;

/// Of a call over a UNIX socket.
pub(super) fn none() -> Endings {
    Arc::from([])
}

/// What a definition lists, or everything where it has no list.
pub(super) fn or_all(listed: Option<&[Ending]>) -> Endings {
    Arc::from(listed.unwrap_or(&Ending::ALL))
}
