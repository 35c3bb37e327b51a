//! Objects and host state of which one thing has so many parts that those cannot be compared with each other.

use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::path::Path;

use super::text::{file, one_failure};

fn address(number: u64) -> Ipv4Addr {
    Ipv4Addr::from(0x0a00_0000 + number as u32)
}

fn joined(count: u64, each: impl Fn(u64) -> String) -> String {
    (0..count).map(each).collect::<Vec<_>>().join(",")
}

/// A pod with ever other addresses, endpoints with as many addresses as ports, and a file that is damaged in each line.
pub(super) fn addresses(folder: &Path, count: u64, _: u64) -> io::Result<String> {
    one_failure(folder)?;
    let mut pods = file(folder, "pods.json")?;
    for part in 0..2 {
        let ips = joined(count, |n| format!(r#"{{"ip":"{}"}}"#, address(part * count + n)));
        writeln!(
            pods,
            r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"p","namespace":"n"}},"status":{{"podIPs":[{ips}]}}}}"#
        )?;
    }
    pods.flush()?;
    let mut slices = file(folder, "slices.json")?;
    let (ips, ports) =
        (joined(count, |n| format!("\"{}\"", address(n))), joined(count, |_| r#"{"port":1}"#.to_owned()));
    writeln!(
        slices,
        r#"{{"apiVersion":"v1","kind":"Endpoints","metadata":{{"name":"s","namespace":"n"}},"subsets":[{{"addresses":[{}],"ports":[{ports}]}}]}}"#,
        joined(count, |n| format!(r#"{{"ip":"{}"}}"#, address(n % 7)))
    )?;
    slices.flush()?;
    let mut sharing = file(folder, "sharing.json")?;
    for number in 0..count {
        writeln!(
            sharing,
            r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"q{number}","namespace":"n"}},"status":{{"podIP":"10.244.0.10"}}}}"#
        )?;
    }
    sharing.flush()?;
    let mut damaged = file(folder, "damaged.json")?;
    writeln!(damaged, "{{\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"ips\": [{ips}]}}")?;
    for _ in 0..count {
        writeln!(damaged, "{{x")?;
    }
    damaged.flush()?;
    Ok(format!("{count} of each"))
}

/// One EndpointSlice with as many ports as addresses: each address is one with each of them.
pub(super) fn endpoint_ports(folder: &Path, count: u64, _: u64) -> io::Result<String> {
    one_failure(folder)?;
    let mut slice = file(folder, "slice.json")?;
    let addresses = joined(count, |n| format!("\"{}\"", address(n)));
    let ports = joined(count, |n| format!(r#"{{"port":{},"name":"p{n}"}}"#, 1 + n % 65_535));
    writeln!(
        slice,
        r#"{{"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSlice","metadata":{{"name":"s-1","namespace":"n","labels":{{"kubernetes.io/service-name":"s"}}}},"endpoints":[{{"addresses":[{addresses}]}}],"ports":[{ports}]}}"#
    )?;
    slice.flush()?;
    Ok(format!("{count} addresses with {count} ports"))
}

/// Interfaces, addresses of one of them, counters, destinations of one address, and a table of as many columns as rows.
pub(super) fn host_state(folder: &Path, count: u64, _: u64) -> io::Result<String> {
    one_failure(folder)?;
    let mut text = file(folder, "ip-addr.txt")?;
    for number in 1..=count {
        writeln!(text, "{number}: eth{number}: <UP> mtu 1500 qdisc noqueue state UP")?;
    }
    for number in 0..count {
        writeln!(text, "    inet {}/8 scope global eth{count}", address(number))?;
    }
    text.flush()?;
    let mut text = file(folder, "conntrack-stats.txt")?;
    for number in 0..count {
        writeln!(text, "cpu=0 \t found=0 insert_failed=0 counter{number}=1")?;
    }
    text.flush()?;
    let mut text = file(folder, "iptables-save.txt")?;
    writeln!(text, "*nat")?;
    for number in 0..count {
        let to = address(number);
        writeln!(
            text,
            "-A PREROUTING -d 10.96.12.10/32 -p tcp -m tcp --dport 443 -j DNAT --to-destination {to}:8443"
        )?;
    }
    writeln!(text, "COMMIT")?;
    text.flush()?;
    let mut text = file(folder, "pods.txt")?;
    let columns: Vec<String> = (0..count).map(|n| format!("COLUMN{n}")).collect();
    writeln!(text, "NAME  READY  STATUS  IP  {}", columns.join("  "))?;
    for number in 0..count {
        writeln!(text, "p{number}  1/1")?;
    }
    text.flush()?;
    Ok(format!("{count} of each"))
}

/// Nodes, and as many files with the state of hosts whose paths name none of them.
pub(super) fn node_names(folder: &Path, count: u64, _: u64) -> io::Result<String> {
    one_failure(folder)?;
    let mut nodes = file(folder, "nodes.json")?;
    for number in 0..count {
        writeln!(
            nodes,
            r#"{{"apiVersion":"v1","kind":"Node","metadata":{{"name":"worker-{number:05}.cluster-a.example"}}}}"#
        )?;
    }
    nodes.flush()?;
    for number in 0..count {
        let mut text = file(&folder.join(format!("host-{number:05}")), "neighbours.txt")?;
        writeln!(text, "172.28.0.3 dev eth0 lladdr 02:42:ac:1c:00:03 REACHABLE")?;
        text.flush()?;
    }
    Ok(format!("{count} nodes and files"))
}
