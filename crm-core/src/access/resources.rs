//! What there is to have permissions for. Adding a record type adds a line here, and the
//! built-in roles follow from its class.

use super::permission::Permission;

/// What kind of thing a resource is, from which the built-in roles derive what they may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The business: customers, deals, tickets.
    Record,
    /// Words that a tenant describes its records with: tags, custom fields.
    Vocabulary,
    /// What is looked at: dashboards.
    View,
    /// The tenant itself, its people and its log.
    Administration,
}

/// A resource and the actions it knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resource {
    /// The name, as in permissions and paths.
    pub name: &'static str,
    /// What kind of thing it is.
    pub class: Class,
    /// The actions.
    pub actions: &'static [&'static str],
}

const RECORD: &[&str] = &["read", "create", "update", "delete", "export", "import"];
const WORDS: &[&str] = &["read", "create", "update", "delete", "export"];

/// Every resource of the product.
pub const RESOURCES: &[Resource] = &[
    Resource { name: "customers", class: Class::Record, actions: RECORD },
    Resource { name: "companies", class: Class::Record, actions: RECORD },
    Resource { name: "relations", class: Class::Record, actions: RECORD },
    Resource { name: "relation_kinds", class: Class::Vocabulary, actions: WORDS },
    Resource { name: "tags", class: Class::Vocabulary, actions: WORDS },
    Resource { name: "custom_fields", class: Class::Vocabulary, actions: WORDS },
    Resource { name: "dashboard", class: Class::View, actions: &["view"] },
    Resource {
        name: "users",
        class: Class::Administration,
        actions: &["read", "create", "update", "delete", "export"],
    },
    Resource { name: "owners", class: Class::Administration, actions: &["manage"] },
    Resource { name: "roles", class: Class::Administration, actions: &["read", "manage"] },
    Resource { name: "tenants", class: Class::Administration, actions: &["update", "delete"] },
    Resource { name: "audit", class: Class::Administration, actions: &["view"] },
];

/// Every permission of the product, in the order of [`RESOURCES`].
pub fn permissions() -> impl Iterator<Item = (&'static Resource, Permission)> {
    let each = |resource: &'static Resource| {
        resource.actions.iter().map(move |action| (resource, Permission::of(resource.name, action)))
    };
    RESOURCES.iter().flat_map(each)
}

/// Whether there is such a permission: one of the product's, or any action on a record type of the
/// host's own.
pub(crate) fn is_known(catalogue: &crate::store::Catalogue, permission: &Permission) -> bool {
    match RESOURCES.iter().find(|resource| resource.name == permission.resource()) {
        Some(resource) => resource.actions.contains(&permission.action()),
        None => catalogue.iter().any(|schema| {
            schema.resource() == permission.resource() && !crate::crm::is_product(schema)
        }),
    }
}
