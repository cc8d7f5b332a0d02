//! Spans of requests, as a collector gets them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crm_core::access::BuiltIn;
use crm_store_postgres::testing::{Relay, TestDatabase, Way};
use crm_store_postgres::{PostgresOptions, PostgresStore};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use serde_json::json;

use crate::support::{Backend, COLLECTORS_CERTIFICATE, Collector, Person, Received, TestServer};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

async fn sending_to(collector: &Collector, backend: Backend) -> TestServer {
    TestServer::configured_on(backend, |config| config.traces.endpoint = Some(collector.url()))
        .await
}

fn of<'a>(spans: &'a [Received], trace: &str) -> Vec<&'a Received> {
    spans.iter().filter(|span| span.trace == trace).collect()
}

/// The value of a line of the figures.
async fn figure(server: &TestServer, outcome: &str) -> Option<u64> {
    let text = server.app().render_metrics().await;
    let line = format!("crm_trace_spans_total{{outcome=\"{outcome}\"}} ");
    text.lines().find_map(|l| l.strip_prefix(&line)?.parse().ok())
}

async fn requests_are_spans(backend: Backend) {
    let collector = Collector::start().await;
    let server = sending_to(&collector, backend).await;
    let owner = server.owner("acme").await;
    let inside = owner.with("tracestate", "vendor=a1,other=b2");
    let inside = inside.with("traceparent", &format!("00-{TRACE}-{PARENT}-01"));
    let created = inside.post("/api/clients/", json!({"companyName": "Acme Ltd"})).await;
    let customer = created.is(201)["data"]["id"].as_str().unwrap().to_owned();
    let told = created.header("traceresponse");
    inside.get(&format!("/api/v1/customers/{customer}?expand=tags&search=hush")).await.is(200);
    inside.get("/api/v1/customers/0197d8a0-0000-7000-8000-000000000000").await.is(404);
    inside.get("/wp-login.php").await.is(404);
    // Of another trace, which begins here.
    let began = owner.get("/api/v1/customers").await;
    began.is(200);
    let began = began.header("traceresponse").to_owned();
    // What is left is sent when the server ends.
    let (person, customer_id) = (owner.clone(), customer.clone());
    server.stop().await;
    let spans = collector.spans();

    let mine = of(&spans, TRACE);
    let requests: Vec<&&Received> = mine.iter().filter(|s| s.kind == SpanKind::Server).collect();
    let shown: Vec<(&str, &str)> = requests
        .iter()
        .map(|span| (&*span.name, &*span.attributes["http.response.status_code"]))
        .collect();
    let expected = [
        ("POST /api/v1/customers", "201"),
        ("GET /api/v1/customers/{id}", "200"),
        ("GET /api/v1/customers/{id}", "404"),
        ("GET", "404"),
    ];
    assert_eq!(shown, expected);
    for request in &requests {
        assert_eq!((&*request.parent, &*request.state), (PARENT, "vendor=a1,other=b2"));
        assert!(!request.failed && request.nanoseconds > 0, "{request:?}");
        let route = request.attributes.get("http.route").map(String::as_str);
        assert_eq!(route, request.name.split_once(' ').map(|(_, route)| route));
    }
    assert_eq!(told, format!("00-{TRACE}-{}-01", requests[0].id), "the answer names its span");

    // What a request asked of the store is under it.
    let under = |parent: &str| -> Vec<&&Received> {
        mine.iter().filter(|span| span.parent == parent).collect()
    };
    let asked: Vec<&str> = under(&requests[0].id).iter().map(|span| &*span.name).collect();
    assert!(asked.contains(&"commit customers"), "{asked:?}");
    let asked = under(&requests[1].id);
    assert!(asked.iter().any(|span| span.name == "query customers"), "{asked:?}");
    assert!(under(&requests[3].id).is_empty(), "nobody asked");
    for span in mine.iter().filter(|span| span.kind != SpanKind::Server) {
        let (kind, system) = match backend {
            Backend::Memory => (SpanKind::Internal, None),
            Backend::Postgres => (SpanKind::Client, Some("postgresql")),
        };
        assert_eq!(span.kind, kind);
        let said = |name: &str| span.attributes.get(name).map(String::as_str);
        assert_eq!(said("db.system.name"), system);
        let name = format!(
            "{} {}",
            said("db.operation.name").unwrap(),
            said("db.collection.name").unwrap()
        );
        assert_eq!(span.name, name);
        let parent = requests.iter().find(|request| request.id == span.parent).unwrap();
        assert!(span.nanoseconds <= parent.nanoseconds, "{span:?} within {parent:?}");
    }

    let other = spans.iter().find(|span| began == format!("00-{}-{}-01", span.trace, span.id));
    assert_eq!(other.unwrap().parent, "", "it began here");
    for span in &spans {
        assert_eq!(span.service["service.name"], "crm-server");
        assert_eq!(span.service["service.version"], env!("CARGO_PKG_VERSION"));
        assert_eq!(span.service["service.instance.id"].len(), 36);
    }
    nothing_of_anybody(&spans, &person, &customer_id);
}

/// No span tells of a person, a tenant, a record, or what was asked.
fn nothing_of_anybody(spans: &[Received], person: &Person, customer: &str) {
    let all = format!("{spans:?}").to_lowercase();
    let private = [
        &*person.user,
        &*person.tenant,
        &*person.email,
        &*person.refresh_token,
        person.token(),
        customer,
        "acme",
        "hush",
        "wp-login",
        "127.0.0.1",
        "correct horse",
    ];
    for private in private {
        assert!(!all.contains(&private.to_lowercase()), "{private}");
    }
}

#[tokio::test]
async fn requests_are_spans_on_memory() {
    requests_are_spans(Backend::Memory).await;
}

#[tokio::test]
async fn requests_are_spans_on_postgres() {
    requests_are_spans(Backend::Postgres).await;
}

#[tokio::test]
async fn what_the_caller_does_not_record_is_not_recorded_and_some_of_the_rest_is_not() {
    let collector = Collector::start().await;
    let server = TestServer::configured(|config| {
        config.traces.endpoint = Some(collector.url());
        config.traces.sample = 0.0;
    })
    .await;
    let nobody = server.anonymous();
    let ask = async |parent: &str| {
        let answer = nobody.with("traceparent", parent).get("/api/v1/customers").await;
        answer.header("traceresponse")[53..].to_owned()
    };
    let begun = nobody.get("/api/v1/customers").await;
    assert!(begun.header("traceresponse").ends_with("-00"), "none that begins here");
    assert_eq!(ask(&format!("00-{TRACE}-{PARENT}-00")).await, "00");
    assert_eq!(ask(&format!("00-{}-{PARENT}-01", TRACE.replace('4', "5"))).await, "01");
    server.stop().await;
    let spans = collector.spans();
    let names: Vec<&str> = spans.iter().map(|span| &*span.name).collect();
    assert_eq!(names, ["GET /api/v1/customers"], "the one that its caller records");
}

#[tokio::test]
async fn what_fails_here_is_marked_and_what_a_caller_did_wrong_is_not() {
    let collector = Collector::start().await;
    let database = TestDatabase::migrated().await.unwrap();
    let relay = Relay::to(&database.app_url()).await.unwrap();
    let mut options = PostgresOptions::new(relay.url());
    options.max_connections = 4;
    options.acquire_timeout = Duration::from_millis(500);
    let store = Arc::new(PostgresStore::connect(&options).await.unwrap());
    let server = TestServer::configured_over(store, |config| {
        config.traces.endpoint = Some(collector.url());
    })
    .await;
    let owner = server.owner("acme").await;
    owner.post("/api/v1/customers", json!({})).await.is(422);
    relay.set(Way::Refusing);
    owner.get("/api/v1/customers").await.is(503);
    server.stop().await;
    let failed: Vec<Received> = collector.spans().into_iter().filter(|span| span.failed).collect();
    let request = failed.iter().find(|span| span.kind == SpanKind::Server).unwrap();
    assert_eq!(request.name, "GET /api/v1/customers");
    assert_eq!(request.attributes["error.type"], "503");
    let asked = failed.iter().find(|span| span.parent == request.id).unwrap();
    assert_eq!(asked.attributes["error.type"], "unavailable");
    assert!(failed.iter().all(|span| !span.name.starts_with("POST")), "{failed:?}");
}

#[tokio::test]
async fn a_collector_that_is_away_costs_no_request_and_is_found_again() {
    let collector = Collector::start().await;
    collector.answer(503);
    let server = TestServer::configured(|config| {
        config.traces.endpoint = Some(collector.url());
        config.traces.headers = Some("x-key=hunter2, x-team = crm".into());
        config.traces.service = "crm-test".into();
    })
    .await;
    let owner = server.owner("acme").await;
    let user = server.colleague(&owner, BuiltIn::User).await;
    let began = Instant::now();
    for _ in 0..200 {
        user.get("/api/v1/customers").await.is(200);
    }
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    for _ in 0..150 {
        if figure(&server, "failed").await > Some(0) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let (recorded, failed) = (figure(&server, "recorded").await, figure(&server, "failed").await);
    assert!(failed > Some(0) && failed <= recorded, "{failed:?} of {recorded:?}");
    assert!(collector.spans().is_empty());
    collector.answer(200);
    user.get("/api/v1/auth/profile").await.is(200);
    let wanted =
        |spans: &[Received]| spans.iter().any(|span| span.name == "GET /api/v1/auth/profile");
    let spans = collector.until(wanted).await;
    assert_eq!(spans[0].service["service.name"], "crm-test");
    for (path, headers) in collector.heads() {
        assert_eq!(path, "/v1/traces");
        assert_eq!(
            (headers["x-key"].as_bytes(), headers["x-team"].as_bytes()),
            (&b"hunter2"[..], &b"crm"[..])
        );
        assert_eq!(headers["content-type"], "application/x-protobuf");
    }
    server.app().flush_traces().await;
    let (recorded, exported) =
        (figure(&server, "recorded").await, figure(&server, "exported").await);
    assert_eq!(exported, Some(collector.spans().len() as u64));
    let failed = figure(&server, "failed").await.unwrap();
    assert_eq!(exported.map(|exported| exported + failed), recorded, "each has its fate");
    server.stop().await;
}

#[tokio::test]
async fn a_collector_that_nobody_listens_for_delays_the_end_by_seconds_at_most() {
    let nowhere = {
        let collector = Collector::start().await;
        collector.url()
    };
    let server = TestServer::configured(|config| config.traces.endpoint = Some(nowhere)).await;
    server.anonymous().get("/api/v1/customers").await.is(401);
    let began = Instant::now();
    server.stop().await;
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_collector_by_https_is_trusted_by_its_authority_alone() {
    let collector = Collector::start_tls().await;
    let url = format!("https://localhost:{}", collector.port());
    for (ca_file, taken) in [(Some(COLLECTORS_CERTIFICATE), true), (None, false)] {
        let server = TestServer::configured(|config| {
            config.traces.endpoint = Some(url.clone());
            config.traces.ca_file = ca_file.map(Into::into);
        })
        .await;
        server.anonymous().get("/api/v1/customers").await.is(401);
        server.app().flush_traces().await;
        let outcome = (figure(&server, "exported").await, figure(&server, "failed").await);
        assert_eq!(outcome, if taken { (Some(1), Some(0)) } else { (Some(0), Some(1)) });
        server.stop().await;
    }
    assert_eq!(collector.spans().len(), 1);
    assert_eq!(collector.heads()[0].0, "/v1/traces", "the usual path where none is said");
}

#[tokio::test]
async fn nothing_is_recorded_where_nobody_collects() {
    let server = TestServer::configured(|_| {}).await;
    let answer = server.anonymous().get("/api/v1/customers").await;
    assert!(answer.header("traceresponse").ends_with("-00"));
    assert_eq!(figure(&server, "recorded").await, None);
    server.stop().await;
}
