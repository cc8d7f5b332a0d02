//! A filter as an expression that means the same: the inverse of the parser.

use chrono::{Datelike, SecondsFormat};
use crm_core::Entity;
use crm_core::store::{Comparison, Filter, Path, Value};

use crate::deals::Deal;

/// The filter as an expression; none where the language has no word for one of its values, which
/// is so for times whose year has no four digits.
pub(crate) fn printed(filter: &Filter) -> Option<String> {
    Some(match filter {
        Filter::All => "\"\"".to_owned(),
        Filter::Nothing => "NOT \"\"".to_owned(),
        Filter::In(path, values) if values.is_empty() => {
            // Asked of the path, so that it is known all the same.
            format!("({0}:* AND NOT {0}:*)", name(path))
        }
        Filter::In(path, values) => format!("{} = ({})", name(path), all(values, " OR ")?),
        Filter::HasAll(path, values) if values.is_empty() => {
            format!("({0}:* OR NOT {0}:*)", name(path))
        }
        Filter::HasAll(path, values) => format!("{}:({})", name(path), all(values, " AND ")?),
        Filter::Compare(path, comparison, value) => {
            let sign = match comparison {
                Comparison::Lt => "<",
                Comparison::Le => "<=",
                Comparison::Gt => ">",
                Comparison::Ge => ">=",
            };
            format!("{} {sign} {}", name(path), literal(value)?)
        }
        Filter::Absent(path) => format!("NOT {}:*", name(path)),
        Filter::Contains(path, text) => format!("{} = \"*{}*\"", name(path), escaped(text)),
        Filter::StartsWith(path, text) => format!("{} = \"{}*\"", name(path), escaped(text)),
        Filter::Search(words) => {
            let words: Vec<String> =
                words.iter().map(|word| format!("\"{}\"", escaped(word))).collect();
            format!("({})", words.join(" AND "))
        }
        Filter::Related(..) | Filter::End(..) => return None,
        Filter::And(filters) => group(filters, " AND ")?,
        Filter::Or(filters) => group(filters, " OR ")?,
        Filter::Not(filter) => format!("NOT ({})", printed(filter)?),
    })
}

fn group(filters: &[Filter], connective: &str) -> Option<String> {
    let parts: Option<Vec<String>> =
        filters.iter().map(|filter| printed(filter).map(|text| format!("({text})"))).collect();
    parts.map(|parts| parts.join(connective))
}

fn all(values: &[Value], connective: &str) -> Option<String> {
    let texts: Option<Vec<String>> = values.iter().map(literal).collect();
    texts.map(|texts| texts.join(connective))
}

fn name(path: &Path) -> String {
    let field = &Deal::schema().field(path.field).name;
    match &path.custom {
        None => field.to_string(),
        Some(custom) => format!("{field}.\"{}\"", escaped(&custom.key)),
    }
}

fn literal(value: &Value) -> Option<String> {
    let text = match value {
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Decimal(value) => value.to_string(),
        Value::Text(value) => value.clone(),
        Value::Uuid(value) => value.to_string(),
        Value::Date(value) => value.to_string(),
        Value::Time(value) if (0..=9_999).contains(&value.year()) => {
            value.to_rfc3339_opts(SecondsFormat::Micros, true)
        }
        _ => return None,
    };
    Some(format!("\"{}\"", escaped(&text)))
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '"' | '\\' | '*') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}
