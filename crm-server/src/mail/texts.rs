//! The words of mails: templates of ours, or a team's own in place of them.
//!
//! A template is named `<language>/<kind>.txt` or `.html`; the text's first line is the subject.
//! What people wrote goes into them as one line, and escaped where it is HTML. Links lead to the
//! configured address, whatever a request said of its host.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use chrono::{DateTime, Utc};
use crm_core::mail::MailKind;
use crm_core::ports::{MailContent, MailText, MailTexts};
use crm_core::{Choice, Error};
use minijinja::{Environment, UndefinedBehavior, Value};

use crate::config::ConfigError;

/// The language where nothing else is known, or translated.
const LANGUAGE: &str = "en";
const LAYOUT: &str = "layout.html";

macro_rules! ours {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../../templates/mail/", $name)))),*]
    };
}

/// The templates of ours.
const OURS: &[(&str, &str)] = &ours![
    "layout.html",
    "en/invitation.txt",
    "en/invitation.html",
    "en/member_added.txt",
    "en/member_added.html",
    "en/verify_email.txt",
    "en/verify_email.html",
    "en/reset_password.txt",
    "en/reset_password.html",
    "en/password_changed.txt",
    "en/password_changed.html",
    "en/change_email.txt",
    "en/change_email.html",
    "en/email_changing.txt",
    "en/email_changing.html",
    "en/email_changed.txt",
    "en/email_changed.html",
    "en/second_factor_added.txt",
    "en/second_factor_added.html",
    "en/second_factor_removed.txt",
    "en/second_factor_removed.html",
    "en/sign_ins_failed.txt",
    "en/sign_ins_failed.html",
];

/// What a mail of a kind tells besides what all do. A field that is absent is `none` there.
fn fields(kind: MailKind) -> &'static [&'static str] {
    match kind {
        MailKind::Invitation | MailKind::MemberAdded => &["by"],
        MailKind::ResetPassword => &["by"],
        MailKind::PasswordChanged | MailKind::SecondFactorAdded | MailKind::SecondFactorRemoved => {
            &["at", "address"]
        }
        MailKind::EmailChanging | MailKind::EmailChanged => &["new", "at", "address"],
        MailKind::SignInsFailed => &["at", "address", "until"],
        _ => &[],
    }
}

/// The page of the front end that a token of a kind's mails is for.
fn page(kind: MailKind) -> &'static str {
    match kind {
        MailKind::VerifyEmail => "verify-email",
        MailKind::ResetPassword => "reset-password",
        MailKind::ChangeEmail => "confirm-email",
        MailKind::EmailChanging => "keep-email",
        MailKind::Invitation | MailKind::MemberAdded => "accept-invitation",
        _ => "",
    }
}

/// Templates, and where links in them lead.
#[derive(Debug)]
pub struct Texts {
    templates: Environment<'static>,
    names: BTreeSet<String>,
    link_base: String,
    site: String,
}

impl Texts {
    /// Ours, under those of a directory where one is named. Each is tried out, so that one that
    /// cannot be used is known before a mail needs it.
    ///
    /// # Errors
    /// Where the directory has a file that is no template, or one that cannot be rendered.
    pub fn new(link_base: &str, directory: Option<&Path>) -> Result<Self, ConfigError> {
        let mut sources: BTreeMap<String, String> =
            OURS.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        if let Some(directory) = directory {
            sources.extend(read(directory)?);
        }
        let mut templates = Environment::new();
        templates.set_undefined_behavior(UndefinedBehavior::Strict);
        templates.add_filter("moment", moment);
        let names = sources.keys().cloned().collect();
        for (name, text) in sources {
            templates
                .add_template_owned(name.clone(), text)
                .map_err(|error| ConfigError::new(format!("mail.templates: {name}: {error:#}")))?;
        }
        let link_base = link_base.trim_end_matches('/').to_owned();
        let site = link_base.split_once("://").map_or(&*link_base, |(_, site)| site).to_owned();
        let texts = Self { templates, names, link_base, site };
        texts.try_out()?;
        Ok(texts)
    }

    fn try_out(&self) -> Result<(), ConfigError> {
        for name in self.names.iter().filter(|name| *name != LAYOUT) {
            let Some((language, kind)) = parts(name) else { continue };
            let sample = MailContent {
                kind,
                locale: Some(language.to_owned()),
                name: Some("Ada".to_owned()),
                to: "ada@example.com".to_owned(),
                tenant: Some("Acme".to_owned()),
                token: Some("token".to_owned()),
                fields: serde_json::Map::new(),
            };
            self.words(&sample)
                .map_err(|error| ConfigError::new(format!("mail.templates: {name}: {error}")))?;
        }
        Ok(())
    }

    /// The language of a mail: the most exact one that there are words in.
    fn language<'a>(&self, locale: Option<&'a str>, kind: MailKind) -> &'a str {
        let mut wanted = locale.unwrap_or(LANGUAGE);
        loop {
            if self.names.contains(&format!("{wanted}/{kind}.txt")) {
                return wanted;
            }
            match wanted.rsplit_once('-') {
                Some((wider, _)) => wanted = wider,
                None => return LANGUAGE,
            }
        }
    }

    fn words(&self, content: &MailContent) -> Result<MailText, String> {
        let MailContent { kind, locale, name, to, tenant, token, fields: told } = content;
        let language = self.language(locale.as_deref(), *kind);
        let mut values: BTreeMap<String, Value> = BTreeMap::new();
        for name in fields(*kind) {
            values.insert((*name).to_owned(), Value::from(()));
        }
        for (name, value) in told {
            values.insert(name.clone(), of_json(value));
        }
        let text_or_none = |text: &Option<String>| {
            text.as_deref().map_or_else(|| Value::from(()), |text| Value::from(one_line(text)))
        };
        values.insert("name".to_owned(), text_or_none(name));
        values.insert("tenant".to_owned(), text_or_none(tenant));
        values.insert("token".to_owned(), text_or_none(token));
        let link = token.as_ref().map(|token| {
            let token =
                token.replace(|c: char| !c.is_ascii_alphanumeric() && !"-_.".contains(c), "");
            format!("{}/{}?token={token}", self.link_base, page(*kind))
        });
        values.insert("link".to_owned(), text_or_none(&link));
        values.insert("to".to_owned(), Value::from(one_line(to)));
        values.insert("language".to_owned(), Value::from(language));
        values.insert("link_base".to_owned(), Value::from(&*self.link_base));
        values.insert("site".to_owned(), Value::from(&*self.site));
        let rendered = |name: &str, values: &BTreeMap<String, Value>| {
            let template = self.templates.get_template(name);
            let rendered = template.and_then(|template| template.render(values));
            rendered.map_err(|error| format!("{error:#}"))
        };
        let text = rendered(&format!("{language}/{kind}.txt"), &values)?;
        let (first, text) = text.split_once('\n').unwrap_or((&text, ""));
        let subject = first.strip_prefix("Subject:").map(str::trim).filter(|s| !s.is_empty());
        let subject = subject.ok_or("the first line is to be `Subject: …`")?.to_owned();
        values.insert("subject".to_owned(), Value::from(&*subject));
        let html = format!("{language}/{kind}.html");
        let html = if self.names.contains(&html) { Some(rendered(&html, &values)?) } else { None };
        Ok(MailText { subject, text: text.trim_start().to_owned(), html })
    }
}

impl MailTexts for Texts {
    fn render(&self, content: &MailContent) -> crm_core::Result<MailText> {
        self.words(content).map_err(Error::internal)
    }
}

/// Language and kind of a template's name.
fn parts(name: &str) -> Option<(&str, MailKind)> {
    let (language, file) = name.split_once('/')?;
    let kind = file.strip_suffix(".txt").or_else(|| file.strip_suffix(".html"))?;
    let is_language =
        !language.is_empty() && language.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    Some((language, MailKind::from_code(kind).filter(|_| is_language)?))
}

/// A team's own templates, by name.
fn read(directory: &Path) -> Result<BTreeMap<String, String>, ConfigError> {
    let fault = |path: &Path, why: &dyn std::fmt::Display| {
        ConfigError::new(format!("mail.templates: {}: {why}", path.display()))
    };
    let entries = |path: &Path| {
        let entries = std::fs::read_dir(path).map_err(|error| fault(path, &error))?;
        let paths = entries.map(|entry| entry.map(|entry| entry.path()));
        paths.collect::<Result<Vec<_>, _>>().map_err(|error| fault(path, &error))
    };
    let mut found = BTreeMap::new();
    for path in entries(directory)? {
        let files = if path.is_dir() { entries(&path)? } else { vec![path] };
        for file in files {
            let name = file.strip_prefix(directory).unwrap_or(&file).to_string_lossy();
            let name = name.replace(std::path::MAIN_SEPARATOR, "/");
            if name != LAYOUT && parts(&name).is_none() {
                let kinds = MailKind::ALL.iter().map(|kind| kind.code()).collect::<Vec<_>>();
                let kinds = kinds.join(", ");
                let expected = format!(
                    "expected layout.html, or <language>/<kind>.txt or .html, with kind one of \
                     {kinds}"
                );
                return Err(fault(&file, &expected));
            }
            let text = std::fs::read_to_string(&file).map_err(|error| fault(&file, &error))?;
            found.insert(name, text);
        }
    }
    Ok(found)
}

/// What somebody wrote, as one line without what terminals and mail programs act on.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn of_json(value: &serde_json::Value) -> Value {
    match value {
        serde_json::Value::String(text) => Value::from(one_line(text)),
        serde_json::Value::Array(items) => items.iter().map(of_json).collect(),
        serde_json::Value::Bool(flag) => Value::from(*flag),
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(number) => Value::from(number),
            None => Value::from(number.to_string()),
        },
        serde_json::Value::Null | serde_json::Value::Object(_) => Value::from(()),
    }
}

/// A moment as people read it.
fn moment(value: String) -> String {
    match value.parse::<DateTime<Utc>>() {
        Ok(at) => at.format("%Y-%m-%d %H:%M UTC").to_string(),
        Err(_) => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "https://crm.example.com/app/";

    fn content(kind: MailKind) -> MailContent {
        MailContent {
            kind,
            locale: None,
            name: Some("Ada".to_owned()),
            to: "ada@example.com".to_owned(),
            tenant: Some("Acme".to_owned()),
            token: Some("t.o-k_en".to_owned()),
            fields: serde_json::Map::new(),
        }
    }

    fn written(texts: &Texts, content: &MailContent) -> MailText {
        texts.render(content).unwrap()
    }

    #[test]
    fn every_kind_has_words_as_text_and_as_html() {
        let texts = Texts::new(BASE, None).unwrap();
        for kind in MailKind::ALL {
            let mail = written(&texts, &content(*kind));
            assert!(!mail.subject.contains('\n') && !mail.text.trim().is_empty(), "{kind}");
            assert!(mail.text.contains("https://crm.example.com/app"), "{kind}");
            assert!(!mail.text.contains("app//"), "{kind}");
            assert!(mail.html.unwrap().contains("</html>"), "{kind}");
            for name in OURS.iter().map(|(name, _)| name) {
                assert!(*name == LAYOUT || parts(name).is_some(), "{name}");
            }
        }
    }

    #[test]
    fn what_people_wrote_is_neither_markup_nor_another_header() {
        let texts = Texts::new(BASE, None).unwrap();
        let mut bad = content(MailKind::MemberAdded);
        bad.tenant = Some("Acme\r\nBcc: all@example.com\n\n<script>".to_owned());
        bad.name = Some("{{ 7 * 7 }}<a href='x'>".to_owned());
        bad.fields.insert("by".to_owned(), "<img src=x>\u{1b}[2J".into());
        let mail = written(&texts, &bad);
        assert!(mail.subject.contains("Acme  Bcc: all@example.com"), "{}", mail.subject);
        assert!(!mail.subject.contains(char::is_control));
        assert!(mail.text.contains("{{ 7 * 7 }}") && !mail.text.contains('\u{1b}'));
        let html = mail.html.unwrap();
        assert!(
            !html.contains("<script") && !html.contains("<img") && !html.contains("<a href='x'")
        );
    }

    #[test]
    fn a_teams_own_templates_take_the_place_of_ours_and_add_languages() {
        let directory = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| {
            let path = directory.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        put("de/member_added.txt", "Subject: Willkommen bei {{ tenant }}\n\nHallo {{ name }}\n");
        put("layout.html", "<i>{% block content %}{% endblock %}</i>");
        let texts = Texts::new(BASE, Some(directory.path())).unwrap();
        let mut asked = content(MailKind::MemberAdded);
        assert!(written(&texts, &asked).html.unwrap().starts_with("<i>"));
        asked.locale = Some("de-AT".to_owned());
        let german = written(&texts, &asked);
        assert_eq!((&*german.subject, &*german.text), ("Willkommen bei Acme", "Hallo Ada"));
        assert_eq!(german.html, None, "no words in another language");
        asked.kind = MailKind::PasswordChanged;
        assert!(written(&texts, &asked).text.contains("password"), "ours where there are none");
        for (name, text, told) in [
            ("en/member_added.txt", "Subject: {{ tenat }}\n", "undefined"),
            ("en/member_added.txt", "no subject\n", "Subject"),
            ("en/member_added.txt", "Subject: {% if %}\n", "syntax"),
            ("en/no_such_kind.txt", "Subject: x\n", "member_added"),
        ] {
            put(name, text);
            let error = Texts::new(BASE, Some(directory.path())).unwrap_err().to_string();
            assert!(error.contains(told) && error.contains("mail.templates"), "{error}");
            std::fs::remove_file(directory.path().join(name)).unwrap();
        }
    }
}
