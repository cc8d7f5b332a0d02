//! The values of a tenant's own fields in one record.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::{CustomField, all_definitions, definitions};
use crate::TenantCrm;
use crate::entity::{Entity, FieldType};
use crate::error::{Error, Faults, Result};
use crate::store::{Kind, Value};

/// The most octets of all values of a record, as JSON: a page of records must stay one.
const MOST_OCTETS: usize = 65_536;
/// How many unknown keys are told of.
const MOST_UNKNOWN: usize = 20;

/// The values of a tenant's own fields in one record, by key.
///
/// ```
/// use crm_core::custom_fields::CustomFields;
///
/// let fields = CustomFields::from([("seats", 25.into()), ("region", "EMEA".into())]);
/// assert_eq!(fields.get("seats"), Some(&25.into()));
/// ```
#[derive(Debug, Clone, Default)]
pub struct CustomFields {
    shown: BTreeMap<String, Value>,
    /// Values whose definition is deleted. Nobody sees them, and a record that is written again
    /// keeps them until they are cleared.
    hidden: BTreeMap<String, Value>,
}

/// Begins the keys of values that were marked as hidden. No key of a definition does.
pub(crate) const HIDDEN: &str = "\0";

impl PartialEq for CustomFields {
    fn eq(&self, other: &Self) -> bool {
        let all = |fields: &Self| {
            let mut all = fields.shown.clone();
            all.extend(fields.hidden.clone());
            all
        };
        match (self.hidden.is_empty(), other.hidden.is_empty()) {
            (true, true) => self.shown == other.shown,
            _ => all(self) == all(other),
        }
    }
}

impl CustomFields {
    /// The value under a key.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.shown.get(key)
    }

    /// Puts a value under a key.
    pub fn set(&mut self, key: impl Into<String>, value: impl Into<Value>) {
        self.shown.insert(key.into(), value.into());
    }

    /// Takes the value under a key away.
    pub fn remove(&mut self, key: &str) -> Option<Value> {
        self.shown.remove(key)
    }

    /// All keys and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.shown.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.shown.is_empty()
    }

    /// The values in a JSON object, as far as JSON tells their types; the definitions tell the
    /// rest when the record is written. Null stands for no value.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) naming each key whose value is an object or a list of anything but
    /// texts.
    pub fn from_json(object: &serde_json::Map<String, serde_json::Value>) -> Result<Self> {
        let mut faults = Faults::default();
        let mut fields = BTreeMap::new();
        for (key, json) in object.iter().filter(|(_, json)| !json.is_null()) {
            match from_json(json) {
                // It would pass for a hidden one.
                _ if key.starts_with(HIDDEN) => {
                    faults.add(
                        format!("customFields.{key}"),
                        "UNKNOWN_FIELD",
                        "no field is called so",
                    );
                }
                Some(value) => {
                    fields.insert(key.clone(), value);
                }
                None => faults.add(
                    format!("customFields.{key}"),
                    "INVALID_TYPE",
                    "expected a text, a number, true, false or a list of texts",
                ),
            }
        }
        faults.into_result()?;
        Ok(Self { shown: fields, hidden: BTreeMap::new() })
    }

    /// The values as JSON: decimals as text without trailing zeros.
    pub fn to_json(&self) -> serde_json::Map<String, serde_json::Value> {
        self.shown.iter().map(|(key, value)| (key.clone(), shown(value))).collect()
    }

    /// Brings the values to the types that the tenant defined for a record type, puts in
    /// defaults on creation, and refuses unknown keys and missing required values. A value that
    /// is written as it stands is not asked about again, whatever became of its definition.
    async fn check(
        &mut self,
        within: &TenantCrm,
        record_type: &str,
        before: Option<&Self>,
    ) -> Result<()> {
        if self.is_left(before) {
            return Ok(());
        }
        let all = all_definitions(within, record_type).await?;
        let defined = definitions(within, record_type).await?;
        // Who cannot see a value cannot take it away.
        let stored = before.into_iter().flat_map(|before| &before.shown);
        for (key, value) in stored.filter(|(key, _)| !defined.iter().any(|f| f.key == **key)) {
            self.shown.entry(key.clone()).or_insert_with(|| value.clone());
        }
        if self.is_left(before) {
            return Ok(());
        }
        let mut faults = Faults::default();
        let mut unknown = 0;
        let mut fields = BTreeMap::new();
        for (key, value) in std::mem::take(&mut self.shown) {
            let stored = before.and_then(|before| before.get(&key));
            if let Some(stored) = stored.filter(|stored| shown(stored) == shown(&value)) {
                fields.insert(key, stored.clone());
                continue;
            }
            match defined.iter().find(|field| field.key == key) {
                Some(field) => {
                    // A list of nothing is no value.
                    let value = faults.absorb(field.coerce(value))?;
                    let value = value.filter(|value| *value != Value::Codes(Vec::new()));
                    if let Some(value) = value {
                        fields.insert(key, value);
                    }
                }
                // What there is is said a few times, not as often as somebody writes a field.
                None if unknown < MOST_UNKNOWN => {
                    unknown += 1;
                    let known: Vec<&str> = defined.iter().map(|f| f.key.as_str()).collect();
                    faults.add(
                        format!("customFields.{key}"),
                        "UNKNOWN_FIELD",
                        format!("expected one of [{}]", known.join(", ")),
                    );
                }
                None => {}
            }
        }
        for field in &all {
            if fields.contains_key(&field.key) {
                continue;
            }
            match default_of(field).filter(|_| before.is_none()) {
                Some(default) => {
                    fields.insert(field.key.clone(), field.coerce(default)?);
                }
                // Nobody is asked for what they can neither see nor write.
                None if field.required && defined.iter().any(|seen| seen.key == field.key) => {
                    faults.add(format!("customFields.{}", field.key), "REQUIRED", "is required");
                }
                None => {}
            }
        }
        faults.into_result()?;
        self.shown = fields;
        let octets = serde_json::Value::Object(self.to_json()).to_string().len();
        if octets > MOST_OCTETS {
            let message = format!("expected at most {MOST_OCTETS} bytes in all, got {octets}");
            return Err(Error::invalid("customFields", "TOO_LONG", message));
        }
        Ok(())
    }

    /// Whether all is as it was; then it is so in stored form too.
    fn is_left(&mut self, before: Option<&Self>) -> bool {
        let Some(before) = before.filter(|before| before.to_json() == self.to_json()) else {
            return false;
        };
        self.shown.clone_from(&before.shown);
        true
    }
}

/// Brings the tenant's own fields of an entity to the types that the tenant defined. It is part of
/// what [`Records`](crate::Records) does before every write, whatever the type's own rules are.
///
/// # Errors
/// [`Error::Invalid`](crate::Error::Invalid) with the fault of each field.
pub(crate) async fn check<E: Entity>(
    entity: &mut E,
    before: Option<&E>,
    within: &TenantCrm,
) -> Result<()> {
    let Some(field) = E::schema().custom() else { return Ok(()) };
    let fields_of = |entity: &E| {
        let mut values = entity.clone().into_values();
        let own = values.get_mut(usize::from(field)).map(std::mem::take);
        (values, own.and_then(CustomFields::from_value).unwrap_or_default())
    };
    let (mut values, mut own) = fields_of(entity);
    let old = before.map(|before| fields_of(before).1);
    own.check(within, E::ENTITY, old.as_ref()).await?;
    if let Some(value) = values.get_mut(usize::from(field)) {
        *value = own.into_value();
    }
    *entity = E::from_values(values.into())?;
    Ok(())
}

/// A value as hosts show it, and so as it comes back where it was left alone.
fn shown(value: &Value) -> serde_json::Value {
    match value {
        Value::Decimal(decimal) => decimal.normalize().to_string().into(),
        value => crate::audit::json(value),
    }
}

fn default_of(field: &CustomField) -> Option<Value> {
    field.default.as_ref().and_then(from_json)
}

/// A plain JSON value as far as JSON tells its type; none for objects and lists of other things
/// than texts.
pub(crate) fn from_json(json: &serde_json::Value) -> Option<Value> {
    Some(match json {
        serde_json::Value::Bool(bool) => Value::Bool(*bool),
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(int) => Value::Int(int),
            // The shortest text that gives the number again is what was most likely written.
            None => Value::Decimal(
                number
                    .to_string()
                    .parse::<Decimal>()
                    .or_else(|_| Decimal::from_scientific(&number.to_string()))
                    .ok()?,
            ),
        },
        serde_json::Value::String(text) => Value::Text(text.clone()),
        serde_json::Value::Array(items) => {
            let texts = items.iter().map(|item| item.as_str().map(str::to_owned));
            Value::Codes(texts.collect::<Option<_>>()?)
        }
        serde_json::Value::Null | serde_json::Value::Object(_) => return None,
    })
}

impl<K: Into<String>, const N: usize> From<[(K, Value); N]> for CustomFields {
    fn from(fields: [(K, Value); N]) -> Self {
        let shown = fields.into_iter().map(|(key, value)| (key.into(), value)).collect();
        Self { shown, hidden: BTreeMap::new() }
    }
}

impl FieldType for CustomFields {
    const KIND: Kind = Kind::Custom;
    type Plain = Self;
    fn into_value(self) -> Value {
        let mut all = self.hidden;
        // A key that somebody begins as a hidden one is unknown, not hidden.
        all.extend(self.shown.into_iter().map(|(key, value)| match key.strip_prefix(HIDDEN) {
            Some(rest) => (format!("\u{fffd}{rest}"), value),
            None => (key, value),
        }));
        Value::Custom(all)
    }
    fn from_value(value: Value) -> Option<Self> {
        let Value::Custom(fields) = value else { return None };
        let mut own = Self::default();
        for (key, value) in fields {
            match key.strip_prefix(HIDDEN) {
                Some(key) => own.hidden.insert(key.to_owned(), value),
                None => own.shown.insert(key, value),
            };
        }
        Some(own)
    }
}
