//! Changing the key that signs, while several servers run: no token is refused.

use chrono::TimeDelta;
use crm_server::config::{Algorithm, Secret, Tokens};
use crm_server::tokens::generate_key;
use serde_json::json;

use crate::support::{TestServer, for_each_store};

const CUSTOMERS: &str = "/api/v1/customers";
const JWKS: &str = "/.well-known/jwks.json";

fn signed_by(token: &str) -> String {
    jsonwebtoken::decode_header(token).unwrap().kid.unwrap()
}

/// What a server publishes.
async fn published(server: &TestServer) -> Vec<String> {
    let answer = server.anonymous().get(JWKS).await;
    assert_eq!(answer.header("cache-control"), "public, max-age=300");
    let keys = answer.json()["keys"].as_array().unwrap().clone();
    keys.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

/// The settings of tokens with these keys.
fn with_keys(server: &TestServer, keys: &str) -> Tokens {
    Tokens { key: Some(Secret::new(keys)), ..server.app().config().tokens.clone() }
}

for_each_store! {
    async fn a_key_is_accepted_before_it_signs_and_until_its_last_token_is_over(server: &TestServer) {
        let old = server.app().config().tokens.key.clone().unwrap();
        let new = generate_key(Algorithm::Rs256).unwrap();
        let second = server.another().await;
        let owner = server.owner("acme").await;
        let first = signed_by(owner.token());
        // In ten minutes; the other one reads it a little later.
        let keys = format!("{}Signs-From: 2026-03-16T09:40:00Z\n{}", old.reveal(), new.reveal());
        let tokens = with_keys(server, &keys);
        assert!(server.app().tokens().take_keys(&tokens).unwrap());
        assert_eq!(published(&second).await, std::slice::from_ref(&first));
        second.app().tokens().take_keys(&tokens).unwrap();
        let known = published(server).await;
        assert_eq!((known.len(), &known[0]), (2, &first));
        let other = &known[1];
        assert_eq!(published(&second).await, known);
        let before = server.sign_in(&owner.email).await;
        assert_eq!(signed_by(before.token()), first);
        server.clock().advance(TimeDelta::minutes(10));
        let after = server.sign_in(&owner.email).await;
        assert_eq!(&signed_by(after.token()), other);
        assert_eq!(published(server).await, [other.clone(), first.clone()]);
        for at in [server, &second] {
            for person in [&before, &after] {
                at.here(person).get(CUSTOMERS).await.is(200);
            }
        }
        // Fifteen minutes hold what the old one signed last, and half a minute of leeway.
        server.clock().advance(TimeDelta::minutes(16));
        assert_eq!(published(server).await, std::slice::from_ref(other));
        before.get(CUSTOMERS).await.fails(401, "TOKEN_EXPIRED");
        second.here(&before).get(CUSTOMERS).await.fails(401, "TOKEN_EXPIRED");
        // The session goes on.
        let input = json!({"refreshToken": before.refresh_token});
        let fresh = second.anonymous().post("/api/v1/auth/refresh", input).await;
        assert_eq!(&signed_by(fresh.data()["token"].as_str().unwrap()), other);
        second.stop().await;
    }

    async fn a_key_that_is_removed_opens_nothing_at_once(server: &TestServer) {
        let owner = server.owner("acme").await;
        owner.get(CUSTOMERS).await.is(200);
        let new = generate_key(Algorithm::EdDsa).unwrap();
        let taken = server.app().tokens().take_keys(&with_keys(server, new.reveal()));
        assert!(taken.unwrap());
        owner.get(CUSTOMERS).await.fails(401, "UNAUTHENTICATED");
        let input = json!({"refreshToken": owner.refresh_token});
        server.anonymous().post("/api/v1/auth/refresh", input).await.is(200);
    }
}
