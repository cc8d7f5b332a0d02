//! Spans of requests, for whoever collects them: one for each request, and one under it for each
//! time that it asked the store.
//!
//! Nothing in a span is of a person or a tenant: a route's pattern, a status, a record type, never
//! a path, a query, a user or an address. Recording one is putting it into a bounded queue; where
//! that is full or the collector is away, spans are lost, and no request waits or fails. What
//! sends them is behind the feature `otlp`.

#[cfg(not(feature = "otlp"))]
mod absent;
#[cfg(feature = "otlp")]
mod client;
#[cfg(feature = "otlp")]
mod otlp;

use std::borrow::Cow;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use crm_core::{Clock, Error, Random};
use poem::http::{Method, StatusCode};

#[cfg(not(feature = "otlp"))]
use absent::Exporter;
#[cfg(feature = "otlp")]
use otlp::Exporter;

use crate::config::{self, ConfigError};
use crate::middleware::TraceContext;
use crate::middleware::trace::Hex;

/// Paths that machines ask every few seconds: traces do not begin with them.
const UNWATCHED: [&str; 3] = ["/health/live", "/health/ready", "/metrics"];

tokio::task_local! {
    static CURRENT: Arc<Recorded>;
}

/// What records the spans of an [`App`](crate::app::App)'s requests, if anything does.
#[derive(Debug)]
pub struct Traces {
    exporter: Option<Exporter>,
    /// Traces whose number is below it are recorded.
    below: u64,
    /// What the store is called by OpenTelemetry, where it is a database.
    database: Option<&'static str>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

/// A request that is recorded.
#[derive(Debug)]
struct Recorded {
    traces: Arc<Traces>,
    context: TraceContext,
}

/// What a span is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A request that was answered.
    Server,
    /// Something asked of a database.
    Client,
    /// Work in this process.
    Internal,
}

/// What an attribute says.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    Text(Cow<'static, str>),
    Number(i64),
}

/// A span that has ended.
#[derive(Debug)]
#[cfg_attr(not(feature = "otlp"), expect(dead_code, reason = "nobody sends it"))]
struct Span<'a> {
    context: &'a TraceContext,
    id: Hex<8>,
    parent: Option<Hex<8>>,
    /// Whether the parent is another process's.
    parent_is_remote: bool,
    kind: Kind,
    name: String,
    began: DateTime<Utc>,
    ended: DateTime<Utc>,
    attributes: Vec<(&'static str, Value)>,
    failed: bool,
}

/// How many spans there were since the server began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Figures {
    /// Ended and put into the queue, or lost because it was full.
    pub(crate) recorded: u64,
    /// Taken by the collector.
    pub(crate) exported: u64,
    /// Not taken by it, and given up.
    pub(crate) failed: u64,
}

impl Traces {
    /// As configured, over a store of this kind. To be called where there is a runtime.
    ///
    /// # Errors
    /// Where a setting is none, or this build sends no traces.
    pub(crate) fn new(
        config: &config::Traces,
        database: Option<&'static str>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Self, ConfigError> {
        let endpoint = config.endpoint.as_deref();
        let exporter = endpoint.map(|endpoint| {
            let instance = random.uuid(clock.now()).to_string();
            Exporter::new(endpoint, config, instance)
        });
        let exporter = exporter.transpose()?;
        Ok(Self { exporter, below: below(config.sample), database, clock, random })
    }

    /// Whether traces could be sent so.
    ///
    /// # Errors
    /// As [`Traces::new`].
    pub(crate) fn check(config: &config::Traces) -> Result<(), ConfigError> {
        config.endpoint.as_deref().map_or(Ok(()), |endpoint| Exporter::check(endpoint, config))
    }

    /// Whether a trace that begins with this request is recorded. By its number, as OpenTelemetry's
    /// `TraceIdRatioBased` does, so that others who record the same part record the same traces.
    pub(crate) fn samples(&self, trace: Hex<16>, path: &str) -> bool {
        let Hex(bytes) = trace;
        let [.., a, b, c, d, e, f, g, h] = bytes;
        let number = u64::from_be_bytes([a, b, c, d, e, f, g, h]) >> 1;
        let path = path.strip_prefix(crate::openapi::BASE).unwrap_or(path);
        self.exporter.is_some() && number < self.below && !UNWATCHED.contains(&path)
    }

    /// Does the work of a request, whose spans are recorded where its trace is.
    pub(crate) async fn follow<T>(
        self: &Arc<Self>,
        context: Option<&TraceContext>,
        work: impl Future<Output = T>,
    ) -> T {
        match context.filter(|context| context.sampled && self.exporter.is_some()) {
            Some(context) => {
                let recorded = Recorded { traces: Arc::clone(self), context: context.clone() };
                CURRENT.scope(Arc::new(recorded), work).await
            }
            None => work.await,
        }
    }

    /// A request was answered so. `route` is the pattern that it matched.
    pub(crate) fn answered(
        &self,
        context: Option<&TraceContext>,
        method: &Method,
        route: Option<&str>,
        status: StatusCode,
        took: Duration,
    ) {
        let Some(exporter) = &self.exporter else { return };
        let Some(context) = context.filter(|context| context.sampled) else { return };
        let method = method_name(method);
        let number = i64::from(status.as_u16());
        let mut attributes = vec![
            ("http.request.method", Value::Text(method.into())),
            ("http.response.status_code", Value::Number(number)),
        ];
        let mut name = method.to_owned();
        if let Some(route) = route {
            name = format!("{method} {route}");
            attributes.push(("http.route", Value::Text(route.to_owned().into())));
        }
        let failed = status.is_server_error();
        if failed {
            attributes.push(("error.type", Value::Text(status.as_str().to_owned().into())));
        }
        let (began, ended) = self.when(took);
        exporter.record(Span {
            context,
            id: context.span,
            parent: context.parent,
            parent_is_remote: true,
            kind: Kind::Server,
            name,
            began,
            ended,
            attributes,
            failed,
        });
    }

    /// A request asked the store for something.
    fn asked(
        &self,
        context: &TraceContext,
        operation: &'static str,
        record_type: &str,
        took: Duration,
        error: Option<&'static str>,
    ) {
        let Some(exporter) = &self.exporter else { return };
        let mut attributes = vec![
            ("db.operation.name", Value::Text(operation.into())),
            ("db.collection.name", Value::Text(record_type.to_owned().into())),
        ];
        if let Some(database) = self.database {
            attributes.push(("db.system.name", Value::Text(database.into())));
        }
        if let Some(error) = error {
            attributes.push(("error.type", Value::Text(error.into())));
        }
        let (began, ended) = self.when(took);
        exporter.record(Span {
            context,
            id: Hex::random(&*self.random),
            parent: Some(context.span),
            parent_is_remote: false,
            kind: if self.database.is_some() { Kind::Client } else { Kind::Internal },
            name: format!("{operation} {record_type}"),
            began,
            ended,
            attributes,
            failed: error.is_some(),
        });
    }

    fn when(&self, took: Duration) -> (DateTime<Utc>, DateTime<Utc>) {
        let ended = self.clock.now();
        (ended - TimeDelta::from_std(took).unwrap_or_default(), ended)
    }

    /// How many spans there were; none where nothing is recorded.
    pub(crate) fn figures(&self) -> Option<Figures> {
        self.exporter.as_ref().map(Exporter::figures)
    }

    /// Sends what is recorded, and waits for that, some seconds at most.
    pub(crate) async fn flush(self: &Arc<Self>) {
        if self.exporter.is_none() {
            return;
        }
        let traces = Arc::clone(self);
        let flushed = tokio::task::spawn_blocking(move || {
            traces.exporter.as_ref().is_none_or(Exporter::flush)
        });
        if !flushed.await.unwrap_or(false) {
            tracing::warn!("the last spans could not be sent, and are lost");
        }
    }
}

/// The store was asked for something: a span of the request that did, if it is recorded.
pub(crate) fn store_was_asked<T>(
    operation: &'static str,
    record_type: &str,
    took: Duration,
    answer: &Result<T, Error>,
) {
    let error = match answer {
        // What a caller did wrong is no failure of the store's.
        Err(Error::Unavailable { .. }) => Some("unavailable"),
        Err(Error::Internal(_)) => Some("internal"),
        _ => None,
    };
    // Outside a request nobody records.
    let _ = CURRENT.try_with(|current| {
        current.traces.asked(&current.context, operation, record_type, took, error);
    });
}

/// That part of all numbers of 63 bits.
fn below(part: f64) -> u64 {
    const ALL: u64 = 1 << 63;
    if part >= 1.0 {
        return ALL;
    }
    // To some fifteen digits; negative ones are 0.
    (part * ALL as f64) as u64
}

/// Methods that anybody could make up are one, by OpenTelemetry's word for them.
fn method_name(method: &Method) -> &'static str {
    match crate::metrics::name(method) {
        "other" => "_OTHER",
        known => known,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crm_core::{SeededRandom, SystemClock};

    fn traces(change: impl FnOnce(&mut config::Traces)) -> Result<Traces, ConfigError> {
        let mut config = config::Traces {
            endpoint: Some("http://127.0.0.1:9/v1/traces".into()),
            ..config::Traces::default()
        };
        change(&mut config);
        let random = Arc::new(SeededRandom::new(1));
        Traces::new(&config, None, Arc::new(SystemClock), random)
    }

    #[cfg(feature = "otlp")]
    #[tokio::test]
    async fn the_part_of_traces_that_is_asked_for_is_recorded() {
        let random = SeededRandom::new(7);
        let all: Vec<Hex<16>> = (0..10_000).map(|_| Hex::random(&random)).collect();
        for (part, least, most) in [(0.0, 0, 0), (0.25, 2_350, 2_650), (1.0, 10_000, 10_000)] {
            let traces = traces(|config| config.sample = part).unwrap();
            let sampled = all.iter().filter(|trace| traces.samples(**trace, "/api/v1/customers"));
            let sampled = sampled.count();
            assert!((least..=most).contains(&sampled), "{part}: {sampled}");
        }
        // The greatest of all numbers.
        let traces = traces(|config| config.sample = 0.999).unwrap();
        assert!(!traces.samples(Hex([0xff; 16]), "/api/v1/customers"));
    }

    #[cfg(feature = "otlp")]
    #[tokio::test]
    async fn what_machines_ask_all_the_time_begins_no_trace() {
        let traces = traces(|_| {}).unwrap();
        for path in ["/health/live", "/api/v1/health/ready", "/metrics"] {
            assert!(!traces.samples(Hex([0; 16]), path), "{path}");
        }
        assert!(traces.samples(Hex([0; 16]), "/api/v1/health"));
    }

    #[cfg(feature = "otlp")]
    #[tokio::test]
    async fn a_setting_that_is_none_is_named() {
        let refused = |change: fn(&mut config::Traces)| traces(change).unwrap_err().to_string();
        let endpoint = |url: &'static str| {
            traces(|config| config.endpoint = Some(url.into())).unwrap_err().to_string()
        };
        for url in ["", "collector:4318", "ftp://collector/v1/traces", "/v1/traces", "http://"] {
            assert!(endpoint(url).contains("traces.endpoint"), "{url}");
        }
        let told = refused(|c| c.headers = Some("api-key".into()));
        assert!(told.contains("traces.headers"), "{told}");
        let told = refused(|c| c.headers = Some("api key=secret".into()));
        assert!(told.contains("traces.headers") && !told.contains("secret"), "{told}");
        let told = refused(|c| c.ca_file = Some("/nowhere.pem".into()));
        assert!(told.contains("traces.ca_file"), "{told}");
        let told = refused(|c| c.ca_file = Some("/dev/null".into()));
        assert!(told.contains("no certificate"), "{told}");
    }

    #[cfg(not(feature = "otlp"))]
    #[tokio::test]
    async fn a_build_that_sends_no_traces_says_so() {
        assert!(traces(|_| {}).unwrap_err().to_string().contains("otlp"));
    }

    #[test]
    fn methods_that_somebody_made_up_are_one() {
        assert_eq!(method_name(&Method::GET), "GET");
        assert_eq!(method_name(&"BREW".parse().unwrap()), "_OTHER");
    }
}
