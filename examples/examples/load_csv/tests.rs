use clap::{CommandFactory, Parser};
use crm_core::access::{Actor, BuiltIn};
use crm_core::custom_fields::CustomType;
use crm_core::customers::Customer;
use crm_core::{Crm, Find, TenantCrm};
use crm_store_memory::MemoryStore;
use crm_store_postgres::PostgresStore;
use crm_store_postgres::testing::TestDatabase;

use crate::mapping::{Constant, Mapping, Plan};
use crate::{Arguments, count, load_from};

fn plan(map: &[&str], set: &[&str]) -> Result<Plan, String> {
    let map = map.iter().map(|text| text.parse::<Mapping>()).collect::<Result<_, _>>()?;
    let set = set.iter().map(|text| text.parse::<Constant>()).collect::<Result<_, _>>()?;
    Plan::new(map, set)
}

async fn owner(crm: &Crm) -> TenantCrm {
    let tenant = crm.system().create_tenant("Acme").await.unwrap();
    crm.tenant(Actor::new(tenant.id, crm.new_id()).with_role(BuiltIn::Owner))
}

async fn in_memory() -> TenantCrm {
    owner(&Crm::new(MemoryStore::new()).await.unwrap()).await
}

/// What is said of a file that is loaded within a tenant, or why it cannot be.
async fn said(
    within: &TenantCrm,
    file: &[u8],
    map: &[&str],
    set: &[&str],
) -> Result<String, String> {
    let mut out = Vec::new();
    match load_from(file, ',', plan(map, set)?, within, &mut out).await {
        Ok(()) => Ok(String::from_utf8(out).unwrap()),
        Err(error) => Err(error.to_string()),
    }
}

/// A byte order mark, CRLF and LF, quoted cells with commas, quotes and line ends, empty lines,
/// a short row, a misspelt country, a number that is none.
const FIRMS: &[u8] = "\u{feff}Firm,Trade,Street,Seat,Land,People,Since\r\n\
    \"Löwen, Sons \"\"& Co\"\"\",Machinery,,\"Sankt Gallen, Saint Paul, Minnesota\",usa,12,2001-02-03\r\n\
    \r\n\
    Zénith,Food,\"1, rue A\r\nBât. B\",Paris,France,\"1,200,000\",\r\n\
    Kurz,Food\n\
    \n\
    ,,,,,,\n\
    Manila Ltd,Food,,Manila,Philipines,many,2001-02-31\n\
    \"Two\nLines\",Food,,,,,\n\
    Tief,Food,,\"Bern, BE\",CH,3,2010-10-10"
    .as_bytes();

const COLUMNS: &[&str] = &[
    "Firm=companyName",
    "Trade=industry",
    "Street=address",
    "Seat=city, region",
    "Land=country",
    "People=employeeCount",
    "Since=customFields.since:date",
];

async fn firms_are_loaded(within: &TenantCrm) {
    let said = said(within, FIRMS, COLUMNS, &["source=Trade fair"]).await.unwrap();
    assert_eq!(
        said,
        "line 6: expected 7 cells, got 2\n\
         line 9: employeeCount: expected a number such as 1100.04, got \"many\"\n\
         line 10: companyName: expected a single line without tabs\n\
         loaded 3 customers, skipped 3 rows\n"
    );
    let since = Customer::CUSTOM_FIELDS.key("since", CustomType::Date);
    let find = Find::all().sort(since.asc()).sort(Customer::NAME.asc());
    let found = within.customers().find(find).await.unwrap().items;
    let shown: Vec<String> = found
        .iter()
        .map(|firm| {
            let text = |text: &Option<String>| text.clone().unwrap_or_default();
            let people = firm.employee_count.unwrap();
            let (city, region, country) =
                (text(&firm.city), text(&firm.region), text(&firm.country));
            format!("{}|{city}|{region}|{country}|{people}|{}", firm.name, text(&firm.source))
        })
        .collect();
    assert_eq!(
        shown,
        [
            "Löwen, Sons \"& Co\"|Sankt Gallen, Saint Paul|Minnesota|US|12|Trade fair",
            "Tief|Bern|BE|CH|3|Trade fair",
            "Zénith|Paris||FR|1200000|Trade fair",
        ]
    );
    assert_eq!(found[2].address.as_deref(), Some("1, rue A\nBât. B"));
    let mut counts = Vec::new();
    count(&within.customers(), &mut counts).await.unwrap();
    assert_eq!(
        String::from_utf8(counts).unwrap(),
        "by industry:\n      2  Food\n      1  Machinery\n\
         by country:\n      1  France\n      1  Switzerland\n      1  United States\n      3  in all\n"
    );
}

#[tokio::test]
async fn a_difficult_file_is_loaded_into_memory() {
    firms_are_loaded(&in_memory().await).await;
}

#[tokio::test]
async fn a_difficult_file_is_loaded_into_postgres() {
    let database = TestDatabase::migrated().await.unwrap();
    let store = PostgresStore::connect(database.app_url()).await.unwrap();
    firms_are_loaded(&owner(&Crm::new(store).await.unwrap()).await).await;
}

#[tokio::test]
async fn a_misspelt_country_is_named_with_the_one_that_was_meant() {
    let file = b"name,land\nManila Ltd,Philipines\n";
    let said = said(&in_memory().await, file, &["name=companyName", "land=country"], &[]).await;
    assert_eq!(
        said.unwrap(),
        "line 2: country: expected a country's name or ISO code, got \"Philipines\"; did you \
         mean Philippines?\nloaded 0 customers, skipped 1 rows\n"
    );
}

#[tokio::test]
async fn latin_1_is_refused_where_it_occurs() {
    let within = in_memory().await;
    let map = &["name=companyName", "city=city"];
    let said_of_row = said(&within, b"name,city\nA,Bern\n\nB,Z\xfcrich\n", map, &[]).await.unwrap();
    assert_eq!(
        said_of_row,
        "line 4: column \"city\": expected UTF-8, got byte 0xFC; save the file as UTF-8\n\
         loaded 1 customers, skipped 1 rows\n"
    );
    let said_of_header = said(&within, b"name,St\xe4dte\nA,Bern\n", map, &[]).await.unwrap_err();
    assert_eq!(
        said_of_header,
        "the header, line 1: column 2: expected UTF-8, got byte 0xE4; save the file as UTF-8"
    );
}

#[tokio::test]
async fn a_column_that_is_there_twice_or_not_at_all_is_refused() {
    let within = in_memory().await;
    let file = b"name,city,name\nA,Bern,B\n";
    let twice = said(&within, file, &["name=companyName"], &[]).await.unwrap_err();
    assert_eq!(twice, "column \"name\" is there twice, as number 1 and 3; rename one in the file");
    let missing = said(&within, file, &["Name=companyName"], &[]).await.unwrap_err();
    assert_eq!(
        missing,
        "there is no column \"Name\"; expected one of [\"name\", \"city\", \"name\"]"
    );
    let unused = said(&within, file, &["city=companyName"], &[]).await.unwrap();
    assert_eq!(unused, "loaded 1 customers, skipped 0 rows\n");
    let empty = said(&within, b"\n\n", &["city=city"], &[]).await.unwrap_err();
    assert_eq!(empty, "the file is empty");
}

#[tokio::test]
async fn a_custom_field_is_defined_once_and_keeps_its_type() {
    let within = in_memory().await;
    let file = b"name,n\nA,1\nB,many\n";
    let map = |custom| ["name=companyName", custom];
    for loaded in 1..=2 {
        let said = said(&within, file, &map("n=customFields.n:number"), &[]).await.unwrap();
        assert!(said.starts_with("line 3: customFields.n: expected a whole number"), "{said}");
        let count = within.customers().count(crm_core::Where::all()).await.unwrap();
        assert_eq!(count, loaded);
    }
    let other = said(&within, file, &map("n=customFields.n:text"), &[]).await.unwrap_err();
    assert_eq!(other, "customFields.n is of type number, not text");
}

#[test]
fn what_cannot_be_mapped_is_refused_at_once() {
    let refused = |map: &[&str], set: &[&str]| plan(map, set).unwrap_err();
    assert!(refused(&["Firm"], &[]).contains("COLUMN=FIELD"));
    assert!(refused(&["Firm=company"], &[]).starts_with("there is no field \"company\"; expected"));
    assert!(refused(&["Firm=customFields.x:float"], &[]).contains("got \"float\""));
    assert_eq!(refused(&["Seat=city, "], &[]), "expected a field after \",\"");
    assert_eq!(refused(&["a=city", "b=city"], &[]), "city is filled twice");
    assert_eq!(refused(&["a=country"], &["country=US"]), "country is filled twice");
    let columns_may_hold_the_sign = plan(&["a=b=city"], &[]);
    assert!(columns_may_hold_the_sign.is_ok());
}

#[tokio::test]
async fn a_file_is_read_from_the_command_line() {
    Arguments::command().debug_assert();
    let path = std::env::temp_dir().join(format!("crm-load-csv-{}.csv", std::process::id()));
    std::fs::write(&path, "who;where\nAda Maria Byron;London\n").unwrap();
    let file = path.to_str().unwrap();
    let map = ["--map", "who=firstName lastName", "--map", "where=city", "--delimiter", ";"];
    let arguments = ["load_csv", file, "--set", "country=GB"].into_iter().chain(map);
    let mut out = Vec::new();
    crate::run(Arguments::parse_from(arguments), &mut out).await.unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "loaded 1 customers, skipped 0 rows\nby industry:\n      1  (none)\n\
         by country:\n      1  United Kingdom\n      1  in all\n"
    );
}
