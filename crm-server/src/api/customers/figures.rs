//! Figures over customers.

use crm_core::customers::CustomerStats;
use poem_openapi::Object;
use serde::Serialize;

/// How many there are of one kind.
#[derive(Debug, Clone, Serialize, Object)]
pub struct Counted {
    /// The kind; null for those that are of none.
    pub key: Option<String>,
    /// How many.
    pub count: u64,
}

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
        } = stats;
        let counted = |counts: Vec<(Option<String>, u64)>| {
            counts.into_iter().map(|(key, count)| Counted { key, count }).collect()
        };
        Self {
            total,
            new_this_month,
            by_status: counted(by_status),
            by_engagement: counted(by_engagement),
            by_industry: counted(by_industry),
            by_size: counted(by_size),
            by_country: counted(by_country),
            by_owner: counted(by_owner),
        }
    }
}
