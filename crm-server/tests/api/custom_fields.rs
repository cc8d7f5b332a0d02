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
}
