//! A length of time as people write it: `15m`, `30d`, `1500ms`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use chrono::TimeDelta;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A length of time, written as a whole number and a unit: `ms`, `s`, `m`, `h` or `d`.
///
/// ```
/// use crm_server::config::Span;
///
/// let span: Span = "15m".parse().unwrap();
/// assert_eq!(span.duration().as_secs(), 900);
/// assert_eq!(span.to_string(), "15m");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(Duration);

const UNITS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// A hundred years: later times have no place in a calendar.
const LONGEST: u64 = 100 * 366 * 86_400_000;

impl Span {
    /// So many seconds.
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// So many thousandths of a second.
    pub const fn milliseconds(milliseconds: u64) -> Self {
        Self(Duration::from_millis(milliseconds))
    }

    /// So many minutes.
    pub const fn minutes(minutes: u64) -> Self {
        Self::seconds(minutes * 60)
    }

    /// So many days.
    pub const fn days(days: u64) -> Self {
        Self::seconds(days * 86_400)
    }

    /// As the standard library's type.
    pub const fn duration(self) -> Duration {
        self.0
    }

    /// As chrono's type.
    pub fn time_delta(self) -> TimeDelta {
        TimeDelta::from_std(self.0).unwrap_or(TimeDelta::MAX)
    }

    /// In whole milliseconds.
    pub fn as_millis(self) -> u64 {
        u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX)
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        UNITS
            .iter()
            .find(|(name, _)| *name == unit)
            .and_then(|(_, millis)| number.parse::<u64>().ok()?.checked_mul(*millis))
            .filter(|millis| *millis <= LONGEST)
            .map(|millis| Self(Duration::from_millis(millis)))
            .ok_or_else(|| format!("expected a length of time such as 15m or 30d, got {text:?}"))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.as_millis();
        let (name, unit) = UNITS
            .iter()
            .find(|(_, unit)| millis > 0 && millis.is_multiple_of(*unit))
            .unwrap_or(&("s", 1_000));
        write!(f, "{}{name}", millis / unit)
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        for text in ["15m", "30d", "1500ms", "2h", "1s", "0s"] {
            assert_eq!(text.parse::<Span>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "15", "m", "1.5h", "-1s", "10 m", "99999999999999999999d", "40000d"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }
}
