//! `/auth`: signing up, in and out, and who one is.

use chrono::TimeDelta;
use crm_core::access::BuiltIn;
use serde_json::{Value, json};

use crate::support::{PASSWORD, TestServer, for_each_store, soon};

for_each_store! {
    async fn signing_up_with_a_tenant_makes_one_its_owner(server: &TestServer) {
        let input = json!({
            "email": "Ada@Example.com", "password": PASSWORD, "name": "Ada", "tenantName": "Engines"
        });
        let answer = server.anonymous().post("/api/v1/auth/signup", input).await;
        answer.is(201);
        assert_eq!(answer.header("location"), "/api/v1/auth/profile");
        let session = answer.data();
        assert_eq!(session["tenant"]["name"], "Engines");
        assert_eq!(session["roles"], json!(["owner"]));
        assert_eq!(session["permissions"]["customers:delete"], "all");
        assert_eq!((&session["tokenType"], &session["expiresIn"]), (&json!("Bearer"), &json!(900)));
        let text = answer.json().to_string();
        assert!(!text.contains("argon2") && !text.contains(PASSWORD), "{text}");

        let caller = server.anonymous().with_token(session["token"].as_str().unwrap());
        for path in ["/api/v1/auth/profile", "/api/v1/auth/me", "/api/users/me/"] {
            let profile = caller.get(path).await.data();
            assert_eq!(profile["user"]["name"], "Ada");
            assert_eq!(profile["tenant"]["name"], "Engines");
        }
        assert_eq!(caller.get("/api/v1/auth/roles").await.data(), json!(["owner"]));
        let permissions = caller.get("/api/v1/auth/permissions").await.data();
        assert_eq!(permissions["customers:export"], "all");
    }

    async fn all_faults_of_a_sign_up_are_named_at_once(server: &TestServer) {
        let input = json!({"email": "nowhere", "password": "short", "tenantName": " "});
        let body = server.anonymous().post("/api/v1/auth/signup", input).await.is(422);
        let fields: Vec<&str> =
            body["errors"].as_array().unwrap().iter().filter_map(|e| e["field"].as_str()).collect();
        assert_eq!(fields, ["email", "password", "tenantName"]);
    }

    async fn an_address_is_taken_once_whatever_its_case(server: &TestServer) {
        let input = |email: &str| json!({"email": email, "password": PASSWORD});
        let caller = server.anonymous();
        caller.post("/api/v1/auth/signup", input("ada@example.com")).await.is(201);
        let answer = caller.post("/api/v1/auth/signup", input("ADA@example.com")).await;
        answer.fails(409, "DUPLICATE");
    }

    async fn one_signs_in_by_address_or_by_name(server: &TestServer) {
        let caller = server.anonymous();
        let input = json!({"email": "ada@example.com", "username": "ada", "password": PASSWORD});
        caller.post("/api/v1/auth/signup", input).await.is(201);
        for who in [json!({"email": "ADA@example.com"}), json!({"username": "ada"})] {
            let mut input = who;
            input["password"] = json!(PASSWORD);
            let session = caller.post("/api/v1/auth/login", input).await.data();
            assert_eq!(session["user"]["username"], "ada");
            assert_eq!(session["tenant"], Value::Null, "she works in none");
        }
    }

    async fn wrong_credentials_are_401_and_say_no_more(server: &TestServer) {
        server.owner("acme").await;
        let caller = server.anonymous();
        let wrong = [
            json!({"email": "owner@acme.example", "password": "wrong password"}),
            json!({"email": "nobody@acme.example", "password": PASSWORD}),
            json!({"email": "owner@acme.example", "password": ""}),
            json!({"password": PASSWORD}),
            json!({"email": "owner@acme.example", "password": PASSWORD,
                   "tenantId": "0197d8a0-0000-7000-8000-000000000000"}),
        ];
        let mut messages = Vec::new();
        for input in wrong {
            let answer = caller.post("/api/v1/auth/login", input).await;
            messages.push(answer.fails(401, "UNAUTHENTICATED")["message"].clone());
            assert_eq!(answer.header("www-authenticate"), "Bearer");
        }
        messages.dedup();
        assert_eq!(messages.len(), 1);
    }

    async fn one_signs_in_to_the_tenant_one_names(server: &TestServer) {
        let (acme, other) = (server.owner("acme").await, server.owner("other").await);
        server.join(&other, acme.user.parse().unwrap(), BuiltIn::Readonly).await;
        let login = json!({"email": acme.email, "password": PASSWORD, "tenantId": other.tenant});
        let session = server.anonymous().post("/api/v1/auth/login", login).await.data();
        assert_eq!(session["tenant"]["id"], other.tenant);
        assert_eq!(session["roles"], json!(["readonly"]));
        assert_eq!(session["tenants"].as_array().unwrap().len(), 2);
    }

    async fn signing_out_ends_the_session_at_once(server: &TestServer) {
        let owner = server.owner("acme").await;
        owner.get("/api/v1/auth/profile").await.is(200);
        let again = server.sign_in(&owner.email).await;
        owner.send(hyper::Method::POST, "/api/v1/auth/logout", None).await.is(200);
        owner.get("/api/v1/auth/profile").await.fails(401, "UNAUTHENTICATED");
        again.get("/api/v1/auth/profile").await.is(200);

        // An access token is not needed where the refresh token is there.
        let body = json!({"refreshToken": again.refresh_token});
        server.anonymous().post("/api/v1/auth/logout", body).await.is(200);
        again.get("/api/v1/auth/profile").await.fails(401, "UNAUTHENTICATED");
        let answer = server.anonymous().post("/api/v1/auth/logout", json!({})).await;
        answer.fails(401, "UNAUTHENTICATED");
    }

    async fn a_session_that_ends_elsewhere_ends_here_within_a_second(server: &TestServer) {
        let owner = server.owner("acme").await;
        owner.get("/api/v1/auth/profile").await.is(200);
        // As another server over the same store would.
        server.app().crm().auth().sign_out(&owner.refresh_token).await.unwrap();
        let ended = async || owner.get("/api/v1/auth/profile").await.status == 401;
        assert!(soon(ended).await);
    }

    async fn an_access_token_holds_for_a_quarter_of_an_hour(server: &TestServer) {
        let owner = server.owner("acme").await;
        server.clock().advance(TimeDelta::minutes(14));
        owner.get("/api/v1/auth/profile").await.is(200);
        server.clock().advance(TimeDelta::minutes(2));
        owner.get("/api/v1/auth/profile").await.fails(401, "TOKEN_EXPIRED");
    }

    async fn a_body_that_cannot_be_read_says_why(server: &TestServer) {
        let caller = server.anonymous();
        let path = "/api/v1/auth/login";
        let send = async |text: &'static str| {
            caller.send_bytes(hyper::Method::POST, path, Some("application/json"), text).await
        };
        send("{").await.fails(400, "INVALID_JSON");
        send("[]").await.fails(400, "INVALID_VALUE");
        send(r#"{"password": "a", "password": "b"}"#).await.fails(400, "DUPLICATE_FIELD");
        let body = send(r#"{"password": 7}"#).await.fails(400, "INVALID_VALUE");
        assert_eq!(body["errors"][0]["field"], "password");
        let body = send(r#"{"passwort": "a"}"#).await.fails(400, "UNKNOWN_FIELD");
        assert_eq!(body["errors"][0]["field"], "passwort");
        let answer = caller.send_bytes(hyper::Method::POST, path, Some("text/plain"), "{}").await;
        answer.fails(415, "UNSUPPORTED_MEDIA_TYPE");
        let large = vec![b' '; (1 << 20) + 1];
        let answer = caller.send_bytes(hyper::Method::POST, path, Some("application/json"), large).await;
        answer.fails(413, "BODY_TOO_LARGE");
    }
}
