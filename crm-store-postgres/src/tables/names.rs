//! What tables, columns, indexes and constraints are called.
//!
//! Names of constraints come back in PostgreSQL's errors, so they are computed here for both the
//! statement that declares one and the code that reads the error.

use std::borrow::Cow;

use crm_core::store::{Field, FieldIndex, Kind, Schema, UniqueKey};

/// The column that every table of a tenant-scoped type begins with.
pub(crate) const TENANT: &str = "tenant_id";
/// What a search looks into, as `evaluate::search_text` computes it.
pub(crate) const SEARCH_TEXT: &str = "search_text";
/// Numbers that narrow a search down: see the module.
pub(crate) const TERMS: &str = "terms";

/// The table of the values of tenants' own fields.
pub(crate) const CUSTOM_VALUES: &str = "custom_values";
/// Its primary key.
pub(crate) const CUSTOM_VALUES_KEY: [&str; 4] = [TENANT, "record_id", "field", "part"];

// PostgreSQL cuts longer ones, and two could become one.
const LONGEST: usize = 63;

/// The column of a text field's comparison key.
pub(crate) fn key_column(field: &Field) -> String {
    format!("{}_key", field.column())
}

/// The column by which a field is compared: the key of a text, else the field's own.
pub(crate) fn compared_column(field: &Field) -> String {
    if field.kind == Kind::Text && field.has_key() {
        key_column(field)
    } else {
        field.column().to_owned()
    }
}

/// The name of a unique key's index, as PostgreSQL reports it when the key is taken. It is the
/// key's own, led by the table's unless it is already: names of indexes are shared by all tables.
pub(crate) fn unique_index(schema: &Schema, key: &UniqueKey) -> String {
    if key.name.strip_prefix(schema.name()).is_some_and(|rest| rest.starts_with('_')) {
        fit(key.name.clone().into_owned())
    } else {
        fit(format!("{}_{}", schema.name(), key.name))
    }
}

/// The name of the primary key, as PostgreSQL reports it when an id is taken.
pub(crate) fn primary_key(table: &str) -> String {
    fit(format!("{table}_pkey"))
}

/// The name of a reference's constraint, as PostgreSQL reports it when the record is missing.
pub(crate) fn foreign_key(schema: &Schema, field: FieldIndex) -> String {
    fit(format!("{}_{}_fkey", schema.name(), schema.field(field).column()))
}

/// The name of an index over these columns.
pub(crate) fn index(table: &str, columns: &[String], suffix: &str) -> String {
    fit(format!("{table}_{}_{suffix}", columns.join("_")))
}

/// The function that searches a table.
pub(crate) fn search_function(table: &str) -> String {
    fit(format!("search_{table}"))
}

fn fit(name: String) -> String {
    if name.len() <= LONGEST {
        return name;
    }
    let hash = name
        .bytes()
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(16_777_619));
    format!("{}_{hash:08x}", &name[..LONGEST - 9])
}

/// An identifier as SQL takes it: in quotes only where it is a reserved word. Names of types and
/// fields are lower case, digits and underscores already.
pub(crate) fn quoted(name: &str) -> Cow<'_, str> {
    if RESERVED.contains(&name) { Cow::Owned(format!("\"{name}\"")) } else { Cow::Borrowed(name) }
}

/// Several identifiers, in a list.
pub(crate) fn list(names: &[String]) -> String {
    names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ")
}

// `pg_get_keywords()` where `catcode` is R or T, of PostgreSQL 15 to 18.
#[rustfmt::skip]
const RESERVED: [&str; 101] = [
    "all", "analyse", "analyze", "and", "any", "array", "as", "asc", "asymmetric",
    "authorization", "binary", "both", "case", "cast", "check", "collate", "collation", "column",
    "concurrently", "constraint", "create", "cross", "current_catalog", "current_date",
    "current_role", "current_schema", "current_time", "current_timestamp", "current_user",
    "default", "deferrable", "desc", "distinct", "do", "else", "end", "except", "false", "fetch",
    "for", "foreign", "freeze", "from", "full", "grant", "group", "having", "ilike", "in",
    "initially", "inner", "intersect", "into", "is", "isnull", "join", "lateral", "leading",
    "left", "like", "limit", "localtime", "localtimestamp", "natural", "not", "notnull", "null",
    "offset", "on", "only", "or", "order", "outer", "overlaps", "placing", "primary",
    "references", "returning", "right", "select", "session_user", "similar", "some", "symmetric",
    "system_user", "table", "tablesample", "then", "to", "trailing", "true", "union", "unique",
    "user", "using", "variadic", "verbose", "when", "where", "window", "with",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_is_cut_and_still_its_own() {
        let one = index(&"t".repeat(50), &["a".repeat(20)], "idx");
        let two = index(&"t".repeat(50), &["a".repeat(21)], "idx");
        assert_eq!((one.len(), two.len()), (63, 63));
        assert_ne!(one, two);
    }

    #[test]
    fn reserved_words_are_quoted() {
        assert_eq!(quoted("order"), "\"order\"");
        assert_eq!(quoted("orders"), "orders");
    }
}
