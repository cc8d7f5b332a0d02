//! What has had its time is removed for good, a bounded step at a time: keys that are free again,
//! notes that every server has heeded, tokens, sessions and API keys that are over, and tenants that were
//! deleted long ago ([`removal`](super::removal)).
//!
//! Nothing in here removes a record of a tenant that is there.

use chrono::{DateTime, TimeDelta, Utc};

use super::System;
use crate::auth::{
    AccessChange, ApiKey, BEGUN, Challenge, FORGOTTEN, FailedSignIns, OneTimeToken, RefreshToken,
    SecondFactor, Session,
};
use crate::entity::{Entity, Find, Where};
use crate::error::Result;
use crate::idempotency::Claim;
use crate::mail::{self, MailStatus, QueuedMail};
use crate::store::{Deleted, Filter};

/// The most records of a type that one step removes.
pub(super) const STEP: u32 = 500;
/// How long a note of who may do what is kept: far longer than servers look back.
const NOTES: TimeDelta = TimeDelta::hours(1);
/// How long a session is kept once it is over: for whoever looks into what happened.
const SESSIONS: TimeDelta = TimeDelta::days(30);
/// How long an API key is kept once it was revoked, or has expired.
const API_KEYS: TimeDelta = TimeDelta::days(30);

/// How much was removed, by type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Purged {
    /// Claims of keys.
    pub claims: usize,
    /// Notes of who may do what.
    pub access_changes: usize,
    /// Sign-ins that were never finished.
    pub challenges: usize,
    /// Second factors that were begun and never confirmed.
    pub second_factors: usize,
    /// Failures to sign in that are forgotten.
    pub failed_sign_ins: usize,
    /// Refresh tokens.
    pub refresh_tokens: usize,
    /// Sessions.
    pub sessions: usize,
    /// Mails.
    pub mails: usize,
    /// Tokens of links in mails.
    pub one_time_tokens: usize,
    /// API keys.
    pub api_keys: usize,
    /// Records of tenants that were deleted long ago.
    pub tenant_records: usize,
    /// Such tenants, of which nothing was left.
    pub tenants: usize,
    /// Whether there may be more.
    pub more: bool,
}

impl System {
    /// Removes what has had its time, some hundred records of each type at most: claims of keys
    /// that expired, notes of an hour ago, sign-ins and second factors that were begun and never
    /// finished, failures to sign in of a day ago, sessions that were
    /// over 30 days ago with their refresh tokens, API keys that were so long ago, and tokens that
    /// were spent longer ago than any session lasts unused. Until then a spent token that turns up
    /// ends its session. Mails that were sent or given up a week ago. And of one tenant whose time
    /// to come back is over ([`CrmBuilder::tenant_grace`](crate::CrmBuilder::tenant_grace)),
    /// records of one type, whatever it is; the tenant itself once there are none. Of its log stays
    /// who deleted it and that it was removed.
    ///
    /// Several servers may do it at once.
    ///
    /// # Errors
    /// Where the store fails; what was removed before stays removed. [`Error::Internal`] where
    /// records of a type of the host's own refer to each other in a ring, and so hold a tenant.
    ///
    /// [`Error::Internal`]: crate::Error::Internal
    pub async fn purge(&self) -> Result<Purged> {
        let now = self.crm().clock().now();
        let claims = self.remove(Claim::EXPIRES_AT.le(now)).await?;
        let access_changes = self.remove(AccessChange::CREATED_AT.lt(now - NOTES)).await?;
        let challenges = self.remove(Challenge::EXPIRES_AT.lt(now)).await?;
        let begun = SecondFactor::CONFIRMED_AT.absent();
        let begun = begun.and(SecondFactor::UPDATED_AT.lt(now - BEGUN));
        let second_factors = self.remove(begun).await?;
        let failed_sign_ins = self.remove(FailedSignIns::LAST_AT.lt(now - FORGOTTEN)).await?;
        let over = over(now - SESSIONS);
        let spent = RefreshToken::SPENT_AT.lt(now - self.crm().session_lasts(true));
        let of_over = Filter::Related(
            RefreshToken::SESSION.index(),
            Session::schema().clone(),
            Box::new(over.clone().into_filter()),
        );
        let refresh_tokens = self.remove(spent.or(Where::new(of_over))).await?;
        // A session is referred to by its tokens: they go first.
        let sessions = match refresh_tokens {
            Removed::All(_) => self.remove(over).await?,
            Removed::Some(_) => Removed::Some(0),
        };
        let done = QueuedMail::STATUS.ne(MailStatus::Queued);
        let mails = self.remove(done.and(QueuedMail::DUE_AT.lt(now - mail::KEPT))).await?;
        let old = OneTimeToken::EXPIRES_AT.lt(now - mail::KEPT);
        let one_time_tokens = self.remove(old).await?;
        let long_ago = now - API_KEYS;
        let expired = self.remove(ApiKey::EXPIRES_AT.lt(long_ago)).await?;
        let revoked = Find::from(ApiKey::DELETED_AT.lt(long_ago)).deleted(Deleted::Only);
        let revoked = self.remove_found(revoked).await?;
        let removal = self.remove_overdue().await?;
        let (tenant_records, tenants) = (removal.records, removal.tenants);
        let all = [
            claims,
            access_changes,
            challenges,
            second_factors,
            failed_sign_ins,
            refresh_tokens,
            sessions,
            mails,
            one_time_tokens,
            expired,
            revoked,
        ];
        let more = removal.more || all.iter().any(|done| matches!(done, Removed::Some(_)));
        let [
            claims,
            access_changes,
            challenges,
            second_factors,
            failed_sign_ins,
            refresh_tokens,
            sessions,
            mails,
            one_time_tokens,
            expired,
            revoked,
        ] = all.map(Removed::count);
        Ok(Purged {
            claims,
            access_changes,
            challenges,
            second_factors,
            failed_sign_ins,
            refresh_tokens,
            sessions,
            mails,
            one_time_tokens,
            api_keys: expired + revoked,
            tenant_records,
            tenants,
            more,
        })
    }

    async fn remove<E: Entity>(&self, filter: Where<E>) -> Result<Removed> {
        self.remove_found(Find::all().filter(filter)).await
    }

    async fn remove_found<E: Entity>(&self, find: Find<E>) -> Result<Removed> {
        let query = find.page(1, STEP).into_query()?;
        let found = self.crm().system_query(query).await?.items;
        let count = found.len();
        if count == 0 {
            return Ok(Removed::All(0));
        }
        // Another server may be faster, or somebody use one of them just now.
        let removed = self.remove_all(E::schema(), found).await?;
        let all = removed == count && count < STEP as usize;
        Ok(if all { Removed::All(removed) } else { Removed::Some(removed) })
    }
}

/// How many were removed of those that there were.
#[derive(Debug, Clone, Copy)]
enum Removed {
    /// As many, and none is left.
    All(usize),
    /// As many, and there may be more.
    Some(usize),
}

impl Removed {
    fn count(self) -> usize {
        let (Self::All(count) | Self::Some(count)) = self;
        count
    }
}

/// Sessions that ended, or were not prolonged, before this.
fn over(before: DateTime<Utc>) -> Where<Session> {
    Session::ENDED_AT.lt(before).or(Session::EXPIRES_AT.lt(before))
}
