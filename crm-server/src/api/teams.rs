//! The tenant's teams. Whoever manages one reaches what its members own, where a permission is held
//! for teams.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use crm_core::teams::{Team, TeamDraft, Teams, of_people};
use crm_core::users::UserId;
use crm_core::{Entity, Result, TenantCrm};
use poem_openapi::Object;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::caller::Caller;
use super::crud::{CAN, CanView, Resource};
use super::embed::{self, UserBrief};

/// Teams.
#[derive(Debug)]
pub struct TeamResource;

/// A team.
#[derive(Debug, Clone, Serialize, Object)]
#[serde(rename_all = "camelCase")]
#[oai(rename = "Team", rename_all = "camelCase")]
pub struct TeamView {
    /// The identifier.
    pub id: Uuid,
    /// The version, which is also the `ETag`.
    pub version: i64,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
    /// When it was deleted.
    pub deleted_at: Option<DateTime<Utc>>,
    /// What it is called; unique in the tenant, without case or accents.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// The users who are in it.
    pub members: Vec<Uuid>,
    /// The users who manage it, members of it or not. They reach what its members own.
    pub managers: Vec<Uuid>,
    /// Who manages it, embedded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manager_users: Option<Vec<UserBrief>>,
    /// Who is in it, embedded where asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member_users: Option<Vec<UserBrief>>,
    /// What the caller may do with it; where `expand` asks for it.
    #[serde(rename = "_can", skip_serializing_if = "Option::is_none")]
    #[oai(rename = "_can")]
    pub can: Option<CanView>,
}

/// A team to write.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Object)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[oai(rename_all = "camelCase")]
pub struct TeamInput {
    /// The version that is expected, in place of `If-Match`.
    pub version: Option<i64>,
    /// What it is called; unique in the tenant, without case or accents.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// The users who are in it: active ones of the tenant, 2500 at most.
    #[oai(default)]
    pub members: Vec<Uuid>,
    /// The users who manage it, 50 at most. Nobody brings anybody's records into the reach of
    /// somebody beyond their own.
    #[oai(default)]
    pub managers: Vec<Uuid>,
}

impl Resource for TeamResource {
    type Entity = Team;
    type Service = Teams;
    type View = TeamView;
    type Input = TeamInput;

    const PATH: &'static str = "/teams";
    const EXPANSIONS: &'static [&'static str] = &["managerUsers", "memberUsers", CAN];
    const ON_DEMAND: &'static [&'static str] = &["memberUsers", CAN];

    fn service(crm: &TenantCrm) -> Teams {
        crm.teams()
    }

    fn view(team: Team) -> TeamView {
        let Team {
            id,
            version,
            created_at,
            updated_at,
            deleted_at,
            name,
            description,
            members,
            managers,
        } = team;
        TeamView {
            id: id.uuid(),
            version,
            created_at,
            updated_at,
            deleted_at,
            name,
            description,
            members: members.into_iter().map(UserId::uuid).collect(),
            managers: managers.into_iter().map(UserId::uuid).collect(),
            manager_users: None,
            member_users: None,
            can: None,
        }
    }

    fn can(view: &mut TeamView) -> &mut Option<CanView> {
        &mut view.can
    }

    fn input(team: Team) -> TeamInput {
        let Team {
            id: _,
            version: _,
            created_at: _,
            updated_at: _,
            deleted_at: _,
            name,
            description,
            members,
            managers,
        } = team;
        TeamInput {
            version: None,
            name,
            description,
            members: members.into_iter().map(UserId::uuid).collect(),
            managers: managers.into_iter().map(UserId::uuid).collect(),
        }
    }

    fn expected(input: &TeamInput) -> Option<i64> {
        input.version
    }

    fn draft(input: TeamInput) -> Result<<Team as Entity>::Draft> {
        let TeamInput { version: _, name, description, members, managers } = input;
        let users = |ids: Vec<Uuid>| ids.into_iter().map(UserId::new).collect();
        Ok(TeamDraft { name, description, members: users(members), managers: users(managers) })
    }

    fn written(caller: &Caller) {
        caller.forget_who_may_what();
    }

    async fn expand(crm: &TenantCrm, views: &mut [TeamView], wanted: &[String]) -> Result<()> {
        let is_wanted = |name: &str| wanted.iter().any(|wanted| wanted == name);
        let (managers, members) = (is_wanted("managerUsers"), is_wanted("memberUsers"));
        let named = |view: &TeamView| -> Vec<Uuid> {
            let managers = view.managers.iter().filter(|_| managers);
            managers.chain(view.members.iter().filter(|_| members)).copied().collect()
        };
        let known = embed::known_people(crm, views.iter().flat_map(named)).await?;
        let briefs = |ids: &[Uuid]| ids.iter().filter_map(|id| known.get(id).cloned()).collect();
        for view in views {
            view.manager_users = managers.then(|| briefs(&view.managers));
            view.member_users = members.then(|| briefs(&view.members));
        }
        Ok(())
    }
}

/// A team that somebody is in, or manages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Object)]
pub struct TeamBrief {
    /// The identifier.
    pub id: Uuid,
    /// What it is called.
    pub name: String,
    /// Whether they are in it.
    pub member: bool,
    /// Whether they manage it.
    pub manager: bool,
}

/// The teams of people, with one query however many people there are. Those that the caller may
/// not read are left out.
pub(super) async fn embed_teams<V>(
    crm: &TenantCrm,
    views: &mut [V],
    user: fn(&V) -> Uuid,
    embedded: fn(&mut V) -> &mut Option<Vec<TeamBrief>>,
) -> Result<()> {
    let users: Vec<UserId> = views.iter().map(|view| UserId::new(user(view))).collect();
    let mut teams: BTreeMap<UserId, Vec<TeamBrief>> =
        users.iter().map(|user| (*user, Vec::new())).collect();
    for Team { id, name, members, managers, .. } in of_people(crm, &users).await? {
        let mut of: BTreeMap<UserId, (bool, bool)> = BTreeMap::new();
        members.into_iter().for_each(|user| of.entry(user).or_default().0 = true);
        managers.into_iter().for_each(|user| of.entry(user).or_default().1 = true);
        for (user, (member, manager)) in of {
            if let Some(theirs) = teams.get_mut(&user) {
                let (id, name) = (id.uuid(), name.clone());
                theirs.push(TeamBrief { id, name, member, manager });
            }
        }
    }
    for view in views {
        *embedded(view) = teams.remove(&UserId::new(user(view)));
    }
    Ok(())
}
