//! A session that an attacker knows already, given to somebody before they sign in.
//!
//! What came back: each sign-in makes a session of its own with tokens of its own, whatever the
//! request brought along; nothing that was there before is let in as whoever signed in, and what
//! ends a session ends the attacker's copy of it.

use serde_json::json;

use crate::support::{PASSWORD, TestServer, for_each_store};

const PROFILE: &str = "/api/v1/auth/profile";
const LOGIN: &str = "/api/v1/auth/login";

for_each_store! {
    async fn nothing_that_a_request_brings_becomes_the_session(server: &TestServer) {
        let (eve, ada) = (server.owner("eves").await, server.owner("adas").await);
        let input = json!({"email": ada.email, "password": PASSWORD});
        let session = eve.refresh_token.clone();
        let cookie = format!("session={session}; sid={session}; token={}", eve.token());
        // Ada's browser signs in with what Eve put into it.
        let planted = [
            server.anonymous().with("Cookie", &cookie),
            server.anonymous().with_token(eve.token()),
            server.anonymous().with("X-Session-ID", &session),
        ];
        for caller in planted {
            let answer = caller.post(LOGIN, input.clone()).await;
            answer.is(200);
            let data = answer.data();
            assert_ne!(data["token"], eve.token());
            assert_ne!(data["refreshToken"], session.as_str());
            assert!(answer.headers.get("set-cookie").is_none(), "there are no cookies");
            // Eve is who she was.
            let profile = eve.get(PROFILE).await.data();
            assert_eq!(profile["user"]["id"], eve.user, "{profile}");
        }
        let query = format!("{LOGIN}?session={session}&refreshToken={session}");
        let answer = server.anonymous().post(&query, input.clone()).await;
        assert!(answer.status == 400 || answer.data()["refreshToken"] != session.as_str());
        // A session is not for the caller to name.
        for field in ["refreshToken", "sessionId", "session", "sid", "token"] {
            let mut input = input.clone();
            input[field] = json!(session);
            server.anonymous().post(LOGIN, input).await.fails(400, "UNKNOWN_FIELD");
        }
    }

    async fn each_sign_in_is_another_session_and_a_switch_leaves_the_one_before(server: &TestServer) {
        let ada = server.owner("acme").await;
        let other = server.owner("other").await;
        server.join(&other, ada.user.parse().unwrap(), crm_core::access::BuiltIn::User).await;
        let again = server.sign_in(&ada.email).await;
        assert!(again.token() != ada.token() && again.refresh_token != ada.refresh_token);
        let input = json!({"tenantId": other.tenant});
        let switched = again.post("/api/v1/auth/switch-tenant", input).await;
        switched.is(200);
        let switched = switched.data();
        assert_ne!(switched["refreshToken"], again.refresh_token.as_str());
        // Signing out of what was switched to ends what an attacker kept of before.
        let there = server.anonymous().with_token(switched["token"].as_str().unwrap());
        let out = json!({"refreshToken": switched["refreshToken"]});
        there.post("/api/v1/auth/logout", out).await.is(200);
        let kept = json!({"refreshToken": again.refresh_token});
        server.anonymous().post("/api/v1/auth/refresh", kept).await.fails(401, "UNAUTHENTICATED");
        again.get(PROFILE).await.fails(401, "UNAUTHENTICATED");
        ada.get(PROFILE).await.is(200);
    }
}
