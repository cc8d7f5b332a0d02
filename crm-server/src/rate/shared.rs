//! What several servers count together, in Redis: one script, so that counting is one step on its
//! side and one round trip on ours, by Redis' own clock.
//!
//! No request waits for a Redis that does not answer: after the first that did, nobody asks until
//! it answers again, which is looked after in the background.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, RedisResult, Script};
use tokio::time::timeout;

use super::{Ask, Subject};
use crate::config::ConfigError;

/// How often is looked whether it answers again.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long it may take to say so.
const PATIENCE: Duration = Duration::from_secs(1);

/// A Redis, for as long as it answers.
pub(super) struct Shared {
    connection: ConnectionManager,
    script: Script,
    deadline: Duration,
    answers: AtomicBool,
    failures: AtomicU64,
}

/// Leaves the connection out: its address may hold a password.
impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { deadline, answers, failures, connection: _, script: _ } = self;
        f.debug_struct("Shared")
            .field("deadline", deadline)
            .field("answers", answers)
            .field("failures", failures)
            .finish_non_exhaustive()
    }
}

impl Shared {
    pub(super) fn new(url: &str, deadline: Duration) -> Result<Arc<Self>, ConfigError> {
        // What the driver says of a URL repeats it.
        let fault = || {
            let expected = "expected redis://…, rediss://… or unix:…";
            ConfigError::new(format!("limits.rate.redis_url: {expected}"))
        };
        let client = Client::open(url).map_err(|_| fault())?;
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(0)
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE));
        let connection =
            ConnectionManager::new_lazy_with_config(client, config).map_err(|_| fault())?;
        Ok(Arc::new(Self {
            connection,
            script: Script::new(include_str!("gcra.lua")),
            deadline,
            answers: AtomicBool::new(true),
            failures: AtomicU64::new(0),
        }))
    }

    /// Counts a request, or looks only: how far ahead each caller was before. None where Redis
    /// does not say.
    pub(super) async fn count(self: &Arc<Self>, asks: &[Ask], looks: bool) -> Option<Vec<i64>> {
        if !self.answers.load(Ordering::Relaxed) {
            return None;
        }
        let mut call = self.script.prepare_invoke();
        call.arg(i32::from(!looks));
        for ask in asks {
            call.key(name(&ask.subject)).arg(ask.quota.step).arg(ask.quota.window);
        }
        let mut connection = self.connection.clone();
        let answer: RedisResult<Vec<i64>> =
            match timeout(self.deadline, call.invoke_async(&mut connection)).await {
                Ok(answer) => answer,
                Err(_) => return self.failed("no answer in time"),
            };
        match answer {
            Ok(ahead) if ahead.len() == asks.len() => Some(ahead),
            Ok(_) => self.failed("it answered something else"),
            Err(error) => self.failed(error.category()),
        }
    }

    /// The first who finds it away says so, once, and has it looked after.
    fn failed<T>(self: &Arc<Self>, why: &str) -> Option<T> {
        self.failures.fetch_add(1, Ordering::Relaxed);
        if self.answers.swap(false, Ordering::Relaxed) {
            tracing::warn!(why, "the Redis of limits.rate does not answer");
            tokio::spawn(until_it_answers(Arc::downgrade(self)));
        }
        None
    }

    /// Whether it answers.
    pub(super) async fn ping(&self) -> Result<(), String> {
        let mut connection = self.connection.clone();
        let ping = redis::cmd("PING");
        match timeout(PATIENCE, ping.query_async::<()>(&mut connection)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(error.category().to_owned()),
            Err(_) => Err("no answer in time".to_owned()),
        }
    }

    /// Whether it answered last, and how often it did not.
    pub(super) fn figures(&self) -> (bool, u64) {
        (self.answers.load(Ordering::Relaxed), self.failures.load(Ordering::Relaxed))
    }
}

async fn until_it_answers(shared: Weak<Shared>) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let Some(shared) = shared.upgrade() else { return };
        if shared.ping().await.is_ok() {
            shared.answers.store(true, Ordering::Relaxed);
            tracing::info!("the Redis of limits.rate answers again");
            return;
        }
    }
}

/// What a caller is called there.
fn name(subject: &Subject) -> String {
    match subject {
        Subject::Address(bits) => format!("crm:rate:address:{bits:032x}"),
        Subject::User(id) => format!("crm:rate:user:{id}"),
        Subject::Key(id) => format!("crm:rate:key:{id}"),
        Subject::Tenant(id) => format!("crm:rate:tenant:{id}"),
    }
}
