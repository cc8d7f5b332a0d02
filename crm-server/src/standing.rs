//! Who the user of a token or of an API key is right now: whether the session lives, or the key
//! holds, and what the user may do.
//!
//! A token says who somebody was when it was signed, a key nothing at all. What holds now is read
//! when a session or a key is first used here, and remembered, so that authenticating a request makes no query. Whatever
//! takes a right away is noted in the commit that does it; the notes are asked for several times
//! a second, and what they name is forgotten. Where they cannot be had, nothing remembered is
//! trusted.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use crm_core::access::Scopes;
use crm_core::auth::{AccessChange, ApiKey, Membership, Session};
use crm_core::tenants::TenantId;
use crm_core::users::{User, UserId, UserStatus};
use crm_core::{Crm, Error, Id, Result};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};

/// How often notes are asked for.
const ASK_EVERY: Duration = Duration::from_millis(250);
/// How long an answer is trusted without having asked for notes since.
const TRUSTED: Duration = Duration::from_secs(1);
/// How long an answer is kept at all.
const KEPT: Duration = Duration::from_secs(60);
/// How many answers are kept.
const MOST: usize = 50_000;

/// Whose standing: a session, in a tenant or in none.
type Key = (Id<Session>, Option<TenantId>);

/// A user whose session lives.
#[derive(Debug, Clone)]
pub struct Standing {
    /// The user.
    pub user: Arc<User>,
    /// The session.
    pub session: Arc<Session>,
    /// The user's place in the tenant asked for; none where it has none.
    pub membership: Option<Arc<Membership>>,
}

/// A key that holds, of a user who may work in its tenant.
#[derive(Debug)]
pub struct KeyStanding {
    /// The key.
    pub key: ApiKey,
    /// What it is limited to.
    pub scopes: Arc<Scopes>,
    /// Its user.
    pub user: Arc<User>,
    /// The user's place in the key's tenant.
    pub membership: Arc<Membership>,
}

/// What is remembered of an API key.
#[derive(Debug)]
pub enum KnownKey {
    /// It holds.
    Holds(Arc<KeyStanding>),
    /// It held a while ago.
    Held,
    /// Nothing.
    Never,
}

/// What a key is known by here: the hash of its text.
pub type KeyHash = [u8; 32];

/// The hash of a key's text.
pub fn hash_of(key: &str) -> KeyHash {
    Sha256::digest(key.as_bytes()).into()
}

#[derive(Debug)]
struct RememberedKey {
    standing: Arc<KeyStanding>,
    asked: Instant,
}

#[derive(Debug)]
struct Remembered {
    user: UserId,
    standing: Option<Standing>,
    asked: Instant,
}

/// Standings that were asked for lately.
#[derive(Debug, Default)]
pub struct Standings(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    standings: HashMap<Key, Remembered>,
    /// Only those that hold: what somebody makes up is not worth remembering.
    keys: HashMap<KeyHash, RememberedKey>,
    /// When notes were last had.
    told: Option<Instant>,
    /// Counts what was forgotten: an answer that was on its way meanwhile is not remembered.
    forgotten: u64,
    /// Notes that were heeded already, of the last minute or so.
    heeded: HashSet<Id<AccessChange>>,
}

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
        let asked = Instant::now();
        let before = {
            let known = self.0.lock();
            if let Some(remembered) = known.standings.get(&key)
                && remembered.user == user
                && known.trusts(remembered.asked, asked)
            {
                return Ok(remembered.standing.clone());
            }
            known.forgotten
        };
        let standing = ask(crm, session, user, tenant).await?;
        let mut known = self.0.lock();
        if known.forgotten == before {
            if known.standings.len() >= MOST {
                known.standings.clear();
            }
            let remembered = Remembered { user, standing: standing.clone(), asked };
            known.standings.insert(key, remembered);
        }
        Ok(standing)
    }

    /// What is remembered here of an API key.
    pub fn known_key(&self, crm: &Crm, key: &KeyHash) -> KnownKey {
        let now = crm.clock().now();
        let known = self.0.lock();
        let Some(remembered) = known.keys.get(key) else { return KnownKey::Never };
        let holds = known.trusts(remembered.asked, Instant::now())
            && !remembered.standing.key.is_use_kept(now)
            && !remembered.standing.key.is_expired(now);
        match holds {
            true => KnownKey::Holds(Arc::clone(&remembered.standing)),
            false => KnownKey::Held,
        }
    }

    /// The standing of an API key's user in its tenant, read and from now on remembered; none
    /// where it is no key that holds, or the user may not work there. That it was used, and from
    /// where, is kept now and then.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn of_key(
        &self,
        crm: &Crm,
        text: &str,
        hash: KeyHash,
        address: Option<IpAddr>,
    ) -> Result<Option<Arc<KeyStanding>>> {
        let asked = Instant::now();
        let before = self.0.lock().forgotten;
        let standing = ask_key(crm, text, address).await?.map(Arc::new);
        let mut known = self.0.lock();
        match &standing {
            None => {
                known.keys.remove(&hash);
            }
            Some(standing) if known.forgotten == before => {
                if known.keys.len() >= MOST {
                    known.keys.clear();
                }
                let standing = Arc::clone(standing);
                known.keys.insert(hash, RememberedKey { standing, asked });
            }
            Some(_) => {}
        }
        Ok(standing)
    }

    /// How many sessions, each with the tenant that it works in, are remembered.
    pub fn remembered(&self) -> usize {
        self.0.lock().standings.len()
    }

    /// Forgets what is known of a session that this server has changed.
    pub fn forget(&self, session: Id<Session>) {
        let mut known = self.0.lock();
        known.forgotten += 1;
        known.standings.retain(|(known, _), _| *known != session);
    }

    /// Forgets what is known of a user whom this server has changed, in whatever session.
    pub fn forget_user(&self, user: UserId) {
        let mut known = self.0.lock();
        known.forgotten += 1;
        known.standings.retain(|_, remembered| remembered.user != user);
        known.keys.retain(|_, remembered| remembered.standing.key.user != user);
    }

    /// Forgets a key that this server has revoked.
    pub fn forget_key(&self, key: Id<ApiKey>) {
        let mut known = self.0.lock();
        known.forgotten += 1;
        known.keys.retain(|_, remembered| remembered.standing.key.id != key);
    }

    /// Forgets what is known of all who work in a tenant that this server has changed.
    pub fn forget_in(&self, tenant: TenantId) {
        let mut known = self.0.lock();
        known.forgotten += 1;
        known.standings.retain(|(_, known), _| *known != Some(tenant));
        known.keys.retain(|_, remembered| remembered.standing.key.tenant != tenant);
    }

    /// Forgets what the notes of the last moments name.
    ///
    /// # Errors
    /// Where the notes cannot be had.
    async fn heed(&self, crm: &Crm) -> Result<()> {
        let asked = Instant::now();
        {
            let mut known = self.0.lock();
            known.standings.retain(|_, remembered| asked - remembered.asked < KEPT);
            known.keys.retain(|_, remembered| asked - remembered.asked < KEPT);
            // Nothing to forget: an idle server asks nothing.
            if known.standings.is_empty() && known.keys.is_empty() {
                known.heeded.clear();
                return Ok(());
            }
        }
        let auth = crm.auth();
        let changes = auth.recent_changes().await?;
        let mut known = self.0.lock();
        for change in &changes {
            if !known.heeded.contains(&change.id) {
                known.forget(change);
                auth.heed(change);
            }
        }
        known.heeded = changes.into_iter().map(|change| change.id).collect();
        known.told = Some(asked);
        Ok(())
    }
}

impl Known {
    /// Whether what was asked for then is good now.
    fn trusts(&self, asked: Instant, now: Instant) -> bool {
        let told = self.told.map_or(asked, |told| told.max(asked));
        now.saturating_duration_since(told) < TRUSTED && now.saturating_duration_since(asked) < KEPT
    }

    fn forget(&mut self, change: &AccessChange) {
        self.forgotten += 1;
        let of_person = |user: UserId, tenant: Option<TenantId>| {
            change.session.is_none()
                && change.api_key.is_none()
                && change.user.is_none_or(|changed| changed == user)
                && change.tenant.is_none_or(|changed| tenant == Some(changed))
        };
        self.standings.retain(|(session, tenant), remembered| {
            !(change.session == Some(*session) || of_person(remembered.user, *tenant))
        });
        self.keys.retain(|_, RememberedKey { standing, .. }| {
            let ApiKey { id, user, tenant, .. } = &standing.key;
            !(change.api_key == Some(*id) || of_person(*user, Some(*tenant)))
        });
    }
}

/// Heeds the notes for as long as somebody holds `standings`.
pub fn watch(standings: &Arc<Standings>, crm: Crm) {
    let standings: Weak<Standings> = Arc::downgrade(standings);
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(ASK_EVERY).await;
            let Some(standings) = standings.upgrade() else { return };
            if let Err(error) = standings.heed(&crm).await {
                tracing::warn!(%error, "cannot ask who may do what; nothing remembered is trusted");
            }
        }
    });
}

async fn ask(
    crm: &Crm,
    session: Id<Session>,
    user: UserId,
    tenant: Option<TenantId>,
) -> Result<Option<Standing>> {
    let auth = crm.auth();
    let session = auth.session(session).await?.filter(|session| session.user == user);
    let Some(session) = session else { return Ok(None) };
    if let Err(error) = auth.note_use(&session).await {
        tracing::warn!(%error, "cannot note that a session is in use");
    }
    let Some(user) = active(crm, user).await? else { return Ok(None) };
    let membership = match tenant {
        Some(tenant) => auth.membership(user.id, tenant).await?.map(Arc::new),
        None => None,
    };
    Ok(Some(Standing { user: Arc::new(user), session: Arc::new(session), membership }))
}

async fn ask_key(crm: &Crm, text: &str, address: Option<IpAddr>) -> Result<Option<KeyStanding>> {
    let auth = crm.auth();
    let Some(key) = auth.api_key(text).await? else { return Ok(None) };
    let Some(user) = active(crm, key.user).await? else { return Ok(None) };
    let Some(membership) = auth.membership(key.user, key.tenant).await? else { return Ok(None) };
    let used = auth.keep_use_of(key.clone(), address.map(|address| address.to_string())).await;
    let key = used.unwrap_or_else(|error| {
        // A use that cannot be kept keeps nobody out, and is not tried again with every request.
        tracing::warn!(%error, "cannot keep when an API key was used");
        ApiKey { last_used_at: Some(crm.clock().now()), ..key }
    });
    let (scopes, user) = (Arc::new(key.scopes()), Arc::new(user));
    Ok(Some(KeyStanding { key, scopes, user, membership: Arc::new(membership) }))
}

/// A user who may sign in.
async fn active(crm: &Crm, user: UserId) -> Result<Option<User>> {
    match crm.auth().user(user).await {
        Ok(user) if user.status == UserStatus::Active => Ok(Some(user)),
        Ok(_) | Err(Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;
    use uuid::Uuid;

    fn known(sessions: &[(u128, u128, Option<u128>)]) -> Known {
        let mut known = Known::default();
        for (session, user, tenant) in sessions {
            let key = (Id::new(Uuid::from_u128(*session)), tenant.map(id));
            let remembered = Remembered { user: id(*user), standing: None, asked: Instant::now() };
            known.standings.insert(key, remembered);
        }
        known
    }

    fn id<T>(number: u128) -> Id<T> {
        Id::new(Uuid::from_u128(number))
    }

    fn change(session: Option<u128>, user: Option<u128>, tenant: Option<u128>) -> AccessChange {
        AccessChange {
            id: id(99),
            version: 1,
            created_at: DateTime::UNIX_EPOCH,
            updated_at: DateTime::UNIX_EPOCH,
            deleted_at: None,
            session: session.map(id),
            api_key: None,
            user: user.map(id),
            tenant: tenant.map(id),
        }
    }

    fn left(change: &AccessChange) -> Vec<u128> {
        let mut known =
            known(&[(1, 10, Some(100)), (2, 10, Some(200)), (3, 20, Some(100)), (4, 20, None)]);
        known.forget(change);
        let mut left: Vec<u128> =
            known.standings.keys().map(|(session, _)| session.uuid().as_u128()).collect();
        left.sort_unstable();
        left
    }

    #[test]
    fn what_a_note_names_is_forgotten_and_nothing_else() {
        assert_eq!(left(&change(Some(1), None, None)), [2, 3, 4]);
        assert_eq!(left(&change(None, Some(10), None)), [3, 4]);
        assert_eq!(left(&change(None, Some(20), Some(100))), [1, 2, 4]);
        assert_eq!(left(&change(None, None, Some(100))), [2, 4]);
    }

    #[test]
    fn what_is_remembered_is_trusted_only_while_notes_come() {
        let mut known = known(&[(1, 10, None)]);
        let asked = known.standings.values().next().unwrap().asked;
        let trusts = |known: &Known, later: u64| {
            let remembered = known.standings.values().next().unwrap();
            known.trusts(remembered.asked, asked + Duration::from_millis(later))
        };
        assert!(trusts(&known, 900));
        assert!(!trusts(&known, 1_100));
        known.told = Some(asked + Duration::from_millis(1_000));
        assert!(trusts(&known, 1_900));
        assert!(!trusts(&known, 2_100));
        known.told = Some(asked + Duration::from_secs(60));
        assert!(!trusts(&known, 60_100), "it is asked for again once a minute all the same");
    }
}
