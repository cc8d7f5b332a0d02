//! Listens, answers, and ends in order: what was begun is finished.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use poem::http::uri::Scheme;
use poem::listener::Acceptor;
use poem::web::{LocalAddr, RemoteAddr};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::app::App;

/// How long what was begun may take to finish.
const GRACE: Duration = Duration::from_secs(30);
/// How long a connection may be silent: longer than any request takes, and than most clients and
/// load balancers keep one.
const SILENCE: Duration = Duration::from_secs(75);
/// How long to wait where no connection can be accepted: out of file descriptors, mostly.
const PAUSE: Duration = Duration::from_millis(50);

/// Accepts connections without Nagle's delay, which poem leaves on.
struct Undelayed {
    listener: TcpListener,
    address: SocketAddr,
}

impl Acceptor for Undelayed {
    type Io = TcpStream;

    fn local_addr(&self) -> Vec<LocalAddr> {
        vec![LocalAddr(self.address.into())]
    }

    async fn accept(&mut self) -> io::Result<(Self::Io, LocalAddr, RemoteAddr, Scheme)> {
        match self.listener.accept().await {
            Ok((stream, remote)) => {
                stream.set_nodelay(true)?;
                let local = LocalAddr(self.address.into());
                Ok((stream, local, RemoteAddr(remote.into()), Scheme::HTTP))
            }
            Err(error) => {
                tracing::warn!(%error, "no connection can be accepted");
                tokio::time::sleep(PAUSE).await;
                Err(error)
            }
        }
    }
}

/// Answers requests until `stop` is done, then finishes what was begun.
///
/// # Errors
/// Where the listener's address cannot be told.
pub async fn serve(
    app: &Arc<App>,
    listener: TcpListener,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let address = listener.local_addr()?;
    let silence = SILENCE.max(app.config().limits.request_timeout.duration() * 2);
    poem::Server::new_with_acceptor(Undelayed { listener, address })
        .idle_timeout(silence)
        .run_with_graceful_shutdown(app.endpoint(), stop, Some(GRACE))
        .await
}

/// A server that runs beside the caller's own work.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<io::Result<()>>,
}

impl Running {
    /// Starts one; port 0 takes a free one.
    ///
    /// # Errors
    /// Where the address cannot be bound.
    pub async fn start(app: Arc<App>, address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            let stopped = async {
                // A server that was dropped ends as one that was stopped.
                let _ = stopped.await;
            };
            serve(&app, listener, stopped).await
        });
        Ok(Self { address, stop: Some(stop), task })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it, and waits until what was begun is finished.
    ///
    /// # Errors
    /// Where it ended by a fault.
    pub async fn stop(mut self) -> io::Result<()> {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        self.task.await.map_err(io::Error::other)?
    }
}

/// Done when the process is asked to end: by Ctrl-C, or by SIGTERM.
pub async fn asked_to_stop() {
    let interrupted = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    let terminated = async {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminated = std::future::pending::<()>();
    tokio::select! {
        () = interrupted => {}
        () = terminated => {}
    }
}
