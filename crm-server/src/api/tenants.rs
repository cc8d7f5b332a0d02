//! The tenants that one works in: which there are, a new one, and each with its settings.

use chrono::{DateTime, Utc};
use crm_core::Entity;
use crm_core::language::{NoCustom, ParameterDescription, describe, parse_list};
use crm_core::tenants::{Tenant, TenantDraft, TenantId, TenantStatus};
use poem::Request;
use poem_openapi::param::Path;
use poem_openapi::{Object, OpenApi};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::body::{Body, MergePatch};
use super::caller::{SignedIn, origin};
use super::crud::{self, parameters};
use super::envelope::{Created, Listed, Meta, Reply};
use super::error::ApiError;
use super::etag;
use super::users::{MemberResource, MemberView};
use super::values::Code;
use crate::openapi::BASE;

/// Tenants.
#[derive(Debug, Clone, Copy)]
pub struct TenantsApi;

/// A tenant, and what one is in it.
#[derive(Debug, Clone, Serialize, Object)]
#[serde(rename_all = "camelCase")]
#[oai(rename = "TenantOfMine", rename_all = "camelCase")]
pub struct MineView {
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
    /// What it is called.
    pub name: String,
    /// Its domain on the internet.
    pub domain: Option<String>,
    /// The language and customs of its people (BCP 47).
    pub locale: Option<String>,
    /// Where its days begin (IANA).
    pub time_zone: Option<String>,
    /// What it counts its money in (ISO 4217).
    pub currency: Option<String>,
    /// Whether its people have to show a second factor to work in it.
    pub require_mfa: bool,
    /// The codes of the roles whose people have to, where not all do.
    pub require_mfa_roles: Vec<String>,
    /// Whether its people may work.
    pub status: Code<TenantStatus>,
    /// The codes of one's own roles in it.
    pub roles: Vec<String>,
}

impl MineView {
    fn new(tenant: Tenant, roles: Vec<String>) -> Self {
        let Tenant {
            id,
            version,
            created_at,
            updated_at,
            deleted_at,
            name,
            domain,
            locale,
            time_zone,
            currency,
            require_mfa,
            require_mfa_roles,
            status,
        } = tenant;
        Self {
            id: id.uuid(),
            version,
            created_at,
            updated_at,
            deleted_at,
            name,
            domain,
            locale,
            time_zone,
            currency,
            require_mfa,
            require_mfa_roles,
            status: Code(status),
            roles,
        }
    }
}

/// A tenant to write.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Object)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[oai(rename_all = "camelCase")]
pub struct TenantInput {
    /// The version that is expected, in place of `If-Match`.
    pub version: Option<i64>,
    /// What it is called.
    pub name: String,
    /// Its domain on the internet.
    pub domain: Option<String>,
    /// The language and customs of its people (BCP 47); `en` where none is given.
    pub locale: Option<String>,
    /// Where its days begin (IANA); UTC where none is given.
    pub time_zone: Option<String>,
    /// What it counts its money in (ISO 4217).
    pub currency: Option<String>,
    /// Whether its people have to show a second factor to work in it. Those who have none may do
    /// nothing else there than get one.
    #[oai(default)]
    pub require_mfa: bool,
    /// The codes of the roles whose people have to, built-in ones or the tenant's own, where not
    /// all do.
    #[oai(default)]
    pub require_mfa_roles: Vec<String>,
}

impl TenantInput {
    fn of(tenant: Tenant) -> Self {
        let Tenant {
            id: _,
            version: _,
            created_at: _,
            updated_at: _,
            deleted_at: _,
            name,
            domain,
            locale,
            time_zone,
            currency,
            require_mfa,
            require_mfa_roles,
            status: _,
        } = tenant;
        Self {
            version: None,
            name,
            domain,
            locale,
            time_zone,
            currency,
            require_mfa,
            require_mfa_roles,
        }
    }

    fn draft(self) -> TenantDraft {
        let Self {
            version: _,
            name,
            domain,
            locale,
            time_zone,
            currency,
            require_mfa,
            require_mfa_roles,
        } = self;
        TenantDraft { name, domain, locale, time_zone, currency, require_mfa, require_mfa_roles }
    }
}

/// Somebody who has signed up and is to work in the tenant.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Object)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[oai(rename_all = "camelCase")]
pub struct JoiningInput {
    /// The e-mail address.
    pub email: String,
    /// The codes of their roles, at least one.
    pub roles: Vec<String>,
    /// Their title.
    pub title: Option<String>,
}

#[OpenApi(prefix_path = "/tenants")]
impl TenantsApi {
    /// List the tenants that one is a member of
    ///
    /// With `includeDeleted=true`, also those that one can still bring back.
    #[oai(path = "/", method = "get")]
    async fn list(
        &self,
        caller: SignedIn,
        request: &Request,
    ) -> Result<Listed<MineView>, ApiError> {
        let asked = parse_list(Tenant::schema(), &NoCustom, &parameters(request)?, &[])?;
        crud::within_limits(&caller.app().config().limits, &asked)?;
        let (page, limit) = (asked.page(), asked.window.limit());
        let query = asked.into_query(Tenant::schema().clone())?;
        let mine = caller.app().crm().tenants_of(caller.user.id);
        let found = mine.select(query).await?;
        let meta = Meta::new(page, limit, found.total, found.next.as_ref());
        let views = found.items.into_iter();
        let views = views.map(|(tenant, member)| MineView::new(tenant, member.roles)).collect();
        Ok(Listed::new(views, meta))
    }

    /// Create a tenant
    ///
    /// Whoever creates it is its owner.
    #[oai(path = "/", method = "post")]
    async fn create(
        &self,
        caller: SignedIn,
        input: Body<TenantInput>,
        request: &Request,
    ) -> Result<Created<MineView>, ApiError> {
        let mine = caller.app().crm().tenants_of(caller.user.id).with_origin(origin(request));
        let (tenant, member) = mine.create(input.0.draft()).await?;
        caller.app().standings().forget_in(tenant.id);
        let (id, version) = (tenant.id, tenant.version);
        let view = MineView::new(tenant, member.roles);
        Ok(Created::new(view, format!("{BASE}/tenants/{id}")).version(version))
    }

    /// Get a tenant and its settings
    #[oai(path = "/:tenantId", method = "get")]
    async fn get(
        &self,
        caller: SignedIn,
        #[oai(name = "tenantId")] id: Path<Uuid>,
        request: &Request,
    ) -> Result<Reply<MineView>, ApiError> {
        let there = caller.at(request, TenantId::new(id.0)).await?;
        let tenant = there.crm().tenant_settings().get().await?;
        Ok(mine(tenant, there.membership().member.roles.clone()))
    }

    /// Change a tenant's settings
    ///
    /// A JSON merge patch (RFC 7396): what is left out stays, null clears.
    #[oai(path = "/:tenantId", method = "patch")]
    async fn merge(
        &self,
        caller: SignedIn,
        #[oai(name = "tenantId")] id: Path<Uuid>,
        patch: MergePatch<TenantInput>,
        request: &Request,
    ) -> Result<Reply<MineView>, ApiError> {
        let there = caller.at(request, TenantId::new(id.0)).await?;
        let expected = etag::expected(request, patch.version()?)?;
        let settings = &there.crm().tenant_settings();
        let read = || async move {
            let before = settings.get().await?;
            Ok((before.version, TenantInput::of(before)))
        };
        let write = |version, input: TenantInput| settings.replace(Some(version), input.draft());
        let tenant = crud::merged(expected, patch, read, write).await?;
        there.forget_who_may_what();
        Ok(mine(tenant, there.membership().member.roles.clone()))
    }

    /// Delete a tenant
    ///
    /// Nobody works in it any more. For a time, whoever may delete it can bring it back.
    #[oai(path = "/:tenantId", method = "delete")]
    async fn delete(
        &self,
        caller: SignedIn,
        #[oai(name = "tenantId")] id: Path<Uuid>,
        request: &Request,
    ) -> Result<Reply<MineView>, ApiError> {
        let there = caller.at(request, TenantId::new(id.0)).await?;
        let expected = etag::expected(request, None)?;
        let tenant = there.crm().tenant_settings().delete(expected).await?;
        there.forget_who_may_what();
        Ok(mine(tenant, there.membership().member.roles.clone()))
    }

    /// Bring back a deleted tenant
    #[oai(path = "/:tenantId/restore", method = "post")]
    async fn restore(
        &self,
        caller: SignedIn,
        #[oai(name = "tenantId")] id: Path<Uuid>,
        request: &Request,
    ) -> Result<Reply<MineView>, ApiError> {
        let tenants = caller.app().crm().tenants_of(caller.user.id).with_origin(origin(request));
        let (tenant, member) = tenants.restore(TenantId::new(id.0)).await?;
        caller.app().standings().forget_in(tenant.id);
        Ok(mine(tenant, member.roles))
    }

    /// List a tenant's members
    #[oai(path = "/:tenantId/members", method = "get")]
    async fn members(
        &self,
        caller: SignedIn,
        #[oai(name = "tenantId")] id: Path<Uuid>,
        request: &Request,
    ) -> Result<Listed<MemberView>, ApiError> {
        let there = caller.at(request, TenantId::new(id.0)).await?;
        crud::list::<MemberResource>(&there, &parameters(request)?, &[], Ok).await
    }

    /// Create a member of a tenant out of a user
    ///
    /// By the e-mail address of somebody who has signed up. Their status is `invited`, and they have
    /// no right in the tenant, until they accept: by the mail that they are sent, or where they sign
    /// in.
    #[oai(path = "/:tenantId/members", method = "post")]
    async fn add_member(
        &self,
        caller: SignedIn,
        #[oai(name = "tenantId")] id: Path<Uuid>,
        input: Body<JoiningInput>,
        request: &Request,
    ) -> Result<Created<MemberView>, ApiError> {
        let there = caller.at(request, TenantId::new(id.0)).await?;
        let JoiningInput { email, roles, title } = input.0;
        let member = there.crm().members().add(&email, roles, title).await?;
        super::users::created(&there, member).await
    }
}

fn mine(tenant: Tenant, roles: Vec<String>) -> Reply<MineView> {
    let version = tenant.version;
    Reply::new(MineView::new(tenant, roles)).version(version)
}

/// The lists, each with its path and its parameters.
pub fn lists() -> Vec<(&'static str, Vec<ParameterDescription>)> {
    let (_, of_members) = crud::described::<MemberResource>();
    vec![("/tenants", describe(Tenant::schema())), ("/tenants/{tenantId}/members", of_members)]
}
