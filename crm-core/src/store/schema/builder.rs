//! Declaring a record type, and refusing a declaration that contradicts itself: all that is built
//! can be kept by every backend.

use std::borrow::Cow;
use std::sync::Arc;

use super::{EndFields, Field, FieldIndex, Index, Owners, Schema, Scoping, UniqueKey, system};
use crate::error::{Error, Result};
use crate::store::value::Kind;

/// What backends with columns keep beside the fields; and the comparison key of a text field, by
/// the field's name and `_key`.
const RESERVED: [&str; 3] = ["tenant_id", "search_text", "terms"];

/// Declares a [`Schema`].
#[derive(Debug)]
pub struct SchemaBuilder(pub(super) Schema);

impl SchemaBuilder {
    /// Adds a field.
    #[must_use]
    pub fn field(mut self, field: Field) -> Self {
        self.0.fields.push(field);
        self
    }

    /// Adds a unique key over the fields named.
    ///
    /// # Errors
    /// Where a field is not declared.
    pub fn unique(mut self, name: impl Into<Cow<'static, str>>, fields: &[&str]) -> Result<Self> {
        let fields = self.positions(fields)?;
        self.0.unique.push(UniqueKey { name: name.into(), fields });
        Ok(self)
    }

    /// Adds an index over the fields named.
    ///
    /// # Errors
    /// Where a field is not declared.
    pub fn index(mut self, fields: &[&str]) -> Result<Self> {
        let fields = self.positions(fields)?;
        self.0.indexes.push(Index { fields });
        Ok(self)
    }

    /// With permissions that name this resource, in snake case, in place of the type's own name.
    #[must_use]
    pub fn resource(mut self, resource: impl Into<Cow<'static, str>>) -> Self {
        self.0.resource = resource.into();
        self
    }

    /// With records that are called what the field named holds.
    ///
    /// # Errors
    /// Where the field is not declared.
    pub fn title(mut self, field: &str) -> Result<Self> {
        self.0.title = self.positions(&[field])?.pop();
        Ok(self)
    }

    /// With records that others know by the identifier in the field named, in place of `id`.
    ///
    /// # Errors
    /// Where the field is not declared.
    pub fn known_by(mut self, field: &str) -> Result<Self> {
        self.0.known_by = self.positions(&[field])?.pop().unwrap_or(system::ID);
        Ok(self)
    }

    /// With an end of this name: a pair of fields, one for the type and one for the identifier, that
    /// name a record of any type.
    ///
    /// # Errors
    /// Where a field is not declared.
    pub fn end(
        mut self,
        name: impl Into<Cow<'static, str>>,
        record_type: &str,
        id: &str,
    ) -> Result<Self> {
        if let [record_type, id] = self.positions(&[record_type, id])?[..] {
            self.0.ends.push(EndFields { name: name.into(), record_type, id });
        }
        Ok(self)
    }

    /// Ends the declaration.
    ///
    /// # Errors
    /// Where the declaration contradicts itself: a name twice, a searchable number, an owner
    /// that is no identifier, a name that is no identifier.
    pub fn build(self) -> Result<Arc<Schema>> {
        let schema = self.0;
        let fault = |message: String| {
            Err(Error::internal(format!("record type {}: {message}", schema.name)))
        };
        if !is_name(&schema.name) || !is_name(&schema.resource) {
            return fault("the name must be snake case".to_owned());
        }
        for (i, field) in schema.fields.iter().enumerate() {
            if !is_name(field.column()) {
                return fault(format!("field {} must be camel case", field.name));
            }
            if schema.fields[..i].iter().any(|other| other.column() == field.column()) {
                return fault(format!("field {} is declared twice", field.name));
            }
            let is_key = |other: &Field| {
                other.has_key() && field.column() == format!("{}_key", other.column())
            };
            if RESERVED.contains(&field.column()) || schema.fields.iter().any(is_key) {
                return fault(format!(
                    "field {} is named as something that backends keep beside the fields",
                    field.name
                ));
            }
            if field.searchable && !matches!(field.kind, Kind::Text | Kind::Code | Kind::Custom) {
                return fault(format!("field {} is not text and cannot be searched", field.name));
            }
            if field.sortable && !field.kind.is_ordered() {
                return fault(format!("field {} has no order", field.name));
            }
            if field.filterable && field.kind == Kind::Json {
                return fault(format!("field {} is opaque and cannot be filtered", field.name));
            }
            if field.references.is_some() && field.kind != Kind::Uuid {
                return fault(format!("field {} refers to a record but is no id", field.name));
            }
            if field.choices.is_some() && field.kind.element() != Kind::Code {
                return fault(format!("field {} is no code and has no choices", field.name));
            }
            if field.reading.is_some() && !matches!(field.kind, Kind::Text | Kind::Code) {
                return fault(format!("field {} is no text and cannot be read as one", field.name));
            }
            let declared = |name: &str| schema.fields.iter().any(|other| other.name == name);
            if let Some(of) = field.made_of
                && (field.kind != Kind::Text
                    || !of.split(|c: char| c == '|' || c.is_whitespace()).all(declared))
            {
                return fault(format!("field {} is made of what is no field", field.name));
            }
            if matches!(field.kind, Kind::Decimal { scale } if scale > 6) {
                return fault(format!("field {} has more than 6 decimals", field.name));
            }
        }
        let declared = |i: FieldIndex| schema.fields.get(usize::from(i));
        let is = |i: FieldIndex, kind: Kind| declared(i).is_some_and(|field| field.kind == kind);
        let is_user = |i: &FieldIndex| is(*i, Kind::Uuid);
        let are_users = |i: &FieldIndex| is_user(i) || is(*i, Kind::Uuids);
        let is_way = |field: &Field| field.references.is_some() && field.required;
        match &schema.owners {
            Owners::Users { assigned, creator }
                if !assigned.iter().all(are_users)
                    || !creator.iter().all(is_user)
                    || (assigned.is_empty() && creator.is_none()) =>
            {
                return fault("owners must be named by identifiers".to_owned());
            }
            Owners::Through { field } if !declared(*field).is_some_and(is_way) => {
                return fault("an owner is reached through a required reference".to_owned());
            }
            Owners::Ends if schema.ends.is_empty() => {
                return fault("there are no ends to be reached by".to_owned());
            }
            _ => {}
        }
        for EndFields { name, record_type, id } in &schema.ends {
            let is = |i: &FieldIndex, kind: Kind| {
                declared(*i).is_some_and(|field| {
                    let present = field.required || schema.owners != Owners::Ends;
                    field.kind == kind && field.filterable && present
                })
            };
            if !is(record_type, Kind::Code) || !is(id, Kind::Uuid) {
                return fault(format!("the end {name} is named by a code and an identifier"));
            }
            if schema.scoping == Scoping::Global {
                return fault(format!("the end {name} names records of no tenant"));
            }
        }
        let is_text =
            |field: &Field| field.required && matches!(field.kind, Kind::Text | Kind::Code);
        if schema.title.is_some_and(|title| !declared(title).is_some_and(is_text)) {
            return fault("a title is a required text".to_owned());
        }
        let is_id = |field: &Field| field.required && field.filterable && field.kind == Kind::Uuid;
        if !declared(schema.known_by).is_some_and(is_id) {
            return fault(
                "records are known by a required identifier that is filtered by".to_owned(),
            );
        }
        if schema.indexes.iter().any(|index| index.fields.is_empty()) {
            return fault("an index needs fields".to_owned());
        }
        for (i, key) in schema.unique.iter().enumerate() {
            if !is_name(&key.name) {
                return fault(format!("unique key {} must be snake case", key.name));
            }
            if schema.unique[..i].iter().any(|other| other.name == key.name) {
                return fault(format!("unique key {} is declared twice", key.name));
            }
            let listed = key.fields.iter().any(|i| !schema.field(*i).kind.is_ordered());
            if key.fields.is_empty() || listed {
                return fault(format!("unique key {} needs ordered fields", key.name));
            }
            if key
                .fields
                .iter()
                .any(|i| schema.field(*i).kind == Kind::Text && !schema.field(*i).has_key())
            {
                return fault(format!("the text of unique key {} must be filterable", key.name));
            }
        }
        Ok(Arc::new(schema))
    }

    fn positions(&self, names: &[&str]) -> Result<Vec<FieldIndex>> {
        names
            .iter()
            .map(|name| {
                self.0.index_of(name).ok_or_else(|| {
                    Error::internal(format!("record type {} has no field {name}", self.0.name))
                })
            })
            .collect()
    }
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.len() <= 50
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}
