//! What a server writes into its log while people work: lines of a request can be found by its id
//! and its trace, and none of them, at any level, tells what is personal or secret.

use std::collections::BTreeMap;

use crm_store_postgres::testing::{Relay, TestDatabase, Way};
use hyper::Method;
use serde_json::{Value, json};

use crate::support::{Caller, PASSWORD, Process, Settings};

/// The number of the trace that a request with this number is part of.
fn trace(number: usize) -> String {
    format!("{number:032x}")
}

/// Somebody at work, whose requests are numbered.
struct Work {
    caller: Caller,
    sent: usize,
    /// What no log may hold.
    private: Vec<String>,
}

impl Work {
    async fn ask(&mut self, method: Method, path: &str, body: Option<Value>) -> Value {
        self.ask_with(method, path, body, Vec::new()).await
    }

    async fn ask_with(
        &mut self,
        method: Method,
        path: &str,
        body: Option<Value>,
        mut headers: Vec<(&'static str, String)>,
    ) -> Value {
        self.sent += 1;
        headers.push(("X-Request-ID", format!("request-{}", self.sent)));
        headers.push(("traceparent", format!("00-{}-00f067aa0ba902b7-00", trace(self.sent))));
        self.caller.send_along(headers);
        match self.caller.send(method, path, body).await {
            crate::support::Reply::Answered(_, body) => body,
            other => panic!("{path}: {other:?}"),
        }
    }

    fn hide(&mut self, secret: &str) {
        assert!(secret.len() > 6, "{secret:?} could be there by chance");
        self.private.push(secret.to_owned());
    }

    /// Signs up, in and out, works, and gets things wrong, each with something to hide.
    async fn through_a_day(&mut self) {
        let (get, post) = (Method::GET, Method::POST);
        let email = "ada.lovelace@analytical.example";
        let sign_up = json!({"email": email, "password": PASSWORD, "tenantName": "Analytical"});
        for secret in [email, "lovelace", PASSWORD, "Wrong-Horse-77", "grace.hopper@navy.example"] {
            self.hide(secret);
        }
        let session = self.ask(post.clone(), "/api/v1/auth/signup", Some(sign_up.clone())).await;
        let session = &session["data"];
        for pointer in ["token", "refreshToken"] {
            self.hide(session[pointer].as_str().unwrap());
        }
        self.ask(post.clone(), "/api/v1/auth/signup", Some(sign_up)).await;
        let login = |password: &str| Some(json!({"email": email, "password": password}));
        self.ask(post.clone(), "/api/v1/auth/login", login("Wrong-Horse-77")).await;
        let odd = Some(json!({"email": 7, "password": PASSWORD, "secret": "Wrong-Horse-77"}));
        self.ask(post.clone(), "/api/v1/auth/login", odd).await;
        let second = self.ask(post.clone(), "/api/v1/auth/login", login(PASSWORD)).await;
        self.hide(second["data"]["token"].as_str().unwrap());
        let refresh = second["data"]["refreshToken"].as_str().unwrap().to_owned();
        self.hide(&refresh);
        let refresh = Some(json!({"refreshToken": refresh}));
        let third = self.ask(post.clone(), "/api/v1/auth/refresh", refresh.clone()).await;
        self.hide(third["data"]["token"].as_str().unwrap());
        self.ask(post.clone(), "/api/v1/auth/refresh", refresh).await;

        self.caller.take_token(session["token"].as_str().unwrap());
        let customer = json!({
            "firstName": "Grace", "lastName": "Hopper-Murray", "phone": "+12125550175",
            "email": "grace.hopper@navy.example", "notes": "Keeps-nanoseconds",
        });
        for secret in ["Hopper-Murray", "+12125550175", "Keeps-nanoseconds"] {
            self.hide(secret);
        }
        let made = self.ask(post.clone(), "/api/v1/customers", Some(customer)).await;
        let path = match made["data"]["id"].as_str() {
            Some(id) => format!("/api/v1/customers/{id}"),
            None => panic!("{made}"),
        };
        let patch = json!({"email": "no address at all, Hopper-Murray"});
        self.ask(Method::PATCH, &path, Some(patch)).await;
        self.ask(Method::DELETE, &path, None).await;
        for query in [
            "?search=Hopper-Murray",
            "?email=grace.hopper@navy.example",
            "?nonsense=Hopper-Murray",
            "?filter=companyName%20=%20%22Hopper-Murray%22%20AND",
            "/grace.hopper@navy.example",
            "?access_token=Wrong-Horse-77",
        ] {
            self.ask(get.clone(), &format!("/api/v1/customers{query}"), None).await;
        }
        let once = vec![("Idempotency-Key", "Wrong-Horse-77-key".to_owned())];
        let body = Some(json!({"companyName": "Hopper-Murray Ltd"}));
        self.ask_with(post.clone(), "/api/v1/customers", body.clone(), once.clone()).await;
        self.ask_with(post.clone(), "/api/v1/customers", body, once).await;
        self.ask(post, "/api/v1/auth/logout", Some(json!({}))).await;
        for token in ["Wrong-Horse-77", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJsb3ZlbGFjZSJ9."] {
            self.hide(token);
            self.caller.take_token(token);
            self.ask(get.clone(), "/api/v1/customers", None).await;
        }
    }

    fn nothing_private_in(&self, log: &str) {
        let lower = log.to_lowercase();
        for secret in &self.private {
            let line = lower.lines().find(|line| line.contains(&secret.to_lowercase()));
            assert!(line.is_none(), "{secret} stands in {line:?}");
        }
    }
}

/// Every line is an object; those of a request name it and its trace; no others are there but of
/// what runs beside requests.
fn lines_name_their_requests(log: &str, sent: usize, work: &[&str]) {
    let mut lines_of = BTreeMap::<usize, Vec<&str>>::new();
    for line in log.lines() {
        let value: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
        let named = |name: &str| {
            let own = value.get(name).or_else(|| value.pointer(&format!("/span/{name}")));
            own.and_then(Value::as_str)
        };
        let Some(id) = named("id") else {
            let target = value["target"].as_str().unwrap();
            let beside = !target.starts_with("crm_server::access")
                && !work.iter().any(|work| line.contains(work));
            assert!(beside, "of which request? {line}");
            continue;
        };
        let number = id.strip_prefix("request-").unwrap_or_else(|| panic!("{line}"));
        let number: usize = number.parse().unwrap();
        assert_eq!(named("trace_id"), Some(&*trace(number)), "{line}");
        assert_eq!(named("span_id").unwrap().len(), 16, "{line}");
        lines_of.entry(number).or_default().push(line);
    }
    for number in 1..=sent {
        let lines = lines_of.remove(&number).unwrap_or_default();
        let access = |line: &&&str| line.contains("\"target\":\"crm_server::access\"");
        assert_eq!(lines.iter().filter(access).count(), 1, "request {number}: {lines:#?}");
    }
    assert!(lines_of.is_empty(), "{lines_of:?}");
}

async fn worked(settings: Settings) -> (Process, Work) {
    let server = Process::start(settings).await;
    let caller = Caller::new(server.address(), "");
    let mut work = Work { caller, sent: 0, private: Vec::new() };
    work.through_a_day().await;
    (server, work)
}

#[tokio::test]
async fn every_line_of_a_request_names_it_and_its_trace_and_none_tells_a_secret() {
    let database = TestDatabase::migrated().await.unwrap();
    let relay = Relay::to(&database.app_url()).await.unwrap();
    let settings = Settings::new(relay.url(), &database.owner_url())
        .with("CRM_LOG_FORMAT", "json")
        .with("CRM_LOG_LEVEL", "trace")
        .with("CRM_METRICS_TOKEN", "a-token-for-monitoring");
    let (server, mut work) = worked(settings).await;
    work.hide("a-token-for-monitoring");
    work.hide("PRIVATE KEY");
    // Faults are logged with their reasons.
    relay.set(Way::Refusing);
    let email = "ada.lovelace@analytical.example";
    let login = json!({"email": email, "password": PASSWORD});
    work.ask(Method::POST, "/api/v1/auth/login", Some(login)).await;
    work.ask(Method::GET, "/health/ready", None).await;
    let log = server.log();
    work.nothing_private_in(&log);
    // What only requests do to the database.
    let work_of_requests = ["insert into customers", "from customers", "insert into sessions"];
    lines_name_their_requests(&log.to_lowercase(), work.sent, &work_of_requests);
    let queries = log.lines().filter(|line| line.contains("sqlx")).count();
    assert!(queries > work.sent, "each statement is logged at this level: {queries}");
    let refused = log.lines().filter(|line| line.contains("request failed")).count();
    assert_eq!(refused, 1, "the sign-in without a database");
}

#[tokio::test]
async fn no_line_tells_a_secret_as_text_or_in_memory() {
    let database = TestDatabase::migrated().await.unwrap();
    let settings = Settings::new(&database.app_url(), &database.owner_url());
    let (server, work) = worked(settings.with("CRM_LOG_LEVEL", "trace")).await;
    let log = server.log();
    assert!(
        log.contains("request-1") && log.contains(&trace(1)) && log.contains("sqlx::query"),
        "{log}"
    );
    work.nothing_private_in(&log);

    let settings = Settings::new("memory:", "memory:").with("CRM_LOG_FORMAT", "json");
    let (server, work) = worked(settings.with("CRM_LOG_LEVEL", "trace")).await;
    let log = server.log();
    work.nothing_private_in(&log);
    lines_name_their_requests(&log, work.sent, &[]);
}
