//! Who asks too often is refused before it costs anything, and everybody is told what is left.

use std::sync::Arc;

use poem::http::{HeaderMap, StatusCode, header};
use poem::{Endpoint, IntoResponse, Request, Response, Result};

use super::RequestContext;
use crate::api::caller::API_KEY_HEADER;
use crate::openapi;
use crate::rate::RateLimits;

/// Counts a request by its address where nobody signs in for it, or nobody could be recognised.
/// Those who are known are counted where they become so ([`SignedIn`](crate::api::caller::SignedIn)).
pub(super) async fn admit<E: Endpoint>(
    next: Arc<E>,
    request: Request,
    limits: Arc<RateLimits>,
) -> Result<Response> {
    let path = request.uri().path();
    // Whether the process lives and works, and how it does, is told however often it is asked.
    let below = path.strip_prefix(openapi::BASE);
    let probe = below.is_some_and(|path| path.starts_with("/health/"));
    let exempt = probe || path == "/metrics";
    let known_later =
        has_credentials(request.headers()) && !openapi::is_open(request.method().as_str(), path);
    let context = request.data::<Arc<RequestContext>>().cloned();
    let address = context.as_ref().and_then(|context| context.address);
    let by_address = async || {
        let (standing, verdict) = limits.by_address(address).await;
        if let (Some(context), Some(standing)) = (&context, standing) {
            // The first answer stands.
            let _ = context.rate.set(standing);
        }
        verdict
    };
    let counted = !exempt && !known_later;
    if counted {
        by_address().await?;
    }
    let result = next.call(request).await.map(IntoResponse::into_response);
    let status = match &result {
        Ok(response) => response.status(),
        Err(error) => error.status(),
    };
    let is_known = context.as_ref().is_some_and(|context| context.caller.get().is_some());
    let nobody = if exempt { status == StatusCode::UNAUTHORIZED } else { !is_known };
    // What the server cannot do is nobody's fault.
    if !counted && nobody && !status.is_server_error() {
        by_address().await?;
    }
    result
}

fn has_credentials(headers: &HeaderMap) -> bool {
    headers.contains_key(header::AUTHORIZATION) || headers.contains_key(API_KEY_HEADER)
}

/// Tells everybody what is left to them, refusals too.
pub(super) async fn tell<E: Endpoint>(next: Arc<E>, request: Request) -> Result<Response> {
    let context = request.data::<Arc<RequestContext>>().cloned();
    let mut response = next.call(request).await?.into_response();
    if let Some(standing) = context.as_ref().and_then(|context| context.rate.get()) {
        standing.write(response.headers_mut());
    }
    Ok(response)
}
