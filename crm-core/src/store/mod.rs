//! The storage trait and its language.
//!
//! A backend stores [`Record`]s of declared [`Schema`]s and answers [`Query`], [`Aggregate`] and
//! [`Batch`] requests, each [`Scoped`] to a tenant. What every request means, to the last absent
//! value, is written in [`semantics`] and proven by [`crate::conformance`]. Nothing in here knows
//! what a customer is; nothing above `store` and [`crate::entity`] handles a record.

mod aggregate;
mod batch;
pub mod evaluate;
mod filter;
mod query;
mod record;
mod schema;
mod scoped;
pub mod semantics;
#[cfg(test)]
mod tests;
mod text;
mod value;

use std::fmt::Debug;

use async_trait::async_trait;

pub use aggregate::{Aggregate, Group, GroupBy, MAX_GROUPS, Measure};
pub use batch::{Batch, Commit, MAX_OPERATIONS, Operation, unique_values};
pub use filter::{
    Comparison, CustomKey, Filter, MAX_CASES, MAX_DEPTH, MAX_TERMS, MAX_VALUES, Path,
};
pub use query::{Cursor, Deleted, MAX_LIMIT, MAX_SORTS, Page, Query, Sort, Window};
pub use record::Record;
pub use schema::{
    Catalogue, EndFields, Field, FieldIndex, Index, Owners, Reading, Schema, SchemaBuilder,
    Scoping, UniqueKey, system,
};
pub use scoped::{Scope, Scoped};
pub use text::{fold, storable, trigrams, words};
pub use value::{CUSTOM_SCALE, DECIMAL_LIMIT, Kind, Value};

use crate::error::Result;

/// Where records are kept.
///
/// Implement it, run [`crate::conformance`] on it, and every service of this library works on it.
/// Methods have no default bodies on purpose: a wrapper that forgets one does not compile.
#[async_trait]
pub trait Store: Debug + Send + Sync + 'static {
    /// Makes sure that every record type of the catalogue can be stored as declared. Called
    /// once, before anything else; a backend whose tables are not as declared says how.
    async fn prepare(&self, catalogue: &Catalogue) -> Result<()>;

    /// The records that match, in order, within the window. Text in the result is as written.
    async fn query(&self, query: &Scoped<Query>) -> Result<Page<Record>>;

    /// The figures, one group for each combination of keys, ordered by them.
    ///
    /// # Errors
    /// [`Error::Limit`](crate::Error::Limit) beyond [`MAX_GROUPS`].
    async fn aggregate(&self, aggregate: &Scoped<Aggregate>) -> Result<Vec<Group>>;

    /// All operations, or none. Once it has answered, a durable store has made them durable.
    ///
    /// # Errors
    /// [`Error::Rejected`](crate::Error::Rejected) with the first operation at fault.
    async fn commit(&self, batch: &Scoped<Batch>) -> Result<Commit>;
}
