//! `/auth/api-keys`: keys of programs, what they reach, and how they end.

use chrono::TimeDelta;
use crm_core::access::BuiltIn;
use serde_json::{Value, json};

use crate::support::{Client, Person, TestServer, for_each_store, soon};

const KEYS: &str = "/api/v1/auth/api-keys";
const CUSTOMERS: &str = "/api/v1/customers";

async fn made(person: &Person, scopes: Value) -> Value {
    let input = json!({"name": "Reports", "scopes": scopes});
    let answer = person.post(KEYS, input).await;
    answer.is(201);
    answer.data()
}

async fn key(person: &Person, scopes: Value) -> String {
    made(person, scopes).await["key"].as_str().unwrap().to_owned()
}

fn by(server: &TestServer, key: &str) -> Client {
    server.anonymous().with("X-API-Key", key)
}

for_each_store! {
    async fn a_key_is_shown_once_and_listed_by_how_it_begins(server: &TestServer) {
        let owner = server.owner("acme").await;
        let input = json!({
            "name": " Reports ", "scopes": ["clients:read"], "expiresAt": "2026-04-01T00:00:00Z"
        });
        let answer = owner.post(KEYS, input).await;
        answer.is(201);
        let made = answer.data();
        let (key, prefix) = (made["key"].as_str().unwrap(), made["prefix"].as_str().unwrap());
        assert!(key.starts_with(prefix) && prefix.len() == 12 && key.len() == 62, "{key}");
        let listed = owner.get(KEYS).await.data();
        assert_eq!(listed.as_array().unwrap().len(), 1);
        assert_eq!(listed[0]["name"], "Reports");
        assert_eq!(listed[0]["scopes"], json!(["clients:read"]));
        assert_eq!(listed[0]["expiresAt"], "2026-04-01T00:00:00Z");
        assert_eq!(listed[0]["lastUsedAt"], Value::Null);
        assert!(!listed.to_string().contains(key));
        assert_eq!(owner.get(answer.header("location")).await.data(), listed[0]);
        let colleague = server.colleague(&owner, BuiltIn::Admin).await;
        colleague.get(answer.header("location")).await.fails(404, "NOT_FOUND");
        colleague.delete(answer.header("location")).await.fails(404, "NOT_FOUND");
        assert_eq!(colleague.get(KEYS).await.data(), json!([]));
    }

    async fn it_comes_in_either_header_and_never_in_both(server: &TestServer) {
        let owner = server.owner("acme").await;
        let key = key(&owner, json!(["customers:read"])).await;
        by(server, &key).get(CUSTOMERS).await.is(200);
        let bearer = server.anonymous().with_token(&key);
        bearer.get(CUSTOMERS).await.is(200);
        for twice in [
            bearer.with("X-API-Key", &key),
            owner.with("X-API-Key", &key),
            by(server, &key).with("X-API-Key", &key),
        ] {
            twice.get(CUSTOMERS).await.fails(401, "UNAUTHENTICATED");
        }
        let spoilt = key.replace("crm_", "crm-");
        for bad in ["", "crm_", &key[..61], &spoilt, owner.token()] {
            by(server, bad).get(CUSTOMERS).await.fails(401, "UNAUTHENTICATED");
        }
    }

    async fn unknown_scopes_are_named_with_what_was_meant(server: &TestServer) {
        let owner = server.owner("acme").await;
        let input = json!({"name": "A", "scopes": ["customers:read", "customer:write"]});
        let body = owner.post(KEYS, input).await.fails(422, "UNKNOWN_SCOPE");
        assert_eq!(body["errors"][0]["field"], "scopes[1]");
        let message = body["errors"][0]["message"].as_str().unwrap();
        assert!(message.contains("did you mean customers:write?"), "{message}");
        owner.post(KEYS, json!({"name": "A", "scopes": []})).await.fails(422, "REQUIRED");
        owner.post(KEYS, json!({"name": "A"})).await.fails(422, "REQUIRED");
        let past = json!({"name": "A", "scopes": ["*"], "expiresAt": "2020-01-01T00:00:00Z"});
        owner.post(KEYS, past).await.fails(422, "OUT_OF_RANGE");
    }

    async fn scopes_narrow_what_its_user_may_at_that_moment(server: &TestServer) {
        let owner = server.owner("acme").await;
        let user = server.colleague(&owner, BuiltIn::Manager).await;
        let reads = by(server, &key(&user, json!(["clients:read"])).await);
        let writes = by(server, &key(&user, json!(["customers:write"])).await);
        let all = by(server, &key(&user, json!(["*"])).await);
        let customer = || json!({"companyName": "A"});
        reads.get(CUSTOMERS).await.is(200);
        reads.post(CUSTOMERS, customer()).await.fails(403, "FORBIDDEN");
        reads.get("/api/v1/companies").await.fails(403, "FORBIDDEN");
        writes.get(CUSTOMERS).await.fails(403, "FORBIDDEN");
        writes.post(CUSTOMERS, customer()).await.is(201);
        all.post("/api/v1/companies", json!({"name": "A"})).await.is(201);
        let permissions = reads.get("/api/v1/auth/permissions").await.data();
        assert_eq!(permissions, json!({"customers:read": "team", "customers:export": "team"}));
        let whole = all.get("/api/v1/auth/permissions").await.data();
        assert_eq!(whole, user.get("/api/v1/auth/permissions").await.data());

        let path = format!("/api/v1/users/{}", user.user);
        owner.patch(&path, json!({"roles": ["employee"]})).await.is(200);
        all.post("/api/v1/companies", json!({"name": "B"})).await.fails(403, "FORBIDDEN");
        writes.post(CUSTOMERS, customer()).await.fails(403, "FORBIDDEN");
        reads.get(CUSTOMERS).await.is(200);
    }

    async fn no_key_reaches_credentials_or_rights(server: &TestServer) {
        let owner = server.owner("acme").await;
        let program = by(server, &key(&owner, json!(["*"])).await);
        program.get("/api/v1/auth/profile").await.is(200);
        program.get("/api/v1/auth/me").await.is(200);
        let me = format!("/api/v1/users/{}", owner.user);
        program.get(&me).await.is(200);
        for path in [KEYS, "/api/v1/tenants", "/api/v1/users/roles", "/api/roles/"] {
            program.get(path).await.fails(403, "NOT_BY_KEY");
        }
        let input = json!({"name": "B", "scopes": ["*"]});
        program.post(KEYS, input).await.fails(403, "NOT_BY_KEY");
        program.post("/api/v1/auth/logout", json!({})).await.fails(403, "NOT_BY_KEY");
        let to = json!({"tenantId": owner.tenant});
        program.post("/api/v1/auth/switch-tenant", to).await.fails(403, "NOT_BY_KEY");
        program.patch(&me, json!({"title": "Boss"})).await.fails(403, "NOT_BY_KEY");
        let tenant = format!("/api/v1/tenants/{}", owner.tenant);
        program.get(&tenant).await.is(200);
        program.delete(&tenant).await.fails(403, "NOT_BY_KEY");
        // Who is nobody is told so first.
        by(server, "crm_nothing").get(KEYS).await.fails(401, "UNAUTHENTICATED");
    }

    async fn a_key_is_good_in_its_tenant_only(server: &TestServer) {
        let (acme, other) = (server.owner("acme").await, server.owner("other").await);
        // Its user works in both.
        server.join(&other, acme.user.parse().unwrap(), BuiltIn::Owner).await;
        let program = by(server, &key(&acme, json!(["*"])).await);
        program.with("X-Tenant-ID", &acme.tenant).get(CUSTOMERS).await.is(200);
        program.get(&format!("/api/v1/tenants/{}/customers", acme.tenant)).await.is(200);
        for elsewhere in [&*other.tenant, "0197d8a0-0000-7000-8000-000000000000", "x"] {
            let there = program.with("X-Tenant-ID", elsewhere);
            there.get(CUSTOMERS).await.fails(403, "NOT_A_MEMBER");
        }
        for path in ["customers", "members"] {
            let path = format!("/api/v1/tenants/{}/{path}", other.tenant);
            program.get(&path).await.fails(404, "NOT_FOUND");
        }
        program.get(&format!("/api/v1/tenants/{}", other.tenant)).await.fails(404, "NOT_FOUND");
        assert_eq!(program.get("/api/v1/auth/profile").await.data()["tenant"]["name"], "acme");
    }

    async fn a_key_ends_everywhere_with_all_that_it_rests_on(server: &TestServer) {
        let second = server.another().await;
        let owner = server.owner("acme").await;
        let user = server.colleague(&owner, BuiltIn::User).await;
        let leaver = server.colleague(&owner, BuiltIn::User).await;
        let revoked = made(&user, json!(["*"])).await;
        let secret = revoked["key"].as_str().unwrap();
        let (here, there) = (by(server, secret), by(&second, secret));
        here.get(CUSTOMERS).await.is(200);
        there.get(CUSTOMERS).await.is(200);
        let one = format!("{KEYS}/{}", revoked["id"].as_str().unwrap());
        user.delete(&one).await.is(200);
        here.get(CUSTOMERS).await.fails(401, "UNAUTHENTICATED");
        let dead = async |client: &Client| client.get(CUSTOMERS).await.status == 401;
        assert!(soon(async || dead(&there).await).await, "revoked");

        let (of_user, of_leaver) = (key(&user, json!(["*"])).await, key(&leaver, json!(["*"])).await);
        let of_owner = key(&owner, json!(["*"])).await;
        let [of_user, of_leaver, of_owner] =
            [of_user, of_leaver, of_owner].map(|key| by(&second, &key));
        for client in [&of_user, &of_leaver, &of_owner] {
            client.get(CUSTOMERS).await.is(200);
        }
        let path = format!("/api/v1/users/{}", user.user);
        owner.patch(&format!("{path}/status"), json!({"status": "inactive"})).await.is(200);
        assert!(soon(async || dead(&of_user).await).await, "deactivated");
        owner.patch(&format!("{path}/status"), json!({"status": "active"})).await.is(200);
        assert!(dead(&of_user).await, "for good");
        owner.delete(&format!("/api/v1/users/{}", leaver.user)).await.is(200);
        assert!(soon(async || dead(&of_leaver).await).await, "left");
        of_owner.get(CUSTOMERS).await.is(200);
        server.app().crm().system().suspend(owner.tenant.parse().unwrap()).await.unwrap();
        assert!(soon(async || dead(&of_owner).await).await, "suspended");
        second.stop().await;
    }

    async fn roles_taken_away_are_gone_for_the_key_everywhere(server: &TestServer) {
        let second = server.another().await;
        let owner = server.owner("acme").await;
        let user = server.colleague(&owner, BuiltIn::Manager).await;
        let there = by(&second, &key(&user, json!(["*"])).await);
        let create = async || there.post(CUSTOMERS, json!({"companyName": "A"})).await.status;
        assert_eq!(create().await, 201);
        let path = format!("/api/v1/users/{}", user.user);
        owner.patch(&path, json!({"roles": ["readonly"]})).await.is(200);
        assert!(soon(async || create().await == 403).await);
        second.stop().await;
    }

    async fn an_expired_key_is_none(server: &TestServer) {
        let owner = server.owner("acme").await;
        let input = json!({
            "name": "A", "scopes": ["*"], "expiresAt": "2026-03-16T09:35:00Z"
        });
        let key = owner.post(KEYS, input).await.data()["key"].as_str().unwrap().to_owned();
        let program = by(server, &key);
        program.get(CUSTOMERS).await.is(200);
        server.clock().advance(TimeDelta::minutes(5));
        program.get(CUSTOMERS).await.fails(401, "UNAUTHENTICATED");
    }

    async fn the_last_use_is_kept_and_not_with_every_request(server: &TestServer) {
        let owner = server.owner("acme").await;
        let program = by(server, &key(&owner, json!(["*"])).await);
        let used = async || owner.get(KEYS).await.data()[0]["lastUsedAt"].clone();
        program.get(CUSTOMERS).await.is(200);
        let first = used().await;
        assert!(first.is_string());
        assert_eq!(owner.get(KEYS).await.data()[0]["lastAddress"], "127.0.0.1");
        server.clock().advance(TimeDelta::minutes(9));
        program.get(CUSTOMERS).await.is(200);
        assert_eq!(used().await, first);
        server.clock().advance(TimeDelta::minutes(1));
        program.get(CUSTOMERS).await.is(200);
        assert_ne!(used().await, first);
    }

    async fn a_request_under_a_key_of_its_own_is_not_answered_as_its_user_was(server: &TestServer) {
        let owner = server.owner("acme").await;
        let program = by(server, &key(&owner, json!(["customers:write"])).await);
        let customer = || json!({"companyName": "A"});
        owner.with("Idempotency-Key", "k1").post(CUSTOMERS, customer()).await.is(201);
        let again = program.with("Idempotency-Key", "k1").post(CUSTOMERS, customer()).await;
        again.fails(422, "IDEMPOTENCY_KEY_REUSED");
        let own = async || program.with("Idempotency-Key", "k2").post(CUSTOMERS, customer()).await;
        let (first, second) = (own().await, own().await);
        assert_eq!(first.is(201), second.is(201));
    }
}
