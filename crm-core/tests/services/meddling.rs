//! A store in which something happens just before a commit: the race that a test wants to see.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use crm_core::Result;
use crm_core::store::{
    Aggregate, Batch, Catalogue, Commit, Group, Page, Query, Record, Scoped, Store,
};

type Deed = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Hands everything on to another store.
pub(crate) struct Meddling {
    store: Arc<dyn Store>,
    deeds: Mutex<Vec<Deed>>,
}

impl Meddling {
    pub(crate) fn with(store: Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Self { store, deeds: Mutex::default() })
    }

    /// Lets something happen before the next commit; what was said last happens first.
    pub(crate) fn before_commit(&self, deed: impl Future<Output = ()> + Send + 'static) {
        self.deeds.lock().unwrap().push(Box::pin(deed));
    }
}

impl fmt::Debug for Meddling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.store.fmt(f)
    }
}

#[async_trait]
impl Store for Meddling {
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
        let deed = self.deeds.lock().unwrap().pop();
        if let Some(deed) = deed {
            deed.await;
        }
        self.store.commit(batch).await
    }
}
