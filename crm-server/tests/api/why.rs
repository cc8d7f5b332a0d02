//! Why something may not be done: in every refusal, beforehand of a record, and in lists.

use crm_core::access::BuiltIn;
use serde_json::{Value, json};

use crate::support::{Person, TestServer, for_each_store};

const CUSTOMERS: &str = "/api/v1/customers";

async fn customer(owner: &Person, of: Option<&Person>) -> String {
    let input = json!({"companyName": "Acme", "assignedTo": of.map(|of| &of.user)});
    let made = owner.post(CUSTOMERS, input).await;
    made.is(201);
    made.data()["id"].as_str().unwrap().to_owned()
}

fn missing(permission: &str, held: Option<&str>, needed: &str) -> Value {
    json!({"permission": permission, "held": held, "needed": needed})
}

async fn team(owner: &Person, manager: &Person, member: &Person) {
    let team = json!({"name": "Field", "managers": [manager.user], "members": [member.user]});
    owner.post("/api/v1/teams", team).await.is(201);
}

for_each_store! {
    async fn a_refusal_names_the_permission_its_reach_and_the_one_that_would_do(server: &TestServer) {
        let owner = server.owner("acme").await;
        let rep = server.colleague(&owner, BuiltIn::SalesRep).await;
        let boss = server.colleague(&owner, BuiltIn::Manager).await;
        let id = customer(&owner, Some(&rep)).await;
        let path = format!("{CUSTOMERS}/{id}");
        let lacks = |body: Value| body["errors"][0]["missing"].clone();
        let deletion = missing("customers:delete", None, "assigned");
        assert_eq!(lacks(rep.delete(&path).await.fails(403, "FORBIDDEN")), deletion);
        let given = rep.patch(&path, json!({"assignedTo": owner.user})).await;
        let beyond = missing("customers:update", Some("assigned"), "all");
        assert_eq!(lacks(given.fails(403, "FORBIDDEN")), beyond);
        // In many at once: all or none, and each by itself.
        let body = json!({"ids": [id], "changes": {"assignedTo": owner.user}, "atomic": true});
        let refused = rep.post(&format!("{CUSTOMERS}/bulk/update"), body).await;
        let refused = refused.fails(403, "FORBIDDEN");
        assert_eq!(refused["errors"][0]["field"], "ids[0]");
        assert_eq!(lacks(refused), beyond);
        let body = json!({"ids": [id], "changes": {"assignedTo": owner.user}});
        let told = rep.post(&format!("{CUSTOMERS}/bulk/update"), body).await.data();
        assert_eq!(told["results"][0]["errors"][0]["missing"], beyond, "{told}");
        let none = rep.post(&format!("{CUSTOMERS}/bulk/delete"), json!({"ids": [id]})).await;
        assert_eq!(lacks(none.fails(403, "FORBIDDEN")), deletion);
        // Of lists, exports, figures, people, roles, teams, words, handing over.
        let export = rep.get(&format!("{CUSTOMERS}/export")).await.fails(403, "FORBIDDEN");
        assert_eq!(lacks(export), missing("customers:export", None, "assigned"));
        let deleted = rep.get(&format!("{CUSTOMERS}?includeDeleted=true")).await;
        assert_eq!(lacks(deleted.fails(403, "FORBIDDEN")), deletion);
        for (path, permission) in [
            ("/api/v1/users", "users:read"),
            ("/api/v1/teams", "teams:read"),
            ("/api/v1/users/roles", "roles:read"),
        ] {
            let refused = rep.get(path).await.fails(403, "FORBIDDEN");
            assert_eq!(lacks(refused), missing(permission, None, "assigned"), "{path}");
        }
        let tag = rep.post(&format!("{CUSTOMERS}/tags"), json!({"name": "VIP"})).await;
        assert_eq!(lacks(tag.fails(403, "FORBIDDEN")), missing("tags:create", None, "assigned"));
        let hand_over = format!("/api/v1/users/{}/hand-over", rep.user);
        let refused = rep.post(&hand_over, json!({"to": owner.user})).await.fails(403, "FORBIDDEN");
        assert_eq!(lacks(refused), missing("users:update", None, "assigned"));
        // What one lacks oneself and would give: by a role, by an extra permission, by a team.
        let admin = server.colleague(&owner, BuiltIn::Admin).await;
        let of_rep = format!("/api/v1/users/{}", rep.user);
        let promoted = admin.patch(&of_rep, json!({"roles": ["owner"]})).await;
        let refused = lacks(promoted.fails(403, "FORBIDDEN"));
        assert_eq!(refused, missing("owners:manage", None, "all"));
        // Within the team, and out of it.
        team(&owner, &boss, &rep).await;
        boss.patch(&path, json!({"assignedTo": boss.user})).await.is(200);
        let away = boss.patch(&path, json!({"assignedTo": owner.user})).await.fails(403, "FORBIDDEN");
        assert_eq!(lacks(away), missing("customers:update", Some("team"), "all"));
        // Only what is about a permission has it.
        let last = owner.patch(&format!("/api/v1/users/{}", owner.user), json!({"roles": ["user"]})).await;
        assert_eq!(lacks(last.fails(403, "LAST_OWNER")), Value::Null);
    }

    async fn one_is_told_what_one_may_do_with_a_record_and_what_gives_it(server: &TestServer) {
        let owner = server.owner("acme").await;
        let rep = server.colleague(&owner, BuiltIn::SalesRep).await;
        let boss = server.colleague(&owner, BuiltIn::Manager).await;
        let reps = customer(&owner, Some(&rep)).await;
        let owners = customer(&owner, Some(&owner)).await;
        let own = async |who: &Person, resource: &str, id: &str| {
            who.get(&format!("/api/v1/auth/permissions?resource={resource}&id={id}")).await
        };
        let told = own(&rep, "customers", &reps).await.data();
        let from = json!([{"role": "sales_rep", "reach": "assigned"}]);
        let granted = json!({"allowed": true, "reach": "assigned", "from": from});
        assert_eq!((&told["customers:read"], &told["customers:update"]), (&granted, &granted));
        let lacking = json!({
            "allowed": false, "reach": null, "from": [],
            "missing": missing("customers:delete", None, "assigned")
        });
        assert_eq!(told["customers:delete"], lacking);
        assert_eq!(told.as_object().unwrap().len(), 4, "nothing that concerns no record: {told}");
        // What one cannot read is not there, as what never was.
        let nobodys = "0197d8a0-0000-7000-8000-000000000000";
        let hidden = own(&rep, "customers", &owners).await.fails(404, "NOT_FOUND");
        let never = own(&rep, "customers", nobodys).await.fails(404, "NOT_FOUND");
        let text = |body: &Value, id: &str| body["errors"].to_string().replace(id, "…");
        assert_eq!(text(&hidden, &owners), text(&never, nobodys));
        own(&rep, "companies", &owners).await.fails(403, "FORBIDDEN");
        let near = own(&rep, "customer", &reps).await.fails(400, "UNKNOWN_RECORD_TYPE");
        assert!(near["message"].as_str().unwrap().contains("customers"), "{near}");
        for secret in ["audit", "dashboard", "sessions", "custom_claims", "tenants"] {
            own(&owner, secret, &reps).await.fails(400, "UNKNOWN_RECORD_TYPE");
        }
        rep.get(&format!("/api/v1/auth/permissions?id={reps}")).await.fails(400, "INVALID_PARAMETER");
        rep.get("/api/v1/auth/permissions?resource=customers").await.fails(400, "INVALID_PARAMETER");
        let plain = rep.get("/api/v1/auth/permissions").await.data();
        assert_eq!(plain["customers:read"], "assigned");

        // An owner asks it of somebody else.
        let of = async |asker: &Person, whom: &Person, id: &str| {
            let path = format!("/api/v1/users/{}/permissions", whom.user);
            asker.get(&format!("{path}?resource=customers&id={id}")).await
        };
        let told = of(&owner, &rep, &owners).await.data()["record"].clone();
        for permission in ["customers:read", "customers:update", "customers:delete"] {
            let told = &told[permission];
            assert_eq!(told["allowed"], false, "{permission}");
            let unread = missing("customers:read", Some("assigned"), "all");
            assert_eq!(told["missing"], unread, "{permission}: what is not read is not changed");
        }
        let told = of(&owner, &boss, &reps).await.data()["record"].clone();
        let unread = missing("customers:read", Some("team"), "all");
        assert_eq!(told["customers:delete"]["missing"], unread);
        team(&owner, &boss, &rep).await;
        let told = of(&owner, &boss, &reps).await.data()["record"].clone();
        assert_eq!(told["customers:delete"]["allowed"], true, "{told}");
        let own_way = own(&boss, "customers", &reps).await.data();
        assert_eq!(own_way, told, "the same that they are told themselves");
        let grant = json!([{"permission": "customers:delete", "reach": "assigned"}]);
        let extra = json!({"permissions": grant});
        owner.put(&format!("/api/v1/users/{}/permissions", rep.user), extra).await.is(200);
        let told = of(&owner, &rep, &reps).await.data()["record"].clone();
        let extra = json!([{"role": null, "reach": "assigned"}]);
        assert_eq!(told["customers:delete"]["from"], extra);
        // Who may not see the user, or not the record, learns nothing.
        of(&rep, &boss, &reps).await.fails(403, "FORBIDDEN");
        of(&boss, &owner, &reps).await.fails(404, "NOT_FOUND");
        of(&boss, &rep, &owners).await.fails(404, "NOT_FOUND");
        let stranger = server.owner("other").await;
        of(&stranger, &rep, &reps).await.fails(404, "NOT_FOUND");
        own(&stranger, "customers", &reps).await.fails(404, "NOT_FOUND");
    }

    async fn by_a_key_one_is_told_what_its_scopes_leave(server: &TestServer) {
        let owner = server.owner("acme").await;
        let id = customer(&owner, None).await;
        let input = json!({"name": "A", "scopes": ["customers:read", "customers:update"]});
        let key = owner.post("/api/v1/auth/api-keys", input).await.data()["key"].clone();
        let program = server.anonymous().with("X-API-Key", key.as_str().unwrap());
        let one = program.get(&format!("{CUSTOMERS}/{id}?expand=_can")).await.data();
        assert_eq!(one["_can"], json!({"update": true, "delete": false}));
        let asked = format!("/api/v1/auth/permissions?resource=customers&id={id}");
        let told = program.get(&asked).await.data();
        let from = json!([{"role": "owner", "reach": "all"}]);
        let granted = json!({"allowed": true, "reach": "all", "from": from});
        assert_eq!(told["customers:update"], granted);
        let lacking = json!({
            "allowed": false, "reach": null, "from": [],
            "missing": missing("customers:delete", None, "assigned")
        });
        assert_eq!(told["customers:delete"], lacking);
        let refused = program.delete(&format!("{CUSTOMERS}/{id}")).await.fails(403, "FORBIDDEN");
        assert_eq!(refused["errors"][0]["missing"]["permission"], "customers:delete");
    }

    async fn what_names_others_lacks_what_they_lack(server: &TestServer) {
        let owner = server.owner("acme").await;
        let rep = server.colleague(&owner, BuiltIn::User).await;
        let ends = [customer(&owner, Some(&rep)).await, customer(&owner, Some(&owner)).await];
        let end = |id: &String| json!({"type": "customers", "id": id});
        let input = json!({"from": end(&ends[0]), "to": end(&ends[1]), "kind": "related_to"});
        let relation = owner.post("/api/v1/relations", input).await.data();
        let id = relation["id"].as_str().unwrap();
        let path = format!("/api/v1/users/{}/permissions?resource=relations&id={id}", rep.user);
        let told = owner.get(&path).await.data()["record"]["relations:read"].clone();
        assert_eq!(told["missing"], missing("customers:read", Some("assigned"), "all"), "{told}");
        // A built-in role is a record like others where one asks.
        let manager = owner.get("/api/v1/users/roles?code=manager").await.is(200);
        let id = manager["data"][0]["id"].as_str().unwrap().to_owned();
        let told = owner.get(&format!("/api/v1/auth/permissions?resource=roles&id={id}")).await.data();
        assert_eq!(told["roles:read"]["allowed"], true, "{told}");
    }

    async fn lists_and_records_say_what_one_may_do_with_each(server: &TestServer) {
        let owner = server.owner("acme").await;
        let rep = server.colleague(&owner, BuiltIn::SalesRep).await;
        let boss = server.colleague(&owner, BuiltIn::Manager).await;
        team(&owner, &boss, &rep).await;
        for of in [Some(&rep), Some(&boss), None] {
            customer(&owner, of).await;
        }
        // Reads all, changes what is the team's, deletes their own.
        let mixed = json!({"permissions": [
            {"permission": "customers:read", "reach": "all"},
            {"permission": "customers:update", "reach": "team"},
        ]});
        owner.put(&format!("/api/v1/users/{}/permissions", boss.user), mixed).await.is(200);
        let can = async |who: &Person, query: &str| -> Vec<(bool, bool)> {
            let path = format!("{CUSTOMERS}?sort=createdAt,id&expand={query}");
            let list = who.get(&path).await.is(200);
            let mut all = Vec::new();
            for record in list["data"].as_array().unwrap() {
                let flags = (&record["_can"]["update"], &record["_can"]["delete"]);
                all.push((flags.0.as_bool().unwrap(), flags.1.as_bool().unwrap()));
                let path = format!("{CUSTOMERS}/{}", record["id"].as_str().unwrap());
                let one = who.get(&format!("{path}?expand=_can")).await.data();
                assert_eq!(one["_can"], record["_can"], "alone as in a list");
                // And it is so.
                let patched = who.patch(&path, json!({"notes": format!("{query} {path}")})).await;
                assert_eq!(patched.status == 200, flags.0 == &json!(true), "{record}");
                if flags.1 == &json!(false) {
                    assert_eq!(who.delete(&path).await.status, 403);
                }
            }
            // Those of one moment come in any order.
            all.sort_unstable();
            all
        };
        assert_eq!(can(&owner, "_can").await, [(true, true); 3]);
        assert_eq!(can(&boss, "_can,assignedUser").await, [(false, false), (true, true), (true, true)]);
        assert_eq!(can(&rep, "_can").await, [(true, false)]);
        let plain = owner.get(CUSTOMERS).await.is(200);
        assert_eq!(plain["data"][0]["_can"], Value::Null, "only where it is asked for");
        let deleted = plain["data"][0]["id"].as_str().unwrap();
        owner.delete(&format!("{CUSTOMERS}/{deleted}")).await.is(200);
        let list = owner.get(&format!("{CUSTOMERS}?includeDeleted=true&expand=_can&id={deleted}")).await;
        let nothing = json!({"update": false, "delete": false});
        assert_eq!(list.is(200)["data"][0]["_can"], nothing, "of a deleted one nothing");
        // Every type has it; what is built in cannot be changed by anybody.
        let roles = owner.get("/api/v1/users/roles?expand=_can").await.is(200);
        assert_eq!(roles["data"][0]["_can"], nothing);
        let user = owner.get(&format!("/api/v1/users/{}?expand=_can", rep.user)).await.data();
        assert_eq!((&user["_can"]["update"], &user["teams"]), (&json!(true), &Value::Null));
        // In a file only where it is chosen.
        let file = owner.get(&format!("{CUSTOMERS}/export?format=csv")).await;
        let text = String::from_utf8_lossy(&file.bytes).into_owned();
        assert!(!text.lines().next().unwrap().contains("_can"), "{text}");
        let file = owner.get(&format!("{CUSTOMERS}/export?format=csv&fields=name,_can")).await;
        let text = String::from_utf8_lossy(&file.bytes).into_owned();
        assert!(text.contains("_can.update") && text.contains("true"), "{text}");
    }
}
