//! The words that generated customers are made of.
//!
//! Few enough to be looked up by number in the database, many enough that names repeat no more
//! than in life.

use crm_core::customers::CustomerDraft;

/// Countries, with a currency each.
pub const COUNTRIES: [(&str, &str); 8] = [
    ("DE", "EUR"),
    ("FR", "EUR"),
    ("GB", "GBP"),
    ("US", "USD"),
    ("CH", "CHF"),
    ("SE", "SEK"),
    ("PL", "PLN"),
    ("BR", "BRL"),
];

/// Lines of business.
pub const INDUSTRIES: [&str; 10] = [
    "Retail",
    "Software",
    "Logistics",
    "Health",
    "Education",
    "Banking",
    "Energy",
    "Media",
    "Construction",
    "Agriculture",
];

/// What a company calls itself behind its name.
pub const FORMS: [&str; 6] = ["Ltd", "GmbH", "Inc", "Partners", "Group", "Works"];

const HEADS: [&str; 20] = [
    "Bra", "Cor", "Dun", "El", "Far", "Gri", "Hol", "Ing", "Jor", "Kes", "Lor", "Mar", "Nor", "Os",
    "Pel", "Quin", "Ros", "Stan", "Tor", "Wil",
];
const MIDDLES: [&str; 5] = ["ber", "den", "lo", "mi", "van"];
const TAILS: [&str; 4] = ["field", "ley", "son", "worth"];

/// A capitalised word; different for each number below 400.
pub fn word(n: usize) -> String {
    let head = HEADS[n % HEADS.len()];
    let middle = MIDDLES[n / HEADS.len() % MIDDLES.len()];
    let tail = TAILS[n / (HEADS.len() * MIDDLES.len()) % TAILS.len()];
    format!("{head}{middle}{tail}")
}

/// A given name; different for each number below 100.
pub fn given(n: usize) -> String {
    let ends = ["a", "an", "is", "ena", "or"];
    format!("{}{}", HEADS[n % HEADS.len()], ends[n / HEADS.len() % ends.len()])
}

/// A city; different for each number below 60.
pub fn city(n: usize) -> String {
    let ends = ["burg", "ton", "ville"];
    format!("{}{}", HEADS[n % HEADS.len()], ends[n / HEADS.len() % ends.len()])
}

/// What somebody might enter.
pub fn draft(n: usize) -> CustomerDraft {
    let (country, currency) = COUNTRIES[n % COUNTRIES.len()];
    let (given, family) = (given(n % 100), word(n * 7 % 400));
    let address = format!("{}.{}@at{:04}.example", given, family, n % 2_000).to_lowercase();
    CustomerDraft {
        company_name: Some(format!(
            "{} {} {}",
            word(n * 3 % 400),
            word(n * 11 % 400),
            FORMS[n % FORMS.len()]
        )),
        contact_name: Some(format!("{given} {family}")),
        email: Some(address),
        phone: Some(format!("+49301{:07}", n % 10_000_000)),
        website: Some(format!("https://at{:04}.example/", n % 2_000)),
        address: Some(format!("High Street {}", n % 300)),
        city: Some(city(n % 60)),
        postal_code: Some(format!("{:05}", n % 100_000)),
        country: Some(country.to_owned()),
        industry: Some(INDUSTRIES[n % INDUSTRIES.len()].to_owned()),
        employee_count: Some((n % 5_000) as i64),
        annual_revenue: Some(rust_decimal::Decimal::new((n % 10_000_000) as i64, 2)),
        currency: Some(currency.to_owned()),
        ..CustomerDraft::default()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_words_of_a_kind_differ() {
        assert_eq!((0..400).map(word).collect::<HashSet<_>>().len(), 400);
        assert_eq!((0..100).map(given).collect::<HashSet<_>>().len(), 100);
        assert_eq!((0..60).map(city).collect::<HashSet<_>>().len(), 60);
    }
}
