//! Languages and how things are written in them, by BCP 47.

use super::{quoted, string_value};
use crate::error::{Error, Result};

/// A language tag such as `de-AT` or `zh-Hant-TW`, in the customary case. Its shape is checked,
/// not whether the subtags are registered.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Locale(String);

impl Locale {
    /// The tag in `text`; an underscore is taken for a hyphen, and any case.
    ///
    /// # Errors
    /// `INVALID_LOCALE`.
    pub fn parse(field: &str, text: &str) -> Result<Self> {
        read(text.trim()).map(Self).ok_or_else(|| {
            let message =
                format!("expected a language tag such as en or de-AT, got {}", quoted(text));
            Error::invalid(field, "INVALID_LOCALE", message)
        })
    }

    /// The tag.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The language alone: `de` of `de-AT`.
    pub fn language(&self) -> &str {
        self.0.split('-').next().unwrap_or_default()
    }

    fn from_stored(text: String) -> Option<Self> {
        Some(Self(text))
    }
}

string_value!(Locale, Code, "de-AT");

// language ["-" script] ["-" region] *("-" variant) *("-" extension), in this order.
fn read(text: &str) -> Option<String> {
    if text.len() > 35 {
        return None;
    }
    let mut parts = text.split(['-', '_']).peekable();
    let alpha = |part: &str| part.bytes().all(|b| b.is_ascii_alphabetic());
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let alphanumeric = |part: &str| part.bytes().all(|b| b.is_ascii_alphanumeric());
    let language = parts.next().filter(|part| (2..=3).contains(&part.len()) && alpha(part))?;
    let mut tag = language.to_ascii_lowercase();
    if let Some(script) = parts.next_if(|part| part.len() == 4 && alpha(part)) {
        tag.push('-');
        let (first, rest) = script.split_at_checked(1)?;
        tag.push_str(&first.to_ascii_uppercase());
        tag.push_str(&rest.to_ascii_lowercase());
    }
    let is_region =
        |part: &&str| (part.len() == 2 && alpha(part)) || (part.len() == 3 && digits(part));
    if let Some(region) = parts.next_if(is_region) {
        tag.push('-');
        tag.push_str(&region.to_ascii_uppercase());
    }
    let is_variant = |part: &&str| {
        let long = (5..=8).contains(&part.len());
        let short = part.len() == 4 && part.starts_with(|c: char| c.is_ascii_digit());
        (long || short) && alphanumeric(part)
    };
    while let Some(variant) = parts.next_if(is_variant) {
        tag.push('-');
        tag.push_str(&variant.to_ascii_lowercase());
    }
    while let Some(singleton) = parts.next() {
        if singleton.len() != 1 || !alphanumeric(singleton) {
            return None;
        }
        tag.push('-');
        tag.push_str(&singleton.to_ascii_lowercase());
        let least = if singleton.eq_ignore_ascii_case("x") { 1 } else { 2 };
        let mut any = false;
        while let Some(part) =
            parts.next_if(|part| (least..=8).contains(&part.len()) && alphanumeric(part))
        {
            any = true;
            tag.push('-');
            tag.push_str(&part.to_ascii_lowercase());
        }
        if !any {
            return None;
        }
    }
    Some(tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_brought_to_their_customary_case() {
        for (text, tag) in [
            ("en", "en"),
            ("DE_at", "de-AT"),
            ("zh-hant-tw", "zh-Hant-TW"),
            ("es-419", "es-419"),
            ("sl-rozaj-1994", "sl-rozaj-1994"),
            ("de-DE-u-co-phonebk", "de-DE-u-co-phonebk"),
        ] {
            let locale = Locale::parse("locale", text).unwrap();
            assert_eq!(locale.as_str(), tag);
            assert_eq!(locale.language(), tag.get(..2).unwrap());
        }
    }

    #[test]
    fn what_is_no_tag_is_refused() {
        for text in ["", "e", "english", "de-", "de--AT", "de-ATX", "de-AT-", "en-u", "dé", "de DE"]
        {
            assert!(Locale::parse("locale", text).is_err(), "{text}");
        }
    }
}
