//! Programs made by chance: batches right and wrong, and questions of every form about them.
//!
//! A program is data, made from a seed alone. The salt stands in the upper half of every id and
//! in the mark, so that the same program can run again on a store that keeps what it had: it
//! changes no choice and no order.

use std::sync::Arc;

use uuid::Uuid;

use super::dice::Dice;
use super::model::Model;
use super::schemas::{MARK, schemas};
use super::values::{Values, choice};
use crate::error::Result;
use crate::store::{
    Aggregate, Batch, Comparison, Cursor, Deleted, Field, Filter, GroupBy, Kind, Measure,
    Operation, Path, Query, Record, Schema, Scope, Scoping, Sort, Value, Window, system,
};
use crate::tenants::TenantId;

/// One request of a program.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Commit(Scope, Vec<Operation>),
    Query(Scope, Box<Query>),
    Aggregate(Scope, Box<Aggregate>),
}

#[derive(Debug)]
pub(super) struct Generator {
    dice: Dice,
    values: Values,
    tenants: Vec<TenantId>,
    /// Whether ids occur in several tenants. Records of the same id have no order among tenants,
    /// so the system is asked for whole results then.
    is_shared: bool,
    model: Model,
    /// The types that this program is about.
    types: Vec<Arc<Schema>>,
    /// The records that the batch at hand inserts: their types, tenants and ids.
    inserted: Vec<(String, Option<TenantId>, Uuid)>,
    /// Walks that can go on.
    walks: Vec<(Scope, Query, Cursor)>,
    serial: u64,
}

/// The program of a seed.
pub(super) fn program(seed: u64, salt: u64) -> Vec<Step> {
    let mut dice = Dice::new(seed);
    let count = 1 + dice.below(3);
    let tenants = (0..count).map(|n| TenantId::new(id(salt, 0xffff_0000 + n as u64))).collect();
    let is_shared = dice.chance(30);
    let values = Values::new(salt);
    let model = Model::new(schemas());
    let types = types(&mut dice);
    let (inserted, walks) = (Vec::new(), Vec::new());
    let mut generator =
        Generator { dice, values, tenants, is_shared, model, types, inserted, walks, serial: 0 };
    let length = 25 + generator.dice.below(40);
    (0..length).filter_map(|n| generator.step(n).ok()).collect()
}

/// Few types, so that their records meet: each with what it needs to refer to.
fn types(dice: &mut Dice) -> Vec<Arc<Schema>> {
    let mut types: Vec<Arc<Schema>> = Vec::new();
    let mut next: Vec<&Arc<Schema>> = dice.pick(schemas()).into_iter().collect();
    if dice.chance(50) {
        next.extend(dice.pick(schemas()));
    }
    while let Some(schema) = next.pop() {
        if types.contains(schema) {
            continue;
        }
        for field in schema.fields() {
            let target =
                schemas().iter().find(|known| field.references.as_deref() == Some(known.name()));
            if field.required || dice.chance(30) {
                next.extend(target);
            }
        }
        types.push(Arc::clone(schema));
    }
    types
}

fn id(salt: u64, low: u64) -> Uuid {
    Uuid::from_u64_pair(salt, low)
}

impl Generator {
    fn step(&mut self, number: usize) -> Result<Step> {
        match self.dice.below(100) {
            // First there must be something to ask about.
            _ if number < 14 => self.fill(),
            0..=39 => self.commit(),
            40..=84 => self.query(),
            _ => self.aggregate(),
        }
    }

    fn schema(&mut self) -> Arc<Schema> {
        let number = self.dice.below(self.types.len());
        Arc::clone(&self.types[number])
    }

    // Mostly one that the scope can see.
    fn schema_in(&mut self, scope: Scope) -> Arc<Schema> {
        let mut schema = self.schema();
        for _ in 0..4 {
            if scope == Scope::System || schema.scoping() == Scoping::Tenant {
                break;
            }
            schema = self.schema();
        }
        schema
    }

    fn tenant(&mut self) -> TenantId {
        let number = self.dice.below(self.tenants.len());
        self.tenants[number]
    }

    fn scope(&mut self, system: usize) -> Scope {
        if self.dice.chance(system) { Scope::System } else { Scope::Tenant(self.tenant()) }
    }

    // Batches

    fn fill(&mut self) -> Result<Step> {
        let schema = self.schema();
        let tenant = self.tenant_for(&schema, Scope::System);
        let record = self.record(&schema, tenant)?;
        let operations = vec![Operation::Insert { schema, record }];
        let _ = self.model.commit(Scope::System, &Batch::new(operations.clone())?);
        Ok(Step::Commit(Scope::System, operations))
    }

    fn commit(&mut self) -> Result<Step> {
        let all_global = self.types.iter().all(|schema| schema.scoping() == Scoping::Global);
        let scope = self.scope(if all_global { 95 } else { 35 });
        let mut operations: Vec<Operation> = Vec::new();
        let more = if self.dice.chance(50) { self.dice.below(6) } else { 0 };
        for _ in 0..=more {
            let Ok(operation) = self.operation(scope) else { continue };
            operations.push(operation);
            // What cannot be a batch never reaches a store.
            if Batch::new(operations.clone()).is_err() {
                operations.pop();
            } else if let Some(Operation::Insert { schema, record }) = operations.last() {
                self.inserted.push((schema.name().to_owned(), record.tenant(), record.id()));
            }
        }
        self.inserted.clear();
        if self.dice.chance(30) {
            operations.reverse();
        }
        let batch = Batch::new(operations.clone())?;
        let _ = self.model.commit(scope, &batch);
        Ok(Step::Commit(scope, operations))
    }

    fn operation(&mut self, scope: Scope) -> Result<Operation> {
        let stored = self.stored(scope);
        match (self.dice.below(100), stored) {
            (0..=4, _) => {
                let counter = format!("{}-{}", self.values.mark(), self.dice.below(2));
                Ok(Operation::Increment { counter, by: 1 + self.dice.below(3) as i64 })
            }
            (5..=54, _) | (_, None) => {
                let schema = self.schema_in(scope);
                let tenant = self.tenant_for(&schema, scope);
                let record = self.record(&schema, tenant)?;
                Ok(Operation::Insert { schema, record })
            }
            (55..=79, Some((schema, record))) => {
                let before = self.perhaps_stale(&schema, record)?;
                let mut values = before.values().to_vec();
                values[usize::from(system::VERSION)] = (before.version() + 1).into();
                self.rewrite(&schema, &before, &mut values);
                let after = Record::new(&schema, before.tenant(), values)?;
                Ok(Operation::Update { schema, before, after })
            }
            (80..=92, Some((schema, record))) => {
                let before = self.perhaps_stale(&schema, record)?;
                Ok(Operation::Remove { schema, before })
            }
            (_, Some((schema, record))) => {
                let before = self.perhaps_stale(&schema, record)?;
                Ok(Operation::Check { schema, before })
            }
        }
    }

    fn tenant_for(&mut self, schema: &Schema, scope: Scope) -> Option<TenantId> {
        match (schema.scoping(), scope) {
            (Scoping::Global, _) => None,
            (Scoping::Tenant, Scope::Tenant(tenant)) if !self.dice.chance(3) => Some(tenant),
            (Scoping::Tenant, _) => Some(self.tenant()),
        }
    }

    // A record that is there; now and then one out of scope.
    fn stored(&mut self, scope: Scope) -> Option<(Arc<Schema>, Record)> {
        let stray = self.dice.chance(2);
        let is_seen = |record: &Record| match scope {
            Scope::System => true,
            Scope::Tenant(tenant) => stray || record.tenant() == Some(tenant),
        };
        let records: Vec<_> = self.model.records().filter(|(_, record)| is_seen(record)).collect();
        let (schema, record) = self.dice.pick(&records)?;
        Some((Arc::clone(schema), (*record).clone()))
    }

    fn perhaps_stale(&mut self, schema: &Schema, record: Record) -> Result<Record> {
        let mut values = record.values().to_vec();
        let tenant = record.tenant();
        match self.dice.below(100) {
            0..=2 => values[usize::from(system::VERSION)] = (record.version() + 1).into(),
            3..=4 => values[usize::from(system::ID)] = self.values.stranger(&mut self.dice).into(),
            _ => return Ok(record),
        }
        Record::new(schema, tenant, values)
    }

    fn record(&mut self, schema: &Schema, tenant: Option<TenantId>) -> Result<Record> {
        let mut values = vec![Value::Null; schema.fields().len()];
        values[usize::from(system::ID)] = self.id_for(tenant).into();
        values[usize::from(system::VERSION)] = 1.into();
        for field in [system::CREATED_AT, system::UPDATED_AT] {
            values[usize::from(field)] = self.values.of(Kind::Time, &mut self.dice);
        }
        if self.dice.chance(15) {
            let time = self.values.of(Kind::Time, &mut self.dice);
            values[usize::from(system::DELETED_AT)] = time;
        }
        for (field, value) in values.iter_mut().enumerate().skip(system::COUNT) {
            *value = self.value(schema, field, tenant);
        }
        self.name_ends(schema, tenant, &mut values);
        Record::new(schema, tenant, values)
    }

    // Ids of a tenant's own, unless they are shared; some again and again.
    fn id_for(&mut self, tenant: Option<TenantId>) -> Uuid {
        let place = self.tenants.iter().position(|known| Some(*known) == tenant);
        let of = if self.is_shared { 0 } else { place.map_or(0, |n| n as u64 + 1) };
        let low = if self.dice.chance(20) {
            self.dice.below(6) as u64
        } else {
            self.serial += 1;
            // Not in the order in which they are written.
            self.serial.wrapping_mul(0x9e37_79b9) & 0xffff_ffff
        };
        id(self.values.salt(), of << 40 | low)
    }

    fn value(&mut self, schema: &Schema, position: usize, tenant: Option<TenantId>) -> Value {
        let field = &schema.fields()[position];
        if position == usize::from(MARK) {
            return self.values.mark().into();
        }
        if !field.required && self.dice.chance(25) {
            return Value::Null;
        }
        if let Some(target) = &field.references {
            let is_near = |of: &str, there: Option<TenantId>| {
                of == target && (there.is_none() || there == tenant)
            };
            let stored = self.model.records();
            let stored = stored.filter(|(of, record)| is_near(of.name(), record.tenant()));
            let new = self.inserted.iter().filter(|(of, there, _)| is_near(of, *there));
            let known: Vec<Uuid> =
                stored.map(|(_, record)| record.id()).chain(new.map(|(.., id)| *id)).collect();
            return match self.dice.pick(&known) {
                Some(id) if self.dice.chance(93) => (*id).into(),
                _ if !field.required && self.dice.chance(85) => Value::Null,
                _ => self.values.stranger(&mut self.dice).into(),
            };
        }
        self.values.of(field.kind, &mut self.dice)
    }

    // Mostly a record that there is, now and then another tenant's.
    fn name_ends(&mut self, schema: &Schema, tenant: Option<TenantId>, values: &mut [Value]) {
        for end in schema.ends() {
            let stray = self.dice.chance(10);
            let is_near = |record: &Record| stray || record.tenant() == tenant;
            let known: Vec<_> = self
                .model
                .records()
                .filter(|(of, record)| of.scoping() == Scoping::Tenant && is_near(record))
                .map(|(of, record)| (of.resource().to_owned(), record.get(of.known_by()).clone()))
                .collect();
            if self.dice.chance(80)
                && let Some((record_type, id)) = self.dice.pick(&known)
            {
                values[usize::from(end.record_type)] = record_type.as_str().into();
                values[usize::from(end.id)] = id.clone();
            }
        }
    }

    fn rewrite(&mut self, schema: &Schema, before: &Record, values: &mut [Value]) {
        for _ in 0..=self.dice.below(3) {
            let position = system::COUNT + self.dice.below(schema.fields().len() - system::COUNT);
            values[position] = self.value(schema, position, before.tenant());
        }
        if self.dice.chance(40) {
            self.name_ends(schema, before.tenant(), values);
        }
        if self.dice.chance(35) {
            let deleted = &mut values[usize::from(system::DELETED_AT)];
            *deleted = match deleted {
                Value::Null => self.values.of(Kind::Time, &mut self.dice),
                _ => Value::Null,
            };
        }
        if self.dice.chance(30) {
            values[usize::from(system::CREATED_AT)] = self.values.of(Kind::Time, &mut self.dice);
        }
    }

    // Questions

    fn query(&mut self) -> Result<Step> {
        if !self.walks.is_empty() && self.dice.chance(30) {
            return self.walk_on();
        }
        let scope = self.scope(30);
        let schema = self.schema_in(scope);
        let filter = self.filter_in(scope, &schema)?;
        let mut query = Query::new(Arc::clone(&schema)).filter(filter)?;
        query = query.deleted(self.deleted());
        if self.dice.chance(50) {
            query = query.counted();
        }
        let sort = self.sort(&schema);
        query = query.sort(sort)?;
        let limit = 1 + self.dice.below(6) as u32;
        let window = if scope == Scope::System && self.is_shared {
            Window::Page { offset: 0, limit: 1_000 }
        } else if self.dice.chance(50) {
            Window::Page { offset: self.dice.below(8) as u64, limit }
        } else {
            Window::Cursor { after: self.place(&query), limit }
        };
        let query = query.window(window)?;
        self.keep_walk(scope, &query);
        Ok(Step::Query(scope, Box::new(query)))
    }

    // The place behind some record, which need not be in the result.
    fn place(&mut self, query: &Query) -> Option<Cursor> {
        if !self.dice.chance(40) {
            return None;
        }
        let name = query.schema().name();
        let records: Vec<&Record> = self
            .model
            .records()
            .filter(|(schema, _)| schema.name() == name)
            .map(|(_, record)| record)
            .collect();
        self.dice.pick(&records).map(|record| Cursor::behind(query, record))
    }

    fn walk_on(&mut self) -> Result<Step> {
        let number = self.dice.below(self.walks.len());
        let (scope, query, after) = self.walks.swap_remove(number);
        let limit = 1 + self.dice.below(6) as u32;
        let query = query.window(Window::Cursor { after: Some(after), limit })?;
        self.keep_walk(scope, &query);
        Ok(Step::Query(scope, Box::new(query)))
    }

    fn keep_walk(&mut self, scope: Scope, query: &Query) {
        if let Some(next) = self.model.query(scope, query).next {
            self.walks.push((scope, query.clone(), next));
        }
    }

    fn aggregate(&mut self) -> Result<Step> {
        let scope = self.scope(30);
        let schema = self.schema_in(scope);
        let filter = self.filter_in(scope, &schema)?;
        let mut groups = Vec::new();
        for _ in 0..self.dice.below(4) {
            let path = self.path(&schema);
            let kind = path.kind(&schema);
            groups.extend(match kind {
                Kind::Time if self.dice.chance(50) => {
                    Some(GroupBy::Span(path, self.values.bounds(&mut self.dice)))
                }
                kind if kind == Kind::Codes || (kind.is_list() && path.custom.is_none()) => {
                    Some(GroupBy::Each(path))
                }
                kind if kind.is_ordered() => Some(GroupBy::Value(path)),
                _ => None,
            });
        }
        let mut measures = Vec::new();
        for _ in 0..4 {
            let path = self.path(&schema);
            let kind = path.kind(&schema);
            measures.push(match self.dice.below(5) {
                1 if kind.is_number() => Measure::Sum(path),
                2 if kind.is_ordered() => Measure::Min(path),
                3 if kind.is_ordered() => Measure::Max(path),
                4 if kind.is_ordered() => Measure::Distinct(path),
                _ => Measure::Count,
            });
        }
        let aggregate = Aggregate::count(schema).filter(filter)?.deleted(self.deleted());
        let mut aggregate = aggregate.group_by(groups)?;
        if self.dice.chance(75) {
            aggregate = aggregate.measures(measures)?;
        }
        Ok(Step::Aggregate(scope, Box::new(aggregate)))
    }

    fn deleted(&mut self) -> Deleted {
        match self.dice.below(10) {
            0..=6 => Deleted::Exclude,
            7..=8 => Deleted::Include,
            _ => Deleted::Only,
        }
    }

    fn sort(&mut self, schema: &Schema) -> Vec<Sort> {
        let mut sort = Vec::new();
        for _ in 0..self.dice.below(4) {
            let path = if self.dice.chance(15) {
                Path::field(system::ID)
            } else {
                self.path_where(schema, |field| {
                    field.sortable || field.kind == Kind::Custom && field.filterable
                })
            };
            if path.kind(schema).is_ordered() {
                sort.push(Sort { path, descending: self.dice.chance(50) });
            }
        }
        sort
    }

    // A field that may be filtered by, often a tenant's own.
    fn path(&mut self, schema: &Schema) -> Path {
        self.path_where(schema, |field| field.filterable)
    }

    fn path_where(&mut self, schema: &Schema, may: impl Fn(&Field) -> bool) -> Path {
        let known = schema.fields().iter().zip(0..).filter(|(field, _)| may(field));
        let known: Vec<u16> = known.map(|(_, index)| index).collect();
        let index = *choice(&mut self.dice, &known, &system::ID);
        if schema.field(index).kind == Kind::Custom {
            let (key, kind) = self.values.custom_key(&mut self.dice);
            return Path::custom(index, key, kind);
        }
        Path::field(index)
    }

    // The system's questions are about this program's records, others' being in the store too.
    fn filter_in(&mut self, scope: Scope, schema: &Schema) -> Result<Filter> {
        let depth = self.dice.below(4);
        let filter = if self.dice.chance(30) { Filter::All } else { self.filter(schema, depth) };
        if scope != Scope::System {
            return Ok(filter);
        }
        let own = Filter::eq(Path::field(MARK), self.values.mark());
        Ok(if self.dice.chance(50) { own.and(filter) } else { Filter::And(vec![filter, own]) })
    }

    fn filter(&mut self, schema: &Schema, depth: usize) -> Filter {
        if depth > 0 && self.dice.chance(60) {
            let mut some = || {
                let count = self.dice.below(4);
                (0..count).map(|_| self.filter(schema, depth - 1)).collect::<Vec<_>>()
            };
            return match some() {
                filters if self.dice.chance(40) => Filter::And(filters),
                filters if self.dice.chance(60) => Filter::Or(filters),
                _ => Filter::Not(Box::new(self.filter(schema, depth - 1))),
            };
        }
        let path = self.path(schema);
        let kind = path.kind(schema);
        match self.dice.below(12) {
            0 => Filter::Absent(path),
            1 if schema.searchable().next().is_some() => {
                Filter::Search(self.values.words(&mut self.dice))
            }
            2 | 3 if !schema.ends().is_empty() && self.dice.chance(60) => self.end(schema, depth),
            2 | 3 => self.related(schema, depth).unwrap_or(Filter::All),
            4 if matches!(kind, Kind::Text | Kind::Code) => {
                Filter::Contains(path, self.values.part(&mut self.dice))
            }
            5 if matches!(kind, Kind::Text | Kind::Code) => {
                Filter::StartsWith(path, self.values.part(&mut self.dice))
            }
            6..=8 if kind.is_ordered() => {
                let comparison = [Comparison::Lt, Comparison::Le, Comparison::Gt, Comparison::Ge];
                let comparison = comparison[self.dice.below(4)];
                Filter::Compare(path, comparison, self.bound(kind))
            }
            6..=8 => Filter::HasAll(path, self.elements(kind)),
            _ => Filter::In(path, self.elements(kind)),
        }
    }

    fn related(&mut self, schema: &Schema, depth: usize) -> Option<Filter> {
        let fields = schema.fields().iter().zip(0..);
        let fields: Vec<_> =
            fields.filter_map(|(f, i)| Some((i, f.references.as_deref()?))).collect();
        let (field, target) = *self.dice.pick(&fields)?;
        let target = schemas().iter().find(|known| known.name() == target)?;
        let filter =
            if self.dice.chance(15) { Filter::All } else { self.filter(target, depth.min(1)) };
        Some(Filter::Related(field, Arc::clone(target), Box::new(filter)))
    }

    fn end(&mut self, schema: &Schema, depth: usize) -> Filter {
        let mut cases = Vec::new();
        for target in schemas().iter().filter(|target| target.scoping() == Scoping::Tenant) {
            if self.dice.chance(70) {
                let filter = match self.dice.below(10) {
                    0..=2 => Filter::All,
                    3..=5 => Filter::Absent(Path::field(system::DELETED_AT)),
                    _ => self.filter(target, depth.min(1)),
                };
                cases.push((Arc::clone(target), filter));
            }
        }
        Filter::End(self.dice.below(schema.ends().len()), cases)
    }

    fn bound(&mut self, kind: Kind) -> Value {
        // Ids are worth asking for where there are such records.
        if kind == Kind::Uuid && self.dice.chance(70) {
            let ids: Vec<Uuid> = self.model.records().map(|(_, record)| record.id()).collect();
            if let Some(id) = self.dice.pick(&ids) {
                return (*id).into();
            }
        }
        self.values.of(kind, &mut self.dice)
    }

    fn elements(&mut self, kind: Kind) -> Vec<Value> {
        let count = self.dice.below(4);
        (0..count).map(|_| self.bound(kind.element())).collect()
    }
}
