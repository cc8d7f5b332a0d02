//! How somebody is reached and where they are: the values that customers and companies share.

use super::{Country, Currency, Email, Phone, WebUrl};
use crate::error::{Faults, Result};

/// What is cleaned together, because a phone number is read by the rules of its country.
#[derive(Debug)]
pub(crate) struct Contacts<'a> {
    pub(crate) email: &'a mut Option<String>,
    pub(crate) phone: &'a mut Option<String>,
    pub(crate) website: &'a mut Option<String>,
    pub(crate) country: &'a mut Option<String>,
    pub(crate) currency: &'a mut Option<String>,
}

impl Contacts<'_> {
    /// Brings each to the form that it is stored in, and notes those that have none. Blank ones
    /// are absent.
    pub(crate) fn clean(self, faults: &mut Faults) -> Result<()> {
        let Self { email, phone, website, country, currency } = self;
        for text in [&mut *email, phone, website, country, currency] {
            if text.as_deref().is_some_and(|text| text.trim().is_empty()) {
                *text = None;
            }
        }
        let mut parsed_country = None;
        if let Some(given) = country
            && let Some(parsed) = faults.absorb(Country::parse("country", given))?
        {
            parsed_country = Some(parsed);
            *country = Some(parsed.code().to_owned());
        }
        if let Some(given) = email
            && let Some(parsed) = faults.absorb(Email::parse("email", given))?
        {
            *email = Some(parsed.as_str().to_owned());
        }
        if let Some(given) = phone
            && let Some(parsed) = faults.absorb(Phone::parse_in("phone", given, parsed_country))?
        {
            *phone = Some(parsed.as_str().to_owned());
        }
        if let Some(given) = website
            && let Some(parsed) = faults.absorb(WebUrl::parse("website", given))?
        {
            *website = Some(parsed.as_str().to_owned());
        }
        if let Some(given) = currency
            && let Some(parsed) = faults.absorb(Currency::parse("currency", given))?
        {
            *currency = Some(parsed.code().to_owned());
        }
        Ok(())
    }
}
