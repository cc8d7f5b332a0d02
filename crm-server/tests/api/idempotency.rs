//! `Idempotency-Key`: a request that is sent again happens once, and is answered the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use chrono::TimeDelta;
use crm_core::access::BuiltIn;
use crm_core::store::{
    Aggregate, Batch, Catalogue, Commit, Group, Operation, Page, Query, Record, Scoped, Store,
};
use crm_core::{Error, Result};
use crm_server::tokens::generate_key;
use crm_store_memory::MemoryStore;
use crm_store_postgres::testing::TestDatabase;
use crm_store_postgres::{PostgresOptions, PostgresStore};
use futures::future::join_all;
use hyper::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Client, PASSWORD, Person, TestServer, for_each_store};

const CUSTOMERS: &str = "/api/v1/customers";
const TAGS: &str = "/api/v1/customers/tags";
const FIELDS: &str = "/api/v1/custom-fields";

fn keyed(client: &Client, key: &str) -> Client {
    client.with("Idempotency-Key", key)
}

async fn total(person: &Person, path: &str) -> Value {
    person.get(&format!("{path}?includeDeleted=true")).await.is(200)["meta"]["total"].clone()
}

/// What a caller sees of an answer.
fn seen(answer: &Answer) -> (u16, &str, &str, &str, &[u8]) {
    let header = |name| answer.header(name);
    let status = answer.status.as_u16();
    (status, header("location"), header("etag"), header("content-type"), &answer.bytes)
}

fn replayed(answer: &Answer) -> bool {
    answer.header("idempotency-replayed") == "true"
}

for_each_store! {
    async fn a_creation_that_is_sent_again_is_answered_the_same(server: &TestServer) {
        let owner = server.owner("acme").await;
        let field = json!({"recordType": "customers", "key": "k", "label": "K", "type": "text"});
        let requests = [
            (CUSTOMERS, json!({"companyName": "Löwen GmbH", "annualRevenue": "12.50"})),
            (TAGS, json!({"name": "vip"})),
            (FIELDS, field),
        ];
        for (path, body) in requests {
            let caller = keyed(&owner, &format!("key-{path}"));
            let before = total(&owner, path).await.as_u64().unwrap();
            let first = caller.post(path, body.clone()).await;
            first.is(201);
            assert!(!replayed(&first));
            for _ in 0..2 {
                let again = caller.post(path, body.clone()).await;
                assert!(replayed(&again), "{path}");
                assert_eq!(seen(&again), seen(&first), "{path}");
            }
            assert_eq!(total(&owner, path).await, before + 1, "{path}");
        }
    }

    async fn an_action_that_is_sent_again_does_not_undo_what_came_between(server: &TestServer) {
        let owner = server.owner("acme").await;
        let customer = owner.post(CUSTOMERS, json!({"companyName": "A"})).await.data();
        let path = format!("{CUSTOMERS}/{}", customer["id"].as_str().unwrap());
        let deactivate = format!("{path}/deactivate");
        let (caller, idle) = (keyed(&owner, "off"), keyed(&owner, "on"));
        // It is active already: what has no effect is remembered too.
        let nothing = idle.post(&format!("{path}/activate"), json!({})).await;
        nothing.is(200);
        let first = caller.post(&deactivate, json!({})).await;
        assert_eq!(first.data()["status"], "inactive");
        assert!(replayed(&idle.post(&format!("{path}/activate"), json!({})).await));
        assert_eq!(owner.get(&path).await.data()["status"], "inactive");
        owner.post(&format!("{path}/activate"), json!({})).await.is(200);
        assert_eq!(seen(&caller.post(&deactivate, json!({})).await), seen(&first));
        assert_eq!(owner.get(&path).await.data()["status"], "active");

        owner.delete(&path).await.is(200);
        let caller = keyed(&owner, "back");
        let first = caller.post(&format!("{path}/restore"), json!({})).await;
        first.is(200);
        let again = caller.post(&format!("{path}/restore"), json!({})).await;
        assert_eq!(seen(&again), seen(&first));
    }

    async fn a_key_is_for_one_request(server: &TestServer) {
        let owner = server.owner("acme").await;
        let caller = keyed(&owner, "one");
        let body = r#"{"companyName": "A", "city": "Kiel"}"#;
        let send = async |path: &str, body: &str| {
            let body = body.to_owned();
            caller.send_bytes(Method::POST, path, Some("application/json"), body).await
        };
        let first = send(CUSTOMERS, body).await;
        first.is(201);
        // The same, as another writer of JSON puts it, and by another name of the path.
        for same in [body, r#"{"city":"Kiel","companyName":"A"}"#, "{ \"city\": \"Kiel\",\n\"companyName\": \"A\" }"] {
            assert_eq!(seen(&send(CUSTOMERS, same).await), seen(&first));
        }
        assert!(replayed(&send("/api/clients/", body).await));
        let id = first.data()["id"].as_str().unwrap().to_owned();
        let activate = format!("{CUSTOMERS}/{id}/activate");
        let others = [
            (CUSTOMERS, r#"{"companyName": "A", "city": "kiel"}"#),
            (CUSTOMERS, r#"{"companyName": "A"}"#),
            (CUSTOMERS, r#"{"companyName": "A", "city": ["Kiel"]}"#),
            ("/api/v1/customers?x=1", body),
            (TAGS, r#"{"name": "A"}"#),
            (activate.as_str(), "{}"),
        ];
        for (path, other) in others {
            let refused = send(path, other).await.fails(422, "IDEMPOTENCY_KEY_REUSED");
            assert_eq!(refused["errors"][0]["field"], "Idempotency-Key");
        }
        assert_eq!(total(&owner, CUSTOMERS).await, 1);
        assert_eq!(total(&owner, TAGS).await, 0);
    }

    async fn many_at_once_make_one_record_and_have_one_answer(server: &TestServer) {
        let owner = server.owner("acme").await;
        // A tag's name is unique: the slower ones must not hear that it is taken.
        let requests = [(CUSTOMERS, json!({"companyName": "A"})), (TAGS, json!({"name": "vip"}))];
        for (path, body) in requests {
            let caller = keyed(&owner, &format!("at once {}", path.len()).replace(' ', "-"));
            let answers = join_all((0..8).map(|_| caller.post(path, body.clone()))).await;
            let first = answers.iter().find(|answer| !replayed(answer)).unwrap();
            first.is(201);
            for answer in &answers {
                assert_eq!(seen(answer), seen(first), "{path}");
            }
            assert_eq!(answers.iter().filter(|answer| !replayed(answer)).count(), 1, "{path}");
            assert_eq!(total(&owner, path).await, 1, "{path}");
        }
        let customer = owner.get(CUSTOMERS).await.data()[0]["id"].clone();
        let path = format!("{CUSTOMERS}/{}", customer.as_str().unwrap());
        owner.delete(&path).await.is(200);
        let caller = keyed(&owner, "back-at-once");
        let restore = format!("{path}/restore");
        let answers = join_all((0..8).map(|_| caller.post(&restore, json!({})))).await;
        assert!(answers.iter().all(|answer| answer.status == 200), "restored once, told eight times");
        assert_eq!(owner.get(&path).await.data()["version"], 3);
    }

    async fn a_key_belongs_to_a_user_in_a_tenant(server: &TestServer) {
        let (acme, other) = (server.owner("acme").await, server.owner("other").await);
        let colleague = server.colleague(&acme, BuiltIn::Admin).await;
        server.join(&other, acme.user.parse().unwrap(), BuiltIn::Owner).await;
        let there = acme.with("X-Tenant-ID", &other.tenant);
        let body = json!({"companyName": "Secret Harbour"});
        let first = keyed(&acme, "same").post(CUSTOMERS, body.clone()).await;
        first.is(201);
        // The same key of a colleague, of a stranger, and of oneself elsewhere is another one.
        for caller in [&*colleague, &*other, &there] {
            let answer = keyed(caller, "same").post(CUSTOMERS, body.clone()).await;
            answer.is(201);
            assert!(!replayed(&answer));
            assert_ne!(answer.data()["id"], first.data()["id"]);
            let different = keyed(caller, "same").post(CUSTOMERS, json!({"companyName": "B"})).await;
            different.fails(422, "IDEMPOTENCY_KEY_REUSED");
        }
        assert_eq!(total(&acme, CUSTOMERS).await, 2);
        assert_eq!(total(&other, CUSTOMERS).await, 2);
        // Named by its path or by its header, a tenant is the same one.
        let inside = format!("/api/v1/tenants/{}/customers", other.tenant);
        assert!(replayed(&keyed(&acme, "same").post(&inside, body.clone()).await));
        // A tenant that one is no member of does not tell whether there is such a key.
        let strange = other.with("X-Tenant-ID", &acme.tenant);
        keyed(&strange, "same").post(CUSTOMERS, body.clone()).await.fails(403, "NOT_A_MEMBER");
        keyed(&server.anonymous(), "same").post(CUSTOMERS, body).await.fails(401, "UNAUTHENTICATED");
    }

    async fn a_key_is_free_again_after_a_day(server: &TestServer) {
        let owner = server.owner("acme").await;
        let body = json!({"companyName": "A"});
        let first = keyed(&owner, "daily").post(CUSTOMERS, body.clone()).await;
        server.clock().advance(TimeDelta::hours(24) - TimeDelta::seconds(1));
        let owner = server.sign_in(&owner.email).await;
        let again = keyed(&owner, "daily").post(CUSTOMERS, body.clone()).await;
        assert_eq!(seen(&again), seen(&first));
        server.clock().advance(TimeDelta::seconds(1));
        let caller = keyed(&owner, "daily");
        let answers = join_all((0..4).map(|_| caller.post(CUSTOMERS, body.clone()))).await;
        for answer in &answers {
            answer.is(201);
            assert_ne!(answer.data()["id"], first.data()["id"]);
            assert_eq!(answer.data()["id"], answers[0].data()["id"]);
        }
        assert_eq!(total(&owner, CUSTOMERS).await, 2);
    }

    async fn a_request_that_fails_claims_nothing(server: &TestServer) {
        let owner = server.owner("acme").await;
        let readonly = server.colleague(&owner, BuiltIn::Readonly).await;
        let caller = keyed(&owner, "second-try");
        caller.post(CUSTOMERS, json!({"email": "x"})).await.is(422);
        caller.post(CUSTOMERS, json!({"colour": 1})).await.fails(400, "UNKNOWN_FIELD");
        let bytes = caller.send_bytes(Method::POST, CUSTOMERS, None, "{}").await;
        bytes.fails(415, "UNSUPPORTED_MEDIA_TYPE");
        owner.post(TAGS, json!({"name": "vip"})).await.is(201);
        caller.post(TAGS, json!({"name": "VIP"})).await.fails(409, "DUPLICATE");
        let first = caller.post(CUSTOMERS, json!({"companyName": "A"})).await;
        first.is(201);
        assert!(!replayed(&first));
        let body = json!({"companyName": "A"});
        keyed(&readonly, "mine").post(CUSTOMERS, body.clone()).await.fails(403, "FORBIDDEN");
        keyed(&readonly, "mine").post(CUSTOMERS, body).await.fails(403, "FORBIDDEN");
        assert_eq!(total(&owner, CUSTOMERS).await, 1);
    }

    async fn what_is_no_key_is_refused_and_named(server: &TestServer) {
        let owner = server.owner("acme").await;
        let body = json!({"companyName": "A"});
        let long = "k".repeat(256);
        for key in ["", " ", "two words", long.as_str(), "\u{e9}"] {
            let caller = owner.with_bytes("Idempotency-Key", key.as_bytes());
            let refused = caller.post(CUSTOMERS, body.clone()).await;
            let refused = refused.fails(400, "INVALID_HEADER");
            assert_eq!(refused["errors"][0]["field"], "Idempotency-Key", "{key:?}");
        }
        let twice = keyed(&keyed(&owner, "a"), "b").post(CUSTOMERS, body.clone()).await;
        twice.fails(400, "INVALID_HEADER");
        assert_eq!(total(&owner, CUSTOMERS).await, 0);
        keyed(&owner, &long[..255]).post(CUSTOMERS, body).await.is(201);
        // Elsewhere the header means nothing.
        keyed(&owner, "two words").get(CUSTOMERS).await.is(200);
    }

    async fn nothing_that_answers_a_secret_is_answered_again(server: &TestServer) {
        let owner = server.owner("acme").await;
        let login = json!({"email": owner.email, "password": PASSWORD});
        let caller = keyed(&owner, "login");
        let one = caller.post("/api/v1/auth/login", login.clone()).await;
        let other = caller.post("/api/v1/auth/login", login).await;
        other.is(200);
        assert!(!replayed(&other));
        assert_ne!(one.data()["refreshToken"], other.data()["refreshToken"]);
    }

    /// A file is not read twice: its path and its size tell it from another one.
    async fn what_is_no_json_passes_unread(server: &TestServer) {
        let owner = server.owner("acme").await;
        let large = vec![b'x'; 2 * 1024 * 1024];
        let answer = keyed(&owner, "file")
            .send_bytes(Method::POST, CUSTOMERS, Some("text/csv"), large)
            .await;
        answer.fails(415, "UNSUPPORTED_MEDIA_TYPE");
        let large = format!(r#"{{"companyName": "{}"}}"#, "x".repeat(2 * 1024 * 1024));
        let answer = keyed(&owner, "large")
            .send_bytes(Method::POST, CUSTOMERS, Some("application/json"), large)
            .await;
        answer.fails(413, "BODY_TOO_LARGE");
    }
}

/// A store that counts what it is asked, and can lose its connection between the commit of a
/// request and that of its answer, as a server does that is killed there.
#[derive(Debug)]
struct Watched {
    store: Arc<dyn Store>,
    asked: AtomicUsize,
    dies: AtomicBool,
    /// Does not answer the next question.
    stumbles: AtomicBool,
}

impl Watched {
    fn over(store: Arc<dyn Store>) -> Arc<Self> {
        let (dies, stumbles) = (AtomicBool::new(false), AtomicBool::new(false));
        Arc::new(Self { store, asked: AtomicUsize::new(0), dies, stumbles })
    }
}

#[async_trait]
impl Store for Watched {
    async fn prepare(&self, catalogue: &Catalogue) -> Result<()> {
        self.store.prepare(catalogue).await
    }

    async fn query(&self, query: &Scoped<Query>) -> Result<Page<Record>> {
        if query.request().schema().name() != "access_changes" {
            self.asked.fetch_add(1, Ordering::Relaxed);
            if self.stumbles.swap(false, Ordering::Relaxed) {
                let retry_after = std::time::Duration::from_secs(1);
                return Err(Error::Unavailable { message: "lost".to_owned(), retry_after });
            }
        }
        self.store.query(query).await
    }

    async fn aggregate(&self, aggregate: &Scoped<Aggregate>) -> Result<Vec<Group>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.store.aggregate(aggregate).await
    }

    async fn commit(&self, batch: &Scoped<Batch>) -> Result<Commit> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let keeps = batch.request().operations().iter().any(|operation| {
            let of_claim = |(schema, _): (&Arc<_>, _)| {
                let schema: &crm_core::store::Schema = schema;
                schema.name() == "idempotency_claims"
            };
            matches!(operation, Operation::Update { .. })
                && operation.before().is_some_and(of_claim)
        });
        if keeps && self.dies.load(Ordering::Relaxed) {
            return Err(Error::internal("the server was killed"));
        }
        self.store.commit(batch).await
    }
}

#[tokio::test]
async fn a_request_without_a_key_costs_nothing_and_one_with_a_key_two_questions() {
    let store = Watched::over(Arc::new(MemoryStore::new()));
    let server = TestServer::over(Arc::clone(&store) as _).await;
    let owner = server.owner("acme").await;
    let asked = async |client: &Client| {
        let before = store.asked.load(Ordering::Relaxed);
        client.post(TAGS, json!({"name": format!("tag {before}")})).await.is(201);
        store.asked.load(Ordering::Relaxed) - before
    };
    // The least of several: the server asks anew who may what now and then.
    let mut least = [usize::MAX; 2];
    for number in 0..10 {
        let keyed = keyed(&owner, &format!("k{number}"));
        least = [least[0].min(asked(&owner).await), least[1].min(asked(&keyed).await)];
    }
    assert_eq!(least, [1, 3], "the commit; is it known, the commit, the answer");
    let caller = keyed(&owner, "again");
    caller.post(TAGS, json!({"name": "again"})).await.is(201);
    let mut least = usize::MAX;
    for _ in 0..10 {
        let before = store.asked.load(Ordering::Relaxed);
        caller.post(TAGS, json!({"name": "again"})).await.is(201);
        least = least.min(store.asked.load(Ordering::Relaxed) - before);
    }
    assert_eq!(least, 1, "a repetition is looked up");
    server.stop().await;
}

/// The store of each kind, and what must live as long.
async fn stores() -> Vec<(Arc<dyn Store>, Option<TestDatabase>)> {
    let database = TestDatabase::migrated().await.unwrap();
    let store = connected(&database).await;
    vec![(Arc::new(MemoryStore::new()), None), (store, Some(database))]
}

async fn connected(database: &TestDatabase) -> Arc<dyn Store> {
    let mut options = PostgresOptions::new(database.app_url());
    options.max_connections = 4;
    Arc::new(PostgresStore::connect(&options).await.unwrap())
}

#[tokio::test]
async fn a_server_that_is_killed_between_commit_and_answer_has_done_it_once() {
    for (store, _database) in stores().await {
        let watched = Watched::over(store);
        let server = TestServer::over(Arc::clone(&watched) as _).await;
        let owner = server.owner("acme").await;
        let customer = owner.post(CUSTOMERS, json!({"companyName": "Old"})).await.data();
        let activate = format!("{CUSTOMERS}/{}/deactivate", customer["id"].as_str().unwrap());
        watched.dies.store(true, Ordering::Relaxed);
        let body = json!({"companyName": "New"});
        let lost = keyed(&owner, "create").post(CUSTOMERS, body.clone()).await;
        keyed(&owner, "act").post(&activate, json!({})).await.is(200);
        let config = server.app().config().clone();
        server.stop().await;

        watched.dies.store(false, Ordering::Relaxed);
        let store = Arc::clone(&watched) as _;
        let server = TestServer::configured_over(store, |fresh| *fresh = config).await;
        let owner = server.sign_in(&owner.email).await;
        // The first one might still be at work, on another server.
        let busy = keyed(&owner, "act").post(&activate, json!({})).await;
        busy.fails(409, "IDEMPOTENCY_KEY_IN_USE");
        assert_eq!(busy.header("retry-after"), "1");
        server.clock().advance(TimeDelta::minutes(1));
        let again = keyed(&owner, "create").post(CUSTOMERS, body.clone()).await;
        assert!(replayed(&again));
        assert_eq!(seen(&again), seen(&lost), "made anew from the record");
        keyed(&owner, "act").post(&activate, json!({})).await.fails(409, "IDEMPOTENCY_ANSWER_LOST");
        assert_eq!(total(&owner, CUSTOMERS).await, 2);
        // Where the record is gone, nothing is left to be told.
        owner.delete(&format!("{CUSTOMERS}/{}", lost.data()["id"].as_str().unwrap())).await.is(200);
        let gone = keyed(&owner, "create").post(CUSTOMERS, body).await;
        gone.fails(409, "IDEMPOTENCY_ANSWER_LOST");
        server.stop().await;
    }
}

#[tokio::test]
async fn a_request_whose_caller_cannot_be_told_does_not_go_on_without_its_key() {
    for (store, _database) in stores().await {
        let watched = Watched::over(store);
        let server = TestServer::over(Arc::clone(&watched) as _).await;
        let owner = server.owner("acme").await;
        // Of a new session nothing is known yet, so the first thing that is asked is who it is.
        let owner = server.sign_in(&owner.email).await;
        watched.stumbles.store(true, Ordering::Relaxed);
        let (caller, body) = (keyed(&owner, "k"), json!({"companyName": "A"}));
        caller.post(CUSTOMERS, body.clone()).await.fails(503, "UNAVAILABLE");
        caller.post(CUSTOMERS, body.clone()).await.is(201);
        assert!(replayed(&caller.post(CUSTOMERS, body).await));
        assert_eq!(total(&owner, CUSTOMERS).await, 1);
        server.stop().await;
    }
}

#[tokio::test]
async fn a_key_outlives_the_server_on_postgres() {
    let database = TestDatabase::migrated().await.unwrap();
    let server = TestServer::over(connected(&database).await).await;
    let owner = server.owner("acme").await;
    let body = json!({"companyName": "A"});
    let first = keyed(&owner, "k").post(CUSTOMERS, body.clone()).await;
    first.is(201);
    let mut config = server.app().config().clone();
    server.stop().await;
    // As it was, and with a new signing key beside the old one.
    let old = config.tokens.signing_key().unwrap();
    for retired in [None, Some(old)] {
        if let Some(old) = retired {
            config.tokens.key = Some(generate_key(config.tokens.algorithm).unwrap());
            config.tokens.retired_keys.push(old);
        }
        let store = connected(&database).await;
        let server = TestServer::configured_over(store, |fresh| *fresh = config.clone()).await;
        let owner = server.sign_in(&owner.email).await;
        let again = keyed(&owner, "k").post(CUSTOMERS, body.clone()).await;
        assert!(replayed(&again));
        assert_eq!(seen(&again), seen(&first));
        let other = json!({"companyName": "B"});
        keyed(&owner, "k").post(CUSTOMERS, other).await.fails(422, "IDEMPOTENCY_KEY_REUSED");
        assert_eq!(total(&owner, CUSTOMERS).await, 1);
        server.stop().await;
    }
}
