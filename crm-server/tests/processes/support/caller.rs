//! A client that keeps its connection, and lives through the loss of it.

use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::SendRequest;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::PASSWORD;

/// Longer than any request may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What came of a request.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// The server answered.
    Answered(u16, Value),
    /// It did not, and may or may not have done what was asked.
    Nothing,
}

impl Reply {
    /// Insists on a status, and hands on the data.
    #[track_caller]
    pub(crate) fn data(self, status: u16) -> Value {
        self.body(status)["data"].take()
    }

    /// Insists on a status, and hands on all of the answer.
    #[track_caller]
    pub(crate) fn body(self, status: u16) -> Value {
        match self {
            Self::Answered(answered, body) if answered == status => body,
            other => panic!("expected {status}, got {other:?}"),
        }
    }

    /// The status; none where there was no answer.
    pub(crate) fn status(&self) -> Option<u16> {
        match self {
            Self::Answered(status, _) => Some(*status),
            Self::Nothing => None,
        }
    }
}

/// Somebody who calls a server.
#[derive(Debug)]
pub(crate) struct Caller {
    address: SocketAddr,
    token: String,
    headers: Vec<(&'static str, String)>,
    replayed: bool,
    connection: Option<SendRequest<Full<Bytes>>>,
}

impl Caller {
    pub(crate) fn new(address: SocketAddr, token: impl Into<String>) -> Self {
        Self {
            address,
            token: token.into(),
            headers: Vec::new(),
            replayed: false,
            connection: None,
        }
    }

    /// The same caller on a connection of its own, to this server.
    pub(crate) fn at(&self, address: SocketAddr) -> Self {
        Self::new(address, self.token.clone())
    }

    /// Signs in.
    pub(crate) async fn sign_in(address: SocketAddr, email: &str) -> Self {
        let input = json!({"email": email, "password": PASSWORD});
        let mut nobody = Self::new(address, "");
        let session = nobody.send(Method::POST, "/api/v1/auth/login", Some(input)).await.data(200);
        Self::new(address, session["token"].as_str().unwrap())
    }

    /// What it calls with.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// From now on sends these headers with everything, and none that were named before.
    pub(crate) fn send_along(&mut self, headers: Vec<(&'static str, String)>) {
        self.headers = headers;
    }

    /// From now on calls with this token.
    pub(crate) fn take_token(&mut self, token: &str) {
        token.clone_into(&mut self.token);
    }

    /// Signs up the owner of a new tenant; gives the session.
    pub(crate) async fn sign_up(address: SocketAddr, tenant: &str) -> (Self, Value) {
        let input = json!({
            "email": format!("owner@{tenant}.example"), "password": PASSWORD, "tenantName": tenant
        });
        let mut nobody = Self::new(address, "");
        let session = nobody.send(Method::POST, "/api/v1/auth/signup", Some(input)).await.data(201);
        (Self::new(address, session["token"].as_str().unwrap()), session)
    }

    pub(crate) async fn get(&mut self, path: &str) -> Reply {
        self.send(Method::GET, path, None).await
    }

    pub(crate) async fn post(&mut self, path: &str, body: Value) -> Reply {
        self.send(Method::POST, path, Some(body)).await
    }

    /// A POST that may be sent again under its key.
    pub(crate) async fn post_once(&mut self, path: &str, body: Value, key: &str) -> Reply {
        self.ask(Method::POST, path, Some(body), Some(key)).await
    }

    /// Whether the last answer was that of an earlier request with the same key.
    pub(crate) fn was_replayed(&self) -> bool {
        self.replayed
    }

    pub(crate) async fn send(&mut self, method: Method, path: &str, body: Option<Value>) -> Reply {
        self.ask(method, path, body, None).await
    }

    async fn ask(
        &mut self,
        method: Method,
        path: &str,
        body: Option<Value>,
        key: Option<&str>,
    ) -> Reply {
        self.replayed = false;
        let asked = self.try_ask(method, path, body, key);
        match tokio::time::timeout(PATIENCE, asked).await {
            Ok(Some((status, body))) => Reply::Answered(status, body),
            _ => {
                self.connection = None;
                Reply::Nothing
            }
        }
    }

    async fn try_ask(
        &mut self,
        method: Method,
        path: &str,
        body: Option<Value>,
        key: Option<&str>,
    ) -> Option<(u16, Value)> {
        if self.connection.as_mut().is_none_or(|connection| connection.is_closed()) {
            let stream = TcpStream::connect(self.address).await.ok()?;
            stream.set_nodelay(true).ok()?;
            let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
            let (sender, connection) = handshake.ok()?;
            tokio::spawn(connection);
            self.connection = Some(sender);
        }
        let connection = self.connection.as_mut()?;
        let mut request =
            Request::builder().method(method).uri(path).header(HOST, self.address.to_string());
        if !self.token.is_empty() {
            request = request.header(AUTHORIZATION, format!("Bearer {}", self.token));
        }
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        connection.ready().await.ok()?;
        let answer = connection.send_request(request.body(Full::new(body.into())).unwrap()).await;
        let (head, body) = answer.ok()?.into_parts();
        self.replayed = head.headers.contains_key("idempotency-replayed");
        let body = body.collect().await.ok()?.to_bytes();
        Some((head.status.as_u16(), serde_json::from_slice(&body).unwrap_or_default()))
    }
}
