//! Fuzzes pcapng sections, interfaces and blocks.
#![no_main]
use wirecause::bundle::SourceKind;
use wirecause_fuzz::frames;

libfuzzer_sys::fuzz_target!(|data: &[u8]| { frames(data, SourceKind::Pcapng); });
