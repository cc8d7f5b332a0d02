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
    /// The fields of these records that it leaves out; of a permission to read only. They are
    /// neither shown nor asked by nor written, by whoever has nothing else that gives them.
    pub without: Vec<String>,
}

impl Grant {
    /// This permission at this reach.
    pub const fn new(permission: Permission, reach: Reach) -> Self {
        Self { permission, reach, without: Vec::new() }
    }

    /// The same without these fields of the records: `email`, `customFields.salary`.
    ///
    /// ```
    /// use crm_core::access::{Grant, Permission, Reach};
    ///
    /// let read = Grant::new(Permission::of("customers", "read"), Reach::All);
    /// assert_eq!(read.leaving_out(["email"]).to_string(), "customers:read@all!email");
    /// ```
    #[must_use]
    pub fn leaving_out(mut self, fields: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.without = fields.into_iter().map(Into::into).collect();
        self
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.permission, self.reach)?;
        if self.without.is_empty() { Ok(()) } else { write!(f, "!{}", self.without.join(",")) }
    }
}

impl FromStr for Grant {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (text, without) = text.split_once('!').unwrap_or((text, ""));
        let (permission, reach) = text.split_once('@').unwrap_or((text, "all"));
        let without = without.split(',').filter(|field| !str::is_empty(field));
        Ok(Self::new(permission.parse()?, reach.parse()?).leaving_out(without))
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

/// Permissions, each with the widest reach at which it was given, and without the fields that all
/// that gives it leaves out.
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
    /// Of what is held, the fields that it leaves out.
    left_out: BTreeMap<Permission, BTreeSet<String>>,
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
        self.left_out.remove(&permission);
        if self.everything {
            self.except.insert(permission);
        }
        self
    }

    /// With this permission at this reach, or at the wider one at which it is held already.
    #[must_use]
    pub fn with(mut self, permission: Permission, reach: Reach) -> Self {
        self.add(permission, reach, &BTreeSet::new());
        self
    }

    /// With these permissions, each written `resource:action`, at one reach.
    ///
    /// # Errors
    /// Where one is not written so.
    pub fn with_all(mut self, permissions: &[&str], reach: Reach) -> Result<Self> {
        for permission in permissions {
            self.add(permission.parse()?, reach, &BTreeSet::new());
        }
        Ok(self)
    }

    /// Adds what the other holds.
    pub fn merge(&mut self, other: &Self) {
        if other.everything {
            // What is held without exception leaves nothing out.
            self.left_out.retain(|permission, _| other.except.contains(permission));
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
            let left_out = other.left_out.get(permission);
            self.add(permission.clone(), *reach, left_out.unwrap_or(&BTreeSet::new()));
        }
    }

    /// The fields that a permission that is held leaves out; none where it leaves out nothing.
    pub fn left_out(&self, permission: &Permission) -> Option<&BTreeSet<String>> {
        self.left_out.get(permission)
    }

    /// Whether anything that is held leaves out fields.
    pub(crate) fn leaves_out(&self) -> bool {
        !self.left_out.is_empty()
    }

    /// Whether both come to the same.
    pub(crate) fn amount_to(&self, other: &Self) -> bool {
        self.left_out == other.left_out && self.list() == other.list()
    }

    /// A field that the other holds and this leaves out.
    pub(super) fn lacks_of(&self, other: &Self, permission: &Permission) -> Option<&str> {
        let theirs = other.left_out.get(permission);
        let mut lacking = self.left_out.get(permission)?.iter();
        let field = lacking.find(|field| theirs.is_none_or(|theirs| !theirs.contains(*field)));
        field.map(String::as_str)
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
        let whole = newly.map(|(permission, reach)| {
            let left_out = self.left_out(&permission).into_iter().flatten().cloned();
            let left_out: Vec<String> = left_out.collect();
            Grant::new(permission, reach).leaving_out(left_out)
        });
        whole.collect()
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

    fn add(&mut self, permission: Permission, reach: Reach, left_out: &BTreeSet<String>) {
        if self.reach(&permission).is_none() {
            if !left_out.is_empty() {
                self.left_out.insert(permission.clone(), left_out.clone());
            }
        } else if let Some(mine) = self.left_out.get_mut(&permission) {
            mine.retain(|field| left_out.contains(field));
            if mine.is_empty() {
                self.left_out.remove(&permission);
            }
        }
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
        for Grant { permission, reach, without } in grants {
            self.add(permission, reach, &without.into_iter().collect());
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
    fn a_field_is_left_out_where_all_that_gives_the_permission_leaves_it_out() {
        let read = |fields: &'static [&'static str], reach| -> Grant {
            Grant::new(permission("customers:read"), reach).leaving_out(fields.iter().copied())
        };
        let left_out = |all: &[Grant]| -> Vec<String> {
            let grants: Grants = all.iter().cloned().collect();
            let left_out = grants.left_out(&permission("customers:read"));
            left_out.into_iter().flatten().cloned().collect()
        };
        let (narrow, wide) =
            (read(&["email", "phone"], Reach::Assigned), read(&["email"], Reach::All));
        assert_eq!(left_out(&[narrow.clone(), wide.clone()]), ["email"]);
        assert_eq!(left_out(&[wide.clone(), narrow.clone()]), ["email"]);
        assert!(left_out(&[narrow.clone(), read(&[], Reach::Assigned), wide]).is_empty());
        let some: Grants = [narrow.clone()].into_iter().collect();
        for (mut one, other) in [(some.clone(), Grants::everything()), (Grants::everything(), some)]
        {
            one.merge(&other);
            assert!(!one.leaves_out());
        }
        assert_eq!(narrow.to_string().parse::<Grant>().unwrap(), narrow);
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
