//! Tenants for the test kit, founded by signing up, and what our document does not tell of how
//! they are furnished.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use crm_server::testkit::{Given, Member, Tenants};
use serde_json::{Value, json};

use super::people::PASSWORD;
use super::server::TestServer;
use super::watched::Watched;

/// What operations are given.
pub(crate) static GIVEN: LazyLock<Given> = LazyLock::new(|| {
    let grant = json!({"permission": "customers:read", "reach": "all"});
    let given = [
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
        ("POST /tenants/{tenantId}/members", json!({"email": "{stranger}", "roles": ["user"]})),
        ("POST /users", json!({"roles": ["user"]})),
        ("POST /users/roles", json!({"permissions": [grant]})),
        ("POST /users/roles/{id}/permissions", grant.clone()),
        (
            "DELETE /users/roles/{id}/permissions/{permission}",
            json!({"permission": "customers:read"}),
        ),
        ("PUT /users/{id}/permissions", json!({"permissions": [grant]})),
    ];
    let each = |(operation, fields): (&str, Value)| {
        (operation.to_owned(), fields.as_object().cloned().unwrap_or_default())
    };
    given.into_iter().map(each).collect()
});

/// Founds tenants on a server.
#[derive(Debug)]
pub(crate) struct Founder<'a> {
    server: &'a TestServer,
    watched: Option<&'a Watched>,
    strangers: AtomicUsize,
}

impl<'a> Founder<'a> {
    pub(crate) fn of(server: &'a TestServer) -> Self {
        Self { server, watched: None, strangers: AtomicUsize::new(0) }
    }

    /// Of a server over a store that is watched.
    pub(crate) fn watching(server: &'a TestServer, watched: &'a Watched) -> Self {
        Self { watched: Some(watched), ..Self::of(server) }
    }
}

#[async_trait]
impl Tenants for Founder<'_> {
    async fn tenant(&self, name: &str) -> Member {
        let owner = self.server.owner(name).await;
        let token = owner.token().to_owned();
        Member { tenant: owner.tenant, user: owner.user, token }
    }

    async fn stranger(&self) -> String {
        let number = self.strangers.fetch_add(1, Ordering::Relaxed);
        let email = format!("stranger{number}@nowhere.example");
        let input = json!({"email": email, "password": PASSWORD});
        self.server.anonymous().post("/api/v1/auth/signup", input).await.is(201);
        email
    }

    /// Whatever was written there, shown by the API or not: the log and the events as well.
    async fn digest(&self, member: &Member) -> String {
        let tenant = member.tenant.parse().unwrap();
        let written = self.watched.map(|watched| watched.written(tenant));
        format!("{written:?}")
    }
}
