//! Whether the server lives, and whether it can work.

use std::sync::Arc;

use poem::web::Data;
use poem_openapi::{Object, OpenApi};
use serde::Serialize;

use super::envelope::Reply;
use super::error::{ApiError, Fault};
use crate::app::App;

/// The probes.
#[derive(Debug, Clone, Copy)]
pub struct SystemApi;

/// How the server is.
#[derive(Debug, Clone, Serialize, Object)]
pub struct Health {
    /// `ok`.
    pub status: String,
    /// The version of the server.
    pub version: String,
}

impl Health {
    fn ok() -> Self {
        Self { status: "ok".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() }
    }
}

#[OpenApi]
impl SystemApi {
    /// Is the process up?
    ///
    /// Touches nothing that the server depends on.
    #[oai(path = "/health/live", method = "get")]
    async fn live(&self) -> Result<Reply<Health>, ApiError> {
        Ok(Reply::new(Health::ok()))
    }

    /// Can the server work?
    ///
    /// Asks each thing that it depends on; 503 names those that do not answer.
    #[oai(path = "/health/ready", method = "get")]
    async fn ready(&self, app: Data<&Arc<App>>) -> Result<Reply<Health>, ApiError> {
        let mut faults = Vec::new();
        for probe in app.probes() {
            if let Err(error) = probe.check().await {
                let name = probe.name();
                tracing::warn!(dependency = name, %error, "not ready");
                faults.push(Fault::at(name, "UNAVAILABLE", format!("{name} does not answer")));
            }
        }
        if faults.is_empty() {
            return Ok(Reply::new(Health::ok()));
        }
        Err(ApiError::away(faults))
    }
}
