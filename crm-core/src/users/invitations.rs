//! Invitations: somebody is asked by mail to work in a tenant, whether or not they sign in yet.
//!
//! Nobody becomes a member by being invited. Whoever accepts shows by the link that the address is
//! theirs ([`Auth::accept_invitation`](crate::auth::Auth::accept_invitation)), and gets what the
//! inviter may give at that moment, or nothing.

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};

use super::rules::check_roles;
use super::{Member, UserId, colleagues};
use crate::audit::Action;
use crate::auth::one_time::{Asked, is_contended};
use crate::auth::{Purpose, TOKENS_AN_HOUR};
use crate::error::{Error, Faults, Result};
use crate::id::Id;
use crate::mail::{MailKind, NewMail, no_mail};
use crate::records::{ATTEMPTS, Along, Records, Rules};
use crate::roles::known;
use crate::values::{Email, Multiline, clean_text};
use crate::{Entity, Find, TenantCrm};

/// How long an invitation can be accepted.
pub(crate) const LASTS: TimeDelta = TimeDelta::days(7);

/// Somebody who is asked to work in a tenant. Deleted once it is accepted or cancelled.
#[derive(Debug, Clone, PartialEq, Entity)]
#[entity(name = "invitations", resource = "users", tenant, owners(nobody))]
#[entity(unique(name = "invitations_email", fields(email_lower)))]
pub struct Invitation {
    /// The identifier.
    pub id: Id<Self>,
    /// The version.
    pub version: i64,
    /// When they were first invited.
    pub created_at: DateTime<Utc>,
    /// When the invitation was last changed or sent.
    pub updated_at: DateTime<Utc>,
    /// When it was accepted or cancelled.
    pub deleted_at: Option<DateTime<Utc>>,
    /// The address that they are invited by.
    #[entity(filter, sort, search)]
    pub email: String,
    /// What they are called; they may say otherwise.
    #[entity(filter, sort, search)]
    pub name: Option<String>,
    /// The codes of the roles that they are to have.
    #[entity(filter)]
    pub roles: Vec<String>,
    /// The title that they are to have.
    pub title: Option<String>,
    /// What the address is known by.
    #[entity(computed, filter, code)]
    pub email_lower: String,
    /// Who invited them, the last time.
    #[entity(computed, filter)]
    pub invited_by: Option<UserId>,
    /// Until when it can be accepted.
    #[entity(computed, filter, sort)]
    pub expires_at: Option<DateTime<Utc>>,
    /// How often it was sent.
    #[entity(computed)]
    pub sent: i64,
    /// Who accepted it.
    #[entity(computed, filter)]
    pub accepted_by: Option<UserId>,
}

#[async_trait]
impl Rules for Invitation {
    async fn check(&mut self, before: Option<&Self>, within: &TenantCrm) -> Result<()> {
        let mut faults = Faults::default();
        if let Some(email) = faults.absorb(Email::parse("email", &self.email))? {
            self.email = email.as_str().to_owned();
            self.email_lower = email.key();
        }
        if before.is_some_and(|before| before.email_lower != self.email_lower) {
            faults.add("email", "IMMUTABLE", "an invitation is of one address for good");
        }
        for (field, text) in [("name", &mut self.name), ("title", &mut self.title)] {
            if let Some(given) = text
                && let Some(clean) = faults.absorb(clean_text(field, given, 200, Multiline::No))?
            {
                *text = clean;
            }
        }
        check_roles(&mut self.roles, within, &mut faults).await?;
        if before.is_none_or(|before| before.sent != self.sent) {
            self.sent = before.map_or(1, |before| before.sent + 1);
            self.invited_by = Some(within.actor().user());
            self.expires_at = Some(within.crm().clock().now() + LASTS);
        }
        faults.into_result()
    }

    /// Whoever may make users may invite, and take back what was sent.
    fn action(action: &'static str) -> &'static str {
        if action == "read" { "read" } else { "create" }
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
        let had = before.map_or(&none, |before| &before.roles);
        let codes = had.iter().chain(&after.roles).map(String::as_str);
        let roles = known(within.crm(), actor.tenant(), codes).await?;
        actor.require_all(&roles.together(had, &[]))?;
        if action == Action::Deleted {
            return Ok(());
        }
        actor.require_all(&roles.together(&after.roles, &[]))?;
        if before.is_none_or(|before| before.sent != after.sent) {
            after.send(within, along).await?;
        }
        Ok(())
    }
}

impl Invitation {
    async fn send(&self, within: &TenantCrm, along: &mut Along<'_>) -> Result<()> {
        let (crm, actor) = (within.crm(), within.actor());
        if !crm.sends_mails() {
            return Err(no_mail());
        }
        let asked = Asked {
            purpose: Purpose::Invitation,
            address: self.email_lower.clone(),
            subject: self.id.to_string(),
            user: None,
            tenant: Some(actor.tenant()),
        };
        let Some(token) = crm.auth().ask(along.unit(), asked).await? else {
            let what = "the number of invitations to one address within an hour".to_owned();
            return Err(Error::Limit { what, limit: u64::from(TOKENS_AN_HOUR) });
        };
        let by = colleagues(within, &[actor.user()]).await?.into_iter().next();
        let mail = NewMail::to_address(MailKind::Invitation, &self.email);
        let mail = mail.about(actor.tenant()).with(token);
        along.unit().mail(mail.telling("by", by.map(|by| by.name)))
    }
}

/// The service of invitations: listing those that wait, and cancelling them ([`Records::delete`]),
/// come from [`Records`].
#[derive(Debug, Clone)]
pub struct Invitations(Records<Invitation>);

impl std::ops::Deref for Invitations {
    type Target = Records<Invitation>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Invitations {
    pub(crate) fn new(within: TenantCrm) -> Self {
        Self(within.records())
    }

    /// Invites somebody by their address. Whoever is invited already is invited anew: by what is
    /// said now, and the link of before is void. Needs `users:create`.
    ///
    /// # Errors
    /// As [`Records::create`]; [`Error::Forbidden`] where a role may do what the actor may not; a
    /// conflict with code `DUPLICATE` where they are a member; [`Error::Limit`] where the address
    /// was written to too often within the hour; a refusal with code `NO_MAIL` where this CRM sends
    /// no mails.
    pub async fn invite(&self, draft: InvitationDraft) -> Result<Invitation> {
        let within = self.within();
        within.actor().require(&Records::<Invitation>::permission("create"))?;
        if !within.crm().sends_mails() {
            return Err(no_mail());
        }
        for _ in 0..ATTEMPTS {
            let waiting = match Email::parse("email", &draft.email) {
                Ok(email) => {
                    self.refuse_members(&email).await?;
                    self.waiting(&email).await?
                }
                // Told with every other fault.
                Err(_) => None,
            };
            let done = match waiting {
                None => self.0.create(draft.clone()).await,
                Some(waiting) => {
                    let anew = |invitation: &mut Invitation| {
                        let InvitationDraft { email: _, name, roles, title } = draft.clone();
                        invitation.name = name;
                        invitation.roles = roles;
                        invitation.title = title;
                        invitation.sent += 1;
                    };
                    self.0.change(waiting.id, None, anew).await
                }
            };
            match done {
                // Somebody else invites them, too, or has just cancelled it.
                Err(Error::Conflict { code: "DUPLICATE", .. } | Error::NotFound { .. }) => {}
                done => return done,
            }
        }
        Err(Error::busy(Invitation::ENTITY, draft.email))
    }

    /// Sends an invitation once more, good for another while; the link of before is void. Needs
    /// `users:create`.
    ///
    /// # Errors
    /// As [`Invitations::invite`]; [`Error::NotFound`] where it does not wait any more.
    pub async fn resend(&self, id: Id<Invitation>) -> Result<Invitation> {
        for _ in 0..ATTEMPTS {
            match self.0.change(id, None, |invitation| invitation.sent += 1).await {
                Err(error) if is_contended(&error) => {}
                done => return done,
            }
        }
        Err(Error::busy(Invitation::ENTITY, id))
    }

    async fn waiting(&self, email: &Email) -> Result<Option<Invitation>> {
        let find = Find::from(Invitation::EMAIL_LOWER.eq(email.key())).page(1, 1);
        let found = self.within().query_for_rules(find.into_query()?).await?.items;
        let found = found.into_iter().next();
        found.map(|record| Invitation::from_values(record.into_values())).transpose()
    }

    /// Members are known to whoever may invite.
    async fn refuse_members(&self, email: &Email) -> Result<()> {
        let Some(user) = self.within().crm().auth().by_email(email).await? else { return Ok(()) };
        let find = Find::from(Member::USER.eq(user.id)).page(1, 1);
        if self.within().query_for_rules(find.into_query()?).await?.items.is_empty() {
            return Ok(());
        }
        let message = "is a member of the tenant already".to_owned();
        Err(Error::Conflict { code: "DUPLICATE", field: Some("email".to_owned()), message })
    }
}
