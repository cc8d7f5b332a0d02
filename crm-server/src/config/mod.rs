//! The one configuration of the server, and where each setting may come from.
//!
//! A flag wins over an environment variable, that over the file, that over the default. Nothing
//! secret has a default, and nothing here reads the clock or the network. A key in the file that
//! the server does not know is an error: a setting that is silently ignored is worse than a
//! server that does not start.

mod credentials;
mod database;
mod fresh;
mod limits;
mod mail;
mod monitoring;
mod overrides;
mod rate;
mod rotation;
mod secret;
mod span;
mod written;

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;

use serde::{Deserialize, Serialize};

pub use credentials::{Algorithm, Lockout, Mfa, Passwords, Tokens};
pub use database::{Database, StoreKind};
pub use fresh::fresh;
pub use limits::Limits;
pub use mail::{MailOverrides, MailTls, Mailing};
pub use monitoring::{Log, LogFormat, MetricsAccess, Traces};
pub use overrides::Overrides;
pub use rate::{Rate, Rates, WhenAway};
pub use rotation::KeyRing;
pub use secret::{Secret, SecretUrl};
pub use span::Span;
pub use written::WrittenKey;

/// The file that is read where none is named.
pub const DEFAULT_FILE: &str = "crm-server.toml";

/// Everything that can be set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The address to listen on.
    pub bind: SocketAddr,
    /// The address that callers know the server by: in links, in `iss` of tokens.
    pub public_url: String,
    /// How many proxies of one's own stand in front: so many of the last addresses in
    /// `X-Forwarded-For` are believed.
    pub proxies: usize,
    /// Where records are kept.
    pub database: Database,
    /// Access and refresh tokens.
    pub tokens: Tokens,
    /// What passwords must be, and how they are hashed.
    pub passwords: Passwords,
    /// How much guessing of them is put up with.
    pub lockout: Lockout,
    /// Second factors.
    pub mfa: Mfa,
    /// What a single request may cost.
    pub limits: Limits,
    /// What is logged, and how.
    pub log: Log,
    /// Which web pages may call the server.
    pub cors: Cors,
    /// Figures for monitoring.
    pub metrics: MetricsAccess,
    /// Spans of requests, for whoever collects them.
    pub traces: Traces,
    /// How mails leave.
    pub mail: Mailing,
    /// How the server ends.
    pub shutdown: Shutdown,
    /// What becomes of deleted tenants.
    pub tenants: Tenants,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            bind: SocketAddr::from(([127, 0, 0, 1], 8080)),
            public_url: "http://localhost:8080".to_owned(),
            proxies: 0,
            database: Database::default(),
            tokens: Tokens::default(),
            passwords: Passwords::default(),
            lockout: Lockout::default(),
            mfa: Mfa::default(),
            limits: Limits::default(),
            log: Log::default(),
            cors: Cors::default(),
            metrics: MetricsAccess::default(),
            traces: Traces::default(),
            mail: Mailing::default(),
            shutdown: Shutdown::default(),
            tenants: Tenants::default(),
        }
    }
}

/// How the server ends when it is asked to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Shutdown {
    /// How long it goes on answering after SIGTERM while it is not ready any more: until load
    /// balancers have noticed.
    pub notice: Span,
    /// How long what was begun may take to finish.
    pub grace: Span,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self { notice: Span::seconds(5), grace: Span::seconds(30) }
    }
}

/// What becomes of deleted tenants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tenants {
    /// How long an owner can bring one back, before all of it is removed for good.
    pub grace: Span,
}

impl Default for Tenants {
    fn default() -> Self {
        Self { grace: Span::days(30) }
    }
}

/// Which web pages may call the server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cors {
    /// Origins such as `https://crm.example.com`; `*` for any.
    pub origins: Vec<String>,
}

impl Config {
    /// The effective configuration: the file named, or [`DEFAULT_FILE`] where there is one, under
    /// what flags and environment say.
    ///
    /// # Errors
    /// Where a named file is missing, a file is not TOML or has an unknown key, or a value is out
    /// of its bounds.
    pub fn load(file: Option<&Path>, overrides: Overrides) -> Result<Self, ConfigError> {
        let text = match file {
            Some(path) => Some((path, read(path)?)),
            None => {
                let path = Path::new(DEFAULT_FILE);
                if path.exists() { Some((path, read(path)?)) } else { None }
            }
        };
        let mut config = match text {
            None => Self::default(),
            Some((path, text)) => Self::parse(&text)
                .map_err(|error| ConfigError::new(format!("{}: {error}", path.display())))?,
        };
        overrides.apply(&mut config);
        config.database.read_files()?;
        config.mail.read_files()?;
        config.check()?;
        Ok(config)
    }

    /// A configuration file's text.
    ///
    /// # Errors
    /// Where it is not TOML, or names a key that there is not.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        toml::from_str(text).map_err(|error| ConfigError::new(error.to_string()))
    }

    /// The configuration as TOML, with every secret masked.
    ///
    /// # Errors
    /// Never in practice: every setting has a TOML form.
    pub fn masked(&self) -> Result<String, ConfigError> {
        toml::to_string_pretty(self).map_err(|error| ConfigError::new(error.to_string()))
    }

    fn check(&self) -> Result<(), ConfigError> {
        let at_least_one = [
            // One for requests and one for sign-in.
            ("database.pool_size", u64::from(self.database.pool_size / 2)),
            ("tokens.access_lifetime", self.tokens.access_lifetime.as_millis()),
            ("tokens.refresh_lifetime", self.tokens.refresh_lifetime.as_millis()),
            ("tokens.remember_me_lifetime", self.tokens.remember_me_lifetime.as_millis()),
            ("passwords.iterations", u64::from(self.passwords.iterations)),
            ("passwords.parallelism", u64::from(self.passwords.parallelism)),
            ("lockout.attempts", u64::from(self.lockout.attempts)),
            ("lockout.attempts_per_network", u64::from(self.lockout.attempts_per_network)),
        ];
        for (name, value) in at_least_one.into_iter().chain(self.limits.at_least_one()) {
            if value == 0 {
                let least = if name == "database.pool_size" { 2 } else { 1 };
                return Err(ConfigError::new(format!("{name}: expected at least {least}")));
            }
        }
        self.limits.check()?;
        if self.tokens.leeway > Span::minutes(5) {
            return Err(ConfigError::new("tokens.leeway: expected at most 5m"));
        }
        let shortest = crm_core::auth::SHORTEST_PASSWORD;
        if self.passwords.min_length < shortest {
            let least = format!("passwords.min_length: expected at least {shortest}");
            return Err(ConfigError::new(least));
        }
        if !(0.0..=1.0).contains(&self.traces.sample) {
            return Err(ConfigError::new("traces.sample: expected a number from 0 to 1"));
        }
        self.mail.check()
    }
}

fn read(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path)
        .map_err(|error| ConfigError::new(format!("{}: {error}", path.display())))
}

/// Why the server cannot be configured so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError(String);

impl ConfigError {
    /// With a message for the operator.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.trim_end())
    }
}

impl std::error::Error for ConfigError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_key_is_an_error_that_names_it() {
        let error = Config::parse("[limits]\nbody_byte = 3\n").unwrap_err().to_string();
        assert!(error.contains("body_byte"), "{error}");
        let error = Config::parse("[limit]\n").unwrap_err().to_string();
        assert!(error.contains("limit"), "{error}");
    }

    #[test]
    fn what_flags_and_environment_say_wins_over_the_file() {
        let file = "bind = \"0.0.0.0:1\"\n[limits]\npage = 50\n";
        let mut config = Config::parse(file).unwrap();
        let overrides =
            Overrides { bind: Some("127.0.0.1:9".parse().unwrap()), ..Overrides::default() };
        overrides.apply(&mut config);
        assert_eq!(config.bind.port(), 9);
        assert_eq!(config.limits.page, 50, "the file wins over the default");
    }

    #[test]
    fn a_store_must_be_named() {
        let mut database = Database::default();
        assert!(database.kind().unwrap_err().to_string().contains("DATABASE_URL"));
        database.url = Some(SecretUrl::new("memory:"));
        assert_eq!(database.kind().unwrap(), StoreKind::Memory);
        database.url = Some(SecretUrl::new("postgres://crm@localhost/crm"));
        assert_eq!(database.kind().unwrap(), StoreKind::Postgres);
        database.url = Some(SecretUrl::new("mysql://crm@localhost/crm"));
        assert!(database.kind().is_err());
    }

    #[test]
    fn a_url_may_be_in_a_file_instead() {
        let file = std::env::temp_dir().join(format!("crm-server-url-{}", std::process::id()));
        std::fs::write(&file, "postgres://crm:hunter2@db/crm\n").unwrap();
        let named = Overrides { database_url_file: Some(file.clone()), ..Overrides::default() };
        let nowhere = Some(Path::new("/dev/null"));
        let config = Config::load(nowhere, named.clone()).unwrap();
        assert_eq!(config.database.url.unwrap().reveal(), "postgres://crm:hunter2@db/crm");
        let both = Overrides { database_url: Some("memory:".into()), ..named.clone() };
        assert!(Config::load(nowhere, both).is_ok(), "a flag takes the place of either");
        std::fs::remove_file(&file).unwrap();
        let error = Config::load(nowhere, named).unwrap_err().to_string();
        assert!(error.contains("database.url_file"), "{error}");
        let mut config = Config::parse("[database]\nurl = \"memory:\"\nurl_file = \"x\"").unwrap();
        assert!(config.database.read_files().unwrap_err().to_string().contains("both set"));
    }

    #[test]
    fn the_effective_configuration_shows_no_secret() {
        let config = Config::parse(
            "[database]\nurl = \"postgres://crm:hunter2@db/crm\"\n[tokens]\nkey = \"PRIVATE\"\n\
             retired_keys = [\"OLDER\"]\n",
        )
        .unwrap();
        let shown = config.masked().unwrap();
        for secret in ["hunter2", "PRIVATE", "OLDER"] {
            assert!(!shown.contains(secret), "{shown}");
            assert!(!format!("{config:?}").contains(secret));
        }
        assert!(shown.contains("postgres://crm:***@db/crm"), "{shown}");
    }

    #[test]
    fn nothing_secret_has_a_default() {
        let config = Config::default();
        assert!(config.tokens.signing_key().is_err());
        assert!(config.database.url.is_none() && config.database.migration_url.is_none());
    }

    #[test]
    fn zero_is_refused_where_it_would_stop_the_server() {
        let mut config = Config::default();
        config.limits.concurrency = 0;
        assert!(config.check().unwrap_err().to_string().contains("limits.concurrency"));
    }
}
