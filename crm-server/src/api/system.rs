//! Whether the server lives, and whether it can work.

use std::sync::Arc;

use futures::future::join_all;
use poem::web::Data;
use poem_openapi::{Object, OpenApi};
use serde::Serialize;

use super::envelope::Reply;
use super::error::{ApiError, Fault};
use crate::app::App;
use crate::readiness::NotReady;

/// What is asked for rates of requests, where several servers count together.
const RATE_LIMITS: &str = "rate-limits";

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
    /// What is not set up, and so does not work: `mail`.
    pub missing: Vec<String>,
    /// What does not answer and is done without meanwhile: `rate-limits`.
    #[serde(rename = "doingWithout")]
    #[oai(rename = "doingWithout")]
    pub doing_without: Vec<String>,
}

impl Health {
    fn of(app: &App) -> Self {
        let missing = if app.crm().sends_mails() { Vec::new() } else { vec!["mail".to_owned()] };
        let version = env!("CARGO_PKG_VERSION").to_owned();
        Self { status: "ok".to_owned(), version, missing, doing_without: Vec::new() }
    }
}

#[OpenApi]
impl SystemApi {
    /// Is the process up?
    ///
    /// Touches nothing that the server depends on.
    #[oai(path = "/health/live", method = "get")]
    async fn live(&self, app: Data<&Arc<App>>) -> Result<Reply<Health>, ApiError> {
        Ok(Reply::new(Health::of(&app)))
    }

    /// Can the server work?
    ///
    /// Asks each thing that it depends on; 503 names those that do not answer, and migrations
    /// of the database that are missing, failed, or newer than the server. A server that was asked
    /// to stop is not ready any more. What it can do without for a while is told in 200.
    #[oai(path = "/health/ready", method = "get")]
    async fn ready(&self, app: Data<&Arc<App>>) -> Result<Reply<Health>, ApiError> {
        if app.is_stopping() {
            let fault = Fault::at("server", "STOPPING", "the server is about to stop");
            return Err(ApiError::away(vec![fault]));
        }
        let asked = app.probes().iter().map(|probe| async {
            let Err(reason) = probe.check().await else { return None };
            let name = probe.name();
            tracing::warn!(dependency = name, %reason, "not ready");
            Some(match reason {
                NotReady::Away(_) => {
                    Fault::at(name, "UNAVAILABLE", format!("{name} does not answer"))
                }
                NotReady::Unfit { code, message } => Fault::at(name, code, message),
            })
        });
        let (asked, rate) = futures::join!(join_all(asked), app.rate().is_apart());
        let mut faults: Vec<Fault> = asked.into_iter().flatten().collect();
        let mut health = Health::of(&app);
        if let Err(reason) = rate {
            if app.rate().does_without() {
                health.doing_without.push(RATE_LIMITS.to_owned());
            } else {
                tracing::warn!(dependency = RATE_LIMITS, %reason, "not ready");
                let message = "what several servers count requests in does not answer";
                faults.push(Fault::at(RATE_LIMITS, "UNAVAILABLE", message));
            }
        }
        if faults.is_empty() {
            return Ok(Reply::new(health));
        }
        Err(ApiError::away(faults))
    }
}
