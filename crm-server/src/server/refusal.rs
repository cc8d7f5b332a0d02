//! Answers to those whom no endpoint has seen: too slow, too large, too many.

use std::sync::Arc;
use std::time::Duration;

use poem::http::StatusCode;

use crate::api::error::{ApiError, Fault};
use crate::app::App;
use crate::config::Limits;

/// Writes refusals, in the same envelope as all errors.
#[derive(Debug, Clone)]
pub(super) struct Refusals(Arc<App>);

/// What hyper's parser answers by itself, and nothing of ours does.
const BARE: &str = "content-length: 0\r\n";

impl Refusals {
    pub(super) fn new(app: &Arc<App>) -> Self {
        Self(Arc::clone(app))
    }

    fn limits(&self) -> &Limits {
        &self.0.config().limits
    }

    /// Too many connections.
    pub(super) fn full(&self) -> Vec<u8> {
        let message = "there are too many connections: limits.connections";
        let wait = Duration::from_secs(1);
        self.written(&ApiError::unavailable("TOO_MANY_CONNECTIONS", message, wait))
    }

    /// A head that did not come in time.
    pub(super) fn slow_head(&self) -> Vec<u8> {
        let limit = self.limits().header_timeout;
        let message = format!("the request did not come within {limit}: limits.header_timeout");
        self.written(&ApiError::new(
            StatusCode::REQUEST_TIMEOUT,
            Fault::new("HEADER_TIMEOUT", message),
        ))
    }

    /// What to answer in place of what the parser answers; none where these are other bytes.
    pub(super) fn in_place_of(&self, bytes: &[u8], lines: usize) -> Option<Vec<u8>> {
        let text = std::str::from_utf8(bytes).ok()?;
        let code = text.strip_prefix("HTTP/1.1 ")?.get(..3)?;
        if !text.contains(BARE) || text.contains("x-request-id") {
            return None;
        }
        let limits = self.limits();
        let error = match code {
            "431" if lines > limits.headers => too_many_headers(limits),
            "431" => headers_too_large(limits),
            "414" => url_too_long(limits),
            "400" => ApiError::unreadable(
                "",
                "INVALID_REQUEST",
                "expected a request of HTTP/1.1, got something else",
            ),
            _ => return None,
        };
        Some(self.written(&error))
    }

    fn written(&self, error: &ApiError) -> Vec<u8> {
        let id = self.0.new_request_id();
        let status = error.status();
        let body = error.to_json(Some(&id));
        let reason = status.canonical_reason().unwrap_or_default();
        let mut text = format!(
            "HTTP/1.1 {} {reason}\r\ncontent-type: application/json; charset=utf-8\r\n\
             content-length: {}\r\nx-request-id: {id}\r\nx-content-type-options: nosniff\r\n\
             cache-control: no-store\r\nconnection: close\r\n",
            status.as_u16(),
            body.len()
        );
        if status == StatusCode::SERVICE_UNAVAILABLE {
            text.push_str("retry-after: 1\r\n");
        }
        text.push_str("\r\n");
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(&body);
        bytes
    }
}

/// More headers than `limits.headers`.
pub(crate) fn too_many_headers(limits: &Limits) -> ApiError {
    let message = format!("expected at most {} headers: limits.headers", limits.headers);
    ApiError::new(
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        Fault::new("TOO_MANY_HEADERS", message),
    )
}

/// Longer headers than `limits.header_bytes`.
pub(crate) fn headers_too_large(limits: &Limits) -> ApiError {
    let most = limits.header_bytes;
    let message = format!("expected at most {most} bytes of headers: limits.header_bytes");
    ApiError::new(
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        Fault::new("HEADERS_TOO_LARGE", message),
    )
}

/// A longer URL than `limits.url_bytes`.
pub(crate) fn url_too_long(limits: &Limits) -> ApiError {
    let message = format!("expected a URL of at most {} bytes: limits.url_bytes", limits.url_bytes);
    ApiError::new(StatusCode::URI_TOO_LONG, Fault::new("URL_TOO_LONG", message))
}
