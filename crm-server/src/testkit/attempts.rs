//! What the probe tries with an operation.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::document::{Operation, Parameter, Place, kind};
use super::forged::BadToken;
use super::furnish::parameterised;
use super::places::{Field, Step, fields, is_id, put};
use super::run::{NOBODYS, Run, swapped};
use super::server::Ask;
use super::told::{Told, said, told};

/// How often our own request is mended before it is given up.
const TRIES: usize = 12;

impl Run<'_> {
    /// With what is ours: where we are refused that, other refusals would prove nothing.
    pub(super) async fn our_own(&mut self, operation: &Operation) {
        let mut refusal = String::new();
        for _ in 0..TRIES {
            let ask = self.fresh(operation).await;
            let answer = self.ask(ask).await;
            if (200..300).contains(&answer.status) {
                return;
            }
            refusal = format!("{} {}", answer.status, answer.json());
            if !self.ours.learn_from(operation, &answer.json()) {
                break;
            }
        }
        // What brings a record back wants a deleted one.
        self.ours.delete_some().await;
        let parameters: Vec<(String, String)> = operation
            .path_parameters()
            .into_iter()
            .map(|(p, kind)| (p.name.clone(), kind))
            .collect();
        if let [(_, kind)] = &parameters[..]
            && let Some(id) = self.ours.deleted.get(kind).and_then(|ids| ids.first()).cloned()
        {
            let ask = self.our_ask_at(operation, operation.path_with(|_| id.clone())).await;
            if (200..300).contains(&self.ask(ask).await.status) {
                return;
            }
        }
        self.found("ours", format!("we are refused what is ours: {refusal}"));
    }

    /// Without a token, and with tokens that hold nothing.
    pub(super) async fn without_rights(&mut self, operation: &Operation) {
        let ask = self.our_ask(operation, false).await;
        let mut bare = ask.clone();
        bare.headers.retain(|(name, _)| name != "Authorization");
        let tokens: Vec<BadToken> = self.probe.bad_tokens.clone();
        let named = tokens.into_iter().map(|bad| (bad.what, Some(bad.token)));
        for (what, token) in std::iter::once(("none".to_owned(), None)).chain(named) {
            let mut asks = match &token {
                Some(token) => vec![bare.clone().by(token)],
                None => vec![bare.clone()],
            };
            // What is no JWT may be a key.
            let key = token.filter(|token| !token.contains('.'));
            if let (Some(header), Some(key)) = (&operation.key_header, key) {
                asks.push(bare.clone().with(header, key));
            }
            for ask in asks {
                let answer = self.ask(ask).await;
                if answer.status != 401 {
                    self.found(format!("token {what}"), format!("answered {}", answer.status));
                }
            }
        }
    }

    /// By an API key of ours: refused where the operation takes none, and else let in to what is
    /// ours and to nothing of theirs.
    pub(super) async fn by_key(&mut self, operation: &Operation) {
        let Some(key) = self.our_key().await else { return };
        let by = |ask: Ask, header: &str| {
            let headers = ask.headers.iter().filter(|(name, _)| name != "Authorization");
            let headers = headers.cloned().collect();
            let value =
                if header == "Authorization" { format!("Bearer {key}") } else { key.clone() };
            Ask { headers, ..ask }.with(header, value)
        };
        // Who calls is asked before a body is read: without one, nothing is made and nothing done.
        let at = |path: String| Ask::new(operation.method.clone(), path);
        let nowhere = operation.path_with(|_| NOBODYS.to_owned());
        let Some(header) = operation.key_header.clone() else {
            for header in ["Authorization", "X-API-Key"] {
                let answer = self.ask(by(at(nowhere.clone()), header)).await;
                if answer.status != 403 || answer.json()["errors"][0]["code"] != "NOT_BY_KEY" {
                    self.found("key", format!("answered {} {}", answer.status, answer.json()));
                }
            }
            return;
        };
        let ours = self.ours.path(operation).filter(|_| operation.reads());
        let ask = at(ours.unwrap_or_else(|| self.ours.with_query(operation, nowhere)));
        for header in [&header, "Authorization"] {
            let answer = self.ask(by(ask.clone(), header)).await;
            if [401, 403].contains(&answer.status) {
                let told = format!("ours is refused: {} {}", answer.status, answer.json());
                self.found("key", told);
            }
        }
        let both = ask.clone().by(&self.ours.member.token).with(&header, &key);
        let answer = self.ask(both).await;
        if answer.status != 401 {
            self.found("key and token", format!("answered {}", answer.status));
        }
        let tenant = self.theirs.member.tenant.clone();
        let at_theirs = self.theirs.path(operation);
        // A tenant in the path is chosen by it, whatever the header says.
        let by_path = operation.path_parameters().iter().any(|(_, kind)| kind == "tenants");
        let paths = std::iter::once(ask.path.clone()).chain(at_theirs);
        for path in paths.filter(|_| !by_path) {
            let there = |tenant: &str| by(at(path.clone()), &header).with("X-Tenant-ID", tenant);
            self.same("key, header X-Tenant-ID", &[403, 404], &tenant, NOBODYS, there).await;
        }
        if operation.body.is_some() {
            return;
        }
        for (parameter, kind) in operation.path_parameters() {
            if !is_id(&parameter.name, &parameter.schema) {
                continue;
            }
            for id in self.theirs.all_ids(&kind) {
                let there = |id: &str| {
                    let path = operation.path_with(|name| match name == parameter.name {
                        true => id.to_owned(),
                        false => NOBODYS.to_owned(),
                    });
                    by(at(self.ours.with_query(operation, path)), &header)
                };
                let (theirs, nobodys) = (there(&id), there(NOBODYS));
                let place = format!("key, path {}", parameter.name);
                let either = |wanted: &str| match wanted == id {
                    true => theirs.clone(),
                    false => nobodys.clone(),
                };
                self.same(&place, &[404, 403], &id, NOBODYS, either).await;
            }
        }
    }

    /// With a token of ours, in their tenant: by header, and in front of the path.
    pub(super) async fn in_their_tenant(&mut self, operation: &Operation) {
        let tenant = self.theirs.member.tenant.clone();
        let at_theirs = self.theirs.path(operation);
        self.header(operation, &tenant).await;
        let ask = self.our_ask(operation, false).await;
        if let Some(path) = &at_theirs {
            let there = |tenant: &str| {
                Ask { path: path.clone(), ..ask.clone() }.with("X-Tenant-ID", tenant)
            };
            self.same("header X-Tenant-ID", &[403, 404], &tenant, NOBODYS, there).await;
        }
        for path in std::iter::once(ask.path.clone()).chain(at_theirs) {
            let there = |tenant: &str| {
                let path = match path.strip_prefix("/api/v1/") {
                    Some(rest) => format!("/api/v1/tenants/{tenant}/{rest}"),
                    None => format!("/tenants/{tenant}{path}"),
                };
                Ask { path, ..ask.clone() }
            };
            self.same("tenant before the path", &[403, 404], &tenant, NOBODYS, there).await;
        }
    }

    /// With their tenant in the header over what is ours. Where the path names a tenant, or the
    /// operation takes no such header, the header may be as good as none.
    async fn header(&mut self, operation: &Operation, tenant: &str) {
        let place = "header X-Tenant-ID";
        let mut tolds = Vec::new();
        for tenant in [Some(NOBODYS), Some(tenant), None] {
            let ask = self.fresh(operation).await;
            let path = ask.path.clone();
            let ask = tenant.iter().fold(ask, |ask, tenant| ask.with("X-Tenant-ID", tenant));
            tolds.push(told(&self.ask(ask).await, tenant.as_slice(), &path));
        }
        let [never, answer, without] = &tolds[..] else { return };
        let is_taken =
            |p: &Parameter| p.place == Place::Header && p.name.eq_ignore_ascii_case("X-Tenant-ID");
        let passed_over = !operation.parameters.iter().any(is_taken)
            || operation.path_parameters().iter().any(|(_, kind)| kind == "tenants");
        self.compare(place, &[], answer, never, operation.reads());
        if [403, 404].contains(&answer.status) {
            return;
        }
        match passed_over {
            true => self.compare(place, &[], answer, without, operation.reads()),
            false => self.found(place, format!("answered {}: {}", answer.status, answer.body)),
        }
    }

    /// Their records in each parameter of the path, in every version that can be expected.
    pub(super) async fn their_records(&mut self, operation: &Operation) {
        for (parameter, kind) in operation.path_parameters() {
            if !is_id(&parameter.name, &parameter.schema) {
                continue;
            }
            let ids = self.theirs.all_ids(&kind);
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
                    let others: BTreeMap<String, String> = operation
                        .path_parameters()
                        .into_iter()
                        .filter_map(|(p, kind)| {
                            Some((p.name.clone(), self.our_id(operation, &p.name, &kind)?))
                        })
                        .collect();
                    let query = ask.path.split_once('?').map(|(_, query)| query.to_owned());
                    let at = |id: &str| {
                        let path = operation.path_with(|name| match name == parameter.name {
                            true => id.to_owned(),
                            false => {
                                others.get(name).cloned().unwrap_or_else(|| NOBODYS.to_owned())
                            }
                        });
                        let path = query.iter().fold(path, |path, query| format!("{path}?{query}"));
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
    /// expressions; and the places that they have come to in a list.
    pub(super) async fn their_words_in_parameters(&mut self, operation: &Operation) {
        let query: Vec<Parameter> =
            operation.parameters.iter().filter(|p| p.place == Place::Query).cloned().collect();
        let expressions = query.iter().any(|p| p.name == "filter");
        for parameter in &query {
            let schema = &parameter.schema;
            let item = if kind(schema) == "array" { &schema["items"] } else { schema };
            let item = self.document().resolve(item);
            let ids = self.their_ids(operation);
            let values: Vec<(String, String)> = match kind(item) {
                _ if item["format"] == "uuid" => {
                    ids.into_iter().map(|(_, id)| (id, NOBODYS.to_owned())).collect()
                }
                "string" if item.get("enum").is_none() => match typed(&parameter.example) {
                    true => {
                        let both =
                            |(kind, id)| (format!("{kind}:{id}"), format!("{kind}:{NOBODYS}"));
                        ids.into_iter().map(both).collect()
                    }
                    false => self.their_words(operation, &parameter.name),
                },
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
        if query.iter().any(|p| p.name == "cursor") {
            self.their_cursor(operation).await;
        }
        // The tenant itself, by whatever name.
        if operation.reads() {
            let tenant = self.theirs.member.tenant.clone();
            for name in ["tenantId", "tenant", "tenant_id", "tid", "organization"] {
                self.query(operation, name, &tenant, NOBODYS).await;
            }
        }
    }

    /// The way through their list, gone on with in ours: whatever they have would be a leak.
    async fn their_cursor(&mut self, operation: &Operation) {
        let Some(path) = self.theirs.path(operation) else { return };
        let first = parameterised(&parameterised(&path, "limit", "1"), "cursor", "");
        let ask = Ask::new(operation.method.clone(), first).by(&self.theirs.member.token);
        let answer = self.ask(ask).await.json();
        if let Some(cursor) = answer["meta"]["nextCursor"].as_str() {
            let ask = self.our_ask(operation, false).await;
            self.ask(asked(&ask, "cursor", cursor)).await;
        }
    }

    async fn query(&mut self, operation: &Operation, name: &str, theirs: &str, nobodys: &str) {
        // A name may itself have a word of theirs in it: `customFields.{key}`.
        let Some((before, behind)) = name.split_once("{key}") else {
            let pair = (theirs, nobodys);
            return self.query_saying(operation, name, pair, pair).await;
        };
        for key in &self.their_keys() {
            let other = swapped(key);
            let name = |key: &str| format!("{before}{key}{behind}");
            let (first, second) = (self.fresh(operation).await, self.fresh(operation).await);
            let never = self.ask(asked(&first, &name(&other), nobodys)).await;
            let answer = self.ask(asked(&second, &name(key), theirs)).await;
            let never = told(&never, &[nobodys, &name(&other), &other], &first.path);
            let answer = told(&answer, &[theirs, &name(key), key], &second.path);
            let place = format!("query {}", name("{key}"));
            self.compare(&place, &[], &answer, &never, operation.reads());
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

    /// Their records and words in each field of a body, however deep.
    pub(super) async fn their_words_in_bodies(&mut self, operation: &Operation) {
        let Some(schema) = operation.body.clone() else { return };
        let mut places = Vec::new();
        fields(self.document(), &schema, &mut Vec::new(), &mut places);
        let tenant = self.theirs.member.tenant.clone();
        for name in ["tenantId", "tenant_id", "tenant"] {
            let pairs = [(json!(tenant), json!(NOBODYS))];
            self.body(operation, &[Step::Field(name.to_owned())], &pairs).await;
        }
        for (steps, field) in places {
            let name = steps.iter().rev().find_map(Step::name).unwrap_or_default().to_owned();
            let ids = self.their_ids(operation);
            let ids = ids.into_iter();
            let pairs: Vec<(Value, Value)> = match field {
                Field::Id => ids.map(|(_, id)| (json!(id), json!(NOBODYS))).collect(),
                Field::TypedId => ids
                    .map(|(kind, id)| {
                        let typed = |id: &str| json!({"type": kind, "id": id});
                        (typed(&id), typed(NOBODYS))
                    })
                    .collect(),
                Field::Expression => ids
                    .map(|(_, id)| {
                        let is = |id: &str| json!(format!("id = {}", json!(id)));
                        (is(&id), is(NOBODYS))
                    })
                    .collect(),
                Field::Text => {
                    let words = self.their_words(operation, &name).into_iter();
                    words.map(|(theirs, nobodys)| (json!(theirs), json!(nobodys))).collect()
                }
                Field::Map => {
                    let keys = self.their_keys();
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
            let mut never = self.body_with(operation, steps, nobodys).await;
            let mut answer = self.body_with(operation, steps, theirs).await;
            if is_limited(&never) != is_limited(&answer) {
                // The number of such requests was up between the two: somebody new makes both.
                self.take_over().await;
                never = self.body_with(operation, steps, nobodys).await;
                answer = self.body_with(operation, steps, theirs).await;
            }
            let names_nobody = nobodys.to_string().contains(NOBODYS);
            if names_nobody && (200..300).contains(&never.status) {
                self.says_that_nothing_happened(operation, steps, &place, &never).await;
            }
            self.compare(&place, &[], &answer, &never, false);
            // Who was called by their address is one of us now.
            let mut people = self.theirs.ids.get("users").into_iter().flatten();
            if answer.status < 300 && people.any(|user| answer.body.contains(user)) {
                self.take_over().await;
            }
        }
    }

    async fn body_with(&mut self, operation: &Operation, steps: &[Step], value: &Value) -> Told {
        let mut ask = self.fresh(operation).await;
        let mut body: Value = serde_json::from_slice(&ask.body).unwrap_or_default();
        put(&mut body, steps, value.clone());
        // Records are chosen in one way or in the other.
        match steps {
            [Step::Field(name)] if name == "filter" => forget(&mut body, "ids"),
            [Step::Field(name), Step::Item] if name == "ids" => forget(&mut body, "filter"),
            _ => {}
        }
        ask.headers.retain(|(name, _)| name != "Content-Type");
        let ask = ask.json(&body);
        let path = ask.path.clone();
        let answer = self.ask(ask).await;
        let (sent, whole) = (said(value), value.to_string());
        told(&answer, &[sent.as_str(), whole.as_str()], &path)
    }

    /// A request about several records may be answered with what became of each, and one about
    /// whatever matches with nothing: it must say something else where it does something.
    async fn says_that_nothing_happened(
        &mut self,
        operation: &Operation,
        steps: &[Step],
        place: &str,
        never: &Told,
    ) {
        let several = steps.len() <= 2
            && matches!(steps, [Step::Field(name), ..] if name == "ids" || name == "filter");
        let mut words = operation.path.split('/').rev();
        let kind = words.find(|word| self.ours.ids.contains_key(*word)).map(str::to_owned);
        let own = match kind.filter(|_| several) {
            Some(kind) => match self.ours.fresh(&kind).await {
                // A tenant has so many of some kinds and no more: a new one has room.
                None => {
                    self.take_over().await;
                    self.ours.fresh(&kind).await
                }
                fresh => fresh,
            },
            None => None,
        };
        let done = match own {
            Some(own) => {
                let value = match steps {
                    [Step::Field(_)] => json!(format!("id = {}", json!(own))),
                    _ => json!(own),
                };
                let done = self.body_with(operation, steps, &value).await;
                done.status < 300 && done.body != never.body
            }
            None => false,
        };
        if !done {
            self.found(place, format!("takes an id that nobody has: {}", never.status));
        }
    }
}

fn forget(body: &mut Value, name: &str) {
    if let Some(body) = body.as_object_mut() {
        body.remove(name);
    }
}

/// Whether somebody did too many of something.
fn is_limited(told: &Told) -> bool {
    told.body.contains("\"LIMIT_EXCEEDED\"")
}

/// Whether an example is a type and an identifier: `customers:0197d8a0-…`.
fn typed(example: &Value) -> bool {
    let split = example.as_str().and_then(|text| text.split_once(':'));
    split.is_some_and(|(_, id)| id.parse::<uuid::Uuid>().is_ok())
}

/// A request with a parameter in its query, in place of the one that it had.
fn asked(ask: &Ask, name: &str, value: &str) -> Ask {
    let (path, query) = ask.path.split_once('?').unwrap_or((&ask.path, ""));
    let given = format!("{}=", super::document::encoded(name));
    let kept = query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with(&given));
    let kept: Vec<&str> = kept.collect();
    let path = match kept.is_empty() {
        true => path.to_owned(),
        false => format!("{path}?{}", kept.join("&")),
    };
    Ask { path: parameterised(&path, name, value), ..ask.clone() }
}
