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
        for path in ["/api/v1/health/live", "/api/v1/nothing", "/docs", "/nothing"] {
            let answer = caller.get(path).await;
            assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
            assert_eq!(answer.header("x-frame-options"), "DENY", "{path}");
            assert!(answer.header("content-security-policy").contains("default-src 'none'"), "{path}");
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
        assert!(answer.header("access-control-allow-headers").contains("Authorization"));
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
