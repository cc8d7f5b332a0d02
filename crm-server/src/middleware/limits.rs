//! How many requests are worked on at once, for how long each, and how large they are.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, stream};
use poem::error::ReadBodyError;
use poem::http::header;
use poem::{Body, Endpoint, IntoResponse, Request, Response, Result};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use crate::api::error::ApiError;
use crate::config::{Limits, Span};
use crate::server::{Wire, refusal};

const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The requests that are worked on.
#[derive(Debug, Clone)]
pub(super) struct InFlight(Arc<Semaphore>);

impl InFlight {
    pub(super) fn new(limits: &Limits) -> Self {
        Self(Arc::new(Semaphore::new(limits.concurrency.min(Semaphore::MAX_PERMITS))))
    }
}

/// Turns away what is too much at once. A request is worked on once it is there as a whole: those
/// of which the body is still to come wait, and take no place from others.
pub(super) async fn bound<E: Endpoint>(
    next: Arc<E>,
    mut request: Request,
    in_flight: InFlight,
) -> Result<Response> {
    // Whether the process lives, and how it does, must be told however much it has to do.
    let path = request.uri().path();
    let exempt = path.ends_with("/health/live") || path == "/metrics";
    let full = in_flight.0.available_permits() == 0;
    if !full || exempt {
        receive(&mut request).await?;
    }
    let slot = in_flight.0.try_acquire();
    if slot.is_err() && !exempt {
        let message = "too many requests are being worked on: limits.concurrency";
        return Err(ApiError::unavailable("OVERLOADED", message, RETRY_AFTER).into());
    }
    next.call(request).await.map(IntoResponse::into_response)
}

/// How much of a body is waited for: all of most, and no more memory than a connection may cost.
const AWAITED: usize = 64 << 10;

/// Waits for a body, or for a good part of a long one, so that whoever sends it slowly takes up a
/// connection and no more.
async fn receive(request: &mut Request) -> Result<()> {
    let body = request.take_body();
    if body.is_empty() {
        return Ok(());
    }
    let mut rest = body.into_bytes_stream().boxed();
    // Copied: parts of a few octets would each hold on to more.
    let mut received: Vec<u8> = Vec::new();
    while received.len() < AWAITED {
        match rest.next().await {
            Some(Ok(part)) => received.extend_from_slice(&part),
            Some(Err(error)) => return Err(ApiError::from(&ReadBodyError::Io(error)).into()),
            None => {
                request.set_body(received);
                return Ok(());
            }
        }
    }
    let received = stream::once(async move { Ok::<_, io::Error>(received.into()) });
    request.set_body(Body::from_bytes_stream(received.chain(rest)));
    Ok(())
}

/// Refuses URLs and headers beyond their limits. The parser's own lie a little above, because it
/// counts differently.
pub(super) async fn head<E: Endpoint>(
    next: Arc<E>,
    request: Request,
    limits: Arc<Limits>,
) -> Result<Response> {
    let url = request.original_uri().path_and_query().map_or(0, |path| path.as_str().len());
    if url > limits.url_bytes {
        return Err(refusal::url_too_long(&limits).into());
    }
    let headers = request.headers();
    let hosts = headers.get_all(header::HOST).iter().count();
    if hosts > 1 {
        let message = format!("expected one Host, got {hosts} (RFC 9112, 3.2)");
        return Err(ApiError::unreadable("Host", "INVALID_REQUEST", message).into());
    }
    if request.extensions().get::<Wire>().is_some_and(|wire| wire.contradictory) {
        let message = "expected Content-Length or Transfer-Encoding, got both (RFC 9112, 6.1)";
        return Err(ApiError::unreadable("Content-Length", "INVALID_REQUEST", message).into());
    }
    if headers.len() > limits.headers {
        return Err(refusal::too_many_headers(&limits).into());
    }
    let bytes: usize =
        headers.iter().map(|(name, value)| name.as_str().len() + value.len() + FIELD_ENDS).sum();
    if bytes > limits.header_bytes {
        return Err(refusal::headers_too_large(&limits).into());
    }
    next.call(request).await.map(IntoResponse::into_response)
}

/// The colon, a space and the end of a line.
const FIELD_ENDS: usize = 4;

/// Gives up on a body that does not come in time, whoever reads it.
pub(super) async fn body<E: Endpoint>(
    next: Arc<E>,
    mut request: Request,
    limit: Span,
) -> Result<Response> {
    let body = request.take_body();
    if body.is_empty() {
        return next.call(request).await.map(IntoResponse::into_response);
    }
    let deadline = Instant::now() + limit.duration();
    let parts = body.into_bytes_stream().boxed();
    let timed = stream::unfold(Some(parts), move |parts| async move {
        let mut parts = parts?;
        match timeout_at(deadline, parts.next()).await {
            Ok(part) => part.map(|part| (part, Some(parts))),
            Err(_) => {
                let message = format!("the body did not come within {limit}: limits.body_timeout");
                Some((Err(io::Error::new(io::ErrorKind::TimedOut, message)), None))
            }
        }
    });
    request.set_body(Body::from_bytes_stream(timed));
    next.call(request).await.map(IntoResponse::into_response)
}

pub(super) async fn timeout<E: Endpoint>(
    next: Arc<E>,
    request: Request,
    limit: Duration,
) -> Result<Response> {
    match tokio::time::timeout(limit, next.call(request)).await {
        Ok(result) => result.map(IntoResponse::into_response),
        Err(_) => {
            let message = "the request took too long and was given up: limits.request_timeout";
            Err(ApiError::unavailable("TIMEOUT", message, RETRY_AFTER).into())
        }
    }
}
