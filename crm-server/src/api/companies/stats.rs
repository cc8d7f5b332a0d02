//! Figures over companies.

use std::collections::BTreeMap;

use crm_core::companies::CompanyStats;
use poem_openapi::Object;
use serde::Serialize;

use crate::api::figures::{Counted, CustomFiguresView, MoneyView, by_key, counted};

/// How many companies there are, and of which kinds.
#[derive(Debug, Clone, Serialize, Object)]
#[serde(rename_all = "camelCase")]
#[oai(rename = "CompanyStats", rename_all = "camelCase")]
pub struct CompanyStatsView {
    /// All of them.
    pub total: u64,
    /// Those created since the month began in the tenant's time zone.
    pub new_this_month: u64,
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

impl From<CompanyStats> for CompanyStatsView {
    fn from(stats: CompanyStats) -> Self {
        let CompanyStats {
            total,
            new_this_month,
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
            by_industry: counted(by_industry),
            by_size: counted(by_size),
            by_country: counted(by_country),
            by_owner: counted(by_owner),
            annual_revenue: annual_revenue.into_iter().map(MoneyView::from).collect(),
            by_custom_field: by_key(custom_fields),
        }
    }
}
