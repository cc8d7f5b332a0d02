//! What each role may do to whose records, proven by requests: each cell of the table in
//! `docs/policy.md` that the API has operations for. What is expected is read from the table, and
//! the operations are found in the document, so that a record type is tried by being there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use crm_core::Choice;
use crm_core::access::{BuiltIn, Reach};
use crm_core::store::{Owners, Schema, Scoping};
use crm_server::testkit::{Document, Furnished, Listening, Member, Operation, Source};
use hyper::Method;
use serde_json::{Value, json};

use crate::support::{Founder, GIVEN, PASSWORD, Person, TestServer, for_each_store};

const TEAMS: &str = "/api/v1/teams";
const TABLE: &str = include_str!("../../../docs/policy.md");

/// Resources of the table of which nothing is served yet. This list may only shrink.
const NOT_SERVED: &[&str] = &["audit", "dashboard"];

/// Those without a list: what they are needed for is tried by hand below.
const UNLISTED: &[&str] = &["owners", "tenants"];

static DOCUMENT: LazyLock<Document> = LazyLock::new(|| {
    Document::new(serde_json::from_str(include_str!("../../openapi.json")).unwrap()).unwrap()
});

/// A line of the table.
struct Row {
    line: &'static str,
    reach: BTreeMap<&'static str, Option<Reach>>,
}

type Rows = BTreeMap<(&'static str, &'static str), Row>;

/// The table, by resource and action.
fn rows() -> Rows {
    let cells = |line: &'static str| -> Vec<&'static str> {
        line.trim_matches('|').split('|').map(str::trim).collect()
    };
    let mut lines = TABLE.lines().skip_while(|line| !line.starts_with("| permission |"));
    let roles = cells(lines.next().unwrap());
    let lines = lines.skip(1).take_while(|line| line.starts_with('|'));
    let row = |line| {
        let cells = cells(line);
        let (resource, action) = cells[0].split_once(':').unwrap();
        let reach = roles.iter().zip(&cells).skip(1);
        let reach = reach.map(|(role, cell)| (*role, cell.parse::<Reach>().ok())).collect();
        ((resource, action), Row { line, reach })
    };
    lines.map(row).collect()
}

/// Whose a record is, seen from whoever asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    Own,
    Mates,
    Strangers,
}

/// A resource that the API serves.
#[derive(Clone)]
struct Served {
    resource: &'static str,
    base: String,
    schema: Arc<Schema>,
}

impl Served {
    fn operation(&self, method: &Method, behind: &str) -> Option<&'static Operation> {
        let path = format!("{}{behind}", self.base);
        DOCUMENT.operations().iter().find(|o| o.method == method && o.path == path)
    }

    /// The field that says whose a record is, and whether it names several; none where everybody's
    /// are alike, or a record is somebody.
    fn owner(&self) -> Option<(&str, bool)> {
        match self.schema.owners() {
            _ if self.resource == "users" => None,
            Owners::Users { assigned, .. } => assigned.first().map(|field| {
                let field = self.schema.field(*field);
                (&*field.name, field.kind.is_list())
            }),
            _ => None,
        }
    }

    /// Whether a reach contains a record.
    fn covers(&self, reach: Option<Reach>, whose: Whose) -> bool {
        match (self.schema.owners(), reach) {
            (_, None) => false,
            // Of relations, those are meant whose ends one sees: see `Cast::sees`.
            (Owners::Ends, Some(_)) => true,
            (Owners::Everybody, Some(_)) | (_, Some(Reach::All)) => true,
            (Owners::Nobody, Some(_)) => false,
            (_, Some(Reach::Team)) => whose != Whose::Strangers,
            _ => whose == Whose::Own,
        }
    }
}

/// Whether a path is where the records of a resource are: `/customers/tags` of `tags`,
/// `/relations/kinds` of `relation_kinds`.
fn is_of(path: &str, resource: &str) -> bool {
    let words: Vec<String> = path.split('/').map(|word| word.replace('-', "_")).collect();
    match &words[..] {
        [.., before, last] => {
            last == resource || format!("{}_{last}", before.trim_end_matches('s')) == resource
        }
        _ => false,
    }
}

fn served(server: &TestServer) -> Vec<Served> {
    let mut all = Vec::new();
    let mut missing = Vec::new();
    let resources: BTreeSet<&str> = rows().into_keys().map(|(resource, _)| resource).collect();
    for resource in resources.into_iter().filter(|resource| !UNLISTED.contains(resource)) {
        let lists = |o: &&Operation| {
            let pages = o.parameters.iter().any(|p| p.name == "limit");
            o.reads() && pages && is_of(&o.path, resource)
        };
        let list = DOCUMENT.operations().iter().find(lists);
        let of = |schema: &&Arc<Schema>| {
            schema.resource() == resource && schema.scoping() == Scoping::Tenant
        };
        match (list, server.app().crm().catalogue().iter().find(of)) {
            (Some(list), Some(schema)) => {
                let schema = Arc::clone(schema);
                all.push(Served { resource, base: list.path.clone(), schema });
            }
            _ => missing.push(resource),
        }
    }
    assert_eq!(missing, NOT_SERVED, "resources of the table without operations");
    // Whoever leaves the tenant does nothing any more.
    all.sort_by_key(|served| served.resource == "users");
    all
}

/// What a role may do with a resource, and the line that says so. Some actions have one
/// permission for all changes.
fn row<'r>(rows: &'r Rows, resource: &str, action: &'static str) -> Option<&'r Row> {
    let found = rows.iter().find(|((of, what), _)| *of == resource && *what == action);
    let manage = || rows.iter().find(|((of, what), _)| *of == resource && *what == "manage");
    let found = if action == "read" { found } else { found.or_else(manage) };
    found.map(|(_, row)| row)
}

struct Cast<'a> {
    owner: Person,
    /// The team of which I am the manager and the mate is a member.
    team: String,
    furnished: Furnished<'a>,
    me: Person,
    mate: Person,
    stranger: Person,
    role: &'static str,
    wrong: Vec<String>,
    tried: usize,
    people: usize,
    /// Where records are that relations are made of.
    bases: BTreeMap<&'static str, Served>,
}

impl<'a> Cast<'a> {
    async fn new(
        server: &TestServer,
        door: &'a Listening,
        founder: &'a Founder<'a>,
        role: BuiltIn,
    ) -> Self {
        let owner = server.owner(&format!("acme{}", role.code().replace('_', ""))).await;
        let (user, tenant) = (owner.user.clone(), owner.tenant.clone());
        let member = Member { tenant, user, token: owner.token().to_owned() };
        let source = Source { server: door, document: &DOCUMENT, tenants: founder, given: &GIVEN };
        let furnished = Furnished::new(source, member, "Acme", &BTreeSet::new()).await;
        let me = server.colleague(&owner, role).await;
        let mate = server.colleague(&owner, BuiltIn::User).await;
        let stranger = server.colleague(&owner, BuiltIn::User).await;
        let team = json!({"name": "Mine", "managers": [me.user], "members": [mate.user]});
        let team = owner.post(TEAMS, team).await.data()["id"].as_str().unwrap().to_owned();
        Self {
            owner,
            team,
            furnished,
            me,
            mate,
            stranger,
            role: role.code(),
            wrong: Vec::new(),
            tried: 0,
            people: 0,
            bases: served(server).into_iter().map(|served| (served.resource, served)).collect(),
        }
    }

    fn reach(&self, resource: &str, action: &'static str) -> Option<Reach> {
        row(&rows(), resource, action).and_then(|row| row.reach[self.role])
    }

    /// Whether I see such a record, if I may read any: of relations, both ends.
    fn sees(&self, served: &Served, whose: Whose) -> bool {
        let read = |resource: &str| self.reach(resource, "read");
        match served.resource {
            "relations" => ["customers", "companies"]
                .iter()
                .all(|end| self.bases[end].covers(read(end), whose)),
            resource => served.covers(read(resource), whose),
        }
    }

    fn user(&self, whose: Whose) -> String {
        match whose {
            Whose::Own => self.me.user.clone(),
            Whose::Mates => self.mate.user.clone(),
            Whose::Strangers => self.stranger.user.clone(),
        }
    }

    /// A body for a new record of this kind.
    async fn body(&mut self, served: &Served, whose: Whose) -> Value {
        let operation = served.operation(&Method::POST, "").unwrap();
        let mut body = self.furnished.body(operation, &served.base).await.unwrap();
        if served.resource == "users" {
            // Nobody has signed up by it.
            self.people += 1;
            body["email"] = json!(format!("{}{}@records.example", self.role, self.people));
            body.as_object_mut().unwrap().remove("username");
        }
        if served.resource == "relations" {
            for (end, of) in [("from", "customers"), ("to", "companies")] {
                let served = self.bases[of].clone();
                let path = Box::pin(self.record(&served, whose)).await;
                body[end] = json!({"type": of, "id": path.rsplit('/').next().unwrap()});
            }
        }
        if let Some((field, several)) = served.owner() {
            // Whoever else is named in a record owns it, too; and what is referred to must be seen.
            let one = |value: &Value| {
                value.as_str().is_some_and(|text| text.parse::<uuid::Uuid>().is_ok())
            };
            let reference = |value: &Value| match value.as_array() {
                Some(several) => several.iter().any(one),
                None => one(value),
            };
            body.as_object_mut().unwrap().retain(|_, value| !reference(value));
            let user = json!(self.user(whose));
            body[field] = if several { json!([user]) } else { user };
        }
        body
    }

    async fn record(&mut self, served: &Served, whose: Whose) -> String {
        if served.resource == "users" && whose == Whose::Own {
            return format!("{}/{}", served.base, self.me.user);
        }
        let body = self.body(served, whose).await;
        let made = self.owner.post(&served.base, body).await;
        made.is(201);
        let id = made.data()["id"].clone();
        if served.resource == "users" && whose == Whose::Mates {
            let path = format!("{TEAMS}/{}", self.team);
            let mut members = self.owner.get(&path).await.data()["members"].clone();
            members.as_array_mut().unwrap().push(id.clone());
            self.owner.patch(&path, json!({"members": members})).await.is(200);
        }
        format!("{}/{}", served.base, id.as_str().unwrap())
    }

    fn told(&mut self, row: &Row, what: &str, whose: Whose, got: u16, expected: u16) {
        self.tried += 1;
        if got != expected {
            let role = self.role;
            let wrong =
                format!("{role}, {what} of {whose:?}: {got}, not {expected}\n    {}", row.line);
            self.wrong.push(wrong);
        }
    }

    async fn try_all(&mut self, served: &Served) {
        let rows = rows();
        let row = |action: &'static str| row(&rows, served.resource, action);
        let reach = |action: &'static str| self.reach(served.resource, action);
        let (read, update, delete) = (reach("read"), reach("update"), reach("delete"));
        let create = reach("create");
        let me = self.me.clone();
        for whose in [Whose::Own, Whose::Mates, Whose::Strangers] {
            let seen = read.is_some() && self.sees(served, whose);
            // What is not seen is not there; what is seen and not in reach is forbidden.
            let after_reading = |reach: Option<Reach>| match read {
                None => 403,
                Some(_) if !seen => 404,
                Some(_) if served.covers(reach, whose) => 200,
                Some(_) => 403,
            };
            let path = self.record(served, whose).await;
            let got = me.get(&path).await.status.as_u16();
            self.told(row("read").unwrap(), "get", whose, got, after_reading(read));

            let id = path.rsplit('/').next().unwrap_or_default();
            let list = me.get(&format!("{}?id={id}", served.base)).await;
            let (status, found) = (list.status.as_u16(), list.json()["meta"]["total"].as_u64());
            let expected = if read.is_none() { 403 } else { 200 };
            self.told(row("read").unwrap(), "list", whose, status, expected);
            if read.is_some() && found != Some(u64::from(seen)) {
                self.wrong.push(format!("{}: list of {whose:?}: total {found:?}", self.role));
            }

            if let (Some(row), Some(_)) = (row("update"), served.operation(&Method::PATCH, "/{id}"))
            {
                let patch = self.patch(served, &path).await;
                let got = me.patch(&path, patch).await.status.as_u16();
                self.told(row, "update", whose, got, after_reading(update));
                let body = self.same(served, &path).await;
                let got = me.put(&path, body).await.status.as_u16();
                self.told(row, "replace", whose, got, after_reading(update));
            }
            // Whoever lets themselves leave cannot ask for more.
            let oneself = served.resource == "users" && whose == Whose::Own;
            if let (Some(row), Some(_), false) =
                (row("delete"), served.operation(&Method::DELETE, "/{id}"), oneself)
            {
                let got = me.delete(&path).await.status.as_u16();
                self.told(row, "delete", whose, got, after_reading(delete));
                if got != 200 {
                    self.owner.delete(&path).await.is(200);
                }
                if served.operation(&Method::POST, "/{id}/restore").is_some() {
                    let got = me.post(&format!("{path}/restore"), json!({})).await.status.as_u16();
                    // Deleted records are shown at the reach of deleting.
                    let expected = match (read, delete) {
                        (None, _) | (_, None) => 403,
                        _ if seen && served.covers(delete, whose) => 200,
                        _ => 404,
                    };
                    self.told(row, "restore", whose, got, expected);
                }
            }
            if let (Some(row), Some(_)) = (row("create"), served.operation(&Method::POST, "")) {
                let body = self.body(served, whose).await;
                let got = me.post(&served.base, body).await.status.as_u16();
                let expected = match create {
                    // What it refers to is not there.
                    Some(_) if served.resource == "relations" && !self.sees(served, whose) => 422,
                    _ if served.covers(create, whose) => 201,
                    _ => 403,
                };
                self.told(row, "create", whose, got, expected);
            }
        }
        for (action, behind) in [("export", "/export"), ("stats", "/stats")] {
            let Some(row) = row(if action == "stats" { "read" } else { action }) else { continue };
            if served.operation(&Method::GET, behind).is_some() {
                let got = me.get(&format!("{}{behind}", served.base)).await.status.as_u16();
                let expected = if row.reach[self.role].is_some() { 200 } else { 403 };
                self.told(row, action, Whose::Own, got, expected);
            }
        }
    }

    /// What no list is asked for: the tenant itself, and its owners.
    async fn try_the_rest(&mut self) {
        let rows = rows();
        let me = self.me.clone();
        let tenant = format!("/api/v1/tenants/{}", me.tenant);
        let expected = |of: &Row, role: &str, done: u16| match of.reach[role] {
            Some(_) => done,
            None => 403,
        };
        let owners = &rows[&("owners", "manage")];
        let number = self.tried;
        let email = format!("{}{number}@owners.example", self.role);
        let input = json!({"email": email, "password": PASSWORD, "roles": ["owner"]});
        let got = me.post("/api/v1/users", input).await.status.as_u16();
        self.told(
            owners,
            "create an owner",
            Whose::Strangers,
            got,
            expected(owners, self.role, 201),
        );
        let founder = format!("/api/v1/users/{}", self.owner.user);
        let seen = matches!(self.reach("users", "read"), Some(Reach::All));
        let hidden = self.reach("users", "read").is_some() && !seen;
        let got = me.patch(&founder, json!({"title": self.role})).await.status.as_u16();
        let refused = if hidden { 404 } else { expected(owners, self.role, 200) };
        self.told(owners, "change an owner", Whose::Strangers, got, refused);

        let update = &rows[&("tenants", "update")];
        let got = me.patch(&tenant, json!({"locale": "de"})).await.status.as_u16();
        self.told(update, "update", Whose::Own, got, expected(update, self.role, 200));
        let delete = &rows[&("tenants", "delete")];
        let got = me.delete(&tenant).await.status.as_u16();
        self.told(delete, "delete", Whose::Own, got, expected(delete, self.role, 200));
        if got != 200 {
            self.owner.delete(&tenant).await.is(200);
        }
        let got = me.post(&format!("{tenant}/restore"), json!({})).await.status.as_u16();
        self.told(delete, "restore", Whose::Own, got, expected(delete, self.role, 200));
    }

    /// A change of one text of a record, which its owner could make.
    async fn patch(&self, served: &Served, path: &str) -> Value {
        match served.resource {
            "relations" => return json!({"attributes": {"since": self.tried}}),
            "users" => return json!({"title": format!("Number {}", self.tried)}),
            _ => {}
        }
        let record = self.owner.get(path).await.data();
        let fields = record.as_object().unwrap().iter();
        let texts =
            fields.filter(|(_, value)| value.as_str().is_some_and(|t| t.starts_with("Acme ")));
        for (name, value) in texts {
            let known = served.operation(&Method::PATCH, "/{id}").and_then(|o| o.body.as_ref());
            let properties = &DOCUMENT.resolve(known.unwrap())["properties"];
            let patch = json!({name: format!("{} x", value.as_str().unwrap())});
            if properties.get(name).is_some()
                && self.owner.patch(path, patch.clone()).await.status == 200
            {
                return patch;
            }
        }
        panic!("{path} has no text that can be changed: {record}");
    }

    /// A record as it would be written, from how it is shown.
    async fn same(&self, served: &Served, path: &str) -> Value {
        let record = self.owner.get(path).await.data();
        let schema = served.operation(&Method::PUT, "/{id}").and_then(|o| o.body.as_ref());
        let properties = DOCUMENT.resolve(schema.unwrap())["properties"].as_object().unwrap();
        let mut body = json!({});
        for name in properties.keys().filter(|name| *name != "version") {
            let value = record[name].clone();
            body[name] = match value.as_array() {
                // Shown with its words, written by its id.
                Some(items) => {
                    items.iter().map(|item| item.get("id").unwrap_or(item)).cloned().collect()
                }
                None if ["from", "to"].contains(&name.as_str()) => {
                    json!({"type": value["type"], "id": value["id"]})
                }
                None => value,
            };
        }
        let fields = body.as_object_mut().unwrap();
        fields.retain(|_, value| !value.is_null());
        body
    }
}

for_each_store! {
    async fn each_cell_of_the_table_is_what_a_request_finds(server: &TestServer) {
        let served = served(server);
        let (mut wrong, mut tried) = (Vec::new(), 0);
        let door = Listening(server.address());
        let founder = Founder::at(&door);
        for role in BuiltIn::ALL {
            let mut cast = Cast::new(server, &door, &founder, *role).await;
            for served in &served {
                cast.try_all(served).await;
            }
            cast.try_the_rest().await;
            tried += cast.tried;
            wrong.extend(cast.wrong);
        }
        assert!(tried > 8 * 3 * 5 * served.len(), "{tried}");
        println!("{tried} cells of {} resources", served.len());
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}
