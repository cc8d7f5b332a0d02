//! Figures over customers.

use std::collections::BTreeMap;

use crm_core::customers::CustomerStats;
use poem_openapi::Object;
use serde::Serialize;

use crate::api::figures::{Counted, CustomFiguresView, MoneyView, by_key, counted};

/// How many customers there are, and of which kinds.
#[derive(Debug, Clone, Serialize, Object)]
#[serde(rename_all = "camelCase")]
#[oai(rename = "CustomerStats", rename_all = "camelCase")]
pub struct CustomerStatsView {
    /// All of them.
    pub total: u64,
    /// Those created since the month began in the tenant's time zone.
    pub new_this_month: u64,
    /// By status.
    pub by_status: Vec<Counted>,
    /// By engagement.
    pub by_engagement: Vec<Counted>,
    /// By industry.
    pub by_industry: Vec<Counted>,
    /// By size.
    pub by_size: Vec<Counted>,
    /// By country.
    pub by_country: Vec<Counted>,
    /// By the user who looks after them.
    pub by_owner: Vec<Counted>,
    /// What they turn over in a year, in each currency.
    pub annual_revenue: Vec<MoneyView>,
    /// Over the tenant's own fields that `customFields` names, by their keys.
    pub by_custom_field: BTreeMap<String, CustomFiguresView>,
}

impl From<CustomerStats> for CustomerStatsView {
    fn from(stats: CustomerStats) -> Self {
        let CustomerStats {
            total,
            new_this_month,
            by_status,
            by_engagement,
            by_industry,
            by_size,
            by_country,
            by_owner,
            annual_revenue,
            custom_fields,
        } = stats;
        Self {
            total,
            new_this_month,
            by_status: counted(by_status),
            by_engagement: counted(by_engagement),
            by_industry: counted(by_industry),
            by_size: counted(by_size),
            by_country: counted(by_country),
            by_owner: counted(by_owner),
            annual_revenue: annual_revenue.into_iter().map(MoneyView::from).collect(),
            by_custom_field: by_key(custom_fields),
        }
    }
}
