//! Probes, keys, and the description of the API itself.

use serde_json::json;

use crate::support::{TestServer, for_each_store};

for_each_store! {
    async fn a_server_that_is_up_says_so(server: &TestServer) {
        let caller = server.anonymous();
        for path in ["/api/v1/health/live", "/health/live", "/api/health/ready/", "/health/ready"] {
            assert_eq!(caller.get(path).await.data()["status"], "ok");
            assert_eq!(caller.with_token("nonsense").get(path).await.status, 200);
        }
    }

    async fn the_document_is_served_as_it_is_checked_in(server: &TestServer) {
        let answer = server.anonymous().get("/openapi.json").await;
        assert_eq!(answer.is(200)["openapi"], "3.1.0");
        assert_eq!(answer.bytes, include_str!("../../openapi.json"));
    }

    async fn the_reference_loads_nothing_from_elsewhere(server: &TestServer) {
        let answer = server.anonymous().get("/docs").await;
        assert_eq!(answer.status, 200);
        let page = String::from_utf8_lossy(&answer.bytes);
        assert!(page.contains("data-url=\"/openapi.json\""));
        assert!(answer.header("content-type").starts_with("text/html"));
        assert!(!page.contains("<script src"), "its script is in the page");
    }

    async fn the_public_keys_can_be_fetched_and_hold_nothing_private(server: &TestServer) {
        let keys = server.anonymous().get("/.well-known/jwks.json").await.is(200);
        let key = &keys["keys"][0];
        assert_eq!((&key["kty"], &key["use"], &key["alg"]), (&json!("OKP"), &json!("sig"), &json!("EdDSA")));
        assert!(key["kid"].is_string() && key.get("d").is_none(), "{key}");
    }
}
