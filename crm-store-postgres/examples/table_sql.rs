//! Prints the statements that make the table of a record type, for its migration:
//!
//! ```text
//! cargo run -p crm-store-postgres --example table_sql -- customers
//! ```

use crm_core::store::Catalogue;
use crm_store_postgres::tables::create_table_sql;

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a command for developers")]
fn main() -> std::process::ExitCode {
    let catalogue = Catalogue::default();
    let mut names = std::env::args().skip(1).peekable();
    if names.peek().is_none() {
        eprintln!("expected the names of record types");
        return std::process::ExitCode::FAILURE;
    }
    for name in names {
        let Some(schema) = catalogue.get(&name) else {
            let known: Vec<&str> = catalogue.iter().map(|schema| schema.name()).collect();
            eprintln!("there is no record type {name}; expected one of {}", known.join(", "));
            return std::process::ExitCode::FAILURE;
        };
        println!("{};", create_table_sql(schema, &catalogue).join(";\n\n"));
    }
    std::process::ExitCode::SUCCESS
}
