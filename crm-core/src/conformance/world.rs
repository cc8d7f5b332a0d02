//! What a case works in: a store, a tenant of its own, and words for what it does there.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::types::{TYPES, Types};
use crate::clock::{Clock, SystemClock};
use crate::error::{Error, Rejection, Result};
use crate::id::{Random, SystemRandom};
use crate::store::{
    Aggregate, Batch, Commit, Deleted, Filter, Group, Kind, Operation, Page, Path, Query, Record,
    Schema, Scope, Scoped, Scoping, Sort, Store, Value, Window, system,
};
use crate::tenants::TenantId;

/// Why a case did not hold.
#[derive(Clone, PartialEq, Eq)]
pub struct Failure(String);

impl Failure {
    /// A rule that did not hold.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// As it is displayed, because tests show it so.
impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self(format!("the store answered: {error}"))
    }
}

/// What a case comes to.
pub type Outcome = Result<(), Failure>;

/// Ends the case where a condition does not hold.
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err($crate::conformance::Failure::new(format!($($message)+)));
        }
    };
}

/// Ends the case where what came is not what was expected.
macro_rules! ensure_eq {
    ($got:expr, $expected:expr, $($message:tt)+) => {
        match (&$got, &$expected) {
            (got, expected) => {
                if *got != *expected {
                    return Err($crate::conformance::Failure::new(format!(
                        "{}: expected {expected:?}, got {got:?}",
                        format_args!($($message)+)
                    )));
                }
            }
        }
    };
}

pub(super) use {ensure, ensure_eq};

/// A store, and whose records a case deals with.
#[derive(Debug, Clone)]
pub(super) struct World {
    store: Arc<dyn Store>,
    tenant: TenantId,
    scope: Scope,
    ticks: Arc<AtomicI64>,
}

impl World {
    /// A fresh tenant in a store.
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        let now = SystemClock.now();
        let tenant = TenantId::new(SystemRandom.uuid(now));
        let ticks = Arc::new(AtomicI64::new(now.timestamp_micros()));
        Self { store, tenant, scope: Scope::Tenant(tenant), ticks }
    }

    /// Another fresh tenant in the same store.
    pub(super) fn another(&self) -> Self {
        let tenant = TenantId::new(self.id());
        Self { tenant, scope: Scope::Tenant(tenant), ..self.clone() }
    }

    /// The same, asking and writing for the whole installation.
    pub(super) fn system(&self) -> Self {
        Self { scope: Scope::System, ..self.clone() }
    }

    pub(super) fn tenant(&self) -> TenantId {
        self.tenant
    }

    pub(super) fn types(&self) -> &'static Types {
        &TYPES
    }

    /// The present, a microsecond later each time it is asked.
    pub(super) fn now(&self) -> DateTime<Utc> {
        let micros = self.ticks.fetch_add(1, Ordering::Relaxed);
        DateTime::from_timestamp_micros(micros).unwrap_or_default()
    }

    /// A new identifier, larger than those before.
    pub(super) fn id(&self) -> Uuid {
        SystemRandom.uuid(self.now())
    }

    /// A text that nobody else uses.
    pub(super) fn unique(&self, what: &str) -> String {
        format!("{what}-{}", self.id().simple())
    }

    pub(super) fn draft(&self, schema: &Arc<Schema>) -> Draft {
        let tenant = (schema.scoping() == Scoping::Tenant).then_some(self.tenant);
        Draft::new(schema, tenant, self.id(), self.now())
    }

    pub(super) fn specimen(&self, label: &str) -> Draft {
        self.draft(&TYPES.specimens).with("label", label)
    }

    pub(super) fn account(&self, label: &str) -> Draft {
        self.draft(&TYPES.accounts).with("label", label)
    }

    pub(super) fn note(&self, label: &str, account: &Record) -> Draft {
        self.draft(&TYPES.notes).with("label", label).with("accountId", account.id())
    }

    /// A record of the installation, to be written by [`World::system`].
    pub(super) fn agent(&self, label: &str) -> Draft {
        let email = self.unique(label);
        self.draft(&TYPES.agents).with("label", label).with("email", email)
    }

    pub(super) async fn commit(&self, operations: Vec<Operation>) -> Result<Commit> {
        let batch = Batch::new(operations)?;
        self.store.commit(&Scoped::new(self.scope, batch)).await
    }

    pub(super) async fn insert(&self, draft: Draft) -> Result<Record> {
        let (operation, record) = draft.insertion()?;
        self.commit(vec![operation]).await?;
        Ok(record)
    }

    pub(super) async fn insert_all(&self, drafts: Vec<Draft>) -> Result<Vec<Record>> {
        let mut operations = Vec::with_capacity(drafts.len());
        let mut records = Vec::with_capacity(drafts.len());
        for draft in drafts {
            let (operation, record) = draft.insertion()?;
            operations.push(operation);
            records.push(record);
        }
        self.commit(operations).await?;
        Ok(records)
    }

    /// The operation that changes fields of a record, and the record as it will be.
    pub(super) fn update(
        &self,
        schema: &Arc<Schema>,
        before: &Record,
        changes: &[(&str, Value)],
    ) -> Result<(Operation, Record)> {
        let mut values = before.values().to_vec();
        values[usize::from(system::VERSION)] = Value::Int(before.version() + 1);
        values[usize::from(system::UPDATED_AT)] = self.now().into();
        for (field, value) in changes {
            values[usize::from(index(schema, field)?)] = value.clone();
        }
        let after = Record::new(schema, before.tenant(), values)?;
        let (schema, before) = (Arc::clone(schema), before.clone());
        Ok((Operation::Update { schema, before, after: after.clone() }, after))
    }

    pub(super) async fn change(
        &self,
        schema: &Arc<Schema>,
        before: &Record,
        changes: &[(&str, Value)],
    ) -> Result<Record> {
        let (operation, after) = self.update(schema, before, changes)?;
        self.commit(vec![operation]).await?;
        Ok(after)
    }

    pub(super) async fn delete(&self, schema: &Arc<Schema>, before: &Record) -> Result<Record> {
        let now = self.now().into();
        self.change(schema, before, &[("deletedAt", now)]).await
    }

    pub(super) async fn restore(&self, schema: &Arc<Schema>, before: &Record) -> Result<Record> {
        self.change(schema, before, &[("deletedAt", Value::Null)]).await
    }

    pub(super) async fn remove(&self, schema: &Arc<Schema>, before: &Record) -> Result<()> {
        self.commit(vec![removal(schema, before)]).await.map(drop)
    }

    pub(super) async fn increment(&self, counter: &str, by: i64) -> Result<i64> {
        let counter = counter.to_owned();
        let commit = self.commit(vec![Operation::Increment { counter, by }]).await?;
        match commit.counters[..] {
            [value] => Ok(value),
            _ => Err(Error::internal(format!("one counter was asked for, got {commit:?}"))),
        }
    }

    pub(super) async fn query(&self, query: Query) -> Result<Page<Record>> {
        self.store.query(&Scoped::new(self.scope, query)).await
    }

    pub(super) async fn aggregate(&self, aggregate: Aggregate) -> Result<Vec<Group>> {
        self.store.aggregate(&Scoped::new(self.scope, aggregate)).await
    }

    pub(super) async fn get(&self, schema: &Arc<Schema>, id: Uuid) -> Result<Option<Record>> {
        let query = Query::new(Arc::clone(schema))
            .filter(Filter::eq(Path::field(system::ID), id))?
            .deleted(Deleted::Include);
        Ok(self.query(query).await?.items.pop())
    }

    /// The live records that match, oldest first, up to a thousand.
    pub(super) async fn find(&self, schema: &Arc<Schema>, filter: Filter) -> Result<Vec<Record>> {
        let query = Query::new(Arc::clone(schema))
            .filter(filter)?
            .sort(vec![Sort::ascending(Path::field(system::ID))])?
            .window(Window::Page { offset: 0, limit: 1_000 })?;
        Ok(self.query(query).await?.items)
    }

    /// The labels of the live records that match, oldest first.
    pub(super) async fn labels(&self, schema: &Arc<Schema>, filter: Filter) -> Result<Vec<String>> {
        Ok(labels(schema, &self.find(schema, filter).await?))
    }

    /// Ends the case where other records match than those with these labels, oldest first.
    pub(super) async fn expect(&self, filter: Filter, expected: &[&str]) -> Outcome {
        self.expect_of(&TYPES.specimens, filter, expected).await
    }

    pub(super) async fn expect_of(
        &self,
        schema: &Arc<Schema>,
        filter: Filter,
        expected: &[&str],
    ) -> Outcome {
        let got = self.labels(schema, filter.clone()).await?;
        ensure_eq!(got, expected, "the records of {filter:?}");
        Ok(())
    }

    /// Ends the case where a specimen was not stored exactly as written.
    pub(super) async fn expect_stored(&self, schema: &Arc<Schema>, record: &Record) -> Outcome {
        let stored = self.get(schema, record.id()).await?;
        // Compared as printed, which shows the scale of a decimal where equality does not.
        ensure_eq!(format!("{stored:?}"), format!("{:?}", Some(record)), "what was stored");
        Ok(())
    }
}

/// The values of a record to be.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    schema: Arc<Schema>,
    tenant: Option<TenantId>,
    values: Vec<Value>,
    fault: Option<Error>,
}

impl Draft {
    pub(super) fn new(
        schema: &Arc<Schema>,
        tenant: Option<TenantId>,
        id: Uuid,
        now: DateTime<Utc>,
    ) -> Self {
        let empty = |kind| match kind {
            Kind::Uuids => Value::Uuids(Vec::new()),
            Kind::Codes => Value::Codes(Vec::new()),
            Kind::Custom => Value::Custom(std::collections::BTreeMap::new()),
            _ => Value::Null,
        };
        let mut values: Vec<Value> = schema.fields().iter().map(|f| empty(f.kind)).collect();
        values[usize::from(system::ID)] = id.into();
        values[usize::from(system::VERSION)] = Value::Int(1);
        values[usize::from(system::CREATED_AT)] = now.into();
        values[usize::from(system::UPDATED_AT)] = now.into();
        Self { schema: Arc::clone(schema), tenant, values, fault: None }
    }

    pub(super) fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        match index(&self.schema, field) {
            Ok(index) => self.values[usize::from(index)] = value.into(),
            Err(fault) => self.fault = Some(fault),
        }
        self
    }

    pub(super) fn of_tenant(mut self, tenant: TenantId) -> Self {
        self.tenant = Some(tenant);
        self
    }

    pub(super) fn record(self) -> Result<Record> {
        match self.fault {
            Some(fault) => Err(fault),
            None => Record::new(&self.schema, self.tenant, self.values),
        }
    }

    pub(super) fn insertion(self) -> Result<(Operation, Record)> {
        let schema = Arc::clone(&self.schema);
        let record = self.record()?;
        Ok((Operation::Insert { schema, record: record.clone() }, record))
    }
}

pub(super) fn removal(schema: &Arc<Schema>, before: &Record) -> Operation {
    Operation::Remove { schema: Arc::clone(schema), before: before.clone() }
}

pub(super) fn check(schema: &Arc<Schema>, before: &Record) -> Operation {
    Operation::Check { schema: Arc::clone(schema), before: before.clone() }
}

fn index(schema: &Schema, field: &str) -> Result<u16> {
    schema.index_of(field).ok_or_else(|| Error::internal(format!("{schema} have no field {field}")))
}

/// The path of a specimen's field. One that is not declared is refused with the request.
pub(super) fn field(name: &str) -> Path {
    field_of(&TYPES.specimens, name)
}

pub(super) fn field_of(schema: &Schema, name: &str) -> Path {
    Path::field(schema.index_of(name).unwrap_or(u16::MAX))
}

/// The path of a key among a specimen's custom fields.
pub(super) fn custom(key: &str, kind: Kind) -> Path {
    let index = TYPES.specimens.custom().unwrap_or(u16::MAX);
    Path::custom(index, key, kind)
}

pub(super) fn labels(schema: &Schema, records: &[Record]) -> Vec<String> {
    let index = schema.index_of("label").unwrap_or(u16::MAX);
    let label = |record: &Record| match record.get(index) {
        Value::Text(label) => label.clone(),
        other => format!("{other:?}"),
    };
    records.iter().map(label).collect()
}

/// Ends the case where a commit was not rejected at this operation for this reason.
pub(super) fn expect_rejected<T: fmt::Debug>(
    result: Result<T>,
    at: usize,
    why: &Rejection,
) -> Outcome {
    match result {
        Err(Error::Rejected { operation, reason }) if operation == at && reason == *why => Ok(()),
        other => Err(Failure::new(format!(
            "expected operation {at} to be rejected ({why}), got {other:?}"
        ))),
    }
}

pub(super) fn taken(key: &str) -> Rejection {
    Rejection::Taken(key.to_owned())
}

/// The result of work that was spawned.
pub(super) async fn joined<T>(
    task: tokio::task::JoinHandle<std::result::Result<T, Failure>>,
) -> std::result::Result<T, Failure> {
    task.await.map_err(|error| Failure::new(format!("a task ended early: {error}")))?
}
