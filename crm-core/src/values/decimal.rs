//! Exact numbers as people type them: in forms, imports and spreadsheets.

use rust_decimal::Decimal;

use super::quoted;
use crate::error::{Error, Result};

/// The exact number in `text`.
///
/// A point is always the decimal mark where there is only one mark. Marks between groups of three
/// digits (comma, point, apostrophe, space) are taken where they can mean nothing else:
/// `1,100.04`, `1.100,04`, `1 100`, `1,100,000`. `1,100` could be either and is refused.
///
/// # Errors
/// `INVALID_NUMBER`; `AMBIGUOUS_NUMBER`.
///
/// ```
/// use crm_core::values::parse_decimal;
///
/// assert_eq!(parse_decimal("price", "1,100.04")?.to_string(), "1100.04");
/// assert!(parse_decimal("price", "1,100").is_err());
/// # Ok::<(), crm_core::Error>(())
/// ```
pub fn parse_decimal(field: &str, text: &str) -> Result<Decimal> {
    let invalid = || {
        let message = format!("expected a number such as 1100.04, got {}", quoted(text));
        Error::invalid(field, "INVALID_NUMBER", message)
    };
    let trimmed = text.trim();
    if trimmed.len() > 64 {
        return Err(invalid());
    }
    let (negative, digits) = match trimmed.strip_prefix(['-', '−']) {
        Some(rest) => (true, rest),
        None => (false, trimmed.strip_prefix('+').unwrap_or(trimmed)),
    };
    let Some((group, decimal)) = marks(digits) else { return Err(invalid()) };
    if (group, decimal) == (Some(','), None) && digits.matches(',').count() == 1 {
        let message = format!(
            "{} may mean {} or {}; write it with a point or without a comma",
            quoted(trimmed),
            trimmed.replace(',', ""),
            trimmed.replace(',', "."),
        );
        return Err(Error::invalid(field, "AMBIGUOUS_NUMBER", message));
    }
    let (whole, fraction) = match decimal.and_then(|mark| digits.rsplit_once(mark)) {
        Some((_, "")) => return Err(invalid()),
        Some((whole, fraction)) => (whole, fraction),
        None => (digits, ""),
    };
    let whole = match group {
        Some(mark) => ungroup(whole, mark).ok_or_else(invalid)?,
        None => whole.to_owned(),
    };
    let all_digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() && fraction.is_empty() || !all_digits(&whole) || !all_digits(fraction) {
        return Err(invalid());
    }
    let plain = format!("{}{whole}.{fraction}", if negative { "-" } else { "" });
    let plain = plain.trim_end_matches('.');
    let plain = if whole.is_empty() { plain.replacen('.', "0.", 1) } else { plain.to_owned() };
    Decimal::from_str_exact(&plain).map_err(|_| {
        let message = format!("expected at most 28 digits, got {}", quoted(text));
        Error::invalid(field, "INVALID_NUMBER", message)
    })
}

// Which mark groups and which one begins the fraction.
fn marks(digits: &str) -> Option<(Option<char>, Option<char>)> {
    let mut found: Vec<(char, usize)> = Vec::new();
    for c in digits.chars().filter(|c| !c.is_ascii_digit()) {
        let c = if is_space(c) {
            ' '
        } else if c == '’' {
            '\''
        } else {
            c
        };
        match found.iter().position(|(known, _)| *known == c) {
            Some(last) if last + 1 == found.len() => found[last].1 += 1,
            // A mark that comes back after another one has no meaning.
            Some(_) => return None,
            None => found.push((c, 1)),
        }
    }
    match found[..] {
        [] => Some((None, None)),
        [('.', 1)] => Some((None, Some('.'))),
        // One comma is a decimal mark unless three digits follow and a group may precede.
        [(',', 1)] => {
            let (before, after) = digits.split_once(',')?;
            let may_group =
                after.len() == 3 && (1..=3).contains(&before.len()) && !before.starts_with('0');
            Some(if may_group { (Some(','), None) } else { (None, Some(',')) })
        }
        [(mark @ (',' | '.' | '\'' | ' '), _)] => Some((Some(mark), None)),
        [(group @ (',' | '\'' | ' '), _), ('.', 1)] => Some((Some(group), Some('.'))),
        [(group @ ('.' | '\'' | ' '), _), (',', 1)] => Some((Some(group), Some(','))),
        _ => None,
    }
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\u{a0}' | '\u{202f}' | '\u{2009}')
}

// The digits without group marks, where every group behind the first has three.
fn ungroup(whole: &str, mark: char) -> Option<String> {
    let is_mark = |c: char| c == mark || mark == ' ' && is_space(c) || mark == '\'' && c == '’';
    let groups: Vec<&str> = whole.split(is_mark).collect();
    let (first, rest) = groups.split_first()?;
    let fits = (1..=3).contains(&first.len()) && rest.iter().all(|group| group.len() == 3);
    (fits && !rest.is_empty()).then(|| groups.concat())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_read_exactly_with_marks_that_can_mean_only_one_thing() {
        for (text, number) in [
            ("0", "0"),
            (" 42 ", "42"),
            ("-1100.04", "-1100.04"),
            ("+0.10", "0.10"),
            ("1,100.04", "1100.04"),
            ("1.100,04", "1100.04"),
            ("1,234,567", "1234567"),
            ("1.234.567", "1234567"),
            ("1.234.567,8", "1234567.8"),
            ("12,5", "12.5"),
            ("0,125", "0.125"),
            ("1234,567", "1234.567"),
            ("1.100", "1.100"),
            ("1 100", "1100"),
            ("1\u{202f}100,5", "1100.5"),
            ("1'100.50", "1100.50"),
            ("12’345’678", "12345678"),
            (".5", "0.5"),
            ("−3", "-3"),
        ] {
            assert_eq!(parse_decimal("value", text).unwrap().to_string(), number, "{text}");
        }
    }

    #[test]
    fn what_could_mean_two_numbers_is_refused_with_both() {
        let error = parse_decimal("value", "1,100").unwrap_err();
        let Error::Invalid(faults) = &error else { panic!("{error:?}") };
        assert_eq!(faults[0].code, "AMBIGUOUS_NUMBER");
        assert!(faults[0].message.contains("1100 or 1.100"), "{error}");
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in [
            "",
            "-",
            ".",
            ",",
            "1.",
            "1,",
            "abc",
            "1e5",
            "NaN",
            "1,10,000",
            "1,100,04",
            "1..2",
            "1,1,1",
            "1.1.1",
            "12 34",
            "1.000,000.1",
            "- 1",
            "--1",
            "١٢",
            "$5",
            "12345678901234567890123456789012345",
        ] {
            assert!(parse_decimal("value", text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_decimal_is_read_back_as_it_is_written(mantissa in any::<i64>(), scale in 0_u32..10) {
            let number = Decimal::new(mantissa, scale);
            prop_assert_eq!(parse_decimal("value", &number.to_string()).unwrap(), number);
        }

        #[test]
        fn no_text_makes_it_panic(text in "[-+0-9.,' \u{202f}e]{0,20}") {
            let _ = parse_decimal("value", &text);
        }
    }
}
