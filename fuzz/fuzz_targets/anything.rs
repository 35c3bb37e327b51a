//! Fuzzes a file of any kind under a name of any kind.
#![no_main]
use wirecause_fuzz::anything;

libfuzzer_sys::fuzz_target!(|data: &[u8]| { anything(data); });
