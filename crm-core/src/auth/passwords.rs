//! What a password must be: long, and nothing that somebody would try first (NIST SP 800-63B,
//! 3.1.1.2). Which signs it is made of is nobody's business.
//!
//! Whatever sets a password asks here, on every way on which one is set.

use std::collections::HashSet;
use std::fmt;
use std::sync::LazyLock;

use super::{Auth, Session};
use crate::access::Origin;
use crate::audit::Action;
use crate::entity::Entity;
use crate::error::{Error, Result};
use crate::id::Id;
use crate::mail::{MailKind, NewMail};
use crate::records::{ATTEMPTS, Unit};
use crate::users::{User, UserId};

/// The fewest characters that any password has, whatever is configured.
pub const SHORTEST_PASSWORD: usize = 8;
/// The most, so that hashing one stays cheap to bound.
const LONGEST: usize = 256;

/// Passwords of at least [`SHORTEST_PASSWORD`] characters that everybody tries first; where they
/// come from is said in the file.
static COMMON: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    let all = include_str!("data/common_passwords.txt").lines();
    all.filter(|line| !line.starts_with('#')).collect()
});

/// A new password for somebody who knows the old one.
#[derive(Clone, Default)]
pub struct ChangePassword {
    /// The password until now.
    pub current: String,
    /// The password from now on.
    pub new: String,
    /// A code of the second factor, where the user has one and has not shown it lately.
    pub code: Option<String>,
    /// Where the request came from.
    pub origin: Origin,
}

/// Leaves the passwords out, so that no log shows them.
impl fmt::Debug for ChangePassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChangePassword").field("origin", &self.origin).finish_non_exhaustive()
    }
}

impl Auth {
    /// Refuses what is no good password of somebody who is known by these names: their address,
    /// the name they sign in with, what they are called.
    ///
    /// ```
    /// # #[tokio::main] async fn main() -> crm_core::Result<()> {
    /// # let crm = crm_core::Crm::new(crm_store_memory::MemoryStore::new()).await?;
    /// let ada = ["ada.lovelace@example.com", "Ada Lovelace"];
    /// let code = |password| match crm.auth().check_password("password", password, &ada) {
    ///     Err(crm_core::Error::Invalid(faults)) => faults[0].code,
    ///     _ => "good",
    /// };
    /// assert_eq!(code("analytical engine"), "good");
    /// assert_eq!(code("engine"), "TOO_SHORT");
    /// assert_eq!(code("Password1"), "COMMON_PASSWORD");
    /// assert_eq!(code("ada-lovelace-1815"), "OWN_NAME");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::Invalid`] naming `field`, with code `TOO_SHORT`, `TOO_LONG`, `INVALID_TEXT`,
    /// `COMMON_PASSWORD` or `OWN_NAME`.
    pub fn check_password(&self, field: &str, password: &str, names: &[&str]) -> Result<()> {
        let (length, shortest) = (password.chars().count(), self.0.shortest_password());
        let fault = |code, message: String| Err(Error::invalid(field, code, message));
        if length < shortest {
            let message = format!("expected at least {shortest} characters, got {length}");
            return fault("TOO_SHORT", message);
        }
        if length > LONGEST {
            let message = format!("expected at most {LONGEST} characters, got {length}");
            return fault("TOO_LONG", message);
        }
        if password.contains('\0') {
            return fault("INVALID_TEXT", "must not contain a NUL character".to_owned());
        }
        if is_common(password) {
            let message = "is one of the passwords that are tried first, choose another one";
            return fault("COMMON_PASSWORD", message.to_owned());
        }
        if is_name(password, names) {
            let message = "is made of one's own name or address, choose another one";
            return fault("OWN_NAME", message.to_owned());
        }
        Ok(())
    }

    /// Gives a user a new password. The session in which it is asked for goes on, with those that
    /// it was switched from and to; all other ones of the user end with the commit. Answers which.
    ///
    /// # Errors
    /// [`Error::Invalid`] for field `currentPassword` with code `WRONG_PASSWORD`, and for field
    /// `newPassword` as [`Auth::check_password`];
    /// [`Error::Unauthenticated`] where the session has ended; [`Error::TooManyAttempts`]; what
    /// [`Auth::fresh_second_factor`] says.
    pub async fn change_password(
        &self,
        session: Id<Session>,
        user: UserId,
        change: ChangePassword,
    ) -> Result<Vec<Id<Session>>> {
        let hasher = self.0.hasher()?;
        let mut hashed = None;
        let known = self.user(user).await?;
        let guess = self.guess_of(&known, &change.origin).await?;
        self.admit(&guess).await?;
        let mut verified = None;
        for _ in 0..ATTEMPTS {
            let before = self.user(user).await?;
            let known = before.password.clone();
            let right = (known.is_some() && known == verified)
                || hasher.verify(change.current.clone(), known.clone()).await?;
            if !right {
                self.failed(&guess).await?;
                let message = "is not the password until now";
                return Err(Error::invalid("currentPassword", "WRONG_PASSWORD", message));
            }
            self.admit(&guess).await?;
            self.check_password("newPassword", &change.new, &before.names())?;
            if verified.is_none() {
                let code = change.code.as_deref();
                self.fresh_second_factor(Some(session), user, code, &change.origin).await?;
            }
            verified = known;
            let hash = match hashed.take() {
                Some(hash) => hash,
                None => hasher.hash(change.new.clone()).await?,
            };
            hashed = Some(hash.clone());
            let at = self.own_session(session, user).await?;
            let mut unit = Unit::system(&self.0, at.tenant, Some(user));
            unit = unit.with_origin(change.origin.clone());
            let known_to_all = before.clone();
            let mut after = User {
                password: Some(hash),
                // Whoever knew the old one may have asked for it.
                pending_email: None,
                ..before.clone()
            };
            after.set_system(unit.next(&before));
            unit.update(before, after, Action::Updated)?;
            let ended = self.end_others_with(&mut unit, &at).await?;
            unit.mail(notice(MailKind::PasswordChanged, &known_to_all, &change.origin, &unit))?;
            match unit.commit_as_system().await {
                Ok(_) => return Ok(ended),
                // Signed in at the same moment, or changed by somebody else.
                Err(Error::Stale { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::busy(User::ENTITY, user))
    }
}

/// A mail that lets a user know what was done from where, and when.
pub(super) fn notice(kind: MailKind, user: &User, origin: &Origin, unit: &Unit) -> NewMail {
    let at = unit.now().to_rfc3339();
    NewMail::to_user(kind, user).telling("at", Some(at)).telling("address", origin.address.clone())
}

/// Whether it is one of those that everybody tries first, or has no more in it than one of them.
fn is_common(password: &str) -> bool {
    let lower = password.to_lowercase();
    COMMON.contains(lower.as_str()) || is_run(&lower) || is_repetition(&lower)
}

/// `12345678`, `hgfedcba`.
fn is_run(text: &str) -> bool {
    let codes: Vec<i64> = text.chars().map(|c| i64::from(u32::from(c))).collect();
    [1, -1].iter().any(|step| codes.windows(2).all(|pair| pair[1] - pair[0] == *step))
}

/// `aaaaaaaa`, `abcabcabc`: nothing but a few signs over and over.
fn is_repetition(text: &str) -> bool {
    let chars: Vec<char> = text.chars().collect();
    (1..=4).any(|of| chars.iter().zip(chars.iter().skip(of)).all(|(one, next)| one == next))
}

/// Whether it is one of the names, or one with digits behind it, however they are joined.
fn is_name(password: &str, names: &[&str]) -> bool {
    let bare = bare(password);
    if bare.is_empty() {
        return false;
    }
    names.iter().any(|name| {
        let before_at = name.split('@').next().unwrap_or_default();
        let words = name.split(|c: char| !c.is_alphanumeric()).filter(|word| word.len() >= 3);
        std::iter::once(*name).chain([before_at]).chain(words).any(|name| self::bare(name) == bare)
    })
}

/// Letters and digits, in lower case, without the digits at the end.
fn bare(text: &str) -> String {
    let plain: String = text.to_lowercase().chars().filter(|c| c.is_alphanumeric()).collect();
    plain.trim_end_matches(char::is_numeric).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_tried_first_is_common_whatever_its_case() {
        for password in ["password", "PASSWORD", "Iloveyou", "qwertyuiop", "12345678", "trustno1"] {
            assert!(is_common(password), "{password}");
        }
        for password in ["abcdefghijkl", "98765432", "zzzzzzzzzz", "abcabcabcabc", "12121212"] {
            assert!(is_common(password), "{password}");
        }
        for password in ["correct horse", "securepassword", "abcdefgi", "look-around", "ääääääöä"]
        {
            assert!(!is_common(password), "{password}");
        }
    }

    #[test]
    fn the_list_is_large_enough_and_can_be_read() {
        assert_eq!(COMMON.len(), 5_000);
        assert!(COMMON.iter().all(|word| word.len() >= SHORTEST_PASSWORD && !word.contains(' ')));
        assert!(COMMON.iter().all(|word| *word == word.to_lowercase()));
    }

    #[test]
    fn ones_own_name_is_no_password_however_it_is_written() {
        let names = ["ada.lovelace@example.com", "countess", "Ada Lovelace"];
        for password in [
            "ada.lovelace@example.com",
            "AdaLovelace",
            "ada_lovelace_1815",
            "countess99",
            "Lovelace1815",
            "ada12345",
        ] {
            assert!(is_name(password, &names), "{password}");
        }
        for password in ["lovelace engine", "18151852", "countesses", "ada's engine"] {
            assert!(!is_name(password, &names), "{password}");
        }
        assert!(!is_name("12345-67", &["", "9"]));
    }
}
