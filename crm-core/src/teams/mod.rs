//! Teams: who works together, and who manages them.
//!
//! A team is what the reach `team` means: whoever manages one reaches what its members own, beside
//! what is their own. Managing a team does not make somebody a member of it: a manager's own
//! records are seen by another manager only where the team names both. So a change of a team is a
//! change of what people may do, and is held to what such changes are held to: nobody brings
//! anybody's records into the reach of somebody, themselves included, beyond their own reach.
//! `rules.rs` says how.

mod managed;
mod rules;

use chrono::{DateTime, Utc};

pub(crate) use managed::managed_by;
pub use managed::of_people;

use crate::Entity;
use crate::error::Result;
use crate::id::Id;
use crate::records::{Along, Records};
use crate::users::{Member, UserId};
use crate::{Find, TenantCrm};

/// The service of teams.
pub type Teams = Records<Team>;

/// The most teams of a tenant.
pub const MOST_TEAMS: usize = 500;
/// The most members of one team.
pub const MOST_MEMBERS: usize = 2_500;
/// The most managers of one team.
pub const MOST_MANAGERS: usize = 50;
/// The most people whom one user manages, in all teams together.
pub const MOST_MANAGED: usize = 9_000;

/// A team.
#[derive(Debug, Clone, PartialEq, Entity)]
#[entity(name = "teams", tenant, owners(assigned(managers, members)))]
#[entity(unique(name = "teams_name", fields(name)))]
pub struct Team {
    /// The identifier.
    pub id: Id<Self>,
    /// The version.
    pub version: i64,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
    /// When it was deleted.
    pub deleted_at: Option<DateTime<Utc>>,
    /// What it is called; unique in the tenant, without case or accents.
    #[entity(filter, sort, search)]
    pub name: String,
    /// What it is for.
    #[entity(search)]
    pub description: Option<String>,
    /// Who is in it.
    #[entity(filter)]
    pub members: Vec<UserId>,
    /// Who manages it; members of it or not.
    #[entity(filter)]
    pub managers: Vec<UserId>,
}

impl Team {
    /// Everybody whom it names, each once.
    pub fn people(&self) -> Vec<UserId> {
        let mut people: Vec<UserId> = self.managers.iter().chain(&self.members).copied().collect();
        people.sort_unstable();
        people.dedup();
        people
    }
}

/// Lets a member out of all teams, in the commit in which it leaves the tenant. No permission is
/// asked for: who may let them leave has been seen to.
pub(crate) async fn leave_all(
    who: &Member,
    within: &TenantCrm,
    along: &mut Along<'_>,
) -> Result<()> {
    let named = Team::MEMBERS.any_of([who.user]).or(Team::MANAGERS.any_of([who.user]));
    for team in managed::teams(within, Find::from(named)).await? {
        let unit = along.unit();
        let mut after = team.clone();
        after.members.retain(|user| *user != who.user);
        after.managers.retain(|user| *user != who.user);
        after.set_system(unit.next(&team));
        unit.update(team, after, crate::audit::Action::Updated)?;
    }
    Ok(())
}
