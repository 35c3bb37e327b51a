//! Fuzzes the flow table: eight bytes choose a segment each.
#![no_main]
use wirecause_fuzz::segments;

libfuzzer_sys::fuzz_target!(|data: &[u8]| { segments(data); });
