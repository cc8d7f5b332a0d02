//! Derive macros of `crm-core`.
