//! What another tenant has: no answer may show it, count it, or differ because of it.

use hyper::Method;
use serde_json::{Value, json};

use crm_core::access::BuiltIn;

use crate::support::{Answer, Person, TestServer, for_each_store};

const CUSTOMERS: &str = "/api/v1/customers";
const TAGS: &str = "/api/v1/customers/tags";
const FIELDS: &str = "/api/v1/custom-fields";
const NOBODYS: &str = "0197d8a0-0000-7000-8000-000000000000";

/// What a tenant has of each kind.
struct Things {
    live: String,
    deleted: String,
    tag: String,
    company: String,
}

async fn made(person: &Person, path: &str, input: Value) -> String {
    let answer = person.post(path, input).await;
    answer.is(201);
    answer.data()["id"].as_str().unwrap().to_owned()
}

async fn furnish(person: &Person) -> Things {
    let field = json!({"recordType": "customers", "key": "theirs", "label": "T", "type": "text"});
    made(person, FIELDS, field).await;
    let tag = made(person, TAGS, json!({"name": "Theirs"})).await;
    let company = made(person, "/api/v1/companies", json!({"name": "Harbour Group"})).await;
    let input = json!({
        "companyId": company, "companyName": "Hidden Harbour", "email": "hidden@harbour.example", "tags": [tag],
        "assignedTo": person.user, "customFields": {"theirs": "hidden"}
    });
    let live = made(person, CUSTOMERS, input.clone()).await;
    let deleted = made(person, CUSTOMERS, input).await;
    person.delete(&format!("{CUSTOMERS}/{deleted}")).await.is(200);
    Things { live, deleted, tag, company }
}

/// What an answer says, with what the caller itself sent taken out.
fn told(answer: &Answer, sent: &str) -> (u16, Value, String) {
    let mut body = answer.json();
    if let Some(body) = body.as_object_mut() {
        body.remove("requestId");
    }
    let body = body.to_string().replace(sent, "…");
    let etag = answer.header("etag").to_owned();
    (answer.status.as_u16(), serde_json::from_str(&body).unwrap(), etag)
}

for_each_store! {
    async fn nothing_tells_a_record_of_others_from_one_that_never_was(server: &TestServer) {
        let (acme, other) = (server.owner("acme").await, server.owner("other").await);
        let things = furnish(&other).await;
        let before = other.get(&format!("{CUSTOMERS}?includeDeleted=true")).await.is(200);
        let operations: [(Method, &str, Option<Value>); 8] = [
            (Method::GET, "", None),
            (Method::PUT, "", Some(json!({"companyName": "Mine"}))),
            (Method::PUT, "", Some(json!({"companyName": "Mine", "version": 7}))),
            (Method::PATCH, "", Some(json!({"companyName": "Mine", "version": 1}))),
            (Method::DELETE, "", None),
            (Method::POST, "/restore", None),
            (Method::POST, "/activate", None),
            (Method::POST, "/deactivate", None),
        ];
        for if_match in [None, Some("\"1\""), Some("\"2\""), Some("\"99\""), Some("*")] {
            let caller = if_match.map_or_else(|| (*acme).clone(), |etag| acme.with("If-Match", etag));
            for (method, suffix, body) in &operations {
                let ask = async |id: &str| {
                    let path = format!("{CUSTOMERS}/{id}{suffix}");
                    let answer = caller.send(method.clone(), &path, body.clone()).await;
                    told(&answer, id)
                };
                let never = ask(NOBODYS).await;
                assert!(matches!(never.0, 400 | 404), "{method} {suffix}: {never:?}");
                assert_eq!(ask(&things.live).await, never, "{method} {suffix}");
                assert_eq!(ask(&things.deleted).await, never, "{method} {suffix}");
            }
        }
        let after = other.get(&format!("{CUSTOMERS}?includeDeleted=true")).await.is(200);
        assert_eq!(after, before);
    }

    async fn no_question_is_answered_differently_because_of_what_others_have(server: &TestServer) {
        let (acme, other) = (server.owner("acme").await, server.owner("other").await);
        let things = furnish(&other).await;
        made(&acme, CUSTOMERS, json!({"companyName": "Ours"})).await;
        // Each question twice: with what is theirs, and with what nobody has.
        let (user, tag) = (other.user.as_str(), things.tag.as_str());
        let company = things.company.as_str();
        let questions = [
            ("assignedTo={}", user, NOBODYS),
            ("createdBy={}", user, NOBODYS),
            ("assignedTo%5Bne%5D={}", user, NOBODYS),
            ("coach={}&includeDeleted=true", user, NOBODYS),
            ("id={}", things.live.as_str(), NOBODYS),
            ("id={}&includeDeleted=true", things.deleted.as_str(), NOBODYS),
            ("tags={}", tag, NOBODYS),
            ("tags={}", "Theirs", "Nobody"),
            ("tags%5Ball%5D={}", "theirs", "nobody"),
            ("filter=tags%3A%22{}%22", "Theirs", "Nobody"),
            ("filter=assignedTo%3D%22{}%22", user, NOBODYS),
            ("customFields.{}=hidden", "theirs", "qqqqqq"),
            ("customFields.{}%5Bcontains%5D=h", "theirs", "qqqqqq"),
            ("sort=customFields.{}", "theirs", "qqqqqq"),
            ("filter=customFields.{}%20%3D%20%22hidden%22", "theirs", "qqqqqq"),
            ("companyId={}", company, NOBODYS),
            ("search={}", "Harbour", "Nowhere"),
            ("email={}", "hidden@harbour.example", "nobody@harbour.example"),
            ("expand={}", "theirs", "qqqqqq"),
        ];
        for list in ["", "/search?q=ours&", "/stats", "/mine"] {
            for (question, theirs, nobodys) in questions {
                if list.starts_with("/search") && question.starts_with("search") {
                    continue;
                }
                let ask = async |value: &str| {
                    let question = question.replace("{}", value);
                    let path = match list.contains('?') {
                        true => format!("{CUSTOMERS}{list}{question}"),
                        false => format!("{CUSTOMERS}{list}?{question}"),
                    };
                    told(&acme.get(&path).await, value)
                };
                let never = ask(nobodys).await;
                assert!(matches!(never.0, 200 | 400), "{list} {question}: {never:?}");
                let answer = ask(theirs).await;
                assert_eq!(answer, never, "{list} {question}");
                assert!(!answer.1.to_string().contains("Harbour"), "{list} {question}");
            }
        }
    }

    async fn nothing_of_others_can_be_written_into_ones_own(server: &TestServer) {
        let (acme, other) = (server.owner("acme").await, server.owner("other").await);
        let things = furnish(&other).await;
        let own = made(&acme, CUSTOMERS, json!({"companyName": "Ours"})).await;
        let own = format!("{CUSTOMERS}/{own}");
        let before = acme.get(&own).await.data();
        let user = other.user.as_str();
        let written = [
            ("assignedTo", json!(user), user, NOBODYS),
            ("coach", json!(user), user, NOBODYS),
            ("closer", json!(user), user, NOBODYS),
            ("setter", json!(user), user, NOBODYS),
            ("companyId", json!(things.company), things.company.as_str(), NOBODYS),
            ("tags", json!([things.tag]), things.tag.as_str(), NOBODYS),
            ("customFields", json!({"theirs": "x"}), "theirs", "qqqqqq"),
        ];
        for (field, value, theirs, nobodys) in written {
            let input = json!({"companyName": "Ours", field: value});
            let never = input.to_string().replace(theirs, nobodys);
            let never: Value = serde_json::from_str(&never).unwrap();
            let ways = [(Method::POST, CUSTOMERS), (Method::PUT, &own), (Method::PATCH, &own)];
            for (method, path) in ways {
                let answer = acme.send(method.clone(), path, Some(input.clone())).await;
                assert_eq!(answer.status, 422, "{method} {field}: {}", answer.json());
                let twin = acme.send(method.clone(), path, Some(never.clone())).await;
                assert_eq!(told(&answer, theirs), told(&twin, nobodys), "{method} {field}");
            }
        }
        assert_eq!(acme.get(&own).await.data(), before);
        assert_eq!(acme.get(CUSTOMERS).await.is(200)["meta"]["total"], 1);
    }

    async fn a_cursor_of_others_leads_through_ones_own_records_only(server: &TestServer) {
        let (acme, other) = (server.owner("acme").await, server.owner("other").await);
        for name in ["Alfa", "Bravo", "Charlie"] {
            made(&other, CUSTOMERS, json!({"companyName": format!("Hidden {name}")})).await;
            made(&acme, CUSTOMERS, json!({"companyName": name})).await;
        }
        for sort in ["name", "-name", "-createdAt", "employeeCount"] {
            let part = format!("{CUSTOMERS}?limit=1&sort={sort}&cursor=");
            let cursor = other.get(&part).await.is(200)["meta"]["nextCursor"].clone();
            let answer = acme.get(&format!("{part}{}", cursor.as_str().unwrap())).await.is(200);
            assert!(!answer["data"].to_string().contains("Hidden"), "{answer}");
        }
    }

    async fn the_same_words_are_free_in_every_tenant(server: &TestServer) {
        let (acme, other) = (server.owner("acme").await, server.owner("other").await);
        furnish(&other).await;
        furnish(&acme).await;
        let answer = acme.post(TAGS, json!({"name": "theirs"})).await;
        let message = answer.fails(409, "DUPLICATE").to_string();
        assert!(!message.contains(&other.tenant) && !message.contains("_key"), "{message}");
    }

    /// Being at home in both opens no way between them.
    async fn a_member_of_two_tenants_carries_nothing_from_one_to_the_other(server: &TestServer) {
        let (acme, other) = (server.owner("acme").await, server.owner("other").await);
        let things = furnish(&other).await;
        server.join(&other, acme.user.parse().unwrap(), BuiltIn::Owner).await;
        let there = acme.with("X-Tenant-ID", &other.tenant);
        let path = format!("{CUSTOMERS}/{}", things.live);
        let theirs = there.get(&path).await.data();
        acme.get(&path).await.fails(404, "NOT_FOUND");
        acme.patch(&path, json!({"city": "Kiel"})).await.fails(404, "NOT_FOUND");
        acme.post(CUSTOMERS, json!({"companyName": "A", "tags": [things.tag]})).await.is(422);
        acme.post(CUSTOMERS, json!({"companyName": "A", "assignedTo": other.user})).await.is(422);
        // The path decides where both are there, and either way only one of them.
        let mixed = acme.with("X-Tenant-ID", &acme.tenant);
        let inside = format!("/api/v1/tenants/{}/customers/{}", other.tenant, things.live);
        assert_eq!(mixed.get(&inside).await.data(), theirs);
        let inside = format!("/api/v1/tenants/{}/customers/{}", acme.tenant, things.live);
        there.get(&inside).await.fails(404, "NOT_FOUND");
        assert_eq!(acme.get(CUSTOMERS).await.is(200)["meta"]["total"], 0);
    }
}
