//! A run of the probe: asking, and holding two answers against each other.

use std::collections::{BTreeMap, BTreeSet};

use poem::http::Method;
use serde_json::{Value, json};

use super::crossing::{Crossing, NOWHERE, OURS, THEIRS};
use super::document::{Document, Operation};
use super::furnish::{Furnished, with_deleted};
use super::report::Report;
use super::server::{Answer, Ask};
use super::told::{Told, masked, told};

/// What nobody has.
pub(super) const NOBODYS: &str = "0197d8a0-0000-7000-8000-0000000000ff";

pub(super) struct Run<'a> {
    pub(super) probe: &'a Crossing<'a>,
    pub(super) theirs: Furnished<'a>,
    pub(super) ours: Furnished<'a>,
    pub(super) report: Report,
    /// Whether words of theirs were written by us, so that finding them shows nothing.
    pub(super) words_are_ours: bool,
    /// An API key of ours, with the tenant in which it was made.
    pub(super) key: Option<(String, String)>,
    operation: String,
    successors: usize,
    beneath: String,
}

impl<'a> Run<'a> {
    pub(super) fn new(
        probe: &'a Crossing<'a>,
        theirs: Furnished<'a>,
        ours: Furnished<'a>,
        report: Report,
    ) -> Self {
        let (operation, beneath) = (String::new(), String::new());
        Self {
            probe,
            theirs,
            ours,
            report,
            words_are_ours: false,
            key: None,
            operation,
            successors: 0,
            beneath,
        }
    }

    pub(super) fn document(&self) -> &'a Document {
        self.probe.source().document
    }

    pub(super) async fn begin(&mut self, operation: &Operation) {
        self.operation.clone_from(&operation.name);
        self.report.operations.insert(operation.name.clone());
        self.beneath = self.probe.source().tenants.digest(&self.theirs.member).await;
    }

    /// That nothing was written in the other tenant, and that we may still do what we might: what
    /// signs us out, or takes our tenant away, makes every answer a refusal and would prove
    /// nothing. Then another tenant takes over.
    pub(super) async fn end(&mut self) {
        if self.probe.source().tenants.digest(&self.theirs.member).await != self.beneath {
            self.found("afterwards", "something was written in the other tenant");
        }
        let plain = |o: &&Operation| o.guarded && o.reads() && !o.path.contains('{');
        let lists = |o: &&Operation| o.parameters.iter().any(|p| p.name == "limit");
        let document = self.document();
        let Some(list) = document.operations().iter().filter(plain).find(lists) else { return };
        let path = self.ours.with_query(list, list.path.clone());
        let ask = Ask::new(Method::GET, path).by(&self.ours.member.token);
        if self.ask(ask).await.status != 200 {
            self.take_over().await;
        }
    }

    /// Puts a new tenant in the place of ours.
    pub(super) async fn take_over(&mut self) {
        let letter = |n: usize| char::from(b'a' + u8::try_from(n % 26).unwrap_or_default());
        let name = [letter(self.successors / 26), letter(self.successors)];
        self.successors += 1;
        let name = format!("lighthouse{}", name.iter().collect::<String>());
        let source = self.probe.source();
        let member = source.tenants.tenant(&name).await;
        let ours = Furnished::new(source, member, OURS, &self.report.beside).await;
        let before = std::mem::replace(&mut self.ours, ours);
        // An address that was made up before is somebody's by now.
        self.ours.sampler.go_on_after(&before.sampler);
        for (operation, form) in before.forms {
            self.ours.forms.entry(operation).or_insert(form);
        }
    }

    /// An API key of ours for whatever we may do, made by the operation that makes some; none
    /// where there is no such operation.
    pub(super) async fn our_key(&mut self) -> Option<String> {
        let tenant = &self.ours.member.tenant;
        if let Some((_, key)) = self.key.as_ref().filter(|(of, _)| of == tenant) {
            return Some(key.clone());
        }
        let makes = |o: &&Operation| o.guarded && o.creates() && o.last_word() == "api-keys";
        let operation = self.document().operations().iter().find(makes)?;
        let ask = self.our_ask(operation, false).await;
        let answer = self.ask(ask).await.json();
        let key = answer["data"]["key"].as_str()?.to_owned();
        self.key = Some((self.ours.member.tenant.clone(), key.clone()));
        Some(key)
    }

    pub(super) fn found(&mut self, place: impl Into<String>, told: impl Into<String>) {
        self.report.add(self.operation.clone(), place, told);
    }

    pub(super) async fn ask(&mut self, ask: Ask) -> Answer {
        self.report.asked += 1;
        let by_them = ask.headers.iter().any(|(name, value)| {
            name == "Authorization" && value.ends_with(self.theirs.member.token.as_bytes())
        });
        // What was sent may be said again.
        let sent = format!("{} {}", ask.path, String::from_utf8_lossy(&ask.body)).to_lowercase();
        let shown = format!("{} {}", ask.method, ask.path);
        let answer = self.probe.source().server.ask(ask).await;
        if answer.status == 0 || answer.status >= 500 {
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            self.found("server fault", format!("{shown}: {} {text}", answer.status));
        }
        let text = String::from_utf8_lossy(&answer.body).to_lowercase();
        let word = THEIRS.to_lowercase();
        // Whom we call by their address we may come to know.
        let called = self.words_are_ours && sent.contains('@') && sent.contains(&word);
        let people = self.theirs.ids.get("users").filter(|_| called);
        let ids = self.theirs.ids.values().chain(self.theirs.deleted.values()).flatten();
        let ids = ids.filter(|id| people.is_none_or(|people| !people.contains(*id))).cloned();
        let words = ids.chain((!self.words_are_ours).then_some(word));
        if let Some(word) =
            words.filter(|_| !by_them).find(|w| text.contains(w) && !sent.contains(w))
        {
            self.found("leak", format!("{shown} shows {word}, which is another tenant's: {text}"));
        }
        answer
    }

    /// Everything that the other tenant sees of itself.
    pub(super) async fn digest(&mut self) -> BTreeMap<String, Vec<(String, u16, Value)>> {
        let mut all: BTreeMap<String, Vec<(String, u16, Value)>> = BTreeMap::new();
        let token = self.theirs.member.token.clone();
        for operation in self.document().operations().iter().filter(|o| o.guarded && o.reads()) {
            let mut paths: BTreeSet<String> = self.theirs.path(operation).into_iter().collect();
            if let [(parameter, kind)] = &operation.path_parameters()[..] {
                for id in self.theirs.all_ids(kind) {
                    let path = operation.path_with(|name| {
                        if name == parameter.name { id.clone() } else { String::new() }
                    });
                    paths.insert(self.theirs.with_query(operation, path));
                }
            }
            for path in paths {
                let path = with_deleted(operation, path);
                let answer = self.ask(Ask::new(Method::GET, path.clone()).by(&token)).await;
                let etag = answer.headers.get("etag").and_then(|etag| etag.to_str().ok());
                let said = json!([told(&answer, &[], "").body, etag]);
                all.entry(operation.name.clone()).or_default().push((path, answer.status, said));
            }
        }
        all
    }

    /// A request of ours to an operation, with a body that it would take; on records that were
    /// made for it where it is to be `fresh`.
    pub(super) async fn our_ask(&mut self, operation: &Operation, fresh: bool) -> Ask {
        let mut values = BTreeMap::new();
        for (parameter, kind) in operation.path_parameters() {
            let made = match fresh {
                true => self.ours.fresh_in_path(operation, &parameter.name, &kind).await,
                false => None,
            };
            let id = made.or_else(|| self.our_id(operation, &parameter.name, &kind));
            values.insert(parameter.name.clone(), id.unwrap_or_else(|| NOBODYS.to_owned()));
        }
        let path = operation.path_with(|name| values.get(name).cloned().unwrap_or_default());
        self.our_ask_at(operation, path).await
    }

    /// What of ours goes into a part of a path.
    pub(super) fn our_id(&self, operation: &Operation, name: &str, kind: &str) -> Option<String> {
        let known = || self.ours.ids.get(kind).and_then(|ids| ids.first()).cloned();
        self.ours.given_in_path(operation, name).or_else(known)
    }

    pub(super) async fn our_ask_at(&mut self, operation: &Operation, path: String) -> Ask {
        let body = self.ours.body(operation, &path).await;
        let path = self.ours.with_query(operation, path);
        let ask = Ask::new(operation.method.clone(), path).by(&self.ours.member.token);
        match body {
            Some(body) => ask.json(&body),
            None => ask,
        }
    }

    /// A request to an operation, on a record that nothing was done to yet.
    pub(super) async fn fresh(&mut self, operation: &Operation) -> Ask {
        self.our_ask(operation, !operation.reads()).await
    }

    /// Asks for what is theirs and for what nobody has: both must be answered alike.
    pub(super) async fn same(
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
        let (never, answer) = (told(&never, &[nobodys], &path), told(&answer, &[theirs], &path));
        self.compare(place, allowed, &answer, &never, true);
    }

    /// That what was answered for theirs is what was answered for nobody's, and one of what is
    /// allowed. What was written has an id and a time of its own, unless the `whole` answers are
    /// to be the same.
    pub(super) fn compare(
        &mut self,
        place: &str,
        allowed: &[u16],
        answer: &Told,
        never: &Told,
        whole: bool,
    ) {
        let refused = answer.status >= 400 && never.status >= 400;
        let alike = match whole || refused {
            true => answer == never,
            // What is made of a word is made of the other one, too.
            false => {
                let (status, headers, body) = masked(answer);
                let headers: Vec<(String, String)> =
                    headers.into_iter().map(|(name, value)| (name, swapped(&value))).collect();
                (status, headers, swapped(&body)) == masked(never)
            }
        };
        if !alike {
            self.found(place, differing(answer, never));
        } else if !allowed.is_empty() && !allowed.contains(&answer.status) {
            self.found(place, format!("answered {}: {}", answer.status, answer.body));
        }
    }

    /// What they know something by: of each kind one, their own fields among them.
    pub(super) fn their_keys(&self) -> Vec<String> {
        let keys = self.theirs.words.get("key").into_iter().flatten();
        keys.filter_map(|(_, keys)| keys.first().cloned()).collect()
    }

    /// Some of their identifiers, of each kind one, with the kind; those of the operation's own
    /// kind come first.
    pub(super) fn their_ids(&self, operation: &Operation) -> Vec<(String, String)> {
        let mut ids = Vec::new();
        for (kind, of_kind) in &self.theirs.ids {
            let elsewhere = !operation.path.contains(&format!("/{kind}"));
            ids.extend(of_kind.first().map(|id| (elsewhere, kind.clone(), id)));
        }
        ids.sort();
        let mut seen = BTreeSet::new();
        ids.retain(|(.., id)| seen.insert(*id));
        ids.into_iter().map(|(_, kind, id)| (kind, id.clone())).collect()
    }

    /// Words of theirs that stand in a field of this name, or in any, with as long ones of nobody:
    /// of several kinds of records, those first that the operation is about. An address is
    /// written in capitals, too: it is the same one.
    pub(super) fn their_words(&self, operation: &Operation, name: &str) -> Vec<(String, String)> {
        let mut words: Vec<(bool, bool, String)> = Vec::new();
        for (kind, texts) in self.theirs.words.get(name).into_iter().flatten() {
            let elsewhere = !operation.path.contains(&format!("/{kind}"));
            words.extend(texts.first().map(|text| (elsewhere, kind != "users", text.clone())));
        }
        words.sort();
        let words = words.into_iter().map(|(.., word)| word).take(3);
        let mut words: Vec<String> = words.collect();
        if words.is_empty() {
            words.push(THEIRS.to_owned());
        }
        let addresses = words.iter().filter(|word| word.contains('@'));
        let capitals: Vec<String> = addresses.map(|word| word.to_uppercase()).collect();
        // First, before anybody has come to be under the other one.
        let words = capitals.into_iter().chain(words);
        words.map(|word| (word.clone(), swapped(&word))).collect()
    }
}

/// How two answers differ: headers that both have are left out.
fn differing(answer: &Told, never: &Told) -> String {
    let shown = |one: &Told, other: &Told| {
        let headers = one.headers.iter().filter(|header| !other.headers.contains(header));
        let headers: String = headers.map(|(name, value)| format!(" {name}: {value};")).collect();
        format!("{}{headers} {}", one.status, one.body)
    };
    format!("{}, but for what nobody has {}", shown(answer, never), shown(never, answer))
}

/// A text of theirs with another word in it, as long.
pub(super) fn swapped(text: &str) -> String {
    text.replace(THEIRS, NOWHERE)
        .replace(&THEIRS.to_lowercase(), &NOWHERE.to_lowercase())
        .replace(&THEIRS.to_uppercase(), &NOWHERE.to_uppercase())
}
