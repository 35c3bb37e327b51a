//! Fuzzes DNS messages over UDP and TCP.
#![no_main]
use wirecause_fuzz::dns;

libfuzzer_sys::fuzz_target!(|data: &[u8]| { dns(data); });
