//! How text is compared, on every backend: by a key that this module computes.
//!
//! A database's collation and the version of its ICU never decide anything. A backend stores the
//! key beside the text, or computes it when it loads the text, and compares keys byte by byte.

use std::collections::HashSet;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// The comparison key of a text: without case, accents or compatibility forms (NFKD, combining
/// marks removed, lower case, `ß` as `ss`). Two texts are equal, and one sorts before another,
/// as their keys do byte by byte.
///
/// ```
/// use crm_core::store::fold;
///
/// assert_eq!(fold("Müller & Söhne"), "muller & sohne");
/// assert_eq!(fold("STRASSE"), fold("Straße"));
/// ```
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let mut key = String::with_capacity(text.len());
    let lowered = text.nfkd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase);
    for c in lowered.nfkd().filter(|c| !is_combining_mark(*c)) {
        match c {
            'ß' => key.push_str("ss"),
            'ς' => key.push('σ'),
            other => key.push(other),
        }
    }
    key
}

/// The words of a search: folded, split at white space, each once.
pub fn words(search: &str) -> Vec<String> {
    let folded = fold(search);
    // Searches come from anyone and may be long: looking each word up among all before it would
    // take a square of their length.
    let mut known = HashSet::new();
    folded.split_whitespace().filter(|word| known.insert(*word)).map(str::to_owned).collect()
}

/// Whether a text can be stored: no NUL, which PostgreSQL's `text` cannot hold.
pub fn storable(text: &str) -> bool {
    !text.as_bytes().contains(&0)
}

/// The trigrams of a folded text, as numbers: three characters hashed together. A word can occur
/// in a text only where all the word's trigrams are among the text's.
///
/// Numbers instead of texts keep an index small; a collision only costs a comparison, because an
/// index of trigrams never decides, it only narrows.
pub fn trigrams(folded: &str) -> impl Iterator<Item = u32> + '_ {
    let mut window = ['\n'; 3];
    folded.chars().enumerate().filter_map(move |(i, c)| {
        window = [window[1], window[2], c];
        let whole = i >= 2 && !window.iter().any(|c| c.is_whitespace());
        whole.then(|| {
            window.iter().fold(0x811c_9dc5_u32, |hash, c| {
                c.to_string().bytes().fold(hash, |h, b| (h ^ u32::from(b)).wrapping_mul(16_777_619))
            })
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folding_removes_case_accents_and_compatibility_forms() {
        for (text, key) in [
            ("ÅNGSTRÖM", "angstrom"),
            ("ﬁnance", "finance"),
            ("İstanbul", "istanbul"),
            ("Ὀδυσσεύς", "οδυσσευσ"),
            ("Ｔｏｋｙｏ", "tokyo"),
            ("", ""),
        ] {
            assert_eq!(fold(text), key);
        }
    }

    #[test]
    fn folding_twice_changes_nothing() {
        for text in ["Ωmega", "ǅ", "ﬀẞ", "İIıi", "ΑΣ", "e\u{301}\u{327}"] {
            assert_eq!(fold(&fold(text)), fold(text), "{text}");
        }
    }

    #[test]
    fn a_words_trigrams_are_among_those_of_a_text_that_contains_it() {
        let text: Vec<u32> = trigrams("acme corporation\ninfo@acme.com").collect();
        assert!(trigrams("corpo").all(|gram| text.contains(&gram)));
        assert!(trigrams("@acme").all(|gram| text.contains(&gram)));
        assert_eq!(trigrams("ab").count(), 0);
    }
}
