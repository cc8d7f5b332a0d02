//! API keys: what a program signs in with in place of a person, in one tenant, within scopes.
//!
//! A key is its maker's: whatever the maker may do in the tenant at the moment of a request, the
//! key may, as far as its scopes allow it, and never more. It is random, shown once, and stored as
//! a hash only. It ends with the membership, and at the time that was set for it.
//!
//! No key makes keys or ends them ([`Actor::is_key`]): whoever finds one must not be able to stay.

mod text;

use std::collections::BTreeSet;
use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};

pub use text::API_KEY_PREFIX;

use super::credentials::fingerprint;
use super::{Auth, Session};
use crate::Entity;
use crate::access::{Actor, Scopes};
use crate::audit::Action;
use crate::crm::TenantCrm;
use crate::entity::{Find, Where};
use crate::error::{Error, Faults, Result};
use crate::id::Id;
use crate::records::{ATTEMPTS, Unit};
use crate::store::{Filter, MAX_LIMIT, Path, Value, system};
use crate::tenants::{Tenant, TenantId};
use crate::users::UserId;
use crate::values::{Multiline, required_text};

/// The most keys that a user has in a tenant at once, those that expired among them.
pub const MOST_API_KEYS: i64 = 100;
/// How exactly it is kept when a key was last used: not more often is it written.
pub const API_KEY_USE_KEPT: TimeDelta = TimeDelta::minutes(10);

/// A key of a user in a tenant. It is deleted when it is revoked.
#[derive(Debug, Clone, PartialEq, Entity)]
#[entity(name = "api_keys", global, owners(nobody), no_default_draft)]
#[entity(unique(name = "api_keys_hash", fields(hash)))]
#[entity(unique(name = "api_keys_place", fields(user, tenant, place)))]
#[entity(index(tenant), index(expires_at))]
pub struct ApiKey {
    /// The identifier.
    pub id: Id<Self>,
    /// The version. It goes up, too, when a use is kept.
    pub version: i64,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last written.
    pub updated_at: DateTime<Utc>,
    /// When it was revoked.
    pub deleted_at: Option<DateTime<Utc>>,
    /// Whose it is. A host may keep its users itself, so it refers to nobody.
    #[entity(filter)]
    pub user: UserId,
    /// The tenant in which it is good.
    #[entity(filter)]
    pub tenant: TenantId,
    /// Which of the user's keys in the tenant it is, from 0: so that there are never more than
    /// [`MOST_API_KEYS`], however many are made at the same moment.
    pub place: i64,
    /// What its maker calls it.
    pub name: String,
    /// What it begins with: enough to tell it from others.
    #[entity(code)]
    pub prefix: String,
    /// What it is limited to.
    pub scopes: Vec<String>,
    /// The hash of it.
    #[entity(filter, code, secret)]
    pub hash: String,
    /// When it stops holding; never where that is not set.
    #[entity(filter)]
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was last used, to some minutes.
    pub last_used_at: Option<DateTime<Utc>>,
    /// Where it was used from then.
    #[entity(code)]
    pub last_address: Option<String>,
}

impl ApiKey {
    /// Whether it has expired.
    pub fn is_expired(&self, now: DateTime<Utc>) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }

    /// Whether a use of it at this time is to be kept.
    pub fn is_use_kept(&self, now: DateTime<Utc>) -> bool {
        self.last_used_at.is_none_or(|last| now - last >= API_KEY_USE_KEPT)
    }

    /// What it is limited to.
    pub fn scopes(&self) -> Scopes {
        Scopes::new(&self.scopes)
    }
}

/// A key to be made.
#[derive(Clone, Default)]
pub struct NewApiKey {
    /// What its maker calls it.
    pub name: String,
    /// What it is limited to: `customers:read`, or `*` for whatever its maker may do.
    pub scopes: Vec<String>,
    /// When it stops holding; never where that is not set.
    pub expires_at: Option<DateTime<Utc>>,
    /// The session in which it is made. Whoever has a second factor makes none without.
    pub session: Option<Id<Session>>,
    /// A code of the second factor, where the user has one and has not shown it lately.
    pub code: Option<String>,
}

/// Leaves the code out, so that no log shows it.
impl fmt::Debug for NewApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, scopes, expires_at, session, code: _ } = self;
        f.debug_struct("NewApiKey")
            .field("name", name)
            .field("scopes", scopes)
            .field("expires_at", expires_at)
            .field("session", session)
            .finish_non_exhaustive()
    }
}

/// A key that was made.
#[derive(Clone)]
pub struct IssuedApiKey {
    /// What is kept of it.
    pub key: ApiKey,
    /// The key itself. Shown now and never again.
    pub secret: String,
}

/// Leaves the key itself out, so that no log shows it.
impl fmt::Debug for IssuedApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, secret: _ } = self;
        f.debug_struct("IssuedApiKey").field("key", key).finish_non_exhaustive()
    }
}

/// The API keys of whoever asks, in the tenant in which they ask. They take no permission: a key
/// gives nobody more than they have.
///
/// ```
/// use crm_core::access::{Actor, BuiltIn, Permission};
/// use crm_core::auth::NewApiKey;
/// # use crm_core::Crm;
/// # use crm_store_memory::MemoryStore;
///
/// # #[tokio::main]
/// # async fn main() -> crm_core::Result<()> {
/// # let crm = Crm::new(MemoryStore::new()).await?;
/// # let acme = crm.system().create_tenant("Acme").await?;
/// let ada = Actor::new(acme.id, crm.new_id()).with_role(BuiltIn::Owner);
/// let scopes = vec!["customers:read".to_owned()];
/// let new = NewApiKey { name: "Reports".to_owned(), scopes, ..NewApiKey::default() };
/// let issued = crm.tenant(ada.clone()).api_keys().create(new).await?;
///
/// // A request comes with it: the host looks up who made it, and narrows what they may do.
/// let key = crm.auth().api_key(&issued.secret).await?.expect("neither revoked nor expired");
/// assert_eq!((key.user, key.tenant), (ada.user(), acme.id));
/// let program = ada.with_api_key(key.id, key.scopes());
/// assert!(program.reach(&Permission::of("customers", "read")).is_some());
/// assert!(program.reach(&Permission::of("customers", "update")).is_none());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct ApiKeys(TenantCrm);

impl ApiKeys {
    pub(crate) fn new(within: TenantCrm) -> Self {
        Self(within)
    }

    /// Those that were not revoked, the newest first; expired ones among them.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn list(&self) -> Result<Vec<ApiKey>> {
        let actor = self.0.actor();
        self.0.crm().auth().api_keys_of(actor.user(), actor.tenant()).await
    }

    /// One of them.
    ///
    /// # Errors
    /// [`Error::NotFound`] where it is none of theirs here, or was revoked.
    pub async fn get(&self, id: Id<ApiKey>) -> Result<ApiKey> {
        let actor = self.0.actor();
        let filter = Filter::In(Path::field(system::ID), vec![Value::Uuid(id.uuid())]);
        let found = self.0.crm().auth().only::<ApiKey>(Where::new(filter)).await?;
        let own = |key: &ApiKey| key.user == actor.user() && key.tenant == actor.tenant();
        found.filter(own).ok_or_else(|| Error::not_found(ApiKey::ENTITY, id))
    }

    /// Makes one.
    ///
    /// # Errors
    /// [`Error::Invalid`] with every fault; [`Error::Limit`] where there are [`MOST_API_KEYS`]; a
    /// refusal with code `NOT_BY_KEY` where a key asks; where this CRM keeps its users, what
    /// [`Auth::fresh_second_factor`] says.
    pub async fn create(&self, new: NewApiKey) -> Result<IssuedApiKey> {
        let (crm, actor) = (self.0.crm(), self.0.actor());
        by_no_key(actor)?;
        let NewApiKey { name, scopes, expires_at, session, code } = self.checked(new)?;
        if crm.keeps_users() {
            let auth = crm.auth();
            auth.fresh_second_factor(session, actor.user(), code.as_deref(), actor.origin())
                .await?;
        }
        let (prefix, secret) = text::mint(crm.random());
        for _ in 0..ATTEMPTS {
            let taken: BTreeSet<i64> = self.list().await?.iter().map(|key| key.place).collect();
            let Some(place) = (0..MOST_API_KEYS).find(|place| !taken.contains(place)) else {
                let what = "the number of your API keys in a tenant".to_owned();
                return Err(Error::Limit { what, limit: MOST_API_KEYS.unsigned_abs() });
            };
            let mut unit = self.unit();
            if crm.keeps_users() {
                let membership = crm.auth().membership(actor.user(), actor.tenant()).await?;
                let membership =
                    membership.ok_or_else(|| Error::not_found(Tenant::ENTITY, actor.tenant()))?;
                // Keys end with the commit that ends a membership: this one must not come to be
                // unnoticed by it.
                unit.check_in(actor.tenant(), membership.member)?;
            }
            let system = unit.fresh::<ApiKey>();
            let key = ApiKey {
                id: system.id,
                version: system.version,
                created_at: system.created_at,
                updated_at: system.updated_at,
                deleted_at: None,
                user: actor.user(),
                tenant: actor.tenant(),
                place,
                name: name.clone(),
                prefix: prefix.clone(),
                scopes: scopes.clone(),
                hash: fingerprint(&secret),
                expires_at,
                last_used_at: None,
                last_address: None,
            };
            unit.insert(key.clone())?;
            match unit.commit_as_system().await {
                Ok(_) => return Ok(IssuedApiKey { key, secret }),
                // The member was changed, or another key took the place: looked at again.
                Err(Error::Stale { .. } | Error::Conflict { code: "DUPLICATE", .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::busy(ApiKey::ENTITY, actor.user()))
    }

    /// Ends one for good: from the commit on nobody gets in by it, once every server has heeded
    /// the note of it.
    ///
    /// # Errors
    /// As [`ApiKeys::get`]; a refusal with code `NOT_BY_KEY` where a key asks.
    pub async fn revoke(&self, id: Id<ApiKey>) -> Result<ApiKey> {
        by_no_key(self.0.actor())?;
        for _ in 0..ATTEMPTS {
            let key = self.get(id).await?;
            let mut unit = self.unit();
            let revoked = end_with(&mut unit, key)?;
            match unit.commit_as_system().await {
                Ok(_) => return Ok(revoked),
                // It was used just now.
                Err(Error::Stale { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::busy(ApiKey::ENTITY, id))
    }

    fn unit(&self) -> Unit {
        let actor = self.0.actor();
        Unit::system(self.0.crm(), Some(actor.tenant()), Some(actor.user()))
            .with_origin(actor.origin().clone())
    }

    fn checked(&self, new: NewApiKey) -> Result<NewApiKey> {
        let mut faults = Faults::default();
        let name = faults.absorb(required_text("name", &new.name, 100, Multiline::No))?;
        let scopes = Scopes::parse("scopes", &new.scopes, self.0.crm().catalogue());
        let scopes = faults.absorb(scopes)?;
        if new.expires_at.is_some_and(|end| end <= self.0.crm().clock().now()) {
            faults.add("expiresAt", "OUT_OF_RANGE", "expected a time that is yet to come");
        }
        faults.into_result()?;
        let scopes = scopes.map(|scopes| scopes.names().to_vec()).unwrap_or_default();
        Ok(NewApiKey { name: name.unwrap_or_default(), scopes, ..new })
    }
}

/// Refuses what a key must not do, whatever its scopes.
fn by_no_key(actor: &Actor) -> Result<()> {
    if !actor.is_key() {
        return Ok(());
    }
    let message = "an API key cannot do that: sign in".to_owned();
    Err(Error::Refused { code: "NOT_BY_KEY", message })
}

/// Revokes a key within a change, and tells of it.
pub(crate) fn end_with(unit: &mut Unit, key: ApiKey) -> Result<ApiKey> {
    let mut ended = key.clone();
    let next = unit.next(&key);
    ended.set_system(crate::entity::SystemFields { deleted_at: Some(unit.now()), ..next });
    unit.update(key, ended.clone(), Action::Deleted)?;
    Ok(ended)
}

impl Auth {
    /// The key of this text, where it is one that was neither revoked nor has expired. Whether its
    /// user may still work in its tenant is another question: [`Auth::membership`], or the host's
    /// own.
    ///
    /// # Errors
    /// Where the store fails; a text that is no key is no error.
    pub async fn api_key(&self, text: &str) -> Result<Option<ApiKey>> {
        if !text::is_whole(text) {
            return Ok(None);
        }
        let found = self.only::<ApiKey>(ApiKey::HASH.eq(fingerprint(text))).await?;
        let now = self.0.clock().now();
        Ok(found.filter(|key| !key.is_expired(now)))
    }

    /// Keeps that a key was used now, and from where, unless that was done some minutes ago: see
    /// [`API_KEY_USE_KEPT`]. Answers the key as it is then. No log tells of it.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn keep_use_of(&self, key: ApiKey, address: Option<String>) -> Result<ApiKey> {
        let now = self.0.clock().now();
        if !key.is_use_kept(now) {
            return Ok(key);
        }
        let mut unit = Unit::system(&self.0, None, Some(key.user));
        let mut used = ApiKey { last_used_at: Some(now), last_address: address, ..key.clone() };
        used.set_system(unit.next(&key));
        unit.update_silently(key, used.clone())?;
        match unit.commit_as_system().await {
            // Another server has just kept it, or somebody has revoked it.
            Ok(_) | Err(Error::Stale { .. }) => Ok(used),
            Err(error) => Err(error),
        }
    }

    /// The keys of a user in a tenant that were not revoked, the newest first.
    pub(crate) async fn api_keys_of(&self, user: UserId, tenant: TenantId) -> Result<Vec<ApiKey>> {
        let own = ApiKey::USER.eq(user).and(ApiKey::TENANT.eq(tenant));
        let query = Find::from(own).page(1, MAX_LIMIT).into_query()?;
        let found = self.0.system_query(query).await?.items.into_iter();
        found.map(|record| ApiKey::from_values(record.into_values())).collect()
    }
}
