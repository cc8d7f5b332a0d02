//! What must hold of a member: nobody gives what they lack, nobody changes somebody above them,
//! and there is always an owner at work.
//!
//! All of it is asked here, on the one way that every write of a member takes, whatever service
//! it comes from.

use async_trait::async_trait;

use super::{Member, UserStatus, colleagues};
use crate::access::BuiltIn;
use crate::audit::Action;
use crate::auth::one_time::Asked;
use crate::auth::{Purpose, Session, api_keys};
use crate::error::{Error, Faults, Result};
use crate::mail::{MailKind, NewMail};
use crate::near::near;
use crate::records::{Along, Rules};
use crate::roles::{CustomRole, check_grants, known};
use crate::teams::{leave_all, managed_by};
use crate::values::{Multiline, Phone, clean_texts, required_text};
use crate::{Choice, Entity, Find, TenantCrm, Where};

/// The most roles of a member.
const MOST_ROLES: usize = 50;

#[async_trait]
impl Rules for Member {
    async fn check(&mut self, before: Option<&Self>, within: &TenantCrm) -> Result<()> {
        let mut faults = Faults::default();
        if before.is_some_and(|before| before.user != self.user) {
            faults.add("user", "IMMUTABLE", "a member is one user for good");
        }
        // What a member has is not asked about again, unless it comes back with it.
        let has = before.filter(|before| before.deleted_at.is_none());
        let is_invited = |member: &Self| member.status == UserStatus::Invited;
        if has.is_some_and(|before| is_invited(before) != is_invited(self)) {
            let message = "whether somebody agrees to work in a tenant, they say themselves";
            faults.add("status", "NOT_ACCEPTED", message);
        }
        if has.is_none() {
            self.take_after_user(within).await?;
        }
        if let Some(name) = faults.absorb(required_text("name", &self.name, 200, Multiline::No))? {
            self.name = name;
        }
        clean_texts([("title", &mut self.title, 200, Multiline::No)], &mut faults)?;
        if self.phone.as_deref().is_some_and(|phone| phone.trim().is_empty()) {
            self.phone = None;
        }
        if let Some(phone) = &self.phone
            && let Some(phone) = faults.absorb(Phone::parse("phone", phone))?
        {
            self.phone = Some(phone.as_str().to_owned());
        }
        for role in &mut self.roles {
            if role.as_str() == BuiltIn::SUPER_ADMIN {
                BuiltIn::Owner.code().clone_into(role);
            }
        }
        if has.is_none_or(|before| before.roles != self.roles) {
            check_roles(&mut self.roles, within, &mut faults).await?;
        }
        if has.is_none_or(|before| before.grants != self.grants) {
            let had = has.map_or(&[][..], |before| &before.grants);
            check_grants("permissions", &mut self.grants, had, within, &mut faults).await?;
        }
        faults.into_result()
    }

    async fn accompany(
        action: Action,
        before: Option<&Self>,
        after: &Self,
        within: &TenantCrm,
        along: &mut Along<'_>,
    ) -> Result<()> {
        let actor = within.actor();
        let none = Vec::new();
        // Whoever left has nothing, whatever the record still says.
        let was = before.filter(|before| before.deleted_at.is_none());
        let had = was.map_or(&none, |before| &before.roles);
        let codes = had.iter().chain(&after.roles).map(String::as_str);
        let roles = known(within.crm(), actor.tenant(), codes).await?;
        if let Some(was) = was {
            actor.require_all(&roles.together(&was.roles, &was.grants))?;
        }
        if action == Action::Deleted
            && let Some(was) = was
        {
            leave_all(was, within, along).await?;
        }
        if action != Action::Deleted {
            let will = roles.together(&after.roles, &after.grants);
            actor.require_all(&will)?;
            if let Some(was) = was {
                let before = roles.together(&was.roles, &was.grants);
                let newly = will.newly_for_teams(&before);
                // Whoever holds it for all gives it over whomever.
                if actor.require_for_all(&newly).is_err() {
                    let managed = managed_by(within.crm(), actor.tenant(), after.user).await?;
                    actor.require_over(&newly, &managed)?;
                }
            }
            for code in after.roles.iter().filter(|code| !had.contains(code)) {
                if let Some(role) = roles.own(code) {
                    // A new version of it: it is neither deleted nor made wider at the same
                    // moment.
                    let mut next = role.clone();
                    next.version += 1;
                    along.unit().update_silently(role.clone(), next)?;
                } else if roles.grants(code).is_none() {
                    // It was there when the values were checked.
                    let (kind, id) = (CustomRole::ENTITY.to_owned(), code.clone());
                    return Err(Error::Stale { kind, id, expected: 0 });
                }
            }
        }
        if after.status == UserStatus::Invited && was.is_none() && action != Action::Deleted {
            after.ask(within, along).await?;
        }
        if was.is_some_and(Self::is_owner_at_work) && !after.is_owner_at_work() {
            along.rest_on(another_owner(within, after).await?)?;
        }
        if was.is_some_and(Self::is_at_work) && !after.is_at_work() {
            let sessions = within.crm().auth().live_sessions(after.user, actor.tenant()).await?;
            for session in sessions {
                let unit = along.unit();
                let mut ended = Session { ended_at: Some(unit.now()), ..session.clone() };
                ended.set_system(unit.next(&session));
                unit.update_silently(session, ended)?;
            }
            for key in within.crm().auth().api_keys_of(after.user, actor.tenant()).await? {
                api_keys::end_with(along.unit(), key)?;
            }
        }
        Ok(())
    }
}

impl Member {
    /// Whether they may work in the tenant.
    pub fn is_at_work(&self) -> bool {
        self.deleted_at.is_none() && self.status == UserStatus::Active
    }

    /// Whether they are one of the tenant's owners, active or not.
    pub fn is_owner(&self) -> bool {
        self.roles.iter().any(|code| code == BuiltIn::Owner.code())
    }

    fn is_owner_at_work(&self) -> bool {
        self.is_at_work() && self.is_owner()
    }

    /// What a member has of its user. One who comes to be along with it is not there yet, and one
    /// who is not there at all is refused by the store.
    async fn take_after_user(&mut self, within: &TenantCrm) -> Result<()> {
        self.id = self.user.cast();
        match within.crm().auth().user(self.user).await {
            Ok(user) => {
                // An address stays as it was written by whoever let them join: another way of
                // writing it would tell that somebody has signed up by it.
                if self.email.to_lowercase() != user.email_lower {
                    self.email = user.email;
                }
                if self.name.trim().is_empty() {
                    self.name = user.name;
                }
                // Whoever was there before says themselves whether they want to be in the tenant.
                self.status = UserStatus::Invited;
            }
            Err(Error::NotFound { .. }) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Asks a user who was there before whether they want to work in the tenant, by mail where
    /// mails are sent; they find it too where they sign in.
    async fn ask(&self, within: &TenantCrm, along: &mut Along<'_>) -> Result<()> {
        let (crm, actor) = (within.crm(), within.actor());
        if !crm.sends_mails() {
            return Ok(());
        }
        let user = crm.auth().user(self.user).await?;
        let asked = Asked {
            purpose: Purpose::Invitation,
            address: user.email_lower.clone(),
            subject: user.id.to_string(),
            user: Some(user.id),
            tenant: Some(actor.tenant()),
        };
        let Some(token) = crm.auth().ask(along.unit(), asked).await? else { return Ok(()) };
        let by = colleagues(within, &[actor.user()]).await?.into_iter().next();
        let mail = NewMail::to_user(MailKind::MemberAdded, &user).about(actor.tenant());
        along.unit().mail(mail.with(token).telling("by", by.map(|by| by.name)))
    }
}

/// Takes each role once, and refuses those that there are not.
pub(super) async fn check_roles(
    roles: &mut Vec<String>,
    within: &TenantCrm,
    faults: &mut Faults,
) -> Result<()> {
    let mut seen = std::collections::HashSet::new();
    roles.retain(|code| seen.insert(code.clone()));
    if roles.is_empty() {
        faults.add("roles", "REQUIRED", "expected at least one role");
    }
    if roles.len() > MOST_ROLES {
        let message = format!("expected at most {MOST_ROLES}, got {}", roles.len());
        faults.add("roles", "TOO_MANY", message);
        return Ok(());
    }
    let codes = roles.iter().map(String::as_str);
    let found = known(within.crm(), within.actor().tenant(), codes).await?;
    for (i, code) in roles.iter().enumerate() {
        if found.grants(code).is_none() {
            let meant = near(code, BuiltIn::ALL.iter().map(|role| role.code()));
            let meant = match meant.first() {
                Some(meant) => format!(", did you mean {meant}?"),
                None => String::new(),
            };
            let code: String = code.chars().take(60).collect();
            let message = format!("there is no role {code:?}{meant}");
            faults.add(format!("roles[{i}]"), "UNKNOWN_ROLE", message);
        }
    }
    Ok(())
}

/// An owner at work besides this member. The change rests on that owner's record: where two take
/// each other's place away at the same moment, one of them finds the other changed.
async fn another_owner(within: &TenantCrm, besides: &Member) -> Result<Member> {
    let others: Where<Member> = Member::ROLES
        .eq(BuiltIn::Owner.code().to_owned())
        .and(Member::STATUS.eq(UserStatus::Active))
        .and(Member::ID.eq(besides.id).not());
    let query = Find::from(others).page(1, 1).into_query()?;
    match within.query_for_rules(query).await?.items.into_iter().next() {
        Some(record) => Member::from_values(record.into_values()),
        None => Err(Error::Refused {
            code: "LAST_OWNER",
            message: "a tenant keeps at least one active owner".to_owned(),
        }),
    }
}
