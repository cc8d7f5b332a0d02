//! Several servers over one store: what one of them takes away is gone on all within a second.

use crm_core::access::BuiltIn;
use serde_json::json;

use crate::support::{TestServer, for_each_store, soon};

for_each_store! {
    async fn a_deactivated_user_is_out_everywhere(server: &TestServer) {
        let second = server.another().await;
        let owner = server.owner("acme").await;
        let user = server.colleague(&owner, BuiltIn::User).await;
        let there = second.here(&user);
        there.get("/api/v1/customers").await.is(200);
        let path = format!("/api/v1/users/{}/status", user.user);
        owner.patch(&path, json!({"status": "inactive"})).await.is(200);
        user.get("/api/v1/customers").await.fails(401, "UNAUTHENTICATED");
        assert!(soon(async || there.get("/api/v1/customers").await.status == 401).await);
        second.stop().await;
    }

    async fn a_member_who_leaves_is_out_everywhere(server: &TestServer) {
        let second = server.another().await;
        let owner = server.owner("acme").await;
        let user = server.colleague(&owner, BuiltIn::User).await;
        let there = second.here(&user);
        there.get("/api/v1/customers").await.is(200);
        owner.delete(&format!("/api/v1/users/{}", user.user)).await.is(200);
        assert!(soon(async || there.get("/api/v1/customers").await.status == 401).await);
        second.stop().await;
    }

    async fn changed_roles_and_grants_count_everywhere(server: &TestServer) {
        let second = server.another().await;
        let owner = server.owner("acme").await;
        let permissions = json!([{"permission": "customers:read"}]);
        let input = json!({"name": "Readers", "permissions": permissions});
        let role = owner.post("/api/v1/users/roles", input).await.data();
        let user = server.colleague(&owner, BuiltIn::Employee).await;
        let path = format!("/api/v1/users/{}", user.user);
        owner.patch(&path, json!({"roles": ["readers"]})).await.is(200);
        let there = second.here(&user);
        let create = async || there.post("/api/v1/customers", json!({"companyName": "A"})).await.status;
        assert_eq!(create().await, 403);
        let one = json!({"permission": "customers:create"});
        let at_role = format!("/api/v1/users/roles/{}/permissions", role["id"].as_str().unwrap());
        owner.post(&at_role, one.clone()).await.is(201);
        assert!(soon(async || create().await == 201).await, "the role was made wider");
        owner.delete(&format!("{at_role}/customers:create")).await.is(200);
        assert!(soon(async || create().await == 403).await, "and narrower");
        let extra = json!({"permissions": [one]});
        owner.put(&format!("{path}/permissions"), extra).await.is(200);
        assert!(soon(async || create().await == 201).await, "an extra grant");
        owner.patch(&path, json!({"roles": ["employee"]})).await.is(200);
        owner.put(&format!("{path}/permissions"), json!({"permissions": []})).await.is(200);
        assert!(soon(async || create().await == 403).await);
        second.stop().await;
    }

    async fn who_manages_whom_counts_everywhere(server: &TestServer) {
        let second = server.another().await;
        let owner = server.owner("acme").await;
        let boss = server.colleague(&owner, BuiltIn::Manager).await;
        let (bob, eve) = (
            server.colleague(&owner, BuiltIn::User).await,
            server.colleague(&owner, BuiltIn::User).await,
        );
        for person in [&bob, &eve] {
            let input = json!({"companyName": "Acme", "assignedTo": person.user});
            owner.post("/api/v1/customers", input).await.is(201);
        }
        let there = second.here(&boss);
        let seen = async || {
            there.get("/api/v1/customers").await.is(200)["meta"]["total"].as_u64().unwrap()
        };
        assert_eq!(seen().await, 0);
        let team = json!({"name": "Field", "members": [bob.user], "managers": [boss.user]});
        let team = owner.post("/api/v1/teams", team).await.data();
        let path = format!("/api/v1/teams/{}", team["id"].as_str().unwrap());
        assert!(soon(async || seen().await == 1).await, "a new team");
        owner.patch(&path, json!({"members": [bob.user, eve.user]})).await.is(200);
        assert!(soon(async || seen().await == 2).await, "one more member");
        owner.delete(&format!("/api/v1/users/{}", bob.user)).await.is(200);
        assert!(soon(async || seen().await == 1).await, "a member who left");
        owner.patch(&path, json!({"managers": []})).await.is(200);
        assert!(soon(async || seen().await == 0).await, "managed no more");
        owner.patch(&path, json!({"managers": [boss.user]})).await.is(200);
        assert!(soon(async || seen().await == 1).await, "managed again");
        owner.delete(&path).await.is(200);
        assert!(soon(async || seen().await == 0).await, "the team is gone");
        owner.post(&format!("{path}/restore"), json!({})).await.is(200);
        assert!(soon(async || seen().await == 1).await, "and is back");
        second.stop().await;
    }

    async fn a_suspended_or_deleted_tenant_stops_everywhere(server: &TestServer) {
        let second = server.another().await;
        let owner = server.owner("acme").await;
        let there = second.here(&owner);
        let works = async || there.get("/api/v1/customers").await.status == 200;
        assert!(works().await);
        let tenant = owner.tenant.parse().unwrap();
        server.app().crm().system().suspend(tenant).await.unwrap();
        assert!(soon(async || !works().await).await);
        assert!(soon(async || owner.get("/api/v1/customers").await.status == 403).await);
        server.app().crm().system().resume(tenant).await.unwrap();
        assert!(soon(async || works().await).await);
        let path = format!("/api/v1/tenants/{}", owner.tenant);
        assert!(soon(async || owner.delete(&path).await.status == 200).await);
        assert!(soon(async || !works().await).await);
        owner.get("/api/v1/customers").await.fails(403, "NO_TENANT");
        second.here(&owner).post(&format!("{path}/restore"), json!({})).await.is(200);
        assert!(works().await);
        second.stop().await;
    }

    async fn changed_settings_are_followed_everywhere(server: &TestServer) {
        let second = server.another().await;
        let owner = server.owner("acme").await;
        let there = second.here(&owner);
        // Remembered on both: the figures of a month depend on where its days begin.
        there.get("/api/v1/customers/stats").await.is(200);
        let path = format!("/api/v1/tenants/{}", owner.tenant);
        owner.patch(&path, json!({"timeZone": "Pacific/Auckland", "currency": "nzd"})).await.is(200);
        let zone = async |client: &crate::support::Person| {
            client.get("/api/v1/auth/profile").await.data()["tenant"]["timeZone"].clone()
        };
        assert_eq!(zone(&owner).await, "Pacific/Auckland", "here at once");
        assert!(soon(async || zone(&there).await == "Pacific/Auckland").await);
        second.stop().await;
    }
}
