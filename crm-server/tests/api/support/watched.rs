//! A store that counts what is written in whose tenant.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use crm_core::Result;
use crm_core::store::{
    Aggregate, Batch, Catalogue, Commit, Group, Page, Query, Record, Scoped, Store,
};
use crm_core::tenants::TenantId;

/// Stands before another store.
#[derive(Debug)]
pub(crate) struct Watched {
    store: Arc<dyn Store>,
    written: Mutex<HashMap<TenantId, usize>>,
    all: AtomicUsize,
}

impl Watched {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self { store, written: Mutex::default(), all: AtomicUsize::new(0) }
    }

    /// How many operations were written.
    pub(crate) fn all(&self) -> usize {
        self.all.load(Ordering::SeqCst)
    }

    /// How many operations were written in a tenant.
    pub(crate) fn written(&self, tenant: TenantId) -> usize {
        self.written.lock().unwrap().get(&tenant).copied().unwrap_or_default()
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
        let mut written = self.written.lock().unwrap();
        for operation in batch.request().operations() {
            let records = [operation.before(), operation.after()].into_iter().flatten();
            let mut tenants: Vec<_> = records.filter_map(|(_, record)| record.tenant()).collect();
            // Whoever wrote it, and wherever it went.
            tenants.extend(batch.tenant());
            tenants.sort();
            tenants.dedup();
            for tenant in tenants {
                *written.entry(tenant).or_default() += 1;
            }
        }
        Ok(commit)
    }
}
