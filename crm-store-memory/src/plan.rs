//! Which rows a request has to look at: those that its filter names by a key, or all.
//!
//! A plan may only leave out rows that cannot match. Whether a row matches is asked of the
//! evaluator in any case.

use std::collections::HashSet;

use crm_core::store::evaluate::Row;
use crm_core::store::{Deleted, FieldIndex, Filter, Value};
use uuid::Uuid;

use crate::key::Key;
use crate::table::{Part, Table};

/// Up to how many rows of one value are fetched by it rather than met on a walk.
const FEW: usize = 1_000;

/// Where the rows of a request are found.
#[derive(Debug, PartialEq)]
pub(crate) enum Source {
    /// Under this identifier.
    Id(Uuid),
    /// Under these values of the unique key at the position.
    Unique(usize, Box<[Key]>),
    /// Under these values of the ordered index at the position.
    Equal(usize, Vec<Key>),
    /// In any of these places.
    Any(Vec<Self>),
    /// Anywhere.
    All,
}

impl Source {
    /// The narrowest source for a filter.
    pub(crate) fn of(table: &Table, filter: &Filter, deleted: Deleted) -> Self {
        if let Some(id) = filter.required_id() {
            return Self::Id(id);
        }
        // The other keys are kept of live rows only.
        if deleted != Deleted::Exclude || *filter == Filter::All {
            return Self::All;
        }
        let mut required = Vec::new();
        collect_required(filter, &mut required);
        let values_of = |field: &FieldIndex| {
            required.iter().find(|(required, _)| required == field).map(|(_, values)| *values)
        };
        for (number, key) in table.schema.unique().iter().enumerate() {
            let values: Option<Box<[Key]>> = key
                .fields
                .iter()
                .map(|field| match values_of(field)? {
                    [value] => Some(Key::new(value.clone())),
                    _ => None,
                })
                .collect();
            if let Some(values) = values {
                return Self::Unique(number, values);
            }
        }
        for (number, field) in table.ordered.iter().enumerate() {
            if let Some(values) = values_of(field) {
                let mut keys: Vec<Key> = values.iter().cloned().map(Key::new).collect();
                keys.sort();
                keys.dedup();
                return Self::Equal(number, keys);
            }
        }
        Self::of_any(table, filter, deleted)
    }

    // Where one of several filters must match and each names its rows by a key.
    fn of_any(table: &Table, filter: &Filter, deleted: Deleted) -> Self {
        let any = match filter {
            Filter::Or(any) => Some(any),
            Filter::And(all) => all.iter().find_map(|filter| match filter {
                Filter::Or(any) => Some(any),
                _ => None,
            }),
            _ => None,
        };
        let sources = any.map(|any| any.iter().map(|filter| Self::of(table, filter, deleted)));
        match sources.map(Iterator::collect::<Vec<_>>) {
            Some(sources) if !sources.contains(&Self::All) => Self::Any(sources),
            _ => Self::All,
        }
    }

    /// The rows of a part, without order; each at most once.
    pub(crate) fn rows<'a>(
        &'a self,
        part: &'a Part,
        deleted: Deleted,
    ) -> Box<dyn Iterator<Item = &'a Row> + 'a> {
        match self {
            Self::Id(id) => Box::new(part.row(*id).map(|row| &**row).into_iter()),
            Self::Unique(number, values) => {
                let holder = part.unique[*number].get(values);
                Box::new(holder.and_then(|id| part.row(*id)).map(|row| &**row).into_iter())
            }
            Self::Equal(number, keys) => {
                let index = &part.ordered[*number];
                Box::new(keys.iter().flat_map(|key| index.equal(key)))
            }
            Self::Any(sources) => {
                let mut seen = HashSet::new();
                let rows = sources.iter().flat_map(move |source| source.rows(part, deleted));
                Box::new(rows.filter(move |row| seen.insert(row.record().id())))
            }
            Self::All => part.rows(deleted),
        }
    }

    /// Whether there are so few rows that fetching them all beats walking in order.
    pub(crate) fn is_narrow(&self, part: &Part) -> bool {
        match self {
            Self::Id(_) | Self::Unique(..) => true,
            Self::Equal(..) | Self::Any(_) => self.rows(part, Deleted::Exclude).nth(FEW).is_none(),
            Self::All => false,
        }
    }
}

// The fields that must have one of some values for the filter to match.
fn collect_required<'f>(filter: &'f Filter, required: &mut Vec<(FieldIndex, &'f [Value])>) {
    match filter {
        Filter::In(path, values) if path.custom.is_none() => required.push((path.field, values)),
        Filter::And(all) => all.iter().for_each(|filter| collect_required(filter, required)),
        _ => {}
    }
}
