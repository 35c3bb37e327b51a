//! Fuzzes a DER certificate, a PEM file.
#![no_main]
use wirecause_fuzz::certificates;

libfuzzer_sys::fuzz_target!(|data: &[u8]| { certificates(data); });
