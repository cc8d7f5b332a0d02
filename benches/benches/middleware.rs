//! What every request passes through: the middleware around a route that answers at once, without
//! limits and with them, beside the route alone.

use std::sync::Arc;

use criterion::Criterion;
use crm_server::app::{App, Parts};
use crm_server::config::{Algorithm, Config, Rates};
use crm_server::tokens::generate_key;
use crm_store_memory::MemoryStore;
use poem::endpoint::{BoxEndpoint, make_sync};
use poem::http::{Method, header};
use poem::{Body, Endpoint, EndpointExt, Request, Response};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

const PROFILE: &str = "/api/v1/auth/profile";

fn main() -> crm_benches::Result<()> {
    let runtime = Runtime::new()?;
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("middleware");
    let bare = make_sync(|_| Response::builder().body("ok")).boxed();
    group.bench_function("a route alone", |bencher| {
        bencher.iter(|| runtime.block_on(asked(&bare, PROFILE, "")));
    });
    let often = "1000000/1s".parse()?;
    let limits = Rates { address: often, user: often, tenant: often, ..Rates::default() };
    for (name, rates) in [("nothing limited", Rates::off()), ("limits", limits)] {
        let (app, token) = runtime.block_on(served(rates))?;
        let endpoint = app.endpoint();
        group.bench_function(format!("live, {name}"), |bencher| {
            bencher.iter(|| runtime.block_on(asked(&endpoint, "/api/v1/health/live", "")));
        });
        group.bench_function(format!("nowhere, by address, {name}"), |bencher| {
            bencher.iter(|| runtime.block_on(asked(&endpoint, "/nowhere", "")));
        });
        group.bench_function(format!("profile, by token, {name}"), |bencher| {
            bencher.iter(|| runtime.block_on(asked(&endpoint, PROFILE, &token)));
        });
    }
    group.finish();
    criterion.final_summary();
    Ok(())
}

async fn asked(endpoint: &BoxEndpoint<'static>, path: &'static str, token: &str) -> Response {
    let mut request = Request::builder().uri_str(path);
    if !token.is_empty() {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    endpoint.get_response(request.finish()).await
}

/// A server in memory, and the token of somebody who has signed up.
async fn served(rates: Rates) -> crm_benches::Result<(Arc<App>, String)> {
    let mut config = Config::default();
    config.limits.rate = rates;
    config.tokens.algorithm = Algorithm::EdDsa;
    config.tokens.key = Some(generate_key(Algorithm::EdDsa)?);
    let app = App::new(Parts::new(config, Arc::new(MemoryStore::new()))).await;
    let app = app.map_err(|error| error.to_string())?;
    let input = json!({
        "email": "bench@bench.example", "password": "correct horse battery", "tenantName": "Bench"
    });
    let request = Request::builder()
        .method(Method::POST)
        .uri_str("/api/v1/auth/signup")
        .content_type("application/json")
        .body(Body::from_json(input)?);
    let answer =
        app.endpoint().get_response(request).await.into_body().into_json::<Value>().await?;
    let token = answer["data"]["token"].as_str().ok_or("nobody could sign up")?;
    Ok((app, token.to_owned()))
}
