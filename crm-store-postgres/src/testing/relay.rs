//! Stands between a store and its database, to cut the connection for real.

use std::path::PathBuf;

use crm_core::{Error, Result};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;
use url::Url;

use super::PORT;

/// What becomes of what is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// It is carried.
    Open,
    /// Nobody is there: connections break, and none is taken.
    Refusing,
    /// It is lost, and nobody is told: connections stay, and break when the way opens again.
    Silent,
    /// It waits, and arrives when the way opens again.
    Held,
}

/// A relay on a port of this machine, for as long as somebody holds it.
#[derive(Debug)]
pub struct Relay {
    way: watch::Sender<Way>,
    url: String,
    task: tokio::task::JoinHandle<()>,
}

impl Relay {
    /// A relay to the database at this URL.
    ///
    /// # Errors
    /// Where the URL is none, or no port is free.
    pub async fn to(url: &str) -> Result<Self> {
        let mut url: Url = url.parse().map_err(Error::internal)?;
        let target = Target::of(&url);
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(Error::internal)?;
        let port = listener.local_addr().map_err(Error::internal)?.port();
        url.set_query(None);
        url.set_host(Some("127.0.0.1")).map_err(Error::internal)?;
        // Fails only for URLs without a host.
        let _ = url.set_port(Some(port));
        let way = watch::Sender::new(Way::Open);
        let task = tokio::spawn(accept(listener, target, way.subscribe()));
        Ok(Self { way, url: url.into(), task })
    }

    /// The URL that leads through it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Changes the way, for connections that there are and for those to come.
    pub fn set(&self, way: Way) {
        self.way.send_replace(way);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Debug, Clone)]
enum Target {
    Socket(PathBuf),
    Address(String),
}

impl Target {
    fn of(url: &Url) -> Self {
        let pair = |name: &str| {
            let found = url.query_pairs().find(|(key, _)| key == name);
            found.map(|(_, value)| value.into_owned())
        };
        let host = url.host_str().unwrap_or_default().replace("%2F", "/").replace("%2f", "/");
        let host = pair("host").unwrap_or(host);
        let port = url.port().or_else(|| pair("port")?.parse().ok()).unwrap_or(PORT);
        if host.starts_with('/') {
            Self::Socket(PathBuf::from(host).join(format!(".s.PGSQL.{port}")))
        } else {
            Self::Address(format!("{host}:{port}"))
        }
    }
}

async fn accept(listener: TcpListener, target: Target, way: watch::Receiver<Way>) {
    while let Ok((client, _)) = listener.accept().await {
        tokio::spawn(carry(client, target.clone(), way.clone()));
    }
}

async fn carry(client: TcpStream, target: Target, mut way: watch::Receiver<Way>) {
    if !passes(&mut way).await {
        return;
    }
    match target {
        Target::Socket(path) => {
            let Ok(server) = UnixStream::connect(path).await else { return };
            let (from, to) = server.into_split();
            pump_both(client, from, to, way).await;
        }
        Target::Address(address) => {
            let Ok(server) = TcpStream::connect(address).await else { return };
            let (from, to) = server.into_split();
            pump_both(client, from, to, way).await;
        }
    }
}

async fn pump_both(
    client: TcpStream,
    from_server: impl AsyncRead + Unpin,
    to_server: impl AsyncWrite + Unpin,
    way: watch::Receiver<Way>,
) {
    let (from_client, to_client) = client.into_split();
    tokio::select! {
        () = pump(from_client, to_server, way.clone()) => {}
        () = pump(from_server, to_client, way.clone()) => {}
        () = refused(way) => {}
    }
}

async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut way: watch::Receiver<Way>,
) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        if !passes(&mut way).await || to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

/// Waits until the way is open; false where what waited is lost.
async fn passes(way: &mut watch::Receiver<Way>) -> bool {
    loop {
        let lost = match *way.borrow_and_update() {
            Way::Open => return true,
            Way::Refusing => return false,
            Way::Silent => true,
            Way::Held => false,
        };
        if way.changed().await.is_err() || lost {
            return false;
        }
    }
}

async fn refused(mut way: watch::Receiver<Way>) {
    if way.wait_for(|way| *way == Way::Refusing).await.is_err() {
        std::future::pending::<()>().await;
    }
}
