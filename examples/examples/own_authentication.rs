//! One's own sign-in in front of the library: a token with the company's own claims becomes an
//! actor, and the library decides what the actor may do.
//!
//! ```text
//! cargo run -p crm-examples --features http --example own_authentication
//! ```
//!
//! It prints tokens to call itself with. The CRM keeps no users here: an identifier is all that it
//! knows of them, and everything about passwords and sessions is somebody else's business.

use std::net::SocketAddr;
use std::sync::Arc;

use crm_core::access::{Actor, BuiltIn, Origin, Role, Scopes};
use crm_core::customers::CustomerDraft;
use crm_core::tenants::TenantId;
use crm_core::users::UserId;
use crm_core::{Crm, Error, Find, TenantCrm};
use crm_store_memory::MemoryStore;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use poem::http::{StatusCode, header};
use poem::listener::TcpListener;
use poem::web::Json;
use poem::{Endpoint, EndpointExt, FromRequest, Request, RequestBody, Route, handler, post};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What the company's sign-in says of somebody: its words, not the CRM's.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Claims {
    sub: UserId,
    /// The business unit: each is a tenant.
    unit: TenantId,
    job: Job,
    /// Whom a head of sales leads.
    #[serde(default)]
    reports: Vec<UserId>,
    /// A token for a program that only reads.
    #[serde(default)]
    read_only: bool,
    exp: i64,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Job {
    HeadOfSales,
    Sales,
    Controlling,
}

impl Job {
    /// The only place where a job means a role.
    fn role(self) -> Role {
        match self {
            Self::HeadOfSales => BuiltIn::Manager.into(),
            Self::Sales => BuiltIn::User.into(),
            Self::Controlling => BuiltIn::Readonly.into(),
        }
    }
}

impl Claims {
    fn actor(self) -> Actor {
        let actor = Actor::new(self.unit, self.sub).with_role(self.job.role());
        let actor = actor.with_team(self.reports);
        // Scopes only ever narrow what the role allows.
        if self.read_only { actor.with_scopes(Scopes::new(["customers:read"])) } else { actor }
    }
}

/// What the application is made of.
struct Company {
    crm: Crm,
    /// Shared with whoever signs people in.
    secret: Vec<u8>,
}

impl Company {
    fn check(&self, token: &str) -> Option<Claims> {
        let mut rules = Validation::new(Algorithm::HS256);
        // The library's clock tells the time, so that a test can.
        rules.validate_exp = false;
        let key = DecodingKey::from_secret(&self.secret);
        let claims = jsonwebtoken::decode::<Claims>(token, &key, &rules).ok()?.claims;
        (claims.exp > self.crm.clock().now().timestamp()).then_some(claims)
    }

    fn sign(&self, claims: &Claims) -> jsonwebtoken::errors::Result<String> {
        jsonwebtoken::encode(&Header::default(), claims, &EncodingKey::from_secret(&self.secret))
    }
}

/// The CRM as far as whoever calls may see it: the one way for a handler to come by one.
struct Caller(TenantCrm);

impl<'a> FromRequest<'a> for Caller {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> poem::Result<Self> {
        let refused = || poem::Error::from_status(StatusCode::UNAUTHORIZED);
        let company = request.data::<Arc<Company>>().ok_or_else(refused)?;
        let header = request.headers().get(header::AUTHORIZATION);
        let token = header.and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        let claims = token.and_then(|token| company.check(token)).ok_or_else(refused)?;
        // For the audit log, which keeps it with every change.
        let address = request.remote_addr().as_socket_addr().map(SocketAddr::ip);
        let address = address.map(|ip| ip.to_string());
        let origin = Origin { address, ..Origin::default() };
        Ok(Self(company.crm.tenant(claims.actor().with_origin(origin))))
    }
}

#[derive(Deserialize)]
struct NewCustomer {
    name: String,
}

#[handler]
async fn create(caller: Caller, Json(new): Json<NewCustomer>) -> poem::Result<Json<Value>> {
    let draft = CustomerDraft::company(new.name);
    let made = caller.0.customers().create(draft).await.map_err(told)?;
    Ok(Json(json!({"id": made.id.to_string(), "name": made.name})))
}

#[handler]
async fn list(caller: Caller) -> poem::Result<Json<Value>> {
    let found = caller.0.customers().find(Find::all()).await.map_err(told)?;
    let names: Vec<String> = found.items.into_iter().map(|customer| customer.name).collect();
    Ok(Json(json!(names)))
}

/// The library's errors, decided by kind and never by text.
fn told(error: Error) -> poem::Error {
    let status = match &error {
        Error::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
        Error::Unreadable(_) => StatusCode::BAD_REQUEST,
        Error::NotFound { .. } => StatusCode::NOT_FOUND,
        Error::Unauthenticated(_) => StatusCode::UNAUTHORIZED,
        Error::Forbidden { .. } | Error::Refused { .. } => StatusCode::FORBIDDEN,
        Error::Stale { .. } => StatusCode::PRECONDITION_FAILED,
        Error::Conflict { .. } => StatusCode::CONFLICT,
        Error::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
        // Faults of ours are for the log, not for the caller.
        _ => return poem::Error::from_status(StatusCode::INTERNAL_SERVER_ERROR),
    };
    poem::Error::from_string(error.to_string(), status)
}

fn application(company: &Arc<Company>) -> impl Endpoint + use<> {
    Route::new().at("/customers", post(create).get(list)).data(Arc::clone(company))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let crm = Crm::new(MemoryStore::new()).await?;
    let unit = crm.system().create_tenant("Lifts & Sons").await?.id;
    let mut secret = vec![0; 32];
    crm.random().fill(&mut secret);
    let company = Arc::new(Company { crm, secret });
    for job in [Job::HeadOfSales, Job::Sales, Job::Controlling] {
        let exp = company.crm.clock().now().timestamp() + 3_600;
        let sub = company.crm.new_id();
        let claims = Claims { sub, unit, job, reports: Vec::new(), read_only: false, exp };
        println!("{job:?}: {}\n", company.sign(&claims)?);
    }
    println!("curl -s localhost:8001/customers -H 'Authorization: Bearer …'");
    poem::Server::new(TcpListener::bind("127.0.0.1:8001")).run(application(&company)).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crm_core::{Clock, ManualClock};
    use poem::test::TestClient;

    struct Shop {
        company: Arc<Company>,
        clock: Arc<ManualClock>,
        unit: TenantId,
    }

    impl Shop {
        async fn open() -> Self {
            let clock = Arc::new(ManualClock::at("2026-03-16T09:30:00Z".parse().unwrap()));
            let builder = Crm::builder(MemoryStore::new()).shared_clock(Arc::clone(&clock) as _);
            let crm = builder.build().await.unwrap();
            let unit = crm.system().create_tenant("Lifts & Sons").await.unwrap().id;
            Self { company: Arc::new(Company { crm, secret: vec![7; 32] }), clock, unit }
        }

        fn claims(&self, job: Job) -> Claims {
            let exp = self.clock.now().timestamp() + 60;
            let sub = self.company.crm.new_id();
            Claims { sub, unit: self.unit, job, reports: Vec::new(), read_only: false, exp }
        }

        async fn create(&self, claims: &Claims, name: &str) -> StatusCode {
            let token = format!("Bearer {}", self.company.sign(claims).unwrap());
            let client = TestClient::new(application(&self.company));
            let call = client.post("/customers").header("Authorization", token);
            call.body_json(&json!({"name": name})).send().await.0.status()
        }

        async fn seen(&self, claims: &Claims) -> Value {
            let token = format!("Bearer {}", self.company.sign(claims).unwrap());
            let client = TestClient::new(application(&self.company));
            let answer = client.get("/customers").header("Authorization", token).send().await;
            answer.json().await.value().deserialize()
        }
    }

    #[tokio::test]
    async fn a_job_becomes_a_role_and_the_library_decides() {
        let shop = Shop::open().await;
        let (eve, max) = (shop.claims(Job::Sales), shop.claims(Job::Sales));
        assert_eq!(shop.create(&eve, "Hotel Ritz").await, StatusCode::OK);
        assert_eq!(shop.create(&max, "Kaufhof").await, StatusCode::OK);
        assert_eq!(shop.create(&max, " ").await, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(shop.seen(&eve).await, json!(["Hotel Ritz"]), "her own");
        let mut head = shop.claims(Job::HeadOfSales);
        assert_eq!(shop.seen(&head).await, json!([]));
        head.reports = vec![max.sub];
        assert_eq!(shop.seen(&head).await, json!(["Kaufhof"]), "of those who report to him");
        let controlling = shop.claims(Job::Controlling);
        assert_eq!(shop.seen(&controlling).await.as_array().unwrap().len(), 2);
        assert_eq!(shop.create(&controlling, "Mine").await, StatusCode::FORBIDDEN);
    }

    #[tokio::test]
    async fn what_a_token_leaves_out_no_role_gives_back() {
        let shop = Shop::open().await;
        let mut reader = shop.claims(Job::Sales);
        reader.read_only = true;
        assert_eq!(shop.create(&reader, "Hotel Ritz").await, StatusCode::FORBIDDEN);
        assert_eq!(shop.seen(&reader).await, json!([]));
    }

    #[tokio::test]
    async fn another_unit_an_old_token_and_a_forged_one_get_nowhere() {
        let shop = Shop::open().await;
        let eve = shop.claims(Job::Sales);
        shop.create(&eve, "Hotel Ritz").await;
        let other = shop.company.crm.system().create_tenant("Escalators").await.unwrap().id;
        let elsewhere = Claims { unit: other, ..shop.claims(Job::Controlling) };
        assert_eq!(shop.seen(&elsewhere).await, json!([]));

        shop.clock.advance(chrono::TimeDelta::minutes(2));
        assert_eq!(shop.create(&eve, "Late").await, StatusCode::UNAUTHORIZED);
        let forger = Company { crm: shop.company.crm.clone(), secret: vec![8; 32] };
        let token = format!("Bearer {}", forger.sign(&shop.claims(Job::HeadOfSales)).unwrap());
        let client = TestClient::new(application(&shop.company));
        for token in [token.as_str(), "Bearer x", "Basic x"] {
            let refused = client.get("/customers").header("Authorization", token).send().await;
            refused.assert_status(StatusCode::UNAUTHORIZED);
        }
    }
}
