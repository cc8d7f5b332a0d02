//! A list in the order of one of the tenant's own fields, without looking at all of it.
//!
//! The entries of the field lie in the order asked for, ties by the id, and lead to their rows;
//! behind them come the rows without a value. So the first part of a list costs the same however
//! many records there are. It is for lists by that one key: entries know no other.

use crm_core::store::{Cursor, Deleted, Kind, Path, Query, Scope, Sort, Value, Window, system};

use super::matching::Matching;
use super::narrow::{V, entries_of, has_none};
use super::query::Key;
use super::scope::C;
use crate::rows::{field_number, long_number, whole_octets};
use crate::sql::{Alias, Bind, Binds, Expr, Join, Order, Select, Source};
use crate::tables::names::CUSTOM_VALUES;

/// Whether every value of the field is whole in its entry.
const W: Alias = Alias::named("w");

/// A walk along the entries of a field.
#[derive(Debug)]
pub(super) struct Walk<'q> {
    kind: Kind,
    descending: bool,
    field: i64,
    /// Of texts: the number of the field that marks those that were cut.
    long: Option<i64>,
    after: Option<&'q Cursor>,
}

impl<'q> Walk<'q> {
    /// The walk for a query, where its order is one that entries have.
    pub(super) fn of(scope: Scope, query: &'q Query) -> Option<Self> {
        let schema = query.schema();
        // An id behind the key goes its way, or there is another key.
        let order = query.order();
        let [Sort { path, descending }, tie] = &order[..] else { return None };
        let is_tie = tie.path == Path::field(system::ID);
        if !matches!(scope, Scope::Tenant(_))
            || query.get_deleted() != Deleted::Exclude
            || query.get_filter().required_id().is_some()
            || !is_tie
            || tie.descending != *descending
        {
            return None;
        }
        let kind = path.kind(schema);
        // Entries of texts are of their keys: their order is not that of codes.
        let field = field_number(schema, path).filter(|_| kind != Kind::Code)?;
        let long = if kind == Kind::Text { long_number(schema, path) } else { None };
        let after = match query.get_window() {
            Window::Cursor { after, .. } => after.as_ref(),
            Window::Page { .. } => None,
        };
        Some(Self { kind, descending: *descending, field, long, after })
    }

    /// Whether rows are sorted after all where entries say too little.
    pub(super) fn may_sort(&self) -> bool {
        self.long.is_some()
    }

    /// Joins what it needs to know.
    pub(super) fn join(&self, select: Select, binds: &mut Binds) -> Select {
        let Some(long) = self.long else { return select };
        let whole = has_none(long, binds);
        let mut known = Select::default().item(whole, Alias::named("whole"));
        // Asked once, and before the ways are.
        known.offset = Some(Expr::Number(0));
        select.join(Join::Lateral, Source::Select(Box::new(known)), W)
    }

    /// Where the walk is not to be.
    pub(super) fn is_off(&self) -> Option<Expr> {
        self.long.map(|_| W.column("whole").negated())
    }

    /// The ways along the entries, and behind them: each with these columns, and so many rows.
    pub(super) fn ways(
        &self,
        matching: &Matching,
        key: &Key,
        columns: &[Expr],
        limit: &Expr,
        binds: &mut Binds,
    ) -> Vec<Select> {
        let on = self.long.map(|_| W.column("whole"));
        let select = || {
            let mut select = matching.scan().filter(on.clone());
            select.items = columns.iter().map(|column| (column.clone(), None)).collect();
            select.limit = Some(limit.clone());
            select
        };
        let order = |key| Order { key, descending: self.descending, nullable: false };
        let operator = if self.descending { "<" } else { ">" };
        let bounds = self.after.map(Cursor::values);
        let mut ways = Vec::new();
        let mut behind_id = None;
        match bounds {
            Some([Value::Null, Value::Uuid(id)]) => behind_id = Some(*id),
            bounds => {
                let mut along = select().from(Source::Table(CUSTOM_VALUES.to_owned()), V);
                along.filter.extend(entries_of(self.field, binds));
                along.filter.push(V.column("record_id").eq(C.column("id")));
                if let Some([bound, Value::Uuid(id)]) = bounds {
                    let octets = Bind::Octets(whole_octets(self.kind, bound));
                    let bound = [binds.add(octets), binds.add(Bind::Uuid(Some(*id)))];
                    let entry = [V.column("value"), V.column("record_id")];
                    let behind = Expr::Row(entry.into()).infix(operator, Expr::Row(bound.into()));
                    along.filter.push(behind);
                }
                along.order = vec![order(V.column("value")), order(V.column("record_id"))];
                ways.push(along);
            }
        }
        let mut absent = select();
        absent.filter.push(key.value.clone().suffix("IS NULL"));
        if let Some(id) = behind_id {
            absent.filter.push(C.column("id").infix(operator, binds.add(Bind::Uuid(Some(id)))));
        }
        absent.order = vec![order(C.column("id"))];
        ways.push(absent);
        ways
    }
}
