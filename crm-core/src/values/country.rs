//! Countries by ISO 3166-1.

use std::collections::HashMap;
use std::fmt;
use std::sync::LazyLock;

use super::country_table::{COUNTRIES, Entry};
use super::{quoted, string_value};
use crate::error::{Error, Result};
use crate::near::near;
use crate::store::fold;

/// A country or territory of ISO 3166-1, kept as its alpha-2 code.
///
/// ```
/// use crm_core::values::Country;
///
/// assert_eq!(Country::parse("country", "South Korea")?.code(), "KR");
/// assert_eq!(Country::parse("country", "usa")?.name(), "United States");
/// # Ok::<(), crm_core::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Country(u8);

impl Country {
    /// The country that a person meant by its alpha-2 or alpha-3 code, its English short name or
    /// another common name, without regard to case, accents and punctuation.
    ///
    /// # Errors
    /// `INVALID_COUNTRY`, with the name that was perhaps meant. A near name is never taken.
    pub fn parse(field: &str, text: &str) -> Result<Self> {
        let key = key(text);
        if let Some(country) = BY_NAME.get(&key) {
            return Ok(*country);
        }
        let mut message = format!("expected a country's name or ISO code, got {}", quoted(text));
        let mut meant: Vec<&str> = Vec::new();
        for known in near(&key, BY_NAME.keys().map(String::as_str).filter(|name| name.len() > 3)) {
            if let Some(country) = BY_NAME.get(known)
                && !meant.contains(&country.name())
            {
                meant.push(country.name());
            }
        }
        meant.sort_unstable();
        if !meant.is_empty() {
            message.push_str(&format!("; did you mean {}?", meant.join(" or ")));
        }
        Err(Error::invalid(field, "INVALID_COUNTRY", message))
    }

    /// The country with this alpha-2 code, in upper case.
    pub fn from_code(code: &str) -> Option<Self> {
        let position = COUNTRIES.binary_search_by(|entry| entry.alpha2.cmp(code)).ok()?;
        u8::try_from(position).ok().map(Self)
    }

    /// The ISO 3166-1 alpha-2 code.
    pub fn code(self) -> &'static str {
        self.entry().alpha2
    }

    /// The ISO 3166-1 alpha-3 code.
    pub fn alpha3(self) -> &'static str {
        self.entry().alpha3
    }

    /// The English short name.
    pub fn name(self) -> &'static str {
        self.entry().name
    }

    /// All countries, by code.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..=u8::MAX).take(COUNTRIES.len()).map(Self)
    }

    /// The code, as all values of this module show themselves.
    pub fn as_str(&self) -> &'static str {
        self.code()
    }

    fn from_stored(text: String) -> Option<Self> {
        Self::from_code(&text)
    }

    fn entry(self) -> &'static Entry {
        &COUNTRIES[usize::from(self.0)]
    }
}

string_value!(Country, Code, "DE");

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

static BY_NAME: LazyLock<HashMap<String, Country>> = LazyLock::new(|| {
    let mut names = HashMap::with_capacity(1_200);
    for country in Country::all() {
        let entry = country.entry();
        for name in [entry.alpha2, entry.alpha3, entry.name].iter().chain(entry.others) {
            names.insert(key(name), country);
        }
    }
    names
});

// The folded words of a name: "St. Kitts & Nevis" and "Saint Kitts and Nevis" are one.
fn key(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in fold(text).chars().take(100) {
        match c {
            '.' | '\'' | '’' | '`' => {}
            '&' => plain.push_str(" and "),
            c if c.is_alphanumeric() => plain.push(c),
            _ => plain.push(' '),
        }
    }
    let words = plain.split_whitespace().map(|word| if word == "st" { "saint" } else { word });
    let words: Vec<&str> = words.collect();
    match &words[..] {
        ["the", rest @ ..] if !rest.is_empty() => rest.join(" "),
        all => all.join(" "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn countries_are_known_by_code_and_by_the_names_that_people_write() {
        for (text, code) in [
            ("DE", "DE"),
            ("deu", "DE"),
            ("Germany", "DE"),
            (" USA ", "US"),
            ("U.S.A.", "US"),
            ("the united states", "US"),
            ("UK", "GB"),
            ("Great Britain", "GB"),
            ("south korea", "KR"),
            ("Korea, Republic of", "KR"),
            ("TÜRKIYE", "TR"),
            ("Turkey", "TR"),
            ("cote d'ivoire", "CI"),
            ("Côte d’Ivoire", "CI"),
            ("St. Kitts & Nevis", "KN"),
            ("Viet Nam", "VN"),
            ("Hong Kong", "HK"),
            ("Czech Republic", "CZ"),
            ("The Netherlands", "NL"),
            ("Guinea-Bissau", "GW"),
            ("Österreich", "AT"),
        ] {
            assert_eq!(Country::parse("country", text).unwrap().code(), code, "{text}");
        }
    }

    #[test]
    fn a_misspelt_country_is_refused_with_what_was_perhaps_meant() {
        for (text, meant) in [
            ("Phillipines", "did you mean Philippines?"),
            ("Germny", "did you mean Germany?"),
            ("Untied States", "did you mean United States?"),
            ("Afganistan", "did you mean Afghanistan?"),
        ] {
            let error = Country::parse("address.country", text).unwrap_err();
            let Error::Invalid(faults) = error else { panic!("{error:?}") };
            assert_eq!(
                (faults[0].field.as_str(), faults[0].code),
                ("address.country", "INVALID_COUNTRY")
            );
            assert!(faults[0].message.contains(meant), "{}", faults[0].message);
        }
        for text in ["", "XX", "Atlantis", "12", "\0"] {
            let error = Country::parse("country", text).unwrap_err().to_string();
            assert!(!error.contains("did you mean"), "{error}");
        }
    }

    #[test]
    fn the_table_is_whole_sorted_and_no_name_means_two_countries() {
        assert_eq!(Country::all().count(), 249);
        assert!(COUNTRIES.windows(2).all(|pair| pair[0].alpha2 < pair[1].alpha2));
        for country in Country::all() {
            let entry = country.entry();
            assert_eq!(Country::from_code(country.code()), Some(country));
            for name in [entry.alpha2, entry.alpha3, entry.name].iter().chain(entry.others) {
                assert_eq!(Country::parse("", name).unwrap(), country, "{name}");
            }
        }
    }
}
