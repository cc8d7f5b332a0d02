//! The columns of an export: the fields of the view, with those of what it embeds and the
//! tenant's own each in a column of its own.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, Utc};
use crm_core::custom_fields::CustomField;
use crm_core::store::{Kind, Schema};
use poem_openapi::registry::{MetaSchema, MetaSchemaRef, Registry};
use poem_openapi::types::Type;
use rust_decimal::Decimal;
use serde_json::{Map, Value};

use crate::api::error::ApiError;

/// A column.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Column {
    /// `name`, `assignedUser.name`, `customFields.seats`.
    pub(super) name: String,
    /// What its values are, where that is known.
    kind: Option<Kind>,
}

/// What stands in a cell.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell {
    Empty,
    Text(String),
    Bool(bool),
    Int(i64),
    Decimal(Decimal),
    Date(NaiveDate),
    Time(DateTime<Utc>),
}

impl Column {
    /// The field of the view that it is in.
    pub(super) fn field(&self) -> &str {
        self.name.split('.').next().unwrap_or_default()
    }

    /// Its cell in a record.
    pub(super) fn cell(&self, record: &Map<String, Value>) -> Cell {
        let mut path = self.name.splitn(2, '.');
        let value = path.next().and_then(|field| record.get(field));
        let value = match path.next() {
            None => value,
            Some(within) => value.and_then(|value| value.get(within)),
        };
        value.map_or(Cell::Empty, |value| cell(value, self.kind))
    }
}

/// All columns of a view, in the order of its fields.
pub(super) fn all<V: Type>(schema: &Schema, custom: &[CustomField]) -> Vec<Column> {
    let mut registry = Registry::new();
    V::register(&mut registry);
    let of = |reference: &MetaSchemaRef| resolved(reference, &registry.schemas);
    let kinds: HashMap<&str, Kind> =
        schema.fields().iter().map(|field| (&*field.name, field.kind)).collect();
    let own = schema.custom().map(|field| &*schema.field(field).name);
    let mut columns = Vec::new();
    for (name, property) in of(&V::schema_ref()).properties {
        let kind = kinds.get(name).copied();
        let embedded = of(&property).properties;
        if own == Some(name) {
            columns.extend(custom.iter().map(|field| Column {
                name: format!("{name}.{}", field.key),
                kind: Some(field.field_type.kind()),
            }));
        } else if embedded.is_empty() {
            columns.push(Column { name: name.to_owned(), kind });
        } else {
            // Its identifier stands in a column of its own already.
            let within = embedded.into_iter().filter(|(within, _)| *within != "id");
            columns.extend(
                within.map(|(within, _)| Column { name: format!("{name}.{within}"), kind: None }),
            );
        }
    }
    columns
}

/// What `fields` may ask for of a view, whatever fields of its own a tenant has.
pub(super) fn named<V: Type>(schema: &Schema) -> Vec<String> {
    let mut names = Vec::new();
    for column in all::<V>(schema, &[]) {
        // A field that has several columns stands for all of them.
        let field = column.field().to_owned();
        for name in [field, column.name] {
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    let own = schema.custom().map(|field| format!("{}.{{key}}", schema.field(field).name));
    names.extend(own);
    names
}

/// A name may stand in quotes, as the values of a filter may.
fn unquoted(name: &str) -> &str {
    name.strip_prefix('"').and_then(|name| name.strip_suffix('"')).unwrap_or(name)
}

/// The columns that `fields` asks for, in its order, or all but those that are there only where
/// they are asked for. A field that has several columns stands for all of them.
///
/// # Errors
/// 400 naming the first that is unknown.
pub(super) fn chosen(
    all: &[Column],
    fields: &str,
    on_demand: &[&str],
) -> Result<Vec<Column>, ApiError> {
    let mut chosen: Vec<Column> = Vec::new();
    // Named in full: schema types have an `is_empty` of their own, which is always false for texts.
    let names = fields.split(',').map(|name| unquoted(name.trim()));
    for name in names.filter(|name| !str::is_empty(name)) {
        let meant = |column: &&Column| column.name == name || column.field() == name;
        let found: Vec<&Column> = all.iter().filter(meant).collect();
        for column in &found {
            if !chosen.contains(column) {
                chosen.push((*column).clone());
            }
        }
        if found.is_empty() {
            let known: Vec<&str> = all.iter().map(|column| &*column.name).collect();
            let message = format!("expected some of {}, got {name:?}", known.join(", "));
            return Err(ApiError::unreadable("fields", "UNKNOWN_FIELD", message));
        }
    }
    if chosen.is_empty() {
        let by_itself = all.iter().filter(|column| !on_demand.contains(&column.field()));
        chosen.extend(by_itself.cloned());
    }
    Ok(chosen)
}

/// What a record shows in some columns only.
pub(super) fn narrowed(record: Map<String, Value>, columns: &[Column]) -> Map<String, Value> {
    let mut narrow = Map::new();
    for column in columns {
        let field = column.field();
        let Some(value) = record.get(field) else { continue };
        match column.name.split_once('.') {
            None => drop(narrow.insert(field.to_owned(), value.clone())),
            Some((_, within)) => {
                let part = narrow.entry(field).or_insert_with(|| match value {
                    Value::Object(_) => Value::Object(Map::new()),
                    other => other.clone(),
                });
                if let (Some(part), Some(value)) = (part.as_object_mut(), value.get(within)) {
                    part.insert(within.to_owned(), value.clone());
                }
            }
        }
    }
    narrow
}

/// A schema without what it refers to by name.
fn resolved(
    reference: &MetaSchemaRef,
    schemas: &std::collections::BTreeMap<String, MetaSchema>,
) -> MetaSchema {
    match reference {
        MetaSchemaRef::Reference(name) => schemas.get(name).cloned().unwrap_or(MetaSchema::ANY),
        // A reference with a description beside it.
        MetaSchemaRef::Inline(schema) => match schema.all_of.first() {
            Some(MetaSchemaRef::Reference(name)) => {
                schemas.get(name).cloned().unwrap_or(MetaSchema::ANY)
            }
            _ => MetaSchema::clone(schema),
        },
    }
}

fn cell(value: &Value, kind: Option<Kind>) -> Cell {
    let typed = |text: &str| match kind? {
        Kind::Decimal { .. } => text.parse().ok().map(Cell::Decimal),
        Kind::Date => text.parse().ok().map(Cell::Date),
        Kind::Time => {
            let time = DateTime::parse_from_rfc3339(text).ok()?;
            Some(Cell::Time(time.to_utc()))
        }
        _ => None,
    };
    match value {
        Value::Null => Cell::Empty,
        Value::Bool(bool) => Cell::Bool(*bool),
        Value::Number(number) => match number.as_i64() {
            Some(int) => Cell::Int(int),
            None => typed(&number.to_string())
                .or_else(|| number.to_string().parse().ok().map(Cell::Decimal))
                .unwrap_or_else(|| Cell::Text(number.to_string())),
        },
        Value::String(text) if text.is_empty() => Cell::Empty,
        Value::String(text) => typed(text).unwrap_or_else(|| Cell::Text(text.clone())),
        Value::Array(items) if items.is_empty() => Cell::Empty,
        Value::Array(items) => Cell::Text(items.iter().map(called).collect::<Vec<_>>().join("; ")),
        Value::Object(_) => Cell::Text(value.to_string()),
    }
}

/// What something in a list is called: by its name, where it has one.
fn called(item: &Value) -> String {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let named = item.as_object().and_then(|item| {
        let name = item.get("name").and_then(text);
        name.or_else(|| item.get("id").and_then(text))
    });
    named.or_else(|| text(item)).unwrap_or_else(|| item.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn column(name: &str, kind: Option<Kind>) -> Column {
        Column { name: name.to_owned(), kind }
    }

    fn of(value: Value, kind: Option<Kind>) -> Cell {
        let record = json!({"field": value});
        column("field", kind).cell(record.as_object().unwrap())
    }

    #[test]
    fn a_cell_has_the_type_of_its_field() {
        let decimal = Some(Kind::Decimal { scale: 2 });
        assert_eq!(of(json!("12.50"), decimal), Cell::Decimal("12.50".parse().unwrap()));
        assert_eq!(of(json!("12.50"), Some(Kind::Text)), Cell::Text("12.50".to_owned()));
        assert_eq!(of(json!(-3), Some(Kind::Int)), Cell::Int(-3));
        assert_eq!(of(json!("-3"), None), Cell::Text("-3".to_owned()));
        assert_eq!(of(json!(true), Some(Kind::Bool)), Cell::Bool(true));
        let date = Cell::Date(NaiveDate::from_ymd_opt(2026, 3, 31).unwrap());
        assert_eq!(of(json!("2026-03-31"), Some(Kind::Date)), date);
        let time = Cell::Time("2026-03-31T08:00:00Z".parse().unwrap());
        assert_eq!(of(json!("2026-03-31T10:00:00+02:00"), Some(Kind::Time)), time);
        assert_eq!(of(json!(null), decimal), Cell::Empty);
        assert_eq!(of(json!("x"), decimal), Cell::Text("x".to_owned()));
    }

    #[test]
    fn lists_are_told_by_name() {
        let tags = json!([{"id": "1", "name": "vip"}, {"id": "2", "name": null}]);
        assert_eq!(of(tags, None), Cell::Text("vip; 2".to_owned()));
        assert_eq!(of(json!(["a", "b"]), None), Cell::Text("a; b".to_owned()));
    }

    #[test]
    fn a_column_can_lie_within_a_field() {
        let record = json!({"owner": {"name": "Ada"}, "customFields": {"a.b": 1}});
        let record = record.as_object().unwrap();
        assert_eq!(column("owner.name", None).cell(record), Cell::Text("Ada".to_owned()));
        assert_eq!(column("owner.email", None).cell(record), Cell::Empty);
        assert_eq!(column("customFields.a.b", None).cell(record), Cell::Int(1));
    }

    #[test]
    fn fields_are_chosen_in_their_order_and_once() {
        let all = || ["id", "name", "custom.a", "custom.b"].map(|n| column(n, None)).to_vec();
        let names = |fields| {
            chosen(&all(), fields, &["custom"])
                .map(|c| c.into_iter().map(|c| c.name).collect::<Vec<_>>())
        };
        assert_eq!(names("name,id,name").unwrap(), ["name", "id"]);
        assert_eq!(names("custom.b,custom").unwrap(), ["custom.b", "custom.a"]);
        assert_eq!(names(" ").unwrap(), ["id", "name"], "what is there only where it is asked for");
        assert_eq!(names(r#""name", id"#).unwrap(), ["name", "id"]);
        assert_eq!(names("nmae").unwrap_err().faults()[0].field.as_deref(), Some("fields"));
    }

    #[test]
    fn a_narrowed_record_keeps_its_shape() {
        let record = json!({"id": 1, "owner": {"id": 2, "name": "Ada"}, "tags": []});
        let columns = [column("owner.name", None), column("tags", None)];
        let narrow = narrowed(record.as_object().unwrap().clone(), &columns);
        assert_eq!(Value::Object(narrow), json!({"owner": {"name": "Ada"}, "tags": []}));
        let none = json!({"owner": null});
        let narrow = narrowed(none.as_object().unwrap().clone(), &columns);
        assert_eq!(Value::Object(narrow), json!({"owner": null}));
    }
}
