//! A collector of traces: takes OTLP as protobuf over HTTP or HTTPS, and remembers all of it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use parking_lot::Mutex;
use prost::Message;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// What its certificate is signed by: itself, for `localhost`.
pub(crate) const CERTIFICATE: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/tests/api/support/collector/certificate.pem");
pub(crate) const KEY: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/tests/api/support/collector/key.pem");

/// A span, as it came.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) service: BTreeMap<String, String>,
    pub(crate) trace: String,
    pub(crate) id: String,
    pub(crate) parent: String,
    pub(crate) state: String,
    pub(crate) name: String,
    pub(crate) kind: SpanKind,
    pub(crate) nanoseconds: u64,
    pub(crate) failed: bool,
    pub(crate) attributes: BTreeMap<String, String>,
}

#[derive(Debug, Default)]
struct Seen {
    status: AtomicU16,
    heads: Mutex<Vec<(String, HeaderMap)>>,
    spans: Mutex<Vec<Received>>,
}

/// One that listens until it is dropped.
#[derive(Debug)]
pub(crate) struct Collector {
    address: SocketAddr,
    seen: Arc<Seen>,
    listening: tokio::task::JoinHandle<()>,
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

impl Collector {
    pub(crate) async fn start() -> Self {
        Self::listen(None).await
    }

    /// By HTTPS.
    pub(crate) async fn start_tls() -> Self {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider);
        let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let certificate = CertificateDer::from_pem_file(CERTIFICATE).unwrap();
        let key = PrivateKeyDer::from_pem_file(KEY).unwrap();
        let config = config.with_single_cert(vec![certificate], key).unwrap();
        Self::listen(Some(TlsAcceptor::from(Arc::new(config)))).await
    }

    async fn listen(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Seen { status: AtomicU16::new(200), ..Seen::default() });
        let remembered = Arc::clone(&seen);
        let listening = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (tls, seen) = (tls.clone(), Arc::clone(&remembered));
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, seen).await,
                        // Who does not trust it hangs up.
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, seen).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, seen, listening }
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Where it takes traces.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/v1/traces", self.address)
    }

    /// From now on it answers so; nothing is taken but with 200.
    pub(crate) fn answer(&self, status: u16) {
        self.seen.status.store(status, Ordering::SeqCst);
    }

    /// Path and headers of each request.
    pub(crate) fn heads(&self) -> Vec<(String, HeaderMap)> {
        self.seen.heads.lock().clone()
    }

    /// Every span so far.
    pub(crate) fn spans(&self) -> Vec<Received> {
        self.seen.spans.lock().clone()
    }

    /// The spans, as soon as this is true of them.
    pub(crate) async fn until(&self, enough: impl Fn(&[Received]) -> bool) -> Vec<Received> {
        for _ in 0..150 {
            let spans = self.spans();
            if enough(&spans) {
                return spans;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("not enough came: {:#?}", self.spans());
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, seen: Arc<Seen>) {
    let answer = service_fn(move |request: Request<Incoming>| {
        let seen = Arc::clone(&seen);
        async move {
            let (head, body) = request.into_parts();
            seen.heads.lock().push((head.uri.path().to_owned(), head.headers));
            let body = body.collect().await?.to_bytes();
            let status = seen.status.load(Ordering::SeqCst);
            if status == 200 {
                let request = ExportTraceServiceRequest::decode(body).unwrap();
                seen.spans.lock().extend(received(request));
            }
            // No field set: all of it was taken.
            let response = Response::builder().status(status);
            let response = response.header("content-type", "application/x-protobuf");
            Ok::<_, hyper::Error>(response.body(Full::new(Bytes::new())).unwrap())
        }
    });
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), answer)
        .await;
}

fn received(request: ExportTraceServiceRequest) -> Vec<Received> {
    let mut received = Vec::new();
    for resource in request.resource_spans {
        let service = texts(&resource.resource.unwrap().attributes);
        for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            received.push(Received {
                service: service.clone(),
                trace: hex(&span.trace_id),
                id: hex(&span.span_id),
                parent: hex(&span.parent_span_id),
                kind: span.kind(),
                nanoseconds: span.end_time_unix_nano - span.start_time_unix_nano,
                failed: span.status.is_some_and(|status| status.code == 2),
                attributes: texts(&span.attributes),
                state: span.trace_state,
                name: span.name,
            });
        }
    }
    received
}

fn texts(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |attribute: &KeyValue| match attribute.value.as_ref()?.value.as_ref()? {
        any_value::Value::StringValue(text) => Some(text.clone()),
        any_value::Value::IntValue(number) => Some(number.to_string()),
        other => panic!("{other:?}"),
    };
    let pairs = attributes.iter();
    pairs.map(|pair| (pair.key.clone(), text(pair).unwrap_or_default())).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
