//! `/tenants`: where one works, a new one, and each with its settings.

use chrono::TimeDelta;
use crm_core::access::BuiltIn;
use serde_json::{Value, json};

use crate::support::{Person, TestServer, for_each_store};

const TENANTS: &str = "/api/v1/tenants";

fn at(tenant: &Value) -> String {
    format!("{TENANTS}/{}", tenant["id"].as_str().unwrap())
}

fn of(person: &Person) -> String {
    format!("{TENANTS}/{}", person.tenant)
}

for_each_store! {
    async fn a_user_makes_a_tenant_and_is_its_owner_there_only(server: &TestServer) {
        let owner = server.owner("acme").await;
        let reader = server.colleague(&owner, BuiltIn::Readonly).await;
        let input = json!({
            "name": "Globex", "domain": "Globex.Example", "locale": "de-de",
            "timeZone": "europe/berlin", "currency": "eur"
        });
        let answer = reader.post("/api/organizations/", input).await;
        answer.is(201);
        let globex = answer.data();
        assert_eq!(answer.header("location"), at(&globex));
        assert_eq!((&globex["roles"], &globex["currency"]), (&json!(["owner"]), &json!("EUR")));
        let list = reader.get(&format!("{TENANTS}?sort=name")).await.is(200);
        let places: Vec<(&str, &Value)> = list["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|tenant| (tenant["name"].as_str().unwrap(), &tenant["roles"]))
            .collect();
        assert_eq!(places, [("acme", &json!(["readonly"])), ("Globex", &json!(["owner"]))]);
        assert_eq!(reader.get(&format!("{TENANTS}?name=globex")).await.is(200)["meta"]["total"], 1);
        assert_eq!(owner.get(TENANTS).await.is(200)["meta"]["total"], 1);

        let there = reader.with("X-Tenant-ID", globex["id"].as_str().unwrap());
        there.post("/api/v1/customers", json!({"companyName": "Mine"})).await.is(201);
        reader.post("/api/v1/customers", json!({"companyName": "Not mine"})).await.fails(403, "FORBIDDEN");
        reader.patch(&of(&owner), json!({"name": "Mine"})).await.fails(403, "FORBIDDEN");
        reader.patch(&at(&globex), json!({"name": "Globex AG"})).await.is(200);
    }

    async fn one_switches_to_another_tenant_with_tokens_of_its_own(server: &TestServer) {
        let (owner, other) = (server.owner("acme").await, server.owner("other").await);
        server.join(&other, owner.user.parse().unwrap(), BuiltIn::Readonly).await;
        let path = "/api/v1/auth/switch-tenant";
        let there = owner.post(path, json!({"tenantId": other.tenant})).await.data();
        assert_eq!((&there["tenant"]["id"], &there["roles"]), (&json!(other.tenant), &json!(["readonly"])));
        let client = server.anonymous().with_token(there["token"].as_str().unwrap());
        client.post("/api/v1/customers", json!({"companyName": "A"})).await.fails(403, "FORBIDDEN");
        assert_eq!(client.get("/api/v1/auth/profile").await.data()["tenant"]["id"], other.tenant);
        owner.post("/api/v1/customers", json!({"companyName": "A"})).await.is(201);
        let stranger = server.owner("third").await;
        for tenant in [other.tenant.as_str(), "0197d8a0-0000-7000-8000-000000000000"] {
            stranger.post(path, json!({"tenantId": tenant})).await.fails(403, "NOT_A_MEMBER");
        }
        stranger.post(path, json!({})).await.fails(422, "REQUIRED");
    }

    async fn who_has_no_tenant_makes_the_first_one(server: &TestServer) {
        let input = json!({"email": "ada@example.com", "password": crate::support::PASSWORD});
        let session = server.anonymous().post("/api/v1/auth/signup", input).await.data();
        let ada = server.anonymous().with_token(session["token"].as_str().unwrap());
        assert_eq!(ada.get(TENANTS).await.is(200)["meta"]["total"], 0);
        let tenant = ada.post("/api/tenant", json!({"name": "First"})).await.data();
        let inside = format!("/api/tenant/{}/customers", tenant["id"].as_str().unwrap());
        ada.post(&inside, json!({"companyName": "A"})).await.is(201);
        server.sign_in("ada@example.com").await.get("/api/v1/customers").await.is(200);
    }

    async fn settings_are_checked_and_faults_name_their_fields(server: &TestServer) {
        let owner = server.owner("acme").await;
        let wrong = json!({
            "name": "", "domain": "no domain", "locale": "klingon!", "timeZone": "Mars/Olympus",
            "currency": "money"
        });
        for answer in [owner.patch(&of(&owner), wrong.clone()).await, owner.post(TENANTS, wrong).await] {
            let body = answer.is(422);
            let mut fields: Vec<&str> =
                body["errors"].as_array().unwrap().iter().filter_map(|e| e["field"].as_str()).collect();
            fields.sort_unstable();
            assert_eq!(fields, ["currency", "domain", "locale", "name", "timeZone"]);
        }
        let changed = owner.patch(&of(&owner), json!({"timeZone": "asia/tokyo"})).await;
        assert_eq!((&changed.is(200)["data"]["timeZone"], changed.header("etag")), (&json!("Asia/Tokyo"), "\"2\""));
        let cleared = owner.patch(&of(&owner), json!({"timeZone": null})).await.data();
        assert_eq!((&cleared["timeZone"], &cleared["name"]), (&Value::Null, &json!("acme")));
        let stale = owner.with("If-Match", "\"1\"");
        stale.patch(&of(&owner), json!({"name": "Old"})).await.fails(412, "STALE_VERSION");
        stale.delete(&of(&owner)).await.fails(412, "STALE_VERSION");
        owner.patch(&of(&owner), json!({"status": "suspended"})).await.fails(400, "UNKNOWN_FIELD");
    }

    async fn an_existing_user_is_added_by_address(server: &TestServer) {
        let (owner, other) = (server.owner("acme").await, server.owner("other").await);
        let members = format!("{}/members", of(&owner));
        let input = json!({"email": other.email.to_uppercase(), "roles": ["user"], "title": "Guest"});
        let alias = format!("/api/organizations/{}/add_member/", owner.tenant);
        let answer = owner.post(&alias, input.clone()).await;
        answer.is(201);
        assert_eq!(answer.header("location"), format!("/api/v1/users/{}", other.user));
        owner.post(&members, input).await.fails(409, "DUPLICATE");
        let nobody = json!({"email": "nobody@nowhere.example", "roles": ["user"]});
        let body = owner.post(&members, nobody).await.fails(422, "UNKNOWN_USER");
        assert_eq!(body["errors"][0]["field"], "email");
        owner.post(&members, json!({"email": "x", "roles": []})).await.fails(422, "INVALID_EMAIL");
        let list = owner.get(&format!("{members}?sort=createdAt&search=guest")).await.is(200);
        assert_eq!(list["data"][0]["id"], other.user);
        assert_eq!(owner.get("/api/v1/users").await.is(200)["meta"]["total"], 2);
        // Under a key of the tenant that the path names, wherever the caller is at home.
        let third = server.owner("third").await;
        server.join(&owner, third.user.parse().unwrap(), BuiltIn::Owner).await;
        let keyed = third.with("Idempotency-Key", "one-guest");
        let guest = server.owner("guest").await;
        let input = json!({"email": guest.email, "roles": ["user"]});
        for _ in 0..2 {
            keyed.post(&members, input.clone()).await.is(201);
        }
        // The one who was added may not add.
        server.agree(&other, &owner.tenant).await;
        let inside = format!("{}/members", of(&owner));
        other.get(&inside).await.fails(403, "FORBIDDEN");
        other.post(&inside, json!({"email": owner.email, "roles": ["user"]})).await.fails(403, "FORBIDDEN");
    }

    async fn a_deleted_tenant_is_gone_and_its_owner_brings_it_back_in_time(server: &TestServer) {
        let owner = server.owner("acme").await;
        let admin = server.colleague(&owner, BuiltIn::Admin).await;
        let tenant = of(&owner);
        owner.post("/api/v1/customers", json!({"companyName": "Kept"})).await.is(201);
        admin.delete(&tenant).await.fails(403, "FORBIDDEN");
        let deleted = owner.delete(&tenant).await.data();
        assert!(deleted["deletedAt"].is_string());
        for person in [&owner, &admin] {
            person.get("/api/v1/customers").await.fails(403, "NO_TENANT");
            person.get(&tenant).await.fails(404, "NOT_FOUND");
            person.patch(&tenant, json!({"name": "Back"})).await.fails(404, "NOT_FOUND");
            person.get(&format!("{tenant}/customers")).await.fails(404, "NOT_FOUND");
            assert_eq!(person.get(TENANTS).await.is(200)["meta"]["total"], 0);
        }
        let all = format!("{TENANTS}?includeDeleted=true");
        assert_eq!(owner.get(&all).await.is(200)["data"][0]["name"], "acme");
        assert_eq!(admin.get(&all).await.is(200)["meta"]["total"], 0);
        assert_eq!(server.sign_in(&owner.email).await.tenant, "", "she works nowhere");
        admin.post(&format!("{tenant}/restore"), json!({})).await.fails(403, "FORBIDDEN");
        let stranger = server.owner("other").await;
        stranger.post(&format!("{tenant}/restore"), json!({})).await.fails(404, "NOT_FOUND");

        owner.post(&format!("{tenant}/restore"), json!({})).await.is(200);
        assert_eq!(owner.get("/api/v1/customers").await.is(200)["data"][0]["companyName"], "Kept");
        owner.delete(&tenant).await.is(200);
        server.clock().advance(TimeDelta::days(31));
        let owner = server.sign_in(&owner.email).await;
        owner.post(&format!("{tenant}/restore"), json!({})).await.fails(404, "NOT_FOUND");
        assert_eq!(owner.get(&all).await.is(200)["meta"]["total"], 0);
    }

    async fn each_role_may_do_with_the_tenant_what_it_may(server: &TestServer) {
        let owner = server.owner("acme").await;
        let tenant = of(&owner);
        for role in [
            BuiltIn::Admin, BuiltIn::Manager, BuiltIn::User, BuiltIn::SalesRep, BuiltIn::Agent,
            BuiltIn::Employee, BuiltIn::Readonly,
        ] {
            let caller = server.colleague(&owner, role).await;
            caller.get(&tenant).await.is(200);
            let changed = caller.patch(&tenant, json!({"name": role.to_string()})).await;
            if role == BuiltIn::Admin {
                changed.is(200);
            } else {
                changed.fails(403, "FORBIDDEN");
            }
            caller.delete(&tenant).await.fails(403, "FORBIDDEN");
        }
        owner.delete(&tenant).await.is(200);
    }
}
