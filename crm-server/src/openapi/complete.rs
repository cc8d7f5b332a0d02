//! The one pass over the document that says what holds for all operations.

use std::collections::HashMap;

use crm_core::language::ParameterDescription;
use serde_json::{Map, Value, json};

use super::{errors, lists, words};
use crate::api::idempotency;

const MERGE_PATCH: &str = "application/merge-patch+json";

/// `described` are the lists of the API, each with its path and its parameters.
pub(super) fn complete(
    document: &mut Value,
    described: &[(&'static str, Vec<ParameterDescription>)],
) {
    mend_nullable(document);
    for (path, parameters) in described {
        let operation = &mut document["paths"][path]["get"];
        let described = parameters.iter().map(lists::parameter);
        match operation["parameters"].as_array_mut() {
            Some(known) => known.extend(described),
            None => operation["parameters"] = described.collect(),
        }
    }
    let mut patches = Vec::new();
    let mut tags = Vec::new();
    if let Some(paths) = document["paths"].as_object_mut() {
        for (path, item) in paths {
            let Some(item) = item.as_object_mut() else { continue };
            for (method, operation) in item {
                complete_operation(operation, path, method, &mut patches);
                if let Some(tag) = operation["tags"][0].as_str()
                    && !tags.iter().any(|known| known == tag)
                {
                    tags.push(tag.to_owned());
                }
            }
        }
    }
    document["tags"] = tags.into_iter().map(|name| json!({"name": name})).collect();
    let types = types(document);
    let (error, responses) = errors::components();
    let components = &mut document["components"];
    components["responses"] = responses;
    components["parameters"] = headers();
    components["schemas"]["ErrorReply"] = error;
    components["securitySchemes"] = json!({"bearer": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "The access token of a sign-in"
    }});
    for name in patches {
        let patch = as_patch(&components["schemas"][&name], &types);
        components["schemas"][format!("{name}Patch")] = patch;
    }
}

fn complete_operation(operation: &mut Value, path: &str, method: &str, patches: &mut Vec<String>) {
    let area = path.split('/').find(|segment| !segment.is_empty()).unwrap_or_default();
    if operation["tags"].as_array().is_none_or(Vec::is_empty) {
        operation["tags"] = json!([words::capitalised(&words::spaced(area))]);
    }
    let plural = words::noun(path);
    let singular = words::singular(&plural);
    for key in ["summary", "description"] {
        if let Some(text) = operation[key].as_str() {
            let text = text.replace("{records}", &plural).replace("{record}", &singular);
            operation[key] = json!(text);
        }
    }
    name_plainly(operation);
    let responses = &operation["responses"];
    let creates = responses.get("201").is_some();
    let data = responses.pointer("/200/content/application~1json/schema/properties");
    let lists =
        data.is_some_and(|data| data.get("meta").is_some() || data["data"]["type"] == "array");
    operation["operationId"] = json!(words::operation_id(method, path, lists, creates));
    for (status, response) in errors::of(operation, path, method) {
        operation["responses"][status] = response;
    }
    let mut headers = Vec::new();
    if operation.get("security").is_some() {
        headers.push(json!({"$ref": "#/components/parameters/Tenant"}));
    } else {
        // Said, not left out: nothing is needed here.
        operation["security"] = json!([]);
    }
    if errors::takes_key(operation, path, method) {
        headers.push(json!({"$ref": "#/components/parameters/IdempotencyKey"}));
        let responses = operation["responses"].as_object_mut().into_iter().flatten();
        for (_, response) in responses.filter(|(status, _)| status.starts_with('2')) {
            response["headers"][idempotency::REPLAYED] = json!({
                "description": "`true` where a request was sent again under its key, and this is \
                                what the first one was answered",
                "schema": {"type": "boolean"}
            });
        }
    }
    if method != "get" && path.contains('{') {
        headers.push(json!({"$ref": "#/components/parameters/IfMatch"}));
    }
    match operation.get_mut("parameters").and_then(Value::as_array_mut) {
        Some(parameters) => parameters.extend(headers),
        None if headers.is_empty() => {}
        None => operation["parameters"] = Value::Array(headers),
    }
    let content = operation.pointer_mut("/requestBody/content").and_then(Value::as_object_mut);
    if let Some(content) = content.filter(|content| content.contains_key(MERGE_PATCH)) {
        for media in content.values_mut() {
            let reference = media["schema"]["$ref"].as_str().map(str::to_owned);
            let Some(reference) = reference else { continue };
            let name = reference.rsplit('/').next().unwrap_or_default().to_owned();
            media["schema"]["$ref"] = json!(format!("{reference}Patch"));
            if !patches.contains(&name) {
                patches.push(name);
            }
        }
    }
}

/// The media type without its character set, which JSON has no choice of.
fn name_plainly(operation: &mut Value) {
    let responses = operation["responses"].as_object_mut();
    for response in responses.into_iter().flat_map(Map::values_mut) {
        let Some(content) = response.get_mut("content").and_then(Value::as_object_mut) else {
            continue;
        };
        if let Some(media) = content.remove("application/json; charset=utf-8") {
            content.insert("application/json".to_owned(), media);
        }
    }
}

/// Headers that many operations take.
fn headers() -> Value {
    json!({
        "Tenant": {
            "name": "X-Tenant-ID",
            "in": "header",
            "required": false,
            "description": "Another tenant than the token's, of which the user is a member",
            "schema": {"type": "string", "format": "uuid"}
        },
        "IdempotencyKey": {
            "name": idempotency::HEADER,
            "in": "header",
            "required": false,
            "description": "A key of the caller's own for this request: sent again under it, the \
                            request happens once and is answered what it was the first time. Kept \
                            for 24 hours, by user and tenant. 422 where the key was used with \
                            another path, parameter or body (white space and the order of members \
                            aside), 409 while the first request is being worked on or where its \
                            answer was lost. A request that failed without effect claims no key",
            "schema": {
                "type": "string",
                "minLength": 1,
                "maxLength": crm_core::idempotency::MAX_KEY,
                "pattern": "^[!-~]+$",
                "example": "8e03978e-40d5-43e8-bc93-6894a57f9324"
            }
        },
        "IfMatch": {
            "name": "If-Match",
            "in": "header",
            "required": false,
            "description": "The ETag of the version that is to be changed; 412 where it is stale",
            "schema": {"type": "string", "example": "\"3\""}
        }
    })
}

/// A schema in which each property may be left out, to stay as it is, or null, to be cleared.
fn as_patch(schema: &Value, types: &Types) -> Value {
    let mut patch = schema.clone();
    if let Some(patch) = patch.as_object_mut() {
        patch.remove("required");
        if let Some(properties) = patch.get_mut("properties").and_then(Value::as_object_mut) {
            for property in properties.values_mut() {
                make_nullable(property, types);
            }
        }
    }
    patch
}

/// Properties that may be absent may be null too: both are written and read.
fn mend_nullable(document: &mut Value) {
    let types = types(document);
    let Some(schemas) = document.pointer_mut("/components/schemas").and_then(Value::as_object_mut)
    else {
        return;
    };
    for schema in schemas.values_mut() {
        let required: Vec<String> = schema["required"]
            .as_array()
            .map(|names| names.iter().filter_map(Value::as_str).map(str::to_owned).collect())
            .unwrap_or_default();
        let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
        for (name, property) in properties.into_iter().flatten() {
            if !required.contains(name) && property.get("default").is_none() {
                make_nullable(property, &types);
            }
        }
    }
}

fn make_nullable(property: &mut Value, types: &Types) {
    let Some(object) = property.as_object_mut() else { return };
    if let Some(reference) = object.remove("$ref") {
        // Nothing may stand beside a reference in OpenAPI 3.0, and what is nullable has a type.
        let name = reference.as_str().and_then(|path| path.rsplit('/').next());
        let of = name.and_then(|name| types.get(name)).cloned();
        let mut wrapped = Map::new();
        wrapped.insert("allOf".to_owned(), json!([{"$ref": reference}]));
        wrapped.insert("type".to_owned(), of.unwrap_or_else(|| json!("object")));
        wrapped.insert("nullable".to_owned(), json!(true));
        *object = wrapped;
    } else if object.contains_key("type") {
        object.insert("nullable".to_owned(), json!(true));
    }
    // What has no type may be anything, null too.
}

/// The type of each schema, by name.
type Types = HashMap<String, Value>;

fn types(document: &Value) -> Types {
    let schemas = document.pointer("/components/schemas").and_then(Value::as_object);
    let of =
        |(name, schema): (&String, &Value)| schema.get("type").map(|of| (name.clone(), of.clone()));
    schemas.into_iter().flatten().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_absent_may_be_null_and_a_reference_is_wrapped() {
        let mut document = json!({"components": {"schemas": {"A": {
            "required": ["id"],
            "properties": {
                "id": {"type": "string"},
                "city": {"type": "string"},
                "size": {"type": "integer", "default": 1},
                "owner": {"$ref": "#/components/schemas/B"}
            }
        }}}});
        mend_nullable(&mut document);
        let properties = &document["components"]["schemas"]["A"]["properties"];
        assert_eq!(properties["id"], json!({"type": "string"}));
        assert_eq!(properties["city"], json!({"type": "string", "nullable": true}));
        assert_eq!(properties["size"], json!({"type": "integer", "default": 1}));
        let owner = json!({
            "allOf": [{"$ref": "#/components/schemas/B"}], "type": "object", "nullable": true
        });
        assert_eq!(properties["owner"], owner);
    }

    #[test]
    fn a_patch_requires_nothing_and_clears_anything() {
        let schema =
            json!({"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}}});
        let patch =
            json!({"type": "object", "properties": {"a": {"type": "string", "nullable": true}}});
        assert_eq!(as_patch(&schema, &Types::new()), patch);
    }
}
