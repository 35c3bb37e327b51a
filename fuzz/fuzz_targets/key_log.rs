//! Fuzzes a key log.
#![no_main]
use wirecause_fuzz::key_log;

libfuzzer_sys::fuzz_target!(|data: &[u8]| { key_log(data); });
