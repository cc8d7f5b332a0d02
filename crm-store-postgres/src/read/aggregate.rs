//! Figures over many records.

use crm_core::store::{Aggregate, Group, GroupBy, Kind, MAX_GROUPS, Measure, Path, Scope, Value};
use crm_core::{Error, Result};
use sqlx::postgres::PgRow;

use super::filter::Filters;
use super::matching::Matching;
use super::query::kept_count;
use super::scope::{C, R, S, setting};
use crate::rows::decode_value;
use crate::sql::{Alias, Bind, Binds, Expr, Join, Order, Select, Source, Statement};

/// The statement that answers an aggregate.
pub(crate) fn render(scope: Scope, aggregate: &Aggregate) -> (Statement, Binds) {
    let mut binds = Binds::default();
    let mut outer = Select::of([Expr::Sql("r.*")]);
    if let Scope::Tenant(tenant) = scope {
        let setting = setting(tenant, &mut binds);
        outer = outer.from(Source::Select(Box::new(setting)), S);
    }
    if aggregate.is_plain_count() {
        let count = kept_count(scope, aggregate.schema(), &mut binds);
        let select = outer.join(Join::Lateral, Source::Select(Box::new(count)), R);
        return (Statement { parts: Vec::new(), select }, binds);
    }
    let (schema, filter) = (aggregate.schema(), aggregate.get_filter());
    let matching = Matching::new(schema, scope, filter, aggregate.get_deleted(), &mut binds);
    outer = matching.join(outer);
    let figures = figures(aggregate, &matching, &mut binds);
    let select = outer.join(Join::Lateral, Source::Select(Box::new(figures)), R);
    (Statement { parts: Vec::new(), select }, binds)
}

fn figures(aggregate: &Aggregate, matching: &Matching, binds: &mut Binds) -> Select {
    let schema = aggregate.schema();
    let rows = matching.source(|mut select| {
        select.items.push((Expr::Sql("c.*"), None));
        select
    });
    let mut select = Select::default().from(rows, C);
    let mut filters = Filters::new(binds);
    let mut shown: Vec<Expr> = Vec::new();
    for (i, group) in aggregate.get_groups().iter().enumerate() {
        let key = match group {
            GroupBy::Value(path) => {
                if path.kind(schema) == Kind::Text {
                    shown.push(Expr::Call("min", vec![filters.shown(schema, C, path)]));
                }
                filters.compared(schema, C, path)
            }
            GroupBy::Each(path) => {
                let each = Alias::numbered("e", i);
                let list = filters.compared(schema, C, path);
                let each_of = match path.custom {
                    None => Expr::Call("DISTINCT unnest", vec![list]),
                    // A tenant's own list is an array of the document.
                    Some(_) => Expr::Call("DISTINCT jsonb_array_elements_text", vec![list]),
                };
                let elements = Select::default().item(each_of, Alias::named("value"));
                select = select.join(Join::LeftLateral, Source::Select(Box::new(elements)), each);
                match path.custom {
                    None => each.column("value"),
                    Some(_) => each.column("value").suffix("COLLATE \"C\""),
                }
            }
            GroupBy::Span(path, bounds) => {
                let time = filters.compared(schema, C, path);
                let bounds = bounds.iter().copied().map(Some).collect();
                let bounds = filters.bind(Bind::Times(bounds));
                Expr::Call("width_bucket", vec![time, bounds]).suffix("::int8")
            }
        };
        select.items.push((key, None));
    }
    select.group_by = select.items.len();
    select.items.extend(shown.into_iter().map(|item| (item, None)));
    for measure in aggregate.get_measures() {
        let figure = match measure {
            Measure::Count => Expr::Sql("count(*)"),
            Measure::Distinct(path) => {
                let distinct = Expr::Call("DISTINCT ", vec![filters.compared(schema, C, path)]);
                Expr::Call("count", vec![distinct])
            }
            Measure::Sum(path) => {
                let sum = Expr::Call("sum", vec![filters.compared(schema, C, path)]);
                Expr::Call("coalesce", vec![sum, Expr::Sql("0")]).suffix("::numeric")
            }
            Measure::Min(path) => {
                extreme(path.kind(schema), "min", "bool_and", filters.compared(schema, C, path))
            }
            Measure::Max(path) => {
                extreme(path.kind(schema), "max", "bool_or", filters.compared(schema, C, path))
            }
        };
        select.items.push((figure, None));
    }
    if select.group_by > 0 {
        select.order = (1..=select.group_by)
            .map(|position| Order {
                key: Expr::Number(position as i64),
                descending: false,
                nullable: true,
            })
            .collect();
        select.limit = Some(Expr::Number(i64::from(MAX_GROUPS) + 1));
    }
    select
}

// PostgreSQL has no smallest boolean and, in some versions, no smallest uuid.
fn extreme(kind: Kind, function: &'static str, of_bools: &'static str, value: Expr) -> Expr {
    match kind {
        Kind::Bool => Expr::Call(of_bools, vec![value]),
        Kind::Uuid => {
            Expr::Call(function, vec![value.suffix("::text COLLATE \"C\"")]).suffix("::uuid")
        }
        _ => Expr::Call(function, vec![value]),
    }
}

/// The groups that the statement's rows hold.
///
/// # Errors
/// [`Error::Limit`] beyond [`MAX_GROUPS`]; [`Error::Internal`] where a figure cannot be read.
pub(crate) fn read(aggregate: &Aggregate, rows: &[PgRow]) -> Result<Vec<Group>> {
    if rows.len() > MAX_GROUPS as usize {
        let limit = u64::from(MAX_GROUPS);
        return Err(Error::Limit { what: "the number of groups".to_owned(), limit });
    }
    rows.iter().map(|row| read_group(aggregate, row)).collect()
}

fn read_group(aggregate: &Aggregate, row: &PgRow) -> Result<Group> {
    let schema = aggregate.schema();
    let groups = aggregate.get_groups();
    let kind = |path: &Path| path.kind(schema);
    // Behind the keys that decide come those of the texts as they are shown.
    let mut place = groups.len();
    let mut keys = Vec::with_capacity(groups.len());
    for (i, group) in groups.iter().enumerate() {
        let (kind, i) = match group {
            GroupBy::Value(path) if kind(path) == Kind::Text => {
                place += 1;
                (Kind::Text, place - 1)
            }
            GroupBy::Value(path) => (kind(path), i),
            GroupBy::Each(path) => (kind(path).element(), i),
            GroupBy::Span(..) => (Kind::Int, i),
        };
        keys.push(decode_value(kind, row, i)?);
    }
    let mut values = Vec::with_capacity(aggregate.get_measures().len());
    for measure in aggregate.get_measures() {
        let kind = match measure {
            Measure::Count | Measure::Distinct(_) => Kind::Int,
            Measure::Sum(_) => Kind::Decimal { scale: 0 },
            Measure::Min(path) | Measure::Max(path) => kind(path),
        };
        let value = decode_value(kind, row, place).map_err(|error| match measure {
            Measure::Sum(_) => Error::internal("a sum has more than 28 digits"),
            _ => error,
        })?;
        values.push(value);
        place += 1;
    }
    Ok(Group { keys, values })
}

/// The figures over no records at all.
pub(crate) fn of_nothing(aggregate: &Aggregate) -> Vec<Group> {
    if !aggregate.get_groups().is_empty() {
        return Vec::new();
    }
    let values = aggregate.get_measures().iter().map(|measure| match measure {
        Measure::Count | Measure::Distinct(_) => Value::Int(0),
        Measure::Sum(_) => Value::Decimal(rust_decimal::Decimal::ZERO),
        Measure::Min(_) | Measure::Max(_) => Value::Null,
    });
    vec![Group { keys: Vec::new(), values: values.collect() }]
}
