//! Fuzzes Kubernetes objects as JSON or YAML.
#![no_main]
use wirecause_fuzz::objects;

libfuzzer_sys::fuzz_target!(|data: &[u8]| { objects(data); });
