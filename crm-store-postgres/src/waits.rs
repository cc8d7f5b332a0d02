//! How the pools are used: what an operator needs to know before they are too small. The driver
//! tells how many connections there are; who waits for one, and for how long, is counted here.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sqlx::pool::PoolConnection;
use sqlx::{PgPool, Postgres};

/// How a pool is used, at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolFigures {
    /// Which pool: `app` for requests of tenants, `system` for sign-in and scheduled work.
    pub name: &'static str,
    /// Connections that there are.
    pub size: u32,
    /// Those of them that nobody uses.
    pub idle: u32,
    /// The most that there may be.
    pub most: u32,
    /// Requests that wait for one now.
    pub waiting: u64,
    /// How often one was asked for.
    pub asked: u64,
    /// How often none was free at once, so that it was waited for, or made.
    pub waits: u64,
    /// How long all of them waited together.
    pub waited: Duration,
    /// How often none was had in time, or at all.
    pub failures: u64,
}

/// Counts those who ask for a connection of one pool.
#[derive(Debug, Default)]
pub(crate) struct Waits {
    waiting: AtomicU64,
    asked: AtomicU64,
    waits: AtomicU64,
    waited_micros: AtomicU64,
    failures: AtomicU64,
}

/// One who waits. Whoever asked may be gone before it is had.
struct Waiting<'a>(&'a AtomicU64);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Waits {
    /// A connection of `pool`.
    pub(crate) async fn connection(&self, pool: &PgPool) -> sqlx::Result<PoolConnection<Postgres>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let began = (pool.num_idle() == 0).then(Instant::now);
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let waiting = Waiting(&self.waiting);
        let had = pool.acquire().await;
        drop(waiting);
        if let Some(began) = began {
            self.waits.fetch_add(1, Ordering::Relaxed);
            let micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
            self.waited_micros.fetch_add(micros, Ordering::Relaxed);
        }
        if had.is_err() {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
        had
    }

    pub(crate) fn figures(&self, name: &'static str, pool: &PgPool) -> PoolFigures {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        PoolFigures {
            name,
            size: pool.size(),
            idle: u32::try_from(pool.num_idle()).unwrap_or(u32::MAX),
            most: pool.options().get_max_connections(),
            waiting: count(&self.waiting),
            asked: count(&self.asked),
            waits: count(&self.waits),
            waited: Duration::from_micros(count(&self.waited_micros)),
            failures: count(&self.failures),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::TestDatabase;
    use crate::{Pools, PostgresOptions};

    #[tokio::test]
    async fn who_waits_for_a_connection_is_counted_and_how_long() {
        let database = TestDatabase::migrated().await.unwrap();
        let mut options = PostgresOptions::new(database.app_url());
        options.max_connections = 2;
        options.acquire_timeout = std::time::Duration::from_millis(300);
        let pools = Pools::connect(&options).await.unwrap();
        let app = |pools: &Pools| pools.figures().into_iter().find(|f| f.name == "app").unwrap();
        assert_eq!((app(&pools).most, app(&pools).size, app(&pools).asked), (1, 0, 0));

        let held = pools.connection(&pools.app).await.unwrap();
        assert_eq!((app(&pools).size, app(&pools).idle, app(&pools).waits), (1, 0, 1));
        let other = pools.clone();
        let waiter = tokio::spawn(async move { other.connection(&other.app).await.map(drop) });
        while app(&pools).waiting == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        assert!(waiter.await.unwrap().is_err(), "none is had in time");
        let figures = app(&pools);
        assert_eq!((figures.asked, figures.waits, figures.failures), (2, 2, 1));
        assert_eq!(figures.waiting, 0);
        assert!(figures.waited >= std::time::Duration::from_millis(290), "{figures:?}");
        drop(held);
    }
}
