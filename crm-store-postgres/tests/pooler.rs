//! A real PgBouncer between the store and its database.
//!
//! `PGBOUNCER` names the program; which version it is decides what is promised of transaction
//! mode: to work, or to be refused.

#![expect(clippy::unwrap_used, reason = "a fault is to fail the test where it shows")]

use std::sync::Arc;

use crm_core::access::{Actor, BuiltIn};
use crm_core::conformance;
use crm_core::customers::{Customer, CustomerDraft};
use crm_core::store::{
    Aggregate, Batch, Catalogue, Commit, Group, Page, Query, Record, Scoped, Store,
};
use crm_core::{Crm, Find, Result, TenantCrm};
use crm_store_postgres::tables::create_tables_sql;
use crm_store_postgres::testing::{Lending, Pooler, TestDatabase};
use crm_store_postgres::{PostgresOptions, PostgresStore};

/// By way of a pooler, as the users that need nothing set.
fn as_the_roles(pooler: &Pooler, database: &TestDatabase) -> PostgresOptions {
    let mut options = PostgresOptions::new(pooler.app_url(database).unwrap());
    options.system_url = Some(pooler.system_url(database).unwrap());
    options
}

/// By way of a pooler, as one user who takes its roles.
fn as_one_user(pooler: &Pooler, database: &TestDatabase) -> PostgresOptions {
    PostgresOptions::new(pooler.way_to(&database.app_url()).unwrap())
}

async fn refusal(options: PostgresOptions) -> String {
    let refused = PostgresStore::connect(options).await.unwrap_err();
    assert_eq!(refused.code(), "POOLER_UNFIT", "{refused}");
    refused.to_string()
}

/// Two tenants at once through two stores, each with more connections than the pooler has
/// sessions: nobody sees or loses anything.
async fn serves(options: PostgresOptions) {
    let mut crms = Vec::new();
    for _ in 0..2 {
        crms.push(Crm::new(PostgresStore::connect(options.clone()).await.unwrap()).await.unwrap());
    }
    let mut tenants = Vec::new();
    for name in ["Acme", "Zenith"] {
        let tenant = crms[0].system().create_tenant(name).await.unwrap();
        tenants.push((name, Actor::new(tenant.id, crms[0].new_id()).with_role(BuiltIn::Owner)));
    }
    let mut workers = tokio::task::JoinSet::new();
    for worker in 0..16 {
        let (name, actor) = tenants[worker % 2].clone();
        workers.spawn(work(crms[worker / 2 % 2].tenant(actor), format!("{name} {worker}")));
    }
    while let Some(done) = workers.join_next().await {
        done.unwrap();
    }
    for (name, actor) in tenants {
        let all = Find::all().search(name).counted();
        let found = crms[0].tenant(actor).customers().find(all).await.unwrap();
        assert_eq!(found.total, Some(8 * ROUNDS / 2), "{name}");
        assert!(found.items.iter().all(|customer| customer.name.starts_with(name)));
    }
}

const ROUNDS: u64 = 10;

async fn work(crm: TenantCrm, name: String) {
    for round in 0..ROUNDS {
        let name = format!("{name} {round}");
        let made = crm.customers().create(CustomerDraft::company(&name)).await.unwrap();
        let read = crm.customers().get(made.id).await.unwrap();
        assert_eq!((read.name.as_str(), read.version), (name.as_str(), 1));
        let own = Find::all().filter(Customer::NAME.eq(name.as_str())).counted();
        let listed = crm.customers().find(own).await.unwrap();
        assert_eq!((listed.total, listed.items[0].id), (Some(1), made.id));
        if round % 2 == 1 {
            crm.customers().delete(made.id, None).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn in_session_mode_a_pooler_is_as_good_as_the_server() {
    let database = TestDatabase::empty().await.unwrap();
    let pooler = Pooler::start(&database, Lending::AfterSession).await.unwrap();
    let owner = pooler.way_to(&database.owner_url()).unwrap();
    crm_store_postgres::migrate(owner.as_str()).await.unwrap();
    serves(as_one_user(&pooler, &database)).await;
    serves(as_the_roles(&pooler, &database)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_transaction_mode_a_pooler_serves_users_that_are_the_roles() {
    let database = TestDatabase::migrated().await.unwrap();
    let pooler = Pooler::start(&database, Lending::AfterTransaction).await.unwrap();
    let options = as_the_roles(&pooler, &database);
    if pooler.knows_prepared_statements() {
        serves(options).await;
    } else {
        let refused = refusal(options).await;
        assert!(refused.contains("PgBouncer 1.21 or later"), "{refused}");
    }
}

#[tokio::test]
async fn a_role_that_would_be_another_clients_is_refused_and_the_remedy_is_told() {
    let database = TestDatabase::migrated().await.unwrap();
    let pooler = Pooler::start(&database, Lending::AfterTransaction).await.unwrap();
    let refused = refusal(as_one_user(&pooler, &database)).await;
    if pooler.knows_prepared_statements() {
        let remedy = "ALTER ROLE \"crm_test_login\" SET role = \"crm_app\"; \
                      ALTER ROLE \"crm_test_login\" SET statement_timeout = 30000";
        assert!(refused.contains(remedy), "{refused}");
    }
    // A limit that the user was not given holds as little as a role.
    let mut options = as_the_roles(&pooler, &database);
    options.statement_timeout = std::time::Duration::from_secs(7);
    refusal(options).await;
}

#[tokio::test]
async fn a_pooler_that_keeps_no_account_of_statements_is_refused() {
    let database = TestDatabase::migrated().await.unwrap();
    let pooler = Pooler::start(&database, Lending::Blindly).await.unwrap();
    let refused = refusal(as_the_roles(&pooler, &database)).await;
    assert!(refused.contains("max_prepared_statements = 300"), "{refused}");
}

#[tokio::test]
async fn migrating_by_way_of_a_pooler_in_transaction_mode_is_refused() {
    let database = TestDatabase::empty().await.unwrap();
    let pooler = Pooler::start(&database, Lending::AfterTransaction).await.unwrap();
    let owner = pooler.way_to(&database.owner_url()).unwrap();
    let refused = crm_store_postgres::migrate(owner.as_str()).await.unwrap_err();
    assert_eq!(refused.code(), "POOLER_UNFIT", "{refused}");
    assert!(refused.to_string().contains("database.migration_url"), "{refused}");
}

/// A store by way of a pooler, and what it needs as long as it lives.
#[derive(Debug)]
struct Pooled {
    store: PostgresStore,
    _pooler: Pooler,
    _database: TestDatabase,
}

#[async_trait::async_trait]
impl Store for Pooled {
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
    // Where the program cannot do better, the suite runs in the mode that it can.
    let mut pooler = Pooler::start(&database, Lending::AfterTransaction).await?;
    if !pooler.knows_prepared_statements() {
        pooler = Pooler::start(&database, Lending::AfterSession).await?;
    }
    let store = PostgresStore::connect(as_the_roles(&pooler, &database)).await?;
    store.prepare(&catalogue).await?;
    Ok(Arc::new(Pooled { store, _pooler: pooler, _database: database }))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_public_suite_holds_by_way_of_a_pooler() {
    let report = conformance::run(open).await.unwrap();
    assert!(report.failed.is_empty(), "{report}");
    assert!(report.passed.len() > 90, "{report}");
}
