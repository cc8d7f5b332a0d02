//! A batch, sorted by record type and identifier.
//!
//! Whoever takes locks takes them in this order, so that two batches do not wait for each other
//! in a ring.

use std::collections::BTreeMap;
use std::sync::Arc;

use crm_core::store::evaluate::Row;
use crm_core::store::{Batch, Operation, Record, Schema, Scope, Scoping};
use crm_core::tenants::TenantId;
use crm_core::{Error, Result};
use uuid::Uuid;

use crate::rows::{Entry, changed_entries};

/// What a batch does with records of one type.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) schema: Arc<Schema>,
    pub(crate) inserts: Vec<Row>,
    pub(crate) updates: Vec<Row>,
    pub(crate) removals: Vec<Place>,
    /// The records that must be at a version, because they are changed or removed.
    pub(crate) changed: Vec<Place>,
    /// The records that must be at a version and stay there meanwhile.
    pub(crate) checked: Vec<Place>,
    /// What becomes of the entries of the tenant's own fields.
    pub(crate) entries: Vec<(Option<TenantId>, Uuid, Entry)>,
    /// How many live records there are more or less.
    pub(crate) growth: BTreeMap<Option<TenantId>, i64>,
}

/// A record at a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) tenant: Option<TenantId>,
    pub(crate) id: Uuid,
    pub(crate) version: i64,
}

impl Place {
    fn of(record: &Record) -> Self {
        Self { tenant: record.tenant(), id: record.id(), version: record.version() }
    }
}

/// The operations on records, by type.
///
/// # Errors
/// [`Error::Internal`] where a record lies outside the batch's scope.
pub(crate) fn groups(scope: Scope, batch: &Batch) -> Result<Vec<Group>> {
    let mut groups: BTreeMap<&str, Group> = BTreeMap::new();
    for (position, operation) in batch.operations().iter().enumerate() {
        let Some((schema, record)) = operation.before().or_else(|| operation.after()) else {
            continue;
        };
        check_scope(scope, position, schema, record)?;
        let group = groups.entry(schema.name()).or_insert_with(|| Group::new(schema));
        group.add(operation);
    }
    let mut groups: Vec<Group> = groups.into_values().collect();
    for group in &mut groups {
        group.inserts.sort_by_key(place_of);
        group.updates.sort_by_key(place_of);
        group.removals.sort_unstable();
        group.changed.sort_unstable();
        group.checked.sort_unstable();
        group.entries.sort_unstable();
        group.growth.retain(|_, growth| *growth != 0);
    }
    Ok(groups)
}

fn place_of(row: &Row) -> (Option<TenantId>, Uuid) {
    (row.record().tenant(), row.record().id())
}

fn check_scope(scope: Scope, position: usize, schema: &Schema, record: &Record) -> Result<()> {
    let tenant = record.tenant();
    let fits = tenant.is_some() == (schema.scoping() == Scoping::Tenant);
    let own = match scope {
        Scope::System => true,
        Scope::Tenant(scope) => tenant == Some(scope),
    };
    if fits && own {
        Ok(())
    } else {
        Err(Error::internal(format!(
            "operation {position} is on a record of {schema} outside its batch's scope"
        )))
    }
}

impl Group {
    fn new(schema: &Arc<Schema>) -> Self {
        Self {
            schema: Arc::clone(schema),
            inserts: Vec::new(),
            updates: Vec::new(),
            removals: Vec::new(),
            changed: Vec::new(),
            checked: Vec::new(),
            entries: Vec::new(),
            growth: BTreeMap::new(),
        }
    }

    fn add(&mut self, operation: &Operation) {
        match operation {
            Operation::Insert { schema, record } => {
                self.grow(record, 1);
                self.enter(None, record);
                self.inserts.push(Row::new(schema, record.clone()));
            }
            Operation::Update { schema, before, after } => {
                self.grow(before, -1);
                self.grow(after, 1);
                self.enter(Some(before), after);
                self.changed.push(Place::of(before));
                self.updates.push(Row::new(schema, after.clone()));
            }
            Operation::Remove { before, .. } => {
                self.grow(before, -1);
                self.changed.push(Place::of(before));
                self.removals.push(Place::of(before));
            }
            Operation::Check { before, .. } => self.checked.push(Place::of(before)),
            Operation::Increment { .. } => {}
        }
    }

    fn enter(&mut self, before: Option<&Record>, after: &Record) {
        let entries = changed_entries(&self.schema, before, after);
        let place = |entry| (after.tenant(), after.id(), entry);
        self.entries.extend(entries.into_iter().map(place));
    }

    fn grow(&mut self, record: &Record, by: i64) {
        if record.is_live() {
            *self.growth.entry(record.tenant()).or_default() += by;
        }
    }
}
