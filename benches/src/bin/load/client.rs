//! Just enough of an HTTP client to keep connections busy: requests are bytes made beforehand,
//! answers are a status and as many bytes as they say.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crm_benches::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// A request, ready to be sent.
#[derive(Debug, Clone)]
pub(crate) struct Request(Vec<u8>);

impl Request {
    pub(crate) fn get(path: &str, token: Option<&str>) -> Self {
        Self::new("GET", path, token, "")
    }

    pub(crate) fn post(path: &str, token: Option<&str>, body: &str) -> Self {
        Self::new("POST", path, token, body)
    }

    fn new(method: &str, path: &str, token: Option<&str>, body: &str) -> Self {
        let mut text = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n");
        if let Some(token) = token {
            text.push_str(&format!("Authorization: Bearer {token}\r\n"));
        }
        if method == "POST" {
            let length = body.len();
            text.push_str(&format!(
                "Content-Type: application/json\r\nContent-Length: {length}\r\n"
            ));
        }
        text.push_str("\r\n");
        text.push_str(body);
        Self(text.into_bytes())
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

/// A connection that is kept open.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(64 << 10) })
    }

    pub(crate) async fn send(&mut self, request: &Request) -> Result<Answer> {
        self.stream.write_all(&request.0).await?;
        self.buffer.clear();
        let (head, length) = loop {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err("the connection was closed".into());
            }
            if let Some(end) = self.buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break (end + 4, length_of(&self.buffer[..end])?);
            }
        };
        while self.buffer.len() < head + length {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err("the connection was closed in an answer".into());
            }
        }
        let status = std::str::from_utf8(&self.buffer[..head])?
            .split(' ')
            .nth(1)
            .ok_or("an answer without a status")?
            .parse()?;
        Ok(Answer { status, body: self.buffer[head..].to_vec() })
    }
}

fn length_of(head: &[u8]) -> Result<usize> {
    for line in std::str::from_utf8(head)?.lines() {
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            return Ok(value.trim().parse()?);
        }
    }
    Err("an answer without a length".into())
}

/// How a server did.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) per_second: f64,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
}

/// Keeps so many connections busy for so long.
pub(crate) async fn put_under_load(
    address: SocketAddr,
    connections: usize,
    lasting: Duration,
    request: &(impl Fn(usize) -> Request + Sync),
) -> Result<Load> {
    let mut tasks = JoinSet::new();
    for connection in 0..connections {
        // Each goes round some of its own.
        let requests: Vec<Request> = (0..64).map(|n| request(connection * 64 + n)).collect();
        tasks.spawn(async move {
            let mut open = Connection::open(address).await?;
            for request in requests.iter().take(3) {
                check(&open.send(request).await?)?;
            }
            let mut taken = Vec::new();
            let begun = Instant::now();
            for request in requests.iter().cycle() {
                let sent = Instant::now();
                check(&open.send(request).await?)?;
                taken.push(sent.elapsed());
                if begun.elapsed() >= lasting {
                    break;
                }
            }
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>((taken, begun.elapsed()))
        });
    }
    let mut taken = Vec::new();
    let mut per_second = 0.0;
    while let Some(done) = tasks.join_next().await {
        let (of_one, lasted) = done??;
        per_second += of_one.len() as f64 / lasted.as_secs_f64();
        taken.extend(of_one);
    }
    taken.sort_unstable();
    let at = |part: f64| {
        taken.get((taken.len() as f64 * part) as usize).copied().ok_or("nothing was answered")
    };
    Ok(Load { per_second, p50: at(0.5)?, p99: at(0.99)? })
}

fn check(answer: &Answer) -> Result<()> {
    if matches!(answer.status, 200 | 201) {
        return Ok(());
    }
    let body = String::from_utf8_lossy(&answer.body);
    Err(format!("status {}: {body}", answer.status).into())
}
