//! Nobody learns of values whose definition is deleted, nor an actor of fields that its right to
//! read leaves out: not from what is shown, nor by asking.
//!
//! What an actor is given passes [`hide`], and what an actor asks passes [`question`] or
//! [`questions`]; both are called where the tenant's handle reads for an actor, and nowhere else.
//! Hidden values stay in their records until they are cleared, also where somebody changes such a
//! record: [`CustomFields`](super::CustomFields) carries them along unseen.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::values::HIDDEN;
use super::{CustomField, known};
use crate::TenantCrm;
use crate::access::fields::LeftOut;
use crate::error::{Error, Result};
use crate::store::{
    Aggregate, Filter, GroupBy, Kind, MAX_TERMS, Measure, Path, Query, Record, Schema, Value,
};

/// The most conditions that a search becomes while deleted fields are being cleared.
const MOST_TERMS: usize = 10 * MAX_TERMS;

/// Marks the values that nobody may see, so that entities made of these records keep them hidden.
///
/// # Errors
/// Where the store fails.
pub(crate) async fn hide(
    schema: &Schema,
    records: &mut [Record],
    within: &TenantCrm,
) -> Result<()> {
    let Some(field) = schema.custom() else { return Ok(()) };
    let has_some = |record: &Record| match record.get(field) {
        Value::Custom(own) => !own.is_empty(),
        _ => false,
    };
    if !records.iter().any(has_some) {
        return Ok(());
    }
    let known = known(within).await?;
    let keys: BTreeSet<&str> = live(&known, schema).map(|field| field.key.as_str()).collect();
    for record in records {
        let Value::Custom(own) = record.get(field) else { continue };
        if own.keys().all(|key| keys.contains(key.as_str())) {
            continue;
        }
        let marked = own.iter().map(|(key, value)| {
            let marked = if keys.contains(key.as_str()) { "" } else { HIDDEN };
            (format!("{marked}{key}"), value.clone())
        });
        let marked = Value::Custom(marked.collect());
        let mut values = record.values().to_vec();
        if let Some(place) = values.get_mut(usize::from(field)) {
            *place = marked;
        }
        *record = Record::from_stored(record.tenant(), values);
    }
    Ok(())
}

/// A question for records as it may be asked: of fields that there are, and finding nothing by
/// what is hidden.
///
/// # Errors
/// [`Error::Unreadable`] where it names a field that there is not.
pub(crate) async fn question(query: Query, within: &TenantCrm) -> Result<Query> {
    let mut asked = Asked::by(within);
    asked.walk(query.schema(), query.get_filter());
    for sort in query.get_sort() {
        asked.note(query.schema(), &sort.path);
    }
    if asked.is_of_none() {
        return Ok(query);
    }
    let known = known(within).await?;
    asked.allow(&known, within)?;
    match seen(query.schema(), query.get_filter(), &known, within)? {
        Cow::Borrowed(_) => Ok(query),
        Cow::Owned(filter) => Ok(query.with_filter(filter)),
    }
}

/// The same for figures.
///
/// # Errors
/// As [`question`].
pub(crate) async fn questions(aggregate: Aggregate, within: &TenantCrm) -> Result<Aggregate> {
    let mut asked = Asked::by(within);
    let schema = aggregate.schema();
    asked.walk(schema, aggregate.get_filter());
    for group in aggregate.get_groups() {
        let (GroupBy::Value(path) | GroupBy::Each(path) | GroupBy::Span(path, _)) = group;
        asked.note(schema, path);
    }
    for measure in aggregate.get_measures() {
        match measure {
            Measure::Count => {}
            Measure::Distinct(path)
            | Measure::Sum(path)
            | Measure::Min(path)
            | Measure::Max(path) => asked.note(schema, path),
        }
    }
    if asked.is_of_none() {
        return Ok(aggregate);
    }
    let known = known(within).await?;
    asked.allow(&known, within)?;
    match seen(aggregate.schema(), aggregate.get_filter(), &known, within)? {
        Cow::Borrowed(_) => Ok(aggregate),
        Cow::Owned(filter) => Ok(aggregate.with_filter(filter)),
    }
}

/// What a question asks of a tenant's own fields, and by whoever does not see all, of any.
#[derive(Debug, Default)]
struct Asked {
    /// The fields that it names, each with the type that it is of.
    paths: Vec<(Arc<Schema>, Path)>,
    /// Whether there is something that whoever asks does not see.
    watches: bool,
    /// Whether it searches among them.
    searches: bool,
}

impl Asked {
    fn by(within: &TenantCrm) -> Self {
        Self { watches: within.actor().grants().leaves_out(), ..Self::default() }
    }

    fn note(&mut self, schema: &Arc<Schema>, path: &Path) {
        if path.custom.is_some() || self.watches {
            self.paths.push((Arc::clone(schema), path.clone()));
        }
    }

    fn walk(&mut self, schema: &Arc<Schema>, filter: &Filter) {
        match filter {
            Filter::All | Filter::Nothing => {}
            Filter::In(path, _)
            | Filter::HasAll(path, _)
            | Filter::Compare(path, ..)
            | Filter::Absent(path)
            | Filter::Contains(path, _)
            | Filter::StartsWith(path, _) => self.note(schema, path),
            Filter::Search(_) => self.searches |= self.watches || is_searched(schema),
            Filter::Related(_, target, filter) => self.walk(target, filter),
            Filter::End(_, cases) => {
                cases.iter().for_each(|(target, filter)| self.walk(target, filter));
            }
            Filter::And(filters) | Filter::Or(filters) => {
                filters.iter().for_each(|filter| self.walk(schema, filter));
            }
            Filter::Not(filter) => self.walk(schema, filter),
        }
    }

    fn is_of_none(&self) -> bool {
        self.paths.is_empty() && !self.searches
    }

    /// That each field is defined, as what it is asked as, and none is left out.
    fn allow(&self, known: &[CustomField], within: &TenantCrm) -> Result<()> {
        for (schema, path) in &self.paths {
            let Some(custom) = &path.custom else {
                let left_out = LeftOut::of(within.actor(), schema);
                if left_out.is_some_and(|left_out| left_out.has(path.field)) {
                    let name = path.name(schema);
                    let message = format!("{schema} have no field {name}");
                    return Err(Error::unreadable(name, "UNKNOWN_FIELD", message));
                }
                continue;
            };
            let defined = live(known, schema).find(|field| field.key == custom.key);
            if defined.is_none_or(|field| !is_asked_as(custom.kind, field.field_type.kind())) {
                let name = path.name(schema);
                let message = format!("{schema} have no field {name} of this type");
                return Err(Error::unreadable(name, "UNKNOWN_FIELD", message));
            }
        }
        Ok(())
    }
}

fn live<'k>(known: &'k [CustomField], schema: &'k Schema) -> impl Iterator<Item = &'k CustomField> {
    known.iter().filter(|field| field.deleted_at.is_none() && field.record_type == schema.name())
}

// How many digits a decimal may be asked for with is the asker's.
fn is_asked_as(asked: Kind, defined: Kind) -> bool {
    match (asked, defined) {
        (Kind::Decimal { .. }, Kind::Decimal { .. }) => true,
        (asked, defined) => asked == defined,
    }
}

fn is_searched(schema: &Schema) -> bool {
    schema.custom().is_some_and(|field| schema.field(field).searchable)
}

/// A filter whose searches find nothing by hidden values. A search looks into one text of all
/// fields, so where there are hidden texts each word is looked for in each of the others besides.
fn seen<'f>(
    schema: &Arc<Schema>,
    filter: &'f Filter,
    known: &[CustomField],
    within: &TenantCrm,
) -> Result<Cow<'f, Filter>> {
    let is_text = |field: &CustomField| matches!(field.field_type.kind(), Kind::Text | Kind::Code);
    let left_out = LeftOut::of(within.actor(), schema);
    let is_hidden = left_out.as_ref().is_some_and(LeftOut::is_searched)
        || (is_searched(schema)
            && known.iter().any(|field| {
                field.is_hidden() && field.record_type == schema.name() && is_text(field)
            }));
    let all = |filters: &[Filter]| -> Result<Vec<Filter>> {
        filters.iter().map(|filter| Ok(seen(schema, filter, known, within)?.into_owned())).collect()
    };
    Ok(Cow::Owned(match filter {
        Filter::Search(words) if is_hidden => {
            let mut paths: Vec<Path> = schema
                .searchable()
                .filter(|field| schema.field(*field).kind != Kind::Custom)
                .filter(|field| left_out.as_ref().is_none_or(|left_out| !left_out.has(*field)))
                .map(Path::field)
                .collect();
            if let Some(at) = schema.custom() {
                let texts = live(known, schema).filter(|field| is_text(field));
                paths.extend(texts.map(|field| Path::custom(at, &*field.key, Kind::Text)));
            }
            if words.len() * paths.len() > MOST_TERMS {
                let what = "the number of words in a search beside fields that are not seen";
                return Err(Error::Limit { what: what.to_owned(), limit: MOST_TERMS as u64 });
            }
            let each = words.iter().map(|word| {
                let any = paths.iter().map(|path| Filter::Contains(path.clone(), word.clone()));
                any.fold(Filter::Nothing, Filter::or)
            });
            each.fold(filter.clone(), Filter::and)
        }
        Filter::And(filters) => Filter::And(all(filters)?),
        Filter::Or(filters) => Filter::Or(all(filters)?),
        Filter::Not(inner) => {
            Filter::Not(Box::new(seen(schema, inner, known, within)?.into_owned()))
        }
        Filter::Related(field, target, inner) => {
            let inner = Box::new(seen(target, inner, known, within)?.into_owned());
            Filter::Related(*field, Arc::clone(target), inner)
        }
        Filter::End(end, cases) => {
            let cases = cases.iter().map(|(target, filter)| {
                Ok((Arc::clone(target), seen(target, filter, known, within)?.into_owned()))
            });
            Filter::End(*end, cases.collect::<Result<_>>()?)
        }
        _ => return Ok(Cow::Borrowed(filter)),
    }))
}
