//! Two server processes over one database, and callers who do not know which one answers.
//!
//! Times are measured from the answer to whoever takes a right away to the last request that was
//! still let through, on either instance. A second is promised.

use std::io::Write;
use std::time::{Duration, Instant};

use crm_core::Crm;
use crm_store_postgres::PostgresStore;
use crm_store_postgres::testing::TestDatabase;
use hyper::Method;
use serde_json::{Value, json};

use crate::support::{Caller, Process, Settings};

/// What is promised.
const PROMISE: Duration = Duration::from_secs(1);
/// How often somebody looks.
const LOOK: Duration = Duration::from_millis(10);

/// Two instances with the same settings, and the library over the same database.
struct Pair {
    one: Process,
    other: Process,
    /// What no operation of the API does: the installation's own work.
    crm: Crm,
    // Dropped last.
    _database: TestDatabase,
}

impl Pair {
    async fn start() -> Self {
        let database = TestDatabase::migrated().await.unwrap();
        let settings = Settings::new(&database.app_url(), &database.owner_url());
        let beside = settings.beside();
        let (one, other) = tokio::join!(Process::start(settings), Process::start(beside));
        let crm = Crm::new(PostgresStore::connect(database.app_url()).await.unwrap());
        Self { one, other, crm: crm.await.unwrap(), _database: database }
    }

    /// The same caller at both, let in by both before.
    async fn at_both(&self, caller: &Caller) -> [Caller; 2] {
        let mut callers = [caller.at(self.one.address()), caller.at(self.other.address())];
        for caller in &mut callers {
            caller.get(CUSTOMERS).await.data(200);
        }
        callers
    }
}

const CUSTOMERS: &str = "/api/v1/customers?limit=1&count=none";

/// How long both instances go on answering otherwise than with this status.
async fn until(callers: [Caller; 2], status: u16, what: &str) {
    let changed = Instant::now();
    let waiting = callers.map(|mut caller| async move {
        let began = Instant::now();
        let mut last = Duration::ZERO;
        loop {
            let asked = began.elapsed();
            if caller.get(CUSTOMERS).await.status() == Some(status) {
                return last;
            }
            last = asked;
            assert!(asked < PROMISE + Duration::from_millis(500), "{what}: still let through");
            tokio::time::sleep(LOOK).await;
        }
    });
    let [one, other] = waiting;
    let (one, other) = tokio::join!(one, other);
    writeln!(
        std::io::stdout().lock(),
        "{what}: the last request that was answered as before was made after {} and {} ms",
        one.as_millis(),
        other.as_millis()
    )
    .unwrap();
    assert!(changed.elapsed() < PROMISE + Duration::from_millis(500), "{what}");
}

fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap().to_owned()
}

#[tokio::test]
async fn one_client_is_served_by_both_in_turns() {
    let pair = Pair::start().await;
    let (owner, _) = Caller::sign_up(pair.one.address(), "acme").await;
    let mut callers = pair.at_both(&owner).await;
    let made = callers[0].post("/api/v1/customers", json!({"companyName": "0"})).await.data(201);
    let path = format!("/api/v1/customers/{}", text(&made, "/id"));
    for round in 1..=20 {
        let caller = &mut callers[round % 2];
        let read = caller.get(&path).await.data(200);
        assert_eq!(read["companyName"], (round - 1).to_string(), "what the other one wrote");
        let patch = json!({"companyName": round.to_string(), "version": read["version"]});
        caller.send(Method::PATCH, &path, Some(patch)).await.data(200);
        // The version that the other one knew before.
        let stale = json!({"companyName": "stale", "version": read["version"]});
        let other = &mut callers[(round + 1) % 2];
        assert_eq!(other.send(Method::PATCH, &path, Some(stale)).await.status(), Some(412));
    }
}

#[tokio::test]
async fn a_request_that_is_repeated_at_the_other_instance_happens_once() {
    let pair = Pair::start().await;
    let (owner, _) = Caller::sign_up(pair.one.address(), "acme").await;
    let [mut one, mut other] = pair.at_both(&owner).await;
    for round in 0..10 {
        let (key, body) = (format!("key-{round}"), json!({"companyName": round.to_string()}));
        let (here, there) = tokio::join!(
            one.post_once("/api/v1/customers", body.clone(), &key),
            other.post_once("/api/v1/customers", body.clone(), &key),
        );
        let (here, there) = (here.data(201), there.data(201));
        assert_eq!(here["id"], there["id"]);
        let later = other.post_once("/api/v1/customers", body, &key).await.data(201);
        assert_eq!(here["id"], later["id"]);
    }
    let list = one.get("/api/v1/customers?limit=1").await.body(200);
    assert_eq!(list["meta"]["total"], 10);
}

#[tokio::test]
async fn a_session_goes_on_at_the_other_instance_and_ends_at_both() {
    let pair = Pair::start().await;
    let (owner, session) = Caller::sign_up(pair.one.address(), "acme").await;
    let [mut one, mut other] = pair.at_both(&owner).await;
    let refresh = json!({"refreshToken": session["refreshToken"]});
    let refreshed = other.post("/api/v1/auth/refresh", refresh).await.data(200);
    // An instance forgets what it has changed itself; by now both know the session again.
    let callers = pair.at_both(&owner).await;
    let out = json!({"refreshToken": refreshed["refreshToken"]});
    one.post("/api/v1/auth/logout", out).await.data(200);
    until(callers, 401, "signed out").await;
    let spent = json!({"refreshToken": refreshed["refreshToken"]});
    assert_eq!(other.post("/api/v1/auth/refresh", spent).await.status(), Some(401));
}

#[tokio::test]
async fn a_token_that_is_spent_twice_ends_the_session_at_both() {
    let pair = Pair::start().await;
    let (owner, session) = Caller::sign_up(pair.one.address(), "acme").await;
    let callers = pair.at_both(&owner).await;
    let [mut one, mut other] = pair.at_both(&owner).await;
    let refresh = json!({"refreshToken": session["refreshToken"]});
    one.post("/api/v1/auth/refresh", refresh.clone()).await.data(200);
    assert_eq!(other.post("/api/v1/auth/refresh", refresh).await.status(), Some(401));
    until(callers, 401, "refresh token spent twice").await;
}

#[tokio::test]
async fn a_suspended_tenant_is_closed_at_both_and_opened_again() {
    let pair = Pair::start().await;
    let (owner, session) = Caller::sign_up(pair.one.address(), "acme").await;
    let tenant = text(&session, "/tenant/id").parse().unwrap();
    let callers = pair.at_both(&owner).await;
    pair.crm.system().suspend(tenant).await.unwrap();
    until(callers, 403, "tenant suspended").await;
    let callers = [owner.at(pair.one.address()), owner.at(pair.other.address())];
    pair.crm.system().resume(tenant).await.unwrap();
    until(callers, 200, "tenant resumed").await;
}
