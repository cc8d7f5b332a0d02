//! The keys that sign access tokens, and those that once did.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm as Alg, DecodingKey, EncodingKey};

use super::TokenError;
use crate::config::{Algorithm, Secret};

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
    fn new(algorithm: Algorithm, pem: &Secret) -> Result<Self, TokenError> {
        let fault = |error: jsonwebtoken::errors::Error| {
            TokenError::Unsigned(format!("expected a PKCS#8 PEM of a {algorithm:?} key: {error}"))
        };
        let pem = pem.reveal().trim().as_bytes();
        let (private, algorithm) = match algorithm {
            Algorithm::Rs256 => (EncodingKey::from_rsa_pem(pem).map_err(fault)?, Alg::RS256),
            Algorithm::EdDsa => (EncodingKey::from_ed_pem(pem).map_err(fault)?, Alg::EdDSA),
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

/// The key that signs, and those whose tokens still hold.
#[derive(Debug)]
pub struct Keys {
    signing: Key,
    retired: Vec<Key>,
    public: JwkSet,
}

impl Keys {
    /// Reads the signing key, which must be of the algorithm named, and the retired ones, which
    /// may be of either.
    ///
    /// # Errors
    /// [`TokenError::Unsigned`] where one is no key.
    pub fn new(
        algorithm: Algorithm,
        signing: &Secret,
        retired: &[Secret],
    ) -> Result<Self, TokenError> {
        let signing = Key::new(algorithm, signing)?;
        let either = |pem: &Secret| {
            Key::new(Algorithm::Rs256, pem).or_else(|_| Key::new(Algorithm::EdDsa, pem))
        };
        let retired = retired.iter().map(either).collect::<Result<Vec<_>, _>>()?;
        let keys = std::iter::once(&signing).chain(&retired).map(|key| key.public.clone());
        let public = JwkSet { keys: keys.collect() };
        Ok(Self { signing, retired, public })
    }

    /// The key that signs.
    pub fn signing(&self) -> &Key {
        &self.signing
    }

    /// The key with an id.
    pub fn find(&self, id: &str) -> Option<&Key> {
        std::iter::once(&self.signing).chain(&self.retired).find(|key| key.id == id)
    }

    /// The public halves.
    pub fn public(&self) -> &JwkSet {
        &self.public
    }
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
