//! Figures over the records of one type: how many there are of each kind, and sums of money.
//!
//! Each is asked for as lists are, under the same filter and the same reach, so that nobody learns
//! a number of what they may not see.

use std::sync::Arc;

use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, TimeDelta, TimeZone as _, Utc};
use rust_decimal::Decimal;

use super::{Records, Rules};
use crate::access::fields::LeftOut;
use crate::entity::Where;
use crate::error::{Error, Result};
use crate::store::{Aggregate, Comparison, Filter, Group, GroupBy, Measure, Path, Value, system};
use crate::tenants::lately;

/// How many records there are of each kind; absent values are counted under none.
pub type Counts = Vec<(Option<String>, u64)>;

/// What records come to in one currency: amounts of different ones are never added up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Money {
    /// The currency; none of those records that name none.
    pub currency: Option<String>,
    /// How many records have an amount.
    pub count: u64,
    /// The amounts together.
    pub sum: Decimal,
}

/// Those records that match, to be counted.
#[derive(Debug)]
pub(crate) struct Tally<'r, E> {
    records: &'r Records<E>,
    filter: Filter,
}

impl<'r, E: Rules> Tally<'r, E> {
    pub(crate) fn of(records: &'r Records<E>, filter: Filter) -> Self {
        Self { records, filter }
    }

    /// How many there are of each value of a field.
    pub(crate) async fn by(&self, path: Path) -> Result<Counts> {
        if self.leaves_out(&path) {
            return Ok(Counts::new());
        }
        let aggregate = self.all()?.group_by(vec![GroupBy::Value(path)])?;
        counts(&self.records.aggregate(aggregate).await?)
    }

    /// How many have each of the values of a list; one that has several counts under each.
    pub(crate) async fn by_each(&self, path: Path) -> Result<Counts> {
        if self.leaves_out(&path) {
            return Ok(Counts::new());
        }
        let aggregate = self.all()?.group_by(vec![GroupBy::Each(path)])?;
        counts(&self.records.aggregate(aggregate).await?)
    }

    /// How many of them match this, too.
    pub(crate) async fn count(&self, filter: Filter) -> Result<u64> {
        self.records.count(Where::new(self.filter.clone().and(filter))).await
    }

    /// How many were created since the month began in the tenant's time zone.
    pub(crate) async fn new_this_month(&self) -> Result<u64> {
        let began = Value::Time(self.month_began().await?);
        let created = Path::field(system::CREATED_AT);
        self.count(Filter::Compare(created, Comparison::Ge, began)).await
    }

    /// What an amount comes to in each currency.
    pub(crate) async fn money(&self, amount: Path, currency: Path) -> Result<Vec<Money>> {
        if self.leaves_out(&amount) || self.leaves_out(&currency) {
            return Ok(Vec::new());
        }
        let aggregate = self
            .all()?
            .filter(Filter::Absent(amount.clone()).not())?
            .group_by(vec![GroupBy::Value(currency)])?
            .measures(vec![Measure::Count, Measure::Sum(amount)])?;
        let each = |group: &Group| match group.values.get(1) {
            Some(Value::Decimal(sum)) => {
                Ok(Money { currency: group.word(), count: group.count(0)?, sum: *sum })
            }
            _ => Err(Error::internal("a sum gave no number")),
        };
        self.records.aggregate(aggregate).await?.iter().map(each).collect()
    }

    /// Whether the actor does not see a field; then there are no figures by it.
    fn leaves_out(&self, path: &Path) -> bool {
        let left_out = LeftOut::of(self.records.within().actor(), E::schema());
        left_out.is_some_and(|left_out| left_out.has(path.field))
    }

    fn all(&self) -> Result<Aggregate> {
        Aggregate::count(Arc::clone(E::schema())).filter(self.filter.clone())
    }

    async fn month_began(&self) -> Result<DateTime<Utc>> {
        let within = self.records.within();
        let tenant = lately(within.crm(), within.actor().tenant()).await?;
        let zone = tenant.zone().tz();
        let today = within.crm().clock().now().with_timezone(&zone).date_naive();
        let first = NaiveDate::from_ymd_opt(today.year(), today.month(), 1).unwrap_or(today);
        let midnight = first.and_time(NaiveTime::MIN);
        // Where clocks jump over midnight, the day begins at the first time there is.
        let began = zone
            .from_local_datetime(&midnight)
            .earliest()
            .or_else(|| zone.from_local_datetime(&(midnight + TimeDelta::hours(1))).earliest());
        began
            .map(|time| time.to_utc())
            .ok_or_else(|| Error::internal("a month without a beginning"))
    }
}

/// The number of records in each group, under what they share.
pub(crate) fn counts(groups: &[Group]) -> Result<Counts> {
    groups.iter().map(|group| Ok((group.word(), group.count(0)?))).collect()
}
