//! Within a tenant: what lies out of a role's reach can be neither seen, counted, changed nor
//! told from what is not there, and no role widens its own reach.

use crm_core::access::BuiltIn;
use hyper::Method;
use serde_json::{Value, json};

use crate::support::{Client, Person, TestServer, for_each_store};

const CUSTOMERS: &str = "/api/v1/customers";
const NOBODYS: &str = "0197d8a0-0000-7000-8000-000000000000";
const NARROW: [BuiltIn; 3] = [BuiltIn::User, BuiltIn::SalesRep, BuiltIn::Manager];

async fn made(person: &Person, input: Value) -> String {
    let answer = person.post(CUSTOMERS, input).await;
    answer.is(201);
    answer.data()["id"].as_str().unwrap().to_owned()
}

/// Everything that the owner sees, deleted or not.
async fn all(owner: &Person) -> Value {
    owner.get(&format!("{CUSTOMERS}?includeDeleted=true&sort=createdAt")).await.is(200)
}

async fn ask(
    caller: &Client,
    method: &Method,
    id: &str,
    action: &str,
    body: Option<Value>,
) -> (u16, String) {
    let answer = caller.send(method.clone(), &format!("{CUSTOMERS}/{id}{action}"), body).await;
    let mut body = answer.json();
    body.as_object_mut().unwrap().remove("requestId");
    (answer.status.as_u16(), body.to_string().replace(id, "…"))
}

for_each_store! {
    async fn what_is_out_of_reach_cannot_be_told_from_what_never_was(server: &TestServer) {
        let owner = server.owner("acme").await;
        let live = made(&owner, json!({"companyName": "Theirs", "assignedTo": owner.user})).await;
        let deleted = made(&owner, json!({"companyName": "Gone", "assignedTo": owner.user})).await;
        owner.delete(&format!("{CUSTOMERS}/{deleted}")).await.is(200);
        let before = all(&owner).await;
        for role in NARROW {
            let person = server.colleague(&owner, role).await;
            for if_match in ["*", "\"1\"", "\"2\"", "\"9\""] {
                let caller = person.with("If-Match", if_match);
                for (method, action, body) in [
                    (Method::GET, "", None),
                    (Method::PUT, "", Some(json!({"companyName": "Mine", "assignedTo": person.user}))),
                    (Method::PATCH, "", Some(json!({"assignedTo": person.user}))),
                    (Method::DELETE, "", None),
                    (Method::POST, "/restore", None),
                    (Method::POST, "/activate", None),
                    (Method::POST, "/deactivate", None),
                ] {
                    let never = ask(&caller, &method, NOBODYS, action, body.clone()).await;
                    assert!(matches!(never.0, 403 | 404), "{role} {method} {action}: {never:?}");
                    for id in [&live, &deleted] {
                        let answer = ask(&caller, &method, id, action, body.clone()).await;
                        assert_eq!(answer, never, "{role} {method} {action}");
                    }
                }
            }
        }
        assert_eq!(all(&owner).await, before);
    }

    async fn no_list_figure_or_search_counts_what_is_out_of_reach(server: &TestServer) {
        let owner = server.owner("acme").await;
        let tag = owner.post(&format!("{CUSTOMERS}/tags"), json!({"name": "VIP"})).await.data();
        for name in ["Hidden Harbour", "Hidden Haven", "Hidden Hangar"] {
            let input = json!({
                "companyName": name, "email": "x@hidden.example", "tags": [tag["id"]],
                "city": "Kiel", "industry": "smuggling", "assignedTo": owner.user
            });
            made(&owner, input).await;
        }
        for role in NARROW {
            let person = server.colleague(&owner, role).await;
            let own = json!({"companyName": "Own", "city": "Kiel", "assignedTo": person.user});
            made(&owner, own).await;
            for (query, total) in [
                ("", 1),
                ("city=kiel", 1),
                ("city=kiel&limit=1&page=2", 1),
                ("search=hidden", 0),
                ("tags=vip", 0),
                ("tags%5Ball%5D=VIP", 0),
                ("industry=smuggling", 0),
                ("industry%5Bnull%5D=false", 0),
                ("industry%5Bne%5D=fishing", 1),
                ("assignedTo=me", 1),
                ("assignedTo%5Bne%5D=me", 0),
                ("filter=city%20%3D%20%22Kiel%22%20OR%20industry%20%3D%20%22smuggling%22", 1),
                ("filter=NOT%20assignedTo%20%3D%20%22me%22", 0),
                ("filter=NOT%20(city%20%3D%20%22Bonn%22)", 1),
                ("sort=-industry", 1),
            ] {
                let body = person.get(&format!("{CUSTOMERS}?{query}")).await.is(200);
                assert_eq!(body["meta"]["total"], total, "{role} {query}: {body}");
                assert!(!body.to_string().contains("idden"), "{role} {query}: {body}");
                if !query.contains("limit") && !query.contains("sort") {
                    let stats = person.get(&format!("{CUSTOMERS}/stats?{query}")).await.data();
                    assert_eq!(stats["total"], total, "{role} {query}: {stats}");
                    assert!(!stats.to_string().contains("smuggling"), "{role} {query}: {stats}");
                }
                let walk = query.replace("limit=1&page=2", "limit=1") + "&cursor=";
                let body = person.get(&format!("{CUSTOMERS}?{walk}")).await.is(200);
                assert_eq!(body["data"].as_array().unwrap().len(), total, "{role} {walk}");
                assert_eq!(body["meta"]["nextCursor"], Value::Null, "{role} {walk}");
            }
            let found = person.get(&format!("{CUSTOMERS}/search?q=h")).await.is(200);
            assert_eq!((&found["meta"]["total"], &found["data"]), (&json!(0), &json!([])), "{role}");
            assert_eq!(person.get(&format!("{CUSTOMERS}/mine")).await.is(200)["meta"]["total"], 1);
        }
    }

    async fn deleted_records_show_to_those_who_could_bring_them_back(server: &TestServer) {
        let owner = server.owner("acme").await;
        let user = server.colleague(&owner, BuiltIn::User).await;
        let rep = server.colleague(&owner, BuiltIn::SalesRep).await;
        for (name, person) in [("Hidden", &owner), ("Own", &user), ("Rep's", &rep)] {
            let id = made(&owner, json!({"companyName": name, "assignedTo": person.user})).await;
            owner.delete(&format!("{CUSTOMERS}/{id}")).await.is(200);
        }
        let list = format!("{CUSTOMERS}?includeDeleted=true");
        let body = user.get(&list).await.is(200);
        assert_eq!((&body["meta"]["total"], &body["data"][0]["name"]), (&json!(1), &json!("Own")));
        rep.get(&list).await.fails(403, "FORBIDDEN");
        for query in ["deletedAt%5Bnull%5D=false", "filter=deletedAt%20%3E%20%222020-01-01%22"] {
            for person in [&user, &rep] {
                let answer = person.get(&format!("{CUSTOMERS}?{query}")).await;
                assert_ne!(answer.status, 500);
                assert!(!answer.json()["data"].to_string().contains("name"), "{query}");
            }
        }
    }

    async fn nobody_hands_a_record_out_of_reach_or_takes_one_in(server: &TestServer) {
        let owner = server.owner("acme").await;
        let user = server.colleague(&owner, BuiltIn::User).await;
        let rep = server.colleague(&owner, BuiltIn::SalesRep).await;
        for person in [&user, &rep] {
            let id = made(&owner, json!({"companyName": "Own", "assignedTo": person.user})).await;
            let path = format!("{CUSTOMERS}/{id}");
            let before = owner.get(&path).await.data();
            for away in [json!(owner.user), Value::Null] {
                person.patch(&path, json!({"assignedTo": away})).await.fails(403, "FORBIDDEN");
                let input = json!({"companyName": "Own", "assignedTo": away});
                person.put(&path, input).await.fails(403, "FORBIDDEN");
            }
            person.put(&path, json!({"companyName": "Left out"})).await.fails(403, "FORBIDDEN");
            assert_eq!(owner.get(&path).await.data(), before);
        }
        let for_others = json!({"companyName": "Planted", "assignedTo": owner.user});
        user.post(CUSTOMERS, for_others).await.fails(403, "FORBIDDEN");
        rep.post(CUSTOMERS, json!({"companyName": "New"})).await.fails(403, "FORBIDDEN");
        let own = made(&owner, json!({"companyName": "Rep's", "assignedTo": rep.user})).await;
        rep.delete(&format!("{CUSTOMERS}/{own}")).await.fails(403, "FORBIDDEN");
        assert_eq!(owner.get(CUSTOMERS).await.is(200)["meta"]["total"], 3);
    }

    async fn what_the_library_sets_cannot_be_sent(server: &TestServer) {
        let owner = server.owner("acme").await;
        let id = made(&owner, json!({"companyName": "Acme"})).await;
        let path = format!("{CUSTOMERS}/{id}");
        let before = owner.get(&path).await.data();
        for (field, value) in [
            ("id", json!(NOBODYS)),
            ("tenantId", json!(NOBODYS)),
            ("tenant_id", json!(NOBODYS)),
            ("createdBy", json!(NOBODYS)),
            ("createdAt", json!("2020-01-01T00:00:00Z")),
            ("updatedAt", json!("2020-01-01T00:00:00Z")),
            ("deletedAt", Value::Null),
            ("engagement", json!("hot")),
            ("lastContactedAt", json!("2030-01-01T00:00:00Z")),
            ("name", json!("Shown")),
            ("assignedUser", json!({"id": NOBODYS})),
            ("company_name", json!("Snake")),
            ("CompanyName", json!("Pascal")),
            ("__proto__", json!({"admin": true})),
        ] {
            let input = json!({"companyName": "Changed", field: value});
            for (method, path) in
                [(Method::POST, CUSTOMERS), (Method::PUT, &path), (Method::PATCH, &path)]
            {
                let body = owner.send(method, path, Some(input.clone())).await;
                let body = body.fails(400, "UNKNOWN_FIELD");
                assert_eq!(body["errors"][0]["field"], field, "{body}");
            }
        }
        assert_eq!(owner.get(&path).await.data(), before);
        assert_eq!(owner.get(CUSTOMERS).await.is(200)["meta"]["total"], 1);
        let numbered = owner.post(CUSTOMERS, json!({"companyName": "A", "version": 41})).await;
        assert!(numbered.status == 422 || numbered.data()["version"] == 1, "{}", numbered.json());
        for field in ["roles", "tenantId", "tenant", "isAdmin", "status", "id"] {
            let mut input = json!({"email": "eve@example.com", "password": "correct horse battery"});
            input[field] = json!(owner.tenant);
            server.anonymous().post("/api/v1/auth/signup", input).await.fails(400, "UNKNOWN_FIELD");
        }
    }

    async fn words_of_the_tenant_are_changed_by_those_who_may(server: &TestServer) {
        let owner = server.owner("acme").await;
        let field = json!({"recordType": "customers", "key": "k", "label": "K", "type": "text"});
        let field = owner.post("/api/v1/custom-fields", field).await.data();
        let tag = owner.post(&format!("{CUSTOMERS}/tags"), json!({"name": "VIP"})).await.data();
        for role in [BuiltIn::User, BuiltIn::SalesRep, BuiltIn::Readonly, BuiltIn::Agent] {
            let person = server.colleague(&owner, role).await;
            for (base, record) in [("custom-fields", &field), ("customers/tags", &tag)] {
                let path = format!("/api/v1/{base}/{}", record["id"].as_str().unwrap());
                let change = json!({"label": "X"});
                let change = if base == "custom-fields" { change } else { json!({"name": "X"}) };
                person.patch(&path, change).await.fails(403, "FORBIDDEN");
                person.delete(&path).await.fails(403, "FORBIDDEN");
                person.post(&format!("{path}/restore"), json!({})).await.fails(403, "FORBIDDEN");
                assert_eq!(&owner.get(&path).await.data(), record, "{role}");
            }
        }
    }
}
