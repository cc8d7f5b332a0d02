//! PostgreSQL away: unreachable, or silent. The connection between server and database is cut
//! for real, by a relay that stands in between.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crm_store_postgres::testing::{Relay, TestDatabase, Way};
use crm_store_postgres::{PostgresOptions, PostgresStore};
use serde_json::json;

use crate::support::TestServer;

/// The longest that a caller waits for the answer that the store is away.
const PATIENCE: Duration = Duration::from_secs(4);

async fn goes_away_and_comes_back(how: Way) {
    let database = TestDatabase::migrated().await.unwrap();
    let relay = Relay::to(&database.app_url()).await.unwrap();
    let mut options = PostgresOptions::new(relay.url());
    options.max_connections = 4;
    options.acquire_timeout = Duration::from_secs(1);
    options.statement_timeout = Duration::from_secs(1);
    let store = PostgresStore::connect(&options).await.unwrap();
    let server = TestServer::over(Arc::new(store)).await;
    let owner = server.owner("acme").await;
    let acme = json!({"companyName": "Acme"});
    owner.post("/api/v1/customers", acme.clone()).await.is(201);

    relay.set(how);
    for _ in 0..3 {
        let asked = Instant::now();
        let list = owner.get("/api/v1/customers").await;
        list.fails(503, "UNAVAILABLE");
        assert!(!list.header("retry-after").is_empty());
        owner.post("/api/v1/customers", acme.clone()).await.fails(503, "UNAVAILABLE");
        assert!(asked.elapsed() < 2 * PATIENCE, "{:?}", asked.elapsed());
        server.anonymous().get("/health/ready").await.fails(503, "UNAVAILABLE");
        server.anonymous().get("/health/live").await.is(200);
    }

    relay.set(Way::Open);
    let mut tries = 0;
    while owner.get("/api/v1/customers").await.status != 200 {
        tries += 1;
        assert!(tries < 50, "it recovers by itself");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    server.anonymous().get("/health/ready").await.is(200);
    let list = owner.get("/api/v1/customers").await.is(200);
    assert_eq!(list["meta"]["total"], 1, "what was refused was not written");
    server.stop().await;
}

#[tokio::test]
async fn a_database_that_cannot_be_reached_is_told_and_waited_for() {
    goes_away_and_comes_back(Way::Refusing).await;
}

#[tokio::test]
async fn a_database_that_falls_silent_is_told_and_waited_for() {
    goes_away_and_comes_back(Way::Silent).await;
}
