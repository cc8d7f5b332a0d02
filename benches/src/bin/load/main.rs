//! Puts the server under load, and beside it what a bare handler and PostgreSQL itself make of
//! the same statements on the same database.
//!
//! The server and the bare handler are this program, started again with another command, so that
//! memory and start-up are theirs alone.

mod bare;
mod client;
mod pgbench;
mod serve;
mod subject;

use std::io::Write;
use std::time::Duration;

use clap::{Parser, Subcommand};
use crm_benches::Result;
use crm_benches::by_hand::ByHand;
use crm_benches::compare::shown;
use crm_benches::database::Database;
use crm_benches::library::SOUGHT;
use crm_core::tenants::TenantId;
use serde_json::Value;

use client::{Connection, Load, Request, put_under_load};
use subject::Subject;

const EMAIL: &str = "load@bench.example";
const PASSWORD: &str = "correct horse battery staple";

/// Put the server under load
#[derive(Debug, Parser)]
struct Cli {
    /// How long to run each kind of request, in seconds
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// How many connections are kept open
    #[arg(long, default_value_t = 32)]
    connections: usize,
    /// How many customers the tenant has when it is made
    #[arg(long, default_value_t = 100_000)]
    rows: usize,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the API on a database
    #[command(hide = true)]
    Serve { url: String },
    /// Answer with nothing but poem and sqlx
    #[command(hide = true)]
    Bare { url: String, tenant: uuid::Uuid },
}

#[tokio::main]
async fn main() -> Result<()> {
    let cli = Cli::parse();
    match &cli.command {
        Some(Command::Serve { url }) => serve::serve(url).await,
        Some(Command::Bare { url, tenant }) => bare::serve(url, *tenant).await,
        None => run(&cli).await,
    }
}

async fn run(cli: &Cli) -> Result<()> {
    let mut out = std::io::stdout();
    let database = Database::open().await?;
    let (server, ready) = Subject::start(&["serve", &database.url], "/api/v1/health/ready").await?;
    let idle = server.memory()?;
    let (tenant, tokens) = people(&server).await?;
    if is_empty(&database, tenant).await? {
        database.fill(&[(tenant, cli.rows)]).await?;
    }
    let tenant = database.tenant(tenant, cli.rows).await?;
    let id = tenant.id.uuid().to_string();
    let (bare, bare_ready) =
        Subject::start(&["bare", &database.url, &id], "/customers?count=none").await?;
    writeln!(out, "{}", database.describe().await?)?;
    writeln!(out, "{} connections, {} s each, 2 rounds", cli.connections, cli.seconds)?;
    writeln!(out, "ready after: server {}, bare {}", shown(ready), shown(bare_ready))?;
    writeln!(out, "\n| | server req/s | p50 | p99 | bare req/s | ratio | pgbench tps | ratio |")?;
    writeln!(out, "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")?;

    let ids: Vec<String> = tenant.some.iter().map(ToString::to_string).collect();
    let by_hand = ByHand::new(database.plain.clone(), tenant.id.uuid(), tenant.id.uuid());
    let lasting = Duration::from_secs_f64(cli.seconds);
    let body = new_customer();
    let search = format!("?search={SOUGHT}");
    for (name, path, is_create) in [
        ("get", "", false),
        ("list of 20", "?count=none", false),
        ("list of 20 and total", "?", false),
        ("search and total", &*search, false),
        ("create", "", true),
    ] {
        let (ids, body, tokens) = (&ids, &body, &tokens);
        let request = |base: &'static str, with_tokens: bool| {
            move |n: usize| {
                let token = with_tokens.then(|| &*tokens[n % tokens.len()]);
                if is_create {
                    Request::post(base, token, body)
                } else if path.is_empty() {
                    Request::get(&format!("{base}/{}", ids[n % ids.len()]), token)
                } else {
                    Request::get(&format!("{base}{path}"), token)
                }
            }
        };
        let statement = match name {
            "get" => Some(pgbench::Statement::Get(&ids[..ids.len().min(40)])),
            "list of 20" => Some(pgbench::Statement::List),
            "list of 20 and total" => Some(pgbench::Statement::NaiveTotal),
            "search and total" => Some(pgbench::Statement::NaiveSearch(SOUGHT)),
            _ => None,
        };
        // In turns, because others work on the machine too.
        let (mut of_server, mut of_bare, mut of_pgbench) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..2 {
            let requests = request("/api/v1/customers", true);
            of_server
                .push(put_under_load(server.address, cli.connections, lasting, &requests).await?);
            if !path.starts_with("?search") && path != "?" {
                let requests = request("/customers", false);
                of_bare
                    .push(put_under_load(bare.address, cli.connections, lasting, &requests).await?);
            }
            if let Some(statement) = &statement {
                of_pgbench.push(
                    pgbench::run(&database.url, &by_hand, &tenant, statement, lasting).await?,
                );
            }
        }
        row(&mut out, name, &of_server, &of_bare, &of_pgbench)?;
    }
    writeln!(
        out,
        "\nmemory: server {:.1} MB idle, {:.1} MB after; bare {:.1} MB after",
        megabytes(idle),
        megabytes(server.memory()?),
        megabytes(bare.memory()?)
    )?;
    Ok(())
}

fn row(
    out: &mut impl Write,
    name: &str,
    server: &[Load],
    bare: &[Load],
    pgbench: &[f64],
) -> Result<()> {
    let mean = |rates: Vec<f64>| {
        let count = rates.len() as f64;
        (count > 0.0).then(|| rates.iter().sum::<f64>() / count)
    };
    let rates = |loads: &[Load]| mean(loads.iter().map(|load| load.per_second).collect());
    let of_server = rates(server).unwrap_or_default();
    let beside = |other: Option<f64>| match other {
        Some(other) => (format!("{other:.0}"), format!("{:.2}", of_server / other)),
        None => ("–".to_owned(), "–".to_owned()),
    };
    let (bare, to_bare) = beside(rates(bare));
    let (pgbench, to_pgbench) = beside(mean(pgbench.to_vec()));
    let last = server.last().ok_or("nothing was measured")?;
    writeln!(
        out,
        "| {name} | {of_server:.0} | {} | {} | {bare} | {to_bare} | {pgbench} | {to_pgbench} |",
        shown(last.p50),
        shown(last.p99),
    )?;
    out.flush()?;
    Ok(())
}

fn megabytes(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

/// Signs a user up, or in where that was done before; gives the user's tenant, and a token for
/// each of four sessions.
async fn people(server: &Subject) -> Result<(TenantId, Vec<String>)> {
    let mut connection = Connection::open(server.address).await?;
    let sign_up = serde_json::json!({
        "email": EMAIL, "password": PASSWORD, "tenantName": "Under load",
    });
    // Refused where somebody has signed up so before, which is as good.
    connection.send(&Request::post("/api/v1/auth/signup", None, &sign_up.to_string())).await?;
    let mut tenant = None;
    let mut tokens = Vec::new();
    for _ in 0..4 {
        let sign_in = serde_json::json!({"email": EMAIL, "password": PASSWORD}).to_string();
        let answer = connection.send(&Request::post("/api/v1/auth/login", None, &sign_in)).await?;
        let body: Value = serde_json::from_slice(&answer.body)?;
        let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str);
        tokens.push(text("/data/token").ok_or("signing in gave no token")?.to_owned());
        tenant = text("/data/tenant/id").map(str::parse).transpose()?;
    }
    Ok((tenant.ok_or("signing in named no tenant")?, tokens))
}

async fn is_empty(database: &Database, tenant: TenantId) -> Result<bool> {
    let found = sqlx::query("SELECT FROM customers WHERE tenant_id = $1::uuid LIMIT 1")
        .bind(tenant.uuid())
        .fetch_optional(&database.plain)
        .await?;
    Ok(found.is_none())
}

fn new_customer() -> String {
    serde_json::json!({
        "companyName": "Brabervan Partners", "contactName": "Ada Corloson",
        "email": "ada.corloson@at0042.example", "phone": "+49301234567",
        "website": "https://at0042.example/", "address": "High Street 42", "city": "Dunburg",
        "postalCode": "10115", "country": "DE", "industry": "Software", "employeeCount": 42,
        "currency": "EUR", "notes": "Met at the fair.",
    })
    .to_string()
}
