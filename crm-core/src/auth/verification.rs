//! Showing that an address is one's own, by a link that is sent to it.

use super::Auth;
use super::one_time::{Asked, Purpose, is_contended, void};
use crate::entity::Entity;
use crate::error::{Error, Result};
use crate::mail::{MailKind, NewMail, no_mail};
use crate::records::{ATTEMPTS, Unit};
use crate::users::{User, UserId};

impl Auth {
    /// Sends a user the link that shows that their address is theirs, once more. Nothing is sent
    /// where that is known, or as many were sent within the hour as may be.
    ///
    /// # Errors
    /// [`Error::NotFound`] where there is no such user; a refusal with code `NO_MAIL` where this
    /// CRM sends no mails.
    pub async fn send_verification(&self, user: UserId) -> Result<()> {
        if !self.0.sends_mails() {
            return Err(no_mail());
        }
        for _ in 0..ATTEMPTS {
            let user = self.user(user).await?;
            if user.email_verified_at.is_some() {
                return Ok(());
            }
            let mut unit = Unit::system(&self.0, None, Some(user.id));
            self.ask_for_proof(&mut unit, &user).await?;
            match unit.commit_as_system().await {
                Ok(_) => return Ok(()),
                Err(error) if is_contended(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Adds a mail that asks a user to show that their address is theirs to a change, where this
    /// CRM sends mails.
    pub(super) async fn ask_for_proof(&self, unit: &mut Unit, user: &User) -> Result<()> {
        if !self.0.sends_mails() {
            return Ok(());
        }
        let asked = Asked {
            purpose: Purpose::VerifyEmail,
            address: user.email_lower.clone(),
            subject: user.id.to_string(),
            user: Some(user.id),
            tenant: None,
        };
        match self.ask(unit, asked).await? {
            Some(token) => unit.mail(NewMail::to_user(MailKind::VerifyEmail, user).with(token)),
            None => Ok(()),
        }
    }

    /// Spends such a link's token.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming `token` where it does not hold, or the user has another address
    /// by now.
    pub async fn verify_email(&self, token: &str) -> Result<User> {
        for _ in 0..ATTEMPTS {
            let token = self.holding(Purpose::VerifyEmail, token).await?;
            let Some(user) = token.user else { return Err(void()) };
            let before = match self.user(user).await {
                Ok(user) if user.email_lower == token.address => user,
                Ok(_) | Err(Error::NotFound { .. }) => return Err(void()),
                Err(error) => return Err(error),
            };
            let mut unit = Unit::system(&self.0, None, Some(before.id));
            let mut after = before.clone();
            after.email_verified_at = before.email_verified_at.or(Some(unit.now()));
            after.set_system(unit.next(&before));
            Self::spend(&mut unit, token)?;
            unit.update_silently(before, after.clone())?;
            match unit.commit_as_system().await {
                Ok(_) => return Ok(after),
                Err(Error::Stale { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::busy(User::ENTITY, "of the token"))
    }
}
