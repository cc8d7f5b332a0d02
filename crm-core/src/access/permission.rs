//! A permission is a resource and an action; a reach says to which records it applies.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};
use crate::store::Schema;

/// What may be done: `customers:read`, `roles:manage`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Permission {
    resource: Cow<'static, str>,
    action: Cow<'static, str>,
}

impl Permission {
    /// The permission for an action on a resource, both in snake case.
    pub const fn of(resource: &'static str, action: &'static str) -> Self {
        Self { resource: Cow::Borrowed(resource), action: Cow::Borrowed(action) }
    }

    /// The permission for an action on the records of a type.
    pub(crate) fn on(schema: &Schema, action: &'static str) -> Self {
        Self { resource: schema.resource().to_owned().into(), action: Cow::Borrowed(action) }
    }

    /// The resource: `customers`.
    pub fn resource(&self) -> &str {
        &self.resource
    }

    /// The action: `read`.
    pub fn action(&self) -> &str {
        &self.action
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.resource, self.action)
    }
}

impl FromStr for Permission {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let word = |part: &str| {
            let inside = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-".contains(&b);
            part.starts_with(|c: char| c.is_ascii_lowercase()) && part.bytes().all(inside)
        };
        match text.split_once(':') {
            Some((resource, action)) if word(resource) && word(action) => {
                Ok(Self { resource: resource.to_owned().into(), action: action.to_owned().into() })
            }
            _ => Err(Error::invalid(
                "permission",
                "INVALID_PERMISSION",
                format!("expected resource:action, got {text:?}"),
            )),
        }
    }
}

/// To which records a permission applies. A wider one contains the narrower.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reach {
    /// Records that name the user as one of their owners; those that name nobody, where the user
    /// created them.
    Assigned,
    /// The same for the user and anyone in a team that the user manages.
    Team,
    /// All records of the tenant.
    All,
}

impl Reach {
    /// `assigned`, `team` or `all`.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Assigned => "assigned",
            Self::Team => "team",
            Self::All => "all",
        }
    }
}

impl crate::Choice for Reach {
    const ALL: &'static [Self] = &[Self::Assigned, Self::Team, Self::All];

    fn code(self) -> &'static str {
        Self::code(self)
    }
}

impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl FromStr for Reach {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        [Self::Assigned, Self::Team, Self::All]
            .into_iter()
            .find(|reach| reach.code() == text)
            .ok_or_else(|| {
                Error::invalid(
                    "reach",
                    "INVALID_REACH",
                    format!("expected assigned, team or all, got {text:?}"),
                )
            })
    }
}
