//! AIP-160 expressions: `status = active AND (value >= 1000 OR tags:vip)`.
//!
//! The grammar is that of <https://google.aip.dev/160>, `OR` binding closer than `AND` and terms
//! side by side meaning `AND`. What goes beyond it or stays behind it is written in the guide
//! for users of the API.

mod build;
mod parse;

use super::{Context, Custom, MAX_LENGTH, checked};
use crate::error::{Error, Result};
use crate::store::{Filter, Schema};

/// The filter that an AIP-160 expression means. The empty expression means every record.
///
/// ```
/// use crm_core::language::{NoCustom, parse_expression};
/// use crm_core::store::{Field, Kind, Owners, Schema, Scoping};
///
/// let schema = Schema::builder("deals", Scoping::Tenant, Owners::Everybody)
///     .field(Field::new("value", Kind::Decimal { scale: 2 }).filterable())
///     .build()?;
/// assert!(parse_expression(&schema, &NoCustom, "value >= 1000 AND NOT value > 5000").is_ok());
/// let error = parse_expression(&schema, &NoCustom, "valu >= 1000").unwrap_err();
/// assert!(error.to_string().contains("did you mean value?"));
/// # Ok::<(), crm_core::Error>(())
/// ```
///
/// # Errors
/// [`Error::Unreadable`] in field `filter`, saying what was expected and at which character.
pub fn parse_expression(schema: &Schema, custom: &dyn Custom, text: &str) -> Result<Filter> {
    if text.len() > MAX_LENGTH {
        let message = format!("expected an expression of at most {MAX_LENGTH} octets");
        return Err(Error::unreadable("filter", "FILTER_TOO_LONG", message));
    }
    let filter = match parse::parse(text)? {
        None => Filter::All,
        Some(tree) => build::build(Context { schema, custom }, text, &tree)?,
    };
    // What the store's language finds amiss, it finds at a field; the caller wrote an expression.
    checked(filter, schema, "filter").map_err(|error| match error {
        Error::Unreadable(found) => Error::unreadable("filter", found.code, found.message),
        other => other,
    })
}

// A fault at a place in the expression, counted in characters from 1, as people see it.
fn fault(text: &str, at: usize, code: &'static str, message: &str) -> Error {
    let place = text.get(..at).map_or(0, |before| before.chars().count()) + 1;
    Error::unreadable("filter", code, format!("{message} (at character {place})"))
}
