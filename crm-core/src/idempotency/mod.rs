//! Requests that happen once, however often they are sent.
//!
//! A caller gives a request a key of its own; whoever does not know whether the request arrived
//! sends it again under the same key. The key is claimed in the commit of what the request writes:
//! either both are there or neither is, also where the program dies between the commit and the
//! answer, and the store's own unique key lets one of two win. What was answered is kept with the
//! claim, so that a repetition is answered the same.
//!
//! A claim holds for a tenant and a user; another user's key is another key. A request that wrote
//! nothing and failed claims nothing. Nothing in here knows what a request looks like: a host
//! hands in a fingerprint of it, and whatever it wants to answer again. It must not hand in
//! secrets: answers are stored in the clear.
//!
//! ```
//! use crm_core::access::{Actor, BuiltIn, Origin};
//! use crm_core::customers::CustomerDraft;
//! use crm_core::idempotency::{Answer, Begun};
//! # use crm_core::Crm;
//! # use crm_store_memory::MemoryStore;
//!
//! # #[tokio::main]
//! # async fn main() -> crm_core::Result<()> {
//! # let crm = Crm::new(MemoryStore::new()).await?;
//! # let acme = crm.system().create_tenant("Acme").await?;
//! let ada = Actor::new(acme.id, crm.new_id()).with_role(BuiltIn::Owner);
//! for _ in 0..2 {
//!     let keys = crm.tenant(ada.clone()).idempotency();
//!     let Begun::First(attempt) = keys.begin("order-17", "create Acme").await? else {
//!         continue; // It happened before.
//!     };
//!     let origin = Origin { attempt: Some(attempt.clone()), ..Origin::default() };
//!     let within = crm.tenant(ada.clone().with_origin(origin));
//!     within.customers().create(CustomerDraft::company("Acme")).await?;
//!     let answer = Answer { status: 201, headers: vec![], body: Some("done".to_owned()) };
//!     keys.keep(&attempt, Some(answer)).await?;
//! }
//! assert_eq!(crm.tenant(ada).customers().count(crm_core::Where::all()).await?, 1);
//! # Ok(())
//! # }
//! ```

use std::sync::{Arc, OnceLock};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Entity;
use crate::audit::Action;
use crate::crm::TenantCrm;
use crate::entity::Find;
use crate::error::{Error, Result};
use crate::id::Id;
use crate::records::Unit;
use crate::tenants::TenantId;
use crate::users::UserId;

/// How long a key is claimed for.
pub const KEPT: TimeDelta = TimeDelta::hours(24);
/// The most characters of a key.
pub const MAX_KEY: usize = 255;
/// The most octets of an answer's body. A longer one is not kept; its claim is.
pub const MAX_BODY: usize = 256 * 1024;

/// What is at fault where a key is: the name of the header in which callers give it.
const FIELD: &str = "Idempotency-Key";
/// The code of a conflict with a request that is being worked on, or was a moment ago.
pub const IN_USE: &str = "IDEMPOTENCY_KEY_IN_USE";
/// The code of the fault where a key was used with another request.
pub const REUSED: &str = "IDEMPOTENCY_KEY_REUSED";

/// A key that was claimed by what a request wrote.
#[derive(Debug, Clone, PartialEq, Entity)]
#[entity(name = "idempotency_claims", tenant, owners(nobody), no_default_draft)]
#[entity(unique(name = "idempotency_claims_key", fields(user, key)))]
pub struct Claim {
    /// The identifier.
    pub id: Id<Self>,
    /// The version.
    pub version: i64,
    /// When the request took effect.
    pub created_at: DateTime<Utc>,
    /// When its answer was kept.
    pub updated_at: DateTime<Utc>,
    /// Never.
    pub deleted_at: Option<DateTime<Utc>>,
    /// Whose request it was.
    #[entity(filter)]
    pub user: UserId,
    /// The key that the caller gave it.
    #[entity(filter, code)]
    pub key: String,
    /// What tells the request from another one.
    #[entity(code)]
    pub fingerprint: String,
    /// What was done to the first record that it wrote; none where it wrote nothing.
    pub action: Option<Action>,
    /// The type of that record: `customers`.
    #[entity(code)]
    pub resource: Option<String>,
    /// That record.
    pub record_id: Option<Uuid>,
    /// The version of that record after it.
    pub record_version: Option<i64>,
    /// When the key is free again.
    #[entity(filter)]
    pub expires_at: DateTime<Utc>,
    /// What was answered, an [`Answer`]; none where the program died before, or where it was not
    /// to be kept.
    #[entity(secret)]
    pub answer: Option<serde_json::Value>,
}

impl Claim {
    /// What was answered, where that was kept.
    pub fn answer(&self) -> Option<Answer> {
        self.answer.clone().and_then(|answer| serde_json::from_value(answer).ok())
    }

    /// The record that the request created first, where creating it is what it did first.
    pub fn created(&self) -> Option<(&str, Uuid)> {
        match (self.action, &self.resource, self.record_id) {
            (Some(Action::Created), Some(resource), Some(id)) => Some((resource, id)),
            _ => None,
        }
    }
}

/// What a request was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Its status, as HTTP counts.
    pub status: u16,
    /// Those of its headers that belong to it.
    pub headers: Vec<(String, String)>,
    /// Its body; none where it is too long, or not to be kept.
    pub body: Option<String>,
}

/// What is known of a key when a request comes with it.
#[derive(Debug)]
pub enum Begun {
    /// Nothing: the request is the first. What it writes claims the key if the attempt is in the
    /// actor's [`Origin`](crate::access::Origin).
    First(Arc<Attempt>),
    /// The same request was made before.
    Before(Box<Claim>),
}

/// A request under a key, on its way to its commit.
#[derive(Debug)]
pub struct Attempt {
    tenant: TenantId,
    user: UserId,
    key: String,
    fingerprint: String,
    claim: OnceLock<Claim>,
}

impl PartialEq for Attempt {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for Attempt {}

impl Attempt {
    /// Whether something was written under it.
    pub fn is_claimed(&self) -> bool {
        self.claim.get().is_some()
    }

    /// The tenant in which it is made.
    pub(crate) fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// What claims the key, within a unit; none once it is claimed: a request that commits twice
    /// claims it with the first commit.
    pub(crate) fn claim(
        &self,
        unit: &Unit,
        written: Option<(Action, &str, Uuid, i64)>,
    ) -> Option<Claim> {
        if self.is_claimed() {
            return None;
        }
        let system = unit.fresh::<Claim>();
        Some(Claim {
            id: system.id,
            version: system.version,
            created_at: system.created_at,
            updated_at: system.updated_at,
            deleted_at: None,
            user: self.user,
            key: self.key.clone(),
            fingerprint: self.fingerprint.clone(),
            action: written.map(|(action, ..)| action),
            resource: written.map(|(_, resource, ..)| resource.to_owned()),
            record_id: written.map(|(_, _, id, _)| id),
            record_version: written.map(|(.., version)| version),
            expires_at: system.created_at + KEPT,
            answer: None,
        })
    }

    /// Notes that a claim was committed.
    pub(crate) fn claimed(&self, claim: Claim) {
        // The first one stands; there is no second, because it would have been rejected.
        let _ = self.claim.set(claim);
    }
}

/// The keys of one user in one tenant.
#[derive(Debug, Clone)]
pub struct Idempotency(TenantCrm);

impl Idempotency {
    pub(crate) fn new(within: TenantCrm) -> Self {
        Self(within)
    }

    /// Begins a request under a key. `fingerprint` is what must be the same of a repetition, a
    /// hash of it where it is long.
    ///
    /// # Errors
    /// [`Error::Unreadable`] where the key is not 1 to [`MAX_KEY`] visible ASCII characters;
    /// [`Error::Invalid`] with code `IDEMPOTENCY_KEY_REUSED` where the user made another request
    /// under it.
    pub async fn begin(&self, key: &str, fingerprint: &str) -> Result<Begun> {
        check_key(key)?;
        if let Some(claim) = self.claimed(key, fingerprint).await? {
            return Ok(Begun::Before(Box::new(claim)));
        }
        let actor = self.0.actor();
        Ok(Begun::First(Arc::new(Attempt {
            tenant: actor.tenant(),
            user: actor.user(),
            key: key.to_owned(),
            fingerprint: fingerprint.to_owned(),
            claim: OnceLock::new(),
        })))
    }

    /// The claim of a key by the same request, if there is one.
    ///
    /// # Errors
    /// As [`Idempotency::begin`].
    pub async fn claimed(&self, key: &str, fingerprint: &str) -> Result<Option<Claim>> {
        let now = self.0.crm().clock().now();
        match self.stored(key).await? {
            None => Ok(None),
            Some(claim) if claim.expires_at <= now => {
                self.free(claim).await?;
                Ok(None)
            }
            Some(claim) if claim.fingerprint == fingerprint => Ok(Some(claim)),
            Some(_) => Err(Error::invalid(
                FIELD,
                REUSED,
                "this key was used with another request; a new request needs a new key",
            )),
        }
    }

    /// Keeps what a request was answered, for repetitions of it. An attempt that wrote nothing
    /// claims its key with that; `answer` is none where it must not be kept. Answers whether the
    /// key is the attempt's: another request may have been faster.
    ///
    /// # Errors
    /// Where the store fails. What the request wrote stays claimed.
    pub async fn keep(&self, attempt: &Attempt, answer: Option<Answer>) -> Result<bool> {
        let fits = |body: &String| body.len() <= MAX_BODY;
        let answer = answer
            .map(|answer| Answer { body: answer.body.filter(fits), ..answer })
            .map(serde_json::to_value)
            .transpose()
            .map_err(Error::internal)?;
        let mut unit = Unit::within(&self.0).without_attempt();
        match attempt.claim.get() {
            Some(before) => {
                let mut after = Claim { answer, ..before.clone() };
                after.set_system(unit.next(before));
                unit.update_silently(before.clone(), after)?;
            }
            None => {
                let Some(claim) = attempt.claim(&unit, None) else { return Ok(true) };
                unit.insert_silently(Claim { answer, ..claim })?;
            }
        }
        match unit.commit(&self.0).await {
            // A claim that expired is nobody's any more.
            Ok(_) | Err(Error::Stale { .. }) => Ok(true),
            Err(Error::Conflict { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn stored(&self, key: &str) -> Result<Option<Claim>> {
        let own = Claim::USER.eq(self.0.actor().user()).and(Claim::KEY.eq(key));
        let query = Find::all().filter(own).page(1, 1).into_query()?;
        // One's own: it is known by the user and by a key that the user made up.
        let found = self.0.query_for_rules(query).await?.items.into_iter().next();
        found.map(|record| Claim::from_values(record.into_values())).transpose()
    }

    async fn free(&self, claim: Claim) -> Result<()> {
        let mut unit = Unit::within(&self.0).without_attempt();
        unit.remove_silently(claim)?;
        match unit.commit(&self.0).await {
            // Somebody else freed it.
            Ok(_) | Err(Error::Stale { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Refuses a key that is none.
fn check_key(key: &str) -> Result<()> {
    if (1..=MAX_KEY).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic()) {
        return Ok(());
    }
    let message = format!("expected 1 to {MAX_KEY} visible ASCII characters");
    Err(Error::unreadable(FIELD, "INVALID_HEADER", message))
}

/// The conflict of two requests under one key at the same moment.
pub(crate) fn in_use() -> Error {
    Error::Conflict {
        code: IN_USE,
        field: Some(FIELD.to_owned()),
        message: "a request with this key is being worked on, try again in a moment".to_owned(),
    }
}
