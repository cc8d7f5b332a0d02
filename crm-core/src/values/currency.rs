//! Currencies by ISO 4217.

use std::fmt;

use super::{quoted, string_value};
use crate::error::{Error, Result};

/// A currency of ISO 4217 that money can be counted in: one with a minor unit. Precious metals,
/// test codes and the like are none.
///
/// ```
/// use crm_core::values::Currency;
///
/// let yen = Currency::parse("currency", "jpy")?;
/// assert_eq!((yen.code(), yen.minor_units()), ("JPY", 0));
/// # Ok::<(), crm_core::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency(iso_currency::Currency);

impl Currency {
    /// The euro.
    pub const EUR: Self = Self(iso_currency::Currency::EUR);
    /// The dollar of the United States.
    pub const USD: Self = Self(iso_currency::Currency::USD);

    /// The currency with this code, in any case.
    ///
    /// # Errors
    /// `INVALID_CURRENCY`.
    pub fn parse(field: &str, text: &str) -> Result<Self> {
        Self::from_code(&text.trim().to_ascii_uppercase()).ok_or_else(|| {
            let message = format!(
                "expected the ISO 4217 code of a currency such as EUR, got {}",
                quoted(text)
            );
            Error::invalid(field, "INVALID_CURRENCY", message)
        })
    }

    /// The currency with this code, in upper case.
    pub fn from_code(code: &str) -> Option<Self> {
        iso_currency::Currency::from_code(code).filter(|c| c.exponent().is_some()).map(Self)
    }

    /// The ISO 4217 code.
    pub fn code(self) -> &'static str {
        self.0.code()
    }

    /// Digits after the point: 2 for EUR, 0 for JPY, 3 for KWD.
    pub fn minor_units(self) -> u32 {
        self.0.exponent().map_or(2, u32::from)
    }

    /// The English name.
    pub fn name(&self) -> &str {
        self.0.name()
    }

    /// The code, as all values of this module show themselves.
    pub fn as_str(&self) -> &'static str {
        self.code()
    }

    fn from_stored(text: String) -> Option<Self> {
        Self::from_code(&text)
    }
}

string_value!(Currency, Code, "EUR");

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn currencies_are_known_by_code_with_their_minor_units() {
        for (text, code, units) in
            [("EUR", "EUR", 2), (" usd", "USD", 2), ("Jpy", "JPY", 0), ("KWD", "KWD", 3)]
        {
            let currency = Currency::parse("currency", text).unwrap();
            assert_eq!((currency.code(), currency.minor_units()), (code, units));
        }
    }

    #[test]
    fn what_money_cannot_be_counted_in_is_refused() {
        for text in ["", "€", "Euro", "EURO", "XXX", "XAU", "ABC"] {
            assert!(Currency::parse("currency", text).is_err(), "{text}");
        }
    }
}
