//! The rule files compiled into the program. A test holds this list against the directory.

use super::load::RuleFile;

const FILES: &[(&str, &str)] = &[
    ("rules/canceled.yaml", include_str!("../../rules/canceled.yaml")),
    ("rules/certificates.yaml", include_str!("../../rules/certificates.yaml")),
    ("rules/connection-refused.yaml", include_str!("../../rules/connection-refused.yaml")),
    ("rules/connection-reset.yaml", include_str!("../../rules/connection-reset.yaml")),
    ("rules/control-plane.yaml", include_str!("../../rules/control-plane.yaml")),
    ("rules/cut-off.yaml", include_str!("../../rules/cut-off.yaml")),
    ("rules/dns.yaml", include_str!("../../rules/dns.yaml")),
    ("rules/eof.yaml", include_str!("../../rules/eof.yaml")),
    ("rules/http.yaml", include_str!("../../rules/http.yaml")),
    ("rules/io-timeout.yaml", include_str!("../../rules/io-timeout.yaml")),
    ("rules/local-socket.yaml", include_str!("../../rules/local-socket.yaml")),
    ("rules/no-endpoints.yaml", include_str!("../../rules/no-endpoints.yaml")),
    ("rules/no-route.yaml", include_str!("../../rules/no-route.yaml")),
    ("rules/plaintext.yaml", include_str!("../../rules/plaintext.yaml")),
    ("rules/proxy.yaml", include_str!("../../rules/proxy.yaml")),
    ("rules/slow-response.yaml", include_str!("../../rules/slow-response.yaml")),
    ("rules/tls-alert.yaml", include_str!("../../rules/tls-alert.yaml")),
    ("rules/tls-handshake-timeout.yaml", include_str!("../../rules/tls-handshake-timeout.yaml")),
    ("rules/webhook-denied.yaml", include_str!("../../rules/webhook-denied.yaml")),
    ("rules/x509.yaml", include_str!("../../rules/x509.yaml")),
];

/// All of them, in order of path.
pub(super) fn files() -> Vec<RuleFile> {
    let file = |(path, text): &(&str, &str)| RuleFile {
        path: (*path).to_owned(),
        text: (*text).to_owned(),
        builtin: true,
    };
    FILES.iter().map(file).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::RuleSet;

    #[test]
    fn the_list_is_the_directory() {
        let mut found: Vec<_> = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/rules"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| std::path::Path::new(name).extension().is_some_and(|e| e == "yaml"))
            .map(|name| format!("rules/{name}"))
            .collect();
        found.sort();
        assert_eq!(found, FILES.iter().map(|(path, _)| *path).collect::<Vec<_>>());
    }

    #[test]
    fn the_built_in_rules_load() {
        if let Err(error) = RuleSet::load(Vec::new()) {
            panic!("{error}");
        }
    }
}
