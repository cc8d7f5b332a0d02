//! All record types together, and what must hold between them.

use std::sync::Arc;

use super::{Schema, Scoping};
use crate::error::{Error, Result};

/// All record types of an installation. A backend is prepared with it once.
#[derive(Debug, Clone, Default)]
pub struct Catalogue(Vec<Arc<Schema>>);

impl Catalogue {
    /// A catalogue of the given types.
    ///
    /// # Errors
    /// Where two share a name, two with titles a resource, or a reference names a type that is not
    /// among them.
    pub fn new(schemas: impl IntoIterator<Item = Arc<Schema>>) -> Result<Self> {
        let mut catalogue = Self::default();
        for schema in schemas {
            if catalogue.get(schema.name()).is_some() {
                return Err(Error::internal(format!("record type {} twice", schema.name())));
            }
            catalogue.0.push(schema);
        }
        for (i, schema) in catalogue.0.iter().enumerate() {
            let is_twin =
                |other: &Arc<Schema>| other.title.is_some() && other.resource == schema.resource;
            if schema.title.is_some() && catalogue.0[..i].iter().any(is_twin) {
                let message = format!("two types of resource {} have titles", schema.resource);
                return Err(Error::internal(message));
            }
            for target in schema.fields().iter().filter_map(|field| field.references.as_deref()) {
                let Some(other) = catalogue.get(target) else {
                    let name = schema.name();
                    return Err(Error::internal(format!("{name} refers to unknown type {target}")));
                };
                if schema.scoping() == Scoping::Global && other.scoping() == Scoping::Tenant {
                    let name = schema.name();
                    return Err(Error::internal(format!("global {name} refers into a tenant")));
                }
            }
        }
        Ok(catalogue)
    }

    /// The type called `name`.
    pub fn get(&self, name: &str) -> Option<&Arc<Schema>> {
        self.0.iter().find(|schema| schema.name() == name)
    }

    /// All types.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Schema>> {
        self.0.iter()
    }
}
