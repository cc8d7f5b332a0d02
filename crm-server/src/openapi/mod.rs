//! The OpenAPI document: computed once from the handlers, then completed in one pass, so that no
//! handler says by hand what holds for all of them.

mod codes;
mod complete;
mod errors;
mod examples;
mod lists;
mod parameters;
mod replies;
mod schemas;
#[cfg(test)]
mod tests;
mod words;

use std::sync::OnceLock;
use std::time::Duration;

use jsonwebtoken::jwk::JwkSet;
use poem::endpoint::make_sync;
use poem::http::header;
use poem::web::Html;
use poem::{Endpoint, IntoResponse, Response};
use poem_openapi::{LicenseObject, OpenApi, OpenApiService};
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
tenant's records, chooses another one that the user is a member of. A program comes with an API \
key instead, which is good in one tenant, for what its scopes say.

Lists take `page` and `limit`, or `cursor` to walk through everything; `sort`, `search`, `filter`, \
and each filterable field by its name with an optional operator: `status=active,paused`, \
`createdAt[gte]=2026-01-01`. PUT replaces, PATCH merges (RFC 7396). A record's `version` is its \
`ETag`; a write with a stale `If-Match` or `version` is refused with 412. Unknown fields are \
refused. A POST with an `Idempotency-Key` happens once, however often it is sent within 24 hours.";

/// How the reference shows the document: nothing is loaded from elsewhere or sent there.
const REFERENCE: &str = r#"data-url="/openapi.json" data-configuration='{
    "withDefaultFonts": false, "hideClientButton": true, "proxyUrl": "",
    "authentication": {"preferredSecurityScheme": "bearer"}
}'"#;

/// The service over some handlers, without its document.
pub fn service<T: OpenApi>(api: T) -> OpenApiService<T, ()> {
    OpenApiService::new(api, TITLE, env!("CARGO_PKG_VERSION"))
        .description(DESCRIPTION)
        .license(LicenseObject::new("Apache-2.0 OR MIT").identifier("Apache-2.0 OR MIT"))
        .server(BASE)
}

/// The document, complete. Computed at the first call.
pub fn document() -> &'static str {
    static DOCUMENT: OnceLock<String> = OnceLock::new();
    DOCUMENT.get_or_init(|| {
        let mut document: Value =
            serde_json::from_str(&service(api::all()).spec()).unwrap_or_default();
        let lists =
            api::lists().into_iter().map(|(path, parameters)| (path.to_owned(), parameters));
        let described: Vec<_> = lists.chain(api::exports()).collect();
        complete::complete(&mut document, &described);
        let mut text = serde_json::to_string_pretty(&document).unwrap_or_default();
        text.push('\n');
        text
    })
}

/// A path of the document, from the root.
struct Taken {
    parts: Vec<String>,
    /// The methods that it takes, as `Allow` has them.
    methods: String,
}

/// What of the document a path stands for, from the root. Whatever is named comes before what may
/// be anything.
fn taken(path: &str) -> Option<&'static Taken> {
    static TAKEN: OnceLock<Vec<Taken>> = OnceLock::new();
    let split = |path: &str| path.split('/').map(str::to_owned).collect::<Vec<_>>();
    let taken = TAKEN.get_or_init(|| {
        let document: Value = serde_json::from_str(document()).unwrap_or_default();
        let paths = document["paths"].as_object();
        let each = |(template, item): (&String, &Value)| {
            let mut methods: Vec<String> =
                item.as_object().into_iter().flatten().map(|(m, _)| m.to_uppercase()).collect();
            if methods.iter().any(|method| method == "GET") {
                methods.push("HEAD".to_owned());
            }
            methods.sort();
            Taken { parts: split(&format!("{BASE}{template}")), methods: methods.join(", ") }
        };
        paths.into_iter().flatten().map(each).collect()
    });
    let path = split(path);
    let matches = |taken: &&Taken| {
        taken.parts.len() == path.len()
            && taken.parts.iter().zip(&path).all(|(part, of)| part == of || part.starts_with('{'))
    };
    let parameters = |taken: &&Taken| taken.parts.iter().filter(|p| p.starts_with('{')).count();
    taken.iter().filter(matches).min_by_key(parameters)
}

/// The methods that a path takes, from the root, as `Allow` has them. What the document does not
/// speak of is read only.
pub fn allowed(path: &str) -> String {
    taken(path).map_or_else(|| "GET, HEAD".to_owned(), |taken| taken.methods.clone())
}

/// The route that answers a path, from the root, as the router names it.
pub fn route(path: &str) -> Option<String> {
    let mut number = 0;
    let part = |part: &String| {
        if !part.starts_with('{') {
            return part.clone();
        }
        number += 1;
        format!(":param{}", number - 1)
    };
    Some(taken(path)?.parts.iter().map(part).collect::<Vec<_>>().join("/"))
}

/// The operations that ask for no token: the document says so of these and no others, and a test
/// compares. Written down, because a request must not wait until the document is computed.
const OPEN: &[(&str, &str)] = &[
    ("POST", "/auth/accept-invitation"),
    ("POST", "/auth/change-email/confirm"),
    ("POST", "/auth/change-email/stop"),
    ("POST", "/auth/decline-invitation"),
    ("POST", "/auth/forgot-password"),
    ("POST", "/auth/login"),
    ("POST", "/auth/login/mfa"),
    ("POST", "/auth/logout"),
    ("POST", "/auth/refresh"),
    ("POST", "/auth/reset-password"),
    ("POST", "/auth/signup"),
    ("POST", "/auth/verify-email"),
    ("GET", "/health/live"),
    ("GET", "/health/ready"),
];

/// Whether an operation asks for no token, whatever a request brings; nothing else does that is
/// not in the document.
pub fn is_open(method: &str, path: &str) -> bool {
    let method = if method == "HEAD" { "GET" } else { method };
    let path = path.strip_prefix(BASE);
    path.is_some_and(|path| OPEN.contains(&(method, path)))
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
        let page = empty.scalar_html().replace(&empty.spec(), "");
        // An icon of its own would be asked for.
        let page = page.replace("<title>Scalar", "<link rel=\"icon\" href=\"data:,\"><title>CRM");
        let asked = format!("id=\"api-reference\" {REFERENCE}");
        // Once: its script speaks of the element too.
        Html(page.replacen("id=\"api-reference\"", &asked, 1))
    })
}

/// How long whoever fetches the public keys may keep them.
pub const JWKS_KEPT: Duration = Duration::from_secs(300);

/// `GET /.well-known/jwks.json`.
///
/// A key is there before it signs (`crm-server keys rotate`), longer than it may be kept by whoever
/// fetched the keys without it.
pub fn jwks_endpoint(keys: impl Fn() -> JwkSet + Send + Sync + 'static) -> impl Endpoint {
    make_sync(move |_| {
        let body = serde_json::to_vec(&keys()).unwrap_or_default();
        let kept = format!("public, max-age={}", JWKS_KEPT.as_secs());
        Response::builder()
            .content_type("application/json")
            .header(header::CACHE_CONTROL, kept)
            .body(body)
            .into_response()
    })
}
