//! What the handlers share, and the routes over it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crm_core::auth::Lockout;
use crm_core::ports::{MailTexts, Mailer};
use crm_core::store::Store;
use crm_core::{Clock, Crm, Random, SystemClock, SystemRandom};
use crm_store_postgres::{Pools, PostgresStore};
use poem::endpoint::BoxEndpoint;
use poem::{Endpoint, EndpointExt, Response, Route, get};
use tokio::sync::Semaphore;

use crate::config::{Config, ConfigError};
use crate::mail::{self, HeldMails, Smtp, Texts};
use crate::metrics::{self, Metrics, Sources};
use crate::openapi;
use crate::passwords::Argon2Hasher;
use crate::rate::RateLimits;
use crate::readiness::{MigrationProbe, StoreProbe};
use crate::seal::Seals;
use crate::standing::{self, Standings};
use crate::tokens::Tokens;
use crate::traces::Traces;
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
    pools: Option<Pools>,
    metrics: Arc<Metrics>,
    traces: Arc<Traces>,
    rate: Arc<RateLimits>,
    exports: Arc<Semaphore>,
    held_mails: Option<Arc<HeldMails>>,
    stopping: AtomicBool,
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
    /// The connections to the database, to tell how they are used.
    pub pools: Option<Pools>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Ids and secrets.
    pub random: Arc<dyn Random>,
    /// What carries mails; the mail server that the configuration names where absent.
    pub mailer: Option<Arc<dyn Mailer>>,
    /// Keeps mails in memory for everybody to read at `/demo/mails`, in place of sending them.
    /// For looking round: whoever reads them can sign in as anybody.
    pub held_mails: Option<Arc<HeldMails>>,
    /// Finds the words of mails; templates where absent.
    pub mail_texts: Option<Arc<dyn MailTexts>>,
}

impl Parts {
    /// With the machine's clock and randomness, and nothing to probe but the store.
    pub fn new(config: Config, store: Arc<dyn Store>) -> Self {
        Self {
            config,
            store,
            probes: Vec::new(),
            pools: None,
            clock: Arc::new(SystemClock),
            random: Arc::new(SystemRandom),
            mailer: None,
            held_mails: None,
            mail_texts: None,
        }
    }

    /// The same on PostgreSQL, which is ready only at the version that this build knows.
    pub fn on_postgres(config: Config, store: PostgresStore) -> Self {
        let pools = store.pools().clone();
        let probe = MigrationProbe(pools.clone());
        Self {
            probes: vec![Arc::new(probe)],
            pools: Some(pools),
            ..Self::new(config, Arc::new(store))
        }
    }
}

impl App {
    /// Puts the server together.
    ///
    /// # Errors
    /// Where the configuration lacks something, or the store is not as it must be.
    pub async fn new(parts: Parts) -> Result<Arc<Self>, ConfigError> {
        let Parts { config, store, mut probes, pools, clock, random, .. } = parts;
        let (mailer, held_mails, mail_texts) = (parts.mailer, parts.held_mails, parts.mail_texts);
        let metrics = Arc::new(Metrics::new(clock.now()));
        let store = metrics.timed(store);
        let database = pools.as_ref().map(|_| "postgresql");
        let (time, chance) = (Arc::clone(&clock), Arc::clone(&random));
        let traces = Arc::new(Traces::new(&config.traces, database, time, chance)?);
        let rate = RateLimits::new(&config.limits.rate, Arc::clone(&clock))?;
        let tokens = Tokens::new(&config, Arc::clone(&clock), Arc::clone(&random))?;
        let mailer = match (mailer, &held_mails) {
            (_, Some(held)) => Some(Arc::clone(held) as Arc<dyn Mailer>),
            (Some(mailer), None) => Some(mailer),
            (None, None) => Smtp::new(&config.mail)?.map(|smtp| Arc::new(smtp) as Arc<dyn Mailer>),
        };
        let mut builder = Crm::builder_on(store)
            .shared_clock(Arc::clone(&clock))
            .random(SharedRandom(Arc::clone(&random)))
            .users(Argon2Hasher::new(&config.passwords)?)
            .session_lifetimes(
                config.tokens.refresh_lifetime.time_delta(),
                config.tokens.remember_me_lifetime.time_delta(),
            )
            .sealer(Seals::new(&config.mfa, Arc::clone(&random))?)
            .shortest_password(config.passwords.min_length)
            .lockout(Lockout {
                attempts: config.lockout.attempts,
                attempts_per_network: config.lockout.attempts_per_network,
                longest: config.lockout.longest.time_delta(),
            })
            .refresh_grace(config.tokens.refresh_grace.time_delta())
            .tenant_grace(config.tenants.grace.time_delta());
        if let Some(mailer) = mailer {
            let texts = match mail_texts {
                Some(texts) => texts,
                None => {
                    let base = config.mail.link_base.as_ref().unwrap_or(&config.public_url);
                    Arc::new(Texts::new(base, config.mail.templates.as_deref())?)
                }
            };
            builder = builder.shared_mails(mailer, texts);
        }
        let crm = builder
            .build()
            .await
            .map_err(|error| ConfigError::new(format!("the store: {error}")))?;
        probes.insert(0, Arc::new(StoreProbe(crm.clone())));
        let standings = Arc::new(Standings::default());
        standing::watch(&standings, crm.clone());
        purge::now_and_then(&standings, crm.clone());
        if crm.sends_mails() {
            mail::send_what_is_queued(&standings, &crm);
        }
        let exports = config.limits.exports.min(Semaphore::MAX_PERMITS);
        let exports = Arc::new(Semaphore::new(exports));
        let stopping = AtomicBool::new(false);
        Ok(Arc::new(Self {
            config,
            crm,
            tokens,
            standings,
            probes,
            pools,
            metrics,
            traces,
            rate,
            exports,
            held_mails,
            stopping,
            clock,
            random,
        }))
    }

    /// The library.
    pub fn crm(&self) -> &Crm {
        &self.crm
    }

    /// One permit for each export that is being made.
    pub(crate) fn exports(&self) -> &Arc<Semaphore> {
        &self.exports
    }

    /// Who the users of tokens are right now.
    pub fn standings(&self) -> &Standings {
        &self.standings
    }

    /// How often one may ask.
    pub fn rate(&self) -> &RateLimits {
        &self.rate
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

    /// What was counted since the server began.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Everything that an operator's monitoring asks for, in Prometheus' text format.
    pub async fn render_metrics(&self) -> String {
        let (crm, standings) = (&self.crm, &*self.standings);
        let (pools, spans) = (self.pools.as_ref(), self.traces.figures());
        let rate = self.rate.figures();
        self.metrics.render(&Sources { crm, standings, pools, spans, rate }).await
    }

    /// Sends the spans that are recorded, where traces are, and waits for that, some seconds at
    /// most: before the process ends.
    pub async fn flush_traces(&self) {
        self.traces.flush().await;
    }

    /// From now on the server is not ready any more.
    pub fn begin_stopping(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Whether the server was asked to stop.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// An id for a request that brought none.
    pub(crate) fn new_request_id(&self) -> String {
        self.random.uuid(self.clock.now()).to_string()
    }

    /// The metrics alone, in the middleware: for an address of their own.
    pub fn metrics_endpoint(self: &Arc<Self>) -> BoxEndpoint<'static> {
        self.wrapped(Route::new().at("/metrics", metrics::endpoint(Arc::clone(self))))
    }

    fn wrapped(&self, routes: impl Endpoint<Output = Response> + 'static) -> BoxEndpoint<'static> {
        let (clock, random) = (Arc::clone(&self.clock), Arc::clone(&self.random));
        let (metrics, traces) = (Arc::clone(&self.metrics), Arc::clone(&self.traces));
        let rate = Arc::clone(&self.rate);
        middleware::wrap(routes, &self.config, clock, random, metrics, traces, rate)
    }

    /// All routes, in the middleware.
    pub fn endpoint(self: &Arc<Self>) -> BoxEndpoint<'static> {
        let app = Arc::clone(self);
        let public_keys = move || app.tokens.jwks();
        let mut routes = Route::new()
            .nest(openapi::BASE, openapi::service(api::all()).around(api::idempotency::apply))
            .at("/openapi.json", get(openapi::json_endpoint()))
            .at("/docs", get(openapi::docs_endpoint()))
            .at("/.well-known/jwks.json", get(openapi::jwks_endpoint(public_keys)));
        let metrics = &self.config.metrics;
        if metrics.enabled && metrics.bind.is_none() {
            routes = routes.at("/metrics", metrics::endpoint(Arc::clone(self)));
        }
        if let Some(held) = &self.held_mails {
            routes = routes.at("/demo/mails", get(mail::held_endpoint(Arc::clone(held))));
        }
        self.wrapped(routes.data(Arc::clone(self)))
    }
}
