//! The secrets: whether they can be guessed, and who can read the files that hold them. None of
//! them is told.

use std::fs;
use std::path::Path;

use crm_store_postgres::doctor::Check;

use crate::config::{self, Config, Database, Secret, SecretUrl};
use crate::tokens::Keys;

/// What stands in examples, ours among them, and what is tried first.
const SAMPLES: &[&str] = &[
    "secret",
    "password",
    "passw0rd",
    "changeme",
    "change-me",
    "change_me",
    "postgres",
    "crm",
    "crm_app",
    "crm_owner",
    "admin",
    "root",
    "test",
    "example",
    "letmein",
    "qwerty",
    "123456",
    "12345678",
    "your-password",
    "yourpassword",
    "default",
    "insecure",
];
/// Characters of a password that nobody has to remember.
const SHORT: usize = 12;

pub(super) fn checks(config: &Config, file: Option<&Path>) -> Vec<Check> {
    vec![secrets(config), files(config, file)]
}

pub(super) fn secrets(config: &Config) -> Check {
    let mut check = Check::new("secrets", "no secret is a sample, short, or missing");
    let database = &config.database;
    for (name, url) in [
        ("database.url", &database.url),
        ("database.system_url", &database.system_url),
        ("database.migration_url", &database.migration_url),
    ] {
        let Some((user, password)) = url.as_ref().and_then(credentials) else { continue };
        let lower = password.to_lowercase();
        if SAMPLES.contains(&lower.as_str()) || lower == user.to_lowercase() {
            check.fail(format!("{name}: the password is one that everybody tries first"));
        } else if password.chars().count() < SHORT {
            check.warn(format!("{name}: the password has fewer than {SHORT} characters"));
        }
    }
    if let Some(password) = config.mail.password.as_ref().map(Secret::reveal)
        && SAMPLES.contains(&password.to_lowercase().as_str())
    {
        check.fail("mail.password is one that everybody tries first");
    }
    let tokens = &config.tokens;
    // A key that is too short to sign with is none.
    let keys = tokens
        .keys()
        .map_err(|error| error.to_string())
        .and_then(|written| Keys::new(&written, tokens).map_err(|error| error.to_string()));
    if let Err(error) = keys {
        check.fail(error);
    }
    if let Err(error) = config.mfa.sealing_keys() {
        check.fail(error.to_string());
    }
    check
}

/// User and password of a URL, whether the password stands before the host or in the query.
fn credentials(url: &SecretUrl) -> Option<(String, String)> {
    let (_, rest) = url.reveal().split_once("://")?;
    let (before, query) = rest.split_once('?').unwrap_or((rest, ""));
    let named = |name: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| decoded(value))
    };
    let userinfo = before.rsplit_once('@').map_or("", |(userinfo, _)| userinfo);
    let (user, password) = userinfo
        .split_once(':')
        .map_or((userinfo, None), |(user, password)| (user, Some(decoded(password))));
    let password = named("password").or(password)?;
    Some((named("user").unwrap_or_else(|| decoded(user)), password))
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, more)) = rest.split_first() {
        let code = more.get(..2).and_then(|code| std::str::from_utf8(code).ok());
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()).filter(|_| *first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = &more[2..];
            }
            None => {
                bytes.push(*first);
                rest = more;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

pub(super) fn files(config: &Config, file: Option<&Path>) -> Check {
    let mut check =
        Check::new("files", "files with secrets are read by the server's user alone, and whole");
    let default = Path::new(config::DEFAULT_FILE);
    let settings = file.or_else(|| default.exists().then_some(default));
    if let Some(path) = settings {
        match fs::read_to_string(path) {
            Ok(text) if holds_secrets(&text) => permissions(&mut check, path),
            Ok(_) => {}
            Err(error) => check.fail(format!("{}: {error}", path.display())),
        }
    }
    let Database { url_file, system_url_file, migration_url_file, .. } = &config.database;
    let mail = &config.mail.password_file;
    let keys = [&config.tokens.key_file, &config.mfa.key_file];
    let named = keys.into_iter().chain([url_file, system_url_file, migration_url_file, mail]);
    for path in named.flatten() {
        permissions(&mut check, path);
    }
    check
}

fn holds_secrets(text: &str) -> bool {
    let Ok(config) = Config::parse(text) else { return true };
    let Database { url, system_url, migration_url, .. } = &config.database;
    let urls = [url, system_url, migration_url];
    config.tokens.key.is_some()
        || config.metrics.token.is_some()
        || !config.tokens.retired_keys.is_empty()
        || config.traces.headers.is_some()
        || config.mail.password.is_some()
        || config.mfa.key.is_some()
        || !config.mfa.retired_keys.is_empty()
        || urls.into_iter().flatten().any(|url| credentials(url).is_some())
}

#[cfg(unix)]
fn permissions(check: &mut Check, path: &Path) {
    use std::os::unix::fs::PermissionsExt;

    let shown = path.display();
    let mode = match fs::metadata(path) {
        Ok(metadata) => metadata.permissions().mode() & 0o777,
        Err(error) => return check.fail(format!("{shown}: {error}")),
    };
    if mode & 0o007 != 0 {
        check.fail(format!("{shown} is open to everybody (mode {mode:o}): chmod 600 {shown}"));
    } else if mode & 0o020 != 0 {
        check.fail(format!("{shown} can be written by its group (mode {mode:o}): chmod 640"));
    } else if mode & 0o040 != 0 {
        check.warn(format!(
            "{shown} can be read by its group (mode {mode:o}): chmod 600, or keep \
             the server alone in that group"
        ));
    }
}

#[cfg(not(unix))]
fn permissions(check: &mut Check, path: &Path) {
    if let Err(error) = fs::metadata(path) {
        check.fail(format!("{}: {error}", path.display()));
    }
}
