//! What this store owes beyond the conformance suite, which is in `tests/`: the shape of its
//! statements, the indexes that they use, and how many trips they take.

mod commits;
mod golden;
mod plans;
mod reads;
mod relations;
mod trips;

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use crm_core::Result;
use crm_core::store::{
    Batch, Catalogue, Commit, FieldIndex, Operation, Query, Record, Schema, Scope, Store, Value,
};
use crm_core::tenants::TenantId;
use uuid::Uuid;

use crate::tables::{create_tables_sql, tests::examples};
use crate::testing::TestDatabase;
use crate::{PostgresOptions, PostgresStore};

const TENANT: TenantId = TenantId::new(Uuid::from_u128(0x7000_8000_0000_0000_0001));
const SCOPE: Scope = Scope::Tenant(TENANT);

/// A store of the example types, empty.
struct World {
    // Dropped after the store, which is connected to it.
    store: Arc<PostgresStore>,
    catalogue: Catalogue,
    database: TestDatabase,
}

impl World {
    async fn new() -> Self {
        let catalogue = examples();
        let database = TestDatabase::with(&create_tables_sql(&catalogue)).await.unwrap();
        let store =
            PostgresStore::connect(&PostgresOptions::new(database.app_url())).await.unwrap();
        store.prepare(&catalogue).await.unwrap();
        Self { store: Arc::new(store), catalogue, database }
    }

    fn schema(&self, name: &str) -> &Arc<Schema> {
        self.catalogue.get(name).unwrap()
    }

    fn field(&self, schema: &str, name: &str) -> FieldIndex {
        self.schema(schema).index_of(name).unwrap()
    }

    fn firm(&self, id: u128, name: &str) -> Record {
        record(self.schema("firms"), id, &[("name", name.into())])
    }

    fn article(&self, id: u128, firm: u128, values: &[(&str, Value)]) -> Record {
        let mut all: Vec<(&str, Value)> = vec![
            ("title", format!("Article {id}").into()),
            ("status", "active".into()),
            ("isActive", true.into()),
            ("firmId", Uuid::from_u128(firm).into()),
        ];
        all.extend(values.iter().cloned());
        record(self.schema("articles"), id, &all)
    }

    fn insert(&self, schema: &str, record: Record) -> Operation {
        Operation::Insert { schema: Arc::clone(self.schema(schema)), record }
    }

    async fn commit(&self, operations: Vec<Operation>) -> Result<Commit> {
        self.store.write(SCOPE, &Batch::new(operations)?).await
    }

    async fn all(&self, schema: &str) -> Vec<Record> {
        let query = Query::new(Arc::clone(self.schema(schema)));
        self.store.answer(SCOPE, &query).await.unwrap().items
    }
}

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
}

/// A live record at version 1, with these values; later ones go before earlier ones.
fn record(schema: &Schema, id: u128, values: &[(&str, Value)]) -> Record {
    let value = |(i, field): (usize, &crm_core::store::Field)| match i {
        0 => Uuid::from_u128(id).into(),
        1 => 1.into(),
        2 | 3 => at(id as i64).into(),
        _ => match values.iter().rev().find(|(name, _)| *name == field.name) {
            Some((_, value)) => value.clone(),
            None => match field.kind {
                crm_core::store::Kind::Uuids => Value::Uuids(Vec::new()),
                crm_core::store::Kind::Codes => Value::Codes(Vec::new()),
                crm_core::store::Kind::Custom => Value::Custom(Default::default()),
                _ => Value::Null,
            },
        },
    };
    let values = schema.fields().iter().enumerate().map(value).collect();
    let tenant = (schema.scoping() == crm_core::store::Scoping::Tenant).then_some(TENANT);
    Record::new(schema, tenant, values).unwrap()
}

/// The record one version later, with another value.
fn changed(schema: &Schema, before: &Record, name: &str, value: Value) -> Operation {
    let mut values = before.values().to_vec();
    values[1] = (before.version() + 1).into();
    values[usize::from(schema.index_of(name).unwrap())] = value;
    Operation::Update {
        schema: Arc::new(schema.clone()),
        before: before.clone(),
        after: Record::new(schema, before.tenant(), values).unwrap(),
    }
}
