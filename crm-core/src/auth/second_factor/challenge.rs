//! The time between the password and the second factor: a token that is good for nothing but
//! showing a code, five times at most and for five minutes.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};

use super::super::credentials::{fingerprint, secret};
use super::super::sessions::Beginning;
use super::super::{Auth, SignedIn};
use super::wrong_code;
use crate::Entity;
use crate::access::Origin;
use crate::error::{Error, Result};
use crate::id::Id;
use crate::records::{ATTEMPTS, Unit};
use crate::tenants::TenantId;
use crate::users::{User, UserId, UserStatus};

/// How long a code can be shown.
const LASTS: TimeDelta = TimeDelta::minutes(5);
/// How many codes can be shown.
const TRIES: i64 = 5;

/// Somebody who has shown their password, and has yet to show a code.
#[derive(Debug, Clone, PartialEq, Entity)]
#[entity(name = "challenges", global, owners(nobody), no_default_draft)]
#[entity(unique(name = "challenges_hash", fields(hash)), index(expires_at))]
pub struct Challenge {
    /// The identifier.
    pub id: Id<Self>,
    /// The version.
    pub version: i64,
    /// When the password was shown.
    pub created_at: DateTime<Utc>,
    /// When a code was last shown.
    pub updated_at: DateTime<Utc>,
    /// Never.
    pub deleted_at: Option<DateTime<Utc>>,
    /// Who.
    #[entity(filter, references = "users")]
    pub user: UserId,
    /// The hash of the token.
    #[entity(filter, code, secret)]
    pub hash: String,
    /// The hash of the password's: with another password it is void.
    #[entity(code, secret)]
    pub password: String,
    /// The tenant that was asked for.
    pub tenant: Option<TenantId>,
    /// Whether the user asked to be remembered.
    pub remembered: bool,
    /// How many codes were shown.
    pub tries: i64,
    /// Until when a code can be shown.
    #[entity(filter)]
    pub expires_at: DateTime<Utc>,
}

/// What showing the right password comes to.
#[derive(Debug, Clone)]
pub enum Entry {
    /// The user is signed in.
    SignedIn(Box<SignedIn>),
    /// The user has a second factor, and has to show it first.
    SecondStep(SecondStep),
}

/// What the second factor is to be shown with: see [`Auth::finish_sign_in`].
#[derive(Clone, PartialEq, Eq)]
pub struct SecondStep {
    /// The token. Shown now and never again.
    pub token: String,
    /// When it is good for nothing any more.
    pub expires_at: DateTime<Utc>,
}

/// Leaves the token out, so that no log shows it.
impl fmt::Debug for SecondStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecondStep").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

impl Auth {
    /// Asks for the second factor of somebody who has shown their password. Where that is to be
    /// stored under another hash from now on, it is, unless the user is changed at this moment.
    pub(in crate::auth) async fn challenge(
        &self,
        mut user: User,
        hashed_anew: Option<String>,
        tenant: Option<TenantId>,
        remembered: bool,
    ) -> Result<SecondStep> {
        let mut unit = Unit::system(&self.0, None, Some(user.id));
        if hashed_anew.is_some() {
            let mut after = User { password: hashed_anew, ..user.clone() };
            after.set_system(unit.next(&user));
            unit.update_silently(user, after.clone())?;
            user = after;
        }
        let token = secret(self.0.random());
        let system = unit.fresh::<Challenge>();
        let expires_at = unit.now() + LASTS;
        unit.insert_silently(Challenge {
            id: system.id,
            version: 1,
            created_at: system.created_at,
            updated_at: system.updated_at,
            deleted_at: None,
            user: user.id,
            hash: fingerprint(&token),
            password: password_of(&user),
            tenant,
            remembered,
            tries: 0,
            expires_at,
        })?;
        unit.commit_as_system().await?;
        Ok(SecondStep { token, expires_at })
    }

    /// Signs somebody in who has shown their password, by a code of their second factor: of the
    /// app, or one of the recovery codes.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] where the token is not good any more: sign in from the beginning;
    /// [`Error::Invalid`] for field `code` with code `INVALID_CODE`; [`Error::TooManyAttempts`].
    pub async fn finish_sign_in(
        &self,
        token: &str,
        code: &str,
        origin: &Origin,
    ) -> Result<SignedIn> {
        let over = Error::Unauthenticated("the sign-in is over, begin again");
        let Some(mut challenge) = self.open_challenge(token).await? else { return Err(over) };
        let Some(user) = self.challenged(&challenge).await? else { return Err(over) };
        let guess = self.guess_of(&user, origin).await?;
        // Both are counted before the code is looked at, whoever else tries at the same moment.
        self.charge(&guess).await?;
        challenge = match self.count_try(challenge).await {
            Ok(counted) => counted,
            Err(Error::Stale { .. }) => return Err(over),
            Err(error) => return Err(error),
        };
        for _ in 0..ATTEMPTS {
            let Some(user) = self.challenged(&challenge).await? else { return Err(over) };
            let Some(factor) = self.second_factor(user.id).await? else { return Err(over) };
            let Some(place) = self.workplace(user.id, challenge.tenant).await? else {
                return Err(over);
            };
            let mut unit = Unit::system(&self.0, None, Some(user.id));
            if !self.use_code(&mut unit, &factor, code).await? {
                self.charged_failed(&guess).await?;
                return Err(wrong_code());
            }
            self.make_room(&mut unit, user.id).await?;
            let tenant = place.as_ref().map(|(tenant, _)| tenant.id);
            let beginning = Beginning {
                second_factor_at: Some(unit.now()),
                ..Beginning::by_password(user.id, tenant, challenge.remembered, origin)
            };
            let (session, refresh_token) = self.begin(&mut unit, &beginning)?;
            if let Some((tenant, member)) = place {
                unit.check_in(tenant.id, member)?;
            }
            let mut after = User { last_login_at: Some(unit.now()), ..user.clone() };
            after.set_system(unit.next(&user));
            unit.update_silently(user, after)?;
            // It is good once.
            unit.remove_silently(challenge.clone())?;
            match unit.commit_as_system().await {
                Ok(_) => {
                    self.succeeded(&guess).await?;
                    return self.describe(session, refresh_token).await;
                }
                // Used by somebody else at the same moment: the code, or the token.
                Err(Error::Stale { kind, .. }) if kind == Challenge::ENTITY => return Err(over),
                Err(Error::Stale { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::busy(Challenge::ENTITY, challenge.id))
    }

    /// What a token asks for, as long as a code can be shown.
    async fn open_challenge(&self, token: &str) -> Result<Option<Challenge>> {
        if token.len() > 256 {
            return Ok(None);
        }
        let found = self.only::<Challenge>(Challenge::HASH.eq(fingerprint(token))).await?;
        let now = self.0.clock().now();
        Ok(found.filter(|challenge| challenge.expires_at > now && challenge.tries < TRIES))
    }

    /// Who is asked, where they may sign in still and have the same password.
    async fn challenged(&self, challenge: &Challenge) -> Result<Option<User>> {
        let user = match self.user(challenge.user).await {
            Ok(user) => user,
            Err(Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let same = password_of(&user) == challenge.password;
        Ok(Some(user).filter(|user| same && user.status == UserStatus::Active))
    }

    async fn count_try(&self, mut challenge: Challenge) -> Result<Challenge> {
        for _ in 0..=TRIES {
            let mut unit = Unit::system(&self.0, None, Some(challenge.user));
            let mut after = Challenge { tries: challenge.tries + 1, ..challenge.clone() };
            after.set_system(unit.next(&challenge));
            unit.update_silently(challenge.clone(), after.clone())?;
            match unit.commit_as_system().await {
                Ok(_) => return Ok(after),
                Err(Error::Stale { .. }) => {}
                Err(error) => return Err(error),
            }
            let hash = Challenge::HASH.eq(challenge.hash.clone());
            match self.only::<Challenge>(hash).await?.filter(|again| again.tries < TRIES) {
                Some(again) => challenge = again,
                None => break,
            }
        }
        let (kind, id) = (Challenge::ENTITY.to_owned(), challenge.id.to_string());
        Err(Error::Stale { kind, id, expected: challenge.version })
    }
}

fn password_of(user: &User) -> String {
    fingerprint(user.password.as_deref().unwrap_or_default())
}
