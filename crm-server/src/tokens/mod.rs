//! Access tokens: signed by this server, checked without asking anybody.
//!
//! They follow RFC 9068 (`typ: at+jwt`). The algorithm is that of the key which the token names,
//! never that which the token claims; a token without a known key is refused before its signature
//! is looked at. Whether the session behind a token still lives is not for this module to say.

mod cache;
mod keys;
mod watch;

use std::sync::Arc;

use aws_lc_rs::hmac;
use chrono::{DateTime, TimeDelta, Utc};
use crm_core::{Clock, Random};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Header, Validation};
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::config::{self, Config, ConfigError, Secret, WrittenKey};
use cache::Remembered;
pub use keys::{KeyInfo, KeyState, Keys, generate_key, key_id};
pub use watch::{READ_EVERY, watch};

/// `typ` of an access token's header.
pub const TOKEN_TYPE: &str = "at+jwt";
/// A token longer than this is none of ours.
const MAX_LENGTH: usize = 8_192;

/// What an access token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Who signed: the server's public address.
    pub iss: String,
    /// For whom.
    pub aud: String,
    /// The user.
    pub sub: Uuid,
    /// The tenant in which the user acts; absent for a user without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tid: Option<Uuid>,
    /// The session that it came from.
    pub sid: Uuid,
    /// The token itself.
    pub jti: Uuid,
    /// When it was signed, in seconds since 1970.
    pub iat: i64,
    /// From when it holds.
    pub nbf: i64,
    /// Until when.
    pub exp: i64,
}

/// Why a token is refused. Callers are told only that it is not valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// It is not a token at all, or a header or claim is missing or of the wrong type.
    #[error("not a token: {0}")]
    Malformed(String),
    /// It is of another type than an access token.
    #[error("expected a token of type at+jwt")]
    WrongType,
    /// It names no key, or one that this server does not have.
    #[error("signed with an unknown key")]
    UnknownKey,
    /// Its signature, algorithm, issuer or audience is wrong.
    #[error("refused: {0}")]
    Refused(String),
    /// It holds no more, or not yet.
    #[error("outside the time in which it holds")]
    Expired,
    /// It cannot be signed.
    #[error("cannot be signed: {0}")]
    Unsigned(String),
}

/// Signs access tokens and checks them.
#[derive(Debug)]
pub struct Tokens {
    ring: RwLock<Arc<Ring>>,
    issuer: String,
    audience: String,
    lifetime: TimeDelta,
    leeway: TimeDelta,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

/// The keys of a moment, and what was checked with them: where a key is gone, so is that.
#[derive(Debug)]
struct Ring {
    keys: Keys,
    /// What they were read from.
    written: Vec<WrittenKey>,
    retired: Vec<Secret>,
    /// What fingerprints are made under, by the key that it comes from.
    fingerprints: Vec<(String, hmac::Key)>,
    remembered: Remembered,
}

impl Ring {
    fn new(tokens: &config::Tokens) -> Result<Self, ConfigError> {
        let fault = |error: TokenError| ConfigError::new(format!("tokens.key: {error}"));
        let (written, retired) = (tokens.keys()?, tokens.retired_keys.clone());
        let keys = Keys::new(&written, tokens).map_err(fault)?;
        let pems = written.iter().map(|key| &key.pem).chain(&retired);
        let fingerprints = pems.map(|pem| Ok((key_id(pem)?, for_fingerprints(pem))));
        let fingerprints = fingerprints.collect::<Result<Vec<_>, _>>().map_err(fault)?;
        Ok(Self { keys, written, retired, fingerprints, remembered: Remembered::default() })
    }
}

/// A signed access token.
#[derive(Debug, Clone)]
pub struct Signed {
    /// The token.
    pub token: String,
    /// When it expires.
    pub expires_at: DateTime<Utc>,
    /// For how many seconds it holds.
    pub expires_in: i64,
}

impl Tokens {
    /// With the keys and lifetimes of a configuration.
    ///
    /// # Errors
    /// Where there is no key, or one that is none.
    pub fn new(
        config: &Config,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Self, ConfigError> {
        let tokens = &config.tokens;
        Ok(Self {
            ring: RwLock::new(Arc::new(Ring::new(tokens)?)),
            issuer: config.public_url.trim_end_matches('/').to_owned(),
            audience: tokens.audience.clone(),
            lifetime: tokens.access_lifetime.time_delta(),
            leeway: tokens.leeway.time_delta(),
            clock,
            random,
        })
    }

    fn ring(&self) -> Arc<Ring> {
        Arc::clone(&self.ring.read())
    }

    /// Takes the keys of a configuration in place of those that were there; nothing else of it.
    /// Whether they are others.
    ///
    /// # Errors
    /// Where there is no key, or one that is none; the ones before go on.
    pub fn take_keys(&self, tokens: &config::Tokens) -> Result<bool, ConfigError> {
        let before = self.ring();
        if tokens.keys()? == before.written && tokens.retired_keys == before.retired {
            return Ok(false);
        }
        *self.ring.write() = Arc::new(Ring::new(tokens)?);
        Ok(true)
    }

    /// What its keys are called, and do.
    pub fn list_keys(&self) -> Vec<KeyInfo> {
        self.ring().keys.list(self.clock.now())
    }

    /// What fingerprints of requests are made under, the same on all servers of a configuration and
    /// nothing that the database has: first what comes from the key that signs, then what comes
    /// from those that signed before or will.
    pub(crate) fn fingerprints(&self) -> Vec<hmac::Key> {
        let ring = self.ring();
        let signing = ring.keys.signing(self.clock.now()).id();
        let (first, rest): (Vec<_>, Vec<_>) =
            ring.fingerprints.iter().partition(|(id, _)| id == signing);
        first.into_iter().chain(rest).map(|(_, key)| key.clone()).collect()
    }

    /// A token for a user in a session, acting in a tenant.
    ///
    /// # Errors
    /// [`TokenError::Unsigned`] where the key does not sign.
    pub fn sign(
        &self,
        user: Uuid,
        tenant: Option<Uuid>,
        session: Uuid,
    ) -> Result<Signed, TokenError> {
        let now = self.clock.now();
        let expires_at = now + self.lifetime;
        let claims = Claims {
            iss: self.issuer.clone(),
            aud: self.audience.clone(),
            sub: user,
            tid: tenant,
            sid: session,
            jti: self.random.uuid(now),
            iat: now.timestamp(),
            nbf: now.timestamp(),
            exp: expires_at.timestamp(),
        };
        let ring = self.ring();
        let key = ring.keys.signing(now);
        let mut header = Header::new(key.algorithm());
        header.typ = Some(TOKEN_TYPE.to_owned());
        header.kid = Some(key.id().to_owned());
        let token = jsonwebtoken::encode(&header, &claims, key.private())
            .map_err(|error| TokenError::Unsigned(error.to_string()))?;
        Ok(Signed { token, expires_at, expires_in: self.lifetime.num_seconds() })
    }

    /// What a token says, if it is one of ours and holds now. A token that was checked before is
    /// known by its hash until it expires.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn verify(&self, token: &str) -> Result<Arc<Claims>, TokenError> {
        if token.len() > MAX_LENGTH {
            return Err(TokenError::Malformed("too long".to_owned()));
        }
        let hash: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let now = self.clock.now();
        let ring = self.ring();
        let claims = match ring.remembered.get(&hash) {
            Some(claims) => claims,
            None => Arc::new(self.check(token, &ring.keys, now)?),
        };
        let leeway = self.leeway.num_seconds();
        let now = now.timestamp();
        if now >= claims.exp.saturating_add(leeway) || now < claims.nbf.saturating_sub(leeway) {
            return Err(TokenError::Expired);
        }
        ring.remembered.put(hash, Arc::clone(&claims), now);
        Ok(claims)
    }

    /// The public keys, for others who want to check tokens.
    pub fn jwks(&self) -> JwkSet {
        self.ring().keys.public(self.clock.now())
    }

    fn check(&self, token: &str, keys: &Keys, now: DateTime<Utc>) -> Result<Claims, TokenError> {
        let malformed =
            |error: jsonwebtoken::errors::Error| TokenError::Malformed(error.to_string());
        let header = jsonwebtoken::decode_header(token).map_err(malformed)?;
        if !header.typ.as_deref().is_some_and(|typ| typ.eq_ignore_ascii_case(TOKEN_TYPE)) {
            return Err(TokenError::WrongType);
        }
        if header.crit.is_some() {
            return Err(TokenError::Malformed("an unknown extension is critical".to_owned()));
        }
        let key = header.kid.as_deref().and_then(|id| keys.find(id, now));
        let key = key.ok_or(TokenError::UnknownKey)?;
        let mut validation = Validation::new(key.algorithm());
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[&self.audience]);
        validation.set_required_spec_claims(&["iss", "aud", "sub", "exp", "nbf"]);
        // Times are compared with the clock that was handed in, not with the machine's.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        jsonwebtoken::decode::<Claims>(token, key.verifying(), &validation)
            .map(|data| data.claims)
            .map_err(|error| TokenError::Refused(error.to_string()))
    }
}

/// A key for another purpose than signing, out of the one that signs.
fn for_fingerprints(signing: &Secret) -> hmac::Key {
    let signing = hmac::Key::new(hmac::HMAC_SHA256, signing.reveal().trim().as_bytes());
    let derived = hmac::sign(&signing, b"fingerprints of requests");
    hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref())
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use crm_core::{ManualClock, SeededRandom};
    use jsonwebtoken::{Algorithm as Alg, EncodingKey};

    use super::*;
    use crate::config::{Algorithm, Secret};

    fn config(algorithm: Algorithm) -> Config {
        let mut config = Config::default();
        config.tokens.algorithm = algorithm;
        config.tokens.key = Some(generate_key(algorithm).unwrap());
        config
    }

    fn tokens(config: &Config) -> (Tokens, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::at("2026-03-01T12:00:00Z".parse().unwrap()));
        let random = Arc::new(SeededRandom::new(1));
        (Tokens::new(config, Arc::clone(&clock) as Arc<dyn Clock>, random).unwrap(), clock)
    }

    fn user() -> Uuid {
        Uuid::from_u128(7)
    }

    fn kid(tokens: &Tokens) -> String {
        tokens.ring().keys.signing(tokens.clock.now()).id().to_owned()
    }

    #[test]
    fn a_signed_token_says_what_it_was_signed_for() {
        for algorithm in [Algorithm::Rs256, Algorithm::EdDsa] {
            let (tokens, clock) = tokens(&config(algorithm));
            let tenant = Some(Uuid::from_u128(8));
            let signed = tokens.sign(user(), tenant, Uuid::from_u128(9)).unwrap();
            let claims = tokens.verify(&signed.token).unwrap();
            assert_eq!((claims.sub, claims.tid, claims.sid), (user(), tenant, Uuid::from_u128(9)));
            assert_eq!(claims.exp - claims.iat, 900);
            assert_eq!(signed.expires_at, clock.now() + TimeDelta::minutes(15));
            let header = jsonwebtoken::decode_header(&signed.token).unwrap();
            assert_eq!(header.typ.as_deref(), Some("at+jwt"));
            let published = tokens.jwks();
            let published = published.find(header.kid.as_deref().unwrap());
            assert!(published.is_some(), "its key is among the published ones");
        }
    }

    #[test]
    fn a_token_holds_until_it_expires_and_the_leeway_with_it_remembered_or_not() {
        let (tokens, clock) = tokens(&config(Algorithm::EdDsa));
        let signed = tokens.sign(user(), None, user()).unwrap();
        clock.advance(TimeDelta::seconds(929));
        assert!(tokens.verify(&signed.token).is_ok());
        assert!(tokens.verify(&signed.token).is_ok(), "from memory");
        clock.advance(TimeDelta::seconds(1));
        assert_eq!(tokens.verify(&signed.token), Err(TokenError::Expired));
    }

    #[test]
    fn a_token_of_a_clock_that_is_ahead_holds_as_far_as_the_leeway_and_no_further() {
        let mut config = config(Algorithm::EdDsa);
        for (leeway, seconds, holds) in
            [("30s", 30, true), ("30s", 31, false), ("0s", 1, false), ("5m", 300, true)]
        {
            config.tokens.leeway = leeway.parse().unwrap();
            let (signer, ahead) = tokens(&config);
            ahead.advance(TimeDelta::seconds(seconds));
            let token = signer.sign(user(), None, user()).unwrap().token;
            let verdict = tokens(&config).0.verify(&token);
            assert_eq!(verdict.is_ok(), holds, "{leeway}, {seconds}");
            assert!(holds || verdict == Err(TokenError::Expired));
        }
    }

    #[test]
    fn a_changed_token_is_refused_even_after_the_real_one_was_seen() {
        let (tokens, _) = tokens(&config(Algorithm::EdDsa));
        let token = tokens.sign(user(), None, user()).unwrap().token;
        tokens.verify(&token).unwrap();
        let parts: Vec<&str> = token.split('.').collect();
        let claims = URL_SAFE_NO_PAD.decode(parts[1]).unwrap();
        let claims = String::from_utf8(claims)
            .unwrap()
            .replace(&user().to_string(), &Uuid::nil().to_string());
        let forged = format!("{}.{}.{}", parts[0], URL_SAFE_NO_PAD.encode(claims), parts[2]);
        assert!(matches!(tokens.verify(&forged), Err(TokenError::Refused(_))));
    }

    #[test]
    fn a_token_without_a_signature_is_refused() {
        let (tokens, _) = tokens(&config(Algorithm::Rs256));
        let token = tokens.sign(user(), None, user()).unwrap().token;
        let claims = token.split('.').nth(1).unwrap();
        let kid = kid(&tokens);
        for alg in ["none", "None", "HS256"] {
            let header = format!(r#"{{"alg":"{alg}","typ":"at+jwt","kid":"{kid}"}}"#);
            let forged = format!("{}.{claims}.", URL_SAFE_NO_PAD.encode(header));
            assert!(tokens.verify(&forged).is_err(), "{alg}");
        }
    }

    #[test]
    fn the_public_key_does_not_pass_for_a_shared_secret() {
        let (tokens, _) = tokens(&config(Algorithm::Rs256));
        let claims =
            (*tokens.verify(&tokens.sign(user(), None, user()).unwrap().token).unwrap()).clone();
        let public = serde_json::to_vec(&tokens.jwks()).unwrap();
        let mut header = Header::new(Alg::HS256);
        header.typ = Some(TOKEN_TYPE.to_owned());
        header.kid = Some(kid(&tokens));
        let forged =
            jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(&public)).unwrap();
        assert!(matches!(tokens.verify(&forged), Err(TokenError::Refused(_))));
    }

    #[test]
    fn tokens_of_other_types_issuers_audiences_and_keys_are_refused() {
        let base = config(Algorithm::EdDsa);
        let (ours, _) = tokens(&base);
        let mut elsewhere = base.clone();
        elsewhere.public_url = "https://elsewhere.example".to_owned();
        let mut others = base.clone();
        others.tokens.audience = "billing".to_owned();
        for config in [elsewhere, others] {
            let token = tokens(&config).0.sign(user(), None, user()).unwrap().token;
            assert!(matches!(ours.verify(&token), Err(TokenError::Refused(_))));
        }
        let stranger = tokens(&config(Algorithm::EdDsa)).0.sign(user(), None, user()).unwrap();
        assert_eq!(ours.verify(&stranger.token), Err(TokenError::UnknownKey));

        let claims =
            (*ours.verify(&ours.sign(user(), None, user()).unwrap().token).unwrap()).clone();
        let mut header = Header::new(Alg::EdDSA);
        header.kid = Some(kid(&ours));
        let (ring, now) = (ours.ring(), ours.clock.now());
        let id_token =
            jsonwebtoken::encode(&header, &claims, ring.keys.signing(now).private()).unwrap();
        assert_eq!(ours.verify(&id_token), Err(TokenError::WrongType));
    }

    #[test]
    fn tokens_of_a_retired_key_hold_until_they_expire() {
        let old = config(Algorithm::Rs256);
        let token = tokens(&old).0.sign(user(), None, user()).unwrap().token;
        let mut new = config(Algorithm::EdDsa);
        new.tokens.retired_keys = vec![old.tokens.key.clone().unwrap()];
        let (tokens, _) = tokens(&new);
        assert_eq!(tokens.verify(&token).unwrap().sub, user());
        assert_eq!(tokens.jwks().keys.len(), 2);
    }

    #[test]
    fn a_key_is_of_one_algorithm_by_itself() {
        let mut config = config(Algorithm::EdDsa);
        config.tokens.algorithm = Algorithm::Rs256;
        let (tokens, _) = tokens(&config);
        let token = tokens.sign(user(), None, user()).unwrap().token;
        assert_eq!(jsonwebtoken::decode_header(&token).unwrap().alg, Alg::EdDSA);
    }

    #[test]
    fn keys_change_while_others_sign_and_what_cannot_be_read_changes_nothing() {
        let mut config = config(Algorithm::EdDsa);
        let (tokens, clock) = tokens(&config);
        let old = tokens.sign(user(), None, user()).unwrap().token;
        tokens.verify(&old).unwrap();
        assert!(!tokens.take_keys(&config.tokens).unwrap(), "the same ones");
        let first = config.tokens.key.clone().unwrap();
        let second = generate_key(Algorithm::Rs256).unwrap();
        let from = "Signs-From: 2026-03-01T12:10:00Z";
        let both = format!("{}{from}\n{}", first.reveal(), second.reveal());
        config.tokens.key = Some(Secret::new(both));
        assert!(tokens.take_keys(&config.tokens).unwrap());
        let before = kid(&tokens);
        assert_eq!(tokens.jwks().keys.len(), 2);
        clock.advance(TimeDelta::minutes(10));
        assert_ne!(kid(&tokens), before);
        assert!(tokens.verify(&old).is_ok() && tokens.fingerprints().len() == 2);
        let mut broken = config.tokens.clone();
        broken.key = Some(Secret::new("no key"));
        assert!(tokens.take_keys(&broken).is_err());
        assert!(tokens.verify(&old).is_ok());
        // Gone with its key, though it was checked before.
        config.tokens.key = Some(second);
        assert!(tokens.take_keys(&config.tokens).unwrap());
        assert_eq!(tokens.verify(&old), Err(TokenError::UnknownKey));
    }
}
