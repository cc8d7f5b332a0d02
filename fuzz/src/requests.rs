//! Whole requests, through everything that a server does with them, in memory: no fault of ours,
//! nothing that the document does not list, nothing of another tenant's.
//!
//! An input is written like a request on the wire: `METHOD path`, header lines, an empty line, a
//! body. `{customer}`, `{tag}`, `{field}`, `{tenant}` and `{user}` stand for the caller's own,
//! `{their-…}` for another tenant's. Without an `Authorization` header the owner of a tenant asks.

use std::cell::RefCell;
use std::sync::{Arc, LazyLock};

use crm_core::{ManualClock, SeededRandom};
use crm_server::app::{App, Parts};
use crm_server::config::{Algorithm, Config, Passwords, Rates, Secret};
use crm_server::openapi;
use crm_server::tokens::generate_key;
use crm_store_memory::MemoryStore;
use poem::endpoint::BoxEndpoint;
use poem::http::{HeaderName, HeaderValue, Method, Uri};
use poem::{Endpoint, Request};
use serde_json::{Value, json};

use crate::wait;

/// After so many requests a new server is begun, so that memory stays where it is.
const REQUESTS: usize = 1_000;
/// What the other tenant's records say, and no answer may.
const HIDDEN: &str = "Harbour";

thread_local! {
    static SERVER: RefCell<Option<Server>> = const { RefCell::new(None) };
}

static KEY: LazyLock<Secret> = LazyLock::new(|| generate_key(Algorithm::EdDsa).unwrap());
static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(openapi::document()).unwrap());

struct Server {
    endpoint: BoxEndpoint<'static>,
    token: String,
    names: Vec<(String, String)>,
    theirs: Vec<(String, Value)>,
    their_token: String,
    answered: usize,
}

struct Answer {
    status: u16,
    body: Value,
}

pub(crate) fn check(data: &[u8]) {
    SERVER.with_borrow_mut(|slot| {
        wait(async {
            let server = match slot {
                Some(server) => server,
                None => slot.insert(Server::start().await),
            };
            server.try_request(data).await;
            server.answered += 1;
            if server.answered >= REQUESTS {
                server.nothing_changed().await;
                *slot = None;
            }
        });
    });
}

impl Server {
    async fn start() -> Self {
        let mut config = Config::default();
        // Its time stands still, and it is asked without end.
        config.limits.rate = Rates::off();
        config.tokens.algorithm = Algorithm::EdDsa;
        config.tokens.key = Some(KEY.clone());
        config.mfa.key = Some(Secret::new("what second factors are sealed under"));
        config.passwords = Passwords { memory_kib: 8, iterations: 1, ..Passwords::default() };
        let mut parts = Parts::new(config, Arc::new(MemoryStore::new()));
        parts.clock = Arc::new(ManualClock::at("2026-03-16T09:30:00Z".parse().unwrap()));
        parts.random = Arc::new(SeededRandom::new(1));
        let endpoint = App::new(parts).await.unwrap().endpoint();
        let mut server = Self {
            endpoint,
            token: String::new(),
            names: Vec::new(),
            theirs: Vec::new(),
            their_token: String::new(),
            answered: 0,
        };
        server.their_token = server.furnish("other", HIDDEN, "their-").await;
        server.token = server.furnish("acme", "Acme", "").await;
        server.theirs = server.all_of_theirs().await;
        server
    }

    /// A tenant with a record of each kind. Answers its owner's token.
    async fn furnish(&mut self, tenant: &str, word: &str, prefix: &str) -> String {
        let email = format!("owner@{tenant}.example");
        let input =
            json!({"email": email, "password": "correct horse battery", "tenantName": tenant});
        let session = self.post("auth/signup", &input, "").await["data"].take();
        let token = session["token"].as_str().unwrap().to_owned();
        self.name(prefix, "user", &session["user"]["id"]);
        self.name(prefix, "tenant", &session["tenant"]["id"]);
        for (name, path, input) in [
            ("tag", "customers/tags", json!({"name": word})),
            (
                "field",
                "custom-fields",
                json!({"recordType": "customers", "key": "size", "label": word, "type": "text"}),
            ),
            ("customer", "customers", json!({"companyName": word, "customFields": {"size": word}})),
        ] {
            let made = self.post(path, &input, &token).await;
            self.name(prefix, name, &made["data"]["id"]);
        }
        token
    }

    fn name(&mut self, prefix: &str, name: &str, id: &Value) {
        self.names.push((format!("{{{prefix}{name}}}"), id.as_str().unwrap().to_owned()));
    }

    async fn post(&self, path: &str, input: &Value, token: &str) -> Value {
        let text = format!(
            "POST /api/v1/{path}\nContent-Type: application/json\nAuthorization: Bearer {token}\n\n{input}"
        );
        let answer = self.send(text.as_bytes()).await.unwrap();
        assert_eq!(answer.status, 201, "{path}: {}", answer.body);
        answer.body
    }

    async fn all_of_theirs(&self) -> Vec<(String, Value)> {
        let mut all = Vec::new();
        for path in ["customers", "customers/tags", "custom-fields", "auth/profile"] {
            let deleted = if path == "auth/profile" { "" } else { "?includeDeleted=true" };
            let token = &self.their_token;
            let text = format!("GET /api/v1/{path}{deleted}\nAuthorization: Bearer {token}\n\n");
            let answer = self.send(text.as_bytes()).await.unwrap();
            assert_eq!(answer.status, 200, "{path}: {}", answer.body);
            all.push((path.to_owned(), answer.body["data"].clone()));
        }
        all
    }

    async fn nothing_changed(&self) {
        assert_eq!(self.all_of_theirs().await, self.theirs);
    }

    async fn try_request(&self, data: &[u8]) {
        let Some(answer) = self.send(data).await else { return };
        let Answer { status, body } = answer;
        let text = body.to_string();
        assert!(!text.contains(HIDDEN), "{status} {text}");
        if status < 400 {
            return;
        }
        assert!((400..500).contains(&status), "{status} {text}");
        assert_eq!(body["success"], false, "{status} {text}");
        assert!(body["requestId"].is_string(), "{status} {text}");
        let errors = body["errors"].as_array().unwrap();
        assert!(!errors.is_empty(), "{status} {text}");
        for error in errors {
            assert!(CODES.contains(&error["code"].as_str().unwrap().to_owned()), "{text}");
            assert!(!error["message"].as_str().unwrap().is_empty(), "{text}");
        }
    }

    /// Sends what is written in `data`; none where it cannot be a request.
    async fn send(&self, data: &[u8]) -> Option<Answer> {
        let end = data.windows(2).position(|pair| pair == b"\n\n");
        let (head, body) = match end {
            Some(end) => (&data[..end], &data[end + 2..]),
            None => (data, &[][..]),
        };
        let head = self.resolved(std::str::from_utf8(head).ok()?);
        let body = match std::str::from_utf8(body) {
            Ok(text) => self.resolved(text).into_bytes(),
            Err(_) => body.to_vec(),
        };
        let mut lines = head.lines();
        let (method, path) = lines.next()?.split_once(' ')?;
        let method: Method = method.parse().ok()?;
        let uri: Uri = path.parse().ok()?;
        if !uri.path().starts_with('/') {
            return None;
        }
        let mut request = Request::builder().method(method.clone()).uri(uri.clone());
        let mut authorized = false;
        for line in lines {
            let (name, value) = line.split_once(':')?;
            let name: HeaderName = name.parse().ok()?;
            let value = HeaderValue::from_str(value.trim()).ok()?;
            authorized |= name == "authorization";
            request = request.header(name, value);
        }
        if !authorized {
            request = request.header("authorization", format!("Bearer {}", self.token));
        }
        let response = self.endpoint.get_response(request.body(body)).await;
        let status = response.status().as_u16();
        documented(&method, uri.path(), status);
        let bytes = response.into_body().into_vec().await.unwrap();
        Some(Answer { status, body: serde_json::from_slice(&bytes).unwrap_or_default() })
    }

    fn resolved(&self, text: &str) -> String {
        if !text.contains('{') {
            return text.to_owned();
        }
        self.names.iter().fold(text.to_owned(), |text, (name, id)| text.replace(name, id))
    }
}

static CODES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let codes = "/components/schemas/Fault/properties/code";
    let codes = &DOCUMENT.pointer(codes).unwrap()["x-extensible-enum"];
    codes.as_array().unwrap().iter().map(|code| code.as_str().unwrap().to_owned()).collect()
});

/// That an operation's document lists how it was answered. Paths that are rewritten are left to
/// those that they become.
fn documented(method: &Method, path: &str, status: u16) {
    let Some(path) = path.strip_prefix("/api/v1") else { return };
    let segments: Vec<&str> = path.split('/').collect();
    let fits = |pattern: &str| {
        let pattern: Vec<&str> = pattern.split('/').collect();
        pattern.len() == segments.len()
            && pattern.iter().zip(&segments).all(|(p, s)| p == s || p.starts_with('{'))
    };
    // A path in words goes before one with a parameter in its place.
    let paths = DOCUMENT["paths"].as_object().unwrap();
    let mut fitting: Vec<_> = paths.iter().filter(|(pattern, _)| fits(pattern)).collect();
    fitting.sort_by_key(|(pattern, _)| pattern.matches('{').count());
    let Some((pattern, item)) = fitting.first() else { return };
    let operation = &item[method.as_str().to_lowercase()];
    // `PaTCH` is another method, which no path has.
    let known = method.as_str().bytes().all(|byte| byte.is_ascii_uppercase());
    if known && operation.is_object() {
        let listed = operation["responses"].as_object().unwrap();
        assert!(listed.contains_key(&status.to_string()), "{method} {pattern} answered {status}");
    }
}
