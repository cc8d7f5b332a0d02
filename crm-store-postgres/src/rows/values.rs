//! A tenant's own fields as entries of `custom_values`, by which an index finds the records that
//! have them and gives those in order.
//!
//! An entry's value is octets whose order is that of the values, as the library compares them:
//! so one index serves every type, under row security too, where comparisons of octets may use
//! one and those of decimals or documents may not. Long texts are cut. An entry never decides
//! whether a record matches; the record's own document does.

use std::collections::BTreeMap;

use crm_core::store::{FieldIndex, Kind, Path, Record, Schema, Value, fold};
use rust_decimal::Decimal;

use super::custom::tag_of;
use super::has_tenant;

/// How many octets of a text's key are kept. Of texts that have more, the entry says too little
/// to sort by.
const LONGEST: usize = 400;
/// The tag of the mark that a record has such a text.
const LONG: &str = "L:";

/// The field, the element of its list, and the value; without a value it is an entry no more.
pub(crate) type Entry = (i64, i64, Option<Vec<u8>>);

/// The field whose values a type's records have entries of.
pub(crate) fn own_fields(schema: &Schema) -> Option<FieldIndex> {
    schema.custom().filter(|_| has_tenant(schema))
}

/// The entries to write where a record comes to be, changes, or is deleted or brought back: none
/// for most.
pub(crate) fn changed_entries(
    schema: &Schema,
    before: Option<&Record>,
    after: &Record,
) -> Vec<Entry> {
    let Some(field) = own_fields(schema) else { return Vec::new() };
    let is_same = before.is_some_and(|before| {
        before.is_live() == after.is_live() && before.get(field) == after.get(field)
    });
    if is_same {
        return Vec::new();
    }
    let of = |record: Option<&Record>| match record {
        Some(record) if record.is_live() => entries_of(schema, record.get(field)),
        _ => BTreeMap::new(),
    };
    let (was, will) = (of(before), of(Some(after)));
    let gone = was.keys().filter(|place| !will.contains_key(place)).map(|place| (*place, None));
    let come = will.iter().filter(|(place, value)| was.get(*place) != Some(*value));
    let come = come.map(|(place, value)| (*place, Some(value.clone())));
    let mut changed: Vec<Entry> =
        gone.chain(come).map(|((field, part), value)| (field, part, value)).collect();
    changed.sort_unstable();
    changed
}

/// The entries of what a live record has in its tenant's own fields.
pub(crate) fn entries_of(schema: &Schema, custom: &Value) -> BTreeMap<(i64, i64), Vec<u8>> {
    let mut entries = BTreeMap::new();
    let Value::Custom(fields) = custom else { return entries };
    for (key, value) in fields {
        let Some(kind) = value.own_kind() else { continue };
        let field = number_of(schema, tag_of(kind), key);
        let elements: Vec<Value> = match value {
            Value::Uuids(ids) => ids.iter().copied().map(Value::Uuid).collect(),
            Value::Codes(codes) => codes.iter().map(|code| Value::from(&**code)).collect(),
            value => {
                if matches!(value, Value::Text(text) if fold(text).len() > LONGEST) {
                    entries.insert((number_of(schema, LONG, key), 0), Vec::new());
                }
                entries.extend(octets(kind, value).map(|octets| ((field, 0), octets)));
                continue;
            }
        };
        for element in elements {
            if let Some(octets) = octets(kind, &element) {
                let part = hash(octets.iter().copied()).cast_signed();
                entries.insert((field, part), octets);
            }
        }
    }
    entries
}

/// The number of the field that a path names, in entries.
pub(crate) fn field_number(schema: &Schema, path: &Path) -> Option<i64> {
    let custom = path.custom.as_ref().filter(|_| own_fields(schema) == Some(path.field))?;
    // A code is found by its text's key, as nobody knows which texts are codes.
    let kind = if custom.kind == Kind::Code { Kind::Text } else { custom.kind };
    Some(number_of(schema, tag_of(kind), &custom.key))
}

/// The number under which the records are marked whose text in this field was cut.
pub(crate) fn long_number(schema: &Schema, path: &Path) -> Option<i64> {
    let custom = path.custom.as_ref()?;
    Some(number_of(schema, LONG, &custom.key))
}

/// The numbers that fields of a type can have: the least, and the first beyond.
pub(crate) fn numbers_of(schema: &Schema) -> (i64, i64) {
    let least = type_number(schema);
    (least, least.saturating_add(1 << TYPE_SHIFT))
}

const TYPE_SHIFT: u32 = 48;

// The type leads, so that a removed record's entries can be told from those of another type's
// record with the same id.
fn number_of(schema: &Schema, tag: &str, key: &str) -> i64 {
    let number = hash(tag.bytes().chain(key.bytes()));
    type_number(schema) | (number >> (64 - TYPE_SHIFT)).cast_signed()
}

fn type_number(schema: &Schema) -> i64 {
    let number = hash(schema.name().bytes());
    ((number >> TYPE_SHIFT) << TYPE_SHIFT).cast_signed()
}

// FNV-1a, stirred so that each bit counts.
fn hash(bytes: impl Iterator<Item = u8>) -> u64 {
    let mut x = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    x = (x ^ (x >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    x = (x ^ (x >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    x ^ (x >> 33)
}

/// A value, or an element of a list, of a field of this kind as octets that compare as it does.
pub(crate) fn octets(kind: Kind, value: &Value) -> Option<Vec<u8>> {
    whole_octets(kind, value).map(|mut octets| {
        octets.truncate(LONGEST);
        octets
    })
}

/// The same, of a text however long.
pub(crate) fn whole_octets(kind: Kind, value: &Value) -> Option<Vec<u8>> {
    Some(match (kind, value) {
        (Kind::Bool, Value::Bool(value)) => vec![u8::from(*value)],
        (Kind::Int, Value::Int(value)) => ordered(*value).to_vec(),
        (Kind::Decimal { .. }, Value::Decimal(value)) => {
            // The sign's bit is turned round, so that what is less than nothing comes first.
            (millionths(*value)? ^ i128::MIN).to_be_bytes().to_vec()
        }
        (Kind::Text | Kind::Code, Value::Text(text)) => fold(text).into_bytes(),
        (Kind::Codes, Value::Text(text)) => text.clone().into_bytes(),
        (Kind::Uuid | Kind::Uuids, Value::Uuid(id)) => id.as_bytes().to_vec(),
        (Kind::Date, Value::Date(date)) => ordered(date.to_epoch_days().into()).to_vec(),
        (Kind::Time, Value::Time(time)) => ordered(time.timestamp_micros()).to_vec(),
        _ => return None,
    })
}

fn ordered(number: i64) -> [u8; 8] {
    (number ^ i64::MIN).to_be_bytes()
}

/// A decimal in millionths, which is all that a stored one has; of another the next below.
fn millionths(decimal: Decimal) -> Option<i128> {
    let (mantissa, scale) = (decimal.mantissa(), decimal.scale());
    if scale <= 6 {
        mantissa.checked_mul(10_i128.checked_pow(6 - scale)?)
    } else {
        Some(mantissa.div_euclid(10_i128.checked_pow(scale - 6)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_compare_as_their_values_do() {
        let decimal = |text: &str| Value::Decimal(text.parse().unwrap());
        let (days, times) = (["0001-01-01", "1969-12-31", "1970-01-01", "9999-12-31"], [-1, 0, 1]);
        let day = |text: &&str| Value::Date(text.parse().unwrap());
        let time =
            |micros: &i64| Value::Time(chrono::DateTime::from_timestamp_micros(*micros).unwrap());
        let ascending: [(Kind, Vec<Value>); 6] = [
            (Kind::Bool, vec![false.into(), true.into()]),
            (Kind::Int, [i64::MIN, -1, 0, 1, i64::MAX].map(Value::from).into()),
            (
                Kind::Decimal { scale: 6 },
                [
                    "-999999999999999.999999",
                    "-1",
                    "-0.000001",
                    "0",
                    "0.000001",
                    "0.5",
                    "1",
                    "999999999999999.999999",
                ]
                .map(decimal)
                .into(),
            ),
            (Kind::Text, ["", "a", "ab", "b", "zoe", "ω", "🙂"].map(Value::from).into()),
            (Kind::Date, days.iter().map(day).collect()),
            (Kind::Time, times.iter().map(time).collect()),
        ];
        for (kind, values) in ascending {
            let keys: Vec<Vec<u8>> = values.iter().map(|v| octets(kind, v).unwrap()).collect();
            assert!(keys.is_sorted_by(|a, b| a < b), "{kind:?}: {keys:?}");
        }
        let kind = Kind::Decimal { scale: 6 };
        assert_eq!(octets(kind, &decimal("-0")), octets(kind, &decimal("0.000000")));
        assert_eq!(octets(kind, &decimal("-1.0000001")), octets(kind, &decimal("-1.000001")));
        assert_eq!(octets(kind, &decimal("1.0000009")), octets(kind, &decimal("1")));
        assert_eq!(octets(Kind::Text, &"ÉMEA".into()), octets(Kind::Code, &"emea".into()));
    }
}
