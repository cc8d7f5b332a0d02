//! What is in the database afterwards, against what the clients were told.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use sqlx::{Connection, PgConnection, Row};

use super::writers::{Fate, Record};

/// A customer as it is stored, with how many entries and events there are of each version.
#[derive(Debug, Default)]
struct Stored {
    name: String,
    version: i64,
    entries: BTreeMap<i64, u64>,
    events: BTreeMap<i64, u64>,
}

/// What went wrong, counted; all of it is to be zero but `unknown` and `late`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Writes that were acknowledged.
    pub(crate) acknowledged: u64,
    /// Writes of which the client does not know, and how many of them were done.
    pub(crate) unknown: u64,
    pub(crate) late: u64,
    /// Acknowledged, and not there.
    pub(crate) missing: u64,
    /// There more than once, or more often changed than anybody asked for.
    pub(crate) doubled: u64,
    /// Nobody asked for it.
    pub(crate) from_nowhere: u64,
    /// Versions without exactly one audit entry, and without exactly one event.
    pub(crate) audit: u64,
    pub(crate) events: u64,
    /// Entries and events of customers that there are not, and counts that are not so.
    pub(crate) half: u64,
}

impl Tally {
    /// Whether nothing was lost, doubled or half done.
    pub(crate) fn is_right(&self) -> bool {
        let Self { missing, doubled, from_nowhere, audit, events, half, .. } = self;
        missing + doubled + from_nowhere + audit + events + half == 0
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "acknowledged {}, unknown {} (done {}), missing {}, doubled {}, from nowhere {}, audit \
             wrong {}, events wrong {}, half {}",
            self.acknowledged,
            self.unknown,
            self.late,
            self.missing,
            self.doubled,
            self.from_nowhere,
            self.audit,
            self.events,
            self.half
        )
    }
}

/// Counts, past the product, as a superuser.
pub(crate) async fn count(superuser_url: &str, records: &[Record]) -> Tally {
    let mut connection = PgConnection::connect(superuser_url).await.unwrap();
    let mut tally = Tally::default();
    let mut stored = stored(&mut connection, &mut tally).await;
    for record in records {
        let told = |fate| record.names.iter().filter(|(_, told)| *told == fate).count() as u64;
        let (acknowledged, unknown) = (told(Fate::Acknowledged), told(Fate::Unknown));
        tally.acknowledged += acknowledged;
        tally.unknown += unknown;
        let found = match &record.id {
            Some(id) => stored.remove(id).into_iter().collect::<Vec<_>>(),
            // Its creation was not answered: it has the name that it was to have, if it is there.
            None => {
                let name = &record.names[0].0;
                let ids = stored.iter().filter(|(_, stored)| stored.name == *name);
                let ids: Vec<String> = ids.map(|(id, _)| id.clone()).collect();
                ids.iter().filter_map(|id| stored.remove(id)).collect()
            }
        };
        tally.doubled += found.len().saturating_sub(1) as u64;
        let Some(found) = found.first() else {
            tally.missing += acknowledged;
            continue;
        };
        let done = found.version as u64;
        tally.missing += acknowledged.saturating_sub(done);
        tally.doubled += done.saturating_sub(acknowledged + unknown);
        tally.late += done.saturating_sub(acknowledged).min(unknown);
        // The last name that was acknowledged, or one that may have been given after it.
        let last = record.names.iter().rposition(|(_, fate)| *fate == Fate::Acknowledged);
        let possible = &record.names[last.unwrap_or(0)..];
        if !possible.iter().any(|(name, _)| *name == found.name) {
            tally.missing += 1;
        }
        let wrong = |of: &BTreeMap<i64, u64>| {
            (1..=found.version).filter(|version| of.get(version) != Some(&1)).count() as u64
                + of.keys().filter(|version| !(1..=found.version).contains(version)).count() as u64
        };
        tally.audit += wrong(&found.entries);
        tally.events += wrong(&found.events);
    }
    // What is left has been made again, or by nobody.
    let asked_for = |name: &str| records.iter().any(|record| record.names[0].0 == name);
    let again = stored.values().filter(|stored| asked_for(&stored.name)).count() as u64;
    tally.doubled += again;
    tally.from_nowhere = stored.len() as u64 - again;
    connection.close().await.unwrap();
    tally
}

async fn stored(connection: &mut PgConnection, tally: &mut Tally) -> HashMap<String, Stored> {
    let mut stored = HashMap::new();
    let rows = sqlx::query("SELECT id::text, name, version FROM customers");
    for row in rows.fetch_all(&mut *connection).await.unwrap() {
        let customer = Stored { name: row.get(1), version: row.get(2), ..Stored::default() };
        stored.insert(row.get::<String, _>(0), customer);
    }
    let live = stored.len() as i64;
    let entries = "SELECT record_id::text, record_version, count(*) FROM audit_entries
                   WHERE resource = 'customers' GROUP BY record_id, record_version";
    let events = "SELECT record_id::text, record_version, count(*) FROM events
                  WHERE kind LIKE 'customers.%' GROUP BY record_id, record_version";
    for (statement, is_event) in [(entries, false), (events, true)] {
        for row in sqlx::query(statement).fetch_all(&mut *connection).await.unwrap() {
            let (version, times) = (row.get::<i64, _>(1), row.get::<i64, _>(2) as u64);
            match stored.get_mut(&row.get::<String, _>(0)) {
                Some(customer) if is_event => customer.events.insert(version, times),
                Some(customer) => customer.entries.insert(version, times),
                None => {
                    tally.half += times;
                    None
                }
            };
        }
    }
    let counted = "SELECT coalesce(sum(n), 0)::int8 FROM record_counts
                   WHERE record_type = 'customers'";
    let counted: i64 = sqlx::query(counted).fetch_one(&mut *connection).await.unwrap().get(0);
    tally.half += counted.abs_diff(live);
    stored
}
