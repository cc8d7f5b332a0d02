//! How mails leave: what carries them, and what they say.

use std::fmt::{self, Debug};

use async_trait::async_trait;
use uuid::Uuid;

use crate::error::Result;
use crate::mail::MailKind;

/// A mail as it goes out.
#[derive(Clone, PartialEq, Eq)]
pub struct Mail {
    /// What the mail is known by: the same where it is sent again, so that whoever gets it twice
    /// can tell.
    pub id: Uuid,
    /// The address of the one who is to get it.
    pub to: String,
    /// The subject: one line.
    pub subject: String,
    /// What it says, as plain text.
    pub text: String,
    /// The same as HTML.
    pub html: Option<String>,
}

/// Leaves out what it says, since links in it are secrets.
impl Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mail").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Why a mail was not sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MailError {
    /// It may go later: the mail server is away or busy, or asks to be tried again (4xx).
    #[error("not now: {0}")]
    Temporary(String),
    /// It never will: there is no such address, or the mail server refuses the mail (5xx).
    #[error("never: {0}")]
    Permanent(String),
}

/// Hands mails on to whatever delivers them.
///
/// An implementation bounds how long it takes, to well below
/// [`LEASE`](crate::mail::LEASE): after that another server takes the mail up again.
#[async_trait]
pub trait Mailer: Debug + Send + Sync + 'static {
    /// Sends one mail; done once somebody else has taken responsibility for it.
    ///
    /// # Errors
    /// Why not. The texts go into the log and are kept with the mail: they name no secret.
    async fn send(&self, mail: Mail) -> Result<(), MailError>;
}

/// What a mail is to tell, for whoever finds the words.
#[derive(Clone, PartialEq, Eq)]
pub struct MailContent {
    /// What it tells of.
    pub kind: MailKind,
    /// The language and customs of the one who gets it (BCP 47); none where nothing is known.
    pub locale: Option<String>,
    /// What the one who gets it is called; none where that is not to be relied on.
    pub name: Option<String>,
    /// The address that it goes to.
    pub to: String,
    /// What the tenant that it is about is called.
    pub tenant: Option<String>,
    /// The token of the link that the mail brings: a secret, good once.
    pub token: Option<String>,
    /// What else there is to tell, by name; [`MailKind`] says what there is. People wrote some of
    /// it, so none of it may be taken for markup.
    pub fields: serde_json::Map<String, serde_json::Value>,
}

/// Leaves out what it is to say.
impl Debug for MailContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, locale, .. } = self;
        let mut shown = f.debug_struct("MailContent");
        shown.field("kind", kind).field("locale", locale).finish_non_exhaustive()
    }
}

/// The words of a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailText {
    /// The subject: one line.
    pub subject: String,
    /// What it says, as plain text.
    pub text: String,
    /// The same as HTML.
    pub html: Option<String>,
}

/// Finds the words for a mail: languages, templates and links are a host's business.
pub trait MailTexts: Debug + Send + Sync + 'static {
    /// The words.
    ///
    /// # Errors
    /// [`Error::Internal`](crate::Error::Internal) where they cannot be found; the mail is tried
    /// again later.
    fn render(&self, content: &MailContent) -> Result<MailText>;
}
