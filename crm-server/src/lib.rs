//! A multi-tenant CRM server: REST and OpenAPI over [`crm_core`].
//!
//! A library with a small binary on it, so that a team can mount the API in its own poem
//! application. It turns HTTP into calls of the library's services and back; rules, permissions
//! and storage are none of its business.

pub mod api;
pub mod app;
pub mod cli;
pub mod config;
pub mod demo;
pub mod doctor;
mod health;
pub mod mail;
pub mod metrics;
pub mod middleware;
pub mod openapi;
pub mod passwords;
pub mod purge;
pub mod qr;
pub mod rate;
pub mod readiness;
pub mod seal;
pub mod server;
pub mod standing;
#[cfg(feature = "testkit")]
pub mod testkit;
pub mod tokens;
pub mod traces;
