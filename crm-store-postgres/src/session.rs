//! What is set on each session of the server before it serves: the role, and how long a statement
//! may run. Only what a user has not been given already, so that for one who has all of it nothing
//! is set at all.

use std::time::Duration;

use crm_core::Result;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use crate::connection::store_error;

/// What a session lacks of what it is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SetUp {
    /// Who signed in.
    user: String,
    /// The role to take; none where the user is that role, or stays itself.
    role: Option<String>,
    /// Names are looked up elsewhere than in `public`.
    search_path: bool,
    /// Milliseconds that a statement may take, where another limit holds.
    statement_timeout: Option<u128>,
}

impl SetUp {
    /// Looks at a new session.
    ///
    /// # Errors
    /// Only where it cannot be asked.
    pub(crate) async fn find(
        connection: &mut PgConnection,
        role: Option<&str>,
        statement_timeout: Duration,
    ) -> Result<Self> {
        // As a plain text: nobody knows yet what becomes of prepared statements.
        let row = sqlx::raw_sql(
            "SELECT session_user::text, current_user::text,
                    current_schemas(false)::text[] = ARRAY['public'],
                    (SELECT setting FROM pg_settings WHERE name = 'statement_timeout')",
        )
        .fetch_one(connection)
        .await
        .map_err(store_error)?;
        let user: String = row.try_get(0).map_err(store_error)?;
        let current: String = row.try_get(1).map_err(store_error)?;
        let is_public: bool = row.try_get(2).map_err(store_error)?;
        let limit: String = row.try_get(3).map_err(store_error)?;
        let wanted = statement_timeout.as_millis();
        Ok(Self {
            user,
            role: role.filter(|role| *role != current).map(str::to_owned),
            search_path: !is_public,
            statement_timeout: (limit != wanted.to_string()).then_some(wanted),
        })
    }

    /// Whether the session is what it is to be.
    pub(crate) fn is_empty(&self) -> bool {
        self.role.is_none() && !self.search_path && self.statement_timeout.is_none()
    }

    /// Sets what is lacking, in one round trip.
    pub(crate) async fn run(&self, connection: &mut PgConnection) -> sqlx::Result<()> {
        sqlx::raw_sql(AssertSqlSafe(self.statements())).execute(connection).await.map(drop)
    }

    fn statements(&self) -> String {
        let mut statements = Vec::new();
        if self.search_path {
            statements.push("SET search_path = public".to_owned());
        }
        if let Some(limit) = self.statement_timeout {
            statements.push(format!("SET statement_timeout = {limit}"));
        }
        if let Some(role) = &self.role {
            statements.push(format!("SET ROLE {}", quoted(role)));
        }
        statements.join("; ")
    }

    /// What gives the user all of it, for good, so that nothing need be set on a session.
    pub(crate) fn remedy(&self) -> String {
        let user = quoted(&self.user);
        let mut statements = Vec::new();
        if let Some(role) = &self.role {
            statements.push(format!("ALTER ROLE {user} SET role = {}", quoted(role)));
        }
        if self.search_path {
            statements.push(format!("ALTER ROLE {user} SET search_path = public"));
        }
        if let Some(limit) = self.statement_timeout {
            statements.push(format!("ALTER ROLE {user} SET statement_timeout = {limit}"));
        }
        statements.join("; ")
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_lacking_is_set_and_names_are_quoted() {
        let whole = SetUp {
            user: "crm".to_owned(),
            role: Some("a\"b".to_owned()),
            search_path: true,
            statement_timeout: Some(500),
        };
        assert_eq!(
            whole.statements(),
            "SET search_path = public; SET statement_timeout = 500; SET ROLE \"a\"\"b\""
        );
        assert_eq!(
            whole.remedy(),
            "ALTER ROLE \"crm\" SET role = \"a\"\"b\"; ALTER ROLE \"crm\" SET search_path = public; \
             ALTER ROLE \"crm\" SET statement_timeout = 500"
        );
        let nothing = SetUp { role: None, search_path: false, statement_timeout: None, ..whole };
        assert!(nothing.is_empty() && nothing.statements().is_empty());
    }
}
