//! A store that counts what is written in whose tenant.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use crm_core::Result;
use crm_core::store::{
    Aggregate, Batch, Catalogue, Commit, Group, Operation, Page, Query, Record, Scoped, Store,
    Value,
};
use crm_core::tenants::TenantId;
use uuid::Uuid;

/// Stands before another store.
#[derive(Debug)]
pub(crate) struct Watched {
    store: Arc<dyn Store>,
    written: Mutex<Vec<Written>>,
    all: AtomicUsize,
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
        Self { store, written: Mutex::default(), all: AtomicUsize::new(0) }
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
        self.store.query(query).await
    }

    async fn aggregate(&self, aggregate: &Scoped<Aggregate>) -> Result<Vec<Group>> {
        self.store.aggregate(aggregate).await
    }

    async fn commit(&self, batch: &Scoped<Batch>) -> Result<Commit> {
        let commit = self.store.commit(batch).await?;
        self.all.fetch_add(batch.request().operations().len(), Ordering::SeqCst);
        let done = batch.request().operations().iter();
        let done = done.filter(|operation| !matches!(operation, Operation::Check { .. }));
        let done = done.map(|operation| Written::of(batch.tenant(), operation));
        self.written.lock().unwrap().extend(done);
        Ok(commit)
    }
}
