//! Hands mails to a mail server, by SMTP (RFC 5321).
//!
//! A mail is lost only where the mail server, signed in to and ready, refuses that very mail. What
//! else goes wrong may be better later.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use crm_core::ports::{Mail, MailError, Mailer};
use lettre::address::Address;
use lettre::message::header::{Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message, MultiPart, SinglePart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::{AsyncSmtpTransportBuilder, PoolConfig};
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};

use crate::config::{ConfigError, MailTls, Mailing};

/// How many connections to the mail server there are at most.
const CONNECTIONS: u32 = 4;
/// How long one is kept for the next mail.
const KEPT: Duration = Duration::from_secs(30);
/// How many times a mail may take what one command may.
const COMMANDS: u32 = 4;

/// A mail server.
pub struct Smtp {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    patience: Duration,
}

impl fmt::Debug for Smtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Smtp").field("from", &self.from).finish_non_exhaustive()
    }
}

/// A way to a mail server that nothing has been sent on, and the address that mails come from.
type Way = (AsyncSmtpTransportBuilder, Mailbox);

impl Smtp {
    /// The mail server that the settings name; none where they name none. Within a runtime, which
    /// keeps its connections.
    ///
    /// # Errors
    /// As [`Smtp::check`].
    pub fn new(settings: &Mailing) -> Result<Option<Self>, ConfigError> {
        let patience = settings.timeout.duration() * COMMANDS;
        let smtp = |(transport, from): Way| Self { transport: transport.build(), from, patience };
        Ok(Self::way(settings)?.map(smtp))
    }

    /// Whether the settings can be used.
    ///
    /// # Errors
    /// Where one is missing, or contradicts another one.
    pub fn check(settings: &Mailing) -> Result<(), ConfigError> {
        Self::way(settings).map(drop)
    }

    fn way(settings: &Mailing) -> Result<Option<Way>, ConfigError> {
        let Some(host) = &settings.host else { return Ok(None) };
        let fault =
            |name: &str, why: &dyn fmt::Display| ConfigError::new(format!("mail.{name}: {why}"));
        let from = settings.from.as_deref().unwrap_or_default();
        let from: Mailbox = from.parse().map_err(|_| {
            let expected = "expected the address that mails come from, such as \
                            \"CRM <crm@example.com>\"";
            fault("from", &format!("{expected}, got {from:?}"))
        })?;
        let parameters = || {
            let mut parameters = TlsParameters::builder(host.clone());
            if let Some(file) = &settings.ca_file {
                let pem = std::fs::read(file)
                    .map_err(|error| fault("ca_file", &format!("{}: {error}", file.display())))?;
                let certificate = Certificate::from_pem(&pem)
                    .map_err(|error| fault("ca_file", &format!("{}: {error}", file.display())))?;
                parameters = parameters.add_root_certificate(certificate);
            }
            parameters.build().map_err(|error| fault("host", &error))
        };
        let (tls, usual_port) = match settings.tls {
            MailTls::Implicit => (Tls::Wrapper(parameters()?), 465),
            MailTls::Starttls => (Tls::Required(parameters()?), 587),
            MailTls::None => (Tls::None, 25),
        };
        let timeout = settings.timeout.duration();
        let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)
            .port(settings.port.unwrap_or(usual_port))
            .tls(tls)
            .timeout(Some(timeout))
            .pool_config(PoolConfig::new().max_size(CONNECTIONS).idle_timeout(KEPT));
        match (&settings.user, &settings.password) {
            (Some(user), Some(password)) => {
                let credentials = Credentials::new(user.clone(), password.reveal().to_owned());
                transport = transport.credentials(credentials);
            }
            (None, None) => {}
            (Some(_), None) => return Err(fault("password", &"is missing, and mail.user is set")),
            (None, Some(_)) => return Err(fault("user", &"is missing, and mail.password is set")),
        }
        Ok(Some((transport, from)))
    }

    /// Whether the mail server answers, and lets us sign in.
    ///
    /// # Errors
    /// Why not.
    pub async fn test(&self) -> Result<(), String> {
        match tokio::time::timeout(self.patience, self.transport.test_connection()).await {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => Err("the mail server does not answer".to_owned()),
            Ok(Err(error)) => Err(told(&error)),
            Err(_) => Err("the mail server takes too long".to_owned()),
        }
    }

    fn message(&self, mail: Mail) -> Result<Message, String> {
        let Mail { id, to, subject, text, html } = mail;
        let to: Address = to.parse().map_err(|_| "no address that mail goes to".to_owned())?;
        let message = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .message_id(Some(format!("<{id}@{}>", self.from.email.domain())))
            .header(AutoSubmitted)
            .subject(subject);
        let message = match html {
            Some(html) => message.multipart(MultiPart::alternative_plain_html(text, html)),
            None => message.singlepart(SinglePart::plain(text)),
        };
        message.map_err(|error| error.to_string())
    }
}

#[async_trait]
impl Mailer for Smtp {
    async fn send(&self, mail: Mail) -> Result<(), MailError> {
        let message = self.message(mail).map_err(MailError::Permanent)?;
        let sent = tokio::time::timeout(self.patience, self.transport.send(message)).await;
        let error = match sent {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error)) => error,
            Err(_) => {
                return Err(MailError::Temporary("the mail server takes too long".to_owned()));
            }
        };
        // A wrong password, or a server that takes no mail at all, is no fault of the mail.
        if error.is_permanent() && self.test().await.is_ok() {
            return Err(MailError::Permanent(told(&error)));
        }
        Err(MailError::Temporary(told(&error)))
    }
}

/// An error with what caused it.
fn told(error: &lettre::transport::smtp::Error) -> String {
    let mut told = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        let next_told = next.to_string();
        if !told.contains(&next_told) {
            told = format!("{told}: {next_told}");
        }
        cause = next.source();
    }
    told
}

/// Says that nobody wrote it, so that nobody answers by themselves (RFC 3834).
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}
