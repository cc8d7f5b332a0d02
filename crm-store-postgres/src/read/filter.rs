//! Filters as conditions.
//!
//! The library's filters know true and false, SQL's conditions null besides. A null where a
//! condition stands by itself, in AND or in OR counts as false, which is what a comparison with
//! an absent value is; so only a negation has to say what becomes of it, with `IS NOT TRUE`.

use std::sync::Arc;

use crm_core::store::{Comparison, FieldIndex, Filter, Kind, Path, Schema, Value};

use crate::rows::{encode_value, has_tenant, shown_tag, tag_of};
use crate::sql::{Alias, Bind, Binds, Expr, Select, Source};
use crate::tables::names::compared_column;

/// Renders the filters of one statement.
#[derive(Debug)]
pub(crate) struct Filters<'a> {
    binds: &'a mut Binds,
    related: usize,
}

impl<'a> Filters<'a> {
    pub(crate) fn new(binds: &'a mut Binds) -> Self {
        Self { binds, related: 0 }
    }

    /// Whether the row called `alias` matches.
    pub(crate) fn matches(&mut self, schema: &Schema, alias: Alias, filter: &Filter) -> Expr {
        match filter {
            Filter::All => Expr::Sql("true"),
            Filter::Nothing => Expr::Sql("false"),
            Filter::In(_, values) if values.is_empty() => Expr::Sql("false"),
            Filter::HasAll(_, values) if values.is_empty() => Expr::Sql("true"),
            Filter::In(path, values) => self.is_in(schema, alias, path, values),
            Filter::HasAll(path, values) => self.list(schema, alias, path, values, "@>", "?&"),
            Filter::Compare(path, comparison, value) => {
                let operator = match comparison {
                    Comparison::Lt => "<",
                    Comparison::Le => "<=",
                    Comparison::Gt => ">",
                    Comparison::Ge => ">=",
                };
                let bound = self.binds.add(encode_value(path.kind(schema), value));
                self.compared(schema, alias, path).infix(operator, bound)
            }
            Filter::Absent(path) => self.is_absent(schema, alias, path),
            Filter::Contains(path, text) => {
                let pattern = self.binds.add(Bind::Text(Some(contains_pattern(text))));
                self.compared(schema, alias, path).infix("LIKE", pattern)
            }
            Filter::StartsWith(path, text) => self.starts_with(schema, alias, path, text),
            Filter::Search(words) => self.contains_words(alias, words),
            Filter::Related(field, target, filter) => {
                self.is_related(schema, alias, *field, target, filter)
            }
            Filter::End(end, cases) => self.is_at_end(schema, alias, *end, cases),
            Filter::And(filters) => {
                Expr::all(filters.iter().map(|f| self.matches(schema, alias, f)).collect())
            }
            Filter::Or(filters) => {
                Expr::any(filters.iter().map(|f| self.matches(schema, alias, f)).collect())
            }
            Filter::Not(filter) => match &**filter {
                Filter::Absent(path) if path.custom.is_none() && !path.kind(schema).is_list() => {
                    alias.column(schema.field(path.field).column()).suffix("IS NOT NULL")
                }
                filter => self.matches(schema, alias, filter).negated(),
            },
        }
    }

    /// Whether the search text of the row contains each of these words.
    pub(crate) fn contains_words(&mut self, alias: Alias, words: &[String]) -> Expr {
        let patterns = words.iter().map(|word| Some(contains_pattern(word))).collect();
        let patterns = self.binds.add(Bind::Texts(patterns));
        alias.column("search_text").infix("LIKE ALL", Expr::Call("", vec![patterns]))
    }

    /// Adds a value.
    pub(crate) fn bind(&mut self, bind: Bind) -> Expr {
        self.binds.add(bind)
    }

    /// What a path holds, in the form in which it is compared: text as its key.
    pub(crate) fn compared(&mut self, schema: &Schema, alias: Alias, path: &Path) -> Expr {
        match &path.custom {
            None => alias.column(compared_column(schema.field(path.field))),
            Some(custom) => self.entry(schema, alias, path, tag_of(custom.kind)),
        }
    }

    /// What a path holds, as it was written.
    pub(crate) fn shown(&mut self, schema: &Schema, alias: Alias, path: &Path) -> Expr {
        match &path.custom {
            None => alias.column(schema.field(path.field).column()),
            Some(custom) => self.entry(schema, alias, path, shown_tag(custom.kind)),
        }
    }

    // An entry of a tenant's own fields, as its type. The key is a value, and bound.
    fn entry(&mut self, schema: &Schema, alias: Alias, path: &Path, tag: &str) -> Expr {
        let key = path.custom.as_ref().map_or("", |custom| &custom.key);
        let key = self.binds.add(Bind::Text(Some(format!("{tag}{key}"))));
        let document = alias.column(schema.field(path.field).column());
        let cast = match path.kind(schema) {
            Kind::Bool => "::bool",
            Kind::Int => "::int8",
            Kind::Decimal { .. } => "::numeric",
            Kind::Uuid => "::uuid",
            Kind::Date => "::date",
            Kind::Time => "::timestamptz",
            Kind::Uuids | Kind::Codes | Kind::Json | Kind::Custom => {
                return document.infix("->", key);
            }
            Kind::Text | Kind::Code => "COLLATE \"C\"",
        };
        document.infix("->>", key).suffix(cast)
    }

    fn is_in(&mut self, schema: &Schema, alias: Alias, path: &Path, values: &[Value]) -> Expr {
        let kind = path.kind(schema);
        if kind.is_list() {
            return self.list(schema, alias, path, values, "&&", "?|");
        }
        let left = self.compared(schema, alias, path);
        match values {
            [value] => left.eq(self.binds.add(encode_value(kind, value))),
            values => {
                let values = self.binds.add(array(kind, values));
                Expr::Any(Box::new(left), "=", Box::new(values))
            }
        }
    }

    fn list(
        &mut self,
        schema: &Schema,
        alias: Alias,
        path: &Path,
        values: &[Value],
        of_arrays: &'static str,
        of_documents: &'static str,
    ) -> Expr {
        let left = self.compared(schema, alias, path);
        if path.custom.is_some() {
            let texts = values.iter().map(|value| match value {
                Value::Uuid(id) => Some(id.to_string()),
                Value::Text(text) => Some(text.clone()),
                _ => None,
            });
            let texts = self.binds.add(Bind::Texts(texts.collect()));
            left.infix(of_documents, texts)
        } else {
            let values = self.binds.add(array(path.kind(schema).element(), values));
            left.infix(of_arrays, values)
        }
    }

    fn is_absent(&mut self, schema: &Schema, alias: Alias, path: &Path) -> Expr {
        let value = self.compared(schema, alias, path);
        let zero = Expr::Sql("0");
        match (path.kind(schema).is_list(), &path.custom) {
            (false, _) => value.suffix("IS NULL"),
            (true, None) => Expr::Call("cardinality", vec![value]).eq(zero),
            (true, Some(_)) => {
                let length = Expr::Call("jsonb_array_length", vec![value]);
                Expr::Call("coalesce", vec![length, zero.clone()]).eq(zero)
            }
        }
    }

    // As a range, which an index can serve under row security, as no LIKE can.
    fn starts_with(&mut self, schema: &Schema, alias: Alias, path: &Path, text: &str) -> Expr {
        let from = self.binds.add(Bind::Text(Some(text.to_owned())));
        let reaches = self.compared(schema, alias, path).infix(">=", from);
        let Some(end) = end_of_prefix(text) else { return reaches };
        let end = self.binds.add(Bind::Text(Some(end)));
        let below = self.compared(schema, alias, path).infix("<", end);
        Expr::all(vec![reaches, below])
    }

    fn is_related(
        &mut self,
        schema: &Schema,
        alias: Alias,
        field: FieldIndex,
        target: &Schema,
        filter: &Filter,
    ) -> Expr {
        self.exists(schema, alias, field, target, "id", filter)
    }

    // The type is compared first, so that a row looks into one table only.
    fn is_at_end(
        &mut self,
        schema: &Schema,
        alias: Alias,
        end: usize,
        cases: &[(Arc<Schema>, Filter)],
    ) -> Expr {
        let Some(end) = schema.ends().get(end) else { return Expr::Sql("false") };
        let case = |(target, filter): &(Arc<Schema>, Filter)| {
            let resource = self.binds.add(Bind::Text(Some(target.resource().to_owned())));
            let is_type = alias.column(schema.field(end.record_type).column()).eq(resource);
            let known_by = target.field(target.known_by()).column();
            let exists = self.exists(schema, alias, end.id, target, known_by, filter);
            Expr::all(vec![is_type, exists])
        };
        Expr::any(cases.iter().map(case).collect())
    }

    // Whether there is a record whose column holds what the field does, and that matches.
    fn exists(
        &mut self,
        schema: &Schema,
        alias: Alias,
        field: FieldIndex,
        target: &Schema,
        column: &str,
        filter: &Filter,
    ) -> Expr {
        self.related += 1;
        let other = Alias::numbered("r", self.related);
        let reference = alias.column(schema.field(field).column());
        let mut conditions = vec![other.column(column).eq(reference)];
        if has_tenant(target) {
            conditions.insert(0, other.column("tenant_id").eq(alias.column("tenant_id")));
        }
        if *filter != Filter::All {
            conditions.push(self.matches(target, other, filter));
        }
        let select = Select::of([Expr::Sql("1")])
            .from(Source::Table(target.name().to_owned()), other)
            .filter(conditions);
        Expr::Exists(Box::new(select))
    }
}

/// The values of one kind as an array.
pub(crate) fn array(kind: Kind, values: &[Value]) -> Bind {
    macro_rules! gather {
        ($value:ident, $bind:ident) => {
            Bind::$bind(
                values
                    .iter()
                    .filter_map(|value| match value {
                        Value::$value(value) => Some(Some(value.clone())),
                        _ => None,
                    })
                    .collect(),
            )
        };
    }
    match kind {
        Kind::Bool => gather!(Bool, Bools),
        Kind::Int => gather!(Int, Ints),
        Kind::Decimal { .. } => gather!(Decimal, Decimals),
        Kind::Uuid | Kind::Uuids => gather!(Uuid, Uuids),
        Kind::Date => gather!(Date, Dates),
        Kind::Time => gather!(Time, Times),
        Kind::Text | Kind::Code | Kind::Codes | Kind::Json | Kind::Custom => gather!(Text, Texts),
    }
}

/// The pattern of texts that contain this one, whose every character is meant literally.
pub(crate) fn contains_pattern(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for c in text.chars() {
        if matches!(c, '\\' | '%' | '_') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

// The least text that is greater than all that start with `prefix`. None where there is no end.
pub(super) fn end_of_prefix(prefix: &str) -> Option<String> {
    let mut end = prefix.to_owned();
    while let Some(last) = end.pop() {
        let next = match last {
            // Between these two lie the surrogates, which no text has.
            '\u{d7ff}' => Some('\u{e000}'),
            last => char::from_u32(u32::from(last) + 1),
        };
        if let Some(next) = next {
            end.push(next);
            return Some(end);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_of_patterns_are_meant_literally() {
        assert_eq!(contains_pattern(r"50%_\x"), r"%50\%\_\\x%");
    }

    #[test]
    fn a_prefix_ends_before_the_next_text_of_its_length() {
        assert_eq!(end_of_prefix("ab").as_deref(), Some("ac"));
        assert_eq!(end_of_prefix("a\u{d7ff}").as_deref(), Some("a\u{e000}"));
        assert_eq!(end_of_prefix("a\u{10ffff}").as_deref(), Some("b"));
        assert_eq!(end_of_prefix("\u{10ffff}"), None);
        assert_eq!(end_of_prefix(""), None);
    }
}
