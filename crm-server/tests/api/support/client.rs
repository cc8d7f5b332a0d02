//! A small HTTP client, over TCP like any other.

use std::net::SocketAddr;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::http::request::Builder;
use hyper::{HeaderMap, Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::document::check;

/// Somebody who calls the server: nobody in particular, or who a token says.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    address: SocketAddr,
    token: Option<String>,
    headers: Vec<(String, Vec<u8>)>,
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, token: None, headers: Vec::new() }
    }

    /// The same caller with an access token.
    pub(crate) fn with_token(&self, token: impl Into<String>) -> Self {
        Self { token: Some(token.into()), ..self.clone() }
    }

    /// The same caller, who sends this header with everything.
    pub(crate) fn with(&self, name: &str, value: &str) -> Self {
        self.with_bytes(name, value.as_bytes())
    }

    /// The same caller, who sends this header with everything, text or not.
    pub(crate) fn with_bytes(&self, name: &str, value: &[u8]) -> Self {
        let mut client = self.clone();
        client.headers.push((name.to_owned(), value.to_vec()));
        client
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, Some(body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PUT, path, Some(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PATCH, path, Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, None).await
    }

    /// Sends a JSON body, or none. A path that is not from the root is one of the API.
    pub(crate) async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let body = body.map(|body| body.to_string().into_bytes());
        let content_type = body.is_some().then_some("application/json");
        self.send_bytes(method, path, content_type, body.unwrap_or_default()).await
    }

    /// Sends anything.
    pub(crate) async fn send_bytes(
        &self,
        method: Method,
        path: &str,
        content_type: Option<&str>,
        body: impl Into<Bytes>,
    ) -> Answer {
        let name = format!("{method} {path}");
        let (asked_by, sent) = (method.clone(), body.into());
        let mut builder: Builder =
            Request::builder().method(method).uri(path).header(HOST, self.address.to_string());
        if let Some(token) = &self.token {
            builder = builder.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        if let Some(content_type) = content_type {
            builder = builder.header(CONTENT_TYPE, content_type);
        }
        for (name, value) in &self.headers {
            builder = builder.header(name, value.as_slice());
        }
        let asked = sent.clone();
        let request = builder.body(Full::new(sent)).unwrap();
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let (head, body) = sender.send_request(request).await.unwrap().into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let said = check(
            &asked_by,
            path,
            (content_type, &asked),
            head.status.as_u16(),
            &head.headers,
            &bytes,
        );
        assert!(said.is_empty(), "{name}: other than the document says: {said:#?}");
        Answer { name, status: head.status, headers: head.headers, bytes }
    }

    /// Sends octets that no HTTP client would, and answers what comes back until the server hangs
    /// up.
    pub(crate) async fn send_raw(&self, octets: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        // A server that hangs up on octets it has not read resets the connection.
        let _ = stream.write_all(octets).await;
        let _ = stream.shutdown().await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Where it calls.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The access token.
    pub(crate) fn token(&self) -> &str {
        self.token.as_deref().unwrap_or_default()
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    name: String,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Bytes,
}

impl Answer {
    /// Insists on a status, and hands on the body.
    #[track_caller]
    pub(crate) fn is(&self, status: u16) -> Value {
        let text = String::from_utf8_lossy(&self.bytes);
        assert_eq!(self.status.as_u16(), status, "{}: {text}", self.name);
        self.json()
    }

    /// Insists on a status and on the code of the first error.
    #[track_caller]
    pub(crate) fn fails(&self, status: u16, code: &str) -> Value {
        let body = self.is(status);
        assert_eq!(body["success"], false, "{}: {body}", self.name);
        assert_eq!(body["errors"][0]["code"], code, "{}: {body}", self.name);
        assert!(body["requestId"].is_string(), "{}: {body}", self.name);
        body
    }

    /// The data of a successful answer.
    #[track_caller]
    pub(crate) fn data(&self) -> Value {
        let body = self.json();
        assert_eq!(body["success"], true, "{}: {} {body}", self.name, self.status);
        body["data"].clone()
    }

    /// The body as JSON; null where it is none.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_default()
    }

    /// A header as text; empty where it is absent.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}
