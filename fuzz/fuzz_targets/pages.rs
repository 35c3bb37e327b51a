//! Fuzzes every string of a report, written as HTML, Markdown, CSV and for a terminal.
#![no_main]
use wirecause_fuzz::pages;

libfuzzer_sys::fuzz_target!(|data: &[u8]| { pages(data); });
