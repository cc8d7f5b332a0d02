//! Many records changed by one request: each as if it were changed alone.

use std::sync::atomic::Ordering;

use crm_core::access::BuiltIn;
use serde_json::{Value, json};

use crate::support::{Backend, Person, TestServer, for_each_store};

const CUSTOMERS: &str = "/api/v1/customers";
const DELETE: &str = "/api/v1/customers/bulk/delete";
const UPDATE: &str = "/api/v1/customers/bulk/update";
const ASSIGN: &str = "/api/v1/customers/bulk/assign";
const TAG: &str = "/api/v1/customers/bulk/tag";
const TAGS: &str = "/api/v1/customers/tags";
const NOBODYS: &str = "0197d8a0-0000-7000-8000-000000000000";

async fn made(person: &Person, path: &str, input: Value) -> String {
    let answer = person.post(path, input).await;
    answer.is(201);
    answer.data()["id"].as_str().unwrap().to_owned()
}

async fn named(person: &Person, names: &[&str]) -> Vec<String> {
    let mut ids = Vec::new();
    for name in names {
        ids.push(made(person, CUSTOMERS, json!({"companyName": name, "city": "Kiel"})).await);
    }
    ids
}

/// The outcomes, and the code of the first error of each.
fn outcomes(data: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let each = |one: &Value| (text(&one["outcome"]), text(&one["errors"][0]["code"]));
    data["results"].as_array().unwrap().iter().map(each).collect()
}

fn expected(outcomes: &[(&str, &str)]) -> Vec<(String, String)> {
    outcomes.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
}

for_each_store! {
    async fn each_record_is_answered_for(server: &TestServer) {
        let owner = server.owner("acme").await;
        let ids = named(&owner, &["A", "B", "C"]).await;
        owner.patch(&format!("{CUSTOMERS}/{}", ids[1]), json!({"city": "Bonn"})).await.is(200);
        let body = json!({
            "ids": [ids[0], ids[1], NOBODYS, ids[2], ids[0]],
            "versions": {ids[2].as_str(): 7},
            "changes": {"city": "Bonn"}
        });
        let data = owner.post(UPDATE, body).await.data();
        let became = [("changed", ""), ("unchanged", ""), ("failed", "NOT_FOUND"), ("failed", "STALE_VERSION")];
        assert_eq!(outcomes(&data), expected(&became));
        assert_eq!((&data["changed"], &data["unchanged"], &data["failed"]), (&json!(1), &json!(1), &json!(2)));
        assert_eq!(data["results"][0]["version"], 2);
        assert_eq!(data["results"][2]["id"], NOBODYS);
        // What no rule allows is told of each record, with its field.
        let data = owner.post(UPDATE, json!({"ids": ids, "changes": {"email": "x", "employeeCount": -1}})).await.data();
        assert_eq!(data["failed"], 3);
        let fields: Vec<_> = data["results"][0]["errors"].as_array().unwrap().iter().map(|e| e["field"].clone()).collect();
        assert_eq!(fields, ["email", "employeeCount"]);

        let data = owner.post(DELETE, json!({"ids": [ids[0], ids[1]]})).await.data();
        assert_eq!(outcomes(&data), expected(&[("changed", ""), ("changed", "")]));
        let data = owner.post(DELETE, json!({"ids": [ids[0], ids[2]]})).await.data();
        assert_eq!(outcomes(&data), expected(&[("failed", "NOT_FOUND"), ("changed", "")]));
        assert_eq!(owner.get(CUSTOMERS).await.is(200)["meta"]["total"], 0);
        owner.post(&format!("{CUSTOMERS}/{}/restore", ids[0]), json!({})).await.is(200);
    }

    async fn a_filter_chooses_as_a_list_does(server: &TestServer) {
        let owner = server.owner("acme").await;
        let ids = named(&owner, &["Alfa", "Bravo", "Charlie"]).await;
        let vip = made(&owner, TAGS, json!({"name": "vip"})).await;
        let data = owner.post(TAG, json!({"ids": [ids[0]], "add": ["VIP"]})).await.data();
        assert_eq!(data["changed"], 1);
        for filter in [json!("tags:vip"), json!({"tags": "vip"}), json!({"tags": [vip]}), json!({"search": "alf"}),
            json!({"name": ["Alfa", "no, nobody"]}), json!("name = \"Alfa\" AND city = \"Kiel\"")] {
            let data = owner.post(UPDATE, json!({"filter": filter, "changes": {"notes": filter.to_string()}})).await.data();
            assert_eq!(outcomes(&data), expected(&[("changed", "")]), "{filter}");
            assert_eq!(data["results"][0]["id"], ids[0].as_str(), "{filter}");
        }
        let data = owner.post(DELETE, json!({"filter": {"name[ne]": "Alfa"}})).await.data();
        assert_eq!(data["changed"], 2);
        assert_eq!(owner.get(CUSTOMERS).await.data()[0]["id"], ids[0].as_str());
        let data = owner.post(DELETE, json!({"filter": {"city": "Nowhere"}})).await.data();
        assert_eq!(data["results"], json!([]));
    }

    async fn what_chooses_nothing_or_cannot_be_read_changes_nothing(server: &TestServer) {
        let owner = server.owner("acme").await;
        let ids = named(&owner, &["A"]).await;
        let one = ids[0].as_str();
        for (body, status, code, field) in [
            (json!({}), 422, "REQUIRED", "ids"),
            (json!({"ids": []}), 422, "REQUIRED", "ids"),
            (json!({"ids": [one], "filter": "city = \"Kiel\""}), 422, "CONTRADICTION", "filter"),
            (json!({"filter": ""}), 422, "REQUIRED", "filter"),
            (json!({"filter": {}}), 422, "REQUIRED", "filter"),
            (json!({"filter": {"search": " "}}), 422, "REQUIRED", "filter"),
            (json!({"filter": {"limit": 1}}), 400, "NOT_FILTERABLE", "filter.limit"),
            (json!({"filter": {"includeDeleted": true}}), 400, "NOT_FILTERABLE", "filter.includeDeleted"),
            (json!({"filter": {"colour": "red"}}), 400, "UNKNOWN_PARAMETER", "colour"),
            (json!({"filter": "colour = red"}), 400, "UNKNOWN_FIELD", "filter"),
            (json!({"filter": 7}), 400, "INVALID_VALUE", "filter"),
            (json!({"ids": ["x"]}), 400, "INVALID_VALUE", "ids[0]"),
            (json!({"ids": [one], "versions": {NOBODYS: 1}}), 422, "INVALID_KEY", &*format!("versions.{NOBODYS}")),
            (json!({"ids": [one], "colour": 1}), 400, "UNKNOWN_FIELD", "colour"),
        ] {
            for (path, more) in [(DELETE, None), (UPDATE, Some(("changes", json!({"city": "Bonn"})))), (TAG, Some(("set", json!([]))))] {
                let mut body = body.clone();
                if let Some((name, value)) = more {
                    body[name] = value;
                }
                let refused = owner.post(path, body.clone()).await;
                let refused = refused.fails(status, code);
                assert_eq!(refused["errors"][0]["field"], field, "{path} {body}");
            }
        }
        for (path, more, status, field) in [
            (UPDATE, json!({"changes": {"colour": 1}}), 400, "changes.colour"),
            (UPDATE, json!({"changes": {"city": 1}}), 400, "changes.city"),
            (UPDATE, json!({"changes": {"version": 1}}), 400, "changes.version"),
            (UPDATE, json!({"changes": []}), 400, "changes"),
            (UPDATE, json!({}), 400, "changes"),
            (ASSIGN, json!({}), 422, "assignedTo"),
            (TAG, json!({}), 422, "add"),
            (TAG, json!({"add": ["nobody"]}), 422, "add"),
            (TAG, json!({"add": [NOBODYS], "set": []}), 422, "set"),
        ] {
            let mut body = more.clone();
            body["ids"] = json!([one]);
            let refused = owner.post(path, body).await.is(status);
            assert_eq!(refused["errors"][0]["field"], field, "{path} {more}");
        }
        let shown = owner.get(&format!("{CUSTOMERS}/{one}")).await.data();
        assert_eq!((&shown["version"], &shown["city"]), (&json!(1), &json!("Kiel")));
        let many: Vec<String> = (0..10_001).map(|i| format!("0197d8a0-0000-7000-8000-{i:012}")).collect();
        owner.post(DELETE, json!({"ids": many})).await.fails(422, "LIMIT_EXCEEDED");
        owner.post(DELETE, json!({"ids": many[..501], "atomic": true})).await.fails(422, "LIMIT_EXCEEDED");
    }

    async fn all_or_none_where_that_is_asked_for(server: &TestServer) {
        let owner = server.owner("acme").await;
        let ids = named(&owner, &["A", "B"]).await;
        let changes = json!({"city": "Bonn"});
        let refused = owner.post(UPDATE, json!({"ids": [ids[0], NOBODYS, ids[1]], "changes": changes, "atomic": true})).await;
        let refused = refused.fails(404, "NOT_FOUND");
        assert_eq!(refused["errors"][0]["field"], "ids[1]");
        let body = json!({"ids": ids, "versions": {ids[1].as_str(): 9}, "changes": changes, "atomic": true});
        let refused = owner.post(UPDATE, body).await.fails(412, "STALE_VERSION");
        assert_eq!(refused["errors"][0]["field"], "ids[1]");
        let refused = owner.post(UPDATE, json!({"filter": {"name": "B"}, "changes": {"email": "x"}, "atomic": true})).await;
        assert_eq!(refused.fails(422, "INVALID_EMAIL")["errors"][0]["field"], format!("{}.email", ids[1]));
        let refused = owner.post(UPDATE, json!({"ids": ids, "changes": {"email": "x"}, "atomic": true})).await;
        let refused = refused.fails(422, "INVALID_EMAIL");
        assert_eq!(refused["errors"][1]["field"], "ids[1].email");
        for id in &ids {
            assert_eq!(owner.get(&format!("{CUSTOMERS}/{id}")).await.data()["version"], 1);
        }
        let data = owner.post(UPDATE, json!({"ids": ids, "changes": changes, "atomic": true})).await.data();
        assert_eq!(data["changed"], 2);
        // Two tags cannot have one name: all or none, and otherwise the first.
        let one = made(&owner, TAGS, json!({"name": "one"})).await;
        let two = made(&owner, TAGS, json!({"name": "two"})).await;
        let path = format!("{TAGS}/bulk/update");
        let body = json!({"ids": [one, two], "changes": {"name": "same"}, "atomic": true});
        let refused = owner.post(&path, body).await.fails(409, "DUPLICATE");
        assert_eq!(refused["errors"][0]["field"], "ids[1].name");
        assert_eq!(owner.get(&format!("{TAGS}/{one}")).await.data()["name"], "one");
        let data = owner.post(&path, json!({"ids": [one, two], "changes": {"name": "same"}})).await.data();
        assert_eq!(outcomes(&data), expected(&[("changed", ""), ("failed", "DUPLICATE")]));
    }

    async fn reach_counts_for_each_record_and_tells_nothing_of_others(server: &TestServer) {
        let (owner, other) = (server.owner("acme").await, server.owner("other").await);
        let rep = server.colleague(&owner, BuiltIn::SalesRep).await;
        let user = server.colleague(&owner, BuiltIn::User).await;
        let readonly = server.colleague(&owner, BuiltIn::Readonly).await;
        let own = made(&owner, CUSTOMERS, json!({"companyName": "Own", "assignedTo": user.user})).await;
        let hidden = made(&owner, CUSTOMERS, json!({"companyName": "Hidden", "assignedTo": owner.user})).await;
        let foreign = made(&other, CUSTOMERS, json!({"companyName": "Foreign"})).await;
        let changes = json!({"city": "Bonn"});
        for (path, more) in [(UPDATE, json!({"changes": changes})), (ASSIGN, json!({"assignedTo": user.user})), (DELETE, json!({}))] {
            let mut body = more.clone();
            body["ids"] = json!([foreign, hidden, NOBODYS]);
            let data = user.post(path, body).await.data();
            let told: Vec<String> = data["results"].as_array().unwrap().iter()
                .map(|one| one.to_string().replace(one["id"].as_str().unwrap(), "…")).collect();
            assert!(told[0] == told[2] && told[1] == told[2], "{path} {told:?}");
            assert_eq!(data["failed"], 3, "{path}");
        }
        // Nobody can give a record out of their own sight.
        let data = user.post(ASSIGN, json!({"ids": [own], "assignedTo": owner.user})).await.data();
        assert_eq!(outcomes(&data), expected(&[("failed", "FORBIDDEN")]));
        let data = user.post(UPDATE, json!({"filter": "version >= 1", "changes": changes})).await.data();
        assert_eq!(data["results"].as_array().unwrap().len(), 1);
        assert_eq!(data["results"][0]["id"], own.as_str());
        rep.post(DELETE, json!({"ids": [own]})).await.fails(403, "FORBIDDEN");
        readonly.post(UPDATE, json!({"ids": [own], "changes": changes})).await.fails(403, "FORBIDDEN");
        assert_eq!(owner.get(&format!("{CUSTOMERS}/{hidden}")).await.data()["version"], 1);
        assert_eq!(other.get(&format!("{CUSTOMERS}/{foreign}")).await.data()["version"], 1);
        // Another tenant's tags and people are none.
        let strange = made(&other, TAGS, json!({"name": "strange"})).await;
        let data = owner.post(TAG, json!({"ids": [own], "add": [strange]})).await.data();
        assert_eq!(outcomes(&data), expected(&[("failed", "UNKNOWN_TAG")]));
        let data = owner.post(ASSIGN, json!({"ids": [own], "assignedTo": other.user})).await.data();
        assert_eq!(outcomes(&data), expected(&[("failed", "UNKNOWN_USER")]));
    }

    async fn tags_come_and_go_and_customers_change_hands(server: &TestServer) {
        let owner = server.owner("acme").await;
        let ids = named(&owner, &["A", "B"]).await;
        let mut tags = Vec::new();
        for name in ["a", "b", "c"] {
            tags.push(made(&owner, TAGS, json!({"name": name})).await);
        }
        let shown = async |id: &str| {
            let data = owner.get(&format!("{CUSTOMERS}/{id}")).await.data();
            let names = data["tags"].as_array().unwrap().iter().map(|tag| tag["name"].as_str().unwrap().to_owned());
            names.collect::<Vec<_>>().join("")
        };
        owner.post(TAG, json!({"ids": [ids[0]], "set": ["a", tags[1]]})).await.is(200);
        let data = owner.post(TAG, json!({"ids": ids, "add": ["b", "c"], "remove": ["a"]})).await.data();
        assert_eq!(data["changed"], 2);
        assert_eq!((shown(&ids[0]).await, shown(&ids[1]).await), ("bc".to_owned(), "bc".to_owned()));
        let data = owner.post(TAG, json!({"ids": ids, "add": ["c"]})).await.data();
        assert_eq!(data["unchanged"], 2);
        owner.post(TAG, json!({"ids": ids, "set": []})).await.is(200);
        assert_eq!(shown(&ids[0]).await, "");
        owner.post(ASSIGN, json!({"ids": ids, "assignedTo": owner.user})).await.is(200);
        assert_eq!(owner.get(&format!("{CUSTOMERS}/{}", ids[1])).await.data()["assignedTo"], owner.user.as_str());
        owner.post(ASSIGN, json!({"ids": ids, "assignedTo": null})).await.is(200);
        assert_eq!(owner.get(&format!("{CUSTOMERS}/{}", ids[1])).await.data()["assignedTo"], Value::Null);
    }

    async fn people_are_changed_many_at_once_and_exported_by_those_who_may(server: &TestServer) {
        const USERS: &str = "/api/v1/users/bulk-update";
        let owner = server.owner("acme").await;
        let one = server.colleague(&owner, BuiltIn::User).await;
        let two = server.colleague(&owner, BuiltIn::User).await;
        let ids = json!([one.user, two.user]);
        let data = owner.post(USERS, json!({"ids": ids, "changes": {"title": "Rep"}})).await.data();
        assert_eq!((&data["changed"], &data["failed"]), (&json!(2), &json!(0)), "{data}");
        let shown = owner.get(&format!("/api/v1/users/{}", two.user)).await.data();
        assert_eq!((&shown["title"], &shown["roles"]), (&json!("Rep"), &json!(["user"])));
        let refused = owner.post(USERS, json!({"ids": ids, "changes": {"email": "x@y.example"}})).await;
        assert_eq!(refused.fails(400, "UNKNOWN_FIELD")["errors"][0]["field"], "changes.email");
        // Before the next request, who may do what is as it is now.
        one.get(CUSTOMERS).await.is(200);
        one.post(CUSTOMERS, json!({"companyName": "A"})).await.is(201);
        let filter = json!({"roles": "user"});
        let data = owner.post(USERS, json!({"filter": filter, "changes": {"roles": ["readonly"]}})).await.data();
        assert_eq!(data["changed"], 2, "{data}");
        one.post(CUSTOMERS, json!({"companyName": "B"})).await.fails(403, "FORBIDDEN");
        one.post(USERS, json!({"ids": ids, "changes": {"title": "Boss"}})).await.fails(403, "FORBIDDEN");
        let data = owner.post(USERS, json!({"ids": [owner.user], "changes": {"roles": ["user"]}})).await.data();
        assert_eq!(outcomes(&data), expected(&[("failed", "LAST_OWNER")]));

        let file = owner.get("/api/v1/users/export?fields=email,roles&sort=email").await;
        let text = String::from_utf8(file.bytes.to_vec()).unwrap();
        assert!(text.starts_with("email,roles\r\n") && text.contains(&one.email), "{text}");
        assert_eq!(text.lines().count(), 4);
        let all = owner.get("/api/v1/users/export").await;
        assert!(!String::from_utf8_lossy(&all.bytes).to_lowercase().contains("password"));
        one.get("/api/v1/users/export").await.fails(403, "FORBIDDEN");
    }

    async fn a_bulk_change_happens_once_under_a_key(server: &TestServer) {
        let owner = server.owner("acme").await;
        let ids = named(&owner, &["A", "B"]).await;
        let caller = owner.with("Idempotency-Key", "bulk");
        let answers = futures::future::join_all((0..6).map(|_| caller.post(DELETE, json!({"ids": ids})))).await;
        for answer in &answers {
            assert_eq!(answer.data()["changed"], 2, "deleted once, told six times");
        }
    }
}

/// In batches, each with the log of its records; and where somebody is faster, one by one.
#[tokio::test]
async fn many_records_are_few_commits_and_each_has_its_entry_in_the_log() {
    for backend in [Backend::Memory, Backend::Postgres] {
        let (server, watched) = TestServer::watched(backend).await;
        let owner = server.owner("acme").await;
        let mut ids = Vec::new();
        for i in 0..503 {
            ids.push(made(&owner, CUSTOMERS, json!({"companyName": format!("C{i}")})).await);
        }
        watched.commits();
        watched.audited();
        watched.events();
        let before = watched.asked();
        let data =
            owner.post(UPDATE, json!({"ids": ids, "changes": {"city": "Kiel"}})).await.data();
        assert_eq!(data["changed"], 503);
        assert_eq!(watched.commits(), [500, 3]);
        assert_eq!(watched.asked() - before, 4, "read and written, twice");
        let events = watched.events();
        assert!(events.len() == 503 && events.iter().all(|(kind, _)| kind == "customers.updated"));
        assert!(events.iter().zip(&ids).all(|((_, record), id)| record.to_string() == *id));
        let audited = watched.audited();
        assert_eq!(audited.len(), 503);
        for (entry, id) in audited.iter().zip(&ids) {
            assert_eq!((entry.action.as_str(), entry.record.to_string()), ("updated", id.clone()));
            assert_eq!(entry.changes, json!({"city": {"to": "Kiel"}}));
        }
        // A store that goes away half-way: what was done is told, and what was not.
        watched.lists_left.store(2, Ordering::Relaxed);
        let data = owner.post(DELETE, json!({"ids": ids})).await.data();
        watched.lists_left.store(usize::MAX, Ordering::Relaxed);
        assert_eq!((&data["changed"], &data["failed"]), (&json!(503), &json!(0)));
        owner.get(CUSTOMERS).await.is(200);
        let mut ids = named(&owner, &["A", "B"]).await;
        ids.extend((0..500).map(|i| format!("0197d8a0-0000-7000-8000-{i:012}")));
        watched.lists_left.store(1, Ordering::Relaxed);
        let data = owner.post(DELETE, json!({"ids": ids})).await.data();
        watched.lists_left.store(usize::MAX, Ordering::Relaxed);
        assert_eq!((&data["changed"], &data["failed"]), (&json!(2), &json!(500)));
        assert_eq!(data["results"][501]["errors"][0]["code"], "UNAVAILABLE");
        server.stop().await;
    }
}
