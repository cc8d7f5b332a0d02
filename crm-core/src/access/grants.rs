//! What an actor holds, and what a token narrows it to.

use std::collections::{BTreeMap, BTreeSet};

use super::permission::{Permission, Reach};
use crate::error::Result;

/// Permissions, each with the widest reach at which it was given.
///
/// ```
/// use crm_core::access::{Grants, Permission, Reach};
///
/// let read = Permission::of("customers", "read");
/// let grants = Grants::default().with(read.clone(), Reach::Team).with(read.clone(), Reach::Assigned);
/// assert_eq!(grants.reach(&read), Some(Reach::Team));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Grants {
    /// Whether everything is held at all reach, also what is declared later.
    everything: bool,
    /// What is not held all the same.
    except: BTreeSet<Permission>,
    held: BTreeMap<Permission, Reach>,
}

impl Grants {
    /// Every permission at every reach.
    pub fn everything() -> Self {
        Self { everything: true, ..Self::default() }
    }

    /// Without this permission.
    #[must_use]
    pub fn without(mut self, permission: Permission) -> Self {
        self.held.remove(&permission);
        if self.everything {
            self.except.insert(permission);
        }
        self
    }

    /// With this permission at this reach, or at the wider one at which it is held already.
    #[must_use]
    pub fn with(mut self, permission: Permission, reach: Reach) -> Self {
        self.add(permission, reach);
        self
    }

    /// With these permissions, each written `resource:action`, at one reach.
    ///
    /// # Errors
    /// Where one is not written so.
    pub fn with_all(mut self, permissions: &[&str], reach: Reach) -> Result<Self> {
        for permission in permissions {
            self.add(permission.parse()?, reach);
        }
        Ok(self)
    }

    /// Adds what the other holds.
    pub fn merge(&mut self, other: &Self) {
        if other.everything {
            if self.everything {
                self.except = self.except.intersection(&other.except).cloned().collect();
            } else {
                self.everything = true;
                self.except.clone_from(&other.except);
                // What is held at a narrower reach stays an exception, held at that reach.
                self.except.retain(|permission| self.held.get(permission) != Some(&Reach::All));
            }
        }
        for (permission, reach) in &other.held {
            self.add(permission.clone(), *reach);
        }
    }

    /// The reach at which a permission is held, if it is.
    pub fn reach(&self, permission: &Permission) -> Option<Reach> {
        if self.everything && !self.except.contains(permission) {
            return Some(Reach::All);
        }
        self.held.get(permission).copied()
    }

    /// The permissions of the product that are held, each with its reach, and those of a host's
    /// own that were given by name.
    pub fn list(&self) -> BTreeMap<Permission, Reach> {
        let known = super::permissions().map(|(_, permission)| permission);
        known
            .chain(self.held.keys().cloned())
            .filter_map(|permission| self.reach(&permission).map(|reach| (permission, reach)))
            .collect()
    }

    fn add(&mut self, permission: Permission, reach: Reach) {
        if reach == Reach::All {
            self.except.remove(&permission);
        }
        let held = self.held.entry(permission).or_insert(reach);
        *held = (*held).max(reach);
    }
}

/// What a token or key is limited to. Scopes only ever narrow.
///
/// `customers:read` allows reading them, `customers:write` creating, changing and deleting as
/// well as importing; `*` leaves everything. `clients:…` is read as `customers:…`, `followups:…`
/// as `follow_ups:…`; `…:manage` allows every action on the resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scopes(Vec<String>);

impl Scopes {
    /// The scopes of these names.
    pub fn new(names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self(names.into_iter().map(Into::into).collect())
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
            let resource = match resource {
                "clients" => "customers",
                "followups" => "follow_ups",
                other => other,
            };
            let covers = match action {
                "manage" | "*" => true,
                "read" | "view" => matches!(permission.action(), "read" | "export" | "view"),
                "write" => {
                    matches!(permission.action(), "create" | "update" | "delete" | "import")
                }
                exact => exact == permission.action(),
            };
            resource == permission.resource() && covers
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permission(text: &str) -> Permission {
        text.parse().unwrap()
    }

    #[test]
    fn everything_without_one_is_everything_but_that_one() {
        let grants = Grants::everything().without(permission("owners:manage"));
        assert_eq!(grants.reach(&permission("owners:manage")), None);
        assert_eq!(grants.reach(&permission("robots:build")), Some(Reach::All));
    }

    #[test]
    fn a_union_is_as_wide_as_its_widest_part() {
        let mut grants = Grants::default().with(permission("owners:manage"), Reach::All);
        grants.merge(&Grants::everything().without(permission("owners:manage")));
        assert_eq!(grants.reach(&permission("owners:manage")), Some(Reach::All));
        let mut both = Grants::everything().without(permission("a:b"));
        both.merge(&Grants::everything().without(permission("c:d")));
        assert_eq!(both.reach(&permission("a:b")), Some(Reach::All));
    }

    #[test]
    fn a_union_is_no_wider_than_its_parts_in_either_order() {
        let own = Grants::default().with(permission("owners:manage"), Reach::Assigned);
        let admin = Grants::everything().without(permission("owners:manage"));
        for (mut one, other) in [(own.clone(), admin.clone()), (admin, own)] {
            one.merge(&other);
            assert_eq!(one.reach(&permission("owners:manage")), Some(Reach::Assigned));
        }
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
}
