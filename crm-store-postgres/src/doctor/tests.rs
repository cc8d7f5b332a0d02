//! Each check is broken on purpose, in a transaction that is never committed, and seen to be the
//! one that fails. So also roles, which all databases of a server share, can be broken.

use chrono::TimeDelta;
use crm_core::{ManualClock, SystemClock};

use super::*;
use crate::testing::TestDatabase;

struct Patient {
    database: TestDatabase,
    options: PostgresOptions,
    catalogue: Catalogue,
    all: bool,
}

impl Patient {
    async fn healthy() -> Self {
        let database = TestDatabase::migrated().await.unwrap();
        let options = PostgresOptions::new(database.app_url());
        Self { database, options, catalogue: crm_core::catalogue().unwrap(), all: false }
    }

    async fn examined(&self) -> Vec<Check> {
        examine(&self.expected(&SystemClock)).await
    }

    fn expected<'a>(&'a self, clock: &'a dyn Clock) -> Expected<'a> {
        let skew = Duration::from_secs(30);
        Expected { options: &self.options, catalogue: &self.catalogue, clock, skew, all: self.all }
    }

    /// What is found after a superuser did this, by the user who serves unless `change` signs in
    /// as somebody else.
    async fn after(&self, change: &str) -> Vec<Check> {
        let mut superuser = PgConnection::connect(&self.database.superuser_url()).await.unwrap();
        let user = if change.contains("SESSION AUTHORIZATION") {
            ""
        } else {
            "; SET LOCAL SESSION AUTHORIZATION crm_test_login"
        };
        let statements = format!("BEGIN; {change}{user}");
        let ran = sqlx::raw_sql(sqlx::AssertSqlSafe(statements)).execute(&mut superuser).await;
        if let Err(error) = ran {
            panic!("{change}: {error}");
        }
        let checks = examine_on(&mut superuser, &self.expected(&SystemClock)).await;
        sqlx::raw_sql("ROLLBACK").execute(&mut superuser).await.unwrap();
        superuser.close().await.unwrap();
        checks
    }
}

fn failed(checks: &[Check]) -> Vec<&str> {
    let failed = checks.iter().filter(|check| check.outcome() == Outcome::Failed);
    failed.map(|check| check.name).collect()
}

fn found(checks: &[Check], name: &str, words: &str) -> bool {
    let check = checks.iter().find(|check| check.name == name);
    check.is_some_and(|check| check.findings.iter().any(|finding| finding.what.contains(words)))
}

#[tokio::test]
async fn nothing_fails_on_a_database_that_was_migrated() {
    let checks = Patient::healthy().await.examined().await;
    assert_eq!(failed(&checks), [""; 0], "{checks:#?}");
    assert_eq!(checks.len(), 18);
    for check in &checks {
        assert!(checks.iter().filter(|other| other.name == check.name).count() == 1, "{check:?}");
    }
}

/// What is broken, the check that fails, and words of what it says.
const BROKEN: &[(&str, &str, &str)] = &[
    ("SET LOCAL transaction_read_only = on", "database", "takes no writes"),
    (
        "UPDATE pg_database SET encoding = 0 WHERE datname = current_database()",
        "database",
        "expected encoding UTF8, it is SQL_ASCII",
    ),
    (
        "INSERT INTO _sqlx_migrations VALUES (9001, 'later', now(), true, '\\x00', 1)",
        "migrations",
        "9001 (later), newer than this build",
    ),
    (
        "UPDATE _sqlx_migrations SET success = false WHERE version = 1",
        "migrations",
        "1 (counts and counters) began and did not end",
    ),
    (
        "ALTER TABLE customers ADD COLUMN more int NOT NULL",
        "tables",
        "customers: column more is not declared",
    ),
    (
        "ALTER TABLE customers ADD CONSTRAINT small CHECK (version < 9)",
        "tables",
        "customers: constraint small is not declared",
    ),
    (
        "ALTER TABLE tags DROP CONSTRAINT tags_pkey CASCADE;
         ALTER TABLE tags ADD CONSTRAINT tags_pkey PRIMARY KEY (id, tenant_id)",
        "keys",
        "tags: constraint tags_pkey is PRIMARY KEY (id, tenant_id)",
    ),
    (
        "CREATE TABLE ours (tenant_id uuid, id uuid PRIMARY KEY)",
        "keys",
        "ours: unique index ours_pkey is not led by tenant_id",
    ),
    ("DROP INDEX members_user", "keys", "members: index members_user is missing"),
    (
        "DROP INDEX customers_created_at_idx",
        "indexes",
        "customers: index customers_created_at_idx is missing",
    ),
    (
        "ALTER TABLE customers NO FORCE ROW LEVEL SECURITY",
        "row-security",
        "customers: row security is not forced",
    ),
    (
        "ALTER TABLE tags DISABLE ROW LEVEL SECURITY",
        "row-security",
        "tags: row security is not enabled",
    ),
    (
        "CREATE POLICY hole ON customers USING (true)",
        "row-security",
        "customers: policy hole is not declared",
    ),
    (
        "CREATE TABLE copied AS SELECT * FROM customers; GRANT SELECT ON copied TO crm_app",
        "row-security",
        "copied: it is no table of ours",
    ),
    (
        "CREATE SCHEMA apart; GRANT USAGE ON SCHEMA apart TO crm_app;
         CREATE TABLE apart.copied (a int, b int); GRANT SELECT (a) ON apart.copied TO crm_app",
        "row-security",
        "apart.copied: it is no table of ours",
    ),
    (
        "SET LOCAL app.tenant = '00000000-0000-7000-8000-000000000001'",
        "row-security",
        "app.tenant is set by default",
    ),
    ("GRANT SELECT ON customers TO PUBLIC", "grants", "customers: everybody has SELECT"),
    ("GRANT SELECT (name) ON users TO PUBLIC", "grants", "users: everybody has SELECT"),
    ("GRANT TRUNCATE ON customers TO crm_app", "grants", "customers: crm_app has TRUNCATE"),
    ("GRANT SELECT ON sessions TO crm_app", "grants", "sessions: crm_app has SELECT"),
    (
        "GRANT SELECT ON tags TO crm_app WITH GRANT OPTION",
        "grants",
        "tags: crm_app may hand on SELECT",
    ),
    (
        "GRANT INSERT ON _sqlx_migrations TO crm_app",
        "grants",
        "_sqlx_migrations: crm_app has INSERT",
    ),
    ("REVOKE DELETE ON tags FROM crm_app", "grants", "tags: role crm_app may not read and write"),
    ("GRANT CREATE ON SCHEMA public TO PUBLIC", "grants", "everybody may create objects"),
    ("GRANT CREATE ON SCHEMA public TO crm_app", "grants", "crm_app may create objects"),
    (
        "ALTER FUNCTION search_customers RESET search_path",
        "functions",
        "does not fix its search path",
    ),
    (
        "GRANT EXECUTE ON FUNCTION search_customers TO PUBLIC",
        "functions",
        "search_customers(integer[],text[],integer) runs as crm_system, and everybody may call it",
    ),
    (
        "CREATE FUNCTION peek() RETURNS bigint LANGUAGE sql SECURITY DEFINER
             SET search_path = public AS 'SELECT count(*) FROM customers';
         REVOKE ALL ON FUNCTION peek() FROM PUBLIC",
        "functions",
        "pg_temp is not the last",
    ),
    (
        "CREATE FUNCTION peek() RETURNS bigint LANGUAGE sql SECURITY DEFINER
             SET search_path = public, pg_temp AS 'SELECT count(*) FROM customers';
         REVOKE ALL ON FUNCTION peek() FROM PUBLIC; GRANT EXECUTE ON FUNCTION peek() TO crm_app",
        "functions",
        "whom row security does not bind, and others may call it",
    ),
    (
        "CREATE FUNCTION peek() RETURNS bigint LANGUAGE sql SECURITY DEFINER
             SET search_path = public, pg_temp AS 'SELECT count(*) FROM customers';
         ALTER FUNCTION peek() OWNER TO crm_system; REVOKE ALL ON FUNCTION peek() FROM PUBLIC;
         GRANT EXECUTE ON FUNCTION peek() TO crm_app",
        "functions",
        "peek() runs as crm_system, whom row security does not bind",
    ),
    ("ALTER ROLE crm_app BYPASSRLS", "roles", "crm_app has BYPASSRLS"),
    ("ALTER ROLE crm_system SUPERUSER", "roles", "crm_system is a superuser"),
    ("ALTER ROLE crm_app LOGIN", "roles", "crm_app may sign in"),
    ("ALTER ROLE crm_app CREATEROLE", "roles", "crm_app may create roles"),
    ("ALTER ROLE crm_system CREATEDB", "roles", "crm_system may create databases"),
    ("ALTER ROLE crm_system REPLICATION", "roles", "crm_system may replicate"),
    (
        "GRANT pg_monitor TO crm_app",
        "roles",
        "crm_app is a member of pg_monitor, and has its rights",
    ),
    ("ALTER ROLE crm_test_login BYPASSRLS", "login", "crm_test_login has BYPASSRLS"),
    ("ALTER ROLE crm_test_login SUPERUSER", "login", "crm_test_login is a superuser"),
    ("REVOKE crm_system FROM crm_test_login", "login", "crm_test_login is no member of crm_system"),
    ("ALTER TABLE customers OWNER TO crm_app", "ownership", "crm_app owns customers"),
    (
        "ALTER DEFAULT PRIVILEGES FOR ROLE crm_test_owner GRANT SELECT ON TABLES TO PUBLIC",
        "default-privileges",
        "everybody gets SELECT on all tables that crm_test_owner makes",
    ),
    (
        "ALTER DEFAULT PRIVILEGES FOR ROLE crm_test_owner IN SCHEMA public
             GRANT EXECUTE ON FUNCTIONS TO crm_app",
        "default-privileges",
        "crm_app gets EXECUTE on all functions that crm_test_owner makes",
    ),
    (
        "CREATE VIEW everything AS SELECT * FROM customers; GRANT SELECT ON everything TO crm_app",
        "views",
        "view everything of customers, open to crm_app, reads as its owner",
    ),
    (
        "ALTER ROLE crm_test_login CONNECTION LIMIT 3",
        "connections",
        "the user allows 3 connections, database.pool_size is 16",
    ),
    (
        "UPDATE pg_database SET datconnlimit = 2 WHERE datname = current_database()",
        "connections",
        "the database allows 2 connections",
    ),
];

#[tokio::test]
async fn each_check_fails_when_what_it_proves_is_broken_and_no_other_does() {
    let patient = Patient::healthy().await;
    for (change, name, words) in BROKEN {
        let checks = patient.after(change).await;
        assert_eq!(failed(&checks), [*name], "{change}: {checks:#?}");
        assert!(found(&checks, name, words), "{change}: {checks:#?}");
    }
    assert_eq!(failed(&patient.after("SELECT 1").await), [""; 0], "nothing was left behind");
}

#[tokio::test]
async fn a_stored_copy_that_others_read_fails_the_check_of_views() {
    let patient = Patient::healthy().await;
    let copy = "CREATE MATERIALIZED VIEW copied AS SELECT id FROM customers;
        GRANT SELECT ON copied TO crm_system";
    let checks = patient.after(copy).await;
    assert_eq!(failed(&checks), ["views"]);
    assert!(found(&checks, "views", "view copied of customers, open to crm_system, holds a copy"));
    let bound = "CREATE VIEW own WITH (security_invoker = true) AS SELECT id FROM customers;
        GRANT SELECT ON own TO crm_app";
    assert_eq!(failed(&patient.after(bound).await), [""; 0], "it reads as the caller");
}

#[tokio::test]
async fn what_is_only_advised_against_is_a_warning() {
    let mut patient = Patient::healthy().await;
    patient.options.allow_privileged_role = true;
    let stranger = format!("crm_test_stranger_{}", std::process::id());
    for (change, name, words) in [
        (
            format!("CREATE ROLE {stranger} LOGIN IN ROLE crm_app"),
            "members",
            format!("{stranger} can sign in here and become crm_app"),
        ),
        (
            "ALTER TABLE tags OWNER TO crm_test_login".to_owned(),
            "login",
            "crm_test_login owns tables".to_owned(),
        ),
        (
            "ALTER TABLE tags OWNER TO postgres".to_owned(),
            "ownership",
            "crm_test_owner and postgres own tables".to_owned(),
        ),
        (
            "ALTER ROLE crm_test_login INHERIT".to_owned(),
            "login",
            "has the rights of crm_system without taking the role".to_owned(),
        ),
        ("ALTER ROLE crm_test_login CREATEROLE".to_owned(), "login", "may create roles".to_owned()),
        (
            "ALTER ROLE crm_test_login SUPERUSER".to_owned(),
            "login",
            "is a superuser, and allow_privileged_role allows it".to_owned(),
        ),
        (
            "ALTER ROLE crm_test_login CONNECTION LIMIT 20".to_owned(),
            "connections",
            "no second server".to_owned(),
        ),
        (
            "SET LOCAL synchronous_commit = off".to_owned(),
            "durability",
            "synchronous_commit is off".to_owned(),
        ),
    ] {
        let checks = patient.after(&change).await;
        assert_eq!(failed(&checks), [""; 0], "{change}: {checks:#?}");
        assert!(found(&checks, name, &words), "{change}: {checks:#?}");
    }
    let durable = patient.after("SET LOCAL synchronous_commit = on").await;
    assert!(!found(&durable, "durability", "synchronous_commit"));
}

#[tokio::test]
async fn two_users_that_are_the_roles_themselves_may_sign_in() {
    let mut patient = Patient::healthy().await;
    let user = "ALTER ROLE crm_app LOGIN; SET LOCAL SESSION AUTHORIZATION crm_app";
    assert_eq!(failed(&patient.after(user).await), ["roles", "login"], "not by one URL");
    patient.options.system_url = Some(patient.database.app_url());
    assert_eq!(failed(&patient.after(user).await), [""; 0]);
    let checks = patient.examined().await;
    assert_eq!(failed(&checks), [""; 0], "{checks:#?}");
    patient.options.system_url = Some(patient.database.superuser_url());
    assert_eq!(failed(&patient.examined().await), ["system-login"]);
    patient.options.system_url = Some("postgres://crm@127.0.0.1:1/crm".to_owned());
    assert_eq!(failed(&patient.examined().await), ["system-login"]);
}

#[tokio::test]
async fn clocks_that_differ_are_told_and_too_much_fails() {
    let patient = Patient::healthy().await;
    for (seconds, outcome) in [(0, Outcome::Passed), (10, Outcome::Warned), (90, Outcome::Failed)] {
        for direction in [1, -1] {
            let clock = ManualClock::at(SystemClock.now());
            clock.advance(TimeDelta::seconds(seconds * direction));
            let checks = examine(&patient.expected(&clock)).await;
            let check = checks.iter().find(|check| check.name == "clock").unwrap();
            assert_eq!(check.outcome(), outcome, "{seconds} s: {check:?}");
            let way = if direction > 0 { "s behind" } else { "s ahead of" };
            assert!(seconds == 0 || check.findings[0].what.contains(way), "{check:?}");
            let expected = if seconds == 90 { vec!["clock"] } else { Vec::new() };
            assert_eq!(failed(&checks), expected);
        }
    }
}

#[tokio::test]
async fn a_database_that_is_away_is_one_failed_check() {
    let mut patient = Patient::healthy().await;
    patient.options = PostgresOptions::new("postgres://crm@127.0.0.1:1/crm");
    patient.options.acquire_timeout = Duration::from_secs(1);
    let checks = patient.examined().await;
    assert_eq!((checks.len(), failed(&checks)), (1, vec!["database"]));
    assert!(found(&checks, "database", "cannot be reached"));
}

#[tokio::test]
async fn entries_that_do_not_say_what_the_records_say_fail() {
    use crm_core::access::{Actor, BuiltIn};
    use crm_core::custom_fields::{CustomFieldDraft, CustomFields, CustomType};
    use crm_core::customers::CustomerDraft;

    let mut patient = Patient::healthy().await;
    let store = crate::PostgresStore::connect(&patient.options).await.unwrap();
    let crm = crm_core::Crm::new(store).await.unwrap();
    let tenant = crm.system().create_tenant("Acme").await.unwrap();
    let acme = crm.tenant(Actor::new(tenant.id, crm.new_id()).with_role(BuiltIn::Owner));
    for (key, field_type) in
        [("seats", CustomType::Number), ("motto", CustomType::Text), ("langs", CustomType::Choices)]
    {
        let field = CustomFieldDraft {
            record_type: "customers".into(),
            key: key.into(),
            label: key.into(),
            field_type,
            options: match field_type {
                CustomType::Choices => vec!["de".to_owned(), "en".to_owned()],
                _ => Vec::new(),
            },
            ..CustomFieldDraft::default()
        };
        acme.custom_fields().create(field).await.unwrap();
    }
    for i in 0..20 {
        let langs = crm_core::store::Value::Codes(vec!["de".into(), "en".into()]);
        let custom_fields = CustomFields::from([
            ("seats", i.into()),
            ("motto", "x".repeat(800).into()),
            ("langs", langs),
        ]);
        let draft = CustomerDraft { custom_fields, ..CustomerDraft::company("Firm") };
        let customer = acme.customers().create(draft).await.unwrap();
        if i % 5 == 0 {
            acme.customers().delete(customer.id, None).await.unwrap();
        }
    }
    for all in [false, true] {
        patient.all = all;
        assert_eq!(failed(&patient.examined().await), [""; 0]);
        for (change, words) in [
            ("DELETE FROM custom_values", "the entries of 16 of 20 records"),
            (
                "UPDATE custom_values SET value = '\\x00' WHERE part <> 0 AND value IS NOT NULL",
                "the entries of 16 of 20 records",
            ),
            (
                "UPDATE custom_values SET value = NULL WHERE record_id = (
                     SELECT id FROM customers WHERE deleted_at IS NULL LIMIT 1)",
                "the entries of 1 of 20 records",
            ),
            (
                "UPDATE customers SET custom_fields = '{\"i:seats\": 5}' WHERE deleted_at IS NULL",
                "the entries of 16 of 20 records",
            ),
            ("UPDATE customers SET deleted_at = now()", "records that are not there"),
        ] {
            let checks = patient.after(change).await;
            assert_eq!(failed(&checks), ["custom-values"], "{change}: {checks:#?}");
            assert!(found(&checks, "custom-values", words), "{change}: {checks:#?}");
        }
    }
}
