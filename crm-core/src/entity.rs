//! Typed records: what `#[derive(Entity)]` gives a plain struct.
//!
//! This is the only module above [`store`](crate::store) that handles [`Record`]s: it turns them
//! into structs and back, by position, and gives fields typed handles, so that a filter on a
//! customer's status with a deal's stage does not compile.

use std::fmt::Debug;
use std::marker::PhantomData;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::id::Id;
use crate::store::{
    Comparison, Cursor, Deleted, FieldIndex, Filter, Kind, Path, Query, Reading, Record, Schema,
    Sort, Value, Window,
};
use crate::tenants::TenantId;

/// A struct that is stored as a record. Implemented by `#[derive(Entity)]` only.
pub trait Entity: Clone + Debug + PartialEq + Send + Sync + Sized + 'static {
    /// The plural name in snake case: table and path.
    const ENTITY: &'static str;
    /// The resource that permissions name; the type's own name unless declared otherwise.
    const RESOURCE: &'static str;
    /// What a caller gives to create one: all fields that are not the library's own to set.
    type Draft: Draft<Self>;
    /// What a caller gives to change one: each of those fields kept, cleared or set.
    type Patch: Patch<Self>;

    /// The declaration, made once.
    fn schema() -> &'static Arc<Schema>;
    /// The identifier.
    fn id(&self) -> Id<Self>;
    /// The version, 1 at creation.
    fn version(&self) -> i64;
    /// When it was created.
    fn created_at(&self) -> DateTime<Utc>;
    /// When it was last changed.
    fn updated_at(&self) -> DateTime<Utc>;
    /// When it was deleted, if it was.
    fn deleted_at(&self) -> Option<DateTime<Utc>>;
    /// Sets what the library alone sets on every record.
    fn set_system(&mut self, system: SystemFields<Self>);
    /// The values, by position in the schema.
    fn into_values(self) -> Vec<Value>;
    /// The struct of stored values, by position in the schema.
    ///
    /// # Errors
    /// [`Error::Internal`] naming a field whose stored value is of another type.
    fn from_values(values: Box<[Value]>) -> Result<Self>;

    /// The record in a tenant, or in none for global types.
    ///
    /// # Errors
    /// See [`Record::new`].
    fn into_record(self, tenant: Option<TenantId>) -> Result<Record> {
        Record::new(Self::schema(), tenant, self.into_values())
    }
}

/// What the library alone sets on every record.
#[derive(Debug, Clone, PartialEq)]
pub struct SystemFields<E> {
    /// The identifier.
    pub id: Id<E>,
    /// The version.
    pub version: i64,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
    /// When it was deleted.
    pub deleted_at: Option<DateTime<Utc>>,
}

impl<E: Entity> SystemFields<E> {
    /// Those of an entity as it is.
    pub fn of(entity: &E) -> Self {
        Self {
            id: entity.id(),
            version: entity.version(),
            created_at: entity.created_at(),
            updated_at: entity.updated_at(),
            deleted_at: entity.deleted_at(),
        }
    }
}

/// What creates an entity. Generated: `CustomerDraft` for `Customer`.
pub trait Draft<E: Entity>: Clone + Debug + Send + Sync + 'static {
    /// A new entity with these fields, and computed ones at their defaults.
    fn into_entity(self, system: SystemFields<E>) -> E;
    /// Puts these fields in place of an entity's; computed ones stay.
    fn replace(self, entity: &mut E);
}

/// What changes an entity. Generated: `CustomerPatch` for `Customer`.
pub trait Patch<E: Entity>: Clone + Debug + Default + Send + Sync + 'static {
    /// Makes the changes.
    fn apply(self, entity: &mut E);
}

/// A change to an optional field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Change<T> {
    /// Leave it as it is.
    #[default]
    Keep,
    /// Make it absent.
    Clear,
    /// Give it this value.
    Set(T),
}

impl<T> Change<T> {
    /// Makes the change.
    pub fn apply(self, field: &mut Option<T>) {
        match self {
            Self::Keep => {}
            Self::Clear => *field = None,
            Self::Set(value) => *field = Some(value),
        }
    }
}

impl<T> From<T> for Change<T> {
    fn from(value: T) -> Self {
        Self::Set(value)
    }
}

/// A Rust type that a field can have.
pub trait FieldType: Clone + Sized {
    /// How it is stored, unless the field declares otherwise.
    const KIND: Kind;
    /// Whether it is never absent.
    const REQUIRED: bool = true;
    /// The codes of an enumeration, for [`Field::choices`](crate::store::Field::choices).
    const CHOICES: Option<&'static [&'static str]> = None;
    /// How what people write becomes what is stored, for
    /// [`Field::reading`](crate::store::Field::reading).
    const READING: Option<Reading> = None;
    /// The type of what a filter compares with: `T` for `Option<T>`, the element for a list.
    type Plain: FieldType;
    /// As stored.
    fn into_value(self) -> Value;
    /// From what was stored; none where that is of another type.
    fn from_value(value: Value) -> Option<Self>;
}

macro_rules! field_types {
    ($($type:ty: $kind:expr, $variant:ident;)*) => {
        $(impl FieldType for $type {
            const KIND: Kind = $kind;
            type Plain = Self;
            fn into_value(self) -> Value {
                Value::$variant(self)
            }
            fn from_value(value: Value) -> Option<Self> {
                match value {
                    Value::$variant(value) => Some(value),
                    _ => None,
                }
            }
        })*
    };
}

field_types! {
    bool: Kind::Bool, Bool;
    i64: Kind::Int, Int;
    String: Kind::Text, Text;
    Decimal: Kind::Decimal { scale: 4 }, Decimal;
    Uuid: Kind::Uuid, Uuid;
    NaiveDate: Kind::Date, Date;
    DateTime<Utc>: Kind::Time, Time;
}

impl FieldType for i32 {
    const KIND: Kind = Kind::Int;
    type Plain = Self;
    fn into_value(self) -> Value {
        Value::Int(self.into())
    }
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Int(value) => value.try_into().ok(),
            _ => None,
        }
    }
}

impl<T: 'static> FieldType for Id<T> {
    const KIND: Kind = Kind::Uuid;
    type Plain = Self;
    fn into_value(self) -> Value {
        Value::Uuid(self.uuid())
    }
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Uuid(value) => Some(Self::new(value)),
            _ => None,
        }
    }
}

impl<T: FieldType> FieldType for Option<T> {
    const KIND: Kind = T::KIND;
    const REQUIRED: bool = false;
    const CHOICES: Option<&'static [&'static str]> = T::CHOICES;
    const READING: Option<Reading> = T::READING;
    type Plain = T::Plain;
    fn into_value(self) -> Value {
        self.map_or(Value::Null, T::into_value)
    }
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Null => Some(None),
            value => T::from_value(value).map(Some),
        }
    }
}

impl<T: 'static> FieldType for Vec<Id<T>> {
    const KIND: Kind = Kind::Uuids;
    type Plain = Id<T>;
    fn into_value(self) -> Value {
        Value::Uuids(self.into_iter().map(Id::uuid).collect())
    }
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Uuids(ids) => Some(ids.into_iter().map(Id::new).collect()),
            _ => None,
        }
    }
}

/// A list of codes: scopes, keywords.
impl FieldType for Vec<String> {
    const KIND: Kind = Kind::Codes;
    type Plain = String;
    fn into_value(self) -> Value {
        Value::Codes(self)
    }
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Codes(codes) => Some(codes),
            _ => None,
        }
    }
}

/// A list of choices: events, weekdays.
impl<C: Choice + FieldType<Plain = C>> FieldType for Vec<C> {
    const KIND: Kind = Kind::Codes;
    const CHOICES: Option<&'static [&'static str]> = C::CHOICES;
    type Plain = C;
    fn into_value(self) -> Value {
        Value::Codes(self.into_iter().map(|choice| choice.code().to_owned()).collect())
    }
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Codes(codes) => codes.iter().map(|code| C::from_code(code)).collect(),
            _ => None,
        }
    }
}

/// A document that nobody looks into.
impl FieldType for serde_json::Value {
    const KIND: Kind = Kind::Json;
    type Plain = Self;
    fn into_value(self) -> Value {
        Value::Json(Box::new(self))
    }
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Json(json) => Some(*json),
            _ => None,
        }
    }
}

/// An enumeration stored as a code. Implemented by `#[derive(Choice)]`, which also makes it a
/// [`FieldType`], and gives it `Display`, `FromStr` and serde's traits by the same codes.
pub trait Choice: Copy + Eq + Debug + Sized + 'static {
    /// Every value, in the order of declaration.
    const ALL: &'static [Self];
    /// The code: the variant's name in snake case, unless renamed.
    fn code(self) -> &'static str;
    /// The value with this code.
    fn from_code(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|choice| choice.code() == code)
    }
}

/// The fault of stored data that is not of its field's type.
pub fn bad_stored_value(entity: &str, field: &str) -> Error {
    Error::internal(format!("stored value of {entity}.{field} is of another type"))
}

/// The handle of a field: `Customer::STATUS`.
#[derive(Debug)]
pub struct FieldOf<E, T> {
    index: FieldIndex,
    types: PhantomData<fn() -> (E, T)>,
}

impl<E, T> Clone for FieldOf<E, T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<E, T> Copy for FieldOf<E, T> {}

impl<E: Entity, T: FieldType> FieldOf<E, T> {
    /// The handle of the field at a position. For the derive macro.
    pub const fn new(index: FieldIndex) -> Self {
        Self { index, types: PhantomData }
    }

    /// The position in the schema.
    pub const fn index(self) -> FieldIndex {
        self.index
    }

    /// The path of the field.
    pub const fn path(self) -> Path {
        Path::field(self.index)
    }

    /// Has this value; a list: has it among its values.
    pub fn eq(self, value: impl Into<T::Plain>) -> Where<E> {
        Where::new(Filter::In(self.path(), vec![value.into().into_value()]))
    }

    /// Has another value, or none.
    pub fn ne(self, value: impl Into<T::Plain>) -> Where<E> {
        self.eq(value).not()
    }

    /// Has one of these values; a list: has any of them.
    pub fn any_of(self, values: impl IntoIterator<Item = impl Into<T::Plain>>) -> Where<E> {
        let values = values.into_iter().map(|value| value.into().into_value()).collect();
        Where::new(Filter::In(self.path(), values))
    }

    /// A list: has each of these values.
    pub fn all_of(self, values: impl IntoIterator<Item = impl Into<T::Plain>>) -> Where<E> {
        let values = values.into_iter().map(|value| value.into().into_value()).collect();
        Where::new(Filter::HasAll(self.path(), values))
    }

    /// Is less than this.
    pub fn lt(self, value: impl Into<T::Plain>) -> Where<E> {
        self.compare(Comparison::Lt, value.into())
    }

    /// Is this or less.
    pub fn le(self, value: impl Into<T::Plain>) -> Where<E> {
        self.compare(Comparison::Le, value.into())
    }

    /// Is more than this.
    pub fn gt(self, value: impl Into<T::Plain>) -> Where<E> {
        self.compare(Comparison::Gt, value.into())
    }

    /// Is this or more.
    pub fn ge(self, value: impl Into<T::Plain>) -> Where<E> {
        self.compare(Comparison::Ge, value.into())
    }

    /// Is absent; a list: is empty.
    pub fn absent(self) -> Where<E> {
        Where::new(Filter::Absent(self.path()))
    }

    /// Is present.
    pub fn present(self) -> Where<E> {
        self.absent().not()
    }

    /// A text: contains this, without case or accents.
    pub fn contains(self, text: &str) -> Where<E> {
        Where::new(Filter::Contains(self.path(), text.to_owned()))
    }

    /// A text: starts with this, without case or accents.
    pub fn starts_with(self, text: &str) -> Where<E> {
        Where::new(Filter::StartsWith(self.path(), text.to_owned()))
    }

    /// Smallest first.
    pub const fn asc(self) -> OrderBy<E> {
        OrderBy(Sort::ascending(self.path()), PhantomData)
    }

    /// Largest first.
    pub const fn desc(self) -> OrderBy<E> {
        OrderBy(Sort::descending(self.path()), PhantomData)
    }

    fn compare(self, comparison: Comparison, value: T::Plain) -> Where<E> {
        Where::new(Filter::Compare(self.path(), comparison, value.into_value()))
    }
}

/// A filter over entities of one type.
#[derive(Debug, Clone)]
pub struct Where<E>(Filter, PhantomData<fn() -> E>);

impl<E: Entity> Where<E> {
    /// A filter over the type's schema, made by hand.
    pub fn new(filter: Filter) -> Self {
        Self(filter, PhantomData)
    }

    /// Every record.
    pub fn all() -> Self {
        Self::new(Filter::All)
    }

    /// Both this and `other`.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self::new(self.0.and(other.0))
    }

    /// This or `other`.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self::new(self.0.or(other.0))
    }

    /// The opposite.
    #[must_use]
    #[expect(clippy::should_implement_trait, reason = "reads as the other connectives do")]
    pub fn not(self) -> Self {
        Self::new(self.0.not())
    }

    /// The filter in the language of the store.
    pub fn into_filter(self) -> Filter {
        self.0
    }
}

/// An order over entities of one type.
#[derive(Debug, Clone)]
pub struct OrderBy<E>(Sort, PhantomData<fn() -> E>);

impl<E: Entity> OrderBy<E> {
    /// An order by hand, for a tenant's own fields.
    pub fn new(sort: Sort) -> Self {
        Self(sort, PhantomData)
    }
}

/// A typed question for entities: which, in which order, which part.
///
/// Faults are kept until the question is asked, so that building one never fails.
#[derive(Debug, Clone)]
pub struct Find<E> {
    /// Which records.
    pub(crate) filter: Filter,
    pub(crate) sort: Vec<Sort>,
    pub(crate) window: Window,
    pub(crate) count: bool,
    pub(crate) deleted: Deleted,
    entity: PhantomData<fn() -> E>,
}

impl<E: Entity> Default for Find<E> {
    fn default() -> Self {
        Self {
            filter: Filter::All,
            sort: Vec::new(),
            window: Window::Page { offset: 0, limit: 20 },
            count: false,
            deleted: Deleted::Exclude,
            entity: PhantomData,
        }
    }
}

impl<E: Entity> Find<E> {
    /// All live records, newest first, the first twenty.
    pub fn all() -> Self {
        Self::default()
    }

    /// Only those that match, on top of what was asked before.
    #[must_use]
    pub fn filter(mut self, filter: Where<E>) -> Self {
        self.filter = self.filter.and(filter.0);
        self
    }

    /// Only those in whose searchable fields every word occurs.
    #[must_use]
    pub fn search(mut self, words: &str) -> Self {
        self.filter = self.filter.and(Filter::search(words));
        self
    }

    /// In this order, after the orders asked for before.
    #[must_use]
    pub fn sort(mut self, order: OrderBy<E>) -> Self {
        self.sort.push(order.0);
        self
    }

    /// The page of this number, from 1, of so many records.
    #[must_use]
    pub fn page(mut self, number: u64, limit: u32) -> Self {
        let offset = number.saturating_sub(1).saturating_mul(limit.into());
        self.window = Window::Page { offset, limit };
        self
    }

    /// The first part of a walk by cursor, of so many records.
    #[must_use]
    pub fn first(mut self, limit: u32) -> Self {
        self.window = Window::Cursor { after: None, limit };
        self
    }

    /// The part behind a cursor, of so many records.
    #[must_use]
    pub fn after(mut self, cursor: Cursor, limit: u32) -> Self {
        self.window = Window::Cursor { after: Some(cursor), limit };
        self
    }

    /// With the number of all that match.
    #[must_use]
    pub fn counted(mut self) -> Self {
        self.count = true;
        self
    }

    /// With deleted ones, or only those; asks for the permission to delete.
    #[must_use]
    pub fn deleted(mut self, deleted: Deleted) -> Self {
        self.deleted = deleted;
        self
    }

    /// The question in the language of the store, checked.
    ///
    /// # Errors
    /// Where a field cannot be filtered or sorted by, a limit is exceeded, or the cursor is of
    /// another order.
    pub fn into_query(self) -> Result<Query> {
        let query = Query::new(Arc::clone(E::schema()))
            .filter(self.filter)?
            .sort(self.sort)?
            .window(self.window)?
            .deleted(self.deleted);
        Ok(if self.count { query.counted() } else { query })
    }
}

impl<E: Entity> From<Where<E>> for Find<E> {
    fn from(filter: Where<E>) -> Self {
        Self::all().filter(filter)
    }
}
