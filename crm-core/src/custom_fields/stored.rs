//! Values of a tenant's own fields as they are stored in records, and how work on them writes one.

use super::CustomField;
use crate::error::Result;
use crate::records::Unit;
use crate::store::{CUSTOM_SCALE, Filter, Kind, Path, Record, Schema, Value};

/// Every kind that a stored value can have.
const KINDS: [Kind; 8] = [
    Kind::Text,
    Kind::Int,
    Kind::Decimal { scale: CUSTOM_SCALE },
    Kind::Bool,
    Kind::Date,
    Kind::Time,
    Kind::Uuid,
    Kind::Codes,
];

/// That a record has a value under a key, of whatever kind; none of a type without such fields.
pub(super) fn held(schema: &Schema, key: &str) -> Option<Filter> {
    let at = schema.custom()?;
    let has = |kind| Filter::Absent(Path::custom(at, key, kind)).not();
    Some(KINDS.map(has).into_iter().fold(Filter::Nothing, Filter::or))
}

/// The record one version later, with another value in a field, or with none.
///
/// # Errors
/// Where the value cannot be stored.
pub(super) fn rewritten(
    schema: &Schema,
    before: &Record,
    field: &CustomField,
    value: Option<Value>,
    unit: &Unit,
) -> Result<Record> {
    let mut others = None;
    if let Some(at) = schema.custom()
        && let Value::Custom(own) = before.get(at)
    {
        let mut own = own.clone();
        match value {
            Some(value) => drop(own.insert(field.key.clone(), value)),
            None => drop(own.remove(&field.key)),
        }
        others = Some((at, Value::Custom(own)));
    }
    unit.next_record(schema, before, others)
}
