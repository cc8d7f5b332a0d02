//! Faults while sixteen clients write, and what is there afterwards: nothing that was acknowledged
//! is missing, nothing is there twice, every change has its one audit entry and its one event, and
//! the server comes back by itself.

use std::io::Write;
use std::time::{Duration, Instant};

use crm_store_postgres::testing::{DurableServer, Relay, Stop, Way};
use sqlx::{Connection, PgConnection};

use crate::support::{Caller, Process, Settings, Tally, Told, Writers, count, number};

/// The least number of times that a fault occurs, however few the writes are.
const TIMES: u64 = 3;
/// How long a server that is whole again may take until a write comes through.
const PATIENCE: Duration = Duration::from_secs(30);

fn writes() -> u64 {
    number("FAULT_WRITES", 200)
}

fn away() -> Duration {
    Duration::from_secs(number("FAULT_SECONDS", 2))
}

/// A server under load over a database of its own.
struct Trial {
    database: DurableServer,
    server: Process,
    writers: Writers,
    begun: Instant,
}

impl Trial {
    async fn begin(
        database: DurableServer,
        settings: impl FnOnce(&DurableServer) -> Settings,
    ) -> Self {
        let server = Process::start(settings(&database)).await;
        let (owner, _) = Caller::sign_up(server.address(), "acme").await;
        let writers = Writers::start(&[server.address()], &owner);
        writers.wait_for(16, PATIENCE).await;
        Self { database, server, writers, begun: Instant::now() }
    }

    /// Lets a fault occur so many times at most, spread over all the writes.
    async fn until_done(
        &mut self,
        most: u64,
        mut fault: impl AsyncFnMut(&mut Self, u64),
    ) -> Faults {
        let times = (writes() / 500).min(most).max(TIMES);
        let mut slowest = Duration::ZERO;
        for time in 0..times {
            let next = writes() * (time + 1) / (times + 1);
            while self.writers.acknowledged() < next {
                self.writers.wait_for(1, PATIENCE).await;
            }
            // Not in step with anything.
            tokio::time::sleep(Duration::from_millis(time * 37 % 100)).await;
            fault(self, time).await;
            slowest = slowest.max(self.writers.wait_for(1, PATIENCE).await);
        }
        while self.writers.acknowledged() < writes() {
            self.writers.wait_for(1, PATIENCE).await;
        }
        Faults { times, slowest }
    }

    /// Stops everything, counts, and prints a line.
    async fn end(self, what: &str, faults: Faults) -> Tally {
        let Self { database, mut server, writers, begun } = self;
        let took = begun.elapsed();
        let Told { records, answers, again } = writers.stop().await;
        // What it has begun ends with it.
        server.kill().await;
        quiet(&database.superuser_url()).await;
        let tally = count(&database.superuser_url(), &records).await;
        let answers: Vec<String> = answers
            .into_iter()
            .map(|(status, times)| match status {
                Some(status) => format!("{status}: {times}"),
                None => format!("none: {times}"),
            })
            .collect();
        let Faults { times, slowest } = faults;
        let mut out = std::io::stdout().lock();
        writeln!(
            out,
            "{what}: {times} times in {:.1} s; {tally}; sent again under keys {} that were not \
             answered and {} that were, {} got the first one's answer; answers {}; writes came \
             through again within {} ms",
            took.as_secs_f64(),
            again.unanswered,
            again.acknowledged,
            again.replayed,
            answers.join(", "),
            slowest.as_millis()
        )
        .unwrap();
        assert!(tally.is_right(), "{what}: {tally}");
        let strange: Vec<_> = answers
            .iter()
            .filter(|answer| {
                !["200", "201", "409", "503", "none"].iter().any(|ok| answer.starts_with(ok))
            })
            .collect();
        assert!(strange.is_empty(), "{what}: {strange:?}");
        tally
    }
}

#[derive(Debug)]
struct Faults {
    times: u64,
    /// From the end of a fault to the next write that was acknowledged.
    slowest: Duration,
}

fn directly(database: &DurableServer) -> Settings {
    Settings::new(&database.app_url(), &database.owner_url())
}

/// Waits until nobody is at work in the database.
async fn quiet(superuser_url: &str) {
    let mut connection = PgConnection::connect(superuser_url).await.unwrap();
    let others = "SELECT FROM pg_stat_activity WHERE datname = current_database()
                  AND pid <> pg_backend_pid() AND backend_type = 'client backend'";
    while !sqlx::query(others).fetch_all(&mut connection).await.unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_loses_nothing_that_it_acknowledged() {
    let database = DurableServer::start().await.unwrap();
    let mut trial = Trial::begin(database, directly).await;
    let killed = async |trial: &mut Trial, _| {
        trial.server.kill().await;
        trial.server.start_again().await;
    };
    let faults = trial.until_done(20, killed).await;
    trial.end("server killed (-9)", faults).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_restarted_or_crashes_loses_nothing() {
    let database = DurableServer::start().await.unwrap();
    let mut trial = Trial::begin(database, directly).await;
    let restarted = async |trial: &mut Trial, time| {
        let how = if time % 2 == 0 { Stop::Immediate } else { Stop::Fast };
        trial.database.stop(how).await.unwrap();
        trial.database.start_again().await.unwrap();
    };
    let faults = trial.until_done(10, restarted).await;
    trial.end("database stopped (immediate, fast in turns)", faults).await;
}

async fn network(what: &str, way: Way) {
    let database = DurableServer::start().await.unwrap();
    let relay = Relay::to(&database.app_url()).await.unwrap();
    let through = |database: &DurableServer| Settings::new(relay.url(), &database.owner_url());
    let mut trial = Trial::begin(database, through).await;
    let cut = async |_: &mut Trial, _| {
        relay.set(way);
        tokio::time::sleep(away()).await;
        relay.set(Way::Open);
    };
    let faults = trial.until_done(3, cut).await;
    trial.end(&format!("network {what} for {} s", away().as_secs()), faults).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_is_cut_is_waited_for() {
    network("cut", Way::Refusing).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_swallows_everything_is_waited_for() {
    network("silent", Way::Silent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_delivers_late_doubles_nothing() {
    network("held", Way::Held).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_are_all_taken_are_waited_for() {
    let database = DurableServer::start().await.unwrap();
    let few = |database: &DurableServer| {
        directly(database)
            .with("CRM_DATABASE_POOL_SIZE", "2")
            .with("CRM_DATABASE_ACQUIRE_TIMEOUT", "300ms")
    };
    let mut trial = Trial::begin(database, few).await;
    let held_up = async |trial: &mut Trial, _| {
        let mut other = PgConnection::connect(&trial.database.superuser_url()).await.unwrap();
        let hold =
            "BEGIN; LOCK TABLE customers IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(1); COMMIT";
        sqlx::raw_sql(hold).execute(&mut other).await.unwrap();
    };
    let faults = trial.until_done(10, held_up).await;
    trial.end("pool exhausted, the table locked for 1 s", faults).await;
}

/// `/dev/full` is a disk without room: each write to it fails as on one.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_cannot_be_written_costs_no_request() {
    let database = DurableServer::start().await.unwrap();
    let full = |database: &DurableServer| directly(database).logging_to("/dev/full");
    let mut trial = Trial::begin(database, full).await;
    let faults = trial.until_done(3, async |_: &mut Trial, _| {}).await;
    let tally = trial.end("disk of the log full", faults).await;
    assert_eq!(tally.unknown, 0, "{tally}");
}
