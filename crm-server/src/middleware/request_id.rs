//! The id of a request: the caller's, where it sent a sane one, else a new one. Its place in a
//! trace, likewise.

use std::sync::{Arc, OnceLock};

use crm_core::{Clock, Random};
use poem::http::{HeaderName, HeaderValue};
use poem::{Endpoint, IntoResponse, Request, Response, Result};

use super::trace::{TRACERESPONSE, TraceContext};
use super::{RequestContext, client};
use crate::traces::Traces;

const HEADER: HeaderName = HeaderName::from_static("x-request-id");
const MAX_LENGTH: usize = 128;

#[derive(Clone)]
pub(super) struct RequestIds {
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    proxies: usize,
    traces: Arc<Traces>,
}

impl RequestIds {
    pub(super) fn new(
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        proxies: usize,
        traces: Arc<Traces>,
    ) -> Self {
        Self { clock, random, proxies, traces }
    }

    fn of(&self, request: &Request) -> String {
        // It ends in log lines and in answers: nothing that could break out of either.
        let sane = |id: &str| {
            (1..=MAX_LENGTH).contains(&id.len())
                && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b))
        };
        match request.header(HEADER).filter(|id| sane(id)) {
            Some(id) => id.to_owned(),
            None => self.random.uuid(self.clock.now()).to_string(),
        }
    }
}

pub(super) async fn assign<E: Endpoint>(
    next: Arc<E>,
    mut request: Request,
    ids: RequestIds,
) -> Result<Response> {
    let id = ids.of(&request);
    let header = HeaderValue::from_str(&id).ok();
    let address = client::address(&request, ids.proxies);
    let (chosen, caller) = (OnceLock::new(), OnceLock::new());
    let (rate, admitted) = (OnceLock::new(), OnceLock::new());
    let samples = |trace| ids.traces.samples(trace, request.uri().path());
    let trace = TraceContext::of(request.headers(), &*ids.random, samples);
    let span = HeaderValue::from_str(&trace.traceparent()).ok();
    let context = RequestContext { id, trace, address, chosen, caller, rate, admitted };
    request.set_data(Arc::new(context));
    let mut response = next.call(request).await?.into_response();
    if let Some(header) = header {
        response.headers_mut().insert(HEADER, header);
    }
    if let Some(span) = span {
        response.headers_mut().insert(TRACERESPONSE, span);
    }
    Ok(response)
}
