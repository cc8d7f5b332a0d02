//! What holds for every request, whatever it asks for.

use hyper::Method;
use serde_json::json;

use crate::support::{TestServer, for_each_store};

for_each_store! {
    async fn a_path_that_is_not_there_is_404_in_the_envelope(server: &TestServer) {
        let caller = server.anonymous();
        for path in ["/api/v1/nothing", "/nothing", "/api", "/"] {
            caller.get(path).await.fails(404, "NOT_FOUND");
        }
    }

    async fn a_method_that_a_path_does_not_take_is_405_in_the_envelope(server: &TestServer) {
        let caller = server.anonymous();
        let path = "/api/v1/health/live";
        let answers = [
            caller.post(path, json!({})).await,
            caller.put(path, json!({})).await,
            caller.patch(path, json!({})).await,
            caller.delete(path).await,
            caller.send(Method::TRACE, path, None).await,
            caller.delete("/docs").await,
        ];
        for answer in answers {
            answer.fails(405, "METHOD_NOT_ALLOWED");
            assert_eq!(answer.header("allow"), "GET, HEAD");
        }
        for (path, allowed) in [
            ("/api/v1/customers", "GET, HEAD, POST"),
            ("/api/v1/customers/mine", "GET, HEAD"),
            ("/api/clients/0197d8a0-0000-7000-8000-000000000000", "DELETE, GET, HEAD, PATCH, PUT"),
            ("/api/v1/auth/login", "POST"),
        ] {
            let answer = caller.send(Method::TRACE, path, None).await;
            answer.fails(405, "METHOD_NOT_ALLOWED");
            assert_eq!(answer.header("allow"), allowed, "{path}");
        }
    }

    async fn head_is_answered_as_get_is_without_the_body(server: &TestServer) {
        let caller = server.anonymous();
        for (path, status) in [("/api/v1/health/live", 200), ("/api/v1/customers", 401), ("/docs", 200)] {
            let answer = caller.send(Method::HEAD, path, None).await;
            assert_eq!(answer.status, status, "{path}");
            assert!(answer.bytes.is_empty(), "{path}");
            assert!(answer.header("content-length") != "0", "{path}");
        }
        let answer = caller.send(Method::HEAD, "/api/v1/auth/login", None).await;
        assert_eq!(answer.status, 405);
    }

    async fn a_request_keeps_its_callers_id_unless_it_is_odd(server: &TestServer) {
        let caller = server.anonymous();
        let answer = caller.with("X-Request-ID", "order-7.a").get("/api/v1/nothing").await;
        assert_eq!(answer.header("x-request-id"), "order-7.a");
        assert_eq!(answer.json()["requestId"], "order-7.a");
        for odd in ["a b", "<script>", &"a".repeat(129)] {
            let answer = caller.with("X-Request-ID", odd).get("/api/v1/nothing").await;
            let id = answer.header("x-request-id");
            assert!(id != odd && id.len() == 36, "{id}");
            assert_eq!(answer.json()["requestId"], id);
        }
    }

    async fn every_answer_has_the_headers_that_browsers_respect(server: &TestServer) {
        let caller = server.anonymous();
        for path in [
            "/api/v1/health/live", "/api/v1/nothing", "/api/v1/customers", "/docs", "/nothing",
            "/openapi.json", "/metrics", "/.well-known/jwks.json",
        ] {
            let answer = caller.get(path).await;
            for (name, value) in [
                ("x-content-type-options", "nosniff"),
                ("x-frame-options", "DENY"),
                ("referrer-policy", "no-referrer"),
                ("cross-origin-opener-policy", "same-origin"),
                ("cross-origin-resource-policy", "same-origin"),
                ("x-permitted-cross-domain-policies", "none"),
                ("x-dns-prefetch-control", "off"),
            ] {
                assert_eq!(answer.header(name), value, "{path}: {name}");
            }
            let policy = answer.header("content-security-policy");
            for part in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'"] {
                assert!(policy.contains(part), "{path}: {policy}");
            }
            assert!(answer.header("permissions-policy").contains("camera=()"), "{path}");
            let type_ = answer.header("content-type");
            assert!(type_.contains("json") || type_.contains("charset=utf-8"), "{path}: {type_}");
            for telling in ["server", "x-powered-by", "x-xss-protection", "set-cookie"] {
                assert_eq!(answer.header(telling), "", "{path}: {telling}");
            }
        }
    }

    async fn nothing_of_a_tenant_is_kept_by_caches(server: &TestServer) {
        let owner = server.owner("acme").await;
        for path in ["/api/v1/customers", "/api/v1/auth/profile", "/api/clients/", "/metrics"] {
            assert_eq!(owner.get(path).await.header("cache-control"), "no-store", "{path}");
        }
        let refused = server.anonymous().get("/api/v1/customers").await;
        assert_eq!(refused.header("cache-control"), "no-store");
        assert_eq!(refused.header("www-authenticate"), "Bearer");
    }

    async fn methods_that_only_debug_are_not_taken(server: &TestServer) {
        let caller = server.owner("acme").await.with("X-HTTP-Method-Override", "DELETE");
        for method in ["TRACE", "TRACK", "CONNECT-ME", "PROPFIND"] {
            let answer = caller.send(method.parse().unwrap(), "/api/v1/customers", None).await;
            assert!(matches!(answer.status.as_u16(), 404 | 405), "{method}: {}", answer.status);
        }
        caller.get("/api/v1/customers").await.is(200);
    }

    async fn a_trace_is_gone_on_with_and_answers_name_their_span(server: &TestServer) {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        let caller = server.anonymous();
        let parent = format!("00-{trace}-00f067aa0ba902b7-01");
        for path in ["/api/v1/health/live", "/api/v1/nothing"] {
            let answer = caller.with("traceparent", &parent).get(path).await;
            let span = answer.header("traceresponse");
            assert!(span.starts_with(&format!("00-{trace}-")) && span.ends_with("-01"), "{span}");
            assert!(!span.contains("00f067aa0ba902b7"), "a span of its own: {span}");
            let odd = caller.with("traceparent", "00-nonsense-00f067aa0ba902b7-01").get(path).await;
            let span = odd.header("traceresponse");
            assert!(span.len() == 55 && !span.contains("nonsense"), "{span}");
        }
    }

    async fn only_pages_of_allowed_origins_may_read_answers(server: &TestServer) {
        let from = |origin: &str| server.anonymous().with("Origin", origin);
        for path in ["/api/v1/health/live", "/api/v1/nothing"] {
            let answer = from("https://crm.example.com").get(path).await;
            assert_eq!(answer.header("access-control-allow-origin"), "https://crm.example.com");
            let answer = from("https://evil.example.com").get(path).await;
            assert_eq!(answer.header("access-control-allow-origin"), "");
            assert!(answer.header("vary").contains("Origin"));
            assert_eq!(from("null").get(path).await.header("access-control-allow-origin"), "");
            let plain = server.anonymous().get(path).await;
            assert!(plain.header("vary").contains("Origin"), "a cache asks for each origin anew");
            assert_eq!(plain.header("access-control-allow-origin"), "");
            assert_eq!(plain.header("access-control-allow-credentials"), "");
        }
    }

    async fn a_preflight_is_answered_for_allowed_origins(server: &TestServer) {
        let ask = async |origin: &str| {
            let caller = server.anonymous().with("Origin", origin);
            let caller = caller.with("Access-Control-Request-Method", "PATCH");
            caller.send(Method::OPTIONS, "/api/v1/customers", None).await
        };
        let answer = ask("https://crm.example.com").await;
        assert_eq!(answer.status, 204);
        assert!(answer.header("access-control-allow-methods").contains("PATCH"));
        for header in ["Authorization", "If-Match", "Idempotency-Key", "X-Tenant-ID", "traceparent"] {
            assert!(answer.header("access-control-allow-headers").contains(header), "{header}");
        }
        let vary: Vec<&str> = answer.headers.get_all("vary").iter().map(|v| v.to_str().unwrap()).collect();
        assert!(vary.join(", ").contains("Access-Control-Request-Method"), "{vary:?}");
        let answer = ask("https://evil.example.com").await;
        assert_eq!(answer.header("access-control-allow-methods"), "");
    }

    async fn large_answers_are_compressed_as_the_caller_prefers(server: &TestServer) {
        let plain = server.anonymous().get("/openapi.json").await;
        for coding in ["br", "gzip"] {
            let caller = server.anonymous().with("Accept-Encoding", coding);
            let answer = caller.get("/openapi.json").await;
            assert_eq!(answer.header("content-encoding"), coding);
            assert!(answer.bytes.len() < plain.bytes.len() / 2);
            let small = caller.get("/api/v1/health/live").await;
            assert_eq!(small.header("content-encoding"), "", "not worth it");
        }
    }
}

#[tokio::test]
async fn any_page_may_read_where_that_is_said_and_none_where_nothing_is() {
    let server = TestServer::configured(|config| config.cors.origins = vec!["*".into()]).await;
    for origin in ["https://anywhere.example", "null"] {
        let answer = server.anonymous().with("Origin", origin).get("/health/live").await;
        assert_eq!(answer.header("access-control-allow-origin"), "*");
    }
    server.stop().await;
    let server = TestServer::configured(|config| config.cors.origins.clear()).await;
    let answer = server.anonymous().with("Origin", "https://crm.example.com");
    let answer = answer.get("/health/live").await;
    assert_eq!(answer.header("access-control-allow-origin"), "");
    server.stop().await;
}

#[tokio::test]
async fn browsers_are_held_to_https_where_callers_use_it() {
    for (url, policy) in [
        ("https://crm.example.com", "max-age=31536000; includeSubDomains"),
        ("http://localhost:8080", ""),
    ] {
        let server = TestServer::configured(|config| config.public_url = url.to_owned()).await;
        let answer = server.anonymous().get("/api/v1/nothing").await;
        assert_eq!(answer.header("strict-transport-security"), policy);
        server.stop().await;
    }
}
