//! Asks a server on this machine how it is, so that an image needs no other program for it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::config::ConfigError;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks the server that listens on this address.
///
/// # Errors
/// Where it does not answer in time, or answers that it is not well.
pub(crate) async fn ask(bind: SocketAddr, live: bool) -> Result<(), ConfigError> {
    let address = reachable(bind);
    let path = if live { "/health/live" } else { "/health/ready" };
    let answer = match tokio::time::timeout(PATIENCE, get(address, path)).await {
        Ok(answer) => answer.map_err(|error| ConfigError::new(format!("{address}: {error}")))?,
        Err(_) => return Err(ConfigError::new(format!("{address}: no answer in time"))),
    };
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    match head.split(' ').nth(1) {
        Some("200") => Ok(()),
        Some(status) => Err(ConfigError::new(format!("{address}: {status} {body}"))),
        None => Err(ConfigError::new(format!("{address}: {answer:?} is no answer"))),
    }
}

/// An address that listens for anybody is no address to call.
fn reachable(bind: SocketAddr) -> SocketAddr {
    let ip = match bind.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, bind.port())
}

async fn get(address: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    async fn told(answer: &'static str) -> Result<(), ConfigError> {
        let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 1_024];
            let _ = stream.read(&mut request).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
        });
        ask(address, false).await
    }

    #[tokio::test]
    async fn only_an_answer_that_all_is_well_is_taken_for_one() {
        told("HTTP/1.1 200 OK\r\n\r\n{}").await.unwrap();
        let error = told("HTTP/1.1 503 Service Unavailable\r\n\r\nstore").await.unwrap_err();
        assert!(error.to_string().ends_with(": 503 store"), "{error}");
        assert!(told("nonsense").await.is_err());
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        assert!(ask(closed, true).await.is_err());
    }
}
