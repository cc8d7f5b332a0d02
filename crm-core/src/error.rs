//! The one error type of the library.
//!
//! A caller decides by the variant, never by the text: every variant carries what a host needs to
//! answer its own user (which field, which permission, which key). Messages are lower case, say
//! what was expected and what came, and never contain a secret or a value of another tenant.

use std::fmt;
use std::time::Duration;

use crate::access::{Permission, Reach};

/// What every fallible call of this library returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call did not do what was asked.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The values were understood but are not acceptable; every fault is listed at once.
    #[error("invalid: {}", Joined(.0))]
    Invalid(Vec<FieldError>),
    /// The request itself makes no sense: an unknown field in a filter, a cursor of another sort.
    #[error("{0}")]
    Unreadable(FieldError),
    /// There is no such record, or it is not the caller's to see; the two look the same.
    #[error("{kind} {id} not found")]
    NotFound {
        /// The record type, by its plural name (`customers`).
        kind: String,
        /// The identifier that was asked for.
        id: String,
    },
    /// Nobody is signed in, or the credentials do not hold.
    #[error("{0}")]
    Unauthenticated(&'static str),
    /// The caller may not do that; says which permission, at which reach, would be needed.
    #[error("{}", Missing(.permission, .held, .needed))]
    Forbidden {
        /// The permission that was asked for.
        permission: Permission,
        /// The reach at which the caller holds it, if at all.
        held: Option<Reach>,
        /// The least reach that would have allowed it.
        needed: Reach,
    },
    /// The caller may not do that for a reason other than a missing permission.
    #[error("{message}")]
    Refused {
        /// A stable, upper-case code.
        code: &'static str,
        /// The reason, in one sentence.
        message: String,
    },
    /// The caller may neither read nor write these fields.
    #[error("{} left out of what you may read and write", Fields(.0))]
    LeftOut(Vec<String>),
    /// The record was changed by somebody else since it was read.
    #[error("{kind} {id} is no longer at version {expected}")]
    Stale {
        /// The record type, by its plural name.
        kind: String,
        /// The record.
        id: String,
        /// The version the caller had.
        expected: i64,
    },
    /// The change contradicts what is stored.
    #[error("{message}")]
    Conflict {
        /// A stable, upper-case code such as `DUPLICATE`.
        code: &'static str,
        /// The field at fault, by its wire name, where one is.
        field: Option<String>,
        /// What contradicts what.
        message: String,
    },
    /// A batch was rejected by the store; nothing of it was written.
    #[error("operation {operation} rejected: {reason}")]
    Rejected {
        /// The index of the operation in its batch.
        operation: usize,
        /// Why.
        reason: Rejection,
    },
    /// More than a documented limit allows.
    #[error("{what} exceeds the limit of {limit}")]
    Limit {
        /// What was too much.
        what: String,
        /// How much is allowed.
        limit: u64,
    },
    /// Too many tries failed before this one; a later one is let come to pass.
    #[error("too many attempts, try again in {} s", .retry_after.as_secs())]
    TooManyAttempts {
        /// How long to wait, in whole seconds.
        retry_after: Duration,
    },
    /// The store cannot be reached at the moment; the same call may succeed later.
    #[error("the store is unavailable: {message}")]
    Unavailable {
        /// What failed, for the log.
        message: String,
        /// When to try again.
        retry_after: Duration,
    },
    /// A fault of this library, its backend or stored data. Never caused by a caller's values.
    #[error("internal error: {0}")]
    Internal(String),
}

/// Why a store rejected an operation of a batch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// The record is not at the expected version, or is gone.
    #[error("stale version")]
    Stale,
    /// A live record with the same unique key exists. `id` is the name of the primary key.
    #[error("unique key {0} taken")]
    Taken(String),
    /// The field refers to a record that does not exist.
    #[error("field {0} refers to a missing record")]
    MissingReference(String),
    /// Records of the named type still refer to the record to be deleted.
    #[error("still referred to by {0}")]
    Referenced(String),
}

/// A fault in one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// The field's path as the caller wrote it, `customFields.region` or `address.country`; empty
    /// where the fault belongs to no single field.
    pub field: String,
    /// A stable, upper-case code: `REQUIRED`, `TOO_LONG`, `INVALID_EMAIL`…
    pub code: &'static str,
    /// What was expected and what came.
    pub message: String,
}

impl FieldError {
    /// A fault in `field`.
    pub fn new(field: impl Into<String>, code: &'static str, message: impl Into<String>) -> Self {
        Self { field: field.into(), code, message: message.into() }
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.field.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.field, self.message)
        }
    }
}

struct Joined<'a>(&'a [FieldError]);

impl fmt::Display for Joined<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, fault) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("; ")?;
            }
            fault.fmt(f)?;
        }
        Ok(())
    }
}

struct Fields<'a>(&'a [String]);

impl fmt::Display for Fields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is = if self.0.len() == 1 { "is" } else { "are" };
        write!(f, "{} {is}", self.0.join(", "))
    }
}

struct Missing<'a>(&'a Permission, &'a Option<Reach>, &'a Reach);

impl fmt::Display for Missing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.1 {
            None => write!(f, "permission {} is required (reach {} or wider)", self.0, self.2),
            Some(held) => write!(
                f,
                "permission {} is held at reach {held} only, this record needs {}",
                self.0, self.2
            ),
        }
    }
}

impl Error {
    /// A single unacceptable field.
    pub fn invalid(
        field: impl Into<String>,
        code: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Self::Invalid(vec![FieldError::new(field, code, message)])
    }

    /// A request that cannot be understood.
    pub fn unreadable(
        field: impl Into<String>,
        code: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Self::Unreadable(FieldError::new(field, code, message))
    }

    /// No such record, or none that the caller may see.
    pub fn not_found(kind: impl Into<String>, id: impl fmt::Display) -> Self {
        Self::NotFound { kind: kind.into(), id: id.to_string() }
    }

    /// Others keep changing the record; whoever expected no version of it may try again.
    pub fn busy(kind: &str, id: impl fmt::Display) -> Self {
        let message = format!("{kind} {id} is being changed by others, try again");
        Self::Conflict { code: "BUSY", field: None, message }
    }

    /// A fault of the library or its backend.
    pub fn internal(message: impl fmt::Display) -> Self {
        Self::Internal(message.to_string())
    }

    /// The stable code of this error, as hosts show it to their callers.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "VALIDATION_ERROR",
            Self::Unreadable(fault) => fault.code,
            Self::NotFound { .. } => "NOT_FOUND",
            Self::Unauthenticated(_) => "UNAUTHENTICATED",
            Self::Forbidden { .. } => "FORBIDDEN",
            Self::LeftOut(_) => "FIELD_LEFT_OUT",
            Self::Refused { code, .. } | Self::Conflict { code, .. } => code,
            Self::Stale { .. } => "STALE_VERSION",
            Self::Rejected { .. } => "CONFLICT",
            Self::Limit { .. } => "LIMIT_EXCEEDED",
            Self::TooManyAttempts { .. } => "TOO_MANY_ATTEMPTS",
            Self::Unavailable { .. } => "UNAVAILABLE",
            Self::Internal(_) => "INTERNAL",
        }
    }
}

/// Gathers field faults so that all are reported at once.
///
/// ```
/// use crm_core::Faults;
///
/// let mut faults = Faults::default();
/// faults.add("email", "INVALID_EMAIL", "expected an e-mail address, got \"x\"");
/// assert!(faults.into_result().is_err());
/// ```
#[derive(Debug, Default)]
pub struct Faults {
    noted: Vec<FieldError>,
    more: usize,
}

/// How many faults are told of one by one.
const MOST_FAULTS: usize = 100;

impl Faults {
    /// Notes a fault.
    pub fn add(
        &mut self,
        field: impl Into<String>,
        code: &'static str,
        message: impl Into<String>,
    ) {
        if self.noted.len() < MOST_FAULTS {
            self.noted.push(FieldError::new(field, code, message));
        } else {
            self.more += 1;
        }
    }

    /// Notes the faults of `result`, if it is [`Error::Invalid`], and gives its value otherwise.
    ///
    /// # Errors
    /// Any other error is handed on at once.
    pub fn absorb<T>(&mut self, result: Result<T>) -> Result<Option<T>> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(Error::Invalid(faults)) => {
                for fault in faults {
                    self.add(fault.field, fault.code, fault.message);
                }
                Ok(None)
            }
            Err(other) => Err(other),
        }
    }

    /// Whether nothing was noted.
    pub fn is_empty(&self) -> bool {
        self.noted.is_empty()
    }

    /// `Ok` where nothing was noted.
    ///
    /// # Errors
    /// [`Error::Invalid`] with every fault noted; beyond a hundred, with how many more there are,
    /// under the code `MORE_FAULTS`.
    pub fn into_result(mut self) -> Result<()> {
        if self.noted.is_empty() {
            return Ok(());
        }
        if self.more > 0 {
            let message = format!("and {} more faults", self.more);
            self.noted.push(FieldError::new("", "MORE_FAULTS", message));
        }
        Err(Error::Invalid(self.noted))
    }
}
