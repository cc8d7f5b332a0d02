//! One's own profile: what one is called, and how one wants to be spoken to.
//!
//! The address is not changed here, since a new one has to be proven first
//! ([`Auth::change_email`]).

use super::Auth;
use super::credentials::check_username;
use crate::access::Origin;
use crate::audit::Action;
use crate::entity::Entity;
use crate::error::{Error, Faults, Result};
use crate::records::{ATTEMPTS, Unit};
use crate::tenants::TenantId;
use crate::users::{Member, User, UserId};
use crate::values::{Locale, Multiline, Phone, clean_text, required_text};

/// The most bytes of what a front end is to remember for somebody.
const MOST_PREFERENCES: usize = 16_384;

/// What somebody says of themselves. What is left out is cleared.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ProfileDraft {
    /// What they are called, also in the tenant that they work in.
    pub name: String,
    /// A name to sign in with instead of the address.
    pub username: Option<String>,
    /// Their language and customs (BCP 47).
    pub locale: Option<String>,
    /// Their phone number at work in the tenant that they work in.
    pub phone: Option<String>,
    /// What they told the front end to remember.
    pub preferences: Option<serde_json::Value>,
}

impl Auth {
    /// Puts what somebody says of themselves in place of what they said before. Their name and
    /// phone number in the tenant that they work in go with it, in the same commit; other tenants
    /// know them as before.
    ///
    /// # Errors
    /// [`Error::Invalid`] with every fault; [`Error::Conflict`] where another user has the name to
    /// sign in with; [`Error::Stale`] where the user is not at the version expected;
    /// [`Error::NotFound`] where there is no such user.
    pub async fn set_profile(
        &self,
        user: UserId,
        tenant: Option<TenantId>,
        expected: Option<i64>,
        draft: ProfileDraft,
        origin: &Origin,
    ) -> Result<User> {
        let checked = checked(draft)?;
        for _ in 0..ATTEMPTS {
            let before = self.user(user).await?;
            if let Some(expected) = expected.filter(|expected| *expected != before.version) {
                let (kind, id) = (User::ENTITY.to_owned(), user.to_string());
                return Err(Error::Stale { kind, id, expected });
            }
            let place = match tenant {
                Some(tenant) => self.membership(user, tenant).await?,
                None => None,
            };
            if checked.phone.is_some() && place.is_none() {
                let message = "is one's number in a tenant, and you work in none";
                return Err(Error::invalid("phone", "NO_TENANT", message));
            }
            let at = place.as_ref().map(|place| place.tenant.id);
            let mut unit = Unit::system(&self.0, at, Some(user)).with_origin(origin.clone());
            let mut after = User {
                name: checked.name.clone(),
                username: checked.username.clone(),
                locale: checked.locale.clone(),
                preferences: checked.preferences.clone(),
                ..before.clone()
            };
            let mut changed = false;
            if after != before {
                after.set_system(unit.next(&before));
                unit.update(before, after.clone(), Action::Updated)?;
                changed = true;
            }
            if let Some(member) = place.map(|place| place.member) {
                let mut own = Member {
                    name: checked.name.clone(),
                    phone: checked.phone.clone(),
                    ..member.clone()
                };
                if own != member {
                    own.set_system(unit.next(&member));
                    unit.update(member, own, Action::Updated)?;
                    changed = true;
                }
            }
            if !changed {
                return Ok(after);
            }
            match unit.commit_as_system().await {
                Ok(_) => return Ok(after),
                // Signed in at the same moment, or changed by an admin: looked at again.
                Err(Error::Stale { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::busy(User::ENTITY, user))
    }
}

fn checked(draft: ProfileDraft) -> Result<ProfileDraft> {
    let mut faults = Faults::default();
    let name = faults.absorb(required_text("name", &draft.name, 200, Multiline::No))?;
    let username = faults.absorb(check_username("username", draft.username.as_deref()))?;
    let locale = match draft.locale.as_deref().map(str::trim).filter(|text| !text.is_empty()) {
        Some(text) => faults.absorb(Locale::parse("locale", text))?,
        None => None,
    };
    let phone = match draft.phone.as_deref() {
        Some(text) => faults.absorb(clean_text("phone", text, 64, Multiline::No))?.flatten(),
        None => None,
    };
    let phone = match phone {
        Some(text) => faults.absorb(Phone::parse("phone", &text))?,
        None => None,
    };
    if let Some(preferences) = &draft.preferences {
        let size = preferences.to_string().len();
        if !preferences.is_object() {
            faults.add("preferences", "INVALID_TYPE", "expected an object");
        } else if size > MOST_PREFERENCES {
            let message = format!("expected at most {MOST_PREFERENCES} bytes, got {size}");
            faults.add("preferences", "TOO_LONG", message);
        }
    }
    faults.into_result()?;
    Ok(ProfileDraft {
        name: name.unwrap_or_default(),
        username: username.flatten(),
        locale: locale.map(|locale| locale.as_str().to_owned()),
        phone: phone.map(|phone| phone.as_str().to_owned()),
        preferences: draft.preferences,
    })
}
