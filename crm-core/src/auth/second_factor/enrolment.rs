//! Getting a second factor, giving it up, and taking new recovery codes.

use std::fmt;

use super::super::passwords::notice;
use super::super::{Auth, Session};
use super::totp::{self, base32};
use super::{BEGUN, SecondFactor, bound_to, hash_of, wrong_code};
use crate::Entity;
use crate::access::Origin;
use crate::audit::Action;
use crate::error::{Error, Result};
use crate::id::Id;
use crate::mail::MailKind;
use crate::records::{ATTEMPTS, Unit};
use crate::users::UserId;

/// How many recovery codes there are.
const CODES: usize = 10;
/// How many random octets are in one: 120 bits.
const OCTETS_OF_A_CODE: usize = 15;
/// How many letters one has, hyphens not counted.
pub(super) const LETTERS_OF_A_CODE: usize = 24;

/// What an authenticator app is to take in. Shown now and never again.
#[derive(Clone, PartialEq, Eq)]
pub struct Enrolment {
    /// The secret, in Base32, for typing it in.
    pub secret: String,
    /// The same as an `otpauth:` address, for an image that the app reads.
    pub uri: String,
}

/// Leaves the secret out, so that no log shows it.
impl fmt::Debug for Enrolment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Enrolment").finish_non_exhaustive()
    }
}

impl Auth {
    /// Begins to give a user a second factor: nothing asks for it until it is confirmed. Beginning
    /// again makes what was begun before void. `issuer` is what the app shows it under.
    ///
    /// # Errors
    /// [`Error::Invalid`] for field `password` with code `WRONG_PASSWORD`; a conflict with code
    /// `MFA_ON` where the user has one already; [`Error::TooManyAttempts`].
    pub async fn enrol_second_factor(
        &self,
        user: UserId,
        password: String,
        issuer: &str,
        origin: &Origin,
    ) -> Result<Enrolment> {
        let user = self.user(user).await?;
        self.require_password(&user, password, "password", origin).await?;
        let mut secret = [0; totp::SECRET];
        self.0.random().fill(&mut secret);
        let sealed = self.0.sealer()?.seal(&secret, &bound_to(user.id))?;
        for _ in 0..ATTEMPTS {
            let mut unit = Unit::system(&self.0, None, Some(user.id));
            match self.any_factor(user.id).await? {
                Some(factor) if factor.confirmed_at.is_some() => return Err(on_already()),
                Some(before) => {
                    let mut after = SecondFactor { secret: sealed.clone(), ..before.clone() };
                    after.set_system(unit.next(&before));
                    unit.update_silently(before, after)?;
                }
                None => {
                    let system = unit.fresh::<SecondFactor>();
                    unit.insert_silently(SecondFactor {
                        id: system.id,
                        version: 1,
                        created_at: system.created_at,
                        updated_at: system.updated_at,
                        deleted_at: None,
                        user: user.id,
                        secret: sealed.clone(),
                        confirmed_at: None,
                        last_step: None,
                        recovery_hashes: Vec::new(),
                    })?;
                }
            }
            match unit.commit_as_system().await {
                Ok(_) => {
                    let secret = base32(&secret);
                    let uri = uri(issuer, &user.email, &secret);
                    return Ok(Enrolment { secret, uri });
                }
                // Begun twice at the same moment.
                Err(Error::Stale { .. } | Error::Conflict { code: "DUPLICATE", .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::busy(SecondFactor::ENTITY, user.id))
    }

    /// Gives a user the second factor that was begun within the last hour, once its app shows the
    /// right code. All other sessions of the user end with the commit; this one counts as one in which it was shown.
    /// Answers the recovery codes, which are shown now and never again.
    ///
    /// # Errors
    /// [`Error::Invalid`] for field `code` with code `INVALID_CODE`; conflicts with codes `MFA_ON`
    /// and `MFA_NOT_BEGUN`; [`Error::Unauthenticated`] where the session has ended;
    /// [`Error::TooManyAttempts`].
    pub async fn confirm_second_factor(
        &self,
        session: Id<Session>,
        user: UserId,
        code: &str,
        origin: &Origin,
    ) -> Result<Vec<String>> {
        let guess = self.guess_of(&self.user(user).await?, origin).await?;
        let mut charged = false;
        for _ in 0..ATTEMPTS {
            let at = self.own_session(session, user).await?;
            let before = match self.any_factor(user).await? {
                Some(factor) if factor.confirmed_at.is_some() => return Err(on_already()),
                Some(factor) if factor.updated_at + BEGUN > self.0.clock().now() => factor,
                _ => return Err(not_begun()),
            };
            if !charged {
                self.charge(&guess).await?;
                charged = true;
            }
            let secret = self.0.sealer()?.open(&before.secret, &bound_to(user))?;
            let code: String = code.chars().filter(|c| !c.is_whitespace()).collect();
            let mut unit = Unit::system(&self.0, at.tenant, Some(user));
            unit = unit.with_origin(origin.clone()).without_attempt();
            let now = unit.now();
            let Some(step) = totp::step_of(&secret, &code, now, before.last_step)? else {
                self.charged_failed(&guess).await?;
                return Err(wrong_code());
            };
            let (codes, recovery_hashes) = self.new_codes(before.id);
            let mut after = SecondFactor {
                confirmed_at: Some(now),
                last_step: Some(step),
                recovery_hashes,
                ..before.clone()
            };
            after.set_system(unit.next(&before));
            unit.update(before, after, Action::Updated)?;
            self.mark(&mut unit, &at, Some(now)).await?;
            self.end_others_with(&mut unit, &at).await?;
            let known = self.say_whether(&mut unit, user, true).await?;
            unit.mail(notice(MailKind::SecondFactorAdded, &known, origin, &unit))?;
            match unit.commit_as_system().await {
                Ok(_) => {
                    self.succeeded(&guess).await?;
                    return Ok(codes);
                }
                Err(Error::Stale { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::busy(SecondFactor::ENTITY, user))
    }

    /// Takes a user's second factor away, who shows it and the password. All other sessions of the
    /// user end with the commit.
    ///
    /// # Errors
    /// [`Error::Invalid`] for field `password` with code `WRONG_PASSWORD`, or for field `code` with
    /// code `INVALID_CODE`; a conflict with code `MFA_OFF` where there is none;
    /// [`Error::TooManyAttempts`].
    pub async fn remove_second_factor(
        &self,
        session: Id<Session>,
        user: UserId,
        password: String,
        code: &str,
        origin: &Origin,
    ) -> Result<()> {
        let known = self.user(user).await?;
        self.require_password(&known, password, "password", origin).await?;
        let at = self.own_session(session, user).await?;
        let factor = self.second_factor(user).await?.ok_or_else(off_already)?;
        // Used up in a commit of its own: it is good for nothing else from now on.
        self.show(&at, &factor, code, origin).await?;
        for _ in 0..ATTEMPTS {
            let at = self.own_session(session, user).await?;
            let Some(factor) = self.second_factor(user).await? else { return Ok(()) };
            let mut unit = Unit::system(&self.0, at.tenant, Some(user));
            unit = unit.with_origin(origin.clone()).without_attempt();
            self.drop_factor(&mut unit, factor, origin).await?;
            self.mark(&mut unit, &at, None).await?;
            self.end_others_with(&mut unit, &at).await?;
            match unit.commit_as_system().await {
                Ok(_) => return Ok(()),
                Err(Error::Stale { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::busy(SecondFactor::ENTITY, user))
    }

    /// Gives a user new recovery codes, which are shown now and never again; those of before are
    /// void with the commit.
    ///
    /// # Errors
    /// [`Error::Invalid`] for field `code` with code `INVALID_CODE`; a conflict with code `MFA_OFF`
    /// where there is no second factor; [`Error::TooManyAttempts`].
    pub async fn renew_recovery_codes(
        &self,
        session: Id<Session>,
        user: UserId,
        code: &str,
        origin: &Origin,
    ) -> Result<Vec<String>> {
        let at = self.own_session(session, user).await?;
        let factor = self.second_factor(user).await?.ok_or_else(off_already)?;
        self.show(&at, &factor, code, origin).await?;
        for _ in 0..ATTEMPTS {
            let before = self.second_factor(user).await?.ok_or_else(off_already)?;
            let mut unit = Unit::system(&self.0, at.tenant, Some(user));
            unit = unit.with_origin(origin.clone()).without_attempt();
            let (codes, recovery_hashes) = self.new_codes(before.id);
            let mut after = SecondFactor { recovery_hashes, ..before.clone() };
            after.set_system(unit.next(&before));
            unit.update(before, after, Action::Updated)?;
            match unit.commit_as_system().await {
                Ok(_) => return Ok(codes),
                // Used, or renewed, at this very moment.
                Err(Error::Stale { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::busy(SecondFactor::ENTITY, user))
    }

    /// New recovery codes, and what is kept of them.
    fn new_codes(&self, factor: Id<SecondFactor>) -> (Vec<String>, Vec<String>) {
        let each = (0..CODES).map(|_| {
            let mut octets = [0; OCTETS_OF_A_CODE];
            self.0.random().fill(&mut octets);
            let letters = base32(&octets);
            let groups = (0..LETTERS_OF_A_CODE).step_by(6);
            let groups: Vec<&str> = groups.filter_map(|at| letters.get(at..at + 6)).collect();
            (groups.join("-"), hash_of(factor, &letters))
        });
        each.unzip()
    }
}

fn uri(issuer: &str, account: &str, secret: &str) -> String {
    let escaped = |text: &str| -> String {
        let octets = text.bytes().map(|octet| match octet {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(octet).to_string()
            }
            octet => format!("%{octet:02X}"),
        });
        octets.collect()
    };
    let (issuer, account) = (escaped(issuer), escaped(account));
    format!(
        "otpauth://totp/{issuer}:{account}?secret={secret}&issuer={issuer}&algorithm=SHA1&digits=6&period=30"
    )
}

fn on_already() -> Error {
    let message = "there is a second factor already: take it away first".to_owned();
    Error::Conflict { code: "MFA_ON", field: None, message }
}

fn off_already() -> Error {
    let message = "there is no second factor".to_owned();
    Error::Conflict { code: "MFA_OFF", field: None, message }
}

fn not_begun() -> Error {
    let message = "no second factor was begun: ask for a secret first".to_owned();
    Error::Conflict { code: "MFA_NOT_BEGUN", field: None, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_for_the_app_is_escaped() {
        assert_eq!(
            uri("Löwen & Co", "ada+crm@example.com", "MZXW6"),
            "otpauth://totp/L%C3%B6wen%20%26%20Co:ada%2Bcrm%40example.com?secret=MZXW6\
             &issuer=L%C3%B6wen%20%26%20Co&algorithm=SHA1&digits=6&period=30"
        );
    }
}
