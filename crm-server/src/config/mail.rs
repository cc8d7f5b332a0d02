//! How mails leave, and what stands in them.

use std::path::PathBuf;

use clap::Args;
use serde::{Deserialize, Serialize};

use super::{ConfigError, Secret, Span};

/// How the way to the mail server is kept from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum MailTls {
    /// TLS from the first octet (RFC 8314).
    Implicit,
    /// TLS after STARTTLS, and never without (RFC 3207).
    Starttls,
    /// Not at all: for a mail server on the same machine.
    None,
}

/// How mails leave, and what stands in them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mailing {
    /// The mail server; without one no mails are sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Its port: 465, 587 or 25 as `tls` has it where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// How the way there is kept from others.
    pub tls: MailTls,
    /// Certificates that the mail server's may be signed by besides public authorities', as PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// The user to sign in to it as.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// That user's password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    /// A file that holds the password, in place of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// The address that mails come from, with or without a name: `CRM <crm@example.com>`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// How long the mail server may take for one command.
    pub timeout: Span,
    /// The address of the front end, where links in mails lead; `public_url` where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link_base: Option<String>,
    /// A directory of templates that take the place of the server's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub templates: Option<PathBuf>,
}

impl Default for Mailing {
    fn default() -> Self {
        Self {
            host: None,
            port: None,
            tls: MailTls::Starttls,
            ca_file: None,
            user: None,
            password: None,
            password_file: None,
            from: None,
            timeout: Span::seconds(30),
            link_base: None,
            templates: None,
        }
    }
}

/// The longest that a command may take, in seconds: a whole mail has to be done with before
/// another server takes it up.
const LONGEST_TIMEOUT: u64 = 60;

impl Mailing {
    /// Reads the password where it is in a file.
    pub(super) fn read_files(&mut self) -> Result<(), ConfigError> {
        let Some(path) = &self.password_file else { return Ok(()) };
        if self.password.is_some() {
            let both = "mail.password and mail.password_file are both set, keep one";
            return Err(ConfigError::new(both));
        }
        let text = std::fs::read_to_string(path).map_err(|error| {
            ConfigError::new(format!("mail.password_file {}: {error}", path.display()))
        })?;
        self.password = Some(Secret::new(text.trim_end_matches(['\r', '\n'])));
        Ok(())
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let timeout = self.timeout.duration();
        if timeout.is_zero() || timeout.as_secs() > LONGEST_TIMEOUT {
            let message = format!("mail.timeout: expected 1ms to {LONGEST_TIMEOUT}s");
            return Err(ConfigError::new(message));
        }
        if let Some(base) = &self.link_base
            && url(base).is_none()
        {
            let message = format!("mail.link_base: expected https://host, got {base:?}");
            return Err(ConfigError::new(message));
        }
        Ok(())
    }
}

/// A web address without a query, for links to be made from.
fn url(text: &str) -> Option<()> {
    let (scheme, rest) = text.split_once("://")?;
    let plain = !rest.is_empty()
        && !rest.contains(['?', '#', '@', '"', '<', '>', '\\'])
        && !rest.contains(|c: char| c.is_whitespace() || c.is_control());
    (matches!(scheme, "http" | "https") && plain).then_some(())
}

/// The same as flags and environment variables; absent ones leave the file's.
#[derive(Debug, Clone, Default, Args)]
pub struct MailOverrides {
    /// Mail server
    #[arg(long, global = true, env = "CRM_MAIL_HOST")]
    pub mail_host: Option<String>,
    /// Its port
    #[arg(long, global = true, env = "CRM_MAIL_PORT")]
    pub mail_port: Option<u16>,
    /// How the way there is kept from others
    #[arg(long, global = true, env = "CRM_MAIL_TLS")]
    pub mail_tls: Option<MailTls>,
    /// File of certificates that the mail server's may be signed by besides public ones, as PEM
    #[arg(long, global = true, env = "CRM_MAIL_CA_FILE")]
    pub mail_ca_file: Option<PathBuf>,
    /// User to sign in to it as
    #[arg(long, global = true, env = "CRM_MAIL_USER")]
    pub mail_user: Option<String>,
    /// That user's password
    #[arg(long, global = true, env = "CRM_MAIL_PASSWORD", hide_env_values = true)]
    pub mail_password: Option<Secret>,
    /// File that holds the password
    #[arg(long, global = true, env = "CRM_MAIL_PASSWORD_FILE")]
    pub mail_password_file: Option<PathBuf>,
    /// Address that mails come from
    #[arg(long, global = true, env = "CRM_MAIL_FROM")]
    pub mail_from: Option<String>,
    /// How long the mail server may take for one command
    #[arg(long, global = true, env = "CRM_MAIL_TIMEOUT")]
    pub mail_timeout: Option<Span>,
    /// Address of the front end, where links in mails lead
    #[arg(long, global = true, env = "CRM_MAIL_LINK_BASE")]
    pub mail_link_base: Option<String>,
    /// Directory of templates that take the place of the server's own
    #[arg(long, global = true, env = "CRM_MAIL_TEMPLATES")]
    pub mail_templates: Option<PathBuf>,
}

impl MailOverrides {
    pub(super) fn apply(self, mail: &mut Mailing) {
        let Self {
            mail_host,
            mail_port,
            mail_tls,
            mail_ca_file,
            mail_user,
            mail_password,
            mail_password_file,
            mail_from,
            mail_timeout,
            mail_link_base,
            mail_templates,
        } = self;
        // A flag takes the place of either.
        if mail_password.is_some() {
            mail.password_file = None;
        } else if mail_password_file.is_some() {
            mail.password = None;
        }
        set(&mut mail.host, mail_host.map(Some));
        set(&mut mail.port, mail_port.map(Some));
        set(&mut mail.tls, mail_tls);
        set(&mut mail.ca_file, mail_ca_file.map(Some));
        set(&mut mail.user, mail_user.map(Some));
        set(&mut mail.password, mail_password.map(Some));
        set(&mut mail.password_file, mail_password_file.map(Some));
        set(&mut mail.from, mail_from.map(Some));
        set(&mut mail.timeout, mail_timeout);
        set(&mut mail.link_base, mail_link_base.map(Some));
        set(&mut mail.templates, mail_templates.map(Some));
    }
}

fn set<T>(setting: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *setting = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(text: &str) -> Result<Mailing, ConfigError> {
        let mut config = crate::config::Config::parse(text).unwrap();
        config.mail.read_files()?;
        config.mail.check()?;
        Ok(config.mail)
    }

    #[test]
    fn a_password_may_be_in_a_file_instead_and_is_never_shown() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "hunter2\n").unwrap();
        let text = format!("[mail]\nuser = \"crm\"\npassword_file = {:?}", file.path());
        let mail = checked(&text).unwrap();
        assert_eq!(mail.password.as_ref().unwrap().reveal(), "hunter2");
        assert!(!format!("{mail:?}").contains("hunter2"));
        let both = format!("{text}\npassword = \"x\"");
        assert!(checked(&both).unwrap_err().to_string().contains("both set"));
    }

    #[test]
    fn settings_that_cannot_work_are_refused() {
        for (text, named) in [
            ("timeout = \"0s\"", "mail.timeout"),
            ("timeout = \"2m\"", "mail.timeout"),
            ("link_base = \"crm.example.com\"", "mail.link_base"),
            ("link_base = \"https://crm.example.com/?x\"", "mail.link_base"),
            ("link_base = \"javascript://x\"", "mail.link_base"),
        ] {
            let error = checked(&format!("[mail]\n{text}")).unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
        checked("[mail]\nlink_base = \"https://example.com/crm\"\ntimeout = \"60s\"").unwrap();
    }
}
