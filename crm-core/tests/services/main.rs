//! The services by way of the library's own interface, each test on both stores.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that fails says where")]

mod api_keys;
mod auth;
mod bulk;
mod by_mail;
mod companies;
mod custom_fields;
mod field_contention;
mod field_options;
mod field_references;
mod field_removal;
mod first_steps;
mod hand_over;
mod idempotency;
mod invitations;
mod lockout;
mod mail;
mod meddling;
mod members;
mod new_address;
mod passwords;
mod policy;
mod refresh;
mod relations;
mod removal;
mod roles;
mod second_factor;
mod second_factor_due;
mod sessions;
mod shown;
mod support;
mod teams;
mod tenants;
mod unique_fields;
