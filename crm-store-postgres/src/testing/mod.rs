//! Real databases for tests, made in milliseconds and gone afterwards.
//!
//! ```no_run
//! # async fn example() -> crm_core::Result<()> {
//! use crm_store_postgres::testing::TestDatabase;
//!
//! let database = TestDatabase::empty().await?;
//! println!("connect to {}", database.app_url());
//! # Ok(())
//! # }
//! ```
//!
//! The server is a throw-away cluster made from the installed PostgreSQL programs, shared by all
//! test processes, reachable through a Unix socket only; or the one that `TEST_DATABASE_URL`
//! names, as a superuser of it. Where there is neither, a test fails and says what to install: it
//! never passes by skipping.
//!
//! Nothing here belongs into production: durability is off, but for a [`DurableServer`], on which
//! faults are tried.

mod binaries;
mod cluster;
mod durable;
mod pooler;
mod relay;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU32, Ordering};

use crm_core::store::{FieldIndex, Kind, Page, Path, Query, Record, Schema, Scope};
use crm_core::tenants::TenantId;
use crm_core::{Error, Result};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool, Row};
use url::Url;
use uuid::Uuid;

pub use durable::{DurableServer, Stop};
pub use pooler::{Lending, Pooler};
pub use relay::{Relay, Way};

/// The role that owns the databases: may create roles, is no superuser.
const OWNER: &str = "crm_test_owner";
/// The role that the product signs in as: may become `crm_app` and `crm_system`, is nothing else.
const LOGIN: &str = "crm_test_login";
const PASSWORD: &str = "crm_test";
const PORT: u16 = cluster::PORT;
// Any number will do, as long as nobody else takes it.
const SET_UP_LOCK: i64 = 0x0063_726d_7465_7374;

/// What the column of search terms holds for a folded text, for whoever fills tables without the
/// store.
pub fn search_terms(tenant: Option<TenantId>, folded: &str) -> Vec<i32> {
    crate::rows::search_terms(tenant, folded)
}

/// The same for an element of a list of identifiers.
pub fn element_term(schema: &Schema, tenant: Option<TenantId>, field: FieldIndex, id: Uuid) -> i32 {
    crate::rows::element_term(schema, tenant, field, id)
}

/// The number under which the entries of a tenant's own field are kept, for whoever fills tables
/// without the store; none where the type has no such fields.
pub fn own_field_number(schema: &Schema, key: &str, kind: Kind) -> Option<i64> {
    let path = Path::custom(schema.custom()?, key, kind);
    crate::rows::field_number(schema, &path)
}

/// The rows that answer a tenant's query, to measure what it costs to read them.
#[derive(Debug)]
pub struct Rows(Scope, Vec<PgRow>);

impl Rows {
    /// Asks for them.
    ///
    /// # Errors
    /// Where the database refuses.
    pub async fn ask(pool: &PgPool, tenant: TenantId, query: &Query) -> Result<Self> {
        let scope = Scope::Tenant(tenant);
        let (statement, binds) = crate::read::query::render(scope, query);
        let rows = crate::run::fetch(pool, statement.render(), binds).await;
        Ok(Self(scope, rows.map_err(Error::internal)?))
    }

    /// The records that they hold.
    ///
    /// # Errors
    /// Where the query is another one.
    pub fn decode(&self, query: &Query) -> Result<Page<Record>> {
        crate::read::query::read(self.0, query, &self.1)
    }
}

/// A database of its own, dropped with the value.
#[derive(Debug)]
pub struct TestDatabase {
    name: String,
    superuser: Url,
}

impl TestDatabase {
    /// A database without a table.
    ///
    /// # Errors
    /// Where there is no PostgreSQL, or it refuses.
    pub async fn empty() -> Result<Self> {
        Self::with(&[]).await
    }

    /// A database in which the owner has run these statements. They are run once, into a
    /// template that all databases with the same statements are copied from.
    ///
    /// # Errors
    /// Where there is no PostgreSQL, or it refuses; names the statement at fault.
    pub async fn with(statements: &[String]) -> Result<Self> {
        Self::from_template(if statements.is_empty() {
            Template::Empty
        } else {
            Template::Statements(statements)
        })
        .await
    }

    /// A database at the version that this build knows: what a server works on.
    ///
    /// # Errors
    /// Where there is no PostgreSQL, or it refuses.
    pub async fn migrated() -> Result<Self> {
        Self::from_template(Template::Migrated).await
    }

    async fn from_template(template: Template<'_>) -> Result<Self> {
        let superuser = server().await?;
        let mut connection = connect(&superuser).await?;
        set_up_roles(&mut connection).await?;
        let template = template.named(&mut connection, &superuser).await?;
        let name = new_name();
        copy(&mut connection, &name, &template).await?;
        connection.close().await.map_err(Error::internal)?;
        Ok(Self { name, superuser })
    }

    /// Its URL as the owner of its tables, who migrates.
    pub fn owner_url(&self) -> String {
        self.url_as(OWNER)
    }

    /// Its URL as the role that the product signs in as.
    pub fn app_url(&self) -> String {
        self.url_as(LOGIN)
    }

    /// Its URL as a superuser.
    pub fn superuser_url(&self) -> String {
        at(&self.superuser, &self.name).into()
    }

    /// Runs statements as a superuser, behind the back of whoever works on it.
    ///
    /// # Errors
    /// Where it refuses; names the statements.
    pub async fn execute(&self, statements: &str) -> Result<()> {
        let mut connection = connect(&at(&self.superuser, &self.name)).await?;
        run(&mut connection, statements.to_owned()).await?;
        connection.close().await.map_err(Error::internal)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn url_as(&self, role: &str) -> String {
        sign_in(at(&self.superuser, &self.name), role).into()
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let superuser = self.superuser.clone();
        let statement = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        // A thread, because the test's own runtime may be ending. What fails here goes with the
        // cluster.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let Ok(runtime) = runtime else { return };
            runtime.block_on(async {
                if let Ok(mut connection) = connect(&superuser).await {
                    let _ = sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await;
                    let _ = connection.close().await;
                }
            });
        });
        let _ = dropping.join();
    }
}

async fn server() -> Result<Url> {
    let url = match std::env::var("TEST_DATABASE_URL") {
        Ok(url) if !url.is_empty() => url,
        _ => {
            tokio::task::spawn_blocking(cluster::superuser_url).await.map_err(Error::internal)??
        }
    };
    url.parse().map_err(|error| Error::internal(format!("TEST_DATABASE_URL is no URL: {error}")))
}

fn at(server: &Url, database: &str) -> Url {
    let mut url = server.clone();
    url.set_path(database);
    url
}

fn sign_in(mut url: Url, role: &str) -> Url {
    // Fails only for URLs without a host, which have been connected to by now.
    let _ = url.set_username(role).and_then(|()| url.set_password(Some(PASSWORD)));
    url
}

fn new_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    // Two hosts may share the server that TEST_DATABASE_URL names.
    let mut hasher = DefaultHasher::new();
    std::fs::read("/etc/machine-id").ok().hash(&mut hasher);
    std::env::var("HOSTNAME").ok().hash(&mut hasher);
    let host = hasher.finish() as u32;
    format!("crm_test_{host:08x}_{}_{n}", std::process::id())
}

async fn connect(url: &Url) -> Result<PgConnection> {
    PgConnection::connect(url.as_str())
        .await
        .map_err(|error| Error::internal(format!("cannot connect to the test server: {error}")))
}

async fn run(connection: &mut PgConnection, statement: String) -> Result<()> {
    sqlx::raw_sql(AssertSqlSafe(statement.clone()))
        .execute(connection)
        .await
        .map(drop)
        .map_err(|error| Error::internal(format!("{error}, in: {statement}")))
}

// One at a time per server, whichever process: two would find the same thing missing.
async fn lock(connection: &mut PgConnection) -> Result<()> {
    run(connection, format!("SELECT pg_advisory_lock({SET_UP_LOCK})")).await
}

async fn unlock(connection: &mut PgConnection) -> Result<()> {
    run(connection, format!("SELECT pg_advisory_unlock({SET_UP_LOCK})")).await
}

async fn set_up_roles(connection: &mut PgConnection) -> Result<()> {
    let there = sqlx::query("SELECT 1 FROM pg_roles WHERE rolname = $1")
        .bind(LOGIN)
        .fetch_optional(&mut *connection)
        .await
        .map_err(Error::internal)?;
    if there.is_some() {
        return Ok(());
    }
    lock(connection).await?;
    // In one transaction, the login role last, so that it is the sign that all is there.
    let statement = format!(
        "DO $do$ BEGIN
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{LOGIN}') THEN
                IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'crm_app') THEN
                    CREATE ROLE crm_app NOLOGIN;
                END IF;
                IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'crm_system') THEN
                    CREATE ROLE crm_system NOLOGIN;
                END IF;
                CREATE ROLE {OWNER} LOGIN CREATEROLE PASSWORD '{PASSWORD}';
                GRANT crm_app, crm_system TO {OWNER} WITH ADMIN OPTION;
                CREATE ROLE {LOGIN} LOGIN NOINHERIT PASSWORD '{PASSWORD}';
                GRANT crm_app, crm_system TO {LOGIN};
            END IF;
        END $do$"
    );
    let made = run(connection, statement).await;
    unlock(connection).await?;
    made
}

/// What a new database is copied from.
#[derive(Clone, Copy)]
enum Template<'a> {
    Empty,
    Migrated,
    Statements(&'a [String]),
}

impl Template<'_> {
    /// The template's name; makes it where it is the first time that anybody asks for it.
    async fn named(self, connection: &mut PgConnection, server: &Url) -> Result<String> {
        let mut hasher = DefaultHasher::new();
        match self {
            Self::Empty => return Ok("template0".to_owned()),
            Self::Migrated => crate::migrate::statements().for_each(|text| text.hash(&mut hasher)),
            Self::Statements(statements) => statements.hash(&mut hasher),
        }
        let name = format!("crm_template_{:016x}", hasher.finish());
        if exists(connection, &name).await? {
            return Ok(name);
        }
        lock(connection).await?;
        let made = self.make(connection, server, &name).await;
        unlock(connection).await?;
        made.map(|()| name)
    }

    async fn make(self, connection: &mut PgConnection, server: &Url, name: &str) -> Result<()> {
        if exists(connection, name).await? {
            return Ok(());
        }
        // Under another name until it is complete.
        let unfinished = format!("{name}_unfinished");
        run(connection, format!("DROP DATABASE IF EXISTS {unfinished} WITH (FORCE)")).await?;
        copy(connection, &unfinished, "template0").await?;
        let owner = sign_in(at(server, &unfinished), OWNER);
        match self {
            Self::Empty => {}
            Self::Migrated => drop(crate::migrate(owner.as_str()).await?),
            Self::Statements(statements) => {
                let mut owner = connect(&owner).await?;
                for statement in statements {
                    run(&mut owner, statement.clone()).await?;
                }
                owner.close().await.map_err(Error::internal)?;
            }
        }
        run(connection, format!("ALTER DATABASE {unfinished} RENAME TO {name}")).await
    }
}

async fn exists(connection: &mut PgConnection, database: &str) -> Result<bool> {
    let found = sqlx::query("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
        .bind(database)
        .fetch_one(connection)
        .await;
    found.and_then(|row| row.try_get(0)).map_err(Error::internal)
}

async fn copy(connection: &mut PgConnection, name: &str, template: &str) -> Result<()> {
    let version = connection.server_version_num().unwrap_or(0);
    // Copying files beats writing every page into the log, where there is a choice.
    let strategy = if version >= 150_000 { "STRATEGY FILE_COPY" } else { "" };
    run(connection, format!("CREATE DATABASE {name} OWNER {OWNER} TEMPLATE {template} {strategy}"))
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_database_is_there_with_what_its_statements_made_and_gone_when_dropped() {
        let statements = ["CREATE TABLE things (id int)".to_owned()];
        let database = TestDatabase::with(&statements).await.unwrap();
        let twin = TestDatabase::with(&statements).await.unwrap();
        let mut connection = PgConnection::connect(&database.owner_url()).await.unwrap();
        run(&mut connection, "INSERT INTO things VALUES (1)".to_owned()).await.unwrap();
        let mut other = PgConnection::connect(&twin.owner_url()).await.unwrap();
        let count = sqlx::query("SELECT count(*) FROM things").fetch_one(&mut other).await.unwrap();
        assert_eq!(count.get::<i64, _>(0), 0);

        let name = database.name().to_owned();
        let mut server = connect(&database.superuser).await.unwrap();
        assert!(exists(&mut server, &name).await.unwrap());
        drop(database);
        assert!(!exists(&mut server, &name).await.unwrap());
    }

    #[tokio::test]
    async fn a_statement_that_fails_is_named() {
        let error = TestDatabase::with(&["CREATE TABEL x".to_owned()]).await.unwrap_err();
        assert!(error.to_string().contains("CREATE TABEL x"), "{error}");
    }

    #[tokio::test]
    async fn the_product_signs_in_as_nobody_in_particular() {
        let database = TestDatabase::empty().await.unwrap();
        let mut connection = PgConnection::connect(&database.app_url()).await.unwrap();
        let row = sqlx::query(
            "SELECT rolsuper OR rolbypassrls OR rolinherit FROM pg_roles WHERE rolname = current_user",
        )
        .fetch_one(&mut connection)
        .await
        .unwrap();
        assert!(!row.get::<bool, _>(0));
        run(&mut connection, "SET ROLE crm_app".to_owned()).await.unwrap();
        run(&mut connection, "SET ROLE crm_system".to_owned()).await.unwrap();
    }
}
