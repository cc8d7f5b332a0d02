//! What the server tells those who run it: figures, spans of requests, and its log.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Secret;

/// Who gets figures for monitoring, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MetricsAccess {
    /// Whether there is `GET /metrics`.
    pub enabled: bool,
    /// An address of their own; the server's where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bind: Option<SocketAddr>,
    /// What whoever asks must send as bearer token; nothing where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<Secret>,
}

impl Default for MetricsAccess {
    fn default() -> Self {
        Self { enabled: true, bind: None, token: None }
    }
}

/// Where spans of requests are sent, by OTLP over HTTP. A server that was built without the feature
/// `otlp` refuses to start with an endpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Traces {
    /// The URL of a collector, `http://localhost:4318/v1/traces`; nothing is sent where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Headers to send along, `name=value` separated by commas: a key of the collector's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headers: Option<Secret>,
    /// The certificates that the collector's is to be signed by, as PEM, in place of those of
    /// public authorities.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Which part of the traces that begin here is recorded, from 0 to 1. Where a caller has begun
    /// one, it has decided.
    pub sample: f64,
    /// What the server is called there: `service.name`.
    pub service: String,
}

impl Default for Traces {
    fn default() -> Self {
        Self {
            endpoint: None,
            headers: None,
            ca_file: None,
            sample: 1.0,
            service: "crm-server".to_owned(),
        }
    }
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What is logged, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// How lines look.
    pub format: LogFormat,
    /// A level, or a filter such as `info,sqlx=warn`.
    pub level: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Text, level: "info".to_owned() }
    }
}
