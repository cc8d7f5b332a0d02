//! Exports: everything that a list's filter finds, as a file.

use std::io::Cursor;
use std::sync::atomic::Ordering;
use std::time::Duration;

use calamine::{Data, Reader, Xlsx};
use crm_core::access::{Actor, BuiltIn};
use crm_core::customers::CustomerDraft;
use crm_core::tenants::TenantId;
use crm_core::users::UserId;
use hyper::Method;
use serde_json::{Value, json};
use sqlx::Connection;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Answer, Audited, Backend, Person, TestServer, for_each_store, soon};

const CUSTOMERS: &str = "/api/v1/customers";
const EXPORT: &str = "/api/v1/customers/export";
const TAGS: &str = "/api/v1/customers/tags";

async fn made(person: &Person, path: &str, input: Value) -> String {
    let answer = person.post(path, input).await;
    answer.is(201);
    answer.data()["id"].as_str().unwrap().to_owned()
}

/// A file of comma-separated values.
fn table(answer: &Answer) -> Vec<Vec<String>> {
    let text = String::from_utf8(answer.bytes.to_vec()).unwrap();
    assert_eq!(answer.status, 200, "{text}");
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
    reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect()
}

fn column(table: &[Vec<String>], name: &str) -> Vec<String> {
    let at = table[0].iter().position(|head| head == name);
    let at = at.unwrap_or_else(|| panic!("{name} is none of {:?}", table[0]));
    table[1..].iter().map(|row| row[at].clone()).collect()
}

fn sheet(answer: &Answer) -> Vec<Vec<Data>> {
    assert_eq!(answer.status, 200, "{}", answer.json());
    let mut book: Xlsx<_> = Xlsx::new(Cursor::new(answer.bytes.to_vec())).unwrap();
    let (_, range) = book.worksheets().remove(0);
    assert!(book.worksheet_formula("customers").unwrap().is_empty());
    range.rows().map(<[Data]>::to_vec).collect()
}

for_each_store! {
    async fn a_file_has_the_fields_of_the_list_and_the_tenants_own(server: &TestServer) {
        let owner = server.owner("acme").await;
        for (key, kind) in [("seats", "number"), ("since", "date"), ("remark", "text")] {
            let field = json!({"recordType": "customers", "key": key, "label": key, "type": kind});
            made(&owner, "/api/v1/custom-fields", field).await;
        }
        let vip = made(&owner, TAGS, json!({"name": "vip, gold"})).await;
        let new = made(&owner, TAGS, json!({"name": "new"})).await;
        let id = made(&owner, CUSTOMERS, json!({
            "companyName": "L\u{f6}wen \"GmbH\"", "annualRevenue": "1200.50", "employeeCount": 7,
            "tags": [vip, new], "assignedTo": owner.user, "notes": "one\ntwo",
            "customFields": {"seats": -3, "since": "2026-01-31", "remark": "=1+1"}
        })).await;
        let answer = owner.get(EXPORT).await;
        assert_eq!(answer.header("content-type"), "text/csv; charset=utf-8");
        let disposition = "attachment; filename=\"customers-2026-03-16.csv\"";
        assert_eq!(answer.header("content-disposition"), disposition);
        let csv = table(&answer);
        let shown = owner.get(&format!("{CUSTOMERS}/{id}")).await.data();
        for (name, expected) in [
            ("id", id.as_str()),
            ("companyName", "L\u{f6}wen \"GmbH\""),
            ("annualRevenue", "1200.50"),
            ("employeeCount", "7"),
            ("notes", "one\ntwo"),
            ("tags", "vip, gold; new"),
            ("assignedTo", owner.user.as_str()),
            ("assignedUser.email", owner.email.as_str()),
            ("customFields.seats", "-3"),
            ("customFields.since", "2026-01-31"),
            ("customFields.remark", "'=1+1"),
            ("createdAt", shown["createdAt"].as_str().unwrap()),
            ("city", ""),
        ] {
            assert_eq!(column(&csv, name), [expected], "{name}");
        }
        // Every field of a record is there.
        for name in shown.as_object().unwrap().keys() {
            let has = |head: &String| head == name || head.starts_with(&format!("{name}."));
            assert!(csv[0].iter().any(has), "{name}");
        }

        let answer = owner.get(&format!("{EXPORT}?format=json")).await;
        assert_eq!(answer.json(), json!([shown]), "as the record itself is shown");
        assert!(answer.header("content-disposition").ends_with("customers-2026-03-16.json\""));

        let rows = sheet(&owner.get(&format!("{EXPORT}?format=xlsx")).await);
        let cell = |name: &str| {
            let at = rows[0].iter().position(|head| *head == Data::String(name.to_owned()));
            rows[1][at.unwrap_or_else(|| panic!("{name}"))].clone()
        };
        assert_eq!(cell("annualRevenue"), Data::Float(1200.5));
        assert_eq!(cell("employeeCount"), Data::Float(7.0));
        assert_eq!(cell("customFields.remark"), Data::String("=1+1".to_owned()));
        assert_eq!(cell("companyName"), Data::String("L\u{f6}wen \"GmbH\"".to_owned()));
        let Data::DateTime(since) = cell("customFields.since") else { panic!("no date") };
        assert_eq!(since.as_datetime().unwrap().to_string(), "2026-01-31 00:00:00");
        let Data::DateTime(created) = cell("createdAt") else { panic!("no time") };
        assert_eq!(created.as_datetime().unwrap().to_string(), "2026-03-16 09:30:00");
        assert_eq!(cell("city"), Data::Empty);
    }

    async fn a_file_holds_what_the_list_would_find_in_its_order(server: &TestServer) {
        let owner = server.owner("acme").await;
        for (name, city) in [("C", "Kiel"), ("A", "Kiel"), ("B", "Bonn"), ("D", "Kiel")] {
            made(&owner, CUSTOMERS, json!({"companyName": name, "city": city})).await;
        }
        let gone = made(&owner, CUSTOMERS, json!({"companyName": "E", "city": "Kiel"})).await;
        owner.delete(&format!("{CUSTOMERS}/{gone}")).await.is(200);
        let names = async |query: &str| {
            column(&table(&owner.get(&format!("{EXPORT}?{query}")).await), "name").join("")
        };
        assert_eq!(names("city=Kiel&sort=name").await, "ACD");
        assert_eq!(names("search=kiel&sort=-name").await, "DCA");
        assert_eq!(names("filter=city%20%3D%20%22Bonn%22").await, "B");
        assert_eq!(names("sort=name&includeDeleted=true").await, "ABCDE");
        assert_eq!(names("city=Nowhere").await, "");
        let json = owner.get(&format!("{EXPORT}?format=json&city=Nowhere")).await;
        assert_eq!(json.json(), json!([]));
        let rows = sheet(&owner.get(&format!("{EXPORT}?format=xlsx&city=Nowhere")).await);
        assert_eq!(rows.len(), 1, "the names of the columns");
    }

    async fn fields_are_chosen_and_ordered(server: &TestServer) {
        let owner = server.owner("acme").await;
        let field = json!({"recordType": "customers", "key": "seats", "label": "S", "type": "number"});
        made(&owner, "/api/v1/custom-fields", field).await;
        made(&owner, CUSTOMERS, json!({"companyName": "A", "customFields": {"seats": 3}})).await;
        let csv = table(&owner.get(&format!("{EXPORT}?fields=customFields.seats,name")).await);
        assert_eq!(csv, [["customFields.seats", "name"], ["3", "A"]]);
        let json = owner.get(&format!("{EXPORT}?format=json&fields=name,customFields")).await;
        assert_eq!(json.json(), json!([{"name": "A", "customFields": {"seats": 3}}]));
        for (query, field, code) in [
            ("fields=nmae", "fields", "UNKNOWN_FIELD"),
            ("fields=password", "fields", "UNKNOWN_FIELD"),
            ("format=pdf", "format", "INVALID_VALUE"),
            ("format=csv&format=json", "format", "DUPLICATE_PARAMETER"),
            ("page=2", "page", "CONTRADICTION"),
            ("limit=10", "limit", "CONTRADICTION"),
            ("colour=red", "colour", "UNKNOWN_PARAMETER"),
        ] {
            let refused = owner.get(&format!("{EXPORT}?{query}")).await;
            let refused = refused.fails(400, code);
            assert_eq!(refused["errors"][0]["field"], field, "{query}");
        }
        let marked = owner.get(&format!("{EXPORT}?fields=name&bom=true")).await;
        assert_eq!(marked.bytes, "\u{feff}name\r\nA\r\n".as_bytes());
        let plain = owner.get(&format!("{EXPORT}?fields=name&bom=false")).await;
        assert_eq!(plain.bytes, b"name\r\nA\r\n".as_slice());
        owner.get(&format!("{EXPORT}?format=json&bom=true")).await.fails(400, "CONTRADICTION");
        owner.get(&format!("{EXPORT}?bom=maybe")).await.fails(400, "INVALID_VALUE");
        // The list itself answers a part; its own `format` there is none.
        owner.get(&format!("{CUSTOMERS}?format=csv")).await.is(400);
    }

    async fn what_a_spreadsheet_would_run_is_text_in_every_format(server: &TestServer) {
        let owner = server.owner("acme").await;
        let field = json!({"recordType": "customers", "key": "t", "label": "T", "type": "text"});
        made(&owner, "/api/v1/custom-fields", field).await;
        let evil = ["=HYPERLINK(\"http://x\",\"y\")", "+1+1", "-1+1", "@SUM(1)", "=1,2", "\u{ff1d}1"];
        for text in evil {
            let input = json!({"companyName": text, "customFields": {"t": text}});
            made(&owner, CUSTOMERS, input).await;
        }
        made(&owner, TAGS, json!({"name": "=1+1"})).await;
        let csv = table(&owner.get(EXPORT).await);
        for row in &csv[1..] {
            for cell in row {
                let runs = cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\u{ff1d}']);
                assert!(!runs, "{cell:?}");
            }
        }
        assert_eq!(column(&table(&owner.get(&format!("{TAGS}/export")).await), "name"), ["'=1+1"]);
        // `sheet` insists that there is no formula.
        let rows = sheet(&owner.get(&format!("{EXPORT}?format=xlsx")).await);
        assert!(rows.iter().flatten().any(|cell| *cell == Data::String(evil[0].to_owned())));
        let json = owner.get(&format!("{EXPORT}?format=json")).await.json().to_string();
        assert!(!json.contains("'="), "no spreadsheet reads that: {json}");
    }

    async fn only_what_may_be_exported_is(server: &TestServer) {
        let owner = server.owner("acme").await;
        let manager = server.colleague(&owner, BuiltIn::Manager).await;
        made(&owner, CUSTOMERS, json!({"companyName": "Hidden Harbour", "assignedTo": owner.user})).await;
        made(&manager, CUSTOMERS, json!({"companyName": "Mine", "assignedTo": manager.user})).await;
        for role in [BuiltIn::User, BuiltIn::SalesRep, BuiltIn::Agent, BuiltIn::Employee, BuiltIn::Readonly] {
            let person = server.colleague(&owner, role).await;
            for format in ["csv", "json", "xlsx"] {
                let path = format!("{EXPORT}?format={format}");
                person.get(&path).await.fails(403, "FORBIDDEN");
            }
            person.get(&format!("{TAGS}/export")).await.fails(403, "FORBIDDEN");
        }
        // A filter that names what is out of reach finds nothing, whatever it says.
        for query in ["", "name=Hidden%20Harbour", "filter=name%3D%22Hidden%20Harbour%22%20OR%20version%3D1", "search=harbour", "includeDeleted=true"] {
            let answer = manager.get(&format!("{EXPORT}?format=json&{query}")).await;
            answer.is(200);
            assert!(!String::from_utf8_lossy(&answer.bytes).contains("Hidden"), "{query}");
        }
        let all = owner.get(&format!("{EXPORT}?format=json")).await;
        assert_eq!(all.json().as_array().unwrap().len(), 2);
    }

    async fn another_tenant_exports_its_own(server: &TestServer) {
        let (acme, other) = (server.owner("acme").await, server.owner("other").await);
        made(&other, CUSTOMERS, json!({"companyName": "Theirs"})).await;
        let path = format!("{EXPORT}?format=json");
        assert_eq!(acme.get(&path).await.json(), json!([]));
        acme.with("X-Tenant-ID", &other.tenant).get(&path).await.fails(403, "NOT_A_MEMBER");
        server.anonymous().get(&path).await.fails(401, "UNAUTHENTICATED");
    }

    async fn an_export_is_no_record(server: &TestServer) {
        let owner = server.owner("acme").await;
        owner.send(Method::GET, EXPORT, None).await.is(200);
        for method in [Method::PUT, Method::DELETE, Method::PATCH] {
            let body = (method != Method::DELETE).then(|| json!({"companyName": "A"}));
            let answer = owner.send(method, EXPORT, body).await;
            assert!(matches!(answer.status.as_u16(), 400 | 405), "{}", answer.json());
        }
    }
}

const BACKENDS: [Backend; 2] = [Backend::Memory, Backend::Postgres];

#[tokio::test]
async fn the_log_says_how_much_was_taken_of_what_before_any_of_it_is_given() {
    for backend in BACKENDS {
        let (server, watched) = TestServer::watched(backend).await;
        let owner = server.owner("acme").await;
        let readonly = server.colleague(&owner, BuiltIn::Readonly).await;
        for city in ["Kiel", "Kiel", "Bonn"] {
            made(&owner, CUSTOMERS, json!({"companyName": "A", "city": city})).await;
        }
        watched.audited();
        readonly.get(EXPORT).await.fails(403, "FORBIDDEN");
        owner.get(&format!("{EXPORT}?fields=nmae")).await.is(400);
        assert_eq!(watched.audited(), [], "nothing was given");
        owner.get(&format!("{EXPORT}?format=json&city=Kiel&fields=name&sort=-name")).await.is(200);
        let audited = watched.audited();
        let [Audited { action, resource, changes, .. }] = audited.as_slice() else {
            panic!("{audited:?}");
        };
        assert_eq!((action.as_str(), resource.as_str()), ("exported", "customers"));
        let parameters = json!({"city": "Kiel", "fields": "name", "sort": "-name"});
        let told = json!({
            "format": {"to": "json"}, "records": {"to": 2}, "parameters": {"to": parameters}
        });
        assert_eq!(*changes, told);
        server.stop().await;
    }
}

/// A request for a file, which is being answered.
async fn asked(person: &Person, path: &str) -> TcpStream {
    let token = person.token();
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
    );
    let mut stream = TcpStream::connect(person.address()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// What a client sees that reads until the server hangs up.
async fn raw(person: &Person, path: &str) -> String {
    let (mut stream, mut answer) = (asked(person, path).await, Vec::new());
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_store_that_goes_away_cuts_the_file_for_everybody_to_see() {
    for backend in BACKENDS {
        let (server, watched) = TestServer::watched(backend).await;
        let owner = server.owner("acme").await;
        for i in 0..1_001 {
            made(&owner, CUSTOMERS, json!({"companyName": format!("C{i}")})).await;
        }
        for format in ["csv", "json"] {
            let path = format!("{EXPORT}?format={format}");
            let whole = raw(&owner, &path).await;
            assert!(whole.ends_with("\r\n0\r\n\r\n"), "the mark of a whole answer");
            watched.lists_left.store(1, Ordering::Relaxed);
            let cut = raw(&owner, &path).await;
            watched.lists_left.store(usize::MAX, Ordering::Relaxed);
            assert!(cut.starts_with("HTTP/1.1 200") && cut.len() > 1_000, "it had begun: {cut}");
            assert!(!cut.ends_with("\r\n0\r\n\r\n"), "{format} looks whole");
            assert!(cut.len() < whole.len(), "{format}: {} of {}", cut.len(), whole.len());
        }
        let path = format!("{EXPORT}?format=xlsx&fields=name");
        watched.lists_left.store(1, Ordering::Relaxed);
        let cut = raw(&owner, &path).await;
        watched.lists_left.store(usize::MAX, Ordering::Relaxed);
        assert!(!cut.ends_with("\r\n0\r\n\r\n"), "a workbook looks whole");
        // What goes wrong before anything was given is an answer.
        watched.lists_left.store(0, Ordering::Relaxed);
        owner.get(EXPORT).await.fails(503, "UNAVAILABLE");
        server.stop().await;
    }
}

/// How much memory the process has in use, in KiB.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Reads an answer and keeps none of it: its length, its lines, and the most memory meanwhile.
async fn poured(person: &Person, path: &str) -> (u64, u64, u64) {
    let mut stream = asked(person, path).await;
    let (mut length, mut lines, mut most, mut end) = (0, 0, 0, Vec::new());
    let mut octets = vec![0; 64 * 1024];
    loop {
        let read = stream.read(&mut octets).await.unwrap();
        if read == 0 {
            break;
        }
        let part = &octets[..read];
        length += read as u64;
        lines += part.iter().filter(|octet| **octet == b'|').count() as u64;
        most = most.max(memory());
        end.extend_from_slice(part);
        end.drain(..end.len().saturating_sub(5));
    }
    assert_eq!(end, b"0\r\n\r\n", "{path} is whole");
    (length, lines, most)
}

/// Makes customers of long notes, of which each has one `|` in its city, past the API.
async fn fill(server: &TestServer, person: &Person, many: usize, notes: usize) {
    let draft = CustomerDraft {
        notes: Some("n".repeat(notes)),
        city: Some("C|".to_owned()),
        ..CustomerDraft::company("Many")
    };
    let tenant = person.tenant.parse().unwrap();
    let actor = Actor::new(TenantId::new(tenant), UserId::new(person.user.parse().unwrap()));
    let customers = server.app().crm().tenant(actor.with_role(BuiltIn::Owner)).customers();
    let made = if server.has_database() { 1 } else { many };
    for _ in 0..made {
        customers.create(draft.clone()).await.unwrap();
    }
    if made == many {
        return;
    }
    let database = server.database().superuser_url();
    let mut superuser = sqlx::PgConnection::connect(&database).await.unwrap();
    let copies = format!(
        "INSERT INTO customers SELECT (jsonb_populate_record(c, \
         jsonb_build_object('id', gen_random_uuid()))).* \
         FROM customers c CROSS JOIN generate_series(2, {many}); ANALYZE customers"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(copies)).execute(&mut superuser).await.unwrap();
}

/// Their file is far larger than the memory it takes. `EXPORT_RECORDS` makes more of them.
async fn a_file_of_any_size_takes_little_memory(backend: Backend, many: u64) {
    const MOST: u64 = 32 * 1024;
    let many = std::env::var("EXPORT_RECORDS").map_or(many, |many| many.parse().unwrap());
    let server = TestServer::start(backend).await;
    let owner = server.owner("acme").await;
    fill(&server, &owner, usize::try_from(many).unwrap(), 400).await;
    poured(&owner, &format!("{EXPORT}?filter=city%3D%22none%22")).await;
    // Octets of each record, at least.
    for (query, least) in [
        ("format=csv&fields=id,name,notes,city", 400),
        ("format=json&fields=id,name,notes,city", 400),
        ("format=xlsx&fields=id,name,city", 20),
    ] {
        let before = memory();
        let (length, lines, most) = poured(&owner, &format!("{EXPORT}?{query}")).await;
        let growth = most.saturating_sub(before);
        println!(
            "{backend:?} {query}: {length} octets, RSS {before} KiB before, at most {growth} KiB more"
        );
        assert!(length > least * many, "{query}: {length} octets");
        if !query.contains("xlsx") {
            assert_eq!(lines, many, "{query}");
        }
        assert!(growth < MOST, "{query}: {length} octets took {growth} KiB");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_file_of_any_size_takes_little_memory_on_postgres() {
    a_file_of_any_size_takes_little_memory(Backend::Postgres, 30_000).await;
}

#[tokio::test]
async fn a_file_of_any_size_takes_little_memory_in_memory() {
    a_file_of_any_size_takes_little_memory(Backend::Memory, 10_000).await;
}

#[tokio::test]
async fn a_server_that_is_asked_to_stop_finishes_the_files_that_it_has_begun() {
    for backend in BACKENDS {
        let server = TestServer::start(backend).await;
        let owner = server.owner("acme").await;
        fill(&server, &owner, 5_000, 4_000).await;
        let mut stream = asked(&owner, &format!("{EXPORT}?fields=notes,city")).await;
        let mut octets = vec![0; 64 * 1024];
        assert!(stream.read(&mut octets).await.unwrap() > 0, "it has begun");
        let stopping = tokio::spawn(server.stop());
        tokio::time::sleep(Duration::from_millis(300)).await;
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
        assert!(rest.ends_with(b"\r\n0\r\n\r\n"), "{backend:?}: {} octets", rest.len());
        stopping.await.unwrap();
    }
}

#[tokio::test]
async fn no_more_files_are_made_at_once_than_there_is_room_for() {
    let server = TestServer::configured(|config| config.limits.exports = 1).await;
    let owner = server.owner("acme").await;
    fill(&server, &owner, 5_000, 4_000).await;
    // One whose reader takes his time.
    let slow = asked(&owner, EXPORT).await;
    let full = soon(async || owner.get(&format!("{EXPORT}?name=none")).await.status == 503).await;
    assert!(full, "there is room for one");
    let refused = owner.get(EXPORT).await;
    refused.fails(503, "OVERLOADED");
    assert_eq!(refused.header("retry-after"), "5");
    drop(slow);
    let free = soon(async || owner.get(&format!("{EXPORT}?name=none")).await.status == 200).await;
    assert!(free, "who has gone makes room");
    server.stop().await;
}
