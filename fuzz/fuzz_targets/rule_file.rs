//! Fuzzes a rule file.
#![no_main]
use wirecause_fuzz::rule_file;

libfuzzer_sys::fuzz_target!(|data: &[u8]| { rule_file(data); });
