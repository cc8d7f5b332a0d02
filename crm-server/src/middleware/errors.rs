//! Whatever goes wrong below becomes one kind of answer.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use poem::{Endpoint, IntoResponse, PathPattern, Request, Response, Result};
use tracing::error;

use super::RequestContext;
use crate::api::error::ApiError;

pub(super) async fn catch_panic<E: Endpoint>(next: Arc<E>, request: Request) -> Result<Response> {
    match AssertUnwindSafe(next.call(request)).catch_unwind().await {
        Ok(result) => result.map(IntoResponse::into_response),
        Err(panic) => Err(ApiError::internal(format!("panic: {}", text(&*panic))).into()),
    }
}

fn text(panic: &(dyn Any + Send)) -> &str {
    let string = panic.downcast_ref::<String>().map(String::as_str);
    string.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a message")
}

pub(super) async fn envelope<E: Endpoint>(next: Arc<E>, request: Request) -> Result<Response> {
    let context = request.data::<Arc<RequestContext>>().cloned();
    let failure = match next.call(request).await {
        Ok(response) => return Ok(response.into_response()),
        Err(failure) => failure,
    };
    let pattern = failure.data::<PathPattern>().cloned();
    let fault = ApiError::from_poem(failure);
    let id = context.as_ref().map(|context| context.id.as_str());
    if let Some(detail) = fault.detail() {
        error!(id, status = fault.status().as_u16(), detail, "request failed");
    }
    let mut response = fault.to_response(id);
    if let Some(pattern) = pattern {
        response.set_data(pattern);
    }
    Ok(response)
}
