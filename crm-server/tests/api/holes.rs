//! A probe that could not fail would prove nothing. Here it stands before a small server that
//! keeps tenants apart, and before the same one with a hole of every kind in it, one at a time:
//! it must be content with the first, and name the hole of each other.

use std::collections::BTreeMap;
use std::sync::Mutex;

use async_trait::async_trait;
use crm_server::testkit::{
    Answer, Ask, BadToken, Crossing, Document, Member, Report, Server, Tenants,
};
use hyper::HeaderMap;
use serde_json::{Map, Value, json};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hole {
    None,
    /// A token that holds no more is taken.
    Token,
    /// The tenant in the header is believed.
    Header,
    /// The tenant before the path is believed.
    BeforePath,
    /// Whoever knows an identifier reads, changes or restores.
    Read,
    Write,
    Restore,
    /// What is another tenant's is refused in other words than what nobody has.
    Words,
    /// Lists show everybody's, or count them.
    List,
    QueryId,
    Expression,
    Cursor,
    /// What is another tenant's may be referred to.
    Reference,
    /// Many are deleted at once, whosever they are.
    ManyById,
    ManyByFilter,
    /// Something is written in other tenants that nobody sees.
    Silent,
}

const HOLES: &[(Hole, &str, &str)] = &[
    (Hole::Token, "GET /notes", "token expired"),
    (Hole::Header, "GET /notes", "header X-Tenant-ID"),
    (Hole::BeforePath, "GET /notes", "tenant before the path"),
    (Hole::Read, "GET /notes/{id}", "path id"),
    (Hole::Read, "GET /notes/{id}", "leak"),
    (Hole::Write, "PUT /notes/{id}", "path id"),
    (Hole::Write, "PUT /notes/{id}", "afterwards"),
    (Hole::Write, "GET /notes", "afterwards"),
    (Hole::Restore, "POST /notes/{id}/restore", "path id"),
    (Hole::Words, "DELETE /notes/{id}", "path id"),
    (Hole::List, "GET /notes", "leak"),
    (Hole::QueryId, "GET /notes", "query id"),
    (Hole::Expression, "GET /notes", "query filter"),
    (Hole::Cursor, "GET /notes", "leak"),
    (Hole::Reference, "POST /notes", "body about"),
    (Hole::ManyById, "POST /notes/bulk/delete", "body ids[]"),
    (Hole::ManyByFilter, "POST /notes/bulk/delete", "body filter"),
    (Hole::Silent, "POST /notes", "afterwards"),
];

#[derive(Debug, Clone)]
struct Note {
    tenant: String,
    text: String,
    deleted: bool,
}

/// Notes, by identifier, and who may write them.
struct Notes {
    hole: Hole,
    notes: Mutex<BTreeMap<String, Note>>,
    members: Mutex<Vec<Member>>,
    written: Mutex<BTreeMap<String, usize>>,
}

type Said = (u16, Value);

fn refused(status: u16, field: &str) -> Said {
    (status, json!({"success": false, "errors": [{"code": "REFUSED", "field": field}]}))
}

impl Notes {
    fn with(hole: Hole) -> Self {
        let (notes, members, written) = (Mutex::default(), Mutex::default(), Mutex::default());
        Self { hole, notes, members, written }
    }

    fn has(&self, hole: Hole) -> bool {
        self.hole == hole
    }

    fn wrote(&self, tenant: &str) {
        *self.written.lock().unwrap().entry(tenant.to_owned()).or_default() += 1;
    }

    /// Who asks.
    fn by(&self, ask: &Ask) -> Option<String> {
        let token = ask.headers.iter().find(|(name, _)| name == "Authorization");
        let token = String::from_utf8_lossy(&token?.1).into_owned();
        let token = token.strip_prefix("Bearer ")?.to_owned();
        let members = self.members.lock().unwrap();
        let expired = members.last().filter(|_| self.has(Hole::Token) && token == "expired");
        let by = members.iter().find(|member| member.token == token).or(expired);
        by.map(|member| member.tenant.clone())
    }

    fn knows(&self, tenant: &str) -> bool {
        self.members.lock().unwrap().iter().any(|member| member.tenant == tenant)
    }

    fn answer(&self, ask: &Ask) -> Said {
        let Some(mut tenant) = self.by(ask) else { return refused(401, "") };
        let (path, query) = ask.path.split_once('?').unwrap_or((&ask.path, ""));
        let mut path = path.to_owned();
        if let Some((_, named)) = ask.headers.iter().find(|(name, _)| name == "X-Tenant-ID") {
            let named = String::from_utf8_lossy(named).into_owned();
            match named == tenant || (self.has(Hole::Header) && self.knows(&named)) {
                true => tenant = named,
                false => return refused(403, ""),
            }
        }
        if let Some((named, rest)) =
            path.strip_prefix("/tenants/").and_then(|rest| rest.split_once('/'))
        {
            match named == tenant || (self.has(Hole::BeforePath) && self.knows(named)) {
                true => (tenant, path) = (named.to_owned(), format!("/{rest}")),
                false => return refused(404, ""),
            }
        }
        let body: Map<String, Value> = serde_json::from_slice(&ask.body).unwrap_or_default();
        let parts: Vec<&str> = path.split('/').skip(1).collect();
        match (ask.method.as_str(), &parts[..]) {
            ("GET", ["notes"]) => self.list(&tenant, query),
            ("POST", ["notes"]) => self.write(&tenant, None, &body),
            ("POST", ["notes", "bulk", "delete"]) => self.delete_many(&tenant, &body),
            ("GET", ["notes", id]) => match self.find(&tenant, id, false, Hole::Read) {
                Ok(note) => (200, json!({"data": {"id": id, "text": note.text}})),
                Err(refusal) => refusal,
            },
            ("PUT", ["notes", id]) => match self.find(&tenant, id, false, Hole::Write) {
                Ok(_) => self.write(&tenant, Some(id), &body),
                Err(refusal) => refusal,
            },
            ("DELETE", ["notes", id]) => self.bury(&tenant, id, true, Hole::Words),
            ("POST", ["notes", id, "restore"]) => self.bury(&tenant, id, false, Hole::Restore),
            _ => refused(404, ""),
        }
    }

    fn find(&self, tenant: &str, id: &str, deleted: bool, hole: Hole) -> Result<Note, Said> {
        let found = self.notes.lock().unwrap().get(id).cloned();
        match found.filter(|note| note.deleted == deleted) {
            Some(note) if note.tenant == tenant => Ok(note),
            Some(_) if self.has(Hole::Words) => Err(refused(403, "")),
            Some(note) if self.has(hole) => Ok(note),
            _ => Err(refused(404, "")),
        }
    }

    fn bury(&self, tenant: &str, id: &str, deleted: bool, hole: Hole) -> Said {
        if let Err(refusal) = self.find(tenant, id, !deleted, hole) {
            return refusal;
        }
        let mut notes = self.notes.lock().unwrap();
        if let Some(note) = notes.get_mut(id) {
            note.deleted = deleted;
            self.wrote(&note.tenant);
        }
        (200, json!({"data": {"id": id}}))
    }

    fn write(&self, tenant: &str, id: Option<&str>, body: &Map<String, Value>) -> Said {
        if let Some(unknown) = body.keys().find(|key| !["text", "about"].contains(&key.as_str())) {
            return refused(422, unknown);
        }
        if let Some(about) = body.get("about").and_then(Value::as_str)
            && self.find(tenant, about, false, Hole::Reference).is_err()
        {
            return refused(422, "about");
        }
        let text = body.get("text").and_then(Value::as_str).unwrap_or_default().to_owned();
        let mut notes = self.notes.lock().unwrap();
        let (status, id) = match id {
            Some(id) => (200, id.to_owned()),
            None => (201, format!("0197d8a0-0000-7000-8000-{:012}", notes.len())),
        };
        let tenant = notes.get(&id).map_or(tenant, |note| &note.tenant).to_owned();
        self.wrote(&tenant);
        if self.has(Hole::Silent) {
            self.written.lock().unwrap().values_mut().for_each(|count| *count += 1);
        }
        notes.insert(id.clone(), Note { tenant, text: text.clone(), deleted: false });
        (status, json!({"data": {"id": id, "text": text}}))
    }

    /// The identifier that an expression asks for.
    fn meant(expression: &str) -> Option<String> {
        expression.strip_prefix("id = ").map(|id| id.trim_matches('"').to_owned())
    }

    fn list(&self, tenant: &str, query: &str) -> Said {
        let query: BTreeMap<String, String> =
            url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let notes = self.notes.lock().unwrap();
        let mut of = tenant.to_owned();
        let mut after = String::new();
        if let Some((whose, id)) = query.get("cursor").and_then(|cursor| cursor.split_once('.')) {
            after = id.to_owned();
            if self.has(Hole::Cursor) {
                of = whose.to_owned();
            }
        }
        let meant = query.get("filter").and_then(|filter| Self::meant(filter));
        let everybodys = self.has(Hole::List)
            || (self.has(Hole::QueryId) && query.contains_key("id"))
            || (self.has(Hole::Expression) && query.contains_key("filter"));
        let is_asked = |id: &String| {
            query.get("id").is_none_or(|asked| asked == id)
                && meant.as_ref().is_none_or(|asked| asked == id)
                && *id > after
        };
        let found = notes.iter().filter(|(id, note)| {
            (everybodys || note.tenant == of) && !note.deleted && is_asked(id)
        });
        let found: Vec<(&String, &Note)> = found.collect();
        let limit = query.get("limit").and_then(|limit| limit.parse().ok()).unwrap_or(20);
        let shown: Vec<Value> = found
            .iter()
            .filter(|(_, note)| note.tenant == of || self.has(Hole::List))
            .take(limit)
            .map(|(id, note)| json!({"id": id, "text": note.text}))
            .collect();
        let next = shown.last().filter(|_| found.len() > limit);
        let next = next.map(|last| format!("{tenant}.{}", last["id"].as_str().unwrap()));
        (200, json!({"data": shown, "meta": {"total": found.len(), "nextCursor": next}}))
    }

    fn delete_many(&self, tenant: &str, body: &Map<String, Value>) -> Said {
        let ids: Vec<String> = match (body.get("ids"), body.get("filter")) {
            (Some(ids), None) => {
                let ids = ids.as_array().into_iter().flatten();
                ids.filter_map(Value::as_str).map(str::to_owned).collect()
            }
            (None, Some(filter)) => {
                let Some(id) = Self::meant(filter.as_str().unwrap_or_default()) else {
                    return refused(422, "filter");
                };
                let hole = Hole::ManyByFilter;
                let is_there = self.find(tenant, &id, false, hole).is_ok();
                Some(id).filter(|_| is_there).into_iter().collect()
            }
            _ => return refused(422, "filter"),
        };
        if body.keys().any(|key| key != "ids" && key != "filter") {
            return refused(422, "");
        }
        let hole = if body.contains_key("ids") { Hole::ManyById } else { Hole::ManyByFilter };
        let each = |id: &String| {
            let (status, _) = self.bury(tenant, id, true, hole);
            json!({"id": id, "outcome": if status == 200 { "deleted" } else { "failed" }})
        };
        (200, json!({"data": {"results": ids.iter().map(each).collect::<Vec<_>>()}}))
    }
}

#[async_trait]
impl Server for Notes {
    async fn ask(&self, ask: Ask) -> Answer {
        let (status, body) = self.answer(&ask);
        Answer { status, headers: HeaderMap::new(), body: body.to_string().into_bytes() }
    }
}

#[async_trait]
impl Tenants for Notes {
    async fn tenant(&self, name: &str) -> Member {
        let mut members = self.members.lock().unwrap();
        let id = |kind: u8| format!("0197d8a0-0000-7000-8000-{kind:02x}{:010}", members.len());
        let member = Member { tenant: id(0xa1), user: id(0xb2), token: name.to_owned() };
        members.push(member.clone());
        member
    }

    async fn digest(&self, member: &Member) -> String {
        format!("{:?}", self.written.lock().unwrap().get(&member.tenant))
    }
}

fn document() -> Document {
    let id = json!({"type": "string", "format": "uuid"});
    let parameter = |name: &str, schema: &Value| {
        let description = format!("Also as `{name}[ne]`.");
        json!({"name": name, "in": "query", "schema": schema, "description": description})
    };
    let text = json!({"type": "string"});
    let plain = |name: &str| json!({"name": name, "in": "query", "schema": text});
    let query = json!([
        parameter("id", &id),
        plain("filter"),
        plain("cursor"),
        {"name": "limit", "in": "query", "schema": {"type": "integer"}}
    ]);
    let takes = |schema: Value| json!({"content": {"application/json": {"schema": schema}}});
    let note = takes(json!({"type": "object", "properties": {"text": text, "about": id}}));
    let ids = json!({"type": "array", "items": id});
    let many = takes(json!({"type": "object", "properties": {"ids": ids, "filter": text}}));
    let of = json!([{"name": "id", "in": "path", "schema": id}]);
    let (guard, ok, made) = (json!([{"bearer": []}]), json!({"200": {}}), json!({"201": {}}));
    let operation = |responses: &Value, parameters: &Value, body: Option<&Value>| {
        let mut operation =
            json!({"security": guard, "responses": responses, "parameters": parameters});
        if let Some(body) = body {
            operation["requestBody"] = body.clone();
        }
        operation
    };
    let none = json!([]);
    let document = json!({"paths": {
        "/notes": {
            "get": operation(&ok, &query, None),
            "post": operation(&made, &none, Some(&note)),
        },
        "/notes/bulk/delete": {"post": operation(&ok, &none, Some(&many))},
        "/notes/{id}": {
            "get": operation(&ok, &of, None),
            "put": operation(&ok, &of, Some(&note)),
            "delete": operation(&ok, &of, None),
        },
        "/notes/{id}/restore": {"post": operation(&ok, &of, None)},
    }});
    Document::new(document).unwrap()
}

async fn probed(hole: Hole) -> Report {
    let (notes, document) = (Notes::with(hole), document());
    let expired = BadToken { what: "expired".to_owned(), token: "expired".to_owned() };
    Crossing::new(&notes, &document, &notes)
        .given("POST /notes/bulk/delete", json!({"ids": ["{new notes}"]}))
        .bad_tokens(vec![expired])
        .run()
        .await
}

#[tokio::test]
async fn the_probe_is_content_with_a_server_that_keeps_tenants_apart() {
    let report = probed(Hole::None).await;
    assert_eq!(report.against(&[]), Ok(()));
    assert_eq!(report.operations.len(), 7);
}

#[tokio::test]
async fn the_probe_finds_every_kind_of_hole() {
    for (hole, operation, place) in HOLES {
        let report = probed(*hole).await;
        let found = report.findings.iter();
        let mut found = found.filter(|f| f.operation == *operation && f.place.starts_with(place));
        assert!(found.next().is_some(), "{hole:?} at {operation}: {:#?}", report.findings);
    }
}
