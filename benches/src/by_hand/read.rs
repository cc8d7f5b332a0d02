//! Reads.

use rust_decimal::Decimal;
use sqlx::Row;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::{ByHand, Customer, columns};
use crate::Result;

/// Begins a statement with the setting that row security goes by, which what follows waits for.
macro_rules! within {
    ($items:literal, $($rest:expr),*) => {
        concat!(
            "SELECT ", $items,
            " FROM (SELECT set_config('app.tenant', $1::text, true)::uuid AS t OFFSET 0) s ",
            "CROSS JOIN LATERAL ", $($rest),*
        )
    };
}

const GET: &str = within!(
    "c.*",
    "(SELECT ",
    columns!(),
    " FROM customers c
      WHERE c.tenant_id = s.t AND c.id = $2::uuid AND c.deleted_at IS NULL LIMIT 1) c"
);

const LIST: &str = within!(
    "c.*",
    "(SELECT ",
    columns!(),
    " FROM customers c WHERE c.tenant_id = s.t AND c.deleted_at IS NULL
      ORDER BY c.id DESC LIMIT 20) c"
);

const PAUSED: &str = within!(
    "c.*",
    "(SELECT ",
    columns!(),
    " FROM customers c WHERE c.tenant_id = s.t AND c.deleted_at IS NULL
        AND c.status = $2::text AND c.country = $3::text
      ORDER BY c.id DESC LIMIT 20) c"
);

const FIGURES: &str = within!(
    "f.*",
    "(SELECT c.status, count(*), coalesce(sum(c.annual_revenue), 0)::numeric
      FROM customers c WHERE c.tenant_id = s.t AND c.deleted_at IS NULL
      GROUP BY c.status ORDER BY c.status LIMIT 100) f"
);

/// One status, how many customers have it, and what they turn over.
pub type Figures = (String, i64, Decimal);

impl ByHand {
    /// A customer.
    ///
    /// # Errors
    /// Where the database refuses.
    pub async fn get(&self, id: Uuid) -> Result<Option<Customer>> {
        let row = sqlx::query(GET)
            .bind(self.tenant.to_string())
            .bind(id)
            .fetch_optional(&self.pool)
            .await?;
        Ok(row.as_ref().map(Customer::of).transpose()?)
    }

    /// The newest twenty.
    ///
    /// # Errors
    /// Where the database refuses.
    pub async fn list(&self) -> Result<Vec<Customer>> {
        Self::decode(&self.rows().await?)
    }

    /// The newest twenty, not yet read.
    ///
    /// # Errors
    /// Where the database refuses.
    pub async fn rows(&self) -> Result<Vec<PgRow>> {
        Ok(sqlx::query(LIST).bind(self.tenant.to_string()).fetch_all(&self.pool).await?)
    }

    /// The customers in rows.
    ///
    /// # Errors
    /// Where they hold something else.
    pub fn decode(rows: &[PgRow]) -> Result<Vec<Customer>> {
        Ok(rows.iter().map(Customer::of).collect::<sqlx::Result<_>>()?)
    }

    /// The statement of [`ByHand::get`] with its values in the text, for `pgbench`.
    pub fn get_script(&self, id: &str) -> String {
        script(GET, &[&self.tenant.to_string(), id])
    }

    /// The statement of [`ByHand::list`] with its values in the text, for `pgbench`.
    pub fn list_script(&self) -> String {
        script(LIST, &[&self.tenant.to_string()])
    }

    /// The newest twenty of a status and a country.
    ///
    /// # Errors
    /// Where the database refuses.
    pub async fn filtered(&self, status: &str, country: &str) -> Result<Vec<Customer>> {
        let rows = sqlx::query(PAUSED)
            .bind(self.tenant.to_string())
            .bind(status)
            .bind(country)
            .fetch_all(&self.pool)
            .await?;
        Ok(rows.iter().map(Customer::of).collect::<sqlx::Result<_>>()?)
    }

    /// By status, how many there are and what they turn over.
    ///
    /// # Errors
    /// Where the database refuses.
    pub async fn figures(&self) -> Result<Vec<Figures>> {
        let rows = sqlx::query(FIGURES).bind(self.tenant.to_string()).fetch_all(&self.pool).await?;
        let each = rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?)));
        Ok(each.collect::<sqlx::Result<_>>()?)
    }
}

// Values of the benchmark's own making, in quotes.
fn script(statement: &str, values: &[&str]) -> String {
    let numbered = (1..).zip(values);
    numbered.fold(statement.to_owned(), |text, (n, value)| {
        text.replace(&format!("${n}::"), &format!("'{value}'::"))
    })
}

/// What PostgreSQL is asked where nobody has thought about it: no row security, counts by
/// counting, searches by `ILIKE`.
pub mod naive {
    use sqlx::PgPool;

    use super::{Customer, Result, Row, Uuid, columns, script};

    const LIST: &str = concat!(
        "SELECT ",
        columns!(),
        ", (SELECT count(*) FROM customers WHERE tenant_id = $1::uuid AND deleted_at IS NULL)
         FROM customers c WHERE tenant_id = $1::uuid AND deleted_at IS NULL
         ORDER BY created_at DESC LIMIT 20"
    );

    const SEARCH: &str = concat!(
        "WITH found AS (SELECT * FROM customers WHERE tenant_id = $1::uuid AND deleted_at IS NULL
            AND (company_name ILIKE $2::text OR contact_name ILIKE $2::text
                OR email ILIKE $2::text OR phone ILIKE $2::text OR city ILIKE $2::text))
         SELECT ",
        columns!(),
        ", (SELECT count(*) FROM found) FROM found c ORDER BY created_at DESC LIMIT 20"
    );

    const SEATS: &str = concat!(
        "WITH found AS (SELECT * FROM customers WHERE tenant_id = $1::uuid AND deleted_at IS NULL
            AND (custom_fields ->> 'i:seats')::int8 >= $2::int8
            AND (custom_fields ->> 'i:seats')::int8 < $3::int8)
         SELECT ",
        columns!(),
        ", (SELECT count(*) FROM found) FROM found c ORDER BY created_at DESC LIMIT 20"
    );

    const MOST_SEATS: &str = concat!(
        "SELECT ",
        columns!(),
        " FROM customers c WHERE tenant_id = $1::uuid AND deleted_at IS NULL
         ORDER BY (custom_fields ->> 'i:seats')::int8 DESC NULLS LAST, id DESC LIMIT 20"
    );

    /// The newest twenty, and how many there are.
    ///
    /// # Errors
    /// Where the database refuses.
    pub async fn list(pool: &PgPool, tenant: Uuid) -> Result<(Vec<Customer>, i64)> {
        let rows = sqlx::query(LIST).bind(tenant).fetch_all(pool).await?;
        page(&rows)
    }

    /// The newest twenty that contain a text somewhere, and how many do.
    ///
    /// # Errors
    /// Where the database refuses.
    pub async fn search(pool: &PgPool, tenant: Uuid, text: &str) -> Result<(Vec<Customer>, i64)> {
        let rows =
            sqlx::query(SEARCH).bind(tenant).bind(format!("%{text}%")).fetch_all(pool).await?;
        page(&rows)
    }

    /// The newest twenty with at least so many seats and fewer than so many, which is a tenant's
    /// own field, and how many there are.
    ///
    /// # Errors
    /// Where the database refuses.
    pub async fn seats(
        pool: &PgPool,
        tenant: Uuid,
        seats: (i64, i64),
    ) -> Result<(Vec<Customer>, i64)> {
        let query = sqlx::query(SEATS).bind(tenant).bind(seats.0).bind(seats.1);
        page(&query.fetch_all(pool).await?)
    }

    /// The twenty with the most seats.
    ///
    /// # Errors
    /// Where the database refuses.
    pub async fn most_seats(pool: &PgPool, tenant: Uuid) -> Result<Vec<Customer>> {
        let rows = sqlx::query(MOST_SEATS).bind(tenant).fetch_all(pool).await?;
        Ok(rows.iter().map(Customer::of).collect::<sqlx::Result<_>>()?)
    }

    /// The statement of [`list`] with its values in the text, for `pgbench`.
    pub fn list_script(tenant: Uuid) -> String {
        script(LIST, &[&tenant.to_string()])
    }

    /// The statement of [`search`] with its values in the text, for `pgbench`.
    pub fn search_script(tenant: Uuid, text: &str) -> String {
        script(SEARCH, &[&tenant.to_string(), &format!("%{text}%")])
    }

    fn page(rows: &[sqlx::postgres::PgRow]) -> Result<(Vec<Customer>, i64)> {
        let total = rows.first().map_or(Ok(0), |row| row.try_get(35))?;
        Ok((rows.iter().map(Customer::of).collect::<sqlx::Result<_>>()?, total))
    }
}
