//! What holds of the document as a whole.

use std::collections::BTreeSet;
use std::path::Path;

use super::*;

fn parsed() -> Value {
    serde_json::from_str(document()).unwrap()
}

fn operations(document: &Value) -> Vec<(String, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    paths
        .iter()
        .flat_map(|(path, item)| {
            let item = item.as_object().unwrap();
            item.iter().map(move |(method, operation)| (format!("{method} {path}"), operation))
        })
        .collect()
}

#[test]
fn the_checked_in_document_is_what_the_server_answers() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
    let checked_in = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        checked_in == document(),
        "crm-server/openapi.json is stale: run `cargo run -p crm-server -- openapi > crm-server/openapi.json`"
    );
}

#[test]
fn every_reference_leads_somewhere() {
    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(map) => {
                if let Some(Value::String(target)) = map.get("$ref") {
                    found.push(target);
                }
                map.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let document = parsed();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(!found.is_empty());
    for target in found {
        let pointer = target.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{target} leads nowhere");
    }
}

/// Those who are not known are counted by their address, however they call what is open.
#[test]
fn what_is_open_is_written_down() {
    let document = parsed();
    let mut open = 0;
    for (name, operation) in operations(&document) {
        let (method, path) = name.split_once(' ').unwrap();
        let asks_nobody = operation["security"].as_array().unwrap().is_empty();
        let found = is_open(&method.to_uppercase(), &format!("{BASE}{path}"));
        assert_eq!(found, asks_nobody, "{name}: to be written down in OPEN, or not");
        assert!(!asks_nobody || !path.contains('{'), "{name}: an open path has no parameter");
        open += usize::from(asks_nobody);
    }
    assert_eq!(open, OPEN.len());
    assert!(is_open("HEAD", "/api/v1/health/live"));
}

/// What is answered under a key is stored in the clear.
#[test]
fn no_operation_that_takes_a_key_answers_a_secret() {
    fn properties(value: &Value, document: &Value, deep: usize, found: &mut BTreeSet<String>) {
        if let Some(target) = value["$ref"].as_str()
            && deep > 0
        {
            let schema = document.pointer(target.strip_prefix('#').unwrap()).unwrap();
            properties(schema, document, deep - 1, found);
        }
        for (name, within) in value["properties"].as_object().into_iter().flatten() {
            found.insert(name.to_lowercase());
            properties(within, document, deep, found);
        }
        for all in ["allOf", "anyOf", "oneOf"] {
            let several = value[all].as_array().into_iter().flatten();
            several.for_each(|within| properties(within, document, deep, found));
        }
        if let Some(items) = value.get("items") {
            properties(items, document, deep, found);
        }
    }
    let document = parsed();
    let key = "#/components/parameters/IdempotencyKey";
    let mut keyed = 0;
    for (name, operation) in operations(&document) {
        let parameters = operation["parameters"].as_array();
        if !parameters.is_some_and(|all| all.iter().any(|one| one["$ref"] == key)) {
            continue;
        }
        keyed += 1;
        let mut found = BTreeSet::new();
        for (status, response) in operation["responses"].as_object().unwrap() {
            let content = response["content"].as_object().into_iter().flatten();
            for (_, media) in content.filter(|_| status.starts_with('2')) {
                properties(&media["schema"], &document, 8, &mut found);
            }
        }
        for secret in ["token", "secret", "password", "recovery", "otpauth"] {
            let told = found.iter().find(|property| property.contains(secret));
            assert_eq!(told, None, "{name}: add its path to SECRET in api/idempotency.rs");
        }
    }
    assert!(keyed > 5);
}
