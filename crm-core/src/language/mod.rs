//! From the text of a request to the store's own filter: one parser with one meaning, used by
//! lists, search, export, bulk operations and statistics of every record type.
//!
//! There are two ways to say which records are meant. Parameters, for what a screen asks
//! (`status=active,paused&value[gte]=1000`), are read by [`parse_list`]; an AIP-160 expression,
//! for what they cannot say (`status = active AND (value >= 1000 OR tags:vip)`), by
//! [`parse_expression`]. Both know fields only from the [`Schema`] and
//! the tenant's [`Custom`] fields, read values by the field's kind, and refuse what they do not
//! know: a filter that is half understood must never widen what a bulk deletion reaches.
//!
//! Nothing in here reads a record, asks a store or knows who is asking.
//!
//! # Names
//!
//! A field is called by its name in the schema. `created_at` is read as `createdAt`,
//! `address.country` as `addressCountry`, and `stage` as `stageId` where there is no `stage`. A
//! tenant's own field is `customFields.key`.
//!
//! # Values
//!
//! Dates are `2026-01-31`; times RFC 3339, in UTC where no offset is written. A date given for a
//! time means its first instant in UTC. Numbers are exact. Codes are checked where the schema
//! knows them.

mod describe;
mod expression;
mod fields;
mod list;
mod operator;
mod parameters;
mod values;

#[cfg(test)]
mod tests;

use uuid::Uuid;

pub use describe::{ParameterDescription, describe};
pub use expression::parse_expression;
pub use list::{DEFAULT_LIMIT, ListRequest, MAX_LIST_LIMIT, MAX_PAGE, parse_list};

use crate::error::{Error, Result};
use crate::store::{Filter, Kind, Schema};

/// The most octets of an expression, or of one parameter's value.
pub const MAX_LENGTH: usize = 8_192;
/// The most parameters of one request.
pub const MAX_PARAMETERS: usize = 100;
/// How deep parentheses may nest in an expression.
pub const MAX_NESTING: usize = 32;

/// What only the tenant knows about its records.
pub trait Custom {
    /// What the tenant's own field under this key holds; none where it declared no such field.
    fn kind_of(&self, key: &str) -> Option<Kind>;

    /// The keys of all its own fields, to say what was perhaps meant.
    fn keys(&self) -> Vec<String> {
        Vec::new()
    }

    /// Whether whoever asks sees no field of this name, though the type has one.
    fn is_left_out(&self, field: &str) -> bool {
        let _ = field;
        false
    }

    /// The identifier that a name stands for in a field of identifiers: a tag's name in `tags`,
    /// `me` where users are named.
    fn id_of(&self, field: &str, name: &str) -> Option<Uuid> {
        let _ = (field, name);
        None
    }
}

/// A tenant without own fields, or records that have none.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoCustom;

impl Custom for NoCustom {
    fn kind_of(&self, _: &str) -> Option<Kind> {
        None
    }
}

// What every parser here works with.
#[derive(Clone, Copy)]
struct Context<'a> {
    schema: &'a Schema,
    custom: &'a dyn Custom,
}

// A filter as queries take it: within the limits, and in folded form. `parameter` is named where
// it is not.
fn checked(mut filter: Filter, schema: &Schema, parameter: &str) -> Result<Filter> {
    match filter.check(schema) {
        Ok(()) => Ok(filter),
        Err(Error::Limit { what, limit }) => {
            let message = format!("{what} exceeds the limit of {limit}");
            Err(Error::unreadable(parameter, "FILTER_TOO_COMPLEX", message))
        }
        Err(other) => Err(other),
    }
}
