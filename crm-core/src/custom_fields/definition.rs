//! What a tenant declares a field of its own to be.

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;

use super::MOST_PER_TYPE;
use crate::error::{Error, Faults, FieldError, Result};
use crate::id::Id;
use crate::records::Rules;
use crate::store::{CUSTOM_SCALE, Kind, Value};
use crate::values::{Email, Multiline, WebUrl, clean_text, parse_decimal, required_text};
use crate::{Choice, Entity, TenantCrm};

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
        }
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
    /// What can be chosen, for choices.
    pub options: Vec<String>,
    /// The value of a record that is created without one.
    pub default: Option<serde_json::Value>,
    /// A hint for whoever fills it in.
    pub help: Option<String>,
}

impl CustomField {
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

#[async_trait]
impl Rules for CustomField {
    async fn check(&mut self, before: Option<&Self>, within: &TenantCrm) -> Result<()> {
        let mut faults = Faults::default();
        let is_key = self.key.starts_with(|c: char| c.is_ascii_alphabetic())
            && self.key.len() <= 50
            && self.key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !is_key {
            faults.add(
                "key",
                "INVALID_KEY",
                format!(
                    "expected up to 50 letters, digits and _, beginning with a letter, got {:?}",
                    self.key
                ),
            );
        }
        let known = within.crm().catalogue().get(&self.record_type);
        if known.is_none_or(|schema| schema.custom().is_none()) {
            faults.add(
                "recordType",
                "UNKNOWN_RECORD_TYPE",
                format!("expected a type with custom fields, got {:?}", self.record_type),
            );
        }
        if let Some(label) =
            faults.absorb(required_text("label", &self.label, 100, Multiline::No))?
        {
            self.label = label;
        }
        if let Some(help) = &self.help
            && let Some(help) = faults.absorb(clean_text("help", help, 500, Multiline::Yes))?
        {
            self.help = help;
        }
        self.check_options(&mut faults)?;
        // A definition that is brought back counts like one that is new.
        if before.is_none_or(|before| before.deleted_at.is_some()) {
            let defined = super::definitions(within, &self.record_type).await?;
            if defined.len() >= MOST_PER_TYPE {
                let message = format!("there are {MOST_PER_TYPE} for {} already", self.record_type);
                faults.add("", "TOO_MANY", message);
            }
        }
        if let Some(before) = before {
            for (field, same) in [
                ("recordType", self.record_type == before.record_type),
                ("key", self.key == before.key),
                ("type", self.field_type == before.field_type),
            ] {
                if !same {
                    faults.add(field, "IMMUTABLE", "cannot be changed once records can have it");
                }
            }
        }
        if let Some(default) = &self.default {
            let value = super::values::from_json(default);
            let coerced = value
                .ok_or_else(|| Error::invalid("default", "INVALID_TYPE", "expected a plain value"))
                .and_then(|value| self.coerce(value));
            if let Err(Error::Invalid(wrong)) = coerced {
                for FieldError { code, message, .. } in wrong {
                    faults.add("default", code, message);
                }
            }
        }
        faults.into_result()
    }

    fn forget(within: &TenantCrm) {
        within.crm().definitions().forget(within.actor().tenant());
    }
}

impl CustomField {
    fn check_options(&mut self, faults: &mut Faults) -> Result<()> {
        let chosen = matches!(self.field_type, CustomType::Choice | CustomType::Choices);
        if chosen == self.options.is_empty() || self.options.len() > 200 {
            faults.add(
                "options",
                if chosen { "REQUIRED" } else { "NOT_ALLOWED" },
                "expected 1 to 200 options for a choice, none for other types",
            );
        }
        let mut cleaned: Vec<String> = Vec::new();
        for (i, option) in self.options.iter().enumerate() {
            let field = format!("options[{i}]");
            if let Some(option) =
                faults.absorb(required_text(&field, option, 100, Multiline::No))?
            {
                if cleaned.contains(&option) {
                    faults.add(field, "DUPLICATE", format!("{option:?} is there already"));
                } else {
                    cleaned.push(option);
                }
            }
        }
        self.options = cleaned;
        Ok(())
    }
}
