//! What a change of a role would mean, for each who has it, before anything is changed.
//!
//! Whoever asks is refused what the change itself would be refused, and learns of people and
//! records no more than they may read.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{CustomRole, CustomRoleDraft, Roles, known};
use crate::access::{Actor, Grants, Permission, RESOURCES, Reach, scoping};
use crate::crm::is_product;
use crate::entity::{Draft, Entity, Find};
use crate::error::Result;
use crate::id::Id;
use crate::records::Records;
use crate::store::{Aggregate, Group, MAX_LIMIT, Owners, Schema, Scoping, Window};
use crate::teams::managed_by;
use crate::users::Member;

/// For how many members records are counted.
pub const MOST_COUNTED: usize = 20;
/// Of how many members the answer tells.
pub const MOST_SHOWN: usize = 200;

/// What a change of a role would mean.
#[derive(Debug, Clone, PartialEq)]
pub struct RolePreview {
    /// The role as it would be.
    pub role: CustomRole,
    /// How many members have it, active or not.
    pub holders: u64,
    /// For whom of those whom the actor may see something would change, by their names;
    /// [`MOST_SHOWN`] at most.
    pub members: Vec<MemberChange>,
}

/// What a change would mean for one member.
#[derive(Debug, Clone, PartialEq)]
pub struct MemberChange {
    /// The member.
    pub member: Member,
    /// Each permission whose reach would be another one.
    pub permissions: Vec<ReachChange>,
    /// How many records of each type the member could read before and afterwards, of those that the
    /// actor may read: of types whose reading changes. None where it was not counted, because there
    /// are more than [`MOST_COUNTED`] members before this one.
    pub records: Option<Vec<RecordChange>>,
}

/// How the reach of a permission would change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReachChange {
    /// The permission.
    pub permission: Permission,
    /// The reach at which it is held; none where it is not.
    pub before: Option<Reach>,
    /// The reach at which it would be.
    pub after: Option<Reach>,
    /// The fields that it leaves out and would not any more.
    pub shown: Vec<String>,
    /// The fields that it would leave out and does not.
    pub left_out: Vec<String>,
}

/// How many records of a type could be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordChange {
    /// The type: `customers`.
    pub record_type: String,
    /// How many before.
    pub before: u64,
    /// How many afterwards.
    pub after: u64,
}

impl Roles {
    /// What [`Roles::replace`] would mean for those who have the role; nothing is written. Needs
    /// what that needs. Of people, it tells of those whom the actor may see; of records, how many
    /// there are of those that the actor may read itself.
    ///
    /// # Errors
    /// As [`Roles::replace`], but for a name that another role has.
    pub async fn preview(
        &self,
        id: Id<CustomRole>,
        expected: Option<i64>,
        draft: CustomRoleDraft,
    ) -> Result<RolePreview> {
        self.require_own(id)?;
        let change = |role: &mut CustomRole| {
            draft.clone().replace(role);
            Ok(())
        };
        let (before, after) = self.records().rehearse(id, expected, &change).await?;
        let within = self.records().within();
        let code = before.code.clone();
        let count = Find::from(Member::ROLES.eq(code.clone())).page(1, 1).counted();
        let holders = within.query_for_rules(count.into_query()?).await?.total.unwrap_or_default();
        let mut members = Vec::new();
        let may_see = within.actor().reach(&Records::<Member>::permission("read")).is_some();
        let mut of_all = BTreeMap::new();
        if may_see && !differences(&before.all_grants(), &after.all_grants()).is_empty() {
            let find = Find::from(Member::ROLES.eq(code)).sort(Member::NAME.asc());
            let mut cursor = None;
            while members.len() < MOST_SHOWN {
                let query = find.clone().into_query()?;
                let query = query.window(Window::Cursor { after: cursor, limit: MAX_LIMIT })?;
                let page = within.members().select(query).await?;
                members.extend(
                    self.changes(page.items, (&before, &after), members.len(), &mut of_all).await?,
                );
                cursor = page.next;
                if cursor.is_none() {
                    break;
                }
            }
            members.truncate(MOST_SHOWN);
        }
        Ok(RolePreview { role: after, holders, members })
    }

    /// Those of these members for whom something would change; `counted` were told of before.
    async fn changes(
        &self,
        members: Vec<Member>,
        (before, after): (&CustomRole, &CustomRole),
        counted: usize,
        of_all: &mut BTreeMap<String, u64>,
    ) -> Result<Vec<MemberChange>> {
        let within = self.records().within();
        let tenant = within.actor().tenant();
        let codes = members.iter().flat_map(|member| member.roles.iter().map(String::as_str));
        let roles = known(within.crm(), tenant, codes).await?;
        let mut changes: Vec<MemberChange> = Vec::new();
        for member in members {
            let others = member.roles.iter().filter(|code| **code != before.code);
            let others = roles.together(others, &member.grants);
            let with = |role: &CustomRole| {
                let mut grants = others.clone();
                grants.merge(&role.all_grants());
                grants
            };
            let (was, will) = (with(before), with(after));
            let permissions = differences(&was, &will);
            if permissions.is_empty() {
                continue;
            }
            let records = match counted + changes.len() < MOST_COUNTED {
                true => Some(self.counts(&member, (&was, &will), &permissions, of_all).await?),
                false => None,
            };
            changes.push(MemberChange { member, permissions, records });
            if counted + changes.len() == MOST_SHOWN {
                break;
            }
        }
        Ok(changes)
    }

    async fn counts(
        &self,
        member: &Member,
        (was, will): (&Grants, &Grants),
        permissions: &[ReachChange],
        of_all: &mut BTreeMap<String, u64>,
    ) -> Result<Vec<RecordChange>> {
        let within = self.records().within();
        let tenant = within.actor().tenant();
        let is_of_team =
            |change: &ReachChange| [change.before, change.after].contains(&Some(Reach::Team));
        let team = match permissions.iter().any(is_of_team) {
            true => managed_by(within.crm(), tenant, member.user).await?,
            false => Vec::new(),
        };
        let as_with = |grants: &Grants| {
            Actor::new(tenant, member.user).with_grants(grants).with_team(team.clone())
        };
        let (was, will) = (as_with(was), as_with(will));
        let mut counts = BTreeMap::new();
        for schema in within.crm().catalogue().iter() {
            let read = Permission::on(schema, "read");
            let is_counted = schema.scoping() == Scoping::Tenant
                && *schema.owners() != Owners::Nobody
                && schema.name() != CustomRole::ENTITY
                && (RESOURCES.iter().any(|resource| resource.name == schema.resource())
                    || !is_product(schema))
                && permissions.iter().any(|change| change.permission == read)
                && within.actor().reach(&read).is_some();
            if is_counted {
                let before = self.readable(&was, &read, schema, of_all).await?;
                let after = self.readable(&will, &read, schema, of_all).await?;
                let record_type = schema.resource().to_owned();
                counts.insert(record_type.clone(), RecordChange { record_type, before, after });
            }
        }
        Ok(counts.into_values().collect())
    }

    /// How many records of a type somebody may read, of those that the actor may. Of who may read
    /// all of them it is counted once; not so where the reach is not all that decides.
    async fn readable(
        &self,
        who: &Actor,
        read: &Permission,
        schema: &Arc<Schema>,
        of_all: &mut BTreeMap<String, u64>,
    ) -> Result<u64> {
        let Some(reach) = who.reach(read) else { return Ok(0) };
        let is_of_all = match schema.owners() {
            Owners::Ends => false,
            Owners::Everybody => true,
            _ => reach == Reach::All,
        };
        if let Some(count) = of_all.get(schema.name()).filter(|_| is_of_all) {
            return Ok(*count);
        }
        let within = self.records().within();
        let theirs = scoping::reach_filter(who, within.crm().catalogue(), read, schema)?;
        let count = Aggregate::count(Arc::clone(schema)).filter(theirs)?;
        let count = Group::only(within.aggregate(read, count).await?)?.count(0)?;
        if is_of_all {
            of_all.insert(schema.name().to_owned(), count);
        }
        Ok(count)
    }
}

/// Each permission that is held at another reach afterwards, in the order of their names.
fn differences(was: &Grants, will: &Grants) -> Vec<ReachChange> {
    let fields = |one: &Grants, other: &Grants, permission: &Permission| -> Vec<String> {
        let (one, other) = (one.left_out(permission), other.left_out(permission));
        let other = |field: &&String| other.is_none_or(|other| !other.contains(*field));
        one.into_iter().flatten().filter(other).cloned().collect()
    };
    let (was_in_all, will_in_all) = (was, will);
    let (was, will) = (was.list(), will.list());
    let mut all: Vec<&Permission> = was.keys().chain(will.keys()).collect();
    all.sort_unstable();
    all.dedup();
    let each = all.into_iter().map(|permission| ReachChange {
        permission: permission.clone(),
        before: was.get(permission).copied(),
        after: will.get(permission).copied(),
        shown: fields(was_in_all, will_in_all, permission),
        left_out: fields(will_in_all, was_in_all, permission),
    });
    let is_one = |change: &ReachChange| {
        change.before != change.after || !change.shown.is_empty() || !change.left_out.is_empty()
    };
    each.filter(is_one).collect()
}
