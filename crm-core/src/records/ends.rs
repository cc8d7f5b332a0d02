//! Records that others name by type and identifier: what such a pair stands for, as far as an
//! actor may read.
//!
//! Relations, references and a tenant's own fields all name records so. Here, and nowhere else, is
//! decided which types can be named, and what of a named record somebody learns: nothing at all
//! where it is out of reach, so that it cannot be told from one that does not exist.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use uuid::Uuid;

use crate::access::fields::LeftOut;
use crate::access::{RESOURCES, scoping};
use crate::crm::TenantCrm;
use crate::custom_fields::newly_named;
use crate::error::{Error, Faults, Result};
use crate::store::{
    Catalogue, Deleted, EndFields, Filter, MAX_LIMIT, Operation, Owners, Path, Query, Record,
    Schema, Scoping, Value, Window, system,
};

/// A record as others name it: `customers:0197d8a0-…`.
///
/// The type is the resource that permissions name. The identifier is that of the record; of
/// `users`, who are known in all tenants, it is the user's.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EndRef {
    /// The type: `customers`, `companies`, `users`.
    pub record_type: String,
    /// The identifier.
    pub id: Uuid,
}

impl EndRef {
    /// The record of a type with this identifier.
    pub fn new(record_type: impl Into<String>, id: impl Into<Uuid>) -> Self {
        Self { record_type: record_type.into(), id: id.into() }
    }
}

impl fmt::Display for EndRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.record_type, self.id)
    }
}

impl FromStr for EndRef {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let read = text.split_once(':').and_then(|(record_type, id)| {
            Some(Self { record_type: record_type.to_owned(), id: id.parse().ok()? })
        });
        read.ok_or_else(|| {
            let message = format!("expected a type and an identifier, type:id, got {text:?}");
            Error::unreadable("", "INVALID_RECORD", message)
        })
    }
}

/// A named record that the actor may read.
#[derive(Debug, Clone, PartialEq)]
pub struct End {
    /// What it was named by.
    pub named: EndRef,
    /// Its version.
    pub version: i64,
    /// Whether it is not deleted.
    pub live: bool,
    /// What it is called.
    pub title: String,
    schema: Arc<Schema>,
    record: Record,
}

impl End {
    /// That the record is still at this version when a batch is committed.
    pub(crate) fn check(&self) -> Operation {
        Operation::Check { schema: Arc::clone(&self.schema), before: self.record.clone() }
    }

    /// The record, called as whoever sees it so would call it.
    fn of(schema: &Arc<Schema>, seen: Option<&Record>, record: Record) -> Self {
        let id = match record.get(schema.known_by()) {
            Value::Uuid(id) => *id,
            _ => record.id(),
        };
        let title = match schema.title().map(|title| seen.unwrap_or(&record).get(title)) {
            Some(Value::Text(title)) => title.clone(),
            _ => String::new(),
        };
        Self {
            named: EndRef::new(schema.resource(), id),
            version: record.version(),
            live: record.is_live(),
            title,
            schema: Arc::clone(schema),
            record,
        }
    }
}

/// The named records that the actor may read.
#[derive(Debug, Clone, Default)]
pub struct Ends(HashMap<EndRef, End>);

impl Ends {
    /// The record that is named so; none where there is none, or none that the actor may read.
    pub fn get(&self, named: &EndRef) -> Option<&End> {
        self.0.get(named)
    }

    /// The record, where it is not deleted either.
    pub fn live(&self, named: &EndRef) -> Option<&End> {
        self.get(named).filter(|end| end.live)
    }
}

/// The types whose records can be named, in the order of the catalogue: those that belong to a
/// tenant, have a resource of their own in [`RESOURCES`], and say what their records are called.
/// What is itself reached by its ends cannot be one.
pub(crate) fn end_types(catalogue: &Catalogue) -> impl Iterator<Item = &Arc<Schema>> {
    catalogue.iter().filter(|schema| {
        schema.scoping() == Scoping::Tenant
            && schema.title().is_some()
            && *schema.owners() != Owners::Ends
            && RESOURCES.iter().any(|resource| resource.name == schema.resource())
    })
}

/// The type that is named so.
pub(crate) fn end_type<'a>(catalogue: &'a Catalogue, record_type: &str) -> Option<&'a Arc<Schema>> {
    end_types(catalogue).find(|schema| schema.resource() == record_type)
}

impl TenantCrm {
    /// The types whose records others can name: `customers`, `companies`, `users`.
    pub fn end_types(&self) -> impl Iterator<Item = &str> {
        end_types(self.crm().catalogue()).map(|schema| schema.resource())
    }

    /// What these names stand for, as far as the actor may read: deleted or not, the version and
    /// what it is called, with one query for each type, up to a thousand of a type at once.
    ///
    /// A record that is out of reach is left out, as is one that does not exist, and one of a type
    /// that there is not. Deleted ones are given to whoever could read them before: references
    /// to a deleted record stay readable.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn ends(&self, named: impl IntoIterator<Item = EndRef> + Send) -> Result<Ends> {
        let mut by_type: BTreeMap<String, Vec<Uuid>> = BTreeMap::new();
        for EndRef { record_type, id } in named {
            by_type.entry(record_type).or_default().push(id);
        }
        let mut ends = Ends::default();
        for (record_type, mut ids) in by_type {
            let Some(schema) = end_type(self.crm().catalogue(), &record_type) else { continue };
            ids.sort_unstable();
            ids.dedup();
            for ids in ids.chunks(MAX_LIMIT as usize) {
                self.add_ends(schema, ids, &mut ends).await?;
            }
        }
        Ok(ends)
    }

    async fn add_ends(&self, schema: &Arc<Schema>, ids: &[Uuid], ends: &mut Ends) -> Result<()> {
        let ids = ids.iter().map(|id| Value::Uuid(*id)).collect();
        let named = Filter::In(Path::field(schema.known_by()), ids);
        let left_out = LeftOut::of(self.actor(), schema);
        let mut after = None;
        loop {
            // Several records may be known by one identifier: somebody left and came back.
            let window = if schema.known_by() == system::ID {
                Window::Page { offset: 0, limit: MAX_LIMIT }
            } else {
                Window::Cursor { after, limit: MAX_LIMIT }
            };
            let query = Query::new(Arc::clone(schema)).filter(named.clone())?.window(window)?;
            let query = query.deleted(Deleted::Include);
            let Some(query) = scoping::named(self.actor(), self.crm().catalogue(), query)? else {
                return Ok(());
            };
            let page = self.scoped_query(&query).await?;
            for record in page.items {
                let seen = left_out.as_ref().map(|left_out| left_out.hide(&record));
                let end = End::of(schema, seen.as_ref(), record);
                match ends.0.get(&end.named) {
                    Some(known) if known.live || !end.live => {}
                    _ => drop(ends.0.insert(end.named.clone(), end)),
                }
            }
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }
}

/// What a record that is to be written names, by its references where it did not before and by
/// all its ends: each must be there, live and in the actor's reach, and must stay so until the
/// change is committed, for which the operations are given. One that is not is refused as the store
/// refuses what does not exist.
///
/// A reference that stays as it is is not asked about, whatever became of it.
pub(crate) async fn hold_references(
    within: &TenantCrm,
    schema: &Schema,
    before: Option<&Record>,
    after: &Record,
) -> Result<Vec<Operation>> {
    let catalogue = within.crm().catalogue();
    let mut named = Vec::new();
    for (index, field) in (0..).zip(schema.fields()) {
        let (Some(target), Value::Uuid(id)) = (&field.references, after.get(index)) else {
            continue;
        };
        if before.is_some_and(|before| before.get(index) == after.get(index)) {
            continue;
        }
        let target = end_types(catalogue).find(|schema| schema.name() == target);
        let Some(target) = target.filter(|target| target.known_by() == system::ID) else {
            continue;
        };
        named.push((field.name.to_string(), EndRef::new(target.resource(), *id)));
    }
    let ends =
        schema.ends().iter().filter_map(|end| Some((end.name.to_string(), end_of(end, after)?)));
    named.extend(ends);
    named.extend(newly_named(within, schema, before, after).await?);
    let itself = EndRef::new(schema.resource(), after.id());
    hold(within, &named, &itself).await
}

/// What an end of a record names; none where it is absent.
pub(crate) fn end_of(end: &EndFields, record: &Record) -> Option<EndRef> {
    match (record.get(end.record_type), record.get(end.id)) {
        (Value::Text(record_type), Value::Uuid(id)) => Some(EndRef::new(record_type.clone(), *id)),
        _ => None,
    }
}

/// Whether an operation writes the record that is named so, or holds it.
pub(crate) fn is_held_by(named: &EndRef, operation: &Operation) -> bool {
    operation.after().or(operation.before()).is_some_and(|(schema, record)| {
        schema.resource() == named.record_type
            && *record.get(schema.known_by()) == Value::Uuid(named.id)
    })
}

/// The operations that hold these records, each once; `itself` is being written and needs none.
pub(crate) async fn hold(
    within: &TenantCrm,
    named: &[(String, EndRef)],
    itself: &EndRef,
) -> Result<Vec<Operation>> {
    if named.is_empty() {
        return Ok(Vec::new());
    }
    let ends = within.ends(named.iter().map(|(_, named)| named.clone())).await?;
    let mut faults = Faults::default();
    let mut held: Vec<&EndRef> = Vec::new();
    let mut checks = Vec::new();
    for (field, named) in named {
        match ends.live(named) {
            Some(_) if named == itself || held.contains(&named) => {}
            Some(end) => {
                held.push(named);
                checks.push(end.check());
            }
            None => faults.add(
                field.clone(),
                "MISSING_REFERENCE",
                "refers to a record that does not exist",
            ),
        }
    }
    faults.into_result()?;
    Ok(checks)
}
