//! Scripts played: numbers, mistakes and the file that comes out.

use super::*;

fn frames(script: &str) -> Vec<Vec<u8>> {
    let story = Story::new(script).unwrap_or_else(|m| panic!("{m:?}"));
    story.captures.into_values().flatten().map(|(_, bytes)| bytes).collect()
}

#[test]
fn numbers_follow_what_was_sent() {
    let frames =
        frames("alone\n+0.0 > connect\n+0.1 > data len=2000\n+0.2 < ACK\n+0.3 > again\n+0.4 > SYN\n");
    let number = |frame: &[u8], at: usize| u32::from_be_bytes(frame[at..at + 4].try_into().unwrap());
    let seq: Vec<u32> = frames.iter().map(|f| number(f, 38)).collect();
    let ack: Vec<u32> = frames.iter().map(|f| number(f, 42)).collect();
    let (orig, resp) = (seq[0], seq[1]);
    assert_eq!(seq, [orig, resp, orig + 1, orig + 1, orig + 1449, resp + 1, orig + 1, orig + 2000]);
    assert_eq!(ack[1..], [orig + 1, resp + 1, resp + 1, resp + 1, orig + 2001, resp + 1, 0]);
}

#[test]
fn mistakes_point_at_their_line() {
    for (script, text) in [
        ("+0 > SYM", "`SYM` is no packet of this language"),
        ("0 > SYN", "a line begins with a time"),
        ("+0 SYN", "after the time stands"),
        ("+0 < tls:server_flight version=1.2 not_after=tomorrow", "`not_after` needs a day"),
        ("flow a orig=10.0.0.5", "`orig` needs an address and port"),
        ("+0 > data leng=5", "there is no option `leng`"),
        ("+0 < icmp port_unreachabel", "`icmp` is no packet"),
        ("vni x", "`vni` needs a number"),
        ("+1e99 > SYN", "a line begins with a time"),
    ] {
        let mistakes = Story::new(script).unwrap_err();
        assert!(mistakes[0].text.starts_with(text), "{script}: {}", mistakes[0].text);
    }
    assert_eq!(Story::new("+0 > SYM\n+0 ? SYN\n# fine\n\n+0 > SYN # too").unwrap_err().len(), 2);
}

#[test]
fn a_script_makes_a_pcap_with_the_time_of_the_log() {
    let story = Story::new("alone\n+0.5 > SYN\n+2.0 log\n").unwrap();
    assert_eq!(story.log, TimeDelta::from_secs(2));
    let pcaps = story.pcaps(Timestamp::from_parts(1_000, 0));
    let bytes = &pcaps[0].1;
    assert_eq!(pcaps[0].0, "capture");
    assert_eq!(bytes[..4], 0xa1b2_3c4d_u32.to_le_bytes());
    assert_eq!(bytes[24..28], 1_000_u32.to_le_bytes());
    assert_eq!(bytes[28..32], 500_000_000_u32.to_le_bytes());
}
