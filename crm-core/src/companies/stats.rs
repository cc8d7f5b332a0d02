//! Figures over companies, under the same filter and reach as their lists.

use super::{Companies, Company};
use crate::custom_fields::{CustomFigures, figures};
use crate::entity::Where;
use crate::error::Result;
use crate::records::{Counts, Money, Tally};
use crate::store::Filter;

/// How many companies there are, and of which kinds. Absent values are counted under none.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CompanyStats {
    /// All of them.
    pub total: u64,
    /// Those created since the month began in the tenant's time zone.
    pub new_this_month: u64,
    /// By industry.
    pub by_industry: Counts,
    /// By size.
    pub by_size: Counts,
    /// By country.
    pub by_country: Counts,
    /// By the user who looks after them.
    pub by_owner: Counts,
    /// What they turn over in a year, in each currency.
    pub annual_revenue: Vec<Money>,
    /// Over those of the tenant's own fields that were asked for.
    pub custom_fields: Vec<CustomFigures>,
}

impl Companies {
    /// The figures of the companies that match. Needs `read`.
    ///
    /// # Errors
    /// As [`Records::find`](crate::Records::find).
    pub async fn stats(&self, filter: Where<Company>) -> Result<CompanyStats> {
        self.stats_with(filter, &[]).await
    }

    /// The same, and figures over these of the tenant's own fields: choices, yes or no, references
    /// and numbers.
    ///
    /// # Errors
    /// As there; [`Error::Unreadable`](crate::Error::Unreadable) where there are no figures over a
    /// field, or more than [`MOST_FIGURES`](crate::custom_fields::MOST_FIGURES) are asked for.
    pub async fn stats_with(&self, filter: Where<Company>, own: &[String]) -> Result<CompanyStats> {
        let filter = filter.into_filter();
        let custom_fields = figures(self, &filter, own).await?;
        let these = Tally::of(self, filter);
        let by_size = these.by(Company::SIZE.path()).await?;
        Ok(CompanyStats {
            total: match by_size.is_empty() {
                // None, or none whose size is seen.
                true => these.count(Filter::All).await?,
                false => by_size.iter().map(|(_, count)| count).sum(),
            },
            new_this_month: these.new_this_month().await?,
            by_industry: these.by(Company::INDUSTRY.path()).await?,
            by_size,
            by_country: these.by(Company::COUNTRY.path()).await?,
            by_owner: these.by(Company::ASSIGNED_TO.path()).await?,
            annual_revenue: these
                .money(Company::ANNUAL_REVENUE.path(), Company::CURRENCY.path())
                .await?,
            custom_fields,
        })
    }
}
