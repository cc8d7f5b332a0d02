//! Writes a tree as PostgreSQL's SQL.

use std::fmt::{Result, Write};

use super::{Alias, Conflict, Delete, Expr, From, Insert, Join, Part, Select, Source, Statement};

impl Statement {
    /// The statement's text.
    pub(crate) fn render(&self) -> String {
        let mut text = String::with_capacity(1_024);
        // Writing to a String does not fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, out: &mut String) -> Result {
        for (i, (alias, part)) in self.parts.iter().enumerate() {
            out.push_str(if i == 0 { "WITH " } else { ", " });
            write_alias(*alias, out)?;
            match part {
                Part::Select(select) => {
                    out.push_str(" AS MATERIALIZED (");
                    select.write(out)?;
                }
                Part::Insert(insert) => {
                    out.push_str(" AS (");
                    insert.write(out)?;
                }
                Part::Delete(delete) => {
                    out.push_str(" AS (");
                    delete.write(out)?;
                }
            }
            out.push(')');
        }
        if !self.parts.is_empty() {
            out.push(' ');
        }
        self.select.write(out)
    }
}

impl Select {
    fn write(&self, out: &mut String) -> Result {
        out.push_str("SELECT ");
        separated(&self.items, out, ", ", |(item, alias), out| {
            item.write(out)?;
            if let Some(alias) = alias {
                out.push_str(" AS ");
                write_alias(*alias, out)?;
            }
            Ok(())
        })?;
        write_from(&self.from, " FROM ", out)?;
        write_filter(&self.filter, out)?;
        for position in 1..=self.group_by {
            write!(out, "{}{position}", if position == 1 { " GROUP BY " } else { ", " })?;
        }
        if !self.order.is_empty() {
            out.push_str(" ORDER BY ");
            separated(&self.order, out, ", ", |order, out| {
                order.key.write(out)?;
                // Ascending, PostgreSQL puts nulls last by itself.
                out.push_str(match (order.descending, order.nullable) {
                    (false, _) => "",
                    (true, false) => " DESC",
                    (true, true) => " DESC NULLS LAST",
                });
                Ok(())
            })?;
        }
        if let Some(limit) = &self.limit {
            out.push_str(" LIMIT ");
            limit.write(out)?;
        }
        if let Some(offset) = &self.offset {
            out.push_str(" OFFSET ");
            offset.write(out)?;
        }
        if let Some((strength, of)) = &self.lock {
            write!(out, " FOR {strength} OF ")?;
            write_alias(*of, out)?;
        }
        Ok(())
    }
}

impl Insert {
    fn write(&self, out: &mut String) -> Result {
        out.push_str("INSERT INTO ");
        write_name(&self.table, out);
        out.push_str(" AS c (");
        separated(&self.columns, out, ", ", |column, out| {
            write_name(column, out);
            Ok(())
        })?;
        out.push_str(") ");
        self.rows.write(out)?;
        if let Some(Conflict { keys, set }) = &self.conflict {
            write!(out, " ON CONFLICT ({}) DO UPDATE SET ", keys.join(", "))?;
            separated(set, out, ", ", |(column, value), out| {
                write_name(column, out);
                out.push_str(" = ");
                value.write(out)
            })?;
        }
        out.push_str(" RETURNING ");
        separated(&self.returning, out, ", ", Expr::write)
    }
}

impl Delete {
    fn write(&self, out: &mut String) -> Result {
        out.push_str("DELETE FROM ");
        write_name(&self.table, out);
        out.push_str(" AS c");
        write_from(&self.using, " USING ", out)?;
        write_filter(&self.filter, out)?;
        out.push_str(" RETURNING 1");
        Ok(())
    }
}

impl Expr {
    fn write(&self, out: &mut String) -> Result {
        match self {
            Self::Sql(text) => out.push_str(text),
            Self::Number(number) => write!(out, "{number}")?,
            Self::Column(alias, column) => {
                write_alias(*alias, out)?;
                out.push('.');
                write_name(column, out);
            }
            Self::Fields(alias, schema) => {
                separated(schema.fields(), out, ", ", |field, out| {
                    write_alias(*alias, out)?;
                    out.push('.');
                    write_name(field.column(), out);
                    Ok(())
                })?;
            }
            Self::Bind { place, cast } => write!(out, "${place}::{cast}")?,
            Self::Call(function, arguments) => {
                out.push_str(function);
                write_arguments(arguments, out)?;
            }
            Self::CallNamed(function, arguments) => {
                write_name(function, out);
                write_arguments(arguments, out)?;
            }
            Self::Infix(operator, operands) => {
                out.push('(');
                for (i, operand) in operands.iter().enumerate() {
                    if i > 0 {
                        write!(out, " {operator} ")?;
                    }
                    operand.write(out)?;
                }
                out.push(')');
            }
            Self::Suffix(operand, suffix) => {
                out.push('(');
                operand.write(out)?;
                write!(out, " {suffix})")?;
            }
            Self::Any(left, operator, right) => {
                out.push('(');
                left.write(out)?;
                write!(out, " {operator} ANY (")?;
                right.write(out)?;
                out.push_str("))");
            }
            Self::Likely(condition) => {
                out.push_str("CASE WHEN ");
                condition.write(out)?;
                out.push_str(" THEN true ELSE false END");
            }
            Self::Row(values) => {
                out.push_str("ROW");
                write_arguments(values, out)?;
            }
            Self::Exists(select) => {
                out.push_str("EXISTS (");
                select.write(out)?;
                out.push(')');
            }
            Self::Scalar(select) => {
                out.push('(');
                select.write(out)?;
                out.push(')');
            }
        }
        Ok(())
    }
}

fn write_arguments(arguments: &[Expr], out: &mut String) -> Result {
    out.push('(');
    separated(arguments, out, ", ", Expr::write)?;
    out.push(')');
    Ok(())
}

fn write_from(from: &[From], keyword: &str, out: &mut String) -> Result {
    for (i, From { join, source, alias }) in from.iter().enumerate() {
        out.push_str(match (i, join) {
            (0, _) => keyword,
            (_, Join::Cross) => " CROSS JOIN ",
            (_, Join::Lateral) => " CROSS JOIN LATERAL ",
            (_, Join::LeftLateral) => " LEFT JOIN LATERAL ",
        });
        match source {
            Source::Table(name) => write_name(name, out),
            Source::Part(part) if part == alias => {
                write_alias(*part, out)?;
                continue;
            }
            Source::Part(part) => write_alias(*part, out)?,
            Source::Select(select) => {
                out.push('(');
                select.write(out)?;
                out.push(')');
            }
            Source::UnionAll(selects) => {
                out.push_str("((");
                separated(selects, out, ") UNION ALL (", Select::write)?;
                out.push_str("))");
            }
            Source::Function(call, _) => call.write(out)?,
        }
        out.push(' ');
        write_alias(*alias, out)?;
        if let Source::Function(_, columns) = source {
            out.push('(');
            out.push_str(&columns.join(", "));
            out.push(')');
        }
        if i > 0 && *join == Join::LeftLateral {
            out.push_str(" ON true");
        }
    }
    Ok(())
}

fn write_filter(filter: &[Expr], out: &mut String) -> Result {
    if filter.is_empty() {
        return Ok(());
    }
    out.push_str(" WHERE ");
    separated(filter, out, " AND ", Expr::write)
}

// Names come from schemas, which allow lower-case letters, digits and underscores only.
fn write_name(name: &str, out: &mut String) {
    out.push('"');
    out.push_str(name);
    out.push('"');
}

fn write_alias(Alias(name, number): Alias, out: &mut String) -> Result {
    match number {
        None => out.push_str(name),
        Some(number) => write!(out, "{name}{number}")?,
    }
    Ok(())
}

fn separated<T>(
    items: &[T],
    out: &mut String,
    separator: &str,
    write: impl Fn(&T, &mut String) -> Result,
) -> Result {
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.push_str(separator);
        }
        write(item, out)?;
    }
    Ok(())
}
