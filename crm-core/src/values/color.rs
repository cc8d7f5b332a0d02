//! Colours of tags and stages.

use super::{quoted, string_value};
use crate::error::{Error, Result};

/// A colour as `#rrggbb`, in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Color(String);

impl Color {
    /// The colour in `text`: `#rrggbb`, or `#rgb` for short, in any case.
    ///
    /// # Errors
    /// `INVALID_COLOR`.
    pub fn parse(field: &str, text: &str) -> Result<Self> {
        let digits = text.trim().strip_prefix('#').map(str::to_ascii_lowercase);
        let hex = |digits: &String| digits.bytes().all(|b| b.is_ascii_hexdigit());
        match digits.filter(hex) {
            Some(long) if long.len() == 6 => Ok(Self(format!("#{long}"))),
            Some(short) if short.len() == 3 => {
                Ok(Self(short.chars().fold("#".to_owned(), |mut all, c| {
                    all.extend([c, c]);
                    all
                })))
            }
            _ => {
                let message = format!("expected a colour as #rrggbb, got {}", quoted(text));
                Err(Error::invalid(field, "INVALID_COLOR", message))
            }
        }
    }

    /// The colour.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn from_stored(text: String) -> Option<Self> {
        Some(Self(text))
    }
}

string_value!(Color, Code, "#ff8800");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_six_hexadecimal_digits() {
        assert_eq!(Color::parse("color", "#FF8800").unwrap().as_str(), "#ff8800");
        assert_eq!(Color::parse("color", " #f80 ").unwrap().as_str(), "#ff8800");
        for text in ["", "#", "ff8800", "red", "#ff88001", "#ggg", "#é0"] {
            assert!(Color::parse("color", text).is_err(), "{text}");
        }
    }
}
