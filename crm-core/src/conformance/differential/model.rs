//! What a store is held against: a list of rows, the evaluator, and the rules of a batch written
//! down once more, as plainly as they can be. No index, no count that is kept, nothing clever.

use std::sync::Arc;

use uuid::Uuid;

use crate::error::{Error, Rejection, Result};
use crate::store::evaluate::{self, Lookup, Row};
use crate::store::{
    Aggregate, Batch, Commit, Group, Operation, Page, Query, Record, Schema, Scope, Scoping, Value,
    unique_values,
};
use crate::tenants::TenantId;

#[derive(Debug, Default)]
pub(super) struct Model {
    rows: Vec<(Arc<Schema>, Row)>,
    counters: Vec<(Option<TenantId>, String, i64)>,
    catalogue: Vec<Arc<Schema>>,
}

impl Lookup for Model {
    fn find(&self, schema: &Schema, tenant: Option<TenantId>, id: Uuid) -> Option<&Row> {
        let is_it = |row: &Row| row.record().tenant() == tenant && row.record().id() == id;
        self.rows_of(schema).find(|row| is_it(row))
    }

    fn known_by(&self, schema: &Schema, tenant: Option<TenantId>, id: Uuid) -> Vec<&Row> {
        let is_it = |row: &&Row| {
            let record = row.record();
            record.tenant() == tenant && *record.get(schema.known_by()) == Value::Uuid(id)
        };
        self.rows_of(schema).filter(is_it).collect()
    }
}

fn owner(scope: Scope) -> Option<TenantId> {
    match scope {
        Scope::Tenant(tenant) => Some(tenant),
        Scope::System => None,
    }
}

fn reject<T>(operation: usize, reason: Rejection) -> Result<T> {
    Err(Error::Rejected { operation, reason })
}

impl Model {
    pub(super) fn new(catalogue: &[Arc<Schema>]) -> Self {
        Self { catalogue: catalogue.to_vec(), ..Self::default() }
    }

    fn rows_of(&self, schema: &Schema) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|(of, _)| of.name() == schema.name()).map(|(_, row)| row)
    }

    fn seen(&self, scope: Scope, schema: &Schema) -> impl Iterator<Item = &Row> {
        self.rows_of(schema).filter(move |row| match scope {
            Scope::System => true,
            Scope::Tenant(tenant) => row.record().tenant() == Some(tenant),
        })
    }

    /// The records there are, as types and rows.
    pub(super) fn records(&self) -> impl Iterator<Item = (&Arc<Schema>, &Record)> {
        self.rows.iter().map(|(schema, row)| (schema, row.record()))
    }

    pub(super) fn query(&self, scope: Scope, query: &Query) -> Page<Record> {
        evaluate::select(query, self.seen(scope, query.schema()), self)
    }

    pub(super) fn aggregate(&self, scope: Scope, aggregate: &Aggregate) -> Result<Vec<Group>> {
        evaluate::aggregate(aggregate, self.seen(scope, aggregate.schema()), self)
    }

    pub(super) fn commit(&mut self, scope: Scope, batch: &Batch) -> Result<Commit> {
        let operations = batch.operations();
        self.check_scope(scope, operations)?;
        self.check_versions(operations)?;
        self.check_unique_keys(operations)?;
        self.check_references(operations)?;
        self.check_removals(operations)?;
        let mut commit = Commit::default();
        for operation in operations {
            if let Operation::Increment { counter, by } = operation {
                commit.counters.push(self.increment(owner(scope), counter, *by));
            }
            let Some((schema, id)) = operation.target() else { continue };
            if matches!(operation, Operation::Update { .. } | Operation::Remove { .. }) {
                let tenant = operation.before().and_then(|(_, record)| record.tenant());
                self.rows.retain(|(of, row)| {
                    let record = row.record();
                    of.name() != schema.name() || record.tenant() != tenant || record.id() != id
                });
            }
            if let Some((schema, record)) = operation.after() {
                self.rows.push((Arc::clone(schema), Row::new(schema, record.clone())));
            }
        }
        Ok(commit)
    }

    fn increment(&mut self, owner: Option<TenantId>, name: &str, by: i64) -> i64 {
        for (of, counter, value) in &mut self.counters {
            if *of == owner && counter == name {
                *value += by;
                return *value;
            }
        }
        self.counters.push((owner, name.to_owned(), by));
        by
    }

    fn check_scope(&self, scope: Scope, operations: &[Operation]) -> Result<()> {
        for operation in operations {
            for (_, record) in operation.before().into_iter().chain(operation.after()) {
                if scope != Scope::System && record.tenant() != owner(scope) {
                    return Err(Error::internal("outside the scope"));
                }
            }
        }
        Ok(())
    }

    fn check_versions(&self, operations: &[Operation]) -> Result<()> {
        for (i, operation) in operations.iter().enumerate() {
            if let Some((schema, before)) = operation.before() {
                let stored = self.find(schema, before.tenant(), before.id());
                if stored.map(|row| row.record().version()) != Some(before.version()) {
                    return reject(i, Rejection::Stale);
                }
            } else if let Some((schema, new)) = operation.after()
                && self.find(schema, new.tenant(), new.id()).is_some()
            {
                return reject(i, Rejection::Taken("id".to_owned()));
            }
        }
        Ok(())
    }

    fn check_unique_keys(&self, operations: &[Operation]) -> Result<()> {
        for (i, operation) in operations.iter().enumerate() {
            let Some((schema, record)) = operation.after() else { continue };
            for key in schema.unique() {
                let Some(values) = unique_values(schema, &key.fields, record) else { continue };
                let stored = self.rows_of(schema).map(Row::record);
                let earlier = operations[..i].iter().filter_map(Operation::after);
                let earlier = earlier.filter(|(of, _)| of.name() == schema.name());
                let is_taken = stored.chain(earlier.map(|(_, record)| record)).any(|other| {
                    other.tenant() == record.tenant()
                        && other.id() != record.id()
                        && unique_values(schema, &key.fields, other).as_ref() == Some(&values)
                });
                if is_taken {
                    return reject(i, Rejection::Taken(key.name.to_string()));
                }
            }
        }
        Ok(())
    }

    // The type, tenant and id of what a record refers to, by field.
    fn references(&self, schema: &Schema, record: &Record) -> Vec<(String, Target)> {
        let mut references = Vec::new();
        for (field, value) in schema.fields().iter().zip(record.values()) {
            let (Some(name), Value::Uuid(id)) = (&field.references, value) else { continue };
            let Some(target) = self.catalogue.iter().find(|known| known.name() == name) else {
                continue;
            };
            let tenant = match target.scoping() {
                Scoping::Tenant => record.tenant(),
                Scoping::Global => None,
            };
            references.push((field.name.to_string(), (target.name().to_owned(), tenant, *id)));
        }
        references
    }

    fn check_references(&self, operations: &[Operation]) -> Result<()> {
        let inserted = |target: &Target| {
            operations.iter().any(|operation| match operation {
                Operation::Insert { schema, record } => *target == target_of(schema, record),
                _ => false,
            })
        };
        let is_stored = |target: &Target| {
            self.records().any(|(schema, record)| *target == target_of(schema, record))
        };
        for (i, operation) in operations.iter().enumerate() {
            let Some((schema, record)) = operation.after() else { continue };
            for (field, target) in self.references(schema, record) {
                if !is_stored(&target) && !inserted(&target) {
                    return reject(i, Rejection::MissingReference(field));
                }
            }
        }
        Ok(())
    }

    fn check_removals(&self, operations: &[Operation]) -> Result<()> {
        for (i, operation) in operations.iter().enumerate() {
            let Operation::Remove { schema, before } = operation else { continue };
            let removed = target_of(schema, before);
            let written = operations.iter().filter_map(Operation::after);
            let refers = |(of, record): &(&Arc<Schema>, &Record)| {
                target_of(of, record) != removed
                    && self.references(of, record).iter().any(|(_, target)| *target == removed)
            };
            let referring: Vec<_> = self.records().chain(written).filter(refers).collect();
            let first = |known: &&Arc<Schema>| {
                referring.iter().any(|(schema, _)| schema.name() == known.name())
            };
            if let Some(by) = self.catalogue.iter().find(first) {
                return reject(i, Rejection::Referenced(by.name().to_owned()));
            }
        }
        Ok(())
    }
}

type Target = (String, Option<TenantId>, Uuid);

fn target_of(schema: &Schema, record: &Record) -> Target {
    (schema.name().to_owned(), record.tenant(), record.id())
}
