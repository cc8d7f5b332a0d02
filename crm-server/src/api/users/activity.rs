//! Figures over the tenant's people, and what one of them did.

use chrono::{DateTime, Utc};
use crm_core::Entity;
use crm_core::audit::{Action, AuditEntry};
use crm_core::language::{NoCustom, ParameterDescription, describe, parse_list};
use crm_core::users::{Deed, MemberStats, UserId};
use poem::Request;
use poem_openapi::param::Path;
use poem_openapi::{Object, OpenApi};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::super::caller::Caller;
use super::super::crud::{self, parameters};
use super::super::envelope::{Listed, Meta, Reply};
use super::super::error::ApiError;
use super::super::figures::{self, Counted, counted};
use super::super::values::Code;
use super::MemberResource;

/// What is told of the tenant's people beside the usual.
#[derive(Debug, Clone, Copy)]
pub struct ActivityApi;

/// How many users there are in the tenant, and of which kinds.
#[derive(Debug, Clone, Serialize, Object)]
#[serde(rename_all = "camelCase")]
#[oai(rename = "UserStats", rename_all = "camelCase")]
pub struct MemberStatsView {
    /// All of them.
    pub total: u64,
    /// Those who may work in the tenant.
    pub active: u64,
    /// Those who may not.
    pub inactive: u64,
    /// Those who joined since the month began in the tenant's time zone.
    pub new_this_month: u64,
    /// Those who signed in to the tenant within the last 30 days, or have been since.
    pub signed_in_lately: u64,
    /// By role; one who has several counts under each.
    pub by_role: Vec<Counted>,
}

impl From<MemberStats> for MemberStatsView {
    fn from(stats: MemberStats) -> Self {
        let MemberStats { total, active, inactive, new_this_month, signed_in_lately, by_role } =
            stats;
        let by_role = counted(by_role);
        Self { total, active, inactive, new_this_month, signed_in_lately, by_role }
    }
}

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
    /// The API key that it was done with; none where somebody had signed in.
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
            // What a client calls its requests is its own.
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
            api_key: api_key.map(|key| key.uuid()),
        }
    }
}

#[OpenApi(prefix_path = "/users")]
impl ActivityApi {
    /// Get figures over the tenant's users
    ///
    /// Of those that the parameters of the list ask for.
    #[oai(path = "/stats", method = "get")]
    async fn stats(
        &self,
        caller: Caller,
        request: &Request,
    ) -> Result<Reply<MemberStatsView>, ApiError> {
        let (these, _) = figures::asked::<MemberResource>(&caller, request).await?;
        let stats = caller.crm().members().stats(these).await?;
        Ok(Reply::new(stats.into()))
    }

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
        let asked = parse_list(AuditEntry::schema(), &NoCustom, &parameters(request)?, &[])?;
        crud::within_limits(caller.limits(), &asked)?;
        if asked.expand.is_some() {
            let message = "there is nothing to embed";
            return Err(ApiError::unreadable("expand", "UNKNOWN_EXPANSION", message));
        }
        let (page, limit) = (asked.page(), asked.window.limit());
        let query = asked.into_query(AuditEntry::schema().clone())?;
        let found = caller.crm().members().activity(UserId::new(id.0), query).await?;
        let meta = Meta::new(page, limit, found.total, found.next.as_ref());
        Ok(Listed::new(found.items.into_iter().map(ActivityView::from).collect(), meta))
    }
}

/// The lists, each with its path and its parameters.
pub fn lists() -> Vec<(&'static str, Vec<ParameterDescription>)> {
    let mut activity = describe(AuditEntry::schema());
    let no_use = ["expand", "includeDeleted"];
    activity.retain(|parameter| !no_use.contains(&parameter.name.as_str()));
    vec![
        ("/users/stats", figures::described::<MemberResource>()),
        ("/users/{id}/activity", activity),
    ]
}
