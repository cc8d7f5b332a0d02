//! What no client should send: each is refused with a documented code, never with a fault of
//! ours, and nothing is written.

use std::collections::HashSet;
use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Person, TestServer, for_each_store};

const CUSTOMERS: &str = "/api/v1/customers";
const JSON: Option<&str> = Some("application/json");

/// The codes in the document.
static CODES: LazyLock<HashSet<String>> = LazyLock::new(|| {
    let document: Value = serde_json::from_str(include_str!("../../openapi.json")).unwrap();
    let codes = "/components/schemas/Fault/properties/code";
    let codes = document.pointer(codes).unwrap()["x-extensible-enum"].as_array().unwrap();
    codes.iter().map(|code| code.as_str().unwrap().to_owned()).collect()
});

/// That an answer is a refusal as documented, which tells nothing of what is inside.
#[track_caller]
fn refused(answer: &Answer, what: &str) {
    let (status, body) = (answer.status.as_u16(), answer.json());
    assert!((400..500).contains(&status), "{what}: {status} {body}");
    assert_eq!(body["success"], false, "{what}: {body}");
    assert!(body["requestId"].is_string(), "{what}: {body}");
    let errors = body["errors"].as_array().unwrap();
    assert!(!errors.is_empty(), "{what}: {body}");
    for error in errors {
        assert!(CODES.contains(error["code"].as_str().unwrap()), "{what}: {body}");
        assert!(!error["message"].as_str().unwrap().is_empty(), "{what}: {body}");
    }
    let text = body.to_string().to_lowercase();
    for inside in ["sqlx", "postgres", "select ", "constraint", "panick", "::", "src/"] {
        assert!(!text.contains(inside), "{what}: {body}");
    }
}

async fn total(owner: &Person) -> Value {
    let mut all = Vec::new();
    for path in [CUSTOMERS, "/api/v1/customers/tags", "/api/v1/custom-fields"] {
        let list = owner.get(&format!("{path}?includeDeleted=true")).await.is(200);
        all.push(list["data"].clone());
    }
    json!(all)
}

async fn customer(owner: &Person) -> String {
    let created =
        owner.post(CUSTOMERS, json!({"companyName": "Acme", "city": "Kiel"})).await.data();
    format!("{CUSTOMERS}/{}", created["id"].as_str().unwrap())
}

async fn fields(owner: &Person) {
    for kind in ["text", "number", "date", "boolean", "choice", "choices"] {
        let mut input =
            json!({"recordType": "customers", "key": kind, "label": kind, "type": kind});
        if kind.starts_with("choice") {
            input["options"] = json!(["a", "b"]);
        }
        let answer = owner.post("/api/v1/custom-fields", input).await;
        assert!(answer.status == 201, "{kind}: {}", answer.json());
    }
}

for_each_store! {
    async fn bodies_that_are_no_objects_are_refused_everywhere(server: &TestServer) {
        let owner = server.owner("acme").await;
        let path = customer(&owner).await;
        let before = total(&owner).await;
        let deep = |open: &str, close: &str| format!("{}1{}", open.repeat(100_000), close.repeat(100_000));
        let bodies: Vec<Vec<u8>> = vec![
            b"".to_vec(), b" ".to_vec(), b"{".to_vec(), b"{\"companyName\"".to_vec(),
            b"{\"companyName\": \"A".to_vec(), b"{\"companyName\": \"A\"".to_vec(),
            b"{\"companyName\": \"A\"}}".to_vec(), b"{\"companyName\": \"A\",}".to_vec(),
            b"{\"companyName\": \"A\"} {\"companyName\": \"B\"}".to_vec(),
            b"{'companyName': 'A'}".to_vec(), b"{companyName: 1}".to_vec(),
            b"[]".to_vec(), b"[{\"companyName\": \"A\"}]".to_vec(), b"null".to_vec(), b"1".to_vec(),
            b"\"A\"".to_vec(), b"true".to_vec(), b"NaN".to_vec(), b"<customer/>".to_vec(),
            b"\xef\xbb\xbf{\"companyName\": \"A\"}".to_vec(),
            b"{\"companyName\": \"\xff\xfe\"}".to_vec(), b"{\"companyName\": \"\xed\xa0\x80\"}".to_vec(),
            b"{\"companyName\": \"\\ud800\"}".to_vec(), b"{\"companyName\": \"\\udc00\\ud800\"}".to_vec(),
            b"{\"companyName\": \"\\x41\"}".to_vec(), b"{\"companyName\": \"A\nB\"}".to_vec(),
            b"{\"companyName\": \"A\", \"companyName\": \"B\"}".to_vec(),
            b"{\"companyName\": \"A\", \"company\\u004eame\": \"B\"}".to_vec(),
            b"{\"customFields\": {\"a\": 1, \"a\": 2}, \"companyName\": \"A\"}".to_vec(),
            b"{\"companyName\": \"A\", \"employeeCount\": 1e999}".to_vec(),
            b"{\"companyName\": \"A\", \"employeeCount\": 01}".to_vec(),
            b"{\"companyName\": \"A\", \"employeeCount\": 0x10}".to_vec(),
            b"{\"companyName\": \"A\", \"employeeCount\": Infinity}".to_vec(),
            b"{\"\": 1, \"companyName\": \"A\"}".to_vec(), b"{\"\\u0000\": 1, \"companyName\": \"A\"}".to_vec(),
            b"PK\x03\x04".to_vec(), b"\x1f\x8b\x08\x00".to_vec(), vec![0; 1_000],
            deep("[", "]").into_bytes(), deep("{\"a\":", "}").into_bytes(),
            format!("{{\"customFields\": {{\"a\": {}}}}}", deep("[", "]")).into_bytes(),
            "[".repeat(900_000).into_bytes(), vec![b'{'; 10 << 20],
            format!("{{\"companyName\": \"{}\"}}", "A".repeat(10 << 20)).into_bytes(),
        ];
        let writes = [
            (Method::POST, CUSTOMERS), (Method::PUT, &path), (Method::PATCH, &path),
            (Method::POST, "/api/v1/customers/tags"), (Method::POST, "/api/v1/custom-fields"),
            (Method::POST, "/api/v1/auth/signup"), (Method::POST, "/api/v1/auth/login"),
            (Method::POST, "/api/v1/auth/refresh"), (Method::POST, "/api/v1/auth/logout"),
        ];
        for (method, path) in &writes {
            for body in &bodies {
                let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
                let answer = owner.send_bytes(method.clone(), path, JSON, body.clone()).await;
                refused(&answer, &format!("{method} {path} {shown:?}"));
            }
        }
        let good = br#"{"companyName": "A"}"#;
        for content_type in [
            None, Some(""), Some("text/plain"), Some("text/json"), Some("application/x-www-form-urlencoded"),
            Some("multipart/form-data; boundary=x"), Some("application/xml"), Some("application/jsonp"),
            Some("application/json, text/html"), Some("text/html;application/json"), Some("*/*"),
        ] {
            let answer = owner.send_bytes(Method::POST, CUSTOMERS, content_type, &good[..]).await;
            refused(&answer, &format!("{content_type:?}"));
            assert_eq!(answer.status, 415, "{content_type:?}");
        }
        let zipped = owner.with("Content-Encoding", "gzip");
        let answer = zipped.send_bytes(Method::POST, CUSTOMERS, JSON, &good[..]).await;
        refused(&answer, "gzip");
        assert_eq!(total(&owner).await, before);
    }

    async fn values_that_no_field_holds_are_refused_and_named(server: &TestServer) {
        let owner = server.owner("acme").await;
        fields(&owner).await;
        let path = customer(&owner).await;
        let before = total(&owner).await;
        let nul = "a\u{0}b";
        let long = "x".repeat(20_000);
        let texts = [
            "companyName", "contactName", "firstName", "lastName", "email", "phone", "website",
            "address", "city", "region", "postalCode", "country", "industry", "currency", "source",
            "notes",
        ];
        let mut wrong: Vec<(String, Value, String)> = Vec::new();
        for field in texts {
            let values =
                [json!(nul), json!("\u{0}"), json!(long), json!(7), json!(["a"]), json!({"a": 1}), json!(true)];
            for value in values {
                wrong.push((field.to_owned(), value, field.to_owned()));
            }
        }
        for (field, values) in [
            ("employeeCount", json!([-1, 1.5, "7", 9_223_372_036_854_775_808_u64, 1e300, true, []])),
            ("annualRevenue", json!([
                "-1", "NaN", "Infinity", "1e400", "1,5", "", "79228162514264337593543950336", [], true,
                "79228162514264337593543950335", "1.005", "0.0000000000000000000000000001", 1e300, -1e300,
                nul
            ])),
            ("status", json!(["asleep", "", 1, nul, []])),
            ("size", json!(["huge", 1, nul])),
            ("assignedTo", json!(["", "me", 1, nul, "00000000-0000-0000-0000-000000000000", []])),
            ("tags", json!(["vip", [""], ["vip"], [1], [null], {"a": 1},
                            ["00000000-0000-0000-0000-000000000000"]])),
            ("version", json!(["1", 1.5, [], 9_223_372_036_854_775_808_u64])),
            ("customFields", json!([1, "a", [], true])),
        ] {
            for value in values.as_array().unwrap() {
                wrong.push((field.to_owned(), value.clone(), field.to_owned()));
            }
        }
        for (key, values) in [
            ("text", json!([nul, long, {"a": 1}, [{"a": 1}], ["a", 1], [["a"]]])),
            ("number", json!(["a", nul, 1e300, "1e400", "NaN", true, ["1"], "0.00000000000000000000000000001"])),
            ("date", json!(["2026-02-30", "0000-00-00", "+262143-01-01", "-9999-01-01", nul, 20_260_101, "2026-01-01T00:00:00Z"])),
            ("boolean", json!(["maybe", 2, nul])),
            ("choice", json!(["c", "A", nul, 1, ["a"]])),
            ("choices", json!(["c", ["c"], ["a", nul], [1]])),
            ("unknown", json!(["a"])),
            ("\u{0}", json!(["a"])),
            ("a.b", json!(["a"])),
            ("", json!(["a"])),
        ] {
            for value in values.as_array().unwrap() {
                wrong.push(("customFields".to_owned(), json!({key: value}), format!("customFields.{key}")));
            }
        }
        let mut accepted = Vec::new();
        for (field, value, named) in &wrong {
            let mut input = json!({"companyName": "Wrong"});
            input[field] = value.clone();
            for (method, path) in [(Method::POST, CUSTOMERS), (Method::PUT, &path), (Method::PATCH, &path)] {
                let what = format!("{method} {}", input.to_string().chars().take(120).collect::<String>());
                let answer = owner.send(method, path, Some(input.clone())).await;
                if answer.status.is_success() {
                    accepted.push(what);
                    continue;
                }
                refused(&answer, &what);
                let errors = answer.json()["errors"].clone();
                let at = |error: &Value| error["field"].as_str().unwrap_or_default().starts_with(named.as_str());
                assert!(errors.as_array().unwrap().iter().any(at), "{what}: {errors}");
            }
        }
        assert!(accepted.is_empty(), "{accepted:#?}");
        assert_eq!(total(&owner).await, before);
    }

    async fn words_of_the_tenant_that_cannot_be_are_refused(server: &TestServer) {
        let owner = server.owner("acme").await;
        let before = total(&owner).await;
        let (nul, long) = (json!("a\u{0}b"), json!("x".repeat(20_000)));
        for (path, good, wrong) in [
            ("/api/v1/customers/tags", json!({"name": "VIP"}), vec![
                ("name", nul.clone()), ("name", long.clone()), ("name", json!(" ")), ("name", json!(1)),
                ("color", nul.clone()), ("color", long.clone()), ("color", json!("#ggg")),
            ]),
            ("/api/v1/custom-fields",
             json!({"recordType": "customers", "key": "k", "label": "K", "type": "choice", "options": ["a"]}),
             vec![
                ("recordType", nul.clone()), ("recordType", json!("users")), ("recordType", long.clone()),
                ("key", nul.clone()), ("key", json!("a b")), ("key", json!("a.b")), ("key", json!("a\"b")),
                ("key", json!("a'); DROP TABLE customers; --")), ("key", long.clone()), ("key", json!("")),
                ("key", json!("é")), ("label", nul.clone()), ("label", long.clone()), ("label", json!("")),
                ("type", json!("sql")), ("options", json!([nul.clone()])), ("options", json!([])),
                ("options", json!([long.clone()])), ("options", json!(vec!["a"; 1_000])),
                ("default", nul.clone()), ("default", json!({"a": 1})), ("default", json!("c")),
                ("help", nul.clone()), ("help", json!("x".repeat(100_000))), ("required", json!("yes")),
            ]),
            ("/api/v1/auth/signup", json!({"email": "eve@example.com", "password": "correct horse battery"}), vec![
                ("email", nul.clone()), ("email", long.clone()), ("email", json!("a@b")), ("email", json!("")),
                ("email", json!("eve@example.com\r\nBcc: a@b.example")), ("name", nul.clone()),
                ("name", long.clone()), ("username", nul.clone()), ("username", long.clone()),
                ("username", json!("a b")), ("tenantName", nul.clone()), ("tenantName", long.clone()),
                ("password", nul.clone()), ("password", long.clone()), ("password", json!(1)),
            ]),
        ] {
            for (field, value) in wrong {
                let mut input = good.clone();
                input[field] = value;
                let what = format!("{path} {}", input.to_string().chars().take(160).collect::<String>());
                let answer = owner.post(path, input).await;
                refused(&answer, &what);
                let errors = answer.json()["errors"].clone();
                let at = |error: &Value| error["field"].as_str().unwrap_or_default().starts_with(field);
                assert!(errors.as_array().unwrap().iter().any(at), "{what}: {errors}");
            }
        }
        assert_eq!(total(&owner).await, before);
    }

    async fn questions_that_make_no_sense_are_refused(server: &TestServer) {
        let owner = server.owner("acme").await;
        fields(&owner).await;
        customer(&owner).await;
        let many = "city=a&".repeat(500);
        let deep = format!("filter={}city%3D%22a%22{}", "(".repeat(500), ")".repeat(500));
        let nots = format!("filter={}city%3D%22a%22", "NOT%20".repeat(500));
        let ors = format!("filter={}", vec!["city%3D%22a%22"; 900].join("%20OR%20"));
        let long = format!("search={}", "a".repeat(9_000));
        let mut answered = Vec::new();
        let ids = format!("id={}", vec!["0197d8a0-0000-7000-8000-000000000000"; 300].join(","));
        for query in [
            "page=-1", "page=0", "page=1.5", "page=abc", "page=", "page=1&page=2", "page=99999999999999999999",
            "page=18446744073709551615", "page=9223372036854775807", "limit=0", "limit=-1", "limit=201",
            "limit=4294967297", "limit=1&limit=2", "limit=1&page_size=2", "page=1&cursor=", "limit=%00",
            "count=maybe", "includeDeleted=maybe", "includeDeleted=true&includeDeleted=false",
            "order=sideways", "sort=-", "sort=--name", "sort=notes", "sort=password",
            "sort=tenantId", "sort=tenant_id", "sort=name%3BDROP%20TABLE%20customers", "sort=name%20desc",
            "sort=customFields", "sort=customFields.choices", "sort=tags", "sort=customFields.",
            "sort=customFields.text'--",
            "colour=red", "tenantId=1", "tenant=1", "tenant_id=1", "password=a", "hash=a", "notes=a",
            "name%5Bdrop%5D=a", "name%5B%5D=a", "name%5B=a", "name%5Bgte%5D%5Blte%5D=a",
            "employeeCount=a", "employeeCount=1e3", "employeeCount=9223372036854775808",
            "annualRevenue=NaN", "annualRevenue%5Bgte%5D=1e400", "annualRevenue%5Bgte%5D=Infinity",
            "status=asleep", "createdAt%5Blt%5D=yesterday", "createdAt%5Blt%5D=2026-02-30",
            "assignedTo=nobody", "id=1", "tags=nothing", "customFields=1", "customFields.=1",
            "customFields.unknown=1", "customFields.number=a", "customFields.boolean=maybe",
            "customFields.date=2026-02-30", "customFields.text'%20OR%201=1", "expand=password",
            "expand=tags,tags,everything", "filter=(", "filter=city%20%3D",
            "filter=%22", "filter=city%20%3D%20%22a", "filter=1%3D1",
            "filter=tenantId%3D%22a%22", "filter=city%3D%22a%22%3B%20DROP", "filter=city.name%3D%22a%22",
            "filter=hash%3D%22a%22", "cursor=nonsense", "cursor=%00", "cursor=W10", "cursor=bnVsbA",
            "city=%00", "city=a%00b", "search=%00", "search=a%00", "filter=city%3D%22%00%22",
            "name%5Bcontains%5D=%00", "name%5BstartsWith%5D=%00", "email=%00", "country=%00", "customFields.text=%00",
            "tags=%00", "status=%00", "%00=a", "city=%ff", "search=%ff%fe", "filter=city%3D%22%ff%22",
            "city=%ed%a0%80", "%ff=a", "city=%c0%80",
            &many, &deep, &nots, &ors, &long, &ids,
        ] {
            for list in ["", "/mine", "/stats", "/search?q=a&"] {
                if list.starts_with("/search") && query.starts_with("search") {
                    continue;
                }
                let path = if list.contains('?') {
                    format!("{CUSTOMERS}{list}{query}")
                } else {
                    format!("{CUSTOMERS}{list}?{query}")
                };
                let shown: String = path.chars().take(120).collect();
                let answer = owner.get(&path).await;
                if answer.status == 400 {
                    refused(&answer, &shown);
                } else {
                    answered.push(format!("{} {shown}", answer.status));
                }
            }
        }
        assert!(answered.is_empty(), "{answered:#?}");
    }

    /// Odd, but they can be meant; what counts is that both stores cope.
    async fn questions_at_the_edge_are_answered_or_refused(server: &TestServer) {
        let owner = server.owner("acme").await;
        fields(&owner).await;
        customer(&owner).await;
        for query in [
            "page=46116860184273879", "page=9999999&limit=200", "employeeCount=9223372036854775807",
            "employeeCount%5Bgte%5D=-9223372036854775808",
            "annualRevenue%5Blt%5D=79228162514264337593543950335",
            "annualRevenue%5Bgte%5D=-79228162514264337593543950335",
            "annualRevenue=0.0000000000000000000000000001", "annualRevenue=1e28",
            "createdAt%5Blt%5D=9999-12-31", "createdAt%5Bgte%5D=0000-01-01", "createdAt%5Bgte%5D=0001-01-01T00:00:00Z",
            "createdAt%5Bgte%5D=-4713-01-01", "createdAt%5Bgte%5D=-4800-01-01T00:00:00Z",
            "createdAt%5Bgte%5D=-262143-01-01T00:00:00Z", "createdAt%5Blt%5D=%2B262142-12-31T23:59:59Z",
            "createdAt%5Blt%5D=2026-01-01T00:00:00%2B23:59", "createdAt%5Blt%5D=2016-12-31T23:59:60Z",
            "lastContactedAt%5Bgte%5D=-9999-01-01", "customFields.date%5Bgte%5D=-9999-01-01",
            "customFields.date%5Bgte%5D=-262143-01-01", "customFields.date%5Blt%5D=%2B262142-12-31",
            "customFields.number%5Bgte%5D=79228162514264337593543950335",
            "customFields.number=-0.0000000000000000000000000001",
            "filter=createdAt%20%3E%20%22-262143-01-01T00:00:00Z%22",
            "filter=employeeCount%20%3E%20-9223372036854775808",
            "search=%25", "search=_", "search=%5C", "search='%22%60%3B--", "name%5Bcontains%5D=%25%5C_",
            "name%5BstartsWith%5D=%5C", "search=%F0%9F%92%A9%E2%80%AE", "name=%EF%BF%BF", "name=%F4%8F%BF%BF",
            "name%5Bcontains%5D=", "name=%22%22", "city%5Bin%5D=a,b", "id%5Bin%5D=", "search=", "expand=",
            "filter=", "filter=city", "filter=city%20LIKE%20%22a%22", "sort=", "sort=,", "sort=name,name,-name",
            "city=a+b", "city=%zz", "city=%", "city=%2", "&&", "=", "city",
        ] {
            for list in ["", "/stats"] {
                let answer = owner.get(&format!("{CUSTOMERS}{list}?{query}")).await;
                if answer.status != 200 {
                    refused(&answer, &format!("{list} {query}"));
                    assert_eq!(answer.status, 400, "{list} {query}");
                }
            }
        }
    }

    async fn made_up_cursors_are_refused_or_lead_nowhere(server: &TestServer) {
        let owner = server.owner("acme").await;
        customer(&owner).await;
        customer(&owner).await;
        let ids = "u0197d8a0-0000-7000-8000-000000000000";
        for sort in ["", "name", "-createdAt", "employeeCount", "annualRevenue", "status"] {
            let list = format!("{CUSTOMERS}?limit=1&sort={sort}");
            let list = if sort.is_empty() { format!("{CUSTOMERS}?limit=1") } else { list };
            let real = owner.get(&format!("{list}&cursor=")).await.is(200);
            let real = real["meta"]["nextCursor"].as_str().unwrap().to_owned();
            let parts: Vec<Value> =
                serde_json::from_slice(&URL_SAFE_NO_PAD.decode(&real).unwrap()).unwrap();
            let mut forged: Vec<Value> = vec![json!([]), json!({}), json!("a"), json!([null]), json!([parts[0]])];
            for i in 0..parts.len() {
                for value in [
                    json!(null), json!(""), json!("t\u{0}"), json!("ta"), json!("i9223372036854775807"), json!("iabc"),
                    json!("d79228162514264337593543950335"), json!("dNaN"), json!("b1"), json!("T9223372036854775807"),
                    json!("T-9223372036854775808"), json!("T-8334601228800000000"), json!("T8210266876799999999"),
                    json!("D-262143-01-01"), json!("D+262142-12-31"), json!(ids), json!("u"), json!("é"), json!(7),
                    json!("t".repeat(4_000)), json!("tenants"), json!("-password"), json!("t'; DROP TABLE customers"),
                ] {
                    let mut parts = parts.clone();
                    parts[i] = value;
                    forged.push(json!(parts));
                }
            }
            forged.push(json!([parts.clone(), parts.clone()].concat()));
            for cursor in forged {
                let text = URL_SAFE_NO_PAD.encode(cursor.to_string());
                let answer = owner.get(&format!("{list}&cursor={text}")).await;
                if answer.status != 200 {
                    refused(&answer, &format!("{sort} {cursor}"));
                    assert_eq!(answer.status, 400, "{sort} {cursor}");
                }
            }
        }
    }

    async fn identifiers_and_headers_of_all_kinds_are_refused(server: &TestServer) {
        let owner = server.owner("acme").await;
        let path = customer(&owner).await;
        let before = total(&owner).await;
        for id in [
            "1", "null", "undefined", "..", "%2e%2e", "%00", "%ff", "'", "0197d8a0", "*", "%F0%9F%92%A9",
            "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff",
            "0197d8a0-0000-7000-8000-00000000000g", &"a".repeat(5_000),
        ] {
            for method in [Method::GET, Method::DELETE] {
                let shown: String = id.chars().take(50).collect();
                let answer = owner.send(method.clone(), &format!("{CUSTOMERS}/{id}"), None).await;
                refused(&answer, &format!("{method} {shown}"));
            }
        }
        for value in [
            &b"1"[..], b"\"0\"", b"\"-1\"", b"\"99999999999999999999\"", b"\"1", b"1\"", b"", b"\"1\" ;", b"\"\xff\"",
            b"W/", b"\"9223372036854775807\"", b"\"a\"", b"\"1\",\"2\"", b"\"01x\"",
        ] {
            let answer = owner.with_bytes("If-Match", value).delete(&path).await;
            refused(&answer, &format!("If-Match: {}", String::from_utf8_lossy(value)));
        }
        for (name, value) in [("X-Request-ID", &b"\xff\xfe"[..]), ("Accept", b"\xff"), ("Origin", b"\xff"),
                              ("Accept-Encoding", b"\xff"), ("X-Forwarded-For", b"\xff, 1.2.3.4, ::::"),
                              ("Forwarded", b"for=\"[::"), ("Idempotency-Key", b"\xff"), ("If-None-Match", b"\xff"),
                              ("Range", b"bytes=9-1"), ("Accept-Language", b"\xff")] {
            let answer = owner.with_bytes(name, value).get(&path).await;
            assert!(answer.status == 200 || answer.status.is_client_error(), "{name}: {}", answer.status);
        }
        assert_eq!(total(&owner).await, before);
    }

    /// Below HTTP: whatever comes, the server answers in kind or hangs up, and goes on serving.
    async fn octets_that_are_no_http_harm_nobody(server: &TestServer) {
        let owner = server.owner("acme").await;
        let long = "a".repeat(2 << 20);
        let token = owner.token();
        let (host, auth) = ("Host: a\r\nConnection: close", format!("Authorization: Bearer {token}"));
        for request in [
            "\r\n\r\n".to_owned(),
            "GET".to_owned() + "\r\n\r\n",
            format!("GET / HTTP/9.9\r\n{host}\r\n\r\n"),
            format!("GET {CUSTOMERS}?search={long} HTTP/1.1\r\n{host}\r\n\r\n"),
            format!("GET {CUSTOMERS} HTTP/1.1\r\n{host}\r\nX-Long: {long}\r\n\r\n"),
            format!("GET {CUSTOMERS} HTTP/1.1\r\n{host}\r\n{}\r\n", "X-A: b\r\n".repeat(2_000)),
            format!("GET {CUSTOMERS} HTTP/1.1\r\n{host}\r\nBad Header: a\r\n\r\n"),
            format!("GET {CUSTOMERS} HTTP/1.1\r\n{host}\r\nX: a\0b\r\n\r\n"),
            format!("POST {CUSTOMERS} HTTP/1.1\r\n{host}\r\n{auth}\r\nContent-Length: 5\r\nContent-Length: 50\r\n\r\n{{}}"),
            format!("POST {CUSTOMERS} HTTP/1.1\r\n{host}\r\n{auth}\r\nContent-Length: -1\r\n\r\n{{}}"),
            format!("POST {CUSTOMERS} HTTP/1.1\r\n{host}\r\n{auth}\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
            format!("POST {CUSTOMERS} HTTP/1.1\r\n{host}\r\n{auth}\r\nTransfer-Encoding: gzip\r\n\r\n{{}}"),
            format!("GET http://evil.example{CUSTOMERS} HTTP/1.1\r\n{host}\r\n\r\n"),
            format!("GET * HTTP/1.1\r\n{host}\r\n\r\n"),
            format!("GET {CUSTOMERS}/\x01\x7f HTTP/1.1\r\n{host}\r\n\r\n"),
        ] {
            let answer = server.anonymous().send_raw(request.as_bytes()).await;
            let shown: String = request.chars().take(80).collect();
            let line = answer.lines().next().unwrap_or_default();
            assert!(line.is_empty() || line.contains(" 4") || line.contains(" 505"), "{shown:?}: {line}");
        }
        assert_eq!(owner.get(CUSTOMERS).await.is(200)["meta"]["total"], 0);
    }
}
