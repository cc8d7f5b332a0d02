//! What MiniFlexCRM describes, done as it says: its paths, with and without a version and a
//! trailing slash, its login by user name, its tenant in the path, and its three roles.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::support::{Client, TestServer, for_each_store};

const PASSWORD: &str = "securepassword";

/// `POST /api/auth/login` answers a token and when it expires.
async fn log_in(server: &TestServer, base: &str, username: &str) -> (Client, Value) {
    let input = json!({"username": username, "password": PASSWORD});
    let answer = server.anonymous().post(&format!("{base}/auth/login"), input).await;
    answer.is(200);
    let session = answer.data();
    let token = session["token"].as_str().unwrap();
    (server.anonymous().with_token(token), session)
}

/// Signs somebody up and makes them a tenant: its identifier, and its administrator.
async fn tenant(server: &TestServer, base: &str, name: &str) -> (String, Client) {
    let username = format!("{name}_admin");
    let input = json!({
        "username": username, "email": format!("{username}@example.com"), "password": PASSWORD
    });
    server.anonymous().post(&format!("{base}/auth/signup"), input).await.is(201);
    let (admin, _) = log_in(server, base, &username).await;
    let made = admin.post(&format!("{base}/tenant"), json!({"name": name})).await;
    made.is(201);
    (made.data()["id"].as_str().unwrap().to_owned(), admin)
}

/// `POST /api/tenant/{tenant_id}/users` makes a user with a role, who then logs in.
async fn user(
    server: &TestServer,
    base: &str,
    admin: &Client,
    tenant: &str,
    role: &str,
) -> (String, Client) {
    let username = format!("{role}_of_{}", &tenant[24..]);
    let input = json!({
        "username": username, "email": format!("{username}@example.com"), "password": PASSWORD,
        "roles": [role]
    });
    let made = admin.post(&format!("{base}/tenant/{tenant}/users"), input).await;
    made.is(201);
    let (client, _) = log_in(server, base, &username).await;
    (made.data()["id"].as_str().unwrap().to_owned(), client)
}

async fn customer(admin: &Client, path: &str, name: &str, assigned_to: Option<&str>) -> String {
    let made = admin.post(path, json!({"companyName": name, "assignedTo": assigned_to})).await;
    made.is(201);
    made.data()["id"].as_str().unwrap().to_owned()
}

for_each_store! {
    async fn one_signs_up_logs_in_by_name_and_refreshes(server: &TestServer) {
        for (base, name) in [("/api", "ada"), ("/api/v1", "bob")] {
            let input = json!({
                "username": name, "email": format!("{name}@example.com"), "password": PASSWORD
            });
            server.anonymous().post(&format!("{base}/auth/signup/"), input).await.is(201);
            let (client, session) = log_in(server, base, name).await;
            let expiration: DateTime<Utc> = session["expiration"].as_str().unwrap().parse().unwrap();
            let now = crm_core::Clock::now(server.clock());
            assert_eq!((expiration - now).num_seconds(), session["expiresIn"].as_i64().unwrap());
            client.get(&format!("{base}/auth/me")).await.is(200);
            let refresh = json!({"refreshToken": session["refreshToken"]});
            let refreshed = server.anonymous().post(&format!("{base}/auth/refresh/"), refresh).await.data();
            assert!(refreshed["token"].is_string() && refreshed["expiration"].is_string());
            assert_ne!(refreshed["refreshToken"], session["refreshToken"]);
        }
    }

    async fn one_creates_a_tenant_and_gets_its_details(server: &TestServer) {
        for base in ["/api", "/api/v1"] {
            let name = base.replace('/', "");
            let (tenant, admin) = tenant(server, base, &name).await;
            for slash in ["", "/"] {
                let details = admin.get(&format!("{base}/tenant/{tenant}{slash}")).await.data();
                assert_eq!((&details["name"], &details["id"]), (&json!(name), &json!(tenant)));
            }
        }
    }

    async fn users_of_a_tenant_are_listed_read_made_changed_and_removed(server: &TestServer) {
        for base in ["/api", "/api/v1"] {
            let (tenant, admin) = tenant(server, base, &base.replace('/', "")).await;
            let users = format!("{base}/tenant/{tenant}/users");
            let (id, client) = user(server, base, &admin, &tenant, "user").await;
            for slash in ["", "/"] {
                let all = admin.get(&format!("{users}{slash}")).await.is(200);
                assert_eq!(all["meta"]["total"], 2);
                assert_eq!(admin.get(&format!("{users}/{id}{slash}")).await.data()["id"], id.as_str());
            }
            let input = json!({"name": "Somebody", "roles": ["readonly"], "title": "Clerk"});
            let changed = admin.put(&format!("{users}/{id}/"), input).await.data();
            assert_eq!((&changed["title"], &changed["roles"]), (&json!("Clerk"), &json!(["readonly"])));
            client.get(&format!("{base}/tenant/{tenant}/customers")).await.is(200);
            admin.delete(&format!("{users}/{id}/")).await.is(200);
            admin.get(&format!("{users}/{id}")).await.fails(404, "NOT_FOUND");
            client.get(&format!("{base}/tenant/{tenant}/customers")).await.is(401);
        }
    }

    async fn admin_has_full_access_to_the_tenants_data(server: &TestServer) {
        let (tenant, owner) = tenant(server, "/api", "acme").await;
        let (_, admin) = user(server, "/api", &owner, &tenant, "admin").await;
        let customers = format!("/api/tenant/{tenant}/customers");
        let id = customer(&owner, &customers, "Somebody else's", None).await;
        let path = format!("{customers}/{id}");
        assert_eq!(admin.get(&path).await.data()["companyName"], "Somebody else's");
        admin.put(&path, json!({"companyName": "Anybody's"})).await.is(200);
        admin.delete(&path).await.is(200);
        customer(&admin, &customers, "A new one", None).await;
        assert_eq!(admin.get(&format!("{customers}/")).await.is(200)["meta"]["total"], 1);
        admin.get(&format!("/api/tenant/{tenant}/users")).await.is(200);
    }

    async fn user_does_everything_with_what_is_assigned_to_it_and_nothing_else(server: &TestServer) {
        let (tenant, admin) = tenant(server, "/api", "acme").await;
        let (id, client) = user(server, "/api", &admin, &tenant, "user").await;
        let customers = format!("/api/tenant/{tenant}/customers");
        let mine = customer(&admin, &customers, "Mine", Some(&id)).await;
        let others = customer(&admin, &customers, "Others", None).await;
        let list = client.get(&customers).await.is(200);
        assert_eq!((&list["meta"]["total"], &list["data"][0]["companyName"]), (&json!(1), &json!("Mine")));
        let input = json!({"companyName": "Changed", "assignedTo": id});
        for (customer, status) in [(&mine, 200), (&others, 404)] {
            let path = format!("{customers}/{customer}");
            client.get(&path).await.is(status);
            client.put(&path, input.clone()).await.is(status);
            client.delete(&path).await.is(status);
        }
        // What it makes is its own.
        let made = customer(&client, &customers, "New", None).await;
        client.get(&format!("{customers}/{made}")).await.is(200);
        client.get(&format!("/api/tenant/{tenant}/users")).await.fails(403, "FORBIDDEN");
        assert_eq!(admin.get(&format!("{customers}/{others}")).await.data()["companyName"], "Others");
    }

    async fn readonly_views_all_and_changes_nothing(server: &TestServer) {
        let (tenant, admin) = tenant(server, "/api", "acme").await;
        let (_, reader) = user(server, "/api", &admin, &tenant, "readonly").await;
        let customers = format!("/api/tenant/{tenant}/customers");
        let path = format!("{customers}/{}", customer(&admin, &customers, "Theirs", None).await);
        let before = admin.get(&path).await.data();
        assert_eq!(reader.get(&customers).await.is(200)["meta"]["total"], 1);
        reader.get(&path).await.is(200);
        reader.post(&customers, json!({"companyName": "Mine"})).await.fails(403, "FORBIDDEN");
        reader.put(&path, json!({"companyName": "Mine"})).await.fails(403, "FORBIDDEN");
        reader.delete(&path).await.fails(403, "FORBIDDEN");
        let input = json!({"email": "x@example.com", "password": PASSWORD, "roles": ["readonly"]});
        reader.post(&format!("/api/tenant/{tenant}/users"), input).await.fails(403, "FORBIDDEN");
        assert_eq!(admin.get(&path).await.data(), before);
    }

    async fn nobody_reaches_into_another_tenant(server: &TestServer) {
        let (acme, ours) = tenant(server, "/api", "acme").await;
        let (other, theirs) = tenant(server, "/api/v1", "other").await;
        let secret = customer(&theirs, &format!("/api/tenant/{other}/customers"), "Secret", None).await;
        let (_, admin) = user(server, "/api", &ours, &acme, "admin").await;
        for client in [&ours, &admin] {
            for path in ["", "/users", "/customers", &format!("/customers/{secret}")] {
                client.get(&format!("/api/tenant/{other}{path}")).await.fails(404, "NOT_FOUND");
            }
            let inside = format!("/api/tenant/{acme}/customers/{secret}");
            client.get(&inside).await.fails(404, "NOT_FOUND");
            client.delete(&inside).await.fails(404, "NOT_FOUND");
            let input = json!({"companyName": "Mine"});
            client.post(&format!("/api/tenant/{other}/customers"), input).await.fails(404, "NOT_FOUND");
        }
        server.anonymous().get(&format!("/api/tenant/{acme}/customers")).await.fails(401, "UNAUTHENTICATED");
    }
}
