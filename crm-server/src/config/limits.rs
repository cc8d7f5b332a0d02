//! What a single request may cost, and how many there may be.

use serde::{Deserialize, Serialize};

use super::{ConfigError, Rates, Span};

/// What a single request may cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// The most bytes in a JSON body.
    pub body_bytes: usize,
    /// How deep a JSON body may nest.
    pub nesting: usize,
    /// The most records on a page.
    pub page: u32,
    /// How long a request may take.
    pub request_timeout: Span,
    /// How many requests are worked on at once.
    pub concurrency: usize,
    /// The most bytes in a URL's path and query.
    pub url_bytes: usize,
    /// The most bytes in all headers of a request.
    pub header_bytes: usize,
    /// The most headers of a request.
    pub headers: usize,
    /// How long the head of a request may take to come.
    pub header_timeout: Span,
    /// How long its body may take to come.
    pub body_timeout: Span,
    /// How long a connection may be silent.
    pub idle_timeout: Span,
    /// How many connections there may be.
    pub connections: usize,
    /// The most conditions in a filter.
    pub filter_terms: usize,
    /// How many exports are made at once.
    pub exports: usize,
    /// How often one may ask.
    pub rate: Rates,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 1 << 20,
            nesting: 32,
            page: 200,
            request_timeout: Span::seconds(30),
            concurrency: 1_024,
            // A filter of its greatest length, each of its octets escaped.
            url_bytes: 32_768,
            header_bytes: 16_384,
            headers: 100,
            header_timeout: Span::seconds(10),
            body_timeout: Span::seconds(20),
            // Longer than most clients and load balancers keep a connection.
            idle_timeout: Span::seconds(75),
            connections: 4_096,
            filter_terms: 200,
            // Each holds a thousand records or two.
            exports: 8,
            rate: Rates::default(),
        }
    }
}

impl Limits {
    /// Those that would stop the server where they were 0.
    pub(super) fn at_least_one(&self) -> Vec<(&'static str, u64)> {
        vec![
            ("limits.body_bytes", self.body_bytes as u64),
            ("limits.nesting", self.nesting as u64),
            ("limits.page", u64::from(self.page)),
            ("limits.concurrency", self.concurrency as u64),
            ("limits.request_timeout", self.request_timeout.as_millis()),
            ("limits.url_bytes", self.url_bytes as u64),
            ("limits.header_bytes", self.header_bytes as u64),
            ("limits.headers", self.headers as u64),
            ("limits.header_timeout", self.header_timeout.as_millis()),
            ("limits.body_timeout", self.body_timeout.as_millis()),
            ("limits.idle_timeout", self.idle_timeout.as_millis()),
            ("limits.connections", self.connections as u64),
            ("limits.filter_terms", self.filter_terms as u64),
            ("limits.exports", self.exports as u64),
        ]
    }

    /// Refuses what is beyond what the server can keep.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if self.page > crm_core::language::MAX_LIST_LIMIT {
            let most = crm_core::language::MAX_LIST_LIMIT;
            return Err(ConfigError::new(format!("limits.page: expected at most {most}")));
        }
        let terms = crm_core::store::MAX_TERMS;
        if self.filter_terms > terms {
            return Err(ConfigError::new(format!("limits.filter_terms: expected at most {terms}")));
        }
        if self.nesting > 100 {
            return Err(ConfigError::new("limits.nesting: expected at most 100"));
        }
        self.rate.check()
    }
}
