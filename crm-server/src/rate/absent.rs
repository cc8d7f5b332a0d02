//! Counting together with other servers, in a build without the feature `redis`: refused.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use super::Ask;
use crate::config::ConfigError;

/// What cannot be.
#[derive(Debug)]
pub(super) struct Shared(Infallible);

impl Shared {
    pub(super) fn new(_: &str, _: Duration) -> Result<Arc<Self>, ConfigError> {
        let message = "limits.rate.redis_url: this server was built without the feature redis";
        Err(ConfigError::new(message))
    }

    pub(super) async fn count(&self, _: &[Ask], _: bool) -> Option<Vec<i64>> {
        match self.0 {}
    }

    pub(super) async fn ping(&self) -> Result<(), String> {
        match self.0 {}
    }

    pub(super) fn figures(&self) -> (bool, u64) {
        match self.0 {}
    }
}
