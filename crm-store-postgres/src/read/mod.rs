//! Questions as statements, and rows as their answers.

pub(crate) mod aggregate;
mod filter;
mod matching;
mod narrow;
pub(crate) mod query;
pub(crate) mod scope;
mod walk;

pub(crate) use filter::array;
