//! Whether a value conforms to a schema of the document: the part of JSON Schema (2020-12) that
//! the document uses. A keyword that is not known here fails, so that none goes unheeded.

use serde_json::Value;

/// What a reference stands for.
pub(crate) fn resolve<'a>(value: &'a Value, document: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(target) => {
            let found = target.strip_prefix('#').and_then(|pointer| document.pointer(pointer));
            found.unwrap_or_else(|| panic!("{target} leads nowhere"))
        }
        None => value,
    }
}

/// What is wrong with a value, each with its place.
pub(crate) fn faults(schema: &Value, value: &Value, document: &Value) -> Vec<String> {
    let mut found = Vec::new();
    check(schema, value, document, "", &mut found);
    found
}

fn check(schema: &Value, value: &Value, document: &Value, at: &str, found: &mut Vec<String>) {
    let Some(keywords) = schema.as_object() else { return };
    let fault = |found: &mut Vec<String>, what: String| {
        let shown: String = value.to_string().chars().take(80).collect();
        found.push(format!("{at}: {shown} {what}"));
    };
    for (keyword, of) in keywords {
        match keyword.as_str() {
            "$ref" => check(resolve(schema, document), value, document, at, found),
            "type" => {
                let types = of.as_array().cloned().unwrap_or_else(|| vec![of.clone()]);
                if !types.iter().any(|one| is_of(one.as_str().unwrap(), value)) {
                    fault(found, format!("is not of type {of}"));
                }
            }
            "const" if of != value => fault(found, format!("is not {of}")),
            "enum" if !of.as_array().unwrap().contains(value) => {
                fault(found, format!("is none of {of}"));
            }
            "oneOf" => {
                let suits = |one: &&Value| faults(one, value, document).is_empty();
                let count = of.as_array().unwrap().iter().filter(suits).count();
                if count != 1 {
                    fault(found, format!("suits {count} of {of}"));
                }
            }
            "required" => {
                for name in of.as_array().unwrap().iter().filter_map(Value::as_str) {
                    if value.is_object() && value.get(name).is_none() {
                        fault(found, format!("lacks {name}"));
                    }
                }
            }
            "properties" => {
                for (name, schema) in of.as_object().unwrap() {
                    if let Some(value) = value.get(name) {
                        check(schema, value, document, &format!("{at}/{name}"), found);
                    }
                }
            }
            "additionalProperties" => {
                let known = keywords.get("properties");
                for (name, value) in value.as_object().into_iter().flatten() {
                    if known.is_some_and(|known| known.get(name).is_some()) {
                        continue;
                    }
                    match of {
                        Value::Bool(false) => fault(found, format!("has {name} beyond the schema")),
                        schema => check(schema, value, document, &format!("{at}/{name}"), found),
                    }
                }
            }
            "items" => {
                for (i, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(of, item, document, &format!("{at}/{i}"), found);
                }
            }
            "minItems" if value.as_array().is_some_and(|a| a.len() < size(of)) => {
                fault(found, format!("has fewer than {of}"));
            }
            "maxItems" if value.as_array().is_some_and(|a| a.len() > size(of)) => {
                fault(found, format!("has more than {of}"));
            }
            "minProperties" if value.as_object().is_some_and(|o| o.len() < size(of)) => {
                fault(found, format!("has fewer members than {of}"));
            }
            "minLength" if value.as_str().is_some_and(|s| s.chars().count() < size(of)) => {
                fault(found, format!("is shorter than {of}"));
            }
            "maxLength" if value.as_str().is_some_and(|s| s.chars().count() > size(of)) => {
                fault(found, format!("is longer than {of}"));
            }
            "minimum" if value.as_f64().is_some_and(|n| n < of.as_f64().unwrap()) => {
                fault(found, format!("is less than {of}"));
            }
            "maximum" if value.as_f64().is_some_and(|n| n > of.as_f64().unwrap()) => {
                fault(found, format!("is greater than {of}"));
            }
            "format" => {
                if let Some(text) = value.as_str()
                    && !has_format(text, of.as_str().unwrap())
                {
                    fault(found, format!("has not the format {of}"));
                }
            }
            "const" | "enum" | "minItems" | "maxItems" | "minProperties" | "minLength"
            | "maxLength" | "minimum" | "maximum" => {}
            // What the document says to people, and patterns, which the generators of requests
            // check in `scripts/check-api`.
            "description" | "example" | "default" | "pattern" | "patternProperties"
            | "x-extensible-enum" | "deprecated" | "readOnly" | "writeOnly" => {}
            other => fault(found, format!("has a schema with the unknown keyword {other}")),
        }
    }
}

fn size(of: &Value) -> usize {
    usize::try_from(of.as_u64().unwrap()).unwrap()
}

fn is_of(kind: &str, value: &Value) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        other => panic!("there is no type {other}"),
    }
}

fn has_format(text: &str, format: &str) -> bool {
    match format {
        "uuid" => text.parse::<uuid::Uuid>().is_ok(),
        "date-time" => chrono::DateTime::parse_from_rfc3339(text).is_ok(),
        "date" => text.parse::<chrono::NaiveDate>().is_ok(),
        "decimal" => text.parse::<rust_decimal::Decimal>().is_ok(),
        // The others are of texts that mean something to people or in an expression.
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_does_not_conform_is_found() {
        let document = json!({"components": {"schemas": {"A": {
            "type": "object", "required": ["id"], "additionalProperties": false,
            "properties": {
                "id": {"type": "string", "format": "uuid"},
                "size": {"type": ["integer", "null"], "minimum": 1},
                "kind": {"oneOf": [{"type": "string", "enum": ["a"]}, {"type": "null"}]},
                "all": {"type": "array", "items": {"type": "string", "maxLength": 1}},
                "some": {"type": "object", "minProperties": 1}
            }
        }}}});
        let schema = json!({"$ref": "#/components/schemas/A"});
        let id = "0197d8a0-3c1f-7b52-9d0e-6f2a41c58e11";
        let good = json!({"id": id, "size": null, "kind": "a", "all": ["b"]});
        assert_eq!(faults(&schema, &good, &document), Vec::<String>::new());
        for bad in [
            json!([]),
            json!({}),
            json!({"id": "x"}),
            json!({"id": id, "size": 0}),
            json!({"id": id, "size": "1"}),
            json!({"id": id, "kind": "b"}),
            json!({"id": id, "all": ["bb"]}),
            json!({"id": id, "some": {}}),
            json!({"id": id, "more": 1}),
        ] {
            assert!(!faults(&schema, &bad, &document).is_empty(), "{bad}");
        }
        let odd = json!({"multipleOf": 2});
        assert!(!faults(&odd, &json!(2), &document).is_empty(), "an unknown keyword");
    }
}
