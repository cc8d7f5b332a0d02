//! What an error of the database means for a batch.

use std::time::Duration;

use crm_core::Error;

/// What to do about an error of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reaction {
    /// Another transaction was in the way, and nothing was written: the same again may do.
    Again,
    /// What is stored stands against it.
    Diagnose,
    /// Nothing.
    GiveUp,
}

/// What to do about an error of a commit.
pub(crate) fn reaction(error: &sqlx::Error) -> Reaction {
    let code = error.as_database_error().and_then(|error| error.code());
    match code.as_deref() {
        // A deadlock, a failed serialisation.
        Some("40P01" | "40001") => Reaction::Again,
        // A unique key, a reference.
        Some("23505" | "23503") => Reaction::Diagnose,
        _ => Reaction::GiveUp,
    }
}

/// The error of a batch that others were in the way of each time.
pub(crate) fn contended() -> Error {
    Error::Unavailable {
        message: "other changes were in the way each time".to_owned(),
        retry_after: Duration::from_secs(1),
    }
}
