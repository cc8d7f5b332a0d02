//! A store that tells what it is asked and what is written in whose tenant, and can be away.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use crm_core::store::{
    Aggregate, Batch, Catalogue, Commit, Group, Operation, Page, Query, Record, Scoped, Store,
    Value,
};
use crm_core::tenants::TenantId;
use crm_core::{Error, Result};
use uuid::Uuid;

/// An entry of the log: what was done to what, and what was told of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Audited {
    pub(crate) action: String,
    pub(crate) resource: String,
    pub(crate) record: Uuid,
    pub(crate) changes: serde_json::Value,
}

/// Stands before another store.
#[derive(Debug)]
pub(crate) struct Watched {
    store: Arc<dyn Store>,
    written: Mutex<Vec<Written>>,
    all: AtomicUsize,
    asked: AtomicUsize,
    commits: Mutex<Vec<usize>>,
    audited: Mutex<Vec<Audited>>,
    events: Mutex<Vec<(String, Uuid)>>,
    /// How many more lists of customers it answers before it is away.
    pub(crate) lists_left: AtomicUsize,
}

/// What is known of an operation that was written.
#[derive(Debug)]
struct Written {
    /// In whose scope.
    by: Option<TenantId>,
    /// The tenants that it took records from and put records in.
    tenants: Vec<TenantId>,
    /// The records of the installation that it changed, and what they name.
    named: Vec<Uuid>,
}

impl Written {
    fn of(by: Option<TenantId>, operation: &Operation) -> Self {
        let (mut tenants, mut named) = (Vec::new(), Vec::new());
        for (_, record) in [operation.before(), operation.after()].into_iter().flatten() {
            match record.tenant() {
                Some(tenant) => tenants.push(tenant),
                None => named.extend(record.values().iter().filter_map(|value| match value {
                    Value::Uuid(id) => Some(*id),
                    _ => None,
                })),
            }
        }
        Self { by, tenants, named }
    }

    /// Whether it was in a tenant, whoever wrote it and wherever it went; or of the tenant, or
    /// tells of it.
    fn is_of(&self, tenant: TenantId) -> bool {
        self.by == Some(tenant)
            || self.tenants.contains(&tenant)
            || self.named.contains(&tenant.uuid())
    }
}

impl Watched {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            written: Mutex::default(),
            all: AtomicUsize::new(0),
            asked: AtomicUsize::new(0),
            commits: Mutex::default(),
            audited: Mutex::default(),
            events: Mutex::default(),
            lists_left: AtomicUsize::new(usize::MAX),
        }
    }

    /// How often it was asked, apart from what servers ask by the clock.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// How many records each commit since the last call updated, where it updated any.
    pub(crate) fn commits(&self) -> Vec<usize> {
        std::mem::take(&mut self.commits.lock().unwrap())
    }

    /// The entries that were added to the log since the last call.
    pub(crate) fn audited(&self) -> Vec<Audited> {
        std::mem::take(&mut self.audited.lock().unwrap())
    }

    /// The kinds of the events since the last call, each with its record.
    pub(crate) fn events(&self) -> Vec<(String, Uuid)> {
        std::mem::take(&mut self.events.lock().unwrap())
    }

    fn note(&self, batch: &Batch) {
        let updates = batch.operations().iter().filter(|o| matches!(o, Operation::Update { .. }));
        let updates = updates.count();
        if updates > 0 {
            self.commits.lock().unwrap().push(updates);
        }
        for operation in batch.operations() {
            let Operation::Insert { schema, record } = operation else { continue };
            let value = |name| record.get(schema.index_of(name).unwrap()).clone();
            let text = |name| match value(name) {
                Value::Text(text) => text,
                other => panic!("{name}: {other:?}"),
            };
            let id = || match value("recordId") {
                Value::Uuid(id) => id,
                other => panic!("{other:?}"),
            };
            match schema.name() {
                "events" => self.events.lock().unwrap().push((text("kind"), id())),
                "audit_entries" => {
                    let Value::Json(changes) = value("changes") else { panic!("{record:?}") };
                    self.audited.lock().unwrap().push(Audited {
                        action: text("action"),
                        resource: text("resource"),
                        record: id(),
                        changes: *changes,
                    });
                }
                _ => {}
            }
        }
    }

    /// How many operations were written.
    pub(crate) fn all(&self) -> usize {
        self.all.load(Ordering::SeqCst)
    }

    /// How many operations were written in a tenant, or on what the installation keeps of it.
    /// What a store holds is what was written into it.
    pub(crate) fn written(&self, tenant: TenantId) -> usize {
        self.written.lock().unwrap().iter().filter(|written| written.is_of(tenant)).count()
    }
}

#[async_trait]
impl Store for Watched {
    async fn prepare(&self, catalogue: &Catalogue) -> Result<()> {
        self.store.prepare(catalogue).await
    }

    async fn query(&self, query: &Scoped<Query>) -> Result<Page<Record>> {
        let of = query.request().schema().name();
        // The notes of who may do what are asked for by the clock, not by requests.
        if of != "access_changes" {
            self.asked.fetch_add(1, Ordering::SeqCst);
        }
        let left = |left: usize| left.checked_sub(1);
        if of == "customers"
            && self.lists_left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, left).is_err()
        {
            let retry_after = Duration::from_secs(1);
            return Err(Error::Unavailable { message: "gone".to_owned(), retry_after });
        }
        self.store.query(query).await
    }

    async fn aggregate(&self, aggregate: &Scoped<Aggregate>) -> Result<Vec<Group>> {
        self.store.aggregate(aggregate).await
    }

    async fn commit(&self, batch: &Scoped<Batch>) -> Result<Commit> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let commit = self.store.commit(batch).await?;
        // What is queued is sent by the clock, not by requests.
        let sends = |operation: &Operation| {
            let of = operation.target().map(|(schema, _)| schema.name());
            matches!(operation, Operation::Update { .. })
                && matches!(of, Some("mails" | "one_time_tokens"))
        };
        if batch.request().operations().iter().all(sends) {
            return Ok(commit);
        }
        self.note(batch.request());
        self.all.fetch_add(batch.request().operations().len(), Ordering::SeqCst);
        let done = batch.request().operations().iter();
        let done = done.filter(|operation| !matches!(operation, Operation::Check { .. }));
        let done = done.map(|operation| Written::of(batch.tenant(), operation));
        self.written.lock().unwrap().extend(done);
        Ok(commit)
    }
}
