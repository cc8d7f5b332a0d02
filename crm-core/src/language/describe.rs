//! The parameters of a list, for documentation made from the schema.

use super::list::{CONTROLS, DEFAULT_LIMIT, MAX_LIST_LIMIT};
use super::operator::suffixes_of;
use crate::store::{Field, Kind, MAX_SORTS, Schema};

/// One parameter of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParameterDescription {
    /// Its name; `customFields.{key}` stands for each of the tenant's own fields.
    pub name: String,
    /// What its value, or each of its values, is read as.
    pub kind: Kind,
    /// Whether several values may be given, separated by commas.
    pub multiple: bool,
    /// The suffixes it takes, as in `value[gte]`; none where it is no field.
    pub suffixes: Vec<&'static str>,
    /// The values it may have, where they are known.
    pub choices: Option<&'static [&'static str]>,
    /// The fields that it may name, where it names fields; `customFields.{key}` stands for each of
    /// the tenant's own ones.
    pub one_of: Vec<String>,
    /// What it does, in a sentence or two.
    pub description: String,
    /// A value that it takes.
    pub example: String,
}

/// The parameters that every list of this record type takes: those of the list itself, then the
/// fields that it can be filtered by.
pub fn describe(schema: &Schema) -> Vec<ParameterDescription> {
    let mut all = controls(schema);
    all.extend(schema.fields().iter().filter(|field| field.filterable && !field.secret).map(field));
    all
}

fn controls(schema: &Schema) -> Vec<ParameterDescription> {
    let sortable = schema
        .fields()
        .iter()
        .filter(|field| field.sortable && field.filterable && !field.secret)
        .map(|field| field.name.to_string());
    let own = schema.custom().map(|field| format!("{}.{{key}}", schema.field(field).name));
    let sortable: Vec<String> = sortable.chain(own).collect();
    let number = |name, description: String, example: &str| {
        control(name, Kind::Int, None, description, example)
    };
    let text = |name, description: &str, example: &str| {
        control(name, Kind::Text, None, description.to_owned(), example)
    };
    let code = |name, choices, description: &str, example: &str| {
        control(name, Kind::Code, Some(choices), description.to_owned(), example)
    };
    let mut all = vec![
        number("page", "The number of the page, from 1. Not together with `cursor`.".into(), "1"),
        number(
            "limit",
            format!("How many records, {DEFAULT_LIMIT} unless given, at most {MAX_LIST_LIMIT}."),
            "50",
        ),
        text(
            "cursor",
            "Walks through everything at constant cost: empty to begin, then `meta.nextCursor`.",
            "",
        ),
        code(
            "count",
            &["exact", "none"],
            "Whether `meta.total` is wanted: by default with pages, not with cursors.",
            "none",
        ),
        ParameterDescription {
            multiple: true,
            one_of: sortable.clone(),
            ..control(
                "sort",
                Kind::Text,
                None,
                format!(
                    "What to sort by, at most {MAX_SORTS} of {}; `-` before a name for the \
                     largest first. Empty values come last.",
                    sortable.join(", ")
                ),
                "-createdAt",
            )
        },
        code(
            "order",
            &["asc", "desc"],
            "The direction of the fields in `sort` that have no `-`.",
            "desc",
        ),
        text(
            "filter",
            "An AIP-160 expression over the same fields, for what parameters cannot say.",
            "createdAt >= 2026-01-01 AND NOT version = 1",
        ),
        code(
            "includeDeleted",
            &["true", "false", "only"],
            "Deleted records too, or only those, for callers with the permission.",
            "true",
        ),
        ParameterDescription {
            multiple: true,
            ..text("expand", "What to embed, instead of what the list embeds by itself.", "tags")
        },
    ];
    if schema.searchable().next().is_some() {
        all.push(text(
            "search",
            "Words that must all occur in the searchable fields, without case or accents.",
            "acme berlin",
        ));
    }
    all
}

fn control(
    name: &str,
    kind: Kind,
    choices: Option<&'static [&'static str]>,
    description: String,
    example: &str,
) -> ParameterDescription {
    ParameterDescription {
        name: name.to_owned(),
        kind,
        multiple: false,
        suffixes: Vec::new(),
        choices,
        one_of: Vec::new(),
        description,
        example: example.to_owned(),
    }
}

fn field(field: &Field) -> ParameterDescription {
    let name = &field.name;
    if field.kind == Kind::Custom {
        return ParameterDescription {
            suffixes: suffixes_of(Kind::Text),
            ..control(
                &format!("{name}.{{key}}"),
                Kind::Text,
                None,
                "One of the tenant's own fields, read as what the tenant declared.".to_owned(),
                "value",
            )
        };
    }
    let (what, example) = match field.kind {
        Kind::Bool => ("Whether it is so", "true"),
        Kind::Int => ("A whole number", "3"),
        Kind::Decimal { .. } => ("A number", "1000.50"),
        Kind::Text => ("A text, compared without case or accents", "acme"),
        Kind::Code => ("A code", field.choices.and_then(|c| c.first()).copied().unwrap_or("code")),
        Kind::Uuid | Kind::Uuids => ("An identifier", "0190b3c4-5d6e-7f80-9a1b-2c3d4e5f6071"),
        Kind::Date => ("A date", "2026-01-31"),
        Kind::Time => ("A time; a date means its first instant in UTC", "2026-01-31T09:30:00Z"),
        Kind::Codes => ("A code of the list", "code"),
        Kind::Json | Kind::Custom => ("", ""),
    };
    let example = field.reading.map_or(example, |reading| reading.example);
    let several = if field.kind.is_list() {
        "several mean any of them, with `[all]` all of them"
    } else {
        "several mean any of them"
    };
    let suffixes = suffixes_of(field.kind);
    let description = format!("{what}; {several}.");
    // A field that is called as a parameter of the list is reached with a suffix only.
    let hidden = CONTROLS.contains(&&**name);
    ParameterDescription {
        name: if hidden { format!("{name}[eq]") } else { name.to_string() },
        kind: field.kind.element(),
        multiple: !hidden,
        suffixes: if hidden { Vec::new() } else { suffixes },
        choices: field.choices,
        one_of: Vec::new(),
        description,
        example: example.to_owned(),
    }
}
