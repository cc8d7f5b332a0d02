//! What opens one door, tried at all others: access tokens, refresh tokens, API keys, and the
//! tokens of links to verify, to set a password anew and to join.
//!
//! What came back: each opens its own door and no other, and a try at a wrong one spends nothing.

use crm_server::config::{Config, MailTls};
use serde_json::{Value, json};

use super::link;
use crate::support::{Backend, Client, MailServer, PASSWORD, TestServer};

const AUTH: &str = "/api/v1/auth";

/// A door: what is asked with a credential, and the name of the one that opens it.
fn doors(nobody: &Client, credential: &str) -> Vec<(&'static str, Client, &'static str, Value)> {
    let bearer = nobody.with_token(credential);
    let key = nobody.with("X-API-Key", credential);
    let plain = nobody.clone();
    vec![
        ("access", bearer, "", json!(null)),
        ("key", key, "", json!(null)),
        ("refresh", plain.clone(), "/refresh", json!({"refreshToken": credential})),
        ("verify", plain.clone(), "/verify-email", json!({"token": credential})),
        (
            "reset",
            plain.clone(),
            "/reset-password",
            json!({"token": credential, "password": "a much better one"}),
        ),
        (
            "invited",
            plain,
            "/accept-invitation",
            json!({"token": credential, "password": PASSWORD, "name": "Eve"}),
        ),
    ]
}

async fn nothing_opens_a_door_that_it_is_not_for(backend: Backend) {
    let post = MailServer::start(MailTls::Implicit).await;
    let settings = post.settings();
    let change = |config: &mut Config| config.mail = settings;
    let server = TestServer::configured_on(backend, change).await;
    let ada = server.owner("acme").await;
    let nobody = server.anonymous();
    nobody.post(&format!("{AUTH}/forgot-password"), json!({"email": ada.email})).await.is(202);
    let bob = json!({"email": "bob@example.com", "roles": ["user"]});
    ada.post("/api/v1/users/invitations", bob).await.is(201);
    let key = ada.post(&format!("{AUTH}/api-keys"), json!({"name": "A", "scopes": ["*"]})).await;
    let credentials = [
        ("access", ada.token().to_owned()),
        ("refresh", ada.refresh_token.clone()),
        ("key", key.data()["key"].as_str().unwrap().to_owned()),
        ("verify", link(&post, &ada.email, "Confirm your e-mail address").await),
        ("reset", link(&post, &ada.email, "Set a new password").await),
        ("invited", link(&post, "bob@example.com", "You are invited").await),
    ];
    for (kind, credential) in &credentials {
        for (opens, caller, path, body) in doors(&nobody, credential) {
            // An API key is taken as a bearer, too.
            if opens == *kind || (*kind == "key" && opens == "access") {
                continue;
            }
            let answer = match body {
                Value::Null => caller.get("/api/v1/customers").await,
                body => caller.post(&format!("{AUTH}{path}"), body).await,
            };
            let status = answer.status.as_u16();
            let expected = if matches!(opens, "access" | "key" | "refresh") { 401 } else { 422 };
            assert_eq!(status, expected, "{kind} at {opens}: {}", answer.json());
        }
    }
    // Each still opens its own: the one that ends the session at last.
    for kind in ["access", "key", "verify", "refresh", "invited", "reset"] {
        let (_, credential) = credentials.iter().find(|(name, _)| *name == kind).unwrap();
        let doors = doors(&nobody, credential);
        let (_, caller, path, body) = doors.iter().find(|(opens, ..)| *opens == kind).unwrap();
        let answer = match body {
            Value::Null => caller.get("/api/v1/customers").await,
            body => caller.post(&format!("{AUTH}{path}"), body.clone()).await,
        };
        assert!(answer.status.is_success(), "{kind}: {} {}", answer.status, answer.json());
    }
    server.stop().await;
}

#[tokio::test]
async fn nothing_opens_a_door_that_it_is_not_for_on_memory() {
    nothing_opens_a_door_that_it_is_not_for(Backend::Memory).await;
}

#[tokio::test]
async fn nothing_opens_a_door_that_it_is_not_for_on_postgres() {
    nothing_opens_a_door_that_it_is_not_for(Backend::Postgres).await;
}
