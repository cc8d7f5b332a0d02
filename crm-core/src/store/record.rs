//! A record: the values of one row, by position in its schema.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::schema::{FieldIndex, Schema, Scoping, system};
use super::value::Value;
use crate::error::{Error, FieldError, Result};
use crate::tenants::TenantId;

/// The values of one row, in the order of [`Schema::fields`].
///
/// Records live below the services only; above, there are typed entities.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    tenant: Option<TenantId>,
    values: Box<[Value]>,
}

impl Record {
    /// A record of `schema` with these values, checked against it and brought to stored form.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming each field whose value is missing, of another kind or out of
    /// bounds; [`Error::Internal`] where the number of values or the tenant do not fit the type.
    pub fn new(schema: &Schema, tenant: Option<TenantId>, mut values: Vec<Value>) -> Result<Self> {
        if values.len() != schema.fields().len() {
            return Err(Error::internal(format!(
                "{schema} has {} fields, got {} values",
                schema.fields().len(),
                values.len()
            )));
        }
        if tenant.is_some() != (schema.scoping() == Scoping::Tenant) {
            return Err(Error::internal(format!("{schema}: the tenant does not fit the scoping")));
        }
        let mut faults = Vec::new();
        for (field, value) in schema.fields().iter().zip(&mut values) {
            if value.is_null() && field.required {
                faults.push(FieldError::new(&*field.name, "REQUIRED", "is required"));
            } else if let Err((code, message)) = value.normalise(field.kind) {
                faults.push(FieldError::new(&*field.name, code, message));
            }
        }
        if !faults.is_empty() {
            return Err(Error::Invalid(faults));
        }
        Ok(Self { tenant, values: values.into() })
    }

    /// A record as a backend read it: values that were checked when they were written.
    pub fn from_stored(tenant: Option<TenantId>, values: Vec<Value>) -> Self {
        Self { tenant, values: values.into() }
    }

    /// The tenant that it belongs to; none for global types.
    pub fn tenant(&self) -> Option<TenantId> {
        self.tenant
    }

    /// All values, in the order of the schema's fields.
    pub fn values(&self) -> &[Value] {
        &self.values
    }

    /// The values, given up one by one.
    pub fn into_values(self) -> Box<[Value]> {
        self.values
    }

    /// The value of a field; absent where the position is beyond the record.
    pub fn get(&self, field: FieldIndex) -> &Value {
        self.values.get(usize::from(field)).unwrap_or(&Value::Null)
    }

    /// The identifier.
    pub fn id(&self) -> Uuid {
        match self.get(system::ID) {
            Value::Uuid(id) => *id,
            _ => Uuid::nil(),
        }
    }

    /// The version: 1 at creation.
    pub fn version(&self) -> i64 {
        match self.get(system::VERSION) {
            Value::Int(version) => *version,
            _ => 0,
        }
    }

    /// When it was deleted; none for a live record.
    pub fn deleted_at(&self) -> Option<DateTime<Utc>> {
        match self.get(system::DELETED_AT) {
            Value::Time(time) => Some(*time),
            _ => None,
        }
    }

    /// Whether it is not deleted.
    pub fn is_live(&self) -> bool {
        self.get(system::DELETED_AT).is_null()
    }
}
