//! How often the store is asked: what must not grow with the number of records.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use crm_core::Result;
use crm_core::store::{
    Aggregate, Batch, Catalogue, Commit, Group, Page, Query, Record, Scoped, Store,
};
use crm_store_memory::MemoryStore;
use serde_json::{Value, json};

use crate::support::TestServer;

/// A store in memory that counts what it is asked.
#[derive(Debug, Default)]
struct Counting {
    store: MemoryStore,
    asked: AtomicUsize,
}

#[async_trait]
impl Store for Counting {
    async fn prepare(&self, catalogue: &Catalogue) -> Result<()> {
        self.store.prepare(catalogue).await
    }

    async fn query(&self, query: &Scoped<Query>) -> Result<Page<Record>> {
        // The notes of who may do what are asked for by the clock, not by requests.
        if query.request().schema().name() != "access_changes" {
            self.asked.fetch_add(1, Ordering::Relaxed);
        }
        self.store.query(query).await
    }

    async fn aggregate(&self, aggregate: &Scoped<Aggregate>) -> Result<Vec<Group>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.store.aggregate(aggregate).await
    }

    async fn commit(&self, batch: &Scoped<Batch>) -> Result<Commit> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.store.commit(batch).await
    }
}

#[tokio::test]
async fn a_list_asks_the_store_as_often_however_many_records_it_embeds_for() {
    let store = Arc::new(Counting::default());
    let server = TestServer::over(Arc::clone(&store) as _).await;
    let owner = server.owner("acme").await;
    let mut tags = Vec::new();
    for i in 0..5 {
        let tag = owner.post("/api/v1/customers/tags", json!({"name": format!("tag {i}")})).await;
        tags.push(tag.data()["id"].clone());
    }
    for i in 0..50 {
        let company = owner.post("/api/v1/companies", json!({"name": format!("Firm {i}")})).await;
        let input = json!({
            "companyName": format!("Customer {i}"), "tags": tags, "assignedTo": owner.user,
            "companyId": company.data()["id"]
        });
        owner.post("/api/v1/customers", input).await.is(201);
    }
    // The server clears up now and then and heeds what others have changed, whoever asks: what a
    // request asks by itself is the least that was seen.
    let asked = async |path: &str, before: &dyn Fn(usize) -> Option<Value>| {
        let mut fewest = usize::MAX;
        for i in 0..10 {
            if let Some(tag) = before(i) {
                owner.post("/api/v1/customers/tags", tag).await.is(201);
            }
            let before = store.asked.load(Ordering::Relaxed);
            owner.get(path).await.is(200);
            fewest = fewest.min(store.asked.load(Ordering::Relaxed) - before);
        }
        fewest
    };
    let again = |_| None;
    let one = asked("/api/v1/customers?limit=1", &again).await;
    assert_eq!(one, asked("/api/v1/customers?limit=50", &again).await);
    assert_eq!(one, 2, "the page, the companies; tags and people are known from a moment ago");
    let after_a_tag = |i| Some(json!({"name": format!("one more {i}")}));
    let first = asked("/api/v1/customers?limit=50", &after_a_tag).await;
    assert_eq!(first, 3, "the page, the companies, the tags");
    assert_eq!(asked("/api/v1/customers?limit=50&expand=", &again).await, 1);
    assert_eq!(asked("/api/v1/customers?limit=50&expand=_can", &again).await, 1);
    server.stop().await;
}

#[tokio::test]
async fn authenticating_a_request_asks_the_store_nothing() {
    let store = Arc::new(Counting::default());
    let server = TestServer::over(Arc::clone(&store) as _).await;
    let owner = server.owner("acme").await;
    let path = "/api/v1/auth/permissions";
    let input = json!({"name": "A", "scopes": ["*"]});
    let key = owner.post("/api/v1/auth/api-keys", input).await.data()["key"].clone();
    let program = server.anonymous().with("X-API-Key", key.as_str().unwrap());
    for caller in [&*owner, &program] {
        caller.get(path).await.is(200);
        // The server looks for news now and then, whoever asks; no request asks by itself.
        let asked = async || {
            let before = store.asked.load(Ordering::Relaxed);
            for _ in 0..5 {
                caller.get(path).await.is(200);
            }
            store.asked.load(Ordering::Relaxed) - before
        };
        let mut fewest = usize::MAX;
        for _ in 0..20 {
            fewest = fewest.min(asked().await);
        }
        assert_eq!(fewest, 0);
    }
    server.stop().await;
}
