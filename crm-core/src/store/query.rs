//! Which records, in which order, and which part of them.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, NaiveDate};
use rust_decimal::Decimal;

use super::filter::{Filter, Path, known_path, limit};
use super::record::Record;
use super::schema::{Schema, system};
use super::text::fold;
use super::value::{CUSTOM_SCALE, Kind, Value};
use crate::error::{Error, Result};

/// One key of an order. Absent values come last, whatever the direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sort {
    /// What is sorted by.
    pub path: Path,
    /// Whether the largest comes first.
    pub descending: bool,
}

impl Sort {
    /// Smallest first.
    pub const fn ascending(path: Path) -> Self {
        Self { path, descending: false }
    }

    /// Largest first.
    pub const fn descending(path: Path) -> Self {
        Self { path, descending: true }
    }
}

/// Which records of the whole result.
#[derive(Debug, Clone, PartialEq)]
pub enum Window {
    /// `limit` records behind the first `offset`.
    Page {
        /// How many to pass over.
        offset: u64,
        /// How many to give.
        limit: u32,
    },
    /// `limit` records behind a cursor, or the first ones: the same cost however far.
    Cursor {
        /// Where the part before ended.
        after: Option<Cursor>,
        /// How many to give.
        limit: u32,
    },
}

impl Window {
    /// How many records at most.
    pub fn limit(&self) -> u32 {
        match self {
            Self::Page { limit, .. } | Self::Cursor { limit, .. } => *limit,
        }
    }
}

/// Live records, deleted ones, or both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Deleted {
    /// Live records only.
    #[default]
    Exclude,
    /// Both.
    Include,
    /// Deleted records only.
    Only,
}

/// The most records that one query gives.
pub const MAX_LIMIT: u32 = 1_000;
/// The most keys of an order.
pub const MAX_SORTS: usize = 4;

/// A checked question for records.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    schema: Arc<Schema>,
    filter: Filter,
    sort: Vec<Sort>,
    window: Window,
    count: bool,
    deleted: Deleted,
}

impl Query {
    /// All live records of a type, newest first, the first twenty of them, without a count.
    pub fn new(schema: Arc<Schema>) -> Self {
        Self {
            schema,
            filter: Filter::All,
            sort: Vec::new(),
            window: Window::Page { offset: 0, limit: 20 },
            count: false,
            deleted: Deleted::Exclude,
        }
    }

    /// Only records that match, on top of what was asked before.
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

    /// In this order; ties, and no order at all, go by id: in the direction of the last key,
    /// newest first where there is none.
    ///
    /// # Errors
    /// Where a field is not sortable, there are more than [`MAX_SORTS`] keys, or the window's
    /// cursor is of another order.
    pub fn sort(mut self, sort: Vec<Sort>) -> Result<Self> {
        if sort.len() > MAX_SORTS {
            return Err(limit("the number of sort keys", MAX_SORTS));
        }
        for key in &sort {
            let ordered = match known_path(&self.schema, &key.path) {
                Ok(kind) => kind.is_ordered(),
                Err(fault @ Error::Internal(_)) => return Err(fault),
                Err(_) => false,
            };
            let field = self.schema.field(key.path.field);
            let sortable = field.sortable || (field.kind == Kind::Custom && field.filterable);
            if !ordered || !sortable {
                let name = key.path.name(&self.schema);
                return Err(Error::unreadable(
                    "sort",
                    "NOT_SORTABLE",
                    format!("{} cannot be sorted by {name}", self.schema),
                ));
            }
        }
        self.sort = sort;
        if let Window::Cursor { after: Some(cursor), .. } = &self.window {
            self.check_cursor(cursor)?;
        }
        Ok(self)
    }

    /// This part of the result.
    ///
    /// # Errors
    /// Where the limit is above [`MAX_LIMIT`] or zero, the offset beyond 2⁶³, or the cursor of
    /// another order.
    pub fn window(mut self, window: Window) -> Result<Self> {
        if window.limit() == 0 {
            let message = format!("expected a limit from 1 to {MAX_LIMIT}, got 0");
            return Err(Error::unreadable("limit", "OUT_OF_RANGE", message));
        }
        if window.limit() > MAX_LIMIT {
            return Err(limit("the number of records asked for at once", MAX_LIMIT as usize));
        }
        match &window {
            Window::Page { offset, .. } if i64::try_from(*offset).is_err() => {
                return Err(Error::unreadable("page", "OUT_OF_RANGE", "there is no such page"));
            }
            Window::Cursor { after: Some(cursor), .. } => self.check_cursor(cursor)?,
            _ => {}
        }
        self.window = window;
        Ok(self)
    }

    /// With the number of all matching records.
    #[must_use]
    pub fn counted(mut self) -> Self {
        self.count = true;
        self
    }

    /// With deleted records, or only those.
    #[must_use]
    pub fn deleted(mut self, deleted: Deleted) -> Self {
        self.deleted = deleted;
        self
    }

    /// The record type.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// Which records.
    pub fn get_filter(&self) -> &Filter {
        &self.filter
    }

    /// The order as asked for. See [`Query::order`] for the whole one.
    pub fn get_sort(&self) -> &[Sort] {
        &self.sort
    }

    /// The whole order: the keys asked for, then the id as a tie-break. Keys behind the id decide
    /// nothing and are left out, so that no cursor names a place by them.
    pub fn order(&self) -> Vec<Sort> {
        let mut order = self.sort.clone();
        let id = order.iter().position(|key| key.path == Path::field(system::ID));
        if let Some(id) = id {
            order.truncate(id + 1);
        } else {
            let descending = order.last().is_none_or(|key| key.descending);
            order.push(Sort { path: Path::field(system::ID), descending });
        }
        order
    }

    /// Which part.
    pub fn get_window(&self) -> &Window {
        &self.window
    }

    /// Whether the number of all matching records is wanted.
    pub fn is_counted(&self) -> bool {
        self.count
    }

    /// Whether live or deleted records.
    pub fn get_deleted(&self) -> Deleted {
        self.deleted
    }

    fn check_cursor(&self, cursor: &Cursor) -> Result<()> {
        let order = self.order();
        let fits = cursor.order == order_name(&self.schema, &order)
            && cursor.values.len() == order.len()
            && order.iter().zip(&cursor.values).all(|(key, value)| {
                if value.is_null() {
                    return key.path.custom.is_some()
                        || !self.schema.field(key.path.field).required;
                }
                let kind = match key.path.kind(&self.schema) {
                    // A tenant's own decimals have more digits than they may be asked for with.
                    Kind::Decimal { .. } if key.path.custom.is_some() => {
                        Kind::Decimal { scale: CUSTOM_SCALE }
                    }
                    kind => kind,
                };
                value.clone().normalise(kind).is_ok()
            });
        if fits { Ok(()) } else { Err(bad_cursor()) }
    }
}

// Names an order, so that a cursor is not taken for one of another order that looks the same.
fn order_name(schema: &Schema, order: &[Sort]) -> String {
    let mut name = schema.name().to_owned();
    for key in order {
        name.push(if key.descending { '-' } else { '+' });
        name.push_str(&key.path.name(schema));
    }
    name
}

/// Where a part of a result ended: the values of its order's keys in the last record. Text is
/// held as its comparison key.
#[derive(Debug, Clone, PartialEq)]
pub struct Cursor {
    order: String,
    values: Vec<Value>,
}

impl Cursor {
    /// The cursor behind a record, in the order of a query.
    pub fn behind(query: &Query, record: &Record) -> Self {
        let schema = query.schema();
        let key = |sort: &Sort| {
            let value = super::evaluate::value_at(record, &sort.path);
            match (sort.path.kind(schema), &*value) {
                (Kind::Text, Value::Text(text)) => Value::Text(fold(text)),
                _ => value.into_owned(),
            }
        };
        let order = query.order();
        let values = order.iter().map(key).collect();
        Self { order: order_name(schema, &order), values }
    }

    /// The values, in the order of [`Query::order`].
    pub fn values(&self) -> &[Value] {
        &self.values
    }

    /// The cursor as text, safe in a URL. It tells a reader nothing that the last record did not.
    pub fn encode(&self) -> String {
        let order = std::iter::once(self.order.as_str().into());
        let parts: Vec<serde_json::Value> = order
            .chain(self.values.iter().map(|value| match value {
                Value::Null => serde_json::Value::Null,
                Value::Bool(b) => format!("b{}", u8::from(*b)).into(),
                Value::Int(i) => format!("i{i}").into(),
                Value::Decimal(d) => format!("d{d}").into(),
                Value::Text(t) => format!("t{t}").into(),
                Value::Uuid(u) => format!("u{}", u.simple()).into(),
                Value::Date(d) => format!("D{d}").into(),
                Value::Time(t) => format!("T{}", t.timestamp_micros()).into(),
                Value::Uuids(_) | Value::Codes(_) | Value::Json(_) | Value::Custom(_) => {
                    serde_json::Value::Null
                }
            }))
            .collect();
        URL_SAFE_NO_PAD.encode(serde_json::Value::Array(parts).to_string())
    }

    /// The cursor that [`Cursor::encode`] wrote.
    ///
    /// # Errors
    /// [`Error::Unreadable`] where it is none.
    pub fn decode(text: &str) -> Result<Self> {
        if text.len() > 8_192 {
            return Err(bad_cursor());
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| bad_cursor())?;
        let parts: Vec<Option<String>> =
            serde_json::from_slice(&bytes).map_err(|_| bad_cursor())?;
        if parts.len() > MAX_SORTS + 2 {
            return Err(bad_cursor());
        }
        let mut parts = parts.into_iter();
        let order = parts.next().flatten().ok_or_else(bad_cursor)?;
        let value = |part: Option<String>| match part {
            None => Some(Value::Null),
            Some(part) => {
                let kind = part.chars().next()?;
                let rest = part.get(1..)?;
                Some(match kind {
                    'b' => Value::Bool(match rest {
                        "0" => false,
                        "1" => true,
                        _ => return None,
                    }),
                    'i' => Value::Int(rest.parse().ok()?),
                    'd' => Value::Decimal(rest.parse::<Decimal>().ok()?),
                    't' => Value::Text(rest.to_owned()),
                    'u' => Value::Uuid(rest.parse().ok()?),
                    'D' => Value::Date(rest.parse::<NaiveDate>().ok()?),
                    'T' => Value::Time(DateTime::from_timestamp_micros(rest.parse().ok()?)?),
                    _ => return None,
                })
            }
        };
        let values = parts.map(value).collect::<Option<_>>().ok_or_else(bad_cursor)?;
        Ok(Self { order, values })
    }
}

fn bad_cursor() -> Error {
    Error::unreadable("cursor", "INVALID_CURSOR", "the cursor is not one of this list and order")
}

/// A part of a result.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// The records.
    pub items: Vec<T>,
    /// The number of all matching records, where it was asked for.
    pub total: Option<u64>,
    /// Where to go on, where there is more behind this part and the window is a cursor's.
    pub next: Option<Cursor>,
}

impl<T> Page<T> {
    /// The same part with other items.
    ///
    /// # Errors
    /// The first error of `f`.
    pub fn try_map<U>(self, f: impl FnMut(T) -> Result<U>) -> Result<Page<U>> {
        let items = self.items.into_iter().map(f).collect::<Result<_>>()?;
        Ok(Page { items, total: self.total, next: self.next })
    }
}
