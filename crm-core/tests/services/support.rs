//! Runs a test on both stores.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use crm_core::audit::AuditEntry;
use crm_core::events::Event;
use crm_core::store::{
    Aggregate, Batch, Catalogue, Commit, Group, Page, Query, Record, Scoped, Store,
};
use crm_core::{Crm, CrmBuilder, Entity, ManualClock, Result, SeededRandom};
use crm_store_memory::MemoryStore;
use crm_store_postgres::testing::TestDatabase;
use crm_store_postgres::{PostgresOptions, PostgresStore};

/// When tests begin.
pub(crate) fn start() -> DateTime<Utc> {
    "2026-03-01T08:00:00Z".parse().unwrap()
}

fn set_up(builder: CrmBuilder) -> CrmBuilder {
    builder.clock(ManualClock::at(start())).random(SeededRandom::new(1))
}

/// A CRM in memory.
pub(crate) async fn in_memory() -> Crm {
    set_up(Crm::builder(MemoryStore::new())).build().await.unwrap()
}

/// A CRM on a database of its own, which lives as long as the second value.
pub(crate) async fn on_postgres() -> (Crm, TestDatabase) {
    let database = TestDatabase::migrated().await.unwrap();
    let store = store_on(&database).await;
    (set_up(Crm::builder(store)).build().await.unwrap(), database)
}

/// Two programs over one store, each of which remembers by itself.
pub(crate) async fn two_over(store: Arc<dyn Store>) -> [Crm; 2] {
    let program = |seed| {
        let builder = Crm::builder_on(Arc::clone(&store)).clock(ManualClock::at(start()));
        builder.random(SeededRandom::new(seed)).build()
    };
    [program(1).await.unwrap(), program(2).await.unwrap()]
}

/// A store on a database.
pub(crate) async fn store_on(database: &TestDatabase) -> PostgresStore {
    let mut options = PostgresOptions::new(database.app_url());
    options.max_connections = 4;
    PostgresStore::connect(&options).await.unwrap()
}

/// A store in memory, and what was written to its tenants' logs: each entry with the kind of its
/// event.
#[derive(Debug, Default)]
pub(crate) struct Watched {
    store: MemoryStore,
    pub(crate) log: Arc<Mutex<Vec<(AuditEntry, String)>>>,
    /// How many operations each commit had.
    pub(crate) sizes: Arc<Mutex<Vec<usize>>>,
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
        let done = self.store.commit(batch).await?;
        let of = |name: &'static str| {
            let written = batch.request().operations().iter().filter_map(|o| o.after());
            let these = written.filter(move |(schema, _)| schema.name() == name);
            these.map(|(_, record)| record.clone().into_values())
        };
        let events: Vec<Event> =
            of(Event::ENTITY).map(|v| Event::from_values(v).unwrap()).collect();
        for values in of(AuditEntry::ENTITY) {
            let entry = AuditEntry::from_values(values).unwrap();
            let event = events.iter().find(|event| event.id.uuid() == entry.id.uuid()).unwrap();
            self.log.lock().unwrap().push((entry, event.kind.clone()));
        }
        self.sizes.lock().unwrap().push(batch.request().operations().len());
        Ok(done)
    }
}

/// Makes two tests of each function: one in memory, one on PostgreSQL.
#[macro_export]
macro_rules! on_both_stores {
    ($($(#[$meta:meta])* async fn $name:ident($crm:ident: Crm) $body:block)*) => {
        $(
            $(#[$meta])*
            mod $name {
                use super::*;

                async fn run($crm: Crm) $body

                #[tokio::test]
                async fn in_memory() {
                    run($crate::support::in_memory().await).await;
                }

                #[tokio::test]
                async fn on_postgres() {
                    let (crm, _database) = $crate::support::on_postgres().await;
                    run(crm).await;
                }
            }
        )*
    };
}
