//! Roles: named grants. The built-in ones follow from the classes of the resources; hosts make
//! their own beside them.

use super::grants::Grants;
use super::permission::{Permission, Reach};
use super::resources::{Class, permissions};
use crate::Choice;

/// A named set of grants.
///
/// ```
/// use crm_core::access::{Grants, Permission, Reach, Role};
///
/// let auditor = Role::new("auditor", Grants::default().with(Permission::of("audit", "view"), Reach::All));
/// assert_eq!(auditor.name(), "auditor");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    name: String,
    grants: Grants,
}

impl Role {
    /// A role of a host's own.
    pub fn new(name: impl Into<String>, grants: Grants) -> Self {
        Self { name: name.into(), grants }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it holds.
    pub fn grants(&self) -> &Grants {
        &self.grants
    }
}

impl From<BuiltIn> for Role {
    fn from(role: BuiltIn) -> Self {
        Self::new(role.code(), role.grants())
    }
}

/// The roles that every tenant has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Choice)]
pub enum BuiltIn {
    /// Everything, the tenant's settings and other owners included.
    Owner,
    /// Everything but owners and the tenant's deletion.
    Admin,
    /// Its team's records and people, and dashboards.
    Manager,
    /// Records that are assigned to it.
    User,
    /// Reads and changes customers assigned to it; creates and deletes none.
    SalesRep,
    /// Tickets; reads whom they are about.
    Agent,
    /// Reads customers and what they bought.
    Employee,
    /// Reads.
    Readonly,
}

impl BuiltIn {
    /// What [`Owner`](Self::Owner) is called elsewhere. It is taken for it where a member is given
    /// roles, and no role of a tenant's own is called so.
    pub const SUPER_ADMIN: &str = "super_admin";

    /// What the role is for, in a sentence.
    pub const fn description(self) -> &'static str {
        match self {
            Self::Owner => "Everything, the tenant's settings and other owners included",
            Self::Admin => "Everything but owners and the tenant's deletion",
            Self::Manager => "Its team's records and people, and dashboards",
            Self::User => "Records that are assigned to it",
            Self::SalesRep => {
                "Reads and changes customers assigned to it; creates and deletes none"
            }
            Self::Agent => "Tickets; reads whom they are about",
            Self::Employee => "Reads customers and what they bought",
            Self::Readonly => "Reads",
        }
    }

    /// What the role may do.
    pub fn grants(self) -> Grants {
        match self {
            Self::Owner => Grants::everything(),
            Self::Admin => Grants::everything()
                .without(Permission::of("owners", "manage"))
                .without(Permission::of("tenants", "delete")),
            Self::Manager => self
                .derived()
                .with(Permission::of("users", "read"), Reach::Team)
                .with(Permission::of("teams", "read"), Reach::Team),
            _ => self.derived(),
        }
    }

    fn derived(self) -> Grants {
        let held = permissions().filter_map(|(resource, permission)| {
            let reach = match resource.class {
                Class::Record => self.over_records(permission.resource(), permission.action()),
                Class::Vocabulary => self.over_words(permission.action()),
                Class::View => (self == Self::Manager).then_some(Reach::Team),
                Class::Administration => None,
            };
            reach.map(|reach| (permission, reach))
        });
        held.fold(Grants::default(), |grants, (permission, reach)| grants.with(permission, reach))
    }

    fn over_records(self, resource: &str, action: &str) -> Option<Reach> {
        match (self, resource, action) {
            (Self::Manager, _, "read" | "create" | "update" | "delete" | "export") => {
                Some(Reach::Team)
            }
            (Self::User, _, "read" | "create" | "update" | "delete")
            | (Self::SalesRep, "customers", "read" | "update")
            | (
                Self::SalesRep,
                "communications" | "follow_ups" | "notes",
                "read" | "create" | "update" | "delete",
            ) => Some(Reach::Assigned),
            (Self::Agent, "tickets", _)
            | (Self::Agent, "customers" | "companies", "read")
            | (Self::Employee, "customers" | "products" | "subscriptions" | "payments", "read")
            | (Self::Readonly, _, "read") => Some(Reach::All),
            _ => None,
        }
    }

    fn over_words(self, action: &str) -> Option<Reach> {
        match (self, action) {
            (_, "read") | (Self::Manager, "create" | "update" | "export") => Some(Reach::All),
            _ => None,
        }
    }
}
