//! What a name to sign in with must be, and how secrets are made and kept.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::id::Random;
use crate::store::fold;
use crate::values::{Multiline, clean_text, is_invisible};

/// A name to sign in with: none where there is nothing in it. It must not be mistaken for an
/// address.
///
/// # Errors
/// [`Error::Invalid`] naming `field`.
pub(crate) fn check_username(field: &str, name: Option<&str>) -> Result<Option<String>> {
    let name = clean_text(field, name.unwrap_or_default(), 64, Multiline::No)?;
    // As names are compared: a full-width ＠ looks like one and is one there.
    let is_bad = |name: &str| fold(name).contains(|c: char| c == '@' || c.is_whitespace());
    if name.as_deref().is_some_and(is_bad) {
        let message = "must contain neither @ nor white space";
        return Err(Error::invalid(field, "INVALID_USERNAME", message));
    }
    if name.as_deref().is_some_and(|name| name.contains(is_invisible)) {
        let message = "must not contain characters that nobody sees";
        return Err(Error::invalid(field, "INVALID_USERNAME", message));
    }
    Ok(name)
}

/// A secret of 256 bits, as text.
pub(crate) fn secret(random: &dyn Random) -> String {
    let mut bytes = [0; 32];
    random.fill(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// What is kept of a secret. A plain hash suffices: nobody guesses 256 random bits.
pub(crate) fn fingerprint(secret: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(secret.as_bytes()))
}
