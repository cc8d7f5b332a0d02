//! Line ends and other control characters, in what becomes a header of an answer or of a mail.
//!
//! What came back: they are refused where people write one line, left out of what is echoed, and
//! escaped in what is a header of a mail. (Of requests on the wire: `wire.rs`; into the log:
//! `crm-server/tests/processes/injection.rs`; into a filter or a statement: `garbage.rs`.)

use crm_server::config::{Config, MailTls};
use serde_json::json;

use crate::support::{Backend, MailServer, PASSWORD, TestServer, for_each_store};

const LINES: &[&str] = &[
    "A\r\nSet-Cookie: evil=1",
    "A\r\nBcc: everybody@evil.example",
    "A\nX-Injected: yes",
    "A\r\n\r\n<html>",
    "A\u{0}B",
    "A\u{85}Bcc: b@evil.example",
    "A\u{2028}Bcc: b@evil.example",
    "A\u{1b}[2J",
];

for_each_store! {
    async fn no_header_of_an_answer_can_be_written(server: &TestServer) {
        let owner = server.owner("acme").await;
        for line in LINES {
            let escaped: String = line.bytes().map(|byte| format!("%{byte:02X}")).collect();
            for path in [
                format!("/{escaped}"),
                format!("/api/v1/customers/{escaped}"),
                format!("/api/v1/customers?sort={escaped}"),
                format!("/api/v1/customers?cursor={escaped}"),
                format!("/api/v1/customers/export?format=csv&filename={escaped}"),
                format!("/api/v1/customers/export?format={escaped}"),
                format!("/api/v1/tenants/{escaped}/customers"),
            ] {
                let answer = owner.get(&path).await;
                for name in ["set-cookie", "x-injected", "bcc"] {
                    assert!(answer.headers.get(name).is_none(), "{path}: {:?}", answer.headers);
                }
                assert!(answer.status.is_client_error(), "{path}: {}", answer.status);
            }
            // What cannot stand in a header cannot be sent in one; what is odd is not echoed.
            let odd: String = line.chars().filter(|one| !one.is_control()).collect();
            let answer = owner.with_bytes("X-Request-ID", odd.as_bytes()).get("/api/v1/health/live").await;
            let echoed = answer.header("x-request-id");
            assert!(echoed.bytes().all(|byte| byte.is_ascii_graphic()), "{echoed}");
            assert!(!echoed.contains(':'), "{echoed}");
        }
        // What is made elsewhere of what was stored: a file's name, and where something is.
        let made = owner.post("/api/v1/customers", json!({"companyName": "A\r\nSet-Cookie: evil=1"})).await;
        for answer in [made, owner.get("/api/v1/customers/export?format=csv").await] {
            assert!(answer.headers.get("set-cookie").is_none());
        }
    }
}

async fn no_header_of_a_mail_can_be_written(backend: Backend) {
    let post = MailServer::start(MailTls::Implicit).await;
    let settings = post.settings();
    let change = |config: &mut Config| config.mail = settings;
    let server = TestServer::configured_on(backend, change).await;
    let owner = server.owner("acme").await;
    let mut sent = 0;
    for (number, line) in LINES.iter().enumerate() {
        // In an address: refused.
        for email in [format!("eve@example.com{line}"), format!("{line}@example.com")] {
            let input = json!({"email": email, "password": PASSWORD});
            let answer = server.anonymous().post("/api/v1/auth/signup", input).await;
            assert_eq!(answer.status, 422, "{email:?}: {}", answer.json());
            let input = json!({"email": email, "roles": ["user"]});
            let answer = owner.post("/api/v1/users/invitations", input).await;
            assert_eq!(answer.status, 422, "{email:?}: {}", answer.json());
        }
        // In what mails say, in their subjects too: refused, or shown as part of one line.
        let email = format!("owner{number}@acme.example");
        let input = json!({
            "email": email, "password": PASSWORD, "tenantName": line, "name": line
        });
        let session = server.anonymous().post("/api/v1/auth/signup", input).await;
        if session.status != 201 {
            assert_eq!(session.status, 422, "{line:?}: {}", session.json());
            continue;
        }
        let owner = server.anonymous().with_token(session.data()["token"].as_str().unwrap());
        let guest = format!("guest{number}@example.com");
        let input = json!({"email": guest, "name": line, "roles": ["user"]});
        let invited = owner.post("/api/v1/users/invitations", input).await;
        let mut letters = post.letters_to(&email, 1).await;
        if invited.status == 201 {
            letters.extend(post.letters_to(&guest, 1).await);
        }
        for letter in letters {
            sent += 1;
            assert_eq!(letter.to.len(), 1, "{:?}", letter.to);
            let headers = letter.headers();
            for name in ["bcc:", "set-cookie:", "x-injected:"] {
                let begins = headers.lines().any(|header| header.to_lowercase().starts_with(name));
                assert!(!begins, "{line:?}: {headers}");
            }
            assert!(!letter.subject().chars().any(char::is_control), "{:?}", letter.subject());
        }
    }
    // Otherwise no mail was looked at: that of the first owner has been.
    let first = post.letters_to(&owner.email, 1).await;
    assert!(sent + first.len() > 0);
    assert!(post.letters().iter().all(|letter| !letter.to.iter().any(|to| to.contains("evil"))));
    server.stop().await;
}

#[tokio::test]
async fn no_header_of_a_mail_can_be_written_on_memory() {
    no_header_of_a_mail_can_be_written(Backend::Memory).await;
}

#[tokio::test]
async fn no_header_of_a_mail_can_be_written_on_postgres() {
    no_header_of_a_mail_can_be_written(Backend::Postgres).await;
}
