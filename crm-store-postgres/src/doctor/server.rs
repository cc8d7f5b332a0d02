//! The database as a whole: its version, its settings, its clock.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use crm_core::{Clock, Result};
use sqlx::{AssertSqlSafe, PgConnection};

use super::{Check, Finding, fails, get, row, rows, warns};
use crate::connection::{OLDEST_SERVER, store_error};
use crate::migrate::migration_state;
use crate::roles::APP_ROLE;

pub(super) const DATABASE: (&str, &str) =
    ("database", "PostgreSQL 15 or later answers, takes writes, and keeps any text");

/// From which difference on somebody should look after the clocks.
const NOTICEABLE: TimeDelta = TimeDelta::seconds(1);

pub(super) async fn database(connection: &mut PgConnection) -> Check {
    Check::of(DATABASE.0, DATABASE.1, look(connection).await)
}

async fn look(connection: &mut PgConnection) -> Result<Vec<Finding>> {
    let row = row(
        connection,
        "SELECT current_setting('server_version_num')::int AS version,
                current_setting('transaction_read_only') = 'on' OR pg_is_in_recovery() AS read_only,
                (SELECT pg_encoding_to_char(encoding)::text FROM pg_database
                 WHERE datname = current_database()) AS encoding",
    )
    .await?;
    let mut findings = Vec::new();
    let version: i32 = get(&row, "version")?;
    if u32::try_from(version).unwrap_or(0) < OLDEST_SERVER {
        findings.push(fails(format!("expected version 15 or later, it is {}", version / 10_000)));
    }
    if get(&row, "read_only")? {
        findings.push(fails("it takes no writes: a standby, or default_transaction_read_only"));
    }
    let encoding: String = get(&row, "encoding")?;
    if encoding != "UTF8" {
        findings.push(fails(format!("expected encoding UTF8, it is {encoding}")));
    }
    Ok(findings)
}

pub(super) async fn migrations(connection: &mut PgConnection) -> Check {
    const PROVES: &str = "every migration that this version knows has been run, and no other";
    Check::of("migrations", PROVES, version(connection).await)
}

async fn version(connection: &mut PgConnection) -> Result<Vec<Finding>> {
    let row = row(
        connection,
        "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = 'crm_app'
                        AND rolname <> current_user
                        AND pg_has_role(session_user, oid, 'MEMBER')) AS can_take_role",
    )
    .await?;
    let as_app = get::<bool>(&row, "can_take_role")?;
    if as_app {
        run(connection, format!("SET ROLE {APP_ROLE}")).await?;
    }
    let state = migration_state(connection).await;
    if as_app {
        run(connection, "RESET ROLE".to_owned()).await?;
    }
    let state = state?;
    if state.is_current() {
        return Ok(Vec::new());
    }
    Ok(vec![fails(state.to_string())])
}

async fn run(connection: &mut PgConnection, statement: String) -> Result<()> {
    let ran = sqlx::raw_sql(AssertSqlSafe(statement)).execute(connection).await;
    ran.map(drop).map_err(store_error)
}

pub(super) async fn clock(
    connection: &mut PgConnection,
    clock: &dyn Clock,
    allowed: Duration,
) -> Check {
    const PROVES: &str = "the clocks of the database and of this machine agree";
    Check::of("clock", PROVES, compare(connection, clock, allowed).await)
}

async fn compare(
    connection: &mut PgConnection,
    clock: &dyn Clock,
    allowed: Duration,
) -> Result<Vec<Finding>> {
    let asked = clock.now();
    let row = row(connection, "SELECT clock_timestamp() AS now").await?;
    let answered = clock.now();
    let theirs: DateTime<Utc> = get(&row, "now")?;
    // The question was on its way for a while, and theirs was read somewhere in between.
    let ahead = (theirs - answered).max(TimeDelta::zero());
    let behind = (asked - theirs).max(TimeDelta::zero());
    let difference = ahead.max(behind);
    if difference < NOTICEABLE {
        return Ok(Vec::new());
    }
    let way = if ahead > behind { "ahead of" } else { "behind" };
    let seconds = difference.num_seconds();
    let what = format!(
        "the database's clock is {seconds} s {way} this machine's, allowed are {} s: let both \
         follow the same time servers",
        allowed.as_secs()
    );
    let within = TimeDelta::from_std(allowed).is_ok_and(|allowed| difference <= allowed);
    Ok(vec![if within { warns(what) } else { fails(what) }])
}

pub(super) async fn durability(connection: &mut PgConnection) -> Check {
    const PROVES: &str = "what was acknowledged survives a crash of the database's machine";
    let findings = rows(
        connection,
        "SELECT name::text, setting::text FROM pg_settings
         WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit') AND setting = 'off'
         ORDER BY name",
    )
    .await
    .and_then(|found| {
        let mut findings = Vec::new();
        for row in &found {
            let name: String = get(row, "name")?;
            findings.push(warns(format!("{name} is off: a crash can lose what was acknowledged")));
        }
        Ok(findings)
    });
    Check::of("durability", PROVES, findings)
}

pub(super) async fn connections(connection: &mut PgConnection, wanted: u32) -> Check {
    const PROVES: &str = "the database lets this server have its connections, and another besides";
    Check::of("connections", PROVES, count(connection, wanted).await)
}

async fn count(connection: &mut PgConnection, wanted: u32) -> Result<Vec<Finding>> {
    let row = row(
        connection,
        "SELECT current_setting('max_connections')::int8
                - current_setting('superuser_reserved_connections')::int8
                - coalesce(current_setting('reserved_connections', true), '0')::int8 AS server,
                (SELECT datconnlimit::int8 FROM pg_database
                 WHERE datname = current_database()) AS database,
                (SELECT rolconnlimit::int8 FROM pg_roles
                 WHERE rolname = session_user) AS login",
    )
    .await?;
    let mut findings = Vec::new();
    for (whose, limit) in [
        ("the server", get::<i64>(&row, "server")?),
        ("the database", get(&row, "database")?),
        ("the user", get(&row, "login")?),
    ] {
        // A limit below zero is none.
        if limit < 0 {
            continue;
        }
        let wanted = i64::from(wanted);
        let what = format!("{whose} allows {limit} connections, database.pool_size is {wanted}");
        if limit < wanted {
            findings.push(fails(what));
        } else if limit < 2 * wanted {
            findings.push(warns(format!(
                "{what}: no second server, as while a new version is brought in, gets its own"
            )));
        }
    }
    Ok(findings)
}
