//! Settings that must not be shown: neither in logs nor by `config`.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

const MASK: &str = "***";

/// A setting that shows as `***` wherever it is printed or serialised.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// The secret itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Secret {
    fn from(secret: &str) -> Self {
        Self::new(secret)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(MASK)
    }
}

/// A URL that shows without its password.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct SecretUrl(String);

impl SecretUrl {
    /// Wraps a URL.
    pub fn new(url: impl Into<String>) -> Self {
        Self(url.into())
    }

    /// The URL with its password.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The URL without its password, whether that stands before the host or in the query.
    pub fn masked(&self) -> String {
        let Some((scheme, rest)) = self.0.split_once("://") else {
            return if self.0.contains("pass") { MASK.to_owned() } else { self.0.clone() };
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at(end);
        // A password may itself hold an `@` or a `/`: what cannot be told apart is not shown.
        let authority = match authority.rsplit_once('@') {
            Some((user, host)) => match user.split_once(':') {
                Some((user, _)) => format!("{user}:{MASK}@{host}"),
                None => format!("{user}@{host}"),
            },
            None if tail.contains('@') => MASK.to_owned(),
            None => authority.to_owned(),
        };
        let tail = if tail.contains("pass") || tail.contains('@') { "/***" } else { tail };
        format!("{scheme}://{authority}{tail}")
    }
}

impl From<&str> for SecretUrl {
    fn from(url: &str) -> Self {
        Self::new(url)
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

impl Serialize for SecretUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.masked())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_shows_without_its_password_however_it_is_written() {
        let shown = |url: &str| SecretUrl::new(url).masked();
        assert_eq!(shown("postgres://crm:x@db:5432/crm"), "postgres://crm:***@db:5432/crm");
        assert_eq!(
            shown("postgres://crm@db/crm?sslmode=require"),
            "postgres://crm@db/crm?sslmode=require"
        );
        assert_eq!(shown("memory:"), "memory:");
        assert_eq!(shown("redis://:x@cache:6379/1"), "redis://:***@cache:6379/1");
        assert_eq!(shown("unix:///run/redis.sock?db=1"), "unix:///run/redis.sock?db=1");
        for url in ["unix:///run/redis.sock?pass=x1y", "unix:/run/redis.sock?pass=x1y"] {
            assert!(!shown(url).contains("x1y"));
        }
        for url in [
            "postgres://crm:p@ss/w@db/crm",
            "postgres://db/crm?user=a&password=p@ss/w",
            "postgres://crm:p@ss%2Fw@db",
        ] {
            let shown = shown(url);
            assert!(!shown.contains("ss/w") && !shown.contains("ss%2Fw"), "{shown}");
        }
    }
}
