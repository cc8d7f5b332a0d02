//! Listens, answers, and ends in order: what was begun is finished.
//!
//! The accept loop is ours, over hyper's HTTP/1.1, because what protects a server happens before
//! there is a request: how many connections there are, how long one may take to say what it
//! wants, and that Nagle's delay is off. A proxy in front speaks HTTP/2 and TLS with callers.

mod answer;
mod connection;
mod framing;
mod phase;
pub(crate) mod refusal;
mod watched;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use poem::endpoint::BoxEndpoint;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::task::JoinHandle;

use crate::app::App;
use connection::Service;

/// How long to wait where no connection can be accepted: out of file descriptors, mostly.
const PAUSE: Duration = Duration::from_millis(50);
/// How many are told at once that there is no room, before others are just hung up on.
const REFUSED_AT_ONCE: usize = 64;

/// That a request came over a connection of this server, and what only its octets told.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wire {
    /// Whether it named its length and a transfer coding.
    pub(crate) contradictory: bool,
}

/// How a server is asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// By an orchestrator: it is not ready any more for the time of `shutdown.notice`, in which
    /// it goes on answering, so that nobody is sent to it when it stops to.
    AfterNotice,
    /// By somebody who waits for it.
    Now,
}

/// What connections are to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Course {
    Serve,
    /// Finish what was begun, and take nothing more.
    Finish,
    /// End at once.
    Abandon,
}

/// Binds what `metrics.bind` names, where it names something.
///
/// # Errors
/// Where it cannot be bound.
pub async fn listen_for_metrics(app: &App) -> io::Result<Option<TcpListener>> {
    match app.config().metrics.bind.filter(|_| app.config().metrics.enabled) {
        Some(address) => TcpListener::bind(address).await.map(Some),
        None => Ok(None),
    }
}

/// Answers requests until `stop` is done, then finishes what was begun, for at most
/// `shutdown.grace`, and sends the spans that are left. Metrics are answered, where they have an
/// address of their own, until the end.
///
/// # Errors
/// Where a listener's address cannot be told.
pub async fn serve(
    app: &Arc<App>,
    listener: TcpListener,
    metrics: Option<TcpListener>,
    stop: impl Future<Output = Stop>,
) -> io::Result<()> {
    let (end, ended) = watch::channel(Course::Serve);
    let apart = match metrics {
        Some(listener) => {
            let service = Service::new(app, app.metrics_endpoint(), listener.local_addr()?);
            Some(tokio::spawn(accept(listener, service, ended)))
        }
        None => None,
    };
    serve_on(app, app.endpoint(), listener, stop).await?;
    app.flush_traces().await;
    let _ = end.send(Course::Abandon);
    if let Some(apart) = apart {
        let _ = apart.await;
    }
    Ok(())
}

async fn serve_on(
    app: &Arc<App>,
    endpoint: BoxEndpoint<'static>,
    listener: TcpListener,
    stop: impl Future<Output = Stop>,
) -> io::Result<()> {
    let service = Service::new(app, endpoint, listener.local_addr()?);
    let (course, followed) = watch::channel(Course::Serve);
    let room = Arc::clone(service.room());
    let most = service.most();
    let accepting = tokio::spawn(accept(listener, service, followed));
    let how = stop.await;
    app.begin_stopping();
    let shutdown = &app.config().shutdown;
    if how == Stop::AfterNotice {
        tracing::info!(notice = %shutdown.notice, "asked to stop: not ready any more");
        tokio::time::sleep(shutdown.notice.duration()).await;
    }
    tracing::info!(grace = %shutdown.grace, "finishing what was begun");
    let _ = course.send(Course::Finish);
    let _ = accepting.await;
    // All room there is: nobody is left.
    let finished = tokio::time::timeout(shutdown.grace.duration(), room.acquire_many(most)).await;
    if finished.is_err() {
        tracing::warn!("some requests were not finished in time, and are given up");
        let _ = course.send(Course::Abandon);
    }
    Ok(())
}

/// Accepts connections until it is told to finish.
async fn accept(listener: TcpListener, service: Service, mut course: watch::Receiver<Course>) {
    let service = Arc::new(service);
    let refusals = Arc::new(Semaphore::new(REFUSED_AT_ONCE));
    loop {
        let accepted = tokio::select! {
            _ = course.wait_for(|course| *course != Course::Serve) => return,
            accepted = listener.accept() => accepted,
        };
        let (stream, remote) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "no connection can be accepted");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "the connection was gone at once");
            continue;
        }
        let service = Arc::clone(&service);
        match Arc::clone(service.room()).try_acquire_owned() {
            Ok(room) => {
                let course = course.clone();
                tokio::spawn(async move {
                    service.answer(stream, remote, course).await;
                    drop(room);
                });
            }
            Err(_) => {
                if let Ok(turn) = Arc::clone(&refusals).try_acquire_owned() {
                    tokio::spawn(async move {
                        service.turn_away(stream).await;
                        drop(turn);
                    });
                }
            }
        }
    }
}

/// A server that runs beside the caller's own work.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    metrics: Option<SocketAddr>,
    stop: Option<oneshot::Sender<Stop>>,
    task: JoinHandle<io::Result<()>>,
}

impl Running {
    /// Starts one; port 0 takes a free one.
    ///
    /// # Errors
    /// Where an address cannot be bound.
    pub async fn start(app: Arc<App>, address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let apart = listen_for_metrics(&app).await?;
        let address = listener.local_addr()?;
        let metrics = apart.as_ref().map(TcpListener::local_addr).transpose()?;
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            // A server that was dropped ends as one that was stopped.
            let stopped = async { stopped.await.unwrap_or(Stop::Now) };
            serve(&app, listener, apart, stopped).await
        });
        Ok(Self { address, metrics, stop: Some(stop), task })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it listens for those who ask for metrics, if that is another address.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics
    }

    /// Ends it, and waits until what was begun is finished.
    ///
    /// # Errors
    /// Where it ended by a fault.
    pub async fn stop(mut self) -> io::Result<()> {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(Stop::Now);
        }
        self.task.await.map_err(io::Error::other)?
    }
}

/// Done when the process is asked to end: by Ctrl-C, or by SIGTERM. Whatever comes from now on is
/// heard, also before anybody waits for it.
pub fn asked_to_stop() -> impl Future<Output = Stop> + Send {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{Signal, SignalKind, signal};

        async fn heard(listener: io::Result<Signal>) {
            match listener {
                Ok(mut listener) => {
                    listener.recv().await;
                }
                Err(_) => std::future::pending().await,
            }
        }

        let (interrupt, terminate) =
            (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
        async move {
            tokio::select! {
                () = heard(interrupt) => Stop::Now,
                () = heard(terminate) => Stop::AfterNotice,
            }
        }
    }
    #[cfg(not(unix))]
    async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        Stop::Now
    }
}
