//! Figures over customers.

use std::collections::BTreeMap;

use crm_core::custom_fields::{CustomFigures, Figures};
use crm_core::customers::CustomerStats;
use poem_openapi::Object;
use rust_decimal::Decimal;
use serde::Serialize;

/// How many there are of one kind.
#[derive(Debug, Clone, Serialize, Object)]
pub struct Counted {
    /// The kind; null for those that are of none.
    pub key: Option<String>,
    /// How many.
    pub count: u64,
}

/// Figures over one of the tenant's own fields.
#[derive(Debug, Clone, Default, Serialize, Object)]
#[oai(rename = "CustomFieldFigures")]
pub struct CustomFiguresView {
    /// How many there are of each value: of choices, references, yes and no. A record with several
    /// options counts under each of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counts: Option<Vec<Counted>>,
    /// How many have a number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// The sum of the numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sum: Option<Decimal>,
    /// The least of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<Decimal>,
    /// The greatest of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<Decimal>,
}

impl From<Figures> for CustomFiguresView {
    fn from(figures: Figures) -> Self {
        match figures {
            Figures::Counts(counts) => Self { counts: Some(counted(counts)), ..Self::default() },
            Figures::Numbers { count, sum, min, max } => {
                Self { count: Some(count), sum: Some(sum), min, max, ..Self::default() }
            }
        }
    }
}

fn counted(counts: Vec<(Option<String>, u64)>) -> Vec<Counted> {
    counts.into_iter().map(|(key, count)| Counted { key, count }).collect()
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
            custom_fields,
        } = stats;
        let own = |CustomFigures { key, figures }| (key, CustomFiguresView::from(figures));
        Self {
            total,
            new_this_month,
            by_status: counted(by_status),
            by_engagement: counted(by_engagement),
            by_industry: counted(by_industry),
            by_size: counted(by_size),
            by_country: counted(by_country),
            by_owner: counted(by_owner),
            by_custom_field: custom_fields.into_iter().map(own).collect(),
        }
    }
}
