//! `/customers`.

use crm_core::access::BuiltIn;
use serde_json::{Value, json};

use crate::support::{Person, TestServer, for_each_store};

const PATH: &str = "/api/v1/customers";

async fn create(person: &Person, input: Value) -> Value {
    let answer = person.post(PATH, input).await;
    answer.is(201);
    answer.data()
}

fn path(customer: &Value) -> String {
    format!("{PATH}/{}", customer["id"].as_str().unwrap())
}

async fn names(person: &Person, query: &str) -> Vec<String> {
    let body = person.get(&format!("{PATH}?{query}")).await.is(200);
    let name = |customer: &Value| customer["name"].as_str().unwrap().to_owned();
    body["data"].as_array().unwrap().iter().map(name).collect()
}

for_each_store! {
    async fn a_created_customer_is_answered_located_and_read_back(server: &TestServer) {
        let owner = server.owner("acme").await;
        let input = json!({
            "companyName": "  Ærø Søfart ", "email": "Post@Aero.example", "country": "Denmark",
            "phone": "+45 33 12 34 56", "annualRevenue": "1200000.50", "currency": "dkk",
            "size": "small", "employeeCount": 12
        });
        let answer = owner.post(PATH, input).await;
        answer.is(201);
        let customer = answer.data();
        assert_eq!(answer.header("location"), path(&customer));
        assert_eq!(answer.header("etag"), "\"1\"");
        assert_eq!(customer["name"], "Ærø Søfart");
        assert_eq!(customer["country"], "DK");
        assert_eq!(customer["phone"], "+4533123456");
        assert_eq!(customer["annualRevenue"], "1200000.50");
        assert_eq!(customer["currency"], "DKK");
        assert_eq!(customer["status"], "active");
        assert_eq!(customer["createdBy"], owner.user.as_str());
        let read = owner.get(&path(&customer)).await;
        assert_eq!(read.data(), customer);
        assert_eq!(read.header("etag"), "\"1\"");
    }

    async fn all_faults_are_named_at_once(server: &TestServer) {
        let owner = server.owner("acme").await;
        let input = json!({
            "email": "nowhere", "country": "Atlantis", "currency": "xxq",
            "assignedTo": "0197d8a0-0000-7000-8000-000000000000",
            "customFields": {"unknown": 1}
        });
        let body = owner.post(PATH, input).await.is(422);
        let errors = body["errors"].as_array().unwrap();
        let has = |field: &str| errors.iter().any(|error| error["field"] == field);
        for field in ["email", "country", "currency", "assignedTo", "customFields.unknown"] {
            assert!(has(field), "{field}: {body}");
        }
        owner.post(PATH, json!({})).await.fails(422, "REQUIRED");
        let body = owner.post(PATH, json!({"companyName": "A", "status": "asleep"})).await;
        assert_eq!(body.fails(422, "INVALID_CHOICE")["errors"][0]["field"], "status");
        let body = owner.post(PATH, json!({"companyName": "A", "colour": 1})).await;
        assert_eq!(body.fails(400, "UNKNOWN_FIELD")["errors"][0]["field"], "colour");
    }

    async fn putting_replaces_and_patching_merges(server: &TestServer) {
        let owner = server.owner("acme").await;
        let customer = create(&owner, json!({"companyName": "Acme", "city": "Kiel", "notes": "x"})).await;
        let path = path(&customer);
        let patched = owner.patch(&path, json!({"city": "Bonn", "notes": null})).await;
        let patched = patched.data();
        assert_eq!(patched["companyName"], "Acme");
        assert_eq!((&patched["city"], &patched["notes"]), (&json!("Bonn"), &Value::Null));
        assert_eq!(patched["version"], 2);
        let replaced = owner.put(&path, json!({"companyName": "Acme AG"})).await;
        assert_eq!(replaced.header("etag"), "\"3\"");
        let replaced = replaced.data();
        assert_eq!((&replaced["companyName"], &replaced["city"]), (&json!("Acme AG"), &Value::Null));
        assert_eq!(replaced["createdAt"], customer["createdAt"]);
        owner.patch(&path, json!({"companyName": null})).await.fails(422, "REQUIRED");
        owner.patch(&path, json!({"colour": 1})).await.fails(400, "UNKNOWN_FIELD");
        owner.patch(&path, json!([])).await.fails(400, "INVALID_VALUE");
    }

    async fn a_stale_version_is_412_and_changes_nothing(server: &TestServer) {
        let owner = server.owner("acme").await;
        let customer = create(&owner, json!({"companyName": "Acme"})).await;
        let path = path(&customer);
        owner.patch(&path, json!({"city": "Kiel", "version": 1})).await.is(200);
        let stale = owner.with("If-Match", "\"1\"");
        stale.put(&path, json!({"companyName": "B"})).await.fails(412, "STALE_VERSION");
        stale.patch(&path, json!({"city": "B"})).await.fails(412, "STALE_VERSION");
        stale.delete(&path).await.fails(412, "STALE_VERSION");
        let body = json!({"companyName": "B", "version": 1});
        owner.put(&path, body).await.fails(412, "STALE_VERSION");
        owner.patch(&path, json!({"city": "B", "version": 1})).await.fails(412, "STALE_VERSION");
        owner.with("If-Match", "nonsense").delete(&path).await.fails(400, "INVALID_HEADER");
        let now = owner.get(&path).await.data();
        assert_eq!((&now["version"], &now["city"]), (&json!(2), &json!("Kiel")));
        owner.with("If-Match", "\"2\"").patch(&path, json!({"city": "Bonn"})).await.is(200);
    }

    async fn changes_of_several_people_at_once_are_all_kept(server: &TestServer) {
        let owner = server.owner("acme").await;
        let path = path(&create(&owner, json!({"companyName": "Acme"})).await);
        let change = async |field: &str| owner.patch(&path, json!({field: "x"})).await.is(200);
        tokio::join!(change("city"), change("region"), change("industry"), change("source"));
        let now = owner.get(&path).await.data();
        for field in ["city", "region", "industry", "source"] {
            assert_eq!(now[field], "x", "{field}");
        }
        assert_eq!(now["version"], 5);
    }

    async fn deleting_hides_and_restoring_brings_back(server: &TestServer) {
        let owner = server.owner("acme").await;
        let customer = create(&owner, json!({"companyName": "Acme"})).await;
        let path = path(&customer);
        let deleted = owner.delete(&path).await.data();
        assert!(deleted["deletedAt"].is_string());
        owner.get(&path).await.fails(404, "NOT_FOUND");
        owner.delete(&path).await.fails(404, "NOT_FOUND");
        assert!(names(&owner, "").await.is_empty());
        assert_eq!(names(&owner, "includeDeleted=true").await, ["Acme"]);
        let restored = owner.post(&format!("{path}/restore"), json!({})).await.data();
        assert_eq!((&restored["deletedAt"], &restored["version"]), (&Value::Null, &json!(3)));
        assert_eq!(names(&owner, "").await, ["Acme"]);
    }

    async fn a_list_is_filtered_sorted_and_parted(server: &TestServer) {
        let owner = server.owner("acme").await;
        for (name, city, count) in
            [("Alfa", "Kiel", 5), ("bravo", "Bonn", 50), ("Charlie", "Kiel", 500)]
        {
            create(&owner, json!({"companyName": name, "city": city, "employeeCount": count})).await;
        }
        assert_eq!(names(&owner, "sort=name").await, ["Alfa", "bravo", "Charlie"]);
        assert_eq!(names(&owner, "sort=-name").await, ["Charlie", "bravo", "Alfa"]);
        assert_eq!(names(&owner, "city=kiel&sort=name").await, ["Alfa", "Charlie"]);
        assert_eq!(names(&owner, "employeeCount%5Bgte%5D=50&sort=name").await, ["bravo", "Charlie"]);
        assert_eq!(names(&owner, "search=CHAR").await, ["Charlie"]);
        let filter = "filter=city%20%3D%20%22Bonn%22%20OR%20employeeCount%20%3E%20100&sort=name";
        assert_eq!(names(&owner, filter).await, ["bravo", "Charlie"]);

        let body = owner.get(&format!("{PATH}?limit=2&page=2&sort=name")).await.is(200);
        let meta = json!({"page": 2, "limit": 2, "total": 3, "totalPages": 2});
        assert_eq!((&body["meta"], body["data"].as_array().unwrap().len()), (&meta, 1));

        let mut walked = Vec::new();
        let mut cursor = String::new();
        loop {
            let body = owner.get(&format!("{PATH}?limit=2&cursor={cursor}&sort=name")).await.is(200);
            let part = body["data"].as_array().unwrap();
            walked.extend(part.iter().map(|customer| customer["name"].as_str().unwrap().to_owned()));
            match body["meta"]["nextCursor"].as_str() {
                Some(next) => cursor = next.to_owned(),
                None => break,
            }
        }
        assert_eq!(walked, ["Alfa", "bravo", "Charlie"]);
    }

    async fn a_list_that_makes_no_sense_is_400_and_names_the_parameter(server: &TestServer) {
        let owner = server.owner("acme").await;
        for (query, field) in [
            ("colour=red", "colour"),
            ("sort=notes", "sort"),
            ("limit=1000", "limit"),
            ("page=0", "page"),
            ("cursor=nonsense", "cursor"),
            ("employeeCount=many", "employeeCount"),
            ("expand=children", "expand"),
            ("filter=city%20%3D", "filter"),
            ("status=asleep", "status"),
        ] {
            let body = owner.get(&format!("{PATH}?{query}")).await.is(400);
            assert_eq!(body["errors"][0]["field"], field, "{query}: {body}");
        }
    }

    async fn a_list_embeds_people_and_tags_unless_told_otherwise(server: &TestServer) {
        let owner = server.owner("acme").await;
        let colleague = server.colleague(&owner, BuiltIn::User).await;
        let tag = owner.post(&format!("{PATH}/tags"), json!({"name": "VIP", "color": "#ff0000"})).await;
        let tag = tag.data()["id"].clone();
        let input = json!({"companyName": "Acme", "tags": [tag], "assignedTo": colleague.user});
        let created = create(&owner, input).await;
        assert_eq!(created["tags"][0]["name"], "VIP");
        assert_eq!(created["assignedUser"]["email"], colleague.email.as_str());
        let body = owner.get(PATH).await.is(200);
        assert_eq!(body["data"][0], created);
        let body = owner.get(&format!("{PATH}?expand=")).await.is(200);
        assert_eq!(body["data"][0]["tags"], json!([{"id": tag}]));
        assert_eq!(body["data"][0].get("assignedUser"), None);
        assert_eq!(names(&owner, "tags=vip").await, ["Acme"]);
        assert_eq!(names(&owner, &format!("tags={}", tag.as_str().unwrap())).await, ["Acme"]);
    }

    async fn search_answers_the_best_match_first(server: &TestServer) {
        let owner = server.owner("acme").await;
        for name in ["Canada Freight", "Van Ada", "Adamant", "Ada", "Babbage"] {
            create(&owner, json!({"companyName": name})).await;
        }
        let body = owner.get(&format!("{PATH}/search?q=ada")).await.is(200);
        let found: Vec<&str> =
            body["data"].as_array().unwrap().iter().filter_map(|c| c["name"].as_str()).collect();
        assert_eq!(found, ["Ada", "Adamant", "Van Ada", "Canada Freight"]);
        assert_eq!(body["meta"]["total"], 4);
        let body = owner.get(&format!("{PATH}/search?q=ada&limit=1&page=3")).await.is(200);
        assert_eq!(body["data"][0]["name"], "Van Ada");
        owner.get(&format!("{PATH}/search")).await.fails(400, "REQUIRED");
    }

    async fn mine_are_those_that_name_me(server: &TestServer) {
        let owner = server.owner("acme").await;
        create(&owner, json!({"companyName": "Nobody's"})).await;
        create(&owner, json!({"companyName": "Coached", "coach": owner.user})).await;
        for path in ["customers/mine", "clients/my_clients/"] {
            let body = owner.get(&format!("/api/v1/{path}")).await.is(200);
            assert_eq!(body["meta"]["total"], 1);
            assert_eq!(body["data"][0]["companyName"], "Coached");
        }
    }

    async fn me_stands_for_the_caller_in_filters(server: &TestServer) {
        let owner = server.owner("acme").await;
        create(&owner, json!({"companyName": "Nobody's"})).await;
        create(&owner, json!({"companyName": "Own", "assignedTo": owner.user})).await;
        assert_eq!(names(&owner, "assignedTo=me").await, ["Own"]);
        assert_eq!(names(&owner, "assignedTo%5Bnull%5D=true").await, ["Nobody's"]);
    }

    async fn figures_follow_the_filter(server: &TestServer) {
        let owner = server.owner("acme").await;
        create(&owner, json!({"companyName": "A", "industry": "shipping"})).await;
        create(&owner, json!({"companyName": "B", "industry": "shipping", "status": "paused"})).await;
        create(&owner, json!({"companyName": "C"})).await;
        let stats = owner.get(&format!("{PATH}/stats")).await.data();
        assert_eq!((&stats["total"], &stats["newThisMonth"]), (&json!(3), &json!(3)));
        let by_industry = stats["byIndustry"].as_array().unwrap();
        assert!(by_industry.contains(&json!({"key": "shipping", "count": 2})), "{stats}");
        assert!(by_industry.contains(&json!({"key": null, "count": 1})), "{stats}");
        let stats = owner.get(&format!("{PATH}/stats?status=paused")).await.data();
        assert_eq!(stats["total"], 1);
        // What would mean nothing is not ignored.
        for parameter in ["includeDeleted=true", "page=1", "limit=5", "sort=name", "expand=tags", "count=none"] {
            let answer = owner.get(&format!("{PATH}/stats?{parameter}")).await;
            let body = answer.fails(400, "NOT_FILTERABLE");
            assert_eq!(body["errors"][0]["field"], parameter.split('=').next().unwrap());
        }
    }

    async fn activating_and_deactivating_set_the_status(server: &TestServer) {
        let owner = server.owner("acme").await;
        let path = path(&create(&owner, json!({"companyName": "A"})).await);
        let off = owner.post(&format!("{path}/deactivate"), json!({})).await.data();
        assert_eq!(off["status"], "inactive");
        let on = owner.post(&format!("{path}/activate"), json!({})).await.data();
        assert_eq!((&on["status"], &on["version"]), (&json!("active"), &json!(3)));
    }

    async fn a_user_reaches_what_is_assigned_to_it(server: &TestServer) {
        let owner = server.owner("acme").await;
        let user = server.colleague(&owner, BuiltIn::User).await;
        let theirs = create(&owner, json!({"companyName": "Theirs"})).await;
        user.get(&path(&theirs)).await.fails(404, "NOT_FOUND");
        assert!(names(&user, "").await.is_empty());
        let own = create(&user, json!({"companyName": "Own"})).await;
        assert_eq!(own["assignedTo"], user.user.as_str());
        assert_eq!(names(&user, "").await, ["Own"]);
        assert_eq!(user.get(&format!("{PATH}/stats")).await.data()["total"], 1);
        let away = json!({"assignedTo": owner.user});
        user.patch(&path(&own), away).await.fails(403, "FORBIDDEN");
    }

    async fn a_reader_reads_and_nothing_else(server: &TestServer) {
        let owner = server.owner("acme").await;
        let reader = server.colleague(&owner, BuiltIn::Readonly).await;
        let path = path(&create(&owner, json!({"companyName": "A"})).await);
        reader.get(&path).await.is(200);
        reader.post(PATH, json!({"companyName": "B"})).await.fails(403, "FORBIDDEN");
        reader.put(&path, json!({"companyName": "B"})).await.fails(403, "FORBIDDEN");
        let body = reader.patch(&path, json!({"companyName": "B"})).await.fails(403, "FORBIDDEN");
        assert!(body["message"].as_str().unwrap().contains("customers:update"), "{body}");
        reader.delete(&path).await.fails(403, "FORBIDDEN");
    }

    async fn a_path_without_an_id_in_it_is_400(server: &TestServer) {
        let owner = server.owner("acme").await;
        let body = owner.get(&format!("{PATH}/nonsense")).await.fails(400, "INVALID_PARAMETER");
        assert_eq!(body["errors"][0]["field"], "id");
    }
}
