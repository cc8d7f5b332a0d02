//! The OpenAPI document: computed once from the handlers, then completed in one pass, so that no
//! handler says by hand what holds for all of them.

mod codes;
mod complete;
mod errors;
mod lists;
mod words;

use std::sync::OnceLock;

use jsonwebtoken::jwk::JwkSet;
use poem::endpoint::make_sync;
use poem::http::header;
use poem::web::Html;
use poem::{Endpoint, IntoResponse, Response};
use poem_openapi::{OpenApi, OpenApiService};
use serde_json::Value;

use crate::api;

/// Where the API begins.
pub const BASE: &str = "/api/v1";

const TITLE: &str = "CRM";
const DESCRIPTION: &str = "\
A multi-tenant CRM.

Every answer is in an envelope: `{\"success\": true, \"data\": …, \"message\"?, \"meta\"?}`, or \
`{\"success\": false, \"message\", \"errors\": [{\"code\", \"message\", \"field\"?}], \"requestId\"}`. \
Timestamps are UTC (RFC 3339), ids are UUIDs, money is an exact decimal in a string.

The access token names the tenant. `X-Tenant-ID`, or `/tenants/{tenantId}` before any path of a \
tenant's records, chooses another one that the user is a member of.

Lists take `page` and `limit`, or `cursor` to walk through everything; `sort`, `search`, `filter`, \
and each filterable field by its name with an optional operator: `status=active,paused`, \
`createdAt[gte]=2026-01-01`. PUT replaces, PATCH merges (RFC 7396). A record's `version` is its \
`ETag`; a write with a stale `If-Match` or `version` is refused with 412. Unknown fields are \
refused. A POST with an `Idempotency-Key` happens once, however often it is sent within 24 hours.";

/// The service over some handlers, without its document.
pub fn service<T: OpenApi>(api: T) -> OpenApiService<T, ()> {
    OpenApiService::new(api, TITLE, env!("CARGO_PKG_VERSION")).description(DESCRIPTION).server(BASE)
}

/// The document, complete. Computed at the first call.
pub fn document() -> &'static str {
    static DOCUMENT: OnceLock<String> = OnceLock::new();
    DOCUMENT.get_or_init(|| {
        let mut document: Value =
            serde_json::from_str(&service(api::all()).spec()).unwrap_or_default();
        complete::complete(&mut document, &api::lists());
        let mut text = serde_json::to_string_pretty(&document).unwrap_or_default();
        text.push('\n');
        text
    })
}

/// `GET /openapi.json`.
pub fn json_endpoint() -> impl Endpoint {
    make_sync(|_| {
        let document = document();
        Response::builder()
            .content_type("application/json")
            .header(header::CONTENT_LENGTH, document.len())
            .body(document)
    })
}

/// `GET /docs`: the reference, as one page that loads nothing from elsewhere.
pub fn docs_endpoint() -> impl Endpoint {
    make_sync(|_| {
        // The page comes with the document of an empty API in it; ours is loaded from its path.
        let empty = OpenApiService::new((), TITLE, "");
        let page =
            empty.scalar_html().replace(&empty.spec(), "").replace("<title>Scalar", "<title>CRM");
        Html(
            page.replace("id=\"api-reference\"", "id=\"api-reference\" data-url=\"/openapi.json\""),
        )
    })
}

/// `GET /.well-known/jwks.json`.
pub fn jwks_endpoint(keys: &JwkSet) -> impl Endpoint + use<> {
    let body = serde_json::to_vec(keys).unwrap_or_default();
    make_sync(move |_| {
        Response::builder()
            .content_type("application/json")
            .header(header::CACHE_CONTROL, "public, max-age=300")
            .body(body.clone())
            .into_response()
    })
}

#[cfg(test)]
mod tests {
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
    fn every_operation_has_a_summary_a_tag_and_an_id_of_its_own() {
        let document = parsed();
        let mut ids = BTreeSet::new();
        for (name, operation) in operations(&document) {
            let text = |key: &str| operation[key].as_str().unwrap_or_default().to_owned();
            assert!(!text("summary").is_empty(), "{name} has no summary");
            assert!(!text("summary").contains('{'), "{name}: {}", text("summary"));
            assert!(ids.insert(text("operationId")), "{name}: {} twice", text("operationId"));
            assert!(operation["tags"][0].is_string(), "{name} has no tag");
        }
        assert!(!ids.is_empty());
    }

    #[test]
    fn every_operation_says_how_it_can_fail() {
        let document = parsed();
        for (name, operation) in operations(&document) {
            let responses = operation["responses"].as_object().unwrap();
            for status in ["500", "503"] {
                assert!(responses.contains_key(status), "{name} lacks {status}");
            }
            let guarded = operation["security"].as_array().is_some_and(|s| !s.is_empty());
            assert_eq!(guarded, responses.contains_key("403"), "{name}");
            let body = operation.get("requestBody").is_some();
            // Where no token is asked for, what is sent stands for one: a password, a session.
            assert_eq!(guarded || body, responses.contains_key("401"), "{name}");
            if body {
                for status in ["400", "409", "413", "415", "422"] {
                    assert!(responses.contains_key(status), "{name} lacks {status}");
                }
            }
        }
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
}
