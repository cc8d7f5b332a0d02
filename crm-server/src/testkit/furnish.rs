//! A tenant with something of every kind in it, made through the API itself.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use poem::http::Method;
use serde_json::{Map, Value};

use super::document::{Document, Operation, Place};
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

    /// What is known of a tenant's data beneath the API, in any form: it is asked for before and
    /// after, and must be the same. Nothing, unless a test knows more.
    async fn digest(&self, member: &Member) -> String {
        let _ = member;
        String::new()
    }
}

/// A tenant and what it has.
#[derive(Debug)]
pub struct Furnished {
    /// Who may do everything in it.
    pub member: Member,
    /// Identifiers, by the word that stands before them in a path.
    pub ids: BTreeMap<String, BTreeSet<String>>,
    /// Texts in its records, by the field that they stand in.
    pub words: BTreeMap<String, BTreeSet<String>>,
    /// The operations that make records, each with a body that it takes.
    pub forms: BTreeMap<String, Form>,
    /// The operations that make records and could not be made to, with the last refusal.
    pub refused: BTreeMap<String, String>,
    pub(super) sampler: Sampler,
}

/// How often a body is mended before it is given up.
const TRIES: usize = 12;

impl Furnished {
    /// Makes a record by every operation that makes one, twice over, so that what refers to
    /// others finds them, then looks into every list. `word` begins every text; `given` are the
    /// fields of an operation's body that its schema does not tell.
    pub async fn new(
        server: &dyn Server,
        document: &Document,
        member: Member,
        word: &str,
        given: &BTreeMap<String, Map<String, Value>>,
    ) -> Self {
        let own = |id: &str| BTreeSet::from([id.to_owned()]);
        let ids = BTreeMap::from([
            ("tenants".to_owned(), own(&member.tenant)),
            ("users".to_owned(), own(&member.user)),
        ]);
        let mut it = Self {
            member,
            ids,
            words: BTreeMap::new(),
            forms: BTreeMap::new(),
            refused: BTreeMap::new(),
            sampler: Sampler::new(word),
        };
        for _ in 0..2 {
            for operation in document.operations().iter().filter(|o| o.guarded && o.creates()) {
                let mut form = Form::new(operation.body.clone().unwrap_or_default());
                form.given = given.get(&operation.name).cloned().unwrap_or_default();
                it.learn(server, document, operation, form).await;
            }
        }
        for operation in document.operations().iter().filter(|o| o.guarded && o.reads()) {
            if let Some(path) = it.path(operation) {
                let ask = Ask::new(Method::GET, with_deleted(operation, path));
                let data = server.ask(ask.by(&it.member.token)).await.json()["data"].take();
                it.harvest(operation.last_word(), &data);
            }
        }
        it
    }

    /// Tries a form until the server takes it.
    async fn learn(
        &mut self,
        server: &dyn Server,
        document: &Document,
        operation: &Operation,
        mut form: Form,
    ) {
        let mut told = String::new();
        for _ in 0..TRIES {
            let Some(answer) = self.make(server, document, operation, &form).await else { return };
            if (200..300).contains(&answer.status) {
                self.harvest(operation.last_word(), &answer.json()["data"]);
                self.refused.remove(&operation.name);
                self.forms.insert(operation.name.clone(), form);
                return;
            }
            let refusal = answer.json();
            told = format!("{} {refusal}", answer.status);
            if !form.learn(&refusal) {
                break;
            }
        }
        self.refused.insert(operation.name.clone(), told);
    }

    async fn make(
        &mut self,
        server: &dyn Server,
        document: &Document,
        operation: &Operation,
        form: &Form,
    ) -> Option<Answer> {
        let path = self.path(operation)?;
        let body = self.body(document, form);
        let mut ask = Ask::new(operation.method.clone(), path).by(&self.member.token).json(&body);
        let keyed = |p: &&super::Parameter| {
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
        Some(server.ask(ask).await)
    }

    /// A form for an operation: what was learned of the operation that makes such records holds
    /// for those that change them.
    pub fn form(&self, document: &Document, operation: &Operation) -> Option<Form> {
        let schema = operation.body.clone()?;
        let learned = self.forms.get(&operation.name).or_else(|| {
            let collection = operation.name.split_once(' ')?.1.split("/{").next()?;
            self.forms.get(&format!("POST {collection}"))
        });
        let properties = &document.resolve(&schema)["properties"];
        let fits = |form: &&Form| form.given.keys().all(|name| properties.get(name).is_some());
        Some(match learned.filter(fits) {
            Some(form) => Form { schema, ..form.clone() },
            None => Form::new(schema),
        })
    }

    /// A body by a form, with records of this tenant where it refers to some.
    pub fn body(&mut self, document: &Document, form: &Form) -> Value {
        let Self { sampler, ids, .. } = self;
        sampler.body(document, form, &|name| referred(ids, name))
    }

    /// A new record of a kind: its identifier.
    pub(super) async fn fresh(
        &mut self,
        server: &dyn Server,
        document: &Document,
        kind: &str,
    ) -> Option<String> {
        let makes = |o: &&Operation| o.creates() && o.last_word() == kind;
        let all: Vec<&Operation> = document.operations().iter().filter(makes).collect();
        for operation in all {
            if let Some(form) = self.forms.get(&operation.name).cloned()
                && let Some(answer) = self.make(server, document, operation, &form).await
                && let Some(id) = answer.json()["data"]["id"].as_str()
            {
                return Some(id.to_owned());
            }
        }
        None
    }

    /// An operation's path with this tenant's own records in it; none where it has none of a kind.
    pub fn path(&self, operation: &Operation) -> Option<String> {
        let mut values = BTreeMap::new();
        for (parameter, kind) in operation.path_parameters() {
            let id = self.ids.get(&kind).and_then(|ids| ids.iter().next())?;
            values.insert(parameter.name.clone(), id.clone());
        }
        Some(operation.path_with(|name| values.get(name).cloned().unwrap_or_default()))
    }

    /// Takes identifiers and texts out of an answer's data.
    fn harvest(&mut self, kind: &str, data: &Value) {
        for record in data.as_array().map_or(std::slice::from_ref(data), Vec::as_slice) {
            if let Some(id) = record["id"].as_str() {
                let known = self.ids.entry(kind.to_owned()).or_default();
                // A few are enough.
                if known.len() < 4 {
                    known.insert(id.to_owned());
                }
            }
            for (name, value) in record.as_object().into_iter().flatten() {
                if let Some(text) = value.as_str().filter(|text| self.is_own(text)) {
                    self.words.entry(name.clone()).or_default().insert(text.to_owned());
                }
            }
        }
    }

    /// Whether a text could be nobody else's.
    pub(super) fn is_own(&self, text: &str) -> bool {
        text.to_lowercase().contains(&self.sampler.word().to_lowercase())
    }
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

/// With deleted records, where the operation can show them.
pub(super) fn with_deleted(operation: &Operation, path: String) -> String {
    let has = |name: &str| operation.parameters.iter().any(|p| p.name == name);
    match (has("includeDeleted"), has("limit")) {
        (true, true) => path + "?includeDeleted=true&limit=200",
        (true, false) => path + "?includeDeleted=true",
        (false, true) => path + "?limit=200",
        (false, false) => path,
    }
}
