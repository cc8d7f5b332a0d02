//! The values of a statement, typed.

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;
use sqlx::Arguments;
use sqlx::postgres::PgArguments;
use uuid::Uuid;

use super::Expr;

/// One value of a statement. Its type is in the text too, as a cast: prepared statements are
/// found again by their text alone.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Bind {
    Bool(Option<bool>),
    Int(Option<i64>),
    Decimal(Option<Decimal>),
    Text(Option<String>),
    Uuid(Option<Uuid>),
    Date(Option<NaiveDate>),
    Time(Option<DateTime<Utc>>),
    /// A document, as its text.
    Json(Option<String>),
    Bools(Vec<Option<bool>>),
    Ints(Vec<Option<i64>>),
    Decimals(Vec<Option<Decimal>>),
    Texts(Vec<Option<String>>),
    Uuids(Vec<Option<Uuid>>),
    Dates(Vec<Option<NaiveDate>>),
    Times(Vec<Option<DateTime<Utc>>>),
    Terms(Vec<i32>),
    Octets(Option<Vec<u8>>),
    ManyOctets(Vec<Option<Vec<u8>>>),
}

impl Bind {
    fn cast(&self) -> &'static str {
        match self {
            Self::Bool(_) => "bool",
            Self::Int(_) => "int8",
            Self::Decimal(_) => "numeric",
            Self::Text(_) => "text",
            Self::Uuid(_) => "uuid",
            Self::Date(_) => "date",
            Self::Time(_) => "timestamptz",
            Self::Json(_) => "text::jsonb",
            Self::Bools(_) => "bool[]",
            Self::Ints(_) => "int8[]",
            Self::Decimals(_) => "numeric[]",
            Self::Texts(_) => "text[]",
            Self::Uuids(_) => "uuid[]",
            Self::Dates(_) => "date[]",
            Self::Times(_) => "timestamptz[]",
            Self::Terms(_) => "int4[]",
            Self::Octets(_) => "bytea",
            Self::ManyOctets(_) => "bytea[]",
        }
    }

    fn add_to(self, arguments: &mut PgArguments) -> Result<(), sqlx::error::BoxDynError> {
        match self {
            Self::Bool(value) => arguments.add(value),
            Self::Int(value) => arguments.add(value),
            Self::Decimal(value) => arguments.add(value),
            Self::Text(value) => arguments.add(value),
            Self::Uuid(value) => arguments.add(value),
            Self::Date(value) => arguments.add(value),
            Self::Time(value) => arguments.add(value),
            Self::Json(value) => arguments.add(value),
            Self::Bools(values) => arguments.add(values),
            Self::Ints(values) => arguments.add(values),
            Self::Decimals(values) => arguments.add(values),
            Self::Texts(values) => arguments.add(values),
            Self::Uuids(values) => arguments.add(values),
            Self::Dates(values) => arguments.add(values),
            Self::Times(values) => arguments.add(values),
            Self::Terms(values) => arguments.add(values),
            Self::Octets(value) => arguments.add(value),
            Self::ManyOctets(values) => arguments.add(values),
        }
    }
}

/// The values of a statement, in the order of their numbers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Binds(Vec<Bind>);

impl Binds {
    /// Adds a value; the expression may stand in several places of the statement, and must stand
    /// in one.
    pub(crate) fn add(&mut self, bind: Bind) -> Expr {
        let cast = bind.cast();
        self.0.push(bind);
        Expr::Bind { place: self.0.len(), cast }
    }

    /// How many there are.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The arguments to run the statement with.
    pub(crate) fn into_arguments(self) -> sqlx::Result<PgArguments> {
        let mut arguments = PgArguments::default();
        arguments.reserve(self.0.len(), self.0.len() * 16);
        for bind in self.0 {
            bind.add_to(&mut arguments).map_err(sqlx::Error::Encode)?;
        }
        Ok(arguments)
    }
}
