//! What one of the tenant's people did, as the log tells it.

use chrono::TimeDelta;
use crm_core::access::BuiltIn;
use serde_json::{Value, json};

use crate::support::{Person, TestServer, for_each_store};

const USERS: &str = "/api/v1/users";
const CUSTOMERS: &str = "/api/v1/customers";

async fn created(person: &Person, path: &str, input: Value) -> Value {
    let answer = person.post(path, input).await;
    answer.is(201);
    answer.data()
}

fn of(person: &Person) -> String {
    format!("{USERS}/{}/activity", person.user)
}

/// What was done to what, newest first.
async fn deeds(asks: &Person, path: &str) -> Vec<String> {
    let body = asks.get(path).await.is(200);
    let each = |deed: &Value| {
        format!("{} {}", deed["action"].as_str().unwrap(), deed["resource"].as_str().unwrap())
    };
    body["data"].as_array().unwrap().iter().map(each).collect()
}

for_each_store! {
    async fn what_a_user_did_is_told_from_the_log(server: &TestServer) {
        let owner = server.owner("acme").await;
        let user = server.colleague(&owner, BuiltIn::User).await;
        let customer = created(&user, CUSTOMERS, json!({"companyName": "Acme", "city": "Kiel"})).await;
        let path = format!("{CUSTOMERS}/{}", customer["id"].as_str().unwrap());
        server.clock().advance(TimeDelta::seconds(1));
        user.patch(&path, json!({"city": "Bonn", "phone": "+493012345678"})).await.is(200);
        created(&owner, CUSTOMERS, json!({"companyName": "Other"})).await;
        let all = of(&user);
        assert_eq!(deeds(&owner, &all).await, ["updated customers", "created customers"]);
        let body = owner.get(&format!("{all}?limit=1")).await.is(200);
        assert_eq!(body["meta"]["total"], 2);
        let deed = &body["data"][0];
        assert_eq!((&deed["recordId"], &deed["recordVersion"]), (&customer["id"], &json!(2)));
        assert_eq!(deed["fields"], json!(["city", "phone"]));
        assert_eq!(deed["changes"]["city"], json!({"from": "Kiel", "to": "Bonn"}));
        assert_eq!(deeds(&owner, &format!("{all}?action=created")).await, ["created customers"]);
        assert!(deeds(&owner, &format!("{all}?resource=companies")).await.is_empty());
        assert!(deeds(&owner, &format!("{all}?createdAt%5Blt%5D=2000-01-01")).await.is_empty());
        assert_eq!(deeds(&owner, &format!("{all}?createdAt%5Bgte%5D=2000-01-01")).await.len(), 2);
        owner.get(&format!("{all}?expand=actor")).await.fails(400, "CONTRADICTION");
        // Of what became of those who left.
        owner.delete(&format!("{USERS}/{}", user.user)).await.is(200);
        assert_eq!(deeds(&owner, &all).await.len(), 2);
    }

    async fn oneself_sees_what_one_did_and_nobody_what_others_did(server: &TestServer) {
        let owner = server.owner("acme").await;
        let user = server.colleague(&owner, BuiltIn::User).await;
        let customer = created(&user, CUSTOMERS, json!({"companyName": "Acme"})).await;
        let path = format!("{CUSTOMERS}/{}", customer["id"].as_str().unwrap());
        owner.patch(&path, json!({"city": "Kiel"})).await.is(200);
        let body = user.get(&of(&user)).await.is(200);
        assert_eq!(body["meta"]["total"], 1, "{body}");
        assert_eq!(body["data"][0].get("changes"), None, "{body}");
        assert!(body["data"][0]["fields"].as_array().unwrap().contains(&json!("companyName")));
        user.get(&of(&owner)).await.fails(403, "FORBIDDEN");
        let readonly = server.colleague(&owner, BuiltIn::Readonly).await;
        readonly.get(&of(&user)).await.fails(403, "FORBIDDEN");
        assert!(deeds(&readonly, &of(&readonly)).await.is_empty());
        // Nor anybody of another tenant, whoever it is.
        let stranger = server.owner("globex").await;
        stranger.get(&of(&user)).await.fails(404, "NOT_FOUND");
        assert_eq!(stranger.get(&of(&stranger)).await.is(200)["success"], true);
    }
}
