//! Tokens that were checked before, by the hash of their text.
//!
//! Bounded: two generations of at most [`GENERATION`] tokens; when the younger is full, the older
//! is forgotten, and what was used meanwhile has moved into the younger.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::Claims;

const GENERATION: usize = 8_192;

type Hash = [u8; 32];

#[derive(Debug, Default)]
pub(super) struct Remembered(Mutex<Generations>);

#[derive(Debug, Default)]
struct Generations {
    young: HashMap<Hash, Arc<Claims>>,
    old: HashMap<Hash, Arc<Claims>>,
}

impl Remembered {
    pub(super) fn get(&self, hash: &Hash) -> Option<Arc<Claims>> {
        let generations = self.0.lock();
        generations.young.get(hash).or_else(|| generations.old.get(hash)).cloned()
    }

    /// Keeps a token that holds at `now`, in seconds since 1970.
    pub(super) fn put(&self, hash: Hash, claims: Arc<Claims>, now: i64) {
        let mut generations = self.0.lock();
        if generations.young.contains_key(&hash) {
            return;
        }
        if generations.young.len() >= GENERATION {
            let mut old = std::mem::take(&mut generations.young);
            old.retain(|_, claims| claims.exp > now);
            generations.old = old;
        }
        generations.young.insert(hash, claims);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn it_forgets_the_oldest_and_keeps_what_is_used() {
        let remembered = Remembered::default();
        let claims = Arc::new(Claims {
            iss: String::new(),
            aud: String::new(),
            sub: Uuid::nil(),
            tid: None,
            sid: Uuid::nil(),
            jti: Uuid::nil(),
            iat: 0,
            nbf: 0,
            exp: 100,
        });
        let hash = |i: usize| {
            let mut hash = [0; 32];
            hash[..8].copy_from_slice(&i.to_be_bytes());
            hash
        };
        for i in 0..=3 * GENERATION {
            remembered.put(hash(i), Arc::clone(&claims), 0);
            remembered.put(hash(0), Arc::clone(&claims), 0);
        }
        assert!(remembered.get(&hash(0)).is_some());
        assert!(remembered.get(&hash(1)).is_none());
        let generations = remembered.0.lock();
        assert!(generations.young.len() + generations.old.len() <= 2 * GENERATION);
    }
}
