//! How often one may ask: by address where nobody has signed in or could be recognised, by user
//! or API key, and by tenant.
//!
//! Counted in this process, or in a Redis that several servers share. Nothing here knows a route;
//! who is counted, and where, is for the middleware and for authentication to say.

mod gcra;
mod local;
#[cfg(feature = "redis")]
mod shared;
#[cfg(not(feature = "redis"))]
#[path = "absent.rs"]
mod shared;

use std::fmt::Write;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crm_core::auth::ApiKey;
use crm_core::tenants::TenantId;
use crm_core::users::UserId;
use crm_core::{Clock, Id};
use poem::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use uuid::Uuid;

use self::gcra::{Left, Quota};
use self::local::Table;
use self::shared::Shared;
use crate::api::error::{ApiError, Fault};
use crate::config::{ConfigError, Rate, Rates, WhenAway};
use crate::readiness::NotReady;

/// What is left to a caller (draft-ietf-httpapi-ratelimit-headers-11).
pub const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
/// What the limits are (the same).
pub const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Whom requests are counted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Subject {
    /// An address; of IPv6, the /64 that one customer of a provider has.
    Address(u128),
    User(Uuid),
    Key(Uuid),
    Tenant(Uuid),
}

impl Subject {
    fn address(address: Option<IpAddr>) -> Self {
        Self::Address(match address.map(|address| address.to_canonical()) {
            Some(IpAddr::V4(four)) => four.to_ipv6_mapped().to_bits(),
            Some(IpAddr::V6(six)) => six.to_bits() & (u128::MAX << 64),
            // Whoever cannot be told apart is one.
            None => 0,
        })
    }
}

/// A limit, and whom it is asked for.
#[derive(Debug, Clone)]
struct Ask {
    policy: usize,
    subject: Subject,
    quota: Quota,
}

/// The policies, as callers are told of them.
const POLICIES: [&str; 3] = ["address", "user", "tenant"];
const ADDRESS: usize = 0;
const USER: usize = 1;
const TENANT: usize = 2;

/// What a caller is told in headers: what is left of each limit that counted.
#[derive(Debug, Clone)]
pub struct Standing {
    limit: HeaderValue,
    policy: HeaderValue,
}

impl Standing {
    /// Puts it into an answer.
    pub fn write(&self, headers: &mut HeaderMap) {
        headers.insert(RATE_LIMIT, self.limit.clone());
        headers.insert(RATE_LIMIT_POLICY, self.policy.clone());
    }
}

/// What was found of a request: whether it may come, and what is told of it.
type Verdict = (Option<Standing>, Result<(), ApiError>);

/// The limits of a server.
#[derive(Debug)]
pub struct RateLimits {
    quotas: [Option<Quota>; POLICIES.len()],
    /// What `RateLimit-Policy` says of each.
    said: [String; POLICIES.len()],
    table: Table,
    shared: Option<Arc<Shared>>,
    when_away: WhenAway,
    clock: Arc<dyn Clock>,
    refused: [AtomicU64; POLICIES.len()],
}

/// What was counted since the server began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figures {
    /// Requests that were refused, by policy.
    pub refused: [(&'static str, u64); POLICIES.len()],
    /// Callers that are remembered in this process.
    pub remembered: usize,
    /// Of a Redis that is counted in: whether it answers, and how often it did not.
    pub shared: Option<(bool, u64)>,
}

impl RateLimits {
    /// Of a configuration. A Redis is not asked before the first request.
    ///
    /// # Errors
    /// Where it names a Redis that is no URL, or that this build knows nothing of.
    pub fn new(rates: &Rates, clock: Arc<dyn Clock>) -> Result<Arc<Self>, ConfigError> {
        let Rates { address, user, tenant, redis_url, redis_timeout, when_away } = rates;
        let rates = [*address, *user, *tenant];
        let shared = match redis_url {
            Some(url) => Some(Shared::new(url.reveal(), redis_timeout.duration())?),
            None => None,
        };
        let said = |policy: usize, rate: Rate| {
            let (name, seconds) = (POLICIES[policy], rate.within().as_secs().max(1));
            format!("\"{name}\";q={};w={seconds}", rate.requests())
        };
        Ok(Arc::new(Self {
            quotas: rates.map(Quota::of),
            said: [said(ADDRESS, *address), said(USER, *user), said(TENANT, *tenant)],
            table: Table::new(),
            shared,
            when_away: *when_away,
            clock,
            refused: Default::default(),
        }))
    }

    /// Counts a request of whoever asks from an address, signed in as nobody.
    pub(crate) async fn by_address(&self, address: Option<IpAddr>) -> Verdict {
        self.count(&[(ADDRESS, Subject::address(address))], false).await
    }

    /// Whether one more request could come from an address, without counting it or what is
    /// refused.
    ///
    /// # Errors
    /// 429 where not.
    pub(crate) async fn look_at(&self, address: Option<IpAddr>) -> Result<(), ApiError> {
        self.count(&[(ADDRESS, Subject::address(address))], true).await.1
    }

    /// Counts a request of a user or of its key, in a tenant or in none.
    pub(crate) async fn by_user(
        &self,
        user: UserId,
        key: Option<Id<ApiKey>>,
        tenant: Option<TenantId>,
    ) -> Verdict {
        let who = key.map_or(Subject::User(user.uuid()), |key| Subject::Key(key.uuid()));
        match tenant {
            None => self.count(&[(USER, who)], false).await,
            Some(tenant) => {
                let tenant = Subject::Tenant(tenant.uuid());
                self.count(&[(USER, who), (TENANT, tenant)], false).await
            }
        }
    }

    async fn count(&self, of: &[(usize, Subject)], looks: bool) -> Verdict {
        let asks = of.iter().filter_map(|(policy, subject)| {
            let quota = self.quotas[*policy]?;
            Some(Ask { policy: *policy, subject: *subject, quota })
        });
        let asks: Vec<Ask> = asks.collect();
        if asks.is_empty() {
            return (None, Ok(()));
        }
        let ahead = match &self.shared {
            None => self.table.count(&asks, self.now(), looks),
            Some(shared) => match shared.count(&asks, looks).await {
                Some(ahead) => ahead,
                // Each server by itself is better than nothing.
                None if self.when_away == WhenAway::Open => {
                    self.table.count(&asks, self.now(), looks)
                }
                None => {
                    let message = "it cannot be told how much is asked for: limits.rate";
                    let wait = Duration::from_secs(1);
                    return (None, Err(ApiError::unavailable("UNAVAILABLE", message, wait)));
                }
            },
        };
        self.judge(&asks, &ahead, looks)
    }

    fn judge(&self, asks: &[Ask], ahead: &[i64], looks: bool) -> Verdict {
        let both = || asks.iter().zip(ahead);
        let admitted = both().all(|(ask, ahead)| ask.quota.admits(*ahead));
        let left = |ask: &Ask, ahead: i64| {
            ask.quota.left(if admitted { ahead + ask.quota.step } else { ahead })
        };
        let mut limit = String::with_capacity(64);
        let mut policy = String::with_capacity(64);
        for (ask, ahead) in both() {
            let Left { requests, more_in, .. } = left(ask, *ahead);
            let between = if limit.is_empty() { "" } else { ", " };
            let name = POLICIES[ask.policy];
            // Writing to a text does not fail.
            let _ = write!(limit, "{between}\"{name}\";r={requests};t={more_in}");
            let _ = write!(policy, "{between}{}", self.said[ask.policy]);
        }
        let standing = match (HeaderValue::from_str(&limit), HeaderValue::from_str(&policy)) {
            (Ok(limit), Ok(policy)) => Some(Standing { limit, policy }),
            _ => None,
        };
        let longest = both()
            .filter(|(ask, ahead)| !ask.quota.admits(**ahead))
            .max_by_key(|(ask, ahead)| ask.quota.left(**ahead).wait);
        let Some((ask, ahead)) = longest else { return (standing, Ok(())) };
        if !looks {
            self.refused[ask.policy].fetch_add(1, Ordering::Relaxed);
        }
        let wait = ask.quota.left(*ahead).wait;
        let seconds = u64::try_from(wait).unwrap_or(0).div_ceil(1_000_000).max(1);
        let name = POLICIES[ask.policy];
        let fault = Fault::new(
            "RATE_LIMITED",
            format!("too many requests: {} of limits.rate.{name}", self.said[ask.policy]),
        );
        let refused = ApiError::new(StatusCode::TOO_MANY_REQUESTS, fault);
        (standing, Err(refused.retry_after(Duration::from_secs(seconds))))
    }

    fn now(&self) -> i64 {
        self.clock.now().timestamp_micros()
    }

    /// Whether requests are counted together with other servers, and cannot be.
    pub(crate) async fn is_apart(&self) -> Result<(), NotReady> {
        match &self.shared {
            Some(shared) => shared.ping().await.map_err(NotReady::away),
            None => Ok(()),
        }
    }

    /// Whether the server does without what it shares while that is away.
    pub(crate) fn does_without(&self) -> bool {
        self.when_away == WhenAway::Open
    }

    /// What was counted since the server began.
    pub fn figures(&self) -> Figures {
        let of = |policy: usize| (POLICIES[policy], self.refused[policy].load(Ordering::Relaxed));
        Figures {
            refused: [of(ADDRESS), of(USER), of(TENANT)],
            remembered: self.table.len(),
            shared: self.shared.as_ref().map(|shared| shared.figures()),
        }
    }
}
