//! Members as the API shows and takes them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use crm_core::access::BuiltIn;
use crm_core::language::ParameterDescription;
use crm_core::records::{Bulk, Can, Export, How, Outcome, Selection};
use crm_core::store::{Deleted, Filter, Kind, Page, Query};
use crm_core::users::{HandedOver, Member, MemberDraft, Members, UserId, UserStatus};
use crm_core::{Choice, Draft, Entity, Id, Result, TenantCrm};
use poem_openapi::Object;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::super::caller::Caller;
use super::super::crud::{CAN, CanView, Resource, Service};
use super::super::error::ApiError;
use super::super::teams::{TeamBrief, embed_teams};
use super::super::values::Code;
use super::permissions::GrantView;

/// The parameter that names roles by their codes.
const ROLE: &str = "role";

/// Members.
#[derive(Debug)]
pub struct MemberResource;

/// A user in the tenant.
#[derive(Debug, Clone, Serialize, Object)]
#[serde(rename_all = "camelCase")]
#[oai(rename = "Member", rename_all = "camelCase")]
pub struct MemberView {
    /// The identifier of the user: what records name as their owner.
    pub id: Uuid,
    /// The version, which is also the `ETag`.
    pub version: i64,
    /// When they joined.
    pub created_at: DateTime<Utc>,
    /// When their place in the tenant was last changed.
    pub updated_at: DateTime<Utc>,
    /// When they left.
    pub deleted_at: Option<DateTime<Utc>>,
    /// The e-mail address that they sign in with.
    pub email: String,
    /// What they are called in the tenant.
    pub name: String,
    /// The codes of their roles.
    pub roles: Vec<String>,
    /// What they may do besides.
    pub extra_permissions: Vec<GrantView>,
    /// Their title.
    pub title: Option<String>,
    /// Their phone number at work.
    pub phone: Option<String>,
    /// Whether they may work in the tenant.
    pub status: Code<UserStatus>,
    /// The teams that they are in or manage, as far as the caller may read teams; embedded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub teams: Option<Vec<TeamBrief>>,
    /// What the caller may do with it; where `expand` asks for it.
    #[serde(rename = "_can", skip_serializing_if = "Option::is_none")]
    #[oai(rename = "_can")]
    pub can: Option<CanView>,
}

/// Somebody who comes to work in the tenant.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Object)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[oai(rename_all = "camelCase")]
pub struct NewMemberInput {
    /// The e-mail address.
    pub email: String,
    /// The password of a new user: 8 to 256 characters. One who signs in already keeps their own.
    pub password: String,
    /// What they are called; the part of the address before the `@` where none is given.
    pub name: Option<String>,
    /// A name to sign in with instead of the address, of a new user.
    pub username: Option<String>,
    /// The codes of their roles, at least one.
    pub roles: Vec<String>,
    /// Their title.
    pub title: Option<String>,
    /// Their phone number at work.
    pub phone: Option<String>,
}

/// A user's place in the tenant, to write.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Object)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[oai(rename_all = "camelCase")]
pub struct MemberInput {
    /// The version that is expected, in place of `If-Match`.
    pub version: Option<i64>,
    /// What they are called in the tenant.
    pub name: String,
    /// The codes of their roles, at least one.
    pub roles: Vec<String>,
    /// Their title.
    pub title: Option<String>,
    /// Their phone number at work.
    pub phone: Option<String>,
}

/// Whom to hand over to.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Object)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[oai(rename_all = "camelCase")]
pub struct HandOverInput {
    /// The user who takes the records over: an active one of the tenant.
    pub to: Option<Uuid>,
    /// Records of which types, by their plural names; all that have owners where none is named.
    pub types: Option<Vec<String>>,
}

/// What was handed over.
#[derive(Debug, Clone, Serialize, Object)]
#[serde(rename_all = "camelCase")]
#[oai(rename = "HandedOver", rename_all = "camelCase")]
pub struct HandOverView {
    /// How many records, of all types together.
    pub total: u64,
    /// How many of each type that was looked through.
    pub records: BTreeMap<String, u64>,
}

impl From<HandedOver> for HandOverView {
    fn from(handed: HandedOver) -> Self {
        let HandedOver { records } = handed;
        let total = records.iter().map(|(_, count)| count).sum();
        Self { total, records: records.into_iter().collect() }
    }
}

impl Resource for MemberResource {
    type Entity = Member;
    type Service = Members;
    type View = MemberView;
    type Input = MemberInput;

    const PATH: &'static str = "/users";
    const EXPANSIONS: &'static [&'static str] = &["teams", CAN];
    const PARAMETERS: &'static [&'static str] = &[ROLE];

    fn described() -> Vec<ParameterDescription> {
        vec![ParameterDescription {
            name: ROLE.to_owned(),
            kind: Kind::Text,
            multiple: true,
            suffixes: Vec::new(),
            choices: None,
            one_of: Vec::new(),
            description: "Those who have one of these roles, by their codes; `super_admin` stands \
                          for `owner`."
                .to_owned(),
            example: "sales_rep".to_owned(),
        }]
    }

    fn asked(_: &TenantCrm, parameters: &[(String, String)]) -> Result<Filter, ApiError> {
        let codes = parameters.iter().filter(|(name, _)| name == ROLE).flat_map(|(_, codes)| {
            codes.split(',').map(str::trim).filter(|code| !str::is_empty(code))
        });
        let has = |code: &str| {
            let code = if code == BuiltIn::SUPER_ADMIN { BuiltIn::Owner.code() } else { code };
            Member::ROLES.eq(code.to_owned()).into_filter()
        };
        Ok(codes.map(has).reduce(Filter::or).unwrap_or(Filter::All))
    }

    fn service(crm: &TenantCrm) -> Members {
        crm.members()
    }

    fn view(member: Member) -> MemberView {
        let Member {
            // The same as the user's.
            id: _,
            version,
            created_at,
            updated_at,
            deleted_at,
            user,
            name,
            email,
            roles,
            grants,
            title,
            phone,
            status,
        } = member;
        MemberView {
            id: user.uuid(),
            version,
            created_at,
            updated_at,
            deleted_at,
            email,
            name,
            roles,
            extra_permissions: grants.into_iter().map(GrantView::from).collect(),
            title,
            phone,
            status: Code(status),
            teams: None,
            can: None,
        }
    }

    fn can(view: &mut MemberView) -> &mut Option<CanView> {
        &mut view.can
    }

    fn input(member: Member) -> MemberInput {
        let Member {
            id: _,
            version: _,
            created_at: _,
            updated_at: _,
            deleted_at: _,
            user: _,
            name,
            email: _,
            roles,
            grants: _,
            title,
            phone,
            status: _,
        } = member;
        MemberInput { version: None, name, roles, title, phone }
    }

    fn expected(input: &MemberInput) -> Option<i64> {
        input.version
    }

    fn draft(input: MemberInput) -> Result<<Member as Entity>::Draft> {
        let MemberInput { version: _, name, roles, title, phone } = input;
        // Who it is, the path says.
        let user = UserId::new(Uuid::nil());
        Ok(MemberDraft { user, name, roles, title, phone })
    }

    fn put(draft: MemberDraft, member: &mut Member) {
        Self::of(member.user, draft).replace(member);
    }

    fn written(caller: &Caller) {
        caller.forget_who_may_what();
    }

    async fn expand(crm: &TenantCrm, views: &mut [MemberView], wanted: &[String]) -> Result<()> {
        if wanted.iter().any(|name| name == "teams") {
            embed_teams(crm, views, |view| view.id, |view| &mut view.teams).await?;
        }
        Ok(())
    }
}

impl MemberResource {
    /// Who it is does not change, and is not in the body.
    fn of(user: UserId, draft: MemberDraft) -> MemberDraft {
        MemberDraft { user, ..draft }
    }
}

impl Service<Member> for Members {
    async fn select(&self, query: Query) -> Result<Page<Member>> {
        (**self).select(query).await
    }
    async fn load(&self, id: Id<Member>, deleted: Deleted) -> Result<Member> {
        (**self).load(id, deleted).await
    }
    async fn create(&self, draft: MemberDraft) -> Result<Member> {
        self.create(draft).await
    }
    async fn replace(
        &self,
        id: Id<Member>,
        expected: Option<i64>,
        draft: MemberDraft,
    ) -> Result<Member> {
        (**self).replace(id, expected, MemberResource::of(id.cast(), draft)).await
    }
    async fn delete(&self, id: Id<Member>, expected: Option<i64>) -> Result<Member> {
        (**self).delete(id, expected).await
    }
    async fn export(
        &self,
        query: Query,
        most: Option<u64>,
        told: Map<String, Value>,
    ) -> Result<Export<Member>> {
        (**self).export(query, most, told).await
    }
    async fn bulk(
        &self,
        which: Selection<Member>,
        what: &Bulk<Member>,
        how: How,
    ) -> Result<Vec<Outcome<Member>>> {
        (**self).bulk(which, what, how).await
    }
    async fn can(&self, entities: &[Member]) -> Result<Vec<Can>> {
        (**self).can(entities).await
    }
    async fn restore(&self, id: Id<Member>, expected: Option<i64>) -> Result<Member> {
        (**self).restore(id, expected).await
    }
}
