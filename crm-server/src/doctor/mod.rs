//! `crm-server doctor`: whether an installation is as it should be, proven rather than believed.
//!
//! The settings are looked at here, the database by
//! [`crm_store_postgres::doctor`]. Nothing is changed, and no secret is told: a report can be
//! handed on as it is.

mod mail;
mod secrets;
mod settings;
#[cfg(test)]
mod tests;

use std::fmt::Write;
use std::path::Path;

use crm_core::Clock;
use crm_store_postgres::PostgresOptions;
use crm_store_postgres::doctor::{Check, Expected, Outcome, examine};
use serde_json::{Value, json};

use crate::config::{Config, ConfigError, StoreKind};

/// What was checked, and what was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    checks: Vec<Check>,
}

impl Report {
    /// Of a configuration that cannot be read at all.
    pub fn unreadable(error: &ConfigError) -> Self {
        let mut check = Check::new(CONFIGURATION.0, CONFIGURATION.1);
        check.fail(error.to_string());
        Self { checks: vec![check] }
    }

    /// Checks the settings, which came from `file` among others, and the database that they name:
    /// `all` of its records where a sample would do.
    pub async fn of(
        config: &Config,
        file: Option<&Path>,
        options: &PostgresOptions,
        clock: &dyn Clock,
        all: bool,
    ) -> Self {
        let mut checks = vec![Check::new(CONFIGURATION.0, CONFIGURATION.1)];
        checks.extend(settings::checks(config));
        checks.extend(secrets::checks(config, file));
        checks.push(mail::mail(config).await);
        if matches!(config.database.kind(), Ok(StoreKind::Postgres)) {
            match crm_core::catalogue() {
                Ok(catalogue) => {
                    let skew = config.tokens.leeway.duration();
                    let expected = Expected { options, catalogue: &catalogue, clock, skew, all };
                    checks.extend(examine(&expected).await);
                }
                Err(error) => {
                    let mut check = Check::new("tables", "the record types can be declared");
                    check.fail(error.to_string());
                    checks.push(check);
                }
            }
        }
        Self { checks }
    }

    /// How many checks ended so.
    pub fn count(&self, outcome: Outcome) -> usize {
        self.checks.iter().filter(|check| check.outcome() == outcome).count()
    }

    /// The checks, in the order in which they were made.
    pub fn checks(&self) -> &[Check] {
        &self.checks
    }

    /// One line for each check, and one for each finding under it.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let width = self.checks.iter().map(|check| check.name.len()).max().unwrap_or(0);
        for check in &self.checks {
            let (name, proves) = (check.name, check.proves);
            // Writing into a string cannot fail.
            let _ = writeln!(text, "{:<8} {name:<width$}  {proves}", check.outcome());
            for finding in &check.findings {
                let sign = if finding.fails { "✗" } else { "!" };
                let _ = writeln!(text, "         {:<width$}  {sign} {}", "", finding.what);
            }
        }
        let (failed, warned) = (self.count(Outcome::Failed), self.count(Outcome::Warned));
        let passed = self.count(Outcome::Passed);
        let _ = writeln!(text, "\n{passed} passed, {warned} with warnings, {failed} failed");
        text
    }

    /// The same for programs.
    pub fn json(&self) -> Value {
        let worst = self.checks.iter().map(Check::outcome).max().unwrap_or(Outcome::Passed);
        let checks: Vec<Value> = self
            .checks
            .iter()
            .map(|check| {
                let finding = |found: &crm_store_postgres::doctor::Finding| json!({"fails": found.fails, "what": found.what});
                json!({
                    "name": check.name,
                    "proves": check.proves,
                    "outcome": check.outcome().to_string(),
                    "findings": check.findings.iter().map(finding).collect::<Vec<_>>(),
                })
            })
            .collect();
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "outcome": worst.to_string(),
            "checks": checks,
        })
    }
}

const CONFIGURATION: (&str, &str) =
    ("configuration", "every setting can be read and is within its bounds");
