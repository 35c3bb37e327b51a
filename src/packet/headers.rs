//! Where the headers of a frame stand: for those who rewrite a frame and must know each of them.
//!
//! Takes one frame; gives its headers from the outside in, as far as the walk of [`super::decode`] understands them.
//! What stands behind the last header is its content, or what was not understood.

use super::DecodeOptions;
use super::decode::{Next, Walk};
use crate::capture::LinkType;

/// What a header is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// The header of a link type that is not Ethernet.
    Link(LinkType),
    /// Two addresses and an EtherType.
    Ethernet,
    /// What this EtherType announces, when it is no IP: a tag, ARP, MPLS.
    EtherType(u16),
    /// A PPP protocol field.
    Ppp,
    /// IPv4 or IPv6, by its first nibble.
    Ip,
    /// What this IP protocol number announces: a transport or an extension header.
    Protocol(u8),
    /// GRE.
    Gre,
    /// MPLS labels.
    Mpls,
}

/// One header of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// What it is.
    pub header: Header,
    /// Where it begins.
    pub at: usize,
    /// Where the content of the header before it ends on the wire; beyond the frame when the snap length cut it.
    pub end: usize,
}

/// The headers of a frame of so many bytes on the wire, outermost first.
pub fn headers(frame: &[u8], length: usize, link_type: LinkType, options: &DecodeOptions) -> Vec<Placed> {
    let mut walk = Walk::new(frame, length, options);
    let mut found: Vec<Placed> = Vec::new();
    walk.each_layer(Next::Link(link_type), &mut |next, at, end| {
        let header = match next {
            Next::Link(LinkType::ETHERNET) | Next::Done => return,
            Next::Link(link_type) => Header::Link(link_type),
            Next::Ethernet => Header::Ethernet,
            Next::EtherType(ether_type) => Header::EtherType(ether_type),
            Next::Ppp => Header::Ppp,
            Next::Ip => Header::Ip,
            Next::Protocol(protocol) => Header::Protocol(protocol),
            Next::Gre => Header::Gre,
            Next::Mpls => Header::Mpls,
        };
        found.push(Placed { header, at, end });
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_stand_where_they_begin() {
        let mut frame = vec![0; 12];
        frame.extend([0x81, 0, 0, 7, 8, 0]);
        frame.extend([0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
        frame.extend([0; 20]);
        let found = headers(&frame, frame.len() + 6, LinkType::ETHERNET, &DecodeOptions::default());
        let places: Vec<_> = found.iter().map(|p| (p.header, p.at)).collect();
        let expected = [
            (Header::Ethernet, 0),
            (Header::EtherType(0x8100), 14),
            (Header::EtherType(0x0800), 18),
            (Header::Ip, 18),
            (Header::Protocol(6), 38),
        ];
        assert_eq!(places, expected);
        assert_eq!(found[4].end, 58, "padding is no content");
        for cut in 0..frame.len() {
            headers(&frame[..cut], frame.len(), LinkType::ETHERNET, &DecodeOptions::default());
        }
    }
}
