//! Figures over the people of a tenant, under the same filter and reach as their lists.

use std::sync::Arc;

use chrono::TimeDelta;

use super::{Member, Members, UserStatus};
use crate::auth::Session;
use crate::entity::{Entity, Where};
use crate::error::Result;
use crate::records::{Counts, Tally};
use crate::store::{Aggregate, Filter, Group, MAX_LIMIT, Measure, Query, Value, Window};

/// How long ago a sign-in is one of late.
const LATELY: TimeDelta = TimeDelta::days(30);

/// How many members there are, and of which kinds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MemberStats {
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
    /// How many have each role, by its code; one who has several counts under each.
    pub by_role: Counts,
}

impl Members {
    /// The figures of the members that match. Needs `users:read`.
    ///
    /// # Errors
    /// As [`Records::find`](crate::Records::find).
    pub async fn stats(&self, filter: Where<Member>) -> Result<MemberStats> {
        let filter = filter.into_filter();
        let these = Tally::of(self, filter.clone());
        let of = |status: UserStatus| Member::STATUS.eq(status).into_filter();
        let (active, inactive) = (of(UserStatus::Active), of(UserStatus::Inactive));
        Ok(MemberStats {
            total: these.count(Filter::All).await?,
            active: these.count(active).await?,
            inactive: these.count(inactive).await?,
            new_this_month: these.new_this_month().await?,
            signed_in_lately: self.signed_in_lately(filter).await?,
            by_role: these.by_each(Member::ROLES.path()).await?,
        })
    }

    // Sessions are the installation's: which of them count is decided by who may be read, and what
    // is told of them is how many.
    async fn signed_in_lately(&self, filter: Filter) -> Result<u64> {
        let within = self.within();
        let since = within.crm().clock().now() - LATELY;
        let live = Session::UPDATED_AT.ge(since).and(Session::ENDED_AT.absent());
        let late = Session::TENANT
            .eq(within.actor().tenant())
            .and(Session::CREATED_AT.ge(since).or(live))
            .into_filter();
        let mut count = 0;
        let mut after = None;
        loop {
            let query = Query::new(Arc::clone(Member::schema()))
                .filter(filter.clone())?
                .window(Window::Cursor { after, limit: MAX_LIMIT })?;
            let page = self.select(query).await?;
            let users = page.items.iter().map(|member| Value::Uuid(member.user.uuid())).collect();
            let sessions = Aggregate::count(Arc::clone(Session::schema()))
                .filter(late.clone().and(Filter::In(Session::USER.path(), users)))?
                .measures(vec![Measure::Distinct(Session::USER.path())])?;
            count += Group::only(within.crm().system_aggregate(sessions).await?)?.count(0)?;
            after = page.next;
            if after.is_none() {
                return Ok(count);
            }
        }
    }
}
