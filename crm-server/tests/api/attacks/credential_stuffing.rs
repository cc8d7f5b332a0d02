//! Names and passwords out of a leak, tried one after the other: by one machine on many accounts,
//! and by many machines on one account. With the settings of production.
//!
//! What came back: after fifty failures the network has to wait, whatever accounts it names, and
//! not even the right password of one of them is looked at; after five, an account has to be
//! waited for from wherever nobody has signed in to it. Whoever signs in elsewhere notices nothing.

use crm_server::config::{Lockout, Rates};
use serde_json::json;

use crate::support::{Backend, PASSWORD, TestServer};

async fn production(backend: Backend) -> TestServer {
    TestServer::configured_on(backend, |config| {
        config.proxies = 1;
        config.lockout = Lockout::default();
        // By address sixty a minute may be tried; the clock stands still, so these are all.
        config.limits.rate = Rates { address: "500/1m".parse().unwrap(), ..Rates::default() };
    })
    .await
}

async fn try_one(server: &TestServer, from: &str, email: &str, password: &str) -> u16 {
    let caller = server.anonymous().with("X-Forwarded-For", from);
    let input = json!({"email": email, "password": password});
    caller.post("/api/v1/auth/login", input).await.status.as_u16()
}

async fn a_list_of_many_accounts_ends_with_the_network(backend: Backend) {
    let server = production(backend).await;
    let owner = server.owner("acme").await;
    let mut refused = 0;
    for number in 0..60 {
        let email = format!("person{number}@leak.example");
        match try_one(&server, "198.51.100.7", &email, "hunter2 hunter2").await {
            401 => {}
            429 => refused += 1,
            other => panic!("{other}"),
        }
    }
    assert!(refused >= 8, "after fifty or so failures: {refused}");
    // The one line of the list that is right, from there, and the owner at home.
    assert_eq!(try_one(&server, "198.51.100.7", &owner.email, PASSWORD).await, 429);
    assert_eq!(try_one(&server, "203.0.113.9", &owner.email, PASSWORD).await, 200);
    server.stop().await;
}

async fn a_list_of_passwords_from_many_networks_ends_with_the_account(backend: Backend) {
    let server = production(backend).await;
    let owner = server.owner("acme").await;
    assert_eq!(try_one(&server, "203.0.113.9", &owner.email, PASSWORD).await, 200);
    let mut looked_at = 0;
    for number in 0..40 {
        // Each from another network: of IPv6 another /64.
        let from = format!("2001:db8:{number:x}::1");
        looked_at += u32::from(try_one(&server, &from, &owner.email, "a wrong one").await == 401);
    }
    assert_eq!(looked_at, 5, "the clock stands still");
    assert_eq!(try_one(&server, "2001:db8:ffff::1", &owner.email, PASSWORD).await, 429);
    assert_eq!(try_one(&server, "203.0.113.9", &owner.email, PASSWORD).await, 200);
    server.stop().await;
}

async fn as_many_as_come_are_let_try_by_one_address(backend: Backend) {
    let server = TestServer::configured_on(backend, |config| {
        config.limits.rate = Rates::default();
    })
    .await;
    let mut tries = tokio::task::JoinSet::new();
    for number in 0..80 {
        let caller = server.anonymous();
        let email = format!("person{number}@leak.example");
        let input = json!({"email": email, "password": "hunter2 hunter2"});
        tries.spawn(async move { caller.post("/api/v1/auth/login", input).await.status.as_u16() });
    }
    let statuses = tries.join_all().await;
    let looked_at = statuses.iter().filter(|status| **status == 401).count();
    assert_eq!(looked_at, 60, "a minute, all at once: {statuses:?}");
    server.stop().await;
}

#[tokio::test]
async fn a_list_of_many_accounts_ends_with_the_network_on_memory() {
    a_list_of_many_accounts_ends_with_the_network(Backend::Memory).await;
}

#[tokio::test]
async fn a_list_of_many_accounts_ends_with_the_network_on_postgres() {
    a_list_of_many_accounts_ends_with_the_network(Backend::Postgres).await;
}

#[tokio::test]
async fn a_list_of_passwords_from_many_networks_ends_with_the_account_on_memory() {
    a_list_of_passwords_from_many_networks_ends_with_the_account(Backend::Memory).await;
}

#[tokio::test]
async fn a_list_of_passwords_from_many_networks_ends_with_the_account_on_postgres() {
    a_list_of_passwords_from_many_networks_ends_with_the_account(Backend::Postgres).await;
}

#[tokio::test]
async fn as_many_as_come_are_let_try_by_one_address_on_memory() {
    as_many_as_come_are_let_try_by_one_address(Backend::Memory).await;
}

#[tokio::test]
async fn as_many_as_come_are_let_try_by_one_address_on_postgres() {
    as_many_as_come_are_let_try_by_one_address(Backend::Postgres).await;
}
