//! Prints how the library compares on PostgreSQL with the same work written by hand, and with
//! naive statements, measured in turns.

use std::io::Write;
use std::time::Duration;

use clap::Parser;
use crm_benches::Result;
use crm_benches::compare::{Pair, compare, shown};
use crm_benches::database::Database;
use crm_benches::library::{against_by_hand, against_naive};

/// Compare the library with statements written by hand, and with naive ones
#[derive(Debug, Parser)]
struct Cli {
    /// About how long to measure each operation, in seconds
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Only operations whose name contains this
    #[arg(long, default_value = "")]
    only: String,
}

#[tokio::main]
async fn main() -> Result<()> {
    let cli = Cli::parse();
    let database = Database::open().await?;
    let tenants = database.tenants().await?;
    let mut out = std::io::stdout();
    writeln!(out, "{}", database.describe().await?)?;
    writeln!(out, "medians of single calls in turns, one at a time")?;
    for tenant in &tenants {
        let by_hand = against_by_hand(&database, tenant);
        print(&cli, &mut out, tenant.rows, "by hand", &by_hand).await?;
        if tenant.rows >= 10_000 {
            let naive = against_naive(&database, tenant);
            print(&cli, &mut out, tenant.rows, "naive", &naive).await?;
        }
    }
    Ok(())
}

async fn print(
    cli: &Cli,
    out: &mut impl Write,
    rows: usize,
    other: &str,
    pairs: &[Pair<'_>],
) -> Result<()> {
    writeln!(out, "\n| {rows} customers | library | {other} | ratio | runs |")?;
    writeln!(out, "| --- | ---: | ---: | ---: | ---: |")?;
    for pair in pairs.iter().filter(|pair| pair.name.contains(&cli.only)) {
        let outcome = compare(pair, Duration::from_secs_f64(cli.seconds)).await?;
        let (library, by) = (shown(outcome.library), shown(outcome.other));
        let (ratio, runs) = (outcome.ratio(), outcome.rounds);
        writeln!(out, "| {} | {library} | {by} | {ratio:.2} | {runs} |", pair.name)?;
        out.flush()?;
    }
    Ok(())
}
