//! Fuzzes a whole analysis and every view of it.
#![no_main]
use wirecause_fuzz::report;

libfuzzer_sys::fuzz_target!(|data: &[u8]| { report(data); });
