//! What an API key looks like: `crm_`, eight characters by which people tell it from others, `_`,
//! 43 random characters, and six that prove that it is whole.
//!
//! So whoever looks for secrets that have got out finds one by
//! `crm_[0-9A-Za-z]{8}_[0-9A-Za-z]{49}`, and knows by the check sum that it is no other word; and
//! one that was cut off or mistyped is refused without asking anybody.

use crate::id::Random;

/// What every key begins with.
pub const API_KEY_PREFIX: &str = "crm_";

/// The characters that are shown of it, behind the prefix.
const SHOWN: usize = 8;
/// Of 62 different ones each: 256 bits.
const SECRET: usize = 43;
/// The check sum of all before it: a CRC-32 (ISO 3309), as digits to the base of 62.
const SUM: usize = 6;
const LENGTH: usize = API_KEY_PREFIX.len() + SHOWN + 1 + SECRET + SUM;

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A new key: what is shown of it, and all of it.
pub(super) fn mint(random: &dyn Random) -> (String, String) {
    let shown = format!("{API_KEY_PREFIX}{}", characters(random, SHOWN));
    let unsummed = format!("{shown}_{}", characters(random, SECRET));
    let sum = sum(unsummed.as_bytes());
    (shown, format!("{unsummed}{sum}"))
}

/// Whether a text has the form of a key and its check sum.
pub(super) fn is_whole(text: &str) -> bool {
    let bytes = text.as_bytes();
    let underscore = API_KEY_PREFIX.len() + SHOWN;
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric();
    bytes.len() == LENGTH
        && text.starts_with(API_KEY_PREFIX)
        && bytes[API_KEY_PREFIX.len()..underscore].iter().all(is_digit)
        && bytes[underscore] == b'_'
        && bytes[underscore + 1..].iter().all(is_digit)
        && sum(&bytes[..LENGTH - SUM]).as_bytes() == &bytes[LENGTH - SUM..]
}

fn characters(random: &dyn Random, count: usize) -> String {
    let mut text = String::with_capacity(count);
    let mut bytes = [0; 64];
    while text.len() < count {
        random.fill(&mut bytes);
        // Six bits each; of 64 values, two are thrown away, so that the rest are equally likely.
        let digits = bytes.iter().filter_map(|byte| DIGITS.get(usize::from(byte & 63)));
        text.extend(digits.take(count - text.len()).map(|digit| char::from(*digit)));
    }
    text
}

fn sum(octets: &[u8]) -> String {
    let mut rest = crc32(octets);
    let mut digits = [b'0'; SUM];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[(rest % 62) as usize];
        rest /= 62;
    }
    digits.iter().map(|digit| char::from(*digit)).collect()
}

fn crc32(octets: &[u8]) -> u32 {
    let with = |sum: u32, octet: &u8| {
        (0..8).fold(sum ^ u32::from(*octet), |sum, _| match sum & 1 {
            1 => sum >> 1 ^ 0xedb8_8320,
            _ => sum >> 1,
        })
    };
    !octets.iter().fold(!0, with)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SeededRandom;

    #[test]
    fn the_check_sum_is_the_known_one() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(sum(b""), "000000");
    }

    #[test]
    fn a_key_is_whole_and_no_part_or_slip_of_it_is() {
        let random = SeededRandom::new(1);
        let (shown, text) = mint(&random);
        assert!(text.starts_with(&shown) && shown.len() == 12, "{shown}");
        assert!(is_whole(&text), "{text}");
        for (at, was) in text.char_indices() {
            let other = if was == 'x' { 'y' } else { 'x' };
            let slip: String =
                text.char_indices().map(|(i, c)| if i == at { other } else { c }).collect();
            assert!(!is_whole(&slip), "{slip}");
            assert!(!is_whole(&text[..at]));
        }
        assert!(!is_whole(&format!("{text}0")));
        assert!(!is_whole(&"é".repeat(LENGTH / 2)));
        assert_ne!(text, mint(&random).1);
    }
}
