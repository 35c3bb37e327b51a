//! Fuzzes the payload of one connection whose key log is there: the client's random and suites come from the bytes.
#![no_main]
use wirecause_fuzz::decrypt;

libfuzzer_sys::fuzz_target!(|data: &[u8]| { decrypt(data); });
