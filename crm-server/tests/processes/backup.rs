//! A backup of a filled database, restored elsewhere: all of it is there, and a server works on it.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;

use crm_core::store::Store;
use crm_server::demo;
use crm_store_postgres::PostgresStore;
use crm_store_postgres::testing::DurableServer;
use hyper::Method;
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

use crate::support::{Caller, Process, Settings, run};

async fn ended(mut command: Command) -> (bool, String) {
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// How many rows each table has.
async fn rows(url: &str) -> BTreeMap<String, i64> {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let tables = "SELECT relname::text FROM pg_class
                  WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'";
    let mut rows = BTreeMap::new();
    for table in sqlx::query(tables).fetch_all(&mut connection).await.unwrap() {
        let table: String = table.get(0);
        let counting = AssertSqlSafe(format!("SELECT count(*) FROM \"{table}\""));
        let counted = sqlx::query(counting).fetch_one(&mut connection).await.unwrap();
        rows.insert(table, counted.get(0));
    }
    rows
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_is_restored_elsewhere_is_whole_and_served() {
    let (here, there) = tokio::join!(DurableServer::start(), DurableServer::start());
    let (here, there) = (here.unwrap(), there.unwrap());
    crm_store_postgres::migrate(&here.owner_url()).await.unwrap();
    let store = PostgresStore::connect(here.app_url()).await.unwrap();
    let users = demo::fill(Arc::new(store) as Arc<dyn Store>).await.unwrap();

    // The owner is bound by row security, so a backup of its would be one of nothing.
    let file = here.directory().join("crm.dump");
    let dump = |url: String| {
        let mut command = here.program("pg_dump").unwrap();
        command.args(["--format=custom", "--file"]).arg(&file).arg("--dbname").arg(url);
        ended(command)
    };
    let (done, said) = dump(here.owner_url()).await;
    assert!(!done && said.contains("row-level security"), "{said}");
    let (done, said) = dump(here.superuser_url()).await;
    assert!(done, "{said}");
    // A role made for it does as well, and its file is the one that is restored.
    let mut superuser = PgConnection::connect(&here.superuser_url()).await.unwrap();
    let role = "CREATE ROLE crm_backup LOGIN BYPASSRLS IN ROLE pg_read_all_data";
    sqlx::raw_sql(role).execute(&mut superuser).await.unwrap();
    let (done, said) = dump(here.superuser_url().replace("//postgres@", "//crm_backup@")).await;
    assert!(done, "{said}");

    let mut restore = here.program("pg_restore").unwrap();
    restore.args(["--exit-on-error", "--single-transaction", "--dbname"]);
    restore.arg(there.superuser_url()).arg(&file);
    let (done, said) = ended(restore).await;
    assert!(done, "{said}");
    let (before, after) = (rows(&here.superuser_url()).await, rows(&there.superuser_url()).await);
    assert!(before["customers"] > 100 && before["audit_entries"] > 100, "{before:?}");
    assert_eq!(before, after);

    // It starts only on tables that are as declared, under roles that row security binds.
    let settings = Settings::new(&there.app_url(), &there.owner_url());
    let strong = settings.clone().with("CRM_PASSWORD_MEMORY_KIB", "19456");
    let strong = strong.with("CRM_PASSWORD_ITERATIONS", "2");
    let (sound, said) = run(&["doctor"], strong.environment()).await;
    assert!(sound, "{said}");
    let server = Process::start(settings).await;
    let mut nobody = Caller::new(server.address(), "");
    nobody.get("/health/ready").await.data(200);
    let mut total = 0;
    for owner in users.iter().filter(|user| user.role == crm_core::access::BuiltIn::Owner) {
        let input = json!({"email": owner.email, "password": demo::PASSWORD});
        let session = nobody.send(Method::POST, "/api/v1/auth/login", Some(input)).await.data(200);
        let mut owner = Caller::new(server.address(), session["token"].as_str().unwrap());
        owner.post("/api/v1/customers", json!({"companyName": "After"})).await.data(201);
        let body = owner.get("/api/v1/customers?limit=1&search=after").await.body(200);
        assert!(body["meta"]["total"].as_i64().unwrap() >= 1, "{body}");
        let body = owner.get("/api/v1/customers?limit=1").await.body(200);
        total += body["meta"]["total"].as_i64().unwrap() - 1;
    }
    let live = "SELECT count(*) FROM customers WHERE deleted_at IS NULL";
    let live: i64 = sqlx::query(live).fetch_one(&mut superuser).await.unwrap().get(0);
    assert_eq!(total, live, "each tenant sees its own, together all of them");
}
