//! A page of records, and how many there are in all, in one trip.

use std::sync::Arc;

use crm_core::store::{
    Cursor, Deleted, Filter, Kind, Page, Query, Record, Schema, Scope, Scoping, Value, Window,
};
use crm_core::tenants::TenantId;
use crm_core::{Error, Result};
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::filter::Filters;
use super::matching::Matching;
use super::scope::{C, R, S, setting, setting_tenant};
use super::walk::Walk;
use crate::rows::{decode, encode_value, has_tenant};
use crate::sql::{Alias, Bind, Binds, Expr, Join, Order, Select, Source, Statement};

const N: Alias = Alias::named("n");
const TOTAL: Alias = Alias::named("total");
const K: Alias = Alias::named("k");
const WAYS: Alias = Alias::named("ways");

/// The statement that answers a query.
pub(crate) fn render(scope: Scope, query: &Query) -> (Statement, Binds) {
    let mut binds = Binds::default();
    let schema = query.schema();
    let mut outer = Select::default();
    if let Scope::Tenant(tenant) = scope {
        let setting = setting(tenant, &mut binds);
        outer = outer.from(Source::Select(Box::new(setting)), S);
    }
    let (filter, deleted) = (query.get_filter(), query.get_deleted());
    let matching = Matching::new(schema, scope, filter, deleted, &mut binds);
    outer = matching.join(outer);

    outer.items.push((Expr::Sql("r.*"), None));
    let mut join = Join::Lateral;
    if query.is_counted() {
        let total = if *filter == Filter::All && deleted == Deleted::Exclude {
            kept_count(scope, schema, &mut binds)
        } else {
            counted(&matching)
        };
        outer = outer.join(Join::Lateral, Source::Select(Box::new(total)), N);
        outer.items.push((N.column("total"), None));
        // The total comes on a row of its own where the page is empty.
        join = Join::LeftLateral;
    }

    let walk = Walk::of(scope, query);
    if let Some(walk) = &walk {
        outer = walk.join(outer, &mut binds);
    }
    let order = order_keys(query, &mut binds);
    // Sorted rows are a way where there is no walk, or not always.
    let sorts = walk.as_ref().is_none_or(|walk| walk.may_sort() || matching.has_detour());
    let mut behind = None;
    let (mut limit, mut offset) = (i64::from(query.get_window().limit()), 0);
    match query.get_window() {
        Window::Page { offset: from, .. } => offset = i64::try_from(*from).unwrap_or(i64::MAX),
        Window::Cursor { after, .. } => {
            // One more tells whether there is more.
            limit += 1;
            if sorts {
                behind = after.as_ref().map(|cursor| is_behind(&order, cursor, &mut binds));
            }
        }
    }
    let part = Part::new(limit, offset, walk.is_some(), &mut binds);
    let columns = record_columns(scope, schema);
    let finish = |mut select: Select| {
        select.items = columns.iter().map(|column| (column.clone(), None)).collect();
        select.filter.extend(behind.clone());
        select.order = order.iter().map(Key::order).collect();
        select.limit = Some(part.of_way.clone());
        if walk.is_none() {
            select.offset.clone_from(&part.offset);
        }
        select
    };
    let source = match (&walk, &order[..]) {
        (Some(walk), [key, ..]) => {
            let mut ways: Vec<Select> = matching.by_ids().map(&finish).into_iter().collect();
            ways.extend(walk.is_off().map(|off| finish(matching.scan().filter([off]))));
            ways.extend(walk.ways(&matching, key, &columns, &part.of_way, &mut binds));
            let mut all = Select::of([Expr::Sql("ways.*")]).from(Source::UnionAll(ways), WAYS);
            all.limit = Some(part.limit);
            all.offset = part.offset;
            Source::Select(Box::new(all))
        }
        _ => matching.source(finish),
    };
    outer = outer.join(join, source, R);
    (Statement { parts: Vec::new(), select: outer }, binds)
}

/// The part of the rows that is asked for.
struct Part {
    limit: Expr,
    offset: Option<Expr>,
    /// How many rows each way has to give: where several give some, the offset is that of all.
    of_way: Expr,
}

impl Part {
    fn new(limit: i64, offset: i64, is_walk: bool, binds: &mut Binds) -> Self {
        let mut number = |number: i64| {
            if is_usual(number) { Expr::Number(number) } else { binds.add(Bind::Int(Some(number))) }
        };
        let all = number(limit);
        let of_way =
            if is_walk && offset > 0 { number(limit.saturating_add(offset)) } else { all.clone() };
        let offset = (offset > 0).then(|| binds.add(Bind::Int(Some(offset))));
        Self { limit: all, offset, of_way }
    }
}

/// The page that the statement's rows hold.
///
/// # Errors
/// [`Error::Internal`] where a stored value is not of its field's type.
pub(crate) fn read(scope: Scope, query: &Query, rows: &[PgRow]) -> Result<Page<Record>> {
    let schema = query.schema();
    let led = matches!(scope, Scope::System) && has_tenant(schema);
    let start = usize::from(led);
    let total = if query.is_counted() {
        let place = start + schema.fields().len();
        let row = rows.first().ok_or_else(|| Error::internal("a count came back empty"))?;
        let total: i64 = row.try_get(place).map_err(|e| Error::internal(format!("{e}")))?;
        Some(u64::try_from(total).unwrap_or(0))
    } else {
        None
    };
    let mut items = Vec::with_capacity(rows.len());
    for row in rows {
        let internal = |error: sqlx::Error| Error::internal(format!("{error}"));
        if row.try_get::<Option<Uuid>, _>(start).map_err(internal)?.is_none() {
            continue;
        }
        let tenant = match scope {
            Scope::Tenant(tenant) => Some(tenant),
            Scope::System if led => Some(TenantId::new(row.try_get(0).map_err(internal)?)),
            Scope::System => None,
        };
        items.push(decode(schema, tenant, row, start)?);
    }
    let mut next = None;
    if let Window::Cursor { limit, .. } = query.get_window() {
        let limit = *limit as usize;
        if items.len() > limit {
            items.truncate(limit);
            next = items.last().map(|last| Cursor::behind(query, last));
        }
    }
    Ok(Page { items, total, next })
}

/// The number of live records of a type, without looking at them.
pub(crate) fn kept_count(scope: Scope, schema: &Schema, binds: &mut Binds) -> Select {
    let name = binds.add(Bind::Text(Some(schema.name().to_owned())));
    let mut conditions = vec![K.column("record_type").eq(name)];
    match (scope, schema.scoping()) {
        (Scope::Tenant(_), _) => conditions.insert(0, K.column("tenant_id").eq(setting_tenant())),
        (Scope::System, Scoping::Global) => {
            let nobody = binds.add(Bind::Uuid(Some(Uuid::nil())));
            conditions.insert(0, K.column("tenant_id").eq(nobody));
        }
        (Scope::System, Scoping::Tenant) => {}
    }
    let sum = Expr::Sql("coalesce(sum(k.n), 0)").suffix("::int8");
    let table = Source::Table("record_counts".to_owned());
    Select::default().item(sum, TOTAL).from(table, K).filter(conditions)
}

fn counted(matching: &Matching) -> Select {
    if matching.has_detour() {
        let one = |mut select: Select| {
            select.items.push((Expr::Sql("1"), None));
            select
        };
        Select::default().item(Expr::Sql("count(*)"), TOTAL).from(matching.source(one), C)
    } else {
        let count = |select: Select| select.item(Expr::Sql("count(*)"), TOTAL);
        match matching.source(count) {
            Source::Select(select) => *select,
            source => Select::of([Expr::Sql("r.total")]).from(source, R),
        }
    }
}

fn record_columns(scope: Scope, schema: &Arc<Schema>) -> Vec<Expr> {
    let mut columns = Vec::with_capacity(2);
    if matches!(scope, Scope::System) && has_tenant(schema) {
        columns.push(C.column("tenant_id"));
    }
    columns.push(Expr::Fields(C, Arc::clone(schema)));
    columns
}

// One key of the whole order.
pub(super) struct Key {
    pub(super) value: Expr,
    kind: Kind,
    descending: bool,
    nullable: bool,
}

impl Key {
    fn order(&self) -> Order {
        let Self { value, descending, nullable, .. } = self;
        Order { key: value.clone(), descending: *descending, nullable: *nullable }
    }
}

fn order_keys(query: &Query, binds: &mut Binds) -> Vec<Key> {
    let schema = query.schema();
    let mut filters = Filters::new(binds);
    let keys = query.order().into_iter().map(|sort| Key {
        value: filters.compared(schema, C, &sort.path),
        kind: sort.path.kind(schema),
        descending: sort.descending,
        nullable: sort.path.custom.is_some() || !schema.field(sort.path.field).required,
    });
    keys.collect()
}

// A comparison of rows is what an index can begin at; it does for keys that are never null and
// all go one way.
fn is_behind(order: &[Key], cursor: &Cursor, binds: &mut Binds) -> Expr {
    let bounds = cursor.values();
    let descending = order.first().is_some_and(|key| key.descending);
    let simple = order.iter().all(|key| !key.nullable && key.descending == descending)
        && !bounds.iter().any(Value::is_null);
    if simple {
        let operator = if descending { "<" } else { ">" };
        let keys: Vec<Expr> = order.iter().map(|key| key.value.clone()).collect();
        let bounds: Vec<Expr> = order
            .iter()
            .zip(bounds)
            .map(|(key, bound)| binds.add(encode_value(key.kind, bound)))
            .collect();
        return Expr::Row(keys).infix(operator, Expr::Row(bounds));
    }
    let mut ties: Vec<Expr> = Vec::new();
    let mut any: Vec<Expr> = Vec::new();
    for (key, bound) in order.iter().zip(bounds) {
        let value = || key.value.clone();
        // Nothing comes behind an absent value, which is last.
        if bound.is_null() {
            ties.push(value().suffix("IS NULL"));
            continue;
        }
        let bound = binds.add(encode_value(key.kind, bound));
        let operator = if key.descending { "<" } else { ">" };
        let mut beyond = value().infix(operator, bound.clone());
        if key.nullable {
            beyond = Expr::any(vec![beyond, value().suffix("IS NULL")]);
        }
        any.push(Expr::all(ties.iter().cloned().chain([beyond]).collect()));
        ties.push(value().eq(bound));
    }
    Expr::any(any)
}

// The planner knows how far a scan goes only where the limit stands in the text. These do; with
// any number there, a caller could fill the cache of prepared statements.
fn is_usual(limit: i64) -> bool {
    let base = [1, 2, 5, 10, 20, 25, 50, 100, 200, 250, 500, 1_000];
    base.contains(&limit) || base.contains(&(limit - 1))
}
