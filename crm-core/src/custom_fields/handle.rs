//! The handle of a tenant's own field, for typed filters and orders: what
//! [`FieldOf`] is to a built-in one.

use std::marker::PhantomData;

use super::{CustomFields, CustomType};
use crate::Entity;
use crate::entity::{FieldOf, OrderBy, Where};
use crate::store::{Comparison, Filter, Path, Sort, Value};

/// The handle of a tenant's own field. Only the tenant knows its type, so a value of another type
/// shows when the question is asked, not when the program is compiled.
///
/// ```
/// use crm_core::Find;
/// use crm_core::custom_fields::CustomType;
/// use crm_core::customers::Customer;
///
/// let seats = Customer::CUSTOM_FIELDS.key("seats", CustomType::Number);
/// let large = Find::all().filter(seats.ge(30)).sort(seats.desc());
/// assert!(large.into_query().is_ok());
/// assert!(Find::from(seats.ge("thirty")).into_query().is_err());
/// ```
#[derive(Debug, Clone)]
pub struct CustomOf<E> {
    path: Path,
    entity: PhantomData<fn() -> E>,
}

impl<E: Entity> FieldOf<E, CustomFields> {
    /// The tenant's own field under this key, which the tenant defined to be of this type.
    pub fn key(self, key: impl Into<String>, field_type: CustomType) -> CustomOf<E> {
        let path = Path::custom(self.index(), key, field_type.kind());
        CustomOf { path, entity: PhantomData }
    }
}

impl<E: Entity> CustomOf<E> {
    /// The path of the field.
    pub fn path(&self) -> Path {
        self.path.clone()
    }

    /// Has this value; a list: has it among its values.
    pub fn eq(&self, value: impl Into<Value>) -> Where<E> {
        self.any_of([value])
    }

    /// Has another value, or none.
    pub fn ne(&self, value: impl Into<Value>) -> Where<E> {
        self.eq(value).not()
    }

    /// Has one of these values; a list: has any of them.
    pub fn any_of(&self, values: impl IntoIterator<Item = impl Into<Value>>) -> Where<E> {
        Where::new(Filter::In(self.path(), values.into_iter().map(Into::into).collect()))
    }

    /// Is less than this.
    pub fn lt(&self, value: impl Into<Value>) -> Where<E> {
        self.compare(Comparison::Lt, value)
    }

    /// Is this or less.
    pub fn le(&self, value: impl Into<Value>) -> Where<E> {
        self.compare(Comparison::Le, value)
    }

    /// Is more than this.
    pub fn gt(&self, value: impl Into<Value>) -> Where<E> {
        self.compare(Comparison::Gt, value)
    }

    /// Is this or more.
    pub fn ge(&self, value: impl Into<Value>) -> Where<E> {
        self.compare(Comparison::Ge, value)
    }

    /// Is absent; a list: is empty.
    pub fn absent(&self) -> Where<E> {
        Where::new(Filter::Absent(self.path()))
    }

    /// Is present.
    pub fn present(&self) -> Where<E> {
        self.absent().not()
    }

    /// A text: contains this, without case or accents.
    pub fn contains(&self, text: &str) -> Where<E> {
        Where::new(Filter::Contains(self.path(), text.to_owned()))
    }

    /// A text: starts with this, without case or accents.
    pub fn starts_with(&self, text: &str) -> Where<E> {
        Where::new(Filter::StartsWith(self.path(), text.to_owned()))
    }

    /// Smallest first.
    pub fn asc(&self) -> OrderBy<E> {
        OrderBy::new(Sort::ascending(self.path()))
    }

    /// Largest first.
    pub fn desc(&self) -> OrderBy<E> {
        OrderBy::new(Sort::descending(self.path()))
    }

    fn compare(&self, comparison: Comparison, value: impl Into<Value>) -> Where<E> {
        Where::new(Filter::Compare(self.path(), comparison, value.into()))
    }
}
