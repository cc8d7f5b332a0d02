//! What must hold before the server calls itself ready.
//!
//! Asked anew for each request, because a database can go away, or be migrated by a newer build,
//! under a running server. What a caller is told names the thing and what is the matter with it,
//! never an address, a user or a driver's words.

use std::fmt;

use async_trait::async_trait;
use crm_core::Crm;
use crm_store_postgres::{MigrationState, Pools};

/// Something that the server depends on, and can be asked whether it answers.
#[async_trait]
pub trait Probe: fmt::Debug + Send + Sync + 'static {
    /// Its name: `database`.
    fn name(&self) -> &'static str;

    /// Whether the server can work with it.
    ///
    /// # Errors
    /// Why not.
    async fn check(&self) -> Result<(), NotReady>;
}

/// Why the server cannot work with something that it depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotReady {
    /// It does not answer; what went wrong, for the log only.
    Away(String),
    /// It answers, and is not as it must be.
    Unfit {
        /// A code of errors.
        code: &'static str,
        /// What is the matter, for callers: nothing secret.
        message: String,
    },
}

impl NotReady {
    /// It does not answer, because of this.
    pub fn away(why: impl fmt::Display) -> Self {
        Self::Away(why.to_string())
    }
}

impl fmt::Display for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Away(why) | Self::Unfit { message: why, .. } => f.write_str(why),
        }
    }
}

/// Whether the store answers.
#[derive(Debug)]
pub(crate) struct StoreProbe(pub(crate) Crm);

#[async_trait]
impl Probe for StoreProbe {
    fn name(&self) -> &'static str {
        "store"
    }

    async fn check(&self) -> Result<(), NotReady> {
        self.0.system().ping().await.map_err(NotReady::away)
    }
}

/// Whether the database is at the version that this build knows: neither behind it, nor ahead,
/// nor stuck half-way.
#[derive(Debug)]
pub(crate) struct MigrationProbe(pub(crate) Pools);

#[async_trait]
impl Probe for MigrationProbe {
    fn name(&self) -> &'static str {
        "migrations"
    }

    async fn check(&self) -> Result<(), NotReady> {
        let state = self.0.migration_state().await.map_err(NotReady::away)?;
        let code = match &state {
            MigrationState::Current { .. } => return Ok(()),
            MigrationState::Behind { .. } => "MIGRATION_PENDING",
            MigrationState::Newer { .. } => "DATABASE_NEWER",
            MigrationState::Failed { .. } => "MIGRATION_FAILED",
            // Altered, and what later builds may know.
            _ => "MIGRATION_ALTERED",
        };
        Err(NotReady::Unfit { code, message: state.to_string() })
    }
}
