//! Words that tell nothing of whose cluster it is, so that they stay: of formats, of every cluster, of collectors.
//!
//! Takes a name; says whether it is made of such words alone.

use std::collections::HashSet;
use std::sync::LazyLock;

/// Hosts of the public whose names tell nothing of whose cluster it is: documentation and source code.
pub(super) const PUBLIC: [&str; 9] = [
    "kubernetes.io",
    "k8s.io",
    "github.com",
    "golang.org",
    "go.dev",
    "openshift.io",
    "ietf.org",
    "rfc-editor.org",
    "wireshark.org",
];

/// Words of the format and of every cluster: they tell nothing of whose cluster it is.
pub(super) const PLAIN: [&str; 36] = [
    "kube-system",
    "kube-public",
    "kube-node-lease",
    "default",
    "kubernetes",
    "localhost",
    "webhook",
    "service",
    "server",
    "client",
    "target",
    "backend",
    "kube-apiserver",
    "etcd",
    "kubelet",
    "proxy",
    "name",
    "node",
    "host",
    "system",
    "validate",
    "mutate",
    "certificate",
    "namespace",
    "attempt",
    "bundle",
    "stdin",
    "logs",
    "pod",
    "svc",
    "cluster.local",
    "svc.cluster.local",
    "unknown",
    "nil",
    "null",
    "none",
];

/// A folder of logs, of objects or of a collector: each of its words is one of those, a number or a date.
pub(super) fn is_usual_folder(name: &str) -> bool {
    words(name).all(|word| is_number(word) || FOLDERS.contains(word.to_ascii_lowercase().as_str()))
}

/// A part of the name of a file between its dots, as programs, collectors and whoever captures call files.
pub(super) fn is_usual_file(name: &str) -> bool {
    words(name).all(|word| {
        let small = word.to_ascii_lowercase();
        let bare = small.trim_end_matches(|c: char| c.is_ascii_digit());
        let is_known = |word: &str| FOLDERS.contains(word) || FILES.contains(word);
        is_number(word) || is_digest(word) || is_known(&small) || is_known(bare)
    })
}

/// Words of a version behind its numbers that say whose it is: `acme` of `v1.28.3-acme.7`.
pub(super) fn told_of_version(version: &str) -> impl Iterator<Item = &str> {
    let behind = version.find(['-', '+']).and_then(|at| version.get(at..)).unwrap_or_default();
    words(behind).filter(|word| {
        let small = word.to_ascii_lowercase();
        let bare = small.trim_end_matches(|c: char| c.is_ascii_digit());
        !is_number(word)
            && !is_digest(word)
            && !VERSIONS.iter().any(|known| *known == bare || *known == small)
    })
}

/// A digest or an ID in hex.
fn is_digest(word: &str) -> bool {
    word.len() >= 7 && word.bytes().all(|b| b.is_ascii_hexdigit()) && word.bytes().any(|b| b.is_ascii_digit())
}

/// A key of a Secret or ConfigMap as every program calls it, such as `tls.crt`.
pub(super) fn is_usual_key(name: &str) -> bool {
    words(name).all(|word| KEYS.contains(&word.to_ascii_lowercase().as_str()))
}

/// A protocol that is registered (IANA, TLS ALPN protocol IDs), or of a mesh.
pub(super) fn is_usual_protocol(name: &str) -> bool {
    PROTOCOLS.contains(&name) || name.starts_with("spdy/") || name.starts_with("istio")
}

/// A value of a query that is a number, a time, or a word of the API.
pub(super) fn is_usual_value(value: &str) -> bool {
    is_number(value) || VALUES.contains(&value)
}

fn words(name: &str) -> impl Iterator<Item = &str> {
    name.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty())
}

/// `443`, `10s`, `1m30s`, `20261121T022441Z`, `2026-11-21T02:24:41.5Z`.
fn is_number(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_digit())
        && word.bytes().all(|b| b.is_ascii_digit() || b"smhnuTZ:.-".contains(&b))
}

/// Words of the names of folders.
static FOLDERS: LazyLock<HashSet<&str>> = LazyLock::new(|| FOLDER_WORDS.split_whitespace().collect());

const FOLDER_WORDS: &str = "
access admission admissionregistration alerts all api apiextensions apiregistration apis apiserver
apiservices app application apps archive archives audit auth authentication authorization autoscaling
backup batch bundle bundles ca calico cert certificate certificates certs cilium client cloud cluster
clusters cni collect collected collector command commands compressed config configmaps configs
configuration configurations conntrack container containerd containers control controller controllers
controlplane core coredns crds cri crictl crio cronjobs current customresourcedefinitions daemonsets data
debug default deployments describe dev diagnostics disk dns docker dump dumps ebpf endpoints
endpointslices etc etcd events export exports extension extensions extra file files filesystem firewall
flannel gather hardware health home host hosts http https image images info infrastructure ingress init
input inputs inspect interface interfaces io ip iptables ipvs istio jobs journal journalctl journald json
k3s k8s kernel kube kubeadm kubeconfig kubectl kubelet kubeproxy kubernetes lease leases lib library list
local log logging logs machine machines manager manifests master masters message messages metadata metrics
misc mount mounts must mutatingwebhookconfigurations namespace namespaces net netstat network networking
networkpolicies new nft nftables nginx node nodes objects old openshift operator operators opt other out
output outputs packet packets pcap pcaps persistentvolumeclaims persistentvolumes pki plane pod podlogs
pods policy previous private proc process processes profile proxy public raw rbac release replicasets
report reports resource resources role rolebindings root rotated routes run scheduler scoped secrets
server servers service serviceaccounts services serving snapshot snapshots sos sosreport ss ssl state
statefulsets static status storage storageclasses support sys sysctl syslog system systemd table tables
tar tcpdump temp text tls tmp tool tools trace traces troubleshoot txt usr v1 v1beta1 v1beta2 v2
validating validatingadmissionpolicies validatingwebhookconfigurations var version versions volumes
webhook webhooks worker workers x509 yaml
";

/// Words of the names of files, beside those of folders: numbers may follow them.
static FILES: LazyLock<HashSet<&str>> = LazyLock::new(|| FILE_WORDS.split_whitespace().collect());

const FILE_WORDS: &str = "
account after agent also alternatives any apiservice before begin bond both br br0 bz2 ca cali cap capture
clusterrolebindings clusterroles cm cni combined cp crds crio crt csr csv cut daemonset dat day deployment der
dmesg dropped during dump eni eno enp ens err error errors eth every example failed failure first flow flows
full gateway get gz html incident issue keylog key keys konnectivity last lease lo lz4 merged mitm more mutating
nat neigh neighbour night nodeport nstat of oidc p12 pcapng pem pod problem ps recent refused region replicaset
reset restart route sample save second secret server short sslkeylog start stderr stdin stdout stop syn tap tgz the
third ticket timeout timeline to trust tun txt v validation veth vxlan wide with without wlan xz yml zip zst
";

/// Words of versions behind their numbers: of every build, and of what many run.
const VERSIONS: [&str; 46] = [
    "alpha",
    "aks",
    "amd",
    "arm",
    "azure",
    "beta",
    "build",
    "ce",
    "dev",
    "dirty",
    "ee",
    "eks",
    "eksbuild",
    "eksd",
    "enterprise",
    "eus",
    "fips",
    "g",
    "gke",
    "hotfix",
    "ibm",
    "iks",
    "k",
    "k0s",
    "k3s",
    "kubernetes",
    "lts",
    "master",
    "microk8s",
    "mke",
    "ocp",
    "oke",
    "openshift",
    "patch",
    "pre",
    "r",
    "rancher",
    "rc",
    "release",
    "rke2",
    "rke2r",
    "stable",
    "tanzu",
    "tkg",
    "v",
    "vmware",
];

const KEYS: [&str; 28] = [
    "apiserver",
    "authority",
    "bundle",
    "ca",
    "cabundle",
    "cert",
    "certificate",
    "certificates",
    "certs",
    "client",
    "crt",
    "etcd",
    "extra",
    "file",
    "key",
    "kube",
    "peer",
    "pem",
    "proxy",
    "public",
    "requestheader",
    "root",
    "server",
    "service",
    "serving",
    "tls",
    "trust",
    "webhook",
];

const PROTOCOLS: [&str; 36] = [
    "acme-tls/1",
    "c-webrtc",
    "co",
    "coap",
    "dicom",
    "doq",
    "dot",
    "ftp",
    "grpc-exp",
    "h2",
    "h2c",
    "h3",
    "http/0.9",
    "http/1.0",
    "http/1.1",
    "imap",
    "irc",
    "managesieve",
    "mqtt",
    "n7/",
    "nnsp",
    "nntp",
    "ntske/1",
    "pop3",
    "postgresql",
    "radius/1.0",
    "radius/1.1",
    "sip/2",
    "smb",
    "stun.nat-discovery",
    "stun.turn",
    "sunrpc",
    "tds/8.0",
    "webrtc",
    "xmpp-client",
    "xmpp-server",
];

const VALUES: [&str; 18] = [
    "All",
    "Background",
    "Exact",
    "Foreground",
    "Ignore",
    "Json",
    "NotOlderThan",
    "Orphan",
    "Strict",
    "Warn",
    "all",
    "apply",
    "false",
    "json",
    "metadata",
    "table",
    "true",
    "yaml",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_collectors_are_usual_and_names_are_not() {
        let usual = [
            "pods",
            "cluster-scoped-resources",
            "sos_commands",
            "admissionregistration.k8s.io",
            "network_logs",
            "support-bundle-2026-11-21T02_30_00",
            "20261121T022441Z",
            "0",
            "var",
        ];
        for name in usual {
            assert!(is_usual_folder(name), "{name}");
        }
        for name in ["acme", "acme-logs", "initech-eu", "logs.acme"] {
            assert!(!is_usual_folder(name), "{name}");
        }
        for name in
            ["kube-apiserver", "cp-1-eth0", "x3", "80e8a3e7980e5cb48a672b7b5d4f4478-json", "audit-2026-11-21"]
        {
            assert_eq!(is_usual_file(name), name != "x3", "{name}");
        }
        for name in ["acme-prod", "kube-apiserver-acme", "initech"] {
            assert!(!is_usual_file(name), "{name}");
        }
        for (version, told) in [
            ("v1.28.3-acme.7", &["acme"][..]),
            ("v1.31.2-eks-7f9249a", &[]),
            ("v1.31.2-gke.1115000", &[]),
            ("v1.31.2+k3s1", &[]),
            ("v1.31.2+rke2r1", &[]),
            ("v1.32.0-alpha.0.12+0123456789abcd-dirty", &[]),
            ("v1.27.4+umbrella-prod", &["umbrella", "prod"]),
            ("1.28", &[]),
        ] {
            assert_eq!(told_of_version(version).collect::<Vec<_>>(), told, "{version}");
        }
        assert!(is_usual_key("requestheader-client-ca-file") && !is_usual_key("acme.crt"));
        assert!(is_usual_value("10s") && is_usual_value("true") && !is_usual_value("acme"));
        assert!(is_usual_protocol("h2") && !is_usual_protocol("acme/1"));
    }
}
