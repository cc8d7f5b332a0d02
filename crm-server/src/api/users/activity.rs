//! What one of the tenant's people did.

use chrono::{DateTime, Utc};
use crm_core::audit::{Action, AuditEntry};
use crm_core::language::{NoCustom, ParameterDescription, describe, parse_list};
use crm_core::users::{Deed, UserId};
use crm_core::{Entity, Id};
use poem::Request;
use poem_openapi::param::Path;
use poem_openapi::{Object, OpenApi};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::super::caller::Caller;
use super::super::crud::{self, parameters};
use super::super::envelope::{Listed, Meta};
use super::super::error::ApiError;
use super::super::values::Code;

/// Parameters of lists that mean nothing to a log, which embeds nothing and loses nothing.
const NO_USE: &[&str] = &["expand", "includeDeleted"];

/// What people did.
#[derive(Debug, Clone, Copy)]
pub struct ActivityApi;

/// Something that a user did in the tenant.
#[derive(Debug, Clone, Serialize, Object)]
#[serde(rename_all = "camelCase")]
#[oai(rename = "UserActivity", rename_all = "camelCase")]
pub struct ActivityView {
    /// The identifier of its entry in the log.
    pub id: Uuid,
    /// When it happened.
    pub created_at: DateTime<Utc>,
    /// What was done.
    pub action: Code<Action>,
    /// The type of the record that it was done to: `customers`.
    pub resource: String,
    /// The record.
    pub record_id: Uuid,
    /// The version of the record after it.
    pub record_version: i64,
    /// The fields that it changed.
    pub fields: Vec<String>,
    /// From what to what each of them was changed, for those who may view the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changes: Option<Value>,
    /// The user's API key that it was done by, where it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key: Option<Uuid>,
}

impl From<Deed> for ActivityView {
    fn from(deed: Deed) -> Self {
        let Deed { entry, fields, tells_values } = deed;
        let AuditEntry {
            id,
            version: _,
            created_at,
            updated_at: _,
            deleted_at: _,
            actor: _,
            action,
            resource,
            record_id,
            record_version,
            changes,
            request: _,
            address: _,
            api_key,
        } = entry;
        Self {
            id: id.uuid(),
            created_at,
            action: Code(action),
            resource,
            record_id,
            record_version,
            fields,
            changes: tells_values.then_some(changes),
            api_key: api_key.map(Id::uuid),
        }
    }
}

#[OpenApi(prefix_path = "/users")]
impl ActivityApi {
    /// List what a user did in the tenant
    ///
    /// Newest first, also of one who has left. Takes `audit:view`; of oneself, nothing, and then it
    /// says which fields were changed and not from what to what.
    #[oai(path = "/:id/activity", method = "get")]
    async fn activity(
        &self,
        caller: Caller,
        id: Path<Uuid>,
        request: &Request,
    ) -> Result<Listed<ActivityView>, ApiError> {
        let parameters = parameters(request)?;
        if let Some((name, _)) = parameters.iter().find(|(name, _)| NO_USE.contains(&&**name)) {
            let message = "a log embeds nothing and loses nothing";
            return Err(ApiError::unreadable(name, "CONTRADICTION", message));
        }
        let asked = parse_list(AuditEntry::schema(), &NoCustom, &parameters, &[])?;
        crud::within_limits(caller.limits(), &asked)?;
        let (page, limit) = (asked.page(), asked.window.limit());
        let query = asked.into_query(AuditEntry::schema().clone())?;
        let found = caller.crm().members().activity(UserId::new(id.0), query).await?;
        let meta = Meta::new(page, limit, found.total, found.next.as_ref());
        Ok(Listed::new(found.items.into_iter().map(ActivityView::from).collect(), meta))
    }
}

/// The parameters of the list, for the document.
pub(super) fn described() -> (&'static str, Vec<ParameterDescription>) {
    let mut parameters = describe(AuditEntry::schema());
    parameters.retain(|parameter| !NO_USE.contains(&parameter.name.as_str()));
    ("/users/{id}/activity", parameters)
}
