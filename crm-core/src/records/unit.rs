//! The one place where a change becomes a batch: the operations, and with each its audit entry
//! and its event. No service writes a record in another way.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::access::Origin;
use crate::audit::{Action, AuditEntry, changes};
use crate::auth::AccessChange;
use crate::auth::changes::{Concerned, noteworthy};
use crate::crm::{Crm, TenantCrm};
use crate::custom_fields::{CustomField, Guard, Meaning, guard};
use crate::entity::{Entity, SystemFields};
use crate::error::{Error, Rejection, Result};
use crate::events::Event;
use crate::id::Id;
use crate::idempotency::{Attempt, Claim, in_use};
use crate::mail::QueuedMail;
use crate::records::{ATTEMPTS, Rules};
use crate::store::{Batch, Commit, FieldIndex, Operation, Record, Schema, Scoping, Value, system};
use crate::tags::Tag;
use crate::tenants::TenantId;
use crate::users::{Member, UserId};

/// A change in the making.
#[derive(Debug)]
pub(crate) struct Unit {
    crm: Crm,
    now: DateTime<Utc>,
    tenant: Option<TenantId>,
    actor: Option<UserId>,
    origin: Origin,
    operations: Vec<Operation>,
    /// The first record that a log tells of.
    told: Option<(Action, Arc<Schema>, Uuid, i64)>,
}

impl Unit {
    /// A change by an actor in its tenant.
    pub(crate) fn within(tenant: &TenantCrm) -> Self {
        let actor = tenant.actor();
        Self {
            crm: tenant.crm().clone(),
            now: tenant.crm().clock().now(),
            tenant: Some(actor.tenant()),
            actor: Some(actor.user()),
            origin: actor.origin().clone(),
            operations: Vec::new(),
            told: None,
        }
    }

    /// A change by the system, told of in a tenant's log where one is concerned.
    pub(crate) fn system(crm: &Crm, tenant: Option<TenantId>, actor: Option<UserId>) -> Self {
        Self {
            crm: crm.clone(),
            now: crm.clock().now(),
            tenant,
            actor,
            origin: Origin::default(),
            operations: Vec::new(),
            told: None,
        }
    }

    /// With the place where the request came from.
    pub(crate) fn with_origin(mut self, origin: Origin) -> Self {
        self.origin = origin;
        self
    }

    /// Done by this user, who became known on the way.
    pub(crate) fn by(mut self, actor: UserId) -> Self {
        self.actor = Some(actor);
        self
    }

    /// Claiming no key, whatever the request came with.
    pub(crate) fn without_attempt(mut self) -> Self {
        self.origin.attempt = None;
        self
    }

    /// An empty change at the same moment, of the same actor and origin.
    pub(crate) fn beside(&self) -> Self {
        Self {
            crm: self.crm.clone(),
            now: self.now,
            tenant: self.tenant,
            actor: self.actor,
            origin: self.origin.clone(),
            operations: Vec::new(),
            told: None,
        }
    }

    /// Takes in what another change consists of. What both ask for in the same words is done once.
    /// Answers whether both can be one commit: not where one rests on a record that the other one
    /// writes, or both write one, because each was decided on without the other.
    pub(crate) fn absorb(&mut self, other: Self) -> bool {
        for operation in other.operations {
            // What is new is nobody else's.
            let theirs = match &operation {
                Operation::Insert { .. } => None,
                operation => operation.target().map(|(schema, id)| (Arc::clone(schema), id)),
            };
            let same = theirs.and_then(|(schema, id)| {
                let ours =
                    self.operations.iter().filter(|ours| !matches!(ours, Operation::Insert { .. }));
                ours.into_iter().find(|ours| {
                    ours.target().is_some_and(|(s, ours)| ours == id && s.name() == schema.name())
                })
            });
            match same {
                None => self.operations.push(operation),
                Some(same) if *same == operation => {}
                Some(_) => return false,
            }
        }
        self.told = self.told.take().or(other.told);
        true
    }

    /// The CRM that is changed.
    pub(crate) fn crm(&self) -> &Crm {
        &self.crm
    }

    /// When the change happens.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.now
    }

    /// What the library sets on a record that comes to be in this change.
    pub(crate) fn fresh<E: Entity>(&self) -> SystemFields<E> {
        SystemFields {
            id: Id::new(self.crm.random().uuid(self.now)),
            version: 1,
            created_at: self.now,
            updated_at: self.now,
            deleted_at: None,
        }
    }

    /// What the library sets on a record that this change brings to its next version.
    pub(crate) fn next<E: Entity>(&self, before: &E) -> SystemFields<E> {
        let mut system = SystemFields::of(before);
        system.version += 1;
        system.updated_at = self.not_before(system.updated_at);
        system
    }

    /// A record of whatever type at its next version, with other values in these fields.
    ///
    /// # Errors
    /// Where a value cannot be stored.
    pub(crate) fn next_record(
        &self,
        schema: &Schema,
        before: &Record,
        others: impl IntoIterator<Item = (FieldIndex, Value)>,
    ) -> Result<Record> {
        let updated = match before.get(system::UPDATED_AT) {
            Value::Time(before) => self.not_before(*before),
            _ => self.now,
        };
        let system = [
            (system::VERSION, Value::Int(before.version() + 1)),
            (system::UPDATED_AT, Value::Time(updated)),
        ];
        let mut values = before.values().to_vec();
        for (field, value) in others.into_iter().chain(system) {
            if let Some(place) = values.get_mut(usize::from(field)) {
                *place = value;
            }
        }
        Record::new(schema, before.tenant(), values)
    }

    /// A clock that was set back must not make a record look older than it is.
    fn not_before(&self, updated: DateTime<Utc>) -> DateTime<Utc> {
        self.now.max(updated)
    }

    /// Adds a new entity.
    pub(crate) fn insert<E: Entity>(&mut self, entity: E) -> Result<()> {
        let record = entity.into_record(self.tenant_of(E::schema())?)?;
        self.tell(E::schema(), Action::Created, None, Some(&record))?;
        self.note(E::schema(), None, &record)?;
        self.operations.push(Operation::Insert { schema: Arc::clone(E::schema()), record });
        Ok(())
    }

    /// Puts an entity in place of itself.
    pub(crate) fn update<E: Entity>(&mut self, before: E, after: E, action: Action) -> Result<()> {
        let tenant = self.tenant_of(E::schema())?;
        let (before, after) = (before.into_record(tenant)?, after.into_record(tenant)?);
        self.tell(E::schema(), action, Some(&before), Some(&after))?;
        self.put(E::schema(), before, after)
    }

    /// The same of a record of one tenant, told of in its log, for a change of the whole
    /// installation.
    pub(crate) fn update_in<E: Entity>(
        &mut self,
        tenant: TenantId,
        before: E,
        after: E,
        action: Action,
    ) -> Result<()> {
        let own = self.tenant.replace(tenant);
        let done = self.update(before, after, action);
        self.tenant = own;
        done
    }

    /// Puts a record of whatever type in place of itself.
    pub(crate) fn update_record(
        &mut self,
        schema: &Arc<Schema>,
        before: Record,
        after: Record,
    ) -> Result<()> {
        self.tell(schema, Action::Updated, Some(&before), Some(&after))?;
        self.put(schema, before, after)
    }

    /// Removes an entity for good, and tells of it.
    pub(crate) fn remove<E: Entity>(&mut self, before: E) -> Result<()> {
        let before = before.into_record(self.tenant_of(E::schema())?)?;
        self.tell(E::schema(), Action::Removed, Some(&before), None)?;
        self.remove_record(E::schema(), before);
        Ok(())
    }

    /// Lets the change come to nothing unless an entity is still at the version at which it was
    /// read.
    pub(crate) fn check<E: Entity>(&mut self, read: E) -> Result<()> {
        let before = read.into_record(self.tenant_of(E::schema())?)?;
        self.operations.push(Operation::Check { schema: Arc::clone(E::schema()), before });
        Ok(())
    }

    /// The same of a record of one tenant, for a batch of the whole installation.
    pub(crate) fn check_in<E: Entity>(&mut self, tenant: TenantId, read: E) -> Result<()> {
        let before = read.into_record(Some(tenant))?;
        self.operations.push(Operation::Check { schema: Arc::clone(E::schema()), before });
        Ok(())
    }

    /// Adds a new entity of which no log tells: sessions and their tokens.
    pub(crate) fn insert_silently<E: Entity>(&mut self, entity: E) -> Result<()> {
        let record = entity.into_record(self.tenant_of(E::schema())?)?;
        self.operations.push(Operation::Insert { schema: Arc::clone(E::schema()), record });
        Ok(())
    }

    /// Puts an entity of which no log tells in place of itself.
    pub(crate) fn update_silently<E: Entity>(&mut self, before: E, after: E) -> Result<()> {
        let tenant = self.tenant_of(E::schema())?;
        let (before, after) = (before.into_record(tenant)?, after.into_record(tenant)?);
        self.put(E::schema(), before, after)
    }

    /// Whether it writes or holds an entity already.
    pub(crate) fn concerns<E: Entity>(&self, entity: &E) -> bool {
        let id = entity.id().uuid();
        let mut targets = self.operations.iter().filter_map(Operation::target);
        targets.any(|(schema, target)| target == id && schema.name() == E::ENTITY)
    }

    /// Holds other records as they were read: the change comes to nothing where one of them is at
    /// another version by then.
    pub(crate) fn hold(&mut self, checks: Vec<Operation>) {
        self.operations.extend(checks);
    }

    /// Removes an entity of which no log tells for good.
    pub(crate) fn remove_silently<E: Entity>(&mut self, before: E) -> Result<()> {
        let before = before.into_record(self.tenant_of(E::schema())?)?;
        self.remove_record(E::schema(), before);
        Ok(())
    }

    /// Removes a record of whatever tenant, of which no log tells, for good.
    pub(crate) fn remove_record(&mut self, schema: &Arc<Schema>, before: Record) {
        self.operations.push(Operation::Remove { schema: Arc::clone(schema), before });
    }

    fn put(&mut self, schema: &Arc<Schema>, before: Record, after: Record) -> Result<()> {
        self.note(schema, Some(&before), &after)?;
        self.operations.push(Operation::Update { schema: Arc::clone(schema), before, after });
        Ok(())
    }

    /// Notes a change for servers that remember who may do what.
    fn note(&mut self, schema: &Schema, before: Option<&Record>, after: &Record) -> Result<()> {
        let Some(concerned) = noteworthy(schema, before, after) else { return Ok(()) };
        let Concerned { session, api_key, user, tenant } = concerned;
        let system = self.fresh::<AccessChange>();
        self.insert_silently(AccessChange {
            id: system.id,
            version: system.version,
            created_at: system.created_at,
            updated_at: system.updated_at,
            deleted_at: None,
            session,
            api_key,
            user,
            tenant,
        })
    }

    /// Adds an operation of which no log tells.
    pub(crate) fn add(&mut self, operation: Operation) {
        self.operations.push(operation);
    }

    /// What it consists of so far.
    pub(crate) fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// Commits within an actor's tenant, with what belongs to it because of the tenant's own
    /// fields.
    pub(crate) async fn commit(self, tenant: &TenantCrm) -> Result<Commit> {
        self.commit_naming(tenant).await.map_err(|(_, error)| error)
    }

    /// The same; an error comes with the record that it is about, where it is about one.
    pub(crate) async fn commit_naming(
        mut self,
        tenant: &TenantCrm,
    ) -> Result<Commit, (Option<Uuid>, Error)> {
        let claim = self.claim().map_err(unnamed)?;
        let written: Vec<Arc<Schema>> = match tenant.actor().grants().leaves_out() {
            true => {
                let targets = self.operations.iter().filter_map(Operation::target);
                targets.map(|(schema, _)| Arc::clone(schema)).collect()
            }
            false => Vec::new(),
        };
        let done = self.commit_guarded(tenant).await;
        let done = done.map_err(|(about, error)| (about, unseen(error, &written, tenant)))?;
        if let Some((attempt, claim)) = claim {
            attempt.claimed(claim);
        }
        Ok(done)
    }

    async fn commit_guarded(self, tenant: &TenantCrm) -> Result<Commit, (Option<Uuid>, Error)> {
        for _ in 0..ATTEMPTS {
            let Guard { operations, marks } = guard(&self, tenant).await.map_err(unnamed)?;
            let described = describe(&self.operations);
            let shown = Shown::of(&self.operations);
            let own = self.operations.len();
            if operations.is_empty() {
                let batch = Batch::new(self.operations).map_err(unnamed)?;
                let done = tenant.commit(batch).await;
                shown.forget(&self.crm);
                wake_sender(&self.crm, &described);
                return done.map_err(|error| named(error, &described));
            }
            let all = self.operations.iter().cloned().chain(operations).collect();
            let done = tenant.commit(Batch::new(all).map_err(unnamed)?).await;
            shown.forget(&self.crm);
            wake_sender(&self.crm, &described);
            match done {
                Err(Error::Rejected { operation, reason }) if operation >= own => {
                    match marks.meaning(operation - own, &reason) {
                        Meaning::Again => CustomField::forget(tenant),
                        Meaning::Refused { record, error } => return Err((Some(record), error)),
                    }
                }
                done => return done.map_err(|error| named(error, &described)),
            }
        }
        let of = self.operations.iter().find_map(Operation::target);
        let of = of.map(|(schema, id)| (schema.name().to_owned(), id.to_string()));
        let (kind, id) = of.unwrap_or_else(|| ("records".to_owned(), String::new()));
        Err(unnamed(Error::busy(&kind, id)))
    }

    /// Commits for the system.
    ///
    /// # Errors
    /// [`Error::Internal`] where it writes records with a tenant's own fields, which go by the
    /// tenant's definitions.
    pub(crate) async fn commit_as_system(mut self) -> Result<Commit> {
        let of_definitions =
            |operation: &Operation| operation.after().is_some_and(|(s, _)| s.custom().is_some());
        if self.operations.iter().any(of_definitions) {
            return Err(Error::internal("a tenant's own fields are written within the tenant"));
        }
        let claim = self.claim()?;
        let described = describe(&self.operations);
        let shown = Shown::of(&self.operations);
        let done = self.crm.system_commit(Batch::new(self.operations)?).await;
        shown.forget(&self.crm);
        wake_sender(&self.crm, &described);
        let done = done.map_err(|error| explain(error, &described))?;
        if let Some((attempt, claim)) = claim {
            attempt.claimed(claim);
        }
        Ok(done)
    }

    /// Claims the key under which the request is made, in the same batch: what it writes and the
    /// claim are there together or not at all.
    fn claim(&mut self) -> Result<Option<(Arc<Attempt>, Claim)>> {
        let Some(attempt) = self.origin.attempt.clone() else { return Ok(None) };
        let told = self.told.as_ref();
        let told =
            told.map(|(action, schema, id, version)| (*action, schema.name(), *id, *version));
        let Some(claim) = attempt.claim(self, told) else { return Ok(None) };
        let record = claim.clone().into_record(Some(attempt.tenant()))?;
        let schema = Arc::clone(Claim::schema());
        self.operations.push(Operation::Insert { schema, record });
        Ok(Some((attempt, claim)))
    }

    fn tenant_of(&self, schema: &Schema) -> Result<Option<TenantId>> {
        match (schema.scoping(), self.tenant) {
            (Scoping::Global, _) => Ok(None),
            (Scoping::Tenant, Some(tenant)) => Ok(Some(tenant)),
            (Scoping::Tenant, None) => {
                Err(Error::internal(format!("{schema} are written without a tenant")))
            }
        }
    }

    fn tell(
        &mut self,
        schema: &Arc<Schema>,
        action: Action,
        before: Option<&Record>,
        after: Option<&Record>,
    ) -> Result<()> {
        let Some(concerned) = after.or(before) else { return Ok(()) };
        self.told.get_or_insert_with(|| {
            (action, Arc::clone(schema), concerned.id(), concerned.version())
        });
        // What happens to the installation's own records outside any tenant has no log to go to.
        let Some(tenant) = self.tenant else { return Ok(()) };
        let (id, version) = (concerned.id(), concerned.version());
        self.log(tenant, schema, action, (id, version), changes(schema, before, after))
    }

    /// Tells of an export, which changes no record: what is logged is the export itself.
    pub(crate) fn exported<E: Entity>(&mut self, told: serde_json::Value) -> Result<()> {
        let Some(tenant) = self.tenant else { return Ok(()) };
        let id = self.crm.random().uuid(self.now);
        self.log(tenant, E::schema(), Action::Exported, (id, 1), told)
    }

    /// Tells of something that was done about a record and is none of its own values.
    pub(crate) fn did<E: Entity>(&mut self, about: &E, told: serde_json::Value) -> Result<()> {
        let Some(tenant) = self.tenant else { return Ok(()) };
        let record = (about.id().uuid(), about.version());
        self.log(tenant, E::schema(), Action::Updated, record, told)
    }

    fn log(
        &mut self,
        tenant: TenantId,
        schema: &Schema,
        action: Action,
        (record_id, record_version): (Uuid, i64),
        changes: serde_json::Value,
    ) -> Result<()> {
        let system = self.fresh::<AuditEntry>();
        let entry = AuditEntry {
            id: system.id,
            version: system.version,
            created_at: system.created_at,
            updated_at: system.updated_at,
            deleted_at: None,
            actor: self.actor,
            action,
            resource: schema.name().to_owned(),
            record_id,
            record_version,
            changes,
            request: self.origin.request.clone(),
            address: self.origin.address.clone(),
            api_key: self.origin.api_key,
        };
        let event = Event {
            id: entry.id.cast(),
            version: 1,
            created_at: self.now,
            updated_at: self.now,
            deleted_at: None,
            kind: format!("{}.{}", schema.name(), action),
            record_id: entry.record_id,
            record_version: entry.record_version,
        };
        self.operations.push(Operation::Insert {
            schema: Arc::clone(AuditEntry::schema()),
            record: entry.into_record(Some(tenant))?,
        });
        self.operations.push(Operation::Insert {
            schema: Arc::clone(Event::schema()),
            record: event.into_record(Some(tenant))?,
        });
        Ok(())
    }
}

/// The tenants of which something is remembered that a batch may change, whether or not it seems
/// to have failed: an answer can be lost on its way.
struct Shown {
    tags: Vec<TenantId>,
    members: Vec<TenantId>,
}

/// Wakes whoever sends mails, where a change has queued one, whether or not it seems to have failed.
fn wake_sender(crm: &Crm, operations: &[Described]) {
    let is_mail = |described: &Described| {
        described.schema.as_ref().is_some_and(|schema| schema.name() == QueuedMail::ENTITY)
    };
    if operations.iter().any(is_mail) {
        crm.mail_waits().notify_one();
    }
}

impl Shown {
    fn of(operations: &[Operation]) -> Self {
        let of_type = |name: &str| {
            let written = operations.iter().filter_map(|operation| {
                let (schema, record) = operation.after().or(operation.before())?;
                (schema.name() == name).then(|| record.tenant()).flatten()
            });
            let mut tenants: Vec<TenantId> = written.collect();
            tenants.dedup();
            tenants
        };
        Self { tags: of_type(Tag::ENTITY), members: of_type(Member::ENTITY) }
    }

    fn forget(&self, crm: &Crm) {
        self.tags.iter().for_each(|tenant| crm.vocabularies().forget(*tenant));
        self.members.iter().for_each(|tenant| crm.staff().forget(*tenant));
    }
}

fn unnamed(error: Error) -> (Option<Uuid>, Error) {
    (None, error)
}

/// An error that names no field which the actor does not see.
fn unseen(error: Error, written: &[Arc<Schema>], within: &TenantCrm) -> Error {
    match error {
        Error::Conflict { code, field: Some(field), .. }
            if written.iter().any(|schema| within.left_out(schema).contains(&field)) =>
        {
            let message = "another record stands in the way".to_owned();
            Error::Conflict { code, field: None, message }
        }
        error => error,
    }
}

fn named(error: Error, operations: &[Described]) -> (Option<Uuid>, Error) {
    let about = match &error {
        Error::Rejected { operation, .. } => operations.get(*operation),
        _ => None,
    };
    (about.and_then(|about| about.id.parse().ok()), explain(error, operations))
}

struct Described {
    schema: Option<Arc<Schema>>,
    id: String,
    expected: i64,
}

fn describe(operations: &[Operation]) -> Vec<Described> {
    let each = |operation: &Operation| Described {
        schema: operation.target().map(|(schema, _)| Arc::clone(schema)),
        id: operation.target().map_or_else(String::new, |(_, id)| id.to_string()),
        expected: operation.before().map_or(0, |(_, record)| record.version()),
    };
    operations.iter().map(each).collect()
}

/// Says a store's rejection in the words of the caller's request.
fn explain(error: Error, operations: &[Described]) -> Error {
    let Error::Rejected { operation, reason } = &error else { return error };
    let Some(Described { schema: Some(schema), id, expected }) = operations.get(*operation) else {
        return error;
    };
    match reason {
        Rejection::Taken(_) if schema.name() == Claim::ENTITY => in_use(),
        Rejection::Stale => {
            Error::Stale { kind: schema.name().to_owned(), id: id.clone(), expected: *expected }
        }
        Rejection::Taken(key) => {
            let fields = schema.unique().iter().find(|unique| unique.name == *key);
            let names = |fields: &[u16]| -> Vec<String> {
                fields.iter().map(|field| schema.field(*field).name.to_string()).collect()
            };
            let names = fields.map_or_else(|| vec!["id".to_owned()], |key| names(&key.fields));
            Error::Conflict {
                code: "DUPLICATE",
                field: names.last().cloned(),
                message: format!("another of the {schema} has the same {}", names.join(" and ")),
            }
        }
        Rejection::MissingReference(field) => Error::invalid(
            field.clone(),
            "MISSING_REFERENCE",
            "refers to a record that does not exist",
        ),
        Rejection::Referenced(by) => Error::Conflict {
            code: "REFERENCED",
            field: None,
            message: format!("{by} still refer to it"),
        },
    }
}
