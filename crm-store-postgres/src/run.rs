//! Runs statements.

use crm_core::Result;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::{AssertSqlSafe, Executor, PgPool, Postgres};

use crate::connection::{Pools, store_error, within};
use crate::sql::{Binds, Statement};

/// The rows of a statement, prepared once per connection and found again by its text.
pub(crate) async fn fetch<'e, E>(executor: E, sql: String, binds: Binds) -> sqlx::Result<Vec<PgRow>>
where
    E: Executor<'e, Database = Postgres>,
{
    let arguments: PgArguments = binds.into_arguments()?;
    // The text was rendered from a tree that cannot hold a caller's value.
    sqlx::query_with(AssertSqlSafe(sql), arguments).fetch_all(executor).await
}

impl Pools {
    /// The rows that answer a question, before the deadline.
    pub(crate) async fn ask(
        &self,
        pool: &PgPool,
        statement: &Statement,
        binds: Binds,
    ) -> Result<Vec<PgRow>> {
        let asking = async {
            let mut connection = self.connection(pool).await?;
            fetch(&mut *connection, statement.render(), binds).await
        };
        within(self.deadline, async { asking.await.map_err(store_error) }).await
    }
}
