//! Fuzzes a binary journal.
#![no_main]
use wirecause_fuzz::log_of;

libfuzzer_sys::fuzz_target!(|data: &[u8]| { log_of(data, b"LPKSHHRH"); });
