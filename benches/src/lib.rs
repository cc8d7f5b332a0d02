//! What the benchmarks share: a database with many customers in it, the same work written by hand
//! against sqlx, and a way to measure one against the other.
//!
//! Figures are compared within a run, never across runs or with a fixed number: no test asserts
//! them. See `benches/README.md` for what is measured and what came out.

pub mod by_hand;
pub mod compare;
pub mod database;
pub mod generate;
pub mod library;
pub mod sample;

/// What went wrong, for whoever started the benchmark.
pub type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;
