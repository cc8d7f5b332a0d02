//! Cities with their postal codes and the phone numbers that are set aside for fiction there.
//!
//! The ranges are those of Ofcom (GB), the Bundesnetzagentur (DE), Arcep (FR), PTS (SE), ACMA (AU)
//! and, for 555-0100 to 555-0199, the North American numbering plan (US, CA).

use super::names::{ENGLISH, FRENCH, GERMAN, Pool, SWEDISH};

/// A country that people in here live in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Country {
    Australia,
    Canada,
    France,
    Germany,
    Sweden,
    UnitedKingdom,
    UnitedStates,
}

use Country::{Australia, Canada, France, Germany, Sweden, UnitedKingdom, UnitedStates};

impl Country {
    /// ISO 3166-1 alpha-2.
    pub(super) fn code(self) -> &'static str {
        match self {
            Australia => "AU",
            Canada => "CA",
            France => "FR",
            Germany => "DE",
            Sweden => "SE",
            UnitedKingdom => "GB",
            UnitedStates => "US",
        }
    }

    /// ISO 4217.
    pub(super) fn currency(self) -> &'static str {
        match self {
            Australia => "AUD",
            Canada => "CAD",
            France | Germany => "EUR",
            Sweden => "SEK",
            UnitedKingdom => "GBP",
            UnitedStates => "USD",
        }
    }

    /// What stands behind the name of a small firm.
    pub(super) fn legal_form(self) -> &'static str {
        match self {
            Australia => "Pty Ltd",
            Canada | UnitedStates => "Inc.",
            France => "SAS",
            Germany => "GmbH",
            Sweden => "AB",
            UnitedKingdom => "Ltd",
        }
    }

    /// The names that most people there have.
    pub(super) fn names(self) -> &'static Pool {
        match self {
            France => &FRENCH,
            Germany => &GERMAN,
            Sweden => &SWEDISH,
            Australia | Canada | UnitedKingdom | UnitedStates => &ENGLISH,
        }
    }

    pub(super) fn streets(self) -> &'static [&'static str] {
        match self {
            France => &[
                "rue des Lilas",
                "rue du Moulin",
                "avenue de la Gare",
                "rue des Écoles",
                "boulevard du Parc",
                "place du Marché",
                "rue de la Fontaine",
                "impasse des Tilleuls",
            ],
            Germany => &[
                "Ahornweg",
                "Bahnhofstraße",
                "Birkenallee",
                "Gartenstraße",
                "Lindenstraße",
                "Marktplatz",
                "Mühlweg",
                "Schulstraße",
                "Am Kanal",
                "Rosenweg",
            ],
            Sweden => {
                &["Björkvägen", "Hamngatan", "Kyrkogatan", "Skolgatan", "Storgatan", "Ängsvägen"]
            }
            Australia | UnitedKingdom => &[
                "Church Lane",
                "Elm Grove",
                "High Street",
                "Mill Road",
                "Orchard Close",
                "Station Road",
                "Victoria Terrace",
                "Willow Way",
            ],
            Canada | UnitedStates => &[
                "Cedar Avenue",
                "Elm Street",
                "Lakeview Drive",
                "Maple Street",
                "Oak Avenue",
                "Pine Street",
                "Washington Boulevard",
                "Willow Lane",
            ],
        }
    }

    /// Street and number in the order of the country.
    pub(super) fn street_line(self, street: &str, number: &str) -> String {
        match self {
            Germany | Sweden => format!("{street} {number}"),
            _ => format!("{number} {street}"),
        }
    }
}

/// A city. In patterns, `#` stands for any digit and `@` for a letter.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) city: &'static str,
    pub(super) region: &'static str,
    pub(super) country: Country,
    pub(super) postal_code: &'static str,
    pub(super) phone: &'static str,
}

const fn p(
    country: Country,
    city: &'static str,
    region: &'static str,
    postal_code: &'static str,
    phone: &'static str,
) -> Place {
    Place { city, region, country, postal_code, phone }
}

#[rustfmt::skip]
pub(super) static PLACES: &[Place] = &[
    p(UnitedStates, "New York", "NY", "100##", "+121255501##"),
    p(UnitedStates, "Boston", "MA", "021##", "+161755501##"),
    p(UnitedStates, "Chicago", "IL", "606##", "+131255501##"),
    p(UnitedStates, "Denver", "CO", "802##", "+130355501##"),
    p(UnitedStates, "Austin", "TX", "787##", "+151255501##"),
    p(UnitedStates, "Seattle", "WA", "981##", "+120655501##"),
    p(UnitedStates, "San Francisco", "CA", "941##", "+141555501##"),
    p(UnitedStates, "Portland", "OR", "972##", "+150355501##"),
    p(UnitedStates, "Atlanta", "GA", "303##", "+140455501##"),
    p(Canada, "Toronto", "ON", "M5V #@#", "+141655501##"),
    p(Canada, "Montréal", "QC", "H2X #@#", "+151455501##"),
    p(Canada, "Vancouver", "BC", "V6B #@#", "+160455501##"),
    p(Canada, "Calgary", "AB", "T2P #@#", "+140355501##"),
    p(UnitedKingdom, "London", "Greater London", "SE1 #@@", "+442079460###"),
    p(UnitedKingdom, "Manchester", "Greater Manchester", "M1 #@@", "+441614960###"),
    p(UnitedKingdom, "Leeds", "West Yorkshire", "LS1 #@@", "+441134960###"),
    p(UnitedKingdom, "Birmingham", "West Midlands", "B2 #@@", "+441214960###"),
    p(UnitedKingdom, "Bristol", "Bristol", "BS1 #@@", "+441174960###"),
    p(UnitedKingdom, "Edinburgh", "Edinburgh", "EH1 #@@", "+441314960###"),
    p(UnitedKingdom, "Glasgow", "Glasgow", "G2 #@@", "+441414960###"),
    p(UnitedKingdom, "Cardiff", "Cardiff", "CF10 #@@", "+442920180###"),
    p(Germany, "Berlin", "Berlin", "101##", "+493023125###"),
    p(Germany, "Hamburg", "Hamburg", "203##", "+494066969###"),
    p(Germany, "München", "Bayern", "803##", "+498999998###"),
    p(Germany, "Köln", "Nordrhein-Westfalen", "506##", "+492214710###"),
    p(Germany, "Frankfurt am Main", "Hessen", "603##", "+496990009###"),
    p(France, "Paris", "Île-de-France", "750##", "+3319900####"),
    p(France, "Nantes", "Pays de la Loire", "440##", "+3326191####"),
    p(France, "Strasbourg", "Grand Est", "670##", "+3335301####"),
    p(France, "Lyon", "Auvergne-Rhône-Alpes", "690##", "+3346571####"),
    p(France, "Bordeaux", "Nouvelle-Aquitaine", "330##", "+3353649####"),
    p(Sweden, "Stockholm", "Stockholms län", "111 ##", "+468465004##"),
    p(Sweden, "Göteborg", "Västra Götalands län", "411 ##", "+463139006##"),
    p(Sweden, "Malmö", "Skåne län", "211 ##", "+464062804##"),
    p(Australia, "Sydney", "NSW", "20##", "+6125550####"),
    p(Australia, "Melbourne", "VIC", "30##", "+6135550####"),
    p(Australia, "Brisbane", "QLD", "40##", "+6175550####"),
    p(Australia, "Adelaide", "SA", "50##", "+6185550####"),
];
