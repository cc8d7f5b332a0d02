//! What the library does on PostgreSQL, written by hand against sqlx for this one table, as good
//! as somebody who knows both would write it.
//!
//! It gives the same guarantees at the same price: every statement names the tenant and makes the
//! setting that row security goes by in the same trip; a write comes with its audit entry and its
//! event in one commit; keys and search terms are kept, and so is the number of live customers;
//! a lost race is noticed by the version. What it spares is all that the library does for any
//! record type: statements are fixed texts, rows become the struct without a stop on the way,
//! nothing is checked that this caller knows to be right.

mod read;
mod write;

pub use read::{Figures, naive};

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row};
use uuid::Uuid;

/// The table, by hand, for one tenant.
#[derive(Debug, Clone)]
pub struct ByHand {
    pool: PgPool,
    tenant: Uuid,
    actor: Uuid,
}

impl ByHand {
    /// The customers of a tenant, for an actor.
    pub fn new(pool: PgPool, tenant: Uuid, actor: Uuid) -> Self {
        Self { pool, tenant, actor }
    }
}

/// The same fields as the library's customer, choices as their codes.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "they are those of the library's customer")]
pub struct Customer {
    pub id: Uuid,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub deleted_at: Option<DateTime<Utc>>,
    pub name: String,
    pub company_name: Option<String>,
    pub contact_name: Option<String>,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub email: Option<String>,
    pub phone: Option<String>,
    pub website: Option<String>,
    pub address: Option<String>,
    pub city: Option<String>,
    pub region: Option<String>,
    pub postal_code: Option<String>,
    pub country: Option<String>,
    pub industry: Option<String>,
    pub size: Option<String>,
    pub employee_count: Option<i64>,
    pub annual_revenue: Option<Decimal>,
    pub currency: Option<String>,
    pub status: String,
    pub engagement: String,
    pub source: Option<String>,
    pub notes: Option<String>,
    pub tags: Vec<Uuid>,
    pub assigned_to: Option<Uuid>,
    pub coach: Option<Uuid>,
    pub closer: Option<Uuid>,
    pub setter: Option<Uuid>,
    pub created_by: Option<Uuid>,
    pub last_contacted_at: Option<DateTime<Utc>>,
    pub custom_fields: serde_json::Value,
}

/// The columns of a customer, in the order of the struct.
macro_rules! columns {
    () => {
        "c.id, c.version, c.created_at, c.updated_at, c.deleted_at, c.name, c.company_name, \
         c.contact_name, c.first_name, c.last_name, c.email, c.phone, c.website, c.address, \
         c.city, c.region, c.postal_code, c.country, c.industry, c.size, c.employee_count, \
         c.annual_revenue, c.currency, c.status, c.engagement, c.source, c.notes, c.tags, \
         c.assigned_to, c.coach, c.closer, c.setter, c.created_by, c.last_contacted_at, \
         c.custom_fields"
    };
}
pub(crate) use columns;

impl Customer {
    fn of(row: &PgRow) -> sqlx::Result<Self> {
        Ok(Self {
            id: row.try_get(0)?,
            version: row.try_get(1)?,
            created_at: row.try_get(2)?,
            updated_at: row.try_get(3)?,
            deleted_at: row.try_get(4)?,
            name: row.try_get(5)?,
            company_name: row.try_get(6)?,
            contact_name: row.try_get(7)?,
            first_name: row.try_get(8)?,
            last_name: row.try_get(9)?,
            email: row.try_get(10)?,
            phone: row.try_get(11)?,
            website: row.try_get(12)?,
            address: row.try_get(13)?,
            city: row.try_get(14)?,
            region: row.try_get(15)?,
            postal_code: row.try_get(16)?,
            country: row.try_get(17)?,
            industry: row.try_get(18)?,
            size: row.try_get(19)?,
            employee_count: row.try_get(20)?,
            annual_revenue: row.try_get(21)?,
            currency: row.try_get(22)?,
            status: row.try_get(23)?,
            engagement: row.try_get(24)?,
            source: row.try_get(25)?,
            notes: row.try_get(26)?,
            tags: row.try_get(27)?,
            assigned_to: row.try_get(28)?,
            coach: row.try_get(29)?,
            closer: row.try_get(30)?,
            setter: row.try_get(31)?,
            created_by: row.try_get(32)?,
            last_contacted_at: row.try_get(33)?,
            custom_fields: row.try_get(34)?,
        })
    }
}
