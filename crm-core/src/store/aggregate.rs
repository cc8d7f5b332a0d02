//! Figures over many records: counts, sums and extremes, by groups.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::filter::{Filter, Path, check_path, limit};
use super::query::Deleted;
use super::schema::Schema;
use super::value::{Kind, Value};
use crate::error::{Error, Result};

/// What records are grouped by.
#[derive(Debug, Clone, PartialEq)]
pub enum GroupBy {
    /// A field's value. Texts that compare equal fall together, under the one that is smallest
    /// byte by byte; absent values are a group of their own.
    Value(Path),
    /// Each element of a list field; a record counts once for every element, and under an absent
    /// one where the list is empty.
    Each(Path),
    /// Which span of time a [`Kind::Time`] field falls into. With bounds b₀ < b₁ < … the group's
    /// key is the number of bounds that are not after the time: 0 before b₀, 1 in [b₀, b₁) and so
    /// on. Bounds come from the caller, who knows the time zone; no database has to.
    Span(Path, Vec<DateTime<Utc>>),
}

/// A figure of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Measure {
    /// How many records.
    Count,
    /// How many different present values; text by its key.
    Distinct(Path),
    /// The exact sum of present values, as a decimal; 0 where there are none.
    Sum(Path),
    /// The smallest present value; of a text the folded form.
    Min(Path),
    /// The largest present value; of a text the folded form.
    Max(Path),
}

/// The most groups that an aggregate gives.
pub const MAX_GROUPS: u32 = 10_000;

/// A checked question for figures. Without a grouping it gives exactly one group.
#[derive(Debug, Clone, PartialEq)]
pub struct Aggregate {
    schema: Arc<Schema>,
    filter: Filter,
    deleted: Deleted,
    groups: Vec<GroupBy>,
    measures: Vec<Measure>,
}

/// The figures of one group.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// What its records share, in the order of the grouping.
    pub keys: Vec<Value>,
    /// Its figures, in the order of the measures.
    pub values: Vec<Value>,
}

impl Group {
    /// The one group of a question without a grouping.
    ///
    /// # Errors
    /// [`Error::Internal`] where the store gave none.
    pub fn only(groups: Vec<Self>) -> Result<Self> {
        groups.into_iter().next().ok_or_else(|| Error::internal("figures are missing"))
    }

    /// The figure at a place among the measures, where it is a number of records or of values.
    ///
    /// # Errors
    /// [`Error::Internal`] where the store gave something else.
    pub fn count(&self, place: usize) -> Result<u64> {
        match self.values.get(place) {
            Some(Value::Int(count)) => Ok(u64::try_from(*count).unwrap_or(0)),
            _ => Err(Error::internal("a count gave no number")),
        }
    }

    /// What its records share, in words: a text, a code, an identifier, yes or no. None where it
    /// is absent.
    pub fn word(&self) -> Option<String> {
        match self.keys.first() {
            Some(Value::Text(text)) => Some(text.clone()),
            Some(Value::Bool(yes)) => Some(yes.to_string()),
            Some(Value::Uuid(id)) => Some(id.to_string()),
            _ => None,
        }
    }
}

impl Aggregate {
    /// The number of live records of a type.
    pub fn count(schema: Arc<Schema>) -> Self {
        Self {
            schema,
            filter: Filter::All,
            deleted: Deleted::Exclude,
            groups: Vec::new(),
            measures: vec![Measure::Count],
        }
    }

    /// Only over records that match, on top of what was asked before.
    ///
    /// # Errors
    /// Where the filter does not fit the schema or exceeds a limit.
    pub fn filter(mut self, mut filter: Filter) -> Result<Self> {
        filter.check(&self.schema)?;
        self.filter = self.filter.and(filter);
        Ok(self)
    }

    /// The same question with another filter, which says in more words what a checked one says.
    pub(crate) fn with_filter(mut self, filter: Filter) -> Self {
        self.filter = filter;
        self
    }

    /// Over deleted records too, or only those.
    #[must_use]
    pub fn deleted(mut self, deleted: Deleted) -> Self {
        self.deleted = deleted;
        self
    }

    /// A group for each combination; groups come in the order of their keys, absent ones last.
    ///
    /// # Errors
    /// Where a path does not fit its grouping, bounds are not ascending, or there are more than
    /// four groupings.
    pub fn group_by(mut self, groups: Vec<GroupBy>) -> Result<Self> {
        if groups.len() > 4 {
            return Err(limit("the number of groupings", 4));
        }
        for group in &groups {
            let (path, fits) = match group {
                GroupBy::Value(path) => (path, check_path(&self.schema, path)?.is_ordered()),
                GroupBy::Each(path) => {
                    let kind = check_path(&self.schema, path)?;
                    (path, kind == Kind::Codes || (path.custom.is_none() && kind.is_list()))
                }
                GroupBy::Span(path, bounds) => {
                    if bounds.len() > 1_000 || !bounds.is_sorted_by(|a, b| a < b) {
                        return Err(limit("the number of ascending bounds", 1_000));
                    }
                    (path, check_path(&self.schema, path)? == Kind::Time)
                }
            };
            if !fits {
                return Err(self.misuse(path, "cannot be grouped by so"));
            }
        }
        self.groups = groups;
        Ok(self)
    }

    /// These figures instead of the count.
    ///
    /// # Errors
    /// Where a path cannot be summed or ordered, or there are more than sixteen measures.
    pub fn measures(mut self, measures: Vec<Measure>) -> Result<Self> {
        if measures.len() > 16 || measures.is_empty() {
            return Err(limit("the number of measures", 16));
        }
        for measure in &measures {
            match measure {
                Measure::Count => {}
                Measure::Sum(path) => {
                    if !check_path(&self.schema, path)?.is_number() {
                        return Err(self.misuse(path, "cannot be summed"));
                    }
                }
                Measure::Distinct(path) | Measure::Min(path) | Measure::Max(path) => {
                    if !check_path(&self.schema, path)?.is_ordered() {
                        return Err(self.misuse(path, "has no order"));
                    }
                }
            }
        }
        self.measures = measures;
        Ok(self)
    }

    /// The record type.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// Which records.
    pub fn get_filter(&self) -> &Filter {
        &self.filter
    }

    /// Whether live or deleted records.
    pub fn get_deleted(&self) -> Deleted {
        self.deleted
    }

    /// What is grouped by.
    pub fn get_groups(&self) -> &[GroupBy] {
        &self.groups
    }

    /// Which figures.
    pub fn get_measures(&self) -> &[Measure] {
        &self.measures
    }

    /// Whether this asks only how many live records there are: backends keep that number.
    pub fn is_plain_count(&self) -> bool {
        self.filter == Filter::All
            && self.deleted == Deleted::Exclude
            && self.groups.is_empty()
            && self.measures == [Measure::Count]
    }

    fn misuse(&self, path: &Path, message: &str) -> Error {
        let name = path.name(&self.schema);
        Error::unreadable(name.clone(), "INVALID_AGGREGATE", format!("{name} {message}"))
    }
}
