//! What there is to have permissions for, and what one user may do.

use std::collections::BTreeMap;

use crm_core::access::{Class, Grant, Permission, Reach, all_permissions};
use crm_core::users::{Decision, Lacking, Permissions, Source, UserId};
use crm_core::{EndRef, Error, Id};
use poem::Request;
use poem_openapi::param::{Path, Query as Parameter};
use poem_openapi::{Object, OpenApi};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::super::body::Body;
use super::super::caller::Caller;
use super::super::crud;
use super::super::envelope::Reply;
use super::super::error::{ApiError, MissingPermission};
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
    /// The fields of these records that it leaves out, where it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub without: Option<Vec<String>>,
}

impl From<Grant> for GrantView {
    fn from(grant: Grant) -> Self {
        let Grant { permission, reach, without } = grant;
        Self { permission: permission.to_string(), reach: Code(reach), without: some(without) }
    }
}

/// Fields, where there are some.
pub(super) fn some(fields: Vec<String>) -> Option<Vec<String>> {
    (!fields.is_empty()).then_some(fields)
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
    /// The fields of these records that it leaves out: `email`, `customFields.salary`. Of
    /// permissions to read customers, companies and other records only. They are neither shown
    /// nor can anything be asked by them or written to them, unless something else gives them.
    #[oai(default)]
    pub without: Vec<String>,
}

impl From<Grant> for GrantInput {
    fn from(grant: Grant) -> Self {
        let Grant { permission, reach, without } = grant;
        Self { permission: permission.to_string(), reach: Some(Code(reach)), without }
    }
}

impl GrantInput {
    /// What the library is to store.
    ///
    /// # Errors
    /// Where it is not written as a permission; `field` says where.
    pub fn grant(self, field: &str) -> Result<Grant, Error> {
        let Self { permission, reach, without } = self;
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
        let reach = reach.map_or(Reach::All, |Code(reach)| reach);
        Ok(Grant::new(permission, reach).leaving_out(without))
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
    /// The fields that all that gives it leaves out, where it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub without: Option<Vec<String>>,
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
    /// What the user may do with the record that is asked for, by the names of the permissions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record: Option<BTreeMap<String, DecisionView>>,
}

/// Whether something may be done with a record, as far as permissions decide, and why.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(rename = "Decision")]
pub struct DecisionView {
    /// Whether it may be done.
    pub allowed: bool,
    /// The reach at which the permission is held; none where it is not.
    pub reach: Option<Code<Reach>>,
    /// The fields that it leaves out, where it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub without: Option<Vec<String>>,
    /// What gives it.
    pub from: Vec<SourceView>,
    /// What lacks, where it may not be done. What cannot be read can neither be changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<MissingPermission>,
}

impl From<Decision> for DecisionView {
    fn from(decision: Decision) -> Self {
        let Decision { permission: _, held, without, from, lacking } = decision;
        let missing = lacking.map(|Lacking { permission, held, needed }| {
            MissingPermission::new(&permission, held, needed)
        });
        Self {
            allowed: missing.is_none(),
            reach: held.map(Code),
            without: some(without),
            from: from.into_iter().map(SourceView::from).collect(),
            missing,
        }
    }
}

impl From<(Source, Reach)> for SourceView {
    fn from((source, reach): (Source, Reach)) -> Self {
        let role = match source {
            Source::Role(code) => Some(code),
            Source::Extra => None,
        };
        Self { role, reach: Code(reach) }
    }
}

/// The record that is asked for, if one is.
///
/// # Errors
/// 400 where half of it is named.
pub(crate) fn asked(
    resource: Option<String>,
    id: Option<Uuid>,
) -> Result<Option<EndRef>, ApiError> {
    let half = |name: &str| {
        let message = "expected resource and id together, got one of them";
        Err(ApiError::unreadable(name, "INVALID_PARAMETER", message))
    };
    match (resource, id) {
        (Some(resource), Some(id)) => Ok(Some(EndRef::new(resource, id))),
        (None, None) => Ok(None),
        (Some(_), None) => half("id"),
        (None, Some(_)) => half("resource"),
    }
}

/// What a user may do with a record.
///
/// # Errors
/// As the service's.
pub(crate) async fn decided(
    caller: &Caller,
    user: UserId,
    record: &EndRef,
) -> Result<BTreeMap<String, DecisionView>, ApiError> {
    let decisions = caller.crm().members().decisions(user, record).await?;
    let each = decisions.into_iter().map(|decision| {
        let permission = decision.permission.to_string();
        (permission, DecisionView::from(decision))
    });
    Ok(each.collect())
}

impl From<Permissions> for PermissionsView {
    fn from(permissions: Permissions) -> Self {
        let Permissions { member, held } = permissions;
        let held = held.into_iter().map(|held| HeldView {
            permission: held.permission.to_string(),
            reach: Code(held.reach),
            without: some(held.without),
            from: held.from.into_iter().map(SourceView::from).collect(),
        });
        Self {
            roles: member.roles,
            extra: member.grants.into_iter().map(GrantView::from).collect(),
            effective: held.collect(),
            record: None,
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
    ///
    /// With a record, also what the user may do with that one, and what lacks. It has to be one that
    /// the caller may read.
    #[oai(path = "/:id/permissions", method = "get")]
    async fn of_user(
        &self,
        caller: Caller,
        id: Path<Uuid>,
        /// The type of a record: `customers`.
        resource: Parameter<Option<String>>,
        /// The identifier of that record.
        #[oai(name = "id")]
        record: Parameter<Option<Uuid>>,
    ) -> Result<Reply<PermissionsView>, ApiError> {
        let record = asked(resource.0, record.0)?;
        let held = caller.crm().members().permissions(Id::new(id.0)).await?;
        let version = held.member.version;
        let mut view = PermissionsView::from(held);
        if let Some(record) = record {
            view.record = Some(decided(&caller, UserId::new(id.0), &record).await?);
        }
        Ok(Reply::new(view).version(version))
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
