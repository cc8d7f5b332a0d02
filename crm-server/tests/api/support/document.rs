//! Holds every request and answer of the suite against the OpenAPI document: an answer that it
//! does not describe fails the test that got it.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use crm_server::middleware::rewrite;
use hyper::{HeaderMap, Method};
use serde_json::Value;

use super::conforms::{faults, resolve};

/// The document as it is checked in.
pub(crate) fn document() -> &'static Value {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    DOCUMENT.get_or_init(|| serde_json::from_str(include_str!("../../../openapi.json")).unwrap())
}

/// The operation that a request means, with its template; none where the document has none.
fn operation(method: &Method, path: &str) -> Option<(&'static str, &'static Value)> {
    let path = path.split('?').next()?;
    // Another vocabulary, which leads elsewhere than its words would.
    if rewrite(path).is_some() {
        return None;
    }
    let path = path.strip_prefix("/api/v1")?;
    let segments: Vec<&str> = path.split('/').collect();
    let matches = |template: &str| {
        let parts: Vec<&str> = template.split('/').collect();
        parts.len() == segments.len()
            && parts.iter().zip(&segments).all(|(part, segment)| {
                part == segment || (part.starts_with('{') && !segment.is_empty())
            })
    };
    let paths = document()["paths"].as_object().unwrap();
    // Whatever is named comes before what may be anything.
    let template = paths.keys().filter(|template| matches(template));
    let template = template.min_by_key(|template| template.matches('{').count())?;
    // A method is spelt in one way only.
    let method = method.as_str();
    let method = method.bytes().all(|b| b.is_ascii_uppercase()).then(|| method.to_lowercase())?;
    Some((template, paths[template].get(method)?))
}

/// What is wrong with an answer, or with a request that was granted. Empty where all is as the
/// document says, or where it does not speak of the path: that of another vocabulary, say.
pub(crate) fn check(
    method: &Method,
    path: &str,
    request: (Option<&str>, &[u8]),
    status: u16,
    headers: &HeaderMap,
    body: &[u8],
) -> Vec<String> {
    let Some((template, operation)) = operation(method, path) else { return Vec::new() };
    let name = format!("{method} {template} {status}");
    let Some(response) = operation["responses"].get(status.to_string()) else {
        return vec![format!("{name} is not documented")];
    };
    let response = resolve(response, document());
    let mut found = Vec::new();
    for (header, described) in response["headers"].as_object().into_iter().flatten() {
        let required = resolve(described, document())["required"] == true;
        if required && !headers.contains_key(header.as_str()) {
            found.push(format!("{name} lacks the header {header}"));
        }
    }
    let essence = |text: &str| text.split(';').next().unwrap_or_default().trim().to_owned();
    let content_type = headers.get("content-type").and_then(|value| value.to_str().ok());
    let content_type = essence(content_type.unwrap_or_default());
    let Some(media) = response["content"].get(&content_type) else {
        found.push(format!("{name} has undocumented content {content_type:?}"));
        return found;
    };
    if content_type == "application/json" && !headers.contains_key("content-encoding") {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        found.extend(
            faults(&media["schema"], &body, document())
                .into_iter()
                .map(|fault| format!("{name}: {fault}")),
        );
        if let Some(codes) = response["x-codes"].as_array() {
            let answered = body["errors"].as_array().into_iter().flatten();
            let answered: BTreeSet<&str> = answered.filter_map(|e| e["code"].as_str()).collect();
            for code in answered.iter().filter(|code| !codes.iter().any(|known| known == **code)) {
                found.push(format!("{name}: the code {code} is not among those documented"));
            }
        }
    }
    if (200..300).contains(&status) {
        found.extend(granted(&name, operation, request));
    }
    found
}

/// A body that was taken has to be one that the document allows.
fn granted(name: &str, operation: &Value, request: (Option<&str>, &[u8])) -> Vec<String> {
    let (Some(content_type), bytes) = request else { return Vec::new() };
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    let Some(media) = operation["requestBody"]["content"].get(essence) else { return Vec::new() };
    if !essence.ends_with("json") {
        return Vec::new();
    }
    let body: Value = serde_json::from_slice(bytes).unwrap_or_default();
    let found = faults(&media["schema"], &body, document());
    found.into_iter().map(|fault| format!("{name} was granted, but the body: {fault}")).collect()
}
