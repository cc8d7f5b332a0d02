//! What the handlers share, and the routes over it.

use std::sync::Arc;

use crm_core::store::Store;
use crm_core::{Clock, Crm, Random, SystemClock, SystemRandom};
use crm_store_postgres::PostgresStore;
use poem::endpoint::BoxEndpoint;
use poem::{EndpointExt, Route, get};

use crate::config::{Config, ConfigError};
use crate::openapi;
use crate::passwords::Argon2Hasher;
use crate::readiness::{MigrationProbe, StoreProbe};
use crate::standing::{self, Standings};
use crate::tokens::Tokens;
use crate::{api, middleware, purge};

pub use crate::readiness::{NotReady, Probe};

/// Randomness that the library shares with the server.
#[derive(Debug)]
struct SharedRandom(Arc<dyn Random>);

impl Random for SharedRandom {
    fn fill(&self, bytes: &mut [u8]) {
        self.0.fill(bytes);
    }
}

/// The server's parts.
#[derive(Debug)]
pub struct App {
    config: Config,
    crm: Crm,
    tokens: Tokens,
    standings: Arc<Standings>,
    probes: Vec<Arc<dyn Probe>>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

/// What a server is put together from. A test hands in its own clock and randomness.
#[derive(Debug)]
pub struct Parts {
    /// Every setting.
    pub config: Config,
    /// Where records are kept.
    pub store: Arc<dyn Store>,
    /// What to ask before the server calls itself ready.
    pub probes: Vec<Arc<dyn Probe>>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Ids and secrets.
    pub random: Arc<dyn Random>,
}

impl Parts {
    /// With the machine's clock and randomness, and nothing to probe but the store.
    pub fn new(config: Config, store: Arc<dyn Store>) -> Self {
        Self {
            config,
            store,
            probes: Vec::new(),
            clock: Arc::new(SystemClock),
            random: Arc::new(SystemRandom),
        }
    }

    /// The same on PostgreSQL, which is ready only at the version that this build knows.
    pub fn on_postgres(config: Config, store: PostgresStore) -> Self {
        let probe = MigrationProbe(store.pools().clone());
        Self { probes: vec![Arc::new(probe)], ..Self::new(config, Arc::new(store)) }
    }
}

impl App {
    /// Puts the server together.
    ///
    /// # Errors
    /// Where the configuration lacks something, or the store is not as it must be.
    pub async fn new(parts: Parts) -> Result<Arc<Self>, ConfigError> {
        let Parts { config, store, mut probes, clock, random } = parts;
        let tokens = Tokens::new(&config, Arc::clone(&clock), Arc::clone(&random))?;
        let crm = Crm::builder_on(store)
            .shared_clock(Arc::clone(&clock))
            .random(SharedRandom(Arc::clone(&random)))
            .users(Argon2Hasher::new(&config.passwords)?)
            .session_lifetimes(
                config.tokens.refresh_lifetime.time_delta(),
                config.tokens.remember_me_lifetime.time_delta(),
            )
            .build()
            .await
            .map_err(|error| ConfigError::new(format!("the store: {error}")))?;
        probes.insert(0, Arc::new(StoreProbe(crm.clone())));
        let standings = Arc::new(Standings::default());
        standing::watch(&standings, crm.clone());
        purge::now_and_then(&standings, crm.clone());
        Ok(Arc::new(Self { config, crm, tokens, standings, probes, clock, random }))
    }

    /// The library.
    pub fn crm(&self) -> &Crm {
        &self.crm
    }

    /// Who the users of tokens are right now.
    pub fn standings(&self) -> &Standings {
        &self.standings
    }

    /// Every setting.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What signs and checks access tokens.
    pub fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// What to ask before the server calls itself ready.
    pub fn probes(&self) -> &[Arc<dyn Probe>] {
        &self.probes
    }

    /// All routes, in the middleware.
    pub fn endpoint(self: &Arc<Self>) -> BoxEndpoint<'static> {
        let routes = Route::new()
            .nest(openapi::BASE, openapi::service(api::all()).around(api::idempotency::apply))
            .at("/openapi.json", get(openapi::json_endpoint()))
            .at("/docs", get(openapi::docs_endpoint()))
            .at("/.well-known/jwks.json", get(openapi::jwks_endpoint(self.tokens.jwks())))
            .data(Arc::clone(self));
        middleware::wrap(routes, &self.config, Arc::clone(&self.clock), Arc::clone(&self.random))
    }
}
