//! A server on a free port, over a store of its own.

use std::net::SocketAddr;
use std::sync::Arc;

use crm_core::ports::Mailer;
use crm_core::store::Store;
use crm_core::{ManualClock, SystemClock};
use crm_server::app::{App, Parts, Probe};
use crm_server::config::{Algorithm, Config, Passwords};
use crm_server::mail::HeldMails;
use crm_server::server::Running;
use crm_server::tokens::generate_key;
use crm_store_memory::MemoryStore;
use crm_store_postgres::testing::TestDatabase;
use crm_store_postgres::{PostgresOptions, PostgresStore};
use poem::endpoint::BoxEndpoint;

use super::client::Client;
use super::watched::Watched;

/// Where the records of a test are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backend {
    Memory,
    Postgres,
}

/// A running server, and the callers of it.
#[derive(Debug)]
pub(crate) struct TestServer {
    running: Running,
    app: Arc<App>,
    clock: Arc<ManualClock>,
    store: Arc<dyn Store>,
    // Dropped last: the server holds connections to it.
    database: Option<TestDatabase>,
}

/// Settings that make tests quick, and are otherwise those of production.
fn config() -> Config {
    let mut config = Config::default();
    config.tokens.algorithm = Algorithm::EdDsa;
    config.tokens.key = Some(generate_key(Algorithm::EdDsa).unwrap());
    config.mfa.key = Some(crm_server::seal::generate_key().unwrap());
    config.passwords = Passwords { memory_kib: 64, iterations: 1, ..Passwords::default() };
    // All callers come from one address, and many fail to sign in on purpose: `lockout.rs` tests
    // with the settings of production.
    config.lockout.attempts = 1_000;
    config.lockout.attempts_per_network = 100_000;
    let often = "1000000/1s".parse().unwrap();
    let rate = &mut config.limits.rate;
    (rate.address, rate.user, rate.tenant) = (often, often, often);
    config.cors.origins = vec!["https://crm.example.com".to_owned()];
    config
}

fn nobodys_mailbox() -> Option<Arc<dyn Mailer>> {
    Some(Arc::new(HeldMails::new(Arc::new(SystemClock))))
}

async fn postgres() -> (TestDatabase, PostgresStore) {
    let database = TestDatabase::migrated().await.unwrap();
    let mut options = PostgresOptions::new(database.app_url());
    options.max_connections = 4;
    let store = PostgresStore::connect(&options).await.unwrap();
    (database, store)
}

impl TestServer {
    pub(crate) async fn start(backend: Backend) -> Self {
        Self::configured_on(backend, |_| {}).await
    }

    /// With other settings.
    pub(crate) async fn configured_on(backend: Backend, change: impl FnOnce(&mut Config)) -> Self {
        match backend {
            Backend::Memory => Self::configured(change).await,
            Backend::Postgres => {
                let (database, store) = postgres().await;
                let mut config = config();
                change(&mut config);
                let server = Self::of(Parts::on_postgres(config, store)).await;
                Self { database: Some(database), ..server }
            }
        }
    }

    /// A server over a store that counts what is written in whose tenant.
    pub(crate) async fn watched(backend: Backend) -> (Self, Arc<Watched>) {
        Self::watched_with(backend, None).await
    }

    /// The same, which writes mails, too: into nobody's mailbox.
    pub(crate) async fn watched_writing(backend: Backend) -> (Self, Arc<Watched>) {
        Self::watched_with(backend, nobodys_mailbox()).await
    }

    async fn watched_with(
        backend: Backend,
        mailer: Option<Arc<dyn Mailer>>,
    ) -> (Self, Arc<Watched>) {
        let (database, store): (_, Arc<dyn Store>) = match backend {
            Backend::Memory => (None, Arc::new(MemoryStore::new())),
            Backend::Postgres => {
                let (database, store) = postgres().await;
                (Some(database), Arc::new(store))
            }
        };
        let watched = Arc::new(Watched::new(store));
        let parts = Parts::new(config(), Arc::clone(&watched) as Arc<dyn Store>);
        let server = Self::of(Parts { mailer, ..parts }).await;
        (Self { database, ..server }, watched)
    }

    /// A server over this store.
    pub(crate) async fn over(store: Arc<dyn Store>) -> Self {
        Self::configured_over(store, |_| {}).await
    }

    /// A server over this store with other settings.
    pub(crate) async fn configured_over(
        store: Arc<dyn Store>,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let mut config = config();
        change(&mut config);
        Self::of(Parts::new(config, store)).await
    }

    /// A server in memory with other settings.
    pub(crate) async fn configured(change: impl FnOnce(&mut Config)) -> Self {
        Self::configured_over(Arc::new(MemoryStore::new()), change).await
    }

    /// A server in memory that depends on something else, too.
    pub(crate) async fn with_probe(probe: Arc<dyn Probe>) -> Self {
        let mut parts = Parts::new(config(), Arc::new(MemoryStore::new()));
        parts.probes.push(probe);
        Self::of(parts).await
    }

    /// A server that writes mails, into nobody's mailbox.
    pub(crate) async fn writing(backend: Backend) -> Self {
        match backend {
            Backend::Memory => {
                let parts = Parts::new(config(), Arc::new(MemoryStore::new()));
                Self::of(Parts { mailer: nobodys_mailbox(), ..parts }).await
            }
            Backend::Postgres => {
                let (database, store) = postgres().await;
                let parts = Parts::on_postgres(config(), store);
                let parts = Parts { mailer: nobodys_mailbox(), ..parts };
                Self { database: Some(database), ..Self::of(parts).await }
            }
        }
    }

    /// A server in memory that keeps its mails, as the demonstration does.
    pub(crate) async fn of_the_demo() -> Self {
        let mut parts = Parts::new(config(), Arc::new(MemoryStore::new()));
        parts.held_mails = Some(Arc::new(HeldMails::new(Arc::new(SystemClock))));
        Self::of(parts).await
    }

    /// Another server of the same installation: the same configuration over the same store, by
    /// connections of its own. To be stopped before this one.
    pub(crate) async fn another(&self) -> Self {
        self.another_with(|_| {}).await
    }

    /// Another server over the same store with other settings. To be stopped before this one.
    pub(crate) async fn another_with(&self, change: impl FnOnce(&mut Config)) -> Self {
        let store: Arc<dyn Store> = match &self.database {
            None => Arc::clone(&self.store),
            Some(database) => {
                let mut options = PostgresOptions::new(database.app_url());
                options.max_connections = 4;
                Arc::new(PostgresStore::connect(&options).await.unwrap())
            }
        };
        let mut config = self.app.config().clone();
        change(&mut config);
        Self::at(Parts::new(config, store), Arc::clone(&self.clock)).await
    }

    async fn of(parts: Parts) -> Self {
        let start = "2026-03-16T09:30:00Z".parse().unwrap();
        Self::at(parts, Arc::new(ManualClock::at(start))).await
    }

    async fn at(mut parts: Parts, clock: Arc<ManualClock>) -> Self {
        parts.clock = Arc::clone(&clock) as _;
        let store = Arc::clone(&parts.store);
        let app = App::new(parts).await.unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let running = Running::start(Arc::clone(&app), address).await.unwrap();
        Self { running, app, clock, store, database: None }
    }

    /// Whether it is on PostgreSQL.
    pub(crate) fn has_database(&self) -> bool {
        self.database.is_some()
    }

    /// A caller without a token.
    pub(crate) fn anonymous(&self) -> Client {
        Client::new(self.running.address())
    }

    /// A caller of the address that metrics have of their own.
    pub(crate) fn monitoring(&self) -> Client {
        Client::new(self.running.metrics_address().unwrap())
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.running.address()
    }

    /// The same server, without the network.
    pub(crate) fn endpoint(&self) -> BoxEndpoint<'static> {
        self.app.endpoint()
    }

    /// The server's clock, which stands still until it is moved.
    pub(crate) fn clock(&self) -> &ManualClock {
        &self.clock
    }

    /// The server from within, for what the API cannot set up yet.
    pub(crate) fn app(&self) -> &App {
        &self.app
    }

    /// The database of a server on PostgreSQL.
    pub(crate) fn database(&self) -> &TestDatabase {
        self.database.as_ref().unwrap()
    }

    pub(crate) async fn stop(self) {
        self.running.stop().await.unwrap();
    }
}
