//! What commands write fits the JSON Schema that `wirecause schema` prints for it: keys, types and what is required.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;

/// A kind of schema, and the commands whose every line (or whole output) it describes.
const OUTPUTS: [(&str, &[&str]); 6] = [
    ("report", &["analyze", "--format", "json"]),
    ("record", &["analyze", "--format", "ndjson"]),
    ("timeline", &["timeline", "--finding", "F1", "--format", "json"]),
    ("moment", &["timeline", "--finding", "F1", "--format", "ndjson"]),
    ("event", &["logs", "--format", "ndjson"]),
    ("certificate", &["certs", "--format", "ndjson"]),
];

/// Samples with and without faults, with several captures, with certificates.
const SAMPLES: [&str; 4] =
    ["log-in-new-york-time", "no-route-by-icmp", "serving-certificate-expired", "no-common-cipher"];

#[test]
fn every_output_fits_its_schema() {
    let schemas: BTreeMap<_, _> = OUTPUTS.iter().map(|(kind, _)| (*kind, json(&["schema", kind]))).collect();
    for sample in SAMPLES {
        let bundle = format!("samples/{sample}/bundle");
        for (kind, command) in OUTPUTS {
            for redacted in [&[][..], &["--redact"]] {
                let arguments: Vec<_> =
                    command.iter().chain(redacted).copied().chain([bundle.as_str()]).collect();
                let text = output(&arguments);
                let whole = command.contains(&"json");
                let values: Vec<&str> = if whole { vec![&text] } else { text.lines().collect() };
                for value in values {
                    let value: Value = serde_json::from_str(value).expect("JSON");
                    let schema = &schemas[kind];
                    if let Err(why) = fits(&value, schema, schema, "") {
                        panic!("{arguments:?}: {why}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_schema_refuses_what_does_not_fit() {
    let schema = json(&["schema", "moment"]);
    for (text, why) in [
        (r#"{"time":"t","kind":"packet"}"#, "text is missing"),
        (r#"{"time":"t","kind":"smoke","text":""}"#, "none of"),
        (r#"{"time":1,"kind":"log","text":""}"#, "/time: integer"),
        (r#"{"time":"t","kind":"log","text":"","colour":1}"#, "colour is not in the schema"),
    ] {
        let value = serde_json::from_str(text).expect("JSON");
        let told = fits(&value, &schema, &schema, "").expect_err(text);
        assert!(told.contains(why), "{told}");
    }
}

/// What of JSON Schema the derived schemas use: references, types, properties, items, alternatives, constants.
fn fits(value: &Value, schema: &Value, root: &Value, at: &str) -> Result<(), String> {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        let target = root.pointer(reference.trim_start_matches('#')).ok_or(reference)?;
        // Keys that stand beside the reference are not the target's.
        let mut inner = value.clone();
        for key in schema.get("properties").and_then(Value::as_object).into_iter().flat_map(|p| p.keys()) {
            inner.as_object_mut().and_then(|map| map.remove(key));
        }
        fits(&inner, target, root, at)?;
    }
    if let Some(options) = schema.get("anyOf").or(schema.get("oneOf")).and_then(Value::as_array) {
        let any = options.iter().any(|option| fits(value, option, root, at).is_ok());
        return if any { Ok(()) } else { Err(format!("{at}: {value} is none of {options:?}")) };
    }
    if schema.get("const").is_some_and(|c| c != value) {
        return Err(format!("{at}: {value} is not {}", schema["const"]));
    }
    let kind = kind(value);
    let allowed = schema.get("type").map(ToString::to_string).unwrap_or_default();
    let is_of_type =
        allowed.is_empty() || allowed.contains(kind) || (kind == "integer" && allowed.contains("number"));
    if !is_of_type {
        return Err(format!("{at}: {kind}, not {allowed}"));
    }
    for (n, item) in value.as_array().into_iter().flatten().enumerate() {
        fits(item, &schema["items"], root, &format!("{at}/{n}"))?;
    }
    for (key, item) in value.as_object().into_iter().flatten() {
        let property = schema.pointer(&format!("/properties/{key}")).or(schema.get("additionalProperties"));
        match property {
            Some(property) => fits(item, property, root, &format!("{at}/{key}"))?,
            None if schema.get("$ref").is_some() => {}
            None => return Err(format!("{at}: {key} is not in the schema")),
        }
    }
    let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
    match required.filter_map(Value::as_str).find(|key| value.get(key).is_none()) {
        Some(key) => Err(format!("{at}: {key} is missing")),
        None => Ok(()),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(n) if n.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn json(arguments: &[&str]) -> Value {
    serde_json::from_str(&output(arguments)).expect("JSON")
}

fn output(arguments: &[&str]) -> String {
    let run = Command::new(env!("CARGO_BIN_EXE_wirecause"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(arguments)
        .output()
        .expect("the program starts");
    assert_eq!(run.status.code(), Some(0), "{arguments:?}: {}", String::from_utf8_lossy(&run.stderr));
    String::from_utf8(run.stdout).expect("UTF-8")
}
