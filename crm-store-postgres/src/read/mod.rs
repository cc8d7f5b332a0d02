//! Questions as statements, and rows as their answers.

pub(crate) mod aggregate;
mod filter;
mod matching;
pub(crate) mod query;
pub(crate) mod scope;

pub(crate) use filter::array;
