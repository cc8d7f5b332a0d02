//! `/companies`, and customers that belong to them.

use crm_core::access::BuiltIn;
use serde_json::{Value, json};

use crate::support::{Person, TestServer, for_each_store};

const PATH: &str = "/api/v1/companies";
const CUSTOMERS: &str = "/api/v1/customers";
const NOBODYS: &str = "0197d8a0-0000-7000-8000-000000000000";

async fn create(person: &Person, base: &str, input: Value) -> Value {
    let answer = person.post(base, input).await;
    answer.is(201);
    answer.data()
}

fn path(base: &str, record: &Value) -> String {
    format!("{base}/{}", record["id"].as_str().unwrap())
}

for_each_store! {
    async fn a_company_is_made_read_changed_deleted_and_brought_back(server: &TestServer) {
        let owner = server.owner("acme").await;
        let input = json!({
            "name": " Ærø  Søfart ", "domain": "https://www.Aero.example/om", "website": "aero.example",
            "industry": "Shipping", "size": "small", "employeeCount": 12, "annualRevenue": "1200000.50",
            "currency": "dkk", "email": "Post@Aero.example", "phone": "+45 33 12 34 56",
            "address": "Havnen 1", "city": "Marstal", "postalCode": "5960", "country": "Denmark",
            "description": "Ships", "assignedTo": owner.user
        });
        let answer = owner.post(PATH, input).await;
        answer.is(201);
        let company = answer.data();
        let at = path(PATH, &company);
        assert_eq!((answer.header("location"), answer.header("etag")), (at.as_str(), "\"1\""));
        assert_eq!(company["domain"], "aero.example");
        assert_eq!((&company["country"], &company["currency"]), (&json!("DK"), &json!("DKK")));
        assert_eq!(company["assignedUser"]["email"], owner.email.as_str());
        assert_eq!(company["createdBy"], owner.user.as_str());
        assert_eq!(owner.get(&at).await.data(), company);
        let patched = owner.patch(&at, json!({"city": "Rise", "phone": null})).await.data();
        assert_eq!((&patched["city"], &patched["phone"]), (&json!("Rise"), &Value::Null));
        assert_eq!(patched["industry"], "Shipping");
        let replaced = owner.put(&at, json!({"name": "Ærø"})).await.data();
        assert_eq!((&replaced["industry"], &replaced["version"]), (&Value::Null, &json!(3)));
        let stale = owner.with("If-Match", "\"1\"");
        stale.patch(&at, json!({"city": "B"})).await.fails(412, "STALE_VERSION");
        owner.post(PATH, json!({"domain": "nowhere"})).await.fails(422, "REQUIRED");
        owner.delete(&at).await.is(200);
        owner.get(&at).await.fails(404, "NOT_FOUND");
        owner.post(&format!("{at}/restore"), json!({})).await.is(200);
        assert_eq!(owner.get(PATH).await.is(200)["meta"]["total"], 1);
    }

    async fn companies_are_filtered_searched_and_sorted(server: &TestServer) {
        let owner = server.owner("acme").await;
        let tag = create(&owner, "/api/v1/customers/tags", json!({"name": "Partner"})).await;
        let field = json!({
            "recordType": "companies", "key": "fleet", "label": "Fleet", "type": "number"
        });
        create(&owner, "/api/v1/custom-fields", field).await;
        for (name, city, fleet) in [("Alfa", "Kiel", 3), ("bravo", "Bonn", 30)] {
            let input = json!({
                "name": name, "city": city, "domain": format!("{name}.example"),
                "tags": [tag["id"]], "customFields": {"fleet": fleet}
            });
            create(&owner, PATH, input).await;
        }
        for (query, expected) in [
            ("sort=-name", &["bravo", "Alfa"][..]),
            ("domain=https%3A%2F%2Fwww.alfa.example", &["Alfa"]),
            ("search=BRAVO.example", &["bravo"]),
            ("customFields.fleet%5Bgte%5D=10", &["bravo"]),
            ("tags=partner&sort=name", &["Alfa", "bravo"]),
            ("filter=city%20%3D%20%22Kiel%22", &["Alfa"]),
        ] {
            let body = owner.get(&format!("{PATH}?{query}")).await.is(200);
            let names = body["data"].as_array().unwrap().iter().map(|company| &company["name"]);
            assert!(names.eq(expected), "{query}: {body}");
        }
        let body = owner.get(&format!("{PATH}?expand=tags&sort=name")).await.is(200);
        assert_eq!(body["data"][0]["tags"][0]["name"], "Partner");
    }

    async fn figures_follow_the_filter_the_reach_and_the_currency(server: &TestServer) {
        let owner = server.owner("acme").await;
        let user = server.colleague(&owner, BuiltIn::User).await;
        let field = json!({
            "recordType": "companies", "key": "fleet", "label": "Fleet", "type": "number"
        });
        create(&owner, "/api/v1/custom-fields", field).await;
        for (name, industry, revenue, currency, fleet) in [
            ("Alfa", Some("Shipping"), Some("0.10"), Some("EUR"), Some(3)),
            ("Bravo", Some("Shipping"), Some("0.20"), Some("EUR"), Some(4)),
            ("Charlie", None, Some("7"), Some("DKK"), None),
            ("Delta", None, Some("5"), None, None),
            ("Echo", None, None, Some("EUR"), None),
        ] {
            let input = json!({
                "name": name, "industry": industry, "annualRevenue": revenue, "currency": currency,
                "size": "small", "country": "DK", "customFields": {"fleet": fleet}
            });
            create(&owner, PATH, input).await;
        }
        create(&user, PATH, json!({"name": "Own", "annualRevenue": "1", "currency": "SEK"})).await;
        let stats = owner.get(&format!("{PATH}/stats?country=DK&customFields=fleet")).await.data();
        assert_eq!((&stats["total"], &stats["newThisMonth"]), (&json!(5), &json!(5)));
        assert_eq!(
            stats["byIndustry"],
            json!([{"key": "Shipping", "count": 2}, {"key": null, "count": 3}])
        );
        assert_eq!(stats["bySize"], json!([{"key": "small", "count": 5}]));
        assert_eq!(stats["byCountry"], json!([{"key": "DK", "count": 5}]));
        assert_eq!(stats["byOwner"], json!([{"key": null, "count": 5}]));
        let sums: Vec<String> = stats["annualRevenue"].as_array().unwrap().iter().map(|of| {
            let sum: f64 = of["sum"].to_string().trim_matches('"').parse().unwrap();
            format!("{} {} {sum:.2}", of["currency"], of["count"])
        }).collect();
        assert_eq!(sums, ["\"DKK\" 1 7.00", "\"EUR\" 2 0.30", "null 1 5.00"]);
        assert_eq!(stats["byCustomField"]["fleet"]["count"], 2);
        let own = user.get(&format!("{PATH}/stats")).await.data();
        assert_eq!((&own["total"], &own["annualRevenue"][0]["currency"]), (&json!(1), &json!("SEK")));
        let rep = server.colleague(&owner, BuiltIn::SalesRep).await;
        rep.get(&format!("{PATH}/stats")).await.fails(403, "FORBIDDEN");
        owner.get(&format!("{PATH}/stats?includeDeleted=true")).await.fails(400, "NOT_FILTERABLE");
    }

    async fn a_customer_belongs_to_a_company_and_shows_it(server: &TestServer) {
        let owner = server.owner("acme").await;
        let company = create(&owner, PATH, json!({"name": "Harbour"})).await;
        let input = json!({"companyName": "Harbour Kiel", "companyId": company["id"]});
        let customer = create(&owner, CUSTOMERS, input.clone()).await;
        create(&owner, CUSTOMERS, json!({"companyName": "Elsewhere"})).await;
        let brief = json!({"id": company["id"], "name": "Harbour", "deleted": false});
        assert_eq!(customer["company"], brief);
        let id = company["id"].as_str().unwrap();
        let body = owner.get(&format!("{CUSTOMERS}?companyId={id}")).await.is(200);
        assert_eq!((&body["meta"]["total"], &body["data"][0]), (&json!(1), &customer));
        let body = owner.get(&format!("{CUSTOMERS}?companyId={id}&expand=tags")).await.is(200);
        assert_eq!(body["data"][0].get("company"), None);
        let at = path(CUSTOMERS, &customer);
        let out = owner.patch(&at, json!({"companyId": null})).await.data();
        assert_eq!((&out["companyId"], out.get("company")), (&Value::Null, None));
        assert_eq!(owner.put(&at, input).await.data()["companyId"], company["id"]);
        let missing = owner.patch(&at, json!({"companyId": NOBODYS})).await;
        assert_eq!(missing.fails(422, "MISSING_REFERENCE")["errors"][0]["field"], "companyId");
        owner.patch(&at, json!({"companyId": "7"})).await.is(400);
        // References to what was deleted stay readable.
        owner.delete(&path(PATH, &company)).await.is(200);
        let body = owner.get(&at).await.data();
        assert_eq!(body["company"]["deleted"], true);
    }

    async fn a_company_out_of_reach_is_neither_named_nor_shown(server: &TestServer) {
        let owner = server.owner("acme").await;
        let theirs = create(&owner, PATH, json!({"name": "Hidden", "assignedTo": owner.user})).await;
        let user = server.colleague(&owner, BuiltIn::User).await;
        let rep = server.colleague(&owner, BuiltIn::SalesRep).await;
        let told = async |person: &Person, method: &str, at: &str, id: &Value| {
            let input = json!({"companyName": "A", "companyId": id, "assignedTo": person.user});
            let answer = person.send(method.parse().unwrap(), at, Some(input)).await;
            let mut body = answer.json();
            body.as_object_mut().unwrap().remove("requestId");
            (answer.status.as_u16(), body.to_string().replace(id.as_str().unwrap(), "…"))
        };
        let never = told(&user, "POST", CUSTOMERS, &json!(NOBODYS)).await;
        assert_eq!(never.0, 422);
        assert_eq!(told(&user, "POST", CUSTOMERS, &theirs["id"]).await, never);
        for person in [&user, &rep] {
            let input = json!({
                "companyName": "Own", "companyId": theirs["id"], "assignedTo": person.user
            });
            let customer = create(&owner, CUSTOMERS, input).await;
            assert_eq!(customer["company"]["name"], "Hidden");
            let seen = person.get(&path(CUSTOMERS, &customer)).await.data();
            assert_eq!((&seen["companyId"], seen.get("company")), (&theirs["id"], None));
            let body = person.get(CUSTOMERS).await.is(200);
            assert!(!body.to_string().contains("Hidden"), "{body}");
            let at = path(CUSTOMERS, &customer);
            let moved = create(&owner, PATH, json!({"name": "Hidden too"})).await;
            for method in ["PUT", "PATCH"] {
                let never = told(person, method, &at, &json!(NOBODYS)).await;
                assert_eq!(told(person, method, &at, &moved["id"]).await, never);
                assert_eq!(never.0, 422);
            }
        }
        user.get(&path(PATH, &theirs)).await.fails(404, "NOT_FOUND");
        assert_eq!(user.get(PATH).await.is(200)["meta"]["total"], 0);
        rep.get(PATH).await.fails(403, "FORBIDDEN");
        let agent = server.colleague(&owner, BuiltIn::Agent).await;
        assert_eq!(agent.get(PATH).await.is(200)["meta"]["total"], 3);
        agent.post(PATH, json!({"name": "New"})).await.fails(403, "FORBIDDEN");
        let own = create(&user, PATH, json!({"name": "Own"})).await;
        assert_eq!(own["assignedTo"], user.user.as_str());
    }

    async fn the_paths_with_the_tenant_in_them_lead_to_companies(server: &TestServer) {
        let owner = server.owner("acme").await;
        let base = format!("/api/tenant/{}/companies", owner.tenant);
        let company = create(&owner, &base, json!({"name": "Acme"})).await;
        let at = path(&base, &company);
        owner.put(&at, json!({"name": "Acme AG"})).await.is(200);
        assert_eq!(owner.get(&at).await.data()["name"], "Acme AG");
        owner.delete(&at).await.is(200);
        assert_eq!(owner.get(&base).await.is(200)["meta"]["total"], 0);
    }
}
