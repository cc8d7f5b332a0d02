//! A row as the record that it holds.

use chrono::{DateTime, NaiveDate, Utc};
use crm_core::store::{Field, Kind, Record, Schema, Value};
use crm_core::tenants::TenantId;
use crm_core::{Error, Result};
use rust_decimal::Decimal;
use sqlx::postgres::PgRow;
use sqlx::{Decode, Postgres, Row as _, Type};
use uuid::Uuid;

use super::custom;

/// The record of a row whose columns from `start` on are the schema's fields, in order.
///
/// # Errors
/// [`Error::Internal`] where a stored value is not of its field's type.
pub(crate) fn decode(
    schema: &Schema,
    tenant: Option<TenantId>,
    row: &PgRow,
    start: usize,
) -> Result<Record> {
    let mut values = Vec::with_capacity(schema.fields().len());
    for (i, field) in (start..).zip(schema.fields()) {
        values.push(
            decode_value(field.kind, row, i).map_err(|error| bad_value(schema, field, &error))?,
        );
    }
    Ok(Record::from_stored(tenant, values))
}

/// The value at a position, of a kind.
pub(crate) fn decode_value(kind: Kind, row: &PgRow, i: usize) -> Result<Value> {
    Ok(match kind {
        Kind::Bool => get::<bool>(row, i)?.map_or(Value::Null, Value::Bool),
        Kind::Int => get::<i64>(row, i)?.map_or(Value::Null, Value::Int),
        Kind::Decimal { scale } => match get::<Decimal>(row, i)? {
            None => Value::Null,
            Some(mut decimal) => {
                // The driver forgets the scale of zero.
                if decimal.scale() < u32::from(scale) {
                    decimal.rescale(scale.into());
                }
                Value::Decimal(decimal)
            }
        },
        Kind::Text | Kind::Code => get::<String>(row, i)?.map_or(Value::Null, Value::Text),
        Kind::Uuid => get::<Uuid>(row, i)?.map_or(Value::Null, Value::Uuid),
        Kind::Date => get::<NaiveDate>(row, i)?.map_or(Value::Null, Value::Date),
        Kind::Time => get::<DateTime<Utc>>(row, i)?.map_or(Value::Null, Value::Time),
        Kind::Uuids => Value::Uuids(get::<Vec<Uuid>>(row, i)?.unwrap_or_default()),
        Kind::Codes => Value::Codes(get::<Vec<String>>(row, i)?.unwrap_or_default()),
        Kind::Json => get::<serde_json::Value>(row, i)?
            .map_or(Value::Null, |json| Value::Json(Box::new(json))),
        Kind::Custom => match get::<serde_json::Value>(row, i)? {
            Some(document) => Value::Custom(custom::from_json(document)?),
            None => Value::Custom(std::collections::BTreeMap::new()),
        },
    })
}

fn get<'r, T>(row: &'r PgRow, i: usize) -> Result<Option<T>>
where
    T: Decode<'r, Postgres> + Type<Postgres>,
{
    row.try_get::<Option<T>, usize>(i).map_err(|error| Error::internal(format!("{error}")))
}

fn bad_value(schema: &Schema, field: &Field, error: &Error) -> Error {
    Error::internal(format!("stored value of {schema}.{}: {error}", field.name))
}
