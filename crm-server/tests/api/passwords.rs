//! `/auth/change-password` and `PUT /auth/profile`; and hashes that are made anew.

use crm_core::users::UserId;
use serde_json::{Value, json};

use crate::support::{PASSWORD, TestServer, for_each_store, soon};

const CHANGE: &str = "/api/v1/auth/change-password";
const PROFILE: &str = "/api/v1/auth/profile";
const NEW: &str = "a seat by the window";

for_each_store! {
    async fn a_changed_password_ends_all_other_sessions_on_all_servers(server: &TestServer) {
        let second = server.another().await;
        let owner = server.owner("acme").await;
        let other = server.sign_in(&owner.email).await;
        let there = second.here(&other);
        there.get(PROFILE).await.is(200);
        let input = json!({"currentPassword": PASSWORD, "newPassword": NEW});
        let answer = owner.post(CHANGE, input).await;
        assert_eq!(answer.data(), json!({"ended": 1}));
        other.get(PROFILE).await.fails(401, "UNAUTHENTICATED");
        assert!(soon(async || there.get(PROFILE).await.status == 401).await);
        owner.get(PROFILE).await.is(200);
        let login = |password: &str| json!({"email": owner.email, "password": password});
        let nobody = server.anonymous();
        nobody.post("/api/v1/auth/login", login(PASSWORD)).await.fails(401, "UNAUTHENTICATED");
        nobody.post("/api/v1/auth/login", login(NEW)).await.is(200);
        second.stop().await;
    }

    async fn a_new_password_must_be_a_good_one_and_the_old_one_known(server: &TestServer) {
        let owner = server.owner("acme").await;
        for (current, new, field, code) in [
            ("wrong password", NEW, "currentPassword", "WRONG_PASSWORD"),
            (PASSWORD, "short", "newPassword", "TOO_SHORT"),
            (PASSWORD, "Passw0rd", "newPassword", "COMMON_PASSWORD"),
            (PASSWORD, "owner@acme.example", "newPassword", "OWN_NAME"),
        ] {
            let input = json!({"currentPassword": current, "newPassword": new});
            let answer = owner.post(CHANGE, input).await;
            let body = answer.fails(422, code);
            assert_eq!(body["errors"][0]["field"], field);
            assert!(!body.to_string().contains(new), "{body}");
        }
        let input = json!({"email": "eve@example.com", "password": "iloveyou"});
        server.anonymous().post("/api/v1/auth/signup", input).await.fails(422, "COMMON_PASSWORD");
        let input = json!({"email": "eve@example.com", "password": "trustno1", "roles": ["user"]});
        owner.post("/api/v1/users", input).await.fails(422, "COMMON_PASSWORD");
    }

    async fn one_changes_ones_own_profile_but_not_the_address(server: &TestServer) {
        let owner = server.owner("acme").await;
        let input = json!({
            "name": "Ada King", "username": "countess", "locale": "en-gb",
            "phone": "+44 20 7946 0018", "preferences": {"theme": "dark"}, "email": owner.email
        });
        let profile = owner.put(PROFILE, input).await.data();
        assert_eq!(profile["user"]["locale"], "en-GB");
        assert_eq!(profile["phone"], "+442079460018");
        for path in [PROFILE, "/api/v1/auth/me", "/api/users/me"] {
            assert_eq!(owner.get(path).await.data(), profile, "{path}");
        }
        let member = owner.get(&format!("/api/v1/users/{}", owner.user)).await.data();
        assert_eq!((&member["name"], &member["phone"]), (&json!("Ada King"), &profile["phone"]));

        let moved = json!({"name": "Ada", "email": "elsewhere@example.com"});
        let body = owner.put("/api/v1/auth/me", moved).await.fails(422, "EMAIL_UNPROVEN");
        assert_eq!(body["errors"][0]["field"], "email");
        let stale = json!({"name": "Ada", "version": 1});
        owner.put("/api/users/me", stale).await.fails(412, "STALE_VERSION");
        owner.put(PROFILE, json!({"name": " "})).await.fails(422, "REQUIRED");
        owner.put(PROFILE, json!({"name": "Ada", "role": "owner"})).await.fails(400, "UNKNOWN_FIELD");
        // What is left out is cleared.
        let bare = owner.put(PROFILE, json!({"name": "Ada"})).await.data();
        assert_eq!((&bare["user"]["username"], &bare["phone"]), (&Value::Null, &Value::Null));
    }

    async fn a_hash_of_other_parameters_is_made_anew_when_its_owner_signs_in(server: &TestServer) {
        let owner = server.owner("acme").await;
        let id: UserId = owner.user.parse().unwrap();
        let hash = async |server: &TestServer| {
            server.app().crm().auth().user(id).await.unwrap().password.unwrap()
        };
        let before = hash(server).await;
        assert!(before.contains("$m=64,t=1,p=1$"), "{before}");
        let second = server.another_with(|config| {
            (config.passwords.memory_kib, config.passwords.iterations) = (128, 2);
        }).await;
        let wrong = json!({"email": owner.email, "password": "wrong password"});
        second.anonymous().post("/api/v1/auth/login", wrong).await.fails(401, "UNAUTHENTICATED");
        assert_eq!(hash(server).await, before, "whoever does not know the password changes nothing");
        second.sign_in(&owner.email).await;
        let after = hash(server).await;
        assert!(after.contains("$m=128,t=2,p=1$"), "{after}");
        second.sign_in(&owner.email).await;
        assert_eq!(hash(server).await, after, "and once only");
        second.stop().await;
    }
}

#[tokio::test]
async fn an_operator_may_ask_for_longer_passwords() {
    let server = TestServer::configured(|config| config.passwords.min_length = 30).await;
    let input = json!({"email": "ada@example.com", "password": PASSWORD});
    server.anonymous().post("/api/v1/auth/signup", input).await.fails(422, "TOO_SHORT");
    server.stop().await;
}
