//! Sessions: begun, switched, shown to whom they belong, and ended with their family.
//!
//! Nothing here looks at a password or a token: whoever gets here has been authenticated.

use chrono::{DateTime, TimeDelta, Utc};

use super::lockout::network_of;
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
/// How exactly it is known when a session was last used: no use within so long of the one before
/// is written down.
const USE_IS_NOTED: TimeDelta = TimeDelta::minutes(5);
/// The most characters that are kept of what a client calls itself.
const LONGEST_AGENT: usize = 512;

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
    /// When it was last changed.
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
    /// When it was last used, give or take some minutes.
    pub used_at: DateTime<Utc>,
    /// The address that the user signed in from.
    #[entity(code)]
    pub address: Option<String>,
    /// The network of that address, which is one customer's.
    #[entity(filter, code)]
    pub network: Option<String>,
    /// What the client called itself then: `User-Agent`, of which the first 512 characters.
    #[entity(code)]
    pub agent: Option<String>,
    /// How its user was authenticated, in the words of RFC 8176: `pwd`, `otp`.
    pub methods: Vec<String>,
    /// When a second factor was last shown in it; none where none was.
    pub second_factor_at: Option<DateTime<Utc>>,
}

/// What a session begins with.
#[derive(Debug, Clone)]
pub(super) struct Beginning<'a> {
    pub(super) user: UserId,
    pub(super) tenant: Option<TenantId>,
    pub(super) remembered: bool,
    pub(super) origin: &'a Origin,
    /// The one that it is switched from, as it was read.
    pub(super) from: Option<&'a Session>,
    /// When a second factor was shown, where one was.
    pub(super) second_factor_at: Option<DateTime<Utc>>,
}

impl<'a> Beginning<'a> {
    /// Of whoever has just shown a password.
    pub(super) fn by_password(
        user: UserId,
        tenant: Option<TenantId>,
        remembered: bool,
        origin: &'a Origin,
    ) -> Self {
        Self { user, tenant, remembered, origin, from: None, second_factor_at: None }
    }
}

impl Auth {
    /// Begins a session, within a unit that others add to.
    pub(super) fn begin(
        &self,
        unit: &mut Unit,
        beginning: &Beginning<'_>,
    ) -> Result<(Session, String)> {
        let Beginning { user, tenant, remembered, origin, from, second_factor_at } = *beginning;
        let system = unit.fresh::<Session>();
        let methods = match (from, second_factor_at) {
            (Some(from), _) => from.methods.clone(),
            (None, None) => vec![PASSWORD.to_owned()],
            (None, Some(_)) => vec![PASSWORD.to_owned(), SECOND_FACTOR.to_owned()],
        };
        let session = Session {
            id: system.id,
            family: from.map_or(system.id, |from| from.family),
            version: 1,
            created_at: system.created_at,
            updated_at: system.updated_at,
            deleted_at: None,
            user,
            tenant,
            remembered,
            expires_at: system.created_at + self.0.session_lasts(remembered),
            ended_at: None,
            used_at: system.created_at,
            address: origin.address.clone(),
            network: origin.address.as_deref().and_then(network_of),
            agent: origin.agent.as_deref().map(kept_of_agent),
            methods,
            second_factor_at: second_factor_at.or(from.and_then(|from| from.second_factor_at)),
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
        for _ in 0..ATTEMPTS {
            let before = self.session(session).await?.filter(|before| before.user == user);
            let before = before.ok_or(Error::Unauthenticated("the session has ended"))?;
            let Some(membership) = self.membership(user, tenant).await? else {
                return Err(Error::not_found(Tenant::ENTITY, tenant));
            };
            let mut unit = Unit::system(&self.0, None, Some(user));
            self.make_room(&mut unit, user).await?;
            let beginning = Beginning {
                from: Some(&before),
                ..Beginning::by_password(user, Some(tenant), before.remembered, origin)
            };
            let (session, token) = self.begin(&mut unit, &beginning)?;
            unit.check_in(tenant, membership.member)?;
            // What ends the one before must not miss this one.
            if !unit.concerns(&before) {
                unit.check(before)?;
            }
            match unit.commit_as_system().await {
                Ok(_) => return self.describe(session, token).await,
                // The member was changed, perhaps deactivated, or the session: looked at again.
                Err(Error::Stale { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::busy(Session::ENTITY, session))
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
        let family = self.any_session(id).await?.family;
        self.end_all(Session::FAMILY.eq(family)).await
    }

    /// Ends a session of a user, and all of its family.
    ///
    /// # Errors
    /// [`Error::NotFound`] where the user has no such session, or it is over.
    pub async fn end_own(&self, user: UserId, id: Id<Session>) -> Result<Vec<Id<Session>>> {
        let own = self.session(id).await?.filter(|session| session.user == user);
        let own = own.ok_or_else(|| Error::not_found(Session::ENTITY, id))?;
        self.end_all(Session::FAMILY.eq(own.family)).await
    }

    /// Ends all sessions of a user but this one and its family.
    ///
    /// # Errors
    /// [`Error::NotFound`] where the user has no such session, or it is over.
    pub async fn end_others(&self, user: UserId, but: Id<Session>) -> Result<Vec<Id<Session>>> {
        let own = self.session(but).await?.filter(|session| session.user == user);
        let own = own.ok_or_else(|| Error::not_found(Session::ENTITY, but))?;
        self.end_all(Session::USER.eq(user).and(Session::FAMILY.eq(own.family).not())).await
    }

    /// Ends all sessions of a user but this one and its family within a unit that others add to.
    /// Answers which.
    pub(super) async fn end_others_with(
        &self,
        unit: &mut Unit,
        but: &Session,
    ) -> Result<Vec<Id<Session>>> {
        let all = self.sessions(but.user).await?.into_iter();
        let mut ended = Vec::new();
        for session in all.filter(|session| session.family != but.family) {
            ended.push(session.id);
            Self::end_with(unit, session)?;
        }
        Ok(ended)
    }

    /// Ends all live sessions that match, in as many commits as it takes.
    async fn end_all(&self, these: Where<Session>) -> Result<Vec<Id<Session>>> {
        let mut ended = Vec::new();
        let mut attempts = 0;
        while attempts < ATTEMPTS {
            let query = Find::from(self.live().and(these.clone())).page(1, MAX_LIMIT);
            let found = self.0.system_query(query.into_query()?).await?.items;
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
        Err(Error::busy(Session::ENTITY, "of the user"))
    }

    /// A session that is good: neither ended nor expired. None where there is no such one.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn session(&self, id: Id<Session>) -> Result<Option<Session>> {
        let filter = Filter::In(Path::field(system::ID), vec![Value::Uuid(id.uuid())]);
        self.only::<Session>(self.live().and(Where::new(filter))).await
    }

    /// A session of a user that is good.
    pub(super) async fn own_session(&self, id: Id<Session>, user: UserId) -> Result<Session> {
        let own = self.session(id).await?.filter(|session| session.user == user);
        own.ok_or(Error::Unauthenticated("the session has ended"))
    }

    /// Whether a session is still good: neither ended nor expired.
    ///
    /// # Errors
    /// [`Error::NotFound`] where there is none.
    pub async fn is_live(&self, id: Id<Session>) -> Result<bool> {
        let session = self.any_session(id).await?;
        Ok(session.ended_at.is_none() && session.expires_at > self.0.clock().now())
    }

    /// The sessions in which a user is signed in, the one used last at the front.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn sessions(&self, user: UserId) -> Result<Vec<Session>> {
        let query = Find::from(self.live().and(Session::USER.eq(user))).page(1, MAX_LIMIT);
        let found = self.0.system_query(query.into_query()?).await?.items.into_iter();
        let each = found.map(|record| Session::from_values(record.into_values()));
        let mut sessions: Vec<Session> = each.collect::<Result<_>>()?;
        sessions.sort_by_key(|session| std::cmp::Reverse((session.used_at, session.id)));
        Ok(sessions)
    }

    /// Notes that a session is in use, unless that was noted minutes ago only. For a host to call
    /// whenever it reads the session; few of these calls write.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn note_use(&self, session: &Session) -> Result<()> {
        if self.0.clock().now() - session.used_at < USE_IS_NOTED {
            return Ok(());
        }
        let mut unit = Unit::system(&self.0, None, Some(session.user));
        let mut used = Session { used_at: unit.now(), ..session.clone() };
        used.set_system(unit.next(session));
        unit.update_silently(session.clone(), used)?;
        match unit.commit_as_system().await {
            // Whoever was faster has noted a use, or has ended it.
            Ok(_) | Err(Error::Stale { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The sessions in which a user works in a tenant, the newest first; of more than
    /// [`MAX_LIMIT`], the newest.
    pub(crate) async fn live_sessions(
        &self,
        user: UserId,
        tenant: TenantId,
    ) -> Result<Vec<Session>> {
        let live = self.live().and(Session::USER.eq(user)).and(Session::TENANT.eq(tenant));
        let query = Find::from(live).page(1, MAX_LIMIT).into_query()?;
        let found = self.0.system_query(query).await?.items.into_iter();
        found.map(|record| Session::from_values(record.into_values())).collect()
    }

    /// A session, over or not.
    pub(super) async fn any_session(&self, id: Id<Session>) -> Result<Session> {
        let filter = Filter::In(Path::field(system::ID), vec![Value::Uuid(id.uuid())]);
        let found = self.only::<Session>(Where::new(filter)).await?;
        found.ok_or_else(|| Error::not_found(Session::ENTITY, id))
    }

    /// The one live record that matches, if there is one.
    pub(super) async fn only<E: Entity>(&self, filter: Where<E>) -> Result<Option<E>> {
        let query = Find::all().filter(filter).page(1, 1).into_query()?;
        let found = self.0.system_query(query).await?.items.into_iter().next();
        found.map(|record| E::from_values(record.into_values())).transpose()
    }
}

/// `pwd` of RFC 8176: a password was shown.
const PASSWORD: &str = "pwd";
/// `otp` of RFC 8176: a one-time password was shown, of a device or of a list.
pub(super) const SECOND_FACTOR: &str = "otp";

fn kept_of_agent(agent: &str) -> String {
    agent.chars().filter(|c| *c != '\0').take(LONGEST_AGENT).collect()
}
