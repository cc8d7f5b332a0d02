//! What a token or a key narrows its user to.

use std::collections::BTreeSet;

use super::permission::Permission;
use super::resources::RESOURCES;
use crate::error::{Error, Faults, Result};
use crate::near::near;
use crate::store::Catalogue;

/// The most scopes of a key.
const MOST: usize = 50;

/// What a token or key is limited to. Scopes only ever narrow.
///
/// `customers:read` allows reading them, `customers:write` creating, changing and deleting as
/// well as importing; `*` leaves everything. `clients:…` is read as `customers:…`, `followups:…`
/// as `follow_ups:…`; `…:manage` allows every action on the resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scopes(Vec<String>);

/// What resources are called in scopes beside their own names.
const OTHER_NAMES: &[(&str, &str)] = &[("clients", "customers"), ("followups", "follow_ups")];

/// Scopes of what a tenant's programs may be set up for before it is there.
const AHEAD: &[&str] = &["follow_ups:manage", "followups:manage"];

impl Scopes {
    /// The scopes of these names, whatever they are: one that means nothing allows nothing.
    pub fn new(names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self(names.into_iter().map(Into::into).collect())
    }

    /// The scopes of these names, each once, where there are such.
    ///
    /// # Errors
    /// [`Error::Invalid`] with each name that is none.
    pub fn parse(field: &str, names: &[String], catalogue: &Catalogue) -> Result<Self> {
        let mut faults = Faults::default();
        if names.is_empty() {
            faults.add(field, "REQUIRED", "expected at least one scope; * is all that you may do");
        }
        if names.len() > MOST {
            let message = format!("expected at most {MOST}, got {}", names.len());
            return Err(Error::invalid(field, "TOO_MANY", message));
        }
        let known = known(catalogue);
        let mut kept: Vec<String> = Vec::new();
        for (i, name) in names.iter().enumerate() {
            if !known.contains(name) {
                let meant = near(name, known.iter().map(String::as_str));
                let meant = match meant.first() {
                    Some(meant) => format!(", did you mean {meant}?"),
                    None => String::new(),
                };
                let name: String = name.chars().take(60).collect();
                let message = format!("there is no scope {name:?}{meant}");
                faults.add(format!("{field}[{i}]"), "UNKNOWN_SCOPE", message);
            } else if !kept.contains(name) {
                kept.push(name.clone());
            }
        }
        faults.into_result()?;
        Ok(Self(kept))
    }

    /// The names, as given.
    pub fn names(&self) -> &[String] {
        &self.0
    }

    /// Whether a permission is inside the scopes.
    pub fn allow(&self, permission: &Permission) -> bool {
        self.0.iter().any(|scope| {
            if scope == "*" {
                return true;
            }
            let Some((resource, action)) = scope.split_once(':') else { return false };
            let own = OTHER_NAMES.iter().find(|(other, _)| *other == resource);
            let resource = own.map_or(resource, |(_, own)| own);
            resource == permission.resource() && covers(action, permission.action())
        })
    }
}

/// Whether what a scope names contains an action.
fn covers(scope: &str, action: &str) -> bool {
    match scope {
        "manage" | "*" => true,
        "read" | "view" => matches!(action, "read" | "export" | "view"),
        "write" => matches!(action, "create" | "update" | "delete" | "import"),
        exact => exact == action,
    }
}

/// Every scope that there is: of each resource its actions, those that contain several, and all
/// that can be done with it.
fn known(catalogue: &Catalogue) -> BTreeSet<String> {
    const OF_A_HOST: &[&str] = &["read", "create", "update", "delete", "export", "import"];
    let of_product = RESOURCES.iter().map(|resource| (resource.name, resource.actions));
    let of_host = catalogue.iter().filter(|schema| !crate::crm::is_product(schema));
    let of_host = of_host.map(|schema| (schema.resource(), OF_A_HOST));
    let mut all: BTreeSet<String> = AHEAD.iter().map(|scope| (*scope).to_owned()).collect();
    all.insert("*".to_owned());
    for (resource, actions) in of_product.chain(of_host) {
        let others = OTHER_NAMES.iter().filter(|(_, own)| *own == resource);
        for name in others.map(|(other, _)| *other).chain([resource]) {
            let several = ["read", "write"];
            let several = several
                .into_iter()
                .filter(|several| actions.iter().any(|action| covers(several, action)));
            let words = actions.iter().copied().chain(several).chain(["manage", "*"]);
            all.extend(words.map(|word| format!("{name}:{word}")));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permission(text: &str) -> Permission {
        text.parse().unwrap()
    }

    fn parsed(names: &[&str]) -> Result<Scopes> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        Scopes::parse("scopes", &names, &crate::crm::catalogue().unwrap())
    }

    #[test]
    fn reading_never_implies_writing() {
        let scopes = Scopes::new(["clients:read"]);
        assert!(scopes.allow(&permission("customers:read")));
        assert!(!scopes.allow(&permission("customers:update")));
        assert!(!scopes.allow(&permission("deals:read")));
        assert!(!Scopes::new(["customers:write"]).allow(&permission("customers:read")));
        assert!(Scopes::new(["*"]).allow(&permission("roles:manage")));
        assert!(Scopes::new(["followups:manage"]).allow(&permission("follow_ups:delete")));
    }

    #[test]
    fn the_scopes_of_the_product_are_known_and_each_once() {
        let all = [
            "customers:read",
            "customers:write",
            "clients:read",
            "clients:write",
            "followups:manage",
            "dashboard:view",
            "*",
            "tags:manage",
            "customers:export",
            "customers:read",
        ];
        assert_eq!(parsed(&all).unwrap().names(), &all[..9]);
    }

    #[test]
    fn what_is_no_scope_is_named_with_what_was_perhaps_meant() {
        let Err(Error::Invalid(faults)) = parsed(&["customer:read", "*", "zebras:ride", "tags"])
        else {
            panic!()
        };
        let fields: Vec<&str> = faults.iter().map(|fault| fault.field.as_str()).collect();
        assert_eq!(fields, ["scopes[0]", "scopes[2]", "scopes[3]"]);
        assert!(faults[0].message.ends_with("did you mean customers:read?"), "{faults:?}");
        assert!(!faults[1].message.contains("mean"), "{faults:?}");
        assert!(parsed(&[]).is_err());
        assert!(parsed(&["tags:read"; MOST + 1]).is_err());
        // What only reads is not written.
        assert!(parsed(&["dashboard:write"]).is_err() && parsed(&["audit:write"]).is_err());
    }
}
