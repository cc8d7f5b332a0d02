//! PostgreSQL under the public suite.

use std::sync::Arc;

use async_trait::async_trait;
use crm_core::Result;
use crm_core::conformance::{self, Failure, Settings};
use crm_core::store::{
    Aggregate, Batch, Catalogue, Commit, Group, Page, Query, Record, Scoped, Store,
};
use crm_store_postgres::tables::create_tables_sql;
use crm_store_postgres::testing::TestDatabase;
use crm_store_postgres::{PostgresOptions, PostgresStore};

/// A store, and the database that is dropped after it.
#[derive(Debug)]
struct OnDatabase {
    store: PostgresStore,
    _database: TestDatabase,
}

#[async_trait]
impl Store for OnDatabase {
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
        self.store.commit(batch).await
    }
}

async fn open(catalogue: Catalogue) -> Result<Arc<dyn Store>> {
    let database = TestDatabase::with(&create_tables_sql(&catalogue)).await?;
    let store = PostgresStore::connect(&PostgresOptions::new(database.app_url())).await?;
    store.prepare(&catalogue).await?;
    Ok(Arc::new(OnDatabase { store, _database: database }))
}

crm_core::conformance::suite!(open);

#[tokio::test(flavor = "multi_thread")]
async fn all_cases_hold_one_after_the_other_on_one_store() {
    let report = conformance::run(open).await.unwrap();
    assert!(report.failed.is_empty(), "{report}");
    assert!(report.passed.len() > 90, "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_answers_programs_as_the_model_does() -> std::result::Result<(), Failure> {
    conformance::differential(open, Settings::from_env()).await
}
