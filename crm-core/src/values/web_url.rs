//! Links to the web.

use url::{Host, Url};

use super::{quoted, string_value};
use crate::error::{Error, Result};

/// A link that a browser opens: http or https, nothing that runs or reads a file.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct WebUrl(String);

impl WebUrl {
    /// The most octets of a link.
    pub const MAX_LENGTH: usize = 2_048;

    /// The link in `text`; `example.com` is taken for `https://example.com`.
    ///
    /// # Errors
    /// `INVALID_URL`, saying what is wrong.
    pub fn parse(field: &str, text: &str) -> Result<Self> {
        let text = text.trim();
        read(text).map(Self).map_err(|fault| {
            let message = format!("expected a web address, got {}: {fault}", quoted(text));
            Error::invalid(field, "INVALID_URL", message)
        })
    }

    /// The link.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn from_stored(text: String) -> Option<Self> {
        Some(Self(text))
    }
}

string_value!(WebUrl, Text, "https://example.com");

fn read(text: &str) -> Result<String, &'static str> {
    if text.is_empty() || text.contains(|c: char| c.is_control() || c.is_whitespace()) {
        return Err("it is empty or has a space in it");
    }
    let scheme = scheme_of(text);
    let typed_scheme = scheme.is_some();
    let whole = match scheme {
        Some(scheme) if ["http", "https"].iter().any(|s| scheme.eq_ignore_ascii_case(s)) => {
            text.to_owned()
        }
        Some(_) => return Err("only http and https are allowed"),
        None => format!("https://{}", text.trim_start_matches('/')),
    };
    let url = Url::parse(&whole).map_err(|_| "it cannot be read")?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it must not carry a user name or password");
    }
    match url.host() {
        Some(Host::Domain(domain)) => {
            let dotted = domain.trim_end_matches('.').contains('.');
            if !dotted && !typed_scheme {
                return Err("there is no domain name");
            }
        }
        Some(_) => {}
        None => return Err("there is no domain name"),
    }
    let mut link = url.to_string();
    // The root's slash is written only where it was typed.
    if url.path() == "/" && link.ends_with('/') && !text.ends_with('/') {
        link.pop();
    }
    if link.len() > WebUrl::MAX_LENGTH {
        return Err("it is longer than 2048 octets");
    }
    Ok(link)
}

// What stands before the colon, unless that is a host before a port.
fn scheme_of(text: &str) -> Option<&str> {
    let (before, after) = text.split_once(':')?;
    let port_follows = after.starts_with(|c: char| c.is_ascii_digit());
    let in_path = before.contains(['/', '?', '#', '@', '[']);
    (!in_path && !port_follows).then_some(before)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_taken_with_or_without_a_scheme() {
        for (text, link) in [
            ("example.com", "https://example.com"),
            (" www.example.com/a?b=c#d ", "https://www.example.com/a?b=c#d"),
            ("example.com:8080", "https://example.com:8080"),
            ("//example.com/x", "https://example.com/x"),
            ("HTTP://Example.COM/Path", "http://example.com/Path"),
            ("https://example.com/", "https://example.com/"),
            ("http://intranet/wiki", "http://intranet/wiki"),
            ("http://127.0.0.1:3000", "http://127.0.0.1:3000"),
            ("müller.example", "https://xn--mller-kva.example"),
        ] {
            assert_eq!(WebUrl::parse("website", text).unwrap().as_str(), link);
        }
    }

    #[test]
    fn whatever_runs_reads_files_or_carries_secrets_is_refused() {
        for text in [
            "",
            "example",
            "javascript:alert(1)",
            "JAVASCRIPT:alert(1)",
            "data:text/html,x",
            "file:///etc/passwd",
            "ftp://example.com",
            "mailto:ann@example.com",
            "https://user:secret@example.com",
            "ann@example.com",
            "https://",
            "exam ple.com",
            "https://exa\nmple.com",
        ] {
            assert!(WebUrl::parse("website", text).is_err(), "{text}");
        }
        assert!(WebUrl::parse("", &format!("example.com/{}", "a".repeat(2_048))).is_err());
    }
}
