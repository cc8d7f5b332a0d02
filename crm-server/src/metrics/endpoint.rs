//! `GET /metrics`: for whoever has the token, where one is set.

use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use poem::http::{Method, StatusCode, header};
use poem::{Endpoint, Request, Response, Result};

use crate::api::error::{ApiError, Fault};
use crate::app::App;

/// The endpoint, whatever address it is served on.
pub(crate) fn endpoint(app: Arc<App>) -> impl Endpoint<Output = Response> + 'static {
    poem::endpoint::make(move |request: Request| {
        let app = Arc::clone(&app);
        async move { answer(&app, &request).await }
    })
}

async fn answer(app: &App, request: &Request) -> Result<Response> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let fault = Fault::new("METHOD_NOT_ALLOWED", "this path does not take that method");
        return Err(ApiError::new(StatusCode::METHOD_NOT_ALLOWED, fault).into());
    }
    if let Some(token) = &app.config().metrics.token {
        let given = request.header(header::AUTHORIZATION).and_then(|value| {
            let (scheme, token) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
        });
        // In constant time: how much of it was right is not to be measured.
        let right = |given: &str| {
            verify_slices_are_equal(given.as_bytes(), token.reveal().as_bytes()).is_ok()
        };
        if !given.is_some_and(right) {
            return Err(ApiError::unauthenticated("expected the token of the metrics").into());
        }
    }
    Ok(Response::builder()
        .content_type("text/plain; version=0.0.4; charset=utf-8")
        .header(header::CACHE_CONTROL, "no-store")
        .body(app.render_metrics().await))
}
