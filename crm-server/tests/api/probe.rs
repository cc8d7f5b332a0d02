//! Every operation of the document, called by those who may not: the probe that embedders run on
//! theirs, on ours.

use std::collections::HashSet;

use chrono::TimeDelta;
use crm_core::access::BuiltIn;
use crm_core::{Choice, Clock};
use crm_server::testkit::{
    BadToken, Crossing, Document, Listening, Mounted, Report, Server, exceptions, signed_otherwise,
    spoilt_keys, unsigned,
};

use serde_json::{Value, json};

use crate::support::{Backend, Founder, GIVEN, Person, TestServer};

/// What answers without a token, and why. This list may only shrink.
const OPEN: &[&str] = &[
    // Probes.
    "GET /health/live",
    "GET /health/ready",
    // How one gets a token, or gives it back.
    "POST /auth/signup",
    "POST /auth/login",
    "POST /auth/login/mfa",
    "POST /auth/refresh",
    "POST /auth/logout",
    // What a link in a mail is for, and asking for one.
    "POST /auth/forgot-password",
    "POST /auth/reset-password",
    "POST /auth/verify-email",
    "POST /auth/change-email/confirm",
    "POST /auth/change-email/stop",
    "POST /auth/accept-invitation",
    "POST /auth/decline-invitation",
];

fn document() -> Document {
    Document::new(serde_json::from_str(include_str!("../../openapi.json")).unwrap()).unwrap()
}

/// Keys that hold no more, and what is like a key.
async fn bad_keys(server: &TestServer, owner: &Person) -> Vec<BadToken> {
    let path = "/api/v1/auth/api-keys";
    let end = server.clock().now() + TimeDelta::seconds(1);
    let mut keys = Vec::new();
    for expires_at in [None, Some(end), None] {
        let input = json!({"name": "A", "scopes": ["*"], "expiresAt": expires_at});
        keys.push(owner.post(path, input).await.data());
    }
    let [revoked, expired, live] = &keys[..] else { panic!("{keys:?}") };
    let text = |key: &Value| key["key"].as_str().unwrap().to_owned();
    // Both were good for something, and are remembered by it.
    for key in [revoked, expired] {
        server.anonymous().with_token(text(key)).get("/api/v1/customers").await.is(200);
    }
    owner.delete(&format!("{path}/{}", revoked["id"].as_str().unwrap())).await.is(200);
    server.clock().advance(TimeDelta::seconds(1));
    let dead = [("revoked", revoked), ("expired", expired)];
    let dead =
        dead.map(|(what, key)| BadToken { what: format!("API key, {what}"), token: text(key) });
    dead.into_iter().chain(spoilt_keys(&text(live))).collect()
}

async fn probed(backend: Backend) -> Report {
    let (server, watched) = TestServer::watched_writing(backend).await;
    let document = document();
    let (acme, other) = (server.owner("acme").await, server.owner("other").await);
    let keys = server.anonymous().get("/.well-known/jwks.json").await.json();
    let mut bad = unsigned(acme.token(), &keys, &other.tenant).unwrap();
    let key = server.app().config().tokens.key.clone().unwrap();
    bad.extend(signed_otherwise(acme.token(), &key, server.clock().now().timestamp()).unwrap());
    bad.extend(bad_keys(&server, &acme).await);
    let address = Listening(server.address());
    let founder = Founder::watching(&address, &watched);
    // Once over the network, and once as those do it who mount the API in a program of theirs.
    let door: Box<dyn Server> = match backend {
        Backend::Postgres => Box::new(address),
        Backend::Memory => Box::new(Mounted(server.endpoint())),
    };
    let report =
        Crossing::new(&*door, &document, &founder).given_all(&GIVEN).bad_tokens(bad).run().await;
    server.stop().await;
    report
}

fn held(report: &Report) {
    let guarded = document().operations().iter().filter(|o| o.guarded).count();
    assert_eq!(report.operations.len(), guarded);
    assert!(report.asked > 20 * guarded, "{}", report.asked);
    // The built-in roles, and nothing else.
    assert_eq!(report.beside.len(), BuiltIn::ALL.len(), "{:?}", report.beside);
    println!("{} requests to {guarded} operations", report.asked);
    if let Err(found) = report.against(&exceptions()) {
        panic!("{found}");
    }
}

#[tokio::test]
async fn no_operation_crosses_into_another_tenant_on_memory() {
    held(&probed(Backend::Memory).await);
}

#[tokio::test]
async fn no_operation_crosses_into_another_tenant_on_postgres() {
    held(&probed(Backend::Postgres).await);
}

#[test]
fn only_the_listed_operations_are_open() {
    let document = document();
    let open = document.operations().iter().filter(|o| !o.guarded).map(|o| o.name.as_str());
    let (open, listed): (HashSet<&str>, HashSet<&str>) =
        (open.collect(), OPEN.iter().copied().collect());
    assert_eq!(open, listed);
}
