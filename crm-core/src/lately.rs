//! What was read of a tenant lately and is asked for far more often than it changes: its settings,
//! the definitions of its fields, and what is shown with records, its tags and its people.
//!
//! Only what may be a moment old belongs here, never what somebody may do: another instance's
//! change is seen when the moment is over, one's own at once.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use chrono::{DateTime, TimeDelta, Utc};

use crate::tenants::TenantId;

/// How long something is remembered.
const MOMENT: TimeDelta = TimeDelta::seconds(2);
/// Of how many tenants.
const MOST: usize = 10_000;

/// Something of each tenant, as it was read lately.
#[derive(Debug)]
pub(crate) struct Lately<T: ?Sized>(RwLock<Known<T>>);

#[derive(Debug)]
struct Known<T: ?Sized> {
    read: HashMap<TenantId, (DateTime<Utc>, Arc<T>)>,
    /// Counts what was forgotten.
    forgotten: u64,
}

/// When a reading began; what was forgotten since must not come back by it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    now: DateTime<Utc>,
    forgotten: u64,
}

impl<T: ?Sized> Default for Lately<T> {
    fn default() -> Self {
        Self(RwLock::new(Known { read: HashMap::new(), forgotten: 0 }))
    }
}

impl<T: ?Sized> Lately<T> {
    /// What is remembered; else a reading to begin.
    pub(crate) fn get(&self, tenant: TenantId, now: DateTime<Utc>) -> Result<Arc<T>, Reading> {
        let known = self.known();
        match known.read.get(&tenant) {
            // A clock that was set back must not make a moment last.
            Some((read, value)) if (now - *read).abs() < MOMENT => Ok(Arc::clone(value)),
            _ => Err(Reading { now, forgotten: known.forgotten }),
        }
    }

    /// Remembers what a reading found.
    pub(crate) fn put(&self, tenant: TenantId, reading: Reading, value: Arc<T>) {
        let mut known = self.known_mut();
        if known.forgotten != reading.forgotten {
            return;
        }
        if known.read.len() >= MOST {
            known.read.clear();
        }
        known.read.insert(tenant, (reading.now, value));
    }

    /// Forgets what is remembered, because it was changed.
    pub(crate) fn forget(&self, tenant: TenantId) {
        let mut known = self.known_mut();
        known.forgotten += 1;
        known.read.remove(&tenant);
    }

    // Whoever panicked did so between two whole states.
    fn known(&self) -> RwLockReadGuard<'_, Known<T>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn known_mut(&self) -> RwLockWriteGuard<'_, Known<T>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000 + second, 0).unwrap()
    }

    fn tenant() -> TenantId {
        uuid::Uuid::nil().into()
    }

    fn read(lately: &Lately<str>, second: i64) {
        let reading = lately.get(tenant(), at(second)).unwrap_err();
        lately.put(tenant(), reading, "read".into());
    }

    #[test]
    fn a_moment_lasts_no_longer_where_the_clock_is_set_back() {
        let lately = Lately::default();
        read(&lately, 0);
        assert!(lately.get(tenant(), at(1)).is_ok());
        assert!(lately.get(tenant(), at(2)).is_err());
        assert!(lately.get(tenant(), at(-3_600)).is_err());
    }

    #[test]
    fn what_was_read_before_a_change_is_not_remembered_after_it() {
        let lately: Lately<str> = Lately::default();
        let reading = lately.get(tenant(), at(0)).unwrap_err();
        lately.forget(tenant());
        lately.put(tenant(), reading, "as it was".into());
        assert!(lately.get(tenant(), at(0)).is_err());
        read(&lately, 0);
        assert!(lately.get(tenant(), at(0)).is_ok());
    }
}
