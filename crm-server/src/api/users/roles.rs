//! The tenant's roles. The built-in ones are among them, under identifiers of their own, the same
//! in every tenant; they are read like others and cannot be changed.

use chrono::{DateTime, Utc};
use crm_core::records::{Bulk, Export, How, Outcome, Selection};
use crm_core::roles::{CustomRole, CustomRoleDraft, Roles};
use crm_core::store::{Deleted, Page, Query};
use crm_core::{Entity, Id, Result, TenantCrm};
use poem::Request;
use poem_openapi::param::Path;
use poem_openapi::{Object, OpenApi};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::super::body::Body;
use super::super::caller::Caller;
use super::super::crud::{self, Resource, Service};
use super::super::envelope::{Created, Reply};
use super::super::error::ApiError;
use super::super::etag;
use super::permissions::{GrantInput, GrantView};
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
        }
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
    async fn restore(&self, id: Id<CustomRole>, expected: Option<i64>) -> Result<CustomRole> {
        self.restore(id, expected).await
    }
}

/// Single permissions of a role.
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
