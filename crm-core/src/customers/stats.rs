//! Figures over customers, under the same filter and reach as their lists.

use super::{Customer, Customers};
use crate::custom_fields::{CustomFigures, figures};
use crate::entity::Where;
use crate::error::Result;
use crate::records::{Counts, Money, Tally};

/// How many customers there are, and of which kinds. Absent values are counted under none.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CustomerStats {
    /// All of them.
    pub total: u64,
    /// Those created since the month began in the tenant's time zone.
    pub new_this_month: u64,
    /// By status.
    pub by_status: Counts,
    /// By engagement.
    pub by_engagement: Counts,
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

impl Customers {
    /// The figures of the customers that match. Needs `read`.
    ///
    /// # Errors
    /// As [`Records::find`](crate::Records::find).
    pub async fn stats(&self, filter: Where<Customer>) -> Result<CustomerStats> {
        self.stats_with(filter, &[]).await
    }

    /// The same, and figures over these of the tenant's own fields: choices, yes or no, references
    /// and numbers.
    ///
    /// # Errors
    /// As there; [`Error::Unreadable`](crate::Error::Unreadable) where there are no figures over a
    /// field, or more than [`MOST_FIGURES`](crate::custom_fields::MOST_FIGURES) are asked for.
    pub async fn stats_with(
        &self,
        filter: Where<Customer>,
        own: &[String],
    ) -> Result<CustomerStats> {
        let filter = filter.into_filter();
        let custom_fields = figures(self, &filter, own).await?;
        let these = Tally::of(self, filter);
        let by_status = these.by(Customer::STATUS.path()).await?;
        Ok(CustomerStats {
            total: by_status.iter().map(|(_, count)| count).sum(),
            new_this_month: these.new_this_month().await?,
            by_status,
            by_engagement: these.by(Customer::ENGAGEMENT.path()).await?,
            by_industry: these.by(Customer::INDUSTRY.path()).await?,
            by_size: these.by(Customer::SIZE.path()).await?,
            by_country: these.by(Customer::COUNTRY.path()).await?,
            by_owner: these.by(Customer::ASSIGNED_TO.path()).await?,
            annual_revenue: these
                .money(Customer::ANNUAL_REVENUE.path(), Customer::CURRENCY.path())
                .await?,
            custom_fields,
        })
    }
}
