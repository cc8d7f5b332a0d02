//! How often one may ask.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{ConfigError, SecretUrl, Span};

/// So many requests in a length of time, as many of them at once: `60/1m`; or `off`.
///
/// ```
/// use crm_server::config::Rate;
///
/// let rate: Rate = "60/1m".parse().unwrap();
/// assert_eq!(rate.requests(), 60);
/// assert_eq!(rate.to_string(), "60/1m");
/// assert!("off".parse::<Rate>().unwrap().is_off());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    requests: u32,
    within: Span,
}

impl Rate {
    /// No limit.
    pub const OFF: Self = Self { requests: 0, within: Span::seconds(0) };

    /// So many in a minute.
    pub const fn a_minute(requests: u32) -> Self {
        Self { requests, within: Span::minutes(1) }
    }

    /// How many; 0 where there is no limit.
    pub const fn requests(self) -> u32 {
        self.requests
    }

    /// In how much time.
    pub const fn within(self) -> Duration {
        self.within.duration()
    }

    /// Whether there is no limit.
    pub const fn is_off(self) -> bool {
        self.requests == 0
    }
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "off" {
            return Ok(Self::OFF);
        }
        let expected =
            || format!("expected a number of requests such as 60/1m, or off, got {text:?}");
        let (requests, within) = text.split_once('/').ok_or_else(expected)?;
        let requests: u32 = requests.parse().map_err(|_| expected())?;
        let within: Span = within.parse().map_err(|_| expected())?;
        // What is kept of a limit counts microseconds, and callers are told of whole seconds.
        let (micros, millis) = (within.duration().as_micros(), within.as_millis());
        let whole = millis > 0 && millis.is_multiple_of(1_000) && within <= Span::days(1);
        if requests == 0 || u128::from(requests) > micros || !whole {
            let message = "expected at least 1 and at most 1000000 a second, within whole seconds, \
                           and a day at most";
            return Err(format!("{message}, got {text:?}"));
        }
        Ok(Self { requests, within })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.is_off() {
            true => f.write_str("off"),
            false => write!(f, "{}/{}", self.requests, self.within),
        }
    }
}

impl Serialize for Rate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What becomes of requests while the Redis that counts them is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum WhenAway {
    /// They are let in, as far as each server by itself would let them.
    Open,
    /// They are refused with 503.
    Closed,
}

/// How often one may ask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rates {
    /// From an address (of IPv6, its /64), where nobody has signed in or could be recognised.
    pub address: Rate,
    /// Each user, and each API key.
    pub user: Rate,
    /// All who work in a tenant together.
    pub tenant: Rate,
    /// A Redis that several servers count in, `redis://…`, `rediss://…` or `unix:…`; each counts
    /// by itself where there is none. A server that was built without the feature `redis` refuses
    /// to start with one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redis_url: Option<SecretUrl>,
    /// How long Redis may take for one request.
    pub redis_timeout: Span,
    /// What becomes of requests while it is away.
    pub when_away: WhenAway,
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            // An office behind one address signs in of a morning; a password takes years.
            address: Rate::a_minute(60),
            user: Rate::a_minute(3_000),
            tenant: Rate::a_minute(12_000),
            redis_url: None,
            redis_timeout: Span::milliseconds(100),
            when_away: WhenAway::Open,
        }
    }
}

impl Rates {
    /// No limits: for a server that asks itself, in a test of a host's own.
    pub fn off() -> Self {
        Self { address: Rate::OFF, user: Rate::OFF, tenant: Rate::OFF, ..Self::default() }
    }

    /// Refuses what makes no sense.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if self.redis_timeout > Span::seconds(5) || self.redis_timeout.as_millis() == 0 {
            let message = "limits.rate.redis_timeout: expected more than nothing and at most 5s";
            return Err(ConfigError::new(message));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        for text in ["60/1m", "1/1s", "1000000/1s", "5/1d", "off"] {
            assert_eq!(text.parse::<Rate>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "60",
            "60/m",
            "0/1m",
            "-1/1m",
            "1/0s",
            "5/2d",
            "2000000/1s",
            "on",
            "5/500ms",
            "5/1500ms",
        ] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }
}
