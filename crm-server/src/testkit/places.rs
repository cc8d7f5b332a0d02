//! The fields of a body, as its schema has them: where something could be named that is somebody
//! else's.

use serde_json::{Value, json};

use super::document::{Document, choices, kind};

/// A field of a body that can name somebody's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    Id,
    /// An object of a type and an identifier.
    TypedId,
    /// Which records are meant, in the language of filters.
    Expression,
    Text,
    Map,
}

/// A step on the way to a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Field(String),
    Item,
}

impl Step {
    pub(super) fn name(&self) -> Option<&str> {
        match self {
            Self::Field(name) => Some(name),
            Self::Item => None,
        }
    }

    pub(super) fn shown(&self) -> String {
        self.name().map_or_else(|| "[]".to_owned(), |name| format!(".{name}"))
    }
}

/// Whether a field names a record, by its format or its name.
pub(super) fn is_id(name: &str, schema: &Value) -> bool {
    let lower = name.to_lowercase();
    schema["format"] == "uuid"
        || lower == "id"
        || lower == "ids"
        || name.ends_with("Id")
        || name.ends_with("Ids")
}

/// The fields of a body that can name something, each with the way to it.
pub(super) fn fields(
    document: &Document,
    schema: &Value,
    steps: &mut Vec<Step>,
    found: &mut Vec<(Vec<Step>, Field)>,
) {
    let schema = document.resolve(schema);
    if steps.len() > 6 {
        return;
    }
    let name = steps.iter().rev().find_map(Step::name).unwrap_or_default();
    if name == "filter" && ["string", ""].contains(&kind(schema)) {
        found.push((steps.clone(), Field::Expression));
        return;
    }
    match kind(schema) {
        "string" if schema.get("enum").is_none() => {
            let field = if is_id(name, schema) { Field::Id } else { Field::Text };
            let dated = ["date", "date-time", "decimal"];
            if field == Field::Id || !dated.iter().any(|format| schema["format"] == **format) {
                found.push((steps.clone(), field));
            }
        }
        "array" => {
            steps.push(Step::Item);
            fields(document, &schema["items"], steps, found);
            steps.pop();
        }
        "object" => {
            if schema["additionalProperties"].is_object() {
                found.push((steps.clone(), Field::Map));
            }
            let properties = &schema["properties"];
            if is_id("", document.resolve(&properties["id"])) && properties["type"].is_object() {
                found.push((steps.clone(), Field::TypedId));
            }
            for (name, property) in properties.as_object().into_iter().flatten() {
                steps.push(Step::Field(name.clone()));
                fields(document, property, steps, found);
                steps.pop();
            }
        }
        _ => {
            for one in choices(schema) {
                fields(document, one, steps, found);
            }
        }
    }
}

/// Puts a value into a body; a list holds it alone.
pub(super) fn put(body: &mut Value, steps: &[Step], value: Value) {
    match steps {
        [] => *body = value,
        [Step::Field(name), rest @ ..] => {
            if !body.is_object() {
                *body = json!({});
            }
            put(&mut body[name], rest, value);
        }
        [Step::Item, rest @ ..] => {
            let mut item = body.get(0).cloned().unwrap_or(Value::Null);
            put(&mut item, rest, value);
            *body = json!([item]);
        }
    }
}
