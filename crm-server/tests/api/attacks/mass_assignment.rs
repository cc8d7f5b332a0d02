//! Fields that the server sets itself, sent along with what may be written.
//!
//! What came back: every body is refused that names a field which it does not have, whole and by
//! name, and nothing of it is done. So it is by the document, for all operations there are; and so
//! it is by requests, where such a field would be worth something. (Records: `reach.rs`, and by
//! chance everywhere: `mutated.rs`.)

use hyper::Method;
use serde_json::{Value, json};

use crate::support::{PASSWORD, TestServer, document, for_each_store};

/// What would be worth something to whoever could set it.
const COVETED: &[&str] = &[
    "tenantId",
    "tenant_id",
    "createdAt",
    "createdBy",
    "updatedAt",
    "updatedBy",
    "deletedAt",
    "isAdmin",
    "isOwner",
    "admin",
    "owner",
    "role",
    "emailVerified",
    "emailVerifiedAt",
    "passwordHash",
    "sessionId",
    "userId",
    "grants",
    "suspended",
    "plan",
];

fn resolve<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(to) => resolve(document, document.pointer(&to[1..]).unwrap()),
        None => schema,
    }
}

/// By the document, which every request of the suite is held against: what a body does not name, it
/// refuses, and it names nothing that is coveted but where that is the purpose.
#[test]
fn no_body_of_the_document_takes_what_it_does_not_name() {
    let document = document();
    let mut bodies = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let content = operation["requestBody"]["content"].as_object();
            for (kind, media) in content.into_iter().flatten() {
                let schema = resolve(document, &media["schema"]);
                let what = format!("{method} {path}, {kind}");
                bodies += 1;
                assert_eq!(schema["additionalProperties"], false, "{what}: {schema}");
                for name in schema["properties"].as_object().unwrap().keys() {
                    let purpose = name == "tenantId" && path.starts_with("/auth/");
                    assert!(purpose || !COVETED.contains(&name.as_str()), "{what}: {name}");
                }
            }
        }
    }
    assert!(bodies > 30, "{bodies}");
}

for_each_store! {
    async fn what_is_coveted_is_refused_by_name_and_nothing_is_done(server: &TestServer) {
        let owner = server.owner("acme").await;
        let nobody = server.anonymous();
        let tenant = format!("/api/v1/tenants/{}", owner.tenant);
        let people = owner.get("/api/v1/users").await.is(200);
        let member = people["data"][0]["id"].as_str().unwrap();
        let (member, profile) = (format!("/api/v1/users/{member}"), "/api/v1/auth/profile");
        let shown = async || {
            let paths = [&tenant, &member, profile, "/api/v1/customers", "/api/v1/users/roles", "/api/v1/auth/api-keys"];
            let mut shown = Vec::new();
            for path in paths {
                shown.push(owner.get(path).await.is(200));
            }
            json!(shown)
        };
        let before = shown().await;
        let signup = json!({"email": "eve@example.com", "password": PASSWORD});
        let login = json!({"email": owner.email, "password": PASSWORD});
        for field in COVETED {
            for (caller, method, path, body) in [
                (&nobody, Method::POST, "/api/v1/auth/signup", &signup),
                (&nobody, Method::POST, "/api/v1/auth/login", &login),
                (&owner, Method::PUT, profile, &json!({"name": "E"})),
                (&owner, Method::PATCH, &*tenant, &json!({"name": "E"})),
                (&owner, Method::PATCH, &*member, &json!({"name": "E"})),
                (&owner, Method::POST, "/api/v1/users/roles", &json!({"name": "E", "permissions": []})),
                (&owner, Method::POST, "/api/v1/auth/api-keys", &json!({"name": "E", "scopes": ["*"]})),
                (&owner, Method::POST, "/api/v1/customers", &json!({"companyName": "E"})),
                (&owner, Method::POST, "/api/v1/customers/tags", &json!({"name": "E"})),
            ] {
                // Signing in names the tenant to work in.
                if *field == "tenantId" && path == "/api/v1/auth/login" {
                    continue;
                }
                let mut body = body.clone();
                body[field] = json!(owner.tenant);
                let answer = caller.send(method.clone(), path, Some(body)).await;
                let told = answer.fails(400, "UNKNOWN_FIELD");
                assert_eq!(told["errors"][0]["field"], *field, "{method} {path}");
            }
        }
        assert_eq!(shown().await, before);
        nobody.post("/api/v1/auth/signup", signup).await.is(201);
    }
}
