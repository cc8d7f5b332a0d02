//! Figures over the tenant's people.

use crm_core::language::ParameterDescription;
use crm_core::users::MemberStats;
use poem::Request;
use poem_openapi::{Object, OpenApi};
use serde::Serialize;

use super::super::caller::Caller;
use super::super::envelope::Reply;
use super::super::error::ApiError;
use super::super::figures::{self, Counted, counted};
use super::{MemberResource, activity};

/// Figures over users.
#[derive(Debug, Clone, Copy)]
pub struct StatsApi;

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

#[OpenApi(prefix_path = "/users")]
impl StatsApi {
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
}

/// The figures, with their path and their parameters.
pub fn lists() -> Vec<(&'static str, Vec<ParameterDescription>)> {
    vec![("/users/stats", figures::described::<MemberResource>()), activity::described()]
}
