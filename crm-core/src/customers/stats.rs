//! Figures over customers, under the same filter and reach as their lists.

use std::sync::Arc;

use chrono::{Datelike, NaiveDate, TimeZone as _, Utc};

use super::{Customer, Customers};
use crate::Entity;
use crate::custom_fields::{CustomFigures, figures};
use crate::entity::Where;
use crate::error::{Error, Result};
use crate::store::{Aggregate, Group, GroupBy, Path, Value};

/// How many customers there are, and of which kinds. Absent values are counted under none.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CustomerStats {
    /// All of them.
    pub total: u64,
    /// Those created since the month began in the tenant's time zone.
    pub new_this_month: u64,
    /// By status.
    pub by_status: Vec<(Option<String>, u64)>,
    /// By engagement.
    pub by_engagement: Vec<(Option<String>, u64)>,
    /// By industry.
    pub by_industry: Vec<(Option<String>, u64)>,
    /// By size.
    pub by_size: Vec<(Option<String>, u64)>,
    /// By country.
    pub by_country: Vec<(Option<String>, u64)>,
    /// By the user who looks after them.
    pub by_owner: Vec<(Option<String>, u64)>,
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
    /// As there; [`Error::Unreadable`] where there are no figures over a field, or more than
    /// [`MOST_FIGURES`](crate::custom_fields::MOST_FIGURES) are asked for.
    pub async fn stats_with(
        &self,
        filter: Where<Customer>,
        own: &[String],
    ) -> Result<CustomerStats> {
        let filter = filter.into_filter();
        let custom_fields = figures(self, &filter, own).await?;
        let month = Customer::CREATED_AT.ge(self.month_began().await?);
        let new = filter.clone().and(month.into_filter());
        let by = |path: Path| {
            let filter = filter.clone();
            async move {
                let aggregate = Aggregate::count(Arc::clone(Customer::schema()))
                    .filter(filter)?
                    .group_by(vec![GroupBy::Value(path)])?;
                counts(self.aggregate(aggregate).await?)
            }
        };
        let by_status = by(Customer::STATUS.path()).await?;
        Ok(CustomerStats {
            total: by_status.iter().map(|(_, count)| count).sum(),
            new_this_month: self.count(Where::new(new)).await?,
            by_status,
            by_engagement: by(Customer::ENGAGEMENT.path()).await?,
            by_industry: by(Customer::INDUSTRY.path()).await?,
            by_size: by(Customer::SIZE.path()).await?,
            by_country: by(Customer::COUNTRY.path()).await?,
            by_owner: by(Customer::ASSIGNED_TO.path()).await?,
            custom_fields,
        })
    }

    async fn month_began(&self) -> Result<chrono::DateTime<Utc>> {
        let crm = self.within().crm();
        let tenant = crate::tenants::lately(crm, self.within().actor().tenant()).await?;
        let zone = tenant.zone().tz();
        let today = crm.clock().now().with_timezone(&zone).date_naive();
        let first = NaiveDate::from_ymd_opt(today.year(), today.month(), 1).unwrap_or(today);
        let midnight = first.and_time(chrono::NaiveTime::MIN);
        // Where clocks jump over midnight, the day begins at the first time there is.
        let began = zone.from_local_datetime(&midnight).earliest().or_else(|| {
            zone.from_local_datetime(&(midnight + chrono::TimeDelta::hours(1))).earliest()
        });
        began
            .map(|time| time.to_utc())
            .ok_or_else(|| Error::internal("a month without a beginning"))
    }
}

fn counts(groups: Vec<Group>) -> Result<Vec<(Option<String>, u64)>> {
    let each = |group: Group| {
        let key = match group.keys.into_iter().next() {
            Some(Value::Text(text)) => Some(text),
            Some(Value::Uuid(id)) => Some(id.to_string()),
            _ => None,
        };
        match group.values.into_iter().next() {
            Some(Value::Int(count)) => Ok((key, u64::try_from(count).unwrap_or(0))),
            _ => Err(Error::internal("a count gave no number")),
        }
    };
    groups.into_iter().map(each).collect()
}
