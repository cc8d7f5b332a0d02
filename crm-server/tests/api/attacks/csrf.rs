//! A page of somebody else that has a signed-in user's browser call the server.
//!
//! What came back: nothing. A browser adds cookies to what a page of others sends, and never an
//! `Authorization` header; the server takes the header, sets no cookie and heeds none. A page that
//! has no token can send a form, which is refused for its type before anybody looks at who calls,
//! or ask by script, which the browser does not do without a preflight that only allowed origins
//! pass. No GET changes anything, whatever it says of its method.

use hyper::Method;
use serde_json::json;

use crate::support::{PASSWORD, TestServer, document, for_each_store};

const CUSTOMERS: &str = "/api/v1/customers";

for_each_store! {
    async fn what_a_page_of_others_can_send_changes_nothing(server: &TestServer) {
        let owner = server.owner("acme").await;
        let cookie = format!("token={0}; access_token={0}; session={0}", owner.token());
        let page = server.anonymous()
            .with("Origin", "https://evil.example")
            .with("Referer", "https://evil.example/")
            .with("Sec-Fetch-Site", "cross-site")
            .with("Cookie", &cookie);
        // With the browser's cookies, and no token.
        page.post(CUSTOMERS, json!({"companyName": "Planted"})).await.fails(401, "UNAUTHENTICATED");
        page.get(CUSTOMERS).await.fails(401, "UNAUTHENTICATED");
        // As a form sends it, even with a token.
        let signed_in = page.with_token(owner.token());
        let text = r#"{"companyName": "Planted", "notes": "="}"#;
        for (content_type, body) in [
            ("text/plain", text),
            ("text/plain;charset=UTF-8", text),
            ("application/x-www-form-urlencoded", "companyName=Planted"),
            ("multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data; name=\"companyName\"\r\n\r\nPlanted\r\n--x--\r\n"),
        ] {
            for method in [Method::POST, Method::PUT] {
                let path = if method == Method::POST { CUSTOMERS.to_owned() } else { format!("{CUSTOMERS}/{}", owner.user) };
                let answer = signed_in.send_bytes(method.clone(), &path, Some(content_type), body).await;
                answer.fails(415, "UNSUPPORTED_MEDIA_TYPE");
            }
            let sign_in = format!(r#"{{"email": "{}", "password": "{PASSWORD}"}}"#, owner.email);
            let answer = page.send_bytes(Method::POST, "/api/v1/auth/login", Some(content_type), sign_in).await;
            answer.fails(415, "UNSUPPORTED_MEDIA_TYPE");
        }
        // By a link or an image, under another method's name.
        for (name, value) in [
            ("X-HTTP-Method-Override", "POST"), ("X-HTTP-Method", "DELETE"), ("X-Method-Override", "PATCH"),
        ] {
            signed_in.with(name, value).get(CUSTOMERS).await.is(200);
        }
        let tried = signed_in.get(&format!("{CUSTOMERS}?_method=POST&companyName=Planted")).await;
        assert!(tried.status == 200 || tried.status == 400);
        assert_eq!(owner.get(CUSTOMERS).await.is(200)["meta"]["total"], 0);
    }

    async fn no_answer_sets_a_cookie_or_lets_a_page_of_others_read(server: &TestServer) {
        let owner = server.owner("acme").await;
        let evil = owner.with("Origin", "https://evil.example");
        let login = json!({"email": owner.email, "password": PASSWORD});
        let refresh = json!({"refreshToken": owner.refresh_token});
        for answer in [
            evil.get(CUSTOMERS).await,
            evil.post(CUSTOMERS, json!({"companyName": "A"})).await,
            evil.post("/api/v1/auth/login", login).await,
            evil.post("/api/v1/auth/refresh", refresh).await,
            evil.get("/api/v1/nowhere").await,
            evil.send(Method::OPTIONS, CUSTOMERS, None).await,
        ] {
            for header in ["set-cookie", "access-control-allow-origin", "access-control-allow-credentials"] {
                assert!(answer.headers.get(header).is_none(), "{header}: {:?}", answer.headers);
            }
        }
        for method in ["POST", "PUT", "PATCH", "DELETE"] {
            let asks = evil
                .with("Access-Control-Request-Method", method)
                .with("Access-Control-Request-Headers", "authorization,content-type");
            let answer = asks.send(Method::OPTIONS, CUSTOMERS, None).await;
            assert_eq!(answer.header("access-control-allow-methods"), "", "{method}");
            assert_eq!(answer.header("access-control-allow-origin"), "", "{method}");
        }
    }
}

/// No operation takes a credential from a cookie or from its address.
#[test]
fn no_operation_takes_a_credential_that_a_browser_adds_by_itself() {
    let document = document();
    let schemes = document["components"]["securitySchemes"].as_object().unwrap();
    assert!(!schemes.is_empty());
    for (name, scheme) in schemes {
        assert!(
            scheme["type"] == "http" && scheme["scheme"] == "bearer" || scheme["in"] == "header",
            "{name}: {scheme}"
        );
    }
    let mut operations = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            operations += 1;
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                assert_ne!(parameter["in"], "cookie", "{method} {path}");
            }
        }
    }
    assert!(operations > 50);
}
