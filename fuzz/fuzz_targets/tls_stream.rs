//! Fuzzes the payload of one connection, in pieces, from both sides.
#![no_main]
use wirecause_fuzz::tls;

libfuzzer_sys::fuzz_target!(|data: &[u8]| { tls(data); });
