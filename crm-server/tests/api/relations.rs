//! `/relations`: links between records, their kinds, and what must not be learned through them.

use crm_core::access::BuiltIn;
use serde_json::{Value, json};

use crate::support::{Person, TestServer, for_each_store};

const PATH: &str = "/api/v1/relations";
const KINDS: &str = "/api/v1/relations/kinds";
const CUSTOMERS: &str = "/api/v1/customers";
const COMPANIES: &str = "/api/v1/companies";
const NOBODYS: &str = "0197d8a0-0000-7000-8000-000000000000";

async fn made(person: &Person, base: &str, input: Value) -> Value {
    let answer = person.post(base, input).await;
    answer.is(201);
    answer.data()
}

async fn company(person: &Person, name: &str) -> String {
    id(&made(person, COMPANIES, json!({"name": name, "assignedTo": person.user})).await)
}

async fn customer(person: &Person, name: &str) -> String {
    id(&made(person, CUSTOMERS, json!({"companyName": name, "assignedTo": person.user})).await)
}

fn id(record: &Value) -> String {
    record["id"].as_str().unwrap().to_owned()
}

fn link(kind: &str, from: (&str, &str), to: (&str, &str)) -> Value {
    let end = |(of, id): (&str, &str)| json!({"type": of, "id": id});
    json!({"kind": kind, "from": end(from), "to": end(to)})
}

fn employs(company: &str, customer: &str) -> Value {
    link("employs", ("companies", company), ("customers", customer))
}

async fn total(person: &Person, query: &str) -> u64 {
    let body = person.get(&format!("{PATH}?{query}")).await.is(200);
    let total = body["meta"]["total"].as_u64().unwrap();
    assert_eq!(body["data"].as_array().unwrap().len() as u64, total, "{query}: {body}");
    total
}

for_each_store! {
    async fn a_relation_goes_through_its_life_by_the_path_with_the_tenant_in_it(server: &TestServer) {
        let owner = server.owner("acme").await;
        let (acme, ada) = (company(&owner, "Acme").await, customer(&owner, "Ada").await);
        let base = format!("/api/tenant/{}/relations", owner.tenant);
        let mut input = employs(&acme, &ada);
        input["attributes"] = json!({"since": "2020-01-01", "share": 12.5});
        let answer = owner.post(&base, input.clone()).await;
        answer.is(201);
        let relation = answer.data();
        let path = format!("{PATH}/{}", id(&relation));
        assert_eq!((answer.header("location"), answer.header("etag")), (path.as_str(), "\"1\""));
        assert_eq!(relation["from"], json!({"type": "companies", "id": acme, "title": "Acme"}));
        assert_eq!(relation["to"], json!({"type": "customers", "id": ada, "title": "Ada"}));
        assert_eq!((&relation["name"], &relation["inverseName"]), (&json!("employs"), &json!("is employed by")));
        assert_eq!(relation["attributes"], input["attributes"]);
        assert_eq!(relation["createdBy"], owner.user.as_str());
        let at = format!("{base}/{}", id(&relation));
        assert_eq!(owner.get(&at).await.data(), relation);
        assert_eq!(owner.get(&base).await.is(200)["data"][0], relation);
        let patched = owner.patch(&at, json!({"attributes": {"share": null, "team": {"a": 1}}})).await.data();
        assert_eq!(patched["attributes"], json!({"since": "2020-01-01", "team": {"a": 1}}));
        input["attributes"] = Value::Null;
        input["kind"] = json!("supplies");
        let replaced = owner.put(&at, input.clone()).await.data();
        assert_eq!((&replaced["attributes"], &replaced["kind"], &replaced["version"]), (&json!({}), &json!("supplies"), &json!(3)));
        owner.with("If-Match", "\"1\"").put(&at, input).await.fails(412, "STALE_VERSION");
        owner.delete(&at).await.is(200);
        owner.get(&at).await.fails(404, "NOT_FOUND");
        assert_eq!(total(&owner, "").await, 0);
        owner.post(&format!("{at}/restore"), json!({})).await.is(200);
        assert_eq!(total(&owner, "").await, 1);
    }

    async fn a_list_by_record_says_how_that_record_sees_it(server: &TestServer) {
        let owner = server.owner("acme").await;
        let (acme, ada) = (company(&owner, "Acme").await, customer(&owner, "Ada").await);
        made(&owner, PATH, employs(&acme, &ada)).await;
        made(&owner, PATH, link("partner_of", ("companies", &acme), ("users", &owner.user))).await;
        let seen = async |record: String| {
            let body = owner.get(&format!("{PATH}?record={record}&kind=employs")).await.is(200);
            body["data"][0]["seen"].clone()
        };
        assert_eq!(seen(format!("companies:{acme}")).await, json!({
            "direction": "outgoing", "name": "employs",
            "other": {"type": "customers", "id": ada, "title": "Ada"}
        }));
        assert_eq!(seen(format!("customers:{ada}")).await, json!({
            "direction": "incoming", "name": "is employed by",
            "other": {"type": "companies", "id": acme, "title": "Acme"}
        }));
        for (query, count) in [
            (format!("record=companies:{acme}"), 2),
            (format!("record=users:{}", owner.user), 1),
            (format!("from=companies:{acme}"), 2),
            (format!("to=companies:{acme}"), 0),
            (format!("from=companies:{acme}&to=customers:{ada}"), 1),
            (format!("record=customers:{acme}"), 0),
            (format!("toId={ada}"), 1),
            ("kind=employs,partner_of".to_owned(), 2),
            ("kind%5Bne%5D=employs".to_owned(), 1),
            ("toType=users".to_owned(), 1),
        ] {
            assert_eq!(total(&owner, &query).await, count, "{query}");
        }
        let body = owner.get(&format!("{PATH}?expand=")).await.is(200);
        assert_eq!(body["data"][0]["from"], json!({"type": "companies", "id": acme}));
        assert_eq!(body["data"][0].get("name"), None);
        for (query, code) in [
            ("record=7", "INVALID_RECORD"),
            ("from=customers", "INVALID_RECORD"),
            ("to=tags:0197d8a0-0000-7000-8000-000000000000", "UNKNOWN_RECORD_TYPE"),
        ] {
            owner.get(&format!("{PATH}?{query}")).await.fails(400, code);
        }
        assert_eq!(owner.get(&format!("{PATH}?ends=x")).await.status, 400);
    }

    async fn what_makes_no_sense_names_its_field(server: &TestServer) {
        let owner = server.owner("acme").await;
        let (acme, ada) = (company(&owner, "Acme").await, customer(&owner, "Ada").await);
        let fails = async |input: Value, status: u16, code: &str, field: &str| {
            let body = owner.post(PATH, input).await.is(status);
            let errors = body["errors"].as_array().unwrap();
            let is_there = errors.iter().any(|error| error["code"] == code && error["field"] == field);
            assert!(is_there, "{code} {field}: {body}");
        };
        let good = employs(&acme, &ada);
        let but = |field: &str, value: Value| {
            let mut input = good.clone();
            input[field] = value;
            input
        };
        fails(but("kind", json!("adores")), 422, "UNKNOWN_KIND", "kind").await;
        fails(but("to", json!({"type": "spaceships", "id": ada})), 422, "UNKNOWN_RECORD_TYPE", "to.type").await;
        fails(but("to", json!({"type": "customers", "id": NOBODYS})), 422, "MISSING_REFERENCE", "to").await;
        fails(but("to", good["from"].clone()), 422, "SELF_REFERENCE", "to").await;
        fails(but("attributes", json!([])), 422, "INVALID_TYPE", "attributes").await;
        fails(json!({}), 422, "UNKNOWN_KIND", "kind").await;
        fails(but("to", json!({"type": "customers", "id": "7"})), 400, "INVALID_VALUE", "to.id").await;
        fails(but("title", json!("x")), 400, "UNKNOWN_FIELD", "title").await;
        made(&owner, PATH, good.clone()).await;
        let body = owner.post(PATH, good).await.fails(409, "DUPLICATE");
        assert_eq!(body["errors"][0]["field"], "ends");
        made(&owner, PATH, link("related_to", ("companies", &acme), ("customers", &ada))).await;
        let turned = link("related_to", ("customers", &ada), ("companies", &acme));
        owner.post(PATH, turned).await.fails(409, "DUPLICATE");
    }

    async fn kinds_are_those_of_all_and_the_tenants_own(server: &TestServer) {
        let owner = server.owner("acme").await;
        let (ada, bob) = (customer(&owner, "Ada").await, customer(&owner, "Bob").await);
        let input = json!({
            "key": "mentors", "name": "is a mentor of", "inverseName": "is mentored by",
            "fromTypes": ["customers"], "toTypes": ["customers"]
        });
        let kind = made(&owner, KINDS, input.clone()).await;
        owner.post(KINDS, input).await.fails(409, "DUPLICATE");
        owner.post(KINDS, json!({"key": "employs", "name": "x", "symmetric": true})).await.fails(422, "NOT_ALLOWED");
        let body = owner.get(KINDS).await.is(200);
        assert_eq!((&body["meta"]["total"], &body["data"][0]), (&json!(1), &kind));
        let known = owner.get(&format!("{KINDS}/known")).await.data();
        let of = |key: &str| known.as_array().unwrap().iter().find(|kind| kind["key"] == key).unwrap().clone();
        assert_eq!((&of("employs")["builtIn"], &of("mentors")["builtIn"]), (&json!(true), &json!(false)));
        let relation = made(&owner, PATH, link("mentors", ("customers", &ada), ("customers", &bob))).await;
        assert_eq!(relation["inverseName"], "is mentored by");
        let at = format!("{KINDS}/{}", id(&kind));
        owner.patch(&at, json!({"key": "tutors"})).await.fails(422, "IMMUTABLE");
        owner.patch(&at, json!({"name": "coaches", "inverseName": "is coached by"})).await.is(200);
        let seen = owner.get(&format!("{PATH}/{}", id(&relation))).await.data();
        assert_eq!(seen["name"], "coaches");
        let user = server.colleague(&owner, BuiltIn::User).await;
        user.get(&format!("{KINDS}/known")).await.is(200);
        user.patch(&at, json!({"name": "x"})).await.fails(403, "FORBIDDEN");
        owner.delete(&at).await.is(200);
        let again = link("mentors", ("customers", &bob), ("customers", &ada));
        owner.post(PATH, again).await.fails(422, "UNKNOWN_KIND");
        assert_eq!(owner.get(&format!("{PATH}/{}", id(&relation))).await.data()["name"], "coaches");
        let body = owner.get(&format!("{KINDS}?includeDeleted=true")).await.is(200);
        assert_eq!(body["meta"]["total"], 1);
    }

    async fn customers_and_companies_show_their_relations_where_asked_for(server: &TestServer) {
        let owner = server.owner("acme").await;
        let acme = company(&owner, "Acme").await;
        let mut last = String::new();
        for number in 0..12 {
            server.clock().advance(chrono::TimeDelta::milliseconds(1));
            last = customer(&owner, &format!("Buyer {number}")).await;
            made(&owner, PATH, employs(&acme, &last)).await;
        }
        let at = format!("{COMPANIES}/{acme}");
        assert_eq!(owner.get(&at).await.data().get("relations"), None);
        let shown = owner.get(&format!("{at}?expand=relations")).await.data()["relations"].clone();
        assert_eq!((&shown["total"], shown["items"].as_array().unwrap().len()), (&json!(12), 10));
        let newest = &shown["items"][0];
        assert_eq!((&newest["direction"], &newest["name"]), (&json!("outgoing"), &json!("employs")));
        assert_eq!(newest["other"], json!({"type": "customers", "id": last, "title": "Buyer 11"}));
        let body = owner.get(&format!("{CUSTOMERS}?expand=relations,tags&sort=-createdAt&limit=3")).await.is(200);
        let first = &body["data"][0]["relations"];
        assert_eq!((&first["total"], &first["items"][0]["name"]), (&json!(1), &json!("is employed by")));
        assert_eq!(first["items"][0]["other"]["title"], "Acme");
        owner.get(&format!("{at}?expand=children")).await.fails(400, "UNKNOWN_EXPANSION");
        owner.get(&format!("{at}?expand=tags,assignedUser")).await.is(200);
        let lonely = company(&owner, "Lonely").await;
        let shown = owner.get(&format!("{COMPANIES}/{lonely}?expand=relations")).await.data();
        assert_eq!(shown["relations"], json!({"total": 0, "items": []}));
        // Whoever may not read relations gets the rest.
        let agent = server.colleague(&owner, BuiltIn::Agent).await;
        let shown = agent.get(&format!("{at}?expand=relations")).await.data();
        assert_eq!((&shown["name"], shown.get("relations")), (&json!("Acme"), None));
    }

    /// By no list, number, filter, order, cursor, expansion or refusal.
    async fn nothing_tells_of_relations_whose_ends_are_out_of_reach(server: &TestServer) {
        let owner = server.owner("acme").await;
        let user = server.colleague(&owner, BuiltIn::User).await;
        let own = company(&user, "Own").await;
        let bare = company(&user, "Bare").await;
        let hidden = customer(&owner, "Hidden").await;
        let gone = customer(&user, "Gone").await;
        let secret = made(&owner, PATH, employs(&own, &hidden)).await;
        made(&owner, PATH, link("partner_of", ("companies", &own), ("companies", &company(&owner, "Hidden too").await))).await;
        made(&user, PATH, employs(&own, &gone)).await;
        user.delete(&format!("{CUSTOMERS}/{gone}")).await.is(200);
        // The company with hidden relations looks as the one without any.
        for query in [
            "", "kind=employs", "kind%5Bne%5D=employs", "sort=kind", "sort=-toType", "fromType=companies",
            "filter=kind%20%3D%20%22employs%22", "filter=NOT%20kind%20%3D%20%22employs%22",
            "createdBy=me", "createdBy%5Bne%5D=me", "createdAt%5Bgte%5D=2020-01-01", "includeDeleted=true",
            "includeDeleted=only", "limit=1", "limit=1&page=2", "deletedAt%5Bnull%5D=false",
            "record=companies:{}", "from=companies:{}", "to=companies:{}", "fromId={}", "fromId%5Bne%5D={}",
        ] {
            for (suffix, counted) in [("", true), ("&cursor=", false)] {
                if suffix == "&cursor=" && query.contains("page=") {
                    continue;
                }
                let ask = async |of: &str| {
                    let path = format!("{PATH}?{}{suffix}", query.replace("{}", of));
                    let body = user.get(&path).await.is(200);
                    (body["data"].clone(), body["meta"].clone())
                };
                let (data, meta) = ask(&own).await;
                assert_eq!((&data, &meta), (&json!([]), &ask(&bare).await.1), "{query}");
                assert_eq!(meta["total"].as_u64(), counted.then_some(0), "{query}");
                assert_eq!(meta["nextCursor"], Value::Null, "{query}");
            }
        }
        for query in [format!("record=customers:{hidden}"), format!("to=customers:{gone}"), format!("id={}", id(&secret))] {
            assert_eq!(total(&user, &query).await, 0, "{query}");
        }
        for path in [format!("{COMPANIES}/{own}?expand=relations"), format!("{COMPANIES}?expand=relations")] {
            let body = user.get(&path).await.is(200);
            let shown = body["data"].get("relations").unwrap_or(&body["data"][0]["relations"]);
            assert_eq!(*shown, json!({"total": 0, "items": []}), "{path}");
        }
        // What is asked of a hidden relation, or for one with a hidden end, is answered as if there
        // were neither.
        let told = async |method: &str, path: String, body: Value, named: &str| {
            let answer = user.send(method.parse().unwrap(), &path, Some(body)).await;
            let mut body = answer.json();
            body.as_object_mut().unwrap().remove("requestId");
            (answer.status.as_u16(), body.to_string().replace(named, "…"))
        };
        for (method, action) in [("PUT", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/restore")] {
            let ask = async |id: &str| told(method, format!("{PATH}/{id}{action}"), employs(&own, &bare), id).await;
            let never = ask(NOBODYS).await;
            assert_eq!((ask(&id(&secret)).await, never.0), (never, 404), "{method}");
        }
        for end in [&hidden, &gone] {
            let ask = async |id: &str| told("POST", PATH.to_owned(), employs(&own, id), id).await;
            let never = ask(NOBODYS).await;
            assert_eq!((ask(end).await, never.0), (never, 422));
        }
        // Sales reps and agents see no relations at all, whatever they are related to.
        for role in [BuiltIn::SalesRep, BuiltIn::Agent, BuiltIn::Employee] {
            let person = server.colleague(&owner, role).await;
            person.get(PATH).await.fails(403, "FORBIDDEN");
            person.post(PATH, employs(&own, &hidden)).await.fails(403, "FORBIDDEN");
            person.get(&format!("{PATH}/{}", id(&secret))).await.fails(403, "FORBIDDEN");
        }
        let reader = server.colleague(&owner, BuiltIn::Readonly).await;
        assert_eq!(total(&reader, "").await, 2);
        reader.post(PATH, employs(&bare, &hidden)).await.fails(403, "FORBIDDEN");
        reader.delete(&format!("{PATH}/{}", id(&secret))).await.fails(403, "FORBIDDEN");
    }

    async fn no_relation_leads_into_another_tenant(server: &TestServer) {
        let (acme, other) = (server.owner("acme").await, server.owner("other").await);
        let own = company(&acme, "Own").await;
        let theirs = customer(&other, "Theirs").await;
        let their_firm = company(&other, "Their firm").await;
        let secret = made(&other, PATH, employs(&their_firm, &theirs)).await;
        let never = acme.post(PATH, employs(&own, NOBODYS)).await.is(422);
        let answer = acme.post(PATH, employs(&own, &theirs)).await.is(422);
        assert_eq!(answer["errors"], never["errors"]);
        let stranger = link("related_to", ("companies", &own), ("users", &other.user));
        acme.post(PATH, stranger).await.fails(422, "MISSING_REFERENCE");
        acme.get(&format!("{PATH}/{}", id(&secret))).await.fails(404, "NOT_FOUND");
        assert_eq!(total(&acme, &format!("record=customers:{theirs}")).await, 0);
        assert_eq!(total(&acme, "").await, 0);
        // People are named by their users.
        let colleague = server.colleague(&acme, BuiltIn::User).await;
        made(&acme, PATH, link("related_to", ("companies", &own), ("users", &colleague.user))).await;
        let body = acme.get(PATH).await.is(200);
        assert_eq!(body["data"][0]["to"]["type"], "users");
        assert_eq!(body["data"][0]["to"]["id"], colleague.user.as_str());
    }
}
