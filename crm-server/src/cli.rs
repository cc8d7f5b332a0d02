//! The commands of the binary.

use std::error::Error;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};
use clap::{Parser, Subcommand, ValueEnum};
use crm_core::store::Store;
use crm_core::{Clock, SystemClock};
use crm_store_memory::MemoryStore;
use crm_store_postgres::doctor::Outcome;
use crm_store_postgres::{PostgresOptions, PostgresStore};
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;

use crate::app::{App, Parts};
use crate::config::{
    self, Algorithm, Config, ConfigError, Database, KeyRing, Log, LogFormat, Overrides, Span,
    StoreKind,
};
use crate::doctor::Report;
use crate::mail::HeldMails;
use crate::tokens::{KeyState, READ_EVERY, generate_key};
use crate::{demo, health, openapi, seal, server, tokens};

/// A multi-tenant CRM server
#[derive(Debug, Parser)]
#[command(name = "crm-server", version, about, arg_required_else_help = true)]
pub struct Cli {
    /// Configuration file; ./crm-server.toml if there is one
    #[arg(long, global = true, env = "CRM_CONFIG")]
    config: Option<PathBuf>,
    #[command(flatten)]
    overrides: Overrides,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
enum Command {
    /// Look round: in memory, with demonstration data, on 127.0.0.1:8080
    Demo,
    /// Run the server
    Serve,
    /// Bring the database's tables to what this version needs
    Migrate,
    /// Write a configuration file with fresh secrets
    Init {
        /// Algorithm of the signing key
        #[arg(long, value_enum, default_value = "RS256")]
        algorithm: Algorithm,
    },
    /// Prove that settings, database, roles and tables are as they must be; changes nothing
    Doctor {
        /// How the report looks
        #[arg(long, value_enum, default_value = "text")]
        format: ReportFormat,
        /// Look at all records where a sample would do; takes as long as reading them
        #[arg(long)]
        all: bool,
    },
    /// Ask a running server whether it is ready; for container engines
    Health {
        /// Whether it lives, whatever it depends on
        #[arg(long)]
        live: bool,
    },
    /// Show the keys of access tokens, or change them in the file that holds them
    Keys {
        #[command(subcommand)]
        change: Option<KeyChange>,
    },
    /// Print the configuration in effect, with secrets masked
    Config,
    /// Print the OpenAPI document
    Openapi,
}

/// What becomes of the keys of access tokens.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
enum KeyChange {
    /// Add a new key that is accepted and published at once, and signs after a while; the one
    /// before is accepted for as long as its tokens hold. Servers need not be started again
    Rotate {
        /// How long until it signs: until every server, and whoever keeps the public keys, knows it
        #[arg(long, default_value = "10m")]
        after: Span,
    },
    /// Remove a key that does not sign: its tokens are refused from then on
    Remove {
        /// What it is called: `kid`
        id: String,
    },
}

/// How a report looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ReportFormat {
    /// For people.
    Text,
    /// One JSON object.
    Json,
}

/// Runs a command; what it has to say goes to `out`, what happens meanwhile to the log.
///
/// # Errors
/// Why the command came to nothing, for the operator.
pub async fn run(cli: Cli, out: &mut (dyn Write + Send)) -> Result<(), Box<dyn Error>> {
    let Cli { config: file, overrides, command } = cli;
    match command {
        Command::Init { algorithm } => {
            let file = file.unwrap_or_else(|| config::DEFAULT_FILE.into());
            write_new(&file, &config::fresh(algorithm)?)?;
            writeln!(
                out,
                "wrote {}: name the store in it, then run `crm-server serve`",
                file.display()
            )?;
        }
        Command::Openapi => out.write_all(openapi::document().as_bytes())?,
        Command::Keys { change } => {
            change_keys(KeyRing::open(file.as_deref(), overrides)?, change, out)?;
        }
        Command::Config => {
            let config = Config::load(file.as_deref(), overrides)?;
            out.write_all(config.masked()?.as_bytes())?;
        }
        Command::Doctor { format, all } => {
            let report = match Config::load(file.as_deref(), overrides) {
                Ok(config) => {
                    let options = postgres(&config.database);
                    Report::of(&config, file.as_deref(), &options, &SystemClock, all).await
                }
                Err(error) => Report::unreadable(&error),
            };
            match format {
                ReportFormat::Text => out.write_all(report.text().as_bytes())?,
                ReportFormat::Json => writeln!(out, "{:#}", report.json())?,
            }
            let failed = report.count(Outcome::Failed);
            if failed > 0 {
                let checks = report.checks().len();
                return Err(ConfigError::new(format!("{failed} of {checks} checks failed")).into());
            }
        }
        Command::Health { live } => {
            let config = Config::load(file.as_deref(), overrides)?;
            health::ask(config.bind, live).await?;
            writeln!(out, "{}", if live { "it lives" } else { "it is ready" })?;
        }
        Command::Migrate => {
            let config = Config::load(file.as_deref(), overrides)?;
            log_to_stderr(&config.log)?;
            migrate(&config, out).await?;
        }
        Command::Serve => {
            let config = Config::load(file.as_deref(), overrides.clone())?;
            log_to_stderr(&config.log)?;
            bring_up_to_date(&config.database).await?;
            let read = move || Ok(Config::load(file.as_deref(), overrides.clone())?.tokens);
            serve(config, read, out).await?;
        }
        Command::Demo => {
            let config = demo_config(overrides)?;
            log_to_stderr(&config.log)?;
            show(config, out).await?;
        }
    }
    Ok(())
}

fn change_keys(
    mut ring: KeyRing,
    change: Option<KeyChange>,
    out: &mut (dyn Write + Send),
) -> Result<(), Box<dyn Error>> {
    let now = SystemClock.now();
    let changes = change.is_some();
    match change {
        None => {}
        Some(KeyChange::Rotate { after }) => {
            ring.rotate(now, now + after.time_delta())?;
            if after.duration() < READ_EVERY + openapi::JWKS_KEPT {
                writeln!(
                    out,
                    "it signs before everybody is sure to know it: servers read the file every {} \
                     seconds, and others keep the public keys for {}",
                    READ_EVERY.as_secs(),
                    openapi::JWKS_KEPT.as_secs()
                )?;
            }
        }
        Some(KeyChange::Remove { id }) => ring.remove(now, &id)?,
    }
    for key in ring.list(now) {
        let algorithm = match key.algorithm {
            Algorithm::Rs256 => "RS256",
            Algorithm::EdDsa => "EdDSA",
        };
        let told = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::Secs, true);
        let does = match key.state {
            KeyState::Signs => "signs".to_owned(),
            KeyState::SignsFrom(from) => format!("is accepted, and signs from {}", told(from)),
            KeyState::AcceptedUntil(end) => format!("is accepted until {}", told(end)),
            KeyState::Accepted => "is accepted".to_owned(),
            KeyState::Over(end) => format!("was accepted until {}", told(end)),
        };
        writeln!(out, "{} {algorithm} {does}", key.id)?;
    }
    if changes {
        let seconds = READ_EVERY.as_secs();
        writeln!(
            out,
            "wrote {}: servers that read it take it up within {seconds} seconds, or on SIGHUP",
            ring.path().display()
        )?;
    }
    Ok(())
}

async fn serve(
    config: Config,
    read: impl Fn() -> Result<config::Tokens, ConfigError> + Send + Sync + 'static,
    out: &mut (dyn Write + Send),
) -> Result<(), Box<dyn Error>> {
    let parts = match config.database.kind()? {
        StoreKind::Memory => Parts::new(config, Arc::new(MemoryStore::new())),
        StoreKind::Postgres => {
            let store = PostgresStore::connect(&postgres(&config.database)).await?;
            Parts::on_postgres(config, store)
        }
    };
    let app = App::new(parts).await?;
    tokens::watch(&app, read);
    if !app.crm().sends_mails() {
        tracing::warn!(
            "mail.host is not set: nobody is written to, so that a forgotten password cannot be \
             set anew, addresses are not verified, and nobody can be invited"
        );
    }
    let listener = listen(app.config()).await?;
    let stop = server::asked_to_stop();
    let metrics = server::listen_for_metrics(&app)
        .await
        .map_err(|error| ConfigError::new(format!("metrics.bind: {error}")))?;
    writeln!(out, "listening on http://{}", listener.local_addr()?)?;
    if let Some(metrics) = &metrics {
        writeln!(out, "metrics on http://{}/metrics", metrics.local_addr()?)?;
    }
    out.flush()?;
    server::serve(&app, listener, metrics, stop).await?;
    Ok(())
}

async fn listen(config: &Config) -> Result<TcpListener, ConfigError> {
    let address = config.bind;
    let fault = |error| {
        ConfigError::new(format!(
            "bind {address}: {error}; --bind 127.0.0.1:8090, say, takes another address"
        ))
    };
    TcpListener::bind(address).await.map_err(fault)
}

/// No file, no store and no key but those of the moment; what flags say still holds.
fn demo_config(overrides: Overrides) -> Result<Config, ConfigError> {
    let mut config = Config::default();
    "warn".clone_into(&mut config.log.level);
    overrides.apply(&mut config);
    config.database.url = Some("memory:".into());
    // Nobody looks whether it is ready.
    config.shutdown.notice = Span::seconds(0);
    config.tokens.algorithm = Algorithm::EdDsa;
    config.tokens.key_file = None;
    let key = generate_key(Algorithm::EdDsa);
    config.tokens.key = Some(key.map_err(|error| ConfigError::new(error.to_string()))?);
    config.mfa.key_file = None;
    config.mfa.key = Some(seal::generate_key()?);
    Ok(config)
}

async fn show(config: Config, out: &mut (dyn Write + Send)) -> Result<(), Box<dyn Error>> {
    // Before the work: a port that is taken is told at once.
    let listener = listen(&config).await?;
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let users = demo::fill(Arc::clone(&store)).await?;
    let held_mails = Some(Arc::new(HeldMails::new(Arc::new(SystemClock))));
    let app = App::new(Parts { held_mails, ..Parts::new(config, store) }).await?;
    let address = listener.local_addr()?;
    writeln!(out, "A CRM with two tenants is at http://{address}, in memory: it forgets on stop.")?;
    writeln!(out, "Its reference, to try it out: http://{address}/docs")?;
    writeln!(out, "The mails that it would send: http://{address}/demo/mails")?;
    let mut tenant = "";
    for user in &users {
        if user.tenant != tenant {
            tenant = user.tenant;
            writeln!(out, "\n{tenant}")?;
        }
        let role = user.role.to_string();
        writeln!(out, "  {role:<10} {:<32} {}", user.email, demo::PASSWORD)?;
    }
    if let Some(user) = users.first() {
        writeln!(out, "\nTo sign in:")?;
        writeln!(out, "  curl -s http://{address}{}/auth/login \\", openapi::BASE)?;
        writeln!(out, "    -H 'Content-Type: application/json' \\")?;
        let (email, password) = (&user.email, demo::PASSWORD);
        writeln!(out, "    -d '{{\"email\": \"{email}\", \"password\": \"{password}\"}}'")?;
        writeln!(out, "\nThen, with `data.token` of the answer as TOKEN:")?;
        let list = format!("http://{address}{}/customers", openapi::BASE);
        writeln!(out, "  curl -gs -H \"Authorization: Bearer $TOKEN\" \\")?;
        writeln!(out, "    '{list}?status=active&employeeCount[gte]=1000&sort=-annualRevenue'")?;
    }
    out.flush()?;
    server::serve(&app, listener, None, server::asked_to_stop()).await?;
    Ok(())
}

fn postgres(database: &Database) -> PostgresOptions {
    let Database {
        url,
        system_url,
        migration_url: _,
        // Read when the configuration was loaded.
        url_file: _,
        system_url_file: _,
        migration_url_file: _,
        migrate_on_start: _,
        pool_size,
        acquire_timeout,
        statement_timeout,
        allow_privileged_role,
    } = database;
    let mut options =
        PostgresOptions::new(url.as_ref().map_or_else(String::new, |url| url.reveal().to_owned()));
    options.system_url = system_url.as_ref().map(|url| url.reveal().to_owned());
    options.max_connections = *pool_size;
    options.acquire_timeout = acquire_timeout.duration();
    options.statement_timeout = statement_timeout.duration();
    options.allow_privileged_role = *allow_privileged_role;
    options
}

/// Migrates where that is wanted and needed. Several servers may do so at once: one does, the
/// others wait for it.
async fn bring_up_to_date(database: &Database) -> Result<(), Box<dyn Error>> {
    if !database.migrate_on_start || database.kind()? == StoreKind::Memory {
        return Ok(());
    }
    let url = match (&database.migration_url, &database.url) {
        (Some(owner), _) => owner,
        // A user who may only serve is asked no more than it can answer.
        (None, Some(url)) => {
            let state = crm_store_postgres::migration_state_at(url.reveal()).await;
            if state.is_ok_and(|state| state.is_current()) {
                return Ok(());
            }
            url
        }
        (None, None) => return Ok(()),
    };
    let before = crm_store_postgres::migrate(url.reveal()).await?;
    tracing::info!(%before, "the database is as this version needs it");
    Ok(())
}

async fn migrate(config: &Config, out: &mut (dyn Write + Send)) -> Result<(), Box<dyn Error>> {
    if config.database.kind()? == StoreKind::Memory {
        writeln!(out, "a store in memory needs no migration")?;
        return Ok(());
    }
    let Database { url, migration_url, .. } = &config.database;
    let Some(url) = migration_url.as_ref().or(url.as_ref()) else { return Ok(()) };
    let before = crm_store_postgres::migrate(url.reveal()).await?;
    writeln!(out, "before: {before}")?;
    writeln!(out, "now: the database is as this version needs it")?;
    Ok(())
}

/// Creates a file that only its owner can read; an existing one stays as it is.
fn write_new(path: &Path, text: &str) -> Result<(), ConfigError> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| {
        match error.kind() {
            std::io::ErrorKind::AlreadyExists => {
                ConfigError::new(format!("{} is there already and stays as it is", path.display()))
            }
            _ => ConfigError::new(format!("{}: {error}", path.display())),
        }
    })
}

fn log_to_stderr(log: &Log) -> Result<(), ConfigError> {
    let filter = EnvFilter::try_new(&log.level)
        .map_err(|error| ConfigError::new(format!("log.level {:?}: {error}", log.level)))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        // Where the log cannot be written, saying so there would end the request with a panic.
        .log_internal_errors(false)
        .with_writer(std::io::stderr);
    // A host that logs already keeps its own log.
    let _ = match log.format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    async fn output(arguments: &[&str]) -> Result<String, String> {
        let cli = Cli::try_parse_from(arguments).map_err(|error| error.to_string())?;
        let mut out = Vec::new();
        run(cli, &mut out).await.map_err(|error| error.to_string())?;
        Ok(String::from_utf8(out).unwrap())
    }

    fn scratch(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("crm-server-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        dir.join("crm-server.toml")
    }

    #[test]
    fn the_flags_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_setting_is_in_the_readme_under_its_variable_and_its_key() {
        let readme = include_str!("../../README.md");
        let command = Cli::command();
        let variables: Vec<&str> =
            command.get_arguments().filter_map(|flag| flag.get_env()?.to_str()).collect();
        assert!(variables.len() > 20, "{variables:?}");
        for variable in variables {
            assert!(readme.contains(&format!("| `{variable}` |")), "{variable} is not told of");
        }
        let shown = toml::to_string(&Config::default()).unwrap();
        let mut table = String::new();
        for line in shown.lines() {
            if let Some(name) = line.strip_prefix('[') {
                table = name.replace(']', ".");
            } else if let Some((key, _)) = line.split_once(" = ") {
                assert!(readme.contains(&format!("| `{table}{key}` |")), "{table}{key}");
            }
        }
    }

    #[tokio::test]
    async fn init_writes_a_file_for_its_owner_alone_and_never_over_another() {
        let file = scratch("init");
        let path = file.to_str().unwrap();
        let init = ["crm-server", "--config", path, "init", "--algorithm", "EdDSA"];
        output(&init).await.unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(&file).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        let written = std::fs::read_to_string(&file).unwrap();
        assert!(output(&init).await.is_err());
        assert_eq!(std::fs::read_to_string(&file).unwrap(), written);
        let shown = output(&["crm-server", "--config", path, "config"]).await.unwrap();
        assert!(shown.contains("EdDSA") && !shown.contains("PRIVATE KEY"), "{shown}");
        std::fs::remove_dir_all(file.parent().unwrap()).unwrap();
    }

    #[tokio::test]
    async fn serve_refuses_to_start_without_a_store_or_without_a_key() {
        let file = scratch("serve");
        std::fs::write(&file, "").unwrap();
        let path = file.to_str().unwrap();
        let config = |url: &str| {
            let overrides = Overrides {
                database_url: (!url.is_empty()).then(|| url.into()),
                ..Overrides::default()
            };
            Config::load(Some(Path::new(path)), overrides).unwrap()
        };
        let read = || Ok(config::Tokens::default());
        let error = serve(config(""), read, &mut Vec::new()).await.unwrap_err().to_string();
        assert!(error.contains("database.url"), "{error}");
        let error = serve(config("memory:"), read, &mut Vec::new()).await.unwrap_err().to_string();
        assert!(error.contains("tokens.key"), "{error}");
        let mut unsealed = config("memory:");
        unsealed.tokens.algorithm = Algorithm::EdDsa;
        unsealed.tokens.key = Some(generate_key(Algorithm::EdDsa).unwrap());
        let error = serve(unsealed, read, &mut Vec::new()).await.unwrap_err().to_string();
        assert!(error.contains("mfa.key"), "{error}");
        std::fs::remove_dir_all(file.parent().unwrap()).unwrap();
    }
}
