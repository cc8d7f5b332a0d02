//! Refresh tokens: each is spent for the next, and one that turns up again ends its session.
//!
//! Rotation as RFC 9700, 4.14.2 has it, with a short grace for the client that never got its
//! answer, or asked twice at once: within it, a spent token is good again as long as nobody has
//! used what was given out for it. That one becomes void then, so that of all answers to one token
//! a single one leads on. Whoever shows a token that was spent longer ago, whose successor was
//! used, or which is void, is one of two: both are thrown out.

use chrono::{DateTime, Utc};

use super::credentials::{fingerprint, secret};
use super::{Auth, Session, SignedIn};
use crate::Entity;
use crate::entity::Where;
use crate::error::{Error, Result};
use crate::id::Id;
use crate::records::Unit;
use crate::store::{Filter, Path, Value, system};

/// How often a refresh is tried while others spend the same token: each time one of them gets
/// its answer.
const AT_ONCE: usize = 64;

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
    /// When it was spent, or became void because another one was given out in its place.
    #[entity(filter)]
    pub spent_at: Option<DateTime<Utc>>,
    /// The token that was spent for this one; none for the first of a session.
    pub parent: Option<Id<RefreshToken>>,
    /// The last token that was given out for this one; none where it is unspent or void.
    pub successor: Option<Id<RefreshToken>>,
}

/// What spending a token comes to.
enum Spending {
    /// The next one is given out for the first of these, which is spent with it or was a moment
    /// ago, in place of the second, which is void from now on.
    Next(Box<(RefreshToken, Option<RefreshToken>)>),
    /// Somebody was faster while it was looked at: to be looked at again.
    Changing,
    /// It must not be spent, by anybody.
    Refused,
}

impl Auth {
    /// Spends a refresh token for the next one. Within a grace
    /// ([`CrmBuilder::refresh_grace`](crate::CrmBuilder::refresh_grace)) the same token gives another
    /// next one, as long as the one before was not used.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] where the token is unknown, its session has ended or expired,
    /// the user may no longer sign in or work in the tenant, or the token was spent before; in
    /// the last two cases the session ends too. A conflict with code `BUSY` where dozens spend the
    /// same token at once.
    pub async fn refresh(&self, token: &str) -> Result<SignedIn> {
        let refused = Error::Unauthenticated("the refresh token is not valid");
        for _ in 0..AT_ONCE {
            let Some((token, session)) = self.token(token).await? else { return Err(refused) };
            if session.ended_at.is_some() || session.expires_at <= self.0.clock().now() {
                return Err(refused);
            }
            let (head, unused) = match self.spending(token).await? {
                Spending::Next(both) => *both,
                Spending::Changing => continue,
                Spending::Refused => {
                    self.end(session.id).await?;
                    return Err(refused);
                }
            };
            let mut unit = Unit::system(&self.0, None, Some(session.user));
            let mut prolonged = session.clone();
            // A repetition prolongs nothing: the first one did.
            if unused.is_none() {
                prolonged.expires_at = unit.now() + self.0.session_lasts(session.remembered);
                prolonged.used_at = unit.now();
                prolonged.set_system(unit.next(&session));
                unit.update_silently(session.clone(), prolonged.clone())?;
            }
            let next = self.rotate(&mut unit, head, unused)?;
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
                Ok(_) => return Ok(signed_in),
                // Spent at the same time by somebody else, or the session was changed: looked at
                // again.
                Err(Error::Stale { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::busy(Session::ENTITY, "of the token"))
    }

    async fn spending(&self, token: RefreshToken) -> Result<Spending> {
        if token.spent_at.is_none() {
            return Ok(Spending::Next(Box::new((token, None))));
        }
        let head = match (token.successor, token.parent) {
            (Some(_), _) => Some(token),
            (None, Some(parent)) => self.token_by_id(parent).await?,
            (None, None) => None,
        };
        let Some(head) = head else { return Ok(Spending::Refused) };
        let (Some(spent_at), Some(successor)) = (head.spent_at, head.successor) else {
            return Ok(Spending::Refused);
        };
        if self.0.clock().now() - spent_at >= self.0.refresh_grace() {
            return Ok(Spending::Refused);
        }
        let last = self.token_by_id(successor).await?;
        Ok(match last {
            None => Spending::Refused,
            Some(last) if last.spent_at.is_none() => Spending::Next(Box::new((head, Some(last)))),
            Some(last) if last.successor.is_some() => Spending::Refused,
            // Void by now: it was the last one when the one before it was read.
            Some(_) => Spending::Changing,
        })
    }

    /// Gives out the next token for one that is spent with it, in place of one that was not used.
    fn rotate(
        &self,
        unit: &mut Unit,
        head: RefreshToken,
        unused: Option<RefreshToken>,
    ) -> Result<String> {
        if let Some(unused) = unused {
            let mut void = RefreshToken { spent_at: Some(unit.now()), ..unused.clone() };
            void.set_system(unit.next(&unused));
            unit.update_silently(unused, void)?;
        }
        let (token, next) = self.new_token(unit, head.session, Some(head.id));
        let mut spent = head.clone();
        spent.spent_at = head.spent_at.or(Some(unit.now()));
        spent.successor = Some(next.id);
        spent.set_system(unit.next(&head));
        unit.update_silently(head, spent)?;
        unit.insert_silently(next)?;
        Ok(token)
    }

    /// Gives out a token of a session.
    pub(super) fn give_out(&self, unit: &mut Unit, session: Id<Session>) -> Result<String> {
        let (token, record) = self.new_token(unit, session, None);
        unit.insert_silently(record)?;
        Ok(token)
    }

    fn new_token(
        &self,
        unit: &Unit,
        session: Id<Session>,
        parent: Option<Id<RefreshToken>>,
    ) -> (String, RefreshToken) {
        let token = secret(self.0.random());
        let system = unit.fresh::<RefreshToken>();
        let record = RefreshToken {
            id: system.id,
            version: 1,
            created_at: system.created_at,
            updated_at: system.updated_at,
            deleted_at: None,
            session,
            hash: fingerprint(&token),
            spent_at: None,
            parent,
            successor: None,
        };
        (token, record)
    }

    /// A token with its session, whatever became of both.
    pub(super) async fn token(&self, token: &str) -> Result<Option<(RefreshToken, Session)>> {
        if token.len() > 256 {
            return Ok(None);
        }
        let hash = RefreshToken::HASH.eq(fingerprint(token));
        match self.only::<RefreshToken>(hash).await? {
            Some(token) => {
                let session = self.any_session(token.session).await?;
                Ok(Some((token, session)))
            }
            None => Ok(None),
        }
    }

    async fn token_by_id(&self, id: Id<RefreshToken>) -> Result<Option<RefreshToken>> {
        let filter = Filter::In(Path::field(system::ID), vec![Value::Uuid(id.uuid())]);
        self.only::<RefreshToken>(Where::new(filter)).await
    }
}
