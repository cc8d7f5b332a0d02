//! A newer version migrates the database under servers of this one: they say that they are not
//! ready, finish what they have begun, and go on answering until they are told to end.
//!
//! The newer version is what its migration leaves behind: more columns, more tables, one more
//! migration that is on record.

use std::io::Write;
use std::time::{Duration, Instant};

use crm_store_postgres::testing::TestDatabase;
use hyper::Method;
use serde_json::json;
use sqlx::{Connection, PgConnection};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Caller, Process, Settings, Told, Writers, count, run};

/// As the notes on migrations ask for: nothing is taken away, and nothing is required.
const NEWER: &str = "BEGIN;
    SET lock_timeout = '60s';
    ALTER TABLE customers ADD COLUMN later text, ADD COLUMN latest bigint;
    ALTER TABLE audit_entries ADD COLUMN later text;
    CREATE TABLE later (tenant_id uuid, id uuid, PRIMARY KEY (tenant_id, id));
    INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
    VALUES (9001, 'what comes later', true, '\\x00', 1);
    COMMIT";
const PATIENCE: Duration = Duration::from_secs(30);

/// A request whose last byte is still missing.
async fn begun(server: &Process, caller: &Caller) -> TcpStream {
    let body = TAG.as_bytes();
    let head = format!(
        "POST /api/v1/customers/tags HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
         authorization: Bearer {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        caller.token(),
        body.len()
    );
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&body[..body.len() - 1]).await.unwrap();
    stream
}

const TAG: &str = r##"{"name": "vip", "color": "#ff0000"}"##;

#[tokio::test(flavor = "multi_thread")]
async fn old_servers_finish_their_work_while_a_newer_version_takes_over() {
    let database = TestDatabase::migrated().await.unwrap();
    let settings = Settings::new(&database.app_url(), &database.owner_url())
        .with("CRM_SHUTDOWN_NOTICE", "300ms");
    let beside = settings.beside();
    let (mut one, mut other) =
        tokio::join!(Process::start(settings.clone()), Process::start(beside));
    let (mut owner, _) = Caller::sign_up(one.address(), "acme").await;
    let writers = Writers::start(&[one.address(), other.address()], &owner);
    writers.wait_for(64, PATIENCE).await;
    let mut slow = begun(&one, &owner).await;

    let mut migrating = PgConnection::connect(&database.owner_url()).await.unwrap();
    sqlx::raw_sql(NEWER).execute(&mut migrating).await.unwrap();
    let migrated = Instant::now();
    for server in [&one, &other] {
        let mut prober = Caller::new(server.address(), "");
        let refused = prober.get("/health/ready").await.body(503);
        let fault = &refused["errors"][0];
        assert_eq!(
            (&fault["field"], &fault["code"]),
            (&"migrations".into(), &"DATABASE_NEWER".into())
        );
        assert!(fault["message"].as_str().unwrap().contains("9001 (what comes later)"), "{fault}");
        prober.get("/health/live").await.body(200);
    }
    let noticed = migrated.elapsed();
    // Whoever is still sent there is answered: reads, writes and sign-in.
    writers.wait_for(160, PATIENCE).await;
    slow.write_all(&TAG.as_bytes()[TAG.len() - 1..]).await.unwrap();
    let mut answer = String::new();
    slow.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 201"), "what was begun before is done after: {answer}");
    let list = owner.get("/api/v1/customers?search=writer&limit=5").await.body(200);
    assert_eq!(list["data"].as_array().unwrap().len(), 5);
    let login = json!({"email": "owner@acme.example", "password": crate::support::PASSWORD});
    owner.send(Method::POST, "/api/v1/auth/login", Some(login)).await.data(200);

    let Told { records, answers, .. } = writers.stop().await;
    let ended = [one.terminate().await, other.terminate().await];
    assert!(ended.iter().all(std::process::ExitStatus::success), "{ended:?}");
    let tally = count(&database.superuser_url(), &records).await;
    assert!(tally.is_right(), "{tally}");
    let whole: Vec<_> = answers.keys().copied().collect();
    assert_eq!(whole, [Some(200), Some(201)], "nobody was turned away: {answers:?}");
    writeln!(
        std::io::stdout().lock(),
        "a newer version migrated: both old servers said so {} ms after; {tally}",
        noticed.as_millis()
    )
    .unwrap();

    // Once it has ended, an old one does not come back by itself.
    let (well, said) = run(&["serve"], settings.environment()).await;
    assert!(!well && said.contains("9001 (what comes later)"), "{said}");
    let (well, said) = run(&["migrate"], settings.environment()).await;
    assert!(!well && said.contains("9001 (what comes later)"), "{said}");
    // Where it may not migrate it starts, for whoever must go back and knows what they do.
    let alone = settings.with("CRM_MIGRATE_ON_START", "false");
    let alone = Process::start(alone).await;
    let mut prober = Caller::new(alone.address(), "");
    assert_eq!(prober.get("/health/ready").await.status(), Some(503));
}
