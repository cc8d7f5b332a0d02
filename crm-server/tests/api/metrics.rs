//! `GET /metrics`: what it tells, and whom.

use serde_json::json;

use crate::support::{Backend, Client, TestServer, for_each_store};

const NOWHERE: &str = "/api/v1/customers/0197d8a0-0000-7000-8000-000000000000";

async fn scraped(caller: &Client) -> String {
    let answer = caller.get("/metrics").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    String::from_utf8(answer.bytes.to_vec()).unwrap()
}

/// The value of a line, by its name and labels.
fn value(text: &str, line: &str) -> Option<f64> {
    text.lines().find_map(|l| l.strip_prefix(line)?.strip_prefix(' ')?.parse().ok())
}

for_each_store! {
    async fn requests_are_counted_by_route_and_never_by_path(server: &TestServer) {
        let owner = server.owner("acme").await;
        let customer = owner.post("/api/clients/", json!({"companyName": "Acme"})).await.data();
        let id = customer["id"].as_str().unwrap();
        for _ in 0..3 {
            owner.get(&format!("/api/v1/customers/{id}")).await.is(200);
        }
        owner.get(NOWHERE).await.is(404);
        server.anonymous().get("/wp-login.php?a=b").await.is(404);
        server.anonymous().send("BREW".parse().unwrap(), "/api/v1/customers", None).await;
        let text = scraped(&server.anonymous()).await;
        let count = |method: &str, route: &str, status: u16| {
            let labels = format!("{{method=\"{method}\",route=\"{route}\",status=\"{status}\"}}");
            value(&text, &format!("crm_http_request_duration_seconds_count{labels}"))
        };
        let routes: Vec<&str> = text.lines().filter(|line| line.contains("_count{method")).collect();
        assert_eq!(count("GET", "/api/v1/customers/{id}", 200), Some(3.0), "{routes:#?}");
        assert_eq!(count("GET", "/api/v1/customers/{id}", 404), Some(1.0), "{routes:#?}");
        assert_eq!(count("POST", "/api/v1/customers", 201), Some(1.0), "{routes:#?}");
        assert_eq!(count("GET", "none", 404), Some(1.0), "{routes:#?}");
        assert!(text.contains("method=\"other\""), "{routes:#?}");
        for private in [id, "wp-login", "BREW", "acme", owner.tenant.as_str()] {
            assert!(!text.contains(private), "{private}: {text}");
        }
        let within = "crm_http_request_duration_seconds_bucket{method=\"POST\",\
                      route=\"/api/v1/customers\",status=\"201\",le=\"+Inf\"}";
        assert_eq!(value(&text, within), Some(1.0));
    }

    async fn what_is_sent_again_counts_with_its_route(server: &TestServer) {
        let owner = server.owner("acme").await.with("Idempotency-Key", "once");
        for _ in 0..2 {
            owner.post("/api/v1/customers", json!({"companyName": "Acme"})).await.is(201);
        }
        let text = scraped(&server.anonymous()).await;
        let labels = "{method=\"POST\",route=\"/api/v1/customers\",status=\"201\"}";
        let name = format!("crm_http_request_duration_seconds_count{labels}");
        assert_eq!(value(&text, &name), Some(2.0), "{text}");
    }

    async fn the_store_is_timed_by_operation_and_record_type(server: &TestServer) {
        let owner = server.owner("acme").await;
        owner.post("/api/v1/customers", json!({"companyName": "Acme"})).await.is(201);
        owner.get("/api/v1/customers").await.is(200);
        owner.get("/api/v1/customers/stats").await.is(200);
        let text = scraped(&server.anonymous()).await;
        for operation in ["query", "commit", "aggregate"] {
            let labels = format!("{{operation=\"{operation}\",record_type=\"customers\"}}");
            let name = format!("crm_store_duration_seconds_count{labels}");
            assert!(value(&text, &name).is_some_and(|n| n >= 1.0), "{name}: {text}");
            let failures = format!("crm_store_failures_total{labels}");
            assert_eq!(value(&text, &failures), Some(0.0));
        }
    }

    async fn sessions_the_process_and_what_is_going_on_are_told(server: &TestServer) {
        let owner = server.owner("acme").await;
        owner.get("/api/v1/auth/profile").await.is(200);
        let text = scraped(&server.anonymous()).await;
        assert_eq!(value(&text, "crm_sessions_live"), Some(1.0), "{text}");
        assert_eq!(value(&text, "crm_standings_remembered"), Some(1.0), "{text}");
        assert_eq!(value(&text, "crm_http_requests_in_flight"), Some(1.0), "the scrape itself");
        assert!(value(&text, "crm_http_connections").unwrap() >= 1.0);
        assert!(value(&text, "process_resident_memory_bytes").unwrap() > 1e6);
        assert!(text.contains(&format!("crm_build_info{{version=\"{}\"", env!("CARGO_PKG_VERSION"))));
    }

    async fn the_text_is_what_prometheus_reads(server: &TestServer) {
        let owner = server.owner("acme").await;
        owner.get("/api/v1/customers").await.is(200);
        let text = scraped(&server.anonymous()).await;
        let mut families = std::collections::HashSet::new();
        let mut current = String::new();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').unwrap();
                assert!(matches!(kind, "counter" | "gauge" | "histogram"), "{line}");
                assert!(families.insert(name.to_owned()), "{name} comes twice");
                current = name.to_owned();
            } else if !line.starts_with("# HELP ") {
                let name = line.split(['{', ' ']).next().unwrap();
                assert!(name.starts_with(&current), "{line} is not of {current}");
                let number = line.rsplit_once(' ').unwrap().1;
                assert!(number.parse::<f64>().is_ok(), "{line}");
            }
        }
        assert!(families.len() >= 12, "{families:?}");
    }
}

#[tokio::test]
async fn pools_are_told_of_where_there_are_any() {
    let server = TestServer::start(Backend::Postgres).await;
    server.owner("acme").await.get("/api/v1/customers").await.is(200);
    let text = scraped(&server.anonymous()).await;
    assert_eq!(value(&text, "crm_database_pool_max{pool=\"app\"}"), Some(3.0), "{text}");
    assert!(value(&text, "crm_database_pool_connections{pool=\"app\"}").unwrap() >= 1.0);
    assert!(value(&text, "crm_database_pool_acquires_total{pool=\"system\"}").unwrap() >= 1.0);
    for name in ["idle", "waiting", "waits_total", "wait_seconds_total", "failures_total"] {
        let name = format!("crm_database_pool_{name}{{pool=\"app\"}}");
        assert!(value(&text, &name).is_some(), "{name}: {text}");
    }
    server.stop().await;
    let server = TestServer::start(Backend::Memory).await;
    assert!(!scraped(&server.anonymous()).await.contains("crm_database_pool"));
    server.stop().await;
}

#[tokio::test]
async fn everything_else_is_told_where_the_database_does_not_answer() {
    let server = TestServer::start(Backend::Postgres).await;
    server.owner("acme").await.get("/api/v1/customers").await.is(200);
    let lock = "BEGIN; LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(20); COMMIT";
    let caller = server.anonymous();
    let held = server.database().execute(lock);
    let scrapes = async {
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        futures::join!(scraped(&caller), scraped(&caller))
    };
    let (one, other) = tokio::select! {
        texts = scrapes => texts,
        _ = held => panic!("nothing is told until the database answers"),
    };
    for text in [one, other] {
        assert!(text.contains("crm_http_request_duration_seconds_count"), "{text}");
        assert!(!text.contains("crm_sessions_live"), "{text}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_token_is_asked_for_where_one_is_set() {
    let server = TestServer::configured(|config| {
        config.metrics.token = Some("a-long-secret".into());
    })
    .await;
    let nobody = server.anonymous();
    nobody.get("/metrics").await.fails(401, "UNAUTHENTICATED");
    for wrong in ["", "a-long-secre", "a-long-secret2"] {
        nobody.with_token(wrong).get("/metrics").await.fails(401, "UNAUTHENTICATED");
    }
    let owner = server.owner("acme").await;
    owner.get("/metrics").await.fails(401, "UNAUTHENTICATED");
    scraped(&nobody.with_token("a-long-secret")).await;
    nobody.post("/metrics", json!({})).await.fails(405, "METHOD_NOT_ALLOWED");
    server.stop().await;
}

#[tokio::test]
async fn metrics_have_an_address_of_their_own_or_none_where_that_is_set() {
    let server = TestServer::configured(|config| {
        config.metrics.bind = Some("127.0.0.1:0".parse().unwrap());
    })
    .await;
    server.anonymous().get("/metrics").await.fails(404, "NOT_FOUND");
    let monitoring = server.monitoring();
    let text = scraped(&monitoring).await;
    assert!(text.contains("route=\"none\""), "it tells of the other address: {text}");
    monitoring.get("/docs").await.fails(404, "NOT_FOUND");
    server.stop().await;

    let server = TestServer::configured(|config| config.metrics.enabled = false).await;
    server.anonymous().get("/metrics").await.fails(404, "NOT_FOUND");
    server.stop().await;
}
