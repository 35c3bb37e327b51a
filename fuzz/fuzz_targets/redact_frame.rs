//! Fuzzes one frame of any link type that is redacted.
#![no_main]
use wirecause_fuzz::redact_frame;

libfuzzer_sys::fuzz_target!(|data: &[u8]| { redact_frame(data); });
