//! What the middleware does to requests that go wrong, whatever the routes.

use std::sync::Arc;
use std::time::Duration;

use crm_core::{Clock, SystemClock, SystemRandom};
use poem::endpoint::{BoxEndpoint, make};
use poem::http::StatusCode;
use poem::test::TestClient;
use poem::{Endpoint, EndpointExt, Request, Response, Route};
use serde_json::Value;
use tokio::sync::Notify;

use super::wrap;
use crate::api::error::ApiError;
use crate::config::{Config, Limits, Span};
use crate::metrics::Metrics;
use crate::rate::RateLimits;
use crate::traces::Traces;

fn wrapped(
    path: &str,
    endpoint: impl Endpoint<Output = Response> + 'static,
) -> BoxEndpoint<'static> {
    let limits = Limits {
        concurrency: 1,
        request_timeout: "200ms".parse::<Span>().unwrap(),
        ..Limits::default()
    };
    let config = Config { limits, ..Config::default() };
    let health = make(|_| async { Ok::<_, poem::Error>(Response::default()) });
    let routes = Route::new().at(path, endpoint).at("/api/v1/health/live", health);
    let metrics = Arc::new(Metrics::new(SystemClock.now()));
    let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
    let traces = Traces::new(&config.traces, None, clock.clone(), random.clone()).unwrap();
    let rate = RateLimits::new(&config.limits.rate, clock.clone()).unwrap();
    wrap(routes, &config, clock, random, metrics, Arc::new(traces), rate)
}

async fn body(response: Response) -> Value {
    serde_json::from_slice(&response.into_body().into_bytes().await.unwrap()).unwrap()
}

#[tokio::test]
async fn a_panic_is_a_500_that_tells_nothing_but_the_request() {
    let broken = make(|request: Request| async move {
        assert!(request.uri().path().is_empty(), "the secret is swordfish");
        Ok::<_, poem::Error>(Response::default())
    });
    let client = TestClient::new(wrapped("/broken", broken));
    let response = client.get("/broken").send().await.0;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let id = response.header("x-request-id").unwrap().to_owned();
    let body = body(response).await;
    assert_eq!(body["errors"][0]["code"], "INTERNAL");
    assert_eq!(body["requestId"], id.as_str());
    assert!(!body.to_string().contains("swordfish"), "{body}");
}

#[tokio::test]
async fn what_takes_too_long_is_503_and_may_be_tried_again() {
    let slow = make(|_| async {
        tokio::time::sleep(Duration::from_secs(60)).await;
        Ok::<_, poem::Error>(Response::default())
    });
    let response = TestClient::new(wrapped("/slow", slow)).get("/slow").send().await.0;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.header("retry-after"), Some("1"));
    assert_eq!(body(response).await["errors"][0]["code"], "TIMEOUT");
}

#[tokio::test]
async fn too_much_at_once_is_turned_away_but_the_process_still_says_that_it_lives() {
    let (begun, end) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (tell, wait) = (Arc::clone(&begun), Arc::clone(&end));
    let busy = make(move |_| {
        let (tell, wait) = (Arc::clone(&tell), Arc::clone(&wait));
        async move {
            tell.notify_one();
            wait.notified().await;
            Ok::<_, poem::Error>(Response::default())
        }
    });
    let client = Arc::new(TestClient::new(wrapped("/busy", busy.map_to_response())));
    let first = Arc::clone(&client);
    let first = tokio::spawn(async move { first.get("/busy").send().await.0.status() });
    begun.notified().await;
    let response = client.get("/busy").send().await.0;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.header("retry-after"), Some("1"));
    assert_eq!(body(response).await["errors"][0]["code"], "OVERLOADED");
    client.get("/health/live").send().await.assert_status_is_ok();
    end.notify_one();
    assert_eq!(first.await.unwrap(), StatusCode::OK);
}

#[tokio::test]
async fn every_kind_of_error_leaves_in_the_envelope() {
    let own = make(|_| async { Err::<Response, poem::Error>(ApiError::not_found("gone").into()) });
    let foreign = make(|_| async {
        Err::<Response, _>(poem::Error::from_string("internals", StatusCode::BAD_GATEWAY))
    });
    for (endpoint, status, code) in
        [(own.map_to_response().boxed(), 404, "NOT_FOUND"), (foreign.boxed(), 500, "INTERNAL")]
    {
        let response = TestClient::new(wrapped("/x", endpoint)).get("/x").send().await.0;
        assert_eq!(response.status().as_u16(), status);
        let body = body(response).await;
        assert_eq!(body["errors"][0]["code"], code);
        assert!(!body.to_string().contains("internals"), "{body}");
    }
}
