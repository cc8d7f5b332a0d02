use std::collections::HashSet;

use super::*;
use crate::values::{Country as IsoCountry, Currency, Email, Phone, TimeZone, WebUrl};

const BOTH: [Flavour; 2] = [Flavour::Software, Flavour::Coaching];

#[test]
fn a_seed_gives_the_same_sequence_and_another_one_another() {
    let sequence = |flavour, seed| {
        let mut demo = Demo::new(flavour, seed);
        let company = demo.company();
        let people: Vec<_> = (0..20).map(|_| demo.person()).collect();
        let note = demo.note(&people[0]);
        (company, people, note)
    };
    for flavour in BOTH {
        assert_eq!(sequence(flavour, 7), sequence(flavour, 7));
        assert_ne!(sequence(flavour, 7), sequence(flavour, 8));
    }
    assert_ne!(sequence(BOTH[0], 7), sequence(BOTH[1], 7));
}

#[test]
fn the_sequence_stays_the_same_from_version_to_version() {
    let mut demo = Demo::new(Flavour::Software, 1);
    let company = demo.company();
    let person = demo.person_at(&company);
    assert_eq!(
        format!("{} / {} / {}", company.name, person.full_name(), person.email),
        "Dapplegate Estates Ltd / Freddie Lewis / freddielewis@dapplegate.example"
    );
}

#[test]
fn everything_invented_passes_the_products_own_rules() {
    for flavour in BOTH {
        let mut demo = Demo::new(flavour, 3);
        for _ in 0..600 {
            let company = demo.company();
            let people = [demo.person(), demo.person_at(&company), demo.colleague()];
            WebUrl::parse("", &company.website).unwrap();
            Currency::parse("", company.currency).unwrap();
            assert!(company.employees > 0 && company.annual_revenue > 0);
            let emails = people.iter().map(|p| &p.email).chain([&company.email]);
            for email in emails {
                Email::parse("", email).unwrap();
                let reserved = email.ends_with(".example")
                    || ["@example.com", "@example.org", "@example.net"]
                        .iter()
                        .any(|d| email.ends_with(d));
                assert!(reserved, "{email}");
                assert!(email.is_ascii() && !email.starts_with(['.', '@']), "{email}");
            }
            let said = people.map(|person| (person.phone, person.address));
            for (phone, address) in said.into_iter().chain([(company.phone, company.address)]) {
                assert!(IsoCountry::from_code(address.country).is_some());
                assert!(!address.street.contains('#') && !address.postal_code.contains(['#', '@']));
                let parsed = Phone::parse("", &phone).unwrap();
                assert_eq!(parsed.e164(), Some(&*phone), "{}", address.city);
                let country = parsed.country().map(IsoCountry::code);
                assert_eq!(country, Some(address.country), "{phone}");
            }
        }
    }
}

#[test]
fn every_place_has_valid_numbers_of_its_country() {
    for place in PLACES {
        for digit in ["0", "5", "9"] {
            let phone = Phone::parse("", &place.phone.replace('#', digit)).unwrap();
            assert!(phone.e164().is_some(), "{} {}", place.city, phone);
            assert_eq!(phone.country().map(IsoCountry::code), Some(place.country.code()));
        }
    }
}

#[test]
fn nobody_shares_an_address_and_no_two_firms_a_name() {
    let mut demo = Demo::new(Flavour::Software, 11);
    let companies: Vec<DemoCompany> = (0..3_000).map(|_| demo.company()).collect();
    let people: Vec<DemoPerson> = (0..3_000).map(|_| demo.person()).collect();
    let different = |all: Vec<&str>| all.iter().collect::<HashSet<_>>().len();
    assert_eq!(different(companies.iter().map(|c| &*c.domain).collect()), 3_000);
    assert_eq!(different(companies.iter().map(|c| &*c.name).collect()), 3_000);
    assert_eq!(different(people.iter().map(|p| &*p.email).collect()), 3_000);
    let names: HashSet<String> = people.iter().map(DemoPerson::full_name).collect();
    assert!(names.len() > 2_000, "{} names", names.len());
}

#[test]
fn texts_are_filled_in() {
    for flavour in BOTH {
        let mut demo = Demo::new(flavour, 5);
        let person = demo.person();
        for _ in 0..200 {
            let title = demo.deal_title("Somebody");
            for text in
                [demo.note(&person), demo.conversation(&person), demo.follow_up(&person), title]
            {
                assert!(!text.is_empty() && !text.contains(['{', '}']), "{text}");
            }
            assert!(!demo.ticket_subject().is_empty());
        }
        let tenant = demo.tenant();
        TimeZone::parse("", tenant.time_zone).unwrap();
        Currency::parse("", tenant.currency).unwrap();
        assert!(tenant.domain.ends_with(".example"));
        for product in demo.products() {
            assert!(
                ["product", "service", "package"].contains(&product.kind)
                    && product.price_cents > 0
            );
        }
    }
}
