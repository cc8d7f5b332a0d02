//! What a record type declares of one of its fields. Nothing here looks at a record.

use std::borrow::Cow;

use crate::error::Result;
use crate::store::value::Kind;

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
    /// What a text is made of that the library computes from others: `name|firstName lastName` is
    /// the first of these that there is, names side by side together. The store does not use it.
    pub made_of: Option<&'static str>,
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
            made_of: None,
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

    /// Is made of these fields.
    #[must_use]
    pub fn made_of(mut self, fields: &'static str) -> Self {
        self.made_of = Some(fields);
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
