//! What a record type declares about itself, once, for every backend and every service.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use super::value::Kind;
use crate::error::{Error, Result};

/// The position of a field in its schema.
pub type FieldIndex = u16;

/// The fields that every record type has, at the same positions.
pub mod system {
    use super::FieldIndex;

    /// `id`: the record's identifier, unique in its tenant.
    pub const ID: FieldIndex = 0;
    /// `version`: 1 at creation, one more with each change.
    pub const VERSION: FieldIndex = 1;
    /// `createdAt`.
    pub const CREATED_AT: FieldIndex = 2;
    /// `updatedAt`.
    pub const UPDATED_AT: FieldIndex = 3;
    /// `deletedAt`: absent on live records.
    pub const DELETED_AT: FieldIndex = 4;
    /// How many there are; a record type's own fields begin here.
    pub const COUNT: usize = 5;
}

/// Whether records belong to a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scoping {
    /// Every record belongs to one tenant and is invisible to all others.
    Tenant,
    /// Records belong to the installation: users, tenants, sessions. Reached by the system
    /// handle only.
    Global,
}

/// Whose records they are: what `assigned` and `team` reach test. Saying that a type has no
/// owner is a statement too; there is no default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owners {
    /// Records of this type belong to nobody in particular: they are reached at `all` only.
    Nobody,
    /// Anyone may read what the permission names, at whatever reach it is held: settings and
    /// vocabularies such as tags.
    Everybody,
    /// The users named in `assigned`; where all of those are absent, the one named in `creator`.
    Users {
        /// Fields of kind [`Kind::Uuid`] that name users.
        assigned: Vec<FieldIndex>,
        /// The field that names who created the record.
        creator: Option<FieldIndex>,
    },
    /// Whoever owns the record that `field` refers to: the customer of a note.
    Through {
        /// A required reference.
        field: FieldIndex,
    },
    /// Whoever may read each of the records that its ends name, as long as none of them is
    /// deleted: relations. At any reach, `all` included.
    Ends,
}

/// A pair of fields that name a record of any type by its type and identifier. The store does not
/// refuse one that names nothing; [`Filter::End`](super::Filter::End) looks at what is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndFields {
    /// What the pair is called: `from`.
    pub name: Cow<'static, str>,
    /// The field that holds the type: the [`resource`](Schema::resource) of its records. A code.
    pub record_type: FieldIndex,
    /// The field that holds the identifier by which the record is [known](Schema::known_by).
    pub id: FieldIndex,
}

/// One declared field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Its name in the API and in filters, in camel case.
    pub name: Cow<'static, str>,
    /// What it holds.
    pub kind: Kind,
    /// Whether it is never absent.
    pub required: bool,
    /// Whether filters may name it.
    pub filterable: bool,
    /// Whether sorts may name it.
    pub sortable: bool,
    /// Whether a search looks into it: text, codes, and the texts among a tenant's own fields.
    pub searchable: bool,
    /// The record type that it refers to, in the same tenant or a global one. The store refuses
    /// a reference to a record that does not exist. Kind [`Kind::Uuid`] only.
    pub references: Option<Cow<'static, str>>,
    /// Whether it is kept out of the audit log and of events: password hashes, secrets.
    pub secret: bool,
    /// The codes that it can hold, where the type knows them: a filter naming another one is
    /// refused. Kinds [`Kind::Code`] and [`Kind::Codes`] only. The store does not enforce it.
    pub choices: Option<&'static [&'static str]>,
    /// How a value that a person wrote becomes the one that is stored, where the type has rules
    /// for that: a country's name becomes its code. The store does not use it.
    pub reading: Option<Reading>,
    column: Box<str>,
}

/// See [`Field::reading`]. Part of how requests are read, not of what is stored, so any two are
/// equal.
#[derive(Debug, Clone, Copy)]
pub struct Reading {
    /// Reads what was written; an error says what was expected.
    pub read: fn(&str) -> Result<String>,
    /// A value that it takes.
    pub example: &'static str,
}

impl PartialEq for Reading {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}
impl Eq for Reading {}

impl Field {
    /// A field that is optional and neither filterable, sortable nor searchable.
    pub fn new(name: impl Into<Cow<'static, str>>, kind: Kind) -> Self {
        let name = name.into();
        Self {
            column: snake_case(&name).into(),
            name,
            kind,
            required: kind.is_never_null(),
            filterable: false,
            sortable: false,
            searchable: false,
            references: None,
            secret: false,
            choices: None,
            reading: None,
        }
    }

    /// Never absent.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// May be named in filters.
    #[must_use]
    pub fn filterable(mut self) -> Self {
        self.filterable = true;
        self
    }

    /// May be named in sorts.
    #[must_use]
    pub fn sortable(mut self) -> Self {
        self.sortable = true;
        self
    }

    /// Is looked into by searches.
    #[must_use]
    pub fn searchable(mut self) -> Self {
        self.searchable = true;
        self
    }

    /// Refers to a record of the type named.
    #[must_use]
    pub fn references(mut self, schema: impl Into<Cow<'static, str>>) -> Self {
        self.references = Some(schema.into());
        self
    }

    /// Stays out of the audit log and of events.
    #[must_use]
    pub fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    /// Holds one of these codes, where there are any to choose from.
    #[must_use]
    pub fn choices(mut self, choices: impl Into<Option<&'static [&'static str]>>) -> Self {
        self.choices = choices.into();
        self
    }

    /// Reads what people write in this way.
    #[must_use]
    pub fn reading(mut self, reading: impl Into<Option<Reading>>) -> Self {
        self.reading = reading.into();
        self
    }

    /// Whether a backend keeps the comparison key of this field beside it: text that is compared.
    pub fn has_key(&self) -> bool {
        self.kind == Kind::Text && (self.filterable || self.sortable)
    }

    /// The name that it was made with in snake case, as a column is called.
    pub fn column(&self) -> &str {
        &self.column
    }
}

/// A combination of fields that no two live records of a tenant share. A record in which any of
/// them is absent is not held to it. Text compares folded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UniqueKey {
    /// Its name, as errors give it.
    pub name: Cow<'static, str>,
    /// Its fields.
    pub fields: Vec<FieldIndex>,
}

/// Fields that lists are often filtered or sorted by, in this order: a hint to a backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// Its fields, behind the tenant.
    pub fields: Vec<FieldIndex>,
}

/// A record type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schema {
    name: Cow<'static, str>,
    scoping: Scoping,
    fields: Vec<Field>,
    owners: Owners,
    unique: Vec<UniqueKey>,
    indexes: Vec<Index>,
    resource: Cow<'static, str>,
    title: Option<FieldIndex>,
    known_by: FieldIndex,
    ends: Vec<EndFields>,
}

impl Schema {
    /// Begins the declaration of a record type: its plural name in snake case, as its table and
    /// path are called, its scoping, and its own fields behind those of [`system`].
    pub fn builder(
        name: impl Into<Cow<'static, str>>,
        scoping: Scoping,
        owners: Owners,
    ) -> SchemaBuilder {
        let time = |name| Field::new(name, Kind::Time).filterable().sortable();
        let fields = vec![
            Field::new("id", Kind::Uuid).required().filterable().sortable(),
            Field::new("version", Kind::Int).required().filterable(),
            time("createdAt").required(),
            time("updatedAt").required(),
            time("deletedAt"),
        ];
        let name = name.into();
        SchemaBuilder(Self {
            resource: name.clone(),
            name,
            scoping,
            fields,
            owners,
            unique: Vec::new(),
            indexes: Vec::new(),
            title: None,
            known_by: system::ID,
            ends: Vec::new(),
        })
    }

    /// The plural name in snake case: table and path.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether records belong to a tenant.
    pub fn scoping(&self) -> Scoping {
        self.scoping
    }

    /// All fields, those of [`system`] first.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The field at a position that came from this schema.
    ///
    /// # Panics
    /// Where the position came from another schema and is beyond this one's fields.
    pub fn field(&self, index: FieldIndex) -> &Field {
        &self.fields[usize::from(index)]
    }

    /// The position of the field called `name`.
    pub fn index_of(&self, name: &str) -> Option<FieldIndex> {
        let position = self.fields.iter().position(|field| field.name == name)?;
        FieldIndex::try_from(position).ok()
    }

    /// Whose records they are.
    pub fn owners(&self) -> &Owners {
        &self.owners
    }

    /// The unique keys besides `id`.
    pub fn unique(&self) -> &[UniqueKey] {
        &self.unique
    }

    /// The resource that permissions on its records name; its own name unless declared otherwise.
    pub fn resource(&self) -> &str {
        &self.resource
    }

    /// The position of the field that says what a record is called, where there is one.
    pub fn title(&self) -> Option<FieldIndex> {
        self.title
    }

    /// The position of the identifier by which others know a record: `id` unless declared
    /// otherwise. Members are known by their users.
    pub fn known_by(&self) -> FieldIndex {
        self.known_by
    }

    /// The pairs of fields that name records of any type.
    pub fn ends(&self) -> &[EndFields] {
        &self.ends
    }

    /// The declared indexes.
    pub fn indexes(&self) -> &[Index] {
        &self.indexes
    }

    /// The positions of the searchable fields.
    pub fn searchable(&self) -> impl Iterator<Item = FieldIndex> + '_ {
        (0..).zip(&self.fields).filter(|(_, field)| field.searchable).map(|(i, _)| i)
    }

    /// The position of the tenant's own fields, where the type has them.
    pub fn custom(&self) -> Option<FieldIndex> {
        (0..).zip(&self.fields).find(|(_, field)| field.kind == Kind::Custom).map(|(i, _)| i)
    }
}

/// What backends with columns keep beside the fields; and the comparison key of a text field, by
/// the field's name and `_key`.
const RESERVED: [&str; 3] = ["tenant_id", "search_text", "terms"];

/// Declares a [`Schema`].
#[derive(Debug)]
pub struct SchemaBuilder(Schema);

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
            if matches!(field.kind, Kind::Decimal { scale } if scale > 6) {
                return fault(format!("field {} has more than 6 decimals", field.name));
            }
        }
        let declared = |i: FieldIndex| schema.fields.get(usize::from(i));
        let is_user = |i: &FieldIndex| declared(*i).is_some_and(|field| field.kind == Kind::Uuid);
        let is_way = |field: &Field| field.references.is_some() && field.required;
        match &schema.owners {
            Owners::Users { assigned, creator }
                if !assigned.iter().chain(creator).all(is_user)
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

impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.len() <= 50
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

fn snake_case(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    for c in name.chars() {
        if c.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}
