//! What this process counts by itself. Bounded, however many addresses somebody comes from: two
//! generations of callers; when the younger is full, the older is forgotten, and who asked
//! meanwhile has moved into the younger.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use parking_lot::Mutex;

use super::{Ask, Subject};

const SHARDS: usize = 16;
/// Callers of a generation in a shard: some 130 000 in all, in about ten megabytes at most.
const GENERATION: usize = 4_096;

/// Until when what each caller asked for is paid off, in microseconds since 1970.
#[derive(Debug)]
pub(super) struct Table {
    shards: [Mutex<Generations>; SHARDS],
    hasher: RandomState,
}

#[derive(Debug, Default)]
struct Generations {
    young: HashMap<Subject, i64>,
    old: HashMap<Subject, i64>,
}

impl Generations {
    fn until(&self, subject: &Subject) -> i64 {
        self.young.get(subject).or_else(|| self.old.get(subject)).copied().unwrap_or(0)
    }

    fn put(&mut self, subject: Subject, until: i64) {
        if self.young.len() >= GENERATION && !self.young.contains_key(&subject) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(subject, until);
    }
}

impl Table {
    pub(super) fn new() -> Self {
        Self { shards: std::array::from_fn(|_| Mutex::default()), hasher: RandomState::new() }
    }

    /// Counts a request for all that it is to be counted for, or for none where one of them does
    /// not admit it; not at all where it only `looks`. How far ahead each of them was before.
    pub(super) fn count(&self, asks: &[Ask], now: i64, looks: bool) -> Vec<i64> {
        let mut ahead = Vec::with_capacity(asks.len());
        for ask in asks {
            let mut shard = self.shard(&ask.subject).lock();
            let before = ask.quota.ahead(shard.until(&ask.subject), now);
            ahead.push(before);
            if !ask.quota.admits(before) {
                // Who goes on asking is not forgotten.
                if !looks {
                    shard.put(ask.subject, now + before);
                }
                drop(shard);
                // Nobody pays for what was refused.
                for (counted, before) in asks.iter().zip(&ahead).take(ahead.len() - 1) {
                    if !looks {
                        self.give_back(counted, *before, now);
                    }
                }
                // The rest was not asked, and is shown as it is.
                for ask in asks.iter().skip(ahead.len()) {
                    let until = self.shard(&ask.subject).lock().until(&ask.subject);
                    ahead.push(ask.quota.ahead(until, now));
                }
                return ahead;
            }
            if !looks {
                shard.put(ask.subject, now + before + ask.quota.step);
            }
        }
        ahead
    }

    fn give_back(&self, ask: &Ask, before: i64, now: i64) {
        let mut shard = self.shard(&ask.subject).lock();
        let until = shard.until(&ask.subject);
        // Others may have asked meanwhile.
        let back = (until - ask.quota.step).max(now + before).min(until);
        shard.put(ask.subject, back);
    }

    fn shard(&self, subject: &Subject) -> &Mutex<Generations> {
        let hash = self.hasher.hash_one(subject) as usize;
        &self.shards[hash % SHARDS]
    }

    /// How many callers are remembered.
    pub(super) fn len(&self) -> usize {
        let of = |shard: &Mutex<Generations>| {
            let shard = shard.lock();
            shard.young.len() + shard.old.len()
        };
        self.shards.iter().map(of).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rate::gcra::Quota;
    use uuid::Uuid;

    const NOW: i64 = 1_700_000_000_000_000;

    fn ask(subject: Subject, rate: &str) -> Ask {
        Ask { policy: 0, subject, quota: Quota::of(rate.parse().unwrap()).unwrap() }
    }

    #[test]
    fn a_flood_of_addresses_takes_bounded_room_and_frees_nobody_who_goes_on_asking() {
        let table = Table::new();
        let greedy = ask(Subject::User(Uuid::nil()), "5/1d");
        let mut admitted = 0;
        for i in 0..400_000_u128 {
            table.count(&[ask(Subject::Address(i), "5/1d")], NOW, false);
            if i % 1_000 == 0 {
                let before = table.count(std::slice::from_ref(&greedy), NOW, false);
                admitted += u32::from(greedy.quota.admits(before[0]));
            }
        }
        assert!(table.len() <= 2 * SHARDS * GENERATION, "{}", table.len());
        assert_eq!(admitted, 5);
    }

    #[test]
    fn what_one_refuses_is_counted_for_none() {
        let table = Table::new();
        let user = ask(Subject::User(Uuid::nil()), "3/1h");
        let tenant = ask(Subject::Tenant(Uuid::nil()), "1/1h");
        let both = [user.clone(), tenant];
        assert_eq!(table.count(&both, NOW, false), [0, 0]);
        for _ in 0..5 {
            let before = table.count(&both, NOW, false);
            assert_eq!(before, [user.quota.step, 3_600_000_000]);
        }
        let alone = std::slice::from_ref(&user);
        assert_eq!(table.count(alone, NOW, true), [user.quota.step], "looking costs nothing");
        for counted in 1..3 {
            assert_eq!(table.count(alone, NOW, false), [counted * user.quota.step]);
        }
    }
}
