//! Guessing passwords: slowed down on all servers together, and not for the owner.

use chrono::TimeDelta;
use crm_core::access::BuiltIn;
use crm_server::config::Lockout;
use serde_json::json;

use crate::support::{Answer, Backend, PASSWORD, TestServer};

/// Behind a proxy that is believed, so that callers can come from anywhere.
async fn behind_a_proxy(backend: Backend) -> TestServer {
    let server = TestServer::configured_on(backend, |config| {
        config.proxies = 1;
        config.lockout = Lockout::default();
    });
    server.await
}

async fn login(server: &TestServer, from: &str, email: &str, password: &str) -> Answer {
    let input = json!({"email": email, "password": password});
    let caller = server.anonymous().with("x-forwarded-for", from);
    caller.post("/api/v1/auth/login", input).await
}

async fn the_owner_is_let_in_while_a_guesser_waits(backend: Backend) {
    let server = behind_a_proxy(backend).await;
    let second = server.another().await;
    let owner = server.owner("acme").await;
    login(&server, "203.0.113.7", &owner.email, PASSWORD).await.is(200);
    // At two servers in turn, which count together; and an account that there is not alike.
    for email in [owner.email.as_str(), "nobody@acme.example"] {
        let mut said = Vec::new();
        for i in 0..7 {
            let at = if i % 2 == 0 { &server } else { &second };
            let from = format!("198.51.100.{i}");
            let answer = login(at, &from, email, "wrong password").await;
            let waits = answer.header("retry-after").to_owned();
            said.push((answer.status.as_u16(), waits, answer.json()["message"].clone()));
        }
        let wrong = (401, String::new(), json!("the login or the password is wrong"));
        let late = (429, "1".to_owned(), json!("too many attempts, try again in 1 s"));
        let expected = [vec![wrong; 5], vec![late; 2]].concat();
        assert_eq!(said, expected, "{email}");
    }
    let late = login(&second, "198.51.100.99", &owner.email, PASSWORD).await;
    late.fails(429, "TOO_MANY_ATTEMPTS");
    login(&second, "203.0.113.7", &owner.email, PASSWORD).await.is(200);
    server.clock().advance(TimeDelta::seconds(1));
    login(&second, "198.51.100.99", &owner.email, PASSWORD).await.is(200);
    second.stop().await;
    server.stop().await;
}

#[tokio::test]
async fn the_owner_is_let_in_while_a_guesser_waits_on_memory() {
    the_owner_is_let_in_while_a_guesser_waits(Backend::Memory).await;
}

#[tokio::test]
async fn the_owner_is_let_in_while_a_guesser_waits_on_postgres() {
    the_owner_is_let_in_while_a_guesser_waits(Backend::Postgres).await;
}

async fn guessing_the_old_password_with_a_stolen_token_is_slowed_too(backend: Backend) {
    let server = behind_a_proxy(backend).await;
    let owner = server.owner("acme").await;
    let guess = json!({"currentPassword": "wrong password", "newPassword": "a seat by the window"});
    for _ in 0..5 {
        let answer = owner.post("/api/v1/auth/change-password", guess.clone()).await;
        answer.fails(422, "WRONG_PASSWORD");
    }
    let answer = owner.post("/api/v1/auth/change-password", guess).await;
    answer.fails(429, "TOO_MANY_ATTEMPTS");
    assert_eq!(answer.header("retry-after"), "1");
    server.stop().await;
}

async fn an_admin_unlocks_an_account(backend: Backend) {
    let server = behind_a_proxy(backend).await;
    let owner = server.owner("acme").await;
    let user = server.colleague(&owner, BuiltIn::User).await;
    let login = async |password: &str| {
        let input = json!({"email": user.email, "password": password});
        server.anonymous().post("/api/v1/auth/login", input).await
    };
    for _ in 0..5 {
        login("wrong password").await.fails(401, "UNAUTHENTICATED");
    }
    login(PASSWORD).await.fails(429, "TOO_MANY_ATTEMPTS");
    let path = format!("/api/v1/users/{}/status", user.user);
    let unlock = json!({"unlock": true});
    user.patch(&path, unlock.clone()).await.fails(403, "FORBIDDEN");
    let before = owner.get(&format!("/api/v1/users/{}", user.user)).await.data();
    let member = owner.patch(&path, unlock.clone()).await.data();
    assert_eq!(member, before, "nothing else changed");
    login(PASSWORD).await.is(200);
    let body = owner.patch(&path, json!({})).await.fails(422, "REQUIRED");
    assert_eq!(body["errors"][0]["field"], "status");

    // Nobody above; nobody elsewhere.
    let admin = server.colleague(&owner, BuiltIn::Admin).await;
    let above = format!("/api/v1/users/{}/status", owner.user);
    admin.patch(&above, unlock.clone()).await.is(403);
    let other = server.owner("other").await;
    other.patch(&path, unlock).await.fails(404, "NOT_FOUND");
    server.stop().await;
}

#[tokio::test]
async fn guessing_the_old_password_with_a_stolen_token_is_slowed_too_on_memory() {
    guessing_the_old_password_with_a_stolen_token_is_slowed_too(Backend::Memory).await;
}

#[tokio::test]
async fn guessing_the_old_password_with_a_stolen_token_is_slowed_too_on_postgres() {
    guessing_the_old_password_with_a_stolen_token_is_slowed_too(Backend::Postgres).await;
}

#[tokio::test]
async fn an_admin_unlocks_an_account_on_memory() {
    an_admin_unlocks_an_account(Backend::Memory).await;
}

#[tokio::test]
async fn an_admin_unlocks_an_account_on_postgres() {
    an_admin_unlocks_an_account(Backend::Postgres).await;
}
