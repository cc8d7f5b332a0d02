//! Calls every operation as one who may not, and holds each answer against what it must be.

use std::collections::{BTreeMap, BTreeSet};

use poem::http::Method;
use serde_json::{Map, Value, json};

use super::document::{Document, Operation, Parameter, Place, encoded, kind};
use super::forged::BadToken;
use super::furnish::{Furnished, Tenants, with_deleted};
use super::places::{Field, Step, fields, is_id, put};
use super::report::Report;
use super::server::{Answer, Ask, Server};
use super::told::{Told, said, told};

/// What nobody has.
const NOBODYS: &str = "0197d8a0-0000-7000-8000-0000000000ff";
/// What the other tenant's texts begin with, and no answer may contain.
const THEIRS: &str = "Harbour";
/// As long and in nobody's texts; next to it in every order, so that what compares finds the same.
const NOWHERE: &str = "Harbous";
const OURS: &str = "Lighthouse";
/// The probe: one tenant's owner against another tenant.
#[expect(missing_debug_implementations, reason = "a server and tenants are anything")]
pub struct Crossing<'a> {
    server: &'a dyn Server,
    document: &'a Document,
    tenants: &'a dyn Tenants,
    given: BTreeMap<String, Map<String, Value>>,
    bad_tokens: Vec<BadToken>,
}

impl<'a> Crossing<'a> {
    /// Of a server, by its document.
    pub fn new(server: &'a dyn Server, document: &'a Document, tenants: &'a dyn Tenants) -> Self {
        Self { server, document, tenants, given: BTreeMap::new(), bad_tokens: Vec::new() }
    }

    /// Says what goes into fields of an operation that makes a record, where its schema does not
    /// tell: `"POST /custom-fields"`, `{"recordType": "customers", "key": "k{n}"}`. `{n}` is a
    /// number that was never there before.
    #[must_use]
    pub fn given(mut self, operation: &str, fields: Value) -> Self {
        self.given.insert(operation.to_owned(), fields.as_object().cloned().unwrap_or_default());
        self
    }

    /// Tries these tokens with every operation, beside none at all.
    #[must_use]
    pub fn bad_tokens(mut self, tokens: Vec<BadToken>) -> Self {
        self.bad_tokens.extend(tokens);
        self
    }

    /// Makes two tenants, and tries everything.
    pub async fn run(self) -> Report {
        let mut report = Report::default();
        let furnished = |name: &'static str, word: &'static str| {
            let this = &self;
            async move {
                let member = this.tenants.tenant(name).await;
                Furnished::new(this.server, this.document, member, word, &this.given).await
            }
        };
        let theirs = furnished("harbour", THEIRS).await;
        let ours = furnished("lighthouse", OURS).await;
        for (operation, refusal) in theirs.refused.iter().chain(&ours.refused) {
            report.add(operation, "furnish", format!("makes no record: {refusal}"));
        }
        let mut run = Run {
            probe: &self,
            theirs,
            ours,
            report,
            operation: String::new(),
            successors: 0,
            words_are_ours: false,
        };
        let before = run.digest().await;
        let beneath = self.tenants.digest(&run.theirs.member).await;
        for operation in self.document.operations().iter().filter(|o| o.guarded) {
            run.operation.clone_from(&operation.name);
            run.report.operations.insert(operation.name.clone());
            run.without_rights(operation).await;
            run.in_their_tenant(operation).await;
            run.their_records(operation).await;
            run.their_words_in_parameters(operation).await;
            run.still_at_work().await;
        }
        // Behind the rest: what is taken makes their words ours.
        run.words_are_ours = true;
        for operation in self.document.operations().iter().filter(|o| o.guarded) {
            run.operation.clone_from(&operation.name);
            run.their_words_in_bodies(operation).await;
            run.still_at_work().await;
        }
        if self.tenants.digest(&run.theirs.member).await != beneath {
            run.report.add("all", "afterwards", "something was written in the other tenant");
        }
        for (name, after) in run.digest().await {
            if before.get(&name) != Some(&after) {
                run.report.add(
                    &name,
                    "afterwards",
                    "the other tenant's data are not what they were",
                );
            }
        }
        run.report
    }
}

struct Run<'a> {
    probe: &'a Crossing<'a>,
    theirs: Furnished,
    ours: Furnished,
    report: Report,
    operation: String,
    successors: usize,
    /// Whether words of theirs were written by us, so that finding them shows nothing.
    words_are_ours: bool,
}

impl Run<'_> {
    async fn ask(&mut self, ask: Ask) -> Answer {
        self.report.asked += 1;
        let by_them = ask.headers.iter().any(|(name, value)| {
            name == "Authorization" && value.ends_with(self.theirs.member.token.as_bytes())
        });
        // What was sent may be said again.
        let sent = format!("{} {}", ask.path, String::from_utf8_lossy(&ask.body)).to_lowercase();
        let shown = format!("{} {}", ask.method, ask.path);
        let answer = self.probe.server.ask(ask).await;
        if answer.status == 0 || answer.status >= 500 {
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            self.found("server fault", format!("{shown}: {} {text}", answer.status));
        }
        let text = String::from_utf8_lossy(&answer.body).to_lowercase();
        let word = THEIRS.to_lowercase();
        let ids = self.theirs.ids.values().flatten().cloned();
        let words = ids.chain((!self.words_are_ours).then_some(word));
        if let Some(word) =
            words.filter(|_| !by_them).find(|w| text.contains(w) && !sent.contains(w))
        {
            self.found("leak", format!("{shown} shows {word}, which is another tenant's: {text}"));
        }
        answer
    }

    fn found(&mut self, place: impl Into<String>, told: impl Into<String>) {
        self.report.add(self.operation.clone(), place, told);
    }

    /// Everything that the other tenant sees of itself.
    async fn digest(&mut self) -> BTreeMap<String, Vec<(String, u16, Value)>> {
        let mut all: BTreeMap<String, Vec<(String, u16, Value)>> = BTreeMap::new();
        let token = self.theirs.member.token.clone();
        for operation in self.probe.document.operations().iter().filter(|o| o.guarded && o.reads())
        {
            let mut paths: BTreeSet<String> = self.theirs.path(operation).into_iter().collect();
            if let [(parameter, kind)] = &operation.path_parameters()[..] {
                for id in self.theirs.ids.get(kind).into_iter().flatten() {
                    paths.insert(operation.path_with(|name| {
                        if name == parameter.name { id.clone() } else { String::new() }
                    }));
                }
            }
            for path in paths {
                let path = with_deleted(operation, path);
                let answer = self.ask(Ask::new(Method::GET, path.clone()).by(&token)).await;
                let etag = answer.headers.get("etag").and_then(|etag| etag.to_str().ok());
                let mut body = answer.json();
                if let Some(body) = body.as_object_mut() {
                    body.remove("requestId");
                }
                let said = json!([body, etag]);
                all.entry(operation.name.clone()).or_default().push((path, answer.status, said));
            }
        }
        all
    }

    /// That we may still do what we might: what signs us out, or takes our tenant away, makes
    /// every answer a refusal and would prove nothing. Then another tenant takes over.
    async fn still_at_work(&mut self) {
        let plain = |o: &&Operation| o.guarded && o.reads() && !o.path.contains('{');
        let lists = |o: &&Operation| o.parameters.iter().any(|p| p.name == "limit");
        let document = self.probe.document;
        let Some(list) = document.operations().iter().filter(plain).find(lists) else { return };
        let ask = Ask::new(Method::GET, list.path.clone()).by(&self.ours.member.token);
        if self.ask(ask).await.status != 200 {
            let letter = char::from(b'a' + u8::try_from(self.successors % 26).unwrap_or_default());
            self.successors += 1;
            let Crossing { server, tenants, given, .. } = self.probe;
            let member = tenants.tenant(&format!("lighthouse{letter}")).await;
            self.ours = Furnished::new(*server, document, member, OURS, given).await;
        }
    }

    /// A request of ours to an operation, with a body that it would take.
    async fn our_ask(&mut self, operation: &Operation, fresh: bool) -> Ask {
        let mut values = BTreeMap::new();
        for (parameter, kind) in operation.path_parameters() {
            let made = match fresh {
                true => {
                    let probe = self.probe;
                    self.ours.fresh(probe.server, probe.document, &kind).await
                }
                false => None,
            };
            let known = self.ours.ids.get(&kind).and_then(|ids| ids.iter().next()).cloned();
            let id = made.or(known).unwrap_or_else(|| NOBODYS.to_owned());
            values.insert(parameter.name.clone(), id);
        }
        let path = operation.path_with(|name| values.get(name).cloned().unwrap_or_default());
        let ask = Ask::new(operation.method.clone(), path).by(&self.ours.member.token);
        match self.our_body(operation) {
            Some(body) => ask.json(&body),
            None => ask,
        }
    }

    fn our_body(&mut self, operation: &Operation) -> Option<Value> {
        let form = self.ours.form(self.probe.document, operation)?;
        Some(self.ours.body(self.probe.document, &form))
    }

    /// Without a token, and with tokens that hold nothing.
    async fn without_rights(&mut self, operation: &Operation) {
        let ask = self.our_ask(operation, false).await;
        let mut bare = ask.clone();
        bare.headers.retain(|(name, _)| name != "Authorization");
        let tokens: Vec<BadToken> = self.probe.bad_tokens.clone();
        let named = tokens.into_iter().map(|bad| (bad.what, Some(bad.token)));
        for (what, token) in std::iter::once(("none".to_owned(), None)).chain(named) {
            let ask = match token {
                Some(token) => bare.clone().by(&token),
                None => bare.clone(),
            };
            let answer = self.ask(ask).await;
            if answer.status != 401 {
                self.found(format!("token {what}"), format!("answered {}", answer.status));
            }
        }
    }

    /// With a token of ours, in their tenant: by header, and in front of the path.
    async fn in_their_tenant(&mut self, operation: &Operation) {
        let ask = self.our_ask(operation, false).await;
        let tenant = self.theirs.member.tenant.clone();
        let at_theirs = self.theirs.path(operation);
        for path in std::iter::once(ask.path.clone()).chain(at_theirs) {
            let ask = Ask { path, ..ask.clone() };
            let there = |tenant: &str| ask.clone().with("X-Tenant-ID", tenant);
            self.same("header X-Tenant-ID", &[], &tenant, NOBODYS, there).await;
            let there = |tenant: &str| {
                let path = match ask.path.strip_prefix("/api/v1/") {
                    Some(rest) => format!("/api/v1/tenants/{tenant}/{rest}"),
                    None => format!("/tenants/{tenant}{}", ask.path),
                };
                Ask { path, ..ask.clone() }
            };
            self.same("tenant before the path", &[], &tenant, NOBODYS, there).await;
        }
    }

    /// Their records in each parameter of the path, in every version that can be expected.
    async fn their_records(&mut self, operation: &Operation) {
        for (parameter, kind) in operation.path_parameters() {
            if !is_id(&parameter.name, &parameter.schema) {
                continue;
            }
            let ids = self.theirs.ids.get(&kind).cloned().unwrap_or_default();
            if ids.is_empty() {
                let told = format!("the other tenant has no {kind} to try it with");
                self.found(format!("path {}", parameter.name), told);
            }
            let versions: &[Option<&str>] = if operation.reads() {
                &[None]
            } else {
                &[None, Some("\"1\""), Some("\"9\""), Some("*")]
            };
            for id in ids {
                for version in versions {
                    let ask = self.our_ask(operation, false).await;
                    let own = operation.path_parameters();
                    let ours = self.ours.ids.clone();
                    let at = |id: &str| {
                        let path = operation.path_with(|name| match name == parameter.name {
                            true => id.to_owned(),
                            false => {
                                let kind = own.iter().find(|(p, _)| p.name == name).map(|(_, k)| k);
                                let ids = kind.and_then(|kind| ours.get(kind));
                                let one = ids.and_then(|ids| ids.iter().next()).cloned();
                                one.unwrap_or_else(|| NOBODYS.to_owned())
                            }
                        });
                        let ask = Ask { path, ..ask.clone() };
                        match version {
                            Some(version) => ask.with("If-Match", version),
                            None => ask,
                        }
                    };
                    let place = format!("path {}", parameter.name);
                    self.same(&place, &[404, 403], &id, NOBODYS, at).await;
                }
            }
        }
    }

    /// Their records and words in each parameter of the query, under each of its names, and in
    /// expressions.
    async fn their_words_in_parameters(&mut self, operation: &Operation) {
        let query: Vec<Parameter> =
            operation.parameters.iter().filter(|p| p.place == Place::Query).cloned().collect();
        let expressions = query.iter().any(|p| p.name == "filter");
        for parameter in &query {
            let schema = &parameter.schema;
            let item = if kind(schema) == "array" { &schema["items"] } else { schema };
            let item = self.probe.document.resolve(item);
            let values = match kind(item) {
                _ if item["format"] == "uuid" => self.their_ids(),
                "string" if item.get("enum").is_none() => self.their_words(&parameter.name),
                _ => continue,
            };
            for (theirs, nobodys) in &values {
                self.query(operation, &parameter.name, theirs, nobodys).await;
            }
            for name in parameter.also.iter().filter(|name| !name.ends_with("[null]")) {
                if let Some((theirs, nobodys)) = values.first() {
                    self.query(operation, name, theirs, nobodys).await;
                }
            }
            if !expressions || parameter.also.is_empty() || parameter.name.contains('{') {
                continue;
            }
            for (theirs, nobodys) in values.iter().take(2) {
                let name = &parameter.name;
                let wrapped = |value: &str| format!("{name} = {}", json!(value));
                let (said, unsaid) = (theirs.as_str(), nobodys.as_str());
                let pair = (&*wrapped(theirs), &*wrapped(nobodys));
                self.query_saying(operation, "filter", pair, (said, unsaid)).await;
            }
        }
        // The tenant itself, by whatever name.
        if operation.reads() {
            let tenant = self.theirs.member.tenant.clone();
            for name in ["tenantId", "tenant", "tenant_id", "tid", "organization"] {
                self.query(operation, name, &tenant, NOBODYS).await;
            }
        }
    }

    async fn query(&mut self, operation: &Operation, name: &str, theirs: &str, nobodys: &str) {
        // A name may itself have a word of theirs in it: `customFields.{key}`.
        let Some((before, behind)) = name.split_once("{key}") else {
            let pair = (theirs, nobodys);
            return self.query_saying(operation, name, pair, pair).await;
        };
        let keys = self.theirs.words.get("key").cloned().unwrap_or_default();
        for key in keys.iter().take(1) {
            let other = swapped(key);
            let name = |key: &str| format!("{before}{key}{behind}");
            let (first, second) = (self.fresh(operation).await, self.fresh(operation).await);
            let never = self.ask(asked(&first, &name(&other), nobodys)).await;
            let answer = self.ask(asked(&second, &name(key), theirs)).await;
            let never = told(&never, &[nobodys, &name(&other), &other], &first.path);
            let answer = told(&answer, &[theirs, &name(key), key], &second.path);
            self.compare(
                &format!("query {}", name("{key}")),
                &[],
                &answer,
                &never,
                operation.reads(),
            );
        }
    }

    /// Asks with a value of theirs and with one of nobody's; `said` is what answers may repeat of
    /// them.
    async fn query_saying(
        &mut self,
        operation: &Operation,
        name: &str,
        (theirs, nobodys): (&str, &str),
        said: (&str, &str),
    ) {
        let (first, second) = (self.fresh(operation).await, self.fresh(operation).await);
        let never = self.ask(asked(&first, name, nobodys)).await;
        let answer = self.ask(asked(&second, name, theirs)).await;
        let never = told(&never, &[nobodys, said.1], &first.path);
        let answer = told(&answer, &[theirs, said.0], &second.path);
        self.compare(&format!("query {name}"), &[], &answer, &never, operation.reads());
    }

    /// A request to an operation, on a record that nothing was done to yet.
    async fn fresh(&mut self, operation: &Operation) -> Ask {
        self.our_ask(operation, !operation.reads()).await
    }

    /// Their records and words in each field of a body, however deep.
    async fn their_words_in_bodies(&mut self, operation: &Operation) {
        let Some(schema) = operation.body.clone() else { return };
        let mut places = Vec::new();
        fields(self.probe.document, &schema, &mut Vec::new(), &mut places);
        let tenant = self.theirs.member.tenant.clone();
        for name in ["tenantId", "tenant_id", "tenant"] {
            let pairs = [(json!(tenant), json!(NOBODYS))];
            self.body(operation, &[Step::Field(name.to_owned())], &pairs).await;
        }
        for (steps, kind) in places {
            let name = steps.iter().rev().find_map(Step::name).unwrap_or_default().to_owned();
            let pairs: Vec<(Value, Value)> = match kind {
                Field::Id => pairs(self.their_ids()),
                Field::Text => pairs(self.their_words(&name)),
                Field::Map => {
                    let keys = self.theirs.words.get("key").cloned().unwrap_or_default();
                    let entry =
                        |key: &str| Value::from(Map::from_iter([(key.to_owned(), json!("x"))]));
                    keys.iter().map(|key| (entry(key), entry(&swapped(key)))).collect()
                }
            };
            self.body(operation, &steps, &pairs).await;
        }
    }

    async fn body(&mut self, operation: &Operation, steps: &[Step], pairs: &[(Value, Value)]) {
        let place = steps.iter().map(Step::shown).collect::<Vec<_>>().join("");
        let place = format!("body {}", place.trim_start_matches('.'));
        for (theirs, nobodys) in pairs {
            let mut tolds = Vec::new();
            for value in [nobodys, theirs] {
                let mut ask = self.our_ask(operation, true).await;
                let mut body: Value = serde_json::from_slice(&ask.body).unwrap_or_default();
                put(&mut body, steps, value.clone());
                ask.headers.retain(|(name, _)| name != "Content-Type");
                let ask = ask.json(&body);
                let path = ask.path.clone();
                let answer = self.ask(ask).await;
                let sent = said(value);
                tolds.push(told(&answer, &[sent.as_str()], &path));
            }
            if let [never, answer] = &tolds[..] {
                let (never, answer) = (never.clone(), answer.clone());
                let is_id = nobodys == &json!(NOBODYS);
                if is_id && (200..300).contains(&never.status) {
                    let told = format!("takes an id that nobody has: {}", never.status);
                    self.found(place.clone(), told);
                }
                self.compare(&place, &[], &answer, &never, false);
            }
        }
    }

    /// Asks for what is theirs and for what nobody has: both must be answered alike.
    async fn same(
        &mut self,
        place: &str,
        allowed: &[u16],
        theirs: &str,
        nobodys: &str,
        ask: impl Fn(&str) -> Ask,
    ) {
        let never = self.ask(ask(nobodys)).await;
        let answer = self.ask(ask(theirs)).await;
        let path = ask("").path;
        let allowed = if allowed.is_empty() { &[403, 404][..] } else { allowed };
        let (never, answer) = (told(&never, &[nobodys], &path), told(&answer, &[theirs], &path));
        self.compare(place, allowed, &answer, &never, true);
    }

    fn compare(&mut self, place: &str, allowed: &[u16], answer: &Told, never: &Told, whole: bool) {
        let refused = answer.status >= 400 && never.status >= 400;
        let alike = match whole || refused {
            true => answer == never,
            // Both were taken: what was written has an id and a time of its own.
            false => answer.status == never.status,
        };
        if !alike {
            self.found(place, format!("{answer:?}, but for what nobody has {never:?}"));
        } else if !allowed.is_empty() && !allowed.contains(&answer.status) {
            self.found(place, format!("answered {}: {}", answer.status, answer.body));
        }
    }

    /// Some of their identifiers, of each kind one.
    fn their_ids(&self) -> Vec<(String, String)> {
        let one = self.theirs.ids.values().filter_map(|ids| ids.iter().next());
        let ids: BTreeSet<&String> = one.collect();
        ids.into_iter().map(|id| (id.clone(), NOBODYS.to_owned())).collect()
    }

    /// Words of theirs that stand in a field of this name, or in any, with as long ones of nobody.
    fn their_words(&self, name: &str) -> Vec<(String, String)> {
        let words = self.theirs.words.get(name).into_iter().flatten().take(2);
        let mut words: Vec<String> = words.cloned().collect();
        if words.is_empty() {
            words.push(THEIRS.to_owned());
        }
        words.into_iter().map(|word| (word.clone(), swapped(&word))).collect()
    }
}

fn pairs(texts: Vec<(String, String)>) -> Vec<(Value, Value)> {
    texts.into_iter().map(|(theirs, nobodys)| (json!(theirs), json!(nobodys))).collect()
}

/// A request with a parameter more.
fn asked(ask: &Ask, name: &str, value: &str) -> Ask {
    let path = format!("{}?{}={}", ask.path, encoded(name), encoded(value));
    Ask { path, ..ask.clone() }
}

/// A text of theirs with another word in it, as long.
fn swapped(text: &str) -> String {
    text.replace(THEIRS, NOWHERE).replace(&THEIRS.to_lowercase(), &NOWHERE.to_lowercase())
}
