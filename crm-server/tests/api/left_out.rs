//! Fields that a right to read leaves out: as if there were none, on every path at once.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use crm_core::access::BuiltIn;
use crm_server::testkit::{Document, Furnished, Listening, Member, Operation, Source};
use serde_json::{Value, json};

use crate::support::{Founder, GIVEN, Person, TestServer, for_each_store};

const CUSTOMERS: &str = "/api/v1/customers";
const ROLES: &str = "/api/v1/users/roles";

static DOCUMENT: LazyLock<Document> = LazyLock::new(|| {
    Document::new(serde_json::from_str(include_str!("../../openapi.json")).unwrap()).unwrap()
});

/// What is left out, each kind of field once.
const LEFT_OUT: &[&str] =
    &["email", "phone", "notes", "industry", "annualRevenue", "tags", "customFields.badge"];

/// What stands in the fields that are left out and nowhere else; in small letters.
const CANARIES: &[&str] = &["canaryqz", "771133", "3011223344"];

/// A customer whose left-out fields sing.
fn singing(tags: &Value, name: &str) -> Value {
    json!({
        "companyName": name,
        "email": "canaryqz@hidden.example",
        "phone": "+493011223344",
        "notes": "Canaryqz notes",
        "industry": "Canaryqz industry",
        "annualRevenue": "771133.00",
        "tags": tags,
        "customFields": {"badge": "canaryqz badge"},
    })
}

fn sings(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes).to_lowercase();
    CANARIES.iter().any(|canary| text.contains(canary))
}

/// The tenant's own field, and a tag.
async fn words(owner: &Person) -> Value {
    let field = json!({
        "recordType": "customers", "key": "badge", "label": "Badge", "type": "text"
    });
    owner.post("/api/v1/custom-fields", field).await.is(201);
    let tag = owner.post(&format!("{CUSTOMERS}/tags"), json!({"name": "Plain"})).await;
    json!([tag.data()["id"]])
}

async fn made(owner: &Person, input: Value) -> String {
    let made = owner.post(CUSTOMERS, input).await;
    made.is(201);
    made.data()["id"].as_str().unwrap().to_owned()
}

/// All that there is to be held but to found and to end: for customers without what is left out.
async fn blind(server: &TestServer, owner: &Person, except: &[&str]) -> Person {
    let all = owner.get("/api/v1/users/permissions").await.data();
    let all = all.as_array().unwrap().iter().map(|one| one["permission"].as_str().unwrap());
    let held = all.filter(|permission| !except.contains(permission)).map(|permission| {
        let without = if permission == "customers:read" { LEFT_OUT } else { &[] };
        json!({"permission": permission, "reach": "all", "without": without})
    });
    let input = json!({"name": "Blind", "permissions": held.collect::<Vec<_>>()});
    owner.post(ROLES, input).await.is(201);
    let who = server.colleague(owner, BuiltIn::Readonly).await;
    let user = format!("/api/v1/users/{}", who.user);
    owner.patch(&user, json!({"roles": ["blind"]})).await.is(200);
    who
}

/// Without what nobody may write who does not see it.
fn blindly(mut body: Value) -> Value {
    for place in ["", "/changes"] {
        if let Some(fields) = body.pointer_mut(place).and_then(Value::as_object_mut) {
            fields.retain(|name, _| !LEFT_OUT.contains(&&**name) && name != "customFields");
        }
    }
    body
}

/// What an operation is asked in turn: plainly, and with all that lists take.
fn variants(operation: &Operation, path: &str) -> Vec<String> {
    let mut all = vec![path.to_owned()];
    let takes = |name: &str| operation.parameters.iter().any(|p| p.name == name);
    let joined = if path.contains('?') { '&' } else { '?' };
    if !operation.reads() {
        return all;
    }
    for (name, value) in [
        ("search", "canaryqz"),
        ("q", "canaryqz"),
        ("includeDeleted", "true"),
        ("cursor", ""),
        ("format", "json"),
    ] {
        if takes(name) {
            all.push(format!("{path}{joined}{name}={value}"));
        }
    }
    if takes("expand") {
        let embedded = "assignedUser,tags,company,references,relations,_can";
        all.push(format!("{path}{joined}expand={embedded}"));
        all.push(format!("{path}{joined}expand=_can"));
        all.push(format!("{path}{joined}expand=titles,names"));
    }
    all
}

for_each_store! {
    /// A canary is put into each field that is left out, and every operation of the document is
    /// called by somebody who may do all that there is: none sings. That the owner hears it shows
    /// that the test can fail.
    async fn no_operation_tells_what_is_left_out(server: &TestServer) {
        let owner = server.owner("acme").await;
        let tags = words(&owner).await;
        let door = Listening(server.address());
        let founder = Founder::at(&door);
        let source =
            Source { server: &door, document: &DOCUMENT, tenants: &founder, given: &GIVEN };
        let member = Member {
            tenant: owner.tenant.clone(),
            user: owner.user.clone(),
            token: owner.token().to_owned(),
        };
        let mut furnished = Furnished::new(source, member, "lighthouse", &BTreeSet::new()).await;
        let who = blind(server, &owner, &["tenants:delete", "owners:manage"]).await;
        let (mut heard, mut answered) = (BTreeSet::new(), BTreeSet::new());
        // Ending one's own session, or one's place, would make everything else a refusal.
        let leaves = |o: &Operation| {
            !o.reads() && (o.path.contains("/auth/") || o.path.contains("/tenants"))
        };
        for (i, operation) in DOCUMENT.operations().iter().filter(|o| o.guarded).enumerate() {
            if leaves(operation) {
                continue;
            }
            // Named like its operation, so that those with the canary alone are found too.
            let customer = made(&owner, singing(&tags, &format!("Firm {i}"))).await;
            let nameless = json!({"email": format!("canaryqz{i}@hidden.example")});
            let nameless = made(&owner, nameless).await;
            for customer in [customer, nameless] {
                let mut ids: Vec<(String, String)> = Vec::new();
                for (parameter, kind) in operation.path_parameters() {
                    let id = match (kind.as_str(), operation.reads()) {
                        ("customers", _) => Some(customer.clone()),
                        ("tenants", _) => Some(owner.tenant.clone()),
                        // What the owner did tells of customers.
                        ("users", true) => Some(owner.user.clone()),
                        (_, true) => None,
                        (kind, false) => furnished.fresh(kind).await,
                    };
                    let known = || furnished.ids.get(&kind).and_then(|ids| ids.first()).cloned();
                    let given = GIVEN.get(&operation.name).and_then(|given| {
                        given.get(&parameter.name)?.as_str().filter(|text| !text.starts_with('{'))
                    });
                    let id = given.map(str::to_owned).or(id).or_else(known);
                    ids.push((parameter.name.clone(), id.unwrap_or_else(|| customer.clone())));
                }
                let path = operation.path_with(|name| {
                    let found = ids.iter().find(|(of, _)| of == name);
                    found.map(|(_, id)| id.clone()).unwrap_or_default()
                });
                // Of its exports, a log repeats what was asked for.
                let path = match operation.path.ends_with("/activity") {
                    true => format!("{path}?action%5Bne%5D=exported"),
                    false => path,
                };
                let mut body = furnished.body(operation, &path).await;
                if let Some(body) = &mut body
                    && operation.path.contains("/customers/bulk/")
                {
                    body["ids"] = json!([customer]);
                }
                for path in variants(operation, &path) {
                    let bodies = match &body {
                        None => vec![None],
                        Some(body) => vec![Some(body.clone()), Some(blindly(body.clone()))],
                    };
                    for body in bodies {
                        let answer = who.send(operation.method.clone(), &path, body).await;
                        let said = String::from_utf8_lossy(&answer.bytes).into_owned();
                        assert!(!sings(&answer.bytes), "{} {path}: {said}", operation.method);
                        assert!(answer.status.as_u16() != 500, "{} {path}: {said}", operation.method);
                        if answer.status.is_success() {
                            answered.insert(operation.name.clone());
                        }
                    }
                    if operation.reads() {
                        let answer = owner.get(&path).await;
                        if answer.status.is_success() && sings(&answer.bytes) {
                            heard.insert(operation.name.clone());
                        }
                    }
                }
            }
            let still = who.get(CUSTOMERS).await;
            still.is(200);
        }
        for operation in [
            "GET /customers",
            "GET /customers/{id}",
            "GET /customers/search",
            "GET /customers/mine",
            "GET /customers/stats",
            "GET /customers/export",
            "GET /users/{id}/activity",
            "GET /relations",
        ] {
            let known = DOCUMENT.operations().iter().any(|o| o.name == operation);
            assert!(known, "{operation}");
            assert!(answered.contains(operation), "{operation} was never answered");
        }
        for operation in ["GET /customers", "GET /customers/{id}", "GET /users/{id}/activity"] {
            assert!(heard.contains(operation), "{operation}: {heard:?}");
        }
        let guarded = DOCUMENT.operations().iter().filter(|o| o.guarded && !leaves(o)).count();
        assert!(answered.len() * 10 > guarded * 7, "{} of {guarded}: {answered:?}", answered.len());
    }

    async fn nothing_is_asked_by_what_is_left_out(server: &TestServer) {
        let owner = server.owner("acme").await;
        let tags = words(&owner).await;
        let id = made(&owner, singing(&tags, "Firm")).await;
        made(&owner, json!({"companyName": "Other", "email": "aaa@hidden.example"})).await;
        made(&owner, json!({"email": "canaryqz@nameless.example"})).await;
        let who = blind(server, &owner, &[]).await;
        let list = who.get(CUSTOMERS).await.is(200);
        assert_eq!(list["meta"]["total"], 3);
        // A name is made of what is seen.
        let names: BTreeSet<&str> =
            list["data"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect();
        assert_eq!(names, BTreeSet::from(["", "Firm", "Other"]));
        let one = who.get(&format!("{CUSTOMERS}/{id}")).await.data();
        for (field, nothing) in [
            ("email", Value::Null), ("notes", Value::Null), ("annualRevenue", Value::Null),
            ("tags", json!([])), ("customFields", json!({})),
        ] {
            assert_eq!(one[field], nothing, "{field}");
        }
        // What is asked by them is refused as what is asked by no field.
        let refused = |body: Value| {
            let fault = &body["errors"][0];
            (fault["code"].clone(), fault["field"].as_str().unwrap().to_owned())
        };
        for (hidden, unknown) in [
            ("email=canaryqz@hidden.example", "emial=canaryqz@hidden.example"),
            ("email[null]=true", "emial[null]=true"),
            ("phone[startsWith]=%2B49", "pohne[startsWith]=%2B49"),
            ("annualRevenue[gte]=1", "anualRevenue[gte]=1"),
            ("tags=none", "tgas=none"),
            ("name=canaryqz@nameless.example", "nmae=x"),
            ("customFields.badge=x", "customFields.bagde=x"),
            ("filter=email%3Ax", "filter=emial%3Ax"),
            ("filter=NOT%20industry%20%3D%20%22x%22", "filter=NOT%20idnustry%20%3D%20%22x%22"),
            ("filter=customFields.badge%3Ax", "filter=customFields.bagde%3Ax"),
            ("sort=email", "sort=emial"),
            ("sort=-industry,id", "sort=-idnustry,id"),
            ("sort=name", "sort=nmae"),
            ("sort=customFields.badge", "sort=customFields.bagde"),
        ] {
            for list in ["", "/search", "/mine", "/stats", "/export"] {
                if hidden.starts_with("sort") && list == "/stats" {
                    continue;
                }
                let hidden = who.get(&format!("{CUSTOMERS}{list}?{hidden}")).await;
                let unknown = who.get(&format!("{CUSTOMERS}{list}?{unknown}")).await;
                let (code, field) = refused(hidden.is(400));
                let (other, unknown) = refused(unknown.is(400));
                assert_eq!(code, other);
                // A parameter is named as it was written.
                assert!(field == unknown || !["filter", "sort"].contains(&&*field), "{field}");
            }
        }
        let refused = who.get(&format!("{CUSTOMERS}/export?fields=id,email")).await;
        refused.fails(400, "UNKNOWN_FIELD");
        let stats = who.get(&format!("{CUSTOMERS}/stats?customFields=badge")).await;
        stats.fails(400, "UNKNOWN_FIELD");
        let stats = who.get(&format!("{CUSTOMERS}/stats")).await.data();
        assert_eq!((&stats["total"], &stats["byIndustry"]), (&json!(3), &json!([])));
        assert_eq!(stats["annualRevenue"], json!([]));
        let whole = owner.get(&format!("{CUSTOMERS}/stats")).await.data();
        assert_ne!(whole["byIndustry"], json!([]));
        let file = who.get(&format!("{CUSTOMERS}/export?format=csv")).await;
        let head = String::from_utf8_lossy(&file.bytes).lines().next().unwrap().to_owned();
        let columns: Vec<&str> = head.split(',').collect();
        assert!(columns.contains(&"companyName"), "{head}");
        for field in LEFT_OUT {
            assert!(!columns.contains(field), "{head}");
        }
        // A search looks into what is seen.
        let found = async |who: &Person, path: &str| {
            who.get(&format!("{CUSTOMERS}{path}")).await.is(200)["meta"]["total"].clone()
        };
        for words in ["canaryqz", "hidden.example", "firm%20canaryqz", "%2B493011"] {
            for path in [format!("?search={words}"), format!("/search?q={words}")] {
                assert_eq!(found(&who, &path).await, 0, "{path}");
                assert!(found(&owner, &path).await.as_u64() > Some(0), "{path}");
            }
        }
        assert_eq!(found(&who, "?search=firm").await, 1);
        assert_eq!(found(&who, "/search?q=fir").await, 1);
        // In a change of many, and where others name it.
        let body = json!({"filter": "email:canaryqz", "changes": {"city": "Kiel"}});
        who.post(&format!("{CUSTOMERS}/bulk/update"), body).await.fails(400, "UNKNOWN_FIELD");
    }

    async fn what_is_left_out_is_not_written(server: &TestServer) {
        let owner = server.owner("acme").await;
        let tags = words(&owner).await;
        let id = made(&owner, singing(&tags, "Firm")).await;
        let path = format!("{CUSTOMERS}/{id}");
        let who = blind(server, &owner, &[]).await;
        let before = owner.get(&path).await.data();
        let same = async |what: &str| {
            let now = owner.get(&path).await.data();
            for field in ["email", "phone", "notes", "industry", "annualRevenue", "tags", "customFields"] {
                assert_eq!(now[field], before[field], "{what}: {field}");
            }
        };
        // Whether it is what is stored makes no difference.
        for given in [before["email"].clone(), json!("other@hidden.example")] {
            let refused = who.patch(&path, json!({"email": given, "notes": "x"})).await;
            let refused = refused.fails(403, "FIELD_LEFT_OUT");
            let fields: Vec<&str> =
                refused["errors"].as_array().unwrap().iter().map(|e| e["field"].as_str().unwrap()).collect();
            assert_eq!(fields, ["email", "notes"]);
            let new = json!({"companyName": "New", "email": given});
            who.post(CUSTOMERS, new).await.fails(403, "FIELD_LEFT_OUT");
        }
        for badge in ["canaryqz badge", "other"] {
            let own = json!({"customFields": {"badge": badge}});
            let refused = who.patch(&path, own).await.fails(422, "UNKNOWN_FIELD");
            assert_eq!(refused["errors"][0]["field"], "customFields.badge");
        }
        same("refused").await;
        let body = json!({"ids": [id], "changes": {"email": "x@y.example"}});
        let told = who.post(&format!("{CUSTOMERS}/bulk/update"), body).await.data();
        assert_eq!(told["results"][0]["errors"][0]["code"], "FIELD_LEFT_OUT");
        let body = json!({"ids": [id], "add": tags});
        let told = who.post(&format!("{CUSTOMERS}/bulk/tag"), body).await.data();
        assert_eq!(told["results"][0]["errors"][0]["code"], "FIELD_LEFT_OUT");
        // What is not said stays, also where a record is replaced, deleted and brought back.
        who.patch(&path, json!({"city": "Kiel", "email": null})).await.is(200);
        same("merged").await;
        let put = who.put(&path, json!({"companyName": "Firm & Sons"})).await;
        assert_eq!((&put.data()["email"], &put.data()["name"]), (&Value::Null, &json!("Firm & Sons")));
        same("replaced").await;
        let body = json!({"ids": [id], "changes": {"city": "Bonn"}});
        who.post(&format!("{CUSTOMERS}/bulk/update"), body.clone()).await.is(200);
        let again = who.post(&format!("{CUSTOMERS}/bulk/update"), body).await;
        assert_eq!(again.data()["results"][0]["outcome"], "unchanged");
        let body = json!({"ids": [id], "remove": tags});
        who.post(&format!("{CUSTOMERS}/bulk/tag"), body).await.is(200);
        who.post(&format!("{path}/deactivate"), json!({})).await.is(200);
        who.delete(&path).await.is(200);
        who.post(&format!("{path}/restore"), json!({})).await.is(200);
        same("brought back").await;
        let own = made(&who, json!({"companyName": "Own"})).await;
        assert_eq!(owner.get(&format!("{CUSTOMERS}/{own}")).await.data()["email"], Value::Null);
    }

    async fn a_field_is_left_out_by_who_sees_it_and_shown_by_any_role_that_gives_it(server: &TestServer) {
        let owner = server.owner("acme").await;
        let tags = words(&owner).await;
        let id = made(&owner, singing(&tags, "Firm")).await;
        let path = format!("{CUSTOMERS}/{id}");
        let who = blind(server, &owner, &[]).await;
        assert_eq!(who.get(&path).await.data()["email"], Value::Null);
        let permissions = format!("/api/v1/users/{}/permissions", who.user);
        let held = owner.get(&permissions).await.data();
        let held = held["effective"].as_array().unwrap();
        let read = held.iter().find(|held| held["permission"] == "customers:read").unwrap();
        let listed: BTreeSet<&str> =
            read["without"].as_array().unwrap().iter().map(|f| f.as_str().unwrap()).collect();
        assert_eq!(listed, LEFT_OUT.iter().copied().collect());
        let asked = format!("/api/v1/auth/permissions?resource=customers&id={id}");
        let told = who.get(&asked).await.data()["customers:read"]["without"].clone();
        assert_eq!(told.as_array().unwrap().len(), LEFT_OUT.len());
        // Nobody gives what they do not see: not by a role, not to oneself, not with less left out.
        let read = |without: Value| json!([{"permission": "customers:read", "reach": "assigned", "without": without}]);
        let input = |without: Value| json!({"name": "Seeing", "permissions": read(without)});
        who.post(ROLES, input(json!([]))).await.fails(403, "ABOVE_ONESELF");
        who.post(ROLES, input(json!(["email", "phone"]))).await.fails(403, "ABOVE_ONESELF");
        let more: Vec<&str> = LEFT_OUT.iter().copied().chain(["city"]).collect();
        who.post(ROLES, input(json!(more))).await.is(201);
        let own = json!({"permissions": read(json!([]))});
        let own = who.put(&permissions, own).await;
        assert_eq!(own.status, 403, "{}", String::from_utf8_lossy(&own.bytes));
        // Shown by whatever gives it, wherever one reads.
        let some = json!({"permissions": read(json!(["phone", "notes"]))});
        owner.put(&permissions, some).await.is(200);
        let one = who.get(&path).await.data();
        assert_eq!((&one["email"], &one["phone"]), (&json!("canaryqz@hidden.example"), &Value::Null));
        assert_eq!(who.get(&format!("{CUSTOMERS}?email=canaryqz@hidden.example")).await.is(200)["meta"]["total"], 1);
        owner.put(&permissions, json!({"permissions": []})).await.is(200);
        assert_eq!(who.get(&path).await.data()["email"], Value::Null);
        // What cannot be left out is said.
        for (permission, without, code) in [
            ("customers:read", "name", "NOT_LEFT_OUT"),
            ("customers:read", "status", "NOT_LEFT_OUT"),
            ("customers:read", "assignedTo", "NOT_LEFT_OUT"),
            ("customers:read", "id", "NOT_LEFT_OUT"),
            ("customers:read", "customFields", "NOT_LEFT_OUT"),
            ("customers:read", "emial", "UNKNOWN_FIELD"),
            ("customers:read", "customFields.bagde", "UNKNOWN_FIELD"),
            ("customers:update", "email", "NOT_LEFT_OUT"),
            ("users:read", "phone", "NOT_LEFT_OUT"),
        ] {
            let grant = json!([{"permission": permission, "reach": "all", "without": [without]}]);
            let refused = owner.post(ROLES, json!({"name": "X", "permissions": grant})).await;
            let refused = refused.fails(422, code);
            let at = refused["errors"][0]["field"].as_str().unwrap();
            assert!(at.starts_with("permissions[0].without"), "{at}");
        }
        // Told beforehand.
        let roles = owner.get(&format!("{ROLES}?code=blind")).await.is(200);
        let role = &roles["data"][0];
        let mut grants = role["permissions"].clone();
        for grant in grants.as_array_mut().unwrap() {
            if grant["permission"] == "customers:read" {
                grant["without"] = json!(["email", "city"]);
            }
        }
        let preview = format!("{ROLES}/{}/preview", role["id"].as_str().unwrap());
        let told = owner.post(&preview, json!({"name": "Blind", "permissions": grants})).await.data();
        let change = &told["users"][0]["permissions"][0];
        assert_eq!((&change["permission"], &change["leftOut"]), (&json!("customers:read"), &json!(["city"])));
        assert_eq!(change["shown"].as_array().unwrap().len(), LEFT_OUT.len() - 1);
    }
}
