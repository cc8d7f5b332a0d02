//! `/teams`: who works together, and what their managers reach.

use crm_core::access::BuiltIn;
use serde_json::{Value, json};

use crate::support::{Person, TestServer, for_each_store};

const TEAMS: &str = "/api/v1/teams";
const CUSTOMERS: &str = "/api/v1/customers";

async fn customer(owner: &Person, name: &str, of: &Person) -> String {
    let input = json!({"companyName": name, "city": "Kiel", "assignedTo": of.user});
    let made = owner.post(CUSTOMERS, input).await;
    made.is(201);
    made.data()["id"].as_str().unwrap().to_owned()
}

async fn total(who: &Person, path: &str) -> u64 {
    who.get(path).await.is(200)["meta"]["total"].as_u64().unwrap()
}

for_each_store! {
    async fn a_team_is_made_shown_with_its_people_changed_and_deleted(server: &TestServer) {
        let owner = server.owner("acme").await;
        let boss = server.colleague(&owner, BuiltIn::Manager).await;
        let bob = server.colleague(&owner, BuiltIn::User).await;
        let input = json!({
            "name": "Field sales", "description": "Out and about",
            "members": [bob.user], "managers": [boss.user]
        });
        let made = owner.post(TEAMS, input).await;
        made.is(201);
        let team = made.data();
        let path = made.header("location").to_owned();
        assert_eq!((&team["members"], &team["managers"]), (&json!([bob.user]), &json!([boss.user])));
        assert_eq!(team["managerUsers"][0]["email"], boss.email);
        assert_eq!(team["memberUsers"], Value::Null, "only where it is asked for");
        let all = owner.get(&format!("{path}?expand=memberUsers")).await.data();
        assert_eq!((&all["memberUsers"][0]["id"], &all["managerUsers"]), (&json!(bob.user), &Value::Null));
        owner.post(TEAMS, json!({"name": "field SALES"})).await.fails(409, "DUPLICATE");
        let nobody = json!({"name": "X", "members": [team["id"]]});
        let body = owner.post(TEAMS, nobody).await.fails(422, "UNKNOWN_USER");
        assert_eq!(body["errors"][0]["field"], "members[0]");
        let stale = owner.with("If-Match", "\"9\"").patch(&path, json!({"name": "Y"})).await;
        stale.fails(412, "STALE_VERSION");

        // Whose team it is can be asked for.
        assert_eq!(total(&owner, &format!("{TEAMS}?members={}", bob.user)).await, 1);
        assert_eq!(total(&owner, &format!("{TEAMS}?managers={}", bob.user)).await, 0);
        assert_eq!(total(&owner, &format!("{TEAMS}?managers=me")).await, 0);
        assert_eq!(total(&boss, &format!("{TEAMS}?managers=me&search=field")).await, 1);

        let replaced = owner.put(&path, json!({"name": "Sales"})).await.data();
        assert_eq!((&replaced["members"], &replaced["managers"]), (&json!([]), &json!([])));
        owner.delete(&path).await.is(200);
        owner.get(&path).await.fails(404, "NOT_FOUND");
        assert_eq!(total(&owner, TEAMS).await, 0);
    }

    async fn people_are_shown_with_their_teams(server: &TestServer) {
        let owner = server.owner("acme").await;
        let boss = server.colleague(&owner, BuiltIn::Manager).await;
        let bob = server.colleague(&owner, BuiltIn::User).await;
        for (name, members, managers) in [
            ("Field", vec![&bob.user, &boss.user], vec![&boss.user]),
            ("Inside", vec![&bob.user], vec![&owner.user]),
        ] {
            let input = json!({"name": name, "members": members, "managers": managers});
            owner.post(TEAMS, input).await.is(201);
        }
        let names = |teams: &Value| -> Vec<(String, bool, bool)> {
            let each = teams.as_array().unwrap().iter();
            let flag = |team: &Value, name: &str| team[name].as_bool().unwrap();
            each.map(|team| {
                let name = team["name"].as_str().unwrap().to_owned();
                (name, flag(team, "member"), flag(team, "manager"))
            })
            .collect()
        };
        let of = async |who: &Person, whom: &Person| {
            let found = who.get(&format!("/api/v1/users/{}", whom.user)).await.data();
            names(&found["teams"])
        };
        let (field, inside) = (("Field".to_owned(), true, false), ("Inside".to_owned(), true, false));
        assert_eq!(of(&owner, &bob).await, [field, inside]);
        assert_eq!(of(&owner, &boss).await, [("Field".to_owned(), true, true)]);
        assert_eq!(of(&owner, &owner).await, [("Inside".to_owned(), false, true)]);
        let list = owner.get("/api/v1/users?sort=name&expand=").await.is(200);
        assert_eq!(list["data"][0]["teams"], Value::Null);
        // A manager sees their own people, the teams that these are in, and nobody else.
        let list = boss.get("/api/v1/users").await.is(200);
        assert_eq!(list["meta"]["total"], 2, "{list}");
        assert_eq!(of(&boss, &bob).await.len(), 2);
        boss.get(&format!("/api/v1/users/{}", owner.user)).await.fails(404, "NOT_FOUND");
        boss.patch(&format!("/api/v1/users/{}", bob.user), json!({"title": "X"})).await
            .fails(403, "FORBIDDEN");
    }

    async fn a_manager_sees_and_changes_what_the_team_owns_on_every_path(server: &TestServer) {
        let owner = server.owner("acme").await;
        let boss = server.colleague(&owner, BuiltIn::Manager).await;
        let bob = server.colleague(&owner, BuiltIn::User).await;
        let eve = server.colleague(&owner, BuiltIn::User).await;
        let bobs = customer(&owner, "Bob's", &bob).await;
        let eves = customer(&owner, "Eve's", &eve).await;
        customer(&owner, "Boss's", &boss).await;
        let team = json!({"name": "Field", "members": [bob.user], "managers": [boss.user]});
        owner.post(TEAMS, team).await.is(201);
        for query in ["", "?city=kiel", "?search=s", "?filter=city%20%3D%20%22Kiel%22"] {
            assert_eq!(total(&boss, &format!("{CUSTOMERS}{query}")).await, 2, "{query}");
        }
        assert_eq!(boss.get(&format!("{CUSTOMERS}/stats")).await.data()["total"], 2);
        assert_eq!(boss.get(&format!("{CUSTOMERS}/mine")).await.is(200)["meta"]["total"], 1);
        let file = boss.get(&format!("{CUSTOMERS}/export?format=csv")).await;
        let text = String::from_utf8_lossy(&file.bytes);
        assert!(text.contains("Bob's") && !text.contains("Eve's"), "{text}");
        let all = json!({"filter": {"city": "Kiel"}, "changes": {"city": "Bonn"}});
        let done = boss.post(&format!("{CUSTOMERS}/bulk/update"), all).await.data();
        assert_eq!(done["changed"], 2, "{done}");
        let eves = format!("{CUSTOMERS}/{eves}");
        boss.get(&eves).await.fails(404, "NOT_FOUND");
        boss.patch(&eves, json!({"city": "Bonn"})).await.fails(404, "NOT_FOUND");
        // Within the team records go from hand to hand, out of it they do not.
        let bobs = format!("{CUSTOMERS}/{bobs}");
        boss.patch(&bobs, json!({"assignedTo": boss.user})).await.is(200);
        boss.patch(&bobs, json!({"assignedTo": bob.user})).await.is(200);
        boss.patch(&bobs, json!({"assignedTo": eve.user})).await.fails(403, "FORBIDDEN");
        let hand_over = format!("/api/v1/users/{}/hand-over", bob.user);
        boss.post(&hand_over, json!({"to": boss.user})).await.fails(403, "FORBIDDEN");
        boss.delete(&bobs).await.is(200);
        boss.post(&format!("{bobs}/restore"), json!({})).await.is(200);
    }

    async fn managers_change_no_team_and_nobody_widens_their_own_reach(server: &TestServer) {
        let owner = server.owner("acme").await;
        let boss = server.colleague(&owner, BuiltIn::Manager).await;
        let bob = server.colleague(&owner, BuiltIn::User).await;
        let eve = server.colleague(&owner, BuiltIn::User).await;
        customer(&owner, "Eve's", &eve).await;
        let input = json!({"name": "Field", "members": [bob.user], "managers": [boss.user]});
        let team = owner.post(TEAMS, input.clone()).await.data();
        let path = format!("{TEAMS}/{}", team["id"].as_str().unwrap());
        boss.patch(&path, json!({"members": [eve.user]})).await.fails(403, "FORBIDDEN");
        boss.post(TEAMS, json!({"name": "Mine"})).await.fails(403, "FORBIDDEN");
        boss.delete(&path).await.fails(403, "FORBIDDEN");
        for person in [&bob, &eve] {
            person.get(&path).await.fails(403, "FORBIDDEN");
        }
        // With the right to change teams, and no more over people than before.
        let grants = ["read", "create", "update", "delete"]
            .map(|action| json!({"permission": format!("teams:{action}"), "reach": "all"}));
        let extra = json!({"permissions": grants});
        owner.put(&format!("/api/v1/users/{}/permissions", boss.user), extra).await.is(200);
        let members = json!({"members": [bob.user, eve.user]});
        boss.patch(&path, members.clone()).await.fails(403, "FORBIDDEN");
        let own = json!({"name": "Mine", "members": [eve.user], "managers": [boss.user]});
        boss.post(TEAMS, own).await.fails(403, "FORBIDDEN");
        let body = json!({"ids": [team["id"]], "changes": members});
        let done = boss.post(&format!("{TEAMS}/bulk/update"), body).await.data();
        assert_eq!(done["failed"], 1, "{done}");
        assert_eq!(total(&boss, CUSTOMERS).await, 0);
        // Over their own people they may.
        let other = json!({"name": "Others", "members": [bob.user], "managers": [boss.user]});
        boss.post(TEAMS, other).await.is(201);
        assert_eq!(owner.get(&path).await.data()["members"], json!([bob.user]));
    }
}
