//! Proving that an application of one's own keeps tenants apart: the API mounted in it, and what
//! it serves beside the API.
//!
//! The probe of `crm_server::testkit` calls every operation of an OpenAPI document as those who
//! may not, some eleven thousand requests for this one. Here the document is the API's, with an
//! operation of the application's own added to it.
//!
//! ```text
//! cargo run -p crm-examples --features http --example tenants_apart
//! ```

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crm_core::customers::Customer;
use crm_core::tenants::TenantId;
use crm_core::{Clock, Id};
use crm_server::api::caller::Caller;
use crm_server::api::error::ApiError;
use crm_server::app::{App, Parts};
use crm_server::config::{Algorithm, Config, ConfigError, Rates};
use crm_server::mail::HeldMails;
use crm_server::testkit::{
    Crossing, Document, Mounted, Report, SignUps, Tenants, exceptions, given, signed_otherwise,
    unsigned,
};
use crm_server::tokens::generate_key;
use crm_store_memory::MemoryStore;
use poem::web::{Data, Json, Path};
use poem::{Endpoint, EndpointExt, Request, Route, get, handler};
use serde_json::{Value, json};

/// The points that customers have collected, in whatever tenant.
#[derive(Debug, Default)]
struct Points(Mutex<HashMap<(TenantId, Id<Customer>), u64>>);

impl Points {
    fn with<T>(&self, act: impl FnOnce(&mut HashMap<(TenantId, Id<Customer>), u64>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn shown(points: u64) -> Json<Value> {
    Json(json!({"success": true, "data": {"points": points}}))
}

/// The customer's points. That there is such a customer, and that the caller may see it, is asked
/// of the library: nothing else keeps an identifier of another tenant from being believed.
#[handler]
async fn read(
    request: &Request,
    Path(id): Path<Id<Customer>>,
    points: Data<&Arc<Points>>,
) -> poem::Result<Json<Value>> {
    let caller = Caller::of(request).await?;
    let customer = caller.crm().customers().get(id).await;
    customer.map_err(ApiError::from)?;
    let key = (caller.membership().tenant.id, id);
    Ok(shown(points.with(|points| points.get(&key).copied().unwrap_or(0))))
}

/// Adds a point.
#[handler]
async fn add(
    request: &Request,
    Path(id): Path<Id<Customer>>,
    points: Data<&Arc<Points>>,
) -> poem::Result<Json<Value>> {
    let caller = Caller::of(request).await?;
    let customer = caller.crm().customers().get(id).await;
    customer.map_err(ApiError::from)?;
    let key = (caller.membership().tenant.id, id);
    Ok(shown(points.with(|points| {
        let count = points.entry(key).or_default();
        *count += 1;
        *count
    })))
}

/// The application.
fn application(app: &Arc<App>) -> impl Endpoint + use<> {
    let points = get(read).post(add).data(Arc::new(Points::default())).data(Arc::clone(app));
    Route::new().at("/shop/customers/:id/points", points).nest("/", app.endpoint())
}

/// The API's document, and the application's own operations in it.
fn document() -> Result<Document, Box<dyn std::error::Error>> {
    let mut document: Value = serde_json::from_str(crm_server::openapi::document())?;
    let operation = json!({"security": [{"bearer": []}], "responses": {"200": {}}});
    document["paths"]["/customers/{id}/points"] = json!({
        "servers": [{"url": "/shop"}],
        "parameters": [{"name": "id", "in": "path", "schema": {"type": "string", "format": "uuid"}}],
        "get": operation,
        "post": operation,
    });
    Ok(Document::new(document)?)
}

fn config() -> Result<Config, ConfigError> {
    let mut config = Config { public_url: "http://localhost:8000".to_owned(), ..Config::default() };
    config.tokens.algorithm = Algorithm::EdDsa;
    let key = generate_key(Algorithm::EdDsa);
    config.tokens.key = Some(key.map_err(|error| ConfigError::new(error.to_string()))?);
    config.mfa.key = Some(crm_server::seal::generate_key()?);
    // Some hundred people sign up: here their passwords need not be safe.
    config.passwords.memory_kib = 64;
    config.passwords.iterations = 1;
    // And whoever asks thousands of times is let to.
    config.limits.rate = Rates::off();
    Ok(config)
}

/// Probes an application that was made around the API.
async fn probed<E: Endpoint>(
    around: impl FnOnce(&Arc<App>) -> E,
    document: &Document,
) -> Result<Report, Box<dyn std::error::Error>> {
    let mut parts = Parts::new(config()?, Arc::new(MemoryStore::new()));
    // People are invited by mail: here into nobody's mailbox.
    parts.mailer = Some(Arc::new(HeldMails::new(Arc::new(crm_core::SystemClock))));
    let app = App::new(parts).await?;
    let server = Mounted(around(&app));
    let tenants = SignUps::new(&server);
    // Tokens that hold nothing, made out of one that does.
    let (acme, other) = (tenants.tenant("acme").await, tenants.tenant("other").await);
    let keys = serde_json::to_value(app.tokens().jwks())?;
    let mut bad = unsigned(&acme.token, &keys, &other.tenant)?;
    if let Some(key) = &app.config().tokens.key {
        let now = crm_core::SystemClock.now().timestamp();
        bad.extend(signed_otherwise(&acme.token, key, now)?);
    }
    let probe = Crossing::new(&server, document, &tenants);
    Ok(probe.given_all(&given()).bad_tokens(bad).run().await)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let report = probed(application, &document()?).await?;
    println!("{} requests to {} operations", report.asked, report.operations.len());
    report.against(&exceptions())?;
    println!("tenants are kept apart");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same, but that nobody asks whether there is such a customer, nor whose it is.
    #[handler]
    async fn read_anybodys(
        request: &Request,
        Path(id): Path<Id<Customer>>,
        points: Data<&Arc<Points>>,
    ) -> poem::Result<Json<Value>> {
        Caller::of(request).await?;
        let known =
            points.with(|points| points.iter().find(|((_, of), _)| *of == id).map(|p| *p.1));
        Ok(shown(known.unwrap_or(0)))
    }

    fn careless(app: &Arc<App>) -> impl Endpoint + use<> {
        let points =
            get(read_anybodys).post(add).data(Arc::new(Points::default())).data(Arc::clone(app));
        Route::new().at("/shop/customers/:id/points", points).nest("/", app.endpoint())
    }

    #[tokio::test]
    async fn the_application_keeps_tenants_apart() {
        let report = probed(application, &document().unwrap()).await.unwrap();
        assert!(report.operations.contains("POST /customers/{id}/points"));
        assert_eq!(report.against(&exceptions()), Ok(()));
    }

    #[tokio::test]
    async fn what_does_not_ask_whose_a_customer_is_is_found() {
        // Of the API, what makes customers is enough.
        let mut few = document().unwrap().root().clone();
        let paths = few["paths"].as_object_mut().unwrap();
        paths.retain(|path, _| path == "/customers" || path.ends_with("/points"));
        let report = probed(careless, &Document::new(few).unwrap()).await.unwrap();
        let found = report.against(&[]).unwrap_err();
        assert!(found.contains("GET /customers/{id}/points: path id"), "{found}");
    }
}
