//! From a value's text to a value of the field's kind.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use rust_decimal::Decimal;

use super::Context;
use super::fields::{Fault, meant};
use crate::error::{Error, FieldError};
use crate::store::{Kind, Path, Reading, Value};

impl Context<'_> {
    /// The value that `text` means for what is at `path`; of a list, one element.
    pub(super) fn value(&self, path: &Path, text: &str) -> Result<Value, Fault> {
        let kind = path.kind(self.schema).element();
        if let (None, Some(Reading { read, .. })) =
            (&path.custom, self.schema.field(path.field).reading)
        {
            return read(text).map(Value::Text).map_err(|error| unread(path, self, &error));
        }
        let expected = match kind {
            Kind::Bool => match &*text.to_ascii_lowercase() {
                "true" | "1" => return Ok(Value::Bool(true)),
                "false" | "0" => return Ok(Value::Bool(false)),
                _ => "true or false",
            },
            Kind::Int => match text.parse() {
                Ok(int) => return Ok(Value::Int(int)),
                Err(_) => "a whole number",
            },
            Kind::Decimal { .. } => match decimal(text) {
                Some(decimal) => return Ok(Value::Decimal(decimal)),
                None => "a number such as 1000.50",
            },
            Kind::Text => return Ok(Value::Text(text.to_owned())),
            Kind::Code => return self.code(path, text),
            Kind::Uuid => {
                let name = path.name(self.schema);
                match text.parse().ok().or_else(|| self.custom.id_of(&name, text)) {
                    Some(id) => return Ok(Value::Uuid(id)),
                    None => "an identifier (UUID)",
                }
            }
            Kind::Date => match date(text) {
                Some(date) => return Ok(Value::Date(date)),
                None => "a date such as 2026-01-31",
            },
            Kind::Time => match time(text) {
                Some(time) => return Ok(Value::Time(time)),
                None => "a time such as 2026-01-31T09:30:00Z, or a date",
            },
            Kind::Uuids | Kind::Codes | Kind::Json | Kind::Custom => "something comparable",
        };
        Err(invalid(path, self, expected, text))
    }

    fn code(&self, path: &Path, text: &str) -> Result<Value, Fault> {
        let choices =
            if path.custom.is_none() { self.schema.field(path.field).choices } else { None };
        let Some(choices) = choices else { return Ok(Value::Text(text.to_owned())) };
        let same = |code: &&&str| code.eq_ignore_ascii_case(text);
        // The exact code first: two may differ in case alone.
        match choices.iter().find(|code| **code == text).or_else(|| choices.iter().find(same)) {
            Some(code) => Ok(Value::Text((*code).to_owned())),
            None => {
                let mut fault =
                    invalid(path, self, &format!("one of {}", choices.join(", ")), text);
                if let Some(meant) = meant(text, choices.iter().copied()) {
                    fault.message.push_str(&meant);
                }
                Err(fault)
            }
        }
    }
}

/// Whether `text` says yes.
pub(super) fn flag(text: &str) -> Option<bool> {
    match &*text.trim().to_ascii_lowercase() {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

/// What came, as an error shows it.
pub(super) fn shown(text: &str) -> String {
    if text.chars().count() > 40 {
        let start: String = text.chars().take(40).collect();
        format!("{start:?}…")
    } else {
        format!("{text:?}")
    }
}

fn invalid(path: &Path, context: &Context<'_>, expected: &str, text: &str) -> Fault {
    let name = path.name(context.schema);
    Fault::new("INVALID_VALUE", format!("{name} expects {expected}, got {}", shown(text)))
}

fn unread(path: &Path, context: &Context<'_>, error: &Error) -> Fault {
    let name = path.name(context.schema);
    let message = match error {
        Error::Invalid(faults) => faults.first().map_or("", |FieldError { message, .. }| message),
        _ => "expected another value",
    };
    Fault::new("INVALID_VALUE", format!("{name}: {message}"))
}

fn decimal(text: &str) -> Option<Decimal> {
    let starts = text.trim_start_matches(['-', '+']).starts_with(|c: char| c.is_ascii_digit());
    let plain = text.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
    if !starts || !plain || text.len() > 64 {
        return None;
    }
    if text.contains(['e', 'E']) {
        Decimal::from_scientific(text).ok()
    } else {
        Decimal::from_str_exact(text).ok()
    }
}

fn date(text: &str) -> Option<NaiveDate> {
    let digits =
        |(i, b): (usize, u8)| if i == 4 || i == 7 { b == b'-' } else { b.is_ascii_digit() };
    if text.len() != 10 || !text.bytes().enumerate().all(digits) {
        return None;
    }
    text.parse().ok()
}

// RFC 3339, and what is left of it where people or URLs leave something out: seconds, the offset
// (then UTC), the `T`, a `+` that was decoded as a space.
fn time(text: &str) -> Option<DateTime<Utc>> {
    if !text.is_ascii() || text.len() > 40 {
        return None;
    }
    if let Some(date) = date(text) {
        return Some(date.and_time(NaiveTime::MIN).and_utc());
    }
    let (day, clock) = text.split_at_checked(10)?;
    let day = date(day)?;
    let clock = clock.strip_prefix(['T', 't', ' '])?.replace(' ', "+");
    if let Ok(time) = DateTime::parse_from_rfc3339(&format!("{day}T{clock}")) {
        return Some(time.to_utc());
    }
    let (clock, offset) = match clock.find(['+', '-', 'Z', 'z']) {
        Some(place) => clock.split_at_checked(place)?,
        None => (&*clock, "Z"),
    };
    let clock = ["%H:%M:%S%.f", "%H:%M"]
        .iter()
        .find_map(|format| NaiveTime::parse_from_str(clock, format).ok())?;
    let local = NaiveDateTime::new(day, clock);
    let whole = format!("{}{offset}", local.format("%Y-%m-%dT%H:%M:%S%.f"));
    DateTime::parse_from_rfc3339(&whole).ok().map(|time| time.to_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_and_urls_write_them() {
        for (text, utc) in [
            ("2026-01-31", "2026-01-31T00:00:00+00:00"),
            ("2026-01-31T09:30:00Z", "2026-01-31T09:30:00+00:00"),
            ("2026-01-31T09:30:00.5Z", "2026-01-31T09:30:00.500+00:00"),
            ("2026-01-31T09:30:00+01:00", "2026-01-31T08:30:00+00:00"),
            ("2026-01-31T09:30:00 01:00", "2026-01-31T08:30:00+00:00"),
            ("2026-01-31 09:30:00", "2026-01-31T09:30:00+00:00"),
            ("2026-01-31T09:30", "2026-01-31T09:30:00+00:00"),
            ("2026-01-31T09:30-02:00", "2026-01-31T11:30:00+00:00"),
        ] {
            assert_eq!(time(text).map(|time| time.to_rfc3339()).as_deref(), Some(utc), "{text}");
        }
        for text in
            ["", "2026-1-31", "2026-02-30", "yesterday", "2026-01-31T25:00:00Z", "2026-01-31X"]
        {
            assert_eq!(time(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_are_exact() {
        for (text, number) in
            [("1000.50", "1000.50"), ("-3", "-3"), ("1e3", "1000"), ("2.5E-2", "0.025")]
        {
            assert_eq!(decimal(text).map(|d| d.to_string()).as_deref(), Some(number));
        }
        for text in ["", "-", ".", "1,5", "NaN", "Infinity", "1e999999999999", "1_000", "--1"] {
            assert_eq!(decimal(text), None, "{text}");
        }
    }
}
