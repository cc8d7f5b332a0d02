//! A change, as data: all of it happens, or nothing does.

use std::sync::Arc;

use super::filter::limit;
use super::record::Record;
use super::schema::{FieldIndex, Schema, system};
use super::text::fold;
use super::value::{Kind, Value};
use crate::error::{Error, Result};
use uuid::Uuid;

/// One step of a batch.
#[derive(Debug, Clone, PartialEq)]
pub enum Operation {
    /// A record that is not there yet, at version 1.
    Insert {
        /// Its type.
        schema: Arc<Schema>,
        /// Its values.
        record: Record,
    },
    /// A record in place of itself, one version later. Deleting softly and restoring are updates.
    Update {
        /// Its type.
        schema: Arc<Schema>,
        /// As it was read; the store rejects the batch where it is at another version by now.
        before: Record,
        /// As it shall be.
        after: Record,
    },
    /// A record removed for good.
    Remove {
        /// Its type.
        schema: Arc<Schema>,
        /// As it was read; the store rejects the batch where it is at another version by now.
        before: Record,
    },
    /// A record that must still be at the version at which it was read.
    Check {
        /// Its type.
        schema: Arc<Schema>,
        /// As it was read.
        before: Record,
    },
    /// Adds to a named counter of the tenant, which begins at 0; the commit answers its new
    /// value. The numbers of tickets and invoices come from here: none is ever given twice, and
    /// one is lost where the batch that took it came to nothing afterwards.
    Increment {
        /// The counter's name.
        counter: String,
        /// How much to add; at least 1.
        by: i64,
    },
}

impl Operation {
    /// The type and identifier of the record concerned; none for a counter.
    pub fn target(&self) -> Option<(&Arc<Schema>, Uuid)> {
        match self {
            Self::Insert { schema, record } => Some((schema, record.id())),
            Self::Update { schema, before, .. }
            | Self::Remove { schema, before }
            | Self::Check { schema, before } => Some((schema, before.id())),
            Self::Increment { .. } => None,
        }
    }

    /// The record as it will be, where it will be there.
    pub fn after(&self) -> Option<(&Arc<Schema>, &Record)> {
        match self {
            Self::Insert { schema, record } => Some((schema, record)),
            Self::Update { schema, after, .. } => Some((schema, after)),
            _ => None,
        }
    }

    /// The record as it was, where it was there.
    pub fn before(&self) -> Option<(&Arc<Schema>, &Record)> {
        match self {
            Self::Update { schema, before, .. }
            | Self::Remove { schema, before }
            | Self::Check { schema, before } => Some((schema, before)),
            _ => None,
        }
    }
}

/// The most operations of a batch.
pub const MAX_OPERATIONS: usize = 3_000;

/// A checked change.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Batch(Vec<Operation>);

/// What a commit answers: the new value of each counter that was incremented, in the order of the
/// operations.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Commit {
    /// The new values.
    pub counters: Vec<i64>,
}

impl Batch {
    /// A batch of these operations.
    ///
    /// # Errors
    /// Where there are more than [`MAX_OPERATIONS`]; where two concern the same record or
    /// counter; where versions or identifiers do not follow; where one operation takes a unique
    /// key that another one frees, because backends could not agree on the order.
    pub fn new(operations: Vec<Operation>) -> Result<Self> {
        if operations.len() > MAX_OPERATIONS {
            return Err(limit("the number of operations in a batch", MAX_OPERATIONS));
        }
        let fault = |i: usize, why: &str| Err(Error::internal(format!("operation {i} {why}")));
        let mut targets = std::collections::HashSet::new();
        let mut counters = std::collections::HashSet::new();
        for (i, operation) in operations.iter().enumerate() {
            match operation {
                Operation::Insert { record, .. } if record.version() != 1 => {
                    return fault(i, "inserts a record that is not at version 1");
                }
                Operation::Update { before, after, .. }
                    if before.id() != after.id()
                        || before.tenant() != after.tenant()
                        || after.version() != before.version() + 1 =>
                {
                    return fault(i, "does not lead from one version to the next");
                }
                Operation::Increment { counter, by } => {
                    if *by < 1 || counter.is_empty() || !super::text::storable(counter) {
                        return fault(i, "is no increment of a counter");
                    }
                    if !counters.insert(counter.as_str()) {
                        return fault(i, "increments a counter a second time");
                    }
                }
                _ => {}
            }
            let tenant = operation.before().or_else(|| operation.after()).map(|(_, r)| r.tenant());
            if let Some((schema, id)) = operation.target()
                && !targets.insert((schema.name(), tenant, id))
            {
                return fault(i, "concerns a record that another one concerns");
            }
        }
        check_freed_keys(&operations)?;
        Ok(Self(operations))
    }

    /// The operations.
    pub fn operations(&self) -> &[Operation] {
        &self.0
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The values of a unique key in a record, folded; none where the record is not held to it.
pub fn unique_values(
    schema: &Schema,
    fields: &[FieldIndex],
    record: &Record,
) -> Option<Vec<Value>> {
    if !record.get(system::DELETED_AT).is_null() {
        return None;
    }
    fields
        .iter()
        .map(|field| match (schema.field(*field).kind, record.get(*field)) {
            (_, Value::Null) => None,
            (Kind::Text, Value::Text(text)) => Some(Value::Text(fold(text))),
            (_, value) => Some(value.clone()),
        })
        .collect()
}

fn check_freed_keys(operations: &[Operation]) -> Result<()> {
    if operations.len() < 2 {
        return Ok(());
    }
    type Held<'a> = (&'a str, Option<crate::tenants::TenantId>, usize, Vec<Value>);
    let keys = |record: Option<(&'_ Arc<Schema>, &Record)>| -> Vec<(usize, Vec<Value>)> {
        record.map_or_else(Vec::new, |(schema, record)| {
            let held = |(i, key): (usize, &super::schema::UniqueKey)| {
                Some((i, unique_values(schema, &key.fields, record)?))
            };
            schema.unique().iter().enumerate().filter_map(held).collect()
        })
    };
    let mut freed: Vec<Held<'_>> = Vec::new();
    let mut taken: Vec<(usize, Held<'_>)> = Vec::new();
    for (position, operation) in operations.iter().enumerate() {
        let Some((schema, _)) = operation.target() else { continue };
        if schema.unique().is_empty() || matches!(operation, Operation::Check { .. }) {
            continue;
        }
        let before = keys(operation.before());
        let after = keys(operation.after());
        let tenant = operation.before().or_else(|| operation.after()).and_then(|(_, r)| r.tenant());
        for (key, values) in &before {
            if !after.contains(&(*key, values.clone())) {
                freed.push((schema.name(), tenant, *key, values.clone()));
            }
        }
        for (key, values) in after {
            if !before.contains(&(key, values.clone())) {
                taken.push((position, (schema.name(), tenant, key, values)));
            }
        }
    }
    match taken.iter().find(|(_, key)| freed.contains(key)) {
        None => Ok(()),
        Some((operation, _)) => Err(Error::internal(format!(
            "operation {operation} takes a unique key that another one of the batch frees"
        ))),
    }
}
