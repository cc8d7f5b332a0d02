//! Another address to sign in with: confirmed by a link that is sent to the new one, and stopped
//! by one that is sent to the old one.
//!
//! Nothing changes until the new address is shown to be the user's. The link at the old one holds
//! for days beyond that and puts it back: whoever got hold of a session and a password does not get
//! the account for good. Whether somebody else has the new address is told to nobody who has not
//! shown that it is theirs.

use std::fmt;

use super::one_time::{Asked, OneTimeToken, Purpose, TOKENS_AN_HOUR, is_contended, void};
use super::{Auth, Session};
use crate::access::Origin;
use crate::audit::Action;
use crate::entity::{Entity, Find};
use crate::error::{Error, Result};
use crate::id::Id;
use crate::mail::{MailKind, NewMail, no_mail};
use crate::records::{ATTEMPTS, Unit};
use crate::store::{Deleted, MAX_LIMIT};
use crate::tenants::TenantId;
use crate::users::{Member, User, UserId, UserStatus};
use crate::values::Email;

/// Another address, for somebody who shows who they are.
#[derive(Clone, Default)]
pub struct ChangeEmail {
    /// The new address.
    pub email: String,
    /// The user's password.
    pub password: String,
    /// A code of the second factor, where the user has one and has not shown it lately.
    pub code: Option<String>,
    /// Where the request came from.
    pub origin: Origin,
}

/// Leaves out what is secret, so that no log shows it.
impl fmt::Debug for ChangeEmail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChangeEmail").field("origin", &self.origin).finish_non_exhaustive()
    }
}

impl Auth {
    /// Asks for another address to sign in with. A link is sent to it, unless somebody else has it;
    /// the answer is the same. The address of before, where it was shown to be the user's, is told,
    /// with a link that stops it. Until the first of the two is followed nothing changes; asking
    /// again puts another new address in place of the one before.
    ///
    /// # Errors
    /// [`Error::Invalid`] for field `email` where it is no address, or the user's already with
    /// code `SAME_EMAIL`, and for field `password` with code `WRONG_PASSWORD`; what
    /// [`Auth::fresh_second_factor`] says; [`Error::TooManyAttempts`]; [`Error::Limit`] where the
    /// user has asked as often within the hour as they may; a refusal with code `NO_MAIL` where
    /// this CRM sends no mails.
    pub async fn change_email(
        &self,
        session: Id<Session>,
        user: UserId,
        change: ChangeEmail,
    ) -> Result<User> {
        if !self.0.sends_mails() {
            return Err(no_mail());
        }
        let ChangeEmail { email, password, code, origin } = change;
        let email = Email::parse("email", &email)?;
        let known = self.user(user).await?;
        if known.email == email.as_str() {
            return Err(Error::invalid("email", "SAME_EMAIL", "is your address already"));
        }
        self.require_password(&known, password, "password", &origin).await?;
        self.fresh_second_factor(Some(session), user, code.as_deref(), &origin).await?;
        for _ in 0..ATTEMPTS {
            let at = self.own_session(session, user).await?;
            let before = self.user(user).await?;
            let mut unit = Unit::system(&self.0, None, Some(user)).with_origin(origin.clone());
            let mut after =
                User { pending_email: Some(email.as_str().to_owned()), ..before.clone() };
            after.set_system(unit.next(&before));
            let stop = Asked {
                purpose: Purpose::KeepEmail,
                address: before.email_lower.clone(),
                subject: user.to_string(),
                user: Some(user),
                tenant: None,
            };
            let Some(stop) = self.ask(&mut unit, stop).await? else {
                let what = "the number of changes of your address within an hour".to_owned();
                return Err(Error::Limit { what, limit: u64::from(TOKENS_AN_HOUR) });
            };
            // Whoever never had the old address is not to stop anything.
            if before.email_verified_at.is_some() {
                let told = NewMail::to_user(MailKind::EmailChanging, &before).with(stop);
                let told = told.telling("at", Some(unit.now().to_rfc3339()));
                let told = told.telling("new", Some(email.as_str()));
                unit.mail(told.telling("address", origin.address.clone()))?;
            }
            let confirm = Asked {
                purpose: Purpose::ChangeEmail,
                address: email.key(),
                subject: format!("{user} {}", at.id),
                user: Some(user),
                tenant: None,
            };
            // An address is not written to more often than it may be, whoever asks for it.
            if let Some(confirm) = self.ask(&mut unit, confirm).await? {
                let mail = NewMail::to_user_at(MailKind::ChangeEmail, &before, email.as_str());
                unit.mail(mail.with(confirm))?;
            }
            unit.update_silently(before, after.clone())?;
            match unit.commit_as_system().await {
                Ok(_) => return Ok(after),
                Err(Error::Stale { .. }) => {}
                Err(error) if is_contended(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::busy(User::ENTITY, user))
    }

    /// Leaves a user's address as it is, where another one was asked for.
    ///
    /// # Errors
    /// [`Error::NotFound`] where there is no such user.
    pub async fn keep_email(&self, user: UserId) -> Result<User> {
        for _ in 0..ATTEMPTS {
            let before = self.user(user).await?;
            if before.pending_email.is_none() {
                return Ok(before);
            }
            let mut unit = Unit::system(&self.0, None, Some(user));
            let mut after = User { pending_email: None, ..before.clone() };
            after.set_system(unit.next(&before));
            unit.update_silently(before, after.clone())?;
            match unit.commit_as_system().await {
                Ok(_) => return Ok(after),
                Err(Error::Stale { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::busy(User::ENTITY, user))
    }

    /// Spends the token that was sent to a new address: it is the user's from now on, in every
    /// tenant that they work in. All sessions end but the one in which it was asked for, with its
    /// family.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming `token` where it does not hold, or another address was asked for
    /// since; a conflict with code `DUPLICATE` where somebody else has the address by now.
    pub async fn confirm_email(&self, token: &str, origin: &Origin) -> Result<User> {
        for _ in 0..ATTEMPTS {
            let token = self.holding(Purpose::ChangeEmail, token).await?;
            let before = self.changing(&token).await?;
            let pending = before.pending_email.clone().ok_or_else(void)?;
            let email = Email::parse("email", &pending)?;
            if email.key() != token.address {
                return Err(void());
            }
            let asked_in = token.subject.split_once(' ').and_then(|(_, id)| id.parse().ok());
            let mut unit = Unit::system(&self.0, None, Some(before.id)).with_origin(origin.clone());
            Self::spend(&mut unit, token)?;
            let family = match asked_in {
                Some(id) => self.any_session(id).await.ok().map(|session| session.family),
                None => None,
            };
            self.end_all_but(&mut unit, before.id, family).await?;
            if before.email_verified_at.is_some() {
                let told = NewMail::to_user(MailKind::EmailChanged, &before);
                let told = told.telling("at", Some(unit.now().to_rfc3339()));
                let told = told.telling("new", Some(email.as_str()));
                unit.mail(told.telling("address", origin.address.clone()))?;
            }
            match self.readdress(unit, before, &email).await {
                Err(Error::Stale { .. }) => {}
                done => return done,
            }
        }
        Err(Error::busy(User::ENTITY, "of the token"))
    }

    /// Spends the token that was sent to the address of before: what was asked for comes to
    /// nothing, or, where the user has another address by now, that one is put back. All sessions
    /// end, and so do such tokens that were sent to other addresses meanwhile.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming `token` where it does not hold; a conflict with code `DUPLICATE`
    /// where somebody else has the address by now.
    pub async fn stop_email_change(&self, token: &str, origin: &Origin) -> Result<User> {
        for _ in 0..ATTEMPTS {
            let token = self.holding(Purpose::KeepEmail, token).await?;
            let before = self.changing(&token).await?;
            let old = Email::parse("email", &token.address)?;
            let mut unit = Unit::system(&self.0, None, Some(before.id)).with_origin(origin.clone());
            for other in self.keeping(&token).await? {
                Self::spend(&mut unit, other)?;
            }
            Self::spend(&mut unit, token)?;
            self.end_all_but(&mut unit, before.id, None).await?;
            let done = if before.email_lower == old.key() {
                let mut after = User { pending_email: None, ..before.clone() };
                after.set_system(unit.next(&before));
                unit.update_silently(before, after.clone())?;
                unit.commit_as_system().await.map(|_| after)
            } else {
                self.readdress(unit, before, &old).await
            };
            match done {
                Err(Error::Stale { .. }) => {}
                done => return done,
            }
        }
        Err(Error::busy(User::ENTITY, "of the token"))
    }

    /// The other tokens that would put back an address of the same user.
    async fn keeping(&self, but: &OneTimeToken) -> Result<Vec<OneTimeToken>> {
        let of_user = OneTimeToken::PURPOSE
            .eq(Purpose::KeepEmail)
            .and(OneTimeToken::SUBJECT.eq(&*but.subject))
            .and(OneTimeToken::EXPIRES_AT.gt(self.0.clock().now()));
        let query = Find::from(of_user).page(1, MAX_LIMIT).into_query()?;
        let found = self.0.system_query(query).await?.items.into_iter();
        let found = found.map(|record| OneTimeToken::from_values(record.into_values()));
        let found: Vec<OneTimeToken> = found.collect::<Result<_>>()?;
        Ok(found.into_iter().filter(|o| o.spent_at.is_none() && o.id != but.id).collect())
    }

    /// The user of a token, where they may sign in.
    async fn changing(&self, token: &OneTimeToken) -> Result<User> {
        match self.user(token.user.ok_or_else(void)?).await {
            Ok(user) if user.status == UserStatus::Active => Ok(user),
            Ok(_) | Err(Error::NotFound { .. }) => Err(void()),
            Err(error) => Err(error),
        }
    }

    /// Commits a change with which a user gets this address, and every tenant knows them by it.
    async fn readdress(&self, mut unit: Unit, before: User, email: &Email) -> Result<User> {
        let mut after = User {
            email: email.as_str().to_owned(),
            email_lower: email.key(),
            email_verified_at: Some(unit.now()),
            pending_email: None,
            ..before.clone()
        };
        after.set_system(unit.next(&before));
        for (tenant, member) in self.places_of(before.id).await? {
            let mut known = Member { email: after.email.clone(), ..member.clone() };
            if known != member {
                known.set_system(unit.next(&member));
                unit.update_in(tenant, member, known, Action::Updated)?;
            }
        }
        unit.update_silently(before, after.clone())?;
        match unit.commit_as_system().await {
            Ok(_) => Ok(after),
            // Whose it is, is nobody's business.
            Err(Error::Conflict { code, field: Some(field), .. }) if field == "emailLower" => {
                let message = "somebody else signs in with this address by now".to_owned();
                Err(Error::Conflict { code, field: Some("email".to_owned()), message })
            }
            Err(error) => Err(error),
        }
    }

    /// Every place of a user in a tenant, taken or left, at most [`MAX_LIMIT`].
    async fn places_of(&self, user: UserId) -> Result<Vec<(TenantId, Member)>> {
        let all = Find::from(Member::USER.eq(user)).deleted(Deleted::Include);
        let found = self.0.system_query(all.page(1, MAX_LIMIT).into_query()?).await?.items;
        let each = found.into_iter().filter_map(|record| {
            let tenant = record.tenant()?;
            Some(Member::from_values(record.into_values()).map(|member| (tenant, member)))
        });
        each.collect()
    }

    /// Ends all sessions of a user, but those of a family, within a unit that others add to.
    async fn end_all_but(
        &self,
        unit: &mut Unit,
        user: UserId,
        family: Option<Id<Session>>,
    ) -> Result<()> {
        for session in self.sessions(user).await? {
            if Some(session.family) != family {
                Self::end_with(unit, session)?;
            }
        }
        Ok(())
    }
}
