//! Ending the real process: what was begun is finished, and nobody is sent there meanwhile.

use std::process::Stdio;
use std::time::{Duration, Instant};

use crm_server::config::Algorithm;
use crm_server::tokens::generate_key;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// A server in a process of its own.
struct Process {
    child: Child,
    address: String,
}

impl Process {
    async fn start(flags: &[&str]) -> Self {
        let key = generate_key(Algorithm::EdDsa).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_crm-server"))
            .args(["--token-algorithm", "EdDSA", "--token-key", key.reveal()])
            .args(["--mfa-key", "what second factors are sealed under"])
            .args(["--database-url", "memory:", "--bind", "127.0.0.1:0", "--log-level", "off"])
            .args(flags)
            .arg("serve")
            .current_dir(std::env::temp_dir())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines.next_line().await.unwrap().unwrap();
        let address = line.strip_prefix("listening on http://").unwrap().to_owned();
        Self { child, address }
    }

    async fn signal(&self, name: &str) {
        let pid = self.child.id().unwrap().to_string();
        let sent = Command::new("kill").args([name, &pid]).status().await.unwrap();
        assert!(sent.success());
    }

    async fn connect(&self) -> std::io::Result<TcpStream> {
        TcpStream::connect(&self.address).await
    }

    /// The status of an answer, on a connection of its own; none where there is nobody.
    async fn status(&self, path: &str) -> Option<u16> {
        let mut stream = self.connect().await.ok()?;
        let ask = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream.write_all(ask.as_bytes()).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        answer.split(' ').nth(1)?.parse().ok()
    }

    /// A request whose body is still missing its last byte, which the server waits for.
    async fn begun(&self) -> TcpStream {
        let mut stream = self.connect().await.unwrap();
        let head = format!(
            "POST /api/v1/auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n",
            LOGIN.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&LOGIN.as_bytes()[..LOGIN.len() - 1]).await.unwrap();
        // Until the head has been read, it is not in flight.
        tokio::time::sleep(Duration::from_millis(200)).await;
        stream
    }
}

const LOGIN: &str = "{\"email\": \"nobody@example.com\", \"password\": \"correct horse\"}";

async fn rest(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn what_was_begun_is_finished_and_readiness_turns_first() {
    let mut server = Process::start(&["--shutdown-notice", "1500ms"]).await;
    assert_eq!(server.status("/health/ready").await, Some(200));
    let mut slow = server.begun().await;
    let silent = server.connect().await.unwrap();
    server.signal("-TERM").await;
    let told = Instant::now();

    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(server.status("/health/ready").await, Some(503), "it is not ready any more");
    assert_eq!(server.status("/health/live").await, Some(200), "and goes on answering");
    tokio::time::sleep(Duration::from_millis(1_600)).await;
    assert_eq!(server.status("/health/live").await, None, "nobody is let in any more");
    assert!(server.child.try_wait().unwrap().is_none(), "the slow one is waited for");
    assert_eq!(rest(silent).await, "", "who asked for nothing is hung up on");

    slow.write_all(b"}").await.unwrap();
    let answer = rest(slow).await;
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    assert!(answer.contains("\"code\":\"UNAUTHENTICATED\""), "{answer}");
    let status = server.child.wait().await.unwrap();
    assert!(status.success(), "{status}");
    assert!(told.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn what_is_not_finished_in_time_is_given_up_and_the_end_is_a_good_one() {
    let mut server =
        Process::start(&["--shutdown-notice", "0s", "--shutdown-grace", "700ms"]).await;
    let slow = server.begun().await;
    let began = Instant::now();
    server.signal("-TERM").await;
    let status = server.child.wait().await.unwrap();
    let took = began.elapsed();
    assert!(status.success(), "{status}");
    assert!((600..5_000).contains(&took.as_millis()), "{took:?}");
    assert_eq!(rest(slow).await, "");
}

#[tokio::test]
async fn whoever_presses_ctrl_c_does_not_wait_for_load_balancers() {
    let mut server = Process::start(&["--shutdown-notice", "1m"]).await;
    let kept = server.connect().await.unwrap();
    let began = Instant::now();
    server.signal("-INT").await;
    let status = server.child.wait().await.unwrap();
    assert!(status.success() && began.elapsed() < Duration::from_secs(5), "{status}");
    drop(kept);
}
