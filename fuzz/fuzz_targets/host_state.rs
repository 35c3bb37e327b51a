//! Fuzzes conntrack, iptables-save, nft, ipvsadm, ss, ip and nstat text.
#![no_main]
use wirecause_fuzz::host_state;

libfuzzer_sys::fuzz_target!(|data: &[u8]| { host_state(data); });
