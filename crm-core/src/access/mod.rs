//! Who may do what, to which records.
//!
//! An [`Actor`] holds [`Grants`]: permissions, each with a [`Reach`]. Services ask for a
//! permission by action, with the record, never for a role by name; `scoping` is the one place
//! that turns a reach into a filter, so that lists, counts, sums and writes all mean the same
//! records. Nothing outside it may build a scoped request for an actor.

mod actor;
pub(crate) mod fields;
mod grants;
mod permission;
mod resources;
mod roles;
mod scopes;
pub(crate) mod scoping;

pub use actor::{Actor, Origin};
pub use grants::{Grant, Grants};
pub use permission::{Permission, Reach};
pub(crate) use resources::is_known;
pub use resources::{Class, RESOURCES, Resource, all_permissions, permissions};
pub use roles::{BuiltIn, Role};
pub use scopes::Scopes;
