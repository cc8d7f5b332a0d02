//! Poolers in between: whether a connection keeps its session of the server, found out by trying.
//!
//! In transaction mode a pooler gives each transaction whichever session is free. What was set on
//! one is then somebody else's, a role included; and so are prepared statements, unless the pooler
//! keeps account of them: those that do not have handed out the rows of other clients' statements.
//! Neither is to be seen from a version or a port, and must never be guessed from them.

use crm_core::{Error, Result};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection, Row};

use crate::connection::store_error;
use crate::session::SetUp;

/// What becomes of a connection's session between two transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Session {
    /// It stays the connection's own.
    Kept,
    /// It is lent to others; statements are found again on whichever comes next.
    Lent,
    /// It is lent to others, statements and all.
    Mixed,
}

/// Refuses a pooler under which `set_up` or prepared statements would not hold.
///
/// # Errors
/// [`Error::Refused`] with what is to be done; otherwise where the server cannot be reached.
pub(crate) async fn refuse_unfit(options: &PgConnectOptions, set_up: &SetUp) -> Result<()> {
    match look(options).await? {
        Session::Kept => Ok(()),
        Session::Mixed => Err(refused(
            "that keeps no account of prepared statements: rows of other clients would come back. \
             Expected PgBouncer 1.21 or later with max_prepared_statements = 300 or more, or a \
             pooler in session mode"
                .to_owned(),
        )),
        Session::Lent if set_up.is_empty() => Ok(()),
        Session::Lent => Err(refused(format!(
            "and what is set on a session does not hold. Sign in as one user for tenants' requests \
             and as another for the system's (database.url and database.system_url), and as a \
             superuser run: {}",
            set_up.remedy()
        ))),
    }
}

/// Refuses any pooler in transaction mode, for work that needs a session to itself.
///
/// # Errors
/// [`Error::Refused`]; otherwise where the server cannot be reached.
pub(crate) async fn refuse_lent(options: &PgConnectOptions) -> Result<()> {
    if look(options).await? == Session::Kept {
        return Ok(());
    }
    Err(refused(
        "and migrating holds a lock of its session: name the server itself for migrating \
         (database.migration_url)"
            .to_owned(),
    ))
}

fn refused(why: String) -> Error {
    Error::Refused {
        code: "POOLER_UNFIT",
        message: format!(
            "between here and the database stands a pooler in transaction mode, {why}"
        ),
    }
}

async fn look(options: &PgConnectOptions) -> Result<Session> {
    let mut ours = PgConnection::connect_with(options).await.map_err(store_error)?;
    let mut others = PgConnection::connect_with(options).await.map_err(store_error)?;
    let before = backend(&mut ours, 1).await;
    // Whoever gives back a session first is the first to give it out again: the one that we have
    // just left is taken now.
    let held = sqlx::raw_sql("BEGIN; SELECT 1").execute(&mut others).await;
    held.map_err(store_error)?;
    let after = backend(&mut ours, 2).await;
    let _ = others.close().await;
    let _ = ours.close().await;
    match (before, after) {
        (Ok(before), Ok(after)) if before == after => Ok(Session::Kept),
        (Ok(_), Ok(_)) => Ok(Session::Lent),
        (Err(error), _) | (_, Err(error)) => match store_error(error) {
            // There is no such statement on this session, or it is another one.
            Error::Internal(_) => Ok(Session::Mixed),
            away => Err(away),
        },
    }
}

/// Which process of the server answers, by a statement that stays prepared. The answer must be to
/// this question and not to another's.
async fn backend(connection: &mut PgConnection, question: i64) -> sqlx::Result<i32> {
    let row = sqlx::query("SELECT pg_backend_pid(), $1::int8")
        .bind(question)
        .fetch_one(connection)
        .await?;
    match row.try_get::<i64, _>(1)? {
        answered if answered == question => row.try_get(0),
        _ => Err(sqlx::Error::RowNotFound),
    }
}
