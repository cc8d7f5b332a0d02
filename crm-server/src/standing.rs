//! Who a token's user is right now: whether the session lives, and what the user may do.
//!
//! A token says who somebody was when it was signed. What has changed since then, a session that
//! was ended, a role that was taken away, is asked of the library and remembered for a moment; a
//! change made by this server is forgotten at once.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use crm_core::auth::{Membership, Session};
use crm_core::tenants::TenantId;
use crm_core::users::{User, UserId, UserStatus};
use crm_core::{Crm, Error, Id, Result};
use parking_lot::Mutex;

/// How long an answer is good for. Another server's change is seen after that.
const REMEMBERED: TimeDelta = TimeDelta::seconds(1);
/// How many answers are kept.
const MOST: usize = 20_000;

/// Whose standing: a session, in a tenant or in none.
type Key = (Id<Session>, Option<TenantId>);

/// A user whose session lives.
#[derive(Debug, Clone)]
pub struct Standing {
    /// The user.
    pub user: Arc<User>,
    /// The user's place in the tenant asked for; none where it has none.
    pub membership: Option<Arc<Membership>>,
}

/// An answer, and when it was given.
type Asked = (DateTime<Utc>, Option<Standing>);

/// Standings that were asked for lately.
#[derive(Debug, Default)]
pub struct Standings(Mutex<HashMap<Key, Asked>>);

impl Standings {
    /// The standing of a session's user; none where the session or the user is no longer good.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn of(
        &self,
        crm: &Crm,
        session: Id<Session>,
        user: UserId,
        tenant: Option<TenantId>,
    ) -> Result<Option<Standing>> {
        let key = (session, tenant);
        let now = crm.clock().now();
        if let Some((asked, standing)) = self.0.lock().get(&key)
            && (now - *asked).abs() < REMEMBERED
        {
            return Ok(standing.clone());
        }
        let standing = ask(crm, session, user, tenant).await?;
        let mut known = self.0.lock();
        if known.len() >= MOST {
            known.retain(|_, (asked, _)| (now - *asked).abs() < REMEMBERED);
            if known.len() >= MOST {
                known.clear();
            }
        }
        known.insert(key, (now, standing.clone()));
        Ok(standing)
    }

    /// Forgets what is known of a session that has changed.
    pub fn forget(&self, session: Id<Session>) {
        self.0.lock().retain(|(known, _), _| *known != session);
    }
}

async fn ask(
    crm: &Crm,
    session: Id<Session>,
    user: UserId,
    tenant: Option<TenantId>,
) -> Result<Option<Standing>> {
    let auth = crm.auth();
    match auth.is_live(session).await {
        Ok(true) => {}
        Ok(false) | Err(Error::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(error),
    }
    let user = match auth.user(user).await {
        Ok(user) if user.status == UserStatus::Active => user,
        Ok(_) | Err(Error::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    let membership = match tenant {
        Some(tenant) => auth.membership(user.id, tenant).await?.map(Arc::new),
        None => None,
    };
    Ok(Some(Standing { user: Arc::new(user), membership }))
}
