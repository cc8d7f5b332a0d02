//! E-mail addresses.

use std::hash::{Hash, Hasher};

use url::Host;

use super::{is_invisible, quoted, string_value};
use crate::error::{Error, Result};

/// An e-mail address as it was typed, compared without case.
///
/// The pragmatic part of RFC 5321 and 5322: a dot-atom or quoted local part of at most 64 octets,
/// a domain of at least two labels, international ones included, 254 octets in all. No comments,
/// no address literals, no display names.
#[derive(Debug, Clone)]
pub struct Email(String);

impl Email {
    /// The address in `text`, without space around it.
    ///
    /// # Errors
    /// `INVALID_EMAIL`, saying what is wrong.
    pub fn parse(field: &str, text: &str) -> Result<Self> {
        let text = text.trim();
        match fault_of(text) {
            None => Ok(Self(text.to_owned())),
            Some(fault) => {
                let message = format!("expected an e-mail address, got {}: {fault}", quoted(text));
                Err(Error::invalid(field, "INVALID_EMAIL", message))
            }
        }
    }

    /// The address as it was typed.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What two equal addresses have in common: the address in lower case.
    pub fn key(&self) -> String {
        self.0.to_lowercase()
    }

    /// The part behind the `@`, as it was typed.
    pub fn domain(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(_, domain)| domain)
    }

    fn from_stored(text: String) -> Option<Self> {
        Some(Self(text))
    }
}

string_value!(Email, Text, "ann@example.com");

impl PartialEq for Email {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0 || self.key() == other.key()
    }
}
impl Eq for Email {}
impl Hash for Email {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

fn fault_of(text: &str) -> Option<&'static str> {
    if text.len() > 254 {
        return Some("it is longer than 254 octets");
    }
    let Some((local, domain)) = text.rsplit_once('@') else { return Some("there is no @") };
    if local.is_empty() {
        return Some("there is nothing before the @");
    }
    if local.len() > 64 {
        return Some("the part before the @ is longer than 64 octets");
    }
    let quoted = local.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    match quoted {
        Some(inner) if !is_quoted(inner) => return Some("the quotes are not closed"),
        None if !local.split('.').all(is_atom) => {
            return Some("the part before the @ has a character or dot where none may be");
        }
        _ => {}
    }
    if is_domain(domain) { None } else { Some("the part after the @ is no domain name") }
}

fn is_atom(atom: &str) -> bool {
    let allowed = |c: char| {
        c.is_ascii_alphanumeric()
            || "!#$%&'*+-/=?^_`{|}~".contains(c)
            // RFC 6531: letters of any script, and their marks.
            || (!c.is_ascii() && !c.is_control() && !c.is_whitespace() && !is_invisible(c))
    };
    !atom.is_empty() && atom.chars().all(allowed)
}

fn is_quoted(inner: &str) -> bool {
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' if chars.next().is_none_or(char::is_control) => return false,
            '"' => return false,
            c if c.is_control() => return false,
            _ => {}
        }
    }
    !inner.is_empty()
}

fn is_domain(domain: &str) -> bool {
    // A host in a URL may be percent-encoded, one in an address may not.
    if domain.contains('%') || domain.contains(char::is_whitespace) {
        return false;
    }
    let Ok(Host::Domain(ascii)) = Host::parse(domain) else { return false };
    let labels: Vec<&str> = ascii.split('.').collect();
    let is_label = |label: &&str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    labels.len() >= 2 && ascii.len() <= 253 && labels.iter().all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_people_have_are_accepted() {
        for text in [
            "john@example.com",
            "  John.O'Neill+crm@Mail.Example.co.uk ",
            "a@b.example",
            "müller@müller.example",
            "用户@例子.example",
            "\"john doe\"@example.com",
            "1234567890@example.com",
            "_______@example.com",
            "user@xn--mller-kva.example",
        ] {
            assert_eq!(Email::parse("email", text).unwrap().as_str(), text.trim());
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_the_reason() {
        let long_local = format!("{}@example.com", "a".repeat(65));
        let long = format!("a@{}example.com", "label.".repeat(50));
        for (text, reason) in [
            ("", "no @"),
            ("example.com", "no @"),
            ("@example.com", "nothing before"),
            ("john@", "no domain name"),
            ("john@localhost", "no domain name"),
            ("john@example..com", "no domain name"),
            ("john@-example.com", "no domain name"),
            ("john@exa mple.com", "no domain name"),
            ("john@[127.0.0.1]", "no domain name"),
            ("john@127.0.0.1", "no domain name"),
            ("john@exa_mple.com", "no domain name"),
            ("john..doe@example.com", "where none may be"),
            (".john@example.com", "where none may be"),
            ("john doe@example.com", "where none may be"),
            ("Ann <ann@example.com>", "where none may be"),
            ("a@b@example.com", "where none may be"),
            ("a\n@example.com", "where none may be"),
            ("admin\u{200b}@example.com", "where none may be"),
            ("nimda\u{202e}@example.com", "where none may be"),
            (&long_local, "64 octets"),
            (&long, "254 octets"),
        ] {
            let error = Email::parse("email", text).unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn addresses_are_compared_without_case_and_shown_as_typed() {
        let (a, b) = (Email::parse("", "Ann@Example.com"), Email::parse("", "ann@EXAMPLE.com"));
        let (a, b) = (a.unwrap(), b.unwrap());
        assert_eq!(a, b);
        assert_ne!(a.as_str(), b.as_str());
        assert_eq!(a.key(), "ann@example.com");
        assert_eq!(b.domain(), "EXAMPLE.com");
    }
}
