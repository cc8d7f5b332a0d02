//! What a batch has to say besides, where it writes a tenant's own fields.
//!
//! Services work with definitions as they were a moment ago. So a batch that sets, changes or
//! takes away values also says which definitions it went by: the store rejects it where one of
//! them has changed since, and it is looked at again. Hence no value is stored that the definitions
//! of that moment do not allow, and none is missed by work on stored values. Values of unique
//! fields are claimed, moved and given up in the same batch.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use uuid::Uuid;

use super::claims::{BY_VALUE, CustomClaim, claimed};
use super::{CustomField, all_definitions};
use crate::TenantCrm;
use crate::entity::{Entity, SystemFields};
use crate::error::{Error, Faults, Rejection, Result};
use crate::id::Id;
use crate::records::{EndRef, Rules, Unit, ends};
use crate::store::{Filter, MAX_LIMIT, Operation, Query, Record, Schema, Scoping, Value, Window};

/// The operations that belong to a batch because of the fields that it writes.
#[derive(Debug, Default)]
pub(crate) struct Guard {
    pub(crate) operations: Vec<Operation>,
    pub(crate) marks: Marks,
}

/// What each of them is there for.
#[derive(Debug, Default)]
pub(crate) struct Marks(Vec<Mark>);

#[derive(Debug)]
enum Mark {
    /// A definition, or a record that is named, must be as it was.
    AsItWas,
    /// A claim on a value of this field of these records.
    Claim { record_type: String, record: Uuid, field: String },
}

/// What a rejection of one of the guard's operations means.
#[derive(Debug)]
pub(crate) enum Meaning {
    /// Definitions or claims have changed: the batch is to be looked at again.
    Again,
    /// The caller is told, and of which record it is.
    Refused { record: Uuid, error: Error },
}

impl Marks {
    /// What the rejection of one of the guard's operations means, by its place among them.
    pub(crate) fn meaning(&self, place: usize, reason: &Rejection) -> Meaning {
        match (self.0.get(place), reason) {
            (Some(Mark::Claim { record_type, record, field }), Rejection::Taken(key))
                if key == BY_VALUE =>
            {
                Meaning::Refused { record: *record, error: taken(record_type, field) }
            }
            _ => Meaning::Again,
        }
    }
}

// Says no more than that: the other record may be out of the caller's reach.
fn taken(record_type: &str, field: &str) -> Error {
    Error::Conflict {
        code: "DUPLICATE",
        field: Some(field.to_owned()),
        message: format!("another of the {record_type} has the same {field}"),
    }
}

/// One record's fields, as they were and as they will be.
struct Written<'u> {
    schema: &'u Arc<Schema>,
    name: &'u str,
    id: Uuid,
    was: Option<&'u BTreeMap<String, Value>>,
    will: &'u BTreeMap<String, Value>,
    was_live: bool,
    will_live: bool,
}

impl<'u> Written<'u> {
    fn of(operation: &'u Operation) -> Option<Self> {
        let (schema, after) = operation.after()?;
        let field = schema.custom()?;
        let fields = |record: &'u Record| match record.get(field) {
            Value::Custom(fields) => Some(fields),
            _ => None,
        };
        let before = operation.before().map(|(_, before)| before);
        let written = Self {
            schema,
            name: &schema.field(field).name,
            id: after.id(),
            was: before.and_then(fields),
            will: fields(after)?,
            was_live: before.is_some_and(Record::is_live),
            will_live: after.is_live(),
        };
        let is_same = written.was_live == written.will_live && written.was == Some(written.will);
        let is_empty = written.will.is_empty() && written.was.is_none_or(BTreeMap::is_empty);
        (!is_same && !is_empty).then_some(written)
    }

    fn before(&self, key: &str) -> Option<&'u Value> {
        self.was.and_then(|was| was.get(key))
    }

    /// The keys whose value, or whose record's being there, changes.
    fn keys(&self) -> BTreeSet<&'u str> {
        let keys = self.was.into_iter().chain([self.will]).flat_map(BTreeMap::keys);
        let moves = self.was_live != self.will_live;
        let changes = |key: &&String| moves || self.before(key) != self.will.get(key.as_str());
        keys.filter(changes).map(String::as_str).collect()
    }

    fn sets(&self, key: &str) -> bool {
        self.will.get(key).is_some_and(|value| self.before(key) != Some(value))
    }

    /// What is claimed of a unique field before and after.
    fn claims(&self, key: &str) -> (Option<String>, Option<String>) {
        let was = self.before(key).filter(|_| self.was_live).and_then(claimed);
        (was, self.will.get(key).filter(|_| self.will_live).and_then(claimed))
    }
}

/// A claim to be made, moved or given up.
struct Moving<'u> {
    field: CustomField,
    written: &'u Written<'u>,
    value: Option<String>,
}

/// What belongs to a batch because of the fields that it writes; nothing for most.
///
/// # Errors
/// [`Error::Invalid`] where a value is not as its definition asks for;
/// [`Error::Conflict`] where two records of the batch would exchange a unique value.
pub(crate) async fn guard(unit: &Unit, within: &TenantCrm) -> Result<Guard> {
    let written: Vec<Written<'_>> = unit.operations().iter().filter_map(Written::of).collect();
    if written.is_empty() {
        return Ok(Guard::default());
    }
    let mut faults = Faults::default();
    let mut guard = Guard::default();
    let mut moving: Vec<Moving<'_>> = Vec::new();
    let mut needed: BTreeMap<Uuid, CustomField> = BTreeMap::new();
    let mut naming: Vec<(String, EndRef, EndRef)> = Vec::new();
    let mut looked_again = false;
    for write in &written {
        if write.schema.scoping() == Scoping::Global {
            continue;
        }
        let mut defined = all_definitions(within, write.schema.name()).await?;
        // A value that comes back or goes has been defined once: perhaps by another server, and
        // later than what is remembered.
        let is_unknown = |key: &str| !defined.iter().any(|field| field.key == key);
        if !looked_again && write.keys().into_iter().any(|key| is_unknown(key) && !write.sets(key))
        {
            CustomField::forget(within);
            defined = all_definitions(within, write.schema.name()).await?;
            looked_again = true;
        }
        for key in write.keys() {
            let Some(field) = defined.iter().find(|field| field.key == key) else {
                if write.sets(key) {
                    let name = format!("{}.{key}", write.name);
                    faults.add(name, "UNKNOWN_FIELD", "the tenant has no such field");
                }
                continue;
            };
            if let Some(value) = write.will.get(key).filter(|_| write.sets(key))
                && let Some(as_defined) = faults.absorb(field.coerce(value.clone()))?
                && as_defined != *value
            {
                let name = format!("{}.{key}", write.name);
                faults.add(name, "INVALID_TYPE", "is not in the form of its definition");
            }
            if let Some(named) = write.will.get(key).filter(|_| write.sets(key))
                && let Some(named) = field.named(named)
            {
                let itself = EndRef::new(write.schema.resource(), write.id);
                naming.push((format!("{}.{key}", write.name), named, itself));
            }
            if write.sets(key) || field.field_type.can_be_unique() {
                needed.insert(field.id.uuid(), field.clone());
            }
            let (was, will) = write.claims(key);
            if field.unique && was != will {
                moving.push(Moving { field: field.clone(), written: write, value: will });
            }
        }
    }
    faults.into_result()?;
    let tenant = within.actor().tenant();
    for field in needed.into_values() {
        let id = field.id.uuid();
        if unit.operations().iter().any(|operation| {
            operation.target().is_some_and(|(schema, target)| {
                target == id && schema.name() == CustomField::ENTITY
            })
        }) {
            continue;
        }
        let before = field.into_record(Some(tenant))?;
        let schema = Arc::clone(CustomField::schema());
        guard.operations.push(Operation::Check { schema, before });
        guard.marks.0.push(Mark::AsItWas);
    }
    for (name, named, itself) in naming {
        // What the services hold already is not held twice.
        let all = unit.operations().iter().chain(&guard.operations);
        if all.into_iter().any(|operation| ends::is_held_by(&named, operation)) {
            continue;
        }
        for held in ends::hold(within, &[(name, named)], &itself).await? {
            guard.operations.push(held);
            guard.marks.0.push(Mark::AsItWas);
        }
    }
    claim(&mut guard, &moving, unit, within).await?;
    Ok(guard)
}

async fn claim(
    guard: &mut Guard,
    moving: &[Moving<'_>],
    unit: &Unit,
    within: &TenantCrm,
) -> Result<()> {
    let held = held_by(moving.iter().map(|moving| (moving.field.id, moving.written.id)), within);
    let mut held = held.await?;
    let mut freed: BTreeSet<(Id<CustomField>, i64, String)> = BTreeSet::new();
    let mut taken_by: Vec<(&Moving<'_>, String)> = Vec::new();
    for moving in moving {
        let round = moving.field.unique_round;
        let claim = held.remove(&(moving.field.id, moving.written.id));
        let old = claim.as_ref().filter(|claim| claim.round == round);
        let old = old.and_then(|claim| claim.value.clone());
        if let Some(value) = &old
            && moving.value.as_ref() != Some(value)
        {
            freed.insert((moving.field.id, round, value.clone()));
        }
        if let Some(value) = &moving.value
            && old.as_ref() != Some(value)
        {
            taken_by.push((moving, value.clone()));
        }
        let Some(operation) = put(claim, moving, unit, within)? else { continue };
        guard.operations.push(operation);
        guard.marks.0.push(Mark::Claim {
            record_type: moving.written.schema.name().to_owned(),
            record: moving.written.id,
            field: format!("{}.{}", moving.written.name, moving.field.key),
        });
    }
    // No store takes a key that the same batch frees.
    let exchanged = taken_by.into_iter().find(|(moving, value)| {
        freed.contains(&(moving.field.id, moving.field.unique_round, value.clone()))
    });
    match exchanged {
        None => Ok(()),
        Some((moving, _)) => Err(taken(
            moving.written.schema.name(),
            &format!("{}.{}", moving.written.name, moving.field.key),
        )),
    }
}

/// The claims that there are of records on values of fields.
pub(super) async fn held_by(
    places: impl Iterator<Item = (Id<CustomField>, Uuid)>,
    within: &TenantCrm,
) -> Result<BTreeMap<(Id<CustomField>, Uuid), CustomClaim>> {
    let mut by_field: BTreeMap<Id<CustomField>, Vec<Value>> = BTreeMap::new();
    for (field, record) in places {
        by_field.entry(field).or_default().push(Value::Uuid(record));
    }
    let mut held = BTreeMap::new();
    for (field, records) in by_field {
        for records in records.chunks(MAX_LIMIT as usize) {
            let of_field = CustomClaim::FIELD.eq(field).into_filter();
            let of_records = Filter::In(CustomClaim::RECORD_ID.path(), records.to_vec());
            let query = Query::new(CustomClaim::schema().clone())
                .filter(of_field.and(of_records))?
                .window(Window::Page { offset: 0, limit: MAX_LIMIT })?;
            for record in within.query_for_rules(query).await?.items {
                let claim = CustomClaim::from_values(record.into_values())?;
                held.insert((claim.field, claim.record_id), claim);
            }
        }
    }
    Ok(held)
}

fn put(
    claim: Option<CustomClaim>,
    moving: &Moving<'_>,
    unit: &Unit,
    within: &TenantCrm,
) -> Result<Option<Operation>> {
    let Moving { field, written, value } = moving;
    claim_of(claim, field, written.id, value.clone(), unit, within)
}

/// The operation after which a record's claim on a field is this value; none where nothing is to
/// be done.
pub(super) fn claim_of(
    claim: Option<CustomClaim>,
    field: &CustomField,
    record: Uuid,
    value: Option<String>,
    unit: &Unit,
    within: &TenantCrm,
) -> Result<Option<Operation>> {
    let tenant = Some(within.actor().tenant());
    let schema = Arc::clone(CustomClaim::schema());
    let round = field.unique_round;
    Ok(match claim {
        Some(claim) if claim.value == value && (claim.round == round || value.is_none()) => None,
        Some(before) => {
            let mut after = CustomClaim { round, value, ..before.clone() };
            after.set_system(unit.next(&before));
            let (before, after) = (before.into_record(tenant)?, after.into_record(tenant)?);
            Some(Operation::Update { schema, before, after })
        }
        None if value.is_none() => None,
        None => {
            let SystemFields { id, version, created_at, updated_at, deleted_at } = unit.fresh();
            let record_id = record;
            let claim = CustomClaim {
                id,
                version,
                created_at,
                updated_at,
                deleted_at,
                field: field.id,
                round,
                record_id,
                value,
            };
            Some(Operation::Insert { schema, record: claim.into_record(tenant)? })
        }
    })
}
