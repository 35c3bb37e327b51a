//! Tables of `kubectl get … [-o wide]` in, facts out.
//!
//! Takes a header line and its rows: pods, nodes, services, endpoints, EndpointSlices, with or without a NAMESPACE
//! column, and tables of several kinds (`pod/NAME`, `node/NAME` in the NAME column).

use std::net::{IpAddr, SocketAddr};

use super::build::Builder;
use super::{Endpoint, Node, Pod, Service, ServicePort};
use crate::bundle::SourceIndex;

/// What the rows are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Pods,
    Nodes,
    Services,
    Endpoints,
    EndpointSlices,
}

/// A table: where its columns begin.
pub(super) struct Table {
    kind: Kind,
    /// Name and first byte of each column.
    columns: Vec<(String, usize)>,
}

impl Table {
    /// Reads a header line.
    pub(super) fn header(line: &str) -> Option<Self> {
        if !line.starts_with("NAME") {
            return None;
        }
        let columns = columns_of(line);
        if columns.len() > MAX_COLUMNS {
            return None;
        }
        let has = |name: &str| columns.iter().any(|(c, _)| c == name);
        let kind = match () {
            () if has("READY") && has("STATUS") && has("IP") => Kind::Pods,
            () if has("INTERNAL-IP") => Kind::Nodes,
            () if has("CLUSTER-IP") && has("PORT(S)") => Kind::Services,
            () if has("ADDRESSTYPE") && has("ENDPOINTS") => Kind::EndpointSlices,
            () if has("ENDPOINTS") => Kind::Endpoints,
            () => return None,
        };
        Some(Self { kind, columns })
    }

    /// Reads a row; whether it held a fact.
    pub(super) fn row(&self, line: &str, b: &mut Builder<'_>, source: SourceIndex) -> bool {
        let cells = self.cells(line);
        let cell = |name: &str| {
            let at = self.columns.iter().position(|(c, _)| c == name)?;
            cells
                .get(at)
                .copied()
                .filter(|c| !c.is_empty() && !matches!(*c, "<none>" | "<unknown>" | "<unset>"))
        };
        let Some(name) = cell("NAME") else { return false };
        let name = name.rsplit_once('/').map_or(name, |(_, n)| n).to_owned();
        let namespace = cell("NAMESPACE").unwrap_or_default().to_owned();
        match self.kind {
            Kind::Pods => b.pod(pod(&cell, namespace, name, source)),
            Kind::Nodes => {
                let ips =
                    ["INTERNAL-IP", "EXTERNAL-IP"].iter().filter_map(|c| cell(c)).flat_map(ips).collect();
                b.node(Node { name, ips, kubelet: cell("VERSION").map(str::to_owned), source });
            }
            Kind::Services => b.service(service(&cell, namespace, name, source)),
            Kind::Endpoints => {
                b.map.endpoints_known = true;
                endpoints(b, &cell, &namespace, &name, source);
            }
            Kind::EndpointSlices => {
                b.map.endpoints_known = true;
                slice(b, &cell, &namespace, &name, source);
            }
        }
        true
    }

    /// Cells of a row: by the header's offsets, or by the gaps where a wide cell has shifted the rest.
    fn cells<'l>(&self, line: &'l str) -> Vec<&'l str> {
        let gaps: Vec<&str> = line.split("  ").map(str::trim).filter(|c| !c.is_empty()).collect();
        if gaps.len() == self.columns.len() {
            return gaps;
        }
        let ends = self.columns.iter().skip(1).map(|(_, start)| *start).chain([usize::MAX]);
        let bounds = self.columns.iter().map(|(_, start)| *start).zip(ends);
        bounds.map(|(start, end)| line.get(start..end.min(line.len())).unwrap_or_default().trim()).collect()
    }
}

/// Columns are two spaces or more apart; a name may hold one (`NOMINATED NODE`).
fn columns_of(line: &str) -> Vec<(String, usize)> {
    let mut columns = Vec::new();
    let mut at = 0;
    for part in line.split("  ") {
        let name = part.trim();
        if !name.is_empty() {
            columns.push((name.to_owned(), at + part.len() - part.trim_start().len()));
        }
        at += part.len() + 2;
    }
    columns
}

fn pod<'l>(
    cell: &impl Fn(&str) -> Option<&'l str>,
    namespace: String,
    name: String,
    source: SourceIndex,
) -> Pod {
    let ready = cell("READY").and_then(|r| r.split_once('/')).map(|(ready, all)| ready == all);
    Pod {
        namespace,
        name,
        ips: cell("IP").into_iter().flat_map(ips).collect(),
        node: cell("NODE").map(str::to_owned),
        host_network: false,
        phase: cell("STATUS").map(str::to_owned),
        ready,
        source,
    }
}

fn service<'l>(
    cell: &impl Fn(&str) -> Option<&'l str>,
    namespace: String,
    name: String,
    source: SourceIndex,
) -> Service {
    let external_name = (cell("TYPE") == Some("ExternalName")).then(|| cell("EXTERNAL-IP")).flatten();
    Service {
        namespace,
        name,
        cluster_ips: cell("CLUSTER-IP").into_iter().flat_map(ips).collect(),
        external_ips: cell("EXTERNAL-IP").into_iter().flat_map(ips).collect(),
        external_name: external_name.map(str::to_owned),
        ports: cell("PORT(S)").into_iter().flat_map(|p| p.split(',')).filter_map(service_port).collect(),
        source,
    }
}

/// `443/TCP` or `443:30443/TCP`
fn service_port(text: &str) -> Option<ServicePort> {
    let ports = text.split_once('/').map_or(text, |(p, _)| p);
    let (port, node_port) = ports.split_once(':').map_or((ports, None), |(p, n)| (p, n.parse().ok()));
    Some(ServicePort { name: None, port: port.parse().ok()?, target_port: None, node_port })
}

/// `10.0.0.1:443,10.0.0.2:443 + 3 more...`
fn endpoints<'l>(
    b: &mut Builder<'_>,
    cell: &impl Fn(&str) -> Option<&'l str>,
    namespace: &str,
    service: &str,
    source: SourceIndex,
) {
    let Some(list) = cell("ENDPOINTS") else { return b.empty_endpoints(namespace, service, source) };
    let list = list.split(" + ").next().unwrap_or_default();
    for address in list.split(',').filter_map(|a| a.trim().parse().ok()) {
        from_table(b, namespace, service, address, source);
    }
}

/// Ports and addresses in two columns; the name ends in a generated suffix.
fn slice<'l>(
    b: &mut Builder<'_>,
    cell: &impl Fn(&str) -> Option<&'l str>,
    namespace: &str,
    name: &str,
    source: SourceIndex,
) {
    // Assume a name like `webhook-7xk2p`; a slice named by hand (`kubernetes`) carries the Service's own name.
    let service = name.rsplit_once('-').filter(|(_, s)| s.len() == 5).map_or(name, |(service, _)| service);
    let Some(list) = cell("ENDPOINTS") else { return b.empty_endpoints(namespace, service, source) };
    let addresses: Vec<IpAddr> = ips(list.split(" + ").next().unwrap_or_default()).collect();
    for port in cell("PORTS").into_iter().flat_map(|p| p.split(',')).filter_map(|p| p.trim().parse().ok()) {
        for ip in &addresses {
            if !b.room.offers() {
                return;
            }
            from_table(b, namespace, service, SocketAddr::new(*ip, port), source);
        }
    }
}

fn from_table(b: &mut Builder<'_>, namespace: &str, service: &str, address: SocketAddr, source: SourceIndex) {
    // A table names no ports: where objects said more about this address already, it adds nothing.
    if b.knows_endpoint(namespace, service, address) {
        return;
    }
    b.endpoint(Endpoint {
        namespace: namespace.to_owned(),
        service: service.to_owned(),
        address,
        port_name: None,
        ready: true,
        node: None,
        pod: None,
        source,
    });
}

/// Columns of one table, labels that were asked for (`-L`) among them: each row is looked through for each of them.
const MAX_COLUMNS: usize = 256;

fn ips(list: &str) -> impl Iterator<Item = IpAddr> + '_ {
    list.split(',').filter_map(|ip| ip.trim().parse().ok())
}
