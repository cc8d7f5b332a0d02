//! Which records: the one filter type that lists, searches, exports, bulk operations, statistics
//! and reach all use.
//!
//! A filter names fields by position and is plain data; it cannot run before a
//! [`Query`](super::Query) or [`Aggregate`](super::Aggregate) has checked it against its schema.
//! What each form means, absent values included, is written in [`super::semantics`].

use std::sync::Arc;

use super::schema::{FieldIndex, Schema, Scoping};
use super::text::{fold, words};
use super::value::{Kind, Value};
use crate::error::{Error, Result};

/// A field, or a tenant's own field inside the custom ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    /// The declared field.
    pub field: FieldIndex,
    /// The key within it, where it is of kind [`Kind::Custom`].
    pub custom: Option<CustomKey>,
}

/// A tenant's own field: its key and what the tenant declared it to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomKey {
    /// The key in the document.
    pub key: String,
    /// What it holds. A stored value of another kind counts as absent.
    pub kind: Kind,
}

impl Path {
    /// A declared field.
    pub const fn field(field: FieldIndex) -> Self {
        Self { field, custom: None }
    }

    /// A tenant's own field.
    pub fn custom(field: FieldIndex, key: impl Into<String>, kind: Kind) -> Self {
        Self { field, custom: Some(CustomKey { key: key.into(), kind }) }
    }

    /// What the path holds in `schema`.
    pub fn kind(&self, schema: &Schema) -> Kind {
        self.custom.as_ref().map_or_else(|| schema.field(self.field).kind, |custom| custom.kind)
    }

    /// Its name for people: `status`, `customFields.region`.
    pub fn name(&self, schema: &Schema) -> String {
        let field = &schema.field(self.field).name;
        match &self.custom {
            None => field.to_string(),
            Some(custom) => format!("{field}.{}", custom.key),
        }
    }
}

/// An ordering comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// Less than.
    Lt,
    /// Less than or equal.
    Le,
    /// Greater than.
    Gt,
    /// Greater than or equal.
    Ge,
}

/// Which records.
#[derive(Debug, Clone, PartialEq)]
pub enum Filter {
    /// Every record.
    All,
    /// No record.
    Nothing,
    /// The value is one of these. With a list field: the list has any of them.
    In(Path, Vec<Value>),
    /// The list has each of these.
    HasAll(Path, Vec<Value>),
    /// The value is present and compares so.
    Compare(Path, Comparison, Value),
    /// The value is absent; a list is empty.
    Absent(Path),
    /// The text contains this, compared folded for text and as it is for codes.
    Contains(Path, String),
    /// The text starts with this.
    StartsWith(Path, String),
    /// Every word occurs in one of the searchable fields. Words are folded.
    Search(Vec<String>),
    /// The record that this field refers to, live or not, matches.
    Related(FieldIndex, Arc<Schema>, Box<Self>),
    /// The record that the end at this position names, live or not, is of one of these types and
    /// matches that type's filter.
    End(usize, Vec<(Arc<Schema>, Self)>),
    /// All of these.
    And(Vec<Self>),
    /// Any of these.
    Or(Vec<Self>),
    /// Not this. Filters know only true and false: what does not match matches here.
    Not(Box<Self>),
}

/// The most terms that a filter may have.
pub const MAX_TERMS: usize = 200;
/// The most values that one `in` may list. Reach and batches of ids use it, not people.
pub const MAX_VALUES: usize = 10_000;
/// The most types among which the record at an end may be; each has terms of its own.
pub const MAX_CASES: usize = 200;
/// How deep a filter may nest.
pub const MAX_DEPTH: usize = 16;

impl Filter {
    /// The field has this value; with a list field, among its values.
    pub fn eq(path: Path, value: impl Into<Value>) -> Self {
        Self::In(path, vec![value.into()])
    }

    /// The words of `search` must all occur.
    pub fn search(search: &str) -> Self {
        let words = words(search);
        if words.is_empty() { Self::All } else { Self::Search(words) }
    }

    /// Both this and `other`.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::All, only) | (only, Self::All) => only,
            (Self::Nothing, _) | (_, Self::Nothing) => Self::Nothing,
            (Self::And(mut all), Self::And(more)) => {
                all.extend(more);
                Self::And(all)
            }
            (Self::And(mut all), one) | (one, Self::And(mut all)) => {
                all.push(one);
                Self::And(all)
            }
            (one, other) => Self::And(vec![one, other]),
        }
    }

    /// This or `other`.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::All, _) | (_, Self::All) => Self::All,
            (Self::Nothing, only) | (only, Self::Nothing) => only,
            (Self::Or(mut any), Self::Or(more)) => {
                any.extend(more);
                Self::Or(any)
            }
            (Self::Or(mut any), one) => {
                any.push(one);
                Self::Or(any)
            }
            (one, other) => Self::Or(vec![one, other]),
        }
    }

    /// The opposite.
    #[must_use]
    #[expect(clippy::should_implement_trait, reason = "reads as the other connectives do")]
    pub fn not(self) -> Self {
        match self {
            Self::Not(inner) => *inner,
            Self::All => Self::Nothing,
            Self::Nothing => Self::All,
            other => Self::Not(Box::new(other)),
        }
    }

    /// The identifier that a record must have to match, where the filter says so at its top:
    /// backends look such records up by key.
    pub fn required_id(&self) -> Option<uuid::Uuid> {
        match self {
            Self::In(path, values) if *path == Path::field(super::system::ID) => {
                match &values[..] {
                    [Value::Uuid(id)] => Some(*id),
                    _ => None,
                }
            }
            Self::And(all) => all.iter().find_map(Self::required_id),
            _ => None,
        }
    }

    /// How much there is of it: each condition, each AND, OR and NOT, each word of a search. A host
    /// that takes filters from strangers may allow less than [`MAX_TERMS`].
    ///
    /// ```
    /// use crm_core::store::Filter;
    ///
    /// let words = Filter::Search(vec!["acme".to_owned(), "berlin".to_owned()]);
    /// assert_eq!(Filter::And(vec![Filter::All, words]).terms(), 5);
    /// ```
    pub fn terms(&self) -> usize {
        1 + match self {
            Self::Search(words) => words.len(),
            Self::Related(_, _, filter) | Self::Not(filter) => filter.terms(),
            Self::And(filters) | Self::Or(filters) => filters.iter().map(Self::terms).sum(),
            _ => 0,
        }
    }

    /// Checks the filter against its schema, brings its values to stored form and its texts to
    /// folded form.
    pub(crate) fn check(&mut self, schema: &Schema) -> Result<()> {
        let mut terms = 0;
        self.check_at(schema, 0, &mut terms)
    }

    fn check_at(&mut self, schema: &Schema, depth: usize, terms: &mut usize) -> Result<()> {
        *terms += 1;
        if depth > MAX_DEPTH {
            return Err(limit("the depth of a filter", MAX_DEPTH));
        }
        if *terms > MAX_TERMS {
            return Err(limit("the number of terms in a filter", MAX_TERMS));
        }
        match self {
            Self::All | Self::Nothing => Ok(()),
            Self::In(path, values) => check_values(schema, path, values),
            Self::HasAll(path, values) => {
                if !check_path(schema, path)?.is_list() {
                    return Err(misuse(schema, path, "is not a list"));
                }
                check_values(schema, path, values)
            }
            Self::Compare(path, _, value) => {
                let kind = check_path(schema, path)?;
                if !kind.is_ordered() || value.is_null() {
                    return Err(misuse(schema, path, "cannot be compared by order"));
                }
                check_value(schema, path, kind, value)
            }
            Self::Absent(path) => check_path(schema, path).map(drop),
            Self::Contains(path, text) | Self::StartsWith(path, text) => {
                match check_path(schema, path)? {
                    Kind::Text => *text = fold(text),
                    Kind::Code => {}
                    _ => return Err(misuse(schema, path, "is not text")),
                }
                if super::text::storable(text) {
                    Ok(())
                } else {
                    Err(misuse(schema, path, "never contains a NUL character"))
                }
            }
            Self::Search(words) => {
                if schema.searchable().next().is_none() {
                    return Err(Error::unreadable(
                        "search",
                        "NOT_SEARCHABLE",
                        format!("{schema} have no searchable fields"),
                    ));
                }
                // Words that came by hand may be as written, or hold white space, by which they
                // would match across fields.
                *words = super::text::words(&words.join(" "));
                if words.iter().any(|word| !super::text::storable(word)) {
                    return Err(Error::unreadable(
                        "search",
                        "INVALID_TEXT",
                        "must not contain a NUL character",
                    ));
                }
                *terms += words.len();
                if *terms > MAX_TERMS {
                    return Err(limit("the number of words in a search", MAX_TERMS));
                }
                Ok(())
            }
            Self::Related(field, target, filter) => {
                let known = schema.fields().get(usize::from(*field));
                if known.and_then(|f| f.references.as_deref()) != Some(target.name()) {
                    return Err(Error::internal(format!("{schema} have no reference to {target}")));
                }
                filter.check_at(target, depth + 1, terms)
            }
            Self::End(end, cases) => {
                if schema.ends().get(*end).is_none() {
                    return Err(Error::internal(format!("{schema} have no end at {end}")));
                }
                if cases.len() > MAX_CASES {
                    return Err(limit("the number of types in a filter", MAX_CASES));
                }
                cases.iter_mut().try_for_each(|(target, filter)| {
                    if target.scoping() == Scoping::Global {
                        let message = format!("{schema} name no {target}, which have no tenant");
                        return Err(Error::internal(message));
                    }
                    filter.check_at(target, depth + 1, &mut 0)
                })
            }
            Self::And(filters) | Self::Or(filters) => {
                filters.iter_mut().try_for_each(|f| f.check_at(schema, depth + 1, terms))
            }
            Self::Not(filter) => filter.check_at(schema, depth + 1, terms),
        }
    }
}

/// Checks that a path exists and may be filtered by, and tells what it holds.
pub(crate) fn check_path(schema: &Schema, path: &Path) -> Result<Kind> {
    let kind = known_path(schema, path)?;
    if schema.field(path.field).filterable {
        Ok(kind)
    } else {
        Err(misuse(schema, path, "cannot be filtered by"))
    }
}

/// Checks that a path exists, and tells what it holds.
pub(crate) fn known_path(schema: &Schema, path: &Path) -> Result<Kind> {
    let Some(field) = schema.fields().get(usize::from(path.field)) else {
        return Err(Error::internal(format!("{schema} have no field at {}", path.field)));
    };
    match (&path.custom, field.kind) {
        (Some(custom), Kind::Custom) if !matches!(custom.kind, Kind::Json | Kind::Custom) => {
            if super::text::storable(&custom.key) {
                Ok(custom.kind)
            } else {
                Err(misuse(schema, path, "is no key"))
            }
        }
        (None, kind) if kind != Kind::Custom => Ok(kind),
        _ => Err(misuse(schema, path, "needs a key of a custom field")),
    }
}

fn check_values(schema: &Schema, path: &Path, values: &mut [Value]) -> Result<()> {
    let kind = check_path(schema, path)?.element();
    if values.len() > MAX_VALUES {
        return Err(limit("the number of values in a filter", MAX_VALUES));
    }
    values.iter_mut().try_for_each(|value| {
        if value.is_null() {
            return Err(misuse(schema, path, "is compared with an absent value, ask for absence"));
        }
        check_value(schema, path, kind, value)?;
        check_choice(schema, path, value)
    })
}

// A code that the field can never hold is a slip of the pen: an empty answer would hide it.
fn check_choice(schema: &Schema, path: &Path, value: &Value) -> Result<()> {
    match (schema.field(path.field).choices, value) {
        (Some(choices), Value::Text(code)) if !choices.contains(&&**code) => {
            let expected = choices.join(", ");
            let message = format!("expected one of {expected}, got {code:?}");
            Err(Error::unreadable(path.name(schema), "INVALID_CHOICE", message))
        }
        _ => Ok(()),
    }
}

fn check_value(schema: &Schema, path: &Path, kind: Kind, value: &mut Value) -> Result<()> {
    // A number that no stored one can equal is still a fine bound to compare with.
    if let (Kind::Decimal { .. }, Value::Decimal(decimal)) = (kind, &mut *value) {
        *decimal = decimal.normalize();
        return Ok(());
    }
    value.normalise(kind).map_err(|(code, message)| {
        Error::unreadable(path.name(schema), code, format!("the value {message}"))
    })?;
    if let (Kind::Text, Value::Text(text)) = (kind, value) {
        *text = fold(text);
    }
    Ok(())
}

fn misuse(schema: &Schema, path: &Path, message: &str) -> Error {
    let name = path.name(schema);
    Error::unreadable(name.clone(), "INVALID_FILTER", format!("{name} {message}"))
}

pub(crate) fn limit(what: &str, limit: usize) -> Error {
    Error::Limit { what: what.to_owned(), limit: limit as u64 }
}
