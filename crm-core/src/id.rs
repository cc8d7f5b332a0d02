//! Typed identifiers, and where new ones come from.
//!
//! An [`Id<Customer>`](Id) cannot be passed where an `Id<Deal>` is expected. Identifiers are UUID
//! version 7 (RFC 9562), so that the order of ids is the order of creation.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::str::FromStr;
use std::sync::Mutex;

use chrono::{DateTime, Utc};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

/// The identifier of a record of type `T`.
pub struct Id<T: ?Sized>(Uuid, PhantomData<fn() -> Box<T>>);

impl<T: ?Sized> Id<T> {
    /// Wraps a UUID.
    pub const fn new(uuid: Uuid) -> Self {
        Self(uuid, PhantomData)
    }

    /// The bare UUID.
    pub const fn uuid(self) -> Uuid {
        self.0
    }

    /// The same UUID as the identifier of another type: for records that share their key.
    pub const fn cast<U: ?Sized>(self) -> Id<U> {
        Id(self.0, PhantomData)
    }
}

impl<T: ?Sized> Clone for Id<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T: ?Sized> Copy for Id<T> {}
impl<T: ?Sized> From<Id<T>> for Uuid {
    fn from(id: Id<T>) -> Self {
        id.uuid()
    }
}
impl<T: ?Sized> PartialEq for Id<T> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl<T: ?Sized> Eq for Id<T> {}
impl<T: ?Sized> PartialOrd for Id<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl<T: ?Sized> Ord for Id<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}
impl<T: ?Sized> Hash for Id<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}
impl<T: ?Sized> fmt::Debug for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
impl<T: ?Sized> fmt::Display for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
impl<T: ?Sized> From<Uuid> for Id<T> {
    fn from(uuid: Uuid) -> Self {
        Self::new(uuid)
    }
}
impl<T: ?Sized> FromStr for Id<T> {
    type Err = uuid::Error;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self::new)
    }
}
impl<T: ?Sized> Serialize for Id<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}
impl<'de, T: ?Sized> Deserialize<'de> for Id<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Uuid::deserialize(deserializer).map(Self::new)
    }
}

/// Where identifiers and secrets come from. A test hands in [`SeededRandom`] and gets the same
/// ones each time.
pub trait Random: fmt::Debug + Send + Sync + 'static {
    /// Fills `bytes` with random ones, fit for secrets in production.
    fn fill(&self, bytes: &mut [u8]);

    /// A new UUID version 7 for a record created at `now`: 48 bits of milliseconds, 12 bits of
    /// the fraction below (RFC 9562, section 6.2, method 3), 62 random bits.
    fn uuid(&self, now: DateTime<Utc>) -> Uuid {
        let micros = u64::try_from(now.timestamp_micros()).unwrap_or(0);
        let fraction = (micros % 1_000) * 4_096 / 1_000;
        let mut tail = [0; 8];
        self.fill(&mut tail);
        let tail = u64::from_be_bytes(tail);
        let high = (micros / 1_000) << 16 | 0x7000 | fraction;
        let low = 1 << 63 | tail >> 2;
        Uuid::from_u64_pair(high, low)
    }
}

/// The operating system's randomness, by way of a cryptographically secure generator per thread.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, bytes: &mut [u8]) {
        rand::rng().fill_bytes(bytes);
    }
}

/// Reproducible randomness, for tests and demonstration data. Never for production.
#[derive(Debug)]
pub struct SeededRandom(Mutex<StdRng>);

impl SeededRandom {
    /// A generator that always gives the same bytes for the same seed.
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(StdRng::seed_from_u64(seed)))
    }
}

impl Random for SeededRandom {
    fn fill(&self, bytes: &mut [u8]) {
        // A poisoned generator is still a generator.
        let mut rng = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        rng.fill_bytes(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_version_7_and_sort_by_time_of_creation() {
        let random = SeededRandom::new(1);
        let early = DateTime::from_timestamp_micros(1_700_000_000_000_001).unwrap();
        let late = DateTime::from_timestamp_micros(1_700_000_000_000_002).unwrap();
        let (a, b) = (random.uuid(early), random.uuid(late));
        assert_eq!(a.get_version_num(), 7);
        assert_eq!(a.get_variant(), uuid::Variant::RFC4122);
        assert!(a < b, "{a} {b}");
    }

    #[test]
    fn the_same_seed_gives_the_same_ids() {
        let now = DateTime::from_timestamp_micros(1_700_000_000_000_000).unwrap();
        assert_eq!(SeededRandom::new(7).uuid(now), SeededRandom::new(7).uuid(now));
    }
}
