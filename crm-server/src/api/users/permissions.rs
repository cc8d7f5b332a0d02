//! What there is to have permissions for, and what one user may do.

use crm_core::access::{Class, Grant, Permission, Reach, all_permissions};
use crm_core::users::{HeldPermission, Permissions, Source};
use crm_core::{Error, Id};
use poem::Request;
use poem_openapi::param::Path;
use poem_openapi::{Object, OpenApi};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::super::body::Body;
use super::super::caller::Caller;
use super::super::crud;
use super::super::envelope::Reply;
use super::super::error::ApiError;
use super::super::etag;
use super::super::values::Code;
use super::MemberResource;

/// Permissions.
#[derive(Debug, Clone, Copy)]
pub struct PermissionsApi;

/// A permission with its reach.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(rename = "Grant")]
pub struct GrantView {
    /// The permission: `customers:read`.
    pub permission: String,
    /// To which records it applies.
    pub reach: Code<Reach>,
}

impl From<Grant> for GrantView {
    fn from(grant: Grant) -> Self {
        let Grant { permission, reach } = grant;
        Self { permission: permission.to_string(), reach: Code(reach) }
    }
}

/// A permission to give.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Object)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[oai(rename_all = "camelCase")]
pub struct GrantInput {
    /// The permission: `customers:read`.
    pub permission: String,
    /// To which records it applies; all where nothing is said.
    pub reach: Option<Code<Reach>>,
}

impl From<Grant> for GrantInput {
    fn from(grant: Grant) -> Self {
        let Grant { permission, reach } = grant;
        Self { permission: permission.to_string(), reach: Some(Code(reach)) }
    }
}

impl GrantInput {
    /// What the library is to store.
    ///
    /// # Errors
    /// Where it is not written as a permission; `field` says where.
    pub fn grant(self, field: &str) -> Result<Grant, Error> {
        let Self { permission, reach } = self;
        let parsed: Result<Permission, Error> = permission.parse();
        let permission = parsed.map_err(|error| match error {
            Error::Invalid(faults) => {
                let at = |mut fault: crm_core::FieldError| {
                    field.clone_into(&mut fault.field);
                    fault
                };
                Error::Invalid(faults.into_iter().map(at).collect())
            }
            error => error,
        })?;
        Ok(Grant::new(permission, reach.map_or(Reach::All, |Code(reach)| reach)))
    }

    /// Several of them, with all faults at once.
    ///
    /// # Errors
    /// As [`GrantInput::grant`].
    pub fn grants(inputs: Vec<Self>) -> Result<Vec<Grant>, Error> {
        let mut faults = crm_core::Faults::default();
        let mut grants = Vec::with_capacity(inputs.len());
        for (i, input) in inputs.into_iter().enumerate() {
            let grant = input.grant(&format!("permissions[{i}].permission"));
            grants.extend(faults.absorb(grant)?);
        }
        faults.into_result()?;
        Ok(grants)
    }
}

/// A permission that there is.
#[derive(Debug, Clone, Serialize, Object)]
#[serde(rename_all = "camelCase")]
#[oai(rename = "Permission", rename_all = "camelCase")]
pub struct PermissionView {
    /// The permission: `customers:read`.
    pub permission: String,
    /// What it is about: `customers`.
    pub resource: String,
    /// What may be done: `read`.
    pub action: String,
    /// Of what kind the resource is: `record`, `vocabulary`, `view` or `administration`.
    pub class: String,
}

/// What gives a permission.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(rename = "PermissionSource")]
pub struct SourceView {
    /// The code of the role that gives it; none where it is an extra one.
    pub role: Option<String>,
    /// The reach at which it is given.
    pub reach: Code<Reach>,
}

/// A permission that a user holds.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(rename = "HeldPermission")]
pub struct HeldView {
    /// The permission: `customers:read`.
    pub permission: String,
    /// The widest reach at which it is held.
    pub reach: Code<Reach>,
    /// What gives it.
    pub from: Vec<SourceView>,
}

/// What a user may do in the tenant.
#[derive(Debug, Clone, Serialize, Object)]
#[serde(rename_all = "camelCase")]
#[oai(rename = "UserPermissions", rename_all = "camelCase")]
pub struct PermissionsView {
    /// The codes of the user's roles.
    pub roles: Vec<String>,
    /// What the user may do besides.
    pub extra: Vec<GrantView>,
    /// What both come to.
    pub effective: Vec<HeldView>,
}

impl From<Permissions> for PermissionsView {
    fn from(permissions: Permissions) -> Self {
        let Permissions { member, held } = permissions;
        let source = |(source, reach): (Source, Reach)| SourceView {
            role: match source {
                Source::Role(code) => Some(code),
                Source::Extra => None,
            },
            reach: Code(reach),
        };
        let held = held.into_iter().map(|HeldPermission { permission, reach, from }| HeldView {
            permission: permission.to_string(),
            reach: Code(reach),
            from: from.into_iter().map(source).collect(),
        });
        Self {
            roles: member.roles,
            extra: member.grants.into_iter().map(GrantView::from).collect(),
            effective: held.collect(),
        }
    }
}

/// Extra permissions of one user.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Object)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[oai(rename_all = "camelCase")]
pub struct PermissionsInput {
    /// The version that is expected, in place of `If-Match`.
    pub version: Option<i64>,
    /// What the user may do beside what the roles give.
    pub permissions: Option<Vec<GrantInput>>,
}

#[OpenApi(prefix_path = "/users")]
impl PermissionsApi {
    /// List the permissions that there are
    #[oai(path = "/permissions", method = "get")]
    async fn catalogue(&self, caller: Caller) -> Result<Reply<Vec<PermissionView>>, ApiError> {
        let all = all_permissions(caller.crm().crm().catalogue()).into_iter();
        let each = all.map(|(class, permission)| PermissionView {
            permission: permission.to_string(),
            resource: permission.resource().to_owned(),
            action: permission.action().to_owned(),
            class: match class {
                Class::Record => "record",
                Class::Vocabulary => "vocabulary",
                Class::View => "view",
                Class::Administration => "administration",
            }
            .to_owned(),
        });
        Ok(Reply::new(each.collect()))
    }

    /// Get what a user may do in the tenant, and what gives it
    #[oai(path = "/:id/permissions", method = "get")]
    async fn of_user(
        &self,
        caller: Caller,
        id: Path<Uuid>,
    ) -> Result<Reply<PermissionsView>, ApiError> {
        let held = caller.crm().members().permissions(Id::new(id.0)).await?;
        let version = held.member.version;
        Ok(Reply::new(held.into()).version(version))
    }

    /// Give a user these permissions beside those of its roles
    ///
    /// In place of the extra ones that it had.
    #[oai(path = "/:id/permissions", method = "put")]
    async fn give(
        &self,
        caller: Caller,
        id: Path<Uuid>,
        input: Body<PermissionsInput>,
        request: &Request,
    ) -> Result<Reply<PermissionsView>, ApiError> {
        let PermissionsInput { version, permissions } = input.0;
        let expected = etag::expected(request, version)?;
        let id = Id::new(id.0);
        let grants = match permissions {
            Some(grants) => GrantInput::grants(grants),
            None => Err(Error::invalid("permissions", "REQUIRED", "is required")),
        };
        let grants = crud::there_first::<MemberResource, _>(&caller, id, grants).await?;
        let members = caller.crm().members();
        let member = members.set_grants(id, expected, grants).await?;
        caller.forget_who_may_what();
        let held = members.permissions(member.id).await?;
        let version = held.member.version;
        Ok(Reply::new(held.into()).version(version))
    }
}
