//! A record as values to write.

use crm_core::store::evaluate::Row;
use crm_core::store::{Kind, Schema, Value};
use crm_core::{Error, Result};
use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter};

use super::terms::terms_of;
use super::{Column, custom};
use crate::sql::Bind;

/// What stands in a column of the record's row.
pub(crate) fn encode(schema: &Schema, column: Column, row: &Row) -> Bind {
    let record = row.record();
    match column {
        Column::Field(i) => encode_value(schema.field(i).kind, record.get(i)),
        Column::Key(i) => Bind::Text(row.key(i).map(str::to_owned)),
        Column::SearchText => Bind::Text(Some(row.search().to_owned())),
        Column::Terms => Bind::Terms(terms_of(schema, record, row.search())),
    }
}

/// A value as a bind of its kind's type.
pub(crate) fn encode_value(kind: Kind, value: &Value) -> Bind {
    match (kind, value) {
        (Kind::Bool, Value::Bool(value)) => Bind::Bool(Some(*value)),
        (Kind::Bool, _) => Bind::Bool(None),
        (Kind::Int, Value::Int(value)) => Bind::Int(Some(*value)),
        (Kind::Int, _) => Bind::Int(None),
        (Kind::Decimal { .. }, Value::Decimal(value)) => Bind::Decimal(Some(*value)),
        (Kind::Decimal { .. }, _) => Bind::Decimal(None),
        (Kind::Text | Kind::Code, Value::Text(value)) => Bind::Text(Some(value.clone())),
        (Kind::Text | Kind::Code, _) => Bind::Text(None),
        (Kind::Uuid, Value::Uuid(value)) => Bind::Uuid(Some(*value)),
        (Kind::Uuid, _) => Bind::Uuid(None),
        (Kind::Date, Value::Date(value)) => Bind::Date(Some(*value)),
        (Kind::Date, _) => Bind::Date(None),
        (Kind::Time, Value::Time(value)) => Bind::Time(Some(*value)),
        (Kind::Time, _) => Bind::Time(None),
        (Kind::Uuids, Value::Uuids(ids)) => Bind::Uuids(ids.iter().copied().map(Some).collect()),
        (Kind::Uuids, _) => Bind::Uuids(Vec::new()),
        (Kind::Codes, Value::Codes(codes)) => {
            Bind::Texts(codes.iter().cloned().map(Some).collect())
        }
        (Kind::Codes, _) => Bind::Texts(Vec::new()),
        (Kind::Json, Value::Json(json)) => Bind::Json(Some(document(json))),
        (Kind::Json, _) => Bind::Json(None),
        (Kind::Custom, Value::Custom(fields)) => {
            Bind::Json(Some(document(&custom::to_json(fields))))
        }
        (Kind::Custom, _) => Bind::Json(Some("{}".to_owned())),
    }
}

/// What stands in a column of several rows, as one array, and the cast that makes an element of
/// it the column's value. PostgreSQL knows no arrays of lists, so lists go as their literals.
///
/// # Errors
/// [`Error::Internal`] where the values are not of one type, which is a fault of this module.
pub(crate) fn encode_column(
    schema: &Schema,
    column: Column,
    rows: &[Row],
) -> Result<(Bind, Option<&'static str>)> {
    let binds = rows.iter().map(|row| encode(schema, column, row));
    macro_rules! gather {
        ($one:ident, $many:ident) => {{
            let values: Option<Vec<_>> = binds
                .map(|bind| match bind {
                    Bind::$one(value) => Some(value),
                    _ => None,
                })
                .collect();
            (values.map(Bind::$many), None::<&'static str>)
        }};
    }
    let (array, cast) = match column.kind(schema) {
        Some(Kind::Bool) => gather!(Bool, Bools),
        Some(Kind::Int) => gather!(Int, Ints),
        Some(Kind::Decimal { .. }) => gather!(Decimal, Decimals),
        Some(Kind::Text | Kind::Code) => gather!(Text, Texts),
        Some(Kind::Uuid) => gather!(Uuid, Uuids),
        Some(Kind::Date) => gather!(Date, Dates),
        Some(Kind::Time) => gather!(Time, Times),
        Some(Kind::Json | Kind::Custom) => {
            let (texts, _) = gather!(Json, Texts);
            (texts, Some("::jsonb"))
        }
        Some(Kind::Uuids) => (Some(literals(binds)), Some("::uuid[]")),
        Some(Kind::Codes) => (Some(literals(binds)), Some("::text[]")),
        None => (Some(literals(binds)), Some("::int4[]")),
    };
    let array = array.ok_or_else(|| Error::internal("values of one column differ in type"))?;
    Ok((array, cast))
}

// The text of a document. PostgreSQL keeps numbers as decimals: a float that is whole must have a
// point to come back as a float, which `1e16` has not.
fn document(json: &serde_json::Value) -> String {
    let mut text = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut text, WithPoints);
    match json.serialize(&mut serializer) {
        Ok(()) => String::from_utf8(text).unwrap_or_default(),
        // Writing a document into memory does not fail.
        Err(_) => json.to_string(),
    }
}

struct WithPoints;

impl Formatter for WithPoints {
    fn write_f64<W: ?Sized + std::io::Write>(
        &mut self,
        writer: &mut W,
        value: f64,
    ) -> std::io::Result<()> {
        if value.abs() >= 1e15 {
            write!(writer, "{value:.1}")
        } else {
            CompactFormatter.write_f64(writer, value)
        }
    }
}

fn literals(binds: impl Iterator<Item = Bind>) -> Bind {
    Bind::Texts(binds.map(|bind| Some(literal(&bind))).collect())
}

fn literal(list: &Bind) -> String {
    let mut out = String::from("{");
    let mut add = |element: &str| {
        if out.len() > 1 {
            out.push(',');
        }
        out.push_str(element);
    };
    match list {
        Bind::Uuids(ids) => ids.iter().flatten().for_each(|id| add(&id.to_string())),
        Bind::Terms(terms) => terms.iter().for_each(|term| add(&term.to_string())),
        Bind::Texts(texts) => texts.iter().flatten().for_each(|text| {
            let escaped = text.replace('\\', r"\\").replace('"', "\\\"");
            add(&format!("\"{escaped}\""));
        }),
        _ => {}
    }
    out.push('}');
    out
}
