//! What an operator's monitoring asks for: `GET /metrics`, in Prometheus' text format.
//!
//! A registry of our own, one for each [`App`](crate::app::App): a process that mounts the API, or
//! starts several, has nothing global to share. Recording is a lookup and some atomic additions;
//! everything else is worked out when somebody asks. Labels have few values: a route's pattern,
//! never a path, a tenant or a user.

mod endpoint;
mod histogram;
mod process;
mod store;
mod text;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use crm_core::Crm;
use crm_core::store::Store;
use crm_store_postgres::Pools;
use parking_lot::RwLock;
use poem::http::Method;
use tokio::time::timeout;

pub(crate) use endpoint::endpoint;
use histogram::Histogram;
use process::Usage;
use store::{StoreTimes, TimedStore};
use text::Text;

use crate::rate;
use crate::standing::Standings;
use crate::traces::Figures;

/// How long a count of live sign-ins is told again: it costs a query.
const COUNTED_EVERY: Duration = Duration::from_secs(30);
/// How long it may take to count; without it, everything else is told.
const COUNTED_WITHIN: Duration = Duration::from_secs(1);
/// What a request is counted under that no route took.
const NO_ROUTE: &str = "none";

/// By which a request is counted.
type Request = (Arc<str>, &'static str, u16);

/// What was counted since the server began.
#[derive(Debug)]
pub struct Metrics {
    began: DateTime<Utc>,
    requests: RwLock<BTreeMap<Request, Arc<Histogram>>>,
    no_route: Arc<str>,
    in_flight: AtomicU64,
    connections: AtomicU64,
    store: Arc<StoreTimes>,
    sessions: tokio::sync::Mutex<Option<(Instant, Option<u64>)>>,
}

/// Something that goes on; dropped when it ends, however it does.
#[derive(Debug)]
pub struct Going<'a>(&'a AtomicU64);

impl<'a> Going<'a> {
    fn on(counter: &'a AtomicU64) -> Self {
        counter.fetch_add(1, Ordering::Relaxed);
        Self(counter)
    }
}

impl Drop for Going<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The rest of what is told, which is counted elsewhere.
pub(crate) struct Sources<'a> {
    pub(crate) crm: &'a Crm,
    pub(crate) standings: &'a Standings,
    pub(crate) pools: Option<&'a Pools>,
    pub(crate) spans: Option<Figures>,
    pub(crate) rate: rate::Figures,
}

impl Metrics {
    /// Of a server that begins now.
    pub(crate) fn new(began: DateTime<Utc>) -> Self {
        Self {
            began,
            requests: RwLock::default(),
            no_route: NO_ROUTE.into(),
            in_flight: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            store: Arc::default(),
            sessions: tokio::sync::Mutex::default(),
        }
    }

    /// The same store, whose requests are timed from now on.
    pub(crate) fn timed(&self, store: Arc<dyn Store>) -> Arc<dyn Store> {
        Arc::new(TimedStore::new(store, Arc::clone(&self.store)))
    }

    /// A request is being answered.
    pub(crate) fn answering(&self) -> Going<'_> {
        Going::on(&self.in_flight)
    }

    /// A connection is open.
    pub(crate) fn connected(&self) -> Going<'_> {
        Going::on(&self.connections)
    }

    /// A request was answered so. `route` is the pattern that it matched.
    pub(crate) fn answered(
        &self,
        method: &Method,
        route: Option<&Arc<str>>,
        status: u16,
        took: Duration,
    ) {
        let route = Arc::clone(route.unwrap_or(&self.no_route));
        let key = (route, name(method), status);
        if let Some(known) = self.requests.read().get(&key) {
            return known.record(took);
        }
        self.requests.write().entry(key).or_default().record(took);
    }

    /// Everything, as of now.
    pub(crate) async fn render(&self, sources: &Sources<'_>) -> String {
        let mut text = Text::default();
        self.write_requests(&mut text);
        self.store.write(&mut text);
        if let Some(pools) = sources.pools {
            write_pools(&mut text, pools);
        }
        text.single(
            "crm_standings_remembered",
            "gauge",
            "Sessions whose user and rights are remembered by this process.",
            sources.standings.remembered(),
        );
        if let Some(live) = self.live_sessions(sources.crm).await {
            text.single(
                "crm_sessions_live",
                "gauge",
                "Sign-ins that neither ended nor ran out, of the whole installation.",
                live,
            );
        }
        if let Some(spans) = sources.spans {
            write_spans(&mut text, &spans);
        }
        write_rate(&mut text, &sources.rate);
        self.write_process(&mut text);
        text.finish()
    }

    fn write_requests(&self, text: &mut Text) {
        let name = "crm_http_request_duration_seconds";
        text.family(name, "histogram", "Requests answered, by method, route and status.");
        // Nobody who answers a request waits for a scrape.
        let requests: Vec<_> = self
            .requests
            .read()
            .iter()
            .map(|(key, took)| (key.clone(), Arc::clone(took)))
            .collect();
        for ((route, method, status), took) in &requests {
            let status = status.to_string();
            let route = pattern(route);
            let labels = [("method", *method), ("route", &*route), ("status", &*status)];
            text.histogram(name, &labels, took);
        }
        text.single(
            "crm_http_requests_in_flight",
            "gauge",
            "Requests that are being answered.",
            self.in_flight.load(Ordering::Relaxed),
        );
        text.single(
            "crm_http_connections",
            "gauge",
            "Connections that are open.",
            self.connections.load(Ordering::Relaxed),
        );
    }

    fn write_process(&self, text: &mut Text) {
        let usage = Usage::now();
        for (name, help, value) in [
            ("process_resident_memory_bytes", "Memory in use.", usage.resident),
            ("process_open_fds", "Files and sockets that are open.", usage.open_files),
            ("process_max_fds", "Files and sockets that may be open.", usage.most_files),
            ("process_threads", "Threads.", usage.threads),
        ] {
            if let Some(value) = value {
                text.single(name, "gauge", help, value);
            }
        }
        text.single(
            "process_start_time_seconds",
            "gauge",
            "When the server began, in seconds since 1970.",
            self.began.timestamp(),
        );
        text.family("crm_build_info", "gauge", "What runs.");
        let profile = if cfg!(debug_assertions) { "debug" } else { "release" };
        let labels = [("version", env!("CARGO_PKG_VERSION")), ("profile", profile)];
        text.sample("crm_build_info", &labels, 1);
    }

    /// None where the store cannot say, or not in time.
    async fn live_sessions(&self, crm: &Crm) -> Option<u64> {
        // Nobody queues for it: the other figures are wanted most where the store does not answer.
        let mut counted = self.sessions.try_lock().ok()?;
        if let Some((at, live)) = *counted
            && at.elapsed() < COUNTED_EVERY
        {
            return live;
        }
        let live = match timeout(COUNTED_WITHIN, crm.system().live_sessions()).await {
            Ok(Ok(live)) => Some(live),
            Ok(Err(error)) => {
                tracing::warn!(%error, "sign-ins cannot be counted");
                None
            }
            Err(_) => {
                tracing::warn!("sign-ins cannot be counted in time");
                None
            }
        };
        *counted = Some((Instant::now(), live));
        live
    }
}

fn write_pools(text: &mut Text, pools: &Pools) {
    let all = pools.figures();
    let mut family = |name: &str, kind: &str, help: &str, of: &dyn Fn(usize) -> String| {
        text.family(name, kind, help);
        for (i, pool) in all.iter().enumerate() {
            text.sample(name, &[("pool", pool.name)], of(i));
        }
    };
    let value = |of: fn(&crm_store_postgres::PoolFigures) -> String| {
        move |i: usize| all.get(i).map(of).unwrap_or_default()
    };
    let name = "crm_database_pool_connections";
    family(name, "gauge", "Connections to the database.", &value(|p| p.size.to_string()));
    let name = "crm_database_pool_idle";
    family(name, "gauge", "Those that nobody uses.", &value(|p| p.idle.to_string()));
    let name = "crm_database_pool_max";
    family(name, "gauge", "The most that there may be.", &value(|p| p.most.to_string()));
    let name = "crm_database_pool_waiting";
    family(name, "gauge", "Requests that wait for one.", &value(|p| p.waiting.to_string()));
    let name = "crm_database_pool_acquires_total";
    family(name, "counter", "How often one was asked for.", &value(|p| p.asked.to_string()));
    let name = "crm_database_pool_waits_total";
    family(name, "counter", "How often none was free at once.", &value(|p| p.waits.to_string()));
    let name = "crm_database_pool_wait_seconds_total";
    let waited = value(|p| p.waited.as_secs_f64().to_string());
    family(name, "counter", "How long was waited for one, in all.", &waited);
    let name = "crm_database_pool_failures_total";
    family(name, "counter", "How often none was had.", &value(|p| p.failures.to_string()));
}

fn write_spans(text: &mut Text, spans: &Figures) {
    let name = "crm_trace_spans_total";
    let help = "Spans of traces that are recorded: all that ended, those that the collector took, \
                and those that it did not. The rest waits, or was lost for want of room.";
    text.family(name, "counter", help);
    for (outcome, number) in
        [("recorded", spans.recorded), ("exported", spans.exported), ("failed", spans.failed)]
    {
        text.sample(name, &[("outcome", outcome)], number);
    }
}

fn write_rate(text: &mut Text, rate: &rate::Figures) {
    let name = "crm_rate_limited_total";
    text.family(name, "counter", "Requests that were refused for coming too often, by policy.");
    for (policy, number) in rate.refused {
        text.sample(name, &[("policy", policy)], number);
    }
    text.single(
        "crm_rate_limit_callers",
        "gauge",
        "Callers whose requests this process counts.",
        rate.remembered,
    );
    let Some((answers, failures)) = rate.shared else { return };
    text.single(
        "crm_rate_limit_redis_up",
        "gauge",
        "Whether the Redis of limits.rate answers.",
        u8::from(answers),
    );
    text.single(
        "crm_rate_limit_redis_failures_total",
        "counter",
        "How often it did not.",
        failures,
    );
}

/// A route as the document writes it: what stands for a record has no name of its own in routes.
pub(crate) fn pattern(route: &str) -> Cow<'_, str> {
    let Some((before, rest)) = route.split_once("/:param") else { return Cow::Borrowed(route) };
    let mut text = before.to_owned();
    for part in rest.split("/:param") {
        let digits = part.bytes().take_while(u8::is_ascii_digit).count();
        text.push_str("/{id}");
        text.push_str(part.get(digits..).unwrap_or_default());
    }
    Cow::Owned(text)
}

/// Methods that anybody could make up count as one.
pub(crate) fn name(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "HEAD" => "HEAD",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_names_no_parameter_by_its_number() {
        for (route, shown) in [
            ("/api/v1/customers", "/api/v1/customers"),
            ("/api/v1/customers/:param0", "/api/v1/customers/{id}"),
            ("/a/:param0/notes/:param1/x", "/a/{id}/notes/{id}/x"),
        ] {
            assert_eq!(pattern(route), shown);
        }
    }
}
