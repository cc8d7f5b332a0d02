//! `/customers/tags` and `/custom-fields`: a tenant's own words.

use crm_core::access::BuiltIn;
use serde_json::{Value, json};

use crate::support::{TestServer, for_each_store};

const TAGS: &str = "/api/v1/customers/tags";
const FIELDS: &str = "/api/v1/custom-fields";

for_each_store! {
    async fn a_tag_is_made_renamed_and_deleted(server: &TestServer) {
        let owner = server.owner("acme").await;
        let answer = owner.post(TAGS, json!({"name": "VIP", "color": "#F00"})).await;
        answer.is(201);
        let tag = answer.data();
        let path = format!("{TAGS}/{}", tag["id"].as_str().unwrap());
        assert_eq!(answer.header("location"), path);
        owner.post(TAGS, json!({"name": "vip"})).await.fails(409, "DUPLICATE");
        owner.post(TAGS, json!({"name": "", "color": "red-ish"})).await.is(422);
        let renamed = owner.put(&path, json!({"name": "Gold"})).await.data();
        assert_eq!((&renamed["name"], &renamed["color"]), (&json!("Gold"), &Value::Null));
        owner.delete(&path).await.is(200);
        assert_eq!(owner.get(TAGS).await.is(200)["meta"]["total"], 0);
        owner.post(TAGS, json!({"name": "Gold"})).await.is(201);
    }

    async fn everybody_reads_tags_and_few_write_them(server: &TestServer) {
        let owner = server.owner("acme").await;
        let rep = server.colleague(&owner, BuiltIn::SalesRep).await;
        owner.post(TAGS, json!({"name": "VIP"})).await.is(201);
        assert_eq!(rep.get(TAGS).await.is(200)["meta"]["total"], 1);
        rep.post(TAGS, json!({"name": "Mine"})).await.fails(403, "FORBIDDEN");
    }

    async fn a_field_once_defined_is_typed_checked_filtered_and_sorted(server: &TestServer) {
        let owner = server.owner("acme").await;
        let define = async |input: Value| owner.post(FIELDS, input).await;
        let seats = json!({
            "recordType": "customers", "key": "seats", "label": "Seats", "type": "number"
        });
        let plan = json!({
            "recordType": "customers", "key": "plan", "label": "Plan", "type": "choice",
            "options": ["basic", "pro"], "default": "basic"
        });
        define(seats.clone()).await.is(201);
        define(plan).await.is(201);
        define(seats).await.fails(409, "DUPLICATE");
        define(json!({"recordType": "customers", "key": "x", "type": "fax"})).await.fails(422, "INVALID_CHOICE");

        let create = async |name: &str, fields: Value| {
            let input = json!({"companyName": name, "customFields": fields});
            owner.post("/api/v1/customers", input).await
        };
        let small = create("Small", json!({"seats": 3})).await;
        small.is(201);
        assert_eq!(small.data()["customFields"], json!({"seats": 3, "plan": "basic"}));
        create("Large", json!({"seats": 30, "plan": "pro"})).await.is(201);
        let body = create("Wrong", json!({"seats": "many", "plan": "gold"})).await.is(422);
        assert_eq!(body["errors"].as_array().unwrap().len(), 2, "{body}");

        let found = async |query: &str| {
            let body = owner.get(&format!("/api/v1/customers?{query}")).await.is(200);
            let names = body["data"].as_array().unwrap().iter();
            names.map(|customer| customer["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(found("customFields.seats%5Bgte%5D=10").await, ["Large"]);
        assert_eq!(found("customFields.plan=basic").await, ["Small"]);
        assert_eq!(found("sort=-customFields.seats").await, ["Large", "Small"]);
        let unknown = owner.get("/api/v1/customers?customFields.colour=red").await;
        assert_eq!(unknown.status, 400);

        let path = format!("/api/v1/customers/{}", small.data()["id"].as_str().unwrap());
        let merged = owner.patch(&path, json!({"customFields": {"plan": "pro"}})).await.data();
        assert_eq!(merged["customFields"], json!({"seats": 3, "plan": "pro"}));
        let cleared = owner.patch(&path, json!({"customFields": {"seats": null}})).await.data();
        assert_eq!(cleared["customFields"], json!({"plan": "pro"}));
    }

    async fn what_a_field_is_cannot_change(server: &TestServer) {
        let owner = server.owner("acme").await;
        let input = json!({"recordType": "customers", "key": "seats", "label": "Seats", "type": "number"});
        let field = owner.post(FIELDS, input).await.data();
        let path = format!("{FIELDS}/{}", field["id"].as_str().unwrap());
        let label = owner.patch(&path, json!({"label": "Places"})).await.data();
        assert_eq!((&label["label"], &label["type"]), (&json!("Places"), &json!("number")));
        owner.patch(&path, json!({"type": "text"})).await.fails(422, "IMMUTABLE");
    }
}
