//! The two roles that the product works under, and what they must not be.
//!
//! Neither can sign in. `crm_app` sees one tenant at a time, by row security; `crm_system` sees
//! all, for sign-in and scheduled work, and owns the search functions. The user that signs in is
//! a member of both and nothing else; the one that migrates owns the tables.

use crm_core::{Error, Result};
use sqlx::{AssertSqlSafe, PgConnection, Row};

use crate::connection::store_error;

/// The role of tenants' requests.
pub const APP_ROLE: &str = "crm_app";
/// The role of sign-in and scheduled work.
pub const SYSTEM_ROLE: &str = "crm_system";

/// Makes sure that both roles exist and that the current user is a member of them.
///
/// # Errors
/// [`Error::Refused`] where the user may not do that; says what a superuser has to run.
pub(crate) async fn ensure(connection: &mut PgConnection) -> Result<()> {
    ensure_named(connection, &[APP_ROLE, SYSTEM_ROLE]).await
}

async fn ensure_named(connection: &mut PgConnection, names: &[&str]) -> Result<()> {
    let row = sqlx::query(
        "SELECT current_user::text,
                array(SELECT name FROM unnest($1::text[]) AS name
                      WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name)),
                array(SELECT name FROM unnest($1::text[]) AS name
                      WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name
                                        AND pg_has_role(current_user, oid, 'MEMBER')))",
    )
    .bind(names)
    .fetch_one(&mut *connection)
    .await
    .map_err(store_error)?;
    let user: String = row.try_get(0).map_err(store_error)?;
    let missing: Vec<String> = row.try_get(1).map_err(store_error)?;
    let not_member: Vec<String> = row.try_get(2).map_err(store_error)?;
    let user = format!("\"{}\"", user.replace('"', "\"\""));
    let create = missing.iter().map(|name| format!("CREATE ROLE {name} NOLOGIN"));
    let join = not_member.iter().map(|name| format!("GRANT {name} TO {user}"));
    let statements: Vec<String> = create.chain(join).collect();
    for (done, statement) in statements.iter().enumerate() {
        let ran = sqlx::raw_sql(AssertSqlSafe(statement.clone())).execute(&mut *connection).await;
        let Err(error) = ran else { continue };
        let code = error.as_database_error().and_then(|fault| fault.code());
        match code.as_deref() {
            // Another database of the same server was being set up: the roles are shared.
            Some("42710" | "23505") => {}
            Some("42501") => {
                return Err(Error::Refused {
                    code: "ROLES_MISSING",
                    message: format!(
                        "user {user} may not set up the roles that the product works under; as a \
                         superuser, run: {};",
                        statements[done..].join("; ")
                    ),
                });
            }
            _ => return Err(store_error(error)),
        }
    }
    Ok(())
}

/// Refuses to work under a role that row security does not bind.
///
/// # Errors
/// [`Error::Refused`] naming each reason.
pub(crate) async fn refuse_privileged(connection: &mut PgConnection, is_app: bool) -> Result<()> {
    let row = sqlx::query(
        "SELECT current_user::text, rolsuper, rolbypassrls,
                EXISTS (SELECT FROM pg_class
                        WHERE relnamespace = to_regnamespace('public') AND relkind IN ('r', 'p')
                          AND pg_has_role(current_user, relowner, 'USAGE')),
                EXISTS (SELECT FROM pg_roles system
                        WHERE system.rolname = 'crm_system'
                          AND pg_has_role(current_user, system.oid, 'USAGE'))
         FROM pg_roles WHERE rolname = current_user",
    )
    .fetch_one(connection)
    .await
    .map_err(store_error)?;
    let is = |column: usize| row.try_get::<bool, _>(column).map_err(store_error);
    let role: String = row.try_get(0).map_err(store_error)?;
    let mut reasons = Vec::new();
    if is(1)? {
        reasons.push("is a superuser");
    } else {
        if is(2)? {
            reasons.push("has BYPASSRLS");
        }
        if is(3)? {
            reasons.push("owns tables");
        }
        if is_app && is(4)? {
            reasons.push("has the rights of crm_system");
        }
    }
    if reasons.is_empty() {
        return Ok(());
    }
    Err(Error::Refused {
        code: "PRIVILEGED_ROLE",
        message: format!(
            "row security does not keep tenants apart under role {role}, which {}; sign in as a \
             member of {APP_ROLE} and {SYSTEM_ROLE}, or allow a privileged role on purpose",
            reasons.join(" and ")
        ),
    })
}

#[cfg(test)]
mod tests {
    use sqlx::Connection;

    use super::*;
    use crate::testing::TestDatabase;

    #[tokio::test]
    async fn missing_roles_are_made_by_whoever_may() {
        let database = TestDatabase::empty().await.unwrap();
        let mut owner = PgConnection::connect(&database.owner_url()).await.unwrap();
        let name = format!("crm_made_{}", std::process::id());
        ensure_named(&mut owner, &[&name]).await.unwrap();
        ensure_named(&mut owner, &[&name]).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(format!("SET ROLE {name}"))).execute(&mut owner).await.unwrap();
        let drop = format!("RESET ROLE; DROP ROLE {name}");
        sqlx::raw_sql(AssertSqlSafe(drop)).execute(&mut owner).await.unwrap();
    }

    #[tokio::test]
    async fn whoever_may_not_is_told_what_to_run() {
        let database = TestDatabase::empty().await.unwrap();
        let mut login = PgConnection::connect(&database.app_url()).await.unwrap();
        let error = ensure_named(&mut login, &["crm_never_made"]).await.unwrap_err();
        assert_eq!(error.code(), "ROLES_MISSING");
        assert!(
            error.to_string().ends_with(
                "run: CREATE ROLE crm_never_made NOLOGIN; \
                 GRANT crm_never_made TO \"crm_test_login\";"
            ),
            "{error}"
        );
    }
}
