//! Names of domains.

use url::{Host, Url};

use super::web_url::WebUrl;
use super::{quoted, string_value};
use crate::error::{Error, Result};

/// The domain that somebody is known by on the net, `example.com`: in lower case, without `www.`,
/// names beyond ASCII in Punycode (RFC 3492).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Domain(String);

impl Domain {
    /// The most octets of a domain (RFC 1035).
    pub const MAX_LENGTH: usize = 253;

    /// The domain in `text`, of which a link's is taken: `https://www.Example.com/about` is
    /// `example.com`.
    ///
    /// # Errors
    /// `INVALID_DOMAIN`.
    pub fn parse(field: &str, text: &str) -> Result<Self> {
        let text = text.trim();
        read(text).map(Self).ok_or_else(|| {
            let message = format!("expected a domain such as example.com, got {}", quoted(text));
            Error::invalid(field, "INVALID_DOMAIN", message)
        })
    }

    /// The domain.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn from_stored(text: String) -> Option<Self> {
        Some(Self(text))
    }
}

string_value!(Domain, Code, "example.com");

fn read(text: &str) -> Option<String> {
    let link = WebUrl::parse("", text).ok()?;
    let url = Url::parse(link.as_str()).ok()?;
    let Some(Host::Domain(host)) = url.host() else { return None };
    let host = host.trim_end_matches('.');
    let mut domain = host;
    while let Some(rest) = domain.strip_prefix("www.").filter(|rest| rest.contains('.')) {
        domain = rest;
    }
    let is_label = |label: &str| {
        let edges = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        (1..=63).contains(&label.len())
            && label.starts_with(edges)
            && label.ends_with(edges)
            && label.chars().all(|c| edges(c) || c == '-')
    };
    let fits = domain.len() <= Domain::MAX_LENGTH
        && domain.contains('.')
        && domain.split('.').all(is_label);
    fits.then(|| domain.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_or_a_host_gives_its_domain() {
        for (text, domain) in [
            ("example.com", "example.com"),
            (" WWW.Example.COM. ", "example.com"),
            ("https://www.example.com/about?x=1", "example.com"),
            ("shop.example.co.uk:8443", "shop.example.co.uk"),
            ("müller.example", "xn--mller-kva.example"),
            ("www.com", "www.com"),
        ] {
            assert_eq!(Domain::parse("domain", text).unwrap().as_str(), domain);
        }
    }

    #[test]
    fn what_is_no_domain_is_refused() {
        for text in ["", "example", "ann@example.com", "127.0.0.1", "[::1]", "-a.example", "a..b"] {
            assert!(Domain::parse("domain", text).is_err(), "{text}");
        }
        let long = format!("{}.example", "a".repeat(64));
        assert!(Domain::parse("domain", &long).is_err());
    }
}
