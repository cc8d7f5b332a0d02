//! Batches as statements, and why one was rejected.

pub(crate) mod batch;
pub(crate) mod diagnosis;
mod group;
