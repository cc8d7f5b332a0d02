//! The paths of the systems that this one replaces, each by a request: what they answer is what
//! ours answer. And the ways to choose a tenant, which all come to the same.
//!
//! Both take what there is from the table and from the document, so that a new resource is tried
//! without a line here.

use std::collections::BTreeSet;

use crm_core::access::BuiltIn;
use crm_server::middleware::aliases;
use hyper::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Client, Person, TestServer, for_each_store};

/// Where the table leads before anything is there. Whatever is neither here nor in the document is
/// a mistake in the table; whatever is in the document is tried, also while it stands here.
const NOT_YET: &[&str] = &[
    "customers/mine",
    "deals",
    "payment-accounts",
    "products",
    "subscriptions",
    "tenants",
    "users/permissions",
    "users/roles",
];

/// The paths of the document that answer GET and name no record.
fn lists() -> BTreeSet<String> {
    let document: Value = serde_json::from_str(include_str!("../../openapi.json")).unwrap();
    let paths = document["paths"].as_object().unwrap().iter();
    let lists = paths.filter(|(path, item)| item.get("get").is_some() && !path.contains('{'));
    lists.map(|(path, _)| path.trim_start_matches('/').to_owned()).collect()
}

/// What does not differ from request to request.
fn said(answer: &Answer) -> (u16, Value) {
    let mut body = answer.json();
    if let Some(body) = body.as_object_mut() {
        body.remove("requestId");
    }
    (answer.status.as_u16(), body)
}

async fn fill(owner: &Person) -> String {
    let customer = owner.post("/api/v1/customers", json!({"companyName": "Acme"})).await.data();
    owner.post("/api/v1/customers/tags", json!({"name": "VIP"})).await.is(201);
    let field =
        json!({"recordType": "customers", "key": "seats", "label": "Seats", "type": "number"});
    owner.post("/api/v1/custom-fields", field).await.is(201);
    customer["id"].as_str().unwrap().to_owned()
}

/// Insists that a path answers what ours does, however it is written.
async fn same(caller: &Client, tenant: &str, theirs: &str, ours: &str) {
    let expected = said(&caller.get(&format!("/api/v1/{ours}")).await);
    assert_eq!(expected.0, 200, "{ours}: {}", expected.1);
    let mut ways = Vec::new();
    for base in ["/api/v1", "/api"] {
        for slash in ["", "/"] {
            ways.push(format!("{base}/{theirs}{slash}"));
            // Who one is does not depend on where; everything else may be asked for in a tenant.
            if !ours.starts_with("auth/") && !ours.starts_with("tenants") {
                for word in ["tenants", "tenant", "organizations", "accounts"] {
                    ways.push(format!("{base}/{word}/{tenant}/{theirs}{slash}"));
                }
            }
        }
    }
    for way in ways {
        assert_eq!(said(&caller.get(&way).await), expected, "{way} for {ours}");
    }
}

for_each_store! {
    async fn each_path_of_the_sources_answers_what_ours_does(server: &TestServer) {
        let owner = server.owner("acme").await;
        let customer = fill(&owner).await;
        let there = lists();
        let mut tried = 0;
        for (theirs, ours) in aliases() {
            if there.contains(ours) {
                same(&owner, &owner.tenant, theirs, ours).await;
                tried += 1;
            } else {
                assert!(NOT_YET.contains(&ours), "{theirs} leads to {ours}, which is nowhere");
            }
        }
        assert!(tried >= 4, "{tried}");
        // What lies behind a word, and our own paths in their manner.
        for (theirs, ours) in [
            (format!("clients/{customer}"), format!("customers/{customer}")),
            (format!("customers/{customer}"), format!("customers/{customer}")),
            ("clients/tags".to_owned(), "customers/tags".to_owned()),
            ("clients/statistics".to_owned(), "customers/stats".to_owned()),
            ("custom-fields".to_owned(), "custom-fields".to_owned()),
        ] {
            same(&owner, &owner.tenant, &theirs, &ours).await;
        }
        let query = "clients/?search=acme&page_size=1&ordering=-createdAt";
        let found = owner.get(&format!("/api/{query}")).await.is(200);
        assert_eq!(found["meta"]["total"], 1);
    }

    async fn writes_by_their_paths_are_writes_by_ours(server: &TestServer) {
        let owner = server.owner("acme").await;
        let created = owner.post("/api/clients/", json!({"companyName": "Acme"})).await;
        created.is(201);
        let id = created.data()["id"].as_str().unwrap().to_owned();
        assert_eq!(created.header("location"), format!("/api/v1/customers/{id}"), "ours is told");
        let theirs = format!("/api/organizations/{}/clients/{id}/", owner.tenant);
        owner.put(&theirs, json!({"companyName": "Put"})).await.is(200);
        owner.patch(&theirs, json!({"city": "Kiel"})).await.is(200);
        let now = owner.get(&format!("/api/v1/customers/{id}")).await.data();
        assert_eq!((&now["companyName"], &now["city"]), (&json!("Put"), &json!("Kiel")));
        owner.post(&format!("{theirs}deactivate/"), json!({})).await.is(200);
        owner.delete(&theirs).await.is(200);
        owner.get(&format!("/api/v1/customers/{id}")).await.fails(404, "NOT_FOUND");
        owner.put("/api/users/me/", json!({"name": "Ada"})).await;
        let options = owner.send(Method::POST, "/api/clients", Some(json!({}))).await;
        assert_eq!(options.status, 422, "their path is routed as ours, faults and all");
    }

    async fn token_header_and_path_choose_a_tenant_alike(server: &TestServer) {
        let (owner, other) = (server.owner("acme").await, server.owner("other").await);
        fill(&owner).await;
        fill(&other).await;
        server.join(&other, owner.user.parse().unwrap(), BuiltIn::Manager).await;
        let mut tried = 0;
        for path in lists() {
            let whoever = ["auth/", "health/", "tenants"];
            if whoever.iter().any(|prefix| path.starts_with(prefix)) {
                continue;
            }
            let by_path = |tenant: &str| format!("/api/v1/tenants/{tenant}/{path}");
            let ours = format!("/api/v1/{path}");
            let by_token = said(&owner.get(&ours).await);
            let named = owner.with("X-Tenant-ID", &owner.tenant);
            assert_eq!(said(&named.get(&ours).await), by_token, "{path}, the token's own tenant");
            assert_eq!(said(&owner.get(&by_path(&owner.tenant)).await), by_token, "{path}");
            // In another tenant, whatever the token says; the path wins over the header.
            let by_header = said(&owner.with("X-Tenant-ID", &other.tenant).get(&ours).await);
            assert_eq!(said(&owner.get(&by_path(&other.tenant)).await), by_header, "{path}, there");
            assert_eq!(said(&named.get(&by_path(&other.tenant)).await), by_header, "{path}, both");
            tried += 1;
        }
        assert!(tried >= 4, "{tried}");
        let theirs = owner.with("X-Tenant-ID", &other.tenant).get("/api/v1/customers").await;
        let own = owner.get("/api/v1/customers").await;
        assert_ne!(theirs.json()["data"][0]["id"], own.json()["data"][0]["id"]);
    }
}
