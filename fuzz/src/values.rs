//! Values as people write them: cleaned once, they stay as they are.

use crm_core::store::{fold, words};
use crm_core::values::{
    Color, Country, Currency, Email, Locale, Multiline, Phone, TimeZone, WebUrl, clean_text,
    parse_decimal,
};
use crm_core::{Error, Result};

pub(crate) fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let key = fold(text);
    assert_eq!(fold(&key), key, "folding once is folding for good");
    for word in words(text) {
        assert_eq!(fold(&word), word);
        assert!(!word.contains(char::is_whitespace), "{word:?}");
    }

    stays(text, |text| Ok(Color::parse("f", text)?.as_str().to_owned()));
    stays(text, |text| Ok(Country::parse("f", text)?.as_str().to_owned()));
    stays(text, |text| Ok(Currency::parse("f", text)?.as_str().to_owned()));
    stays(text, |text| Ok(Email::parse("f", text)?.as_str().to_owned()));
    stays(text, |text| Ok(Locale::parse("f", text)?.as_str().to_owned()));
    stays(text, |text| Ok(TimeZone::parse("f", text)?.as_str().to_owned()));
    stays(text, |text| Ok(WebUrl::parse("f", text)?.as_str().to_owned()));
    stays(text, |text| Ok(parse_decimal("f", text)?.to_string()));
    for lines in [Multiline::Yes, Multiline::No] {
        stays(text, |text| Ok(clean_text("f", text, 200, lines)?.unwrap_or_default()));
    }
    for country in [None, Country::from_code("DE"), Country::from_code("US")] {
        stays(text, |text| Ok(Phone::parse_in("f", text, country)?.as_str().to_owned()));
        if let Ok(phone) = Phone::parse_in("f", text, country) {
            assert!(phone.as_str().len() <= 4 * Phone::MAX_LENGTH);
            // What is kept means the same wherever it is read again.
            if let Some(e164) = phone.e164() {
                let again = Phone::parse("f", e164).unwrap();
                assert_eq!(again.e164(), Some(e164));
            }
        }
    }
}

/// That what was read is read again as the same, and that what is refused names its field.
fn stays(text: &str, read: impl Fn(&str) -> Result<String>) {
    match read(text) {
        Ok(kept) => match read(&kept) {
            Ok(again) => assert_eq!(again, kept),
            Err(error) => panic!("{text:?} was kept as {kept:?}, which is refused: {error}"),
        },
        Err(Error::Invalid(faults)) => {
            assert!(faults.iter().all(|fault| fault.field == "f" && !fault.message.is_empty()));
        }
        Err(error) => panic!("{error:?}"),
    }
}
