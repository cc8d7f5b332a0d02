//! Octets that two readers could take for different requests, and those that come too slowly: the
//! server takes none for more than it is, does nothing that is hidden in one, and goes on.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crm_server::config::Span;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::mutated::memory;
use crate::support::{Backend, Person, TestServer, for_each_store};

const CUSTOMERS: &str = "/api/v1/customers";

/// The status lines that come back until the server hangs up.
async fn statuses(person: &Person, octets: &str) -> Vec<String> {
    let answer = person.send_raw(octets.as_bytes()).await;
    let lines = answer.split("HTTP/1.").skip(1);
    lines.map(|rest| rest.split_whitespace().nth(1).unwrap_or_default().to_owned()).collect()
}

for_each_store! {
    async fn nothing_that_is_hidden_in_a_request_is_done(server: &TestServer) {
        let owner = server.owner("acme").await;
        let kept = owner.post(CUSTOMERS, json!({"companyName": "Kept"})).await.data();
        let path = format!("{CUSTOMERS}/{}", kept["id"].as_str().unwrap());
        let auth = format!("Host: a\r\nAuthorization: Bearer {}", owner.token());
        let hidden = format!("DELETE {path} HTTP/1.1\r\n{auth}\r\n\r\n");
        let body = r#"{"companyName": "A"}"#;
        let (size, chunk) = (body.len(), format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len()));
        let json = "Content-Type: application/json";
        let post = format!("POST {CUSTOMERS} HTTP/1.1\r\n{auth}\r\n{json}");
        // Each with how a second reader could see where the first request ends.
        for (what, head) in [
            ("both lengths", format!("Content-Length: {size}\r\nTransfer-Encoding: chunked")),
            ("both, the other way", format!("Transfer-Encoding: chunked\r\nContent-Length: {size}")),
            ("two lengths", format!("Content-Length: 0\r\nContent-Length: {size}")),
            ("a list of lengths", format!("Content-Length: 0, {size}")),
            ("a signed length", format!("Content-Length: +{size}")),
            ("a length in hexadecimal", format!("Content-Length: 0x{size:x}")),
            ("a length beyond all", format!("Content-Length: 18446744073709551617\r\nX: {size}")),
            ("no length", "Content-Length: ".to_owned()),
            ("an unknown coding", "Transfer-Encoding: xchunked".to_owned()),
            ("chunked, but not last", "Transfer-Encoding: chunked, identity".to_owned()),
            ("two codings", "Transfer-Encoding: chunked\r\nTransfer-Encoding: x".to_owned()),
            ("a space before the colon", "Transfer-Encoding : chunked".to_owned()),
            ("a tab before the value", "Transfer-Encoding:\tx\tchunked".to_owned()),
            ("a folded line", "Transfer-Encoding:\r\n chunked\r\nX: y".to_owned()),
            ("a NUL in a name", "Transfer\0-Encoding: chunked".to_owned()),
            ("a carriage return alone", "X: y\rTransfer-Encoding: chunked".to_owned()),
            ("a name of nothing", ": chunked".to_owned()),
        ] {
            for body in [format!("{body}{hidden}"), format!("{chunk}{hidden}"), format!("0\r\n\r\n{hidden}")] {
                let answers = statuses(&owner, &format!("{post}\r\n{head}\r\n\r\n{body}")).await;
                // What the server sees as a second request it may answer, but not do.
                let done = answers.iter().filter(|status| status.starts_with('2')).count();
                assert!(done <= 1, "{what}: {answers:?}");
                owner.get(&path).await.is(200);
            }
        }
        assert_eq!(owner.get(&path).await.data(), kept);
    }

    async fn chunks_that_are_none_are_refused(server: &TestServer) {
        let owner = server.owner("acme").await;
        let head = format!(
            "POST {CUSTOMERS} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\n\
             Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
            owner.token()
        );
        for chunks in [
            "zz\r\n{}\r\n0\r\n\r\n", "-2\r\n{}\r\n0\r\n\r\n", "ffffffffffffffffff\r\n{}\r\n0\r\n\r\n",
            "2\r\n{}0\r\n\r\n", "2 \0\r\n{}\r\n0\r\n\r\n", "2\n{}\n0\n\n", "2;a=\r\n{}", "2", "",
        ] {
            for status in statuses(&owner, &format!("{head}{chunks}")).await {
                assert!(status.starts_with('4'), "{chunks:?}: {status}");
            }
        }
        assert_eq!(owner.get(CUSTOMERS).await.is(200)["meta"]["total"], 0);
    }

    async fn two_hosts_and_an_absolute_address_lead_nowhere_else(server: &TestServer) {
        let owner = server.owner("acme").await;
        let auth = format!("Authorization: Bearer {}\r\nConnection: close", owner.token());
        for request in [
            format!("GET {CUSTOMERS} HTTP/1.1\r\nHost: a\r\nHost: b\r\n{auth}\r\n\r\n"),
            format!("GET {CUSTOMERS} HTTP/1.1\r\n{auth}\r\n\r\n"),
            format!("GET {CUSTOMERS} HTTP/1.0\r\n{auth}\r\n\r\n"),
            format!("GET http://evil.example{CUSTOMERS} HTTP/1.1\r\nHost: a\r\n{auth}\r\n\r\n"),
            format!("get {CUSTOMERS} HTTP/1.1\r\nHost: a\r\n{auth}\r\n\r\n"),
            format!("GET\t{CUSTOMERS}\tHTTP/1.1\r\nHost: a\r\n{auth}\r\n\r\n"),
        ] {
            let answer = owner.send_raw(request.as_bytes()).await;
            assert!(!answer.contains("evil.example"), "{answer}");
            assert!(!answer.contains(" 500 "), "{answer}");
        }
        owner.get(CUSTOMERS).await.is(200);
    }
}

/// Somebody who sends a little now and then holds no more than one connection, and is told.
#[tokio::test]
async fn a_body_that_does_not_come_is_given_up() {
    let server =
        TestServer::configured(|config| config.limits.body_timeout = Span::seconds(2)).await;
    let owner = server.owner("acme").await;
    let head = format!(
        "POST {CUSTOMERS} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{{",
        owner.token()
    );
    let asked = Instant::now();
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let (mut read, mut write) = stream.into_split();
    let dribble = tokio::spawn(async move {
        while write.write_all(b" ").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    let mut answer = String::new();
    let _ = read.read_to_string(&mut answer).await;
    dribble.abort();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("\"BODY_TIMEOUT\""), "{answer}");
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    assert_eq!(owner.get(CUSTOMERS).await.is(200)["meta"]["total"], 0);

    // Many of them keep nobody else from being answered.
    let mut slow = Vec::new();
    for _ in 0..64 {
        let mut stream = TcpStream::connect(server.address()).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        slow.push(stream);
    }
    owner.post(CUSTOMERS, json!({"companyName": "Quick"})).await.is(201);
    drop(slow);
    server.stop().await;
}

/// The memory that large bodies take is bounded by what the server reads of them, however many
/// come at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_bodies_take_no_memory() {
    let server = TestServer::start(Backend::Memory).await;
    let owner = server.owner("acme").await;
    let large: Arc<[u8]> = vec![b'{'; 10 << 20].into();
    let head = format!(
        "POST {CUSTOMERS} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        owner.token(),
        large.len()
    );
    let before = memory();
    let calls = (0..64).map(|_| {
        let (head, large, address) = (head.clone(), Arc::clone(&large), server.address());
        tokio::spawn(async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            // A server that has read enough hangs up on the rest.
            let _ = stream.write_all(head.as_bytes()).await;
            let _ = stream.write_all(&large).await;
            let mut answer = [0; 64];
            let read = stream.read(&mut answer).await.unwrap_or_default();
            let answer = String::from_utf8_lossy(&answer[..read]).into_owned();
            assert!(answer.is_empty() || answer.contains(" 413 "), "{answer}");
        })
    });
    let calls: Vec<_> = calls.collect();
    let mut most = before;
    while !calls.iter().all(tokio::task::JoinHandle::is_finished) {
        most = most.max(memory());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    for call in calls {
        call.await.unwrap();
    }
    // 640 MiB were sent; of each, no more than the limit of one is ever held, and a copy of it.
    assert!(most < before + 200, "{before} MiB, then {most} MiB");
    println!("{before} MiB before, {most} MiB at most");
    server.stop().await;
}
