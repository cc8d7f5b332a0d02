//! A second factor beside the password: one-time passwords of an app, and codes on paper for the
//! day on which the phone is gone.
//!
//! The secret is stored sealed by the host ([`Sealer`](crate::ports::Sealer)), codes as hashes
//! only. Nothing here lets anybody in by a second factor alone. That a code is good once only is
//! held by the commit that uses it: two who show the same one at once find each other.

mod challenge;
mod enrolment;
mod fresh;
mod totp;

use chrono::{DateTime, TimeDelta, Utc};

pub use challenge::{Challenge, Entry, SecondStep};
pub use enrolment::Enrolment;
pub use totp::one_time_password;

use super::credentials::fingerprint;
use super::passwords::notice;
use super::{Auth, Session};
use crate::Entity;
use crate::access::Origin;
use crate::error::{Error, Result};
use crate::id::Id;
use crate::mail::MailKind;
use crate::records::Unit;
use crate::users::{User, UserId};

/// For how long a second factor that was begun can be confirmed.
pub(crate) const BEGUN: TimeDelta = TimeDelta::hours(1);

/// What a user shows beside the password.
#[derive(Debug, Clone, PartialEq, Entity)]
#[entity(name = "second_factors", global, owners(nobody), no_default_draft)]
#[entity(unique(name = "second_factors_user", fields(user)), index(confirmed_at))]
pub struct SecondFactor {
    /// The identifier.
    pub id: Id<Self>,
    /// The version.
    pub version: i64,
    /// When its enrolment began.
    pub created_at: DateTime<Utc>,
    /// When it was last used.
    pub updated_at: DateTime<Utc>,
    /// Never.
    pub deleted_at: Option<DateTime<Utc>>,
    /// Whose it is.
    #[entity(filter, references = "users")]
    pub user: UserId,
    /// The secret that the app has too, sealed.
    #[entity(code, secret)]
    pub secret: String,
    /// When the user proved that the app has it. Until then it is asked for nowhere.
    #[entity(filter)]
    pub confirmed_at: Option<DateTime<Utc>>,
    /// The last step of the time whose password was used.
    pub last_step: Option<i64>,
    /// The hashes of the codes that stand in for the app, each until it is used.
    #[entity(secret)]
    pub recovery_hashes: Vec<String>,
}

impl Auth {
    /// How many recovery codes of a user are left; none where there is no second factor.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn recovery_codes_left(&self, user: UserId) -> Result<Option<i64>> {
        let factor = self.second_factor(user).await?;
        Ok(factor.map(|factor| i64::try_from(factor.recovery_hashes.len()).unwrap_or(i64::MAX)))
    }

    /// The second factor that a user has proved to have.
    async fn second_factor(&self, user: UserId) -> Result<Option<SecondFactor>> {
        let found = self.any_factor(user).await?;
        Ok(found.filter(|factor| factor.confirmed_at.is_some()))
    }

    /// The same, proved or not.
    async fn any_factor(&self, user: UserId) -> Result<Option<SecondFactor>> {
        self.only::<SecondFactor>(SecondFactor::USER.eq(user)).await
    }

    /// Uses a code within a unit that others add to, where it is one of the app now or one of the
    /// list. Answers whether it is. Only the commit of the unit shows that nobody else was faster.
    async fn use_code(&self, unit: &mut Unit, factor: &SecondFactor, code: &str) -> Result<bool> {
        let code: String = code.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
        let mut after = factor.clone();
        // Codes on paper are good also where the secret cannot be opened.
        if code.len() == enrolment::LETTERS_OF_A_CODE {
            let hash = hash_of(factor.id, &code);
            let Some(at) = factor.recovery_hashes.iter().position(|kept| *kept == hash) else {
                return Ok(false);
            };
            after.recovery_hashes.remove(at);
        } else {
            let (sealer, place) = (self.0.sealer()?, bound_to(factor.user));
            let secret = sealer.open(&factor.secret, &place)?;
            let step = totp::step_of(&secret, &code, unit.now(), factor.last_step)?;
            if step.is_none() {
                return Ok(false);
            }
            after.last_step = step;
            if sealer.is_outdated(&factor.secret) {
                after.secret = sealer.seal(&secret, &place)?;
            }
        }
        after.set_system(unit.next(factor));
        unit.update_silently(factor.clone(), after)?;
        Ok(true)
    }

    /// Says of a session, and of all of its family that live, when a second factor was last shown
    /// in them; none to say that there is none any more.
    async fn mark(
        &self,
        unit: &mut Unit,
        session: &Session,
        shown: Option<DateTime<Utc>>,
    ) -> Result<()> {
        let all = self.sessions(session.user).await?.into_iter();
        for before in all.filter(|one| one.family == session.family) {
            let mut after = Session { second_factor_at: shown, ..before.clone() };
            after.methods.retain(|method| method != super::sessions::SECOND_FACTOR);
            if shown.is_some() {
                after.methods.push(super::sessions::SECOND_FACTOR.to_owned());
            }
            after.set_system(unit.next(&before));
            unit.update_silently(before, after)?;
        }
        Ok(())
    }

    /// Takes a user's second factor away and ends all of their sessions, within a unit that others
    /// add to. Answers whether there was one.
    pub(crate) async fn take_second_factor(&self, unit: &mut Unit, user: UserId) -> Result<bool> {
        let Some(factor) = self.second_factor(user).await? else { return Ok(false) };
        self.drop_factor(unit, factor, &Origin::default()).await?;
        for session in self.sessions(user).await? {
            Self::end_with(unit, session)?;
        }
        Ok(true)
    }

    /// Takes a second factor away within a unit that others add to, and lets its user know.
    async fn drop_factor(
        &self,
        unit: &mut Unit,
        factor: SecondFactor,
        origin: &Origin,
    ) -> Result<()> {
        let user = self.say_whether(unit, factor.user, false).await?;
        unit.mail(notice(MailKind::SecondFactorRemoved, &user, origin, unit))?;
        unit.remove(factor)
    }

    /// Writes down with a user whether they have a second factor. Whoever signs in at the same
    /// moment finds the user changed, and looks again.
    async fn say_whether(&self, unit: &mut Unit, user: UserId, has: bool) -> Result<User> {
        let before = self.user(user).await?;
        let mut after = User { has_second_factor: has, ..before.clone() };
        after.set_system(unit.next(&before));
        unit.update_silently(before, after.clone())?;
        Ok(after)
    }
}

/// What a sealed secret belongs to: in another's record it cannot be opened.
fn bound_to(user: UserId) -> String {
    format!("second_factors/{user}")
}

/// What is kept of a code. A plain hash suffices for 120 random bits (NIST SP 800-63B, 3.1.2.2).
fn hash_of(factor: Id<SecondFactor>, code: &str) -> String {
    fingerprint(&format!("{factor} {}", code.to_ascii_uppercase()))
}

fn wrong_code() -> Error {
    Error::invalid("code", "INVALID_CODE", "is not a code that holds now, or was used before")
}
