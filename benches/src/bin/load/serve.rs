//! The server as `crm-server serve` would start it, with a key of the moment.

use std::io::Write;
use std::sync::Arc;

use crm_benches::Result;
use crm_server::app::{App, Parts};
use crm_server::config::{Algorithm, Config, Rate};
use crm_server::server::{asked_to_stop, serve as answer};
use crm_server::tokens::generate_key;
use crm_store_postgres::{PostgresOptions, PostgresStore};
use tokio::net::TcpListener;

/// Answers requests until it is asked to stop; says where it listens.
pub(crate) async fn serve(url: &str) -> Result<()> {
    let mut config = Config::default();
    config.tokens.algorithm = Algorithm::EdDsa;
    // Counted as in production, and let through however often it comes.
    let often: Rate = "1000000/1s".parse()?;
    let rate = &mut config.limits.rate;
    (rate.address, rate.user, rate.tenant) = (often, often, often);
    config.tokens.key = Some(generate_key(Algorithm::EdDsa)?);
    config.mfa.key = Some(crm_server::seal::generate_key().map_err(|error| error.to_string())?);
    let mut options = PostgresOptions::new(url);
    options.max_connections = config.database.pool_size;
    let store = PostgresStore::connect(&options).await?;
    let app =
        App::new(Parts::new(config, Arc::new(store))).await.map_err(|error| error.to_string())?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    writeln!(std::io::stdout(), "{}", listener.local_addr()?)?;
    answer(&app, listener, None, asked_to_stop()).await?;
    Ok(())
}
