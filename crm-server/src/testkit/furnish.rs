//! A tenant with something of every kind in it, made through the API itself.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use futures::future::BoxFuture;
use poem::http::Method;
use serde_json::{Map, Value, json};

use super::document::{Document, Operation, Parameter, Place, encoded};
use super::sample::{Form, Sampler};
use super::server::{Answer, Ask, Server};

/// Somebody at work in a tenant.
#[derive(Debug, Clone)]
pub struct Member {
    /// The tenant.
    pub tenant: String,
    /// The user.
    pub user: String,
    /// An access token that holds as long as the test runs.
    pub token: String,
}

/// How tenants come about.
#[async_trait]
pub trait Tenants: Send + Sync {
    /// A new tenant under a name, and somebody who may do everything in it. The name is of
    /// letters only, and also fit for the domain of an address.
    async fn tenant(&self, name: &str) -> Member;

    /// The e-mail address of somebody new who has signed up and works in no tenant: what
    /// `{stranger}` stands for in [given](super::Crossing::given) fields. Empty, unless a test
    /// needs some.
    async fn stranger(&self) -> String {
        String::new()
    }

    /// The identifier of a further session of somebody, which may be ended: what `{session}`
    /// stands for in given fields. Empty, unless a test needs some.
    async fn session(&self, member: &Member) -> String {
        let _ = member;
        String::new()
    }

    /// A code that somebody's second factor takes now: what `{code}` stands for in given fields,
    /// of one that they have by then, and `{first code}` of one that they have only begun to get.
    /// Empty, unless a test needs some.
    async fn code(&self, member: &Member, first: bool) -> String {
        let _ = (member, first);
        String::new()
    }

    /// Somebody's password, who has no second factor by then: what `{password}` stands for in given
    /// fields. Empty, unless a test needs one.
    async fn password(&self, member: &Member) -> String {
        let _ = member;
        String::new()
    }

    /// What is known of a tenant's data beneath the API, in any form: it is asked for before and
    /// after each operation was tried, and must be the same. Nothing, unless a test knows more.
    async fn digest(&self, member: &Member) -> String {
        let _ = member;
        String::new()
    }
}

/// The fields that stand fast in what an operation is sent, by its name.
pub type Given = BTreeMap<String, Map<String, Value>>;

/// Where tenants are furnished.
#[derive(Clone, Copy)]
#[expect(missing_debug_implementations, reason = "a server and tenants are anything")]
pub struct Source<'a> {
    /// The server.
    pub server: &'a dyn Server,
    /// What it says of itself.
    pub document: &'a Document,
    /// How tenants come about.
    pub tenants: &'a dyn Tenants,
    /// What the document does not tell.
    pub given: &'a Given,
}

/// A tenant and what it has.
#[expect(missing_debug_implementations, reason = "a server and tenants are anything")]
pub struct Furnished<'a> {
    source: Source<'a>,
    /// Who may do everything in it.
    pub member: Member,
    /// Identifiers, by the word that stands before them in a path.
    pub ids: BTreeMap<String, BTreeSet<String>>,
    /// Those of deleted records.
    pub deleted: BTreeMap<String, BTreeSet<String>>,
    /// Texts in its records, by the field that they stand in and the kind of record.
    pub words: BTreeMap<String, BTreeMap<String, BTreeSet<String>>>,
    /// The operations that were made to answer, each with a body that it takes.
    pub forms: BTreeMap<String, Form>,
    /// The operations that make records and could not be made to, with the last refusal.
    pub refused: BTreeMap<String, String>,
    beside: BTreeSet<String>,
    pub(super) sampler: Sampler,
}

/// How often a body is mended before it is given up.
const TRIES: usize = 12;
/// How many records of a kind are known.
const ENOUGH: usize = 2;

impl<'a> Furnished<'a> {
    /// Makes a record by every operation that makes one, twice over, so that what refers to
    /// others finds them, then looks into every list. `word` begins every text; what is `beside`
    /// is known to be nobody's in particular.
    pub async fn new(
        source: Source<'a>,
        member: Member,
        word: &str,
        beside: &BTreeSet<String>,
    ) -> Self {
        let own = |id: &str| BTreeSet::from([id.to_owned()]);
        let ids = BTreeMap::from([
            ("tenants".to_owned(), own(&member.tenant)),
            ("users".to_owned(), own(&member.user)),
        ]);
        let mut it = Self {
            source,
            member,
            ids,
            deleted: BTreeMap::new(),
            words: BTreeMap::new(),
            forms: BTreeMap::new(),
            refused: BTreeMap::new(),
            beside: beside.clone(),
            sampler: Sampler::new(word),
        };
        let document = source.document;
        for _ in 0..2 {
            for operation in document.operations().iter().filter(|o| o.guarded && o.creates()) {
                it.learn(operation).await;
            }
        }
        // So that there is one of theirs which is not the one that they ask with.
        if source.given.values().any(|given| given.values().any(|value| value == "{session}")) {
            source.tenants.session(&it.member).await;
        }
        for operation in document.operations().iter().filter(|o| o.guarded && o.reads()) {
            if let Some(path) = it.path(operation) {
                let ask = Ask::new(Method::GET, with_deleted(operation, path.clone()));
                let ask = ask.by(&it.member.token);
                let data = source.server.ask(ask).await.json()["data"].take();
                it.harvest(operation.last_word(), &path, &data);
            }
        }
        it
    }

    /// Deletes a new record of each kind that can be deleted.
    pub async fn delete_some(&mut self) {
        let document = self.source.document;
        for operation in document.operations().iter().filter(|o| o.guarded) {
            let parameters = operation.path_parameters();
            if operation.method != Method::DELETE || !operation.path.ends_with('}') {
                continue;
            }
            let [(parameter, kind)] = &parameters[..] else { continue };
            let Some(id) = self.fresh(kind).await else { continue };
            let path = operation
                .path_with(|name| if name == parameter.name { id.clone() } else { String::new() });
            let ask = Ask::new(Method::DELETE, path).by(&self.member.token);
            if (200..300).contains(&self.source.server.ask(ask).await.status) {
                self.deleted.entry(kind.clone()).or_default().insert(id);
            }
        }
    }

    /// Every identifier of a kind, of deleted records too.
    pub(super) fn all_ids(&self, kind: &str) -> BTreeSet<String> {
        let all = [&self.ids, &self.deleted].into_iter().filter_map(|ids| ids.get(kind));
        all.flatten().cloned().collect()
    }

    /// Tries a form until the server takes it.
    async fn learn(&mut self, operation: &Operation) {
        let Some(mut form) = self.form(operation) else { return };
        let mut told = String::new();
        for _ in 0..TRIES {
            self.forms.insert(operation.name.clone(), form.clone());
            let Some((path, sent, answer)) = self.make(operation).await else { break };
            if (200..300).contains(&answer.status) {
                self.harvest(operation.last_word(), &path, &answer.json()["data"]);
                self.listen(operation.last_word(), &sent);
                self.refused.remove(&operation.name);
                return;
            }
            let refusal = answer.json();
            told = format!("{} {refusal}", answer.status);
            if !form.learn(&refusal) {
                break;
            }
        }
        self.forms.remove(&operation.name);
        self.refused.insert(operation.name.clone(), told);
    }

    /// Makes a record: where it was asked for, what was sent, and the answer.
    async fn make(&mut self, operation: &Operation) -> Option<(String, Value, Answer)> {
        self.make_as(operation, None).await
    }

    /// Makes one as a variety that is given.
    async fn make_as(
        &mut self,
        operation: &Operation,
        variety: Option<&str>,
    ) -> Option<(String, Value, Answer)> {
        let path = self.path(operation)?;
        let mut body = self.body(operation, &path).await?;
        if let Some(variety) = variety {
            let given = self.source.given.get(&format!("{} {variety}", operation.name))?;
            for (name, value) in given {
                body[name] = self.settled(value).await;
            }
        }
        let ask = Ask::new(operation.method.clone(), path.clone()).by(&self.member.token);
        let mut ask = ask.json(&body);
        let keyed = |p: &&Parameter| {
            p.place == Place::Header && p.name.eq_ignore_ascii_case("Idempotency-Key")
        };
        if operation.parameters.iter().any(|p| keyed(&p)) {
            // The same keys in every tenant: one tenant's must not be another's.
            self.sampler.count();
            ask = ask.with(
                "Idempotency-Key",
                format!("probe-{}-{}", operation.last_word(), self.sampler.number()),
            );
        }
        Some((path, body, self.source.server.ask(ask).await))
    }

    /// A form for an operation: what was learned of the operation that makes such records holds
    /// for those that change them.
    fn form(&self, operation: &Operation) -> Option<Form> {
        let schema = operation.body.clone()?;
        if let Some(form) = self.forms.get(&operation.name) {
            return Some(form.clone());
        }
        let collection = operation.name.split_once(' ')?.1.split("/{").next()?;
        let mut form = match self.forms.get(&format!("POST {collection}")) {
            Some(form) => Form { schema: schema.clone(), ..form.clone() },
            None => Form::new(schema.clone()),
        };
        let own = self.source.given.get(&operation.name).into_iter().flatten();
        form.given.extend(own.map(|(name, value)| (name.clone(), value.clone())));
        let properties = &self.source.document.resolve(&schema)["properties"];
        form.given.retain(|name, _| properties.get(name).is_some());
        Some(form)
    }

    /// A body that an operation takes, with records of this tenant where it refers to some; none
    /// where it takes none. `path` is that of the request.
    pub async fn body(&mut self, operation: &Operation, path: &str) -> Option<Value> {
        let mut form = self.form(operation)?;
        for value in form.given.values_mut() {
            *value = self.settled(value).await;
        }
        let Self { sampler, ids, source, .. } = self;
        let mut body = sampler.body(source.document, &form, &|name| referred(ids, name));
        if !form.as_shown.is_empty() {
            let ask = Ask::new(Method::GET, path).by(&self.member.token);
            let shown = self.source.server.ask(ask).await.json()["data"].take();
            for name in &form.as_shown {
                body[name] = shown[name].clone();
            }
        }
        Some(body)
    }

    /// Learns from a refusal of what [`Furnished::body`] made. Whether there was anything to
    /// learn.
    pub(super) fn learn_from(&mut self, operation: &Operation, refusal: &Value) -> bool {
        let Some(mut form) = self.form(operation) else { return false };
        let learned = form.learn(refusal);
        self.forms.insert(operation.name.clone(), form);
        learned
    }

    /// A given value with what stands in braces found: `{customers}` is one of the tenant's,
    /// `{new customers}` one that was made for it, `{stranger}` somebody's address.
    fn settled<'s>(&'s mut self, value: &'s Value) -> BoxFuture<'s, Value> {
        Box::pin(async move {
            match value {
                Value::String(text) => {
                    let named = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
                    let found = match named {
                        Some("stranger") => Some(self.source.tenants.stranger().await),
                        Some("password") => Some(self.source.tenants.password(&self.member).await),
                        Some("code") => Some(self.source.tenants.code(&self.member, false).await),
                        Some("first code") => {
                            Some(self.source.tenants.code(&self.member, true).await)
                        }
                        Some("session") => Some(self.source.tenants.session(&self.member).await),
                        Some(named) => match named.strip_prefix("new ") {
                            Some(kind) => self.fresh(kind).await,
                            None => self.ids.get(named).and_then(|ids| ids.first()).cloned(),
                        },
                        None => None,
                    };
                    found.map_or_else(|| value.clone(), Value::from)
                }
                Value::Array(items) => {
                    let mut settled = Vec::with_capacity(items.len());
                    for item in items {
                        settled.push(self.settled(item).await);
                    }
                    Value::Array(settled)
                }
                Value::Object(map) => {
                    let mut settled = Map::new();
                    for (name, value) in map {
                        settled.insert(name.clone(), self.settled(value).await);
                    }
                    Value::Object(settled)
                }
                other => other.clone(),
            }
        })
    }

    /// A new record of a kind: its identifier. `custom-fields choice` is a variety of
    /// `custom-fields`, given as `POST /custom-fields choice`.
    pub async fn fresh(&mut self, kind: &str) -> Option<String> {
        let (kind, variety) = match kind.split_once(' ') {
            Some((kind, variety)) => (kind, Some(variety)),
            None => (kind, None),
        };
        let makes = |o: &&Operation| o.guarded && o.creates() && o.last_word() == kind;
        let document = self.source.document;
        for operation in document.operations().iter().filter(makes) {
            // What was made up may be somebody's by now: an address that was tried elsewhere.
            for _ in 0..TRIES {
                if self.forms.contains_key(&operation.name)
                    && let Some((_, _, answer)) = self.make_as(operation, variety).await
                    && let Some(id) = answer.json()["data"]["id"].as_str()
                {
                    return Some(id.to_owned());
                }
            }
        }
        None
    }

    /// An operation's path with this tenant's own records in it, and what its query must have;
    /// none where the tenant has no record of a kind.
    pub fn path(&self, operation: &Operation) -> Option<String> {
        let mut values = BTreeMap::new();
        for (parameter, kind) in operation.path_parameters() {
            let id = self.given_in_path(operation, &parameter.name);
            let id = id.or_else(|| self.ids.get(&kind).and_then(|ids| ids.first()).cloned())?;
            values.insert(parameter.name.clone(), id);
        }
        let path = operation.path_with(|name| values.get(name).cloned().unwrap_or_default());
        Some(self.with_query(operation, path))
    }

    /// What is given for a part of an operation's path that is no record.
    pub(super) fn given_in_path(&self, operation: &Operation, name: &str) -> Option<String> {
        let given = self.source.given.get(&operation.name)?.get(name)?;
        given.as_str().filter(|given| !given.starts_with('{')).map(str::to_owned)
    }

    /// What goes into a part of an operation's path that nothing was done to yet.
    pub(super) async fn fresh_in_path(
        &mut self,
        operation: &Operation,
        name: &str,
        kind: &str,
    ) -> Option<String> {
        let given = self.source.given.get(&operation.name).and_then(|given| given.get(name));
        match given {
            Some(given) => self.settled(given).await.as_str().map(str::to_owned),
            None => self.fresh(kind).await,
        }
    }

    /// A path with the parameters that an operation's query must have; a log without the exports in
    /// it, which repeat whatever was asked of them, and are made by looking at everything.
    pub(super) fn with_query(&self, operation: &Operation, path: String) -> String {
        let required = |p: &&Parameter| p.place == Place::Query && p.required;
        let path = operation.parameters.iter().filter(required).fold(path, |path, parameter| {
            let value = self.given_in_path(operation, &parameter.name);
            let value = value.unwrap_or_else(|| self.sampler.word().to_owned());
            parameterised(&path, &parameter.name, &value)
        });
        let document = self.source.document;
        let tells_exports = |p: &Parameter| {
            let actions = &document.resolve(&p.schema["items"])["enum"];
            p.name == "action"
                && actions.as_array().is_some_and(|all| all.contains(&json!("exported")))
        };
        match operation.parameters.iter().any(tells_exports) {
            true => parameterised(&path, "action[ne]", "exported"),
            false => path,
        }
    }

    /// Takes identifiers and texts out of an answer's data. What the path named is known.
    fn harvest(&mut self, kind: &str, path: &str, data: &Value) {
        for record in data.as_array().map_or(std::slice::from_ref(data), Vec::as_slice) {
            if let Some(id) = record["id"].as_str()
                && !path.contains(id)
                && !self.beside.contains(id)
                && record["deletedAt"].is_null()
                // What we ask with is not to be taken away.
                && record["current"] != true
            {
                let known = self.ids.entry(kind.to_owned()).or_default();
                // A few are enough.
                if known.len() < ENOUGH {
                    known.insert(id.to_owned());
                }
            }
            // Who looks in is left out: called into another tenant, they would see that one, too.
            if record["id"] != self.member.user {
                self.listen(kind, record);
            }
        }
    }

    /// Takes texts out of a record.
    fn listen(&mut self, kind: &str, record: &Value) {
        for (name, value) in record.as_object().into_iter().flatten() {
            if let Some(text) = value.as_str().filter(|text| self.is_own(text)) {
                let words = self.words.entry(name.clone()).or_default();
                words.entry(kind.to_owned()).or_default().insert(text.to_owned());
            }
        }
    }

    /// Whether a text could be nobody else's.
    fn is_own(&self, text: &str) -> bool {
        text.to_lowercase().contains(&self.sampler.word().to_lowercase())
    }
}

/// Every identifier that somebody sees in a tenant in which nothing was made yet, but for their
/// own.
pub(super) async fn seen(source: Source<'_>, member: &Member) -> BTreeSet<String> {
    // What is below `/auth` is one's own.
    let plain = |o: &&Operation| {
        o.guarded && o.reads() && !o.path.contains('{') && !o.path.contains("/auth/")
    };
    let mut all = BTreeSet::new();
    for operation in source.document.operations().iter().filter(plain) {
        let path = with_deleted(operation, operation.path.clone());
        let answer = source.server.ask(Ask::new(Method::GET, path).by(&member.token)).await;
        let data = answer.json()["data"].take();
        for record in data.as_array().into_iter().flatten() {
            all.extend(record["id"].as_str().map(str::to_owned));
        }
    }
    all.retain(|id| *id != member.tenant && *id != member.user);
    all
}

/// The record that a field would name, told by the field's name: `companyId` one of `companies`,
/// `tags` of `tags`; whatever else is a person.
fn referred(ids: &BTreeMap<String, BTreeSet<String>>, name: &str) -> Option<String> {
    let stem = name.trim_end_matches("Ids").trim_end_matches("Id").to_lowercase();
    let near = |kind: &&String| {
        let kind = kind.replace('-', "").to_lowercase();
        stem.len() >= 3 && (kind.starts_with(stem.trim_end_matches(['y', 's'])) || kind == stem)
    };
    let kind = ids.keys().find(near).map_or("users", String::as_str);
    ids.get(kind)?.iter().next().cloned()
}

/// A path with a parameter more in its query.
pub(super) fn parameterised(path: &str, name: &str, value: &str) -> String {
    let joint = if path.contains('?') { '&' } else { '?' };
    format!("{path}{joint}{}={}", encoded(name), encoded(value))
}

/// With deleted records, where the operation can show them.
pub(super) fn with_deleted(operation: &Operation, path: String) -> String {
    let has = |name: &str| operation.parameters.iter().any(|p| p.name == name);
    let wanted = [("includeDeleted", "true"), ("limit", "200")];
    let wanted = wanted.into_iter().filter(|(name, _)| has(name));
    wanted.fold(path, |path, (name, value)| parameterised(&path, name, value))
}
