//! Whether a database keeps what the product promises, proven from its own catalogue.
//!
//! The check at start-up ([`crate::deviations`]) asks whether the tables are as declared. This
//! asks what an operator could have got wrong besides: which roles there are and what they may,
//! who else reaches the tables, whether the clocks agree, whether there are connections enough.
//! It reads only, needs no more than the user who serves has, and takes nobody's word: neither
//! the declarations' nor the configuration's.

mod entries;
mod reach;
mod roles;
mod server;
mod tables;
#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

use crm_core::store::Catalogue;
use crm_core::{Clock, Error, Result};
use sqlx::postgres::PgRow;
use sqlx::{Connection, PgConnection, Row};

use crate::connection::{PostgresOptions, parsed, store_error, within};

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// What it proves, holds.
    Passed,
    /// It holds, and something is not as it is advised.
    Warned,
    /// It does not hold.
    Failed,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Passed => "ok",
            Self::Warned => "warning",
            Self::Failed => "failed",
        })
    }
}

/// Something that a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Whether what the check proves does not hold because of it.
    pub fails: bool,
    /// What was expected, what is there, and what helps.
    pub what: String,
}

/// One check, and what it found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Its name, by which it is known from version to version.
    pub name: &'static str,
    /// What it proves where it passes.
    pub proves: &'static str,
    /// What it found; nothing where it passed.
    pub findings: Vec<Finding>,
}

impl Check {
    /// A check that has found nothing yet.
    pub fn new(name: &'static str, proves: &'static str) -> Self {
        Self { name, proves, findings: Vec::new() }
    }

    /// What it proves does not hold.
    pub fn fail(&mut self, what: impl Into<String>) {
        self.findings.push(Finding { fails: true, what: what.into() });
    }

    /// Something is not as it is advised.
    pub fn warn(&mut self, what: impl Into<String>) {
        self.findings.push(Finding { fails: false, what: what.into() });
    }

    /// How it ended.
    pub fn outcome(&self) -> Outcome {
        let outcome = |finding: &Finding| match finding.fails {
            true => Outcome::Failed,
            false => Outcome::Warned,
        };
        self.findings.iter().map(outcome).max().unwrap_or(Outcome::Passed)
    }

    /// The findings of a question that could perhaps not be asked.
    fn of(name: &'static str, proves: &'static str, findings: Result<Vec<Finding>>) -> Self {
        let findings = findings.unwrap_or_else(|error| {
            vec![Finding { fails: true, what: format!("the database cannot be asked: {error}") }]
        });
        Self { name, proves, findings }
    }
}

fn fails(what: impl Into<String>) -> Finding {
    Finding { fails: true, what: what.into() }
}

fn warns(what: impl Into<String>) -> Finding {
    Finding { fails: false, what: what.into() }
}

/// What a database is held against.
#[derive(Debug)]
pub struct Expected<'a> {
    /// How the server connects.
    pub options: &'a PostgresOptions,
    /// The record types whose tables there are.
    pub catalogue: &'a Catalogue,
    /// The server's clock.
    pub clock: &'a dyn Clock,
    /// How far the database's clock may differ from it.
    pub skew: Duration,
    /// Whether all records are looked at where a sample would do: that takes as long as reading
    /// them.
    pub all: bool,
}

/// Connects as the server does, and checks everything. Where nothing answers, the one check
/// `database` says so.
pub async fn examine(expected: &Expected<'_>) -> Vec<Check> {
    let options = expected.options;
    let limit = options.acquire_timeout;
    let mut connection = match connect(&options.url, limit).await {
        Ok(connection) => connection,
        Err(error) => {
            let mut check = Check::new(server::DATABASE.0, server::DATABASE.1);
            check.fail(format!("it cannot be reached: {error}"));
            return vec![check];
        }
    };
    let mut checks = examine_on(&mut connection, expected).await;
    let _ = connection.close().await;
    if let Some(url) = &options.system_url {
        checks.push(roles::system_login(url, limit, options.allow_privileged_role).await);
        let compared = match (is_sound(&checks), connect(url, limit).await) {
            (true, Ok(mut connection)) => {
                let compared = entries::check(&mut connection, expected).await;
                let _ = connection.close().await;
                compared
            }
            _ => entries::unasked(),
        };
        checks.push(compared);
    }
    checks
}

async fn connect(url: &str, limit: Duration) -> Result<PgConnection> {
    let connecting = async { PgConnection::connect_with(&parsed(url)?).await.map_err(store_error) };
    within(limit, connecting).await
}

/// Checks everything over a connection of the user who serves, which has taken no role.
pub(crate) async fn examine_on(
    connection: &mut PgConnection,
    expected: &Expected<'_>,
) -> Vec<Check> {
    let mut checks = vec![server::database(connection).await];
    checks.push(server::migrations(connection).await);
    checks.extend(tables::checks(connection, expected.catalogue).await);
    // With a user of its own each, the two roles are who signs in.
    let two_users = expected.options.system_url.is_some();
    let privileged = expected.options.allow_privileged_role;
    checks.push(roles::product(connection, two_users).await);
    checks.push(roles::login(connection, privileged, two_users).await);
    checks.push(roles::members(connection).await);
    checks.push(roles::ownership(connection, expected.catalogue).await);
    checks.push(reach::default_privileges(connection).await);
    checks.push(reach::views(connection, expected.catalogue).await);
    checks.push(server::clock(connection, expected.clock, expected.skew).await);
    checks.push(server::durability(connection).await);
    checks.push(server::connections(connection, expected.options.max_connections).await);
    if !two_users {
        checks.push(match is_sound(&checks) {
            true => entries::check(connection, expected).await,
            false => entries::unasked(),
        });
    }
    checks
}

fn is_sound(checks: &[Check]) -> bool {
    checks.iter().all(|check| check.outcome() != Outcome::Failed)
}

async fn rows(connection: &mut PgConnection, sql: &'static str) -> Result<Vec<PgRow>> {
    sqlx::query(sql).fetch_all(connection).await.map_err(store_error)
}

async fn rows_about(
    connection: &mut PgConnection,
    sql: &'static str,
    names: &[String],
) -> Result<Vec<PgRow>> {
    sqlx::query(sql).bind(names).fetch_all(connection).await.map_err(store_error)
}

async fn row(connection: &mut PgConnection, sql: &'static str) -> Result<PgRow> {
    let found = rows(connection, sql).await?;
    found.into_iter().next().ok_or_else(|| Error::internal("no row came back"))
}

fn get<'r, T>(row: &'r PgRow, column: &str) -> Result<T>
where
    T: sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
{
    row.try_get(column).map_err(store_error)
}
