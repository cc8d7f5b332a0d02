//! What the references among a tenant's own fields name.
//!
//! They are held to what built-in references are held to, by [`crate::records::ends`]: what a
//! record newly names is there, live and in the author's reach until the change is committed.

use std::collections::BTreeMap;

use super::{CustomField, CustomType, definitions};
use crate::TenantCrm;
use crate::error::Result;
use crate::records::EndRef;
use crate::store::{Record, Schema, Value};

impl CustomField {
    /// The record that a value of it names; none where it is no reference.
    pub fn named(&self, value: &Value) -> Option<EndRef> {
        match (self.field_type, &self.references, value) {
            (CustomType::Reference, Some(of), Value::Uuid(id)) => Some(EndRef::new(&**of, *id)),
            _ => None,
        }
    }
}

/// What a record newly names by its tenant's own fields, each under the field's name.
///
/// # Errors
/// Where the store fails.
pub(crate) async fn newly_named(
    within: &TenantCrm,
    schema: &Schema,
    before: Option<&Record>,
    after: &Record,
) -> Result<Vec<(String, EndRef)>> {
    let Some(at) = schema.custom() else { return Ok(Vec::new()) };
    let Value::Custom(own) = after.get(at) else { return Ok(Vec::new()) };
    let was = match before.map(|before| before.get(at)) {
        Some(Value::Custom(was)) => was,
        _ => &BTreeMap::new(),
    };
    let is_new = |(key, value): &(&String, &Value)| {
        matches!(value, Value::Uuid(_)) && was.get(*key) != Some(*value)
    };
    let new: Vec<_> = own.iter().filter(is_new).collect();
    if new.is_empty() {
        return Ok(Vec::new());
    }
    let defined = definitions(within, schema.name()).await?;
    let name = &schema.field(at).name;
    let named = new.into_iter().filter_map(|(key, value)| {
        let field = defined.iter().find(|field| field.key == *key)?;
        Some((format!("{name}.{key}"), field.named(value)?))
    });
    Ok(named.collect())
}
