//! `/users`: the tenant's people.

use crm_core::access::BuiltIn;
use hyper::Method;
use serde_json::{Value, json};

use crate::support::{PASSWORD, Person, TestServer, for_each_store};

const USERS: &str = "/api/v1/users";

fn new(email: &str, roles: &[&str]) -> Value {
    json!({"email": email, "password": PASSWORD, "name": "Somebody", "roles": roles})
}

async fn made(owner: &Person, email: &str, roles: &[&str]) -> Value {
    let answer = owner.post(USERS, new(email, roles)).await;
    answer.is(201);
    answer.data()
}

fn at(member: &Value) -> String {
    format!("{USERS}/{}", member["id"].as_str().unwrap())
}

for_each_store! {
    async fn a_user_is_created_found_changed_and_leaves(server: &TestServer) {
        let owner = server.owner("acme").await;
        let mut input = new("Bob@Example.com", &["user"]);
        input["title"] = json!("Clerk");
        input["phone"] = json!("+49 30 123456");
        let answer = owner.post(USERS, input).await;
        answer.is(201);
        let bob = answer.data();
        assert_eq!(answer.header("location"), at(&bob));
        assert_eq!(answer.header("etag"), "\"1\"");
        assert_eq!((&bob["email"], &bob["phone"]), (&json!("Bob@Example.com"), &json!("+4930123456")));
        assert_eq!((&bob["status"], &bob["roles"]), (&json!("active"), &json!(["user"])));
        assert!(!answer.json().to_string().contains("argon2"));
        let signed_in = server.sign_in("bob@example.com").await;
        assert_eq!(signed_in.user, bob["id"].as_str().unwrap(), "known by the id of the user");

        let list = owner.get(&format!("{USERS}?sort=-name,email&search=clerk&roles=user")).await.is(200);
        assert_eq!((&list["meta"]["total"], &list["data"][0]), (&json!(1), &bob));
        let by_id = format!("{USERS}?id={}&status=active", signed_in.user);
        assert_eq!(owner.get(&by_id).await.is(200)["meta"]["total"], 1);
        owner.get(&format!("{USERS}?password=x")).await.fails(400, "UNKNOWN_PARAMETER");

        let input = json!({"name": "Robert", "roles": ["readonly"], "version": 1});
        let replaced = owner.put(&at(&bob), input.clone()).await.data();
        assert_eq!((&replaced["name"], &replaced["title"]), (&json!("Robert"), &Value::Null));
        owner.put(&at(&bob), input).await.fails(412, "STALE_VERSION");
        let merged = owner.patch(&at(&bob), json!({"title": "Boss"})).await.data();
        assert_eq!((&merged["title"], &merged["roles"]), (&json!("Boss"), &json!(["readonly"])));
        owner.patch(&at(&bob), json!({"email": "x@example.com"})).await.fails(400, "UNKNOWN_FIELD");
        owner.patch(&at(&bob), json!({"roles": ["bogus"]})).await.fails(422, "UNKNOWN_ROLE");
        let body = owner.patch(&at(&bob), json!({"roles": [], "name": ""})).await.is(422);
        assert_eq!(body["errors"].as_array().unwrap().len(), 2, "{body}");

        owner.delete(&at(&bob)).await.is(200);
        owner.get(&at(&bob)).await.fails(404, "NOT_FOUND");
        assert_eq!(owner.get(USERS).await.is(200)["meta"]["total"], 1);
        let all = owner.get(&format!("{USERS}?includeDeleted=true")).await.is(200);
        assert_eq!(all["meta"]["total"], 2);
        owner.post(&format!("{}/restore", at(&bob)), json!({})).await.is(200);
        assert_eq!(owner.get(&at(&bob)).await.data()["title"], "Boss");
    }

    async fn who_signs_in_elsewhere_joins_with_their_own_password(server: &TestServer) {
        let (owner, other) = (server.owner("acme").await, server.owner("other").await);
        let mut input = new(&other.email, &["readonly"]);
        input["password"] = json!("the admin's idea of one");
        // Anybody may have signed up by the address: they are not taken for the one meant.
        let known = owner.post(USERS, input.clone()).await.fails(409, "USER_EXISTS");
        assert_eq!(known["errors"][0]["field"], "email");
        let there = other.with("X-Tenant-ID", &owner.tenant);
        there.get("/api/v1/auth/roles").await.fails(403, "NOT_A_MEMBER");
        let members = format!("/api/v1/tenants/{}/members", owner.tenant);
        let named = json!({"email": other.email, "roles": ["readonly"]});
        let joined = owner.post(&members, named).await;
        joined.is(201);
        let there = other.with("X-Tenant-ID", &owner.tenant);
        there.get("/api/v1/auth/roles").await.fails(403, "NOT_A_MEMBER");
        server.agree(&other, &owner.tenant).await;
        let there = other.with("X-Tenant-ID", &owner.tenant);
        assert_eq!(there.get("/api/v1/auth/roles").await.data(), json!(["readonly"]));
        assert_eq!(other.get("/api/v1/auth/roles").await.data(), json!(["owner"]));
        server.sign_in(&other.email).await;
        let twice = owner.post(USERS, input).await.fails(409, "DUPLICATE");
        assert_eq!(twice["errors"][0]["field"], "email");
        // Nothing but the address can be found out, and nothing of the other tenant.
        let joined = joined.data();
        let path = at(&joined);
        for method in [Method::PUT, Method::PATCH] {
            let input = json!({"name": "Renamed", "roles": ["readonly"]});
            owner.send(method, &path, Some(input)).await.is(200);
        }
        let profile = other.get("/api/v1/auth/profile").await.data();
        assert_ne!(profile["user"]["name"], "Renamed", "a name in one tenant is not the user's");
    }

    async fn each_role_may_do_with_people_what_it_may(server: &TestServer) {
        let owner = server.owner("acme").await;
        let target = made(&owner, "target@acme.example", &["readonly"]).await;
        let path = at(&target);
        let operations: [(Method, String, Option<Value>); 8] = [
            (Method::GET, USERS.to_owned(), None),
            (Method::GET, path.clone(), None),
            (Method::GET, format!("{path}/permissions"), None),
            (Method::POST, USERS.to_owned(), Some(new("x@acme.example", &["readonly"]))),
            (Method::PATCH, path.clone(), Some(json!({"title": "T"}))),
            (Method::PATCH, format!("{path}/status"), Some(json!({"status": "active"}))),
            (Method::PUT, format!("{path}/permissions"), Some(json!({"permissions": []}))),
            (Method::POST, format!("{path}/hand-over"), Some(json!({"to": owner.user}))),
        ];
        for role in [
            BuiltIn::Manager, BuiltIn::User, BuiltIn::SalesRep, BuiltIn::Agent, BuiltIn::Employee,
            BuiltIn::Readonly,
        ] {
            let caller = server.colleague(&owner, role).await;
            for (method, path, body) in &operations {
                let answer = caller.send(method.clone(), path, body.clone()).await;
                let name = format!("{role}: {method} {path}");
                match (role, method, path.as_str()) {
                    // A manager reads its team's people: itself, where it has no team.
                    (BuiltIn::Manager, &Method::GET, USERS) => {
                        assert_eq!(answer.is(200)["meta"]["total"], 1, "{name}");
                    }
                    // Of others it sees nothing.
                    (BuiltIn::Manager, &Method::GET | &Method::PATCH | &Method::PUT, _) => {
                        drop(answer.fails(404, "NOT_FOUND"));
                    }
                    _ => assert_eq!(answer.status, 403, "{name}: {}", answer.json()),
                }
            }
        }
        let admin = server.colleague(&owner, BuiltIn::Admin).await;
        for (method, path, body) in operations {
            let answer = admin.send(method.clone(), &path, body).await;
            assert!(answer.status.is_success(), "{method} {path}: {}", answer.json());
        }
    }

    async fn an_admin_neither_makes_nor_touches_an_owner(server: &TestServer) {
        let owner = server.owner("acme").await;
        let admin = server.colleague(&owner, BuiltIn::Admin).await;
        let path = format!("{USERS}/{}", owner.user);
        let own = format!("{USERS}/{}", admin.user);
        let before = owner.get(&path).await.data();
        let owners = json!({"permissions": [{"permission": "owners:manage", "reach": "all"}]});
        let role = json!({"name": "Backdoor", "permissions": [{"permission": "tenants:delete"}]});
        for (method, path, body) in [
            (Method::POST, USERS.to_owned(), Some(new("x@acme.example", &["owner"]))),
            (Method::PATCH, own.clone(), Some(json!({"roles": ["admin", "owner"]}))),
            (Method::PUT, own.clone(), Some(json!({"name": "A", "roles": ["owner"]}))),
            (Method::PUT, format!("{own}/permissions"), Some(owners)),
            (Method::POST, format!("{USERS}/roles"), Some(role)),
            (Method::PATCH, path.clone(), Some(json!({"title": "Nobody"}))),
            (Method::PATCH, path.clone(), Some(json!({"roles": ["readonly"]}))),
            (Method::PATCH, format!("{path}/status"), Some(json!({"status": "inactive"}))),
            (Method::DELETE, path.clone(), None),
            (Method::DELETE, format!("/api/v1/tenants/{}", owner.tenant), None),
        ] {
            admin.send(method.clone(), &path, body).await.fails(403, "FORBIDDEN");
        }
        assert_eq!(owner.get(&path).await.data(), before);
    }

    async fn the_last_owner_stays(server: &TestServer) {
        let owner = server.owner("acme").await;
        let path = format!("{USERS}/{}", owner.user);
        owner.patch(&path, json!({"roles": ["admin"]})).await.fails(403, "LAST_OWNER");
        owner.patch(&format!("{path}/status"), json!({"status": "inactive"})).await.fails(403, "LAST_OWNER");
        owner.delete(&path).await.fails(403, "LAST_OWNER");
        let second = server.colleague(&owner, BuiltIn::Owner).await;
        let other = format!("{USERS}/{}", second.user);
        let (a, b) = tokio::join!(
            owner.patch(&other, json!({"roles": ["user"]})),
            second.patch(&path, json!({"roles": ["user"]}))
        );
        assert_ne!(a.status.is_success(), b.status.is_success(), "{} {}", a.json(), b.json());
    }

    async fn extra_permissions_come_beside_those_of_roles(server: &TestServer) {
        let owner = server.owner("acme").await;
        let rep = server.colleague(&owner, BuiltIn::SalesRep).await;
        let path = format!("{USERS}/{}/permissions", rep.user);
        rep.get("/api/v1/customers/stats").await.is(200);
        rep.post("/api/v1/customers", json!({"companyName": "A"})).await.fails(403, "FORBIDDEN");
        let input = json!({"permissions": [{"permission": "customers:create"}, {"permission": "audit:view", "reach": "team"}]});
        let held = owner.put(&path, input).await.data();
        assert_eq!(held["extra"][0], json!({"permission": "customers:create", "reach": "all"}));
        rep.post("/api/v1/customers", json!({"companyName": "A"})).await.is(201);
        let held = owner.get(&path).await.data();
        let of = |permission: &str| {
            let all = held["effective"].as_array().unwrap().iter();
            all.clone().find(|held| held["permission"] == permission).cloned().unwrap_or_default()
        };
        let create = json!({"permission": "customers:create", "reach": "all", "from": [{"role": null, "reach": "all"}]});
        assert_eq!(of("customers:create"), create);
        assert_eq!(of("customers:read")["from"], json!([{"role": "sales_rep", "reach": "assigned"}]));
        assert_eq!(of("customers:delete"), Value::Null);
        let own = rep.get("/api/v1/auth/permissions").await.data();
        assert_eq!(own["audit:view"], "team");
        // A PUT of the user leaves them as they are.
        let user = format!("{USERS}/{}", rep.user);
        let put = owner.put(&user, json!({"name": "Rep", "roles": ["sales_rep"]})).await.data();
        assert_eq!(put["extraPermissions"].as_array().unwrap().len(), 2);
        owner.put(&path, json!({"permissions": []})).await.is(200);
        rep.post("/api/v1/customers", json!({"companyName": "B"})).await.fails(403, "FORBIDDEN");
        let body = owner.put(&path, json!({"permissions": [{"permission": "nonsense"}, {"permission": "customers:fly"}]})).await;
        assert_eq!(body.fails(422, "INVALID_PERMISSION")["errors"][0]["field"], "permissions[0].permission");
        owner.put(&path, json!({"permissions": [{"permission": "customers:fly"}]})).await.fails(422, "UNKNOWN_PERMISSION");
        owner.put(&path, json!({})).await.fails(422, "REQUIRED");
    }

    async fn a_deactivated_user_is_out_at_once_and_may_come_back(server: &TestServer) {
        let owner = server.owner("acme").await;
        let user = server.colleague(&owner, BuiltIn::User).await;
        user.get("/api/v1/customers").await.is(200);
        let path = format!("{USERS}/{}/status", user.user);
        let answer = owner.patch(&path, json!({"status": "inactive"})).await.data();
        assert_eq!(answer["status"], "inactive");
        user.get("/api/v1/customers").await.fails(401, "UNAUTHENTICATED");
        let refresh = json!({"refreshToken": user.refresh_token});
        server.anonymous().post("/api/v1/auth/refresh", refresh).await.fails(401, "UNAUTHENTICATED");
        owner.post("/api/v1/customers", json!({"companyName": "A", "assignedTo": user.user})).await.fails(422, "UNKNOWN_USER");
        owner.patch(&path, json!({"status": "active"})).await.is(200);
        user.get("/api/v1/customers").await.fails(401, "UNAUTHENTICATED");
        server.sign_in(&user.email).await.get("/api/v1/customers").await.is(200);
        owner.patch(&path, json!({"status": "asleep"})).await.fails(422, "INVALID_CHOICE");
        owner.patch(&path, json!({})).await.fails(422, "REQUIRED");
    }

    async fn a_leavers_records_are_handed_over_in_one_call(server: &TestServer) {
        let owner = server.owner("acme").await;
        let (bob, eve) =
            (server.colleague(&owner, BuiltIn::User).await, server.colleague(&owner, BuiltIn::User).await);
        for _ in 0..3 {
            bob.post("/api/v1/customers", json!({"companyName": "Bobs"})).await.is(201);
        }
        owner.delete(&format!("{USERS}/{}", bob.user)).await.is(200);
        assert_eq!(eve.get("/api/v1/customers").await.is(200)["meta"]["total"], 0);
        let path = format!("{USERS}/{}/hand-over", bob.user);
        let handed = owner.post(&path, json!({"to": eve.user})).await.data();
        assert_eq!((&handed["total"], &handed["records"]["customers"]), (&json!(3), &json!(3)));
        assert_eq!(eve.get("/api/v1/customers").await.is(200)["meta"]["total"], 3);
        let again = owner.post(&path, json!({"to": eve.user, "types": ["customers"]})).await.data();
        assert_eq!(again, json!({"total": 0, "records": {"customers": 0}}));
        owner.post(&path, json!({"to": bob.user})).await.is(422);
        owner.post(&path, json!({})).await.fails(422, "REQUIRED");
        owner.post(&path, json!({"to": eve.user, "types": ["users"]})).await.fails(422, "UNKNOWN_RECORD_TYPE");
    }
}
