//! What the probe must be told of this server's own operations, for whoever serves them beside
//! others.

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use poem::http::Method;
use serde_json::{Value, json};

use super::furnish::{Given, Member, Tenants};
use super::report::Exception;
use super::server::{Ask, Server};

/// What the probe finds at this server's own operations, and is right.
const EXCEPTIONS: &str = include_str!("exceptions.txt");
const PASSWORD: &str = "correct horse battery";

/// What goes into requests to this server's own operations, where their schemas do not tell.
pub fn given() -> Given {
    let grant = json!({"permission": "customers:read", "reach": "all"});
    let given = [
        ("POST /auth/api-keys", json!({"scopes": ["*"], "expiresAt": null})),
        ("DELETE /auth/sessions/{id}", json!({"id": "{session}"})),
        ("POST /custom-fields", json!({"recordType": "customers", "type": "text"})),
        ("POST /custom-fields choice", json!({"type": "choice", "options": ["One", "Two"]})),
        (
            "POST /custom-fields/{id}/options/rename",
            json!({"id": "{new custom-fields choice}", "option": "One", "to": "Three"}),
        ),
        (
            "POST /custom-fields/{id}/options/remove",
            json!({"id": "{new custom-fields choice}", "option": "One"}),
        ),
        (
            "POST /relations",
            json!({
                "kind": "related_to",
                "from": {"type": "customers", "id": "{new customers}"},
                "to": {"type": "companies", "id": "{companies}"}
            }),
        ),
        ("POST /relations/kinds", json!({"symmetric": true})),
        ("POST /teams", json!({"members": ["{users}"], "managers": []})),
        ("POST /tenants/{tenantId}/members", json!({"email": "{stranger}", "roles": ["user"]})),
        ("POST /users/invitations", json!({"roles": ["user"]})),
        ("POST /users", json!({"roles": ["user"]})),
        ("POST /users/roles", json!({"permissions": [grant]})),
        ("POST /users/roles/{id}/permissions", grant.clone()),
        ("POST /users/roles/{id}/preview", json!({"permissions": [grant], "code": null})),
        (
            "DELETE /users/roles/{id}/permissions/{permission}",
            json!({"permission": "customers:read"}),
        ),
        ("PUT /users/{id}/permissions", json!({"permissions": [grant]})),
    ];
    let each = |(operation, fields): (&str, Value)| {
        (operation.to_owned(), fields.as_object().cloned().unwrap_or_default())
    };
    given.into_iter().chain(of_many()).map(each).collect()
}

/// What changes many records: all or none, so that one that is not there is refused and not only
/// told of.
fn of_many() -> impl Iterator<Item = (&'static str, Value)> {
    let of = |id: &str, more: Value| {
        let mut body = json!({"ids": [id], "versions": null, "filter": null, "atomic": true});
        for (name, value) in more.as_object().into_iter().flatten() {
            body[name] = value.clone();
        }
        body
    };
    let same = || json!({"changes": {}});
    let tags = json!({"add": ["{tags}"], "remove": [], "set": null});
    [
        ("POST /companies/bulk/delete", of("{new companies}", Value::Null)),
        ("POST /companies/bulk/update", of("{new companies}", same())),
        ("POST /custom-fields/bulk/delete", of("{new custom-fields}", Value::Null)),
        ("POST /custom-fields/bulk/update", of("{new custom-fields}", same())),
        ("POST /customers/bulk/assign", of("{new customers}", Value::Null)),
        ("POST /customers/bulk/delete", of("{new customers}", Value::Null)),
        ("POST /customers/bulk/tag", of("{new customers}", tags)),
        ("POST /customers/bulk/update", of("{new customers}", same())),
        ("POST /customers/tags/bulk/delete", of("{new tags}", Value::Null)),
        ("POST /customers/tags/bulk/update", of("{new tags}", same())),
        ("POST /relations/bulk/delete", of("{new relations}", Value::Null)),
        ("POST /relations/bulk/update", of("{new relations}", same())),
        ("POST /relations/kinds/bulk/delete", of("{new kinds}", Value::Null)),
        ("POST /relations/kinds/bulk/update", of("{new kinds}", same())),
        ("POST /teams/bulk/delete", of("{new teams}", Value::Null)),
        ("POST /teams/bulk/update", of("{new teams}", same())),
        ("POST /users/bulk-update", of("{new users}", same())),
        ("POST /users/roles/bulk/delete", of("{new roles}", Value::Null)),
        ("POST /users/roles/bulk/update", of("{new roles}", same())),
    ]
    .into_iter()
}

/// What the probe finds at this server's own operations and is right. A list that may only
/// shrink: an exception that covers nothing any more is an error.
pub fn exceptions() -> Vec<Exception> {
    // A test reads every line of it.
    Exception::list(EXCEPTIONS).unwrap_or_default()
}

/// Tenants that come about as anybody's do: somebody signs up and founds one.
#[expect(missing_debug_implementations, reason = "a server is anything")]
pub struct SignUps<'a> {
    server: &'a dyn Server,
    strangers: AtomicUsize,
}

impl<'a> SignUps<'a> {
    /// At this server.
    pub fn new(server: &'a dyn Server) -> Self {
        Self { server, strangers: AtomicUsize::new(0) }
    }

    async fn sign_up(&self, input: Value) -> Value {
        let ask = Ask::new(Method::POST, "/api/v1/auth/signup").json(&input);
        self.server.ask(ask).await.json()["data"].take()
    }
}

#[async_trait]
impl Tenants for SignUps<'_> {
    async fn tenant(&self, name: &str) -> Member {
        let email = format!("owner@{name}.example");
        let input = json!({"email": email, "password": PASSWORD, "tenantName": name});
        let made = self.sign_up(input).await;
        let text =
            |at: &str| made.pointer(at).and_then(Value::as_str).unwrap_or_default().to_owned();
        Member { tenant: text("/tenant/id"), user: text("/user/id"), token: text("/token") }
    }

    async fn stranger(&self) -> String {
        let number = self.strangers.fetch_add(1, Ordering::Relaxed);
        // As an address that the probe makes up: which of the two it is must make no difference.
        let email = format!("lighthouse9{number:05}@probe.example");
        self.sign_up(json!({"email": email, "password": PASSWORD})).await;
        email
    }

    async fn session(&self, member: &Member) -> String {
        let ask = |path: &str, token: &str| Ask::new(Method::GET, path).by(token);
        let profile = self.server.ask(ask("/api/v1/auth/profile", &member.token)).await.json();
        let login = json!({"email": profile["data"]["user"]["email"], "password": PASSWORD});
        let login = Ask::new(Method::POST, "/api/v1/auth/login").json(&login);
        let token = self.server.ask(login).await.json()["data"]["token"].take();
        let token = token.as_str().unwrap_or_default();
        let sessions = self.server.ask(ask("/api/v1/auth/sessions", token)).await.json();
        let mut sessions = sessions["data"].as_array().into_iter().flatten();
        let own = sessions.find(|session| session["current"] == true);
        own.and_then(|own| own["id"].as_str()).unwrap_or_default().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_exception_has_a_reason() {
        let list = Exception::list(EXCEPTIONS).unwrap();
        assert_eq!(list, exceptions());
    }
}
