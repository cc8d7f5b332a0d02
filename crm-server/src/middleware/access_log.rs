//! One line in the log for each request. It never holds a query, a header or a body: they carry
//! personal data and secrets.

use std::sync::Arc;
use std::time::Instant;

use poem::http::StatusCode;
use poem::{Endpoint, IntoResponse, PathPattern, Request, Response, Result};
use tracing::{Instrument, info, info_span};

use super::RequestContext;

pub(super) async fn log<E: Endpoint>(next: Arc<E>, request: Request) -> Result<Response> {
    let started = Instant::now();
    let method = request.method().clone();
    let context = request.data::<Arc<RequestContext>>().cloned();
    let id = context.as_ref().map_or("", |context| context.id.as_str());
    let span = info_span!("request", id);
    let result = next.call(request).instrument(span).await.map(IntoResponse::into_response);
    let status = result.as_ref().map_or(StatusCode::INTERNAL_SERVER_ERROR, Response::status);
    // The pattern, not the path: lines of one operation count together, and ids stay out.
    let route = result.as_ref().ok().and_then(|response| response.data::<PathPattern>());
    let caller = context.as_ref().and_then(|context| context.caller.get());
    info!(
        target: "crm_server::access",
        id,
        %method,
        route = route.map_or("-", |pattern| &pattern.0),
        status = status.as_u16(),
        micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
        client = context.as_ref().and_then(|c| c.address).map(tracing::field::display),
        user = caller.map(|(user, _)| tracing::field::display(user)),
        tenant = caller.and_then(|(_, tenant)| *tenant).map(tracing::field::display),
    );
    result
}
