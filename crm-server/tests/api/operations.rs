//! Running the server: migrating a database, and not being ready.

use std::sync::Arc;

use async_trait::async_trait;
use clap::Parser;
use crm_server::app::{NotReady, Probe};
use crm_server::cli::{Cli, run};
use crm_server::config::Algorithm;
use crm_server::tokens::generate_key;
use crm_store_postgres::testing::TestDatabase;
use crm_store_postgres::{PostgresOptions, PostgresStore};

use crate::support::TestServer;

async fn command(arguments: &[&str]) -> Result<String, String> {
    let nowhere = std::env::temp_dir().join(format!("crm-server-{}.toml", std::process::id()));
    std::fs::write(&nowhere, "").unwrap();
    let config = nowhere.to_str().unwrap();
    let arguments = [&["crm-server", "--config", config], arguments].concat();
    let cli = Cli::try_parse_from(arguments).map_err(|error| error.to_string())?;
    let mut out = Vec::new();
    let result = run(cli, &mut out).await.map_err(|error| error.to_string());
    std::fs::remove_file(nowhere).unwrap();
    result.map(|()| String::from_utf8(out).unwrap())
}

#[tokio::test]
async fn migrating_makes_a_database_that_can_be_served_and_doing_it_again_changes_nothing() {
    let database = TestDatabase::empty().await.unwrap();
    let (owner, app) = (database.owner_url(), database.app_url());
    let flags = ["--database-url", &app, "--migration-database-url", &owner, "--log-level", "off"];
    let key = generate_key(Algorithm::EdDsa).unwrap();
    let sealing = "what second factors are sealed under";
    let signing = ["--token-algorithm", "EdDSA", "--token-key", key.reveal(), "--mfa-key", sealing];
    let serve = [&flags[..], &signing, &["--migrate-on-start", "false", "serve"]].concat();
    let error = command(&serve).await.unwrap_err();
    assert!(error.contains("has it been migrated?"), "{error}");

    let migrate = [&flags[..], &["migrate"]].concat();
    let first = command(&migrate).await.unwrap();
    assert!(first.contains("have not been run"), "{first}");
    let second = command(&migrate).await.unwrap();
    assert!(second.contains("is at version"), "{second}");
    let store = PostgresStore::connect(&PostgresOptions::new(app)).await.unwrap();
    let server = TestServer::over(Arc::new(store)).await;
    server.owner("acme").await.get("/api/v1/auth/profile").await.is(200);
    server.stop().await;
}

#[tokio::test]
async fn the_first_start_is_one_command_with_the_owners_url_alone() {
    let database = TestDatabase::empty().await.unwrap();
    let owner = database.owner_url();
    // A port that is taken ends the start when all that comes before it has been done.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = listener.local_addr().unwrap().to_string();
    let key = generate_key(Algorithm::EdDsa).unwrap();
    let flags = ["--database-url", &owner, "--log-level", "off"];
    let sealing = "what second factors are sealed under";
    let signing = ["--token-algorithm", "EdDSA", "--token-key", key.reveal(), "--mfa-key", sealing];
    let serve = [&flags[..], &signing, &["--bind", &taken, "serve"]].concat();
    for _ in 0..2 {
        let error = command(&serve).await.unwrap_err();
        assert!(error.contains("bind"), "{error}");
    }
    let migrated = command(&[&flags[..], &["migrate"]].concat()).await.unwrap();
    assert!(migrated.contains("is at version"), "{migrated}");
}

#[tokio::test]
async fn a_role_that_row_security_does_not_bind_is_refused_unless_told_on_purpose() {
    let database = TestDatabase::migrated().await.unwrap();
    let superuser = database.superuser_url();
    let mut options = PostgresOptions::new(superuser);
    options.app_role = None;
    let error = PostgresStore::connect(&options).await.unwrap_err().to_string();
    assert!(error.contains("row security"), "{error}");
    options.allow_privileged_role = true;
    PostgresStore::connect(&options).await.unwrap();
}

#[tokio::test]
async fn a_server_is_not_ready_while_something_it_depends_on_is_away() {
    #[derive(Debug)]
    struct Away;

    #[async_trait]
    impl Probe for Away {
        fn name(&self) -> &'static str {
            "mailer"
        }
        async fn check(&self) -> Result<(), NotReady> {
            Err(NotReady::away("connection refused by 10.0.0.7"))
        }
    }

    let server = TestServer::with_probe(Arc::new(Away)).await;
    let answer = server.anonymous().get("/health/ready").await;
    let body = answer.fails(503, "UNAVAILABLE");
    assert_eq!(body["errors"][0]["field"], "mailer");
    assert_eq!(answer.header("retry-after"), "1");
    assert!(!body.to_string().contains("10.0.0.7"), "{body}");
    server.anonymous().get("/health/live").await.is(200);
    server.stop().await;
}
