//! Whose records a request sees: by its token, by `X-Tenant-ID`, by `/tenants/{tenantId}/…`.

use crm_core::access::BuiltIn;
use serde_json::json;

use crate::support::{TestServer, for_each_store};

const NOBODYS: &str = "0197d8a0-0000-7000-8000-000000000000";

for_each_store! {
    async fn another_tenants_record_is_not_there(server: &TestServer) {
        let (acme, other) = (server.owner("acme").await, server.owner("other").await);
        let created = acme.post("/api/v1/customers", json!({"companyName": "Secret"})).await.data();
        let path = format!("/api/v1/customers/{}", created["id"].as_str().unwrap());
        other.get(&path).await.fails(404, "NOT_FOUND");
        other.put(&path, json!({"companyName": "Mine"})).await.fails(404, "NOT_FOUND");
        other.patch(&path, json!({"companyName": "Mine"})).await.fails(404, "NOT_FOUND");
        other.delete(&path).await.fails(404, "NOT_FOUND");
        other.post(&format!("{path}/restore"), json!({})).await.fails(404, "NOT_FOUND");
        let list = other.get("/api/v1/customers").await.is(200);
        assert_eq!(list["meta"]["total"], 0);
        let stats = other.get("/api/v1/customers/stats").await.data();
        assert_eq!(stats["total"], 0);
        assert_eq!(acme.get(&path).await.data()["companyName"], "Secret");
    }

    async fn a_member_chooses_the_tenant_in_the_path_or_in_a_header(server: &TestServer) {
        let (acme, other) = (server.owner("acme").await, server.owner("other").await);
        other.post("/api/v1/customers", json!({"companyName": "Theirs"})).await.is(201);
        server.join(&other, acme.user.parse().unwrap(), BuiltIn::Readonly).await;
        for path in ["tenants", "organizations", "accounts", "tenant"] {
            let path = format!("/api/v1/{path}/{}/clients/", other.tenant);
            assert_eq!(acme.get(&path).await.is(200)["data"][0]["companyName"], "Theirs");
        }
        let there = acme.with("X-Tenant-ID", &other.tenant);
        assert_eq!(there.get("/api/v1/customers").await.is(200)["meta"]["total"], 1);
        let body = there.post("/api/v1/customers", json!({"companyName": "Mine"})).await;
        body.fails(403, "FORBIDDEN");
        assert_eq!(acme.get("/api/v1/customers").await.is(200)["meta"]["total"], 0);
    }

    async fn a_tenant_of_others_is_404_in_the_path_and_403_in_the_header(server: &TestServer) {
        let (acme, other) = (server.owner("acme").await, server.owner("other").await);
        for tenant in [other.tenant.as_str(), NOBODYS, "nonsense"] {
            acme.get(&format!("/api/v1/tenants/{tenant}/customers")).await.fails(404, "NOT_FOUND");
            let answer = acme.with("X-Tenant-ID", tenant).get("/api/v1/customers").await;
            answer.fails(403, "NOT_A_MEMBER");
        }
    }

    async fn who_works_in_no_tenant_sees_no_records(server: &TestServer) {
        let input = json!({"email": "ada@example.com", "password": crate::support::PASSWORD});
        let session = server.anonymous().post("/api/v1/auth/signup", input).await.data();
        let caller = server.anonymous().with_token(session["token"].as_str().unwrap());
        caller.get("/api/v1/customers").await.fails(403, "NO_TENANT");
        caller.get("/api/v1/auth/profile").await.is(200);
    }
}
