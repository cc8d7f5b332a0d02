//! The REST API: one module per area, and what all of them share.
//!
//! A handler turns a request into a call of a service and its answer into a reply. It decides
//! nothing: permissions, rules and defaults are the library's.

pub mod body;
pub mod envelope;
pub mod error;
pub mod etag;
pub mod system;

use poem_openapi::OpenApi;

/// All areas. At most sixteen stand beside each other; more go into tuples of tuples.
pub fn all() -> impl OpenApi + 'static {
    system::SystemApi
}
