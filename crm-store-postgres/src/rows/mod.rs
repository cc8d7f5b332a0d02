//! How a record lies in its table: which columns there are, and what stands in them.
//!
//! The columns of a record type are declared in [`crate::tables`]; this module writes and reads
//! them, by position, without looking a name up.

mod custom;
mod decode;
mod encode;
mod terms;
mod values;

use std::borrow::Cow;

use crm_core::store::{FieldIndex, Kind, Schema, Scoping};

use crate::tables::{has_search, names};

pub(crate) use custom::{from_json as json_to_fields, shown_tag, tag_of};
pub(crate) use decode::{decode, decode_value};
pub(crate) use encode::{encode, encode_column, encode_value};
pub(crate) use terms::{element_term, search_terms};
pub(crate) use values::{
    Entry, changed_entries, entries_of, field_number, long_number, numbers_of, octets, own_fields,
    whole_octets,
};

/// A column behind the tenant's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Column {
    /// A field's value.
    Field(FieldIndex),
    /// The key by which a field's text is compared.
    Key(FieldIndex),
    /// What a search looks into.
    SearchText,
    /// What an index narrows a search down by.
    Terms,
}

/// The columns of a record type behind the tenant's, in the order in which they are written.
pub(crate) fn columns(schema: &Schema) -> Vec<Column> {
    let mut columns: Vec<Column> = Vec::with_capacity(schema.fields().len() + 8);
    for (i, field) in (0..).zip(schema.fields()) {
        columns.push(Column::Field(i));
        if field.has_key() {
            columns.push(Column::Key(i));
        }
    }
    if has_search(schema) {
        columns.extend([Column::SearchText, Column::Terms]);
    }
    columns
}

/// Whether the table has a column for the tenant.
pub(crate) fn has_tenant(schema: &Schema) -> bool {
    schema.scoping() == Scoping::Tenant
}

impl Column {
    pub(crate) fn name(self, schema: &Schema) -> Cow<'_, str> {
        match self {
            Self::Field(i) => schema.field(i).column().into(),
            Self::Key(i) => names::key_column(schema.field(i)).into(),
            Self::SearchText => names::SEARCH_TEXT.into(),
            Self::Terms => names::TERMS.into(),
        }
    }

    /// The kind of the values in it.
    pub(crate) fn kind(self, schema: &Schema) -> Option<Kind> {
        match self {
            Self::Field(i) => Some(schema.field(i).kind),
            Self::Key(_) | Self::SearchText => Some(Kind::Code),
            Self::Terms => None,
        }
    }
}
