//! Figures over a tenant's people, and what one of them did.

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
        owner.get(&format!("{all}?expand=actor")).await.fails(400, "UNKNOWN_EXPANSION");
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

    async fn figures_over_people_follow_the_filter(server: &TestServer) {
        let owner = server.owner("acme").await;
        let rep = server.colleague(&owner, BuiltIn::SalesRep).await;
        server.colleague(&owner, BuiltIn::SalesRep).await;
        let status = json!({"status": "inactive"});
        owner.patch(&format!("{USERS}/{}/status", rep.user), status).await.is(200);
        let new = json!({
            "email": "grace@acme.example", "password": "correct horse battery staple",
            "name": "Grace", "roles": ["readonly"]
        });
        created(&owner, USERS, new).await;
        let stats = owner.get(&format!("{USERS}/stats")).await.data();
        assert_eq!((&stats["total"], &stats["newThisMonth"]), (&json!(4), &json!(4)), "{stats}");
        assert_eq!((&stats["active"], &stats["inactive"]), (&json!(3), &json!(1)), "{stats}");
        // Who never signed in is not among them.
        assert!(stats["signedInLately"].as_u64().unwrap() < 4, "{stats}");
        assert!(stats["signedInLately"].as_u64().unwrap() >= 1, "{stats}");
        let by_role = stats["byRole"].as_array().unwrap();
        for (key, count) in [("owner", 1), ("sales_rep", 2), ("readonly", 1)] {
            assert!(by_role.contains(&json!({"key": key, "count": count})), "{stats}");
        }
        let of_reps = owner.get(&format!("{USERS}/stats?role=sales_rep")).await.data();
        assert_eq!((&of_reps["total"], &of_reps["active"]), (&json!(2), &json!(1)));
        owner.get(&format!("{USERS}/stats?page=2")).await.fails(400, "NOT_FILTERABLE");
        owner.get(&format!("{USERS}/stats?customFields=a")).await.is(400);
        let user = server.colleague(&owner, BuiltIn::User).await;
        user.get(&format!("{USERS}/stats")).await.fails(403, "FORBIDDEN");
    }

    async fn people_are_found_by_what_is_known_of_them_and_owners_by_another_word(server: &TestServer) {
        let owner = server.owner("acme").await;
        let new = json!({
            "email": "jane@acme.example", "password": "correct horse battery staple",
            "name": "Jane Smith", "roles": ["employee"], "title": "Sales Manager",
            "phone": "+4930 1234567"
        });
        created(&owner, USERS, new).await;
        for query in ["jane", "SMITH", "jane@acme", "manager", "1234567"] {
            let body = owner.get(&format!("{USERS}?search={query}")).await.is(200);
            assert_eq!(body["meta"]["total"], 1, "{query}: {body}");
            assert_eq!(body["data"][0]["name"], "Jane Smith");
        }
        let second = json!({
            "email": "boss@acme.example", "password": "correct horse battery staple",
            "roles": ["super_admin"]
        });
        assert_eq!(created(&owner, USERS, second).await["roles"], json!(["owner"]));
        for (query, total) in [("super_admin", 2), ("owner", 2), ("employee", 1), ("admin", 0), ("employee,owner", 3)] {
            let body = owner.get(&format!("{USERS}?role={query}")).await.is(200);
            assert_eq!(body["meta"]["total"], total, "{query}: {body}");
        }
        let taken = json!({"name": "Super admin", "permissions": []});
        owner.post("/api/v1/users/roles", taken).await.is(422);
    }
}
