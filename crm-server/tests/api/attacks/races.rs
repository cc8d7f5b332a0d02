//! What may happen once, asked for many times at once: joining by an invitation, setting a password
//! by a link, verifying an address, becoming the owner of an address.
//!
//! What came back: one success each, and a refusal for all others; one account, one place in the
//! tenant, one password. (A spent refresh token: `refresh.rs`.)

use crm_server::config::{Config, MailTls};
use serde_json::{Value, json};

use super::link;
use crate::support::{Backend, MailServer, PASSWORD, TestServer};

const AUTH: &str = "/api/v1/auth";
/// How many come at once.
const MANY: usize = 16;

/// Sends these all at once, to two servers in turns: the statuses, and which of them succeeded.
async fn at_once(
    servers: [&TestServer; 2],
    path: &str,
    bodies: Vec<Value>,
) -> (Vec<u16>, Vec<usize>) {
    let mut asked = tokio::task::JoinSet::new();
    for (number, body) in bodies.into_iter().enumerate() {
        let (caller, path) = (servers[number % 2].anonymous(), format!("{AUTH}{path}"));
        asked.spawn(async move {
            // Who met others on the way is told to come again, and does.
            for _ in 0..50 {
                let status = caller.post(&path, body.clone()).await.status.as_u16();
                if status != 409 && status != 503 {
                    return (number, status);
                }
            }
            (number, 409)
        });
    }
    let mut told = asked.join_all().await;
    told.sort_unstable();
    let won = told.iter().filter(|(_, status)| (200..300).contains(status));
    let won = won.map(|(number, _)| *number).collect();
    (told.into_iter().map(|(_, status)| status).collect(), won)
}

async fn each_link_is_good_once_however_many_come_at_once(backend: Backend) {
    let post = MailServer::start(MailTls::Implicit).await;
    let settings = post.settings();
    let change = |config: &mut Config| config.mail = settings;
    let server = TestServer::configured_on(backend, change).await;
    let second = server.another().await;
    let both = [&server, &second];
    let ada = server.owner("acme").await;
    let nobody = server.anonymous();

    let token = link(&post, &ada.email, "Confirm your e-mail address").await;
    let bodies = vec![json!({"token": token}); MANY];
    let (statuses, won) = at_once(both, "/verify-email", bodies).await;
    assert_eq!(won.len(), 1, "verified: {statuses:?}");

    nobody.post(&format!("{AUTH}/forgot-password"), json!({"email": ada.email})).await.is(202);
    let token = link(&post, &ada.email, "Set a new password").await;
    let password = |number: usize| format!("the password of number {number:03}");
    let bodies = (0..MANY).map(|n| json!({"token": token, "password": password(n)})).collect();
    let (statuses, won) = at_once(both, "/reset-password", bodies).await;
    assert_eq!(won.len(), 1, "set anew: {statuses:?}");
    for number in 0..MANY {
        let input = json!({"email": ada.email, "password": password(number)});
        let status = nobody.post(&format!("{AUTH}/login"), input).await.status.as_u16();
        assert_eq!(status == 200, won == [number], "{number}: {status}");
    }

    let login = json!({"email": ada.email, "password": password(won[0])});
    let session = nobody.post(&format!("{AUTH}/login"), login).await.data();
    let ada = nobody.with_token(session["token"].as_str().unwrap());
    let invited = json!({"email": "bob@example.com", "roles": ["user"]});
    ada.post("/api/v1/users/invitations", invited).await.is(201);
    let token = link(&post, "bob@example.com", "You are invited").await;
    let body = json!({"token": token, "password": PASSWORD, "name": "Bob"});
    let (statuses, won) = at_once(both, "/accept-invitation", vec![body; MANY]).await;
    assert_eq!(won.len(), 1, "joined: {statuses:?}");
    assert_eq!(ada.get("/api/v1/users").await.is(200)["meta"]["total"], 2);

    let body = json!({"email": "eve@example.com", "password": PASSWORD, "tenantName": "Eve's"});
    let mut asked = tokio::task::JoinSet::new();
    for number in 0..MANY {
        let (caller, body) = (both[number % 2].anonymous(), body.clone());
        let path = format!("{AUTH}/signup");
        asked.spawn(async move { caller.post(&path, body).await.status.as_u16() });
    }
    let statuses = asked.join_all().await;
    let made = statuses.iter().filter(|status| **status == 201).count();
    assert_eq!(made, 1, "signed up: {statuses:?}");
    assert!(statuses.iter().all(|status| matches!(status, 201 | 409 | 422)), "{statuses:?}");
    second.stop().await;
    server.stop().await;
}

#[tokio::test]
async fn each_link_is_good_once_however_many_come_at_once_on_memory() {
    each_link_is_good_once_however_many_come_at_once(Backend::Memory).await;
}

#[tokio::test]
async fn each_link_is_good_once_however_many_come_at_once_on_postgres() {
    each_link_is_good_once_however_many_come_at_once(Backend::Postgres).await;
}
