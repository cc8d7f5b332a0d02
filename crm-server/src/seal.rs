//! What is stored and must not be read where it is stored: sealed by AES-256-GCM (NIST SP 800-38D)
//! under a key of the configuration.
//!
//! A sealed text names the key that it is under, so that keys can be changed: what is under a
//! retired one still opens, and is sealed anew when it is next used. It is bound to its place: in
//! the record of somebody else it does not open.

use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use crm_core::ports::Sealer;
use crm_core::{Error, Random, Result};
use sha2::{Digest, Sha256};

use crate::config::{ConfigError, Mfa, Secret};

/// Seals under the keys of a configuration.
#[derive(Debug)]
pub struct Seals {
    /// The one in use, and those that were before.
    keys: Vec<Key>,
    random: Arc<dyn Random>,
}

#[derive(Debug)]
struct Key {
    id: String,
    key: LessSafeKey,
}

/// The length of a key, for the derivation.
struct Length;

impl KeyType for Length {
    fn len(&self) -> usize {
        32
    }
}

impl Key {
    /// A key of 256 bits out of a secret of any form (RFC 5869).
    fn of(secret: &Secret) -> Option<Self> {
        let salt = Salt::new(HKDF_SHA256, b"crm sealed secrets");
        let derived = salt.extract(secret.reveal().trim().as_bytes());
        let mut octets = [0; 32];
        derived.expand(&[b"key".as_slice()], Length).ok()?.fill(&mut octets).ok()?;
        let id = Sha256::digest([b"id".as_slice(), &octets].concat());
        let id = URL_SAFE_NO_PAD.encode(id.get(..6)?);
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &octets).ok()?);
        Some(Self { id, key })
    }
}

/// A secret to seal under: 256 random bits, as text.
///
/// # Errors
/// Where no random numbers are to be had.
pub fn generate_key() -> Result<Secret, ConfigError> {
    let mut octets = [0; 32];
    let error = |_| ConfigError::new("no random numbers are to be had");
    aws_lc_rs::rand::fill(&mut octets).map_err(error)?;
    Ok(Secret::new(URL_SAFE_NO_PAD.encode(octets)))
}

impl Seals {
    /// Under the secrets of the configuration.
    ///
    /// # Errors
    /// As [`Mfa::sealing_keys`].
    pub fn new(config: &Mfa, random: Arc<dyn Random>) -> Result<Self, ConfigError> {
        let secrets = config.sealing_keys()?;
        let keys: Option<Vec<Key>> = secrets.iter().map(Key::of).collect();
        let keys = keys.ok_or_else(|| ConfigError::new("mfa.key: cannot be used"))?;
        Ok(Self { keys, random })
    }
}

impl Sealer for Seals {
    fn seal(&self, plain: &[u8], place: &str) -> Result<String> {
        let lost = || Error::internal("cannot be sealed");
        let key = self.keys.first().ok_or_else(lost)?;
        let mut nonce = [0; NONCE_LEN];
        self.random.fill(&mut nonce);
        let mut sealed = plain.to_vec();
        let (unique, place) = (Nonce::assume_unique_for_key(nonce), Aad::from(place.as_bytes()));
        key.key.seal_in_place_append_tag(unique, place, &mut sealed).map_err(|_| lost())?;
        let text = URL_SAFE_NO_PAD.encode([&nonce[..], &sealed].concat());
        Ok(format!("{}.{text}", key.id))
    }

    fn open(&self, sealed: &str, place: &str) -> Result<Vec<u8>> {
        let lost = |why: &str| Error::internal(format!("a sealed secret of {place}: {why}"));
        let (id, text) = sealed.split_once('.').ok_or_else(|| lost("not one"))?;
        let key = self.keys.iter().find(|key| key.id == id);
        let key = key.ok_or_else(|| lost("its key is not configured: mfa.retired_keys"))?;
        let octets = URL_SAFE_NO_PAD.decode(text).map_err(|_| lost("not one"))?;
        let (nonce, sealed) =
            octets.split_at_checked(NONCE_LEN).ok_or_else(|| lost("too short"))?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| lost("too short"))?;
        let mut sealed = sealed.to_vec();
        let plain = key.key.open_in_place(nonce, Aad::from(place.as_bytes()), &mut sealed);
        plain.map(|plain| plain.to_vec()).map_err(|_| lost("altered, or of another place"))
    }

    fn is_outdated(&self, sealed: &str) -> bool {
        let id = sealed.split_once('.').map(|(id, _)| id);
        self.keys.first().map(|key| key.id.as_str()) != id
    }
}

#[cfg(test)]
mod tests {
    use crm_core::SeededRandom;

    use super::*;

    const ONE: &str = "one secret of thirty-two characters";
    const TWO: &str = "two secrets of thirty-two characters";

    fn config(key: &str, retired: &[&str]) -> Mfa {
        let retired_keys = retired.iter().map(|key| Secret::new(*key)).collect();
        Mfa { key: Some(Secret::new(key)), retired_keys, ..Mfa::default() }
    }

    fn seals(key: &str, retired: &[&str]) -> Seals {
        Seals::new(&config(key, retired), Arc::new(SeededRandom::new(1))).unwrap()
    }

    #[test]
    fn what_is_sealed_opens_in_its_place_alone() {
        let seals = seals(ONE, &[]);
        let sealed = seals.seal(b"plain", "here").unwrap();
        assert_eq!(seals.open(&sealed, "here").unwrap(), b"plain");
        assert!(!seals.is_outdated(&sealed));
        assert!(seals.open(&sealed, "there").is_err());
        assert_ne!(sealed, seals.seal(b"plain", "here").unwrap(), "each time another text");
        let mut altered = sealed.clone().into_bytes();
        let last = altered.len() - 4;
        altered[last] = if altered[last] == b'A' { b'B' } else { b'A' };
        assert!(seals.open(&String::from_utf8(altered).unwrap(), "here").is_err());
        for text in ["", ".", "x.y", &sealed[..12]] {
            assert!(seals.open(text, "here").is_err(), "{text}");
        }
    }

    #[test]
    fn a_retired_key_opens_and_does_not_seal() {
        let sealed = seals(ONE, &[]).seal(b"plain", "here").unwrap();
        let next = seals(TWO, &[ONE]);
        assert_eq!(next.open(&sealed, "here").unwrap(), b"plain");
        assert!(next.is_outdated(&sealed));
        assert!(!next.is_outdated(&next.seal(b"plain", "here").unwrap()));
        assert!(seals(TWO, &[]).open(&sealed, "here").is_err());
    }

    #[test]
    fn without_a_key_that_nobody_guesses_nothing_is_sealed() {
        let said = |config: &Mfa| {
            let random = Arc::new(SeededRandom::new(1));
            Seals::new(config, random).unwrap_err().to_string()
        };
        assert!(said(&Mfa::default()).contains("set mfa.key"));
        assert!(said(&config("short", &[])).starts_with("mfa.key: expected 32"));
        assert!(said(&config(ONE, &["short"])).starts_with("mfa.retired_keys: expected 32"));
        let file = Some("/nowhere/at/all".into());
        assert!(said(&Mfa { key_file: file.clone(), ..Mfa::default() }).contains("/nowhere"));
        assert!(said(&Mfa { key_file: file, ..config(ONE, &[]) }).contains("both set"));
        assert!(generate_key().unwrap().reveal().len() >= 32);
    }
}
