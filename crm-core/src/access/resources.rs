//! What there is to have permissions for. Adding a record type adds a line here, and the
//! built-in roles follow from its class.

use super::permission::Permission;
use crate::store::{Catalogue, Scoping};

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
    Resource {
        name: "teams",
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

/// What a host's own records can be asked for.
const OF_HOSTS: &[&str] = &["read", "create", "update", "delete", "export"];

/// Every permission that there is: those of the product in the order of [`RESOURCES`], and those on
/// a host's own record types in the order of the catalogue. With each, of what kind it is: a host's
/// own records are taken for the business.
pub fn all_permissions(catalogue: &Catalogue) -> Vec<(Class, Permission)> {
    let own = permissions().map(|(resource, permission)| (resource.class, permission));
    let mut all: Vec<(Class, Permission)> = own.collect();
    for schema in catalogue.iter().filter(|schema| schema.scoping() == Scoping::Tenant) {
        let is_there = |(_, known): &(Class, Permission)| known.resource() == schema.resource();
        if !crate::crm::is_product(schema) && !all.iter().any(is_there) {
            let each =
                OF_HOSTS.iter().map(|action| (Class::Record, Permission::on(schema, action)));
            all.extend(each);
        }
    }
    all
}

/// Whether there is such a permission: one of the product's, or any action on a record type of the
/// host's own.
pub(crate) fn is_known(catalogue: &Catalogue, permission: &Permission) -> bool {
    match RESOURCES.iter().find(|resource| resource.name == permission.resource()) {
        Some(resource) => resource.actions.contains(&permission.action()),
        None => catalogue.iter().any(|schema| {
            schema.resource() == permission.resource() && !crate::crm::is_product(schema)
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Owners, Schema};

    #[test]
    fn a_hosts_own_types_are_among_what_there_is_to_have_permissions_for() {
        let own = |name: &'static str, resource: &'static str, scoping| {
            let schema = Schema::builder(name, scoping, Owners::Everybody).resource(resource);
            schema.build().unwrap()
        };
        let types = [
            own("rooms", "rooms", Scoping::Tenant),
            own("room_keys", "rooms", Scoping::Tenant),
            own("notices", "tags", Scoping::Tenant),
            own("buildings", "buildings", Scoping::Global),
        ];
        let catalogue = Catalogue::new(types).unwrap();
        let all = all_permissions(&catalogue);
        let hosts: Vec<String> =
            all.iter().skip(permissions().count()).map(|(_, held)| held.to_string()).collect();
        assert_eq!(
            hosts,
            ["rooms:read", "rooms:create", "rooms:update", "rooms:delete", "rooms:export"]
        );
        assert!(all.iter().all(|(_, permission)| is_known(&catalogue, permission)));
    }
}
