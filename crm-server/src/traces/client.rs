//! The HTTP client that sends spans: HTTP/1.1, TLS by rustls, on the server's own runtime.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as Pooled;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio::runtime::Handle;

use crate::config::ConfigError;

/// The most bytes of an answer that are looked at: it says how many spans were refused.
const ANSWER: usize = 64 * 1024;

/// Sends requests from any thread.
#[derive(Debug)]
pub(super) struct Client {
    pooled: Pooled<HttpsConnector<HttpConnector>, Full<Bytes>>,
    runtime: Handle,
    patience: Duration,
}

impl Client {
    /// Trusts these certificates, or those of public authorities where none are named.
    pub(super) fn new(ca_file: Option<&Path>, patience: Duration) -> Result<Self, ConfigError> {
        let runtime = Handle::try_current()
            .map_err(|error| ConfigError::new(format!("traces.endpoint: {error}")))?;
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(trust(ca_file)?)
            .https_or_http()
            .enable_http1()
            .build();
        let pooled = Pooled::builder(TokioExecutor::new()).build(connector);
        Ok(Self { pooled, runtime, patience })
    }
}

/// What a collector's certificate is to be signed by.
pub(super) fn trust(ca_file: Option<&Path>) -> Result<ClientConfig, ConfigError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| ConfigError::new(error.to_string()))?;
    let Some(file) = ca_file else {
        return Ok(config.with_webpki_roots().with_no_client_auth());
    };
    let fault = |what: &dyn std::fmt::Display| {
        ConfigError::new(format!("traces.ca_file {}: {what}", file.display()))
    };
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(file).map_err(|error| fault(&error))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| fault(&error))?;
        roots.add(certificate).map_err(|error| fault(&error))?;
    }
    if roots.is_empty() {
        return Err(fault(&"there is no certificate in it"));
    }
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (pooled, patience) = (self.pooled.clone(), self.patience);
        let asked = async move {
            let (head, body) = pooled.request(request.map(Full::new)).await?.into_parts();
            let body = Limited::new(body, ANSWER).collect().await?.to_bytes();
            Ok::<_, HttpError>(Response::from_parts(head, body))
        };
        // Whoever calls is a thread of the exporter's, which no runtime knows.
        let answered = async move { tokio::time::timeout(patience, asked).await };
        let answered = self.runtime.spawn(answered).await?;
        let answered = answered.map_err(HttpError::from).and_then(|answer| answer);
        if let Err(error) = &answered {
            tracing::debug!(%error, "the collector of traces does not answer");
        }
        answered
    }
}
