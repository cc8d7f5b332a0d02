//! The PostgreSQL storage backend of `crm-core`.

mod check;
mod connection;
pub mod doctor;
mod failure;
mod migrate;
mod pooler;
mod read;
mod roles;
mod rows;
mod run;
mod session;
mod sql;
mod store;
pub mod tables;
#[cfg(feature = "testing")]
pub mod testing;
mod waits;
mod write;

pub use check::{Aspect, Deviation, check, deviations};
pub use connection::{Pools, PostgresOptions};
pub use migrate::{MigrationName, MigrationState, migrate, migration_state, migration_state_at};
pub use roles::{APP_ROLE, SYSTEM_ROLE};
pub use store::PostgresStore;
pub use waits::PoolFigures;

#[cfg(test)]
mod tests;
