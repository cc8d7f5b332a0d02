//! Every operation of the document, called by those who may not.

use serde_json::{Value, json};

use crate::support::{PASSWORD, Person, TestServer, for_each_store};

const SOMEBODYS: &str = "0197d8a0-0000-7000-8000-000000000000";

/// What answers without a token, and why. This list may only shrink.
const OPEN: &[&str] = &[
    // Probes.
    "GET /health/live",
    "GET /health/ready",
    // How one gets a token, or gives it back.
    "POST /auth/signup",
    "POST /auth/login",
    "POST /auth/refresh",
    "POST /auth/logout",
];

fn operations() -> Vec<(hyper::Method, String, String, Value)> {
    let document: Value = serde_json::from_str(include_str!("../../openapi.json")).unwrap();
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let method = method.to_uppercase();
            let name = format!("{method} {path}");
            let real = path.replace("{id}", SOMEBODYS).replace("{tenantId}", SOMEBODYS);
            let real = real.replace("{permission}", "customers:read");
            assert!(!real.contains('{'), "{path}");
            let path = format!("/api/v1{real}");
            all.push((method.parse().unwrap(), name, path, operation.clone()));
        }
    }
    all
}

/// What an operation takes where it is not what creates a record of its kind.
fn body(name: &str, caller: &Person) -> Option<Value> {
    Some(match name {
        "PUT /users/{id}" | "PATCH /users/{id}" => json!({"name": "Mine", "roles": ["user"]}),
        "PATCH /users/{id}/status" => json!({"status": "inactive"}),
        "PUT /users/{id}/permissions" => json!({"permissions": []}),
        "POST /users/{id}/hand-over" => json!({"to": caller.user}),
        "POST /users/roles/{id}/permissions" => json!({"permission": "customers:read"}),
        "POST /custom-fields/{id}/options/rename" => json!({"option": "a", "to": "b"}),
        "POST /custom-fields/{id}/options/remove" => json!({"option": "a", "clear": true}),
        "PATCH /tenants/{tenantId}" => json!({"name": "Mine"}),
        "POST /tenants/{tenantId}/members" => json!({"email": caller.email, "roles": ["owner"]}),
        _ => return None,
    })
}

for_each_store! {
    async fn no_operation_but_the_listed_ones_answers_without_a_token(server: &TestServer) {
        let nobody = server.anonymous();
        let forged = nobody.with_token("eyJhbGciOiJub25lIn0.e30.");
        for (method, name, path, operation) in operations() {
            let open = OPEN.contains(&name.as_str());
            let documented = operation["security"].as_array().is_some_and(|s| !s.is_empty());
            assert_eq!(documented, !open, "{name}");
            if open {
                continue;
            }
            let body = operation.get("requestBody").map(|_| json!({}));
            nobody.send(method.clone(), &path, body.clone()).await.fails(401, "UNAUTHENTICATED");
            forged.send(method, &path, body).await.fails(401, "UNAUTHENTICATED");
        }
        for open in OPEN {
            assert!(operations().iter().any(|(_, name, ..)| name == open), "{open} is gone");
        }
    }

    async fn no_operation_shows_or_changes_a_tenant_that_one_is_no_member_of(server: &TestServer) {
        let (acme, other) = (server.owner("acme").await, server.owner("other").await);
        let there = acme.with("X-Tenant-ID", &other.tenant);
        for (method, name, path, operation) in operations() {
            if OPEN.contains(&name.as_str()) {
                continue;
            }
            let body = operation.get("requestBody").map(|_| json!({}));
            let answer = there.send(method, &path, body).await;
            if name.contains("{tenantId}/") && !name.contains("restore") {
                // The path says another tenant than the header, and more plainly.
                answer.fails(404, "NOT_FOUND");
            } else {
                answer.fails(403, "NOT_A_MEMBER");
            }
        }
    }

    async fn another_tenants_ids_are_not_there_for_any_operation(server: &TestServer) {
        let (acme, other) = (server.owner("acme").await, server.owner("other").await);
        let mut ends = Vec::new();
        for name in ["One", "Two"] {
            let end = other.post("/api/v1/companies", json!({"name": name})).await.data();
            ends.push(end["id"].clone());
        }
        let created = [
            ("/relations", json!({
                "kind": "parent_of",
                "from": {"type": "companies", "id": ends[0]}, "to": {"type": "companies", "id": ends[1]}
            })),
            ("/relations/kinds", json!({"key": "theirs", "name": "theirs", "symmetric": true})),
            ("/customers", json!({"companyName": "Theirs"})),
            ("/companies", json!({"name": "Theirs"})),
            ("/customers/tags", json!({"name": "Theirs"})),
            ("/custom-fields", json!({
                "recordType": "customers", "key": "theirs", "label": "Theirs", "type": "text"
            })),
            ("/users", json!({
                "email": "they@other.example", "password": PASSWORD, "roles": ["user"]
            })),
            ("/users/roles", json!({"name": "Theirs", "permissions": [{"permission": "customers:read"}]})),
        ];
        let mut untried: Vec<String> =
            operations().into_iter().map(|(_, name, ..)| name).filter(|n| n.contains("{id}")).collect();
        for (base, input) in created {
            let record = other.post(&format!("/api/v1{base}"), input.clone()).await.data();
            let id = record["id"].as_str().unwrap();
            let mut tried = 0;
            for (method, name, path, operation) in operations() {
                let beneath = path.strip_prefix(&format!("/api/v1{base}/{SOMEBODYS}"));
                if beneath.is_none_or(|rest| !rest.is_empty() && !rest.starts_with('/')) {
                    continue;
                }
                let path = path.replace(SOMEBODYS, id);
                let body = operation
                    .get("requestBody")
                    .map(|_| body(&name, &acme).unwrap_or_else(|| input.clone()));
                let answer = acme.send(method, &path, body).await;
                assert_eq!(answer.status, 404, "{name}");
                tried += 1;
                untried.retain(|left| *left != name);
            }
            assert!(tried >= 5, "{base}");
            let path = format!("/api/v1{base}/{id}");
            assert_eq!(other.get(&path).await.data(), record, "unchanged");
        }
        assert!(untried.is_empty(), "{untried:?} need a record of another tenant to be tried with");
    }

    async fn a_tenant_that_one_is_no_member_of_is_not_there_for_any_operation(server: &TestServer) {
        let (acme, other) = (server.owner("acme").await, server.owner("other").await);
        let path = format!("/api/v1/tenants/{}", other.tenant);
        let before = other.get(&path).await.data();
        let mut tried = 0;
        for (method, name, path, operation) in operations() {
            if !name.contains("{tenantId}") {
                continue;
            }
            let path = path.replace(SOMEBODYS, &other.tenant);
            let body = operation.get("requestBody").map(|_| body(&name, &acme).unwrap_or(json!({})));
            acme.send(method, &path, body).await.fails(404, "NOT_FOUND");
            tried += 1;
        }
        assert!(tried >= 6);
        assert_eq!(other.get(&path).await.data(), before, "unchanged");
    }
}
