//! The tenant's roles. The built-in ones are among them, under identifiers of their own, the same
//! in every tenant; they are read like others and cannot be changed.

use chrono::{DateTime, Utc};
use crm_core::access::Reach;
use crm_core::records::{Bulk, Can, Export, How, Outcome, Selection};
use crm_core::roles::{
    CustomRole, CustomRoleDraft, MemberChange, ReachChange, RecordChange, RolePreview, Roles,
};
use crm_core::store::{Deleted, Page, Query};
use crm_core::{Choice, Entity, Id, Result, TenantCrm};
use poem::Request;
use poem_openapi::param::Path;
use poem_openapi::{Object, OpenApi};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::super::body::Body;
use super::super::caller::Caller;
use super::super::crud::{self, CanView, Resource, Service};
use super::super::envelope::{Created, Reply};
use super::super::error::ApiError;
use super::super::etag;
use super::super::values::Code;
use super::permissions::{GrantInput, GrantView, some};
use crate::openapi::BASE;

/// Roles.
#[derive(Debug)]
pub struct RoleResource;

/// A role, built in or the tenant's own.
#[derive(Debug, Clone, Serialize, Object)]
#[serde(rename_all = "camelCase")]
#[oai(rename = "Role", rename_all = "camelCase")]
pub struct RoleView {
    /// The identifier.
    pub id: Uuid,
    /// The version, which is also the `ETag`. It goes up, too, when somebody is given the role.
    pub version: i64,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
    /// When it was deleted.
    pub deleted_at: Option<DateTime<Utc>>,
    /// What users name it by.
    pub code: String,
    /// What people call it.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Whether every tenant has it and nobody can change it.
    pub built_in: bool,
    /// What it may do.
    pub permissions: Vec<GrantView>,
    /// What the caller may do with it; where `expand` asks for it.
    #[serde(rename = "_can", skip_serializing_if = "Option::is_none")]
    #[oai(rename = "_can")]
    pub can: Option<CanView>,
}

/// A role to write.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Object)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[oai(rename_all = "camelCase")]
pub struct RoleInput {
    /// The version that is expected, in place of `If-Match`.
    pub version: Option<i64>,
    /// What users name it by; made of the name where none is given, and never changed.
    pub code: Option<String>,
    /// What people call it; unique in the tenant, without case or accents.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// What it may do. Nobody gives what they lack.
    pub permissions: Vec<GrantInput>,
}

impl Resource for RoleResource {
    type Entity = CustomRole;
    type Service = Roles;
    type View = RoleView;
    type Input = RoleInput;

    const PATH: &'static str = "/users/roles";

    fn service(crm: &TenantCrm) -> Roles {
        crm.roles()
    }

    fn view(role: CustomRole) -> RoleView {
        let CustomRole {
            id,
            version,
            created_at,
            updated_at,
            deleted_at,
            code,
            name,
            description,
            grants,
        } = role;
        RoleView {
            id: id.uuid(),
            version,
            created_at,
            updated_at,
            deleted_at,
            code,
            name,
            description,
            built_in: Roles::built_in(id).is_some(),
            permissions: grants.into_iter().map(GrantView::from).collect(),
            can: None,
        }
    }

    fn can(view: &mut RoleView) -> &mut Option<CanView> {
        &mut view.can
    }

    fn input(role: CustomRole) -> RoleInput {
        let CustomRole {
            id: _,
            version: _,
            created_at: _,
            updated_at: _,
            deleted_at: _,
            code,
            name,
            description,
            grants,
        } = role;
        let permissions = grants.into_iter().map(GrantInput::from).collect();
        RoleInput { version: None, code: Some(code), name, description, permissions }
    }

    fn expected(input: &RoleInput) -> Option<i64> {
        input.version
    }

    fn draft(input: RoleInput) -> Result<<CustomRole as Entity>::Draft> {
        let RoleInput { version: _, code, name, description, permissions } = input;
        let grants = GrantInput::grants(permissions)?;
        Ok(CustomRoleDraft { code: code.unwrap_or_default(), name, description, grants })
    }

    fn written(caller: &Caller) {
        caller.forget_who_may_what();
    }
}

impl Service<CustomRole> for Roles {
    async fn select(&self, query: Query) -> Result<Page<CustomRole>> {
        self.select(query).await
    }
    async fn load(&self, id: Id<CustomRole>, deleted: Deleted) -> Result<CustomRole> {
        self.load(id, deleted).await
    }
    async fn create(&self, draft: CustomRoleDraft) -> Result<CustomRole> {
        self.create(draft).await
    }
    async fn replace(
        &self,
        id: Id<CustomRole>,
        expected: Option<i64>,
        draft: CustomRoleDraft,
    ) -> Result<CustomRole> {
        self.replace(id, expected, draft).await
    }
    async fn delete(&self, id: Id<CustomRole>, expected: Option<i64>) -> Result<CustomRole> {
        self.delete(id, expected).await
    }
    async fn export(
        &self,
        query: Query,
        most: Option<u64>,
        told: Map<String, Value>,
    ) -> Result<Export<CustomRole>> {
        self.export(query, most, told).await
    }
    async fn bulk(
        &self,
        which: Selection<CustomRole>,
        what: &Bulk<CustomRole>,
        how: How,
    ) -> Result<Vec<Outcome<CustomRole>>> {
        self.bulk(which, what, how).await
    }
    async fn can(&self, entities: &[CustomRole]) -> Result<Vec<Can>> {
        self.can(entities).await
    }
    async fn restore(&self, id: Id<CustomRole>, expected: Option<i64>) -> Result<CustomRole> {
        self.restore(id, expected).await
    }
}

/// What a change of a role would mean.
#[derive(Debug, Clone, Serialize, Object)]
#[serde(rename_all = "camelCase")]
#[oai(rename = "RolePreview", rename_all = "camelCase")]
pub struct RolePreviewView {
    /// What the role could do.
    pub permissions: Vec<GrantView>,
    /// How many users have the role.
    pub holders: u64,
    /// For whom of those whom the caller may see something would change, by name; 200 at most.
    pub users: Vec<UserChangeView>,
}

/// What a change of a role would mean for one user.
#[derive(Debug, Clone, Serialize, Object)]
#[serde(rename_all = "camelCase")]
#[oai(rename = "UserChange", rename_all = "camelCase")]
pub struct UserChangeView {
    /// The identifier of the user.
    pub id: Uuid,
    /// What they are called.
    pub name: String,
    /// Each permission that would be held at another reach.
    pub permissions: Vec<ReachChangeView>,
    /// How many records of each type whose reading changes the user could read, of those that the
    /// caller may read. Counted for the first 20 users; absent for others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub records: Option<Vec<RecordChangeView>>,
}

/// How a permission would change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Choice)]
pub enum PermissionChange {
    /// It is not held and would be.
    Gained,
    /// It is held and would not be.
    Lost,
    /// It would be held for more records, or for more of their fields.
    Widened,
    /// It would be held for fewer records, or for fewer of their fields.
    Narrowed,
}

/// How the reach of a permission would change, and what it leaves out.
#[derive(Debug, Clone, Serialize, Object)]
#[serde(rename_all = "camelCase")]
#[oai(rename = "ReachChange", rename_all = "camelCase")]
pub struct ReachChangeView {
    /// The permission: `customers:read`.
    pub permission: String,
    /// What would happen to it.
    pub change: Code<PermissionChange>,
    /// The reach at which it is held; none where it is not.
    pub before: Option<Code<Reach>>,
    /// The reach at which it would be; none where it would not be.
    pub after: Option<Code<Reach>>,
    /// The fields that it leaves out and would not any more, where there are some.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shown: Option<Vec<String>>,
    /// The fields that it would leave out and does not, where there are some.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left_out: Option<Vec<String>>,
}

/// How many records of a type could be read.
#[derive(Debug, Clone, Serialize, Object)]
#[serde(rename_all = "camelCase")]
#[oai(rename = "RecordChange", rename_all = "camelCase")]
pub struct RecordChangeView {
    /// The type: `customers`.
    pub record_type: String,
    /// How many before.
    pub before: u64,
    /// How many afterwards.
    pub after: u64,
}

impl From<RolePreview> for RolePreviewView {
    fn from(preview: RolePreview) -> Self {
        let RolePreview { role, holders, members } = preview;
        Self {
            permissions: role.grants.into_iter().map(GrantView::from).collect(),
            holders,
            users: members.into_iter().map(UserChangeView::from).collect(),
        }
    }
}

impl From<MemberChange> for UserChangeView {
    fn from(change: MemberChange) -> Self {
        let MemberChange { member, permissions, records } = change;
        let counted = |RecordChange { record_type, before, after }| RecordChangeView {
            record_type,
            before,
            after,
        };
        Self {
            id: member.user.uuid(),
            name: member.name,
            permissions: permissions.into_iter().map(ReachChangeView::from).collect(),
            records: records.map(|records| records.into_iter().map(counted).collect()),
        }
    }
}

impl From<ReachChange> for ReachChangeView {
    fn from(change: ReachChange) -> Self {
        let ReachChange { permission, before, after, shown, left_out } = change;
        let change = match (before, after) {
            (None, _) => PermissionChange::Gained,
            (_, None) => PermissionChange::Lost,
            (before, after) if before < after => PermissionChange::Widened,
            (before, after) if before == after && left_out.is_empty() => PermissionChange::Widened,
            _ => PermissionChange::Narrowed,
        };
        Self {
            permission: permission.to_string(),
            change: Code(change),
            before: before.map(Code),
            after: after.map(Code),
            shown: some(shown),
            left_out: some(left_out),
        }
    }
}

/// Single permissions of a role, and what a change of it would mean.
#[derive(Debug, Clone, Copy)]
pub struct RolePermissionsApi;

#[OpenApi(prefix_path = "/users/roles")]
impl RolePermissionsApi {
    /// Give a role one more permission
    ///
    /// One that it has already is had at this reach from then on.
    #[oai(path = "/:id/permissions", method = "post")]
    async fn grant(
        &self,
        caller: Caller,
        id: Path<Uuid>,
        input: Body<GrantInput>,
        request: &Request,
    ) -> Result<Created<RoleView>, ApiError> {
        let expected = etag::expected(request, None)?;
        let id = Id::new(id.0);
        let grant = input.0.grant("permission");
        let grant = crud::there_first::<RoleResource, _>(&caller, id, grant).await?;
        let permission = grant.permission.clone();
        let role = caller.crm().roles().grant(id, expected, grant).await?;
        caller.forget_who_may_what();
        let (id, version) = (role.id, role.version);
        let view = crud::view::<RoleResource>(&caller, role).await?;
        let path = format!("{BASE}{}/{id}/permissions/{permission}", RoleResource::PATH);
        Ok(Created::new(view, path).version(version))
    }

    /// See what a change of a role would mean
    ///
    /// For each who has it and whom the caller may see: what they would gain and lose, and how many
    /// records, of those that the caller may read, would come into their reach or go out. Takes the
    /// body that replaces the role, is refused where that would be, and changes nothing.
    #[oai(path = "/:id/preview", method = "post")]
    async fn preview(
        &self,
        caller: Caller,
        id: Path<Uuid>,
        input: Body<RoleInput>,
        request: &Request,
    ) -> Result<Reply<RolePreviewView>, ApiError> {
        let expected = etag::expected(request, RoleResource::expected(&input.0))?;
        let id = Id::new(id.0);
        let draft = RoleResource::draft(input.0);
        let draft = crud::there_first::<RoleResource, _>(&caller, id, draft).await?;
        let preview = caller.crm().roles().preview(id, expected, draft).await?;
        Ok(Reply::new(preview.into()))
    }

    /// Take a permission from a role
    #[oai(path = "/:id/permissions/:permission", method = "delete")]
    async fn revoke(
        &self,
        caller: Caller,
        id: Path<Uuid>,
        permission: Path<String>,
        request: &Request,
    ) -> Result<Reply<RoleView>, ApiError> {
        let expected = etag::expected(request, None)?;
        let permission = permission.0.parse().map_err(|_| {
            let message = format!("expected resource:action, got {:?}", permission.0);
            ApiError::unreadable("permission", "INVALID_PARAMETER", message)
        })?;
        let role = caller.crm().roles().revoke(Id::new(id.0), expected, permission).await?;
        caller.forget_who_may_what();
        crud::reply::<RoleResource>(&caller, role).await
    }
}
