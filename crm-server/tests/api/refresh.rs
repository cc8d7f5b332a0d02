//! `POST /auth/refresh`: once, again where the answer was lost, sixteen at once, and by a thief.

use chrono::TimeDelta;
use futures::future::join_all;
use serde_json::{Value, json};

use crate::support::{Answer, PASSWORD, TestServer, for_each_store, soon};

async fn refresh(server: &TestServer, token: &str) -> Answer {
    server.anonymous().post("/api/v1/auth/refresh", json!({"refreshToken": token})).await
}

fn token(session: &Value) -> &str {
    session["refreshToken"].as_str().unwrap()
}

for_each_store! {
    async fn a_refresh_token_is_spent_once_and_a_late_second_use_ends_the_session(server: &TestServer) {
        let owner = server.owner("acme").await;
        let next = refresh(server, &owner.refresh_token).await.data();
        assert_ne!(next["refreshToken"], owner.refresh_token.as_str());
        let caller = server.anonymous().with_token(next["token"].as_str().unwrap());
        caller.get("/api/v1/auth/profile").await.is(200);

        server.clock().advance(TimeDelta::seconds(11));
        refresh(server, &owner.refresh_token).await.fails(401, "UNAUTHENTICATED");
        refresh(server, token(&next)).await.fails(401, "UNAUTHENTICATED");
        let ended = async || caller.get("/api/v1/auth/profile").await.status == 401;
        assert!(soon(ended).await, "the access token stops working, too");
        refresh(server, "nonsense").await.fails(401, "UNAUTHENTICATED");
    }

    async fn who_lost_the_answer_is_not_thrown_out(server: &TestServer) {
        let owner = server.owner("acme").await;
        refresh(server, &owner.refresh_token).await.is(200);
        server.clock().advance(TimeDelta::seconds(5));
        let second = refresh(server, &owner.refresh_token).await.data();
        server.clock().advance(TimeDelta::minutes(15));
        let third = refresh(server, token(&second)).await.data();
        let caller = server.anonymous().with_token(third["token"].as_str().unwrap());
        caller.get("/api/v1/auth/profile").await.is(200);
    }

    /// At two servers, as a load balancer would spread them.
    async fn sixteen_at_once_leave_one_chain_and_a_thief_ends_it(server: &TestServer) {
        let second = server.another().await;
        let owner = server.owner("acme").await;
        let tries = (0..16).map(|i| {
            refresh(if i % 2 == 0 { server } else { &second }, &owner.refresh_token)
        });
        let answers: Vec<Value> = join_all(tries).await.iter().map(Answer::data).collect();
        let kept = refresh(server, token(&answers[5])).await.data();
        server.clock().advance(TimeDelta::minutes(15));
        let next = refresh(&second, token(&kept)).await.data();
        let caller = server.anonymous().with_token(next["token"].as_str().unwrap());
        caller.get("/api/v1/auth/profile").await.is(200);

        server.clock().advance(TimeDelta::seconds(11));
        refresh(server, token(&answers[9])).await.fails(401, "UNAUTHENTICATED");
        refresh(&second, token(&next)).await.fails(401, "UNAUTHENTICATED");
        assert!(soon(async || caller.get("/api/v1/auth/profile").await.status == 401).await);
        second.stop().await;
    }

    async fn a_session_ends_where_it_is_not_refreshed_for_a_month(server: &TestServer) {
        let owner = server.owner("acme").await;
        let remembered = json!({"email": owner.email, "password": PASSWORD, "rememberMe": true});
        let remembered = server.anonymous().post("/api/v1/auth/login", remembered).await.data();
        server.clock().advance(TimeDelta::days(31));
        refresh(server, &owner.refresh_token).await.fails(401, "UNAUTHENTICATED");
        let next = refresh(server, token(&remembered)).await.data();
        // It slides: another ninety days from now.
        server.clock().advance(TimeDelta::days(89));
        let next = refresh(server, token(&next)).await.data();
        server.clock().advance(TimeDelta::days(91));
        refresh(server, token(&next)).await.fails(401, "UNAUTHENTICATED");
    }
}

#[tokio::test]
async fn a_grace_of_nothing_is_kept_to() {
    let server =
        TestServer::configured(|config| config.tokens.refresh_grace = "0s".parse().unwrap()).await;
    let owner = server.owner("acme").await;
    refresh(&server, &owner.refresh_token).await.is(200);
    refresh(&server, &owner.refresh_token).await.fails(401, "UNAUTHENTICATED");
    server.stop().await;
}
