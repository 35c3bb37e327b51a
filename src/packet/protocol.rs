//! Numbers of what IP carries, by the names that the code goes by (IANA "Assigned Internet Protocol Numbers").

/// IPv6 hop-by-hop options.
pub const HOP_BY_HOP: u8 = 0;
/// ICMP.
pub const ICMP: u8 = 1;
/// IPv4.
pub const IPIP: u8 = 4;
/// TCP.
pub const TCP: u8 = 6;
/// UDP.
pub const UDP: u8 = 17;
/// IPv6.
pub const IPV6: u8 = 41;
/// IPv6 routing header.
pub const ROUTING: u8 = 43;
/// IPv6 fragment header.
pub const FRAGMENT: u8 = 44;
/// GRE.
pub const GRE: u8 = 47;
/// Encrypted payload of IPsec.
pub const ESP: u8 = 50;
/// Authentication header of IPsec.
pub const AUTHENTICATION: u8 = 51;
/// ICMPv6.
pub const ICMPV6: u8 = 58;
/// Nothing follows an IPv6 header.
pub const NO_NEXT_HEADER: u8 = 59;
/// IPv6 destination options.
pub const DESTINATION: u8 = 60;
/// IP of either version.
pub const IP_WITHIN_IP: u8 = 94;
/// Ethernet behind two bytes.
pub const ETHER_IP: u8 = 97;
/// SCTP.
pub const SCTP: u8 = 132;
/// IPv6 mobility header.
pub const MOBILITY: u8 = 135;
/// MPLS labels.
pub const MPLS_IN_IP: u8 = 137;
/// Host identity protocol.
pub const HIP: u8 = 139;
/// Shim6.
pub const SHIM6: u8 = 140;
/// Ethernet.
pub const ETHERNET: u8 = 143;
