//! `/users/roles` and `/users/permissions`, also reached as `/roles` and `/permissions`.

use crm_core::access::BuiltIn;
use serde_json::{Value, json};

use crate::support::{TestServer, for_each_store};

const ROLES: &str = "/api/v1/users/roles";

fn grants(all: &[(&str, &str)]) -> Value {
    all.iter()
        .map(|(permission, reach)| json!({"permission": permission, "reach": reach}))
        .collect()
}

for_each_store! {
    async fn what_a_change_would_mean_is_told_before_it_is_made(server: &TestServer) {
        let owner = server.owner("acme").await;
        let input = |permissions: Value| json!({"name": "Readers", "permissions": permissions});
        let one = |permission: &str, reach: &str| json!({"permission": permission, "reach": reach});
        let before = json!([one("customers:read", "assigned"), one("customers:update", "assigned")]);
        let role = owner.post("/api/v1/users/roles", input(before)).await.data();
        let path = format!("/api/v1/users/roles/{}", role["id"].as_str().unwrap());
        let preview = format!("{path}/preview");
        let bob = server.colleague(&owner, BuiltIn::SalesRep).await;
        let eve = server.colleague(&owner, BuiltIn::Readonly).await;
        for (who, roles) in [(&bob, json!(["readers"])), (&eve, json!(["readers", "readonly"]))] {
            let user = format!("/api/v1/users/{}", who.user);
            owner.patch(&user, json!({"roles": roles})).await.is(200);
        }
        for of in [&bob, &owner, &owner] {
            let customer = json!({"companyName": "Acme", "assignedTo": of.user});
            owner.post("/api/v1/customers", customer).await.is(201);
        }
        let now = owner.get(&path).await.data();
        let after = input(json!([one("customers:read", "all"), one("customers:export", "all")]));
        let told = owner.post(&preview, after.clone()).await.data();
        assert_eq!((&told["holders"], &told["permissions"]), (&json!(2), &after["permissions"]));
        let of = |who: &crate::support::Person| {
            let users = told["users"].as_array().unwrap();
            users.iter().find(|user| user["id"] == who.user).unwrap().clone()
        };
        let change = |permission: &str, change: &str, before: Value, after: Value| {
            json!({"permission": permission, "change": change, "before": before, "after": after})
        };
        let (export, update) = (
            change("customers:export", "gained", Value::Null, json!("all")),
            change("customers:update", "lost", json!("assigned"), Value::Null),
        );
        let read = change("customers:read", "widened", json!("assigned"), json!("all"));
        assert_eq!(of(&bob)["permissions"], json!([export, read, update]));
        let records = json!([{"recordType": "customers", "before": 1, "after": 3}]);
        assert_eq!(of(&bob)["records"], records);
        // Who has it by another role gains nothing.
        assert_eq!(of(&eve)["permissions"], json!([export, update]));
        assert_eq!(of(&eve)["records"], json!([]));
        // Nothing was changed, and it comes as it was told.
        assert_eq!(owner.get(&path).await.data(), now);
        assert_eq!(bob.get("/api/v1/customers").await.is(200)["meta"]["total"], 1);
        owner.put(&path, after.clone()).await.is(200);
        assert_eq!(bob.get("/api/v1/customers").await.is(200)["meta"]["total"], 3);
        let told = owner.post(&preview, after).await.data();
        assert_eq!(told["users"], json!([]), "nothing would change");

        // Refused where the change would be.
        let wrong = input(json!([one("customers:fly", "all")]));
        owner.post(&preview, wrong).await.fails(422, "UNKNOWN_PERMISSION");
        let stale = owner.with("If-Match", "\"1\"").post(&preview, input(json!([]))).await;
        stale.fails(412, "STALE_VERSION");
        let admin = server.colleague(&owner, BuiltIn::Admin).await;
        let above = input(json!([one("tenants:delete", "all")]));
        let refused = admin.post(&preview, above.clone()).await.fails(403, "FORBIDDEN");
        assert_eq!(refused["errors"], admin.put(&path, above).await.json()["errors"]);
        bob.post(&preview, input(json!([]))).await.fails(403, "FORBIDDEN");
        let built_in = owner.get("/api/v1/users/roles?code=manager").await.is(200);
        let built_in = built_in["data"][0]["id"].as_str().unwrap().to_owned();
        let built_in = format!("/api/v1/users/roles/{built_in}/preview");
        owner.post(&built_in, input(json!([]))).await.fails(403, "BUILT_IN_ROLE");
        // Of people whom one may not see nothing is told, nor of records that one may not read.
        owner.patch(&format!("/api/v1/users/{}", eve.user), json!({"roles": ["readonly"]})).await.is(200);
        let clerk = server.colleague(&owner, BuiltIn::SalesRep).await;
        let some = json!({"permissions": [
            one("roles:read", "all"), one("roles:manage", "all"), one("customers:export", "all"),
            one("customers:update", "assigned"), one("customers:read", "all"),
        ]});
        owner.put(&format!("/api/v1/users/{}/permissions", clerk.user), some).await.is(200);
        let told = clerk.post(&preview, input(json!([]))).await.data();
        assert_eq!((&told["holders"], &told["users"]), (&json!(1), &json!([])));
    }

    async fn a_role_is_made_given_changed_and_deleted(server: &TestServer) {
        let owner = server.owner("acme").await;
        let permissions = grants(&[("customers:read", "all"), ("customers:update", "assigned")]);
        let input = json!({"name": "Field Sales", "description": "On the road", "permissions": permissions});
        let answer = owner.post("/api/roles/", input).await;
        answer.is(201);
        let role = answer.data();
        let path = format!("{ROLES}/{}", role["id"].as_str().unwrap());
        assert_eq!(answer.header("location"), path);
        assert_eq!((&role["code"], &role["builtIn"]), (&json!("field_sales"), &json!(false)));
        assert_eq!(role["permissions"], permissions);

        let bob = server.colleague(&owner, BuiltIn::Employee).await;
        let user = format!("/api/v1/users/{}", bob.user);
        owner.patch(&user, json!({"roles": ["field_sales"]})).await.is(200);
        bob.get("/api/v1/customers").await.is(200);
        bob.post("/api/v1/customers", json!({"companyName": "A"})).await.fails(403, "FORBIDDEN");

        let one = json!({"permission": "customers:create", "reach": "assigned"});
        let wider = owner.post(&format!("{path}/permissions"), one.clone()).await;
        wider.is(201);
        assert_eq!(wider.header("location"), format!("{path}/permissions/customers:create"));
        bob.post("/api/v1/customers", json!({"companyName": "A"})).await.is(201);
        let alias = format!("/api/roles/{}/assign_permission/", role["id"].as_str().unwrap());
        owner.post(&alias, one).await.is(201);
        owner.delete(&format!("{path}/permissions/customers:create")).await.is(200);
        bob.post("/api/v1/customers", json!({"companyName": "B"})).await.fails(403, "FORBIDDEN");
        owner.delete(&format!("{path}/permissions/customers:create")).await.fails(404, "NOT_FOUND");

        let current = owner.get(&path).await;
        let version = current.data()["version"].as_i64().unwrap();
        let input = json!({"name": "Sales", "permissions": grants(&[("customers:read", "team")]), "version": version});
        let replaced = owner.put(&path, input.clone()).await.data();
        assert_eq!((&replaced["code"], &replaced["description"]), (&json!("field_sales"), &Value::Null));
        owner.put(&path, input).await.fails(412, "STALE_VERSION");
        owner.patch(&path, json!({"code": "other"})).await.fails(422, "IMMUTABLE");

        let refused = owner.delete(&path).await.fails(409, "IN_USE");
        assert_eq!(refused["message"], "1 member has the role field_sales");
        owner.patch(&user, json!({"roles": ["employee"]})).await.is(200);
        owner.delete(&path).await.is(200);
        owner.get(&path).await.fails(404, "NOT_FOUND");
        owner.patch(&user, json!({"roles": ["field_sales"]})).await.fails(422, "UNKNOWN_ROLE");
    }

    async fn built_in_roles_are_listed_and_cannot_be_changed(server: &TestServer) {
        let owner = server.owner("acme").await;
        for path in [ROLES, "/api/v1/roles", "/api/roles/"] {
            let list = owner.get(path).await.is(200);
            assert_eq!(list["meta"]["total"], 8);
            assert_eq!(list["data"][0]["code"], "owner");
            assert!(list["data"].as_array().unwrap().iter().all(|role| role["builtIn"] == true));
        }
        let found = owner.get(&format!("{ROLES}?code=sales_rep")).await.is(200)["data"][0].clone();
        let path = format!("{ROLES}/{}", found["id"].as_str().unwrap());
        assert_eq!(owner.get(&path).await.data(), found);
        let held = found["permissions"].as_array().unwrap();
        assert!(held.contains(&json!({"permission": "customers:read", "reach": "assigned"})));
        let input = json!({"name": "Mine", "permissions": []});
        owner.put(&path, input.clone()).await.fails(403, "BUILT_IN_ROLE");
        owner.patch(&path, json!({"name": "Mine"})).await.fails(403, "BUILT_IN_ROLE");
        owner.delete(&path).await.fails(403, "BUILT_IN_ROLE");
        let one = json!({"permission": "customers:create"});
        owner.post(&format!("{path}/permissions"), one).await.fails(403, "BUILT_IN_ROLE");
        owner.delete(&format!("{path}/permissions/customers:read")).await.fails(403, "BUILT_IN_ROLE");
        owner.post(ROLES, json!({"name": "Owner", "permissions": []})).await.fails(422, "BUILT_IN_ROLE");
    }

    async fn faults_of_a_role_name_their_fields(server: &TestServer) {
        let owner = server.owner("acme").await;
        let input = json!({"name": "", "permissions": grants(&[("customers:fly", "all")])});
        let body = owner.post(ROLES, input).await.is(422);
        let fields: Vec<&str> =
            body["errors"].as_array().unwrap().iter().filter_map(|e| e["field"].as_str()).collect();
        assert!(fields.contains(&"name") && fields.contains(&"permissions[0].permission"), "{body}");
        let input = json!({"name": "R", "permissions": [{"permission": "customers:read", "reach": "galaxy"}]});
        owner.post(ROLES, input).await.fails(422, "INVALID_CHOICE");
        owner.post(ROLES, json!({"name": "R", "permissions": [{"permission": "x"}]})).await.fails(422, "INVALID_PERMISSION");
        // What is too much is said once, and not looked through.
        for count in [1_001, 9_000] {
            let permissions = vec![json!({"permission": "x:y", "reach": "all"}); count];
            let body = owner.post(ROLES, json!({"name": "R", "permissions": permissions})).await.fails(422, "TOO_MANY");
            assert_eq!(body["errors"].as_array().unwrap().len(), 1, "{body}");
        }
        let permissions = vec![json!({"permission": "x:y", "reach": "all"}); 20_001];
        owner.post(ROLES, json!({"name": "R", "permissions": permissions})).await.fails(400, "TOO_MANY");
        owner.get(&format!("{ROLES}?colour=red")).await.fails(400, "UNKNOWN_PARAMETER");
    }

    async fn each_role_may_do_with_roles_what_it_may(server: &TestServer) {
        let owner = server.owner("acme").await;
        let input = |name: &str| json!({"name": name, "permissions": grants(&[("customers:read", "all")])});
        let role = owner.post(ROLES, input("Readers")).await.data();
        let path = format!("{ROLES}/{}", role["id"].as_str().unwrap());
        let before = owner.get(&path).await.data();
        for role in [
            BuiltIn::Manager, BuiltIn::User, BuiltIn::SalesRep, BuiltIn::Agent, BuiltIn::Employee,
            BuiltIn::Readonly,
        ] {
            let caller = server.colleague(&owner, role).await;
            caller.get(ROLES).await.fails(403, "FORBIDDEN");
            caller.get(&path).await.fails(403, "FORBIDDEN");
            caller.post(ROLES, input("Mine")).await.fails(403, "FORBIDDEN");
            caller.put(&path, input("Mine")).await.fails(403, "FORBIDDEN");
            caller.delete(&path).await.fails(403, "FORBIDDEN");
            let one = json!({"permission": "customers:delete"});
            caller.post(&format!("{path}/permissions"), one).await.fails(403, "FORBIDDEN");
            caller.delete(&format!("{path}/permissions/customers:read")).await.fails(403, "FORBIDDEN");
            // What there is to have permissions for is no secret.
            caller.get("/api/v1/permissions").await.is(200);
        }
        assert_eq!(owner.get(&path).await.data(), before);
        let admin = server.colleague(&owner, BuiltIn::Admin).await;
        admin.put(&path, input("Admins")).await.is(200);
        let above = json!({"name": "Above", "permissions": grants(&[("owners:manage", "all")])});
        admin.post(ROLES, above).await.fails(403, "FORBIDDEN");
    }

    async fn the_catalogue_of_permissions_is_whole(server: &TestServer) {
        let owner = server.owner("acme").await;
        let all = owner.get("/api/v1/users/permissions").await.data();
        let all = all.as_array().unwrap();
        let read = json!({"permission": "customers:read", "resource": "customers", "action": "read", "class": "record"});
        assert!(all.contains(&read));
        let held = owner.get("/api/v1/auth/permissions").await.data();
        assert_eq!(held.as_object().unwrap().len(), all.len(), "an owner holds all of them");
    }
}
