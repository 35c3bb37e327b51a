//! Fuzzes an ICMP error about a flow that is there.
#![no_main]
use wirecause_fuzz::icmp;

libfuzzer_sys::fuzz_target!(|data: &[u8]| { icmp(data); });
