//! Domain events: what other parts of a system are told of. Each is written in the commit of the
//! change that it tells of (a transactional outbox) and delivered afterwards, at least once.

use chrono::{DateTime, Utc};

use crate::Entity;
use crate::id::Id;

/// One event, waiting to be delivered or delivered.
#[derive(Debug, Clone, PartialEq, Entity)]
#[entity(name = "events", tenant, owners(nobody), no_default_draft)]
pub struct Event {
    /// The identifier: consumers tell repeated deliveries by it. The same as that of the audit
    /// entry with the change in full.
    pub id: Id<Self>,
    /// The version.
    pub version: i64,
    /// When it happened.
    pub created_at: DateTime<Utc>,
    /// When its delivery was last noted.
    pub updated_at: DateTime<Utc>,
    /// Never.
    pub deleted_at: Option<DateTime<Utc>>,
    /// What happened: `customers.created`.
    #[entity(filter, code)]
    pub kind: String,
    /// The record it happened to.
    #[entity(filter)]
    pub record_id: uuid::Uuid,
    /// The version of the record after it.
    pub record_version: i64,
}
