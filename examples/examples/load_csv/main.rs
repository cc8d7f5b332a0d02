//! Loads any CSV file into a tenant's customers: says which column is which field, lets the
//! library clean the values, and names every row that it could not take, by line, field and
//! reason.
//!
//! ```text
//! cargo run -p crm-examples --example load_csv -- accounts.csv \
//!     --map "account=companyName" --map "sector=industry" --map "office_location=country" \
//!     --map "employees=employeeCount" --map "year_established=customFields.founded:number"
//! ```
//!
//! A cell that holds several values is taken apart at the last of each separator: `--map
//! "Headquarters=city, region"` makes a city and a region of `Saint Paul, Minnesota`, and `--map
//! "Contact=firstName lastName"` two names of one.

mod fields;
mod load;
mod mapping;
mod rows;
#[cfg(test)]
mod tests;

use std::error::Error;
use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use crm_core::access::{Actor, BuiltIn};
use crm_core::customers::Customers;
use crm_core::tenants::TenantId;
use crm_core::values::Country;
use crm_core::{Crm, TenantCrm, Where};
use crm_store_memory::MemoryStore;
use crm_store_postgres::PostgresStore;

use crate::load::load;
use crate::mapping::{Constant, Mapping, Plan};
use crate::rows::Rows;

/// Loads a CSV file into a tenant's customers, and counts them by industry and country
#[derive(Debug, Parser)]
#[command(after_help = format!(
    "Fields: {},\nand customFields.KEY:TYPE with a type of {}",
    fields::names().join(", "),
    fields::type_names().join(", "),
))]
struct Arguments {
    /// The file: UTF-8, with a header
    file: PathBuf,
    /// Which column is which field: "Security=companyName", "Headquarters=city, region",
    /// "CIK=customFields.cik:text"; repeatable
    #[arg(long, value_name = "COLUMN=FIELD", required = true)]
    map: Vec<Mapping>,
    /// A field that is the same in every row: "country=US"; repeatable
    #[arg(long, value_name = "FIELD=VALUE")]
    set: Vec<Constant>,
    /// What separates cells
    #[arg(long, default_value_t = ',')]
    delimiter: char,
    /// The database to load into; memory, which forgets, without one
    #[arg(long, value_name = "URL")]
    database_url: Option<String>,
    /// Bring the database to the version of this program first
    #[arg(long, requires = "database_url")]
    migrate: bool,
    /// The name of the tenant that is made for the file
    #[arg(long, value_name = "NAME", default_value = "Imported")]
    tenant: String,
    /// A tenant that there is already, instead
    #[arg(long, value_name = "ID", requires = "database_url", conflicts_with = "tenant")]
    tenant_id: Option<TenantId>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse(), &mut std::io::stdout()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments, out: &mut dyn Write) -> Result<(), Box<dyn Error>> {
    let crm = match &arguments.database_url {
        None => Crm::new(MemoryStore::new()).await?,
        Some(url) if arguments.migrate => {
            Crm::new(PostgresStore::migrate_and_connect(url.as_str()).await?).await?
        }
        Some(url) => Crm::new(PostgresStore::connect(url.as_str()).await?).await?,
    };
    let tenant = match arguments.tenant_id {
        Some(id) => crm.system().tenant(id).await?,
        None => crm.system().create_tenant(&arguments.tenant).await?,
    };
    let file = File::open(&arguments.file)
        .map_err(|error| format!("{}: {error}", arguments.file.display()))?;
    let plan = Plan::new(arguments.map, arguments.set)?;
    let within = crm.tenant(Actor::new(tenant.id, crm.new_id()).with_role(BuiltIn::Owner));
    load_from(BufReader::new(file), arguments.delimiter, plan, &within, out).await?;
    if arguments.database_url.is_some() {
        writeln!(out, "in tenant {} ({})", tenant.name, tenant.id)?;
    }
    count(&within.customers(), out).await
}

async fn load_from(
    file: impl Read,
    delimiter: char,
    plan: Plan,
    within: &TenantCrm,
    out: &mut dyn Write,
) -> Result<(), Box<dyn Error>> {
    let delimiter = u8::try_from(delimiter).map_err(|_| "expected an ASCII delimiter")?;
    let rows = Rows::new(file, delimiter)?;
    let plan = plan.for_header(rows.header())?;
    plan.define_custom_fields(within).await?;
    let loaded = load(rows, &plan, &within.customers(), out).await?;
    writeln!(out, "loaded {} customers, skipped {} rows", loaded.customers, loaded.skipped)?;
    Ok(())
}

async fn count(customers: &Customers, out: &mut dyn Write) -> Result<(), Box<dyn Error>> {
    let stats = customers.stats(Where::all()).await?;
    print_counts("industry", stats.by_industry, out)?;
    let name = |code: String| Country::from_code(&code).map_or(code, |it| it.name().to_owned());
    let by_country = stats.by_country.into_iter().map(|(code, count)| (code.map(name), count));
    print_counts("country", by_country.collect(), out)?;
    writeln!(out, "{:>7}  in all", stats.total)?;
    Ok(())
}

fn print_counts(
    what: &str,
    mut counts: Vec<(Option<String>, u64)>,
    out: &mut dyn Write,
) -> std::io::Result<()> {
    counts.sort_by(|(a, count_a), (b, count_b)| count_b.cmp(count_a).then_with(|| a.cmp(b)));
    writeln!(out, "by {what}:")?;
    for (name, count) in counts {
        writeln!(out, "{count:>7}  {}", name.as_deref().unwrap_or("(none)"))?;
    }
    Ok(())
}
