//! One-time passwords of the time: RFC 6238 over RFC 4226, as authenticator apps compute them by
//! default (HMAC-SHA-1, six digits, a new one every thirty seconds).
//!
//! SHA-1 is what every app can do; its weakness is collisions, which an HMAC does not rest on
//! (RFC 6238, 1.2 and appendix B).

use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

use crate::error::{Error, Result};

/// How many octets a secret has: as many as the hash (RFC 4226, 4).
pub(super) const SECRET: usize = 20;
/// For how many seconds a password holds.
const STEP: i64 = 30;
/// How many steps the clock of a phone may be off, either way (RFC 6238, 5.2).
const SKEW: i64 = 1;
const DIGITS: usize = 6;
const MODULUS: u32 = 1_000_000;

/// The step at which a code was right for the secret, near this moment and later than the last
/// one that was used: no code is good twice.
pub(super) fn step_of(
    secret: &[u8],
    code: &str,
    now: DateTime<Utc>,
    used: Option<i64>,
) -> Result<Option<i64>> {
    if code.len() != DIGITS || !code.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(None);
    }
    let Ok(shown) = code.parse::<u32>() else { return Ok(None) };
    let current = now.timestamp().div_euclid(STEP);
    let mut found = None;
    // All of them are computed, whichever it is, and compared as numbers: how long it takes tells
    // nothing of the code.
    for step in current - SKEW..=current + SKEW {
        let right = password(secret, step)? == shown;
        if right && used.is_none_or(|used| step > used) {
            found = Some(step);
        }
    }
    Ok(found)
}

/// The password of a step: `HOTP(secret, step)` of RFC 4226, 5.3.
pub(super) fn password(secret: &[u8], step: i64) -> Result<u32> {
    let mut mac = Hmac::<Sha1>::new_from_slice(secret).map_err(Error::internal)?;
    mac.update(&step.to_be_bytes());
    let hash = mac.finalize().into_bytes();
    let offset = usize::from(hash.last().copied().unwrap_or_default() & 0xf);
    let cut = hash.get(offset..offset + 4).unwrap_or_default();
    let number = cut.iter().fold(0_u32, |number, octet| number << 8 | u32::from(*octet));
    Ok((number & 0x7fff_ffff) % MODULUS)
}

/// What an authenticator app shows for a secret in Base32: for trying out a host, and its tests.
/// None where it is no such secret.
///
/// ```
/// let shown = crm_core::auth::one_time_password(
///     "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ",
///     "1970-01-01T00:00:59Z".parse().unwrap(),
/// );
/// assert_eq!(shown.as_deref(), Some("287082"));
/// ```
pub fn one_time_password(secret: &str, now: DateTime<Utc>) -> Option<String> {
    let mut octets = Vec::new();
    let (mut bits, mut held) = (0_u32, 0);
    for letter in secret.bytes() {
        let value = LETTERS.iter().position(|known| *known == letter.to_ascii_uppercase())?;
        bits = bits << 5 | u32::try_from(value).ok()?;
        held += 5;
        if held >= 8 {
            held -= 8;
            octets.push(u8::try_from(bits >> held & 255).ok()?);
            bits &= (1 << held) - 1;
        }
    }
    let step = now.timestamp().div_euclid(STEP);
    password(&octets, step).ok().map(|code| format!("{code:06}"))
}

/// The letters of RFC 4648, 6.
const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// Octets in the letters of RFC 4648, 6, without padding, as apps take them.
pub(super) fn base32(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len().div_ceil(5) * 8);
    let (mut bits, mut held) = (0_u32, 0);
    for octet in octets {
        bits = bits << 8 | u32::from(*octet);
        held += 8;
        while held >= 5 {
            held -= 5;
            text.push(char::from(LETTERS[(bits >> held & 31) as usize]));
            bits &= (1 << held) - 1;
        }
    }
    if held > 0 {
        text.push(char::from(LETTERS[(bits << (5 - held) & 31) as usize]));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const RFC: &[u8] = b"12345678901234567890";

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    /// RFC 4226, appendix D.
    #[test]
    fn passwords_are_those_of_the_standard() {
        let all: Vec<u32> = (0..10).map(|count| password(RFC, count).unwrap()).collect();
        let standard =
            [755224, 287082, 359152, 969429, 338314, 254676, 287922, 162583, 399871, 520489];
        assert_eq!(all, standard);
    }

    /// RFC 6238, appendix B, of which the last six of eight digits.
    #[test]
    fn times_are_those_of_the_standard() {
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(step_of(RFC, code, at(seconds), None).unwrap(), Some(seconds / 30));
        }
    }

    #[test]
    fn a_clock_may_be_off_by_one_step_either_way_and_no_more() {
        let code = format!("{:06}", password(RFC, 100).unwrap());
        for (step, good) in [(98, false), (99, true), (100, true), (101, true), (102, false)] {
            let found = step_of(RFC, &code, at(step * 30 + 15), None).unwrap();
            assert_eq!(found, good.then_some(100), "{step}");
        }
    }

    #[test]
    fn a_step_that_was_used_is_not_used_again_nor_one_before_it() {
        let code = format!("{:06}", password(RFC, 100).unwrap());
        assert_eq!(step_of(RFC, &code, at(3_000), Some(99)).unwrap(), Some(100));
        for used in [100, 101] {
            assert_eq!(step_of(RFC, &code, at(3_000), Some(used)).unwrap(), None);
        }
    }

    #[test]
    fn what_is_no_six_digits_is_no_code() {
        for code in ["", "28708", "2870822", "28708a", "٢٨٧٠٨٢", "-28708"] {
            assert_eq!(step_of(RFC, code, at(59), None).unwrap(), None, "{code}");
        }
    }

    /// RFC 4648, 10.
    #[test]
    fn letters_are_those_of_the_standard() {
        for (octets, text) in [
            ("", ""),
            ("f", "MY"),
            ("fo", "MZXQ"),
            ("foo", "MZXW6"),
            ("foob", "MZXW6YQ"),
            ("fooba", "MZXW6YTB"),
            ("foobar", "MZXW6YTBOI"),
        ] {
            assert_eq!(base32(octets.as_bytes()), text);
        }
    }
}
