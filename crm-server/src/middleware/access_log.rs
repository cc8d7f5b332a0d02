//! One line in the log for each request, one more in the figures, and a span where its trace is
//! recorded. None of them ever holds a query, a header or a body: they carry personal data and
//! secrets.

use std::sync::Arc;
use std::time::Instant;

use poem::http::StatusCode;
use poem::{Endpoint, IntoResponse, PathPattern, Request, Response, Result};
use tracing::{Instrument, field, info, info_span};

use super::RequestContext;
use crate::metrics::{self, Metrics};
use crate::traces::Traces;

pub(super) async fn log<E: Endpoint>(
    next: Arc<E>,
    request: Request,
    figures: Arc<Metrics>,
    traces: Arc<Traces>,
) -> Result<Response> {
    let started = Instant::now();
    let _answering = figures.answering();
    let method = request.method().clone();
    let context = request.data::<Arc<RequestContext>>().cloned();
    let id = context.as_ref().map_or("", |context| context.id.as_str());
    let trace = context.as_ref().map(|context| &context.trace);
    let trace_id = trace.map(|trace| field::display(trace.trace));
    let span_id = trace.map(|trace| field::display(trace.span));
    let span = info_span!("request", id, trace_id, span_id);
    let work = traces.follow(trace, next.call(request)).instrument(span);
    let result = work.await.map(IntoResponse::into_response);
    let status = result.as_ref().map_or(StatusCode::INTERNAL_SERVER_ERROR, Response::status);
    // The pattern, not the path: lines of one operation count together, and ids stay out.
    let route = result.as_ref().ok().and_then(|response| response.data::<PathPattern>());
    let took = started.elapsed();
    figures.answered(&method, route.map(|pattern| &pattern.0), status.as_u16(), took);
    let pattern = route.map(|route| metrics::pattern(&route.0));
    traces.answered(trace, &method, pattern.as_deref(), status, took);
    let caller = context.as_ref().and_then(|context| context.caller.get());
    info!(
        target: "crm_server::access",
        id,
        trace_id,
        span_id,
        %method,
        route = pattern.as_deref().unwrap_or("-"),
        status = status.as_u16(),
        micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        client = context.as_ref().and_then(|c| c.address).map(field::display),
        user = caller.map(|(user, _)| field::display(user)),
        tenant = caller.and_then(|(_, tenant)| *tenant).map(field::display),
    );
    result
}
