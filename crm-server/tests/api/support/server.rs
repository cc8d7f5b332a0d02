//! A server on a free port, over a store of its own.

use std::net::SocketAddr;
use std::sync::Arc;

use crm_core::store::Store;
use crm_server::app::{App, Parts};
use crm_server::config::{Algorithm, Config, Passwords};
use crm_server::server::Running;
use crm_server::tokens::generate_key;
use crm_store_memory::MemoryStore;

use super::client::Client;

/// Where the records of a test are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backend {
    Memory,
}

/// A running server, and the callers of it.
#[derive(Debug)]
pub(crate) struct TestServer {
    running: Running,
}

/// Settings that make tests quick, and are otherwise those of production.
pub(crate) fn config() -> Config {
    let mut config = Config::default();
    config.tokens.algorithm = Algorithm::EdDsa;
    config.tokens.key = Some(generate_key(Algorithm::EdDsa).unwrap());
    config.passwords = Passwords { memory_kib: 64, iterations: 1, ..Passwords::default() };
    config.cors.origins = vec!["https://crm.example.com".to_owned()];
    config
}

impl TestServer {
    pub(crate) async fn start(backend: Backend) -> Self {
        Self::start_with(backend, config()).await
    }

    pub(crate) async fn start_with(backend: Backend, config: Config) -> Self {
        let store: Arc<dyn Store> = match backend {
            Backend::Memory => Arc::new(MemoryStore::new()),
        };
        let app = App::new(Parts::new(config, store)).await.unwrap();
        let running = Running::start(app, SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        Self { running }
    }

    /// A caller without a token.
    pub(crate) fn anonymous(&self) -> Client {
        Client::new(self.running.address())
    }

    pub(crate) async fn stop(self) {
        self.running.stop().await.unwrap();
    }
}
