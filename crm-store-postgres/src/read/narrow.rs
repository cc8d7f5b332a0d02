//! What the entries of a tenant's own fields say of a condition: which records can fulfil it.
//!
//! Entries never decide. What they leave out cannot match; of what they give, each record is
//! looked at again.

use crm_core::store::{Comparison, Filter, Kind, Path, Schema, Value};

use super::filter::end_of_prefix;
use super::scope::setting_tenant;
use crate::rows::{field_number, octets};
use crate::sql::{Alias, Bind, Binds, Expr, Join, Order, Select, Source};
use crate::tables::names::CUSTOM_VALUES;

/// The entries.
pub(super) const V: Alias = Alias::named("v");
/// Several values, and the entries of one of them.
const U: Alias = Alias::named("u");
const E: Alias = Alias::named("e");

/// The entries of a field that a condition leaves.
#[derive(Debug)]
pub(super) struct Narrow {
    field: i64,
    values: Values,
}

#[derive(Debug)]
enum Values {
    /// Any at all.
    All,
    /// One of these.
    Some(Vec<Vec<u8>>),
    /// This or more.
    From(Vec<u8>),
    /// This or less.
    To(Vec<u8>),
    /// The first or more, and less than the second.
    Within(Vec<u8>, Vec<u8>),
}

impl Narrow {
    /// The entries that a condition leaves, where it is one that a record must fulfil by a value
    /// of its own.
    pub(super) fn of(schema: &Schema, filter: &Filter) -> Option<Self> {
        let (path, values) = match filter {
            Filter::In(path, values) => (path, some(path, schema, values)?),
            Filter::HasAll(path, values) => (path, some(path, schema, values.get(..1)?)?),
            Filter::Compare(path, comparison, value) => {
                let bound = octets(ranged(path, schema)?, value)?;
                match comparison {
                    Comparison::Lt | Comparison::Le => (path, Values::To(bound)),
                    Comparison::Gt | Comparison::Ge => (path, Values::From(bound)),
                }
            }
            Filter::StartsWith(path, text) => {
                let kind = ranged(path, schema)?;
                let from = octets(kind, &Value::from(&**text))?;
                // What was cut may have been cut within a character; no text begins so.
                let end = end_of_prefix(text).and_then(|end| octets(kind, &end.into()));
                match end {
                    Some(end) if from < end => (path, Values::Within(from, end)),
                    _ => (path, Values::From(from)),
                }
            }
            Filter::Not(filter) => match &**filter {
                Filter::Absent(path) => (path, Values::All),
                _ => return None,
            },
            _ => return None,
        };
        Some(Self { field: field_number(schema, path)?, values })
    }

    /// The records that have such an entry, at most so many. In the order of the index, because
    /// the planner would otherwise look for so many rows anywhere in the table, and may look at all
    /// of it.
    pub(super) fn records(self, most: i64, binds: &mut Binds) -> Select {
        let mut conditions = entries_of(self.field, binds);
        let value = || V.column("value");
        let octets = |octets| Bind::Octets(Some(octets));
        let mut of = None;
        match self.values {
            Values::All => {}
            Values::Some(values) => match <[Vec<u8>; 1]>::try_from(values) {
                Ok([one]) => conditions.push(value().eq(binds.add(octets(one)))),
                Err(values) => {
                    let values = Bind::ManyOctets(values.into_iter().map(Some).collect());
                    of = Some(binds.add(values));
                    conditions.push(value().eq(U.column("value")));
                }
            },
            Values::From(from) => {
                conditions.push(value().infix(">=", binds.add(octets(from))));
            }
            Values::To(to) => conditions.push(value().infix("<=", binds.add(octets(to)))),
            Values::Within(from, end) => {
                conditions.push(value().infix(">=", binds.add(octets(from))));
                conditions.push(value().infix("<", binds.add(octets(end))));
            }
        }
        let mut entries = Select::default()
            .item(V.column("record_id"), Alias::named("id"))
            .from(Source::Table(CUSTOM_VALUES.to_owned()), V)
            .filter(conditions);
        entries.order = in_order();
        entries.limit = Some(Expr::Number(most));
        let Some(values) = of else { return entries };
        // Of each value by itself, so that each is looked up.
        let each = Source::Function(Expr::Call("unnest", vec![values]), vec!["value".to_owned()]);
        let mut all = Select::default()
            .item(E.column("id"), Alias::named("id"))
            .from(each, U)
            .join(Join::Lateral, Source::Select(Box::new(entries)), E);
        all.limit = Some(Expr::Number(most));
        all
    }
}

/// Whether the tenant has no entry of a field at all.
pub(super) fn has_none(field: i64, binds: &mut Binds) -> Expr {
    let mut first = Select::of([V.column("record_id")])
        .from(Source::Table(CUSTOM_VALUES.to_owned()), V)
        .filter(entries_of(field, binds));
    first.order = in_order();
    first.limit = Some(Expr::Number(1));
    Expr::Scalar(Box::new(first)).suffix("IS NULL")
}

fn in_order() -> Vec<Order> {
    let by = |column| Order { key: V.column(column), descending: false, nullable: false };
    vec![by("value"), by("record_id")]
}

/// That an entry is one of the tenant's, of this field, and has a value.
pub(super) fn entries_of(field: i64, binds: &mut Binds) -> Vec<Expr> {
    vec![
        V.column("tenant_id").eq(setting_tenant()),
        V.column("field").eq(binds.add(Bind::Int(Some(field)))),
        V.column("value").suffix("IS NOT NULL"),
    ]
}

fn some(path: &Path, schema: &Schema, values: &[Value]) -> Option<Values> {
    let kind = path.kind(schema);
    if values.is_empty() {
        return None;
    }
    Some(Values::Some(values.iter().map(|value| octets(kind, value)).collect::<Option<_>>()?))
}

// Entries of texts are of their keys: their order is not that of codes.
fn ranged(path: &Path, schema: &Schema) -> Option<Kind> {
    Some(path.kind(schema)).filter(|kind| *kind != Kind::Code)
}
