//! `/auth/sessions`: which there are, and that those which end have ended on every server.

use chrono::TimeDelta;
use crm_core::access::BuiltIn;
use serde_json::{Value, json};

use crate::support::{PASSWORD, Person, TestServer, for_each_store, soon};

const SESSIONS: &str = "/api/v1/auth/sessions";
const FIREFOX: &str =
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0";

async fn sessions(person: &Person) -> Vec<Value> {
    person.get(SESSIONS).await.data().as_array().unwrap().clone()
}

fn one(id: &Value) -> String {
    format!("{SESSIONS}/{}", id.as_str().unwrap())
}

for_each_store! {
    async fn one_sees_on_which_devices_one_is_signed_in(server: &TestServer) {
        let owner = server.owner("acme").await;
        server.clock().advance(TimeDelta::minutes(1));
        let login = json!({"email": owner.email, "password": PASSWORD, "rememberMe": true});
        let firefox = server.anonymous().with("user-agent", FIREFOX);
        let session = firefox.post("/api/v1/auth/login", login).await.data();
        let all = sessions(&owner).await;
        assert_eq!(all.len(), 2);
        let (browser, first) = (&all[0], &all[1]);
        assert_eq!(browser["device"], "Firefox on Windows");
        assert_eq!(browser["userAgent"], FIREFOX);
        assert_eq!(browser["ipAddress"], "127.0.0.1");
        assert_eq!((&browser["remembered"], &browser["current"]), (&json!(true), &json!(false)));
        assert_eq!(browser["expiresAt"], session["refreshExpiresAt"]);
        assert_eq!((&first["remembered"], &first["current"]), (&json!(false), &json!(true)));
        assert_eq!(first["tenantId"], owner.tenant.as_str());
        assert_eq!((&first["device"], &first["methods"]), (&Value::Null, &json!(["pwd"])));
        let text = all.iter().map(Value::to_string).collect::<String>();
        assert!(!text.contains(&owner.refresh_token), "{text}");
    }

    async fn use_is_noted_by_whichever_server_sees_it(server: &TestServer) {
        let owner = server.owner("acme").await;
        let began = sessions(&owner).await[0]["lastUsedAt"].clone();
        server.clock().advance(TimeDelta::minutes(6));
        // It has not asked for this session yet, and so reads it.
        let second = server.another().await;
        let there = second.here(&owner);
        there.get("/api/v1/auth/profile").await.is(200);
        let used = sessions(&owner).await[0]["lastUsedAt"].clone();
        assert_ne!(used, began);
        assert_eq!(used, json!("2026-03-16T09:36:00Z"));
        second.stop().await;
    }

    async fn a_session_that_one_ends_is_over_on_all_servers(server: &TestServer) {
        let second = server.another().await;
        let owner = server.owner("acme").await;
        let stolen = server.sign_in(&owner.email).await;
        let there = second.here(&stolen);
        for caller in [&stolen, &there] {
            caller.get("/api/v1/auth/profile").await.is(200);
        }
        let all = sessions(&owner).await;
        let theirs = all.iter().find(|session| session["current"] == false).unwrap();
        owner.delete(&one(&theirs["id"])).await.is(200);
        stolen.get("/api/v1/auth/profile").await.fails(401, "UNAUTHENTICATED");
        assert!(soon(async || there.get("/api/v1/auth/profile").await.status == 401).await);
        let body = json!({"refreshToken": stolen.refresh_token});
        let refresh = second.anonymous().post("/api/v1/auth/refresh", body).await;
        refresh.fails(401, "UNAUTHENTICATED");
        owner.get("/api/v1/auth/profile").await.is(200);
        owner.delete(&one(&theirs["id"])).await.fails(404, "NOT_FOUND");
        second.stop().await;
    }

    async fn all_others_are_over_on_all_servers(server: &TestServer) {
        let second = server.another().await;
        let owner = server.owner("acme").await;
        let (one, two) = (server.sign_in(&owner.email).await, server.sign_in(&owner.email).await);
        let others = [second.here(&one), second.here(&two)];
        for other in &others {
            other.get("/api/v1/customers").await.is(200);
        }
        let ended = owner.delete(SESSIONS).await;
        assert_eq!(ended.data(), json!({"ended": 2}));
        for other in &others {
            assert!(soon(async || other.get("/api/v1/customers").await.status == 401).await);
        }
        one.get("/api/v1/customers").await.fails(401, "UNAUTHENTICATED");
        second.here(&owner).get("/api/v1/customers").await.is(200);
        assert_eq!(sessions(&owner).await.len(), 1);
        assert_eq!(owner.delete(SESSIONS).await.data(), json!({"ended": 0}));
        second.stop().await;
    }

    async fn nobody_ends_the_sessions_of_anybody_else(server: &TestServer) {
        let owner = server.owner("acme").await;
        let user = server.colleague(&owner, BuiltIn::User).await;
        let theirs = sessions(&user).await[0]["id"].clone();
        let ours = sessions(&owner).await[0]["id"].clone();
        assert_ne!(theirs, ours);
        // Not even an owner those of a member; and what is not there is answered alike.
        let there = owner.delete(&one(&theirs)).await.fails(404, "NOT_FOUND");
        let nowhere = json!("0197d8a0-0000-7000-8000-000000000000");
        let not = owner.delete(&one(&nowhere)).await.fails(404, "NOT_FOUND");
        let said = |body: &Value, id: &Value| {
            body["message"].as_str().unwrap().replace(id.as_str().unwrap(), "…")
        };
        assert_eq!(said(&there, &theirs), said(&not, &nowhere));
        user.delete(&one(&ours)).await.fails(404, "NOT_FOUND");
        user.get("/api/v1/auth/profile").await.is(200);
        owner.get("/api/v1/auth/profile").await.is(200);
        server.anonymous().get(SESSIONS).await.fails(401, "UNAUTHENTICATED");
        owner.delete(&format!("{SESSIONS}/x")).await.fails(400, "INVALID_PARAMETER");
    }

    async fn ending_the_session_at_hand_signs_out_with_what_it_was_switched_to(server: &TestServer) {
        let (acme, other) = (server.owner("acme").await, server.owner("other").await);
        server.join(&other, acme.user.parse().unwrap(), BuiltIn::Readonly).await;
        let switch = json!({"tenantId": other.tenant});
        let there = acme.post("/api/v1/auth/switch-tenant", switch).await.data();
        let there = server.anonymous().with_token(there["token"].as_str().unwrap());
        there.get("/api/v1/customers").await.is(200);
        let all = sessions(&acme).await;
        assert_eq!(all.len(), 2);
        let own = all.iter().find(|session| session["current"] == true).unwrap();
        acme.delete(&one(&own["id"])).await.is(200);
        acme.get("/api/v1/auth/profile").await.fails(401, "UNAUTHENTICATED");
        there.get("/api/v1/customers").await.fails(401, "UNAUTHENTICATED");
    }
}
