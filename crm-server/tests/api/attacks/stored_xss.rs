//! Markup in whatever people may write, shown to others: by the API, by its pages, in mails.
//!
//! What came back: answers are JSON that no browser takes for a page, whatever is in them; the
//! pages that the server has show nothing that anybody wrote; and mails show it as text.

use crm_server::config::{Config, MailTls};
use serde_json::json;

use crate::support::{Backend, MailServer, PASSWORD, TestServer, for_each_store};

const MARKUP: &[&str] = &[
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\"><svg onload=alert(1)>",
    "'-alert(1)-'",
    "</title></style><b>",
    "{{ 7 * 7 }}{% for x in y %}",
    "javascript:alert(1)",
];

for_each_store! {
    async fn answers_are_never_a_page(server: &TestServer) {
        let owner = server.owner("acme").await;
        let customers = "/api/v1/customers";
        for markup in MARKUP {
            let answer = owner.post(customers, json!({"companyName": markup})).await;
            answer.is(201);
            let id = answer.data()["id"].as_str().unwrap().to_owned();
            owner.post("/api/v1/customers/tags", json!({"name": markup})).await;
            let sought: String = markup.bytes().map(|byte| format!("%{byte:02X}")).collect();
            // As a browser that opens it asks.
            let browser = owner.with("Accept", "text/html,application/xhtml+xml,*/*;q=0.8");
            for path in [
                format!("{customers}/{id}"),
                customers.to_owned(),
                format!("{customers}?search={sought}"),
                format!("{customers}?{sought}={sought}"),
                format!("{customers}/{sought}"),
                format!("/{sought}"),
                format!("{customers}/export?format=json"),
                format!("{customers}/export?format=csv"),
            ] {
                let answer = browser.get(&path).await;
                let kind = answer.header("content-type").to_owned();
                let is_text = ["application/json", "text/csv"].iter().any(|safe| kind.starts_with(safe));
                assert!(is_text, "{path}: {} {kind}", answer.status);
                assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
                assert!(answer.header("content-security-policy").contains("default-src 'none'"), "{path}");
                if path.contains("/export") {
                    assert!(answer.header("content-disposition").starts_with("attachment"), "{path}");
                }
            }
            // What was written is what is read: nothing is cut out or changed on the way.
            let read = owner.get(&format!("{customers}/{id}")).await.data();
            assert_eq!(read["companyName"], *markup);
        }
        let page = server.anonymous().get("/docs").await;
        assert!(!String::from_utf8_lossy(&page.bytes).contains("alert(1)"));
    }
}

async fn mails_show_it_as_text(backend: Backend) {
    let post = MailServer::start(MailTls::Implicit).await;
    let settings = post.settings();
    let change = |config: &mut Config| config.mail = settings;
    let server = TestServer::configured_on(backend, change).await;
    for (number, markup) in MARKUP.iter().enumerate() {
        let email = format!("owner{number}@acme.example");
        let input = json!({
            "email": email, "password": PASSWORD, "tenantName": markup, "name": markup
        });
        let session = server.anonymous().post("/api/v1/auth/signup", input).await;
        session.is(201);
        let owner = server.anonymous().with_token(session.data()["token"].as_str().unwrap());
        let guest = format!("guest{number}@example.com");
        let input = json!({"email": guest, "name": markup, "roles": ["user"]});
        owner.post("/api/v1/users/invitations", input).await.is(201);
        let letters = [post.letters_to(&email, 1).await, post.letters_to(&guest, 1).await].concat();
        assert_eq!(letters.len(), 2);
        for letter in letters {
            let html = letter.html();
            for raw in [
                "<script",
                "<img",
                "<svg",
                "onerror=alert(1)>",
                "</title></style>",
                "49",
                "href=\"javascript",
            ] {
                // A link has its own digits.
                let shown: String = html.lines().filter(|line| !line.contains("token=")).collect();
                let seen = if raw == "49" { shown.contains(">49<") } else { shown.contains(raw) };
                assert!(!seen, "{markup}: {raw} in {html}");
            }
            // It is there, as text.
            let of_the_tenant = letter.to[0].contains("guest");
            if of_the_tenant && markup.contains('<') {
                assert!(html.contains("&lt;"), "{markup}: {html}");
            }
            assert!(letter.text().contains("?token="), "{}", letter.text());
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn mails_show_it_as_text_on_memory() {
    mails_show_it_as_text(Backend::Memory).await;
}

#[tokio::test]
async fn mails_show_it_as_text_on_postgres() {
    mails_show_it_as_text(Backend::Postgres).await;
}
