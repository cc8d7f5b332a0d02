//! What a tenant declares a field of its own to be.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;

use super::work::{Task, Work};
use crate::error::{Error, Result};
use crate::id::Id;
use crate::store::{CUSTOM_SCALE, Catalogue, Kind, Path, Schema, Value};
use crate::values::{Email, Multiline, WebUrl, parse_decimal, required_text};
use crate::{Choice, Entity};

/// What a tenant's own field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Choice)]
pub enum CustomType {
    /// Text of up to 2000 characters, line breaks included.
    #[default]
    Text,
    /// A whole number.
    Number,
    /// An exact decimal of up to six digits after the point.
    Decimal,
    /// Yes or no.
    Boolean,
    /// A calendar day.
    Date,
    /// An instant.
    Timestamp,
    /// One of the options.
    Choice,
    /// Some of the options.
    Choices,
    /// An address on the web.
    Url,
    /// An e-mail address.
    Email,
    /// A record of a given type.
    Reference,
}

impl CustomType {
    /// How it is stored, compared and sorted.
    pub fn kind(self) -> Kind {
        match self {
            Self::Text | Self::Url | Self::Email => Kind::Text,
            Self::Number => Kind::Int,
            Self::Decimal => Kind::Decimal { scale: CUSTOM_SCALE },
            Self::Boolean => Kind::Bool,
            Self::Date => Kind::Date,
            Self::Timestamp => Kind::Time,
            Self::Choice => Kind::Code,
            Self::Choices => Kind::Codes,
            Self::Reference => Kind::Uuid,
        }
    }

    /// Whether its values can be kept unique: of a handful of choices, each would be spent soon.
    pub fn can_be_unique(self) -> bool {
        !matches!(self, Self::Boolean | Self::Choice | Self::Choices)
    }
}

/// The definition of a tenant's own field.
#[derive(Debug, Clone, PartialEq, Entity)]
#[entity(name = "custom_fields", tenant, owners(everybody))]
#[entity(unique(name = "custom_fields_key", fields(record_type, key)))]
pub struct CustomField {
    /// The identifier.
    pub id: Id<Self>,
    /// The version.
    pub version: i64,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
    /// When it was deleted.
    pub deleted_at: Option<DateTime<Utc>>,
    /// The type whose records have it: `customers`.
    #[entity(filter, sort, code)]
    pub record_type: String,
    /// Its key in records and filters: letters, digits and `_`, beginning with a letter.
    #[entity(filter, sort, code)]
    pub key: String,
    /// What people call it.
    #[entity(filter, sort, search)]
    pub label: String,
    /// What it holds.
    #[entity(filter, sort, rename = "type")]
    pub field_type: CustomType,
    /// Whether every record needs a value from now on.
    #[entity(filter)]
    pub required: bool,
    /// Whether no two live records of the tenant may share a value. Text compares without case
    /// and accents.
    #[entity(filter)]
    pub unique: bool,
    /// What can be chosen, for choices.
    pub options: Vec<String>,
    /// The type whose records it names, for references: `companies`, `users`.
    #[entity(filter, code)]
    pub references: Option<String>,
    /// The value of a record that is created without one.
    pub default: Option<serde_json::Value>,
    /// A hint for whoever fills it in.
    pub help: Option<String>,
    /// How often it was made unique. Claims of an earlier round count for nothing.
    #[entity(computed)]
    pub unique_round: i64,
    /// What is still to be done to stored values, a step at a time. See also
    /// [`to_do`](Self::to_do).
    #[entity(computed)]
    pub work: Option<Work>,
    /// Whether no record has a value of it any more, now that it is deleted.
    #[entity(computed, filter)]
    pub cleared: bool,
}

impl CustomField {
    /// What is still to be done to stored values: of a deleted definition, that they are cleared.
    pub fn to_do(&self) -> Option<Work> {
        if self.deleted_at.is_none() {
            return self.work.clone();
        }
        let begun = self.work.clone().filter(|work| work.task == Task::Clearing);
        let unbegun = || Work::begin(Task::Clearing, 0);
        (!self.cleared).then(|| begun.unwrap_or_else(unbegun))
    }

    /// Whether it is deleted, and records may still have values of it, which nobody sees.
    pub(crate) fn is_hidden(&self) -> bool {
        self.deleted_at.is_some() && !self.cleared
    }

    /// The record type and the path by which its records are asked for the value; none where the
    /// installation no longer knows the type.
    pub(crate) fn place<'c>(&self, catalogue: &'c Catalogue) -> Option<(&'c Arc<Schema>, Path)> {
        let schema = catalogue.get(&self.record_type)?;
        let field = schema.custom()?;
        Some((schema, Path::custom(field, self.key.clone(), self.field_type.kind())))
    }

    /// A value in the form that the definition asks for.
    ///
    /// # Errors
    /// A field fault named `customFields.<key>`.
    pub fn coerce(&self, value: Value) -> Result<Value> {
        let field = format!("customFields.{}", self.key);
        let wrong = |expected: &str| {
            Err(Error::invalid(field.clone(), "INVALID_TYPE", format!("expected {expected}")))
        };
        let mut value = match (self.field_type, value) {
            (CustomType::Text, Value::Text(text)) => {
                Value::Text(required_text(&field, &text, 2_000, Multiline::Yes)?)
            }
            (CustomType::Text, _) => return wrong("a text"),
            (CustomType::Number, Value::Int(int)) => Value::Int(int),
            (CustomType::Number, Value::Text(text)) => match text.trim().parse() {
                Ok(int) => Value::Int(int),
                Err(_) => return wrong("a whole number"),
            },
            (CustomType::Number, _) => return wrong("a whole number"),
            (CustomType::Decimal, Value::Int(int)) => Value::Decimal(Decimal::from(int)),
            (CustomType::Decimal, Value::Decimal(decimal)) => Value::Decimal(decimal),
            (CustomType::Decimal, Value::Text(text)) => {
                Value::Decimal(parse_decimal(&field, &text)?)
            }
            (CustomType::Decimal, _) => return wrong("a decimal number"),
            (CustomType::Boolean, Value::Bool(bool)) => Value::Bool(bool),
            (CustomType::Boolean, _) => return wrong("true or false"),
            (CustomType::Date, Value::Date(date)) => Value::Date(date),
            (CustomType::Date, Value::Text(text)) => match text.trim().parse::<NaiveDate>() {
                Ok(date) => Value::Date(date),
                Err(_) => return wrong("a date such as 2026-03-31"),
            },
            (CustomType::Date, _) => return wrong("a date such as 2026-03-31"),
            (CustomType::Timestamp, Value::Time(time)) => Value::Time(time),
            (CustomType::Timestamp, Value::Text(text)) => {
                match DateTime::parse_from_rfc3339(text.trim()) {
                    Ok(time) => Value::Time(time.to_utc()),
                    Err(_) => return wrong("a time such as 2026-03-31T08:00:00Z"),
                }
            }
            (CustomType::Timestamp, _) => return wrong("a time such as 2026-03-31T08:00:00Z"),
            (CustomType::Choice, Value::Text(text)) => Value::Text(self.option(&field, text)?),
            (CustomType::Choice, _) => return wrong("one of the options"),
            (CustomType::Choices, Value::Codes(codes)) => {
                let mut chosen: Vec<String> = Vec::new();
                for code in codes {
                    let option = self.option(&field, code)?;
                    if !chosen.contains(&option) {
                        chosen.push(option);
                    }
                }
                Value::Codes(chosen)
            }
            (CustomType::Choices, _) => return wrong("a list of options"),
            (CustomType::Url, Value::Text(text)) => {
                Value::Text(WebUrl::parse(&field, &text)?.as_str().to_owned())
            }
            (CustomType::Url, _) => return wrong("an address on the web"),
            (CustomType::Email, Value::Text(text)) => {
                Value::Text(Email::parse(&field, &text)?.as_str().to_owned())
            }
            (CustomType::Email, _) => return wrong("an e-mail address"),
            (CustomType::Reference, Value::Uuid(id)) => Value::Uuid(id),
            (CustomType::Reference, Value::Text(text)) => match text.trim().parse() {
                Ok(id) => Value::Uuid(id),
                Err(_) => return wrong("the identifier of a record"),
            },
            (CustomType::Reference, _) => return wrong("the identifier of a record"),
        };
        // What the store would refuse later would be a fault of no field in particular.
        value
            .normalise(self.field_type.kind())
            .map_err(|(code, message)| Error::invalid(field, code, message))?;
        Ok(value)
    }

    fn option(&self, field: &str, text: String) -> Result<String> {
        if self.options.contains(&text) {
            return Ok(text);
        }
        let message = format!("expected one of {}, got {text:?}", self.options.join(", "));
        Err(Error::invalid(field, "INVALID_OPTION", message))
    }
}
