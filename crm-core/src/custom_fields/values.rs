//! The values of a tenant's own fields in one record.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::{CustomField, definitions};
use crate::TenantCrm;
use crate::entity::{Entity, FieldType};
use crate::error::{Faults, Result};
use crate::store::{Kind, Value};

/// The values of a tenant's own fields in one record, by key.
///
/// ```
/// use crm_core::custom_fields::CustomFields;
///
/// let fields = CustomFields::from([("seats", 25.into()), ("region", "EMEA".into())]);
/// assert_eq!(fields.get("seats"), Some(&25.into()));
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CustomFields(BTreeMap<String, Value>);

impl CustomFields {
    /// The value under a key.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key)
    }

    /// Puts a value under a key.
    pub fn set(&mut self, key: impl Into<String>, value: impl Into<Value>) {
        self.0.insert(key.into(), value.into());
    }

    /// Takes the value under a key away.
    pub fn remove(&mut self, key: &str) -> Option<Value> {
        self.0.remove(key)
    }

    /// All keys and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
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
        Ok(Self(fields))
    }

    /// The values as JSON: decimals as text without trailing zeros.
    pub fn to_json(&self) -> serde_json::Map<String, serde_json::Value> {
        self.0.iter().map(|(key, value)| (key.clone(), shown(value))).collect()
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
        if let Some(before) = before
            && before.to_json() == self.to_json()
        {
            self.0.clone_from(&before.0);
            return Ok(());
        }
        let defined = definitions(within, record_type).await?;
        let mut faults = Faults::default();
        let mut fields = BTreeMap::new();
        for (key, value) in std::mem::take(&mut self.0) {
            let stored = before.and_then(|before| before.get(&key));
            if let Some(stored) = stored.filter(|stored| shown(stored) == shown(&value)) {
                fields.insert(key, stored.clone());
                continue;
            }
            match defined.iter().find(|field| field.key == key) {
                Some(field) => {
                    if let Some(value) = faults.absorb(field.coerce(value))? {
                        fields.insert(key, value);
                    }
                }
                None => {
                    let known: Vec<&str> = defined.iter().map(|f| f.key.as_str()).collect();
                    faults.add(
                        format!("customFields.{key}"),
                        "UNKNOWN_FIELD",
                        format!("expected one of [{}]", known.join(", ")),
                    );
                }
            }
        }
        for field in &defined {
            if fields.contains_key(&field.key) {
                continue;
            }
            match default_of(field).filter(|_| before.is_none()) {
                Some(default) => {
                    fields.insert(field.key.clone(), field.coerce(default)?);
                }
                None if field.required => {
                    faults.add(format!("customFields.{}", field.key), "REQUIRED", "is required");
                }
                None => {}
            }
        }
        faults.into_result()?;
        self.0 = fields;
        Ok(())
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
        Self(fields.into_iter().map(|(key, value)| (key.into(), value)).collect())
    }
}

impl FieldType for CustomFields {
    const KIND: Kind = Kind::Custom;
    type Plain = Self;
    fn into_value(self) -> Value {
        Value::Custom(self.0)
    }
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Custom(fields) => Some(Self(fields)),
            _ => None,
        }
    }
}
