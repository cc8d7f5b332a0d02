//! Where records are kept, and as whom the server reaches them.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{ConfigError, SecretUrl, Span};

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
    pub(super) fn read_files(&mut self) -> Result<(), ConfigError> {
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
