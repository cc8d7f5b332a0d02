//! `/custom-fields`, and what definitions do to records.

use crm_core::access::BuiltIn;
use serde_json::{Value, json};

use crate::support::{Person, TestServer, for_each_store};

const PATH: &str = "/api/v1/custom-fields";
const CUSTOMERS: &str = "/api/v1/customers";

async fn define(person: &Person, definition: Value) -> Value {
    let mut all = json!({"recordType": "customers", "label": "A field"});
    all.as_object_mut().unwrap().extend(definition.as_object().unwrap().clone());
    let answer = person.post(PATH, all).await;
    answer.is(201);
    answer.data()
}

fn path(definition: &Value) -> String {
    format!("{PATH}/{}", definition["id"].as_str().unwrap())
}

async fn with(person: &Person, fields: Value) -> Value {
    let input = json!({"companyName": "Acme", "customFields": fields});
    let answer = person.post(CUSTOMERS, input).await;
    answer.is(201);
    answer.data()
}

for_each_store! {
    async fn any_number_of_faults_has_a_short_answer(server: &TestServer) {
        let owner = server.owner("acme").await;
        for i in 0..40 {
            define(&owner, json!({"key": format!("a_field_of_the_tenants_own_{i}"), "type": "number"})).await;
        }
        let members = |count: usize| (0..count).map(|i| (format!("x{i}"), json!(1))).collect::<serde_json::Map<_, _>>();
        let answer = owner.post("/api/v1/customers", json!({"companyName": "A", "customFields": members(9_000)})).await;
        assert!(answer.fails(422, "UNKNOWN_FIELD")["errors"].as_array().unwrap().len() <= 21);
        assert!(answer.bytes.len() < 60_000, "{}", answer.bytes.len());
        let typed: serde_json::Map<_, _> =
            (0..40).map(|i| (format!("a_field_of_the_tenants_own_{i}"), json!("x"))).collect();
        let answer = owner.post("/api/v1/customers", json!({"companyName": "A", "customFields": typed})).await;
        assert_eq!(answer.fails(422, "INVALID_TYPE")["errors"].as_array().unwrap().len(), 40);
        let options: Vec<String> = (0..9_000).map(|i| i.to_string()).collect();
        let field = json!({"recordType": "customers", "key": "k", "label": "K", "type": "choice", "options": options});
        let body = owner.post("/api/v1/custom-fields", field).await.is(422);
        assert_eq!(body["errors"].as_array().unwrap().len(), 1, "{body}");
        owner.post("/api/v1/customers", json!({"companyName": "A", "customFields": members(20_001)})).await.fails(400, "TOO_MANY");
    }

    async fn a_taken_value_is_409_and_tells_nothing_of_who_has_it(server: &TestServer) {
        let owner = server.owner("acme").await;
        let number = define(&owner, json!({"key": "number", "type": "text", "unique": true})).await;
        assert_eq!((&number["unique"], &number["work"]), (&json!(true), &Value::Null));
        let taken = with(&owner, json!({"number": "A-1"})).await;
        // Somebody who cannot see that record.
        let user = server.colleague(&owner, BuiltIn::User).await;
        user.get(&format!("{CUSTOMERS}/{}", taken["id"].as_str().unwrap())).await.is(404);
        let input = json!({"companyName": "B", "customFields": {"number": "a-1"}});
        let body = user.post(CUSTOMERS, input.clone()).await.fails(409, "DUPLICATE");
        assert_eq!(body["errors"][0]["field"], "customFields.number");
        let said = body.to_string();
        assert!(!said.contains(taken["id"].as_str().unwrap()) && !said.contains("Acme"), "{said}");
        // Another tenant has values of its own, and no other's definitions.
        let other = server.owner("globex").await;
        other.post(&format!("{}/proceed", path(&number)), json!({})).await.fails(404, "NOT_FOUND");
        define(&other, json!({"key": "number", "type": "text", "unique": true})).await;
        other.post(CUSTOMERS, input).await.is(201);
    }

    async fn making_shared_values_unique_is_409_with_how_many(server: &TestServer) {
        let owner = server.owner("acme").await;
        let number = define(&owner, json!({"key": "number", "type": "number"})).await;
        for value in [1, 1, 2] {
            with(&owner, json!({"number": value})).await;
        }
        let body = owner.patch(&path(&number), json!({"unique": true})).await;
        let body = body.fails(409, "DUPLICATE_VALUES");
        assert_eq!(body["errors"][0]["field"], "unique");
        assert_eq!(owner.get(&path(&number)).await.data()["unique"], false);
        let customers = owner.get(&format!("{CUSTOMERS}?customFields.number=1")).await.is(200);
        let one = customers["data"][0]["id"].as_str().unwrap();
        owner.patch(&format!("{CUSTOMERS}/{one}"), json!({"customFields": {"number": 3}})).await.is(200);
        let on = owner.patch(&path(&number), json!({"unique": true})).await.data();
        assert_eq!((&on["unique"], &on["work"]), (&json!(true), &Value::Null));
        let on = owner.post(&format!("{}/proceed", path(&number)), json!({})).await.data();
        assert_eq!(on["work"], Value::Null);
    }

    async fn an_option_in_use_is_409_until_it_is_said_what_comes_instead(server: &TestServer) {
        let owner = server.owner("acme").await;
        let options = json!(["gold", "silver", "bronze"]);
        let plan = define(&owner, json!({"key": "plan", "type": "choice", "options": options})).await;
        let one = with(&owner, json!({"plan": "gold"})).await;
        with(&owner, json!({"plan": "gold"})).await;
        let shown = |answer: Value| answer["customFields"]["plan"].clone();
        let read = format!("{CUSTOMERS}/{}", one["id"].as_str().unwrap());
        let body = owner.patch(&path(&plan), json!({"options": ["silver", "bronze"]})).await;
        let body = body.fails(409, "OPTION_IN_USE");
        assert_eq!(body["errors"][0]["field"], "options");
        assert!(body["message"].as_str().unwrap().contains("\"gold\" in 2"), "{body}");
        let remove = format!("{}/options/remove", path(&plan));
        owner.post(&remove, json!({"option": "gold"})).await.fails(409, "OPTION_IN_USE");
        let both = json!({"option": "gold", "replacement": "silver", "clear": true});
        owner.post(&remove, both).await.fails(422, "CONTRADICTION");
        let rename = format!("{}/options/rename", path(&plan));
        let to = json!({"option": "gold", "to": "Gold plus"});
        let after = owner.post(&rename, to.clone()).await.data();
        assert_eq!(after["options"], json!(["Gold plus", "silver", "bronze"]));
        assert_eq!((&after["work"], shown(owner.get(&read).await.data())), (&Value::Null, json!("Gold plus")));
        owner.post(&rename, to).await.fails(422, "INVALID_OPTION");
        let silver = json!({"option": "Gold plus", "replacement": "silver"});
        let after = owner.post(&remove, silver).await.data();
        assert_eq!(after["options"], json!(["silver", "bronze"]));
        assert_eq!(shown(owner.get(&read).await.data()), "silver");
        let found = owner.get(&format!("{CUSTOMERS}?customFields.plan=silver")).await.is(200);
        assert_eq!(found["meta"]["total"], 2);
        owner.post(&remove, json!({"option": "silver", "clear": true})).await.is(200);
        assert_eq!(shown(owner.get(&read).await.data()), Value::Null);
        // Nobody changes records out of reach by way of a definition.
        let manager = server.colleague(&owner, BuiltIn::Manager).await;
        let bronze = json!({"option": "bronze", "to": "x"});
        manager.post(&rename, bronze.clone()).await.fails(403, "FORBIDDEN");
        let other = server.owner("globex").await;
        other.post(&rename, bronze).await.fails(404, "NOT_FOUND");
    }

    async fn values_of_a_deleted_field_are_hidden_at_once_and_cleared_in_parts(server: &TestServer) {
        let owner = server.owner("acme").await;
        let number = define(&owner, json!({"key": "number", "type": "number"})).await;
        let one = with(&owner, json!({"number": 7})).await;
        let read = format!("{CUSTOMERS}/{}", one["id"].as_str().unwrap());
        let proceed = format!("{}/proceed", path(&number));
        let gone = owner.delete(&path(&number)).await.data();
        assert_eq!(gone["work"], json!({"task": "clearing", "done": 0, "total": 1}));
        assert_eq!(owner.get(&read).await.data()["customFields"], json!({}));
        let listed = owner.get(CUSTOMERS).await.is(200);
        assert_eq!(listed["data"][0]["customFields"], json!({}));
        for query in ["customFields.number=7", "filter=customFields.number%3D7", "sort=customFields.number"] {
            for list in [CUSTOMERS.to_owned(), format!("{CUSTOMERS}/mine")] {
                owner.get(&format!("{list}?{query}")).await.is(400);
            }
        }
        owner.get(&format!("{CUSTOMERS}/stats?customFields.number=7")).await.is(400);
        // Whoever writes the record in between does not lose what comes back.
        owner.put(&read, json!({"companyName": "Renamed"})).await.is(200);
        let again = json!({"recordType": "customers", "label": "x", "key": "number", "type": "text"});
        let body = owner.post(PATH, again.clone()).await.fails(409, "WORK_PENDING");
        assert_eq!(body["errors"][0]["field"], "key");
        let restored = owner.post(&format!("{}/restore", path(&number)), json!({})).await.data();
        assert_eq!(restored["work"], Value::Null);
        assert_eq!(owner.get(&read).await.data()["customFields"], json!({"number": 7}));
        owner.delete(&path(&number)).await.is(200);
        let manager = server.colleague(&owner, BuiltIn::Manager).await;
        manager.post(&proceed, json!({})).await.fails(404, "NOT_FOUND");
        let cleared = owner.post(&proceed, json!({})).await.data();
        assert_eq!(cleared["work"], Value::Null);
        owner.post(PATH, again).await.is(201);
        assert_eq!(owner.get(&read).await.data()["customFields"], json!({}));
        let found = owner.get(&format!("{CUSTOMERS}?customFields.number[null]=false")).await.is(200);
        assert_eq!(found["meta"]["total"], 0);
    }

    async fn a_reference_of_ones_own_is_held_and_embedded_as_built_in_ones_are(server: &TestServer) {
        let owner = server.owner("acme").await;
        let partner = json!({"key": "partner", "type": "reference", "references": "companies"});
        let partner = define(&owner, partner).await;
        assert_eq!(partner["references"], "companies");
        define(&owner, json!({"key": "mentor", "type": "reference", "references": "users"})).await;
        let company = owner.post("/api/v1/companies", json!({"name": "Partner"})).await.data();
        let fields = json!({"partner": company["id"], "mentor": owner.user});
        let one = with(&owner, fields.clone()).await;
        assert_eq!(one["customFields"], fields, "as it was sent");
        let shown = |deleted: bool| {
            json!({"type": "companies", "id": company["id"], "name": "Partner", "deleted": deleted})
        };
        assert_eq!(one["references"]["partner"], shown(false));
        assert_eq!(one["references"]["mentor"]["id"], json!(owner.user));
        let read = format!("{CUSTOMERS}/{}", one["id"].as_str().unwrap());
        let bare = owner.get(&format!("{read}?expand=")).await.data();
        assert_eq!((&bare["references"], &bare["customFields"]), (&Value::Null, &fields));
        let id = company["id"].as_str().unwrap();
        let list = format!("{CUSTOMERS}?customFields.partner={id}&expand=references");
        assert_eq!(owner.get(&list).await.is(200)["data"][0]["references"]["partner"], shown(false));
        // Out of reach, the identifier stays and nothing else is told; nor can it be named.
        let user = server.colleague(&owner, BuiltIn::User).await;
        owner.patch(&read, json!({"assignedTo": user.user})).await.is(200);
        let seen = user.get(&read).await.data();
        assert_eq!((&seen["customFields"]["partner"], &seen["references"]["partner"]), (&company["id"], &Value::Null));
        assert!(!seen.to_string().contains("Partner"), "{seen}");
        let input = json!({"companyName": "B", "customFields": {"partner": id}});
        let body = user.post(CUSTOMERS, input.clone()).await.fails(422, "MISSING_REFERENCE");
        assert_eq!(body["errors"][0]["field"], "customFields.partner");
        let other = server.owner("globex").await;
        define(&other, json!({"key": "partner", "type": "reference", "references": "companies"})).await;
        let theirs = other.post(CUSTOMERS, input.clone()).await.fails(422, "MISSING_REFERENCE");
        assert_eq!(theirs["errors"], body["errors"], "as if it were not there at all");
        // A deleted one stays readable, and is named by no other.
        owner.delete(&format!("/api/v1/companies/{id}")).await.is(200);
        assert_eq!(owner.get(&read).await.data()["references"]["partner"], shown(true));
        owner.post(CUSTOMERS, input).await.fails(422, "MISSING_REFERENCE");
        let unsaid = json!({"recordType": "customers", "label": "x", "key": "x", "type": "reference"});
        owner.post(PATH, unsaid).await.fails(422, "REQUIRED");
    }

    async fn fields_of_ones_own_are_searched_and_counted(server: &TestServer) {
        let owner = server.owner("acme").await;
        define(&owner, json!({"key": "slogan", "type": "text"})).await;
        define(&owner, json!({"key": "plan", "type": "choice", "options": ["gold", "tin"]})).await;
        define(&owner, json!({"key": "price", "type": "decimal"})).await;
        with(&owner, json!({"slogan": "Überall", "plan": "gold", "price": "1.50"})).await;
        let best = with(&owner, json!({"slogan": "Uber", "plan": "tin", "price": 2})).await;
        let found = owner.get(&format!("{CUSTOMERS}/search?q=uber")).await.is(200);
        assert_eq!((&found["meta"]["total"], &found["data"][0]["id"]), (&json!(2), &best["id"]));
        assert_eq!(owner.get(&format!("{CUSTOMERS}?search=uberall")).await.is(200)["meta"]["total"], 1);
        let stats = format!("{CUSTOMERS}/stats");
        assert_eq!(owner.get(&stats).await.data()["byCustomField"], json!({}));
        let figures = owner.get(&format!("{stats}?customFields=plan,price&search=uber")).await.data();
        let counts = json!([{"key": "gold", "count": 1}, {"key": "tin", "count": 1}]);
        let price = json!({"count": 2, "sum": "3.5", "min": "1.5", "max": "2"});
        assert_eq!(figures["byCustomField"], json!({"plan": {"counts": counts}, "price": price}));
        let figures = owner.get(&format!("{stats}?customFields=plan&customFields.price[gt]=1.6")).await.data();
        assert_eq!(figures["byCustomField"]["plan"]["counts"], json!([{"key": "tin", "count": 1}]));
        let body = owner.get(&format!("{stats}?customFields=slogan")).await.fails(400, "INVALID_VALUE");
        assert_eq!(body["errors"][0]["field"], "customFields");
        owner.get(&format!("{stats}?customFields=nothing")).await.fails(400, "UNKNOWN_FIELD");
    }
}
