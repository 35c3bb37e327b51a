//! Fuzzes one frame of any link type: two bytes of link type, then the frame.
#![no_main]
use wirecause_fuzz::decode;

libfuzzer_sys::fuzz_target!(|data: &[u8]| { decode(data); });
