//! How often one may ask: by address, user, key and tenant, on one server and on several that
//! share a Redis.

use chrono::TimeDelta;
use crm_core::access::BuiltIn;
use crm_server::config::{Config, Rates, WhenAway};
use serde_json::json;

use crate::support::{Answer, Backend, Client, PASSWORD, Redis, TestServer, soon};

const CUSTOMERS: &str = "/api/v1/customers";

/// Each of these on both stores.
macro_rules! on_each_store {
    ($($name:ident),*) => {$(
        mod $name {
            use super::Backend;

            #[tokio::test]
            async fn on_memory() {
                super::$name(Backend::Memory).await;
            }

            #[tokio::test]
            async fn on_postgres() {
                super::$name(Backend::Postgres).await;
            }
        }
    )*};
}

on_each_store! {
    whoever_is_nobody_is_counted_by_address,
    credentials_that_open_nothing_are_counted_by_address,
    users_and_keys_are_counted_each_and_their_tenant_with_them,
    whoever_is_known_is_counted_whatever_the_answer,
    a_key_of_a_request_is_no_way_round
}

/// A server with these limits by address, user and tenant.
async fn limited(backend: Backend, address: &str, user: &str, tenant: &str) -> TestServer {
    limited_by(backend, address, user, tenant, |_| {}).await
}

async fn limited_by(
    backend: Backend,
    address: &str,
    user: &str,
    tenant: &str,
    change: impl FnOnce(&mut Config),
) -> TestServer {
    let rates = [address, user, tenant].map(|rate| rate.parse().unwrap());
    let [address, user, tenant] = rates;
    TestServer::configured_on(backend, |config| {
        config.limits.rate = Rates { address, user, tenant, ..Rates::default() };
        change(config);
    })
    .await
}

async fn try_to_sign_in(client: &Client) -> Answer {
    let input = json!({"email": "nobody@example.com", "password": PASSWORD});
    client.post("/api/v1/auth/login", input).await
}

async fn whoever_is_nobody_is_counted_by_address(backend: Backend) {
    let server = limited(backend, "6/1h", "off", "off").await;
    let owner = server.owner("acme").await;
    let nobody = server.anonymous();
    for left in (1..5).rev() {
        let answer = try_to_sign_in(&nobody).await;
        answer.fails(401, "UNAUTHENTICATED");
        assert_eq!(answer.header("ratelimit-policy"), "\"address\";q=6;w=3600");
        let told = answer.header("ratelimit").to_owned();
        assert!(told.starts_with(&format!("\"address\";r={left};t=")), "{told}");
    }
    // A token that opens nothing changes nothing for what asks for none.
    try_to_sign_in(&nobody.with_token("x")).await.fails(401, "UNAUTHENTICATED");
    for client in [nobody.clone(), nobody.with_token("x"), nobody.with("X-API-Key", "x")] {
        let refused = try_to_sign_in(&client).await;
        refused.fails(429, "RATE_LIMITED");
        assert_eq!(refused.header("retry-after"), "600");
        assert_eq!(refused.header("ratelimit"), "\"address\";r=0;t=600");
    }
    for path in [CUSTOMERS, "/api/v1/nowhere", "/openapi.json", "/docs"] {
        nobody.get(path).await.fails(429, "RATE_LIMITED");
    }
    // Who is somebody is counted otherwise, and probes are not counted.
    owner.get(CUSTOMERS).await.is(200);
    for path in ["/health/live", "/api/v1/health/ready", "/metrics"] {
        let answer = nobody.get(path).await;
        assert_eq!((answer.status.as_u16(), answer.header("ratelimit")), (200, ""), "{path}");
    }
    let metrics = nobody.get("/metrics").await;
    let metrics = String::from_utf8_lossy(&metrics.bytes).into_owned();
    assert!(metrics.contains("crm_rate_limited_total{policy=\"address\"} 7"), "{metrics}");
    server.clock().advance(TimeDelta::minutes(10));
    try_to_sign_in(&nobody).await.fails(401, "UNAUTHENTICATED");
    try_to_sign_in(&nobody).await.fails(429, "RATE_LIMITED");
    server.stop().await;
}

#[tokio::test]
async fn the_address_is_what_ones_own_proxies_say() {
    let server =
        limited_by(Backend::Memory, "2/1h", "off", "off", |config| config.proxies = 1).await;
    let from = |address: &str| server.anonymous().with("X-Forwarded-For", address);
    for (first, second) in [
        ("203.0.113.7", "6.6.6.6, 203.0.113.7"),
        // What a customer of a provider has is a /64.
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9"),
        ("203.0.113.8", "::ffff:203.0.113.8"),
    ] {
        try_to_sign_in(&from(first)).await.fails(401, "UNAUTHENTICATED");
        try_to_sign_in(&from(second)).await.fails(401, "UNAUTHENTICATED");
        try_to_sign_in(&from(first)).await.fails(429, "RATE_LIMITED");
        try_to_sign_in(&from(second)).await.fails(429, "RATE_LIMITED");
    }
    try_to_sign_in(&from("2001:db8:1:3::1")).await.fails(401, "UNAUTHENTICATED");
    server.stop().await;
}

async fn credentials_that_open_nothing_are_counted_by_address(backend: Backend) {
    let server = limited(backend, "5/1h", "off", "off").await;
    let owner = server.owner("acme").await;
    let input = json!({"name": "A", "scopes": ["*"]});
    let key = owner.post("/api/v1/auth/api-keys", input).await.data()["key"].clone();
    let key = key.as_str().unwrap();
    let program = server.anonymous().with("X-API-Key", key);
    program.get(CUSTOMERS).await.is(200);
    let stranger = format!("{}0", &key[..61]);
    for client in [
        server.anonymous().with_token("x"),
        server.anonymous().with_token(&stranger),
        server.anonymous().with("X-API-Key", &stranger),
        server.anonymous().with("X-API-Key", key).with_token(owner.token()),
    ] {
        client.get(CUSTOMERS).await.fails(401, "UNAUTHENTICATED");
    }
    server.anonymous().with("X-API-Key", &stranger).get(CUSTOMERS).await.fails(429, "RATE_LIMITED");
    server.anonymous().with_token("x").get(CUSTOMERS).await.fails(429, "RATE_LIMITED");
    // Who is known goes on.
    owner.get(CUSTOMERS).await.is(200);
    server.stop().await;
}

async fn users_and_keys_are_counted_each_and_their_tenant_with_them(backend: Backend) {
    let server = limited(backend, "off", "4/1h", "7/1h").await;
    let owner = server.owner("acme").await;
    let input = json!({"name": "A", "scopes": ["*"]});
    let answer = owner.post("/api/v1/auth/api-keys", input).await;
    answer.is(201);
    assert_eq!(answer.header("ratelimit"), "\"user\";r=3;t=900, \"tenant\";r=6;t=515");
    assert_eq!(answer.header("ratelimit-policy"), "\"user\";q=4;w=3600, \"tenant\";q=7;w=3600");
    let program = server.anonymous().with("X-API-Key", answer.data()["key"].as_str().unwrap());
    let colleague = server.colleague(&owner, BuiltIn::User).await;
    // A key under which a request happens once does not count it twice.
    let once = owner.with("Idempotency-Key", "k");
    once.post(CUSTOMERS, json!({"companyName": "A"})).await.is(201);
    for _ in 0..2 {
        owner.get(CUSTOMERS).await.is(200);
    }
    let refused = owner.get(CUSTOMERS).await;
    let body = refused.fails(429, "RATE_LIMITED");
    assert!(body["message"].as_str().unwrap().contains("limits.rate.user"), "{body}");
    assert_eq!(refused.header("retry-after"), "900");
    program.get(CUSTOMERS).await.is(200);
    program.get(CUSTOMERS).await.is(200);
    // What was refused was counted for nobody.
    colleague.get(CUSTOMERS).await.is(200);
    let refused = colleague.get(CUSTOMERS).await;
    let body = refused.fails(429, "RATE_LIMITED");
    assert!(body["message"].as_str().unwrap().contains("limits.rate.tenant"), "{body}");
    assert!(refused.header("ratelimit").starts_with("\"user\";r=3;"));
    // Another tenant has its own.
    server.owner("other").await.get(CUSTOMERS).await.is(200);
    server.stop().await;
}

async fn whoever_is_known_is_counted_whatever_the_answer(backend: Backend) {
    let server = limited(backend, "2/1h", "4/1h", "100/1h").await;
    let (owner, other) = (server.owner("acme").await, server.owner("other").await);
    // A tenant that one is no member of is not charged, and one that there is not no way round.
    owner.with("X-Tenant-ID", &other.tenant).get(CUSTOMERS).await.fails(403, "NOT_A_MEMBER");
    let nowhere = format!("/api/v1/tenants/{}/customers", owner.user);
    owner.get(&nowhere).await.fails(404, "NOT_FOUND");
    owner.get("/api/v1/customers/nonsense").await.is(400);
    owner.post(CUSTOMERS, json!({})).await.is(422);
    let there = owner.with("X-Tenant-ID", &other.tenant);
    for refused in [there.get(CUSTOMERS).await, owner.get(&nowhere).await] {
        refused.fails(429, "RATE_LIMITED");
        assert_eq!(refused.header("ratelimit-policy"), "\"user\";q=4;w=3600");
    }
    let left = other.get(CUSTOMERS).await.header("ratelimit").to_owned();
    assert!(left.contains("\"tenant\";r=99;"), "{left}");
    // Whoever made up a token is counted by address wherever it goes: two have signed up.
    let made_up = server.anonymous().with_token("x");
    for path in ["/api/v1/nowhere", "/openapi.json", CUSTOMERS] {
        made_up.get(path).await.fails(429, "RATE_LIMITED");
    }
    server.stop().await;
}

async fn a_key_of_a_request_is_no_way_round(backend: Backend) {
    let server = limited(backend, "off", "2/1h", "off").await;
    let owner = server.owner("acme").await;
    let once = |key: &str| owner.with("Idempotency-Key", key);
    once("a").post(CUSTOMERS, json!({"companyName": "A"})).await.is(201);
    once("b").post(CUSTOMERS, json!({"companyName": "B"})).await.is(201);
    let body = json!({"companyName": "C"});
    once("c").post(CUSTOMERS, body.clone()).await.fails(429, "RATE_LIMITED");
    // Nor is an answer that was kept.
    once("a").post(CUSTOMERS, json!({"companyName": "A"})).await.fails(429, "RATE_LIMITED");
    server.clock().advance(TimeDelta::hours(1));
    let owner = server.sign_in(&owner.email).await;
    owner.with("Idempotency-Key", "c").post(CUSTOMERS, body).await.is(201);
    let list = owner.get(CUSTOMERS).await;
    assert_eq!(list.json()["meta"]["total"], 3, "{}", list.json());
    server.stop().await;
}

#[tokio::test]
async fn who_guesses_the_token_of_metrics_is_counted_and_who_has_it_is_not() {
    let server = limited_by(Backend::Memory, "2/1h", "off", "off", |config| {
        config.metrics.token = Some("the token of monitoring".into());
    })
    .await;
    let guess = server.anonymous().with_token("a guess");
    for _ in 0..2 {
        guess.get("/metrics").await.is(401);
    }
    guess.get("/metrics").await.fails(429, "RATE_LIMITED");
    let monitoring = server.anonymous().with_token("the token of monitoring");
    for _ in 0..4 {
        assert_eq!(monitoring.get("/metrics").await.status, 200);
    }
    server.stop().await;
}

#[tokio::test]
async fn nothing_is_told_where_nothing_is_limited() {
    let server = limited(Backend::Memory, "off", "off", "off").await;
    let owner = server.owner("acme").await;
    let answer = owner.get(CUSTOMERS).await;
    assert_eq!((answer.header("ratelimit"), answer.header("ratelimit-policy")), ("", ""));
    server.stop().await;
}

/// Servers that count in a Redis, which has long to answer: machines of tests are slow.
fn sharing(redis: &Redis, when_away: WhenAway) -> impl FnOnce(&mut Config) {
    let url = redis.url();
    move |config| {
        config.limits.rate.redis_url = Some(url.as_str().into());
        config.limits.rate.redis_timeout = "5s".parse().unwrap();
        config.limits.rate.when_away = when_away;
    }
}

#[tokio::test]
async fn two_servers_over_one_redis_have_one_limit() {
    let redis = Redis::start();
    let server =
        limited_by(Backend::Memory, "7/1h", "5/1h", "off", sharing(&redis, WhenAway::Closed)).await;
    let second = server.another().await;
    let owner = server.owner("acme").await;
    let there = second.here(&owner);
    for (i, client) in [&owner, &there, &owner, &there, &owner].into_iter().enumerate() {
        let answer = client.get(CUSTOMERS).await;
        answer.is(200);
        let told = format!("\"user\";r={};t=", 4 - i);
        assert!(answer.header("ratelimit").starts_with(&told), "{told}");
    }
    for client in [&owner, &there] {
        let refused = client.get(CUSTOMERS).await;
        refused.fails(429, "RATE_LIMITED");
        let wait: u64 = refused.header("retry-after").parse().unwrap();
        assert!((1..=720).contains(&wait), "{wait}");
    }
    // At once, so many get through as there may be: six are left after signing up.
    let mut tries = tokio::task::JoinSet::new();
    for i in 0..20 {
        let client = if i % 2 == 0 { server.anonymous() } else { second.anonymous() };
        tries.spawn(async move { try_to_sign_in(&client).await.status.as_u16() });
    }
    let statuses = tries.join_all().await;
    let of = |status: u16| statuses.iter().filter(|found| **found == status).count();
    assert_eq!((of(401), of(429)), (6, 14), "{statuses:?}");
    second.stop().await;
    server.stop().await;
}

/// What readiness says that is done without.
async fn without(server: &TestServer) -> serde_json::Value {
    server.anonymous().get("/api/v1/health/ready").await.data()["doingWithout"].clone()
}

#[tokio::test]
async fn while_redis_is_away_an_open_server_counts_by_itself_and_says_so() {
    let mut redis = Redis::start();
    let server =
        limited_by(Backend::Memory, "off", "1000/1d", "off", sharing(&redis, WhenAway::Open)).await;
    let owner = server.owner("acme").await;
    let left = async || {
        let answer = owner.get(CUSTOMERS).await;
        answer.is(200);
        let told = answer.header("ratelimit").to_owned();
        let left = told.split("r=").nth(1).and_then(|rest| rest.split(';').next());
        left.unwrap().parse::<u32>().unwrap()
    };
    let up = async || {
        let metrics = server.anonymous().get("/metrics").await;
        String::from_utf8_lossy(&metrics.bytes).contains("crm_rate_limit_redis_up 1")
    };
    for expected in [999, 998, 997] {
        assert_eq!(left().await, expected);
    }
    assert!(up().await);
    assert_eq!(without(&server).await, json!([]));
    redis.go();
    assert_eq!(left().await, 999, "counted here from now on");
    assert_eq!(left().await, 998);
    assert!(!up().await);
    assert_eq!(without(&server).await, json!(["rate-limits"]));
    redis.come_back();
    assert!(soon_or_later(async || up().await).await);
    assert_eq!(left().await, 999, "it came back with nothing in it");
    assert_eq!(without(&server).await, json!([]));
    // One that takes requests and answers none holds nobody up for longer than it may.
    redis.hang(true);
    assert_eq!(left().await, 997, "counted here again");
    assert!(!up().await);
    redis.hang(false);
    assert!(soon_or_later(async || up().await).await);
    server.stop().await;
}

#[tokio::test]
async fn while_redis_is_away_a_closed_server_refuses_and_is_not_ready() {
    let mut redis = Redis::start();
    let server =
        limited_by(Backend::Memory, "1000/1h", "1000/1h", "off", sharing(&redis, WhenAway::Closed))
            .await;
    let owner = server.owner("acme").await;
    owner.get(CUSTOMERS).await.is(200);
    redis.go();
    let refused = owner.get(CUSTOMERS).await;
    refused.fails(503, "UNAVAILABLE");
    assert_eq!(refused.header("retry-after"), "1");
    try_to_sign_in(&server.anonymous()).await.fails(503, "UNAVAILABLE");
    let not_ready = server.anonymous().get("/api/v1/health/ready").await;
    assert_eq!(not_ready.fails(503, "UNAVAILABLE")["errors"][0]["field"], "rate-limits");
    server.anonymous().get("/health/live").await.is(200);
    redis.come_back();
    assert!(soon_or_later(async || owner.get(CUSTOMERS).await.status == 200).await);
    server.anonymous().get("/api/v1/health/ready").await.is(200);
    server.stop().await;
}

/// Whether something becomes true at all: how long a driver takes to come back is its own affair.
async fn soon_or_later(mut check: impl AsyncFnMut() -> bool) -> bool {
    for _ in 0..40 {
        if soon(&mut check).await {
            return true;
        }
    }
    false
}
