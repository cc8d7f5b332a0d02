//! Filters as parameters: `status=active,paused&value[gte]=1000`.

use super::Context;
use super::fields::Fault;
use super::operator::{Operator, SUFFIXES};
use crate::error::{Error, Result};
use crate::store::{Filter, Path};

/// Gathers the parameters that name fields. A parameter given twice means what its values mean
/// in one.
pub(super) struct Parameters<'a> {
    context: Context<'a>,
    terms: Vec<Term>,
}

struct Term {
    name: String,
    path: Path,
    operator: Operator,
    texts: Vec<String>,
}

impl<'a> Parameters<'a> {
    pub(super) fn new(context: Context<'a>) -> Self {
        Self { context, terms: Vec::new() }
    }

    /// Reads one parameter. `others` are the parameters that are no fields, to say what was
    /// perhaps meant.
    pub(super) fn read(&mut self, name: &str, value: &str, others: &[&str]) -> Result<()> {
        let (field, suffix) = split_name(name);
        let path = self.context.filterable(field).map_err(|fault| {
            match super::fields::meant(field, others.iter().copied()) {
                Some(meant) if fault.code == "UNKNOWN_FIELD" => {
                    let message = format!("there is no parameter {name}{meant}");
                    Error::unreadable(name, "UNKNOWN_PARAMETER", message)
                }
                _ if fault.code == "UNKNOWN_FIELD" => {
                    Error::unreadable(name, "UNKNOWN_PARAMETER", fault.message)
                }
                _ => fault.of(name),
            }
        })?;
        let operator = match suffix {
            None => Operator::Any,
            Some(suffix) => Operator::from_suffix(suffix).ok_or_else(|| {
                let known: Vec<&str> = SUFFIXES.iter().map(|(known, _)| *known).collect();
                let message = format!("[{suffix}] is none of [{}]", known.join("], ["));
                Error::unreadable(name, "INVALID_OPERATOR", message)
            })?,
        };
        self.context.suits(&path, operator).map_err(|fault| fault.of(name))?;
        let texts = if suffix.is_none() || operator.takes_list() {
            split_values(value).map_err(|fault| fault.of(name))?
        } else {
            vec![value.to_owned()]
        };
        let ordered = matches!(operator, Operator::Compare(_) | Operator::Null)
            || matches!(operator, Operator::Contains | Operator::StartsWith);
        let pooled = (!ordered)
            .then(|| self.terms.iter_mut().find(|t| t.path == path && t.operator == operator))
            .flatten();
        match pooled {
            Some(term) => term.texts.extend(texts),
            None => self.terms.push(Term { name: name.to_owned(), path, operator, texts }),
        }
        Ok(())
    }

    /// The records that all of them mean.
    pub(super) fn filter(self) -> Result<Filter> {
        let context = self.context;
        self.terms.into_iter().try_fold(Filter::All, |filter, term| {
            let asked = context.ask(term.path, term.operator, &term.texts);
            Ok(filter.and(asked.map_err(|fault| fault.of(&term.name))?))
        })
    }
}

fn split_name(name: &str) -> (&str, Option<&str>) {
    match name.strip_suffix(']').and_then(|name| name.split_once('[')) {
        Some((field, suffix)) => (field, Some(suffix)),
        None => (name, None),
    }
}

/// The values of a list: separated by commas, without space around them. A value with a comma in
/// it stands in double quotes, or writes it `\,`.
pub(super) fn split_values(text: &str) -> Result<Vec<String>, Fault> {
    let mut values = Vec::new();
    let mut rest = text.trim();
    loop {
        let (value, behind) = match rest.strip_prefix('"') {
            Some(inside) => quoted(inside)?,
            None => plain(rest)?,
        };
        values.push(value);
        let behind = behind.trim_start();
        if behind.is_empty() {
            return Ok(values);
        }
        let Some(next) = behind.strip_prefix(',') else {
            return Err(Fault::new("INVALID_VALUE", "expected a comma behind a closing quote"));
        };
        rest = next.trim_start();
    }
}

fn quoted(inside: &str) -> Result<(String, &str), Fault> {
    let mut value = String::new();
    let mut chars = inside.char_indices();
    while let Some((i, c)) = chars.next() {
        match c {
            '"' => return Ok((value, inside.get(i + 1..).unwrap_or_default())),
            '\\' => value.extend(chars.next().map(|(_, c)| c)),
            c => value.push(c),
        }
    }
    Err(Fault::new("INVALID_VALUE", "a quote is not closed"))
}

fn plain(text: &str) -> Result<(String, &str), Fault> {
    let mut value = String::new();
    let mut end = text.len();
    let mut chars = text.char_indices().peekable();
    while let Some((i, c)) = chars.next() {
        match c {
            ',' => {
                end = i;
                break;
            }
            '\\' => match chars.next_if(|(_, next)| matches!(next, ',' | '\\' | '"')) {
                Some((_, escaped)) => value.push(escaped),
                None => value.push('\\'),
            },
            c => value.push(c),
        }
    }
    let value = value.trim();
    if value.is_empty() {
        let message = "a value is empty; leave it out, ask with [null]=true for absent ones, or \
                       write \"\" for an empty text";
        return Err(Fault::new("INVALID_VALUE", message));
    }
    Ok((value.to_owned(), text.get(end..).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_split_at_commas_outside_of_quotes() {
        for (text, values) in [
            ("active", vec!["active"]),
            (" active , paused ", vec!["active", "paused"]),
            (r#""Acme, Inc.",Globex"#, vec!["Acme, Inc.", "Globex"]),
            (r"Acme\, Inc.", vec!["Acme, Inc."]),
            (r#""say \"hi\"""#, vec![r#"say "hi""#]),
            (r"a\b", vec![r"a\b"]),
            (r#""""#, vec![""]),
            (r#"5" pipe"#, vec![r#"5" pipe"#]),
        ] {
            assert_eq!(
                split_values(text).map_err(|f| f.message),
                Ok(values.iter().map(ToString::to_string).collect()),
                "{text}"
            );
        }
        for text in ["", ",", "a,,b", "a,", r#""a"#, r#""a"b"#] {
            assert!(split_values(text).is_err(), "{text}");
        }
    }
}
