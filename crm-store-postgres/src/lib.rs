//! The PostgreSQL storage backend of `crm-core`.

mod check;
mod connection;
mod migrate;
mod roles;
pub mod tables;
#[cfg(feature = "testing")]
pub mod testing;

pub use check::{Deviation, check, deviations};
pub use connection::{Pools, PostgresOptions};
pub use migrate::{MigrationState, migrate, migration_state};
pub use roles::{APP_ROLE, SYSTEM_ROLE};
