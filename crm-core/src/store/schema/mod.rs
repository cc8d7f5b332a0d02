//! What a record type declares about itself, once, for every backend and every service.

mod builder;
mod catalogue;
mod field;

use std::borrow::Cow;
use std::fmt;

pub use builder::SchemaBuilder;
pub use catalogue::Catalogue;
pub use field::{Field, Reading};

use super::value::Kind;

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
        /// Fields of kind [`Kind::Uuid`] that name a user, or [`Kind::Uuids`] that name several.
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

impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}
