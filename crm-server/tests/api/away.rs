//! PostgreSQL away: unreachable, or silent. The connection between server and database is cut
//! for real, by a relay that stands in between.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use crm_store_postgres::testing::TestDatabase;
use crm_store_postgres::{PostgresOptions, PostgresStore};
use serde_json::json;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::Notify;
use url::Url;

use crate::support::TestServer;

const OPEN: u8 = 0;
const REFUSING: u8 = 1;
const SILENT: u8 = 2;

/// Stands between a server and its database.
struct Relay {
    state: AtomicU8,
    changed: Notify,
}

impl Relay {
    /// A relay to a database, and the URL that leads through it.
    async fn to(database: &TestDatabase) -> (Arc<Self>, String) {
        let mut url: Url = database.app_url().parse().unwrap();
        let host = url.query_pairs().find(|(key, _)| key == "host").map(|(_, host)| host);
        let host = host
            .map_or_else(|| percent(url.host_str().unwrap_or_default()), |host| host.into_owned());
        let target = match url.port() {
            _ if host.starts_with('/') => {
                let port = url.query_pairs().find(|(key, _)| key == "port");
                let port = port.map_or_else(
                    || url.port().unwrap_or(5432).to_string(),
                    |(_, port)| port.into_owned(),
                );
                Target::Socket(PathBuf::from(&host).join(format!(".s.PGSQL.{port}")))
            }
            port => Target::Address(format!("{host}:{}", port.unwrap_or(5432))),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        url.set_query(None);
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(listener.local_addr().unwrap().port())).unwrap();
        let relay = Arc::new(Self { state: AtomicU8::new(OPEN), changed: Notify::new() });
        tokio::spawn(Arc::clone(&relay).run(listener, target));
        (relay, url.into())
    }

    fn set(&self, state: u8) {
        self.state.store(state, Ordering::SeqCst);
        self.changed.notify_waiters();
    }

    async fn run(self: Arc<Self>, listener: TcpListener, target: Target) {
        while let Ok((client, _)) = listener.accept().await {
            let (relay, target) = (Arc::clone(&self), target.clone());
            tokio::spawn(async move { relay.carry(client, target).await });
        }
    }

    async fn carry(&self, mut client: TcpStream, target: Target) {
        let changed = self.changed.notified();
        match self.state.load(Ordering::SeqCst) {
            REFUSING => return,
            SILENT => return changed.await,
            _ => {}
        }
        tokio::select! {
            () = target.connect(&mut client) => {}
            () = changed => {
                // Silence: the connection stays, and nothing comes any more.
                if self.state.load(Ordering::SeqCst) == SILENT {
                    self.changed.notified().await;
                }
            }
        }
    }
}

#[derive(Debug, Clone)]
enum Target {
    Socket(PathBuf),
    Address(String),
}

impl Target {
    async fn connect(&self, client: &mut TcpStream) {
        match self {
            Self::Socket(path) => {
                let mut server = UnixStream::connect(path).await.unwrap();
                let _ = copy_bidirectional(client, &mut server).await;
            }
            Self::Address(address) => {
                let mut server = TcpStream::connect(address).await.unwrap();
                let _ = copy_bidirectional(client, &mut server).await;
            }
        }
    }
}

fn percent(host: &str) -> String {
    host.replace("%2F", "/").replace("%2f", "/")
}

/// The longest that a caller waits for the answer that the store is away.
const PATIENCE: Duration = Duration::from_secs(4);

async fn goes_away_and_comes_back(how: u8) {
    let database = TestDatabase::migrated().await.unwrap();
    let (relay, url) = Relay::to(&database).await;
    let mut options = PostgresOptions::new(url);
    options.max_connections = 4;
    options.acquire_timeout = Duration::from_secs(1);
    options.statement_timeout = Duration::from_secs(1);
    let store = PostgresStore::connect(&options).await.unwrap();
    let server = TestServer::over(Arc::new(store)).await;
    let owner = server.owner("acme").await;
    let acme = json!({"companyName": "Acme"});
    owner.post("/api/v1/customers", acme.clone()).await.is(201);

    relay.set(how);
    for _ in 0..3 {
        let asked = Instant::now();
        let list = owner.get("/api/v1/customers").await;
        list.fails(503, "UNAVAILABLE");
        assert!(!list.header("retry-after").is_empty());
        owner.post("/api/v1/customers", acme.clone()).await.fails(503, "UNAVAILABLE");
        assert!(asked.elapsed() < 2 * PATIENCE, "{:?}", asked.elapsed());
        server.anonymous().get("/health/ready").await.fails(503, "UNAVAILABLE");
        server.anonymous().get("/health/live").await.is(200);
    }

    relay.set(OPEN);
    let mut tries = 0;
    while owner.get("/api/v1/customers").await.status != 200 {
        tries += 1;
        assert!(tries < 50, "it recovers by itself");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    server.anonymous().get("/health/ready").await.is(200);
    let list = owner.get("/api/v1/customers").await.is(200);
    assert_eq!(list["meta"]["total"], 1, "what was refused was not written");
    server.stop().await;
}

#[tokio::test]
async fn a_database_that_cannot_be_reached_is_told_and_waited_for() {
    goes_away_and_comes_back(REFUSING).await;
}

#[tokio::test]
async fn a_database_that_falls_silent_is_told_and_waited_for() {
    goes_away_and_comes_back(SILENT).await;
}
