//! Connections: under which role they work, how many there are, how long anything may take.
//!
//! A pooled connection takes its role once, when it is made, and nothing else sticks to it: whose
//! tenant a statement works for is said by the statement itself. Under the application role a
//! statement that says nothing sees nothing. A user that is what a connection is to be from the
//! start has nothing to take, which is what a pooler in transaction mode asks for.

use std::fmt;
use std::future::Future;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use crm_core::{Error, Result};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, PgConnection, PgPool, Postgres};

use crate::migrate::MigrationState;
use crate::pooler;
use crate::roles::{self, APP_ROLE, SYSTEM_ROLE};
use crate::session::SetUp;
use crate::waits::{PoolFigures, Waits};

/// The oldest PostgreSQL that is supported.
pub(crate) const OLDEST_SERVER: u32 = 150_000;
/// When to ask a server that is away again.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// How many prepared statements a connection keeps.
const STATEMENTS: usize = 300;
/// How many connections are made at start to look at the way to the database, one after the other.
const CONNECTIONS: u32 = 3;
/// How much later than the server we give up, so that its own answer can arrive.
const GRACE: Duration = Duration::from_secs(1);

/// How to reach a database, and as whom.
///
/// The least that works is one user that owns the database and may create roles: it migrates, and
/// what it serves it serves under the two roles. Better is a second user that owns nothing:
///
/// ```sql
/// CREATE ROLE crm_app NOLOGIN;
/// CREATE ROLE crm_system NOLOGIN;
/// CREATE ROLE crm_owner LOGIN PASSWORD '…' IN ROLE crm_app, crm_system; -- migrates
/// CREATE ROLE crm LOGIN NOINHERIT PASSWORD '…' IN ROLE crm_app, crm_system; -- serves
/// CREATE DATABASE crm OWNER crm_owner TEMPLATE template0 ENCODING UTF8;
/// ```
///
/// `NOINHERIT` makes a connection that has not taken its role one that may read nothing.
///
/// A **pooler** in session mode may stand in between as it is. In transaction mode the next
/// transaction is somebody else's on the same session of the server, so nothing may be set on it:
/// two users sign in that are what they are to be from the start, one in `url` and one in
/// `system_url`,
///
/// ```sql
/// ALTER ROLE crm_app LOGIN PASSWORD '…';
/// ALTER ROLE crm_app SET statement_timeout = '30s'; -- what `statement_timeout` says
/// ALTER ROLE crm_system LOGIN PASSWORD '…';
/// ALTER ROLE crm_system SET statement_timeout = '30s';
/// ```
///
/// and the pooler must know prepared statements: PgBouncer 1.21 or later with
/// `max_prepared_statements` of 300 or more. [`Pools::connect`] tries both, and refuses with what is
/// to be done. Migrating needs a session of its own: it goes past such a pooler.
///
/// ```
/// use crm_store_postgres::PostgresOptions;
///
/// let mut options = PostgresOptions::new("postgres://crm@db.example.com/crm");
/// options.max_connections = 30;
/// ```
#[derive(Clone)]
pub struct PostgresOptions {
    /// `postgres://user:password@host/database`. The user must be a member of both roles, or be
    /// `app_role` itself where there is a `system_url`.
    pub url: String,
    /// The same database as another user, for what works under `system_role`; `url` if absent.
    pub system_url: Option<String>,
    /// The most connections of one server process; a quarter of them, at least one and at most
    /// four, serve sign-in and scheduled work. 16 unless set; at least 2.
    pub max_connections: u32,
    /// How long a request waits for a connection before the store counts as unavailable. 5 s
    /// unless set.
    pub acquire_timeout: Duration,
    /// How long a statement may run before the server ends it. 30 s unless set.
    pub statement_timeout: Duration,
    /// The role that tenants' requests work under; none to stay the user that signed in.
    pub app_role: Option<String>,
    /// The role that sign-in and scheduled work under; none to stay the user that signed in.
    pub system_role: Option<String>,
    /// Works under a role that row security does not bind, too: the second belt is off.
    pub allow_privileged_role: bool,
}

impl PostgresOptions {
    /// The usual settings for the database at `url`.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            system_url: None,
            max_connections: 16,
            acquire_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(30),
            app_role: Some(APP_ROLE.to_owned()),
            system_role: Some(SYSTEM_ROLE.to_owned()),
            allow_privileged_role: false,
        }
    }

    /// The pool for requests of tenants, and that for sign-in and scheduled work.
    fn kinds(&self) -> [Kind<'_>; 2] {
        let for_system = (self.max_connections / 4).clamp(1, 4);
        let for_app = self.max_connections.saturating_sub(for_system).max(1);
        let app = Kind {
            url: &self.url,
            role: self.app_role.as_deref(),
            is_app: true,
            connections: for_app,
        };
        let system = Kind {
            url: self.system_url.as_deref().unwrap_or(&self.url),
            role: self.system_role.as_deref(),
            is_app: false,
            connections: for_system,
        };
        [app, system]
    }

    // Connections outside the pools: a pool hides why it cannot connect.
    async fn set_up(&self, kind: &Kind<'_>) -> Result<SetUp> {
        let connecting = async {
            let mut connection =
                PgConnection::connect_with(&parsed(kind.url)?).await.map_err(store_error)?;
            let version = connection.server_version_num().unwrap_or(0);
            if version < OLDEST_SERVER {
                let major = version / 10_000;
                return Err(Error::internal(format!(
                    "expected PostgreSQL 15 or later, the server is {major}"
                )));
            }
            let set_up = SetUp::find(&mut connection, kind.role, self.statement_timeout).await?;
            pooler::refuse_unfit(&parsed(kind.url)?, &set_up).await?;
            if !set_up.is_empty() {
                set_up.run(&mut connection).await.map_err(|error| match store_error(error) {
                    Error::Internal(why) => Error::internal(format!(
                        "the database's user cannot work under role {}: {why}; a superuser can \
                         run: GRANT {APP_ROLE}, {SYSTEM_ROLE} TO the user",
                        kind.role.unwrap_or("of its own")
                    )),
                    other => other,
                })?;
            }
            if !self.allow_privileged_role {
                roles::refuse_privileged(&mut connection, kind.is_app).await?;
            }
            connection.close().await.map_err(store_error)?;
            Ok(set_up)
        };
        within(self.acquire_timeout * CONNECTIONS, connecting).await
    }

    fn pool(&self, kind: &Kind<'_>, set_up: SetUp) -> Result<PgPool> {
        let options = PgPoolOptions::new()
            .max_connections(kind.connections)
            .acquire_timeout(self.acquire_timeout)
            // A ping would double the round trips of a read by id; a connection that has died
            // shows itself to one statement and is replaced.
            .test_before_acquire(false)
            .max_lifetime(Duration::from_secs(30 * 60))
            .idle_timeout(Duration::from_secs(10 * 60));
        let options = if set_up.is_empty() {
            options
        } else {
            options.after_connect(move |connection, _| {
                let set_up = set_up.clone();
                Box::pin(async move { set_up.run(connection).await })
            })
        };
        Ok(options.connect_lazy_with(parsed(kind.url)?))
    }
}

/// One of the two pools, before it is made.
struct Kind<'a> {
    url: &'a str,
    role: Option<&'a str>,
    is_app: bool,
    connections: u32,
}

/// How to reach the database at a URL, whatever for.
///
/// # Errors
/// [`Error::Internal`] where it is no URL of a database.
pub(crate) fn parsed(url: &str) -> Result<PgConnectOptions> {
    let options = PgConnectOptions::from_str(url)
        .map_err(|error| Error::internal(format!("the database's URL cannot be read: {error}")))?;
    Ok(options
        .application_name("crm")
        // Some shapes for each record type; one that was pushed out costs a trip to come back.
        .statement_cache_capacity(STATEMENTS)
        // Only texts depend on it, and floats come in binary; poolers refuse what they do not know.
        .extra_float_digits(None))
}

impl From<&str> for PostgresOptions {
    fn from(url: &str) -> Self {
        Self::new(url)
    }
}

impl From<String> for PostgresOptions {
    fn from(url: String) -> Self {
        Self::new(url)
    }
}

impl From<&Self> for PostgresOptions {
    fn from(options: &Self) -> Self {
        options.clone()
    }
}

// The URL may hold a password.
impl fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresOptions")
            .field("has_system_url", &self.system_url.is_some())
            .field("max_connections", &self.max_connections)
            .field("acquire_timeout", &self.acquire_timeout)
            .field("statement_timeout", &self.statement_timeout)
            .field("app_role", &self.app_role)
            .field("system_role", &self.system_role)
            .field("allow_privileged_role", &self.allow_privileged_role)
            .finish_non_exhaustive()
    }
}

/// The connections of a process.
#[derive(Debug, Clone)]
pub struct Pools {
    /// For requests of tenants, under row security.
    pub(crate) app: PgPool,
    /// For sign-in and scheduled work, across tenants.
    pub(crate) system: PgPool,
    waits: Arc<[Waits; 2]>,
    /// After which no answer is to be expected any more: the time to get a connection, and the
    /// time after which the server itself ends a statement.
    pub(crate) deadline: Duration,
}

impl Pools {
    /// Connects under each role, to see that it can be done, that row security binds and that a
    /// pooler in between is fit for it, and then as needed.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where the server cannot be reached in time; [`Error::Refused`]
    /// where row security would not bind the role, and where a pooler in between would mix up
    /// what is set on a session or prepared statements, with what to do about it;
    /// [`Error::Internal`] where the user may not take the role, and for an older server than
    /// PostgreSQL 15.
    pub async fn connect(options: &PostgresOptions) -> Result<Self> {
        let [app, system] = options.kinds();
        let for_app = options.set_up(&app).await?;
        let for_system = options.set_up(&system).await?;
        Ok(Self {
            app: options.pool(&app, for_app)?,
            system: options.pool(&system, for_system)?,
            waits: Arc::default(),
            deadline: options.acquire_timeout + options.statement_timeout + GRACE,
        })
    }

    /// How each pool is used, at this moment.
    pub fn figures(&self) -> [PoolFigures; 2] {
        let [app, system] = &*self.waits;
        [app.figures("app", &self.app), system.figures("system", &self.system)]
    }

    /// A connection of one of the two pools.
    pub(crate) async fn connection(&self, pool: &PgPool) -> sqlx::Result<PoolConnection<Postgres>> {
        let [app, system] = &*self.waits;
        let waits = if std::ptr::eq(pool, &self.app) { app } else { system };
        waits.connection(pool).await
    }

    /// Whether the database answers, within the deadline of any statement.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where it does not.
    pub async fn ping(&self) -> Result<()> {
        let asked = sqlx::raw_sql("SELECT 1").execute(&self.app);
        within(self.deadline, async { asked.await.map(drop).map_err(store_error) }).await
    }

    /// The version of the database at this moment: others may migrate it while we work on it.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where it does not answer.
    pub async fn migration_state(&self) -> Result<MigrationState> {
        let asking = async {
            let mut connection = self.connection(&self.app).await.map_err(store_error)?;
            crate::migrate::migration_state(&mut connection).await
        };
        within(self.deadline, asking).await
    }

    /// Ends all connections, letting running statements finish.
    pub async fn close(&self) {
        self.app.close().await;
        self.system.close().await;
    }
}

/// The result of `work`, or that the store is unavailable where it takes longer than `limit`: a
/// server that has vanished from the network answers nothing, not even an error.
pub(crate) async fn within<T>(limit: Duration, work: impl Future<Output = Result<T>>) -> Result<T> {
    match tokio::time::timeout(limit, work).await {
        Ok(done) => done,
        Err(_) => Err(unavailable(format!("no answer within {} ms", limit.as_millis()))),
    }
}

/// An error of the driver in the library's terms: what may pass by itself is
/// [`Error::Unavailable`], everything else a fault. Rejections are told apart before.
pub(crate) fn store_error(error: sqlx::Error) -> Error {
    let passing = match &error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(fault) => fault.code().is_some_and(|code| may_pass(&code)),
        // Whoever took the connection hung up before a word, which the driver takes for an answer.
        sqlx::Error::Protocol(what) => what.contains("response from SSLRequest: 0x00"),
        _ => false,
    };
    if !passing {
        return Error::internal(error);
    }
    // The driver's own words add a line number of the server's source.
    let message = error.as_database_error().map(|fault| fault.message().to_owned());
    unavailable(message.unwrap_or_else(|| error.to_string()))
}

// Lost connections, a user or a database that the server does not let in or does not know,
// serialization and deadlocks, no room, an operator's hand, a cancelled statement, a server that
// starts, stops or only reads.
fn may_pass(code: &str) -> bool {
    ["08", "28", "3D", "40", "53", "57"].iter().any(|class| code.starts_with(class))
        || matches!(code, "25006" | "55P03")
}

fn unavailable(message: String) -> Error {
    Error::Unavailable { message, retry_after: RETRY_AFTER }
}

#[cfg(test)]
mod tests;
