//! Values that fit a schema, as far as a schema tells; what it does not tell is learned from what
//! the server refuses.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::document::{Document, choices, kind};

/// Makes values that fit schemas. Each differs from those before in whatever may be unique.
#[derive(Debug, Clone)]
pub struct Sampler {
    word: String,
    number: u64,
}

/// A body that an operation takes: its schema, and what was learned of it.
#[derive(Debug, Clone)]
pub struct Form {
    /// The schema.
    pub schema: Value,
    /// The values that stand fast. `{n}` in a text is a number that was never there before.
    pub given: Map<String, Value>,
    /// Fields that the server would not take as they are made here.
    pub left_out: BTreeSet<String>,
    /// Fields that have to stay as the record has them.
    pub as_shown: BTreeSet<String>,
}

const DEEPEST: usize = 8;

impl Sampler {
    /// Texts begin with this word, by which they are known again.
    pub fn new(word: impl Into<String>) -> Self {
        Self { word: word.into(), number: 0 }
    }

    /// The word that its texts begin with.
    pub fn word(&self) -> &str {
        &self.word
    }

    pub(super) fn count(&mut self) {
        self.number += 1;
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Makes up nothing that another one did with the same word.
    pub(super) fn go_on_after(&mut self, other: &Self) {
        self.number = self.number.max(other.number);
    }

    /// A body by a form. `reference` has the identifier that goes into a field that names
    /// another record, if there is one.
    pub fn body(
        &mut self,
        document: &Document,
        form: &Form,
        reference: &dyn Fn(&str) -> Option<String>,
    ) -> Value {
        self.number += 1;
        let sampled = self.value(document, &form.schema, "", 0, reference);
        let mut body = sampled.and_then(|body| body.as_object().cloned()).unwrap_or_default();
        body.retain(|name, _| !form.left_out.contains(name) && name != "version");
        for (name, value) in &form.given {
            body.insert(name.clone(), self.numbered(value));
        }
        Value::Object(body)
    }

    fn numbered(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => json!(text.replace("{n}", &self.number.to_string())),
            Value::Array(items) => items.iter().map(|item| self.numbered(item)).collect(),
            Value::Object(map) => {
                map.iter().map(|(name, value)| (name.clone(), self.numbered(value))).collect()
            }
            other => other.clone(),
        }
    }

    /// A value for a field; none where there is nothing to refer to.
    fn value(
        &self,
        document: &Document,
        schema: &Value,
        name: &str,
        depth: usize,
        reference: &dyn Fn(&str) -> Option<String>,
    ) -> Option<Value> {
        let schema = document.resolve(schema);
        if depth > DEEPEST {
            return None;
        }
        if let Some(choices) = schema["enum"].as_array() {
            return choices.iter().find(|choice| !choice.is_null()).cloned();
        }
        let inner =
            |schema: &Value, name: &str| self.value(document, schema, name, depth + 1, reference);
        if let Some(first) = choices(schema).next() {
            return inner(first, name);
        }
        Some(match kind(schema) {
            "boolean" => json!(false),
            "integer" | "number" => schema.get("minimum").cloned().unwrap_or_else(|| json!(1)),
            "array" => {
                inner(&schema["items"], name).map_or_else(|| json!([]), |item| json!([item]))
            }
            "object" => {
                let properties = schema["properties"].as_object().into_iter().flatten();
                properties
                    .filter_map(|(name, schema)| Some((name.clone(), inner(schema, name)?)))
                    .collect()
            }
            "string" if schema["format"] == "uuid" => return reference(name).map(Value::from),
            "string" => json!(self.text(name, schema["format"].as_str().unwrap_or_default())),
            _ => return None,
        })
    }

    fn text(&self, name: &str, format: &str) -> String {
        let (word, n) = (&self.word, self.number);
        let lower = name.to_lowercase();
        let says = |part: &str| lower.contains(part);
        match format {
            "date" => "2026-01-31".to_owned(),
            "date-time" => "2026-01-31T09:30:00Z".to_owned(),
            "decimal" => "12.50".to_owned(),
            "email" => format!("{}{n}@probe.example", word.to_lowercase()),
            "uri" | "url" => format!("https://{}{n}.example/", word.to_lowercase()),
            _ if says("email") => format!("{}{n}@probe.example", word.to_lowercase()),
            _ if says("website") || says("url") => {
                format!("https://{}{n}.example/", word.to_lowercase())
            }
            _ if says("phone") => "+4930901820".to_owned(),
            _ if says("country") => "DE".to_owned(),
            _ if says("currency") => "EUR".to_owned(),
            _ if says("locale") || says("language") => "de-DE".to_owned(),
            _ if says("timezone") || says("time_zone") => "Europe/Berlin".to_owned(),
            _ if says("color") || says("colour") => "#aabbcc".to_owned(),
            _ if says("password") => "correct horse battery".to_owned(),
            _ if lower == "key" || says("slug") || says("username") => {
                format!("{}{n}", word.to_lowercase())
            }
            _ => format!("{word} {name} {n}"),
        }
    }
}

impl Form {
    /// Of a schema, with nothing learned yet.
    pub fn new(schema: Value) -> Self {
        Self { schema, given: Map::new(), left_out: BTreeSet::new(), as_shown: BTreeSet::new() }
    }

    /// Learns from a refusal: the fields that it names are left out from now on, or stay as they
    /// are. Whether there was anything to learn.
    pub fn learn(&mut self, refusal: &Value) -> bool {
        let errors = refusal["errors"].as_array().into_iter().flatten();
        let mut learned = false;
        for error in errors {
            let path = error["field"].as_str().unwrap_or_default();
            let field = path.split(['.', '[']).next().unwrap_or_default();
            if error["code"] == "IMMUTABLE" {
                learned |= self.as_shown.insert(field.to_owned());
            } else if !field.is_empty()
                && error["code"] != "REQUIRED"
                && !self.given.contains_key(field)
            {
                learned |= self.left_out.insert(field.to_owned());
            }
        }
        learned
    }
}
