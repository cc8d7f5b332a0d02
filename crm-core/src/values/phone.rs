//! Phone numbers.

use std::fmt::Write;

use phonenumber::country::Id;

use super::{Country, quoted, string_value};
use crate::error::{Error, Result};

/// A phone number: in E.164 where it is a valid one of its country's plan, as it was typed where
/// it is not, so that nothing that someone could still dial is lost.
///
/// An extension has no place in E.164, so a number with one stays as typed.
///
/// ```
/// use crm_core::values::{Country, Phone};
///
/// let phone = Phone::parse_in("phone", "030 / 901 820", Country::from_code("DE"))?;
/// assert_eq!(phone.as_str(), "+4930901820");
/// let phone = Phone::parse("phone", "555-0123")?;
/// assert_eq!((phone.as_str(), phone.e164()), ("555-0123", None));
/// # Ok::<(), crm_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Phone(String);

impl Phone {
    /// The most characters of a number that is kept as typed.
    pub const MAX_LENGTH: usize = 40;

    /// The number in `text`; without a country, only one that begins with `+` becomes E.164.
    ///
    /// # Errors
    /// `INVALID_PHONE` where it is not a phone number at all.
    pub fn parse(field: &str, text: &str) -> Result<Self> {
        Self::parse_in(field, text, None)
    }

    /// The number in `text`, of `country` where it does not say itself.
    ///
    /// # Errors
    /// `INVALID_PHONE` where it is not a phone number at all.
    pub fn parse_in(field: &str, text: &str, country: Option<Country>) -> Result<Self> {
        let typed = text.trim();
        if let Some(fault) = fault_of(typed) {
            let message = format!("expected a phone number, got {}: {fault}", quoted(typed));
            return Err(Error::invalid(field, "INVALID_PHONE", message));
        }
        Ok(Self(to_e164(typed, country).unwrap_or_else(|| typed.to_owned())))
    }

    /// The number: E.164 where possible, else as typed.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The number in E.164, where it is one.
    pub fn e164(&self) -> Option<&str> {
        (to_e164(&self.0, None)? == self.0).then_some(&self.0)
    }

    /// The country whose number it is, where that is known.
    pub fn country(&self) -> Option<Country> {
        let number = phonenumber::parse(None, self.e164()?).ok()?;
        Country::from_code(number.country().id()?.as_ref())
    }

    fn from_stored(text: String) -> Option<Self> {
        Some(Self(text))
    }
}

string_value!(Phone, Text, "+4930901820");

fn fault_of(typed: &str) -> Option<&'static str> {
    let digits = typed.chars().filter(char::is_ascii_digit).count();
    let letters = typed.chars().filter(char::is_ascii_alphabetic).count();
    let allowed = |c: char| c.is_ascii_alphanumeric() || " +-./(),;:#*\u{a0}\u{2011}–".contains(c);
    if typed.chars().count() > Phone::MAX_LENGTH || digits + letters > 26 {
        Some("it is too long")
    } else if digits < 3 {
        Some("it has fewer than three digits")
    } else if !typed.chars().all(allowed) {
        Some("it has a character that no phone number has")
    } else if letters > 10 {
        Some("it has too many letters")
    } else {
        None
    }
}

fn to_e164(typed: &str, country: Option<Country>) -> Option<String> {
    let region: Option<Id> = country.and_then(|country| country.code().parse().ok());
    // Vanity letters and extensions stay as they were typed.
    if typed.contains(|c: char| c.is_ascii_alphabetic() || ",;#*:".contains(c)) {
        return None;
    }
    // Without a country, a number says where it is only by its plus.
    if region.is_none() && !typed.starts_with('+') {
        return None;
    }
    let dialled: String = typed.chars().filter(|c| c.is_ascii_digit() || *c == '+').collect();
    if dialled.rfind('+') > Some(0) {
        return None;
    }
    // "+44 (0)20 …": the zero in brackets is for callers at home.
    let dialled = if typed.starts_with('+') && typed.contains("(0)") {
        let without = typed.replacen("(0)", "", 1);
        without.chars().filter(|c| c.is_ascii_digit() || *c == '+').collect()
    } else {
        dialled
    };
    let number = phonenumber::parse(region, &dialled).ok()?;
    if !number.is_valid() || number.extension().is_some() {
        return None;
    }
    let mut e164 = String::with_capacity(16);
    write!(e164, "+{}{}", number.code().value(), number.national()).ok()?;
    Some(e164)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, country: &str) -> String {
        let phone = Phone::parse_in("phone", text, Country::from_code(country)).unwrap();
        phone.as_str().to_owned()
    }

    #[test]
    fn numbers_become_e164_by_their_plus_or_by_their_country() {
        for (text, country, e164) in [
            ("+1 202 555 0123", "", "+12025550123"),
            ("(202) 555-0123", "US", "+12025550123"),
            ("+49 (0)30 901820", "", "+4930901820"),
            ("0171 1234567", "DE", "+491711234567"),
            ("+44 20 7946 0018", "DE", "+442079460018"),
            ("020 7946 0018", "GB", "+442079460018"),
            ("06 1234 5678", "IT", "+390612345678"),
            ("+33 1 42 68 53 00", "", "+33142685300"),
            ("090-1234-5678", "JP", "+819012345678"),
            ("0 532 123 45 67", "TR", "+905321234567"),
        ] {
            assert_eq!(parse(text, country), e164, "{text}");
            assert_eq!(Phone::parse("", e164).unwrap().e164(), Some(e164));
        }
    }

    #[test]
    fn what_is_not_valid_anywhere_is_kept_as_typed() {
        for text in [
            "+1-555-0123",
            "+1234567890",
            "555 0123",
            "030 901820",
            "+999 12345678",
            "1-800-FLOWERS",
            "+1 202 555 0123 ext. 42",
            "112",
            "++49 30 901820",
        ] {
            let phone = Phone::parse("phone", &format!(" {text} ")).unwrap();
            assert_eq!((phone.as_str(), phone.e164()), (text, None));
            assert_eq!(phone.country(), None);
        }
    }

    #[test]
    fn what_is_no_phone_number_is_refused() {
        for text in [
            "",
            "n/a",
            "call me",
            "ann@example.com",
            "12",
            "+",
            "030\n901820",
            "1234567890123456789012345678",
            "Mobile phone: 0171 1234567",
            "0171 123<b>",
        ] {
            assert!(Phone::parse("phone", text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_number_knows_its_country() {
        let country = |text| Phone::parse("", text).unwrap().country().map(Country::code);
        assert_eq!(country("+4930901820"), Some("DE"));
        assert_eq!(country("+12025550123"), Some("US"));
        assert_eq!(country("+14165550123"), Some("CA"));
        assert_eq!(country("+442079460018"), Some("GB"));
    }
}
