//! Tenants: the unit of isolation.

use crate::id::Id;

/// The identifier of a tenant.
pub type TenantId = Id<Tenant>;

/// A tenant.
#[derive(Debug)]
pub struct Tenant;
