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

use crate::support::{Caller, PASSWORD, Process, Settings};

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

    /// Somebody of the owner's tenant with these roles: their place in it, and they themselves.
    async fn member(&self, owner: &mut Caller, roles: &[&str]) -> (String, Caller) {
        let email = format!("{}@acme.example", roles.join("-"));
        let member = json!({"email": email, "password": PASSWORD, "name": "M", "roles": roles});
        let member = owner.post("/api/v1/users", member).await.data(201);
        let path = format!("/api/v1/users/{}", text(&member, "/id"));
        (path, Caller::sign_in(self.other.address(), &email).await)
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

/// What is asked again and again, until the answer is another one.
#[derive(Debug, Clone, Copy)]
enum Ask {
    Read,
    Create,
}

impl Ask {
    async fn status(self, caller: &mut Caller) -> Option<u16> {
        let reply = match self {
            Self::Read => caller.get(CUSTOMERS).await,
            Self::Create => caller.post("/api/v1/customers", json!({"companyName": "A"})).await,
        };
        reply.status()
    }
}

/// How long both instances go on answering otherwise than with this status.
async fn until(callers: [Caller; 2], ask: Ask, status: u16, what: &str) {
    let changed = Instant::now();
    let waiting = callers.map(|mut caller| async move {
        let began = Instant::now();
        let mut last = Duration::ZERO;
        loop {
            let asked = began.elapsed();
            if ask.status(&mut caller).await == Some(status) {
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

/// A client that balances its requests by itself: whatever one instance gave it, the other takes.
#[tokio::test]
async fn a_client_that_changes_instances_with_every_request_notices_nothing() {
    let pair = Pair::start().await;
    let (owner, _) = Caller::sign_up(pair.one.address(), "acme").await;
    let mut callers = pair.at_both(&owner).await;
    let mut turn = 0;
    let mut next = || {
        turn += 1;
        turn % 2
    };
    let tag = json!({"name": "vip", "color": "#ff0000"});
    let tag = callers[next()].post("/api/v1/customers/tags", tag).await.data(201);
    let mut made = Vec::new();
    for number in 0..25 {
        let body = json!({"companyName": format!("Firm {number:02}"), "tags": [tag["id"]]});
        let key = format!("firm-{number}");
        let made_here = callers[next()].post_once("/api/v1/customers", body.clone(), &key).await;
        let id = text(&made_here.data(201), "/id");
        // Read at the other one, and sent again to both.
        let path = format!("/api/v1/customers/{id}");
        let read = callers[next()].get(&path).await.data(200);
        assert_eq!(read["tags"][0]["name"], "vip", "{read}");
        for caller in &mut callers {
            let again = caller.post_once("/api/v1/customers", body.clone(), &key).await.data(201);
            assert_eq!(again["id"], id.as_str());
            assert!(caller.was_replayed());
        }
        made.push(id);
    }
    // A walk by cursor, each page from the instance that did not give the one before.
    let (mut walked, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/api/v1/customers?limit=4&sort=companyName&cursor={cursor}");
        let page = callers[next()].get(&path).await.body(200);
        let items = page["data"].as_array().unwrap();
        walked.extend(items.iter().map(|item| text(item, "/id")));
        match page.pointer("/meta/nextCursor").and_then(Value::as_str) {
            Some(next_cursor) => next_cursor.clone_into(&mut cursor),
            None => break,
        }
    }
    assert_eq!(walked, made, "each one once, in order");
    let list = callers[next()].get("/api/v1/customers?tags=vip&limit=1").await.body(200);
    assert_eq!(list["meta"]["total"], 25);
    // Deleted here, gone there; restored there, back here.
    let path = format!("/api/v1/customers/{}", made[0]);
    callers[0].send(Method::DELETE, &path, None).await.body(200);
    assert_eq!(callers[1].get(&path).await.status(), Some(404));
    callers[1].post(&format!("{path}/restore"), json!({})).await.data(200);
    callers[0].get(&path).await.data(200);
}

#[tokio::test]
async fn changed_roles_count_at_both() {
    let pair = Pair::start().await;
    let (mut owner, _) = Caller::sign_up(pair.one.address(), "acme").await;
    let (path, member) = pair.member(&mut owner, &["user"]).await;
    let callers = pair.at_both(&member).await;
    owner.send(Method::PATCH, &path, Some(json!({"roles": ["readonly"]}))).await.data(200);
    until(callers, Ask::Create, 403, "role taken away").await;
    let callers = pair.at_both(&member).await;
    owner.send(Method::PATCH, &path, Some(json!({"roles": ["user"]}))).await.data(200);
    until(callers, Ask::Create, 201, "role given").await;
}

#[tokio::test]
async fn a_deactivated_user_is_out_at_both() {
    let pair = Pair::start().await;
    let (mut owner, _) = Caller::sign_up(pair.one.address(), "acme").await;
    let (path, member) = pair.member(&mut owner, &["user"]).await;
    let callers = pair.at_both(&member).await;
    let status = Some(json!({"status": "inactive"}));
    owner.send(Method::PATCH, &format!("{path}/status"), status).await.data(200);
    until(callers, Ask::Read, 401, "user deactivated").await;
}

#[tokio::test]
async fn changed_custom_roles_and_grants_count_at_both() {
    let pair = Pair::start().await;
    let (mut owner, _) = Caller::sign_up(pair.one.address(), "acme").await;
    let (read, create) =
        (json!({"permission": "customers:read"}), json!({"permission": "customers:create"}));
    let role = json!({"name": "Makers", "permissions": [read, create]});
    let role = owner.post("/api/v1/users/roles", role).await.data(201);
    let at_role = format!("/api/v1/users/roles/{}/permissions", text(&role, "/id"));
    let (path, member) = pair.member(&mut owner, &["makers"]).await;
    let callers = pair.at_both(&member).await;
    owner.send(Method::DELETE, &format!("{at_role}/customers:create"), None).await.body(200);
    until(callers, Ask::Create, 403, "custom role made narrower").await;
    let callers = pair.at_both(&member).await;
    owner.post(&at_role, create.clone()).await.data(201);
    until(callers, Ask::Create, 201, "custom role made wider").await;
    let callers = pair.at_both(&member).await;
    owner.send(Method::DELETE, &format!("{at_role}/customers:create"), None).await.body(200);
    until(callers, Ask::Create, 403, "custom role made narrower again").await;
    let callers = pair.at_both(&member).await;
    let grants = format!("{path}/permissions");
    let extra = Some(json!({"permissions": [create]}));
    owner.send(Method::PUT, &grants, extra).await.body(200);
    until(callers, Ask::Create, 201, "extra grant given").await;
    let callers = pair.at_both(&member).await;
    let none = Some(json!({"permissions": []}));
    owner.send(Method::PUT, &grants, none).await.body(200);
    until(callers, Ask::Create, 403, "extra grant taken away").await;
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
    until(callers, Ask::Read, 401, "signed out").await;
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
    let next = one.post("/api/v1/auth/refresh", refresh.clone()).await.data(200);
    // Whoever got the answer has used it: from now on the first one is a thief's.
    let next = json!({"refreshToken": next["refreshToken"]});
    one.post("/api/v1/auth/refresh", next).await.data(200);
    assert_eq!(other.post("/api/v1/auth/refresh", refresh).await.status(), Some(401));
    until(callers, Ask::Read, 401, "refresh token spent twice").await;
}

#[tokio::test]
async fn a_suspended_tenant_is_closed_at_both_and_opened_again() {
    let pair = Pair::start().await;
    let (owner, session) = Caller::sign_up(pair.one.address(), "acme").await;
    let tenant = text(&session, "/tenant/id").parse().unwrap();
    let callers = pair.at_both(&owner).await;
    pair.crm.system().suspend(tenant).await.unwrap();
    until(callers, Ask::Read, 403, "tenant suspended").await;
    let callers = [owner.at(pair.one.address()), owner.at(pair.other.address())];
    pair.crm.system().resume(tenant).await.unwrap();
    until(callers, Ask::Read, 200, "tenant resumed").await;
}
