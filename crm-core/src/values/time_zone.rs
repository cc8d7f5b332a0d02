//! Time zones of the IANA database.

use std::fmt;

use chrono_tz::{TZ_VARIANTS, Tz};

use super::{quoted, string_value};
use crate::error::{Error, Result};

/// A time zone such as `Europe/Berlin`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TimeZone(Tz);

impl TimeZone {
    /// Coordinated universal time.
    pub const UTC: Self = Self(Tz::UTC);

    /// The zone of this name, in any case.
    ///
    /// # Errors
    /// `INVALID_TIME_ZONE`, with names that were perhaps meant.
    pub fn parse(field: &str, text: &str) -> Result<Self> {
        let text = text.trim();
        if let Ok(zone) = text.parse() {
            return Ok(Self(zone));
        }
        let same = |zone: &&Tz| zone.name().eq_ignore_ascii_case(text);
        if let Some(zone) = TZ_VARIANTS.iter().find(same) {
            return Ok(Self(*zone));
        }
        let mut message =
            format!("expected a time zone such as Europe/Berlin, got {}", quoted(text));
        let city = |zone: &&Tz| {
            let city = zone.name().rsplit('/').next().unwrap_or_default();
            city.replace('_', " ").eq_ignore_ascii_case(&text.replace('_', " "))
        };
        let mut meant: Vec<&str> =
            TZ_VARIANTS.iter().filter(city).map(|z| z.name()).take(3).collect();
        if meant.is_empty() {
            meant = crate::near::near(text, TZ_VARIANTS.iter().map(|zone| zone.name()));
        }
        if !meant.is_empty() {
            message.push_str(&format!("; did you mean {}?", meant.join(" or ")));
        }
        Err(Error::invalid(field, "INVALID_TIME_ZONE", message))
    }

    /// The zone, to compute with.
    pub fn tz(self) -> Tz {
        self.0
    }

    /// The name.
    pub fn as_str(&self) -> &'static str {
        self.0.name()
    }

    fn from_stored(text: String) -> Option<Self> {
        text.parse().ok().map(Self)
    }
}

string_value!(TimeZone, Code, "Europe/Berlin");

impl Default for TimeZone {
    fn default() -> Self {
        Self::UTC
    }
}

impl fmt::Debug for TimeZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_known_by_their_iana_names() {
        for (text, name) in [
            ("Europe/Berlin", "Europe/Berlin"),
            (" america/argentina/buenos_aires", "America/Argentina/Buenos_Aires"),
            ("utc", "UTC"),
            ("Asia/Kolkata", "Asia/Kolkata"),
        ] {
            assert_eq!(TimeZone::parse("timeZone", text).unwrap().as_str(), name);
        }
    }

    #[test]
    fn other_zones_are_refused_with_what_was_perhaps_meant() {
        for (text, meant) in [
            ("Berlin", "Europe/Berlin"),
            ("Europe/Berln", "Europe/Berlin"),
            ("new york", "America/New_York"),
        ] {
            let error = TimeZone::parse("timeZone", text).unwrap_err().to_string();
            assert!(error.contains(&format!("did you mean {meant}")), "{error}");
        }
        for text in ["", "+02:00", "Mars/Olympus"] {
            assert!(TimeZone::parse("timeZone", text).is_err());
        }
    }
}
