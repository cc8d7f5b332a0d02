//! The roles: those that the product works under, the user who signs in, and who else can.

use std::time::Duration;

use crm_core::Result;
use crm_core::store::Catalogue;
use sqlx::{Connection, PgConnection};

use super::{Check, Finding, connect, fails, get, row, rows, rows_about, warns};
use crate::check::declared;
use crate::roles::{APP_ROLE, SYSTEM_ROLE};

pub(super) async fn product(connection: &mut PgConnection, sign_in: bool) -> Check {
    const PROVES: &str = "crm_app and crm_system have no right but those on the tables, and sign \
                          in only where that is meant";
    Check::of("roles", PROVES, rights(connection, sign_in).await)
}

async fn rights(connection: &mut PgConnection, sign_in: bool) -> Result<Vec<Finding>> {
    let sql = "SELECT rolname::text AS role, rolsuper, rolbypassrls, rolcanlogin, rolcreaterole,
               rolcreatedb, rolreplication,
               array(SELECT other.rolname::text FROM pg_roles other
                     WHERE other.oid <> r.oid AND NOT r.rolsuper
                       AND pg_has_role(r.oid, other.oid, 'MEMBER') ORDER BY 1) AS belongs_to
        FROM pg_roles r WHERE rolname IN ('crm_app', 'crm_system') ORDER BY rolname";
    let found = rows(connection, sql).await?;
    let mut findings = Vec::new();
    let mut known = Vec::new();
    for row in &found {
        let role: String = get(row, "role")?;
        for (column, what) in [
            ("rolsuper", "is a superuser"),
            ("rolbypassrls", "has BYPASSRLS"),
            ("rolcanlogin", "may sign in"),
            ("rolcreaterole", "may create roles"),
            ("rolcreatedb", "may create databases"),
            ("rolreplication", "may replicate, and so read everything"),
        ] {
            if get(row, column)? && !(sign_in && column == "rolcanlogin") {
                findings.push(fails(format!("{role} {what}")));
            }
        }
        for other in get::<Vec<String>>(row, "belongs_to")? {
            findings.push(fails(format!("{role} is a member of {other}, and has its rights")));
        }
        known.push(role);
    }
    for role in [APP_ROLE, SYSTEM_ROLE] {
        if !known.iter().any(|there| there == role) {
            findings.push(fails(format!("{role} is missing: `crm-server migrate` makes it")));
        }
    }
    Ok(findings)
}

pub(super) async fn login(
    connection: &mut PgConnection,
    privileged: bool,
    two_users: bool,
) -> Check {
    const PROVES: &str = "the user who serves is bound by row security and owns nothing";
    let needed: &[&str] = if two_users { &[APP_ROLE] } else { &[APP_ROLE, SYSTEM_ROLE] };
    Check::of("login", PROVES, signed_in(connection, privileged, needed).await)
}

/// The same of the user for sign-in and scheduled work, where that is another one.
pub(super) async fn system_login(url: &str, limit: Duration, privileged: bool) -> Check {
    const PROVES: &str = "the user of system_url can work as crm_system, and owns nothing";
    let findings = match connect(url, limit).await {
        Err(error) => Err(error),
        Ok(mut connection) => {
            let findings = signed_in(&mut connection, privileged, &[SYSTEM_ROLE]).await;
            let _ = connection.close().await;
            findings
        }
    };
    Check::of("system-login", PROVES, findings)
}

async fn signed_in(
    connection: &mut PgConnection,
    privileged: bool,
    needed: &[&str],
) -> Result<Vec<Finding>> {
    let row = row(
        connection,
        "SELECT r.rolname::text AS role, r.rolsuper, r.rolbypassrls, r.rolcreaterole,
                coalesce(pg_has_role(r.oid, app.oid, 'MEMBER'), false) AS is_app,
                coalesce(pg_has_role(r.oid, system.oid, 'MEMBER'), false) AS is_system,
                coalesce(pg_has_role(r.oid, system.oid, 'USAGE'), false) AS acts_as_system,
                EXISTS (SELECT FROM pg_class
                        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
                          AND pg_has_role(r.oid, relowner, 'USAGE')) AS owns
         FROM pg_roles r
         LEFT JOIN pg_roles app ON app.rolname = 'crm_app'
         LEFT JOIN pg_roles system ON system.rolname = 'crm_system'
         WHERE r.rolname = session_user",
    )
    .await?;
    let role: String = get(&row, "role")?;
    let superuser: bool = get(&row, "rolsuper")?;
    let mut findings = Vec::new();
    for (is, what) in
        [(superuser, "is a superuser"), (!superuser && get(&row, "rolbypassrls")?, "has BYPASSRLS")]
    {
        if is && privileged {
            findings.push(warns(format!("{role} {what}, and allow_privileged_role allows it")));
        } else if is {
            findings.push(fails(format!("{role} {what}: serve as a user who is not")));
        }
    }
    if superuser {
        return Ok(findings);
    }
    for (column, other) in [("is_app", APP_ROLE), ("is_system", SYSTEM_ROLE)] {
        if needed.contains(&other) && !get::<bool>(&row, column)? {
            findings
                .push(fails(format!("{role} is no member of {other}: GRANT {other} TO {role}")));
        }
    }
    // One user for everything is enough for a start; what it works under is bound all the same.
    if get(&row, "owns")? {
        findings.push(warns(format!(
            "{role} owns tables: migrate as another user (database.migration_url)"
        )));
    } else if needed.contains(&APP_ROLE) && get(&row, "acts_as_system")? {
        findings.push(warns(format!(
            "{role} has the rights of {SYSTEM_ROLE} without taking the role: ALTER ROLE {role} \
             NOINHERIT"
        )));
    }
    if get(&row, "rolcreaterole")? {
        findings.push(warns(format!("{role} may create roles, which serving does not need")));
    }
    Ok(findings)
}

pub(super) async fn members(connection: &mut PgConnection) -> Check {
    const PROVES: &str = "nobody but the user who serves and the owner can become the two roles";
    Check::of("members", PROVES, who_else(connection).await)
}

async fn who_else(connection: &mut PgConnection) -> Result<Vec<Finding>> {
    let sql = "SELECT r.rolname::text AS role, p.rolname::text AS product
        FROM pg_roles r, pg_roles p, pg_database d
        WHERE p.rolname IN ('crm_app', 'crm_system') AND d.datname = current_database()
          AND r.oid <> p.oid AND r.rolname NOT IN ('crm_app', 'crm_system') AND r.rolcanlogin AND NOT r.rolsuper
          AND pg_has_role(r.oid, p.oid, 'MEMBER')
          AND has_database_privilege(r.oid, d.oid, 'CONNECT')
          AND r.rolname <> session_user AND r.oid <> d.datdba
          AND NOT EXISTS (SELECT FROM pg_class
                          WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
                            AND relowner = r.oid)
        ORDER BY 1, 2";
    let mut findings = Vec::new();
    for row in rows(connection, sql).await? {
        let (role, product): (String, String) = (get(&row, "role")?, get(&row, "product")?);
        findings.push(warns(format!(
            "{role} can sign in here and become {product}: where it serves another database of \
             this PostgreSQL, REVOKE CONNECT on this one"
        )));
    }
    Ok(findings)
}

pub(super) async fn ownership(connection: &mut PgConnection, catalogue: &Catalogue) -> Check {
    const PROVES: &str = "the tables belong to one user, and to neither role that works on them";
    Check::of("ownership", PROVES, owners(connection, catalogue).await)
}

async fn owners(connection: &mut PgConnection, catalogue: &Catalogue) -> Result<Vec<Finding>> {
    let names: Vec<String> = declared(catalogue).into_iter().map(|table| table.name).collect();
    let sql = "SELECT pg_get_userbyid(relowner)::text AS owner,
               array_agg(relname::text ORDER BY relname) AS tables
        FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
          AND relname = ANY($1::text[])
        GROUP BY 1 ORDER BY 1";
    let found = rows_about(connection, sql, &names).await?;
    let mut findings = Vec::new();
    let mut others = Vec::new();
    for row in &found {
        let owner: String = get(row, "owner")?;
        let tables = get::<Vec<String>>(row, "tables")?.join(", ");
        if owner == APP_ROLE || owner == SYSTEM_ROLE {
            findings
                .push(fails(format!("{owner} owns {tables}: it could switch row security off")));
        } else {
            others.push(owner);
        }
    }
    if others.len() > 1 {
        let owners = others.join(" and ");
        findings.push(warns(format!("{owners} own tables: the next migration needs both")));
    }
    Ok(findings)
}
