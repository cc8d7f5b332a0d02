//! The schemas of bodies, said in full: OpenAPI 3.1, what may be null, what is refused, choices
//! under names of their own, and merge patches.
//!
//! poem-openapi writes OpenAPI 3.0 and leaves these things out.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

/// Where schemas are.
const SCHEMAS: &str = "#/components/schemas/";

/// An exact decimal: what is answered, and what is taken.
pub(super) const DECIMAL: &str = r"^-?[0-9]{1,15}(\.[0-9]{1,10})?$";

/// A reference to a schema.
pub(super) fn reference(name: &str) -> Value {
    json!({"$ref": format!("{SCHEMAS}{name}")})
}

/// The name of the schema that is referred to.
pub(super) fn referred(schema: &Value) -> Option<&str> {
    schema["$ref"].as_str()?.strip_prefix(SCHEMAS)
}

/// All schemas of bodies, mended.
pub(super) fn mend(document: &mut Value) {
    let inputs = inputs(document);
    let mut choices = Choices::default();
    let mut schemas = take(document);
    for (name, schema) in &mut schemas {
        let required = names(&schema["required"]);
        if let Some(object) = schema.as_object_mut() {
            object.remove("title");
            if inputs.contains(name) && object.contains_key("properties") {
                object.entry("additionalProperties").or_insert(json!(false));
            }
        }
        let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
        for (property, schema) in properties.into_iter().flatten() {
            unite(schema);
            choices.hoist(schema);
            let defaulted = schema.get("default").is_some();
            if inputs.contains(name) {
                tell_default(schema);
            }
            mend_values(property, schema, inputs.contains(name));
            // What may be absent may be null too, both are written and read; but where absence
            // stands for a value, null does not.
            if !required.contains(property) && !defaulted {
                make_nullable(schema);
            }
        }
    }
    schemas.extend(choices.0);
    schemas.insert(CUSTOM_VALUE.to_owned(), custom_value());
    schemas.insert(CUSTOM_FIELDS.to_owned(), custom_fields());
    document["components"]["schemas"] = Value::Object(schemas);
}

/// A schema in which each property may be left out, to stay as it is, or null, to be cleared.
pub(super) fn as_patch(schema: &Value) -> Value {
    let mut patch = schema.clone();
    if let Some(object) = patch.as_object_mut() {
        object.remove("required");
        let description = object.get("description").and_then(Value::as_str).unwrap_or_default();
        let description = format!("{description} What is left out stays; null clears.");
        object.insert("description".to_owned(), json!(description.trim()));
        let properties = object.get_mut("properties").and_then(Value::as_object_mut);
        for property in properties.into_iter().flat_map(Map::values_mut) {
            make_nullable(property);
        }
    }
    patch
}

/// What a choice in a parameter is called, where a body has the same.
pub(super) fn choice_named(document: &Value, codes: &Value) -> Option<String> {
    let schemas = document.pointer("/components/schemas").and_then(Value::as_object)?;
    schemas.iter().find(|(_, schema)| schema["enum"] == *codes).map(|(name, _)| name.clone())
}

fn take(document: &mut Value) -> Map<String, Value> {
    match document.pointer_mut("/components/schemas").map(Value::take) {
        Some(Value::Object(schemas)) => schemas,
        _ => Map::new(),
    }
}

fn names(value: &Value) -> BTreeSet<String> {
    let names = value.as_array().into_iter().flatten().filter_map(Value::as_str);
    names.map(str::to_owned).collect()
}

/// The schemas of what is sent, and of what is in them.
fn inputs(document: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let paths = document["paths"].as_object().into_iter().flat_map(Map::values);
    let operations = paths.filter_map(Value::as_object).flat_map(Map::values);
    let mut open: Vec<&Value> = operations.map(|operation| &operation["requestBody"]).collect();
    while let Some(value) = open.pop() {
        if let Some(name) = referred(value)
            && found.insert(name.to_owned())
        {
            open.push(&document["components"]["schemas"][name]);
        }
        match value {
            Value::Object(map) => open.extend(map.values()),
            Value::Array(items) => open.extend(items),
            _ => {}
        }
    }
    found
}

/// A described reference comes as one of two parts, the other being the description.
fn unite(schema: &mut Value) {
    let Some(parts) = schema["allOf"].as_array() else { return };
    let Some(name) = parts.iter().find_map(referred) else { return };
    let united = described(reference(name), schema);
    *schema = united;
}

/// A schema with the description of another, where that has one.
fn described(mut schema: Value, of: &Value) -> Value {
    if let Some(description) = of.get("description") {
        schema["description"] = description.clone();
    }
    schema
}

/// Choices under names of their own, so that a program has one type for each.
#[derive(Default)]
struct Choices(BTreeMap<String, Value>);

impl Choices {
    /// A choice says its name as its title.
    fn hoist(&mut self, schema: &mut Value) {
        if schema.get("items").is_some() {
            self.hoist(&mut schema["items"]);
            return;
        }
        let Some(codes) = schema.get("enum").cloned() else { return };
        let Some(name) = schema["title"].as_str().map(str::to_owned) else { return };
        let named = json!({"type": "string", "enum": codes, "description": describe(&name)});
        let known = self.0.entry(name.clone()).or_insert_with(|| named.clone());
        if *known != named {
            return;
        }
        let Some(object) = schema.as_object_mut() else { return };
        object.retain(|key, _| matches!(key.as_str(), "description" | "default"));
        object.insert("$ref".to_owned(), json!(format!("{SCHEMAS}{name}")));
    }
}

/// `CompanySize` as `A company size.`
fn describe(name: &str) -> String {
    let mut text = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() {
            text.push(' ');
        }
        text.push(c.to_ascii_lowercase());
    }
    let article = if text.starts_with([' ']) && text[1..].starts_with(['a', 'e', 'i', 'o', 'u']) {
        "An"
    } else {
        "A"
    };
    format!("{article}{text}.")
}

const CUSTOM_VALUE: &str = "CustomFieldValue";
const CUSTOM_FIELDS: &str = "CustomFields";

/// What a tenant's own field can hold.
fn custom_value() -> Value {
    json!({
        "type": ["string", "number", "boolean", "array", "null"],
        "items": {"type": "string"},
        "description": "The value of a custom field, as its definition has it: a text (also for \
                        exact decimals, dates and times), a number, true or false, or a list of \
                        chosen options. Null is no value.",
        "example": "gold"
    })
}

/// A tenant's own fields in a record.
fn custom_fields() -> Value {
    json!({
        "type": "object",
        "additionalProperties": reference(CUSTOM_VALUE),
        "description": "The values of a tenant's own fields, by their keys.",
        "example": {"seats": 25, "plan": "gold"}
    })
}

/// What the values look like that poem-openapi has no words for.
fn mend_values(property: &str, schema: &mut Value, taken: bool) {
    if property == "customFields" && schema["type"] == "object" {
        *schema = described(reference(CUSTOM_FIELDS), schema);
        return;
    }
    if property == "filter" && taken && schema.get("type").is_none() {
        schema["type"] = json!(["string", "object"]);
        schema["minProperties"] = json!(1);
        schema["additionalProperties"] = json!({
            "type": ["string", "number", "boolean", "array"],
            "items": {"type": ["string", "number", "boolean"]},
            "description": "A value, or several of which it is one."
        });
    }
    let format = schema["format"].as_str().unwrap_or_default().to_owned();
    match (schema["type"].as_str(), format.as_str()) {
        (Some("string"), "decimal") => {
            schema["pattern"] = json!(DECIMAL);
            if taken {
                // A number is taken too, as exact as JSON numbers are.
                schema["type"] = json!(["string", "number"]);
                schema["minimum"] = json!(-999_999_999_999_999_i64);
                schema["maximum"] = json!(999_999_999_999_999_i64);
            }
        }
        (Some("integer"), "uint64" | "uint32") => {
            schema["format"] = json!(if format == "uint64" { "int64" } else { "int32" });
            schema["minimum"] = json!(0);
        }
        (Some("array"), _) => mend_values("", &mut schema["items"], taken),
        _ => {}
    }
}

/// A default in a body is told in words: many generators would send it with every request, or
/// take a field that has one for one that must be there.
fn tell_default(schema: &mut Value) {
    let Some(object) = schema.as_object_mut() else { return };
    let Some(default) = object.remove("default") else { return };
    let told = match &default {
        Value::String(text) if !text.is_empty() => format!("`{text}`"),
        Value::Bool(_) | Value::Number(_) => format!("`{default}`"),
        _ => return,
    };
    let description = object.get("description").and_then(Value::as_str).unwrap_or_default();
    let description = description.trim_end_matches('.');
    object.insert("description".to_owned(), json!(format!("{description}; {told} unless given.")));
}

/// Allows null beside what is described.
fn make_nullable(schema: &mut Value) {
    let Some(object) = schema.as_object_mut() else { return };
    if let Some(target) = object.remove("$ref") {
        object.insert("oneOf".to_owned(), json!([{"$ref": target}, {"type": "null"}]));
        return;
    }
    let types = match object.get("type") {
        Some(Value::String(one)) => vec![json!(one)],
        Some(Value::Array(several)) => several.clone(),
        // What has no type may be anything, null too.
        _ => return,
    };
    if !types.iter().any(|one| one == "null") {
        object.insert("type".to_owned(), json!([types, vec![json!("null")]].concat()));
    }
    if let Some(codes) = object.get_mut("enum").and_then(Value::as_array_mut)
        && !codes.contains(&Value::Null)
    {
        codes.push(Value::Null);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mended() -> Value {
        let size = json!({"type": "string", "title": "CompanySize", "enum": ["small", "large"]});
        let mut document = json!({
            "paths": {"/a": {"post": {"requestBody": {"content": {"application/json": {
                "schema": {"$ref": "#/components/schemas/AInput"}
            }}}}}},
            "components": {"schemas": {
                "A": {"type": "object", "required": ["id"], "properties": {
                    "id": {"type": "string"},
                    "city": {"type": "string"},
                    "size": size,
                    "sum": {"type": "string", "format": "decimal"},
                    "owner": {"allOf": [{"$ref": "#/components/schemas/B"}, {}], "description": "Who."}
                }},
                "AInput": {"type": "object", "required": ["name"], "properties": {
                    "name": {"type": "string"},
                    "size": {"default": "small", "description": "How large.", "type": "string",
                             "title": "CompanySize", "enum": ["small", "large"]}
                }},
                "B": {"type": "object", "properties": {}}
            }}
        });
        mend(&mut document);
        document["components"]["schemas"].take()
    }

    #[test]
    fn what_may_be_absent_may_be_null() {
        let properties = &mended()["A"]["properties"];
        assert_eq!(properties["id"], json!({"type": "string"}));
        assert_eq!(properties["city"], json!({"type": ["string", "null"]}));
        let owner = json!({
            "oneOf": [{"$ref": "#/components/schemas/B"}, {"type": "null"}], "description": "Who."
        });
        assert_eq!(properties["owner"], owner);
    }

    #[test]
    fn a_choice_has_a_name_and_is_the_same_wherever_it_stands() {
        let schemas = mended();
        assert_eq!(schemas["CompanySize"]["enum"], json!(["small", "large"]));
        let size = json!([{"$ref": "#/components/schemas/CompanySize"}, {"type": "null"}]);
        assert_eq!(schemas["A"]["properties"]["size"]["oneOf"], size);
        assert_eq!(schemas["AInput"]["properties"]["size"]["$ref"], size[0]["$ref"]);
        assert_eq!(as_patch(&schemas["AInput"])["properties"]["size"]["oneOf"], size);
    }

    #[test]
    fn what_is_sent_is_closed_and_tells_its_defaults_in_words() {
        let schemas = mended();
        assert_eq!(schemas["AInput"]["additionalProperties"], false);
        assert!(schemas["A"].get("additionalProperties").is_none());
        let size = &schemas["AInput"]["properties"]["size"];
        assert!(size.get("default").is_none());
        assert_eq!(size["description"], "How large; `small` unless given.");
    }

    #[test]
    fn a_patch_requires_nothing_and_clears_anything() {
        let patch = as_patch(&mended()["AInput"]);
        assert!(patch.get("required").is_none());
        assert_eq!(patch["properties"]["name"], json!({"type": ["string", "null"]}));
    }
}
