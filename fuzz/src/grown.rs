//! Kubernetes objects that bytes choose word by word, since few changes of a text leave it JSON.

use serde_json::{Value, json};

/// A list of objects: each two bytes go a key down, write a value and go up again, or begin the next object.
pub(crate) fn objects(choices: &[u8]) -> Value {
    let mut items = vec![json!({})];
    let mut path: Vec<&str> = Vec::new();
    for pair in choices.chunks_exact(2) {
        let (what, which) = (pair[0], usize::from(pair[1]));
        match what {
            0..0xc0 if path.len() < 8 => path.push(KEYS[usize::from(what) % KEYS.len()]),
            0xc0..0xd0 => drop(path.pop()),
            0xf0.. => {
                path.clear();
                items.push(json!({ "kind": KINDS[which % KINDS.len()] }));
            }
            _ => {
                let value = VALUES[which % VALUES.len()];
                if let Some(place) = items.last_mut().and_then(|item| at(item, &path, what & 1 == 1)) {
                    *place = serde_json::from_str(value).unwrap_or_else(|_| value.into());
                }
                path.truncate(path.len().saturating_sub(usize::from(what >> 2 & 3)));
            }
        }
    }
    json!({ "kind": "List", "items": items })
}

/// The place that a path leads to, made where it is not there; in the last item of a list, or in a new one.
fn at<'a>(item: &'a mut Value, path: &[&str], new: bool) -> Option<&'a mut Value> {
    let mut place = item;
    for key in path {
        let Value::Object(map) = place else { return None };
        let Some(list) = key.strip_suffix("[]") else {
            place = map.entry(*key).or_insert_with(|| json!({}));
            continue;
        };
        let Value::Array(list) = map.entry(list).or_insert_with(|| json!([])) else { return None };
        if list.is_empty() || new {
            list.push(json!({}));
        }
        place = list.last_mut()?;
    }
    Some(place)
}

const KINDS: [&str; 12] = [
    "Service",
    "EndpointSlice",
    "Endpoints",
    "Pod",
    "Node",
    "ValidatingWebhookConfiguration",
    "MutatingWebhookConfiguration",
    "CustomResourceDefinition",
    "APIService",
    "Secret",
    "ConfigMap",
    "Config",
];

/// Those with brackets lead into the last item of a list.
const KEYS: [&str; 62] = [
    "metadata",
    "name",
    "namespace",
    "labels",
    "kubernetes.io/service-name",
    "apiVersion",
    "kind",
    "spec",
    "status",
    "clusterIP",
    "clusterIPs",
    "externalIPs",
    "loadBalancerIP",
    "loadBalancer",
    "ingress[]",
    "ip",
    "ports[]",
    "port",
    "targetPort",
    "nodePort",
    "externalName",
    "endpoints[]",
    "addresses",
    "addresses[]",
    "conditions",
    "ready",
    "nodeName",
    "targetRef",
    "subsets[]",
    "notReadyAddresses[]",
    "podIP",
    "podIPs[]",
    "conditions[]",
    "type",
    "hostNetwork",
    "phase",
    "address",
    "nodeInfo",
    "kubeletVersion",
    "webhooks[]",
    "clientConfig",
    "service",
    "url",
    "caBundle",
    "timeoutSeconds",
    "failurePolicy",
    "conversion",
    "webhook",
    "webhookClientConfig",
    "data",
    "stringData",
    "tls.crt",
    "ca.crt",
    "clusters[]",
    "cluster",
    "certificate-authority-data",
    "users[]",
    "user",
    "client-certificate-data",
    "client-key-data",
    "protocol",
    "items[]",
];

/// JSON, or text where it is none.
const VALUES: [&str; 30] = [
    "a",
    "b",
    "a.b",
    "true",
    "false",
    "null",
    "0",
    "1",
    "443",
    "65536",
    "-1",
    "1.5",
    "1e30",
    "10.0.0.1",
    "10.0.0.9",
    "::1",
    "fd00::1",
    "None",
    "v1",
    "Ready",
    "True",
    "Pod",
    "Ignore",
    "https://a.b.svc:443/v",
    "[]",
    "{}",
    "[\"10.0.0.1\", \"fd00::1\", \"\"]",
    "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1BPT0KLS0tLS1FTkQgQ0VSVElGSUNBVEUtLS0tLQo=",
    "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----",
    "\"\\u001b[31m\\u202e<b>\"",
];
