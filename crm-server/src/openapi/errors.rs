//! How operations can fail, described once and referred to by all of them.

use serde_json::{Value, json};

use crate::api::idempotency;

struct Failure {
    status: &'static str,
    /// The name of its component.
    name: &'static str,
    meaning: &'static str,
    /// An example of it.
    code: &'static str,
    message: &'static str,
    field: Option<&'static str>,
}

const fn failure(
    status: &'static str,
    name: &'static str,
    meaning: &'static str,
    code: &'static str,
    message: &'static str,
) -> Failure {
    Failure { status, name, meaning, code, message, field: None }
}

impl Failure {
    const fn at(mut self, field: &'static str) -> Self {
        self.field = Some(field);
        self
    }
}

const FAILURES: &[Failure] = &[
    failure(
        "400",
        "Unreadable",
        "The request cannot be read",
        "UNKNOWN_FIELD",
        "unknown field `colour`",
    )
    .at("colour"),
    failure(
        "401",
        "Unauthenticated",
        "No credentials, or none that hold",
        "UNAUTHENTICATED",
        "sign in first",
    ),
    failure(
        "403",
        "Forbidden",
        "The caller may not do that",
        "FORBIDDEN",
        "permission customers:update is held at reach assigned only, this record needs all",
    ),
    failure(
        "404",
        "NotFound",
        "Not there, or not the caller's to see",
        "NOT_FOUND",
        "customers 0197d8a0-0000-7000-8000-000000000000 not found",
    ),
    failure(
        "409",
        "Conflict",
        "It contradicts what is stored",
        "DUPLICATE",
        "there is one called vip already",
    )
    .at("name"),
    failure(
        "412",
        "Stale",
        "The record was changed since it was read",
        "STALE_VERSION",
        "customers 0197d8a0-0000-7000-8000-000000000000 is no longer at version 3",
    ),
    failure(
        "413",
        "TooLarge",
        "The body is larger than the server takes",
        "BODY_TOO_LARGE",
        "the body is larger than this server takes",
    ),
    failure(
        "415",
        "UnsupportedMediaType",
        "The body is of another type than JSON",
        "UNSUPPORTED_MEDIA_TYPE",
        "expected Content-Type: application/json",
    ),
    failure(
        "422",
        "Invalid",
        "It can be read but is not acceptable; every fault is named",
        "INVALID_EMAIL",
        "expected an e-mail address, got \"x\"",
    )
    .at("email"),
    failure(
        "429",
        "TooManyRequests",
        "Too many requests; Retry-After says when to come back",
        "TOO_MANY_REQUESTS",
        "too many requests",
    ),
    failure(
        "500",
        "Internal",
        "Something went wrong on the server's side",
        "INTERNAL",
        "something went wrong on our side",
    ),
    failure(
        "503",
        "Unavailable",
        "The server or its store is away for a moment; Retry-After says when to come back",
        "UNAVAILABLE",
        "the store is away for a moment",
    ),
];

/// The schema of what fails, and a response for each status, for `components`.
pub(super) fn components() -> (Value, Value) {
    let schema = json!({
        "type": "object",
        "description": "Why a request came to nothing",
        "required": ["success", "message", "errors", "requestId"],
        "properties": {
            "success": {"type": "boolean", "enum": [false]},
            "message": {"type": "string", "description": "A sentence for people"},
            "errors": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["code", "message"],
                    "properties": {
                        "code": {
                            "type": "string",
                            "description": "Stable: what a program decides by. More may come",
                            "example": "REQUIRED",
                            "x-extensible-enum": super::codes::CODES
                        },
                        "message": {"type": "string", "description": "What was expected and what came"},
                        "field": {"type": "string", "description": "The path of the field at fault"}
                    }
                }
            },
            "requestId": {"type": "string", "description": "The id under which the request is in the log"}
        }
    });
    let mut responses = serde_json::Map::new();
    for Failure { status, name, meaning, code, message, field } in FAILURES {
        let mut fault = json!({"code": code, "message": message});
        if let Some(field) = field {
            fault["field"] = json!(field);
        }
        let example = json!({
            "success": false,
            "message": message,
            "errors": [fault],
            "requestId": "0197d8a0-3c1f-7b52-9d0e-6f2a41c58e11"
        });
        let mut response = json!({
            "description": meaning,
            "content": {"application/json": {
                "schema": {"$ref": "#/components/schemas/ErrorReply"},
                "example": example
            }}
        });
        if matches!(*status, "409" | "429" | "503") {
            response["headers"] = json!({"Retry-After": {
                "description": "Seconds to wait",
                "schema": {"type": "integer"}
            }});
        }
        responses.insert((*name).to_owned(), response);
    }
    (schema, Value::Object(responses))
}

/// Whether an operation can be sent again under a key.
pub(super) fn takes_key(operation: &Value, path: &str, method: &str) -> bool {
    let guarded = operation["security"].as_array().is_some_and(|schemes| !schemes.is_empty());
    method == "post" && guarded && idempotency::takes_key(path)
}

/// The statuses with which an operation can fail.
pub(super) fn of(operation: &Value, path: &str, method: &str) -> Vec<(&'static str, Value)> {
    let guarded = operation["security"].as_array().is_some_and(|schemes| !schemes.is_empty());
    let body = operation.get("requestBody").is_some();
    let one = path.contains('{');
    let writes = method != "get";
    // Whoever is asked for no token and sends something gives credentials, or makes them.
    let open = body && !guarded;
    let keyed = takes_key(operation, path, method);
    let applies = |status: &str| match status {
        "400" => body || guarded,
        "401" => guarded || open,
        "403" => guarded,
        "404" => one,
        "409" => writes && (guarded || open),
        "412" => writes && one,
        "413" | "415" => body,
        "422" => body || keyed,
        _ => true,
    };
    FAILURES
        .iter()
        .filter(|failure| applies(failure.status))
        .map(|failure| {
            (failure.status, json!({"$ref": format!("#/components/responses/{}", failure.name)}))
        })
        .collect()
}
