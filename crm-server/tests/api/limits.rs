//! What a single caller may cost, each over a socket: the limit holds, its answer names it, and
//! what lies just within passes.

use std::time::{Duration, Instant};

use crm_server::config::{Config, Span};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::TestServer;

const LIVE: &str = "/health/live";

/// What came back over a socket: status and envelope.
fn read(answer: &str) -> (u16, Value) {
    let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or_default();
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    (status, serde_json::from_str(body).unwrap_or_default())
}

/// That an answer is this refusal, in the envelope, and names the setting.
#[track_caller]
fn names(answer: &str, status: u16, code: &str, setting: &str) {
    let (found, body) = read(answer);
    assert_eq!(found, status, "{answer}");
    assert_eq!(body["errors"][0]["code"], code, "{answer}");
    assert!(body["errors"][0]["message"].as_str().unwrap().contains(setting), "{answer}");
    assert!(body["requestId"].is_string() && body["success"] == false, "{answer}");
    assert!(answer.contains("x-request-id: "), "{answer}");
}

fn request(path: &str, headers: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n")
}

async fn asked(server: &TestServer, request: &str) -> String {
    server.anonymous().send_raw(request.as_bytes()).await
}

/// Everything until the server hangs up.
async fn rest(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

async fn connect(server: &TestServer) -> TcpStream {
    TcpStream::connect(server.anonymous().address()).await.unwrap()
}

fn span(text: &str) -> Span {
    text.parse().unwrap()
}

#[tokio::test]
async fn a_url_is_no_longer_than_it_may_be() {
    let server = TestServer::configured(|config| config.limits.url_bytes = 500).await;
    let path = |length: usize| format!("{LIVE}?{}", "a".repeat(length - LIVE.len() - 1));
    assert_eq!(read(&asked(&server, &request(&path(500), "")).await).0, 200);
    for length in [501, 5_000, 40_000] {
        let answer = asked(&server, &request(&path(length), "")).await;
        let (status, body) = read(&answer);
        assert!(matches!(status, 414 | 431), "{length}: {answer}");
        assert!(body["requestId"].is_string(), "{length}: {answer}");
    }
    names(&asked(&server, &request(&path(501), "")).await, 414, "URL_TOO_LONG", "limits.url_bytes");
    server.stop().await;
    // What the parser itself refuses.
    let server = TestServer::configured(|config| {
        config.limits.url_bytes = 200_000;
    })
    .await;
    let answer = asked(&server, &request(&path(70_000), "")).await;
    names(&answer, 414, "URL_TOO_LONG", "limits.url_bytes");
    server.stop().await;
}

#[tokio::test]
async fn headers_are_no_more_and_no_longer_than_they_may_be() {
    let server = TestServer::configured(|config| {
        config.limits.headers = 20;
        config.limits.header_bytes = 2_000;
        config.limits.url_bytes = 1_000;
    })
    .await;
    let many = |n: usize| (0..n).map(|i| format!("x-{i}: y\r\n")).collect::<String>();
    assert_eq!(read(&asked(&server, &request(LIVE, &many(18))).await).0, 200);
    let answer = asked(&server, &request(LIVE, &many(19))).await;
    names(&answer, 431, "TOO_MANY_HEADERS", "limits.headers");
    // Beyond what the parser takes.
    let answer = asked(&server, &request(LIVE, &many(150))).await;
    names(&answer, 431, "TOO_MANY_HEADERS", "limits.headers");
    let long = |n: usize| format!("x-long: {}\r\n", "y".repeat(n));
    assert_eq!(read(&asked(&server, &request(LIVE, &long(1_900))).await).0, 200);
    for length in [2_000, 10_000, 100_000] {
        let answer = asked(&server, &request(LIVE, &long(length))).await;
        names(&answer, 431, "HEADERS_TOO_LARGE", "limits.header_bytes");
    }
    server.stop().await;
    let server = TestServer::configured(|config| config.limits.headers = 300).await;
    assert_eq!(read(&asked(&server, &request(LIVE, &many(298))).await).0, 200);
    let answer = asked(&server, &request(LIVE, &many(299))).await;
    names(&answer, 431, "TOO_MANY_HEADERS", "limits.headers");
    server.stop().await;
}

#[tokio::test]
async fn what_is_no_http_is_refused_in_the_envelope() {
    let server = TestServer::configured(|_| {}).await;
    for octets in ["GET\r\n\r\n", "\u{16}\u{3}\u{1}hello\r\n\r\n", "GET / HTTP/1.1\r\n: x\r\n\r\n"]
    {
        let answer = asked(&server, octets).await;
        names(&answer, 400, "INVALID_REQUEST", "HTTP/1.1");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_head_that_trickles_in_is_not_waited_for() {
    let server = TestServer::configured(|config| {
        config.limits.header_timeout = span("400ms");
    })
    .await;
    let began = Instant::now();
    let mut stream = connect(&server).await;
    let (mut reader, mut writer) = stream.split();
    let trickle = async {
        writer.write_all(b"GET /health/live HTTP/1.1\r\nhost: x\r\n").await.unwrap();
        loop {
            tokio::time::sleep(Duration::from_millis(50)).await;
            // Each byte comes well in time; the head as a whole does not.
            if writer.write_all(b"x").await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    };
    let mut answer = vec![0; 4_096];
    let read = tokio::select! {
        read = reader.read(&mut answer) => read.unwrap(),
        () = trickle => panic!("expected the server to answer first, got an end of the trickle"),
    };
    let answer = String::from_utf8_lossy(&answer[..read]).into_owned();
    names(&answer, 408, "HEADER_TIMEOUT", "limits.header_timeout");
    let took = began.elapsed();
    assert!((300..1_500).contains(&took.as_millis()), "{took:?}");

    // One that never says anything is hung up on.
    let began = Instant::now();
    assert_eq!(rest(&mut connect(&server).await).await, "");
    assert!(began.elapsed() < Duration::from_millis(1_500));
    server.stop().await;
}

#[tokio::test]
async fn the_next_head_on_a_kept_connection_has_its_time_too_and_silence_is_not_slowness() {
    let server = TestServer::configured(|config| {
        config.limits.header_timeout = span("300ms");
        config.limits.request_timeout = span("100ms");
        config.limits.idle_timeout = span("1500ms");
    })
    .await;
    let mut stream = connect(&server).await;
    let ask = b"GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n";
    let mut buffer = vec![0; 4_096];
    for pause in [0, 700] {
        // Longer than a head may take, and shorter than a connection may be idle.
        tokio::time::sleep(Duration::from_millis(pause)).await;
        stream.write_all(ask).await.unwrap();
        let read = stream.read(&mut buffer).await.unwrap();
        assert!(buffer[..read].starts_with(b"HTTP/1.1 200"));
    }
    stream.write_all(&ask[..20]).await.unwrap();
    names(&rest(&mut stream).await, 408, "HEADER_TIMEOUT", "limits.header_timeout");

    let mut stream = connect(&server).await;
    stream.write_all(ask).await.unwrap();
    let read = stream.read(&mut buffer).await.unwrap();
    assert!(buffer[..read].starts_with(b"HTTP/1.1 200"));
    let began = Instant::now();
    assert_eq!(rest(&mut stream).await, "", "an idle connection ends without a word");
    let took = began.elapsed();
    assert!((1_000..4_000).contains(&took.as_millis()), "{took:?}");
    server.stop().await;
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let server = TestServer::configured(|config| {
        config.limits.body_timeout = span("300ms");
    })
    .await;
    let began = Instant::now();
    let mut stream = connect(&server).await;
    let head = "POST /api/v1/auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
                content-length: 100\r\n\r\n{\"email\": ";
    stream.write_all(head.as_bytes()).await.unwrap();
    names(&rest(&mut stream).await, 408, "BODY_TIMEOUT", "limits.body_timeout");
    let took = began.elapsed();
    assert!((250..3_000).contains(&took.as_millis()), "{took:?}");
    server.stop().await;
}

#[tokio::test]
async fn a_body_of_which_nothing_comes_is_a_slow_one_too() {
    let server = TestServer::configured(|config| {
        config.limits.header_timeout = span("2s");
        config.limits.body_timeout = span("3s");
    })
    .await;
    let mut stream = connect(&server).await;
    let head = "POST /api/v1/auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
                content-length: 100\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    names(&rest(&mut stream).await, 408, "BODY_TIMEOUT", "limits.body_timeout");
    server.stop().await;
}

#[tokio::test]
async fn those_who_send_slowly_take_no_place_from_others() {
    let server = TestServer::configured(|config| {
        config.limits.concurrency = 2;
        config.limits.body_timeout = span("10m");
        config.limits.request_timeout = span("10m");
    })
    .await;
    let owner = server.owner("acme").await;
    let head = "POST /api/v1/auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
                content-length: 100\r\n\r\n{\"login\": ";
    let mut slow = Vec::new();
    for _ in 0..100 {
        let mut stream = connect(&server).await;
        stream.write_all(head.as_bytes()).await.unwrap();
        slow.push(stream);
    }
    // Once the server has begun with all of them.
    let in_flight = async || {
        let (_, metrics) = asked(&server, &request("/metrics", ""))
            .await
            .split_once("\ncrm_http_requests_in_flight ")
            .map(|(before, after)| (before.to_owned(), after.to_owned()))
            .unwrap();
        metrics.lines().next().unwrap().parse::<f64>().unwrap()
    };
    assert!(crate::support::soon(async || in_flight().await > 100.0).await);
    owner.post("/api/v1/customers", json!({"companyName": "Acme"})).await.is(201);
    owner.get("/api/v1/customers").await.is(200);
    // Whoever comes to the end of it is answered.
    let mut last = slow.pop().unwrap();
    let whole = format!("\"x\"{}}}", " ".repeat(100 - "{\"login\": \"x\"}".len()));
    last.write_all(whole.as_bytes()).await.unwrap();
    let mut answer = vec![0; 4_096];
    let read = last.read(&mut answer).await.unwrap();
    assert!(answer[..read].starts_with(b"HTTP/1.1 4"), "{:?}", &answer[..read]);
    drop(slow);
    server.stop().await;
}

#[tokio::test]
async fn what_others_may_read_differently_is_refused() {
    let server = TestServer::configured(|_| {}).await;
    let hosts = "GET /health/live HTTP/1.1\r\nhost: x\r\nHost: y\r\nconnection: close\r\n\r\n";
    names(&asked(&server, hosts).await, 400, "INVALID_REQUEST", "one Host");
    for both in [
        "Content-Length: 4\r\nTransfer-Encoding: chunked",
        "transfer-encoding: chunked\r\ncontent-length: 4",
    ] {
        let head = "POST /api/v1/auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json";
        let next = "GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n";
        let answer =
            asked(&server, &format!("{head}\r\n{both}\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n{next}")).await;
        names(&answer, 400, "INVALID_REQUEST", "RFC 9112, 6.1");
        // What follows is not taken for another request.
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
        assert!(answer.to_lowercase().contains("connection: close"), "{answer}");
    }
    server.stop().await;
}

#[tokio::test]
async fn connections_are_no_more_than_they_may_be() {
    let server = TestServer::configured(|config| config.limits.connections = 2).await;
    let ask = b"GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n";
    let mut buffer = vec![0; 4_096];
    let mut kept = Vec::new();
    for _ in 0..2 {
        let mut stream = connect(&server).await;
        stream.write_all(ask).await.unwrap();
        assert!(stream.read(&mut buffer).await.unwrap() > 0);
        kept.push(stream);
    }
    for _ in 0..3 {
        let answer = rest(&mut connect(&server).await).await;
        names(&answer, 503, "TOO_MANY_CONNECTIONS", "limits.connections");
        assert!(answer.contains("retry-after: 1"), "{answer}");
    }
    // Those that are there go on, and one that goes makes room.
    for stream in &mut kept {
        stream.write_all(ask).await.unwrap();
        assert!(stream.read(&mut buffer).await.unwrap() > 0);
    }
    kept.pop();
    let room =
        crate::support::soon(async || read(&asked(&server, &request(LIVE, "")).await).0 == 200);
    assert!(room.await);
    server.stop().await;
}

#[tokio::test]
async fn bodies_pages_and_filters_are_no_larger_than_they_may_be() {
    let server = TestServer::configured(|config: &mut Config| {
        config.limits.body_bytes = 1_000;
        config.limits.nesting = 3;
        config.limits.page = 50;
        config.limits.filter_terms = 5;
    })
    .await;
    let owner = server.owner("acme").await;
    let said = |body: &Value| body["errors"][0]["message"].as_str().unwrap().to_owned();
    let input = |length: usize| json!({"companyName": "Acme", "notes": "x".repeat(length)});
    let large = owner.post("/api/v1/customers", input(1_000)).await;
    assert!(said(&large.fails(413, "BODY_TOO_LARGE")).contains("limits.body_bytes"));
    let nested = json!({"companyName": "A", "customFields": {"a": {"b": {"c": {}}}}});
    owner.post("/api/v1/customers", nested).await.fails(400, "TOO_DEEP");
    owner.get("/api/v1/customers?limit=50").await.is(200);
    let page = owner.get("/api/v1/customers?limit=51").await;
    assert!(said(&page.fails(400, "OUT_OF_RANGE")).contains("limits.page"));
    let filter = |n: usize| {
        let terms: Vec<String> = (0..n).map(|i| format!("employeeCount={i}")).collect();
        format!("/api/v1/customers?filter={}", terms.join("%20OR%20"))
    };
    owner.get(&filter(2)).await.is(200);
    let complex = owner.get(&filter(9)).await;
    assert!(said(&complex.fails(400, "FILTER_TOO_COMPLEX")).contains("limits.filter_terms"));
    let words = owner.get("/api/v1/customers?search=a+b+c+d+e+f").await;
    words.fails(400, "FILTER_TOO_COMPLEX");
    server.stop().await;
}
