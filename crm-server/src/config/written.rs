//! The keys of access tokens as they are written: PEM, one behind the other, each with the time
//! from which it signs.
//!
//! ```text
//! -----BEGIN PRIVATE KEY-----
//! …
//! -----END PRIVATE KEY-----
//! Signs-From: 2026-03-01T12:00:00Z
//! -----BEGIN PRIVATE KEY-----
//! …
//! -----END PRIVATE KEY-----
//! ```
//!
//! A text before a key is let stand by whoever reads PEM (RFC 7468, 5.2), so that the file is read
//! by other programs too.

use std::ops::Range;

use chrono::{DateTime, Utc};

use super::{ConfigError, Secret};

const BEGIN: &str = "-----BEGIN ";
/// What says from when the key behind it signs.
const SIGNS_FROM: &str = "Signs-From:";

/// A key, and from when it signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenKey {
    /// The private key.
    pub pem: Secret,
    /// From when it signs; where it says nothing, since ever if it is the first, and else never.
    pub signs_from: Option<DateTime<Utc>>,
}

/// The keys in a text. One without any is handed on as a key, for whoever says what is wrong
/// with it.
pub(super) fn keys_in(text: &str) -> Result<Vec<WrittenKey>, ConfigError> {
    let found = places_in(text).into_iter().map(|place| {
        let part = &text[place];
        let begin = part.find(BEGIN).unwrap_or(0);
        let (before, pem) = part.split_at(begin);
        let told = before.lines().rev().find_map(|line| line.trim().strip_prefix(SIGNS_FROM));
        let signs_from = told.map(|told| {
            told.trim().parse::<DateTime<Utc>>().map_err(|_| {
                let got = told.trim();
                ConfigError::new(format!("{SIGNS_FROM} expected a time (RFC 3339), got {got:?}"))
            })
        });
        Ok(WrittenKey { pem: Secret::new(pem), signs_from: signs_from.transpose()? })
    });
    let keys = found.collect::<Result<Vec<_>, ConfigError>>()?;
    Ok(match keys.is_empty() {
        true => vec![WrittenKey { pem: Secret::new(text), signs_from: None }],
        false => keys,
    })
}

/// Where each key stands, with what is said before it.
fn places_in(text: &str) -> Vec<Range<usize>> {
    let mut places = Vec::new();
    let mut start = 0;
    while let Some(begin) = text[start..].find(BEGIN).map(|at| start + at) {
        let label = text[begin + BEGIN.len()..].split("-----").next().unwrap_or_default();
        let end = format!("-----END {label}-----");
        let end = text[begin..].find(&end).map_or(text.len(), |at| begin + at + end.len());
        places.push(start..end);
        start = end;
    }
    places
}

/// The text with one more key behind the others.
pub(super) fn with_key(text: &str, key: &WrittenKey) -> String {
    let mut text = format!("{}\n", text.trim_end());
    if let Some(from) = key.signs_from {
        let from = from.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
        text.push_str(&format!("{SIGNS_FROM} {from}\n"));
    }
    text.push_str(key.pem.reveal().trim());
    text.push('\n');
    text
}

/// The text without some of its keys, by their places among them.
pub(super) fn without_keys(text: &str, gone: &[usize]) -> String {
    let places = places_in(text);
    let rest = places.last().map_or(0, |last| last.end);
    let kept = places.into_iter().enumerate().filter(|(place, _)| !gone.contains(place));
    let mut kept: String = kept.map(|(_, place)| &text[place]).collect();
    kept.push_str(&text[rest..]);
    kept.trim_start().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----";
    const RSA: &str = "-----BEGIN RSA PRIVATE KEY-----\nBBBB\n-----END RSA PRIVATE KEY-----";

    fn read(text: &str) -> Vec<(String, Option<String>)> {
        let keys = keys_in(text).unwrap().into_iter();
        let shown = keys.map(|key| {
            let from = key.signs_from.map(|from| from.to_rfc3339());
            (key.pem.reveal().to_owned(), from)
        });
        shown.collect()
    }

    #[test]
    fn keys_stand_one_behind_the_other_each_with_its_time() {
        let text = format!("# ours\n{OLD}\nNote: new\nSigns-From: 2026-03-01T12:00:00Z\n{RSA}\n");
        let from = Some("2026-03-01T12:00:00+00:00".to_owned());
        assert_eq!(read(&text), [(OLD.to_owned(), None), (RSA.to_owned(), from)]);
        assert_eq!(read("nonsense"), [("nonsense".to_owned(), None)]);
        let text = format!("Signs-From: soon\n{OLD}");
        assert!(keys_in(&text).unwrap_err().to_string().contains("soon"));
    }

    #[test]
    fn what_comes_and_goes_leaves_the_rest_as_it_was() {
        let from = "2026-03-01T12:00:00Z".parse().unwrap();
        let key = WrittenKey { pem: Secret::new(RSA), signs_from: Some(from) };
        let text = with_key(&format!("# ours\n{OLD}\n"), &key);
        assert_eq!(text, format!("# ours\n{OLD}\nSigns-From: 2026-03-01T12:00:00Z\n{RSA}\n"));
        assert_eq!(without_keys(&text, &[1]), format!("# ours\n{OLD}\n"));
        let left = format!("Signs-From: 2026-03-01T12:00:00Z\n{RSA}\n");
        assert_eq!(without_keys(&text, &[0]), left);
    }
}
