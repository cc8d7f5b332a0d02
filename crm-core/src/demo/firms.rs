//! Names and trades of firms, and the two tenants with what they sell.

use super::{DemoProduct, DemoTenant, Flavour};

pub(super) const FIRST_HALVES: &[&str] = &[
    "Alder", "Amber", "Birch", "Bramble", "Cinder", "Copper", "Dapple", "Ember", "Fallow", "Fern",
    "Flint", "Gable", "Hazel", "Heron", "Juniper", "Kelp", "Lark", "Linden", "Marl", "Moss",
    "Nettle", "Oriel", "Pebble", "Quill", "Rowan", "Sedge", "Tansy", "Thistle", "Umber", "Vesper",
    "Willow", "Wren", "Yarrow", "Zephyr",
];

pub(super) const SECOND_HALVES: &[&str] = &[
    "bow", "brook", "burrow", "croft", "dell", "fold", "furrow", "gate", "glade", "haven",
    "hollow", "holt", "latch", "ledge", "loom", "mere", "mote", "path", "quay", "reach", "rill",
    "rook", "shaw", "sluice", "stead", "thwaite", "vane", "wick", "wold",
];

/// Industries, each with the word that a firm of it has in its name.
pub(super) const INDUSTRIES: &[(&str, &str)] = &[
    ("Software", "Systems"),
    ("Manufacturing", "Works"),
    ("Retail", "Stores"),
    ("Healthcare", "Health"),
    ("Financial Services", "Capital"),
    ("Logistics", "Freight"),
    ("Education", "Learning"),
    ("Construction", "Builders"),
    ("Energy", "Energy"),
    ("Food and Beverages", "Foods"),
    ("Hospitality", "Hotels"),
    ("Media", "Press"),
    ("Real Estate", "Estates"),
    ("Consulting", "Partners"),
    ("Agriculture", "Farms"),
    ("Insurance", "Mutual"),
    ("Telecommunications", "Networks"),
    ("Biotechnology", "Labs"),
];

pub(super) fn tenant(flavour: Flavour) -> DemoTenant {
    match flavour {
        Flavour::Software => DemoTenant {
            name: "Lanternquay Software",
            slug: "lanternquay",
            domain: "lanternquay.example",
            time_zone: "Europe/Berlin",
            currency: "EUR",
            country: "DE",
        },
        Flavour::Coaching => DemoTenant {
            name: "Sunfurrow Coaching",
            slug: "sunfurrow",
            domain: "sunfurrow.example",
            time_zone: "America/New_York",
            currency: "USD",
            country: "US",
        },
    }
}

pub(super) fn products(flavour: Flavour) -> &'static [DemoProduct] {
    match flavour {
        Flavour::Software => SOFTWARE,
        Flavour::Coaching => COACHING,
    }
}

const fn product(
    name: &'static str,
    kind: &'static str,
    price_cents: i64,
    description: &'static str,
) -> DemoProduct {
    DemoProduct { name, kind, price_cents, description }
}

const SOFTWARE: &[DemoProduct] = &[
    product("Ledger Starter", "product", 4_900, "Bookkeeping for up to five people, per month"),
    product("Ledger Team", "product", 19_900, "Bookkeeping with approvals, per month"),
    product("Ledger Enterprise", "product", 149_000, "With single sign-on and audit, per month"),
    product("Inventory Add-on", "product", 8_900, "Stock across several sites, per month"),
    product("Analytics Add-on", "product", 12_900, "Reports and forecasts, per month"),
    product("Onboarding Workshop", "service", 240_000, "Two days with your team"),
    product("Data Migration", "service", 380_000, "From spreadsheets or another system"),
    product("Premium Support", "service", 69_000, "Answers within an hour, per month"),
    product("Growth Bundle", "package", 89_000, "Team, Inventory and Analytics, per month"),
];

const COACHING: &[DemoProduct] = &[
    product("Discovery Session", "service", 15_000, "Ninety minutes to find out what you want"),
    product("Six Week Reset", "package", 120_000, "Six sessions and a plan"),
    product("Leadership Programme", "package", 480_000, "Twelve sessions over six months"),
    product("Executive Year", "package", 1_450_000, "A session every fortnight for a year"),
    product("Team Day", "service", 320_000, "A day for up to twelve people"),
    product("Career Change Package", "package", 270_000, "Eight sessions, tests and interviews"),
    product("Group Circle", "package", 60_000, "Ten evenings with seven others"),
    product("Workbook", "product", 3_900, "A hundred exercises, printed"),
];
