//! What PostgreSQL makes of the same statements without any program of ours in between.

use std::path::PathBuf;
use std::time::Duration;

use crm_benches::Result;
use crm_benches::by_hand::ByHand;
use crm_benches::database::Tenant;
use crm_store_postgres::APP_ROLE;
use tokio::process::Command;

/// A statement to run again and again.
#[derive(Debug)]
pub(crate) enum Statement<'a> {
    /// A customer by its id, one of these.
    Get(&'a [String]),
    /// The newest twenty.
    List,
    /// The newest twenty and their total, by counting.
    NaiveTotal,
    /// Twenty that contain a text, and how many do, by `ILIKE`.
    NaiveSearch(&'a str),
}

/// Transactions a second, over as many connections as the server has.
pub(crate) async fn run(
    url: &str,
    by_hand: &ByHand,
    tenant: &Tenant,
    statement: &Statement<'_>,
    lasting: Duration,
) -> Result<f64> {
    let scripts = match statement {
        Statement::Get(ids) => ids.iter().map(|id| by_hand.get_script(id)).collect(),
        Statement::List => vec![by_hand.list_script()],
        Statement::NaiveTotal => vec![crm_benches::by_hand::naive::list_script(tenant.id.uuid())],
        Statement::NaiveSearch(text) => {
            vec![crm_benches::by_hand::naive::search_script(tenant.id.uuid(), text)]
        }
    };
    let under_role = matches!(statement, Statement::Get(_) | Statement::List);
    let directory = std::env::temp_dir().join(format!("crm-load-{}", std::process::id()));
    std::fs::create_dir_all(&directory)?;
    let mut command = Command::new(program());
    command.args(["--no-vacuum", "--protocol=prepared", "--client=8", "--jobs=2"]);
    command.arg(format!("--time={}", lasting.as_secs().max(1)));
    for (n, script) in scripts.iter().enumerate() {
        let file = directory.join(format!("{n}.sql"));
        std::fs::write(&file, format!("{script};\n"))?;
        command.arg("--file").arg(file);
    }
    if under_role {
        command.env("PGOPTIONS", format!("-c role={APP_ROLE}"));
    }
    let output = command.arg(url).output().await?;
    std::fs::remove_dir_all(&directory)?;
    let text = String::from_utf8_lossy(&output.stdout);
    let rate = text.lines().find_map(|line| line.strip_prefix("tps = "));
    let rate = rate.and_then(|rate| rate.split(' ').next());
    match rate {
        Some(rate) if output.status.success() => Ok(rate.parse()?),
        _ => Err(format!("pgbench: {}", String::from_utf8_lossy(&output.stderr)).into()),
    }
}

// Beside the server's other programs; on Debian only their front ends stand in the path.
fn program() -> PathBuf {
    let mut versions: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin/pgbench"))
        .filter(|program| program.exists())
        .collect();
    versions.sort();
    versions.pop().unwrap_or_else(|| PathBuf::from("pgbench"))
}
