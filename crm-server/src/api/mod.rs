//! The REST API: one module per area, and what all of them share.
//!
//! A handler turns a request into a call of a service and its answer into a reply. It decides
//! nothing: permissions, rules and defaults are the library's.

pub mod body;
pub mod bulk;
pub mod by_key;
pub mod caller;
pub mod crud;
pub mod embed;
pub mod envelope;
pub mod error;
pub mod etag;
pub mod export;
pub mod figures;
pub mod idempotency;
mod known;
pub mod values;

pub mod api_keys;
pub mod auth;
pub mod companies;
pub mod custom_fields;
pub mod customers;
pub mod relations;
pub mod system;
pub mod tags;
pub mod teams;
pub mod tenants;
pub mod users;

use crm_core::language::ParameterDescription;
use poem_openapi::OpenApi;

use crud::{Crud, described};

/// Puts any number of areas beside each other.
macro_rules! beside {
    () => { () };
    ($first:expr $(, $other:expr)* $(,)?) => { ($first, beside!($($other),*)) };
}

/// The record types that the generic controller serves.
macro_rules! resources {
    ($($resource:ty,)*) => {
        fn controllers() -> impl OpenApi + 'static {
            beside!($(Crud::<$resource>::default()),*)
        }

        fn controlled() -> Vec<(&'static str, Vec<ParameterDescription>)> {
            vec![$(described::<$resource>()),*]
        }

        fn exported() -> Vec<(String, Vec<ParameterDescription>)> {
            vec![$(export::described::<$resource>()),*]
        }
    };
}

// One line for each record type.
resources! {
    companies::CompanyResource,
    customers::CustomerResource,
    relations::RelationResource,
    relations::RelationKindResource,
    tags::TagResource,
    teams::TeamResource,
    custom_fields::CustomFieldResource,
    users::RoleResource,
}

/// All areas.
pub fn all() -> impl OpenApi + 'static {
    beside!(
        system::SystemApi,
        auth::AuthApi,
        auth::AuthByMailApi,
        auth::ChangeEmailApi,
        auth::AcceptingApi,
        api_keys::ApiKeysApi,
        auth::MfaApi,
        auth::ProfileApi,
        auth::SessionsApi,
        tenants::TenantsApi,
        users::UsersApi,
        users::InvitationsApi,
        users::ActivityApi,
        users::StatsApi,
        users::PermissionsApi,
        users::RolePermissionsApi,
        companies::CompaniesApi,
        customers::CustomersApi,
        relations::RelationsApi,
        custom_fields::CustomFieldsApi,
        controllers(),
    )
}

/// The exports, each with its path and its parameters.
pub fn exports() -> Vec<(String, Vec<ParameterDescription>)> {
    let mut exports = exported();
    exports.push(export::described::<users::MemberResource>());
    exports
}

/// The lists, each with its path and its parameters.
pub fn lists() -> Vec<(&'static str, Vec<ParameterDescription>)> {
    let mut lists = controlled();
    lists.extend(companies::lists());
    lists.extend(customers::lists());
    lists.extend(tenants::lists());
    lists.extend(users::lists());
    lists.push(described::<users::MemberResource>());
    lists.push(described::<users::InvitationResource>());
    lists
}
