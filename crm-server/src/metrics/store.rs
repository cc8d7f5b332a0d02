//! A store whose requests are timed, and recorded as spans of the request that they are for.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use async_trait::async_trait;
use crm_core::audit::AuditEntry;
use crm_core::events::Event;
use crm_core::store::{
    Aggregate, Batch, Catalogue, Commit, Group, Operation, Page, Query, Record, Scoped, Store,
};
use crm_core::{Entity, Error, Result};

use super::histogram::Histogram;
use super::text::Text;
use crate::traces;

/// How a kind of request does on a record type.
#[derive(Debug, Default)]
struct Series {
    took: Histogram,
    /// Those that failed through no fault of the caller's.
    failures: std::sync::atomic::AtomicU64,
}

/// By operation: see [`OPERATIONS`].
type ByOperation = [Series; OPERATIONS.len()];

const OPERATIONS: [&str; 3] = ["query", "aggregate", "commit"];
/// Of a batch that touches no record.
const NOTHING: &str = "none";

/// How long requests of the store take, by operation and record type.
#[derive(Debug, Default)]
pub(super) struct StoreTimes(OnceLock<BTreeMap<String, ByOperation>>);

impl StoreTimes {
    // All record types are known from the start, so nothing is locked later on.
    fn prepare(&self, catalogue: &Catalogue) {
        let names = catalogue.iter().map(|schema| schema.name().to_owned());
        let all = names.chain([NOTHING.to_owned()]).map(|name| (name, ByOperation::default()));
        let _ = self.0.set(all.collect());
    }

    fn record<T>(&self, operation: usize, kind: &str, began: Instant, result: &Result<T>) {
        let took = began.elapsed();
        if let Some(name) = OPERATIONS.get(operation) {
            traces::store_was_asked(name, kind, took, result);
        }
        let series = self.0.get().and_then(|all| all.get(kind)?.get(operation));
        let Some(series) = series else { return };
        series.took.record(took);
        if let Err(Error::Unavailable { .. } | Error::Internal(_)) = result {
            series.failures.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    }

    pub(super) fn write(&self, text: &mut Text) {
        let Some(all) = self.0.get() else { return };
        let each = || {
            all.iter().flat_map(|(kind, operations)| {
                let operations = OPERATIONS.iter().zip(operations);
                operations.map(move |(operation, series)| (kind, *operation, series))
            })
        };
        let used = |series: &Series| series.took.cumulative().last().is_some_and(|(_, n)| n > 0);
        let name = "crm_store_duration_seconds";
        text.family(
            name,
            "histogram",
            "Requests of the store, by the record type they begin with.",
        );
        for (kind, operation, series) in each().filter(|(_, _, series)| used(series)) {
            let labels = [("operation", operation), ("record_type", kind)];
            text.histogram(name, &labels, &series.took);
        }
        let name = "crm_store_failures_total";
        text.family(
            name,
            "counter",
            "Requests of the store that failed through no fault of callers.",
        );
        for (kind, operation, series) in each().filter(|(_, _, series)| used(series)) {
            let labels = [("operation", operation), ("record_type", kind)];
            let failures = series.failures.load(std::sync::atomic::Ordering::Relaxed);
            text.sample(name, &labels, failures);
        }
    }
}

/// The record type that a batch is about: what it writes first, beside the audit entries and events
/// that ride along with every write.
fn subject(batch: &Batch) -> &str {
    let along = [AuditEntry::schema().name(), Event::schema().name()];
    let targets = || batch.operations().iter().filter_map(Operation::target);
    let written = batch.operations().iter().filter(|operation| operation.after().is_some());
    written
        .filter_map(Operation::target)
        .chain(targets())
        .map(|(schema, _)| schema.name())
        .find(|name| !along.contains(name))
        .or_else(|| targets().next().map(|(schema, _)| schema.name()))
        .unwrap_or(NOTHING)
}

/// A store whose requests are timed.
#[derive(Debug)]
pub(crate) struct TimedStore {
    inner: Arc<dyn Store>,
    times: Arc<StoreTimes>,
}

impl TimedStore {
    pub(super) fn new(inner: Arc<dyn Store>, times: Arc<StoreTimes>) -> Self {
        Self { inner, times }
    }
}

#[async_trait]
impl Store for TimedStore {
    async fn prepare(&self, catalogue: &Catalogue) -> Result<()> {
        self.times.prepare(catalogue);
        self.inner.prepare(catalogue).await
    }

    async fn query(&self, query: &Scoped<Query>) -> Result<Page<Record>> {
        let began = Instant::now();
        let answer = self.inner.query(query).await;
        self.times.record(0, query.request().schema().name(), began, &answer);
        answer
    }

    async fn aggregate(&self, aggregate: &Scoped<Aggregate>) -> Result<Vec<Group>> {
        let began = Instant::now();
        let answer = self.inner.aggregate(aggregate).await;
        self.times.record(1, aggregate.request().schema().name(), began, &answer);
        answer
    }

    async fn commit(&self, batch: &Scoped<Batch>) -> Result<Commit> {
        let began = Instant::now();
        let answer = self.inner.commit(batch).await;
        let kind = subject(batch.request());
        self.times.record(2, kind, began, &answer);
        answer
    }
}
