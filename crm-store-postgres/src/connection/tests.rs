use std::time::Instant;

use sqlx::{AssertSqlSafe, Row};

use super::*;
use crate::tables::{create_tables_sql, tests::examples};
use crate::testing::TestDatabase;

const ONE: &str = "00000000-0000-7000-8000-000000000001";
const OTHER: &str = "00000000-0000-7000-8000-000000000002";

/// Two tenants with a firm each.
async fn two_tenants() -> TestDatabase {
    let mut statements = create_tables_sql(&examples());
    for tenant in [ONE, OTHER] {
        statements.push(format!(
            "INSERT INTO firms VALUES ('{tenant}', gen_random_uuid(), 1, now(), now(), NULL, \
             'Acme', 'acme', 'acme', '{{1,2}}')"
        ));
    }
    TestDatabase::with(&statements).await.unwrap()
}

fn quick(url: String) -> PostgresOptions {
    let mut options = PostgresOptions::new(url);
    options.acquire_timeout = Duration::from_millis(500);
    options.max_connections = 2;
    options
}

async fn count(pool: &PgPool, statement: &'static str) -> i64 {
    sqlx::query(statement).fetch_one(pool).await.unwrap().get(0)
}

const SCOPED: &str = "SELECT count(*) FROM
    (SELECT set_config('app.tenant', '00000000-0000-7000-8000-000000000001', true) AS t OFFSET 0) s
    CROSS JOIN LATERAL (SELECT FROM firms WHERE s.t <> '') r";

#[tokio::test]
async fn a_query_that_names_no_tenant_sees_nothing() {
    let database = two_tenants().await;
    let pools = Pools::connect(&quick(database.app_url())).await.unwrap();
    assert_eq!(count(&pools.app, "SELECT count(*) FROM firms").await, 0);
    assert_eq!(count(&pools.system, "SELECT count(*) FROM firms").await, 2);
}

#[tokio::test]
async fn a_statement_that_names_its_tenant_sees_it_alone_and_leaves_no_trace() {
    let database = two_tenants().await;
    let pools = Pools::connect(&quick(database.app_url())).await.unwrap();
    for _ in 0..10 {
        // There is one connection only, so each follows the other on it.
        assert_eq!(count(&pools.app, SCOPED).await, 1);
        assert_eq!(count(&pools.app, "SELECT count(*) FROM firms").await, 0);
    }
    assert_eq!(pools.app.size(), 1);
}

#[tokio::test]
async fn a_row_of_another_tenant_cannot_be_written_changed_or_removed() {
    let database = two_tenants().await;
    let pools = Pools::connect(&quick(database.app_url())).await.unwrap();
    let mut transaction = pools.app.begin().await.unwrap();
    let set = format!("SET LOCAL app.tenant = '{ONE}'");
    sqlx::raw_sql(AssertSqlSafe(set)).execute(&mut *transaction).await.unwrap();
    for statement in ["UPDATE firms SET version = 2", "DELETE FROM firms"] {
        let done = sqlx::query(statement).execute(&mut *transaction).await.unwrap();
        assert_eq!(done.rows_affected(), 1, "{statement}");
    }
    let insert = format!(
        "INSERT INTO firms VALUES ('{OTHER}', gen_random_uuid(), 1, now(), now(), NULL, 'A', 'a', \
         'a', '{{}}')"
    );
    let refused = sqlx::raw_sql(AssertSqlSafe(insert)).execute(&mut *transaction).await;
    assert!(refused.unwrap_err().to_string().contains("row-level security"));
}

#[tokio::test]
async fn a_search_finds_the_tenants_own_only() {
    let database = two_tenants().await;
    let pools = Pools::connect(&quick(database.app_url())).await.unwrap();
    let found = count(
        &pools.app,
        "SELECT count(*) FROM (SELECT set_config('app.tenant',
            '00000000-0000-7000-8000-000000000001', true) AS t OFFSET 0) s
         CROSS JOIN LATERAL search_firms('{2}', '{%acm%}', CASE WHEN s.t <> '' THEN 10 END)",
    );
    assert_eq!(found.await, 1);
    assert_eq!(
        count(&pools.app, "SELECT count(*) FROM search_firms('{2}', '{%acm%}', 10)").await,
        0
    );
}

#[tokio::test]
async fn a_search_goes_through_its_index() {
    let database = two_tenants().await;
    let mut superuser = PgConnection::connect(&database.superuser_url()).await.unwrap();
    let fill = format!(
        "INSERT INTO firms SELECT '{ONE}', gen_random_uuid(), 1, now(), now(), NULL, 'x', 'x',
            'number ' || i, ARRAY[i, i + 1, i + 2] FROM generate_series(1, 5000) i;
         ANALYZE firms"
    );
    sqlx::raw_sql(AssertSqlSafe(fill)).execute(&mut superuser).await.unwrap();
    let mut system = PgConnection::connect(&database.app_url()).await.unwrap();
    let catalogue = examples();
    let firms = crate::tables::Table::of(catalogue.get("firms").unwrap(), &catalogue);
    // As in the function: planned when the tenant is known and the parameters are not.
    let prepare = format!(
        "SET ROLE crm_system;
         SET app.tenant = '{ONE}';
         SET plan_cache_mode = force_generic_plan;
         PREPARE search(integer[], text[], integer) AS {}",
        firms.search_body()
    );
    sqlx::raw_sql(AssertSqlSafe(prepare)).execute(&mut system).await.unwrap();
    let plan: Vec<String> = sqlx::raw_sql("EXPLAIN EXECUTE search('{5}', '{%5%}', 10)")
        .fetch_all(&mut system)
        .await
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect();
    let plan = plan.join("\n");
    assert!(plan.contains("firms_terms_idx"), "{plan}");
}

#[tokio::test]
async fn tables_without_tenants_are_for_the_system_role_only() {
    let database = two_tenants().await;
    let pools = Pools::connect(&quick(database.app_url())).await.unwrap();
    let refused = sqlx::query("SELECT FROM people").fetch_all(&pools.app).await;
    assert!(refused.unwrap_err().to_string().contains("permission denied"));
    assert_eq!(count(&pools.system, "SELECT count(*) FROM people").await, 0);
}

#[tokio::test]
async fn a_role_that_row_security_does_not_bind_is_refused_unless_allowed() {
    let database = two_tenants().await;
    let mut superuser = PgConnection::connect(&database.superuser_url()).await.unwrap();
    let number = std::process::id();
    let (bypass, heir) = (format!("crm_test_bypass_{number}"), format!("crm_test_heir_{number}"));
    let roles = format!(
        "CREATE ROLE {bypass} LOGIN BYPASSRLS PASSWORD 'crm_test';
         CREATE ROLE {heir} LOGIN INHERIT PASSWORD 'crm_test' IN ROLE crm_app, crm_system"
    );
    sqlx::raw_sql(AssertSqlSafe(roles)).execute(&mut superuser).await.unwrap();
    let login = "crm_test_login:";
    let cases = [
        (database.superuser_url(), "is a superuser"),
        (database.owner_url(), "owns tables"),
        (database.app_url().replace(login, &format!("{bypass}:")), "has BYPASSRLS"),
        (database.app_url().replace(login, &format!("{heir}:")), "has the rights of crm_system"),
    ];
    for (url, reason) in cases {
        let mut options = quick(url.clone());
        options.app_role = None;
        let refused = Pools::connect(&options).await.unwrap_err();
        assert_eq!(refused.code(), "PRIVILEGED_ROLE");
        assert!(refused.to_string().contains(reason), "{refused}");
        options.allow_privileged_role = true;
        options.system_role = None;
        Pools::connect(&options).await.unwrap();
        // What the connection works under counts, not who signs in.
        if !reason.contains("BYPASSRLS") {
            Pools::connect(&quick(url)).await.unwrap();
        }
    }
    let drop = format!("DROP ROLE {bypass}; DROP ROLE {heir}");
    sqlx::raw_sql(AssertSqlSafe(drop)).execute(&mut superuser).await.unwrap();
}

#[tokio::test]
async fn a_user_that_is_no_member_of_the_roles_is_told_so() {
    let database = two_tenants().await;
    let mut options = quick(database.app_url());
    options.app_role = Some("crm_test_owner".to_owned());
    let error = Pools::connect(&options).await.unwrap_err();
    assert!(error.to_string().contains("GRANT crm_app, crm_system"), "{error}");
}

#[tokio::test]
async fn a_server_that_is_away_is_unavailable_in_time() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let hangs_up = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let hanging_up = hangs_up.local_addr().unwrap();
    std::thread::spawn(move || hangs_up.incoming().for_each(drop));
    for address in [silent.local_addr().unwrap(), closed, hanging_up] {
        let began = Instant::now();
        let error =
            Pools::connect(&quick(format!("postgres://crm@{address}/crm"))).await.unwrap_err();
        assert!(matches!(error, Error::Unavailable { .. }), "{error}");
        assert!(began.elapsed() < Duration::from_secs(2));
    }
}

#[tokio::test]
async fn a_lost_connection_is_unavailable_once_and_then_replaced() {
    let database = two_tenants().await;
    let pools = Pools::connect(&quick(database.app_url())).await.unwrap();
    pools.ping().await.unwrap();
    // A connection goes back to its pool in the background; one that is lost on the way is not
    // taken back.
    while pools.app.num_idle() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mut superuser = PgConnection::connect(&database.superuser_url()).await.unwrap();
    sqlx::raw_sql(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid()
           AND backend_type = 'client backend'",
    )
    .execute(&mut superuser)
    .await
    .unwrap();
    let error = pools.ping().await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error}");
    pools.ping().await.unwrap();
}

#[tokio::test]
async fn a_statement_that_takes_too_long_is_ended() {
    let database = two_tenants().await;
    let mut options = quick(database.app_url());
    options.statement_timeout = Duration::from_millis(50);
    let pools = Pools::connect(&options).await.unwrap();
    let ended = sqlx::query("SELECT pg_sleep(5)").execute(&pools.app).await.unwrap_err();
    assert!(matches!(store_error(ended), Error::Unavailable { .. }));
}

#[tokio::test]
async fn what_never_answers_is_unavailable() {
    let never = within(Duration::from_millis(1), std::future::pending::<Result<()>>()).await;
    assert!(matches!(never, Err(Error::Unavailable { .. })), "{never:?}");
}

#[test]
fn options_do_not_show_their_password() {
    let options = PostgresOptions::new("postgres://crm:secret@localhost/crm");
    assert!(!format!("{options:?}").contains("secret"));
}
