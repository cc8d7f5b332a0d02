//! Asking again, of somebody who is signed in: for the password, and for the second factor, before
//! anything is changed that signing in rests on.
//!
//! Whoever has only got hold of an access token can show neither. Each wrong answer counts as a
//! failed attempt to sign in.

use chrono::TimeDelta;

use super::super::{Auth, Session};
use super::{SecondFactor, wrong_code};
use crate::Entity;
use crate::access::Origin;
use crate::error::{Error, Result};
use crate::id::Id;
use crate::records::{ATTEMPTS, Unit};
use crate::users::{User, UserId};

/// For how long a second factor that was shown in a session is not asked for again.
const FRESH: TimeDelta = TimeDelta::minutes(5);

impl Auth {
    /// Insists that a user who has a second factor has shown it in this session within the last
    /// five minutes, or shows it now. Of whoever has none, nothing is asked. For whatever changes
    /// what signing in rests on: passwords, addresses, keys.
    ///
    /// # Errors
    /// [`Error::Refused`] with code `MFA_CODE_REQUIRED` where it has to be shown and is not;
    /// [`Error::Invalid`] for field `code` with code `INVALID_CODE`; [`Error::TooManyAttempts`];
    /// [`Error::Unauthenticated`] where the session has ended.
    pub async fn fresh_second_factor(
        &self,
        session: Option<Id<Session>>,
        user: UserId,
        code: Option<&str>,
        origin: &Origin,
    ) -> Result<()> {
        let Some(factor) = self.second_factor(user).await? else { return Ok(()) };
        let asked = || {
            let message = "show a code of your second factor along with it".to_owned();
            Error::Refused { code: "MFA_CODE_REQUIRED", message }
        };
        let Some(session) = session else { return Err(asked()) };
        let at = self.own_session(session, user).await?;
        // A code that comes along is left for another time: what it was shown for may be tried again
        // with it.
        let shown = at.second_factor_at;
        if shown.is_some_and(|shown| self.0.clock().now() - shown < FRESH) {
            return Ok(());
        }
        if let Some(code) = code.map(str::trim).filter(|code| !code.is_empty()) {
            return self.show(&at, &factor, code, origin).await;
        }
        Err(asked())
    }

    /// Shows a code of a second factor in a session: it is used up, whatever comes of what it is
    /// shown for.
    pub(super) async fn show(
        &self,
        at: &Session,
        factor: &SecondFactor,
        code: &str,
        origin: &Origin,
    ) -> Result<()> {
        let user = self.user(at.user).await?;
        let guess = self.guess_of(&user, origin).await?;
        self.charge(&guess).await?;
        let mut factor = factor.clone();
        for _ in 0..ATTEMPTS {
            let mut unit = Unit::system(&self.0, None, Some(at.user));
            if !self.use_code(&mut unit, &factor, code).await? {
                self.charged_failed(&guess).await?;
                return Err(wrong_code());
            }
            let now = unit.now();
            self.mark(&mut unit, at, Some(now)).await?;
            match unit.commit_as_system().await {
                Ok(_) => return self.succeeded(&guess).await,
                // Shown twice at once, or a session of the family was changed: looked at again.
                Err(Error::Stale { .. }) => {}
                Err(error) => return Err(error),
            }
            factor = self.second_factor(at.user).await?.ok_or_else(wrong_code)?;
        }
        Err(Error::busy(SecondFactor::ENTITY, at.user))
    }

    /// Insists on the password of a user who is signed in.
    pub(in crate::auth) async fn require_password(
        &self,
        user: &User,
        password: String,
        field: &str,
        origin: &Origin,
    ) -> Result<()> {
        let guess = self.guess_of(user, origin).await?;
        self.admit(&guess).await?;
        if self.0.hasher()?.verify(password, user.password.clone()).await? {
            // Others may have guessed while it was compared.
            return self.admit(&guess).await;
        }
        self.failed(&guess).await?;
        Err(Error::invalid(field, "WRONG_PASSWORD", "is not your password"))
    }
}
