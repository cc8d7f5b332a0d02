//! Prints the statements that make the tables of record types, for their migration:
//!
//! ```text
//! cargo run -p crm-store-postgres --example table_sql -- customers deals
//! cargo run -p crm-store-postgres --example table_sql -- --all
//! ```

use std::process::ExitCode;

use crm_core::store::Catalogue;
use crm_store_postgres::tables::{create_record_tables_sql, create_table_sql};

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a command for developers")]
fn main() -> ExitCode {
    let printed = crm_core::catalogue()
        .map_err(|error| error.to_string())
        .and_then(|catalogue| statements(&catalogue, std::env::args().skip(1).collect()));
    match printed {
        Ok(statements) => {
            println!("{};", statements.join(";\n\n"));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn statements(catalogue: &Catalogue, names: Vec<String>) -> Result<Vec<String>, String> {
    if names.is_empty() {
        return Err("expected the names of record types, or --all".to_owned());
    }
    if names == ["--all"] {
        return Ok(create_record_tables_sql(catalogue));
    }
    let mut statements = Vec::new();
    for name in names {
        let schema = catalogue.get(&name).ok_or_else(|| {
            let known: Vec<&str> = catalogue.iter().map(|schema| schema.name()).collect();
            format!("there is no record type {name}; expected one of {}", known.join(", "))
        })?;
        statements.extend(create_table_sql(schema, catalogue));
    }
    Ok(statements)
}
