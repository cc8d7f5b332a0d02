//! The REST API: one module per area, and what all of them share.
//!
//! A handler turns a request into a call of a service and its answer into a reply. It decides
//! nothing: permissions, rules and defaults are the library's.

pub mod body;
pub mod caller;
pub mod crud;
pub mod envelope;
pub mod error;
pub mod etag;
mod known;
pub mod values;

pub mod auth;
pub mod custom_fields;
pub mod customers;
pub mod system;
pub mod tags;

use crm_core::language::ParameterDescription;
use poem_openapi::OpenApi;

use crud::{Crud, described};

/// All areas. At most sixteen stand beside each other; more go into tuples of tuples.
pub fn all() -> impl OpenApi + 'static {
    (
        system::SystemApi,
        auth::AuthApi,
        customers::CustomersApi,
        Crud::<customers::CustomerResource>::default(),
        Crud::<tags::TagResource>::default(),
        Crud::<custom_fields::CustomFieldResource>::default(),
    )
}

/// The lists, each with its path and its parameters.
pub fn lists() -> Vec<(&'static str, Vec<ParameterDescription>)> {
    let customers = described::<customers::CustomerResource>();
    let also = |path| (path, customers.1.clone());
    vec![
        also("/customers/search"),
        also("/customers/mine"),
        also("/customers/stats"),
        customers.clone(),
        described::<tags::TagResource>(),
        described::<custom_fields::CustomFieldResource>(),
    ]
}
