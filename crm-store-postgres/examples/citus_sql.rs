//! Prints the script that spreads the tables of a migrated database over several machines by
//! tenant, for the Citus extension; to be run by the owner of the tables:
//!
//! ```text
//! cargo run -p crm-store-postgres --example citus_sql | psql …
//! ```
//!
//! Read "More than one machine" in `docs/operating.md` first.

use std::process::ExitCode;

use crm_store_postgres::tables::distribute_tables_sql;

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a command for developers")]
fn main() -> ExitCode {
    match crm_core::catalogue() {
        Ok(catalogue) => {
            println!("{};", distribute_tables_sql(&catalogue).join(";\n"));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
