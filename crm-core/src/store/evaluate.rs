//! The reference evaluator: what every request means, computed plainly.
//!
//! The memory store is this evaluator with a lock and indexes; another backend may push down what
//! it can and leave the rest to it; the differential test holds every backend against it. It
//! must never be clever: where it and a backend disagree, the backend is wrong.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::aggregate::{Aggregate, Group, GroupBy, MAX_GROUPS, Measure};
use super::filter::{Comparison, Filter, Path, limit};
use super::query::{Cursor, Deleted, Page, Query, Sort, Window};
use super::record::Record;
use super::schema::Schema;
use super::text::fold;
use super::value::{Kind, Value};
use crate::error::{Error, Result};
use crate::tenants::TenantId;

/// A record with what comparing it needs, computed once.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    record: Record,
    keys: Box<[Option<Box<str>>]>,
    search: Box<str>,
}

impl Row {
    /// Prepares a record for comparing.
    pub fn new(schema: &Schema, record: Record) -> Self {
        let key = |(field, value): (&super::Field, &Value)| match value {
            Value::Text(text) if field.has_key() => Some(fold(text).into_boxed_str()),
            _ => None,
        };
        let keys = schema.fields().iter().zip(record.values()).map(key).collect();
        let search = search_text(schema, &record).into_boxed_str();
        Self { record, keys, search }
    }

    /// The record.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// The comparison key of a text field that has one.
    pub fn key(&self, field: super::FieldIndex) -> Option<&str> {
        self.keys.get(usize::from(field))?.as_deref()
    }

    /// What a search looks into.
    pub fn search(&self) -> &str {
        &self.search
    }
}

/// What a search of a record looks into: its searchable texts, folded, a line each.
pub fn search_text(schema: &Schema, record: &Record) -> String {
    let mut out = String::new();
    let mut add = |text: &str| {
        if !out.is_empty() {
            out.push('\n');
        }
        out.push_str(&fold(text));
    };
    for field in schema.searchable() {
        match record.get(field) {
            Value::Text(text) => add(text),
            Value::Custom(fields) => {
                for value in fields.values() {
                    if let Value::Text(text) = value {
                        add(text);
                    }
                }
            }
            _ => {}
        }
    }
    out
}

/// Finds the record that another one refers to, deleted or not.
pub trait Lookup {
    /// The record of `schema` with this identifier, in this tenant or, for a global type, in
    /// none.
    fn find(&self, schema: &Schema, tenant: Option<TenantId>, id: Uuid) -> Option<&Row>;

    /// The records of `schema` in this tenant, live or not, that are
    /// [known](Schema::known_by) by this identifier: one at most where that is `id`.
    fn known_by(&self, schema: &Schema, tenant: Option<TenantId>, id: Uuid) -> Vec<&Row>;
}

/// What a record holds at a path; a tenant's own field of another kind than asked for is absent.
pub fn value_at<'a>(record: &'a Record, path: &Path) -> Cow<'a, Value> {
    let value = record.get(path.field);
    let Some(custom) = &path.custom else { return Cow::Borrowed(value) };
    let Value::Custom(fields) = value else { return Cow::Owned(Value::Null) };
    match fields.get(&custom.key) {
        Some(value) if holds(value, custom.kind) => Cow::Borrowed(value),
        // A list that was never set is empty, not absent.
        _ if custom.kind == Kind::Uuids => Cow::Owned(Value::Uuids(Vec::new())),
        _ if custom.kind == Kind::Codes => Cow::Owned(Value::Codes(Vec::new())),
        _ => Cow::Owned(Value::Null),
    }
}

fn holds(value: &Value, kind: Kind) -> bool {
    match (value.own_kind(), kind) {
        (Some(Kind::Text), Kind::Text | Kind::Code)
        | (Some(Kind::Decimal { .. }), Kind::Decimal { .. }) => true,
        (Some(own), kind) => own == kind,
        (None, _) => false,
    }
}

/// Whether a row matches a checked filter.
pub fn matches(schema: &Schema, filter: &Filter, row: &Row, lookup: &dyn Lookup) -> bool {
    match filter {
        Filter::All => true,
        Filter::Nothing => false,
        Filter::In(path, values) => match &*value_at(&row.record, path) {
            Value::Null => false,
            Value::Uuids(ids) => ids.iter().any(|id| values.contains(&Value::Uuid(*id))),
            Value::Codes(codes) => codes.iter().any(|code| has_code(values, code)),
            value => with_key(schema, path, row, value, |value| values.contains(value)),
        },
        Filter::HasAll(path, values) => match &*value_at(&row.record, path) {
            Value::Uuids(ids) => values.iter().all(|v| ids.iter().any(|id| *v == Value::Uuid(*id))),
            Value::Codes(codes) => values.iter().all(|value| match value {
                Value::Text(text) => codes.contains(text),
                _ => false,
            }),
            _ => false,
        },
        Filter::Compare(path, comparison, bound) => match &*value_at(&row.record, path) {
            Value::Null => false,
            value => with_key(schema, path, row, value, |value| {
                let ordering = value.compare(bound, Kind::Code);
                match comparison {
                    Comparison::Lt => ordering.is_lt(),
                    Comparison::Le => ordering.is_le(),
                    Comparison::Gt => ordering.is_gt(),
                    Comparison::Ge => ordering.is_ge(),
                }
            }),
        },
        Filter::Absent(path) => match &*value_at(&row.record, path) {
            Value::Null => true,
            Value::Uuids(ids) => ids.is_empty(),
            Value::Codes(codes) => codes.is_empty(),
            _ => false,
        },
        Filter::Contains(path, part) => text_at(schema, path, row, |text| text.contains(&**part)),
        Filter::StartsWith(path, part) => {
            text_at(schema, path, row, |text| text.starts_with(&**part))
        }
        Filter::Search(words) => words.iter().all(|word| row.search.contains(&**word)),
        Filter::Related(field, target, filter) => match row.record.get(*field) {
            Value::Uuid(id) => {
                let tenant = match target.scoping() {
                    super::Scoping::Tenant => row.record.tenant(),
                    super::Scoping::Global => None,
                };
                let found = lookup.find(target, tenant, *id);
                found.is_some_and(|other| matches(target, filter, other, lookup))
            }
            _ => false,
        },
        Filter::End(end, cases) => {
            let Some(end) = schema.ends().get(*end) else { return false };
            let (record_type, id) = (row.record.get(end.record_type), row.record.get(end.id));
            let (Value::Text(record_type), Value::Uuid(id)) = (record_type, id) else {
                return false;
            };
            cases.iter().filter(|(target, _)| target.resource() == record_type).any(
                |(target, filter)| {
                    let named = lookup.known_by(target, row.record.tenant(), *id);
                    named.into_iter().any(|other| matches(target, filter, other, lookup))
                },
            )
        }
        Filter::And(filters) => filters.iter().all(|f| matches(schema, f, row, lookup)),
        Filter::Or(filters) => filters.iter().any(|f| matches(schema, f, row, lookup)),
        Filter::Not(filter) => !matches(schema, filter, row, lookup),
    }
}

fn has_code(values: &[Value], code: &str) -> bool {
    values.iter().any(|value| matches!(value, Value::Text(text) if text == code))
}

// Hands `f` the value in the form in which it is compared: text as its key.
fn with_key<T>(
    schema: &Schema,
    path: &Path,
    row: &Row,
    value: &Value,
    f: impl FnOnce(&Value) -> T,
) -> T {
    match (path.kind(schema), value) {
        (Kind::Text, Value::Text(text)) => {
            let key = match row.key(path.field) {
                Some(key) if path.custom.is_none() => key.to_owned(),
                _ => fold(text),
            };
            f(&Value::Text(key))
        }
        _ => f(value),
    }
}

fn text_at(schema: &Schema, path: &Path, row: &Row, f: impl FnOnce(&str) -> bool) -> bool {
    match &*value_at(&row.record, path) {
        value @ Value::Text(_) => with_key(schema, path, row, value, |value| match value {
            Value::Text(text) => f(text),
            _ => false,
        }),
        _ => false,
    }
}

/// How two rows stand in an order. Absent values come last in either direction.
pub fn order(schema: &Schema, order: &[Sort], a: &Row, b: &Row) -> Ordering {
    for key in order {
        let (left, right) = (sort_key(schema, key, a), sort_key(schema, key, b));
        let ordering = compare_keys(&left, &right, key.descending);
        if ordering != Ordering::Equal {
            return ordering;
        }
    }
    Ordering::Equal
}

fn sort_key<'a>(schema: &Schema, sort: &Sort, row: &'a Row) -> Cow<'a, Value> {
    let value = value_at(&row.record, &sort.path);
    match (sort.path.kind(schema), &*value) {
        (Kind::Text, Value::Text(_)) => {
            Cow::Owned(with_key(schema, &sort.path, row, &value, Value::clone))
        }
        _ => value,
    }
}

fn compare_keys(a: &Value, b: &Value, descending: bool) -> Ordering {
    // Text is folded by now, so that bytes decide.
    let ordering = a.compare(b, Kind::Code);
    if descending && !a.is_null() && !b.is_null() { ordering.reverse() } else { ordering }
}

/// Whether a row stands behind a cursor in the order of its query.
pub fn is_behind(query: &Query, row: &Row, cursor: &Cursor) -> bool {
    for (key, bound) in query.order().iter().zip(cursor.values()) {
        let value = sort_key(query.schema(), key, row);
        match compare_keys(&value, bound, key.descending) {
            Ordering::Equal => {}
            ordering => return ordering.is_gt(),
        }
    }
    false
}

/// Whether a row is among the live or deleted ones asked for.
pub fn is_wanted(deleted: Deleted, record: &Record) -> bool {
    match deleted {
        Deleted::Exclude => record.is_live(),
        Deleted::Include => true,
        Deleted::Only => !record.is_live(),
    }
}

/// Answers a query from all rows of its type and scope.
pub fn select<'a>(
    query: &Query,
    rows: impl Iterator<Item = &'a Row>,
    lookup: &dyn Lookup,
) -> Page<Record> {
    let schema = query.schema();
    let mut found: Vec<&Row> = rows
        .filter(|row| is_wanted(query.get_deleted(), row.record()))
        .filter(|row| matches(schema, query.get_filter(), row, lookup))
        .collect();
    let sorts = query.order();
    found.sort_by(|a, b| order(schema, &sorts, a, b));
    let total = query.is_counted().then_some(found.len() as u64);
    let limit = query.get_window().limit() as usize;
    let mut next = None;
    let items: Vec<Record> = match query.get_window() {
        Window::Page { offset, .. } => {
            let offset = usize::try_from(*offset).unwrap_or(usize::MAX);
            found.into_iter().skip(offset).take(limit).map(|row| row.record().clone()).collect()
        }
        Window::Cursor { after, .. } => {
            let behind = |row: &&Row| after.as_ref().is_none_or(|c| is_behind(query, row, c));
            let mut rest = found.into_iter().filter(behind);
            let items: Vec<Record> =
                rest.by_ref().take(limit).map(|row| row.record().clone()).collect();
            if rest.next().is_some() {
                next = items.last().map(|last| Cursor::behind(query, last));
            }
            items
        }
    };
    Page { items, total, next }
}

/// Answers an aggregate from all rows of its type and scope.
///
/// # Errors
/// [`Error::Limit`] beyond [`MAX_GROUPS`]; [`Error::Internal`] where a sum overflows.
pub fn aggregate<'a>(
    aggregate: &Aggregate,
    rows: impl Iterator<Item = &'a Row>,
    lookup: &dyn Lookup,
) -> Result<Vec<Group>> {
    let schema = aggregate.schema();
    // Groups in the order of their keys: those that decide, then those to show.
    let mut groups: Vec<(Vec<Value>, Group, Vec<BTreeSet<String>>)> = Vec::new();
    let measures = aggregate.get_measures();
    let empty = || measures.iter().map(start).collect::<Vec<_>>();
    if aggregate.get_groups().is_empty() {
        let group = Group { keys: Vec::new(), values: empty() };
        groups.push((Vec::new(), group, vec![BTreeSet::new(); measures.len()]));
    }
    for row in rows
        .filter(|row| is_wanted(aggregate.get_deleted(), row.record()))
        .filter(|row| matches(schema, aggregate.get_filter(), row, lookup))
    {
        for (keys, shown) in combinations(aggregate, row) {
            let place = groups.binary_search_by(|(known, ..)| compare_all(known, &keys));
            let place = match place {
                Ok(place) => place,
                Err(place) => {
                    if groups.len() >= MAX_GROUPS as usize {
                        return Err(limit("the number of groups", MAX_GROUPS as usize));
                    }
                    let group = Group { keys: shown.clone(), values: empty() };
                    groups.insert(place, (keys, group, vec![BTreeSet::new(); measures.len()]));
                    place
                }
            };
            let (_, group, seen) = &mut groups[place];
            for (known, new) in group.keys.iter_mut().zip(shown) {
                if new.compare(known, Kind::Code).is_lt() {
                    *known = new;
                }
            }
            for ((measure, value), seen) in measures.iter().zip(&mut group.values).zip(seen) {
                add(schema, measure, value, seen, row)?;
            }
        }
    }
    Ok(groups.into_iter().map(|(_, group, _)| group).collect())
}

fn start(measure: &Measure) -> Value {
    match measure {
        Measure::Count | Measure::Distinct(_) => Value::Int(0),
        Measure::Sum(_) => Value::Decimal(Decimal::ZERO),
        Measure::Min(_) | Measure::Max(_) => Value::Null,
    }
}

fn compare_all(a: &[Value], b: &[Value]) -> Ordering {
    let each = a.iter().zip(b).map(|(a, b)| a.compare(b, Kind::Code));
    each.fold(Ordering::Equal, Ordering::then)
}

// The groups a row falls into: the keys that decide, and those to show.
fn combinations(aggregate: &Aggregate, row: &Row) -> Vec<(Vec<Value>, Vec<Value>)> {
    let schema = aggregate.schema();
    let mut all = vec![(Vec::new(), Vec::new())];
    for group in aggregate.get_groups() {
        let choices: Vec<(Value, Value)> = match group {
            GroupBy::Value(path) => {
                let shown = value_at(&row.record, path).into_owned();
                vec![(with_key(schema, path, row, &shown, Value::clone), shown)]
            }
            GroupBy::Each(path) => {
                let elements: Vec<Value> = match &*value_at(&row.record, path) {
                    Value::Uuids(ids) => ids.iter().map(|id| Value::Uuid(*id)).collect(),
                    Value::Codes(codes) => codes.iter().map(|c| Value::Text(c.clone())).collect(),
                    _ => Vec::new(),
                };
                let mut once: Vec<Value> = Vec::new();
                for element in elements {
                    if !once.contains(&element) {
                        once.push(element);
                    }
                }
                if once.is_empty() {
                    once.push(Value::Null);
                }
                once.into_iter().map(|element| (element.clone(), element)).collect()
            }
            GroupBy::Span(path, bounds) => {
                let span = match &*value_at(&row.record, path) {
                    Value::Time(time) => Value::Int(span_of(*time, bounds)),
                    _ => Value::Null,
                };
                vec![(span.clone(), span)]
            }
        };
        all = all
            .into_iter()
            .flat_map(|(keys, shown)| {
                choices.iter().map(move |(key, show)| {
                    let (mut keys, mut shown) = (keys.clone(), shown.clone());
                    keys.push(key.clone());
                    shown.push(show.clone());
                    (keys, shown)
                })
            })
            .collect();
    }
    all
}

fn span_of(time: DateTime<Utc>, bounds: &[DateTime<Utc>]) -> i64 {
    bounds.partition_point(|bound| *bound <= time) as i64
}

fn add(
    schema: &Schema,
    measure: &Measure,
    total: &mut Value,
    seen: &mut BTreeSet<String>,
    row: &Row,
) -> Result<()> {
    let path = match measure {
        Measure::Count => {
            if let Value::Int(count) = total {
                *count += 1;
            }
            return Ok(());
        }
        Measure::Distinct(path) | Measure::Sum(path) | Measure::Min(path) | Measure::Max(path) => {
            path
        }
    };
    let value = value_at(&row.record, path);
    if value.is_null() {
        return Ok(());
    }
    let value = with_key(schema, path, row, &value, Value::clone);
    match measure {
        Measure::Count => {}
        Measure::Distinct(_) => {
            let text = match &value {
                Value::Decimal(decimal) => decimal.normalize().to_string(),
                other => format!("{other:?}"),
            };
            seen.insert(text);
            *total = Value::Int(seen.len() as i64);
        }
        Measure::Sum(_) => {
            let more = match value {
                Value::Int(int) => Decimal::from(int),
                Value::Decimal(decimal) => decimal,
                _ => Decimal::ZERO,
            };
            if let Value::Decimal(sum) = total {
                let new = sum.checked_add(more);
                *sum = new.ok_or_else(|| Error::internal("a sum has more than 28 digits"))?;
            }
        }
        Measure::Min(_) => {
            if total.is_null() || value.compare(total, Kind::Code).is_lt() {
                *total = value;
            }
        }
        Measure::Max(_) => {
            if total.is_null() || value.compare(total, Kind::Code).is_gt() {
                *total = value;
            }
        }
    }
    Ok(())
}
