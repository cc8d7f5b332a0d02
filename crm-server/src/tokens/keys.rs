//! The keys that sign access tokens one after the other, and those whose tokens hold beside.
//!
//! A key is known before it signs: from the moment at which it is there it is published, and what it
//! signs elsewhere is accepted. When the next one begins to sign, it is known for as long as what
//! it signed last can hold, and after that it opens nothing. All of that goes by the time that a
//! key is asked for, so that servers with the same keys change from one to the next together.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm as Alg, DecodingKey, EncodingKey};

use super::TokenError;
use crate::config::{self, Algorithm, Secret, WrittenKey};

/// A private key with its public half.
#[derive(Debug)]
pub struct Key {
    id: String,
    algorithm: Alg,
    private: EncodingKey,
    verifying: DecodingKey,
    public: Jwk,
}

impl Key {
    /// Of either algorithm: a key is of one kind, whatever anybody says of it.
    fn new(pem: &Secret) -> Result<Self, TokenError> {
        Self::of(Alg::RS256, pem).or_else(|error| Self::of(Alg::EdDSA, pem).map_err(|_| error))
    }

    fn of(algorithm: Alg, pem: &Secret) -> Result<Self, TokenError> {
        let fault = |error: jsonwebtoken::errors::Error| {
            let expected =
                "expected a PKCS#8 PEM of an RSA key of 2048 bits or more, or of Ed25519";
            TokenError::Unsigned(format!("{expected}: {error}"))
        };
        let pem = pem.reveal().trim().as_bytes();
        let private = match algorithm {
            Alg::RS256 => EncodingKey::from_rsa_pem(pem).map_err(fault)?,
            _ => EncodingKey::from_ed_pem(pem).map_err(fault)?,
        };
        let mut public = Jwk::from_encoding_key(&private, algorithm).map_err(fault)?;
        let id = public.thumbprint(ThumbprintHash::SHA256).map_err(fault)?;
        public.common.key_id = Some(id.clone());
        public.common.public_key_use = Some(PublicKeyUse::Signature);
        let verifying = DecodingKey::from_jwk(&public).map_err(fault)?;
        Ok(Self { id, algorithm, private, verifying, public })
    }

    /// Its RFC 7638 thumbprint: `kid`.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The one algorithm that it is used with.
    pub fn algorithm(&self) -> Alg {
        self.algorithm
    }

    pub(super) fn private(&self) -> &EncodingKey {
        &self.private
    }

    pub(super) fn verifying(&self) -> &DecodingKey {
        &self.verifying
    }
}

/// What a key does at some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// It signs.
    Signs,
    /// It is accepted, and signs from then on.
    SignsFrom(DateTime<Utc>),
    /// It has signed, and is accepted until then.
    AcceptedUntil(DateTime<Utc>),
    /// It is accepted for as long as it is there.
    Accepted,
    /// What it has signed holds no more.
    Over(DateTime<Utc>),
}

/// A key as an operator is told of it: nothing of it is secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyInfo {
    /// Its RFC 7638 thumbprint: `kid` of its tokens.
    pub id: String,
    /// The one algorithm that it is used with.
    pub algorithm: Algorithm,
    /// What it does.
    pub state: KeyState,
}

/// The keys that sign one after the other, and those whose tokens are accepted beside.
#[derive(Debug)]
pub struct Keys {
    /// Each with the time from which it signs, in this order.
    signing: Vec<(DateTime<Utc>, Key)>,
    others: Vec<Key>,
    /// How long what a key signed last can be shown.
    outlive: TimeDelta,
}

impl Keys {
    /// The keys of a configuration. Of those that say no time, the first signs until others do;
    /// the rest, and `retired_keys`, are accepted for as long as they are there.
    ///
    /// # Errors
    /// [`TokenError::Unsigned`] where there is none that can sign, or one is no key.
    pub fn new(written: &[WrittenKey], tokens: &config::Tokens) -> Result<Self, TokenError> {
        let mut signing = Vec::new();
        let mut others = Vec::new();
        let mut since_ever = None;
        for WrittenKey { pem, signs_from } in written {
            let key = Key::new(pem)?;
            match signs_from {
                Some(from) => signing.push((*from, key)),
                None if since_ever.is_none() => since_ever = Some(key),
                None => others.push(key),
            }
        }
        signing.sort_by_key(|(from, _)| *from);
        if let Some(key) = since_ever {
            signing.insert(0, (DateTime::<Utc>::MIN_UTC, key));
        }
        if signing.is_empty() {
            return Err(TokenError::Unsigned("there is no key".to_owned()));
        }
        for pem in &tokens.retired_keys {
            others.push(Key::new(pem)?);
        }
        // The clock of one server may be behind that of who signed, and that one behind its own.
        let outlive = tokens.access_lifetime.time_delta() + tokens.leeway.time_delta() * 2;
        Ok(Self { signing, others, outlive })
    }

    /// The key that signs. Where none is to sign yet, the first does all the same.
    pub fn signing(&self, now: DateTime<Utc>) -> &Key {
        &self.signing[self.place(now)].1
    }

    fn place(&self, now: DateTime<Utc>) -> usize {
        self.signing.iter().rposition(|(from, _)| *from <= now).unwrap_or(0)
    }

    /// The key with an id, where it is accepted.
    pub fn find(&self, id: &str, now: DateTime<Utc>) -> Option<&Key> {
        self.accepted(now).find(|key| key.id == id)
    }

    /// The key that signs, and all others that are accepted.
    fn accepted(&self, now: DateTime<Utc>) -> impl Iterator<Item = &Key> {
        let place = self.place(now);
        let others = (0..self.signing.len())
            .filter(move |other| *other != place && self.end(*other).is_none_or(|end| now < end));
        let signing = std::iter::once(place).chain(others).map(|place| &self.signing[place].1);
        signing.chain(&self.others)
    }

    /// When what a key has signed holds no more; none for the one that signs last.
    fn end(&self, place: usize) -> Option<DateTime<Utc>> {
        let (next, _) = self.signing.get(place + 1)?;
        Some(next.checked_add_signed(self.outlive).unwrap_or(DateTime::<Utc>::MAX_UTC))
    }

    /// The public halves of those that are accepted.
    pub fn public(&self, now: DateTime<Utc>) -> JwkSet {
        let mut keys: Vec<Jwk> = Vec::new();
        for key in self.accepted(now) {
            if !keys.iter().any(|known| known.common.key_id.as_deref() == Some(key.id())) {
                keys.push(key.public.clone());
            }
        }
        JwkSet { keys }
    }

    /// All of them, with what they do.
    pub fn list(&self, now: DateTime<Utc>) -> Vec<KeyInfo> {
        let place = self.place(now);
        let state = |at: usize, from: DateTime<Utc>| match self.end(at) {
            _ if at == place => KeyState::Signs,
            _ if at > place => KeyState::SignsFrom(from),
            Some(end) if end <= now => KeyState::Over(end),
            Some(end) => KeyState::AcceptedUntil(end),
            None => KeyState::Accepted,
        };
        let info = |key: &Key, state: KeyState| KeyInfo {
            id: key.id.clone(),
            algorithm: match key.algorithm {
                Alg::RS256 => Algorithm::Rs256,
                _ => Algorithm::EdDsa,
            },
            state,
        };
        let signing = self.signing.iter().enumerate();
        let signing = signing.map(|(at, (from, key))| info(key, state(at, *from)));
        let others = self.others.iter().map(|key| info(key, KeyState::Accepted));
        signing.chain(others).collect()
    }
}

/// The `kid` of a private key.
///
/// # Errors
/// [`TokenError::Unsigned`] where it is none.
pub fn key_id(pem: &Secret) -> Result<String, TokenError> {
    Ok(Key::new(pem)?.id)
}

/// A new private key, as PKCS#8 PEM: RSA of 2048 bits, or Ed25519.
///
/// # Errors
/// [`TokenError::Unsigned`] where the system has no randomness.
pub fn generate_key(algorithm: Algorithm) -> Result<Secret, TokenError> {
    let fault = |_| TokenError::Unsigned("no key could be generated".to_owned());
    let der: Pkcs8V1Der<'static> = match algorithm {
        Algorithm::Rs256 => RsaKeyPair::generate(KeySize::Rsa2048).map_err(fault)?.as_der(),
        Algorithm::EdDsa => Ed25519KeyPair::generate().map_err(fault)?.as_der(),
    }
    .map_err(fault)?;
    let text = STANDARD.encode(der.as_ref());
    let mut pem = String::from("-----BEGIN PRIVATE KEY-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = more;
    }
    pem.push_str("-----END PRIVATE KEY-----\n");
    Ok(Secret::new(pem))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(time: &str) -> DateTime<Utc> {
        format!("2026-03-01T{time}Z").parse().unwrap()
    }

    fn written(algorithm: Algorithm, signs_from: Option<&str>) -> WrittenKey {
        WrittenKey { pem: generate_key(algorithm).unwrap(), signs_from: signs_from.map(at) }
    }

    fn states(keys: &Keys, time: &str) -> Vec<KeyState> {
        keys.list(at(time)).into_iter().map(|key| key.state).collect()
    }

    #[test]
    fn a_key_is_accepted_before_it_signs_and_until_its_last_token_is_over() {
        let old = written(Algorithm::Rs256, None);
        let new = written(Algorithm::EdDsa, Some("12:00:00"));
        // A lifetime of fifteen minutes, and twice a leeway of thirty seconds.
        let keys = Keys::new(&[old.clone(), new.clone()], &config::Tokens::default()).unwrap();
        let [old, new] = [old, new].map(|key| key_id(&key.pem).unwrap());
        for (time, signing, accepted) in [
            ("11:59:59", &old, vec![&old, &new]),
            ("12:00:00", &new, vec![&new, &old]),
            ("12:15:59", &new, vec![&new, &old]),
            ("12:16:00", &new, vec![&new]),
        ] {
            assert_eq!(keys.signing(at(time)).id(), signing, "{time}");
            let public = keys.public(at(time)).keys;
            let public: Vec<&String> =
                public.iter().map(|key| key.common.key_id.as_ref().unwrap()).collect();
            assert_eq!(public, accepted, "{time}");
            for id in [&old, &new] {
                assert_eq!(keys.find(id, at(time)).is_some(), accepted.contains(&id), "{time}");
            }
        }
        let end = at("12:16:00");
        use KeyState::{AcceptedUntil, Over, Signs, SignsFrom};
        assert_eq!(states(&keys, "11:00:00"), [Signs, SignsFrom(at("12:00:00"))]);
        assert_eq!(states(&keys, "12:10:00"), [AcceptedUntil(end), Signs]);
        assert_eq!(states(&keys, "13:00:00"), [Over(end), Signs]);
    }

    #[test]
    fn keys_without_a_time_are_accepted_for_as_long_as_they_are_there() {
        let keys = [written(Algorithm::EdDsa, None), written(Algorithm::Rs256, None)];
        let tokens = config::Tokens {
            retired_keys: vec![generate_key(Algorithm::EdDsa).unwrap()],
            ..config::Tokens::default()
        };
        let keys = Keys::new(&keys, &tokens).unwrap();
        use KeyState::{Accepted, Signs};
        assert_eq!(states(&keys, "12:00:00"), [Signs, Accepted, Accepted]);
        assert_eq!(keys.public(at("12:00:00")).keys.len(), 3);
    }

    #[test]
    fn where_none_is_to_sign_yet_the_first_does() {
        let keys = [written(Algorithm::EdDsa, Some("13:00:00"))];
        let keys = Keys::new(&keys, &config::Tokens::default()).unwrap();
        assert_eq!(states(&keys, "12:00:00"), [KeyState::Signs]);
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let tokens = config::Tokens::default();
        assert!(Keys::new(&[], &tokens).is_err());
        let none = WrittenKey { pem: Secret::new("no key"), signs_from: None };
        assert!(Keys::new(&[none], &tokens).is_err());
        let old = written(Algorithm::EdDsa, None);
        let retired = config::Tokens { retired_keys: vec![Secret::new("no key")], ..tokens };
        assert!(Keys::new(&[old], &retired).is_err());
    }
}
