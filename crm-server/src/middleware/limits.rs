//! How many requests are worked on at once, and for how long each.

use std::sync::Arc;
use std::time::Duration;

use poem::{Endpoint, IntoResponse, Request, Response, Result};
use tokio::sync::Semaphore;

use crate::api::error::ApiError;
use crate::config::Limits;

const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The requests that are worked on.
#[derive(Debug, Clone)]
pub(super) struct InFlight(Arc<Semaphore>);

impl InFlight {
    pub(super) fn new(limits: &Limits) -> Self {
        Self(Arc::new(Semaphore::new(limits.concurrency.min(Semaphore::MAX_PERMITS))))
    }
}

pub(super) async fn bound<E: Endpoint>(
    next: Arc<E>,
    request: Request,
    in_flight: InFlight,
) -> Result<Response> {
    // Whether the process lives must be told however much it has to do.
    let exempt = request.uri().path().ends_with("/health/live");
    let slot = in_flight.0.try_acquire();
    if slot.is_err() && !exempt {
        let message = "too many requests are being worked on";
        return Err(ApiError::unavailable("OVERLOADED", message, RETRY_AFTER).into());
    }
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
            let message = "the request took too long and was given up";
            Err(ApiError::unavailable("TIMEOUT", message, RETRY_AFTER).into())
        }
    }
}
