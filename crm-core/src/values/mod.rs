//! The product's own rules for the values that people type: countries, currencies, e-mail
//! addresses, phone numbers, links and plain text.
//!
//! Every service cleans values here and nowhere else, so that an import, a form and an API call
//! store the same thing. Nothing in here guesses: what cannot be understood is refused with
//! [`Error::Invalid`](crate::Error::Invalid) naming the field, and where a slip is likely the
//! message says what was perhaps meant. Gather several with [`Faults`](crate::Faults):
//!
//! ```
//! use crm_core::Faults;
//! use crm_core::values::{Country, Email};
//!
//! let mut faults = Faults::default();
//! let email = faults.absorb(Email::parse("email", " Ann@Example.com "))?;
//! let country = faults.absorb(Country::parse("country", "Phillipines"))?;
//! assert_eq!(email.unwrap().as_str(), "Ann@Example.com");
//! assert!(country.is_none());
//! assert!(faults.into_result().unwrap_err().to_string().contains("did you mean Philippines"));
//! # Ok::<(), crm_core::Error>(())
//! ```

mod color;
mod contacts;
mod country;
mod country_table;
mod currency;
mod decimal;
mod domain;
mod email;
mod locale;
mod phone;
mod text;
mod time_zone;
mod web_url;

pub use color::Color;
pub(crate) use contacts::Contacts;
pub use country::Country;
pub use currency::Currency;
pub use decimal::parse_decimal;
pub use domain::Domain;
pub use email::Email;
pub use locale::Locale;
pub use phone::Phone;
pub use text::{Multiline, clean_text, required_text};
pub(crate) use text::{clean_texts, is_invisible};
pub use time_zone::TimeZone;
pub use web_url::WebUrl;

/// What every value here has in common: it is stored, shown and sent as a string, and read from
/// one by its `parse`. The type brings `as_str`, `parse` and `from_stored`.
macro_rules! string_value {
    ($type:ident, $kind:ident, $example:literal) => {
        impl crate::entity::FieldType for $type {
            const KIND: crate::store::Kind = crate::store::Kind::$kind;
            const READING: Option<crate::store::Reading> = Some(crate::store::Reading {
                read: |text| Self::parse("", text).map(|value| value.as_str().to_owned()),
                example: $example,
            });
            type Plain = Self;
            fn into_value(self) -> crate::store::Value {
                crate::store::Value::Text(self.as_str().to_owned())
            }
            fn from_value(value: crate::store::Value) -> Option<Self> {
                match value {
                    crate::store::Value::Text(text) => Self::from_stored(text),
                    _ => None,
                }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $type {
            type Err = crate::Error;
            fn from_str(text: &str) -> crate::Result<Self> {
                Self::parse("", text)
            }
        }

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <String as serde::Deserialize>::deserialize(deserializer)?;
                Self::parse("", &text).map_err(serde::de::Error::custom)
            }
        }
    };
}
use string_value;

/// What was typed, as an error shows it: quoted, and cut where it is long.
fn quoted(text: &str) -> String {
    const SHOWN: usize = 60;
    if text.chars().count() <= SHOWN {
        format!("{text:?}")
    } else {
        let start: String = text.chars().take(SHOWN).collect();
        format!("{start:?}…")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::entity::FieldType;
    use crate::store::Value;

    macro_rules! holds_what_it_parsed {
        ($($type:ident),*) => {$(
            survives($type::parse, |v: &$type| v.as_str().to_owned());
        )*};
    }

    // A value that was accepted is accepted again as it is, and survives storing and JSON.
    fn survives<T>(parse: fn(&str, &str) -> crate::Result<T>, show: fn(&T) -> String)
    where
        T: FieldType + PartialEq + std::fmt::Debug + serde::Serialize + serde::de::DeserializeOwned,
    {
        let samples = [
            "DE",
            "Germany",
            "EUR",
            "a@b.example",
            "+4930123456",
            "030 123456",
            "example.com",
            "http://x.example/a?b#c",
            "Europe/Berlin",
            "de-AT",
            "zh_hant_tw",
            "#ABC",
            "#A1b2C3",
        ];
        let reading = T::READING.unwrap();
        assert_eq!((reading.read)(reading.example).unwrap(), reading.example);
        let mut accepted = 0;
        for sample in samples {
            let Ok(value) = parse("field", sample) else { continue };
            accepted += 1;
            let text = show(&value);
            assert_eq!(parse("field", &text).unwrap(), value, "{text}");
            assert_eq!(value.clone().into_value(), Value::Text(text.clone()));
            assert_eq!(T::from_value(value.clone().into_value()), Some(value.clone()));
            let json = serde_json::to_string(&value).unwrap();
            assert_eq!(serde_json::from_str::<T>(&json).unwrap(), value);
        }
        assert!(accepted > 0);
    }

    #[test]
    fn an_accepted_value_survives_parsing_again_storing_and_json() {
        holds_what_it_parsed!(
            Country, Currency, Email, WebUrl, TimeZone, Locale, Color, Phone, Domain
        );
    }

    proptest! {
        #[test]
        fn whatever_is_typed_is_answered_and_what_is_accepted_is_stable(
            text in prop_oneof![".{0,40}", "[+0-9 ()./x-]{0,24}", "[a-zé@.\" -]{0,30}", "(https?:)?(//)?[a-z0-9.:@/?#-]{0,24}"],
        ) {
            if let Ok(v) = Country::parse("f", &text) { prop_assert_eq!(Country::parse("f", v.as_str()).unwrap(), v); }
            if let Ok(v) = Currency::parse("f", &text) { prop_assert_eq!(Currency::parse("f", v.as_str()).unwrap(), v); }
            if let Ok(v) = Email::parse("f", &text) { prop_assert_eq!(Email::parse("f", v.as_str()).unwrap(), v); }
            if let Ok(v) = Phone::parse("f", &text) { prop_assert_eq!(Phone::parse("f", v.as_str()).unwrap(), v); }
            if let Ok(v) = WebUrl::parse("f", &text) { prop_assert_eq!(WebUrl::parse("f", v.as_str()).unwrap(), v); }
            if let Ok(v) = TimeZone::parse("f", &text) { prop_assert_eq!(TimeZone::parse("f", v.as_str()).unwrap(), v); }
            if let Ok(v) = Locale::parse("f", &text) { prop_assert_eq!(Locale::parse("f", v.as_str()).unwrap(), v); }
            if let Ok(v) = Color::parse("f", &text) { prop_assert_eq!(Color::parse("f", v.as_str()).unwrap(), v); }
            if let Ok(v) = Domain::parse("f", &text) { prop_assert_eq!(Domain::parse("f", v.as_str()).unwrap(), v); }
            if let Ok(Some(v)) = clean_text("f", &text, 30, Multiline::Yes) { prop_assert_eq!(clean_text("f", &v, 30, Multiline::Yes).unwrap(), Some(v)); }
        }
    }
}
