//! The PostgreSQL storage backend of `crm-core`.

pub mod tables;
#[cfg(feature = "testing")]
pub mod testing;
