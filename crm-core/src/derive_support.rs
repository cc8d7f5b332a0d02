//! What derived code calls. Hidden: no part of the interface, and no place for anything that a
//! person would call.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use chrono::{DateTime, Utc};
pub use serde;
use serde::de::{Deserializer, Visitor};

use crate::entity::{Choice, FieldType, bad_stored_value};
use crate::error::{Error, Result};
use crate::store::{Field, Kind, Schema, Value};

/// The type of the system's times.
pub type Time = DateTime<Utc>;

/// The schema, or the end of the program.
#[expect(
    clippy::panic,
    reason = "a declaration that contradicts itself is a fault of the program, \
    known before it serves anybody, and nothing can go on without it"
)]
pub fn declared(schema: Result<Arc<Schema>>) -> Arc<Schema> {
    match schema {
        Ok(schema) => schema,
        Err(fault) => panic!("{fault}"),
    }
}

/// A field of a type, stored as `kind`.
pub fn field<T: FieldType>(name: &'static str, kind: Kind) -> Field {
    let choices = if kind.element() == Kind::Code { T::CHOICES } else { None };
    let text = matches!(kind, Kind::Text | Kind::Code);
    let reading = if text { T::READING } else { None };
    let field = Field::new(name, kind).choices(choices).reading(reading);
    if T::REQUIRED { field.required() } else { field }
}

/// Stored values on their way into a struct.
#[derive(Debug)]
pub struct Stored {
    schema: &'static Schema,
    values: std::vec::IntoIter<Value>,
}

impl Stored {
    /// The values of a record.
    ///
    /// # Errors
    /// [`Error::Internal`] where there are more or fewer than the type has fields.
    pub fn new(schema: &'static Schema, values: Box<[Value]>) -> Result<Self> {
        let (expected, found) = (schema.fields().len(), values.len());
        if expected != found {
            return Err(Error::internal(format!(
                "stored values of {schema}: expected {expected}, got {found}"
            )));
        }
        Ok(Self { schema, values: values.into_vec().into_iter() })
    }

    /// The next value, which is that of `field`.
    ///
    /// # Errors
    /// [`Error::Internal`] where it is of another type.
    pub fn take<T: FieldType>(&mut self, field: &str) -> Result<T> {
        self.values
            .next()
            .and_then(T::from_value)
            .ok_or_else(|| bad_stored_value(self.schema.name(), field))
    }
}

/// A choice as it is stored.
pub fn code_value<C: Choice>(choice: C) -> Value {
    Value::Text(choice.code().to_owned())
}

/// A choice as it was stored.
pub fn choice_of_value<C: Choice>(value: Value) -> Option<C> {
    match value {
        Value::Text(code) => C::from_code(&code),
        _ => None,
    }
}

/// The choice with this code.
///
/// # Errors
/// [`Error::Invalid`] naming the codes that there are.
pub fn parse_choice<C: Choice>(code: &str) -> Result<C> {
    C::from_code(code).ok_or_else(|| Error::invalid("", "INVALID_CHOICE", unknown::<C>(code)))
}

/// The choice whose code comes next.
///
/// # Errors
/// Naming the codes that there are.
pub fn deserialize_choice<'de, C: Choice, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<C, D::Error> {
    deserializer.deserialize_str(Code(PhantomData))
}

struct Code<C>(PhantomData<C>);

impl<C: Choice> Visitor<'_> for Code<C> {
    type Value = C;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "one of {}", codes::<C>())
    }

    fn visit_str<E: serde::de::Error>(self, code: &str) -> Result<C, E> {
        C::from_code(code).ok_or_else(|| E::custom(unknown::<C>(code)))
    }
}

fn unknown<C: Choice>(code: &str) -> String {
    format!("expected one of {}, got {code:?}", codes::<C>())
}

fn codes<C: Choice>() -> String {
    let codes: Vec<&str> = C::ALL.iter().map(|choice| choice.code()).collect();
    codes.join(", ")
}
