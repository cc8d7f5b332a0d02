//! The tree that every statement is rendered from.
//!
//! A tree holds identifiers out of schemas, fragments out of this crate's source, and numbered
//! binds. There is no way to put a caller's value into the text of a statement: values go into
//! [`Binds`], and the tree gets `$n` with the cast that its type needs.

mod bind;
mod render;

use std::sync::Arc;

use crm_core::store::Schema;

pub(crate) use bind::{Bind, Binds};

/// An expression.
#[derive(Debug, Clone)]
pub(crate) enum Expr {
    /// A fragment out of this crate's source: `true`, `count(*)`.
    Sql(&'static str),
    /// A number of the renderer's own: a limit, a position.
    Number(i64),
    /// `alias."column"`.
    Column(Alias, String),
    /// `alias."a", alias."b"`: the columns of all fields of a record type, in order.
    Fields(Alias, Arc<Schema>),
    /// `$n::type`.
    Bind { place: usize, cast: &'static str },
    /// `function(arguments)`.
    Call(&'static str, Vec<Self>),
    /// A function named after a record type: `"search_customers"(arguments)`.
    CallNamed(String, Vec<Self>),
    /// `(a op b op c)`.
    Infix(&'static str, Vec<Self>),
    /// `(operand suffix)`: `IS NULL`, a cast, a collation.
    Suffix(Box<Self>, &'static str),
    /// `(a op ANY (b))`.
    Any(Box<Self>, &'static str, Box<Self>),
    /// A condition that the planner shall take for one that half of the rows fulfil. It takes
    /// patterns that it does not know for next to unfulfillable, and gathers and sorts what an
    /// index would have given in order.
    Likely(Box<Self>),
    /// `ROW(a, b)`.
    Row(Vec<Self>),
    /// `EXISTS (SELECT …)`.
    Exists(Box<Select>),
    /// `(SELECT …)`, of one value.
    Scalar(Box<Select>),
}

/// What a row source is called within a statement: a fixed letter, or one with a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Alias(pub(crate) &'static str, pub(crate) Option<usize>);

impl Alias {
    pub(crate) const fn named(name: &'static str) -> Self {
        Self(name, None)
    }

    pub(crate) const fn numbered(name: &'static str, number: usize) -> Self {
        Self(name, Some(number))
    }

    pub(crate) fn column(self, name: impl Into<String>) -> Expr {
        Expr::Column(self, name.into())
    }
}

impl Expr {
    pub(crate) fn suffix(self, suffix: &'static str) -> Self {
        Self::Suffix(Box::new(self), suffix)
    }

    pub(crate) fn infix(self, operator: &'static str, other: Self) -> Self {
        Self::Infix(operator, vec![self, other])
    }

    pub(crate) fn eq(self, other: Self) -> Self {
        self.infix("=", other)
    }

    /// All of these; of none, true.
    pub(crate) fn all(mut terms: Vec<Self>) -> Self {
        match terms.len() {
            0 => Self::Sql("true"),
            1 => terms.remove(0),
            _ => Self::Infix("AND", terms),
        }
    }

    /// Any of these; of none, false.
    pub(crate) fn any(mut terms: Vec<Self>) -> Self {
        match terms.len() {
            0 => Self::Sql("false"),
            1 => terms.remove(0),
            _ => Self::Infix("OR", terms),
        }
    }

    /// Whether the operand is anything but true: the negation of two-valued filters.
    pub(crate) fn negated(self) -> Self {
        self.suffix("IS NOT TRUE")
    }
}

/// Where rows come from.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// A table, by its schema's name.
    Table(String),
    /// A part of the same statement.
    Part(Alias),
    /// A nested query.
    Select(Box<Select>),
    /// Two queries one after the other.
    UnionAll(Vec<Select>),
    /// `function(…) AS alias(columns)`.
    Function(Expr, Vec<String>),
}

/// How a source is joined to those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Join {
    /// With each of their rows.
    Cross,
    /// With each of their rows, which it may look at.
    Lateral,
    /// The same, and where it has none, with one of nulls.
    LeftLateral,
}

/// One entry of a FROM.
#[derive(Debug, Clone)]
pub(crate) struct From {
    pub(crate) join: Join,
    pub(crate) source: Source,
    pub(crate) alias: Alias,
}

/// One key of an ORDER BY.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub(crate) key: Expr,
    pub(crate) descending: bool,
    /// Whether the key can be null, which comes last in either direction.
    pub(crate) nullable: bool,
}

/// A query.
#[derive(Debug, Clone, Default)]
pub(crate) struct Select {
    pub(crate) items: Vec<(Expr, Option<Alias>)>,
    pub(crate) from: Vec<From>,
    pub(crate) filter: Vec<Expr>,
    /// How many of the first items it groups by.
    pub(crate) group_by: usize,
    pub(crate) order: Vec<Order>,
    pub(crate) limit: Option<Expr>,
    pub(crate) offset: Option<Expr>,
    /// `FOR …`, with what it locks.
    pub(crate) lock: Option<(&'static str, Alias)>,
}

impl Select {
    pub(crate) fn of(items: impl IntoIterator<Item = Expr>) -> Self {
        Self { items: items.into_iter().map(|item| (item, None)).collect(), ..Self::default() }
    }

    pub(crate) fn item(mut self, item: Expr, alias: Alias) -> Self {
        self.items.push((item, Some(alias)));
        self
    }

    pub(crate) fn from(self, source: Source, alias: Alias) -> Self {
        self.join(Join::Cross, source, alias)
    }

    pub(crate) fn join(mut self, join: Join, source: Source, alias: Alias) -> Self {
        self.from.push(From { join, source, alias });
        self
    }

    pub(crate) fn filter(mut self, filters: impl IntoIterator<Item = Expr>) -> Self {
        self.filter.extend(filters);
        self
    }
}

/// A part of a statement that others refer to.
#[derive(Debug, Clone)]
pub(crate) enum Part {
    Select(Select),
    Insert(Insert),
    Delete(Delete),
}

/// `INSERT INTO table AS c (columns) SELECT … [ON CONFLICT …] RETURNING …`.
#[derive(Debug, Clone)]
pub(crate) struct Insert {
    pub(crate) table: String,
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Select,
    pub(crate) conflict: Option<Conflict>,
    pub(crate) returning: Vec<Expr>,
}

/// `ON CONFLICT (keys) DO UPDATE SET column = expression, …`.
#[derive(Debug, Clone)]
pub(crate) struct Conflict {
    pub(crate) keys: Vec<&'static str>,
    pub(crate) set: Vec<(String, Expr)>,
}

/// `DELETE FROM table AS c USING … WHERE … RETURNING 1`.
#[derive(Debug, Clone)]
pub(crate) struct Delete {
    pub(crate) table: String,
    pub(crate) using: Vec<From>,
    pub(crate) filter: Vec<Expr>,
}

/// A whole statement: parts, each evaluated at most once, and the query over them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Statement {
    pub(crate) parts: Vec<(Alias, Part)>,
    pub(crate) select: Select,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_in_binds_and_identifiers_in_quotes() {
        let mut binds = Binds::default();
        let name = binds.add(Bind::Text(Some("x'; DROP TABLE customers; --".into())));
        let c = Alias::named("c");
        let select = Select::of([c.column("order")])
            .from(Source::Table("customers".into()), c)
            .filter([c.column("name_key").eq(name)]);
        let statement = Statement { parts: Vec::new(), select };
        assert_eq!(
            statement.render(),
            r#"SELECT c."order" FROM "customers" c WHERE (c."name_key" = $1::text)"#
        );
    }
}
