//! Whom somebody manages, for rules and for actors, whatever these may see; and which teams people
//! are in, as far as whoever asks may.

use super::{MOST_MANAGED, Team};
use crate::access::Actor;
use crate::crm::Crm;
use crate::entity::Find;
use crate::error::Result;
use crate::store::{MAX_LIMIT, Page, Window};
use crate::tenants::TenantId;
use crate::users::UserId;
use crate::{Entity, Records, TenantCrm};

/// The live teams of a tenant that are asked for.
pub(super) async fn teams(within: &TenantCrm, find: Find<Team>) -> Result<Vec<Team>> {
    let mut teams = Vec::new();
    let mut after = None;
    loop {
        let window = Window::Cursor { after, limit: MAX_LIMIT };
        let query = find.clone().into_query()?.window(window)?;
        let Page { items, next, .. } = within.query_for_rules(query).await?;
        for record in items {
            teams.push(Team::from_values(record.into_values())?);
        }
        after = next;
        if after.is_none() {
            return Ok(teams);
        }
    }
}

/// The members of the teams that a user manages, without the user; [`MOST_MANAGED`] at most, which
/// the rules of teams keep to.
pub(crate) async fn managed_by(crm: &Crm, tenant: TenantId, user: UserId) -> Result<Vec<UserId>> {
    let within = crm.tenant(Actor::new(tenant, user));
    let managed = teams(&within, Find::from(Team::MANAGERS.any_of([user]))).await?;
    let mut people: Vec<UserId> = managed.into_iter().flat_map(|team| team.members).collect();
    people.sort_unstable();
    people.dedup();
    people.retain(|managed| *managed != user);
    people.truncate(MOST_MANAGED);
    Ok(people)
}

/// Those of the teams that the actor may read in which one of these users is, or which one of them
/// manages, by their names: for showing them with people. None where the actor may read no teams.
///
/// # Errors
/// Where the store fails.
pub async fn of_people(within: &TenantCrm, users: &[UserId]) -> Result<Vec<Team>> {
    if users.is_empty() || within.actor().reach(&Records::<Team>::permission("read")).is_none() {
        return Ok(Vec::new());
    }
    let named = Team::MEMBERS
        .any_of(users.iter().copied())
        .or(Team::MANAGERS.any_of(users.iter().copied()));
    let find = Find::from(named).sort(Team::NAME.asc());
    let mut teams = Vec::new();
    let mut after = None;
    loop {
        let page = within.teams().walk(find.clone(), after).await?;
        teams.extend(page.items);
        after = page.next;
        if after.is_none() {
            return Ok(teams);
        }
    }
}
