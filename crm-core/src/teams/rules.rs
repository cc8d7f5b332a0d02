//! What must hold of a team, and what its change does to what people may do.
//!
//! Whoever is named in a team comes to a new version of their record in the tenant, without a
//! change of its values, and so does each manager who comes to reach somebody. Hence nobody is
//! named while they leave, and nobody is given more to do with a team's records at the moment in
//! which the team grows: one of the two is decided anew.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;

use super::managed::managed_by;
use super::{MOST_MANAGED, MOST_MANAGERS, MOST_MEMBERS, MOST_TEAMS, Team};
use crate::TenantCrm;
use crate::audit::Action;
use crate::entity::{Entity, Find};
use crate::error::{Error, Faults, Result};
use crate::records::{Along, Rules};
use crate::roles::known;
use crate::store::MAX_LIMIT;
use crate::users::{Member, UserId, UserStatus};
use crate::values::{Multiline, clean_texts, required_text};

#[async_trait]
impl Rules for Team {
    async fn check(&mut self, before: Option<&Self>, within: &TenantCrm) -> Result<()> {
        let mut faults = Faults::default();
        if let Some(name) = faults.absorb(required_text("name", &self.name, 100, Multiline::No))? {
            self.name = name;
        }
        let description = ("description", &mut self.description, 500, Multiline::Yes);
        clean_texts([description], &mut faults)?;
        for (field, people, most) in [
            ("members", &mut self.members, MOST_MEMBERS),
            ("managers", &mut self.managers, MOST_MANAGERS),
        ] {
            let mut seen = BTreeSet::new();
            people.retain(|user| seen.insert(*user));
            if people.len() > most {
                let message = format!("expected at most {most}, got {}", people.len());
                faults.add(field, "TOO_MANY", message);
            }
        }
        // Nothing more is asked about people beyond number.
        if faults.is_empty() {
            self.check_people(before, within, &mut faults).await?;
        }
        // One that is brought back counts like one that is new.
        if before.is_none_or(|before| before.deleted_at.is_some()) {
            let query = Find::<Self>::all().page(1, 1).counted().into_query()?;
            let there = within.query_for_rules(query).await?.total.unwrap_or_default();
            if there >= MOST_TEAMS as u64 {
                faults.add("", "TOO_MANY", format!("there are {MOST_TEAMS} teams already"));
            }
        }
        faults.into_result()
    }

    async fn accompany(
        action: Action,
        before: Option<&Self>,
        after: &Self,
        within: &TenantCrm,
        along: &mut Along<'_>,
    ) -> Result<()> {
        if action == Action::Deleted {
            return Ok(());
        }
        let was = before.filter(|before| before.deleted_at.is_none());
        let gains = gains(was, after);
        let mut concerned: BTreeSet<UserId> = after.people().into_iter().collect();
        for user in was.map(Self::people).unwrap_or_default() {
            concerned.remove(&user);
        }
        concerned.extend(gains.keys().copied());
        let members = members(within, &concerned).await?;
        after.require_all_over(&gains, &members, within).await?;
        for (manager, gained) in &gains {
            let crm = within.crm();
            let mut managed: BTreeSet<UserId> =
                managed_by(crm, within.actor().tenant(), *manager).await?.into_iter().collect();
            managed.extend(gained);
            if managed.len() > MOST_MANAGED {
                let message = format!("{manager} would manage more than {MOST_MANAGED} people");
                return Err(Error::invalid("managers", "TOO_MANY", message));
            }
        }
        for user in concerned {
            match members.get(&user) {
                Some(member) => {
                    let unit = along.unit();
                    let mut next = member.clone();
                    next.version += 1;
                    unit.update_silently(member.clone(), next)?;
                }
                // It was there when the values were checked.
                None if within.crm().keeps_users() => {
                    let (kind, id) = (Member::ENTITY.to_owned(), user.to_string());
                    return Err(Error::Stale { kind, id, expected: 0 });
                }
                None => {}
            }
        }
        Ok(())
    }
}

impl Team {
    /// That those who are newly named work in the tenant. Of a team that is brought back, those
    /// who left meanwhile are left out.
    async fn check_people(
        &mut self,
        before: Option<&Self>,
        within: &TenantCrm,
        faults: &mut Faults,
    ) -> Result<()> {
        if !within.crm().keeps_users() {
            return Ok(());
        }
        let was = before.filter(|before| before.deleted_at.is_none());
        let had: BTreeSet<UserId> = was.map(Self::people).unwrap_or_default().into_iter().collect();
        let new = self.people().into_iter().filter(|user| !had.contains(user)).collect();
        let members = members(within, &new).await?;
        if before.is_some_and(|before| before.deleted_at.is_some()) {
            self.members.retain(|user| members.contains_key(user));
            self.managers.retain(|user| members.contains_key(user));
            return Ok(());
        }
        for (field, people) in [("members", &self.members), ("managers", &self.managers)] {
            for (i, user) in people.iter().enumerate().filter(|(_, user)| new.contains(user)) {
                if members.get(user).is_none_or(|member| member.status != UserStatus::Active) {
                    let message = "expected an active member of the tenant";
                    faults.add(format!("{field}[{i}]"), "UNKNOWN_USER", message);
                }
            }
        }
        Ok(())
    }

    /// That the actor itself reaches whoever comes into the reach of a manager, by each permission
    /// that the manager holds for teams.
    async fn require_all_over(
        &self,
        gains: &BTreeMap<UserId, Vec<UserId>>,
        members: &BTreeMap<UserId, Member>,
        within: &TenantCrm,
    ) -> Result<()> {
        let actor = within.actor();
        let managers: Vec<&Member> = gains.keys().filter_map(|user| members.get(user)).collect();
        let codes = managers.iter().flat_map(|member| member.roles.iter().map(String::as_str));
        let roles = known(within.crm(), actor.tenant(), codes).await?;
        for (user, gained) in gains {
            let mut held = match members.get(user) {
                Some(member) => roles.together(&member.roles, &member.grants),
                // What a host's users may do is not known here: no more than who asks.
                None => actor.grants().clone(),
            };
            if *user == actor.user() {
                held.merge(actor.grants());
            }
            actor.require_over(&held, gained)?;
        }
        Ok(())
    }
}

/// Who comes to reach whom: of each manager, the members whom the team did not put into their reach
/// before.
fn gains(was: Option<&Team>, after: &Team) -> BTreeMap<UserId, Vec<UserId>> {
    let had: BTreeSet<UserId> =
        was.map(|was| was.members.iter().copied().collect()).unwrap_or_default();
    let mut gains = BTreeMap::new();
    for manager in &after.managers {
        let managed = was.is_some_and(|was| was.managers.contains(manager));
        let gained = after.members.iter().filter(|user| !(managed && had.contains(user)));
        let gained: Vec<UserId> = gained.filter(|user| *user != manager).copied().collect();
        if !gained.is_empty() {
            gains.insert(*manager, gained);
        }
    }
    gains
}

/// The members of a tenant, active or not, that these users are.
async fn members(within: &TenantCrm, users: &BTreeSet<UserId>) -> Result<BTreeMap<UserId, Member>> {
    let mut found = BTreeMap::new();
    let users: Vec<UserId> = users.iter().copied().collect();
    for part in users.chunks(MAX_LIMIT as usize) {
        let find = Find::from(Member::USER.any_of(part.iter().copied())).page(1, MAX_LIMIT);
        for record in within.query_for_rules(find.into_query()?).await?.items {
            let member = Member::from_values(record.into_values())?;
            found.insert(member.user, member);
        }
    }
    Ok(found)
}
