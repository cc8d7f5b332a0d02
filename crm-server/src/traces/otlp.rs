//! Sends spans to a collector: OpenTelemetry's own queue, which loses what it has no room for, and
//! its own exporter, which speaks OTLP as protobuf over HTTP.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use opentelemetry::trace::{
    SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SpanData, SpanEvents, SpanLinks, SpanProcessor,
};
use poem::http::{HeaderName, HeaderValue, Uri};

use super::client::{Client, trust};
use super::{Figures, Kind, Span, Value};
use crate::config::{self, ConfigError};

/// How many spans may wait: some megabytes at most.
const QUEUE: usize = 8_192;
/// How many are sent at once.
const BATCH: usize = 512;
/// How long the first of them waits at most.
const DELAY: Duration = Duration::from_secs(2);
/// How long a collector may take to answer, repetitions included.
const PATIENCE: Duration = Duration::from_secs(5);
/// Where collectors take traces, unless something else is said.
const PATH: &str = "/v1/traces";

/// What sends spans.
#[derive(Debug)]
pub(super) struct Exporter {
    queue: BatchSpanProcessor,
    scope: InstrumentationScope,
    recorded: AtomicU64,
    sent: Arc<Sent>,
}

impl Exporter {
    /// To this collector, as `instance` of the service that the settings name.
    pub(super) fn new(
        endpoint: &str,
        config: &config::Traces,
        instance: String,
    ) -> Result<Self, ConfigError> {
        let client = Client::new(config.ca_file.as_deref(), PATIENCE)?;
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(client)
            .with_endpoint(address(endpoint)?)
            .with_timeout(PATIENCE)
            .with_headers(headers(config.headers.as_ref().map_or("", config::Secret::reveal))?)
            .build()
            .map_err(|error| ConfigError::new(format!("traces.endpoint: {error}")))?;
        let sent = Arc::new(Sent::default());
        let batches = BatchConfigBuilder::default()
            .with_max_queue_size(QUEUE)
            .with_max_export_batch_size(BATCH)
            .with_scheduled_delay(DELAY)
            .build();
        let counted = Counted { exporter, sent: Arc::clone(&sent) };
        let mut queue = BatchSpanProcessor::builder(counted).with_batch_config(batches).build();
        let version = env!("CARGO_PKG_VERSION");
        queue.set_resource(
            &Resource::builder_empty()
                .with_service_name(config.service.clone())
                .with_attribute(KeyValue::new("service.version", version))
                .with_attribute(KeyValue::new("service.instance.id", instance))
                .build(),
        );
        let scope = InstrumentationScope::builder("crm-server").with_version(version).build();
        Ok(Self { queue, scope, recorded: AtomicU64::new(0), sent })
    }

    /// Whether the settings are such that one could be made.
    pub(super) fn check(endpoint: &str, config: &config::Traces) -> Result<(), ConfigError> {
        address(endpoint)?;
        headers(config.headers.as_ref().map_or("", config::Secret::reveal))?;
        trust(config.ca_file.as_deref()).map(drop)
    }

    /// Puts a span into the queue, or loses it.
    pub(super) fn record(&self, span: Span<'_>) {
        self.recorded.fetch_add(1, Ordering::Relaxed);
        let state = span.context.state.as_deref().and_then(|state| state.parse().ok());
        let value = |value: Value| match value {
            Value::Text(text) => opentelemetry::Value::from(text),
            Value::Number(number) => number.into(),
        };
        let attributes = span.attributes.into_iter();
        self.queue.on_end(SpanData {
            span_context: SpanContext::new(
                TraceId::from_bytes(span.context.trace.0),
                SpanId::from_bytes(span.id.0),
                TraceFlags::SAMPLED,
                false,
                state.unwrap_or(TraceState::NONE),
            ),
            parent_span_id: span.parent.map_or(SpanId::INVALID, |id| SpanId::from_bytes(id.0)),
            parent_span_is_remote: span.parent.is_some() && span.parent_is_remote,
            span_kind: match span.kind {
                Kind::Server => SpanKind::Server,
                Kind::Client => SpanKind::Client,
                Kind::Internal => SpanKind::Internal,
            },
            name: span.name.into(),
            start_time: span.began.into(),
            end_time: span.ended.into(),
            attributes: attributes.map(|(key, said)| KeyValue::new(key, value(said))).collect(),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: if span.failed { Status::error("") } else { Status::Unset },
            instrumentation_scope: self.scope.clone(),
        });
    }

    pub(super) fn figures(&self) -> Figures {
        Figures {
            recorded: self.recorded.load(Ordering::Relaxed),
            exported: self.sent.exported.load(Ordering::Relaxed),
            failed: self.sent.failed.load(Ordering::Relaxed),
        }
    }

    /// Sends what is in the queue, and waits for that; whether it could be sent in some seconds.
    /// Not for a thread of the runtime.
    pub(super) fn flush(&self) -> bool {
        self.queue.force_flush().is_ok()
    }
}

/// What became of the spans.
#[derive(Debug, Default)]
struct Sent {
    exported: AtomicU64,
    failed: AtomicU64,
    /// Whether the last ones were refused: said once, and once that it is over.
    away: AtomicBool,
}

/// The exporter, counted.
#[derive(Debug)]
struct Counted {
    exporter: SpanExporter,
    sent: Arc<Sent>,
}

impl opentelemetry_sdk::trace::SpanExporter for Counted {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len() as u64;
        let result = opentelemetry_sdk::trace::SpanExporter::export(&self.exporter, batch).await;
        let counter = if result.is_ok() { &self.sent.exported } else { &self.sent.failed };
        counter.fetch_add(spans, Ordering::Relaxed);
        let were_away = self.sent.away.swap(result.is_err(), Ordering::Relaxed);
        match &result {
            Err(error) if !were_away => {
                tracing::warn!(%error, "spans cannot be sent, and are lost")
            }
            Ok(()) if were_away => tracing::info!("spans are sent again"),
            _ => {}
        }
        result
    }

    fn set_resource(&mut self, resource: &Resource) {
        opentelemetry_sdk::trace::SpanExporter::set_resource(&mut self.exporter, resource);
    }
}

/// The URL, with the usual path where it has none.
fn address(endpoint: &str) -> Result<String, ConfigError> {
    let uri = endpoint.parse::<Uri>().ok();
    let sound = |uri: &Uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.host().is_some_and(|host| !host.is_empty())
    };
    let Some(uri) = uri.filter(sound) else {
        return Err(ConfigError::new(
            "traces.endpoint: expected http://host:port/path or https://host:port/path",
        ));
    };
    let bare = uri.path() == "/" && uri.query().is_none();
    Ok(if bare { format!("{}{PATH}", endpoint.trim_end_matches('/')) } else { endpoint.to_owned() })
}

/// `name=value,name=value`. What is wrong is told without the values: they are secret.
fn headers(text: &str) -> Result<HashMap<String, String>, ConfigError> {
    let fault = || {
        ConfigError::new("traces.headers: expected name=value, several of them separated by commas")
    };
    let pairs = text.split(',').map(str::trim).filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').ok_or_else(fault)?;
            let (name, value) = (name.trim(), value.trim());
            if name.parse::<HeaderName>().is_err() || HeaderValue::from_str(value).is_err() {
                return Err(fault());
            }
            Ok((name.to_owned(), value.to_owned()))
        })
        .collect()
}
