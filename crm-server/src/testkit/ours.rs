//! What the probe must be told of this server's own operations, for whoever serves them beside
//! others.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use crm_core::auth::one_time_password;
use parking_lot::Mutex;
use poem::http::Method;
use serde_json::{Value, json};

use super::furnish::{Given, Member, Tenants};
use super::report::Exception;
use super::server::{Ask, Server};

/// What the probe finds at this server's own operations, and is right.
const EXCEPTIONS: &str = include_str!("exceptions.txt");
const PASSWORD: &str = "correct horse battery";
/// For how long a one-time password holds.
const STEP: TimeDelta = TimeDelta::seconds(30);

/// What goes into requests to this server's own operations, where their schemas do not tell.
pub fn given() -> Given {
    let grant = json!({"permission": "customers:read", "reach": "all", "without": []});
    let given = [
        ("POST /auth/api-keys", json!({"scopes": ["*"], "expiresAt": null, "code": null})),
        ("DELETE /auth/mfa/totp", json!({"code": "{code}"})),
        ("POST /auth/mfa/totp", json!({"password": "{password}"})),
        ("POST /auth/mfa/recovery-codes", json!({"code": "{code}"})),
        ("POST /auth/mfa/totp/confirm", json!({"code": "{first code}"})),
        ("POST /auth/change-password", json!({"code": null})),
        ("POST /auth/change-email", json!({"code": null})),
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
        ("POST /tenants", json!({"requireMfaRoles": []})),
        ("PATCH /tenants/{tenantId}", json!({"requireMfaRoles": []})),
        ("POST /tenants/{tenantId}/members", json!({"email": "{stranger}", "roles": ["user"]})),
        ("POST /users/invitations", json!({"roles": ["user"]})),
        ("POST /users", json!({"roles": ["user"]})),
        ("DELETE /users/{id}/mfa", json!({"id": "{new users}"})),
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
    /// The secrets of second factors, by user, each with the time at which it was got.
    secrets: Mutex<BTreeMap<String, (String, DateTime<Utc>)>>,
}

impl<'a> SignUps<'a> {
    /// At this server.
    pub fn new(server: &'a dyn Server) -> Self {
        Self { server, strangers: AtomicUsize::new(0), secrets: Mutex::default() }
    }

    async fn data(&self, method: Method, path: &str, by: &Member, body: Option<Value>) -> Value {
        let ask = Ask::new(method, format!("/api/v1{path}")).by(&by.token);
        let ask = body.iter().fold(ask, |ask, body| ask.json(body));
        self.server.ask(ask).await.json()["data"].take()
    }

    /// Takes away the second factor that was got for somebody, if any: by the last of the three
    /// codes that it takes while the server's clock stands still.
    async fn without_second_factor(&self, member: &Member) {
        let secret = self.secrets.lock().remove(&member.user);
        if let Some((secret, now)) = secret {
            let code = one_time_password(&secret, now + STEP).unwrap_or_default();
            let body = json!({"password": PASSWORD, "code": code});
            self.data(Method::DELETE, "/auth/mfa/totp", member, Some(body)).await;
        }
    }

    /// Begins to get somebody a second factor: its secret, and the server's time.
    async fn begin(&self, member: &Member) -> Option<(String, DateTime<Utc>)> {
        self.without_second_factor(member).await;
        let body = json!({"password": PASSWORD});
        let begun = self.data(Method::POST, "/auth/mfa/totp", member, Some(body)).await;
        // The clock may stand still anywhere: a token that was just signed tells where.
        let profile = self.data(Method::GET, "/auth/profile", member, None).await;
        let login = json!({"email": profile["user"]["email"], "password": PASSWORD});
        let login = Ask::new(Method::POST, "/api/v1/auth/login").json(&login);
        let session = self.server.ask(login).await.json();
        let until: DateTime<Utc> = session["data"]["expiration"].as_str()?.parse().ok()?;
        let now = until - TimeDelta::seconds(session["data"]["expiresIn"].as_i64()?);
        let begun = (begun["secret"].as_str()?.to_owned(), now);
        self.secrets.lock().insert(member.user.clone(), begun.clone());
        Some(begun)
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

    async fn code(&self, member: &Member, first: bool) -> String {
        let Some((secret, now)) = self.begin(member).await else { return String::new() };
        let shown = one_time_password(&secret, now - STEP).unwrap_or_default();
        if first {
            return shown;
        }
        let (path, body) = ("/auth/mfa/totp/confirm", json!({"code": shown}));
        self.data(Method::POST, path, member, Some(body)).await;
        one_time_password(&secret, now).unwrap_or_default()
    }

    async fn password(&self, member: &Member) -> String {
        self.without_second_factor(member).await;
        PASSWORD.to_owned()
    }

    async fn session(&self, member: &Member) -> String {
        self.without_second_factor(member).await;
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
