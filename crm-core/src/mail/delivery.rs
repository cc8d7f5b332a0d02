//! Sending what is queued: one mail at a time, by as many tasks and servers as there are.
//!
//! Whoever sends a mail claims it first, by its version, for as long as [`LEASE`]. So two never
//! send the same one at the same time; where one dies in between, another takes it up, and the
//! mail may come twice rather than never.

use chrono::{DateTime, Utc};

use super::{LEASE, MailKind, MailStatus, PATIENCE, QueuedMail, wait_after};
use crate::Entity;
use crate::auth::OneTimeToken;
use crate::crm::Crm;
use crate::entity::Find;
use crate::error::{Error, Result};
use crate::id::Id;
use crate::ports::{Mail, MailContent, MailError, Mailer};
use crate::records::Unit;
use crate::tenants::{System, Tenant, lately};
use crate::users::{User, UserStatus};
use crate::values::Email;

/// How many of the queue's first are looked at: others may be after them, too.
const LOOK_AT: u32 = 20;

/// What became of one attempt to send a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The mail.
    pub mail: Id<QueuedMail>,
    /// What it tells of.
    pub kind: MailKind,
    /// What became of it.
    pub outcome: Outcome,
}

/// How an attempt to send a mail ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The mail server has it.
    Sent,
    /// There is nobody to send it to any more.
    Dropped,
    /// It is tried again then.
    Postponed {
        /// When.
        until: DateTime<Utc>,
        /// Why it was not sent.
        why: String,
    },
    /// It is not tried again.
    GivenUp {
        /// Why.
        why: String,
    },
}

impl System {
    /// Sends the mail that has waited longest, of those that are due; none where none is. To be
    /// called until it answers none, by a worker that is woken by [`System::mail_queued`] and
    /// looks by itself now and then. Several may do so at once.
    ///
    /// # Errors
    /// Where the store fails: then the mail is tried again once [`LEASE`] is over.
    /// [`Error::Internal`] where this CRM sends no mails.
    pub async fn deliver_mail(&self) -> Result<Option<Delivery>> {
        let crm = self.crm();
        let Some((mailer, _)) = crm.mailing() else {
            return Err(Error::internal("this CRM sends no mails; see CrmBuilder::mails"));
        };
        let Some(Claimed { mail, user, token }) = self.claim_mail().await? else {
            return Ok(None);
        };
        let (id, kind) = (mail.id, mail.kind);
        let outcome = match compose(crm, &mail, user, token).await {
            Ok(Some(composed)) => attempt(&mail, mailer, composed, crm).await,
            Ok(None) => Outcome::Dropped,
            Err(error) => later(&mail, error.to_string(), crm.clock().now()),
        };
        settle(crm, mail, &outcome).await?;
        Ok(Some(Delivery { mail: id, kind, outcome }))
    }

    /// Waits until this program has queued a mail that nobody was woken for yet.
    pub async fn mail_queued(&self) {
        self.crm().mail_waits().notified().await;
    }

    /// Claims a mail that is due, and gives its token a secret in the same commit.
    async fn claim_mail(&self) -> Result<Option<Claimed>> {
        let now = self.crm().clock().now();
        let due = QueuedMail::STATUS.eq(MailStatus::Queued).and(QueuedMail::DUE_AT.le(now));
        let find = Find::from(due).sort(QueuedMail::DUE_AT.asc()).page(1, LOOK_AT);
        for record in self.crm().system_query(find.into_query()?).await?.items {
            let before = QueuedMail::from_values(record.into_values())?;
            let mut unit = Unit::system(self.crm(), None, None);
            let mut claimed = before.clone();
            claimed.attempts += 1;
            claimed.due_at = now + LEASE;
            claimed.set_system(unit.next(&before));
            let user = recipient(self.crm(), &before).await?;
            let token = match (before.token, &user) {
                (None, _) => Token::None,
                (Some(token), user) => {
                    arm(self.crm(), &mut unit, token, &before, user.as_ref()).await?
                }
            };
            unit.update_silently(before, claimed.clone())?;
            match unit.commit_as_system().await {
                Ok(_) => return Ok(Some(Claimed { mail: claimed, user, token })),
                // Somebody else was faster.
                Err(Error::Stale { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }
}

/// A mail that is ours to send.
struct Claimed {
    mail: QueuedMail,
    user: Option<User>,
    token: Token,
}

/// The token of a mail.
enum Token {
    /// It has none.
    None,
    /// It has one that does not hold any more, or that there is nobody for.
    Void,
    /// Its text.
    Armed(String),
}

/// Who gets a mail: the user whom it names, or who has the address now where a password was
/// forgotten.
async fn recipient(crm: &Crm, mail: &QueuedMail) -> Result<Option<User>> {
    let found = match mail.user {
        Some(id) => match crm.auth().user(id).await {
            Ok(user) => Some(user),
            Err(Error::NotFound { .. }) => None,
            Err(error) => return Err(error),
        },
        // An invitation is for whoever gets the mail.
        None if mail.kind == MailKind::Invitation => None,
        None => crm.auth().by_email(&Email::parse("recipient", &mail.recipient)?).await?,
    };
    Ok(found.filter(|user| user.status == UserStatus::Active))
}

async fn arm(
    crm: &Crm,
    unit: &mut Unit,
    token: Id<OneTimeToken>,
    mail: &QueuedMail,
    user: Option<&User>,
) -> Result<Token> {
    let QueuedMail { kind, recipient, .. } = mail;
    let kind = *kind;
    if user.is_none() && kind != MailKind::Invitation {
        return Ok(Token::Void);
    }
    if let (MailKind::ChangeEmail, Some(user)) = (kind, user)
        && !is_still_wanted(crm, user, recipient).await?
    {
        return Ok(Token::Void);
    }
    // A link that sets a password holds for as long as the password is the one that was forgotten.
    let password = user.and_then(|user| user.password.as_deref()).unwrap_or_default();
    let rests_on = (kind == MailKind::ResetPassword).then_some(password);
    let armed = crm.auth().arm(unit, token, user.map(|user| user.id), rests_on).await?;
    Ok(armed.map_or(Token::Void, Token::Armed))
}

/// Whether a user still asks for an address, and nobody else has it.
async fn is_still_wanted(crm: &Crm, user: &User, address: &str) -> Result<bool> {
    if user.pending_email.as_deref() != Some(address) {
        return Ok(false);
    }
    let has_it = crm.auth().by_email(&Email::parse("recipient", address)?).await?;
    Ok(has_it.is_none_or(|other| other.id == user.id))
}

async fn attempt(mail: &QueuedMail, mailer: &dyn Mailer, composed: Mail, crm: &Crm) -> Outcome {
    match mailer.send(composed).await {
        Ok(()) => Outcome::Sent,
        Err(MailError::Permanent(why)) => Outcome::GivenUp { why },
        Err(MailError::Temporary(why)) => later(mail, why, crm.clock().now()),
    }
}

/// Tried again after a while, unless that has gone on for too long.
fn later(mail: &QueuedMail, why: String, now: DateTime<Utc>) -> Outcome {
    let until = now + wait_after(mail.attempts);
    if until - mail.created_at > PATIENCE {
        Outcome::GivenUp { why }
    } else {
        Outcome::Postponed { until, why }
    }
}

/// The mail as it goes out; none where there is nobody to send it to.
async fn compose(
    crm: &Crm,
    mail: &QueuedMail,
    user: Option<User>,
    token: Token,
) -> Result<Option<Mail>> {
    let Some((_, texts)) = crm.mailing() else { return Ok(None) };
    let token = match token {
        Token::None => None,
        Token::Armed(token) => Some(token),
        Token::Void => return Ok(None),
    };
    if user.is_none() && mail.user.is_some() {
        return Ok(None);
    }
    let tenant = match mail.tenant {
        Some(id) => match lately(crm, id).await {
            Ok(tenant) => Some(tenant),
            Err(Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error),
        },
        None => None,
    };
    let locale = match (&tenant, &user) {
        (Some(tenant), _) => tenant.locale.clone(),
        (None, Some(user)) => locale_of(crm, user).await?,
        (None, None) => None,
    };
    let fields = mail.fields.as_ref().and_then(|fields| fields.as_object()).cloned();
    // Written as its owner writes it: what was asked for may only look like it.
    let to = match (&user, mail.user) {
        (Some(user), None) => user.email.clone(),
        _ => mail.recipient.clone(),
    };
    let content = MailContent {
        kind: mail.kind,
        locale,
        // A name that nobody vouches for is not put into a mail to somebody else, nor any into one
        // to an address that may be a stranger's.
        name: user
            .filter(|user| user.email_verified_at.is_some() && mail.kind != MailKind::ChangeEmail)
            .map(|user| user.name),
        to,
        token,
        tenant: tenant.map(|tenant| tenant.name.clone()),
        fields: fields.unwrap_or_default(),
    };
    let said = texts.render(&content)?;
    // A header is one line, whoever found the words.
    let subject = said.subject.split(char::is_control).collect::<Vec<_>>().join(" ");
    let (to, text, html) = (content.to, said.text, said.html);
    Ok(Some(Mail { id: mail.id.uuid(), to, subject: subject.trim().to_owned(), text, html }))
}

/// The language of a user, as far as it is known: that of the tenant joined first.
async fn locale_of(crm: &Crm, user: &User) -> Result<Option<String>> {
    let tenants: Vec<Tenant> = crm.auth().tenants(user.id).await?;
    Ok(tenants.into_iter().find_map(|tenant| tenant.locale))
}

/// Writes down what became of an attempt. Where another server has taken the mail up meanwhile,
/// that one will.
async fn settle(crm: &Crm, before: QueuedMail, outcome: &Outcome) -> Result<()> {
    let mut unit = Unit::system(crm, None, None);
    let mut after = before.clone();
    after.set_system(unit.next(&before));
    let (status, failure) = match outcome {
        Outcome::Sent => (MailStatus::Sent, None),
        Outcome::Dropped => (MailStatus::Dropped, None),
        Outcome::GivenUp { why } => (MailStatus::Failed, Some(why)),
        Outcome::Postponed { until, why } => {
            after.due_at = *until;
            (MailStatus::Queued, Some(why))
        }
    };
    after.status = status;
    after.failure = failure.map(|why| why.chars().filter(|c| !c.is_control()).take(500).collect());
    if status != MailStatus::Queued {
        after.fields = None;
    }
    unit.update_silently(before, after)?;
    match unit.commit_as_system().await {
        Ok(_) | Err(Error::Stale { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}
