//! Somebody of a tenant who tries to become more than they are, by every role.
//!
//! What came back: who may not give rights is refused; who may gives none that they lack. Nobody's
//! permissions are more afterwards. (Each role at each operation upon records: `policy.rs`; upon
//! people and roles: `users.rs`, `roles.rs`; out of reach: `reach.rs`.)

use crm_core::Choice;
use crm_core::access::BuiltIn;
use hyper::Method;
use serde_json::{Value, json};

use crate::support::{Person, TestServer, for_each_store};

/// What somebody may do, as the server says.
async fn permissions(person: &Person) -> Value {
    let answer = person.get("/api/v1/auth/permissions").await;
    answer.is(200);
    answer.data()
}

/// The roles that somebody has, as the server says.
async fn roles(person: &Person) -> Value {
    let answer = person.get("/api/v1/auth/roles").await;
    answer.is(200);
    answer.data()
}

/// Somebody's place in the tenant.
async fn member(owner: &Person, user: &str) -> String {
    let list = owner.get("/api/v1/users?limit=100").await.is(200);
    let all = list["data"].as_array().unwrap();
    let found = all.iter().find(|one| one.to_string().contains(user)).unwrap();
    found["id"].as_str().unwrap().to_owned()
}

/// What makes somebody more than they are, of a tenant's people: by whose place in it, for whom
/// else. Each is what works where it is allowed: its owner does it at last.
fn tries(person: &Person, own: &str, stranger: &str) -> Vec<(Method, String, Value)> {
    let all = json!([{"permission": "customers:delete", "reach": "all"}]);
    let tenant = format!("/api/v1/tenants/{}", person.tenant);
    let code = &own[own.len() - 12..];
    let owner = json!(["owner"]);
    vec![
        (Method::PATCH, format!("/api/v1/users/{own}"), json!({"roles": owner})),
        (Method::PUT, format!("/api/v1/users/{own}"), json!({"name": "E", "roles": owner})),
        (
            Method::POST,
            "/api/v1/users".to_owned(),
            json!({"email": format!("two{code}@eve.example"), "password": "another secret", "roles": owner}),
        ),
        (Method::POST, format!("{tenant}/members"), json!({"email": stranger, "roles": owner})),
        (Method::PUT, format!("/api/v1/users/{own}/permissions"), json!({"permissions": all})),
        (
            Method::POST,
            "/api/v1/roles".to_owned(),
            json!({"name": format!("All {code}"), "permissions": all}),
        ),
        (Method::DELETE, tenant, Value::Null),
    ]
}

for_each_store! {
    async fn no_role_becomes_more_by_itself(server: &TestServer) {
        let owner = server.owner("acme").await;
        let eve = server.owner("eves").await;
        for role in BuiltIn::ALL.iter().copied().filter(|role| *role != BuiltIn::Owner) {
            let person = server.colleague(&owner, role).await;
            let own = member(&owner, &person.user).await;
            let (before, had) = (permissions(&person).await, roles(&person).await);
            for (method, path, body) in tries(&person, &own, &eve.email) {
                // An admin may give others what an admin has.
                if role == BuiltIn::Admin && body.get("permissions").is_some() {
                    continue;
                }
                let what = format!("{role}: {method} {path} {body}");
                let body = (!body.is_null()).then_some(body);
                let answer = person.send(method, &path, body).await;
                assert_eq!(answer.status, 403, "{what}: {}", answer.json());
            }
            // In the name of another tenant, where somebody else owns everything.
            let there = person.with("X-Tenant-ID", &eve.tenant);
            there.get("/api/v1/users").await.fails(403, "NOT_A_MEMBER");
            assert_eq!(roles(&person).await, had, "{role}");
            assert_eq!(permissions(&person).await, before, "{role}");
            // Nor by a key of one's own.
            let key = person.post("/api/v1/auth/api-keys", json!({"name": "E", "scopes": ["*"]})).await;
            if key.status == 201 {
                let key = server.anonymous().with("X-API-Key", key.data()["key"].as_str().unwrap());
                let path = format!("/api/v1/users/{own}");
                let answer = key.patch(&path, json!({"roles": ["owner"]})).await;
                assert_eq!(answer.status, 403, "{role}: {}", answer.json());
                let another = json!({"name": "F", "scopes": ["*"]});
                key.post("/api/v1/auth/api-keys", another).await.fails(403, "NOT_BY_KEY");
            }
        }
        // What was refused is what is done where it may be.
        let person = server.colleague(&owner, BuiltIn::User).await;
        let own = member(&owner, &person.user).await;
        for (method, path, body) in tries(&person, &own, &eve.email) {
            let what = format!("{method} {path} {body}");
            let body = (!body.is_null()).then_some(body);
            let answer = owner.send(method, &path, body).await;
            assert!(answer.status.is_success(), "{what}: {} {}", answer.status, answer.json());
        }
    }
}
