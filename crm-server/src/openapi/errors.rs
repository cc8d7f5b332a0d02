//! How operations can fail: each status with its codes, worked out from what an operation takes and
//! does, so that no handler lists them by hand.
//!
//! The codes that an answer has must be among those that are listed here for its operation; the API
//! suite checks it with every answer that it gets.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::codes::CODES;
use super::replies;
use crate::api::{by_key, idempotency};

/// What decides how an operation can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trait {
    /// Any operation.
    Any,
    /// It takes a body.
    Body,
    /// It takes the parameters of a list.
    List,
    /// It takes parameters in its query that are not those of a list.
    Query,
    /// It is about one record, named in its path.
    Path,
    /// It takes `If-Match`.
    Version,
    /// It asks for an access token.
    Guarded,
    /// No API key reaches it.
    Personal,
    /// It trades credentials for something, and asks for no access token.
    Credentials,
    /// It changes something.
    Write,
    /// It changes who may do what.
    People,
    /// It changes what one signs in with.
    Own,
    /// It takes `Idempotency-Key`.
    Key,
    /// It is given values, or checks those that are there again.
    Values,
    /// It says whether the server is ready.
    Ready,
    /// It sends a mail, for somebody who is signed in.
    Mail,
    /// It is done by a link in a mail, or asks for one, and takes nobody to be signed in.
    Link,
    /// It is about many records, which its body chooses and any of which can be at fault.
    Many,
    /// It answers with a file.
    File,
}

impl Trait {
    const ALL: [Self; 19] = [
        Self::Any,
        Self::Body,
        Self::List,
        Self::Query,
        Self::Path,
        Self::Version,
        Self::Guarded,
        Self::Personal,
        Self::Credentials,
        Self::Write,
        Self::People,
        Self::Own,
        Self::Key,
        Self::Values,
        Self::Ready,
        Self::Mail,
        Self::Link,
        Self::Many,
        Self::File,
    ];

    /// What tells the component of a failure from others of the same status.
    fn name(self) -> &'static str {
        match self {
            Self::Any | Self::Guarded | Self::Write | Self::Values => "",
            Self::Body => "Body",
            Self::List => "List",
            Self::Query => "Query",
            Self::Path => "Path",
            Self::Version => "Version",
            Self::People => "People",
            Self::Own => "Own",
            Self::Key => "Key",
            Self::Personal => "Personal",
            Self::Credentials => "Credentials",
            Self::Ready => "Ready",
            Self::Mail => "Mail",
            Self::Link => "Link",
            Self::Many => "Many",
            Self::File => "File",
        }
    }
}

struct Failure {
    status: &'static str,
    /// The name of its component.
    name: &'static str,
    meaning: &'static str,
    /// The codes, by what of the operation brings them about. The first that applies is the
    /// example.
    codes: &'static [(Trait, &'static [&'static str])],
}

/// What examples say: code, message, field.
const EXAMPLES: &[(&str, &str, Option<&str>)] = &[
    ("UNKNOWN_FIELD", "unknown field `colour`", Some("colour")),
    ("UNKNOWN_PARAMETER", "customers have no field colour", Some("colour")),
    ("INVALID_PARAMETER", "expected a UUID in the path, got something else", Some("id")),
    ("UNAUTHENTICATED", "the access token is not valid", None),
    ("FORBIDDEN", "permission customers:update is required (reach assigned or wider)", None),
    ("NOT_BY_KEY", "an API key cannot do that: sign in", None),
    ("NOT_FOUND", "customers 0197d8a0-0000-7000-8000-000000000000 not found", None),
    ("DUPLICATE", "another of the tags has the same name", Some("name")),
    (
        "STALE_VERSION",
        "customers 0197d8a0-0000-7000-8000-000000000000 is no longer at version 3",
        None,
    ),
    ("BODY_TIMEOUT", "the body did not come within 20s: limits.body_timeout", None),
    ("BODY_TOO_LARGE", "expected a body of at most 1048576 bytes: limits.body_bytes", None),
    ("URL_TOO_LONG", "expected a URL of at most 32768 bytes: limits.url_bytes", None),
    ("HEADERS_TOO_LARGE", "expected at most 16384 bytes of headers: limits.header_bytes", None),
    ("UNSUPPORTED_MEDIA_TYPE", "expected Content-Type: application/json", None),
    ("REQUIRED", "is required", Some("name")),
    ("RATE_LIMITED", "too many requests: \"address\";q=60;w=60 of limits.rate.address", None),
    ("INTERNAL", "something went wrong on our side", None),
    ("UNAVAILABLE", "the store is away for a moment", None),
];

/// Codes of the parameters of a list, which a body can have as a filter.
const OF_LISTS: &[&str] = &[
    "UNKNOWN_PARAMETER",
    "UNKNOWN_FIELD",
    "INVALID_VALUE",
    "INVALID_CHOICE",
    "INVALID_CURSOR",
    "INVALID_FILTER",
    "INVALID_OPERATOR",
    "INVALID_TEXT",
    "INVALID_TYPE",
    "CONTRADICTION",
    "DUPLICATE_PARAMETER",
    "FILTER_TOO_COMPLEX",
    "FILTER_TOO_LONG",
    "NOT_FILTERABLE",
    "NOT_SEARCHABLE",
    "NOT_SORTABLE",
    "OUT_OF_RANGE",
    "REQUIRED",
    "TOO_LONG",
    "TOO_MANY_PARAMETERS",
    "TOO_PRECISE",
    "UNKNOWN_EXPANSION",
    "INVALID_RECORD",
    "UNKNOWN_RECORD_TYPE",
];

const FAILURES: &[Failure] = &[
    Failure {
        status: "400",
        name: "Unreadable",
        meaning: "The request cannot be read",
        codes: &[
            (
                Trait::Body,
                &[
                    "UNKNOWN_FIELD",
                    "INVALID_VALUE",
                    "INVALID_JSON",
                    "INVALID_BODY",
                    "DUPLICATE_FIELD",
                    "TOO_DEEP",
                    "TOO_MANY",
                ],
            ),
            (Trait::List, OF_LISTS),
            (Trait::Many, OF_LISTS),
            (Trait::Path, &["INVALID_PARAMETER"]),
            (
                Trait::Query,
                &["INVALID_PARAMETER", "INVALID_TEXT", "UNKNOWN_EXPANSION", "UNKNOWN_RECORD_TYPE"],
            ),
            (Trait::Version, &["INVALID_HEADER"]),
            (Trait::Key, &["INVALID_HEADER"]),
        ],
    },
    Failure {
        status: "401",
        name: "Unauthenticated",
        meaning: "No credentials, or none that hold",
        codes: &[
            (Trait::Guarded, &["UNAUTHENTICATED", "TOKEN_EXPIRED"]),
            (Trait::Credentials, &["UNAUTHENTICATED", "TOKEN_EXPIRED"]),
        ],
    },
    Failure {
        status: "403",
        name: "Forbidden",
        meaning: "The caller may not do that",
        codes: &[
            (Trait::Guarded, &["FORBIDDEN", "NOT_A_MEMBER", "NO_TENANT", "MFA_REQUIRED"]),
            (Trait::Version, &["FIELD_LEFT_OUT"]),
            (Trait::Key, &["FIELD_LEFT_OUT"]),
            (Trait::Personal, &["NOT_BY_KEY"]),
            (Trait::Own, &["MFA_CODE_REQUIRED"]),
            (
                Trait::People,
                &["ABOVE_ONESELF", "BUILT_IN_ROLE", "LAST_OWNER", "ONESELF", "WORKS_ELSEWHERE"],
            ),
            (Trait::Mail, &["NO_MAIL"]),
            (
                Trait::Link,
                &[
                    "NO_MAIL",
                    "OTHER_ADDRESS",
                    "EMAIL_NOT_VERIFIED",
                    "NOT_A_MEMBER",
                    "MFA_CODE_REQUIRED",
                ],
            ),
        ],
    },
    Failure {
        status: "404",
        name: "NotFound",
        meaning: "Not there, or not the caller's to see",
        codes: &[
            (Trait::Path, &["NOT_FOUND"]),
            (Trait::Link, &["NOT_FOUND"]),
            (Trait::Many, &["NOT_FOUND"]),
        ],
    },
    Failure {
        status: "408",
        name: "TooSlow",
        meaning: "The request did not come in time",
        codes: &[(Trait::Body, &["BODY_TIMEOUT", "HEADER_TIMEOUT"])],
    },
    Failure {
        status: "409",
        name: "Conflict",
        meaning: "It contradicts what is stored",
        codes: &[
            (
                Trait::Write,
                &[
                    "DUPLICATE",
                    "BUSY",
                    "CONFLICT",
                    "DUPLICATE_VALUES",
                    "OPTION_IN_USE",
                    "REFERENCED",
                    "WORK_PENDING",
                ],
            ),
            (Trait::Credentials, &["BUSY"]),
            (Trait::Own, &["MFA_ON", "MFA_OFF", "MFA_NOT_BEGUN"]),
            (Trait::People, &["IN_USE", "USER_EXISTS"]),
            (Trait::Link, &["DUPLICATE", "BUSY"]),
            (Trait::Many, &["ENTANGLED", "NOT_REACHED"]),
            (Trait::Key, &["IDEMPOTENCY_KEY_IN_USE", "IDEMPOTENCY_ANSWER_LOST"]),
        ],
    },
    Failure {
        status: "412",
        name: "Stale",
        meaning: "The record was changed since it was read",
        codes: &[
            (Trait::Version, &["STALE_VERSION"]),
            (Trait::Own, &["STALE_VERSION"]),
            (Trait::Many, &["STALE_VERSION"]),
        ],
    },
    Failure {
        status: "413",
        name: "TooLarge",
        meaning: "The body is larger than the server takes",
        codes: &[(Trait::Body, &["BODY_TOO_LARGE"])],
    },
    Failure {
        status: "414",
        name: "UrlTooLong",
        meaning: "The URL is longer than the server takes",
        codes: &[(Trait::Any, &["URL_TOO_LONG"])],
    },
    Failure {
        status: "415",
        name: "UnsupportedMediaType",
        meaning: "The body is of another type than those listed",
        codes: &[(Trait::Body, &["UNSUPPORTED_MEDIA_TYPE"])],
    },
    Failure {
        status: "422",
        name: "Invalid",
        meaning: "It can be read but is not acceptable; every fault is named",
        // And every code that is no other status's alone.
        codes: &[
            (
                Trait::Values,
                &["REQUIRED", "TOO_LONG", "OUT_OF_RANGE", "LIMIT_EXCEEDED", "UNKNOWN_RECORD_TYPE"],
            ),
            (Trait::Key, &["IDEMPOTENCY_KEY_REUSED"]),
            (Trait::File, &["LIMIT_EXCEEDED"]),
        ],
    },
    Failure {
        status: "429",
        name: "TooManyRequests",
        meaning: "Too many requests; Retry-After says when to come back",
        codes: &[
            (Trait::Any, &["RATE_LIMITED"]),
            (Trait::Credentials, &["TOO_MANY_ATTEMPTS"]),
            (Trait::Own, &["TOO_MANY_ATTEMPTS"]),
        ],
    },
    Failure {
        status: "431",
        name: "HeadersTooLarge",
        meaning: "There are more headers than the server takes, or longer ones",
        codes: &[(Trait::Any, &["HEADERS_TOO_LARGE", "TOO_MANY_HEADERS"])],
    },
    Failure {
        status: "500",
        name: "Internal",
        meaning: "Something went wrong on the server's side",
        codes: &[(Trait::Any, &["INTERNAL"])],
    },
    Failure {
        status: "503",
        name: "Unavailable",
        meaning: "The server or its store is away for a moment; Retry-After says when to come back",
        codes: &[
            (Trait::Any, &["UNAVAILABLE", "OVERLOADED", "TIMEOUT", "TOO_MANY_CONNECTIONS"]),
            (
                Trait::Ready,
                &[
                    "MIGRATION_PENDING",
                    "MIGRATION_FAILED",
                    "MIGRATION_ALTERED",
                    "DATABASE_NEWER",
                    "STOPPING",
                ],
            ),
        ],
    },
];

/// Codes that belong to no operation: of paths and methods that are not there, and of what never
/// leaves the library.
const ELSEWHERE: &[&str] =
    &["METHOD_NOT_ALLOWED", "VALIDATION_ERROR", "INVALID_AGGREGATE", "INVALID_REQUEST"];

/// Codes of another status that a value in a body can have too.
const OF_VALUES: &[&str] = &[
    "BUILT_IN_ROLE",
    "CONTRADICTION",
    "DUPLICATE",
    "INVALID_CHOICE",
    "INVALID_TEXT",
    "INVALID_TYPE",
    "INVALID_VALUE",
    "TOO_MANY",
    "TOO_PRECISE",
    "UNKNOWN_FIELD",
    "NO_TENANT",
];

/// The codes of faults in the values of a body: all that are nothing else.
fn of_values() -> Vec<&'static str> {
    let elsewhere: BTreeSet<&str> = FAILURES
        .iter()
        .flat_map(|failure| failure.codes.iter().flat_map(|(_, codes)| codes.iter().copied()))
        .chain(ELSEWHERE.iter().copied())
        .collect();
    let own = |code: &&&str| !elsewhere.contains(**code) || OF_VALUES.contains(code);
    CODES.iter().filter(own).copied().collect()
}

impl Failure {
    /// The codes of an operation of these traits.
    fn codes(&self, traits: &[Trait]) -> Vec<&'static str> {
        let mut codes: Vec<&str> = Vec::new();
        for (of, listed) in self.codes {
            if traits.contains(of) {
                codes
                    .extend(listed.iter().filter(|code| !codes.contains(code)).collect::<Vec<_>>());
            }
        }
        if self.status == "422" && traits.contains(&Trait::Values) {
            codes.extend(of_values());
        }
        codes
    }

    fn response(&self, codes: &[&str]) -> Value {
        let code = codes.first().copied().unwrap_or_default();
        let example = EXAMPLES.iter().find(|(of, ..)| *of == code);
        let (message, field) = example.map_or((self.meaning, None), |(_, m, field)| (m, *field));
        let mut fault = json!({"code": code, "message": message});
        if let Some(field) = field {
            fault["field"] = json!(field);
        }
        if code == "FORBIDDEN" {
            fault["missing"] =
                json!({"permission": "customers:update", "held": null, "needed": "assigned"});
        }
        let mut response = json!({
            "description": format!("{}: `{}`", self.meaning, codes.join("`, `")),
            "content": {"application/json": {
                "schema": {"$ref": "#/components/schemas/ErrorReply"},
                "example": {
                    "success": false,
                    "message": message,
                    "errors": [fault],
                    "requestId": "0197d8a0-3c1f-7b52-9d0e-6f2a41c58e11"
                }
            }},
            "x-codes": codes,
        });
        if matches!(self.status, "409" | "429" | "503") {
            response["headers"] = json!({"Retry-After": {
                "description": "Seconds to wait; where it is there, the same request may succeed then",
                "required": self.status != "409",
                "schema": {"type": "integer", "minimum": 1},
                "example": 1
            }});
        }
        if self.status == "429" {
            for (header, component) in replies::RATES {
                response["headers"][header] =
                    json!({"$ref": format!("#/components/headers/{component}")});
            }
        }
        response
    }
}

/// The schema of what fails.
pub(super) fn schema() -> Value {
    json!({
        "type": "object",
        "description": "Why a request came to nothing.",
        "required": ["success", "message", "errors", "requestId"],
        "properties": {
            "success": {"type": "boolean", "const": false, "description": "False."},
            "message": {
                "type": "string",
                "description": "A sentence for people.",
                "example": "some values are not acceptable"
            },
            "errors": {
                "type": "array",
                "minItems": 1,
                "description": "Every fault.",
                "items": {"$ref": "#/components/schemas/Fault"}
            },
            "requestId": {
                "type": "string",
                "description": "The id under which the request is in the log.",
                "example": "0197d8a0-3c1f-7b52-9d0e-6f2a41c58e11"
            }
        }
    })
}

/// The schema of one fault.
pub(super) fn fault() -> Value {
    json!({
        "type": "object",
        "description": "One thing that is wrong.",
        "required": ["code", "message"],
        "properties": {
            "code": {
                "type": "string",
                "description": "Stable: what a program decides by. More may come.",
                "example": "REQUIRED",
                "x-extensible-enum": CODES
            },
            "message": {
                "type": "string",
                "description": "What was expected and what came.",
                "example": "is required"
            },
            "field": {
                "type": "string",
                "description": "The path of the field at fault, where there is one.",
                "example": "companyName"
            },
            "missing": {
                "description": "The permission that is lacking, where one is.",
                "$ref": "#/components/schemas/MissingPermission"
            }
        }
    })
}

/// What is about a record, and asks for no version of it: the record itself stays as it is, or
/// each step looks at what it changes.
const UNVERSIONED: &[&str] = &[
    "/auth/api-keys/{id}",
    "/auth/sessions/{id}",
    "/custom-fields/{id}/proceed",
    "/tenants/{tenantId}/members",
    "/tenants/{tenantId}/restore",
    "/users/{id}/hand-over",
    "/users/{id}/reset-password",
    "/users/invitations/{id}/resend",
    "/users/{id}/mfa",
];

/// What the paths have in common of what sends a mail, or is done by a link in one.
const BY_MAIL: &[&str] =
    &["-password", "/verify-email", "/change-email", "-invitation", "/users/invitations"];

fn by_mail(path: &str, method: &str) -> bool {
    method == "post" && BY_MAIL.iter().any(|part| path.contains(part))
}

/// Whether an operation takes `If-Match`.
pub(super) fn takes_version(path: &str, method: &str) -> bool {
    method != "get" && path.contains('{') && !UNVERSIONED.contains(&path)
}

/// Whether an operation can be sent again under a key.
pub(super) fn takes_key(operation: &Value, path: &str, method: &str) -> bool {
    let guarded = operation["security"].as_array().is_some_and(|schemes| !schemes.is_empty());
    method == "post" && guarded && idempotency::takes_key(path)
}

/// The traits of an operation, as far as they are about failing.
pub(super) fn traits(operation: &Value, path: &str, method: &str, lists: bool) -> Vec<Trait> {
    let guarded = operation["security"].as_array().is_some_and(|schemes| !schemes.is_empty());
    let body = operation.get("requestBody").is_some();
    let query = operation["parameters"]
        .as_array()
        .is_some_and(|all| all.iter().any(|parameter| parameter["in"] == "query"));
    let one = path.contains('{') || path == "/auth/permissions";
    let creates = operation["responses"].get("201").is_some();
    let writes = method != "get" && (guarded || creates);
    let has = |of: &Trait| match of {
        Trait::Any => true,
        Trait::Body => body,
        Trait::List => lists,
        Trait::Query => query && !lists,
        Trait::Path => one,
        Trait::Version => takes_version(path, method),
        Trait::Guarded => guarded,
        // One signs out with a refresh token, too, and without any other.
        // And a key that may change a tenant does not say who shows a second factor.
        Trait::Personal => {
            let partly = method == "patch" && path == "/tenants/{tenantId}";
            (guarded || path == "/auth/logout") && (partly || !by_key::is_reached(method, path))
        }
        Trait::Credentials => body && !guarded && !creates,
        Trait::Write => writes,
        Trait::People => {
            writes && ["/users", "/tenants", "/teams"].iter().any(|of| path.starts_with(of))
        }
        Trait::Own => writes && guarded && body && path.starts_with("/auth"),
        Trait::Key => takes_key(operation, path, method),
        Trait::Values => body || (writes && method != "delete"),
        Trait::Ready => path == "/health/ready",
        Trait::Mail => guarded && by_mail(path, method),
        Trait::Link => !guarded && by_mail(path, method),
        Trait::Many => path.contains("/bulk"),
        Trait::File => path.ends_with("/export"),
    };
    Trait::ALL.into_iter().filter(has).collect()
}

/// The failures of an operation of these traits, by status. Each is put among the components
/// once.
pub(super) fn of(
    traits: &[Trait],
    components: &mut Map<String, Value>,
) -> Vec<(&'static str, Value)> {
    let mut responses = Vec::new();
    for failure in FAILURES {
        let codes = failure.codes(traits);
        if codes.is_empty() {
            continue;
        }
        let telling = failure.codes.iter().filter(|_| failure.codes.len() > 1);
        let names = telling.filter(|(of, _)| traits.contains(of)).map(|(of, _)| of.name());
        let name = format!("{}{}", failure.name, names.collect::<String>());
        components.entry(name.clone()).or_insert_with(|| failure.response(&codes));
        responses.push((failure.status, json!({"$ref": format!("#/components/responses/{name}")})));
    }
    responses
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_of_some_failure_and_every_failure_has_listed_codes() {
        let mut found: BTreeSet<&str> =
            FAILURES.iter().flat_map(|failure| failure.codes(&Trait::ALL)).collect();
        for code in &found {
            assert!(CODES.contains(code), "{code} is not in codes.rs");
        }
        found.extend(ELSEWHERE);
        let missing: Vec<_> = CODES.iter().filter(|code| !found.contains(**code)).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }

    #[test]
    fn what_an_operation_takes_decides_how_it_fails() {
        let read = json!({"security": [{"bearer": []}], "responses": {}});
        let mut components = Map::new();
        let statuses = |traits: &[Trait], components: &mut Map<String, Value>| {
            of(traits, components).into_iter().map(|(status, _)| status).collect::<Vec<_>>()
        };
        let get = traits(&read, "/customers/{id}", "get", false);
        assert_eq!(
            statuses(&get, &mut components),
            ["400", "401", "403", "404", "414", "429", "431", "500", "503"]
        );
        let list = traits(&read, "/customers", "get", true);
        assert_eq!(
            statuses(&list, &mut components),
            ["400", "401", "403", "414", "429", "431", "500", "503"]
        );
        let login = json!({"requestBody": {}, "responses": {"200": {}}});
        let login = traits(&login, "/auth/login", "post", false);
        assert!(statuses(&login, &mut components).contains(&"401"));
        assert!(components["UnreadablePath"]["x-codes"] == json!(["INVALID_PARAMETER"]));
    }
}
