//! Each check of the settings is broken on purpose, and seen to be the one that fails.

use std::path::PathBuf;

use crm_core::SystemClock;

use super::*;
use crate::config::{Algorithm, MailTls, Secret, SecretUrl, Span};
use crate::tokens::generate_key;

/// RSA of 1024 bits: too short to sign with.
const SHORT_KEY: &str = include_str!("rsa1024.pem");

/// Settings that nothing is to be said against.
fn sound() -> Config {
    let public_url = "https://crm.example.com".to_owned();
    let mut config = Config { public_url, proxies: 1, ..Config::default() };
    let url = "postgres://crm:oak-Lantern-94-river@db.internal/crm?sslmode=verify-full";
    config.database.url = Some(SecretUrl::new(url));
    config.metrics.bind = Some("127.0.0.1:9090".parse().unwrap());
    config.tokens.algorithm = Algorithm::EdDsa;
    config.tokens.key = Some(generate_key(Algorithm::EdDsa).unwrap());
    config.mfa.key = Some(crate::seal::generate_key().unwrap());
    config.mail.host = Some("smtp.example.com".to_owned());
    config.mail.from = Some("CRM <crm@example.com>".to_owned());
    config.mail.link_base = Some("https://crm.example.com".to_owned());
    config
}

fn about(config: &Config, file: Option<&Path>) -> Vec<Check> {
    let mail = vec![mail::settings(config)];
    [settings::checks(config), secrets::checks(config, file), mail].concat()
}

fn ended(checks: &[Check], outcome: Outcome) -> Vec<&str> {
    checks.iter().filter(|check| check.outcome() == outcome).map(|check| check.name).collect()
}

/// A file of the test's own that holds this, under these permissions.
fn file(name: &str, text: &str, mode: u32) -> PathBuf {
    let path = std::env::temp_dir().join(format!("crm-doctor-{}-{name}", std::process::id()));
    std::fs::write(&path, text).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    path
}

#[test]
fn nothing_is_said_against_sound_settings() {
    let checks = about(&sound(), None);
    assert_eq!(ended(&checks, Outcome::Passed).len(), checks.len(), "{checks:#?}");
}

type Change = fn(&mut Config);

/// What is broken, the check that ends so, and words of what it says.
const BROKEN: &[(Change, &str, Outcome, &str)] = &[
    (|c| c.database.url = None, "store", Outcome::Failed, "no store is named"),
    (|c| c.database.url = Some("memory:".into()), "store", Outcome::Warned, "it forgets on stop"),
    (
        |c| c.public_url = "crm.example.com".to_owned(),
        "addresses",
        Outcome::Failed,
        "expected https://host",
    ),
    (
        |c| c.public_url = "https://crm.example.com/app".to_owned(),
        "addresses",
        Outcome::Failed,
        "nothing behind it",
    ),
    (
        |c| c.public_url = "http://crm.example.com".to_owned(),
        "addresses",
        Outcome::Failed,
        "let a proxy in front speak https",
    ),
    (
        |c| {
            c.public_url = "http://localhost:8080".to_owned();
            c.bind = "0.0.0.0:8080".parse().unwrap();
        },
        "addresses",
        Outcome::Failed,
        "leads callers to their own machine",
    ),
    (|c| c.proxies = 0, "addresses", Outcome::Warned, "proxies is 0"),
    (
        |c| c.cors.origins = vec!["crm.example.com".to_owned()],
        "cors",
        Outcome::Failed,
        "which no page comes from",
    ),
    (
        |c| c.cors.origins = vec!["https://crm.example.com/app".to_owned()],
        "cors",
        Outcome::Failed,
        "which no page comes from",
    ),
    (|c| c.cors.origins = vec!["*".to_owned()], "cors", Outcome::Warned, "any page may call"),
    (
        |c| c.cors.origins = vec!["http://crm.example.com".to_owned()],
        "cors",
        Outcome::Warned,
        "is no https",
    ),
    (|c| c.passwords.memory_kib = 4_096, "passwords", Outcome::Failed, "is weak"),
    (|c| c.passwords.iterations = 1, "passwords", Outcome::Failed, "is weak"),
    (
        |c| c.database.url = Some("postgres://crm@db.internal/crm?sslmode=disable".into()),
        "database-link",
        Outcome::Failed,
        "without encryption",
    ),
    (
        |c| c.database.migration_url = Some("postgres://owner@10.0.0.7/crm".into()),
        "database-link",
        Outcome::Warned,
        "database.migration_url encrypts only where the server offers it",
    ),
    (
        |c| c.database.system_url = Some("postgres://system@10.0.0.7/crm".into()),
        "database-link",
        Outcome::Warned,
        "database.system_url encrypts only where the server offers it",
    ),
    (
        |c| c.database.url = Some("postgres://crm@db.internal/crm?sslmode=require".into()),
        "database-link",
        Outcome::Warned,
        "does not ask who the server is",
    ),
    (|c| c.tokens.access_lifetime = Span::days(1), "tokens", Outcome::Warned, "15m is usual"),
    (|c| c.tokens.leeway = Span::minutes(10), "tokens", Outcome::Warned, "outlive their end"),
    (
        |c| c.tokens.remember_me_lifetime = Span::days(1),
        "tokens",
        Outcome::Warned,
        "is shorter than",
    ),
    (|c| c.metrics.bind = None, "metrics", Outcome::Warned, "anybody who reaches the server"),
    (
        |c| c.metrics.bind = Some("0.0.0.0:9090".parse().unwrap()),
        "metrics",
        Outcome::Warned,
        "anybody who reaches 0.0.0.0:9090",
    ),
    (
        |c| c.metrics.token = Some("scrape".into()),
        "metrics",
        Outcome::Failed,
        "fewer than 16 characters",
    ),
    #[cfg(not(feature = "otlp"))]
    (
        |c| c.traces.endpoint = Some("https://collector.example/v1/traces".into()),
        "traces",
        Outcome::Failed,
        "sends no traces",
    ),
    (
        |c| {
            c.traces.endpoint = Some("http://collector.example:4318".into());
            c.traces.headers = Some("api-key=hunter2".into());
        },
        "traces",
        Outcome::Failed,
        "travel in plain",
    ),
    (
        |c| {
            c.traces.endpoint = Some("http://localhost:4318".into());
            c.traces.headers = Some("hunter2".into());
        },
        "traces",
        Outcome::Failed,
        "traces.headers: expected name=value",
    ),
    (
        |c| c.database.url = Some("postgres://crm:secret@localhost/crm".into()),
        "secrets",
        Outcome::Failed,
        "everybody tries first",
    ),
    (
        |c| c.database.url = Some("postgres://Aurora:aur%6Fra@localhost/crm".into()),
        "secrets",
        Outcome::Failed,
        "everybody tries first",
    ),
    (
        |c| c.database.url = Some("postgres://localhost/crm?user=crm&password=Postgres".into()),
        "secrets",
        Outcome::Failed,
        "everybody tries first",
    ),
    (
        |c| c.database.url = Some("postgres://crm:x7-Qr@localhost/crm".into()),
        "secrets",
        Outcome::Warned,
        "fewer than 12 characters",
    ),
    (|c| c.tokens.key = None, "secrets", Outcome::Failed, "no signing key"),
    (|c| c.mfa.key = None, "secrets", Outcome::Failed, "set mfa.key"),
    (|c| c.mfa.key = Some(Secret::new("hunter2")), "secrets", Outcome::Failed, "mfa.key: expected"),
    (
        |c| {
            c.mail.user = Some("crm".to_owned());
            c.mail.password = Some("changeme".into());
        },
        "secrets",
        Outcome::Failed,
        "mail.password is one that everybody tries first",
    ),
    (|c| c.mail.host = None, "mail", Outcome::Warned, "nobody is written to"),
    (|c| c.mail.from = None, "mail", Outcome::Failed, "mail.from"),
    (|c| c.mail.user = Some("crm".to_owned()), "mail", Outcome::Failed, "mail.password"),
    (|c| c.mail.tls = MailTls::None, "mail", Outcome::Failed, "travel for all to read"),
    (|c| c.mail.link_base = None, "mail", Outcome::Warned, "no pages"),
    (
        |c| c.mail.link_base = Some("http://crm.example.com".to_owned()),
        "mail",
        Outcome::Failed,
        "travels for all to read",
    ),
    (
        |c| c.mail.templates = Some("/nowhere/at/all".into()),
        "mail",
        Outcome::Failed,
        "mail.templates",
    ),
    (
        |c| c.tokens.key = Some(Secret::new("hunter2")),
        "secrets",
        Outcome::Failed,
        "expected a PKCS#8 PEM",
    ),
    (
        |c| {
            c.tokens.algorithm = Algorithm::Rs256;
            c.tokens.key = Some(Secret::new(SHORT_KEY));
        },
        "secrets",
        Outcome::Failed,
        "RSA key invalid: TooSmall",
    ),
];

#[test]
fn each_check_says_so_when_its_setting_is_broken_and_no_other_does() {
    for (change, name, outcome, words) in BROKEN {
        let mut config = sound();
        change(&mut config);
        let checks = about(&config, None);
        assert_eq!(ended(&checks, *outcome), [*name], "{words}: {checks:#?}");
        let check = checks.iter().find(|check| check.name == *name).unwrap();
        let said: Vec<&str> = check.findings.iter().map(|finding| &*finding.what).collect();
        assert!(said.iter().any(|what| what.contains(words)), "{words}: {said:?}");
        assert!(!said.iter().any(|what| what.contains("hunter2")), "{said:?}");
    }
}

#[cfg(unix)]
#[test]
fn files_with_secrets_that_others_can_read_are_told() {
    let key = generate_key(Algorithm::EdDsa).unwrap();
    let text = format!("[tokens]\nalgorithm = \"EdDSA\"\nkey = \"\"\"\n{}\"\"\"\n", key.reveal());
    for (mode, outcome) in [
        (0o600, Outcome::Passed),
        (0o400, Outcome::Passed),
        (0o640, Outcome::Warned),
        (0o660, Outcome::Failed),
        (0o604, Outcome::Failed),
        (0o644, Outcome::Failed),
    ] {
        let settings = file(&format!("settings-{mode:o}"), &text, mode);
        let check = secrets::files(&sound(), Some(&settings));
        assert_eq!(check.outcome(), outcome, "{mode:o}: {check:?}");
        let mut config = sound();
        config.tokens.key_file = Some(settings.clone());
        assert_eq!(secrets::files(&config, None).outcome(), outcome, "a key's own file");
        std::fs::remove_file(settings).unwrap();
    }
    for text in ["[metrics]\ntoken = \"x\"\n", "[traces]\nheaders = \"key=x\"\n"] {
        let settings = file("other-secrets", text, 0o644);
        assert_eq!(secrets::files(&sound(), Some(&settings)).outcome(), Outcome::Failed, "{text}");
        std::fs::remove_file(settings).unwrap();
    }
    let open = file("open", "[limits]\npage = 50\n", 0o644);
    let check = secrets::files(&sound(), Some(&open));
    assert_eq!(check.outcome(), Outcome::Passed, "it holds no secret");
    std::fs::remove_file(&open).unwrap();
    assert_eq!(secrets::files(&sound(), Some(&open)).outcome(), Outcome::Failed, "it is gone");
}

#[tokio::test]
async fn a_report_reads_the_same_for_people_and_for_programs() {
    let mut config = sound();
    config.database.url = Some("memory:".into());
    config.passwords.iterations = 1;
    // Nobody listens there.
    config.mail.host = Some("127.0.0.1".to_owned());
    (config.mail.port, config.mail.tls) = (Some(1), MailTls::None);
    let options = PostgresOptions::new("");
    let report = Report::of(&config, None, &options, &SystemClock, false).await;
    let text = report.text();
    assert!(text.contains("\nfailed   passwords      hashing a password"), "{text}");
    assert!(text.contains("✗ passwords.memory_kib 19456"), "{text}");
    assert!(text.contains("! database.url is memory:"), "{text}");
    assert!(text.ends_with("9 passed, 1 with warnings, 2 failed\n"), "{text}");
    assert!(text.contains("✗ mail.host: "), "{text}");
    let json = report.json();
    assert_eq!(json["outcome"], "failed");
    let checks = json["checks"].as_array().unwrap();
    assert_eq!(checks.len(), 12);
    let passwords = checks.iter().find(|check| check["name"] == "passwords").unwrap();
    assert_eq!(passwords["findings"][0]["fails"], true);
    let unreadable = Report::unreadable(&ConfigError::new("limits.page: expected at most 200"));
    assert_eq!(unreadable.count(Outcome::Failed), 1);
    assert!(unreadable.text().contains("limits.page"), "{}", unreadable.text());
}
