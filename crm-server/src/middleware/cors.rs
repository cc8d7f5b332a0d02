//! Calls from web pages of other origins (the Fetch standard's CORS protocol).
//!
//! A page of an origin that is not allowed gets an answer without permission to read it; whether
//! the call itself is allowed is for authentication to say. Cookies are never involved.

use std::sync::Arc;

use poem::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use poem::{Endpoint, IntoResponse, Request, Response, Result};

use crate::config;

const METHODS: &str = "GET, POST, PUT, PATCH, DELETE";
const REQUEST_HEADERS: &str = "Authorization, Content-Type, If-Match, If-None-Match, Idempotency-Key, \
     X-API-Key, X-Request-ID, X-Tenant-ID, traceparent, tracestate";
const EXPOSED: &str = "Content-Disposition, ETag, Idempotency-Replayed, Location, \
     RateLimit, RateLimit-Policy, Retry-After, X-Request-ID, traceresponse";

/// What the answer to a preflight depends on.
const PREFLIGHT: &str = "Access-Control-Request-Method, Access-Control-Request-Headers";

#[derive(Debug, Clone)]
pub(super) struct Cors {
    any: bool,
    origins: Arc<[HeaderValue]>,
}

impl Cors {
    pub(super) fn new(settings: &config::Cors) -> Self {
        let origins =
            settings.origins.iter().filter_map(|origin| origin.trim_end_matches('/').parse().ok());
        Self {
            any: settings.origins.iter().any(|origin| origin == "*"),
            origins: origins.collect(),
        }
    }

    /// What a cache must not answer one origin with that was meant for another, or for none.
    fn vary(&self, headers: &mut HeaderMap) {
        if !self.any && !self.origins.is_empty() {
            headers.append(header::VARY, HeaderValue::from_static("Origin"));
        }
    }

    fn permit(&self, origin: &HeaderValue, headers: &mut HeaderMap) {
        if self.any || self.origins.contains(origin) {
            // Without credentials, the wildcard says all; an origin that is repeated says more than
            // was asked, as where it is `null`.
            let allowed = if self.any { HeaderValue::from_static("*") } else { origin.clone() };
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
            headers
                .insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
        }
    }
}

pub(super) async fn allow<E: Endpoint>(
    next: Arc<E>,
    request: Request,
    cors: Cors,
) -> Result<Response> {
    let Some(origin) = request.headers().get(header::ORIGIN).cloned() else {
        let mut response = next.call(request).await?.into_response();
        cors.vary(response.headers_mut());
        return Ok(response);
    };
    let asks = request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    if request.method() == Method::OPTIONS && asks {
        let mut response = Response::builder().status(StatusCode::NO_CONTENT).finish();
        let headers = response.headers_mut();
        cors.vary(headers);
        headers.append(header::VARY, HeaderValue::from_static(PREFLIGHT));
        cors.permit(&origin, headers);
        if headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN) {
            let mut set = |name, value| headers.insert(name, HeaderValue::from_static(value));
            set(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
            set(header::ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS);
            set(header::ACCESS_CONTROL_MAX_AGE, "86400");
        }
        return Ok(response);
    }
    let mut response = next.call(request).await?.into_response();
    cors.vary(response.headers_mut());
    cors.permit(&origin, response.headers_mut());
    Ok(response)
}
