//! In place of what sends spans, in a build without the feature `otlp`.

use super::{Figures, Span};
use crate::config::{self, ConfigError};

/// There is none.
#[derive(Debug)]
pub(super) enum Exporter {}

impl Exporter {
    /// Refuses: a setting without effect would be believed.
    pub(super) fn new(_: &str, _: &config::Traces, _: String) -> Result<Self, ConfigError> {
        Err(ConfigError::new(
            "traces.endpoint: this build sends no traces; one with `--features otlp` does",
        ))
    }

    /// Refuses likewise.
    pub(super) fn check(endpoint: &str, config: &config::Traces) -> Result<(), ConfigError> {
        Self::new(endpoint, config, String::new()).map(drop)
    }

    pub(super) fn record(&self, _: Span<'_>) {
        match *self {}
    }

    pub(super) fn figures(&self) -> Figures {
        match *self {}
    }

    pub(super) fn flush(&self) -> bool {
        match *self {}
    }
}
