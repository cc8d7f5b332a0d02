//! The PostgreSQL storage backend of `crm-core`.

#[cfg(feature = "testing")]
pub mod testing;
