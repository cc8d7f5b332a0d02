//! Guessing slowed down: by account and by network, for guessers and not for the owner.
//!
//! After some failures each further one makes everybody wait twice as long, who comes from a
//! network that the account was never signed in to from. The networks that it was are counted
//! apart, each by itself, so that whoever guesses elsewhere does not keep the owner out. Unknown
//! accounts are counted as known ones are: nothing tells them apart. Who signs in without failing
//! writes nothing here, and who is made to wait writes nothing either.

use std::net::IpAddr;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::credentials::fingerprint;
use super::passwords::notice;
use super::{Auth, Session};
use crate::Entity;
use crate::access::Origin;
use crate::entity::{Find, Where};
use crate::error::{Error, Result};
use crate::id::Id;
use crate::mail::MailKind;
use crate::records::Unit;
use crate::store::{MAX_LIMIT, fold};
use crate::users::{User, UserId};

/// How much guessing is put up with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lockout {
    /// How many failures in a row cost nothing, for an account.
    pub attempts: u32,
    /// The same for a network, whatever the accounts.
    pub attempts_per_network: u32,
    /// The longest wait. The first is a second, each further one twice as long.
    pub longest: TimeDelta,
}

impl Default for Lockout {
    fn default() -> Self {
        Self { attempts: 5, attempts_per_network: 50, longest: TimeDelta::minutes(15) }
    }
}

/// When failures are forgotten of which there were no more.
pub(crate) const FORGOTTEN: TimeDelta = TimeDelta::days(1);
/// After how many failures beyond the free ones the owner is told, once.
const TOLD_BEYOND: i64 = 5;
/// How often counting is tried while others count.
const TRIES: usize = 20;

/// Failures to sign in, counted under one key.
#[derive(Debug, Clone, PartialEq, Entity)]
#[entity(name = "failed_sign_ins", global, owners(nobody), no_default_draft)]
#[entity(unique(name = "failed_sign_ins_key", fields(key)), index(last_at), index(user))]
pub struct FailedSignIns {
    /// The identifier.
    pub id: Id<Self>,
    /// The version.
    pub version: i64,
    /// When the first was counted.
    pub created_at: DateTime<Utc>,
    /// When the last was counted.
    pub updated_at: DateTime<Utc>,
    /// Never.
    pub deleted_at: Option<DateTime<Utc>>,
    /// What they are counted for: an account, an account at a network, or a network.
    #[entity(filter, code)]
    pub key: String,
    /// Whose account it is; none where there is no such account, or for a network.
    #[entity(filter)]
    pub user: Option<UserId>,
    /// How many.
    pub failures: i64,
    /// When the last was.
    #[entity(filter)]
    pub last_at: DateTime<Utc>,
    /// Until when nobody is let in by this key.
    pub until: DateTime<Utc>,
}

/// Somebody who tries to sign in: what their failures are counted under.
#[derive(Debug, Clone)]
pub(super) struct Guess {
    keys: Vec<(String, u32)>,
    user: Option<User>,
    origin: Origin,
}

/// A network of one customer: an address of version 4 is one, and so are the 2⁶⁴ that share their
/// first half in version 6.
pub(super) fn network_of(address: &str) -> Option<String> {
    match address.parse::<IpAddr>().ok()?.to_canonical() {
        IpAddr::V4(address) => Some(address.to_string()),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Some(format!("{a:x}:{b:x}:{c:x}:{d:x}::/64"))
        }
    }
}

impl Auth {
    /// A try at an account, known or not.
    pub(super) async fn guess(
        &self,
        login: &str,
        user: Option<&User>,
        origin: &Origin,
    ) -> Result<Guess> {
        let network = origin.address.as_deref().and_then(network_of);
        let id = user.map(|user| user.id);
        // Asked of accounts that there are not, too: it takes as long.
        let asked = id.unwrap_or(Id::new(uuid::Uuid::nil()));
        let at_home = match &network {
            Some(network) => self.was_signed_in(asked, network).await?,
            None => false,
        };
        let account = match id {
            Some(id) => format!("user {id}"),
            None => format!("login {}", fingerprint(&fold(login.trim()))),
        };
        let Lockout { attempts, attempts_per_network, .. } = self.0.lockout();
        let keys = match &network {
            Some(network) if at_home => vec![(format!("{account} at {network}"), attempts)],
            Some(network) => {
                vec![(account, attempts), (format!("network {network}"), attempts_per_network)]
            }
            None => vec![(account, attempts)],
        };
        Ok(Guess { keys, user: user.cloned(), origin: origin.clone() })
    }

    /// A try by somebody who says that they are this user.
    pub(super) async fn guess_of(&self, user: &User, origin: &Origin) -> Result<Guess> {
        self.guess(&user.email, Some(user), origin).await
    }

    async fn was_signed_in(&self, user: UserId, network: &str) -> Result<bool> {
        let there = Session::USER.eq(user).and(Session::NETWORK.eq(network.to_owned()));
        let query = Find::from(there).page(1, 1).into_query()?;
        Ok(!self.0.system_query(query).await?.items.is_empty())
    }

    /// Lets a try come to pass, unless too many failed before it.
    pub(super) async fn admit(&self, guess: &Guess) -> Result<()> {
        held_off(&self.counted(guess).await?, self.0.clock().now())
    }

    /// Counts a try that failed.
    pub(super) async fn failed(&self, guess: &Guess) -> Result<()> {
        self.count(guess, |_| true, false).await?;
        // Where it could not be counted, each time somebody else's was: there is no lack of them.
        Ok(())
    }

    /// Lets a try come to pass, unless too many failed before it, and counts it as one that failed
    /// before anybody knows: for what is compared so fast that of many at once all would be let
    /// try. What was right is forgotten again ([`Auth::succeeded`]); what was wrong is to be counted
    /// for the network ([`Auth::charged_failed`]).
    pub(super) async fn charge(&self, guess: &Guess) -> Result<()> {
        if self.count(guess, |key| !is_network(key), true).await? {
            return Ok(());
        }
        Err(Error::TooManyAttempts { retry_after: Duration::from_secs(1) })
    }

    /// Counts for the network a try that was counted for the account and has failed.
    pub(super) async fn charged_failed(&self, guess: &Guess) -> Result<()> {
        self.count(guess, is_network, false).await?;
        Ok(())
    }

    /// Counts a failure under those keys; only where nobody is held off by any, where it is
    /// `admitting`. Answers whether it was counted: not where others were faster time and again.
    async fn count(
        &self,
        guess: &Guess,
        under: impl Fn(&str) -> bool,
        admitting: bool,
    ) -> Result<bool> {
        for _ in 0..TRIES {
            let counted = self.counted(guess).await?;
            let mut unit = Unit::system(&self.0, None, None);
            let now = unit.now();
            if admitting {
                held_off(&counted, now)?;
            }
            for (key, free) in guess.keys.iter().filter(|(key, _)| under(key)) {
                let user = guess.user.as_ref().filter(|_| !is_network(key));
                match counted.iter().find(|counted| counted.key == *key) {
                    Some(before) => {
                        let in_a_row = now - before.last_at < FORGOTTEN;
                        let failures = if in_a_row { before.failures + 1 } else { 1 };
                        let mut after = FailedSignIns {
                            failures,
                            last_at: now,
                            until: now + self.wait(failures, *free),
                            ..before.clone()
                        };
                        after.set_system(unit.next(before));
                        unit.update_silently(before.clone(), after)?;
                        // Once for each wave: more than its owner mistypes.
                        let told = user.filter(|_| failures == i64::from(*free) + TOLD_BEYOND);
                        if let Some(user) = told {
                            let kind = MailKind::SignInsFailed;
                            unit.mail(notice(kind, user, &guess.origin, &unit))?;
                        }
                    }
                    None => {
                        let system = unit.fresh::<FailedSignIns>();
                        unit.insert_silently(FailedSignIns {
                            id: system.id,
                            version: 1,
                            created_at: now,
                            updated_at: now,
                            deleted_at: None,
                            key: key.clone(),
                            user: user.map(|user| user.id),
                            failures: 1,
                            last_at: now,
                            until: now + self.wait(1, *free),
                        })?;
                    }
                }
            }
            if unit.operations().is_empty() {
                return Ok(true);
            }
            match unit.commit_as_system().await {
                Ok(_) => return Ok(true),
                // Others failed at the same moment.
                Err(Error::Stale { .. } | Error::Conflict { code: "DUPLICATE", .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    /// Forgets the failures of an account, now that its owner has signed in. Those of the network
    /// stay: anybody has an account of their own to sign in to.
    pub(super) async fn succeeded(&self, guess: &Guess) -> Result<()> {
        let counted = self.counted(guess).await?;
        self.forget_all(counted.into_iter().filter(|counted| !is_network(&counted.key))).await
    }

    /// What was counted for a user, from wherever it was tried.
    pub(crate) async fn failures_of(&self, user: UserId) -> Result<Vec<FailedSignIns>> {
        let of: Where<FailedSignIns> = FailedSignIns::USER.eq(user);
        let query = Find::from(of).page(1, MAX_LIMIT).into_query()?;
        let found = self.0.system_query(query).await?.items.into_iter();
        found.map(|record| FailedSignIns::from_values(record.into_values())).collect()
    }

    pub(super) async fn forget_all(
        &self,
        counted: impl Iterator<Item = FailedSignIns>,
    ) -> Result<()> {
        for one in counted {
            let mut unit = Unit::system(&self.0, None, None);
            unit.remove_silently(one)?;
            match unit.commit_as_system().await {
                // Somebody fails at this very moment: then it is to be counted.
                Ok(_) | Err(Error::Stale { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn counted(&self, guess: &Guess) -> Result<Vec<FailedSignIns>> {
        let keys = guess.keys.iter().map(|(key, _)| key.clone());
        let query = Find::from(FailedSignIns::KEY.any_of(keys)).page(1, 10).into_query()?;
        let found = self.0.system_query(query).await?.items.into_iter();
        found.map(|record| FailedSignIns::from_values(record.into_values())).collect()
    }

    fn wait(&self, failures: i64, free: u32) -> TimeDelta {
        wait(failures, free, self.0.lockout().longest)
    }
}

fn is_network(key: &str) -> bool {
    key.starts_with("network ")
}

fn held_off(counted: &[FailedSignIns], now: DateTime<Utc>) -> Result<()> {
    let until = counted.iter().map(|counted| counted.until).max();
    match until.and_then(|until| (until - now).to_std().ok()) {
        Some(wait) if !wait.is_zero() => {
            Err(Error::TooManyAttempts { retry_after: whole_seconds(wait) })
        }
        _ => Ok(()),
    }
}

/// How long everybody waits after so many failures.
fn wait(failures: i64, free: u32, longest: TimeDelta) -> TimeDelta {
    match failures - i64::from(free) {
        ..0 => TimeDelta::zero(),
        beyond => longest.min(TimeDelta::seconds(1 << beyond.min(30))),
    }
}

/// A part of a second is one more to wait.
fn whole_seconds(wait: Duration) -> Duration {
    let more = u64::from(wait.subsec_nanos() > 0);
    Duration::from_secs(wait.as_secs() + more)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_beyond_the_free_ones_doubles_the_wait_up_to_the_longest() {
        let longest = TimeDelta::minutes(15);
        let waits: Vec<i64> = (1..=16).map(|n| wait(n, 5, longest).num_seconds()).collect();
        assert_eq!(waits, [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]);
        assert_eq!(wait(i64::MAX, 5, longest), longest);
        assert_eq!(wait(1, 0, longest), TimeDelta::seconds(2));
    }

    #[test]
    fn a_network_is_what_one_customer_has() {
        assert_eq!(network_of("203.0.113.7").as_deref(), Some("203.0.113.7"));
        assert_eq!(network_of("::ffff:203.0.113.7").as_deref(), Some("203.0.113.7"));
        assert_eq!(network_of("2001:db8:1:2:3::4").as_deref(), Some("2001:db8:1:2::/64"));
        assert_eq!(network_of("2001:db8:1:2:ffff::"), network_of("2001:db8:1:2::1"));
        assert_ne!(network_of("2001:db8:1:3::1"), network_of("2001:db8:1:2::1"));
        assert_eq!(network_of("somewhere"), None);
    }
}
