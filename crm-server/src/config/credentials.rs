//! What proves who somebody is: the keys and lifetimes of tokens, and how passwords are hashed.
//! Nothing secret here has a default.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::written::{WrittenKey, keys_in};
use super::{ConfigError, Secret, Span};

/// An algorithm that access tokens are signed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
pub enum Algorithm {
    /// RSA with SHA-256, understood everywhere.
    #[serde(rename = "RS256")]
    #[value(name = "RS256", alias = "rs256")]
    Rs256,
    /// Ed25519: smaller and faster to sign.
    #[serde(rename = "EdDSA")]
    #[value(name = "EdDSA", alias = "eddsa")]
    EdDsa,
}

/// Access and refresh tokens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tokens {
    /// The algorithm of keys that are made: by `init`, and by `keys rotate`. A key that is there
    /// is of one algorithm by itself.
    pub algorithm: Algorithm,
    /// The private key that signs, as PKCS#8 PEM; behind it, those that are to sign after it
    /// ([`WrittenKey`]). There is no default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<Secret>,
    /// A file that holds the key, in place of `key`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
    /// Private keys whose tokens are accepted, too, as PEM, for as long as they are here.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub retired_keys: Vec<Secret>,
    /// For whom tokens are: `aud`.
    pub audience: String,
    /// How long an access token holds.
    pub access_lifetime: Span,
    /// How long a session lives without being used.
    pub refresh_lifetime: Span,
    /// The same where the user asked to be remembered.
    pub remember_me_lifetime: Span,
    /// How long a spent refresh token can be spent again by a client whose answer was lost, as
    /// long as nobody has used what was given out for it; 0 for never.
    pub refresh_grace: Span,
    /// How far the clocks of two servers may differ.
    pub leeway: Span,
}

impl Default for Tokens {
    fn default() -> Self {
        Self {
            algorithm: Algorithm::Rs256,
            key: None,
            key_file: None,
            retired_keys: Vec::new(),
            audience: "crm".to_owned(),
            access_lifetime: Span::minutes(15),
            refresh_lifetime: Span::days(30),
            remember_me_lifetime: Span::days(90),
            refresh_grace: Span::seconds(10),
            leeway: Span::seconds(30),
        }
    }
}

impl Tokens {
    /// The keys, read from their file where they are in one: those that sign one after the other,
    /// as they are written.
    ///
    /// # Errors
    /// Where there is none, the file cannot be read, or a time in it is none.
    pub fn keys(&self) -> Result<Vec<WrittenKey>, ConfigError> {
        keys_in(self.key_text()?.reveal())
    }

    /// The first of them.
    ///
    /// # Errors
    /// As [`Tokens::keys`].
    pub fn signing_key(&self) -> Result<Secret, ConfigError> {
        let first = self.keys()?.into_iter().next();
        first.map(|key| key.pem).ok_or_else(|| ConfigError::new("there is no signing key"))
    }

    /// The keys as they are written, one behind the other.
    fn key_text(&self) -> Result<Secret, ConfigError> {
        match (&self.key, &self.key_file) {
            (Some(_), Some(_)) => {
                Err(ConfigError::new("tokens.key and tokens.key_file are both set, keep one"))
            }
            (Some(key), None) => Ok(key.clone()),
            (None, Some(file)) => std::fs::read_to_string(file).map(Secret::new).map_err(|error| {
                ConfigError::new(format!("tokens.key_file {}: {error}", file.display()))
            }),
            (None, None) => Err(ConfigError::new(
                "no signing key: set tokens.key or tokens.key_file (`crm-server init` makes one)",
            )),
        }
    }
}

/// How passwords are hashed: Argon2id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Passwords {
    /// KiB of memory for one hash.
    pub memory_kib: u32,
    /// Passes over it.
    pub iterations: u32,
    /// Lanes.
    pub parallelism: u32,
    /// How many hashes are computed at once; the number of processors where it is 0.
    pub concurrency: usize,
    /// The fewest characters of a password that is set; at least 8.
    pub min_length: usize,
}

impl Default for Passwords {
    fn default() -> Self {
        let min_length = crm_core::auth::SHORTEST_PASSWORD;
        Self { memory_kib: 19_456, iterations: 2, parallelism: 1, concurrency: 0, min_length }
    }
}

/// Second factors: what they are called in authenticator apps, and what their secrets are sealed
/// under where they are stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mfa {
    /// What authenticator apps show them under.
    pub issuer: String,
    /// The secret that they are sealed under: any text of 32 random characters or more. There is
    /// no default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<Secret>,
    /// A file that holds it, in place of `key`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
    /// Such secrets of before, which still open what was sealed under them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub retired_keys: Vec<Secret>,
}

impl Default for Mfa {
    fn default() -> Self {
        Self { issuer: "CRM".to_owned(), key: None, key_file: None, retired_keys: Vec::new() }
    }
}

impl Mfa {
    /// The fewest characters of a secret.
    const SHORTEST: usize = 32;

    /// The secrets that second factors are or were sealed under, the one in use first.
    ///
    /// # Errors
    /// Where there is none, its file cannot be read, or one can be guessed.
    pub fn sealing_keys(&self) -> Result<Vec<Secret>, ConfigError> {
        let own = match (&self.key, &self.key_file) {
            (Some(_), Some(_)) => {
                return Err(ConfigError::new("mfa.key and mfa.key_file are both set, keep one"));
            }
            (Some(key), None) => key.clone(),
            (None, Some(file)) => {
                std::fs::read_to_string(file).map(Secret::new).map_err(|error| {
                    ConfigError::new(format!("mfa.key_file {}: {error}", file.display()))
                })?
            }
            (None, None) => {
                return Err(ConfigError::new(
                    "no key to seal second factors under: set mfa.key or mfa.key_file to 32 random \
                     characters or more (`crm-server init` makes some), and keep it",
                ));
            }
        };
        let keys: Vec<Secret> = std::iter::once(own).chain(self.retired_keys.clone()).collect();
        let is_short = |key: &Secret| key.reveal().trim().chars().count() < Self::SHORTEST;
        match keys.iter().position(is_short) {
            None => Ok(keys),
            Some(at) => {
                let name = if at == 0 { "mfa.key" } else { "mfa.retired_keys" };
                let least = Self::SHORTEST;
                Err(ConfigError::new(format!("{name}: expected {least} characters or more")))
            }
        }
    }
}

/// How much guessing of passwords is put up with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Lockout {
    /// How many failures in a row cost nothing, for an account.
    pub attempts: u32,
    /// The same for a network, whatever the accounts.
    pub attempts_per_network: u32,
    /// The longest wait. The first is a second, each further one twice as long.
    pub longest: Span,
}

impl Default for Lockout {
    fn default() -> Self {
        Self { attempts: 5, attempts_per_network: 50, longest: Span::minutes(15) }
    }
}
