//! The audit log: who changed what, from what to what. Entries are only ever added, each in the
//! commit of the change that it tells of; nothing here may change or remove one. They go with
//! their tenant, all but those that tell of its deletion.

use chrono::{DateTime, Utc};

use crate::auth::ApiKey;
use crate::id::Id;
use crate::store::{Record, Schema, Value, system};
use crate::users::UserId;
use crate::{Choice, Entity};

/// What was done to a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Choice)]
pub enum Action {
    /// It came to be.
    Created,
    /// Its values changed.
    Updated,
    /// It was deleted, and can be brought back.
    Deleted,
    /// It was brought back.
    Restored,
    /// It was removed for good.
    Removed,
    /// Records were given out as a file. The entry is about the export: its changes say how many,
    /// and which were asked for.
    Exported,
}

/// One entry: `created_at` tells when.
#[derive(Debug, Clone, PartialEq, Entity)]
#[entity(name = "audit_entries", tenant, owners(assigned(actor)), no_default_draft)]
#[entity(index(resource, record_id), index(actor))]
pub struct AuditEntry {
    /// The identifier.
    pub id: Id<Self>,
    /// Always 1.
    pub version: i64,
    /// When it happened.
    pub created_at: DateTime<Utc>,
    /// The same.
    pub updated_at: DateTime<Utc>,
    /// Never.
    pub deleted_at: Option<DateTime<Utc>>,
    /// Who did it; none for the system itself.
    #[entity(filter)]
    pub actor: Option<UserId>,
    /// What was done.
    #[entity(filter)]
    pub action: Action,
    /// The type of the record: `customers`.
    #[entity(filter, code)]
    pub resource: String,
    /// The record.
    #[entity(filter)]
    pub record_id: uuid::Uuid,
    /// The version of the record after it.
    pub record_version: i64,
    /// Each changed field: `{"status": {"from": "active", "to": "paused"}}`. Of a secret only that
    /// it changed: `{"password": {}}`.
    pub changes: serde_json::Value,
    /// The request in which it was done.
    #[entity(filter, code)]
    pub request: Option<String>,
    /// The address from which it was asked for.
    #[entity(code)]
    pub address: Option<String>,
    /// The API key by which it was asked for; none where somebody had signed in.
    #[entity(filter)]
    pub api_key: Option<Id<ApiKey>>,
}

/// The fields that differ between two states of a record; of secrets only that they do, and
/// nothing where the record is new or gone.
pub(crate) fn changes(
    schema: &Schema,
    before: Option<&Record>,
    after: Option<&Record>,
) -> serde_json::Value {
    let mut changes = serde_json::Map::new();
    let own = schema.fields().iter().enumerate().skip(usize::from(system::DELETED_AT));
    for (position, field) in own {
        let index = position as u16;
        let from = before.map_or(&Value::Null, |record| record.get(index));
        let to = after.map_or(&Value::Null, |record| record.get(index));
        let is_empty = |value: &Value| match value {
            Value::Uuids(ids) => ids.is_empty(),
            Value::Codes(codes) => codes.is_empty(),
            Value::Custom(fields) => fields.is_empty(),
            value => value.is_null(),
        };
        let is_told = !field.secret || (before.is_some() && after.is_some());
        if !is_told || from == to || (is_empty(from) && is_empty(to)) {
            continue;
        }
        let mut change = serde_json::Map::new();
        if field.secret {
            changes.insert(field.name.clone().into_owned(), serde_json::Value::Object(change));
            continue;
        }
        if !is_empty(from) {
            change.insert("from".to_owned(), json(from));
        }
        if !is_empty(to) {
            change.insert("to".to_owned(), json(to));
        }
        changes.insert(field.name.clone().into_owned(), serde_json::Value::Object(change));
    }
    serde_json::Value::Object(changes)
}

/// A value as JSON: decimals as text, so that no digit is lost.
pub fn json(value: &Value) -> serde_json::Value {
    use serde_json::Value as Json;
    match value {
        Value::Null => Json::Null,
        Value::Bool(bool) => (*bool).into(),
        Value::Int(int) => (*int).into(),
        Value::Decimal(decimal) => decimal.to_string().into(),
        Value::Text(text) => text.clone().into(),
        Value::Uuid(id) => id.to_string().into(),
        Value::Date(date) => date.to_string().into(),
        Value::Time(time) => time.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true).into(),
        Value::Uuids(ids) => ids.iter().map(ToString::to_string).collect(),
        Value::Codes(codes) => codes.iter().cloned().collect(),
        Value::Json(json) => (**json).clone(),
        Value::Custom(fields) => {
            let fields = fields.iter().map(|(key, value)| (key.clone(), json(value)));
            Json::Object(fields.collect())
        }
    }
}
