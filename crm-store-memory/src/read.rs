//! Queries and aggregates: the evaluator over as few rows as will do.
//!
//! Where rows can be had in the order asked for, they are walked until the window is full, so that
//! the first page of a list costs the same however long the list is. All else gathers what matches
//! and sorts it.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use crm_core::Result;
use crm_core::store::evaluate::{self, Row};
use crm_core::store::{
    Aggregate, Cursor, Deleted, Filter, Group, Measure, Page, Path, Query, Record, Scope, Sort,
    Value, Window, system,
};
use uuid::Uuid;

use crate::key::Key;
use crate::plan::Source;
use crate::state::State;
use crate::table::{Ordered, Part, Table};

type Rows<'a> = Box<dyn Iterator<Item = &'a Row> + 'a>;

impl State {
    /// The records that match, in order, within the window.
    pub(crate) fn query(&self, scope: Scope, query: &Query) -> Result<Page<Record>> {
        let table = self.table(query.schema())?;
        let parts = table.seen_by(scope);
        let source = Source::of(table, query.get_filter(), query.get_deleted());
        let mut gathering = Gathering::new(self, query);
        for part in &parts {
            match gathering.walk_of(table, part, &source) {
                Some(walk) => gathering.walk(walk),
                None => gathering.scan(source.rows(part, query.get_deleted())),
            }
        }
        let total = query.is_counted().then(|| {
            if gathering.counts_by_part {
                parts.iter().map(|part| part.count(query.get_deleted()) as u64).sum()
            } else {
                gathering.matched
            }
        });
        Ok(gathering.into_page(total))
    }

    /// The figures of the records that match.
    pub(crate) fn aggregate(&self, scope: Scope, aggregate: &Aggregate) -> Result<Vec<Group>> {
        let table = self.table(aggregate.schema())?;
        let parts = table.seen_by(scope);
        let deleted = aggregate.get_deleted();
        let figures = aggregate.get_measures();
        let is_count = figures.iter().all(|figure| *figure == Measure::Count);
        if is_count && *aggregate.get_filter() == Filter::All && aggregate.get_groups().is_empty() {
            let count = parts.iter().map(|part| part.count(deleted) as i64).sum();
            let values = figures.iter().map(|_| Value::Int(count)).collect();
            return Ok(vec![Group { keys: Vec::new(), values }]);
        }
        let source = Source::of(table, aggregate.get_filter(), deleted);
        let rows = parts.iter().flat_map(|part| source.rows(part, deleted));
        evaluate::aggregate(aggregate, rows, self)
    }
}

/// Rows in the order of a query, or nearly so.
struct Walk<'a> {
    rows: Rows<'a>,
    /// Whether rows that share the first key still have to be sorted.
    in_groups: bool,
}

/// Matching rows as they are gathered, those of one part behind those of another.
struct Gathering<'a> {
    state: &'a State,
    query: &'a Query,
    order: Vec<Sort>,
    after: Option<&'a Cursor>,
    /// How many rows of a part can matter: the window, and one more to know whether it ends.
    need: usize,
    /// Whether the total is the number of rows there are, because all of them match.
    counts_by_part: bool,
    matched: u64,
    found: Vec<&'a Row>,
    parts: usize,
}

impl<'a> Gathering<'a> {
    fn new(state: &'a State, query: &'a Query) -> Self {
        let limit = query.get_window().limit() as usize;
        let (need, after) = match query.get_window() {
            Window::Page { offset, .. } => {
                (usize::try_from(*offset).unwrap_or(usize::MAX).saturating_add(limit), None)
            }
            Window::Cursor { after, .. } => (limit + 1, after.as_ref()),
        };
        Self {
            state,
            query,
            order: query.order(),
            after,
            need,
            counts_by_part: *query.get_filter() == Filter::All,
            matched: 0,
            found: Vec::new(),
            parts: 0,
        }
    }

    /// Whether every match has to be seen, because they are to be counted.
    fn counts_matches(&self) -> bool {
        self.query.is_counted() && !self.counts_by_part
    }

    /// The rows of a part in the query's order, where there is an index for it and walking pays.
    fn walk_of(&self, table: &Table, part: &'a Part, source: &Source) -> Option<Walk<'a>> {
        // A walk that begins at a cursor does not meet the matches before it.
        if source.is_narrow(part) || (self.counts_matches() && self.after.is_some()) {
            return None;
        }
        let first = self.order.first()?;
        let after = self.after.map(Cursor::values);
        let map = match self.query.get_deleted() {
            Deleted::Exclude => &part.live,
            Deleted::Only => &part.deleted,
            Deleted::Include => return None,
        };
        if first.path == Path::field(system::ID) {
            let bound = match after {
                Some([Value::Uuid(id), ..]) => Bound::Excluded(*id),
                Some(_) => return None,
                None => Bound::Unbounded,
            };
            let rows = directed(map, bound, first.descending);
            return Some(Walk { rows, in_groups: false });
        }
        if first.path.custom.is_some() || self.query.get_deleted() != Deleted::Exclude {
            return None;
        }
        let number = table.ordered.iter().position(|field| *field == first.path.field)?;
        let is_whole = matches!(&self.order[1..], [tie]
            if tie.path == Path::field(system::ID) && tie.descending == first.descending);
        let rows = ordered(&part.ordered[number], after, first.descending, is_whole);
        Some(Walk { rows, in_groups: !is_whole })
    }

    /// Takes rows in order until there are enough.
    fn walk(&mut self, walk: Walk<'a>) {
        let start = self.found.len();
        let mut group = start;
        let mut previous: Option<&Row> = None;
        let mut is_full = false;
        for row in walk.rows {
            let begins_group = walk.in_groups
                && previous.is_some_and(|last| !self.order_of(&self.order[..1], last, row).is_eq());
            if begins_group && !is_full {
                self.keep_first(group, start);
                group = self.found.len();
            }
            if !is_full && (begins_group || !walk.in_groups) {
                is_full = self.found.len() - start >= self.need;
            }
            if is_full && !self.counts_matches() {
                break;
            }
            previous = Some(row);
            if self.matches(row) && !is_full {
                self.found.push(row);
            }
        }
        if walk.in_groups && !is_full {
            self.keep_first(group, start);
        }
        self.parts += 1;
    }

    /// Takes the first of all rows, which come in no order.
    fn scan(&mut self, rows: Rows<'a>) {
        let start = self.found.len();
        for row in rows {
            if evaluate::is_wanted(self.query.get_deleted(), row.record()) && self.matches(row) {
                self.found.push(row);
            }
        }
        self.keep_first(start, start);
        self.parts += 1;
    }

    /// Sorts the rows from `group` on, of which only as many are kept as the part that begins at
    /// `start` still needs.
    fn keep_first(&mut self, group: usize, start: usize) {
        let (query, order) = (self.query, &self.order);
        let end = start.saturating_add(self.need);
        if self.found.len() > end {
            let by_order = |a: &&Row, b: &&Row| evaluate::order(query.schema(), order, a, b);
            self.found[group..].select_nth_unstable_by(end - group, by_order);
            self.found.truncate(end);
        }
        self.sort_from(group);
    }

    /// Whether a row matches and stands behind the cursor; counts it where it matches.
    fn matches(&mut self, row: &Row) -> bool {
        let query = self.query;
        if !evaluate::matches(query.schema(), query.get_filter(), row, self.state) {
            return false;
        }
        self.matched += 1;
        self.after.is_none_or(|cursor| evaluate::is_behind(query, row, cursor))
    }

    fn order_of(&self, keys: &[Sort], a: &Row, b: &Row) -> std::cmp::Ordering {
        evaluate::order(self.query.schema(), keys, a, b)
    }

    fn sort_from(&mut self, start: usize) {
        let (query, order) = (self.query, &self.order);
        self.found[start..].sort_by(|a, b| evaluate::order(query.schema(), order, a, b));
    }

    fn into_page(mut self, total: Option<u64>) -> Page<Record> {
        if self.parts > 1 {
            self.sort_from(0);
        }
        let limit = self.query.get_window().limit() as usize;
        let records = |rows: &[&Row]| rows.iter().map(|row| row.record().clone()).collect();
        let items: Vec<Record>;
        let mut next = None;
        match self.query.get_window() {
            Window::Page { .. } => {
                let start = self.need.saturating_sub(limit).min(self.found.len());
                let end = self.need.min(self.found.len());
                items = records(&self.found[start..end]);
            }
            Window::Cursor { .. } => {
                items = records(&self.found[..limit.min(self.found.len())]);
                if self.found.len() > limit {
                    next = items.last().map(|last| Cursor::behind(self.query, last));
                }
            }
        }
        Page { items, total, next }
    }
}

/// The rows of an index in the order of its field. Where this is the whole order, those up to the
/// cursor are left out; else only those of earlier values.
fn ordered<'a>(
    index: &'a Ordered,
    after: Option<&[Value]>,
    descending: bool,
    is_whole: bool,
) -> Rows<'a> {
    let (present, absent) = match after {
        None => (Some(Bound::Unbounded), Bound::Unbounded),
        Some([Value::Null, Value::Uuid(id), ..]) if is_whole => (None, Bound::Excluded(*id)),
        Some([Value::Null, ..]) => (None, Bound::Unbounded),
        Some([value, Value::Uuid(id), ..]) if is_whole => {
            (Some(Bound::Excluded((Key::new(value.clone()), *id))), Bound::Unbounded)
        }
        Some([value, ..]) => {
            let edge = if descending { Uuid::max() } else { Uuid::nil() };
            (Some(Bound::Included((Key::new(value.clone()), edge))), Bound::Unbounded)
        }
        Some([]) => (Some(Bound::Unbounded), Bound::Unbounded),
    };
    let absent = directed(&index.absent, absent, descending);
    match present {
        None => absent,
        Some(bound) => Box::new(directed(&index.present, bound, descending).chain(absent)),
    }
}

fn directed<K: Ord>(map: &BTreeMap<K, Arc<Row>>, from: Bound<K>, descending: bool) -> Rows<'_> {
    if descending {
        Box::new(map.range((Bound::Unbounded, from)).rev().map(|(_, row)| &**row))
    } else {
        Box::new(map.range((from, Bound::Unbounded)).map(|(_, row)| &**row))
    }
}
