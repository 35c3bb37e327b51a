//! Fuzzes archives and compressed files.
#![no_main]
use wirecause_fuzz::archive;

libfuzzer_sys::fuzz_target!(|data: &[u8]| { archive(data); });
