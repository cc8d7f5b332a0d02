//! The shape of a JSON text, checked before anything is made of it.

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use super::plain;
use crate::api::error::ApiError;

/// The most items of an array, or members of an object.
const MOST: usize = 20_000;

/// Refuses what is no JSON, nests too deep, has too much side by side, or names a key of an object
/// twice.
pub(super) fn check_shape(bytes: &[u8], nesting: usize) -> Result<(), ApiError> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let shape = Shape { left: nesting };
    shape.deserialize(&mut deserializer).and_then(|()| deserializer.end()).map_err(|error| {
        let message = error.to_string();
        match plain(&message).split_once(": ") {
            Some(("duplicate", key)) => ApiError::unreadable(
                key,
                "DUPLICATE_FIELD",
                format!("{key} is there more than once"),
            ),
            Some(("many", _)) => {
                let message = format!("more than {MOST} items side by side");
                ApiError::unreadable("", "TOO_MANY", message)
            }
            Some(("nested", _)) => {
                ApiError::unreadable("", "TOO_DEEP", format!("nested deeper than {nesting} levels"))
            }
            _ if std::str::from_utf8(bytes).is_err() => {
                ApiError::unreadable("", "INVALID_JSON", "the body is not UTF-8")
            }
            _ => {
                ApiError::unreadable("", "INVALID_JSON", format!("the body is not JSON: {message}"))
            }
        }
    })
}

/// Walks through a JSON text and keeps nothing of it.
#[derive(Clone, Copy)]
struct Shape {
    left: usize,
}

impl Shape {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        match self.left.checked_sub(1) {
            Some(left) => Ok(Self { left }),
            None => Err(E::custom("nested: too deep")),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Shape {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Shape {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let inner = self.deeper()?;
        for _ in 0..MOST {
            if items.next_element_seed(inner)?.is_none() {
                return Ok(());
            }
        }
        Err(A::Error::custom("many: items"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let inner = self.deeper()?;
        let mut keys = HashSet::new();
        while let Some(key) = members.next_key::<String>()? {
            if keys.contains(&key) {
                return Err(A::Error::custom(format!("duplicate: {key}")));
            }
            keys.insert(key);
            if keys.len() > MOST {
                return Err(A::Error::custom("many: members"));
            }
            members.next_value_seed(inner)?;
        }
        Ok(())
    }
}
