//! Sixteen clients that write as fast as they are answered, and remember what they were told. Half
//! of them send a creation that was not answered again, under its key, and now and then one that
//! was.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hyper::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::caller::{Caller, Reply};

const CUSTOMERS: &str = "/api/v1/customers";
const CLIENTS: usize = 16;
/// How long to wait after a request that came to nothing.
const PAUSE: Duration = Duration::from_millis(20);

/// What a client knows of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It was told that it is done.
    Acknowledged,
    /// It was told 503, or nothing: it may be done or not.
    Unknown,
}

/// A customer, or what may be one.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    /// None where its creation was not answered.
    pub(crate) id: Option<String>,
    /// Every name that it was to have, in order; the first is that of its creation.
    pub(crate) names: Vec<(String, Fate)>,
}

#[derive(Debug, Default)]
struct Progress {
    stopped: AtomicBool,
    acknowledged: AtomicU64,
}

impl Progress {
    fn is_over(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }
}

/// How often clients were answered what; under none, how often they were not.
pub(crate) type Answers = BTreeMap<Option<u16>, u64>;

/// Requests that were sent again under their key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Again {
    /// Because nobody knew what came of them.
    pub(crate) unanswered: u64,
    /// Although they had been acknowledged.
    pub(crate) acknowledged: u64,
    /// And got the answer of the first.
    pub(crate) replayed: u64,
}

/// What clients were told.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) records: Vec<Record>,
    pub(crate) answers: Answers,
    pub(crate) again: Again,
}

/// Clients at work.
#[derive(Debug)]
pub(crate) struct Writers {
    progress: Arc<Progress>,
    tasks: JoinSet<Told>,
}

impl Writers {
    /// Sets them to work, each at one of these servers.
    pub(crate) fn start(servers: &[SocketAddr], caller: &Caller) -> Self {
        let progress = Arc::new(Progress::default());
        let mut tasks = JoinSet::new();
        for client in 0..CLIENTS {
            let caller = caller.at(servers[client % servers.len()]);
            tasks.spawn(write(client, caller, Arc::clone(&progress)));
        }
        Self { progress, tasks }
    }

    /// How many writes were acknowledged so far.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.progress.acknowledged.load(Ordering::SeqCst)
    }

    /// Waits until so many more are; how long that took.
    pub(crate) async fn wait_for(&self, more: u64, patience: Duration) -> Duration {
        let (since, goal) = (Instant::now(), self.acknowledged() + more);
        while self.acknowledged() < goal {
            assert!(since.elapsed() < patience, "no write came through in {patience:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        since.elapsed()
    }

    /// Ends their work; gives what they wrote, and what they were told.
    pub(crate) async fn stop(mut self) -> Told {
        self.progress.stopped.store(true, Ordering::SeqCst);
        let mut all = Told::default();
        while let Some(done) = self.tasks.join_next().await {
            let Told { records, answers, again } = done.unwrap();
            all.records.extend(records);
            for (status, times) in answers {
                *all.answers.entry(status).or_default() += times;
            }
            all.again.unanswered += again.unanswered;
            all.again.acknowledged += again.acknowledged;
            all.again.replayed += again.replayed;
        }
        all
    }
}

async fn write(client: usize, mut caller: Caller, progress: Arc<Progress>) -> Told {
    let Told { mut records, mut answers, mut again } = Told::default();
    let mut number = 0;
    while !progress.is_over() {
        number += 1;
        let name = format!("writer {client} number {number}");
        // Every fourth write changes the customer that was made last.
        let changed = records.iter_mut().rev().find(|record| record.id.is_some());
        let (fate, reply) = match changed.filter(|_| number % 4 == 0) {
            Some(record) => {
                let path = format!("{CUSTOMERS}/{}", record.id.as_deref().unwrap());
                let patch = json!({"companyName": name});
                let reply = caller.send(Method::PATCH, &path, Some(patch)).await;
                let fate = fate(&reply);
                record.names.push((name, fate));
                (fate, reply)
            }
            None => {
                let body = json!({"companyName": name});
                let mut reply = create(&mut caller, client, &body, &name).await;
                // Under its key a request is sent again until it is answered.
                while has_keys(client) && fate(&reply) == Fate::Unknown && !progress.is_over() {
                    *answers.entry(reply.status()).or_default() += 1;
                    tokio::time::sleep(PAUSE).await;
                    reply = create(&mut caller, client, &body, &name).await;
                    again.unanswered += 1;
                    again.replayed += u64::from(caller.was_replayed());
                }
                let fate = fate(&reply);
                let id = id(&reply);
                if has_keys(client) && fate == Fate::Acknowledged && number % 10 == 1 {
                    let repeated = create(&mut caller, client, &body, &name).await;
                    again.acknowledged += 1;
                    again.replayed += u64::from(caller.was_replayed());
                    if let Some(repeated) = self::id(&repeated) {
                        assert_eq!(Some(repeated), id, "{name}");
                    }
                }
                records.push(Record { id, names: vec![(name, fate)] });
                (fate, reply)
            }
        };
        *answers.entry(reply.status()).or_default() += 1;
        if fate == Fate::Acknowledged {
            progress.acknowledged.fetch_add(1, Ordering::SeqCst);
        } else {
            tokio::time::sleep(PAUSE).await;
        }
    }
    Told { records, answers, again }
}

/// Every second client sends its creations under keys.
fn has_keys(client: usize) -> bool {
    client.is_multiple_of(2)
}

async fn create(caller: &mut Caller, client: usize, body: &Value, name: &str) -> Reply {
    if !has_keys(client) {
        return caller.post(CUSTOMERS, body.clone()).await;
    }
    let reply = caller.post_once(CUSTOMERS, body.clone(), &name.replace(' ', "-")).await;
    if let Reply::Answered(409, refused) = &reply {
        assert_eq!(refused["errors"][0]["code"], "IDEMPOTENCY_KEY_IN_USE", "{refused}");
    }
    reply
}

fn fate(reply: &Reply) -> Fate {
    match reply.status() {
        Some(200 | 201) => Fate::Acknowledged,
        _ => Fate::Unknown,
    }
}

/// Of the record that it was told is made.
fn id(reply: &Reply) -> Option<String> {
    match reply {
        Reply::Answered(_, body) if fate(reply) == Fate::Acknowledged => {
            body["data"]["id"].as_str().map(str::to_owned)
        }
        _ => None,
    }
}
