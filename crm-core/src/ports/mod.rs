//! What a host plugs in: the few things that the library needs from outside and that differ from
//! one installation to the next.
//!
//! A port is a small trait. The library must never open a socket, a file or a thread itself; what
//! would need one is asked for here.

mod mail;

use std::fmt::Debug;

use async_trait::async_trait;

pub use mail::{Mail, MailContent, MailError, MailText, MailTexts, Mailer};

use crate::error::Result;

/// Keeps what is stored from being read where it is stored: encrypts and authenticates it under a
/// key that the store does not have.
pub trait Sealer: Debug + Send + Sync + 'static {
    /// Seals something that belongs to `place`, as text.
    ///
    /// # Errors
    /// [`Error::Internal`](crate::Error::Internal) where it cannot be sealed.
    fn seal(&self, plain: &[u8], place: &str) -> Result<String>;

    /// What was sealed for this place.
    ///
    /// # Errors
    /// [`Error::Internal`](crate::Error::Internal) where no key opens it, or it was sealed for
    /// another place.
    fn open(&self, sealed: &str, place: &str) -> Result<Vec<u8>>;

    /// Whether it was sealed under a key that is no longer the one in use, so that a caller who
    /// has opened it should seal it again.
    fn is_outdated(&self, sealed: &str) -> bool {
        let _ = sealed;
        false
    }
}

/// Turns passwords into hashes that can be stored, and checks passwords against them.
///
/// Hashing is slow on purpose: an implementation must not block the threads that run futures, and
/// should bound how many run at once.
#[async_trait]
pub trait PasswordHasher: Debug + Send + Sync + 'static {
    /// A hash to store, with its salt and parameters in it.
    ///
    /// # Errors
    /// [`Error::Internal`](crate::Error::Internal) where the hash cannot be computed.
    async fn hash(&self, password: String) -> Result<String>;

    /// Whether the hash is that of the password. Without a hash, because there is no such user or
    /// it has no password, the answer is no, after as much time as a check takes: who measures
    /// learns nothing.
    ///
    /// # Errors
    /// [`Error::Internal`](crate::Error::Internal) where the stored hash cannot be read.
    async fn verify(&self, password: String, hash: Option<String>) -> Result<bool>;

    /// Whether the hash was made with other parameters than those in use now, so that a caller
    /// who holds the right password should store a new one.
    fn is_outdated(&self, hash: &str) -> bool {
        let _ = hash;
        false
    }
}
