//! The one configuration of the server, and where each setting may come from.
//!
//! A flag wins over an environment variable, that over the file, that over the default. Nothing
//! secret has a default, and nothing here reads the clock or the network. A key in the file that
//! the server does not know is an error: a setting that is silently ignored is worse than a
//! server that does not start.

mod fresh;
mod overrides;
mod secret;
mod span;

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use fresh::fresh;
pub use overrides::Overrides;
pub use secret::{Secret, SecretUrl};
pub use span::Span;

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
    /// How passwords are hashed.
    pub passwords: Passwords,
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
            limits: Limits::default(),
            log: Log::default(),
            cors: Cors::default(),
            metrics: MetricsAccess::default(),
            traces: Traces::default(),
            shutdown: Shutdown::default(),
            tenants: Tenants::default(),
        }
    }
}

/// Where records are kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Database {
    /// `postgres://user:password@host/database`, or `memory:` for one that forgets everything
    /// when the server stops. There is no default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<SecretUrl>,
    /// A file that holds `url`, in place of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url_file: Option<PathBuf>,
    /// The same database as the user for sign-in and scheduled work, where that is another one
    /// than for tenants' requests: behind a pooler in transaction mode. `url` if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system_url: Option<SecretUrl>,
    /// A file that holds `system_url`, in place of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system_url_file: Option<PathBuf>,
    /// The same database under the role that owns the tables, for migrating; `url` if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub migration_url: Option<SecretUrl>,
    /// A file that holds `migration_url`, in place of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub migration_url_file: Option<PathBuf>,
    /// Whether `serve` brings the tables up to date before it listens; otherwise `migrate` must.
    pub migrate_on_start: bool,
    /// The most connections at once.
    pub pool_size: u32,
    /// How long to wait for a free connection.
    pub acquire_timeout: Span,
    /// How long one statement may take.
    pub statement_timeout: Span,
    /// Whether to start under a role that bypasses row security: a superuser or the owner.
    pub allow_privileged_role: bool,
}

impl Default for Database {
    fn default() -> Self {
        Self {
            url: None,
            url_file: None,
            system_url: None,
            system_url_file: None,
            migration_url: None,
            migration_url_file: None,
            migrate_on_start: true,
            pool_size: 10,
            acquire_timeout: Span::seconds(5),
            statement_timeout: Span::seconds(30),
            allow_privileged_role: false,
        }
    }
}

/// Which store the configuration names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreKind {
    /// Records in memory.
    Memory,
    /// Records in PostgreSQL.
    Postgres,
}

impl Database {
    /// Reads the URLs that are in files.
    fn read_files(&mut self) -> Result<(), ConfigError> {
        let Self { url, url_file, system_url, system_url_file, .. } = self;
        let Self { migration_url, migration_url_file, .. } = self;
        for (name, url, file) in [
            ("url", url, url_file),
            ("system_url", system_url, system_url_file),
            ("migration_url", migration_url, migration_url_file),
        ] {
            let Some(path) = file else { continue };
            if url.is_some() {
                let both =
                    format!("database.{name} and database.{name}_file are both set, keep one");
                return Err(ConfigError::new(both));
            }
            let text = std::fs::read_to_string(&*path).map_err(|error| {
                ConfigError::new(format!("database.{name}_file {}: {error}", path.display()))
            })?;
            *url = Some(SecretUrl::new(text.trim()));
        }
        Ok(())
    }

    /// Which store the URL names.
    ///
    /// # Errors
    /// Where there is no URL, or one of an unknown scheme.
    pub fn kind(&self) -> Result<StoreKind, ConfigError> {
        let Some(url) = &self.url else {
            return Err(ConfigError::new(
                "no store is named: set database.url (or DATABASE_URL) to postgres://… or memory:",
            ));
        };
        let url = url.reveal();
        if url == "memory:" || url == "memory" {
            Ok(StoreKind::Memory)
        } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            Ok(StoreKind::Postgres)
        } else {
            Err(ConfigError::new(
                "database.url: expected postgres://… or memory:, got another scheme",
            ))
        }
    }
}

/// The algorithm that access tokens are signed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
pub enum Algorithm {
    /// RSA with SHA-256, understood everywhere.
    #[serde(rename = "RS256")]
    #[value(name = "RS256", alias = "rs256")]
    Rs256,
    /// Ed25519: smaller and faster to sign.
    #[serde(rename = "EdDSA")]
    #[value(name = "EdDSA", alias = "eddsa")]
    EdDsa,
}

/// Access and refresh tokens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tokens {
    /// The algorithm of `key`.
    pub algorithm: Algorithm,
    /// The private key that signs, as PKCS#8 PEM. There is no default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<Secret>,
    /// A file that holds the key, in place of `key`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
    /// Private keys that signed before, as PEM, oldest last: their tokens hold until they expire.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub retired_keys: Vec<Secret>,
    /// For whom tokens are: `aud`.
    pub audience: String,
    /// How long an access token holds.
    pub access_lifetime: Span,
    /// How long a session lives without being used.
    pub refresh_lifetime: Span,
    /// The same where the user asked to be remembered.
    pub remember_me_lifetime: Span,
    /// How far the clocks of two servers may differ.
    pub leeway: Span,
}

impl Default for Tokens {
    fn default() -> Self {
        Self {
            algorithm: Algorithm::Rs256,
            key: None,
            key_file: None,
            retired_keys: Vec::new(),
            audience: "crm".to_owned(),
            access_lifetime: Span::minutes(15),
            refresh_lifetime: Span::days(30),
            remember_me_lifetime: Span::days(90),
            leeway: Span::seconds(30),
        }
    }
}

impl Tokens {
    /// The signing key, read from its file where it is in one.
    ///
    /// # Errors
    /// Where there is none, or the file cannot be read.
    pub fn signing_key(&self) -> Result<Secret, ConfigError> {
        match (&self.key, &self.key_file) {
            (Some(_), Some(_)) => {
                Err(ConfigError::new("tokens.key and tokens.key_file are both set, keep one"))
            }
            (Some(key), None) => Ok(key.clone()),
            (None, Some(file)) => std::fs::read_to_string(file).map(Secret::new).map_err(|error| {
                ConfigError::new(format!("tokens.key_file {}: {error}", file.display()))
            }),
            (None, None) => Err(ConfigError::new(
                "no signing key: set tokens.key or tokens.key_file (`crm-server init` makes one)",
            )),
        }
    }
}

/// How passwords are hashed: Argon2id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Passwords {
    /// KiB of memory for one hash.
    pub memory_kib: u32,
    /// Passes over it.
    pub iterations: u32,
    /// Lanes.
    pub parallelism: u32,
    /// How many hashes are computed at once; the number of processors where it is 0.
    pub concurrency: usize,
}

impl Default for Passwords {
    fn default() -> Self {
        Self { memory_kib: 19_456, iterations: 2, parallelism: 1, concurrency: 0 }
    }
}

/// What a single request may cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// The most bytes in a JSON body.
    pub body_bytes: usize,
    /// How deep a JSON body may nest.
    pub nesting: usize,
    /// The most records on a page.
    pub page: u32,
    /// How long a request may take.
    pub request_timeout: Span,
    /// How many requests are worked on at once.
    pub concurrency: usize,
    /// The most bytes in a URL's path and query.
    pub url_bytes: usize,
    /// The most bytes in all headers of a request.
    pub header_bytes: usize,
    /// The most headers of a request.
    pub headers: usize,
    /// How long the head of a request may take to come.
    pub header_timeout: Span,
    /// How long its body may take to come.
    pub body_timeout: Span,
    /// How long a connection may be silent.
    pub idle_timeout: Span,
    /// How many connections there may be.
    pub connections: usize,
    /// The most conditions in a filter.
    pub filter_terms: usize,
    /// How many exports are made at once.
    pub exports: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 1 << 20,
            nesting: 32,
            page: 200,
            request_timeout: Span::seconds(30),
            concurrency: 1_024,
            // A filter of its greatest length, each of its octets escaped.
            url_bytes: 32_768,
            header_bytes: 16_384,
            headers: 100,
            header_timeout: Span::seconds(10),
            body_timeout: Span::seconds(20),
            // Longer than most clients and load balancers keep a connection.
            idle_timeout: Span::seconds(75),
            connections: 4_096,
            filter_terms: 200,
            // Each holds a thousand records or two.
            exports: 8,
        }
    }
}

/// Who gets figures for monitoring, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MetricsAccess {
    /// Whether there is `GET /metrics`.
    pub enabled: bool,
    /// An address of their own; the server's where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bind: Option<SocketAddr>,
    /// What whoever asks must send as bearer token; nothing where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<Secret>,
}

impl Default for MetricsAccess {
    fn default() -> Self {
        Self { enabled: true, bind: None, token: None }
    }
}

/// Where spans of requests are sent, by OTLP over HTTP. A server that was built without the feature
/// `otlp` refuses to start with an endpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Traces {
    /// The URL of a collector, `http://localhost:4318/v1/traces`; nothing is sent where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Headers to send along, `name=value` separated by commas: a key of the collector's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headers: Option<Secret>,
    /// The certificates that the collector's is to be signed by, as PEM, in place of those of
    /// public authorities.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Which part of the traces that begin here is recorded, from 0 to 1. Where a caller has begun
    /// one, it has decided.
    pub sample: f64,
    /// What the server is called there: `service.name`.
    pub service: String,
}

impl Default for Traces {
    fn default() -> Self {
        Self {
            endpoint: None,
            headers: None,
            ca_file: None,
            sample: 1.0,
            service: "crm-server".to_owned(),
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

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What is logged, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// How lines look.
    pub format: LogFormat,
    /// A level, or a filter such as `info,sqlx=warn`.
    pub level: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Text, level: "info".to_owned() }
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
            ("limits.body_bytes", self.limits.body_bytes as u64),
            ("limits.nesting", self.limits.nesting as u64),
            ("limits.page", u64::from(self.limits.page)),
            ("limits.concurrency", self.limits.concurrency as u64),
            ("limits.request_timeout", self.limits.request_timeout.as_millis()),
            ("limits.url_bytes", self.limits.url_bytes as u64),
            ("limits.header_bytes", self.limits.header_bytes as u64),
            ("limits.headers", self.limits.headers as u64),
            ("limits.header_timeout", self.limits.header_timeout.as_millis()),
            ("limits.body_timeout", self.limits.body_timeout.as_millis()),
            ("limits.idle_timeout", self.limits.idle_timeout.as_millis()),
            ("limits.connections", self.limits.connections as u64),
            ("limits.filter_terms", self.limits.filter_terms as u64),
            ("limits.exports", self.limits.exports as u64),
            ("tokens.access_lifetime", self.tokens.access_lifetime.as_millis()),
            ("tokens.refresh_lifetime", self.tokens.refresh_lifetime.as_millis()),
            ("tokens.remember_me_lifetime", self.tokens.remember_me_lifetime.as_millis()),
            ("passwords.iterations", u64::from(self.passwords.iterations)),
            ("passwords.parallelism", u64::from(self.passwords.parallelism)),
        ];
        for (name, value) in at_least_one {
            if value == 0 {
                let least = if name == "database.pool_size" { 2 } else { 1 };
                return Err(ConfigError::new(format!("{name}: expected at least {least}")));
            }
        }
        if self.limits.page > crm_core::language::MAX_LIST_LIMIT {
            let most = crm_core::language::MAX_LIST_LIMIT;
            return Err(ConfigError::new(format!("limits.page: expected at most {most}")));
        }
        let terms = crm_core::store::MAX_TERMS;
        if self.limits.filter_terms > terms {
            return Err(ConfigError::new(format!("limits.filter_terms: expected at most {terms}")));
        }
        if !(0.0..=1.0).contains(&self.traces.sample) {
            return Err(ConfigError::new("traces.sample: expected a number from 0 to 1"));
        }
        if self.limits.nesting > 100 {
            return Err(ConfigError::new("limits.nesting: expected at most 100"));
        }
        Ok(())
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
