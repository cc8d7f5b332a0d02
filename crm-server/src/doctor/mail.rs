//! Whether people can be written to.

use crm_store_postgres::doctor::Check;

use super::settings::{Origin, is_local};
use crate::config::{Config, MailTls};
use crate::mail::{Smtp, Texts};

pub(super) async fn mail(config: &Config) -> Check {
    let mut check = settings(config);
    if let Ok(Some(smtp)) = Smtp::new(&config.mail)
        && let Err(error) = smtp.test().await
    {
        check.fail(format!("mail.host: {error}"));
    }
    check
}

pub(super) fn settings(config: &Config) -> Check {
    let mut check =
        Check::new("mail", "people can be written to, and links in mails lead to the front end");
    let settings = &config.mail;
    let Some(host) = &settings.host else {
        check.warn(
            "mail.host is not set: nobody is written to. A forgotten password cannot be set anew, \
             addresses are not verified, and nobody can be invited",
        );
        return check;
    };
    if let Err(error) = Smtp::check(settings) {
        check.fail(error.to_string());
    }
    if settings.tls == MailTls::None && !is_local(host) {
        check.fail(format!(
            "mail.tls is none: mails to {host}, with links that sign people in, travel for all to \
             read"
        ));
    }
    let base = settings.link_base.as_ref().unwrap_or(&config.public_url);
    if let Err(error) = Texts::new(base, settings.templates.as_deref()) {
        check.fail(error.to_string());
    }
    match &settings.link_base {
        None => check.warn(
            "mail.link_base is not set: links in mails lead to this server, which has no pages",
        ),
        Some(base) => {
            let authority = base.split('/').take(3).collect::<Vec<_>>().join("/");
            match Origin::of(&authority) {
                None => check.fail(format!("mail.link_base: expected https://host, got {base:?}")),
                Some(origin) if origin.is_plain() => check.fail(format!(
                    "mail.link_base is {base}: what links carry travels for all to read"
                )),
                Some(_) => {}
            }
        }
    }
    check
}
