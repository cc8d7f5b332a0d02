//! Sessions: refreshed, ended, and ended for good when a spent token turns up again.

use chrono::{DateTime, Utc};

use super::credentials::{fingerprint, secret};
use super::{Auth, SignedIn};
use crate::Entity;
use crate::access::Origin;
use crate::entity::{Find, Where};
use crate::error::{Error, Result};
use crate::id::Id;
use crate::records::{ATTEMPTS, Unit};
use crate::store::{Filter, MAX_LIMIT, Path, Value, system};
use crate::tenants::{Tenant, TenantId};
use crate::users::UserId;

/// The most sessions that a user has at once; the oldest end for more.
const MOST_SESSIONS: u32 = 100;

/// A time for which a user is signed in on a device.
#[derive(Debug, Clone, PartialEq, Entity)]
#[entity(name = "sessions", global, owners(nobody), no_default_draft)]
#[entity(index(family), index(expires_at), index(ended_at))]
pub struct Session {
    /// The identifier.
    pub id: Id<Self>,
    /// The version.
    pub version: i64,
    /// When the user signed in.
    pub created_at: DateTime<Utc>,
    /// When it was last refreshed.
    pub updated_at: DateTime<Utc>,
    /// Never.
    pub deleted_at: Option<DateTime<Utc>>,
    /// Whose it is.
    #[entity(filter, references = "users")]
    pub user: UserId,
    /// The session that a sign-in began, itself or the one that this one was switched from: what
    /// ends one of them ends all.
    #[entity(filter)]
    pub family: Id<Session>,
    /// The tenant that is worked in; none where the user has none yet.
    #[entity(filter)]
    pub tenant: Option<TenantId>,
    /// Whether the user asked to be remembered.
    pub remembered: bool,
    /// When it ends unless refreshed before.
    #[entity(filter)]
    pub expires_at: DateTime<Utc>,
    /// When it was ended.
    #[entity(filter)]
    pub ended_at: Option<DateTime<Utc>>,
    /// The address that the user signed in from.
    #[entity(code)]
    pub address: Option<String>,
}

/// A refresh token: its hash, and whether it was spent.
#[derive(Debug, Clone, PartialEq, Entity)]
#[entity(name = "refresh_tokens", global, owners(nobody), no_default_draft)]
#[entity(unique(name = "refresh_tokens_hash", fields(hash)), index(spent_at))]
pub struct RefreshToken {
    /// The identifier.
    pub id: Id<Self>,
    /// The version.
    pub version: i64,
    /// When it was given out.
    pub created_at: DateTime<Utc>,
    /// When it was spent.
    pub updated_at: DateTime<Utc>,
    /// Never.
    pub deleted_at: Option<DateTime<Utc>>,
    /// The session that it prolongs.
    #[entity(filter, references = "sessions")]
    pub session: Id<Session>,
    /// The hash of the token.
    #[entity(filter, code, secret)]
    pub hash: String,
    /// When it was spent.
    #[entity(filter)]
    pub spent_at: Option<DateTime<Utc>>,
}

impl Auth {
    /// Begins a session, within a unit that others add to.
    pub(super) fn begin(
        &self,
        unit: &mut Unit,
        user: UserId,
        tenant: Option<TenantId>,
        remembered: bool,
        origin: &Origin,
        family: Option<Id<Session>>,
    ) -> Result<(Session, String)> {
        let system = unit.fresh::<Session>();
        let session = Session {
            id: system.id,
            family: family.unwrap_or(system.id),
            version: 1,
            created_at: system.created_at,
            updated_at: system.updated_at,
            deleted_at: None,
            user,
            tenant,
            remembered,
            expires_at: system.created_at + self.0.session_lasts(remembered),
            ended_at: None,
            address: origin.address.clone(),
        };
        unit.insert_silently(session.clone())?;
        let token = self.give_out(unit, session.id)?;
        Ok((session, token))
    }

    /// Makes room for one more session of a user: of those that live, the oldest end where there
    /// are as many as there may be.
    pub(super) async fn make_room(&self, unit: &mut Unit, user: UserId) -> Result<()> {
        let live = self.live().and(Session::USER.eq(user));
        // The newest come first, and stay.
        let query = Find::from(live).page(2, MOST_SESSIONS - 1).into_query()?;
        for record in self.0.system_query(query).await?.items {
            let session = Session::from_values(record.into_values())?;
            Self::end_with(unit, session)?;
        }
        Ok(())
    }

    pub(super) fn end_with(unit: &mut Unit, session: Session) -> Result<()> {
        let mut ended = Session { ended_at: Some(unit.now()), ..session.clone() };
        ended.set_system(unit.next(&session));
        unit.update_silently(session, ended)
    }

    pub(super) fn live(&self) -> Where<Session> {
        Session::ENDED_AT.absent().and(Session::EXPIRES_AT.gt(self.0.clock().now()))
    }

    /// Spends a refresh token for the next one.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] where the token is unknown, its session has ended or expired,
    /// the user may no longer sign in or work in the tenant, or the token was spent before; in
    /// the last two cases the session ends too.
    pub async fn refresh(&self, token: &str) -> Result<SignedIn> {
        let refused = Error::Unauthenticated("the refresh token is not valid");
        let Some((before, session)) = self.token(token).await? else { return Err(refused) };
        let now = self.0.clock().now();
        if session.ended_at.is_some() || session.expires_at <= now {
            return Err(refused);
        }
        if before.spent_at.is_some() {
            self.end(session.id).await?;
            return Err(refused);
        }
        let mut unit = Unit::system(&self.0, None, Some(session.user));
        let mut after = before.clone();
        after.spent_at = Some(now);
        after.set_system(unit.next(&before));
        let mut prolonged = session.clone();
        prolonged.expires_at = now + self.0.session_lasts(session.remembered);
        prolonged.set_system(unit.next(&session));
        unit.update_silently(before, after)?;
        unit.update_silently(session.clone(), prolonged.clone())?;
        let next = self.give_out(&mut unit, session.id)?;
        // Before the token is spent: whoever cannot be answered may try again with it.
        let signed_in = self.describe(prolonged, next).await?;
        if session.tenant.is_some() && signed_in.membership.is_none() {
            // Where the user still works, what was switched to goes on.
            let mut unit = Unit::system(&self.0, None, Some(session.user));
            Self::end_with(&mut unit, session)?;
            return match unit.commit_as_system().await {
                Ok(_) | Err(Error::Stale { .. }) => Err(refused),
                Err(error) => Err(error),
            };
        }
        match unit.commit_as_system().await {
            Ok(_) => Ok(signed_in),
            // Somebody else spent it at the same time: one of the two is not who it claims.
            Err(Error::Stale { .. }) => {
                self.end(session.id).await?;
                Err(refused)
            }
            Err(error) => Err(error),
        }
    }

    /// Begins a session of the same user in another tenant. The one before goes on, and whatever
    /// ends one of the two ends the other.
    ///
    /// # Errors
    /// [`Error::NotFound`] where the user is no active member of the tenant;
    /// [`Error::Unauthenticated`] where the session before has ended or is not the user's.
    pub async fn switch(
        &self,
        session: Id<Session>,
        user: UserId,
        tenant: TenantId,
        origin: &Origin,
    ) -> Result<SignedIn> {
        let before = self.session(session).await?;
        let now = self.0.clock().now();
        if before.user != user || before.ended_at.is_some() || before.expires_at <= now {
            return Err(Error::Unauthenticated("the session has ended"));
        }
        for _ in 0..ATTEMPTS {
            let Some(membership) = self.membership(user, tenant).await? else {
                return Err(Error::not_found(Tenant::ENTITY, tenant));
            };
            let mut unit = Unit::system(&self.0, None, Some(user));
            self.make_room(&mut unit, user).await?;
            let (remembered, family) = (before.remembered, Some(before.family));
            let (session, token) =
                self.begin(&mut unit, user, Some(tenant), remembered, origin, family)?;
            unit.check_in(tenant, membership.member)?;
            match unit.commit_as_system().await {
                Ok(_) => return self.describe(session, token).await,
                // The member was changed, perhaps deactivated: looked at again.
                Err(Error::Stale { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::busy(Session::ENTITY, before.id))
    }

    /// Ends the session of a refresh token, spent or not, and those of its family. An unknown token
    /// is no error: whoever signs out twice is signed out. Answers the sessions that were ended.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn sign_out(&self, token: &str) -> Result<Vec<Id<Session>>> {
        match self.token(token).await? {
            Some((_, session)) => self.end(session.id).await,
            None => Ok(Vec::new()),
        }
    }

    /// Ends a session and all of its family. Ending one that has ended changes nothing. Answers
    /// the sessions that were ended.
    ///
    /// # Errors
    /// [`Error::NotFound`] where there is none.
    pub async fn end(&self, id: Id<Session>) -> Result<Vec<Id<Session>>> {
        let family = self.session(id).await?.family;
        let mut ended = Vec::new();
        let mut attempts = 0;
        while attempts < ATTEMPTS {
            let live = self.live().and(Session::FAMILY.eq(family));
            let query = Find::from(live).page(1, MAX_LIMIT).into_query()?;
            let found = self.0.system_query(query).await?.items;
            if found.is_empty() {
                return Ok(ended);
            }
            let mut unit = Unit::system(&self.0, None, None);
            let mut ending = Vec::new();
            for record in found {
                let session = Session::from_values(record.into_values())?;
                ending.push(session.id);
                Self::end_with(&mut unit, session)?;
            }
            match unit.commit_as_system().await {
                Ok(_) => ended.extend(ending),
                // One of them was prolonged, or another one began.
                Err(Error::Stale { .. }) => attempts += 1,
                Err(error) => return Err(error),
            }
        }
        Err(Error::busy(Session::ENTITY, id))
    }

    /// Whether a session is still good: neither ended nor expired.
    ///
    /// # Errors
    /// [`Error::NotFound`] where there is none.
    pub async fn is_live(&self, id: Id<Session>) -> Result<bool> {
        let session = self.session(id).await?;
        Ok(session.ended_at.is_none() && session.expires_at > self.0.clock().now())
    }

    /// The sessions in which a user works in a tenant, the newest first; of more than
    /// [`MAX_LIMIT`], the newest.
    pub(crate) async fn live_sessions(
        &self,
        user: UserId,
        tenant: TenantId,
    ) -> Result<Vec<Session>> {
        let live = Session::USER
            .eq(user)
            .and(Session::TENANT.eq(tenant))
            .and(Session::ENDED_AT.absent())
            .and(Session::EXPIRES_AT.gt(self.0.clock().now()));
        let query = Find::from(live).page(1, MAX_LIMIT).into_query()?;
        let found = self.0.system_query(query).await?.items.into_iter();
        found.map(|record| Session::from_values(record.into_values())).collect()
    }

    async fn session(&self, id: Id<Session>) -> Result<Session> {
        let filter = Filter::In(Path::field(system::ID), vec![Value::Uuid(id.uuid())]);
        let found = self.only::<Session>(Where::new(filter)).await?;
        found.ok_or_else(|| Error::not_found(Session::ENTITY, id))
    }

    async fn token(&self, token: &str) -> Result<Option<(RefreshToken, Session)>> {
        if token.len() > 256 {
            return Ok(None);
        }
        let hash = RefreshToken::HASH.eq(fingerprint(token));
        match self.only::<RefreshToken>(hash).await? {
            Some(token) => {
                let session = self.session(token.session).await?;
                Ok(Some((token, session)))
            }
            None => Ok(None),
        }
    }

    fn give_out(&self, unit: &mut Unit, session: Id<Session>) -> Result<String> {
        let token = secret(self.0.random());
        let system = unit.fresh::<RefreshToken>();
        unit.insert_silently(RefreshToken {
            id: system.id,
            version: 1,
            created_at: system.created_at,
            updated_at: system.updated_at,
            deleted_at: None,
            session,
            hash: fingerprint(&token),
            spent_at: None,
        })?;
        Ok(token)
    }

    /// The one live record that matches, if there is one.
    pub(super) async fn only<E: Entity>(&self, filter: Where<E>) -> Result<Option<E>> {
        let query = Find::all().filter(filter).page(1, 1).into_query()?;
        let found = self.0.system_query(query).await?.items.into_iter().next();
        found.map(|record| E::from_values(record.into_values())).transpose()
    }
}
