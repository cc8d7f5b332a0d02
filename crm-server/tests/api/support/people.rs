//! The kinds of callers: nobody (`server.anonymous()`), and people with a role in a tenant.

use crm_core::access::BuiltIn;
use crm_core::tenants::TenantId;
use crm_core::users::UserId;
use serde_json::{Value, json};

use super::client::Client;
use super::server::TestServer;

/// Everybody's password.
pub(crate) const PASSWORD: &str = "correct horse battery";

/// Somebody who has signed in.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub(crate) email: String,
    pub(crate) user: String,
    pub(crate) tenant: String,
    pub(crate) refresh_token: String,
    client: Client,
}

impl std::ops::Deref for Person {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Person {
    fn of(server: &TestServer, session: &Value) -> Self {
        let text = |pointer: &str| {
            session.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        Self {
            email: text("/user/email"),
            user: text("/user/id"),
            tenant: text("/tenant/id"),
            refresh_token: text("/refreshToken"),
            client: server.anonymous().with_token(text("/token")),
        }
    }
}

impl TestServer {
    /// Signs up the owner of a new tenant.
    pub(crate) async fn owner(&self, tenant: &str) -> Person {
        let email = format!("owner@{tenant}.example");
        let input = json!({"email": email, "password": PASSWORD, "tenantName": tenant});
        let answer = self.anonymous().post("/api/v1/auth/signup", input).await;
        answer.is(201);
        Person::of(self, &answer.data())
    }

    /// Somebody else in the owner's tenant.
    pub(crate) async fn colleague(&self, owner: &Person, role: BuiltIn) -> Person {
        let number = self.clock_tick();
        let email = format!("{role}{number}@{}.example", &owner.tenant[..8]);
        let input = json!({"email": email, "password": PASSWORD, "name": role.to_string()});
        let user = self.anonymous().post("/api/v1/auth/signup", input).await.data();
        let user: UserId = user["user"]["id"].as_str().unwrap().parse().unwrap();
        self.join(owner, user, role).await;
        self.sign_in(&email).await
    }

    /// The same person, calling this server with the token of another one.
    pub(crate) fn here(&self, person: &Person) -> Person {
        let client = self.anonymous().with_token(person.client.token());
        Person { client, ..person.clone() }
    }

    /// Makes a user a member of the owner's tenant.
    pub(crate) async fn join(&self, owner: &Person, user: UserId, role: BuiltIn) {
        let tenant: TenantId = owner.tenant.parse().unwrap();
        self.app().crm().system().add_member(tenant, user, &[role]).await.unwrap();
    }

    /// Lets somebody who was added to a tenant agree to it.
    pub(crate) async fn agree(&self, person: &Person, tenant: &str) {
        let there = json!({"tenantId": tenant});
        person.post("/api/v1/auth/accept-invitation", there).await.is(200);
    }

    /// Signs in with everybody's password.
    pub(crate) async fn sign_in(&self, email: &str) -> Person {
        let input = json!({"email": email, "password": PASSWORD});
        let answer = self.anonymous().post("/api/v1/auth/login", input).await;
        answer.is(200);
        Person::of(self, &answer.data())
    }

    fn clock_tick(&self) -> i64 {
        use crm_core::Clock;
        self.clock().advance(chrono::TimeDelta::milliseconds(1));
        self.clock().now().timestamp_millis() % 100_000
    }
}
