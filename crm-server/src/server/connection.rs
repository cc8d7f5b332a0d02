//! One connection, from its first byte to its last.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use poem::Endpoint;
use poem::endpoint::BoxEndpoint;
use poem::http::uri::Scheme;
use poem::http::{HeaderValue, header};
use poem::web::{LocalAddr, RemoteAddr};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, watch};

use super::answer::Answer;
use super::phase::Phase;
use super::refusal::Refusals;
use super::watched::Watched;
use super::{Course, Wire};
use crate::app::App;

/// How long somebody who is turned away has to take the answer.
const FAREWELL: Duration = Duration::from_secs(1);
/// hyper keeps no less of a request in memory.
const LEAST_BUFFER: usize = 8_192;
/// Method and version of the request line, and the end of each line.
const LINE_ENDS: usize = 512;
/// How many headers hyper takes without allocating for them.
const HEADERS: usize = 100;

/// What all connections of a listener share.
pub(super) struct Service {
    app: Arc<App>,
    endpoint: Arc<BoxEndpoint<'static>>,
    local: SocketAddr,
    http: http1::Builder,
    room: Arc<Semaphore>,
    most: u32,
    head: Duration,
    silence: Duration,
}

impl Service {
    pub(super) fn new(app: &Arc<App>, endpoint: BoxEndpoint<'static>, local: SocketAddr) -> Self {
        let limits = &app.config().limits;
        let mut http = http1::Builder::new();
        // Time is kept by the socket, which can tell an idle connection from a slow one.
        http.header_read_timeout(None);
        let head = limits.url_bytes.saturating_add(limits.header_bytes).saturating_add(LINE_ENDS);
        http.max_header_size(head).max_buf_size(head.max(LEAST_BUFFER).saturating_mul(2));
        if limits.headers > HEADERS {
            http.max_headers(limits.headers);
        }
        let most = u32::try_from(limits.connections).unwrap_or(u32::MAX);
        Self {
            app: Arc::clone(app),
            endpoint: Arc::new(endpoint),
            local,
            http,
            room: Arc::new(Semaphore::new(limits.connections.min(Semaphore::MAX_PERMITS))),
            most,
            head: limits.header_timeout.duration(),
            // An answer that is being worked on is no silence.
            silence: limits
                .idle_timeout
                .duration()
                .max(limits.request_timeout.duration().saturating_mul(2)),
        }
    }

    /// One permit for each connection.
    pub(super) fn room(&self) -> &Arc<Semaphore> {
        &self.room
    }

    /// How many permits there are.
    pub(super) fn most(&self) -> u32 {
        self.most
    }

    /// Answers the requests of a connection, one after the other.
    pub(super) async fn answer(
        &self,
        stream: TcpStream,
        remote: SocketAddr,
        mut course: watch::Receiver<Course>,
    ) {
        let _connected = self.app.metrics().connected();
        let phase = Arc::new(Phase::default());
        let refusals = Refusals::new(&self.app);
        let watched =
            Watched::new(stream, Arc::clone(&phase), refusals.clone(), self.head, self.silence);
        let service = {
            let (endpoint, phase) = (Arc::clone(&self.endpoint), Arc::clone(&phase));
            let (local, remote) = (LocalAddr(self.local.into()), RemoteAddr(remote.into()));
            service_fn(move |mut request: hyper::Request<Incoming>| {
                phase.request_came();
                let wire = Wire { contradictory: phase.is_contradictory() };
                request.extensions_mut().insert(wire);
                let (endpoint, phase) = (Arc::clone(&endpoint), Arc::clone(&phase));
                let request = (request, local.clone(), remote.clone(), Scheme::HTTP).into();
                async move {
                    let response = endpoint.get_response(request).await;
                    let mut response: hyper::Response<_> = response.into();
                    // Nobody can tell where the next one begins.
                    if wire.contradictory {
                        let close = HeaderValue::from_static("close");
                        response.headers_mut().insert(header::CONNECTION, close);
                    }
                    Ok::<_, Infallible>(response.map(|body| Answer::new(body, phase)))
                }
            })
        };
        let mut connection = self.http.serve_connection(TokioIo::new(watched), service);
        let mut told = Course::Serve;
        let ended = loop {
            tokio::select! {
                ended = &mut connection => break ended,
                new = next(&mut course, told) => {
                    told = new;
                    if new == Course::Abandon {
                        return;
                    }
                    phase.finish();
                    std::pin::Pin::new(&mut connection).graceful_shutdown();
                }
            }
        };
        let Err(error) = ended else { return };
        if phase.in_head() || phase.untouched() {
            let late = std::error::Error::source(&error)
                .and_then(|source| source.downcast_ref::<std::io::Error>())
                .is_some_and(|error| error.kind() == std::io::ErrorKind::TimedOut);
            if late {
                let stream = connection.into_parts().io.into_inner().into_stream();
                say_farewell(stream, &refusals.slow_head()).await;
            }
        }
    }

    /// Says that there is no room, and hangs up.
    pub(super) async fn turn_away(&self, stream: TcpStream) {
        say_farewell(stream, &Refusals::new(&self.app).full()).await;
    }
}

/// The next course, once it is another one.
async fn next(course: &mut watch::Receiver<Course>, told: Course) -> Course {
    let new = course.wait_for(|course| *course != told).await.map(|course| *course).ok();
    match new {
        Some(course) => course,
        // Nobody steers any more.
        None => std::future::pending().await,
    }
}

/// Writes, and waits until it was read: what is hung up on with bytes unread loses its answer.
async fn say_farewell(mut stream: TcpStream, answer: &[u8]) {
    let farewell = async {
        stream.write_all(answer).await?;
        stream.shutdown().await?;
        let mut ignored = [0; 1_024];
        while stream.read(&mut ignored).await? > 0 {}
        Ok::<_, std::io::Error>(())
    };
    // Whether it was taken is the caller's business.
    let _ = tokio::time::timeout(FAREWELL, farewell).await;
}
