//! The services by way of the library's own interface, each test on both stores.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that fails says where")]

mod auth;
mod companies;
mod custom_fields;
mod first_steps;
mod idempotency;
mod meddling;
mod policy;
mod shown;
mod support;
mod unique_fields;
