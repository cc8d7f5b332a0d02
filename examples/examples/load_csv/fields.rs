//! The fields of a customer that a cell can fill, and how its text gets there. What a good
//! country, number of people or e-mail address is, the library decides when the row is written.

use crm_core::custom_fields::CustomType;
use crm_core::customers::{CompanySize, CustomerDraft, CustomerStatus};
use crm_core::store::Value;
use crm_core::values::parse_decimal;
use crm_core::{Choice, Error, Result};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

/// Where a text is put.
#[derive(Debug, Clone, Copy)]
enum Slot {
    Text(fn(&mut CustomerDraft) -> &mut Option<String>),
    Count(fn(&mut CustomerDraft) -> &mut Option<i64>),
    Money(fn(&mut CustomerDraft) -> &mut Option<Decimal>),
    Size,
    Status,
}

const FIELDS: &[(&str, Slot)] = &[
    ("companyName", Slot::Text(|draft| &mut draft.company_name)),
    ("contactName", Slot::Text(|draft| &mut draft.contact_name)),
    ("firstName", Slot::Text(|draft| &mut draft.first_name)),
    ("lastName", Slot::Text(|draft| &mut draft.last_name)),
    ("email", Slot::Text(|draft| &mut draft.email)),
    ("phone", Slot::Text(|draft| &mut draft.phone)),
    ("website", Slot::Text(|draft| &mut draft.website)),
    ("address", Slot::Text(|draft| &mut draft.address)),
    ("city", Slot::Text(|draft| &mut draft.city)),
    ("region", Slot::Text(|draft| &mut draft.region)),
    ("postalCode", Slot::Text(|draft| &mut draft.postal_code)),
    ("country", Slot::Text(|draft| &mut draft.country)),
    ("industry", Slot::Text(|draft| &mut draft.industry)),
    ("size", Slot::Size),
    ("employeeCount", Slot::Count(|draft| &mut draft.employee_count)),
    ("annualRevenue", Slot::Money(|draft| &mut draft.annual_revenue)),
    ("currency", Slot::Text(|draft| &mut draft.currency)),
    ("status", Slot::Status),
    ("source", Slot::Text(|draft| &mut draft.source)),
    ("notes", Slot::Text(|draft| &mut draft.notes)),
];

/// The types that a custom field can be defined with from here: those without options.
const TYPES: &[CustomType] = &[
    CustomType::Text,
    CustomType::Number,
    CustomType::Decimal,
    CustomType::Boolean,
    CustomType::Date,
    CustomType::Timestamp,
    CustomType::Url,
    CustomType::Email,
];

/// The names of the built-in fields.
pub(crate) fn names() -> Vec<&'static str> {
    FIELDS.iter().map(|(name, _)| *name).collect()
}

/// The names of the types of custom fields.
pub(crate) fn type_names() -> Vec<&'static str> {
    TYPES.iter().map(|field_type| field_type.code()).collect()
}

/// A field that a cell or a constant fills.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Target {
    BuiltIn(usize),
    Custom { key: String, field_type: CustomType },
}

impl Target {
    /// The field of this name: `city`, `customFields.cik:number`; text where no type is said.
    pub(crate) fn parse(name: &str) -> Result<Self, String> {
        if let Some(custom) = name.strip_prefix("customFields.") {
            let (key, code) = custom.split_once(':').unwrap_or((custom, "text"));
            let field_type = TYPES.iter().find(|field_type| field_type.code() == code);
            let field_type = field_type.ok_or_else(|| {
                format!("{name}: expected a type of {}, got {code:?}", type_names().join(", "))
            })?;
            return Ok(Self::Custom { key: key.to_owned(), field_type: *field_type });
        }
        let found = FIELDS.iter().position(|(known, _)| *known == name);
        found.map(Self::BuiltIn).ok_or_else(|| {
            let known = names().join(", ");
            format!("there is no field {name:?}; expected one of {known} or customFields.KEY:TYPE")
        })
    }

    /// Whether both fill the same field.
    pub(crate) fn is_same_field(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Custom { key, .. }, Self::Custom { key: other, .. }) => key == other,
            _ => self == other,
        }
    }

    /// Puts a text into a draft; an empty one leaves the field as it is.
    ///
    /// # Errors
    /// A fault that names the field, where the text is not of its type.
    pub(crate) fn fill(&self, draft: &mut CustomerDraft, text: &str) -> Result<()> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(());
        }
        match self {
            Self::Custom { key, field_type } => {
                let value = match (field_type, text.to_ascii_lowercase().as_str()) {
                    (CustomType::Boolean, "true" | "yes" | "1") => Value::Bool(true),
                    (CustomType::Boolean, "false" | "no" | "0") => Value::Bool(false),
                    _ => Value::Text(text.to_owned()),
                };
                draft.custom_fields.set(key, value);
            }
            Self::BuiltIn(i) => {
                let (name, slot) = FIELDS[*i];
                match slot {
                    Slot::Text(field) => *field(draft) = Some(text.to_owned()),
                    Slot::Money(field) => *field(draft) = Some(parse_decimal(name, text)?),
                    Slot::Count(field) => {
                        let number = parse_decimal(name, text)?;
                        let whole = number.is_integer().then(|| number.to_i64()).flatten();
                        *field(draft) = Some(whole.ok_or_else(|| {
                            let message = format!("expected a whole number, got {text:?}");
                            Error::invalid(name, "INVALID_NUMBER", message)
                        })?);
                    }
                    Slot::Size => draft.size = Some(choice::<CompanySize>(name, text)?),
                    Slot::Status => draft.status = choice::<CustomerStatus>(name, text)?,
                }
            }
        }
        Ok(())
    }
}

fn choice<C: Choice>(field: &str, text: &str) -> Result<C> {
    C::from_code(&text.to_ascii_lowercase()).ok_or_else(|| {
        let known: Vec<&str> = C::ALL.iter().map(|choice| choice.code()).collect();
        let message = format!("expected one of {}, got {text:?}", known.join(", "));
        Error::invalid(field, "INVALID_CHOICE", message)
    })
}
