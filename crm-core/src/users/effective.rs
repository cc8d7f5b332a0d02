//! What a member may do, and what gives it.

use super::Member;
use crate::TenantCrm;
use crate::access::{Permission, Reach};
use crate::error::Result;
use crate::roles::known;

/// What gives a permission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The role of this code.
    Role(String),
    /// A grant to this member alone.
    Extra,
}

/// One permission that a member holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldPermission {
    /// The permission.
    pub permission: Permission,
    /// The widest reach at which it is held.
    pub reach: Reach,
    /// The fields that all that gives it leaves out.
    pub without: Vec<String>,
    /// What gives it, each at its own reach.
    pub from: Vec<(Source, Reach)>,
}

/// What a member may do.
#[derive(Debug, Clone, PartialEq)]
pub struct Permissions {
    /// The member.
    pub member: Member,
    /// Each permission that the member holds, in the order of their names.
    pub held: Vec<HeldPermission>,
}

/// What a member's roles and extra grants come to.
pub(super) async fn permissions_of(within: &TenantCrm, member: Member) -> Result<Permissions> {
    let codes = member.roles.iter().map(String::as_str);
    let roles = known(within.crm(), within.actor().tenant(), codes).await?;
    let together = roles.together(&member.roles, &member.grants);
    let mut held = Vec::new();
    for (permission, reach) in together.list() {
        let of_role = |code: &String| {
            let reach = roles.grants(code)?.reach(&permission)?;
            Some((Source::Role(code.clone()), reach))
        };
        let extra = member.grants.iter().filter(|grant| grant.permission == permission);
        let from = member.roles.iter().filter_map(of_role);
        let from = from.chain(extra.map(|grant| (Source::Extra, grant.reach))).collect();
        let without = together.left_out(&permission).into_iter().flatten().cloned().collect();
        held.push(HeldPermission { permission, reach, without, from });
    }
    Ok(Permissions { member, held })
}
