//! The values a record holds, and how they compare.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::text::{fold, storable};

/// What a field can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// True or false; false sorts first.
    Bool,
    /// A whole number of 64 bits.
    Int,
    /// An exact decimal, kept at `scale` digits after the point (at most 6), below 10¹⁵ in size.
    Decimal {
        /// Digits after the point.
        scale: u8,
    },
    /// Text for people, compared by [`fold`]: without case or accents.
    Text,
    /// A code for machines (`active`, `DE`, `EUR`), compared byte by byte.
    Code,
    /// An identifier.
    Uuid,
    /// A calendar day.
    Date,
    /// An instant in UTC, to the microsecond.
    Time,
    /// A list of identifiers, in order; never null, possibly empty.
    Uuids,
    /// A list of codes, in order; never null, possibly empty.
    Codes,
    /// A JSON document that is stored and given back, and looked into by nobody.
    Json,
    /// A tenant's own fields: values of the other kinds but `Json`, by key, each filterable and
    /// sortable. See [`Path::custom`](super::Path::custom).
    Custom,
}

impl Kind {
    /// Whether a field of this kind is a list.
    pub const fn is_list(self) -> bool {
        matches!(self, Self::Uuids | Self::Codes)
    }

    /// Whether a field of this kind is empty rather than absent.
    pub const fn is_never_null(self) -> bool {
        self.is_list() || matches!(self, Self::Custom)
    }

    /// Whether values of this kind have an order, so that a field can be sorted by it.
    pub const fn is_ordered(self) -> bool {
        !self.is_list() && !matches!(self, Self::Json | Self::Custom)
    }

    /// Whether values of this kind can be summed.
    pub fn is_number(self) -> bool {
        matches!(self, Self::Int | Self::Decimal { .. })
    }

    /// The kind of one element of a list; the kind itself otherwise.
    pub fn element(self) -> Self {
        match self {
            Self::Uuids => Self::Uuid,
            Self::Codes => Self::Code,
            other => other,
        }
    }
}

/// The largest size of a [`Value::Decimal`], exclusive: sums of a hundred million still fit.
pub const DECIMAL_LIMIT: i64 = 1_000_000_000_000_000;

/// Digits after the point of a decimal among a tenant's own fields.
pub const CUSTOM_SCALE: u8 = 6;

/// One value of a record.
///
/// There is no floating point: sums must be the same on every backend, and `NaN` has no order.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Value {
    /// Absent.
    #[default]
    Null,
    /// See [`Kind::Bool`].
    Bool(bool),
    /// See [`Kind::Int`].
    Int(i64),
    /// See [`Kind::Decimal`].
    Decimal(Decimal),
    /// The value of a [`Kind::Text`] or [`Kind::Code`] field.
    Text(String),
    /// See [`Kind::Uuid`].
    Uuid(Uuid),
    /// See [`Kind::Date`].
    Date(NaiveDate),
    /// See [`Kind::Time`].
    Time(DateTime<Utc>),
    /// See [`Kind::Uuids`].
    Uuids(Vec<Uuid>),
    /// See [`Kind::Codes`].
    Codes(Vec<String>),
    /// See [`Kind::Json`].
    Json(Box<serde_json::Value>),
    /// See [`Kind::Custom`]. Holds no absent value, no document and no further fields; decimals
    /// are kept at [`CUSTOM_SCALE`] digits. Never null, possibly empty.
    Custom(BTreeMap<String, Value>),
}

/// Why a value does not fit a field; the text completes "field x …".
pub(crate) type Misfit = (&'static str, &'static str);

impl Value {
    /// Whether the value is absent.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The kind of which this is a value, taking text as [`Kind::Text`]; none for an absent one.
    pub fn own_kind(&self) -> Option<Kind> {
        Some(match self {
            Self::Null => return None,
            Self::Bool(_) => Kind::Bool,
            Self::Int(_) => Kind::Int,
            Self::Decimal(_) => Kind::Decimal { scale: CUSTOM_SCALE },
            Self::Text(_) => Kind::Text,
            Self::Uuid(_) => Kind::Uuid,
            Self::Date(_) => Kind::Date,
            Self::Time(_) => Kind::Time,
            Self::Uuids(_) => Kind::Uuids,
            Self::Codes(_) => Kind::Codes,
            Self::Json(_) => Kind::Json,
            Self::Custom(_) => Kind::Custom,
        })
    }

    /// Brings the value to the form in which it is stored: decimals to the field's scale, times
    /// to the microsecond.
    ///
    /// # Errors
    /// A code and a reason where the value is of another kind or out of bounds.
    pub(crate) fn normalise(&mut self, kind: Kind) -> Result<(), Misfit> {
        match (kind, &mut *self) {
            (_, Self::Null) if !kind.is_never_null() => Ok(()),
            (Kind::Bool, Self::Bool(_))
            | (Kind::Int, Self::Int(_))
            | (Kind::Uuid, Self::Uuid(_))
            | (Kind::Uuids, Self::Uuids(_)) => Ok(()),
            (Kind::Date, Self::Date(date)) => check_year(chrono::Datelike::year(date)),
            (Kind::Decimal { scale }, Self::Decimal(decimal)) => {
                if decimal.abs() >= Decimal::from(DECIMAL_LIMIT) {
                    return Err(("OUT_OF_RANGE", "must be smaller than 10^15"));
                }
                let trimmed = decimal.normalize();
                if trimmed.scale() > u32::from(scale) {
                    return Err(("TOO_PRECISE", "has too many digits after the point"));
                }
                *decimal = trimmed;
                decimal.rescale(u32::from(scale));
                Ok(())
            }
            (Kind::Text | Kind::Code, Self::Text(text)) => check_text(text),
            (Kind::Codes, Self::Codes(codes)) => codes.iter().try_for_each(|c| check_text(c)),
            (Kind::Time, Self::Time(time)) => {
                // A leap second becomes the second behind it, which is where databases put it.
                *time = DateTime::from_timestamp_micros(time.timestamp_micros())
                    .ok_or(("OUT_OF_RANGE", "must be in the years 1 to 9999"))?;
                check_year(chrono::Datelike::year(time))
            }
            (Kind::Json, Self::Json(json)) => check_json(json),
            (Kind::Custom, Self::Custom(fields)) => {
                fields.iter_mut().try_for_each(|(key, value)| {
                    check_text(key)?;
                    match value.own_kind() {
                        None | Some(Kind::Json | Kind::Custom) => {
                            Err(("INVALID_TYPE", "must hold plain values"))
                        }
                        Some(kind) => value.normalise(kind),
                    }
                })
            }
            _ => Err(("INVALID_TYPE", "is of another type")),
        }
    }

    /// How two present values of the same kind compare; absent values come last.
    pub fn compare(&self, other: &Self, kind: Kind) -> Ordering {
        match (self, other) {
            (Self::Null, Self::Null) => Ordering::Equal,
            (Self::Null, _) => Ordering::Greater,
            (_, Self::Null) => Ordering::Less,
            (Self::Bool(a), Self::Bool(b)) => a.cmp(b),
            (Self::Int(a), Self::Int(b)) => a.cmp(b),
            (Self::Decimal(a), Self::Decimal(b)) => a.cmp(b),
            (Self::Text(a), Self::Text(b)) if kind == Kind::Text => fold(a).cmp(&fold(b)),
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            (Self::Uuid(a), Self::Uuid(b)) => a.cmp(b),
            (Self::Date(a), Self::Date(b)) => a.cmp(b),
            (Self::Time(a), Self::Time(b)) => a.cmp(b),
            // Lists and documents have no order; a stable one keeps sorting total.
            _ => Ordering::Equal,
        }
    }
}

macro_rules! from {
    ($($from:ty => $variant:ident),* $(,)?) => {
        $(impl From<$from> for Value {
            fn from(value: $from) -> Self {
                Self::$variant(value.into())
            }
        })*
    };
}

from! {
    bool => Bool,
    i32 => Int,
    i64 => Int,
    Decimal => Decimal,
    &str => Text,
    String => Text,
    Uuid => Uuid,
    NaiveDate => Date,
    DateTime<Utc> => Time,
}

fn check_text(text: &str) -> Result<(), Misfit> {
    if storable(text) { Ok(()) } else { Err(("INVALID_TEXT", "must not contain a NUL character")) }
}

// RFC 3339 writes four digits; every backend can hold those years.
fn check_year(year: i32) -> Result<(), Misfit> {
    if (1..=9999).contains(&year) {
        Ok(())
    } else {
        Err(("OUT_OF_RANGE", "must be in the years 1 to 9999"))
    }
}

fn check_json(json: &serde_json::Value) -> Result<(), Misfit> {
    match json {
        serde_json::Value::String(text) => check_text(text),
        serde_json::Value::Array(items) => items.iter().try_for_each(check_json),
        serde_json::Value::Object(fields) => fields.iter().try_for_each(|(key, value)| {
            check_text(key)?;
            check_json(value)
        }),
        _ => Ok(()),
    }
}
