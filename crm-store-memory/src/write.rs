//! Commits: everything is checked, in the order that the semantics give, before anything changes.

use std::collections::HashSet;
use std::sync::Arc;

use crm_core::store::evaluate::Row;
use crm_core::store::{Batch, Commit, Operation, Record, Scope, Scoping};
use crm_core::tenants::TenantId;
use crm_core::{Error, Rejection, Result};
use uuid::Uuid;

use crate::key::Key;
use crate::state::State;
use crate::table::TableNumber;

/// The rows that a batch writes, folded before the lock is taken; none for other operations.
pub(crate) fn prepare_rows(batch: &Batch) -> Vec<Option<Arc<Row>>> {
    let row = |operation: &Operation| {
        operation.after().map(|(schema, record)| Arc::new(Row::new(schema, record.clone())))
    };
    batch.operations().iter().map(row).collect()
}

/// A counter's owner, none for the installation, and its name.
pub(crate) type CounterName = (Option<TenantId>, String);

/// The values that a record would hold a unique key with: its table, tenant and the key's place.
type Claim = (TableNumber, Option<TenantId>, usize, Box<[Key]>);

/// An operation on a record, with its place in the batch and its table.
struct Step<'a> {
    position: usize,
    table: TableNumber,
    tenant: Option<TenantId>,
    id: Uuid,
    operation: &'a Operation,
}

impl State {
    /// All operations, or none.
    pub(crate) fn commit(
        &mut self,
        scope: Scope,
        batch: &Batch,
        rows: Vec<Option<Arc<Row>>>,
    ) -> Result<Commit> {
        let steps = self.steps(scope, batch)?;
        self.check_versions(&steps)?;
        self.check_unique_keys(&steps)?;
        self.check_references(&steps)?;
        self.check_removals(&steps)?;
        let counters = self.counters_after(scope, batch)?;

        for step in &steps {
            match step.operation {
                Operation::Check { .. } | Operation::Increment { .. } => continue,
                Operation::Insert { .. } | Operation::Update { .. } | Operation::Remove { .. } => {}
            }
            if let Some(old) = self.tables[step.table].take(step.tenant, step.id) {
                self.count_references(step.table, old.record(), |part, from, to| {
                    part.unrefer(from, to);
                });
            }
            if let Some(new) = rows.get(step.position).cloned().flatten() {
                self.count_references(step.table, new.record(), |part, from, to| {
                    part.refer(from, to);
                });
                self.tables[step.table].put(new);
            }
        }
        let values = counters.iter().map(|(_, value)| *value).collect();
        self.counters.extend(counters);
        Ok(Commit { counters: values })
    }

    fn steps<'a>(&self, scope: Scope, batch: &'a Batch) -> Result<Vec<Step<'a>>> {
        let mut steps = Vec::with_capacity(batch.operations().len());
        for (position, operation) in batch.operations().iter().enumerate() {
            let Some((schema, record)) = operation.before().or_else(|| operation.after()) else {
                continue;
            };
            let table = self.number(schema)?;
            let tenant = record.tenant();
            let fits = tenant.is_some() == (schema.scoping() == Scoping::Tenant);
            let own = match scope {
                Scope::System => true,
                Scope::Tenant(scope) => tenant == Some(scope),
            };
            if !fits || !own {
                return Err(Error::internal(format!(
                    "operation {position} is on a record of {schema} outside its batch's scope"
                )));
            }
            steps.push(Step { position, table, tenant, id: record.id(), operation });
        }
        Ok(steps)
    }

    fn check_versions(&self, steps: &[Step<'_>]) -> Result<()> {
        for step in steps {
            let stored = self.tables[step.table].row(step.tenant, step.id);
            match (step.operation.before(), stored) {
                (None, None) => {}
                (None, Some(_)) => return step.reject(Rejection::Taken("id".to_owned())),
                (Some((_, before)), Some(row)) if row.record().version() == before.version() => {}
                (Some(_), _) => return step.reject(Rejection::Stale),
            }
        }
        Ok(())
    }

    fn check_unique_keys(&self, steps: &[Step<'_>]) -> Result<()> {
        let mut claimed: HashSet<Claim> = HashSet::new();
        for step in steps {
            let Some((schema, record)) = step.operation.after() else { continue };
            let table = &self.tables[step.table];
            for (number, key) in schema.unique().iter().enumerate() {
                let Some(values) = table.unique_key(number, record) else { continue };
                let part = table.parts.get(&step.tenant);
                let holder = part.and_then(|part| part.unique[number].get(&values));
                let is_held = holder.is_some_and(|id| *id != step.id);
                if is_held || !claimed.insert((step.table, step.tenant, number, values)) {
                    return step.reject(Rejection::Taken(key.name.to_string()));
                }
            }
        }
        Ok(())
    }

    fn check_references(&self, steps: &[Step<'_>]) -> Result<()> {
        let is_insert = |step: &&Step<'_>| matches!(step.operation, Operation::Insert { .. });
        let inserted: HashSet<(TableNumber, Option<TenantId>, Uuid)> =
            steps.iter().filter(is_insert).map(|step| (step.table, step.tenant, step.id)).collect();
        for step in steps {
            let Some((schema, record)) = step.operation.after() else { continue };
            for (field, target, id) in self.tables[step.table].references_of(record) {
                let tenant = self.tenant_of(target, record);
                let is_there = self.tables[target].row(tenant, id).is_some()
                    || inserted.contains(&(target, tenant, id));
                if !is_there {
                    let name = schema.field(field).name.to_string();
                    return step.reject(Rejection::MissingReference(name));
                }
            }
        }
        Ok(())
    }

    fn check_removals(&self, steps: &[Step<'_>]) -> Result<()> {
        let is_removal = |step: &&Step<'_>| matches!(step.operation, Operation::Remove { .. });
        if !steps.iter().any(|step| is_removal(&step)) {
            return Ok(());
        }
        let mut written: HashSet<(TableNumber, Option<TenantId>, Uuid, TableNumber)> =
            HashSet::new();
        for step in steps {
            let Some((_, record)) = step.operation.after() else { continue };
            for (_, target, id) in self.tables[step.table].references_of(record) {
                written.insert((target, self.tenant_of(target, record), id, step.table));
            }
        }
        for step in steps.iter().filter(is_removal) {
            let part = self.tables[step.table].parts.get(&step.tenant);
            let counts = part.and_then(|part| part.referred.get(&step.id));
            let stored = counts.and_then(|counts| counts.keys().next().copied());
            let new = (0..self.tables.len())
                .find(|from| written.contains(&(step.table, step.tenant, step.id, *from)));
            if let Some(from) = stored.into_iter().chain(new).min() {
                let name = self.tables[from].schema.name().to_owned();
                return step.reject(Rejection::Referenced(name));
            }
        }
        Ok(())
    }

    fn counters_after(&self, scope: Scope, batch: &Batch) -> Result<Vec<(CounterName, i64)>> {
        let owner = match scope {
            Scope::Tenant(tenant) => Some(tenant),
            Scope::System => None,
        };
        let mut after = Vec::new();
        for operation in batch.operations() {
            let Operation::Increment { counter, by } = operation else { continue };
            let key = (owner, counter.clone());
            let value = self.counters.get(&key).copied().unwrap_or(0);
            let Some(value) = value.checked_add(*by) else {
                return Err(Error::internal(format!("counter {counter} exceeds 64 bits")));
            };
            after.push((key, value));
        }
        Ok(after)
    }

    // The tenant in which a record's reference to a table is looked up.
    fn tenant_of(&self, target: TableNumber, record: &Record) -> Option<TenantId> {
        match self.tables[target].schema.scoping() {
            Scoping::Tenant => record.tenant(),
            Scoping::Global => None,
        }
    }

    fn count_references(
        &mut self,
        from: TableNumber,
        record: &Record,
        change: impl Fn(&mut crate::table::Part, TableNumber, Uuid),
    ) {
        for (target, id) in self.tables[from].referred_by(from, record) {
            let tenant = self.tenant_of(target, record);
            change(self.tables[target].part_mut(tenant), from, id);
        }
    }
}

impl Step<'_> {
    fn reject<T>(&self, reason: Rejection) -> Result<T> {
        Err(Error::Rejected { operation: self.position, reason })
    }
}
