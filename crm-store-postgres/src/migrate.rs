//! Brings a database to the version that this build knows, and says which one it is at.
//!
//! Migrations go forward only, each in a transaction, one process at a time (an advisory lock).
//! One that has been released is never edited: its checksum is kept in the database. A build
//! refuses to touch a database that a newer build has migrated.

use crm_core::{Error, Result};
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row, SqlSafeStr};

use crate::connection::{parsed, store_error};
use crate::{pooler, roles};

/// All migrations, in order: what they are for, and their statements.
const MIGRATIONS: &[(&str, &str)] = &[
    ("counts and counters", include_str!("../migrations/0001_counts_and_counters.sql")),
    (
        "tenants, users and customers",
        include_str!("../migrations/0002_tenants_users_and_customers.sql"),
    ),
    ("companies", include_str!("../migrations/0003_companies.sql")),
    ("relations", include_str!("../migrations/0004_relations.sql")),
    ("members", include_str!("../migrations/0005_members.sql")),
    ("custom values", include_str!("../migrations/0006_custom_values.sql")),
    ("idempotency", include_str!("../migrations/0007_idempotency.sql")),
    ("mail", include_str!("../migrations/0008_mail.sql")),
    ("invitations", include_str!("../migrations/0009_invitations.sql")),
    ("API keys", include_str!("../migrations/0010_api_keys.sql")),
    ("teams", include_str!("../migrations/0011_teams.sql")),
    ("failed sign-ins", include_str!("../migrations/0012_failed_sign_ins.sql")),
    ("second factors", include_str!("../migrations/0013_second_factors.sql")),
];

// Any number will do, as long as nobody else takes it. Waited for without limit: whoever holds it
// may be building an index.
const LOCK: i64 = 0x6372_6d20_6d69_6772;

/// Which migration: its number, and what it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationName {
    /// Its place in the list, from 1.
    pub version: i64,
    /// What it is for.
    pub title: String,
}

impl std::fmt::Display for MigrationName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.version, self.title)
    }
}

/// The version of a database, against what this build knows.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum MigrationState {
    /// As this build expects.
    Current {
        /// The last migration.
        version: i64,
    },
    /// Some migrations of this build have not been run: none of them, on a new database.
    Behind {
        /// Those that have not.
        pending: Vec<MigrationName>,
    },
    /// A newer build has migrated it.
    Newer {
        /// The last migration that was run.
        last: MigrationName,
        /// The last one that this build knows.
        known: i64,
    },
    /// A migration began and did not end.
    Failed {
        /// Which one.
        migration: MigrationName,
    },
    /// A migration was run with other statements than this build knows it by.
    Altered {
        /// Which one.
        migration: MigrationName,
    },
}

impl MigrationState {
    /// Whether this build can work on it.
    pub fn is_current(&self) -> bool {
        matches!(self, Self::Current { .. })
    }
}

impl std::fmt::Display for MigrationState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Current { version } => write!(f, "the database is at version {version}"),
            Self::Behind { pending } => {
                let names: Vec<String> = pending.iter().map(MigrationName::to_string).collect();
                let (s, have) = if pending.len() == 1 { ("", "has") } else { ("s", "have") };
                write!(f, "migration{s} {} {have} not been run", names.join(", "))
            }
            Self::Newer { last, known } => write!(
                f,
                "the database is at version {last}, newer than this build, which knows {known}"
            ),
            Self::Failed { migration } => write!(f, "migration {migration} began and did not end"),
            Self::Altered { migration } => {
                write!(f, "migration {migration} was run with other statements than this build's")
            }
        }
    }
}

/// Runs what is missing, as the owner of the tables; gives the state before. Creates the roles
/// `crm_app` and `crm_system` where they are missing.
///
/// # Errors
/// [`Error::Refused`] for a database that a newer build has migrated, that has a failed or
/// altered migration, or whose roles are missing and may not be created by this user, and by way
/// of a pooler in transaction mode;
/// [`Error::Internal`] naming the migration that failed, of which nothing remains.
pub async fn migrate(owner_url: &str) -> Result<MigrationState> {
    migrate_with(owner_url, MIGRATIONS).await
}

/// The version of the database.
///
/// # Errors
/// Only where it cannot be asked.
pub async fn migration_state(connection: &mut PgConnection) -> Result<MigrationState> {
    state_with(connection, MIGRATIONS).await
}

/// The version of the database at a URL, asked by a user who may own it or may only become
/// `crm_app`.
///
/// # Errors
/// Only where it cannot be asked.
pub async fn migration_state_at(url: &str) -> Result<MigrationState> {
    let mut connection = PgConnection::connect_with(&parsed(url)?).await.map_err(store_error)?;
    let mut state = migration_state(&mut connection).await;
    if state.is_err() {
        // Within a transaction, which also a pooler in between leaves on one session.
        run(&mut connection, format!("BEGIN; SET LOCAL ROLE {}", roles::APP_ROLE)).await?;
        state = migration_state(&mut connection).await;
    }
    let _ = connection.close().await;
    state
}

/// The statements of all migrations.
#[cfg(feature = "testing")]
pub(crate) fn statements() -> impl Iterator<Item = &'static str> {
    MIGRATIONS.iter().map(|(_, statements)| *statements)
}

async fn migrate_with(
    owner_url: &str,
    migrations: &'static [(&'static str, &'static str)],
) -> Result<MigrationState> {
    pooler::refuse_lent(&parsed(owner_url)?).await?;
    // A connection of its own, closed whatever happens: with it go the lock and the settings.
    let mut connection =
        PgConnection::connect_with(&parsed(owner_url)?).await.map_err(store_error)?;
    let done = migrate_on(&mut connection, migrations).await;
    // The outcome counts, not how well the connection was closed.
    let _ = connection.close().await;
    done
}

async fn migrate_on(
    connection: &mut PgConnection,
    migrations: &'static [(&'static str, &'static str)],
) -> Result<MigrationState> {
    let set_up = format!("SET search_path = public; SELECT pg_advisory_lock({LOCK})");
    run(connection, set_up).await?;
    let before = state_with(connection, migrations).await?;
    match &before {
        MigrationState::Current { .. } => return Ok(before),
        MigrationState::Behind { .. } => {}
        state => {
            return Err(Error::Refused { code: "MIGRATION_REFUSED", message: state.to_string() });
        }
    }
    roles::ensure(connection).await?;
    // Rather give up than hold up every request behind a lock on a table that does not come.
    run(connection, "SET lock_timeout = '60s'".to_owned()).await?;
    let mut migrator = Migrator::with_migrations(known(migrations).collect());
    migrator
        .set_locking(false)
        .run_direct(None, connection, false)
        .await
        .map_err(|error| Error::internal(format!("cannot migrate: {error}")))?;
    Ok(before)
}

async fn run(connection: &mut PgConnection, statements: String) -> Result<()> {
    let ran = sqlx::raw_sql(AssertSqlSafe(statements)).execute(connection).await;
    ran.map(drop).map_err(store_error)
}

async fn state_with(
    connection: &mut PgConnection,
    migrations: &'static [(&'static str, &'static str)],
) -> Result<MigrationState> {
    let last = i64::try_from(migrations.len()).map_err(Error::internal)?;
    let there = sqlx::query("SELECT to_regclass('public._sqlx_migrations') IS NOT NULL")
        .fetch_one(&mut *connection)
        .await
        .and_then(|row| row.try_get::<bool, _>(0))
        .map_err(store_error)?;
    if !there {
        return Ok(MigrationState::Behind { pending: known(migrations).map(named).collect() });
    }
    let mut applied = Vec::new();
    let rows = sqlx::query(
        "SELECT version, description, success, checksum FROM public._sqlx_migrations
         ORDER BY version",
    )
    .fetch_all(connection)
    .await
    .map_err(store_error)?;
    for row in rows {
        let version: i64 = row.try_get(0).map_err(store_error)?;
        let title: String = row.try_get(1).map_err(store_error)?;
        let ended: bool = row.try_get(2).map_err(store_error)?;
        let checksum: Vec<u8> = row.try_get(3).map_err(store_error)?;
        let name = MigrationName { version, title };
        if !ended {
            return Ok(MigrationState::Failed { migration: name });
        }
        applied.push((name, checksum));
    }
    if let Some((newest, _)) = applied.last().filter(|(name, _)| name.version > last) {
        return Ok(MigrationState::Newer { last: newest.clone(), known: last });
    }
    let mut pending = Vec::new();
    for migration in known(migrations) {
        match applied.iter().find(|(name, _)| name.version == migration.version) {
            None => pending.push(named(migration)),
            Some((name, checksum)) if *checksum != *migration.checksum => {
                return Ok(MigrationState::Altered { migration: name.clone() });
            }
            Some(_) => {}
        }
    }
    if pending.is_empty() {
        Ok(MigrationState::Current { version: last })
    } else {
        Ok(MigrationState::Behind { pending })
    }
}

fn named(migration: Migration) -> MigrationName {
    MigrationName { version: migration.version, title: migration.description.into_owned() }
}

// Numbered from 1 by their place in the list.
fn known(migrations: &'static [(&'static str, &'static str)]) -> impl Iterator<Item = Migration> {
    (1..).zip(migrations).map(|(version, (title, statements))| {
        Migration::new(
            version,
            (*title).into(),
            MigrationType::Simple,
            statements.into_sql_str(),
            false,
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestDatabase;

    const ONE: &[(&str, &str)] = &[("one", "CREATE TABLE one ()")];
    const TWO: &[(&str, &str)] = &[("one", "CREATE TABLE one ()"), ("two", "CREATE TABLE two ()")];
    const BROKEN: &[(&str, &str)] =
        &[("one", "CREATE TABLE one ()"), ("two", "CREATE TABLE two (); CREATE TABEL x ()")];
    const OTHER: &[(&str, &str)] = &[("one", "CREATE TABLE other ()")];

    fn name(version: i64, title: &str) -> MigrationName {
        MigrationName { version, title: title.to_owned() }
    }

    async fn state(
        database: &TestDatabase,
        migrations: &'static [(&'static str, &'static str)],
    ) -> MigrationState {
        let mut connection = PgConnection::connect(&database.owner_url()).await.unwrap();
        state_with(&mut connection, migrations).await.unwrap()
    }

    #[tokio::test]
    async fn a_database_is_brought_forward_once() {
        let database = TestDatabase::empty().await.unwrap();
        let url = database.owner_url();
        assert_eq!(
            migrate_with(&url, ONE).await.unwrap(),
            MigrationState::Behind { pending: vec![name(1, "one")] }
        );
        assert_eq!(
            state(&database, TWO).await,
            MigrationState::Behind { pending: vec![name(2, "two")] }
        );
        migrate_with(&url, TWO).await.unwrap();
        let again = migrate_with(&url, TWO).await.unwrap();
        assert_eq!(again, MigrationState::Current { version: 2 });
    }

    #[tokio::test]
    async fn two_processes_at_once_migrate_once() {
        let database = TestDatabase::empty().await.unwrap();
        let url = database.owner_url();
        let (one, two) = tokio::join!(migrate(&url), migrate(&url));
        one.unwrap();
        two.unwrap();
        assert!(state(&database, MIGRATIONS).await.is_current());
    }

    #[tokio::test]
    async fn a_database_of_a_newer_build_is_left_alone() {
        let database = TestDatabase::empty().await.unwrap();
        migrate_with(&database.owner_url(), TWO).await.unwrap();
        let error = migrate_with(&database.owner_url(), ONE).await.unwrap_err();
        assert_eq!(error.code(), "MIGRATION_REFUSED");
        assert_eq!(
            state(&database, ONE).await,
            MigrationState::Newer { last: name(2, "two"), known: 1 }
        );
    }

    #[tokio::test]
    async fn a_migration_that_fails_leaves_nothing_and_is_named() {
        let database = TestDatabase::empty().await.unwrap();
        let error = migrate_with(&database.owner_url(), BROKEN).await.unwrap_err();
        assert!(error.to_string().contains("migration 2"), "{error}");
        assert_eq!(
            state(&database, TWO).await,
            MigrationState::Behind { pending: vec![name(2, "two")] }
        );
        // The same name is free again.
        migrate_with(&database.owner_url(), TWO).await.unwrap();
    }

    #[tokio::test]
    async fn an_altered_and_an_unfinished_migration_are_refused() {
        let database = TestDatabase::empty().await.unwrap();
        migrate_with(&database.owner_url(), ONE).await.unwrap();
        assert_eq!(
            state(&database, OTHER).await,
            MigrationState::Altered { migration: name(1, "one") }
        );
        let mut connection = PgConnection::connect(&database.owner_url()).await.unwrap();
        sqlx::raw_sql("UPDATE _sqlx_migrations SET success = false")
            .execute(&mut connection)
            .await
            .unwrap();
        assert_eq!(
            state(&database, ONE).await,
            MigrationState::Failed { migration: name(1, "one") }
        );
        assert!(migrate_with(&database.owner_url(), ONE).await.is_err());
    }

    #[tokio::test]
    async fn a_state_names_the_migrations_that_it_is_about() {
        let database = TestDatabase::empty().await.unwrap();
        let told = state(&database, TWO).await.to_string();
        assert_eq!(told, "migrations 1 (one), 2 (two) have not been run");
        migrate_with(&database.owner_url(), TWO).await.unwrap();
        let told = state(&database, ONE).await.to_string();
        assert_eq!(
            told,
            "the database is at version 2 (two), newer than this build, which knows 1"
        );
        let mut connection = PgConnection::connect(&database.owner_url()).await.unwrap();
        run(&mut connection, "DELETE FROM _sqlx_migrations WHERE version = 1".to_owned())
            .await
            .unwrap();
        let told = state(&database, TWO).await.to_string();
        assert_eq!(told, "migration 1 (one) has not been run", "one in between is missed, too");
    }

    #[tokio::test]
    async fn the_application_role_can_ask_for_the_state() {
        let database = TestDatabase::empty().await.unwrap();
        migrate(&database.owner_url()).await.unwrap();
        let mut connection = PgConnection::connect(&database.app_url()).await.unwrap();
        sqlx::raw_sql("SET ROLE crm_app").execute(&mut connection).await.unwrap();
        assert!(migration_state(&mut connection).await.unwrap().is_current());
    }

    #[tokio::test]
    async fn an_owner_without_any_other_right_migrates_where_the_roles_exist() {
        let database = TestDatabase::empty().await.unwrap();
        let owner = format!("crm_test_plain_{}", std::process::id());
        let superuser_url = database.superuser_url();
        let mut superuser = PgConnection::connect(&superuser_url).await.unwrap();
        let name = database.name();
        let set_up = format!(
            "CREATE ROLE {owner} LOGIN PASSWORD 'crm_test' IN ROLE crm_app, crm_system;
             ALTER DATABASE {name} OWNER TO {owner}"
        );
        run(&mut superuser, set_up).await.unwrap();
        let url = database.owner_url().replace("crm_test_owner:", &format!("{owner}:"));
        migrate(&url).await.unwrap();
        assert!(state(&database, MIGRATIONS).await.is_current());
        let tear_down = format!(
            "ALTER DATABASE {name} OWNER TO crm_test_owner; DROP OWNED BY {owner} CASCADE;
             DROP ROLE {owner}"
        );
        run(&mut superuser, tear_down).await.unwrap();
    }
}
