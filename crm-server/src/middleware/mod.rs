//! What every request passes through, and in which order: written down here and nowhere else.
//!
//! None of it knows a record type. What it learns about a request stands in its
//! [`RequestContext`].

mod access_log;
mod client;
mod compression;
mod cors;
mod errors;
mod headers;
mod limits;
mod methods;
mod paths;
mod rate;
mod request_id;
#[cfg(test)]
mod tests;
pub mod trace;

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use crm_core::{Clock, Random};
use poem::endpoint::BoxEndpoint;
use poem::{Endpoint, EndpointExt, Response};
use uuid::Uuid;

use crate::config::Config;
use crate::metrics::Metrics;
use crate::rate::{RateLimits, Standing};
use crate::traces::Traces;

pub use paths::{Rewritten, aliases, rewrite};
pub use trace::TraceContext;

/// What is known about a request beside what it says itself.
#[derive(Debug)]
pub struct RequestContext {
    /// The caller's `X-Request-ID`, or a new one.
    pub id: String,
    /// Its place in a trace: what it calls is told [`TraceContext::traceparent`].
    pub trace: TraceContext,
    /// The address of the client.
    pub address: Option<IpAddr>,
    /// Which tenant the request chose, before anybody checked whether it may.
    pub chosen: OnceLock<Choice>,
    /// Who calls, as soon as that is known: for the log.
    pub caller: OnceLock<(Uuid, Option<Uuid>)>,
    /// What is left to whoever calls, as soon as that was counted.
    pub rate: OnceLock<Standing>,
    /// Set once the request was counted for whoever calls, and may come.
    pub admitted: OnceLock<()>,
}

/// A tenant that a request chose beside the one in its token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// By `/tenants/{tenantId}/…`: one that the user is no member of is not there.
    Path(String),
    /// By `X-Tenant-ID`: one that the user is no member of is refused.
    Header(String),
}

/// Wraps the routes. The first line is the outermost: it sees a request first and its answer
/// last.
pub fn wrap(
    routes: impl Endpoint<Output = Response> + 'static,
    config: &Config,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    metrics: Arc<Metrics>,
    traces: Arc<Traces>,
    rate: Arc<RateLimits>,
) -> BoxEndpoint<'static> {
    let ids = request_id::RequestIds::new(clock, random, config.proxies, Arc::clone(&traces));
    let headers = headers::Headers::new(config);
    let cors = cors::Cors::new(&config.cors);
    let limits = limits::InFlight::new(&config.limits);
    let timeout = config.limits.request_timeout.duration();
    let body = config.limits.clone();
    let body_timeout = config.limits.body_timeout;
    let head = Arc::new(config.limits.clone());

    // From the innermost to the outermost; boxed now and then, because each layer's type contains
    // all those within.
    routes
        // What a body may cost, for whoever reads it.
        .data(body)
        // 15. HEAD is GET, and a refused method is told which the path takes.
        .around(methods::apply)
        // 14. Who asks too often is refused, as far as nobody has signed in for it.
        .around(move |next, request| rate::admit(next, request, Arc::clone(&rate)))
        // 13. The paths of the sources become ours; a tenant in the path is noted.
        .around(paths::apply)
        // 12. Too much at once is turned away, once it is there as a whole and before it costs
        //     more.
        .around(move |next, request| limits::bound(next, request, limits.clone()))
        // 11. A body that does not come is not waited for.
        .around(move |next, request| limits::body(next, request, body_timeout))
        .boxed()
        // 10. What is too long, or contradicts itself, is refused before anybody looks at it.
        .around(move |next, request| limits::head(next, request, Arc::clone(&head)))
        // 9. What takes too long is given up.
        .around(move |next, request| limits::timeout(next, request, timeout))
        // 8. A panic becomes an error.
        .around(errors::catch_panic)
        .boxed()
        // 7. Every error becomes an envelope, under the id of the request.
        .around(errors::envelope)
        // 6. Everybody is told how often they may still ask, errors too.
        .around(rate::tell)
        // 5. Large answers are compressed, errors too.
        .around(compression::compress)
        .boxed()
        // 4. Other origins are answered where they are allowed, errors too.
        .around(move |next, request| cors::allow(next, request, cors.clone()))
        // 3. No answer leaves without the headers that browsers are to respect.
        .around(move |next, request| headers::secure(next, request, headers.clone()))
        // 2. One line in the log for each request, its figures and its span, with its final status.
        .around(move |next, request| {
            access_log::log(next, request, Arc::clone(&metrics), Arc::clone(&traces))
        })
        // 1. The request gets its id and its place in a trace, and it is found out where it comes
        //    from.
        .around(move |next, request| request_id::assign(next, request, ids.clone()))
        .boxed()
}
