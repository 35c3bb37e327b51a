//! Fuzzes text and JSON lines that are redacted.
#![no_main]
use wirecause_fuzz::redact_text;

libfuzzer_sys::fuzz_target!(|data: &[u8]| { redact_text(data); });
