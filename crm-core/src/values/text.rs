//! Plain text for people.

use super::quoted;
use crate::error::{Error, Faults, Result};

/// Whether a text may have more than one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Multiline {
    /// Names, titles: line breaks and tabs are refused.
    No,
    /// Notes, descriptions: line breaks (as `\n`) and tabs are kept.
    Yes,
}

/// A text without space around it; none where nothing remains. At most `max_chars` characters
/// (Unicode scalar values) of what remains.
///
/// # Errors
/// `TOO_LONG`; `CONTROL_CHARACTER` where there is one other than line breaks and tabs in a
/// multi-line text.
///
/// ```
/// use crm_core::values::{Multiline, clean_text};
///
/// assert_eq!(clean_text("name", " Acme ", 200, Multiline::No)?.as_deref(), Some("Acme"));
/// assert_eq!(clean_text("name", "  ", 200, Multiline::No)?, None);
/// # Ok::<(), crm_core::Error>(())
/// ```
pub fn clean_text(
    field: &str,
    text: &str,
    max_chars: usize,
    multiline: Multiline,
) -> Result<Option<String>> {
    let trimmed = text.trim();
    let text = if multiline == Multiline::Yes && trimmed.contains('\r') {
        trimmed.replace("\r\n", "\n").replace('\r', "\n")
    } else {
        trimmed.to_owned()
    };
    if text.is_empty() {
        return Ok(None);
    }
    let kept = |c: char| multiline == Multiline::Yes && matches!(c, '\n' | '\t');
    if let Some(c) = text.chars().find(|c| c.is_control() && !kept(*c)) {
        let message = match c {
            '\n' | '\r' | '\t' => "expected a single line without tabs".to_owned(),
            c => format!("must not contain the control character U+{:04X}", u32::from(c)),
        };
        return Err(Error::invalid(field, "CONTROL_CHARACTER", message));
    }
    let length = text.chars().count();
    if length > max_chars {
        let message = format!("expected at most {max_chars} characters, got {length}");
        return Err(Error::invalid(field, "TOO_LONG", message));
    }
    Ok(Some(text))
}

/// An optional text of a record: its field, itself, its most characters, and its lines.
pub(crate) type Optional<'a> = (&'static str, &'a mut Option<String>, usize, Multiline);

/// Brings optional texts to the form that they are stored in, and notes those that have none.
pub(crate) fn clean_texts<'a>(
    texts: impl IntoIterator<Item = Optional<'a>>,
    faults: &mut Faults,
) -> Result<()> {
    for (field, text, most, multiline) in texts {
        if let Some(given) = text
            && let Some(cleaned) = faults.absorb(clean_text(field, given, most, multiline))?
        {
            *text = cleaned;
        }
    }
    Ok(())
}

/// As [`clean_text`], where something must remain.
///
/// # Errors
/// `REQUIRED` where nothing does; otherwise as [`clean_text`].
pub fn required_text(
    field: &str,
    text: &str,
    max_chars: usize,
    multiline: Multiline,
) -> Result<String> {
    clean_text(field, text, max_chars, multiline)?.ok_or_else(|| {
        Error::invalid(field, "REQUIRED", format!("expected a text, got {}", quoted(text)))
    })
}

/// Whether a character shows nothing of its own, so that two texts look alike which are not:
/// joiners, marks of direction, fillers (Unicode's default ignorable code points, as far as people
/// meet them).
pub(crate) fn is_invisible(c: char) -> bool {
    matches!(
        u32::from(c),
        0xAD | 0x34F | 0x61C | 0x115F | 0x1160 | 0x17B4 | 0x17B5 | 0x180B..=0x180F
            | 0x200B..=0x200F | 0x202A..=0x202E | 0x2060..=0x206F | 0x3164 | 0xFE00..=0xFE0F
            | 0xFEFF | 0xFFA0 | 0xFFF0..=0xFFFB | 0xE0000..=0xE0FFF
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(result: Result<Option<String>>) -> &'static str {
        match result.unwrap_err() {
            Error::Invalid(faults) => faults[0].code,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn text_is_trimmed_and_nothing_is_absent() {
        let clean = |text| clean_text("name", text, 10, Multiline::No).unwrap();
        assert_eq!(clean("\u{a0} Ann  Lee\n"), Some("Ann  Lee".to_owned()));
        assert_eq!(clean(" \t\r\n "), None);
        assert_eq!(clean("éééééééééé"), Some("éééééééééé".to_owned()));
        assert!(required_text("name", " ", 10, Multiline::No).is_err());
    }

    #[test]
    fn several_lines_are_kept_only_where_they_are_meant() {
        let text = "one\r\ntwo\n\tthree\rfour";
        let kept = clean_text("note", text, 100, Multiline::Yes).unwrap().unwrap();
        assert_eq!(kept, "one\ntwo\n\tthree\nfour");
        assert_eq!(code(clean_text("name", text, 100, Multiline::No)), "CONTROL_CHARACTER");
    }

    #[test]
    fn control_characters_and_long_texts_are_refused() {
        for text in ["a\0b", "a\u{1b}[31m", "a\u{7f}b", "a\u{85}b"] {
            assert_eq!(code(clean_text("note", text, 9, Multiline::Yes)), "CONTROL_CHARACTER");
        }
        assert_eq!(code(clean_text("name", "12345678901", 10, Multiline::No)), "TOO_LONG");
    }
}
