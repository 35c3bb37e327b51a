//! Fuzzes a condition.
#![no_main]
use wirecause_fuzz::expression;

libfuzzer_sys::fuzz_target!(|data: &[u8]| { expression(data); });
