//! The rules of the store's language, one by one. A record type with a field of every kind serves
//! all of them.

mod aggregates;
mod batches;
mod filters;
mod matching;
mod queries;
mod schemas;
mod values;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::evaluate::{Lookup, Row};
use super::{
    Field, FieldIndex, Filter, Kind, Owners, Path, Query, Record, Schema, SchemaBuilder, Scoping,
    Value, system,
};
use crate::tenants::TenantId;

const TENANT: TenantId = TenantId::new(Uuid::from_u128(100));

const NAME: FieldIndex = 5;
const CODE: FieldIndex = 6;
const ACTIVE: FieldIndex = 7;
const COUNT: FieldIndex = 8;
const PRICE: FieldIndex = 9;
const DAY: FieldIndex = 10;
const SEEN: FieldIndex = 11;
const PARENT: FieldIndex = 12;
const PEOPLE: FieldIndex = 13;
const TAGS: FieldIndex = 14;
const LAYOUT: FieldIndex = 15;
const CUSTOM: FieldIndex = 16;
const HIDDEN: FieldIndex = 17;
const USER: FieldIndex = 18;

fn declaration() -> SchemaBuilder {
    let any = |name, kind| Field::new(name, kind).filterable().sortable();
    let list = |name, kind| Field::new(name, kind).filterable();
    Schema::builder("things", Scoping::Tenant, Owners::Nobody)
        .field(any("name", Kind::Text).searchable())
        .field(any("code", Kind::Code).searchable())
        .field(any("active", Kind::Bool))
        .field(any("count", Kind::Int))
        .field(any("price", Kind::Decimal { scale: 2 }))
        .field(any("day", Kind::Date))
        .field(any("seen", Kind::Time))
        .field(any("parentId", Kind::Uuid).references("things"))
        .field(list("people", Kind::Uuids))
        .field(list("tags", Kind::Codes))
        .field(Field::new("layout", Kind::Json))
        .field(list("customFields", Kind::Custom).searchable())
        .field(Field::new("hidden", Kind::Text))
        .field(any("userId", Kind::Uuid).references("users"))
}

fn things() -> Arc<Schema> {
    declaration().build().unwrap()
}

fn users() -> Arc<Schema> {
    Schema::builder("users", Scoping::Global, Owners::Nobody)
        .field(Field::new("email", Kind::Text).filterable())
        .build()
        .unwrap()
}

/// A live thing in which nothing of its own is present, created `id` seconds into 1970.
fn values(id: u128) -> Vec<Value> {
    let mut values = vec![Value::Null; things().fields().len()];
    values[usize::from(system::ID)] = Uuid::from_u128(id).into();
    values[usize::from(system::VERSION)] = 1.into();
    values[usize::from(system::CREATED_AT)] = time(id as i64).into();
    values[usize::from(system::UPDATED_AT)] = time(id as i64).into();
    values[usize::from(PEOPLE)] = Value::Uuids(Vec::new());
    values[usize::from(TAGS)] = Value::Codes(Vec::new());
    values[usize::from(CUSTOM)] = Value::Custom(BTreeMap::new());
    values
}

/// Such a thing with these values.
fn thing(id: u128, present: &[(FieldIndex, Value)]) -> Record {
    let mut values = values(id);
    for (field, value) in present {
        values[usize::from(*field)] = value.clone();
    }
    Record::new(&things(), Some(TENANT), values).unwrap()
}

fn time(seconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
}

fn day(day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 1, day).unwrap()
}

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn codes(codes: &[&str]) -> Value {
    Value::Codes(codes.iter().map(|code| (*code).to_owned()).collect())
}

fn uuids(ids: &[u128]) -> Value {
    Value::Uuids(ids.iter().map(|id| Uuid::from_u128(*id)).collect())
}

fn custom(fields: &[(&str, Value)]) -> Value {
    Value::Custom(fields.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect())
}

fn at(field: FieldIndex) -> Path {
    Path::field(field)
}

fn of(record: Record) -> Row {
    Row::new(&things(), record)
}

/// A filter as the evaluator gets it.
fn checked(filter: Filter) -> Filter {
    Query::new(things()).filter(filter).unwrap().get_filter().clone()
}

/// Whether a thing with these values matches, with nothing to refer to.
fn holds(filter: Filter, present: &[(FieldIndex, Value)]) -> bool {
    let row = of(thing(1, present));
    super::evaluate::matches(&things(), &checked(filter), &row, &Others::default())
}

/// Records to refer to, by type, tenant and id.
#[derive(Default)]
struct Others(HashMap<(String, Option<TenantId>, Uuid), Row>);

impl Others {
    fn with(mut self, schema: &Schema, record: Record) -> Self {
        let key = (schema.name().to_owned(), record.tenant(), record.id());
        self.0.insert(key, Row::new(schema, record));
        self
    }
}

impl Lookup for Others {
    fn find(&self, schema: &Schema, tenant: Option<TenantId>, id: Uuid) -> Option<&Row> {
        self.0.get(&(schema.name().to_owned(), tenant, id))
    }

    fn known_by(&self, schema: &Schema, tenant: Option<TenantId>, id: Uuid) -> Vec<&Row> {
        let is = |row: &Row| {
            row.record().tenant() == tenant
                && *row.record().get(schema.known_by()) == Value::Uuid(id)
        };
        let of_type = self.0.iter().filter(|((name, ..), _)| name == schema.name());
        of_type.map(|(_, row)| row).filter(|row| is(row)).collect()
    }
}
