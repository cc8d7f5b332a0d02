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
