//! Mails: queued by the change that they tell of, in its own commit, and sent afterwards.
//!
//! A mail is a record from the moment on in which what it tells of is true, so none is lost where
//! the mail server or this program is away, and none is sent of what did not happen. The words are
//! found when it is sent, and nothing that it says is kept once it is. Where a CRM has no
//! [`Mailer`](crate::ports::Mailer), nothing is queued.

mod delivery;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value};

pub use delivery::{Delivery, Outcome};

use crate::auth::OneTimeToken;
use crate::error::{Error, Result};
use crate::id::Id;
use crate::records::Unit;
use crate::tenants::TenantId;
use crate::users::{User, UserId};
use crate::{Choice, Entity};

/// For how long a mail that is being sent is nobody else's to send. A mailer gives up before.
pub const LEASE: TimeDelta = TimeDelta::minutes(10);
/// How long a mail that cannot be sent is tried again.
pub const PATIENCE: TimeDelta = TimeDelta::days(3);
/// The first wait after a failure; each further one is twice as long.
const FIRST_WAIT: TimeDelta = TimeDelta::seconds(30);
/// The longest wait.
const LONGEST_WAIT: TimeDelta = TimeDelta::hours(6);
/// How long what became of a mail is kept.
pub(crate) const KEPT: TimeDelta = TimeDelta::days(7);

/// What a mail tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Choice)]
#[non_exhaustive]
pub enum MailKind {
    /// The address is to be shown to be one's own. Has a token.
    VerifyEmail,
    /// A forgotten password can be set anew. Has a token.
    ResetPassword,
    /// Somebody is asked to work in a tenant. Fields: `by`, who asks, where it is known. Has a
    /// token.
    Invitation,
    /// A user is asked to be a member of a tenant. Fields: `by`, who asks, where it is known. Has
    /// a token.
    MemberAdded,
    /// The password was changed. Fields: `address`, from where, where it is known; `at`.
    PasswordChanged,
    /// The address is to be shown to be the one that a user will sign in with. Has a token.
    ChangeEmail,
    /// Another address was asked for. Fields: `new`, which one; as of a changed password. Has a
    /// token, which stops it.
    EmailChanging,
    /// Another address was confirmed. Fields: as of one that was asked for.
    EmailChanged,
    /// A second factor was added. Fields: as of a changed password.
    SecondFactorAdded,
    /// The second factor was taken away, by the user or by an admin. Fields: as of a changed
    /// password; `address` where the user did it.
    SecondFactorRemoved,
    /// Somebody tried to sign in, often. Fields: `address`, from where, where it is known; `at`;
    /// `until`, to when signing in is held off, where it is.
    SignInsFailed,
}

/// What became of a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Choice)]
pub enum MailStatus {
    /// It is to be sent.
    #[default]
    Queued,
    /// The mail server has it.
    Sent,
    /// There was nobody to send it to any more.
    Dropped,
    /// It could not be sent.
    Failed,
}

/// A mail that is to be sent, or was. No API shows it.
#[derive(Clone, PartialEq, Entity)]
#[entity(name = "mails", global, owners(nobody), no_default_draft)]
#[entity(index(status, due_at))]
pub struct QueuedMail {
    /// The identifier.
    pub id: Id<Self>,
    /// The version: whoever sends it claims it by that.
    pub version: i64,
    /// When it was queued.
    pub created_at: DateTime<Utc>,
    /// When it was last tried.
    pub updated_at: DateTime<Utc>,
    /// Never.
    pub deleted_at: Option<DateTime<Utc>>,
    /// What it tells of.
    pub kind: MailKind,
    /// The address that it goes to.
    #[entity(code)]
    pub recipient: String,
    /// Whose address that is.
    pub user: Option<UserId>,
    /// The tenant that it is about.
    #[entity(filter)]
    pub tenant: Option<TenantId>,
    /// The token that it brings.
    pub token: Option<Id<OneTimeToken>>,
    /// What else there is to tell; nothing once it is sent or given up.
    pub fields: Option<Value>,
    /// What became of it.
    #[entity(filter)]
    pub status: MailStatus,
    /// When it is to be tried next. While it is being sent, when another server may.
    #[entity(filter, sort)]
    pub due_at: DateTime<Utc>,
    /// How often it was tried.
    pub attempts: i64,
    /// Why it was not sent the last time.
    #[entity(code)]
    pub failure: Option<String>,
}

/// Leaves out the address, and what it is to say.
impl std::fmt::Debug for QueuedMail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QueuedMail")
            .field("id", &self.id)
            .field("version", &self.version)
            .field("kind", &self.kind)
            .field("tenant", &self.tenant)
            .field("status", &self.status)
            .field("due_at", &self.due_at)
            .field("attempts", &self.attempts)
            .finish_non_exhaustive()
    }
}

/// A mail in the making.
#[derive(Debug, Clone)]
pub(crate) struct NewMail {
    kind: MailKind,
    recipient: String,
    user: Option<UserId>,
    tenant: Option<TenantId>,
    token: Option<Id<OneTimeToken>>,
    fields: Map<String, Value>,
}

impl NewMail {
    /// To a user, at their address of this moment.
    pub(crate) fn to_user(kind: MailKind, user: &User) -> Self {
        Self {
            kind,
            recipient: user.email.clone(),
            user: Some(user.id),
            tenant: None,
            token: None,
            fields: Map::new(),
        }
    }

    /// To a user, at an address that is not theirs yet.
    pub(crate) fn to_user_at(kind: MailKind, user: &User, address: &str) -> Self {
        Self { recipient: address.to_owned(), ..Self::to_user(kind, user) }
    }

    /// To an address, whoever has it.
    pub(crate) fn to_address(kind: MailKind, address: &str) -> Self {
        Self {
            kind,
            recipient: address.to_owned(),
            user: None,
            tenant: None,
            token: None,
            fields: Map::new(),
        }
    }

    /// Bringing this token.
    pub(crate) fn with(mut self, token: Id<OneTimeToken>) -> Self {
        self.token = Some(token);
        self
    }

    /// About this tenant.
    pub(crate) fn about(mut self, tenant: TenantId) -> Self {
        self.tenant = Some(tenant);
        self
    }

    /// Telling this too, where there is something to tell.
    pub(crate) fn telling(mut self, name: &str, value: Option<impl Into<Value>>) -> Self {
        if let Some(value) = value {
            self.fields.insert(name.to_owned(), value.into());
        }
        self
    }
}

impl Unit {
    /// Lets somebody know of the change by mail, where this CRM sends mails: it is queued by the
    /// same commit. The server sends it soon after.
    pub(crate) fn mail(&mut self, mail: NewMail) -> Result<()> {
        if !self.crm().sends_mails() {
            return Ok(());
        }
        let system = self.fresh::<QueuedMail>();
        let NewMail { kind, recipient, user, tenant, token, fields } = mail;
        self.insert_silently(QueuedMail {
            id: system.id,
            version: system.version,
            created_at: system.created_at,
            updated_at: system.updated_at,
            deleted_at: system.deleted_at,
            kind,
            recipient,
            user,
            tenant,
            token,
            fields: Some(Value::Object(fields)),
            status: MailStatus::Queued,
            due_at: system.created_at,
            attempts: 0,
            failure: None,
        })
    }
}

/// What takes a mail cannot be done where none are sent.
pub(crate) fn no_mail() -> Error {
    let message = "this server sends no mails, which that takes; its operator can set it up";
    Error::Refused { code: "NO_MAIL", message: message.to_owned() }
}

/// How long to wait after so many attempts.
fn wait_after(attempts: i64) -> TimeDelta {
    let doublings = u32::try_from((attempts - 1).clamp(0, 16)).unwrap_or_default();
    LONGEST_WAIT.min(FIRST_WAIT * 2_i32.pow(doublings))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_from_half_a_minute_to_six_hours() {
        assert_eq!(wait_after(1), TimeDelta::seconds(30));
        assert_eq!(wait_after(2), TimeDelta::minutes(1));
        assert_eq!(wait_after(5), TimeDelta::minutes(8));
        assert_eq!(wait_after(11), TimeDelta::hours(6));
        assert_eq!(wait_after(i64::MAX), TimeDelta::hours(6));
    }
}
