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
