//! Values as keys of maps: ordered and hashed as they compare.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

use crm_core::store::evaluate::Row;
use crm_core::store::{FieldIndex, Kind, Value};

/// A present value of an ordered kind; text is held as its comparison key.
///
/// Keys are compared with keys of the same field only.
#[derive(Debug, Clone)]
pub(crate) struct Key(Value);

impl Key {
    /// The key of a value that is in the form in which it is compared.
    pub(crate) fn new(value: Value) -> Self {
        Self(value)
    }

    /// The key of a row in a field; none where the value is absent.
    pub(crate) fn of(row: &Row, field: FieldIndex) -> Option<Self> {
        match (row.key(field), row.record().get(field)) {
            (_, Value::Null) => None,
            (Some(key), _) => Some(Self(Value::Text(key.to_owned()))),
            (None, value) => Some(Self(value.clone())),
        }
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Key {}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        // Text is folded by now, so that bytes decide.
        self.0.compare(&other.0, Kind::Code)
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match &self.0 {
            Value::Bool(value) => value.hash(state),
            Value::Int(value) => value.hash(state),
            Value::Decimal(value) => value.hash(state),
            Value::Text(value) => value.hash(state),
            Value::Uuid(value) => value.hash(state),
            Value::Date(value) => value.hash(state),
            Value::Time(value) => value.hash(state),
            // Without an order they are no keys; hashing nothing is still right, only slow.
            Value::Null | Value::Uuids(_) | Value::Codes(_) | Value::Json(_) | Value::Custom(_) => {
            }
        }
    }
}
