//! Passwords, hashed with Argon2id off the threads that run requests.
//!
//! A hash costs some 20 ms and 19 MiB on purpose. So only as many run at once as there are
//! processors, and a sign-in for a user that does not exist costs the same as any other.

use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{self, PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use async_trait::async_trait;
use crm_core::ports::PasswordHasher;
use crm_core::{Error, Result};
use tokio::sync::Semaphore;

use crate::config::{ConfigError, Passwords};

/// The most bytes of a password that is compared: nobody has a longer one, and what is compared is
/// copied and hashed first.
const MOST_BYTES: usize = 4_096;

/// Argon2id with the configured parameters.
#[derive(Debug)]
pub struct Argon2Hasher {
    params: Params,
    /// The hash of no password that anyone has, for checks without a user.
    decoy: Arc<str>,
    slots: Arc<Semaphore>,
}

impl Argon2Hasher {
    /// With these parameters.
    ///
    /// # Errors
    /// Where the algorithm does not allow them.
    pub fn new(settings: &Passwords) -> Result<Self, ConfigError> {
        let fault = |error: String| ConfigError::new(format!("passwords: {error}"));
        let params =
            Params::new(settings.memory_kib, settings.iterations, settings.parallelism, None)
                .map_err(|error| fault(error.to_string()))?;
        let decoy = argon2(&params)
            .hash_password(b"")
            .map_err(|error: password_hash::Error| fault(error.to_string()))?
            .to_string();
        let slots = match settings.concurrency {
            0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            slots => slots,
        };
        Ok(Self { params, decoy: decoy.into(), slots: Arc::new(Semaphore::new(slots)) })
    }

    async fn off_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce(Params) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let slot = Arc::clone(&self.slots).acquire_owned().await.map_err(Error::internal)?;
        let params = self.params.clone();
        let task = tokio::task::spawn_blocking(move || {
            // Held until the work is done, even where nobody waits for it any more.
            let _slot = slot;
            work(params)
        });
        task.await.map_err(Error::internal)?
    }
}

fn argon2(params: &Params) -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone())
}

#[async_trait]
impl PasswordHasher for Argon2Hasher {
    async fn hash(&self, password: String) -> Result<String> {
        self.off_thread(move |params| {
            let hash = argon2(&params).hash_password(password.as_bytes());
            Ok(hash.map_err(Error::internal)?.to_string())
        })
        .await
    }

    async fn verify(&self, password: String, hash: Option<String>) -> Result<bool> {
        // Whoever sends it learns nothing of anybody: its length alone decides.
        if password.len() > MOST_BYTES {
            return Ok(false);
        }
        let known = hash.is_some();
        let decoy = Arc::clone(&self.decoy);
        self.off_thread(move |params| {
            let text = hash.as_deref().unwrap_or(&decoy);
            let hash = PasswordHash::new(text)
                .map_err(|error| Error::internal(format!("a stored password hash: {error}")))?;
            match argon2(&params).verify_password(password.as_bytes(), &hash) {
                Ok(()) => Ok(known),
                Err(password_hash::Error::PasswordInvalid) => Ok(false),
                Err(error) => Err(Error::internal(format!("a stored password hash: {error}"))),
            }
        })
        .await
    }

    fn is_outdated(&self, hash: &str) -> bool {
        let Ok(hash) = PasswordHash::new(hash) else { return true };
        let params = Params::try_from(&hash);
        hash.algorithm != Algorithm::Argon2id.ident()
            || !params.is_ok_and(|params| {
                (params.m_cost(), params.t_cost(), params.p_cost())
                    == (self.params.m_cost(), self.params.t_cost(), self.params.p_cost())
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hasher(iterations: u32) -> Argon2Hasher {
        let settings = Passwords { memory_kib: 64, iterations, ..Passwords::default() };
        Argon2Hasher::new(&settings).unwrap()
    }

    #[tokio::test]
    async fn only_the_right_password_matches_its_hash() {
        let hasher = hasher(1);
        let hash = hasher.hash("correct horse".to_owned()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{hash}");
        assert!(hasher.verify("correct horse".to_owned(), Some(hash.clone())).await.unwrap());
        assert!(!hasher.verify("battery staple".to_owned(), Some(hash.clone())).await.unwrap());
        assert_ne!(hash, hasher.hash("correct horse".to_owned()).await.unwrap(), "salted");
    }

    #[tokio::test]
    async fn without_a_hash_no_password_matches_not_even_the_decoys() {
        let hasher = hasher(1);
        assert!(!hasher.verify(String::new(), None).await.unwrap());
        assert!(!hasher.verify("anything".to_owned(), None).await.unwrap());
    }

    #[tokio::test]
    async fn a_hash_of_other_parameters_still_matches_and_is_outdated() {
        let (old, new) = (hasher(1), hasher(2));
        let hash = old.hash("correct horse".to_owned()).await.unwrap();
        assert!(new.verify("correct horse".to_owned(), Some(hash.clone())).await.unwrap());
        assert!(new.is_outdated(&hash));
        assert!(!old.is_outdated(&hash));
    }

    #[tokio::test]
    async fn what_is_too_long_for_a_password_is_not_compared() {
        let hasher = hasher(1);
        for (bytes, matches) in [(MOST_BYTES, true), (MOST_BYTES + 1, false)] {
            let password = "x".repeat(bytes);
            let hash = hasher.hash(password.clone()).await.unwrap();
            assert_eq!(hasher.verify(password, Some(hash)).await.unwrap(), matches, "{bytes}");
        }
        let nothing = "not even a hash".to_owned();
        assert!(!hasher.verify("x".repeat(MOST_BYTES + 1), Some(nothing)).await.unwrap());
    }

    #[tokio::test]
    async fn a_stored_hash_that_is_none_is_a_fault_and_no_match() {
        let result = hasher(1).verify("x".to_owned(), Some("plain".to_owned())).await;
        assert!(matches!(result, Err(Error::Internal(_))));
    }
}
