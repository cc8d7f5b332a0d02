//! The answers of operations: envelopes under names of their own, the headers that come with
//! them, and where one can go from them.

use serde_json::{Map, Value, json};

use super::schemas::{reference, referred};
use super::words;
use crate::api::idempotency;

/// Names the envelopes in an operation's answers and adds what all answers of their kind have.
pub(super) fn complete(
    operation: &mut Value,
    keyed: bool,
    rated: bool,
    schemas: &mut Map<String, Value>,
) {
    let id = operation["operationId"].as_str().unwrap_or_default().to_owned();
    let responses = operation.get_mut("responses").and_then(Value::as_object_mut);
    let Some(responses) = responses else { return };
    for (status, response) in responses {
        if !status.starts_with('2') {
            continue;
        }
        name_plainly(response);
        if rated {
            for (header, component) in RATES {
                response["headers"][header] =
                    json!({"$ref": format!("#/components/headers/{component}")});
            }
        }
        if keyed {
            response["headers"][idempotency::REPLAYED] =
                json!({"$ref": "#/components/headers/Replayed"});
        }
        let Some(envelope) = response.pointer_mut("/content/application~1json/schema") else {
            continue;
        };
        // A file of records is no envelope.
        if referred(envelope).is_some() || envelope["type"] == "array" {
            continue;
        }
        envelope["properties"]["success"] =
            json!({"type": "boolean", "const": true, "description": "True."});
        let data = envelope["properties"]["data"].clone();
        if let Some(message) = envelope["properties"].get_mut("message") {
            message["description"] = json!("A sentence for people.");
        }
        let part = envelope["properties"].get("meta").is_some();
        let name = named(&id, &data, part);
        envelope["description"] =
            json!(if part { "A part of a list." } else { "What was asked for." });
        let same = schemas.get(&name).is_none_or(|known| known == envelope);
        let name = if same { name } else { format!("{}Reply", words::capitalised(&id)) };
        schemas.insert(name.clone(), envelope.take());
        *envelope = reference(&name);
        let versioned = referred(&data).is_some_and(|of| {
            schemas.get(of).is_some_and(|of| of["properties"]["version"]["type"] == "integer")
        });
        if versioned {
            response["headers"]["ETag"] = json!({"$ref": "#/components/headers/ETag"});
        }
        if let Some(location) = response.pointer_mut("/headers/Location") {
            *location = json!({"$ref": "#/components/headers/Location"});
        }
    }
}

/// Headers that tell how often one may still ask, and what they are called among the components.
pub(super) const RATES: [(&str, &str); 2] =
    [("RateLimit", "RateLimit"), ("RateLimit-Policy", "RateLimitPolicy")];

/// Headers of answers.
pub(super) fn headers() -> Value {
    json!({
        "ETag": {
            "description": "The version of the record, for `If-Match`",
            "required": true,
            "schema": {"type": "string", "pattern": r#"^"[0-9]+"$"#},
            "example": "\"3\""
        },
        "RateLimit": {
            "description": "What is left of each limit that counted the request \
                            (draft-ietf-httpapi-ratelimit-headers-11): `r` requests, no more of \
                            them for `t` seconds. Absent where nothing is limited",
            "required": false,
            "schema": {"type": "string"},
            "example": r#""user";r=2999;t=1, "tenant";r=11999;t=1"#
        },
        "RateLimitPolicy": {
            "description": "What these limits are: `q` requests in `w` seconds, as many of them \
                            at once",
            "required": false,
            "schema": {"type": "string"},
            "example": r#""user";q=3000;w=60, "tenant";q=12000;w=60"#
        },
        "Replayed": {
            "description": "`true` where a request was sent again under its key, and this is what \
                            the first one was answered",
            "required": false,
            "schema": {"type": "boolean"},
            "example": true
        },
        "Location": {
            "description": "The path of what was created",
            "required": true,
            "schema": {"type": "string"},
            "example": "/api/v1/customers/0197d8a0-3c1f-7b52-9d0e-6f2a41c58e11"
        }
    })
}

/// From what was created to what can be done with it.
pub(super) fn link(document: &mut Value) {
    let Some(paths) = document.get_mut("paths").and_then(Value::as_object_mut) else { return };
    let mut about: Vec<(String, String, String)> = Vec::new();
    for (path, item) in paths.iter() {
        let operations = item.as_object().into_iter().flat_map(Map::values);
        for id in operations.filter_map(|operation| operation["operationId"].as_str()) {
            let names = words::parameters(path);
            if let ([name], Some((collection, _))) = (names.as_slice(), path.split_once("/{")) {
                about.push((collection.to_owned(), (*name).to_owned(), id.to_owned()));
            }
        }
    }
    for (path, item) in paths {
        let Some(created) = item.pointer_mut("/post/responses/201") else { continue };
        let mut links = Map::new();
        for (_, parameter, id) in about.iter().filter(|(collection, ..)| collection == path) {
            let link = json!({
                "operationId": id,
                "parameters": {parameter: "$response.body#/data/id"}
            });
            links.insert(id.clone(), link);
        }
        if !links.is_empty() {
            created["links"] = Value::Object(links);
        }
    }
}

/// The media type without its character set, which JSON has no choice of.
fn name_plainly(response: &mut Value) {
    let Some(content) = response.get_mut("content").and_then(Value::as_object_mut) else { return };
    if let Some(media) = content.remove("application/json; charset=utf-8") {
        content.insert("application/json".to_owned(), media);
    }
}

fn named(operation: &str, data: &Value, part: bool) -> String {
    match (referred(data), referred(&data["items"])) {
        (Some(one), _) => format!("{one}Reply"),
        (_, Some(each)) if part => format!("{each}List"),
        _ => format!("{}Reply", words::capitalised(operation)),
    }
}
