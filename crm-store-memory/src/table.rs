//! The rows of a record type, by tenant, with the indexes that find them.
//!
//! An index here only ever leads to rows; what a request means is for the evaluator to say.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crm_core::store::evaluate::Row;
use crm_core::store::{
    Deleted, FieldIndex, Record, Schema, Scope, Scoping, Value, system, unique_values,
};
use crm_core::tenants::TenantId;
use uuid::Uuid;

use crate::key::Key;

/// The position of a table in the store: the order in which types were prepared.
pub(crate) type TableNumber = usize;

/// All rows of a record type.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) schema: Arc<Schema>,
    /// The reference fields and the tables that they refer to.
    pub(crate) references: Vec<(FieldIndex, TableNumber)>,
    /// The fields that an [`Ordered`] index is kept for.
    pub(crate) ordered: Vec<FieldIndex>,
    /// By tenant; those of a global type under none.
    pub(crate) parts: HashMap<Option<TenantId>, Part>,
}

impl Table {
    pub(crate) fn new(schema: Arc<Schema>, references: Vec<(FieldIndex, TableNumber)>) -> Self {
        let mut ordered = vec![system::CREATED_AT];
        let declared = schema.indexes().iter().filter_map(|index| index.fields.first().copied());
        let known_by = [schema.known_by()];
        for field in declared.chain(references.iter().map(|(field, _)| *field)).chain(known_by) {
            let is_id = field == system::ID;
            if !is_id && schema.field(field).kind.is_ordered() && !ordered.contains(&field) {
                ordered.push(field);
            }
        }
        Self { schema, references, ordered, parts: HashMap::new() }
    }

    /// The part of a tenant, which is made where it is not there yet.
    pub(crate) fn part_mut(&mut self, tenant: Option<TenantId>) -> &mut Part {
        let (unique, ordered) = (self.schema.unique().len(), self.ordered.len());
        self.parts.entry(tenant).or_insert_with(|| Part::new(unique, ordered))
    }

    /// The row with an identifier, live or deleted.
    pub(crate) fn row(&self, tenant: Option<TenantId>, id: Uuid) -> Option<&Arc<Row>> {
        self.parts.get(&tenant)?.row(id)
    }

    /// The rows that are known by an identifier, live or deleted.
    pub(crate) fn known_by(&self, tenant: Option<TenantId>, id: Uuid) -> Vec<&Row> {
        let Some(part) = self.parts.get(&tenant) else { return Vec::new() };
        let field = self.schema.known_by();
        let Some(number) = self.ordered.iter().position(|ordered| *ordered == field) else {
            return part.row(id).map(|row| &**row).into_iter().collect();
        };
        let id = Value::Uuid(id);
        let deleted = part.deleted.values().map(|row| &**row);
        let deleted = deleted.filter(|row| *row.record().get(field) == id);
        part.ordered[number].equal(&Key::new(id.clone())).chain(deleted).collect()
    }

    /// The parts that a scope sees.
    pub(crate) fn seen_by(&self, scope: Scope) -> Vec<&Part> {
        match (scope, self.schema.scoping()) {
            (Scope::System, _) => self.parts.values().collect(),
            (Scope::Tenant(tenant), Scoping::Tenant) => {
                self.parts.get(&Some(tenant)).into_iter().collect()
            }
            (Scope::Tenant(_), Scoping::Global) => Vec::new(),
        }
    }

    /// The records that a record refers to, itself left out.
    pub(crate) fn referred_by(
        &self,
        number: TableNumber,
        record: &Record,
    ) -> Vec<(TableNumber, Uuid)> {
        let target = |(field, target): &(FieldIndex, TableNumber)| match record.get(*field) {
            Value::Uuid(id) if (*target, *id) != (number, record.id()) => Some((*target, *id)),
            _ => None,
        };
        self.references.iter().filter_map(target).collect()
    }

    /// The fields and identifiers that a record refers to, in the order of declaration.
    pub(crate) fn references_of<'a>(
        &'a self,
        record: &'a Record,
    ) -> impl Iterator<Item = (FieldIndex, TableNumber, Uuid)> + 'a {
        self.references.iter().filter_map(|(field, target)| match record.get(*field) {
            Value::Uuid(id) => Some((*field, *target, *id)),
            _ => None,
        })
    }

    /// The values of a unique key in a record; none where it is not held to it.
    pub(crate) fn unique_key(&self, number: usize, record: &Record) -> Option<Box<[Key]>> {
        let key = self.schema.unique().get(number)?;
        let values = unique_values(&self.schema, &key.fields, record)?;
        Some(values.into_iter().map(Key::new).collect())
    }

    /// Puts a row in.
    pub(crate) fn put(&mut self, row: Arc<Row>) {
        let record = row.record();
        let (tenant, id) = (record.tenant(), record.id());
        let unique: Vec<_> =
            (0..self.schema.unique().len()).map(|i| self.unique_key(i, record)).collect();
        let keys: Vec<_> = self.ordered.iter().map(|field| Key::of(&row, *field)).collect();
        let part = self.part_mut(tenant);
        part.by_id.insert(id, Arc::clone(&row));
        if !row.record().is_live() {
            part.deleted.insert(id, row);
            return;
        }
        for (held, key) in part.unique.iter_mut().zip(unique) {
            if let Some(key) = key {
                held.insert(key, id);
            }
        }
        for (index, key) in part.ordered.iter_mut().zip(keys) {
            index.put(key, id, Arc::clone(&row));
        }
        part.live.insert(id, row);
    }

    /// Takes a row out and gives it back, where it is there.
    pub(crate) fn take(&mut self, tenant: Option<TenantId>, id: Uuid) -> Option<Arc<Row>> {
        let part = self.part_mut(tenant);
        let row = part.by_id.remove(&id)?;
        if part.deleted.remove(&id).is_some() {
            return Some(row);
        }
        part.live.remove(&id);
        let unique: Vec<_> =
            (0..self.schema.unique().len()).map(|i| self.unique_key(i, row.record())).collect();
        let keys: Vec<_> = self.ordered.iter().map(|field| Key::of(&row, *field)).collect();
        let part = self.part_mut(tenant);
        for (held, key) in part.unique.iter_mut().zip(unique) {
            if let Some(key) = key {
                held.remove(&key);
            }
        }
        for (index, key) in part.ordered.iter_mut().zip(keys) {
            index.take(key, id);
        }
        Some(row)
    }
}

/// The rows of a type in one tenant.
#[derive(Debug)]
pub(crate) struct Part {
    /// All rows; finding one among very many is cheaper here than in the order below.
    by_id: HashMap<Uuid, Arc<Row>>,
    /// By id, and so by age.
    pub(crate) live: BTreeMap<Uuid, Arc<Row>>,
    pub(crate) deleted: BTreeMap<Uuid, Arc<Row>>,
    /// Which live record holds the values of each unique key.
    pub(crate) unique: Box<[HashMap<Box<[Key]>, Uuid>]>,
    /// Live rows by each field of [`Table::ordered`].
    pub(crate) ordered: Box<[Ordered]>,
    /// How many other records of each table refer to a record of this one.
    pub(crate) referred: HashMap<Uuid, BTreeMap<TableNumber, usize>>,
}

impl Part {
    fn new(unique: usize, ordered: usize) -> Self {
        Self {
            by_id: HashMap::new(),
            live: BTreeMap::new(),
            deleted: BTreeMap::new(),
            unique: (0..unique).map(|_| HashMap::new()).collect(),
            ordered: (0..ordered).map(|_| Ordered::default()).collect(),
            referred: HashMap::new(),
        }
    }

    pub(crate) fn row(&self, id: Uuid) -> Option<&Arc<Row>> {
        self.by_id.get(&id)
    }

    /// The rows that a request for live or deleted ones looks at.
    pub(crate) fn rows(&self, deleted: Deleted) -> Box<dyn Iterator<Item = &Row> + '_> {
        let (live, gone) = (self.live.values(), self.deleted.values());
        match deleted {
            Deleted::Exclude => Box::new(live.map(|row| &**row)),
            Deleted::Only => Box::new(gone.map(|row| &**row)),
            Deleted::Include => Box::new(live.chain(gone).map(|row| &**row)),
        }
    }

    /// How many rows [`Part::rows`] gives.
    pub(crate) fn count(&self, deleted: Deleted) -> usize {
        match deleted {
            Deleted::Exclude => self.live.len(),
            Deleted::Only => self.deleted.len(),
            Deleted::Include => self.live.len() + self.deleted.len(),
        }
    }

    /// Notes that a record of table `from` refers to one of this part.
    pub(crate) fn refer(&mut self, from: TableNumber, to: Uuid) {
        *self.referred.entry(to).or_default().entry(from).or_default() += 1;
    }

    /// Notes that it no longer does.
    pub(crate) fn unrefer(&mut self, from: TableNumber, to: Uuid) {
        let Some(counts) = self.referred.get_mut(&to) else { return };
        if let Some(count) = counts.get_mut(&from) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&from);
            }
        }
        if counts.is_empty() {
            self.referred.remove(&to);
        }
    }
}

/// Live rows in the order of a field, then of their ids; those without a value apart.
#[derive(Debug, Default)]
pub(crate) struct Ordered {
    pub(crate) present: BTreeMap<(Key, Uuid), Arc<Row>>,
    pub(crate) absent: BTreeMap<Uuid, Arc<Row>>,
}

impl Ordered {
    fn put(&mut self, key: Option<Key>, id: Uuid, row: Arc<Row>) {
        match key {
            Some(key) => self.present.insert((key, id), row),
            None => self.absent.insert(id, row),
        };
    }

    fn take(&mut self, key: Option<Key>, id: Uuid) {
        match key {
            Some(key) => self.present.remove(&(key, id)),
            None => self.absent.remove(&id),
        };
    }

    /// The rows with a value.
    pub(crate) fn equal(&self, key: &Key) -> impl Iterator<Item = &Row> + use<'_> {
        let range = (key.clone(), Uuid::nil())..=(key.clone(), Uuid::max());
        self.present.range(range).map(|(_, row)| &**row)
    }
}
