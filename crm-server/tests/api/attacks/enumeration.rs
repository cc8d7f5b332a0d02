//! Who has an account, told by answers or by how long they take.
//!
//! What came back: the same answer with the same headers whoever is asked for, and times whose
//! ranks do not tell them apart. Signing up, and adding somebody by hand, do tell that an address
//! is taken: there the answer is the purpose (`docs/security.md`, 6.3.8).

use std::collections::BTreeMap;
use std::io::Write;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use crm_core::access::BuiltIn;
use crm_server::config::Passwords;
use serde_json::{Value, json};

use crate::support::{Answer, Backend, PASSWORD, TestServer, for_each_store};

/// All that an answer tells, but for what names the request.
fn told(answer: &Answer) -> (u16, BTreeMap<String, String>, Value) {
    let mut body = answer.json();
    if let Some(body) = body.as_object_mut() {
        body.remove("requestId");
    }
    let of_the_moment = ["x-request-id", "traceresponse", "date", "ratelimit"];
    let headers = answer.headers.iter().map(|(name, value)| {
        (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    });
    let headers = headers.filter(|(name, _)| !of_the_moment.contains(&name.as_str())).collect();
    (answer.status.as_u16(), headers, body)
}

for_each_store! {
    async fn a_failure_says_the_same_whoever_it_was(server: &TestServer) {
        let acme = server.owner("acme").await;
        let away = server.colleague(&acme, BuiltIn::User).await;
        let gone = server.colleague(&acme, BuiltIn::User).await;
        let members = acme.get("/api/v1/users?limit=100").await.is(200);
        let path_of = |user: &str| {
            let all = members["data"].as_array().unwrap();
            let found = all.iter().find(|one| one.to_string().contains(user)).unwrap();
            format!("/api/v1/users/{}", found["id"].as_str().unwrap())
        };
        let status = format!("{}/status", path_of(&away.user));
        acme.patch(&status, json!({"status": "inactive"})).await.is(200);
        acme.delete(&path_of(&gone.user)).await.is(200);
        let nobody = server.anonymous();
        let mut answers = Vec::new();
        for email in [&*acme.email, &away.email, &gone.email, "nobody@acme.example", "x@nowhere.test"] {
            let input = json!({"email": email, "password": "not the password"});
            answers.push(told(&nobody.post("/api/v1/auth/login", input).await));
        }
        assert_eq!(answers[0].0, 401);
        assert!(answers.iter().all(|answer| answer == &answers[0]), "{answers:#?}");
        // Tokens that were never given, or of somebody else's purpose.
        let mut answers = Vec::new();
        for token in [acme.refresh_token.as_str(), "x", &"0".repeat(64), acme.token()] {
            let input = json!({"token": token, "password": "a new password"});
            answers.push(told(&nobody.post("/api/v1/auth/reset-password", input).await));
        }
        assert!(answers.iter().all(|answer| answer == &answers[0]), "{answers:#?}");
    }
}

#[tokio::test]
async fn asking_for_a_new_password_says_the_same_whoever_it_is_for() {
    for backend in [Backend::Memory, Backend::Postgres] {
        let server = TestServer::writing(backend).await;
        let acme = server.owner("acme").await;
        let away = server.colleague(&acme, BuiltIn::User).await;
        let nobody = server.anonymous();
        let mut answers = Vec::new();
        for email in [&*acme.email, &away.email, "nobody@acme.example", "x@nowhere.test"] {
            // Also the fourth time in an hour, when no more mails are sent.
            for _ in 0..4 {
                let asked = nobody.post("/api/v1/auth/forgot-password", json!({"email": email}));
                answers.push(told(&asked.await));
            }
        }
        assert_eq!(answers[0].0, 202);
        assert!(answers.iter().all(|answer| answer == &answers[0]), "{answers:#?}");
        server.stop().await;
    }
}

/// How many of each are timed, in turns, so that whatever else the machine does slows both.
const TRIES: usize = 60;

/// How probable it is that one of the first takes longer than one of the second, by their ranks
/// (Mann and Whitney): a half where nothing tells them apart, 0 or 1 where everything does.
fn told_apart(first: &[Duration], second: &[Duration]) -> f64 {
    let mut longer = 0.0;
    for one in first {
        for other in second {
            longer += match one.cmp(other) {
                std::cmp::Ordering::Greater => 1.0,
                std::cmp::Ordering::Equal => 0.5,
                std::cmp::Ordering::Less => 0.0,
            };
        }
    }
    longer / (first.len() * second.len()) as f64
}

fn median(times: &[Duration]) -> Duration {
    let mut times = times.to_vec();
    times.sort_unstable();
    times[times.len() / 2]
}

/// What would give it away tells them apart nearly always, and by a large part of the time. Chance
/// does neither: of ranks of sixty and sixty, the deviation is 0.05.
fn compare(what: &str, known: &[Duration], unknown: &[Duration]) {
    let rank = told_apart(known, unknown);
    let (known, unknown) = (median(known), median(unknown));
    writeln!(
        std::io::stdout().lock(),
        "{what}: rank {rank:.2}, medians {} and {} µs",
        known.as_micros(),
        unknown.as_micros()
    )
    .unwrap();
    let ratio = known.as_secs_f64() / unknown.as_secs_f64();
    let is_told = !(0.05..=0.95).contains(&rank) && !(0.6..=1.67).contains(&ratio);
    assert!(!is_told, "{what}: rank {rank}, medians {known:?} and {unknown:?}");
}

/// Hashes that take long enough to be seen if one were left out.
fn costly(config: &mut crm_server::config::Config) {
    config.passwords = Passwords { memory_kib: 8_192, iterations: 2, ..Passwords::default() };
}

#[tokio::test]
async fn how_long_a_sign_in_takes_does_not_tell_who_is_there() {
    for backend in [Backend::Memory, Backend::Postgres] {
        let server = TestServer::configured_on(backend, costly).await;
        let acme = server.owner("acme").await;
        let nobody = server.anonymous();
        let (mut known, mut unknown) = (Vec::new(), Vec::new());
        for _ in 0..TRIES {
            for is_known in [true, false] {
                // Each as often as the other: what failed before is counted for both.
                let email = if is_known { &*acme.email } else { "nobody@acme.example" };
                let input = json!({"email": email, "password": "not the password"});
                let asked = Instant::now();
                nobody.post("/api/v1/auth/login", input).await.is(401);
                if is_known { &mut known } else { &mut unknown }.push(asked.elapsed());
            }
        }
        compare(&format!("signing in on {backend:?}"), &known, &unknown);
        server.stop().await;
    }
}

#[tokio::test]
async fn how_long_asking_for_a_new_password_takes_does_not_tell_who_is_there() {
    for backend in [Backend::Memory, Backend::Postgres] {
        let server = TestServer::writing(backend).await;
        let acme = server.owner("acme").await;
        let nobody = server.anonymous();
        let (mut known, mut unknown) = (Vec::new(), Vec::new());
        for _ in 0..TRIES {
            // As many as may be sent, each time.
            server.clock().advance(TimeDelta::hours(2));
            for is_known in [true, false] {
                // Each as often as the other: what failed before is counted for both.
                let email = if is_known { &*acme.email } else { "nobody@acme.example" };
                let asked = Instant::now();
                let input = json!({"email": email});
                nobody.post("/api/v1/auth/forgot-password", input).await.is(202);
                if is_known { &mut known } else { &mut unknown }.push(asked.elapsed());
            }
        }
        compare(&format!("forgetting on {backend:?}"), &known, &unknown);
        server.stop().await;
    }
}

/// A measure that finds nothing proves nothing: without the hash it would have been found.
#[tokio::test]
async fn a_hash_that_was_left_out_would_be_found() {
    let server = TestServer::configured_on(Backend::Memory, costly).await;
    let acme = server.owner("acme").await;
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for _ in 0..TRIES {
        let input = json!({"email": acme.email, "password": PASSWORD});
        let asked = Instant::now();
        server.anonymous().post("/api/v1/auth/login", input).await.is(200);
        with.push(asked.elapsed());
        let asked = Instant::now();
        server.anonymous().post("/api/v1/auth/refresh", json!({"refreshToken": "x"})).await.is(401);
        without.push(asked.elapsed());
    }
    let rank = told_apart(&with, &without);
    assert!(rank > 0.9, "{rank}: {:?} and {:?}", median(&with), median(&without));
    server.stop().await;
}
