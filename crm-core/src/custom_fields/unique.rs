//! Whether stored values of a field are unique, and what to tell whoever hoped so.

use super::{CustomField, is_left_out};
use crate::TenantCrm;
use crate::access::{Permission, Reach};
use crate::error::{Error, Result};
use crate::store::evaluate::value_at;
use crate::store::{
    Aggregate, Filter, Group, MAX_LIMIT, Measure, Path, Query, Record, Schema, Sort, Window,
};

/// How many values that are shared are named.
const EXAMPLES: usize = 5;
/// How many parts of the values are looked through for them.
const PARTS: usize = 5;

/// How many live records have a value, and how many values there are.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) held: u64,
    distinct: u64,
}

impl Shared {
    /// How many records would have to be given another value, or none.
    pub(super) fn duplicates(&self) -> u64 {
        self.held.saturating_sub(self.distinct)
    }
}

/// How far the stored values of a field are shared, in the whole tenant.
pub(super) async fn shared(field: &CustomField, within: &TenantCrm) -> Result<Shared> {
    let Some((schema, path)) = field.place(within.crm().catalogue()) else {
        return Ok(Shared::default());
    };
    let aggregate = Aggregate::count(schema.clone())
        .filter(Filter::Absent(path.clone()).not())?
        .measures(vec![Measure::Count, Measure::Distinct(path)])?;
    let groups = within.aggregate_for_rules(aggregate).await?;
    let group = Group::only(groups)?;
    Ok(Shared { held: group.count(0)?, distinct: group.count(1)? })
}

/// Whether the actor may read all records that have the field: others are not told how many there
/// are.
pub(super) fn sees_all(field: &CustomField, within: &TenantCrm) -> bool {
    let Some((schema, _)) = field.place(within.crm().catalogue()) else { return false };
    !is_left_out(field, within)
        && within.actor().reach(&Permission::on(schema, "read")) == Some(Reach::All)
}

/// Why a field cannot become unique: how many records are in the way, where the actor sees all of
/// them, and some of those that it can see.
pub(super) async fn refusal(
    field: &CustomField,
    shared: &Shared,
    within: &TenantCrm,
) -> Result<Error> {
    let (of, rest) = (&field.record_type, "would have to be given another value first");
    let mut message = if sees_all(field, within) {
        format!("{} of {} {of} {rest}", shared.duplicates(), shared.held)
    } else {
        format!("some {of} {rest}")
    };
    let examples = examples(field, within).await?;
    if !examples.is_empty() {
        message.push_str(": ");
        message.push_str(&examples.join("; "));
    }
    Ok(Error::Conflict { code: "DUPLICATE_VALUES", field: Some("unique".to_owned()), message })
}

// In the order of the values, equal ones lie together.
async fn examples(field: &CustomField, within: &TenantCrm) -> Result<Vec<String>> {
    let Some((schema, path)) = field.place(within.crm().catalogue()) else {
        return Ok(Vec::new());
    };
    let permission = Permission::on(schema, "read");
    if within.actor().reach(&permission).is_none() || is_left_out(field, within) {
        return Ok(Vec::new());
    }
    let mut shared: Vec<Vec<Record>> = Vec::new();
    let mut last: Option<Record> = None;
    let mut after = None;
    for _ in 0..PARTS {
        let query = Query::new(schema.clone())
            .filter(Filter::Absent(path.clone()).not())?
            .sort(vec![Sort::ascending(path.clone())])?
            .window(Window::Cursor { after, limit: MAX_LIMIT })?;
        let part = within.query(&permission, query).await?;
        for record in part.items {
            if let Some(previous) = last.take()
                && is_same(&previous, &record, &path, schema)
            {
                let is_full = shared.len() == EXAMPLES;
                let known = shared.last_mut().filter(|known| {
                    known.first().is_some_and(|first| is_same(first, &record, &path, schema))
                });
                match known {
                    Some(known) => known.push(record.clone()),
                    None if is_full => return Ok(named(&shared, &path)),
                    None => shared.push(vec![previous, record.clone()]),
                }
            }
            last = Some(record);
        }
        after = part.next;
        if after.is_none() {
            break;
        }
    }
    Ok(named(&shared, &path))
}

fn is_same(one: &Record, other: &Record, path: &Path, schema: &Schema) -> bool {
    value_at(one, path).compare(&value_at(other, path), path.kind(schema)).is_eq()
}

fn named(shared: &[Vec<Record>], path: &Path) -> Vec<String> {
    let name = |records: &Vec<Record>| {
        let value = records.first().map(|first| crate::audit::json(&value_at(first, path)));
        let ids: Vec<String> = records.iter().take(3).map(|one| one.id().to_string()).collect();
        let more = if records.len() > ids.len() { " and others" } else { "" };
        Some(format!("{} in {}{more}", value?, ids.join(", ")))
    };
    shared.iter().filter_map(name).collect()
}
