//! A tenant's own fields as one flat document, in which a key says what it holds: `i:seats` is a
//! whole number. So a cast of `i:seats` never fails, and a value of another kind is absent.
//!
//! A text has a second entry, `f:region` beside `t:region`, by which it is compared.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use crm_core::store::{Kind, Value, fold};
use crm_core::{Error, Result};
use serde_json::{Map, Value as Json};

/// The tag of the entry that is compared where a field is asked for as this kind.
pub(crate) fn tag_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Bool => "b:",
        Kind::Int => "i:",
        Kind::Decimal { .. } => "n:",
        Kind::Text => "f:",
        Kind::Code => "t:",
        Kind::Uuid => "u:",
        Kind::Date => "d:",
        Kind::Time => "T:",
        Kind::Uuids => "U:",
        Kind::Codes => "C:",
        // Filters do not get here with these; an entry of that name does not exist.
        Kind::Json | Kind::Custom => "-:",
    }
}

/// The tag of the entry that shows a field of this kind as it was written.
pub(crate) fn shown_tag(kind: Kind) -> &'static str {
    if kind == Kind::Text { "t:" } else { tag_of(kind) }
}

/// The document of these fields.
pub(crate) fn to_json(fields: &BTreeMap<String, Value>) -> Json {
    let mut document = Map::new();
    for (key, value) in fields {
        let (tag, json) = match value {
            Value::Bool(value) => ("b:", Json::Bool(*value)),
            Value::Int(value) => ("i:", (*value).into()),
            Value::Decimal(value) => ("n:", value.to_string().into()),
            Value::Text(value) => {
                document.insert(format!("f:{key}"), fold(value).into());
                ("t:", value.clone().into())
            }
            Value::Uuid(value) => ("u:", value.to_string().into()),
            Value::Date(value) => ("d:", value.to_string().into()),
            Value::Time(value) => ("T:", value.to_rfc3339_opts(SecondsFormat::Micros, true).into()),
            Value::Uuids(values) => {
                ("U:", values.iter().map(|id| Json::from(id.to_string())).collect())
            }
            Value::Codes(values) => ("C:", values.iter().map(|code| Json::from(&**code)).collect()),
            Value::Null | Value::Json(_) | Value::Custom(_) => continue,
        };
        document.insert(format!("{tag}{key}"), json);
    }
    Json::Object(document)
}

/// The fields of such a document.
pub(crate) fn from_json(document: Json) -> Result<BTreeMap<String, Value>> {
    let Json::Object(document) = document else { return Err(unreadable("the document")) };
    let mut fields = BTreeMap::new();
    for (tagged, json) in document {
        let Some((tag, key)) = tagged.split_at_checked(2) else { return Err(unreadable(&tagged)) };
        if tag != "f:" {
            let value = read(tag, json).ok_or_else(|| unreadable(&tagged))?;
            fields.insert(key.to_owned(), value);
        }
    }
    Ok(fields)
}

fn read(tag: &str, json: Json) -> Option<Value> {
    Some(match (tag, json) {
        ("b:", Json::Bool(value)) => Value::Bool(value),
        ("i:", Json::Number(value)) => Value::Int(value.as_i64()?),
        ("t:", Json::String(value)) => Value::Text(value),
        ("n:", Json::String(value)) => Value::Decimal(value.parse().ok()?),
        ("u:", Json::String(value)) => Value::Uuid(value.parse().ok()?),
        ("d:", Json::String(value)) => Value::Date(value.parse::<NaiveDate>().ok()?),
        ("T:", Json::String(value)) => Value::Time(value.parse::<DateTime<Utc>>().ok()?),
        ("U:", Json::Array(values)) => {
            Value::Uuids(values.iter().map(|id| id.as_str()?.parse().ok()).collect::<Option<_>>()?)
        }
        ("C:", Json::Array(values)) => Value::Codes(
            values.iter().map(|code| Some(code.as_str()?.to_owned())).collect::<Option<_>>()?,
        ),
        _ => return None,
    })
}

fn unreadable(what: &str) -> Error {
    Error::internal(format!("stored custom fields: {what} is not as the library writes it"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_kind_comes_back_and_says_what_it_is() {
        let fields: BTreeMap<String, Value> = [
            ("region", Value::from("ÉMEA")),
            ("seats", Value::from(5)),
            ("price", Value::Decimal("12.500000".parse().unwrap())),
            ("vip", Value::from(true)),
            ("since", Value::Date("2026-01-01".parse().unwrap())),
            ("seen", Value::Time("2026-01-01T00:00:00.000001Z".parse().unwrap())),
            ("langs", Value::Codes(vec!["de".into()])),
            ("i:odd", Value::from(1)),
            ("", Value::from(2)),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into();
        let document = to_json(&fields);
        assert_eq!(
            document,
            json!({
                "t:region": "ÉMEA", "f:region": "emea", "i:seats": 5, "n:price": "12.500000",
                "b:vip": true, "d:since": "2026-01-01", "T:seen": "2026-01-01T00:00:00.000001Z",
                "C:langs": ["de"], "i:i:odd": 1, "i:": 2,
            })
        );
        assert_eq!(from_json(document).unwrap(), fields);
    }
}
