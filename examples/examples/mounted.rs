//! The whole REST API inside an application of one's own, beside its own routes, which know the
//! same users and work on the same records.
//!
//! ```text
//! cargo run -p crm-examples --features http --example mounted
//! curl -s localhost:8000/shop/opening-hours
//! curl -s localhost:8000/api/v1/auth/signup -H 'Content-Type: application/json' \
//!     -d '{"email": "ada@acme.example", "password": "correct horse battery", "tenantName": "Acme"}'
//! curl -s localhost:8000/shop/greeting -H "Authorization: Bearer …"
//! ```

use std::sync::Arc;

use crm_core::Find;
use crm_server::api::caller::Caller;
use crm_server::api::error::ApiError;
use crm_server::app::{App, Parts};
use crm_server::config::{Algorithm, Config, ConfigError};
use crm_server::tokens::generate_key;
use crm_store_memory::MemoryStore;
use poem::listener::TcpListener;
use poem::web::Json;
use poem::{Endpoint, EndpointExt, Request, Route, get, handler};
use serde::Serialize;

/// What the application needed no CRM for.
#[handler]
fn opening_hours() -> &'static str {
    "Monday to Friday, 9 to 17"
}

#[derive(Serialize)]
struct Greeting {
    /// The user's roles in the tenant of the token.
    roles: Vec<String>,
    /// As many as the user may see.
    customers: u64,
}

/// What the CRM's users are told: whose token it is, is found out as in the API itself, and the
/// library shows no more of the records than there.
#[handler]
async fn greeting(request: &Request) -> poem::Result<Json<Greeting>> {
    let caller = Caller::of(request).await?;
    let found = caller.crm().customers().find(Find::all().counted()).await;
    let found = found.map_err(ApiError::from)?;
    let roles = caller.membership().member.roles.iter().map(ToString::to_string).collect();
    Ok(Json(Greeting { roles, customers: found.total.unwrap_or(0) }))
}

/// The application. The API's paths begin with `/api`, `/docs`, `/openapi.json` and
/// `/.well-known`; its middleware wraps them and nothing else.
fn application(app: &Arc<App>) -> impl Endpoint + use<> {
    let shop = Route::new()
        .at("/opening-hours", get(opening_hours))
        .at("/greeting", get(greeting))
        .data(Arc::clone(app));
    Route::new().nest("/shop", shop).nest("/", app.endpoint())
}

/// The CRM's settings, from wherever the application has its own.
fn config() -> Result<Config, ConfigError> {
    let mut config = Config { public_url: "http://localhost:8000".to_owned(), ..Config::default() };
    config.tokens.algorithm = Algorithm::EdDsa;
    // A key that outlives the program belongs into `key_file`.
    let key = generate_key(Algorithm::EdDsa);
    config.tokens.key = Some(key.map_err(|error| ConfigError::new(error.to_string()))?);
    config.mfa.key = Some(crm_server::seal::generate_key()?);
    Ok(config)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // On PostgreSQL, `PostgresStore::connect` stands here.
    let app = App::new(Parts::new(config()?, Arc::new(MemoryStore::new()))).await?;
    println!("http://localhost:8000/shop/opening-hours, and the API's reference at /docs");
    poem::Server::new(TcpListener::bind("127.0.0.1:8000")).run(application(&app)).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use poem::http::StatusCode;
    use poem::test::TestClient;
    use serde_json::{Value, json};

    async fn client() -> TestClient<impl Endpoint> {
        let app = App::new(Parts::new(config().unwrap(), Arc::new(MemoryStore::new())));
        TestClient::new(application(&app.await.unwrap()))
    }

    #[tokio::test]
    async fn own_routes_and_the_api_stand_beside_each_other() {
        let client = client().await;
        client
            .get("/shop/opening-hours")
            .send()
            .await
            .assert_text("Monday to Friday, 9 to 17")
            .await;
        client.get("/api/v1/health/ready").send().await.assert_status_is_ok();
        client.get("/openapi.json").send().await.assert_status_is_ok();
        let missing = client.get("/api/v1/nothing").send().await;
        missing.assert_status(StatusCode::NOT_FOUND);
        let missing = missing.json().await;
        missing.value().object().get("success").assert_bool(false);
    }

    #[tokio::test]
    async fn own_routes_know_the_users_of_the_api() {
        let client = client().await;
        let nobody = client.get("/shop/greeting").send().await;
        nobody.assert_status(StatusCode::UNAUTHORIZED);

        let input = json!({"email": "ada@acme.example", "password": "correct horse battery",
                           "tenantName": "Acme"});
        let signed_up = client.post("/api/v1/auth/signup").body_json(&input).send().await;
        let signed_up: Value = signed_up.json().await.value().deserialize();
        let token = format!("Bearer {}", signed_up["data"]["token"].as_str().unwrap());
        let made = client.post("/api/v1/customers").header("Authorization", &token);
        made.body_json(&json!({"companyName": "Löwen"}))
            .send()
            .await
            .assert_status(StatusCode::CREATED);
        let greeted = client.get("/shop/greeting").header("Authorization", &token).send().await;
        greeted.assert_json(json!({"roles": ["owner"], "customers": 1})).await;
    }
}
