//! Asking a server: over TCP, or an endpoint in the same process.

use std::net::SocketAddr;

use async_trait::async_trait;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use poem::http::{HeaderMap, HeaderValue, Method, Uri, header};
use poem::{Endpoint, Request};
use serde_json::Value;
use tokio::net::TcpStream;

/// A request.
#[derive(Debug, Clone)]
pub struct Ask {
    /// How.
    pub method: Method,
    /// Path and query, encoded.
    pub path: String,
    /// Headers, in order; a name may come more than once.
    pub headers: Vec<(String, Vec<u8>)>,
    /// What is sent.
    pub body: Vec<u8>,
}

impl Ask {
    /// Without headers and body.
    pub fn new(method: Method, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), headers: Vec::new(), body: Vec::new() }
    }

    /// With one header more.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// Under an access token.
    #[must_use]
    pub fn by(self, token: &str) -> Self {
        self.with("Authorization", format!("Bearer {token}"))
    }

    /// With a JSON body.
    #[must_use]
    pub fn json(mut self, body: &Value) -> Self {
        self.body = body.to_string().into_bytes();
        self.with("Content-Type", "application/json")
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            let name = header::HeaderName::from_bytes(name.as_bytes());
            if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value)) {
                headers.append(name, value);
            }
        }
        headers
    }
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status; 0 where the server hung up without one.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON; null where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    fn none() -> Self {
        Self { status: 0, headers: HeaderMap::new(), body: Vec::new() }
    }
}

/// Something that answers requests.
#[async_trait]
pub trait Server: Send + Sync {
    /// Its answer.
    async fn ask(&self, ask: Ask) -> Answer;
}

/// A server that listens on an address, over plain HTTP.
#[derive(Debug, Clone, Copy)]
pub struct Listening(pub SocketAddr);

#[async_trait]
impl Server for Listening {
    async fn ask(&self, ask: Ask) -> Answer {
        exchanged(self.0, &ask).await.unwrap_or_else(Answer::none)
    }
}

async fn exchanged(address: SocketAddr, ask: &Ask) -> Option<Answer> {
    let stream = TcpStream::connect(address).await.ok()?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.ok()?;
    let connection = tokio::spawn(connection);
    let mut request = hyper::Request::builder()
        .method(ask.method.clone())
        .uri(ask.path.parse::<Uri>().ok()?)
        .header(header::HOST, address.to_string())
        .body(Full::new(hyper::body::Bytes::from(ask.body.clone())))
        .ok()?;
    request.headers_mut().extend(ask.headers());
    let (head, body) = sender.send_request(request).await.ok()?.into_parts();
    let body = body.collect().await.ok()?.to_bytes().to_vec();
    connection.abort();
    Some(Answer { status: head.status.as_u16(), headers: head.headers, body })
}

/// An endpoint in the same process.
#[derive(Debug)]
pub struct Mounted<E>(pub E);

#[async_trait]
impl<E: Endpoint> Server for Mounted<E> {
    async fn ask(&self, ask: Ask) -> Answer {
        let Ok(uri) = ask.path.parse::<Uri>() else { return Answer::none() };
        let mut request = Request::builder().method(ask.method.clone()).uri(uri).finish();
        *request.headers_mut() = ask.headers();
        request.set_body(ask.body);
        let response = self.0.get_response(request).await;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.into_body().into_vec().await.unwrap_or_default();
        Answer { status, headers, body }
    }
}
