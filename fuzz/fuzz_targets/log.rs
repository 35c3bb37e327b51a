//! Fuzzes a log in any envelope.
#![no_main]
use wirecause_fuzz::log;

libfuzzer_sys::fuzz_target!(|data: &[u8]| { log(data); });
