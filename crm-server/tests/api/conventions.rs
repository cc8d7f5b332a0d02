//! What holds for the records of every type: a new one is tested by being there.

use std::collections::BTreeSet;

use crm_core::access::BuiltIn;
use hyper::Method;
use serde_json::{Value, json};

use crate::support::{Kept, Person, SAMPLES, TestServer, document, for_each_store, resolve};

/// The paths of the types that the generic controller serves.
fn resources() -> BTreeSet<String> {
    let paths = document()["paths"].as_object().unwrap();
    let of = |path: &String| path.strip_suffix("/bulk/delete").map(str::to_owned);
    paths.keys().filter_map(of).collect()
}

/// Every type, each in a tenant of its own.
async fn all(server: &TestServer) -> Vec<Kept> {
    let mut kept = Vec::new();
    for (number, sample) in SAMPLES.iter().enumerate() {
        kept.push(Kept::by(server.owner(&format!("acme{number}")).await, sample).await);
    }
    kept
}

async fn made(of: &Kept, number: usize, word: &str) -> Value {
    let answer = of.owner.post(&of.base, of.input(number, word)).await;
    let body = answer.is(201);
    let id = body["data"]["id"].as_str().unwrap();
    assert_eq!(answer.header("location"), format!("{}/{id}", of.base));
    assert_eq!(answer.header("etag"), "\"1\"");
    body["data"].clone()
}

fn path(base: &str, record: &Value) -> String {
    format!("{base}/{}", record["id"].as_str().unwrap())
}

/// Whether what is shown is what was written; more may be shown.
fn holds(shown: &Value, written: &Value) -> bool {
    match (shown, written) {
        (Value::Object(shown), Value::Object(written)) => {
            written.iter().all(|(name, value)| shown.get(name).is_some_and(|s| holds(s, value)))
        }
        (Value::Array(shown), Value::Array(written)) => {
            shown.len() == written.len() && shown.iter().zip(written).all(|(s, w)| holds(s, w))
        }
        (shown, written) => shown == written,
    }
}

/// A text within a query.
fn escaped(text: &str) -> String {
    text.bytes().map(|octet| format!("%{octet:02X}")).collect()
}

async fn total(owner: &Person, base: &str, query: &str) -> u64 {
    let answer = owner.get(&format!("{base}?limit=1&{query}")).await;
    answer.is(200)["meta"]["total"].as_u64().unwrap()
}

/// The parameters of a list, each with its name, as the document has them.
fn parameters(base: &str) -> Vec<(String, Value)> {
    let path = base.strip_prefix("/api/v1").unwrap();
    let listed = document()["paths"][path]["get"]["parameters"].as_array().unwrap();
    let each = |parameter: &Value| {
        let parameter = resolve(parameter, document());
        (parameter["name"].as_str().unwrap().to_owned(), parameter.clone())
    };
    listed.iter().map(each).collect()
}

#[test]
fn every_type_has_a_sample() {
    let known: BTreeSet<String> = SAMPLES.iter().map(|sample| sample.path.to_owned()).collect();
    assert_eq!(resources(), known, "add it to tests/api/support/samples.rs");
}

for_each_store! {
    async fn a_write_names_the_version_that_it_changes_or_none(server: &TestServer) {
        for of in all(server).await {
            let owner = &of.owner;
            let record = made(&of, 1, "one").await;
            let path = path(&of.base, &record);
            let at = |etag: &str| owner.with("If-Match", etag);
            let stale = at("\"7\"");
            let mut versioned = of.input(1, "two");
            versioned["version"] = json!(7);
            let tries = [
                stale.send(Method::PUT, &path, Some(of.input(1, "two"))).await,
                stale.send(Method::PATCH, &path, Some(of.input(1, "two"))).await,
                stale.delete(&path).await,
                owner.send(Method::PUT, &path, Some(versioned.clone())).await,
                owner.send(Method::PATCH, &path, Some(versioned.clone())).await,
            ];
            for refused in tries {
                refused.fails(412, "STALE_VERSION");
            }
            at("\"1\"").send(Method::PUT, &path, Some(versioned)).await.fails(400, "INVALID_HEADER");
            at("1").send(Method::PATCH, &path, Some(json!({}))).await.fails(400, "INVALID_HEADER");
            assert_eq!(owner.get(&path).await.data(), record, "{path} is as it was");

            let put = at("\"1\"").send(Method::PUT, &path, Some(of.input(1, "two"))).await;
            assert_eq!((put.is(200)["data"]["version"].clone(), put.header("etag")), (json!(2), "\"2\""));
            let same = at("\"2\"").send(Method::PUT, &path, Some(of.input(1, "two"))).await;
            assert_eq!(same.data()["version"], 2, "{path}: nothing changed");
            let same = owner.patch(&path, json!({})).await;
            assert_eq!(same.data()["version"], 2, "{path}: nothing changed");
            let patched = at("*").send(Method::PATCH, &path, Some(of.input(1, "three"))).await;
            assert_eq!(patched.data()["version"], 3);
            assert_eq!(owner.get(&path).await.header("etag"), "\"3\"");
            for method in [Method::PUT, Method::PATCH] {
                let unknown = owner.send(method, &path, Some(json!({"noSuchField": 1}))).await;
                unknown.fails(400, "UNKNOWN_FIELD");
            }
        }
    }

    async fn a_patch_changes_what_it_names_and_a_put_clears_what_it_does_not(server: &TestServer) {
        for of in all(server).await {
            let owner = &of.owner;
            let record = made(&of, 1, "one").await;
            let path = path(&of.base, &record);
            let input = of.input(1, "two");
            for (name, value) in input.as_object().unwrap() {
                let patched = owner.patch(&path, json!({name.as_str(): value})).await;
                assert!(holds(&patched.is(200)["data"][name], value), "{path} {name}");
            }
            let shown = owner.get(&path).await.data();
            for (name, value) in record.as_object().unwrap() {
                let own = input.as_object().unwrap().contains_key(name);
                if !own && !["version", "updatedAt", "name", "inverseName"].contains(&name.as_str()) {
                    assert_eq!(shown[name], *value, "{path} {name}");
                }
            }
            let put = owner.send(Method::PUT, &path, Some(of.input(1, "one"))).await.data();
            for (name, value) in record.as_object().unwrap() {
                if !["version", "updatedAt"].contains(&name.as_str()) {
                    assert_eq!(put[name], *value, "{path} {name}");
                }
            }
        }
    }

    async fn what_is_deleted_is_seen_and_brought_back_by_those_who_may(server: &TestServer) {
        for of in all(server).await {
            let owner = &of.owner;
            let readonly = server.colleague(owner, BuiltIn::Readonly).await;
            let base = of.base.as_str();
            let before = total(owner, base, "").await;
            assert_eq!(before, of.built_in(), "{base}");
            let record = made(&of, 1, "one").await;
            let path = path(base, &record);
            let deleted = owner.delete(&path).await.is(200)["data"].clone();
            // What a deletion asks of other records may be done, and noted, with it.
            let version = deleted["version"].as_i64().unwrap();
            assert!(deleted["deletedAt"].is_string() && version >= 2, "{deleted}");
            owner.get(&path).await.fails(404, "NOT_FOUND");
            owner.patch(&path, json!({})).await.fails(404, "NOT_FOUND");
            owner.delete(&path).await.fails(404, "NOT_FOUND");
            assert_eq!(total(owner, base, "").await, before);
            assert_eq!(total(owner, base, "includeDeleted=true").await, before + 1);
            assert_eq!(total(owner, base, "includeDeleted=only").await, 1);
            owner.get(&format!("{base}?includeDeleted=maybe")).await.fails(400, "INVALID_VALUE");
            readonly.get(base).await.is(if of.read_by_all() { 200 } else { 403 });
            readonly.get(&format!("{base}?includeDeleted=true")).await.fails(403, "FORBIDDEN");
            let restore = format!("{path}/restore");
            readonly.post(&restore, json!({})).await.fails(403, "FORBIDDEN");
            let stale = owner.with("If-Match", "\"1\"");
            stale.send(Method::POST, &restore, None).await.fails(412, "STALE_VERSION");
            let restored = owner.send(Method::POST, &restore, None).await.is(200)["data"].clone();
            assert!(restored["deletedAt"].is_null() && restored["version"] == version + 1, "{restored}");
            owner.send(Method::POST, &restore, None).await.fails(404, "NOT_FOUND");
            assert_eq!(total(owner, base, "").await, before + 1);
        }
    }

    async fn a_list_is_counted_unless_told_not_to_and_walked_by_cursor(server: &TestServer) {
        for of in all(server).await {
            let (owner, base) = (&of.owner, of.base.as_str());
            let mut ids = BTreeSet::new();
            for number in 0..5 {
                ids.insert(made(&of, number, "one").await["id"].as_str().unwrap().to_owned());
            }
            let all = 5 + of.built_in();
            let list = async |query: &str| owner.get(&format!("{base}?{query}")).await.is(200);
            let meta = list("limit=2&page=3").await["meta"].clone();
            let told = json!({"page": 3, "limit": 2, "total": all, "totalPages": all.div_ceil(2)});
            assert_eq!(meta, told, "{base}");
            let meta = list("limit=2&count=none").await["meta"].clone();
            assert_eq!(meta, json!({"page": 1, "limit": 2}), "{base}");
            assert_eq!(list("page_size=3").await["meta"]["limit"], 3, "{base}");
            let (mut seen, mut cursor, mut parts) = (BTreeSet::new(), String::new(), 0);
            loop {
                let part = list(&format!("limit=2&sort=createdAt&cursor={cursor}")).await;
                for record in part["data"].as_array().unwrap() {
                    assert!(seen.insert(record["id"].as_str().unwrap().to_owned()), "{base} twice");
                }
                assert!(part["meta"]["total"].is_null() && part["meta"]["page"].is_null());
                parts += 1;
                match part["meta"]["nextCursor"].as_str() {
                    Some(next) => cursor = next.to_owned(),
                    None => break,
                }
            }
            assert!(seen.is_superset(&ids) && seen.len() as u64 == all, "{base}");
            assert_eq!(parts, all.div_ceil(2), "{base}");
            assert_eq!(list("cursor=&count=exact&limit=1").await["meta"]["total"], all, "{base}");
            for (query, field) in [("noSuchField=1", "noSuchField"), ("noSuchField[gt]=1", "noSuchField[gt]"),
                ("id[like]=1", "id[like]"), ("sort=noSuchField", "sort"),
                ("filter=noSuchField%3D1", "filter"), ("filter=version%3D", "filter"), ("cursor=x", "cursor"),
                ("limit=201", "limit"), ("limit=0", "limit"), ("page=0", "page"), ("page=x", "page"),
                ("order=sideways", "order"), ("count=roughly", "count"), ("expand=noSuchThing", "expand"),
                ("version=one", "version"), ("createdAt[gt]=yesterday", "createdAt[gt]")] {
                let refused = owner.get(&format!("{base}?{query}")).await.is(400);
                assert_eq!(refused["errors"][0]["field"], field, "{base} {query}");
            }
        }
    }

    async fn every_condition_of_the_document_divides_the_list(server: &TestServer) {
        for of in all(server).await {
            let (owner, base) = (&of.owner, of.base.as_str());
            for number in 0..4 {
                made(&of, number, if number < 2 { "one" } else { "two" }).await;
            }
            let all = total(owner, base, "").await;
            let records = owner.get(base).await.data();
            let parameters = parameters(base);
            let (_, conditions) = parameters.iter().find(|(name, _)| name == "conditions").unwrap();
            let conditions = resolve(&conditions["schema"], document())["properties"].as_object().unwrap();
            let mut tried = 0;
            for (name, _) in conditions {
                let Some((field, operator)) = name.strip_suffix(']').and_then(|n| n.split_once('[')) else {
                    panic!("{name}")
                };
                let of_field = |operator: &str, value: &str| format!("{field}[{operator}]={}", escaped(value));
                // Something that a record has, else something that there could be.
                let has = records.as_array().unwrap().iter().find_map(|record| match &record[field] {
                    Value::String(text) => Some(text.clone()),
                    value @ (Value::Number(_) | Value::Bool(_)) => Some(value.to_string()),
                    _ => None,
                });
                let listed = parameters.iter().find(|(name, _)| name == field);
                let could = listed.map(|(_, parameter)| match &parameter["example"] {
                    Value::Array(items) => items[0].as_str().map_or(items[0].to_string(), str::to_owned),
                    value => value.as_str().map_or(value.to_string(), str::to_owned),
                });
                let Some(value) = has.or(could) else { continue };
                let count = async |query: String| total(owner, base, &query).await;
                let absent = count(format!("{field}[null]=true")).await;
                let what = format!("{base} {name}={value}");
                match operator {
                    "null" => {
                        assert_eq!(absent + count(format!("{field}[null]=false")).await, all, "{what}");
                    }
                    "eq" | "in" => {
                        let plain = count(format!("{field}[in]={}", escaped(&format!("\"{value}\"")))).await;
                        assert_eq!(count(of_field("eq", &value)).await, plain, "{what}");
                    }
                    "ne" | "none" => {
                        let quoted = escaped(&format!("\"{value}\""));
                        let with = count(format!("{field}[in]={quoted}")).await;
                        assert_eq!(with + count(format!("{field}[{operator}]={quoted}")).await, all, "{what}");
                    }
                    "gt" | "lte" => {
                        let parts = count(of_field("gt", &value)).await + count(of_field("lte", &value)).await;
                        assert_eq!(parts + absent, all, "{what}");
                    }
                    "lt" | "gte" => {
                        let parts = count(of_field("lt", &value)).await + count(of_field("gte", &value)).await;
                        assert_eq!(parts + absent, all, "{what}");
                    }
                    "contains" | "startsWith" | "all" => {
                        let within = count(of_field(operator, &value)).await;
                        assert!(within >= count(of_field("eq", &value)).await && within <= all, "{what}");
                    }
                    other => panic!("what does {other} mean?"),
                }
                tried += 1;
            }
            assert!(tried >= 20, "{base}: {tried} of {}", conditions.len());
        }
    }

    async fn the_empty_text_is_a_value_alone_and_none_in_a_list(server: &TestServer) {
        let mut tried = 0;
        for of in all(server).await {
            let (owner, base) = (&of.owner, of.base.as_str());
            made(&of, 1, "one").await;
            for (name, parameter) in parameters(base) {
                let schema = &parameter["schema"]["items"];
                let is_text = schema["type"] == "string" && schema["format"].is_null();
                if !is_text || schema["pattern"].is_string() || name == "expand" {
                    continue;
                }
                for empty in [format!("{name}="), format!("{name}[in]="), format!("{name}[ne]=,")] {
                    owner.get(&format!("{base}?{empty}")).await.fails(400, "INVALID_VALUE");
                }
                let conditions = parameters(base).into_iter().find(|(name, _)| name == "conditions");
                let conditions = conditions.unwrap().1;
                let conditions = &resolve(&conditions["schema"], document())["properties"];
                // Texts of a form of their own, as addresses have, have no empty one.
                let alone = owner.get(&format!("{base}?{name}[eq]=")).await;
                if alone.status != 200 {
                    alone.fails(400, "INVALID_VALUE");
                    continue;
                }
                let there = total(owner, base, &format!("{name}[null]=false")).await;
                for (suffix, expected) in
                    [("eq", 0), ("contains", there), ("startsWith", there), ("gte", there), ("lt", 0)]
                {
                    let condition = &conditions[format!("{name}[{suffix}]")];
                    if condition["type"] != "string" {
                        continue;
                    }
                    assert!(condition["minLength"].is_null(), "{base} {name}[{suffix}]");
                    let found = total(owner, base, &format!("{name}[{suffix}]=")).await;
                    assert_eq!(found, expected, "{base} {name}[{suffix}]=");
                    tried += 1;
                }
            }
        }
        assert!(tried > 30, "{tried}");
    }

    async fn a_list_is_in_the_same_order_by_page_and_by_cursor(server: &TestServer) {
        for of in all(server).await {
            let (owner, base) = (&of.owner, of.base.as_str());
            for number in [2, 0, 3, 1] {
                made(&of, number, if number < 2 { "one" } else { "two" }).await;
            }
            let parameters = parameters(base);
            let (_, sort) = parameters.iter().find(|(name, _)| name == "sort").unwrap();
            let pattern = sort["schema"]["items"]["pattern"].as_str().unwrap();
            let fields = pattern.trim_start_matches("^-?(").trim_end_matches(")$").split('|');
            let fields: Vec<&str> = fields.filter(|field| !field.contains('\\')).collect();
            assert!(fields.len() >= 4, "{pattern}");
            let ids = |body: &Value| -> Vec<String> {
                let each = body["data"].as_array().unwrap().iter();
                each.map(|record| record["id"].as_str().unwrap().to_owned()).collect()
            };
            for sort in fields.iter().flat_map(|field| [(*field).to_owned(), format!("-{field}")]) {
                let whole = ids(&owner.get(&format!("{base}?sort={sort}")).await.is(200));
                let plain = sort.trim_start_matches('-');
                let direction = if plain == sort { "asc" } else { "desc" };
                let other = owner.get(&format!("{base}?sort={plain}&order={direction}")).await;
                assert_eq!(ids(&other.is(200)), whole, "{base} {sort}");
                let ordering = owner.get(&format!("{base}?ordering={sort}")).await;
                assert_eq!(ids(&ordering.is(200)), whole, "{base} {sort}");
                let (mut walked, mut cursor) = (Vec::new(), String::new());
                loop {
                    let part = owner.get(&format!("{base}?sort={sort}&limit=3&cursor={cursor}")).await.is(200);
                    walked.extend(ids(&part));
                    match part["meta"]["nextCursor"].as_str() {
                        Some(next) => cursor = next.to_owned(),
                        None => break,
                    }
                }
                assert_eq!(walked, whole, "{base} {sort}");
            }
        }
    }

    async fn all_of_a_list_is_a_file(server: &TestServer) {
        for of in all(server).await {
            let (owner, base) = (&of.owner, of.base.as_str());
            let readonly = server.colleague(owner, BuiltIn::Readonly).await;
            for number in 0..3 {
                made(&of, number, "one").await;
            }
            let json = owner.get(&format!("{base}/export?format=json&sort=createdAt")).await;
            let list = owner.get(&format!("{base}?sort=createdAt")).await.data();
            assert_eq!(json.json(), list, "{base}");
            for format in ["csv", "xlsx"] {
                let file = owner.get(&format!("{base}/export?format={format}")).await;
                assert_eq!(file.status, 200, "{base}");
                let name = format!(".{format}\"");
                assert!(file.header("content-disposition").ends_with(&name), "{base}");
            }
            let csv = owner.get(&format!("{base}/export?fields=id")).await;
            let lines = String::from_utf8_lossy(&csv.bytes).lines().count();
            assert_eq!(lines as u64, 4 + of.built_in(), "{base}");
            for query in ["noSuchField=1", "page=2", "limit=5", "fields=noSuchField", "format=pdf"] {
                owner.get(&format!("{base}/export?{query}")).await.is(400);
            }
            readonly.get(&format!("{base}/export")).await.fails(403, "FORBIDDEN");
        }
    }

    async fn many_are_changed_at_once(server: &TestServer) {
        for of in all(server).await {
            let (owner, base) = (&of.owner, of.base.as_str());
            let readonly = server.colleague(owner, BuiltIn::Readonly).await;
            let mut ids = Vec::new();
            for number in 0..3 {
                ids.push(made(&of, number, "one").await["id"].clone());
            }
            // A word that all can have: the sample of one is a patch of that one.
            let (update, delete) = (format!("{base}/bulk/update"), format!("{base}/bulk/delete"));
            let body = json!({"ids": [ids[0]], "changes": of.input(0, "two")});
            readonly.post(&update, body.clone()).await.fails(403, "FORBIDDEN");
            let data = owner.post(&update, body.clone()).await.data();
            assert_eq!((&data["changed"], &data["results"][0]["version"]), (&json!(1), &json!(2)), "{base} {data}");
            let data = owner.post(&update, body).await.data();
            assert_eq!((&data["unchanged"], &data["results"][0]["version"]), (&json!(1), &json!(2)), "{base} {data}");
            for nothing in [json!({}), json!({"filter": {}}), json!({"filter": ""}), json!({"ids": []})] {
                owner.post(&delete, nothing).await.fails(422, "REQUIRED");
            }
            readonly.post(&delete, json!({"ids": ids})).await.fails(403, "FORBIDDEN");
            let data = owner.post(&delete, json!({"filter": {"id": [ids[0]]}})).await.data();
            assert_eq!((&data["changed"], &data["results"][0]["id"]), (&json!(1), &ids[0]), "{base} {data}");
            let data = owner.post(&delete, json!({"ids": ids[1..], "atomic": true})).await.data();
            assert_eq!(data["changed"], 2, "{base} {data}");
            assert_eq!(total(owner, base, "").await, of.built_in(), "{base}");
        }
    }

    async fn a_creation_happens_once_under_a_key(server: &TestServer) {
        for of in all(server).await {
            let caller = of.owner.with("Idempotency-Key", &of.base);
            let first = caller.post(&of.base, of.input(1, "one")).await;
            first.is(201);
            let again = caller.post(&of.base, of.input(1, "one")).await;
            assert_eq!((again.status, &again.bytes), (first.status, &first.bytes), "{}", of.base);
            assert_eq!(again.header("idempotency-replayed"), "true", "{}", of.base);
            caller.post(&of.base, of.input(1, "two")).await.fails(422, "IDEMPOTENCY_KEY_REUSED");
        }
    }
}
