//! Setting a password anew that was forgotten, by a link that is sent to the user's address.
//!
//! Whoever asks for it learns nothing: whether anybody has the address is looked at when the mail
//! is sent, not when it is asked for, so that the answer and the time it takes are the same.

use super::one_time::{Asked, OneTimeToken, Purpose, is_contended, void};
use super::{Auth, Session};
use crate::access::Origin;
use crate::entity::{Entity, Find};
use crate::error::{Error, Faults, Result};
use crate::mail::{MailKind, NewMail, no_mail};
use crate::records::{ATTEMPTS, Unit};
use crate::store::MAX_LIMIT;
use crate::users::{User, UserStatus};
use crate::values::Email;

impl Auth {
    /// Sends a link to set the password anew to this address, if somebody signs in with it. At
    /// most [`TOKENS_AN_HOUR`](super::TOKENS_AN_HOUR); the answer is the same in every case.
    ///
    /// # Errors
    /// [`Error::Invalid`] where it is no address; a refusal with code `NO_MAIL` where this CRM
    /// sends no mails.
    pub async fn forgot_password(&self, email: &str) -> Result<()> {
        if !self.0.sends_mails() {
            return Err(no_mail());
        }
        let email = Email::parse("email", email)?;
        for _ in 0..ATTEMPTS {
            let mut unit = Unit::system(&self.0, None, None);
            let asked = Asked {
                purpose: Purpose::ResetPassword,
                address: email.key(),
                subject: email.key(),
                user: None,
                tenant: None,
            };
            let Some(token) = self.ask(&mut unit, asked).await? else { return Ok(()) };
            unit.mail(NewMail::to_address(MailKind::ResetPassword, email.as_str()).with(token))?;
            match unit.commit_as_system().await {
                Ok(_) => return Ok(()),
                Err(error) if is_contended(&error) => {}
                Err(error) => return Err(error),
            }
        }
        // As many as may be sent are being sent.
        Ok(())
    }

    /// Spends such a link's token for a new password. The user is signed out everywhere, has shown
    /// that the address is theirs, and is no longer held off for what was tried with the old one.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming `token` where it does not hold, and `password` where it is none.
    pub async fn reset_password(
        &self,
        token: &str,
        password: String,
        origin: Origin,
    ) -> Result<User> {
        let mut faults = Faults::default();
        let found = self.forgetful(token).await;
        let known_by = found.as_ref().map(|(_, user)| user.names()).unwrap_or_default();
        faults.absorb(self.check_password("password", &password, &known_by))?;
        faults.absorb(found.map(drop))?;
        faults.into_result()?;
        let hash = self.0.hasher()?.hash(password).await?;
        for _ in 0..ATTEMPTS {
            let (token, before) = self.forgetful(token).await?;
            let unit = Unit::system(&self.0, None, Some(before.id));
            let mut unit = unit.with_origin(origin.clone());
            let mut after = before.clone();
            after.password = Some(hash.clone());
            // Whoever knew the old one may have asked for it.
            after.pending_email = None;
            after.email_verified_at = before.email_verified_at.or(Some(unit.now()));
            after.set_system(unit.next(&before));
            Self::spend(&mut unit, token)?;
            unit.update_silently(before.clone(), after.clone())?;
            self.end_all_of(&mut unit, &before).await?;
            let mail = NewMail::to_user(MailKind::PasswordChanged, &after);
            let mail = mail.telling("at", Some(unit.now().to_rfc3339()));
            unit.mail(mail.telling("address", origin.address.clone()))?;
            match unit.commit_as_system().await {
                Ok(_) => {
                    // Nobody has failed to guess the new one yet.
                    let failures = self.failures_of(after.id).await?;
                    self.forget_all(failures.into_iter()).await?;
                    return Ok(after);
                }
                // Spent by somebody else, or the user signed in or was changed just now.
                Err(Error::Stale { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::busy(User::ENTITY, "of the token"))
    }

    /// The token, and the user who forgot their password. A password that was changed since the
    /// mail was sent is not forgotten any more.
    async fn forgetful(&self, token: &str) -> Result<(OneTimeToken, User)> {
        let token = self.holding(Purpose::ResetPassword, token).await?;
        let Some(user) = token.user else { return Err(void()) };
        let user = match self.user(user).await {
            Ok(user) => user,
            Err(Error::NotFound { .. }) => return Err(void()),
            Err(error) => return Err(error),
        };
        let holds = user.status == UserStatus::Active
            && user.email_lower == token.address
            && token.still_rests_on(user.password.as_deref().unwrap_or_default());
        if holds { Ok((token, user)) } else { Err(void()) }
    }

    /// Ends every session of a user along with a change.
    async fn end_all_of(&self, unit: &mut Unit, user: &User) -> Result<()> {
        let live = self.live().and(Session::USER.eq(user.id));
        let query = Find::from(live).page(1, MAX_LIMIT).into_query()?;
        for record in self.0.system_query(query).await?.items {
            Self::end_with(unit, Session::from_values(record.into_values())?)?;
        }
        Ok(())
    }
}
