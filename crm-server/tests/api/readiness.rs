//! `/health/ready` while the database is at another version than the server, or comes to be.

use hyper::StatusCode;
use serde_json::Value;

use crate::support::{Backend, TestServer};

const NEWER: &str = "INSERT INTO _sqlx_migrations
    (version, description, success, checksum, execution_time)
    VALUES (9001, 'what comes later', true, '\\x00', 1)";
/// Done twice, it changes nothing.
const TURN_ROUND: &str = "UPDATE _sqlx_migrations
    SET checksum = decode(reverse(encode(checksum, 'hex')), 'hex') WHERE version = 1";

async fn told(server: &TestServer) -> (StatusCode, Value) {
    let answer = server.anonymous().get("/health/ready").await;
    (answer.status, answer.json()["errors"][0].clone())
}

/// Changes the database under a running server, sees it refuse, and undoes the change.
async fn refuses_while(server: &TestServer, change: &str, undo: &str, code: &str, names: &str) {
    assert_eq!(told(server).await.0, 200, "before {change}");
    server.database().execute(change).await.unwrap();
    for _ in 0..2 {
        let (status, fault) = told(server).await;
        assert_eq!(status, 503, "{change}: {fault}");
        assert_eq!((&fault["field"], &fault["code"]), (&"migrations".into(), &code.into()));
        assert!(fault["message"].as_str().unwrap().contains(names), "{change}: {fault}");
        server.anonymous().get("/health/live").await.is(200);
    }
    server.database().execute(undo).await.unwrap();
    assert_eq!(told(server).await.0, 200, "after {undo}");
}

#[tokio::test]
async fn a_server_is_ready_only_at_the_version_that_it_knows_also_while_it_runs() {
    let server = TestServer::start(Backend::Postgres).await;
    let first = "1 (counts and counters)";
    let forget = "DELETE FROM _sqlx_migrations WHERE version = 9001";
    refuses_while(&server, NEWER, forget, "DATABASE_NEWER", "9001 (what comes later)").await;
    refuses_while(
        &server,
        "UPDATE _sqlx_migrations SET success = false WHERE version = 1",
        "UPDATE _sqlx_migrations SET success = true WHERE version = 1",
        "MIGRATION_FAILED",
        first,
    )
    .await;
    refuses_while(&server, TURN_ROUND, TURN_ROUND, "MIGRATION_ALTERED", first).await;
    refuses_while(
        &server,
        "CREATE TABLE kept AS SELECT * FROM _sqlx_migrations WHERE version = 1;
         DELETE FROM _sqlx_migrations WHERE version = 1",
        "INSERT INTO _sqlx_migrations SELECT * FROM kept; DROP TABLE kept",
        "MIGRATION_PENDING",
        first,
    )
    .await;
    refuses_while(
        &server,
        "ALTER TABLE _sqlx_migrations RENAME TO elsewhere",
        "ALTER TABLE elsewhere RENAME TO _sqlx_migrations",
        "MIGRATION_PENDING",
        first,
    )
    .await;
    server.stop().await;
}

#[tokio::test]
async fn a_database_that_cannot_be_asked_is_named_without_its_address() {
    let server = TestServer::start(Backend::Postgres).await;
    let name = server.database().name().to_owned();
    server.database().execute("REVOKE SELECT ON _sqlx_migrations FROM crm_app").await.unwrap();
    let answer = server.anonymous().get("/health/ready").await;
    let body = answer.fails(503, "UNAVAILABLE");
    assert_eq!(body["errors"][0]["field"], "migrations");
    assert_eq!(body["errors"].as_array().unwrap().len(), 1, "the store itself answers: {body}");
    let text = body.to_string();
    for secret in [name.as_str(), "crm_app", "permission denied", "_sqlx"] {
        assert!(!text.contains(secret), "{text}");
    }
    server.stop().await;
}
