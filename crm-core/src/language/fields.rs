//! From a field's name in a request to its place in the schema.

use super::Context;
use crate::error::{Error, Result};
use crate::near::near;
use crate::store::{Field, FieldIndex, Kind, Path};

impl Context<'_> {
    /// The place that a filter names.
    pub(super) fn filterable(&self, name: &str) -> Result<Path, Fault> {
        let path = self.path(name).ok_or_else(|| self.unknown(name))?;
        if self.schema.field(path.field).filterable {
            Ok(path)
        } else {
            let known = self.names(|field| field.filterable);
            let message = format!("{} cannot be filtered by {name}", self.schema);
            Err(Fault::new("NOT_FILTERABLE", with_list(message, &known)))
        }
    }

    /// The place that a sort names.
    pub(super) fn sortable(&self, name: &str) -> Result<Path> {
        let known = self.names(|field| field.sortable && field.filterable);
        let refused =
            |code, message: String| Error::unreadable("sort", code, with_list(message, &known));
        let Some(path) = self.path(name) else {
            let message = format!("{} have no field {name}", self.schema);
            return Err(match meant(name, known.iter().map(String::as_str)) {
                Some(meant) => Error::unreadable("sort", "UNKNOWN_FIELD", message + &meant),
                None => refused("UNKNOWN_FIELD", message),
            });
        };
        let field = self.schema.field(path.field);
        let own = path.custom.is_some();
        if !field.filterable || !(field.sortable || own) || !path.kind(self.schema).is_ordered() {
            let message = format!("{} cannot be sorted by {name}", self.schema);
            return Err(refused("NOT_SORTABLE", message));
        }
        Ok(path)
    }

    /// Whether `name` is the field that holds the tenant's own ones.
    pub(super) fn is_custom(&self, name: &str) -> bool {
        self.schema.custom().is_some_and(|field| self.index_of(name) == Some(field))
    }

    /// What is wrong with a name that stands for no field.
    pub(super) fn unknown(&self, name: &str) -> Fault {
        if self.is_custom(name) {
            let message = format!("{name} needs the key of a field: {name}.key");
            return Fault::new("UNKNOWN_FIELD", message);
        }
        let message = format!("{} have no field {name}", self.schema);
        let keys = self.schema.custom().map_or_else(Vec::new, |field| {
            let field = &self.schema.field(field).name;
            self.custom.keys().iter().map(|key| format!("{field}.{key}")).collect()
        });
        let known: Vec<String> =
            self.names(|field| field.filterable).into_iter().chain(keys).collect();
        match meant(name, known.iter().map(String::as_str)) {
            Some(meant) => Fault::new("UNKNOWN_FIELD", message + &meant),
            None => Fault::new("UNKNOWN_FIELD", with_list(message, &known)),
        }
    }

    /// The names of the fields that are wanted and may be known.
    pub(super) fn names(&self, wanted: impl Fn(&Field) -> bool) -> Vec<String> {
        let plain = |field: &&Field| {
            field.kind != Kind::Custom
                && !field.secret
                && wanted(field)
                && !self.custom.is_left_out(&field.name)
        };
        self.schema.fields().iter().filter(plain).map(|field| field.name.to_string()).collect()
    }

    fn path(&self, name: &str) -> Option<Path> {
        if let Some((first, key)) = name.split_once('.')
            && let Some(field) = self.schema.custom()
            && self.index_of(first) == Some(field)
        {
            let kind = self.custom.kind_of(key)?;
            let plain = !matches!(kind, Kind::Json | Kind::Custom);
            return plain.then(|| Path::custom(field, key, kind));
        }
        let index = self
            .index_of(name)
            .or_else(|| self.index_of(&camel_case(name)))
            .or_else(|| self.reference(name))?;
        let field = self.schema.field(index);
        // A secret that could be filtered or sorted by could be found out bit by bit.
        let is_there = field.kind != Kind::Custom && !field.secret;
        (is_there && !self.custom.is_left_out(&field.name)).then(|| Path::field(index))
    }

    fn index_of(&self, name: &str) -> Option<FieldIndex> {
        self.schema.index_of(name).or_else(|| self.schema.index_of(&camel_case(name)))
    }

    // `stage` for `stageId`, as the record itself is embedded.
    fn reference(&self, name: &str) -> Option<FieldIndex> {
        let index = self.schema.index_of(&format!("{}Id", camel_case(name)))?;
        (self.schema.field(index).kind == Kind::Uuid).then_some(index)
    }
}

/// What is wrong, before it is known where it was written.
pub(super) struct Fault {
    pub(super) code: &'static str,
    pub(super) message: String,
}

impl Fault {
    pub(super) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// The fault of the parameter called `name`.
    pub(super) fn of(self, name: &str) -> Error {
        Error::unreadable(name, self.code, self.message)
    }
}

/// "; did you mean …?", where something near is known.
pub(super) fn meant<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    let known: Vec<(String, &str)> = known.map(|name| (plain(name), name)).collect();
    let found: Vec<&str> = near(&plain(name), known.iter().map(|(plain, _)| plain.as_str()))
        .into_iter()
        .filter_map(|found| known.iter().find(|(plain, _)| plain == found).map(|(_, name)| *name))
        .collect();
    (!found.is_empty()).then(|| format!("; did you mean {}?", found.join(" or ")))
}

fn plain(name: &str) -> String {
    name.chars().filter(|c| *c != '_').flat_map(char::to_lowercase).take(65).collect()
}

fn with_list(message: String, known: &[String]) -> String {
    if known.is_empty() { message } else { format!("{message}; known are {}", known.join(", ")) }
}

// `created_at` and `address.country` as the schema would write them.
fn camel_case(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut upper = false;
    for c in name.chars() {
        match c {
            '_' | '.' if !out.is_empty() => upper = true,
            c if upper => {
                out.extend(c.to_uppercase());
                upper = false;
            }
            c => out.push(c),
        }
    }
    out
}
