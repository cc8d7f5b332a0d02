//! Figures over a tenant's people, and how they are found.

use crm_core::access::BuiltIn;
use serde_json::{Value, json};

use crate::support::{Person, TestServer, for_each_store};

const USERS: &str = "/api/v1/users";

async fn created(person: &Person, path: &str, input: Value) -> Value {
    let answer = person.post(path, input).await;
    answer.is(201);
    answer.data()
}

for_each_store! {
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
