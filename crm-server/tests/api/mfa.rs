//! A second factor: got, asked for, required by tenants and roles, and taken away.

use chrono::TimeDelta;
use crm_core::Clock;
use crm_core::access::BuiltIn;
use crm_core::auth::one_time_password;
use serde_json::{Value, json};

use crate::support::{Answer, Backend, Client, PASSWORD, Person, TestServer, for_each_store, soon};

const TOTP: &str = "/api/v1/auth/mfa/totp";
const CONFIRM: &str = "/api/v1/auth/mfa/totp/confirm";
const CODES: &str = "/api/v1/auth/mfa/recovery-codes";

fn code(server: &TestServer, secret: &str) -> String {
    one_time_password(secret, server.clock().now()).unwrap()
}

/// Gives somebody a second factor: its secret, and the recovery codes.
async fn enrol(server: &TestServer, caller: &Client) -> (String, Vec<Value>) {
    let begun = caller.post(TOTP, json!({"password": PASSWORD})).await.data();
    let secret = begun["secret"].as_str().unwrap().to_owned();
    let shown = json!({"code": code(server, &secret)});
    let codes = caller.post(CONFIRM, shown).await.data()["recoveryCodes"].clone();
    server.clock().advance(TimeDelta::seconds(30));
    (secret, codes.as_array().unwrap().clone())
}

async fn login(server: &TestServer, email: &str) -> Value {
    let input = json!({"email": email, "password": PASSWORD});
    server.anonymous().post("/api/v1/auth/login", input).await.data()
}

async fn finish(server: &TestServer, challenge: &Value, code: &Value) -> Answer {
    let input = json!({"mfaToken": challenge["mfaToken"], "code": code});
    server.anonymous().post("/api/v1/auth/login/mfa", input).await
}

fn caller(server: &TestServer, session: &Value) -> Client {
    server.anonymous().with_token(session["token"].as_str().unwrap())
}

async fn require_mfa(owner: &Person, required: bool) {
    let path = format!("/api/v1/tenants/{}", owner.tenant);
    owner.patch(&path, json!({"requireMfa": required})).await.is(200);
}

for_each_store! {
    async fn one_signs_in_with_password_and_code_at_any_server(server: &TestServer) {
        let second = server.another().await;
        let owner = server.owner("acme").await;
        let begun = owner.post(TOTP, json!({"password": PASSWORD})).await.data();
        let secret = begun["secret"].as_str().unwrap();
        let uri = begun["otpauthUri"].as_str().unwrap();
        assert!(uri.starts_with("otpauth://totp/CRM:owner%40acme.example?secret="), "{uri}");
        assert!(begun["qrCode"].as_str().unwrap().starts_with("data:image/png;base64,iVBORw0KGgo"));
        owner.post(TOTP, json!({"password": "wrong"})).await.fails(422, "WRONG_PASSWORD");
        owner.post(CONFIRM, json!({"code": "000000"})).await.fails(422, "INVALID_CODE");
        let other = server.sign_in(&owner.email).await;
        let there = second.here(&other);
        there.get("/api/v1/customers").await.is(200);
        let confirmed = owner.post(CONFIRM, json!({"code": code(server, secret)})).await.data();
        assert_eq!(confirmed["recoveryCodes"].as_array().unwrap().len(), 10);
        assert!(soon(async || there.get("/api/v1/customers").await.status == 401).await);
        owner.get("/api/v1/customers").await.is(200);
        owner.post(TOTP, json!({"password": PASSWORD})).await.fails(409, "MFA_ON");

        server.clock().advance(TimeDelta::seconds(30));
        let challenge = login(server, &owner.email).await;
        assert_eq!((&challenge["mfaRequired"], &challenge["expiresIn"]), (&json!(true), &json!(300)));
        assert!(challenge.get("token").is_none() && challenge.get("refreshToken").is_none());
        let shown = json!(code(server, secret));
        let session = finish(&second, &challenge, &shown).await.data();
        caller(&second, &session).get("/api/v1/customers").await.is(200);
        let live = caller(server, &session).get("/api/v1/auth/sessions").await.data();
        assert_eq!(live[0]["methods"], json!(["pwd", "otp"]));
        // Neither the token nor the code a second time.
        finish(server, &challenge, &shown).await.fails(401, "UNAUTHENTICATED");
        let again = login(server, &owner.email).await;
        finish(server, &again, &shown).await.fails(422, "INVALID_CODE");
        finish(server, &json!({"mfaToken": "x"}), &shown).await.fails(401, "UNAUTHENTICATED");
        second.stop().await;
    }

    async fn a_lost_phone_is_stood_in_for_once_by_each_recovery_code(server: &TestServer) {
        let owner = server.owner("acme").await;
        let (secret, codes) = enrol(server, &owner).await;
        let session = finish(server, &login(server, &owner.email).await, &codes[0]).await.data();
        finish(server, &login(server, &owner.email).await, &codes[0]).await.fails(422, "INVALID_CODE");
        let me = caller(server, &session);
        me.post(CODES, json!({"code": "000000"})).await.fails(422, "INVALID_CODE");
        let renewed = me.post(CODES, json!({"code": codes[1]})).await.data();
        finish(server, &login(server, &owner.email).await, &codes[2]).await.fails(422, "INVALID_CODE");
        let fresh = &renewed["recoveryCodes"];
        finish(server, &login(server, &owner.email).await, &fresh[0]).await.is(200);

        let remove = async |password: &str, code: Value| {
            me.send(hyper::Method::DELETE, TOTP, Some(json!({"password": password, "code": code}))).await
        };
        remove("wrong", fresh[1].clone()).await.fails(422, "WRONG_PASSWORD");
        remove(PASSWORD, json!("000000")).await.fails(422, "INVALID_CODE");
        remove(PASSWORD, json!(code(server, &secret))).await.is(200);
        assert!(login(server, &owner.email).await["token"].is_string());
        remove(PASSWORD, json!("000000")).await.fails(409, "MFA_OFF");
    }

    async fn whoever_must_have_one_may_only_get_one(server: &TestServer) {
        let owner = server.owner("acme").await;
        require_mfa(&owner, true).await;
        owner.get("/api/v1/customers").await.fails(403, "MFA_REQUIRED");
        let path = format!("/api/v1/tenants/{}", owner.tenant);
        owner.patch(&path, json!({"requireMfa": false})).await.fails(403, "MFA_REQUIRED");
        owner.put("/api/v1/auth/profile", json!({"name": "Ada"})).await.fails(403, "MFA_REQUIRED");
        owner.get("/api/v1/auth/profile").await.is(200);
        owner.get("/api/v1/auth/sessions").await.is(200);
        let session = login(server, &owner.email).await;
        assert_eq!(session["mfaEnrolmentRequired"], true);
        let me = caller(server, &session);
        me.post("/api/v1/customers", json!({"companyName": "A"})).await.fails(403, "MFA_REQUIRED");
        enrol(server, &me).await;
        me.get("/api/v1/customers").await.is(200);
        me.patch(&path, json!({"requireMfa": false})).await.is(200);
    }

    async fn a_role_may_ask_for_one_and_so_does_a_tenant_that_is_switched_to(server: &TestServer) {
        let owner = server.owner("acme").await;
        let user = server.colleague(&owner, BuiltIn::User).await;
        let role = json!({"name": "Keys", "permissions": [{"permission": "customers:read"}]});
        owner.post("/api/v1/users/roles", role).await.is(201);
        let path = format!("/api/v1/tenants/{}", owner.tenant);
        let unknown = json!({"requireMfaRoles": ["locks"]});
        owner.patch(&path, unknown).await.fails(422, "UNKNOWN_ROLE");
        let asking = owner.patch(&path, json!({"requireMfaRoles": ["keys", "admin"]})).await.data();
        assert_eq!(asking["requireMfaRoles"], json!(["admin", "keys"]));
        user.get("/api/v1/customers").await.is(200);
        let roles = json!({"roles": ["user", "keys"]});
        owner.patch(&format!("/api/v1/users/{}", user.user), roles).await.is(200);
        assert!(soon(async || user.get("/api/v1/customers").await.status == 403).await);
        user.get("/api/v1/customers").await.fails(403, "MFA_REQUIRED");
        let admin = server.colleague(&owner, BuiltIn::Admin).await;
        admin.get("/api/v1/customers").await.fails(403, "MFA_REQUIRED");

        let other = server.owner("other").await;
        server.join(&other, owner.user.parse().unwrap(), BuiltIn::Readonly).await;
        require_mfa(&other, true).await;
        let switch = json!({"tenantId": other.tenant});
        let there = owner.post("/api/v1/auth/switch-tenant", switch).await.data();
        assert_eq!(there["mfaEnrolmentRequired"], true);
        let there = caller(server, &there);
        there.get("/api/v1/customers").await.fails(403, "MFA_REQUIRED");
        let by_header = owner.with("x-tenant-id", &other.tenant);
        by_header.get("/api/v1/customers").await.fails(403, "MFA_REQUIRED");
        owner.get(&format!("/api/v1/tenants/{}/customers", other.tenant)).await.fails(403, "MFA_REQUIRED");
        owner.get("/api/v1/customers").await.is(200);
        enrol(server, &there).await;
        there.get("/api/v1/customers").await.is(200);
        by_header.get("/api/v1/customers").await.is(200);
    }

    async fn an_admin_resets_what_was_lost(server: &TestServer) {
        let owner = server.owner("acme").await;
        let user = server.colleague(&owner, BuiltIn::User).await;
        enrol(server, &user).await;
        let path = |person: &Person| format!("/api/v1/users/{}/mfa", person.user);
        user.delete(&path(&owner)).await.is(403);
        owner.delete(&path(&owner)).await.fails(403, "ONESELF");
        server.owner("other").await.delete(&path(&user)).await.fails(404, "NOT_FOUND");
        user.get("/api/v1/customers").await.is(200);
        owner.delete(&path(&user)).await.is(200);
        assert!(soon(async || user.get("/api/v1/customers").await.status == 401).await);
        assert!(login(server, &user.email).await["token"].is_string());
        owner.delete(&path(&user)).await.is(200);
        assert!(login(server, &user.email).await["token"].is_string());
    }

    async fn no_api_key_gets_one_or_says_who_must_or_works_without(server: &TestServer) {
        let owner = server.owner("acme").await;
        let all = json!({"name": "All", "scopes": ["*"]});
        let made = owner.post("/api/v1/auth/api-keys", all.clone()).await.data();
        let key = server.anonymous().with("x-api-key", made["key"].as_str().unwrap());
        key.post(TOTP, json!({"password": PASSWORD})).await.fails(403, "NOT_BY_KEY");
        key.post(CONFIRM, json!({"code": "000000"})).await.fails(403, "NOT_BY_KEY");
        key.post(CODES, json!({"code": "000000"})).await.fails(403, "NOT_BY_KEY");
        let gone = json!({"password": PASSWORD, "code": "000000"});
        key.send(hyper::Method::DELETE, TOTP, Some(gone)).await.fails(403, "NOT_BY_KEY");
        let of_owner = format!("/api/v1/users/{}/mfa", owner.user);
        key.delete(&of_owner).await.fails(403, "NOT_BY_KEY");
        let path = format!("/api/v1/tenants/{}", owner.tenant);
        key.patch(&path, json!({"requireMfa": true})).await.fails(403, "NOT_BY_KEY");
        key.patch(&path, json!({"requireMfaRoles": ["user"]})).await.fails(403, "NOT_BY_KEY");

        key.get("/api/v1/customers").await.is(200);
        require_mfa(&owner, true).await;
        key.get("/api/v1/customers").await.fails(403, "MFA_REQUIRED");
        let (secret, _) = enrol(server, &owner).await;
        assert!(soon(async || key.get("/api/v1/customers").await.status == 200).await);
        let profile = key.get("/api/v1/auth/profile").await.data();
        assert_eq!(profile["user"]["mfaEnabled"], true);
        assert!(profile["recoveryCodesLeft"].is_null(), "none of a key's business");
        assert_eq!(owner.get("/api/v1/auth/profile").await.data()["recoveryCodesLeft"], 10);

        server.clock().advance(TimeDelta::minutes(6));
        owner.post("/api/v1/auth/api-keys", all).await.fails(403, "MFA_CODE_REQUIRED");
        let shown = json!({"name": "All", "scopes": ["*"], "code": code(server, &secret)});
        owner.post("/api/v1/auth/api-keys", shown).await.is(201);
    }

    async fn who_agrees_to_work_elsewhere_goes_there_with_what_they_showed(server: &TestServer) {
        let strict = server.owner("strict").await;
        require_mfa(&strict, true).await;
        let (_, codes) = enrol(server, &strict).await;
        assert_eq!(codes.len(), 10);
        let bob = server.owner("bob").await;
        let add = json!({"email": bob.email, "roles": ["user"]});
        let members = format!("/api/v1/tenants/{}/members", strict.tenant);
        strict.post(&members, add).await.is(201);
        let there = json!({"tenantId": strict.tenant});
        enrol(server, &bob).await;
        let session = bob.post("/api/v1/auth/accept-invitation", there).await.data();
        assert_eq!(session["mfaEnrolmentRequired"], false);
        caller(server, &session).get("/api/v1/customers").await.is(200);
        let live = bob.get("/api/v1/auth/sessions").await.data();
        assert!(live.as_array().unwrap().iter().all(|one| one["methods"] == json!(["pwd", "otp"])));
    }

    async fn a_second_factor_is_shown_again_before_the_password_changes(server: &TestServer) {
        let owner = server.owner("acme").await;
        let (secret, _) = enrol(server, &owner).await;
        server.clock().advance(TimeDelta::minutes(6));
        let change = |code: Value| {
            json!({"currentPassword": PASSWORD, "newPassword": "a seat by the window", "code": code})
        };
        let path = "/api/v1/auth/change-password";
        owner.post(path, change(Value::Null)).await.fails(403, "MFA_CODE_REQUIRED");
        owner.post(path, change(json!("000000"))).await.fails(422, "INVALID_CODE");
        owner.post(path, change(json!(code(server, &secret)))).await.is(200);
    }
}

#[tokio::test]
async fn secrets_are_sealed_where_they_are_stored() {
    let server = TestServer::start(Backend::Postgres).await;
    let owner = server.owner("acme").await;
    let (secret, codes) = enrol(&server, &owner).await;
    let first = codes[0].as_str().unwrap();
    let check = format!(
        "DO $$ BEGIN
            IF (SELECT count(*) FROM second_factors
                    WHERE length(secret) > 40 AND cardinality(recovery_hashes) = 10) <> 1
                OR EXISTS (SELECT FROM second_factors s WHERE s::text LIKE '%{secret}%')
                OR EXISTS (SELECT FROM second_factors s WHERE s::text LIKE '%{first}%')
            THEN RAISE EXCEPTION 'stored in the clear'; END IF;
        END $$"
    );
    server.database().execute(&check).await.unwrap();
    server.stop().await;
}

#[tokio::test]
async fn the_log_tells_of_it_and_of_no_secret() {
    for backend in [Backend::Memory, Backend::Postgres] {
        let (server, watched) = TestServer::watched(backend).await;
        let owner = server.owner("acme").await;
        let user = server.colleague(&owner, BuiltIn::User).await;
        watched.audited();
        let (secret, codes) = enrol(&server, &user).await;
        let renewed = json!({"code": code(&server, &secret)});
        user.post(CODES, renewed).await.is(200);
        owner.delete(&format!("/api/v1/users/{}/mfa", user.user)).await.is(200);
        let told = watched.audited();
        let actions: Vec<_> = told.iter().map(|one| (&*one.resource, &*one.action)).collect();
        assert_eq!(
            actions,
            [
                ("second_factors", "updated"),
                ("second_factors", "updated"),
                ("second_factors", "removed")
            ]
        );
        let text = format!("{told:?}");
        assert!(!text.contains(&secret) && !text.contains(codes[0].as_str().unwrap()), "{text}");
        assert!(!text.contains("secret\":"), "{text}");
        server.stop().await;
    }
}
