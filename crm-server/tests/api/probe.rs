//! Every operation of the document, called by those who may not: the probe that embedders run on
//! theirs, on ours.

use std::collections::HashSet;
use std::sync::Mutex;

use async_trait::async_trait;
use crm_core::Clock;
use crm_server::testkit::{
    Answer, Ask, Crossing, Document, Exception, Listening, Member, Mounted, Report, Server,
    Tenants, signed_otherwise, unsigned,
};
use serde_json::{Value, json};

use crate::support::{Backend, TestServer, Watched};

/// What answers without a token, and why. This list may only shrink.
const OPEN: &[&str] = &[
    // Probes.
    "GET /health/live",
    "GET /health/ready",
    // How one gets a token, or gives it back.
    "POST /auth/signup",
    "POST /auth/login",
    "POST /auth/refresh",
    "POST /auth/logout",
];

/// Areas that the probe cannot furnish by itself, or whose records every tenant has alike:
/// `guarded.rs` and their own tests try them by hand. This list may only shrink.
const ELSEWHERE: &[&str] = &["/relations", "/tenants", "/users"];

/// What the probe finds and is right: `operation | place | reason`. This list may only shrink.
const EXCEPTIONS: &str = include_str!("exceptions.txt");

fn document() -> Document {
    let mut document: Value = serde_json::from_str(include_str!("../../openapi.json")).unwrap();
    let paths = document["paths"].as_object_mut().unwrap();
    paths.retain(|path, _| !ELSEWHERE.iter().any(|area| path.starts_with(area)));
    Document::new(document).unwrap()
}

struct Signup<'a> {
    server: &'a TestServer,
    watched: &'a Watched,
    made: Mutex<HashSet<String>>,
}

#[async_trait]
impl Tenants for Signup<'_> {
    async fn tenant(&self, name: &str) -> Member {
        assert!(self.made.lock().unwrap().insert(name.to_owned()), "{name} twice");
        let owner = self.server.owner(name).await;
        let token = owner.token().to_owned();
        Member { tenant: owner.tenant, user: owner.user, token }
    }

    /// Whatever was written there, shown by the API or not.
    async fn digest(&self, member: &Member) -> String {
        self.watched.written(member.tenant.parse().unwrap()).to_string()
    }
}

async fn probed(backend: Backend) -> Report {
    let (server, watched) = TestServer::watched(backend).await;
    let document = document();
    let (acme, other) = (server.owner("acme").await, server.owner("other").await);
    let keys = server.anonymous().get("/.well-known/jwks.json").await.json();
    let mut bad = unsigned(acme.token(), &keys, &other.tenant).unwrap();
    let key = server.app().config().tokens.key.clone().unwrap();
    bad.extend(signed_otherwise(acme.token(), &key, server.clock().now().timestamp()).unwrap());
    let tenants = Signup { server: &server, watched: &watched, made: Mutex::default() };
    // Once over the network, and once as those do it who mount the API in a program of theirs.
    let door: Box<dyn Server> = match backend {
        Backend::Postgres => Box::new(Listening(server.address())),
        Backend::Memory => Box::new(Mounted(server.endpoint())),
    };
    let report = Crossing::new(&*door, &document, &tenants)
        .given("POST /custom-fields", json!({"recordType": "customers", "type": "text"}))
        .bad_tokens(bad)
        .run()
        .await;
    server.stop().await;
    report
}

fn held(report: &Report) {
    let guarded = document().operations().iter().filter(|o| o.guarded).count();
    assert_eq!(report.operations.len(), guarded);
    assert!(report.asked > 20 * guarded, "{}", report.asked);
    println!("{} requests to {guarded} operations", report.asked);
    if let Err(found) = report.against(&Exception::list(EXCEPTIONS).unwrap()) {
        panic!("{found}");
    }
}

#[tokio::test]
async fn no_operation_crosses_into_another_tenant_on_memory() {
    held(&probed(Backend::Memory).await);
}

#[tokio::test]
async fn no_operation_crosses_into_another_tenant_on_postgres() {
    held(&probed(Backend::Postgres).await);
}

/// A probe that could not fail would prove nothing: here it stands before a server that forgets
/// to look at tenants, and must say so.
#[tokio::test]
async fn the_probe_finds_a_door_that_is_open() {
    use std::collections::BTreeMap;

    use hyper::HeaderMap;

    /// Notes of anybody, kept by id; whoever knows an id may read and change them.
    #[derive(Default)]
    struct Open(Mutex<BTreeMap<String, (String, String)>>);

    #[async_trait]
    impl Server for Open {
        async fn ask(&self, ask: Ask) -> Answer {
            let token = ask.headers.iter().find(|(name, _)| name == "Authorization");
            let by = token.map(|(_, token)| String::from_utf8_lossy(token).into_owned());
            let body: Value = serde_json::from_slice(&ask.body).unwrap_or_default();
            let path = ask.path.split('?').next().unwrap().to_owned();
            let mut notes = self.0.lock().unwrap();
            let id = path.strip_prefix("/notes/").map(str::to_owned);
            let refused = |status: u16| (status, json!({"success": false, "errors": []}));
            let (status, body) = match (by, ask.method.as_str(), id) {
                (None, ..) => refused(401),
                _ if ask.headers.iter().any(|(name, _)| name == "X-Tenant-ID") => refused(403),
                _ if body.as_object().is_some_and(|b| b.keys().any(|key| key != "text")) => {
                    refused(422)
                }
                (Some(by), "POST", None) if path == "/notes" => {
                    let id = format!("0197d8a0-0000-7000-8000-{:012}", notes.len());
                    let text = body["text"].as_str().unwrap_or_default().to_owned();
                    notes.insert(id.clone(), (by, text.clone()));
                    (201, json!({"data": {"id": id, "text": text}}))
                }
                (Some(by), "GET", None) if path == "/notes" => {
                    let own = notes.iter().filter(|(_, (owner, _))| *owner == by);
                    let own: Vec<Value> =
                        own.map(|(id, (_, text))| json!({"id": id, "text": text})).collect();
                    (200, json!({"data": own}))
                }
                (Some(_), "GET", Some(id)) => match notes.get(&id) {
                    Some((_, text)) => (200, json!({"data": {"id": id, "text": text}})),
                    None => refused(404),
                },
                (Some(_), "PUT", Some(id)) => match notes.get_mut(&id) {
                    Some((_, text)) => {
                        *text = "changed".to_owned();
                        (200, json!({"data": {"id": id}}))
                    }
                    None => refused(404),
                },
                _ => refused(404),
            };
            Answer { status, headers: HeaderMap::new(), body: body.to_string().into_bytes() }
        }
    }

    struct Anybody;

    #[async_trait]
    impl Tenants for Anybody {
        async fn tenant(&self, name: &str) -> Member {
            let id = |n: u8| format!("0197d8a0-0000-7000-8000-{n:02x}{:010}", name.len());
            Member { tenant: id(1), user: id(2), token: name.to_owned() }
        }
    }

    let note = json!({"type": "object", "properties": {"text": {"type": "string"}}});
    let body = json!({"content": {"application/json": {"schema": note}}});
    let id = json!([{"name": "id", "in": "path", "schema": {"type": "string", "format": "uuid"}}]);
    let (guard, ok, made) = (json!([{"bearer": []}]), json!({"200": {}}), json!({"201": {}}));
    let document = json!({"paths": {
        "/notes": {
            "get": {"security": guard, "responses": ok},
            "post": {"security": guard, "responses": made, "requestBody": body},
        },
        "/notes/{id}": {
            "get": {"security": guard, "responses": ok, "parameters": id},
            "put": {"security": guard, "responses": ok, "parameters": id, "requestBody": body},
        },
    }});
    let document = Document::new(document).unwrap();
    let report = Crossing::new(&Open::default(), &document, &Anybody).run().await;
    let found = |operation: &str, place: &str| {
        report.findings.iter().any(|f| f.operation == operation && f.place.starts_with(place))
    };
    assert!(found("GET /notes/{id}", "path id"), "{:?}", report.findings);
    assert!(found("GET /notes/{id}", "leak"));
    assert!(found("PUT /notes/{id}", "path id"));
    assert!(found("GET /notes", "afterwards"), "what was changed is told");
    assert!(!report.findings.iter().any(|f| f.operation == "POST /notes"), "{:?}", report.findings);
}

#[test]
fn only_the_listed_operations_are_open() {
    let document = document();
    let open = document.operations().iter().filter(|o| !o.guarded).map(|o| o.name.as_str());
    let (open, listed): (HashSet<&str>, HashSet<&str>) =
        (open.collect(), OPEN.iter().copied().collect());
    assert_eq!(open, listed);
}
