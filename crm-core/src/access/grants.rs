//! What an actor holds.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use super::permission::{Permission, Reach};
use crate::entity::FieldType;
use crate::error::{Error, Result};
use crate::store::{Kind, Value};

/// One permission with its reach, as roles and members keep it: `customers:read@team`.
///
/// ```
/// use crm_core::access::{Grant, Grants, Permission, Reach};
///
/// let grant: Grant = "customers:read@team".parse()?;
/// assert_eq!(grant, Grant::new(Permission::of("customers", "read"), Reach::Team));
/// let grants: Grants = [grant].into_iter().collect();
/// assert_eq!(grants.reach(&Permission::of("customers", "read")), Some(Reach::Team));
/// # Ok::<(), crm_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Grant {
    /// What may be done.
    pub permission: Permission,
    /// To which records.
    pub reach: Reach,
}

impl Grant {
    /// This permission at this reach.
    pub const fn new(permission: Permission, reach: Reach) -> Self {
        Self { permission, reach }
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.permission, self.reach)
    }
}

impl FromStr for Grant {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (permission, reach) = text.split_once('@').unwrap_or((text, "all"));
        Ok(Self { permission: permission.parse()?, reach: reach.parse()? })
    }
}

impl FieldType for Grant {
    const KIND: Kind = Kind::Code;
    type Plain = Self;
    fn into_value(self) -> Value {
        Value::Text(self.to_string())
    }
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Text(text) => text.parse().ok(),
            _ => None,
        }
    }
}

impl FieldType for Vec<Grant> {
    const KIND: Kind = Kind::Codes;
    type Plain = Grant;
    fn into_value(self) -> Value {
        Value::Codes(self.iter().map(Grant::to_string).collect())
    }
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Codes(codes) => codes.iter().map(|code| code.parse().ok()).collect(),
            _ => None,
        }
    }
}

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

    /// What is held for teams, and was held for nothing or for oneself only before.
    pub(crate) fn newly_for_teams(&self, before: &Self) -> Self {
        let newly = |(permission, reach): &(Permission, Reach)| {
            *reach == Reach::Team && before.reach(permission) < Some(Reach::Team)
        };
        let newly = self.parts().filter(newly);
        newly.map(|(permission, reach)| Grant::new(permission, reach)).collect()
    }

    /// What the other holds, in parts: each permission that it names or that the product knows.
    pub(super) fn parts(&self) -> impl Iterator<Item = (Permission, Reach)> {
        self.list().into_iter()
    }

    /// Whether it holds whatever there is, but for exceptions.
    pub(super) fn is_open(&self) -> bool {
        self.everything
    }

    /// What is not held, or not at all reach, though everything is.
    pub(super) fn exceptions(&self) -> impl Iterator<Item = &Permission> {
        self.except.iter()
    }

    fn add(&mut self, permission: Permission, reach: Reach) {
        if reach == Reach::All {
            self.except.remove(&permission);
        }
        let held = self.held.entry(permission).or_insert(reach);
        *held = (*held).max(reach);
    }
}

impl FromIterator<Grant> for Grants {
    fn from_iter<T: IntoIterator<Item = Grant>>(grants: T) -> Self {
        let mut all = Self::default();
        all.extend(grants);
        all
    }
}

impl Extend<Grant> for Grants {
    fn extend<T: IntoIterator<Item = Grant>>(&mut self, grants: T) {
        for Grant { permission, reach } in grants {
            self.add(permission, reach);
        }
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
}
