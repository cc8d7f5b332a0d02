//! Parameters: what all operations of a kind take, and each parameter written down once.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{errors, words};
use crate::api::idempotency;

/// What an operation takes beside what its handler says.
pub(super) fn complete(operation: &mut Value, path: &str, method: &str) {
    let mut parameters: Vec<Value> = operation
        .get_mut("parameters")
        .and_then(Value::as_array_mut)
        .map(std::mem::take)
        .unwrap_or_default();
    for parameter in &mut parameters {
        mend(parameter, path);
    }
    if operation["security"].as_array().is_some_and(|schemes| !schemes.is_empty()) {
        parameters.push(reference("Tenant"));
    }
    if errors::takes_key(operation, path, method) {
        parameters.push(reference("IdempotencyKey"));
    }
    if errors::takes_version(path, method) {
        parameters.push(reference("IfMatch"));
    }
    if parameters.is_empty() {
        if let Some(operation) = operation.as_object_mut() {
            operation.remove("parameters");
        }
    } else {
        operation["parameters"] = Value::Array(parameters);
    }
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/parameters/{name}")})
}

fn mend(parameter: &mut Value, path: &str) {
    let name = parameter["name"].as_str().unwrap_or_default().to_owned();
    let within = parameter["in"].as_str().unwrap_or_default().to_owned();
    let Some(object) = parameter.as_object_mut() else { return };
    if object.get("deprecated") == Some(&json!(false)) {
        object.remove("deprecated");
    }
    if within == "path" {
        // As the specification has it; an array in a path is something that we have not.
        object.remove("explode");
        if name == "permission" {
            object["schema"]["pattern"] = json!("^[a-z][a-z0-9_-]*:[a-z][a-z0-9_-]*$");
        }
        let of = words::singular(&words::spaced(&words::before(path, &name)));
        object
            .entry("description")
            .or_insert_with(|| json!(format!("The identifier of the {of}.")));
    }
}

/// Headers that many operations take.
pub(super) fn headers() -> Map<String, Value> {
    let headers = json!({
        "Tenant": {
            "name": "X-Tenant-ID",
            "in": "header",
            "required": false,
            "description": "The identifier of another tenant than the token's, of which the user \
                            is a member.",
            // Not `format: uuid`: some generators would put what is no text into a header.
            "schema": {"type": "string"},
            "example": "0197d8a0-3c1f-7b52-9d0e-6f2a41c58e11"
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
                            answer was lost. A request that failed without effect claims no key.",
            "schema": {
                "type": "string",
                "minLength": 1,
                "maxLength": crm_core::idempotency::MAX_KEY,
                "pattern": "^[!-~]+$"
            },
            "example": "8e03978e-40d5-43e8-bc93-6894a57f9324"
        },
        "IfMatch": {
            "name": "If-Match",
            "in": "header",
            "required": false,
            "description": "The `ETag` of the version that is to be changed; 412 where it is \
                            stale. `*` is any version.",
            "schema": {"type": "string", "pattern": r#"^((W/)?"[0-9]{1,18}"|\*)$"#},
            "example": "\"3\""
        }
    });
    match headers {
        Value::Object(headers) => headers,
        _ => Map::new(),
    }
}

/// Puts each parameter that several operations take among the components, once.
pub(super) fn share(document: &mut Value) {
    let mut shared = headers();
    let mut uses: BTreeMap<String, usize> = BTreeMap::new();
    each(document, |_, parameter| *uses.entry(parameter.to_string()).or_default() += 1);
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    each(document, |path, parameter| {
        let text = parameter.to_string();
        if parameter.get("$ref").is_some() || uses.get(&text).is_none_or(|uses| *uses < 2) {
            return;
        }
        let name = names.entry(text).or_insert_with(|| {
            let plain = words::pascal(parameter["name"].as_str().unwrap_or_default());
            let mut name = plain.clone();
            // In a path, a name is always one of something.
            if shared.contains_key(&name) || parameter["in"] == "path" {
                name = format!("{}{plain}", words::pascal(&words::singular(&words::noun(path))));
            }
            while shared.contains_key(&name) {
                name.push('_');
            }
            shared.insert(name.clone(), parameter.clone());
            name
        });
        *parameter = reference(name);
    });
    document["components"]["parameters"] = Value::Object(shared);
}

fn each(document: &mut Value, mut act: impl FnMut(&str, &mut Value)) {
    let Some(paths) = document.get_mut("paths").and_then(Value::as_object_mut) else { return };
    for (path, item) in paths {
        for operation in item.as_object_mut().into_iter().flat_map(Map::values_mut) {
            let parameters = operation.get_mut("parameters").and_then(Value::as_array_mut);
            for parameter in parameters.into_iter().flatten() {
                act(path, parameter);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_several_take_is_written_down_once() {
        let page = json!({"name": "page", "in": "query"});
        let (one, other) =
            (json!({"name": "name", "in": "query"}), json!({"name": "name", "in": "path"}));
        let mut document = json!({"components": {}, "paths": {
            "/tags": {"get": {"parameters": [page, one]}, "post": {"parameters": [one]}},
            "/teams": {"get": {"parameters": [page, other]}, "post": {"parameters": [other]}},
            "/users": {"get": {"parameters": [{"name": "own", "in": "query"}]}}
        }});
        share(&mut document);
        let of = |path: &str, at: usize| document["paths"][path]["get"]["parameters"][at].clone();
        assert_eq!(of("/tags", 0), reference("Page"));
        assert_eq!(of("/tags", 1), reference("Name"));
        assert_eq!(of("/teams", 1), reference("TeamName"));
        assert_eq!(of("/users", 0)["name"], "own");
        assert_eq!(document["components"]["parameters"]["TeamName"], other);
    }
}
