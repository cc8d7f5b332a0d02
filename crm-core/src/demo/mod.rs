//! Invented people and firms, for looking round and for load tests: the same ones for the same
//! seed, on every machine and in every version.
//!
//! Nobody in here exists. Addresses of mail and web are on domains that are reserved for examples
//! (RFC 2606); phone numbers are from the ranges that numbering authorities set aside for fiction,
//! so that they are valid in their country and ring nowhere. This module writes nothing and knows
//! no record type: who hosts it turns people into customers.
//!
//! ```
//! use crm_core::demo::{Demo, Flavour};
//!
//! let mut demo = Demo::new(Flavour::Software, 42);
//! let company = demo.company();
//! let person = demo.person_at(&company);
//! assert!(person.email.ends_with(&company.domain));
//! assert_eq!(Demo::new(Flavour::Software, 42).company(), company);
//! ```

mod firms;
mod names;
mod places;
mod random;
mod texts;

use std::collections::HashSet;

use self::names::Pool;
use self::places::{PLACES, Place};
use self::random::SplitMix;
use crate::store::fold;

/// What kind of tenant is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Flavour {
    /// A vendor of software, selling subscriptions to firms.
    Software,
    /// A coaching agency, selling packages to people: coach, closer and setter on each.
    Coaching,
}

/// The tenant of a flavour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DemoTenant {
    /// What it is called.
    pub name: &'static str,
    /// What it is called in addresses.
    pub slug: &'static str,
    /// The domain of its staff's mail.
    pub domain: &'static str,
    /// Its IANA time zone.
    pub time_zone: &'static str,
    /// Its ISO 4217 currency.
    pub currency: &'static str,
    /// Its ISO 3166-1 alpha-2 country.
    pub country: &'static str,
}

/// Something that a tenant sells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DemoProduct {
    /// Its name.
    pub name: &'static str,
    /// `product`, `service` or `package`.
    pub kind: &'static str,
    /// Its price in hundredths of the tenant's currency.
    pub price_cents: i64,
    /// What it is.
    pub description: &'static str,
}

/// A person who does not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DemoPerson {
    /// Given name.
    pub given_name: String,
    /// Family name.
    pub family_name: String,
    /// Mail address; no two people of one [`Demo`] share one.
    pub email: String,
    /// Phone number in E.164.
    pub phone: String,
    /// What they do.
    pub job_title: &'static str,
    /// Where they live or work.
    pub address: DemoAddress,
}

impl DemoPerson {
    /// Given and family name.
    pub fn full_name(&self) -> String {
        format!("{} {}", self.given_name, self.family_name)
    }
}

/// A firm that does not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DemoCompany {
    /// Its name with its legal form; no two firms of one [`Demo`] share one.
    pub name: String,
    /// What it does.
    pub industry: &'static str,
    /// The domain of its mail and web; no two firms of one [`Demo`] share one.
    pub domain: String,
    /// Its site.
    pub website: String,
    /// Its general mail address.
    pub email: String,
    /// Phone number in E.164.
    pub phone: String,
    /// How many people work there.
    pub employees: i64,
    /// What it takes in a year, in whole units of its country's currency.
    pub annual_revenue: i64,
    /// The ISO 4217 currency of its country.
    pub currency: &'static str,
    /// Where it is.
    pub address: DemoAddress,
}

/// Where somebody is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DemoAddress {
    /// Street and number, in the country's order.
    pub street: String,
    /// Postal code, in the country's form.
    pub postal_code: String,
    /// City.
    pub city: &'static str,
    /// State, province, county or none.
    pub region: &'static str,
    /// ISO 3166-1 alpha-2 code of the country.
    pub country: &'static str,
}

/// Invents people, firms and what is written about them, one after another.
#[derive(Debug, Clone)]
pub struct Demo {
    flavour: Flavour,
    random: SplitMix,
    emails: HashSet<String>,
    domains: HashSet<String>,
    companies: HashSet<String>,
}

impl Demo {
    /// The sequence of a seed. Each flavour has its own.
    pub fn new(flavour: Flavour, seed: u64) -> Self {
        let random = SplitMix::new(seed ^ ((flavour as u64 + 1) << 56));
        let none = HashSet::new;
        Self { flavour, random, emails: none(), domains: none(), companies: none() }
    }

    /// The tenant.
    pub fn tenant(&self) -> DemoTenant {
        firms::tenant(self.flavour)
    }

    /// What the tenant sells.
    pub fn products(&self) -> &'static [DemoProduct] {
        firms::products(self.flavour)
    }

    /// Somebody who works for the tenant.
    pub fn colleague(&mut self) -> DemoPerson {
        let tenant = self.tenant();
        let place = self.place_in(tenant.country);
        let title = *self.pick(texts::staff_titles(self.flavour));
        self.somebody(place, tenant.domain, title)
    }

    /// Somebody at home: a customer who is a person, or a lead.
    pub fn person(&mut self) -> DemoPerson {
        let place = self.place();
        let domain = *self.pick(&["example.com", "example.org", "example.net"]);
        let title = *self.pick(texts::JOB_TITLES);
        self.somebody(place, domain, title)
    }

    /// Somebody who works at a firm.
    pub fn person_at(&mut self, company: &DemoCompany) -> DemoPerson {
        let place = self.place_in(company.address.country);
        let title = *self.pick(texts::JOB_TITLES);
        let person = self.somebody(place, &company.domain, title);
        DemoPerson { address: company.address.clone(), phone: company.phone.clone(), ..person }
    }

    /// A firm.
    pub fn company(&mut self) -> DemoCompany {
        let place = self.place();
        let (industry, trade) = *self.pick(firms::INDUSTRIES);
        let (name, domain) = self.firm_name(trade, place.country.legal_form());
        // Most firms are small: the size is picked by its magnitude.
        let magnitude = *self.pick(&[8, 15, 25, 40, 80, 120, 250, 600, 1_500, 6_000]);
        let employees = magnitude + self.below(magnitude as u64) as i64;
        let per_head = 60_000 + self.below(140_000) as i64;
        DemoCompany {
            industry,
            website: format!("https://www.{domain}"),
            email: format!("{}@{domain}", self.pick(&["hello", "info", "office", "contact"])),
            phone: self.digits(place.phone),
            employees,
            annual_revenue: employees * per_head / 1_000 * 1_000,
            currency: place.country.currency(),
            address: self.address(place),
            name,
            domain,
        }
    }

    /// A note that somebody wrote about a person.
    pub fn note(&mut self, person: &DemoPerson) -> String {
        let template = *self.pick(texts::notes(self.flavour));
        self.fill(template, person)
    }

    /// What was talked about in a call, mail or meeting.
    pub fn conversation(&mut self, person: &DemoPerson) -> String {
        let template = *self.pick(texts::CONVERSATIONS);
        self.fill(template, person)
    }

    /// What is to be done next.
    pub fn follow_up(&mut self, person: &DemoPerson) -> String {
        let template = *self.pick(texts::FOLLOW_UPS);
        self.fill(template, person)
    }

    /// The subject of a ticket.
    pub fn ticket_subject(&mut self) -> &'static str {
        self.pick::<&'static str>(texts::tickets(self.flavour))
    }

    /// What a deal is called: what is sold, to whom.
    pub fn deal_title(&mut self, customer: &str) -> String {
        let products = self.products();
        format!("{} for {customer}", self.pick(products).name)
    }

    /// One of several.
    ///
    /// # Panics
    /// Where there are none.
    pub fn pick<'a, T>(&mut self, among: &'a [T]) -> &'a T {
        let place = self.below(among.len() as u64);
        &among[usize::try_from(place).unwrap_or(0)]
    }

    /// A number below `bound`, or 0 where that is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.random.below(bound)
    }

    /// True so many times in a hundred.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    // A name and a domain that no firm has yet.
    fn firm_name(&mut self, trade: &str, legal_form: &str) -> (String, String) {
        loop {
            let first = *self.pick(firms::FIRST_HALVES);
            let coined = format!("{first}{}", self.pick(firms::SECOND_HALVES));
            let number = self.below(100_000);
            let (short, kind) = (slug(&coined), slug(trade));
            let name = if self.chance(60) {
                format!("{coined} {trade} {legal_form}")
            } else {
                format!("{coined} {legal_form}")
            };
            // Once the short domains are used up, longer ones are taken.
            let choices = [
                (name, format!("{short}.example")),
                (format!("{coined} {trade} {legal_form}"), format!("{short}-{kind}.example")),
                (
                    format!("{coined} {trade} {number} {legal_form}"),
                    format!("{short}{number}.example"),
                ),
            ];
            let free = choices.into_iter().find(|(name, domain)| {
                !self.domains.contains(domain) && !self.companies.contains(name)
            });
            if let Some((name, domain)) = free {
                self.companies.insert(name.clone());
                self.domains.insert(domain.clone());
                return (name, domain);
            }
        }
    }

    fn place(&mut self) -> &'static Place {
        // A tenant sells at home more often than not.
        if self.chance(55) {
            let home = self.tenant().country;
            self.place_in(home)
        } else {
            self.pick(PLACES)
        }
    }

    fn place_in(&mut self, country: &str) -> &'static Place {
        let there = || PLACES.iter().filter(|place| place.country.code() == country);
        let nth = self.below(there().count() as u64);
        let place = usize::try_from(nth).ok().and_then(|nth| there().nth(nth));
        place.unwrap_or_else(|| self.pick(PLACES))
    }

    fn somebody(&mut self, place: &'static Place, domain: &str, title: &'static str) -> DemoPerson {
        let pool: &Pool =
            if self.chance(70) { place.country.names() } else { self.pick(names::POOLS) };
        let given_name = (*self.pick(pool.given)).to_owned();
        let family_name = (*self.pick(pool.family)).to_owned();
        let (given, family) = (slug(&given_name), slug(&family_name));
        let initial = given.get(..1).unwrap_or_default();
        let local = match self.below(4) {
            0 => format!("{initial}.{family}"),
            1 => format!("{given}{family}"),
            _ => format!("{given}.{family}"),
        };
        let mut email = format!("{local}@{domain}");
        let mut number = 2;
        while !self.emails.insert(email.clone()) {
            email = format!("{local}{number}@{domain}");
            number += 1;
        }
        let phone = self.digits(place.phone);
        let address = self.address(place);
        DemoPerson { given_name, family_name, email, phone, job_title: title, address }
    }

    fn address(&mut self, place: &'static Place) -> DemoAddress {
        let street = *self.pick(place.country.streets());
        let number = (1 + self.below(140)).to_string();
        DemoAddress {
            street: place.country.street_line(street, &number),
            postal_code: self.digits(place.postal_code),
            city: place.city,
            region: place.region,
            country: place.country.code(),
        }
    }

    // `#` stands for any digit, `@` for a letter as postal codes have them.
    fn digits(&mut self, pattern: &str) -> String {
        const LETTERS: &[char] = &['A', 'B', 'D', 'E', 'H', 'J', 'L', 'N', 'P', 'R', 'S', 'T', 'X'];
        pattern
            .chars()
            .map(|c| match c {
                '#' => char::from(b'0' + u8::try_from(self.below(10)).unwrap_or(0)),
                '@' => *self.pick(LETTERS),
                c => c,
            })
            .collect()
    }

    fn fill(&mut self, template: &str, person: &DemoPerson) -> String {
        let product = self.pick(self.products()).name;
        let weekday = *self.pick(&["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"]);
        let number = (2 + self.below(30)).to_string();
        template
            .replace("{given}", &person.given_name)
            .replace("{name}", &person.full_name())
            .replace("{city}", person.address.city)
            .replace("{product}", product)
            .replace("{weekday}", weekday)
            .replace("{number}", &number)
    }
}

// As addresses spell it: ASCII letters and digits.
fn slug(text: &str) -> String {
    let text = text.replace('ä', "ae").replace('ö', "oe").replace('ü', "ue").replace('ø', "o");
    let plain = fold(&text).replace('ł', "l").replace('ı', "i").replace('đ', "d");
    plain.chars().filter(char::is_ascii_alphanumeric).collect()
}

#[cfg(test)]
mod tests;
