//! JSON bodies and merge patches, as every operation reads them.

use std::collections::BTreeMap;

use crm_server::api::body::{Body, MergePatch};
use crm_server::api::error::ApiError;
use crm_server::api::values::Code;
use crm_server::config::Limits;
use poem::Request;
use poem_openapi::types::Type;
use poem_openapi::{ApiExtractor, ExtractParamOptions, Object};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::deals::Status;
use crate::wait;

const NESTING: usize = 6;
const BYTES: usize = 4_096;

/// A field of every kind that bodies have.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, Object)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[oai(rename_all = "camelCase")]
struct Input {
    name: String,
    count: Option<i64>,
    flag: Option<bool>,
    price: Option<Decimal>,
    status: Option<Code<Status>>,
    id: Option<Uuid>,
    inner: Option<Inner>,
    list: Vec<String>,
    any: Option<Value>,
    map: BTreeMap<String, Value>,
    version: Option<i64>,
}

/// A field within a field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Object)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[oai(rename_all = "camelCase")]
struct Inner {
    zip_code: String,
    street: Option<String>,
}

pub(crate) fn check(data: &[u8]) {
    let read = extract::<Body<Input>>(data).map(|Body(input)| input);
    if let Ok(input) = &read {
        accepted(data);
        // What was read is written and read as the same.
        let written = serde_json::to_vec(input).unwrap();
        if written.len() <= BYTES {
            let Body(again) = extract::<Body<Input>>(&written).unwrap();
            assert_eq!(again, *input);
        }
    }
    if let Ok(patch) = extract::<MergePatch<Input>>(data) {
        accepted(data);
        patched(data, &patch);
    }
}

fn extract<T: for<'a> ApiExtractor<'a, ParamType = ()>>(data: &[u8]) -> Result<T, ApiError> {
    let request = Request::builder().header("Content-Type", "application/json");
    let (mut request, mut body) = request.body(data.to_vec()).split();
    request.set_data(Limits { body_bytes: BYTES, nesting: NESTING, ..Limits::default() });
    let options = ExtractParamOptions::default();
    let read = wait(T::from_request(&request, &mut body, options));
    read.map_err(|error| {
        let error = ApiError::from_poem(error);
        refused(&error);
        error
    })
}

fn refused(error: &ApiError) {
    assert!([400, 413, 422].contains(&error.status().as_u16()), "{error:?}");
    assert!(!error.faults().is_empty(), "{error:?}");
    for fault in error.faults() {
        assert!(!fault.message.is_empty(), "{fault:?}");
        // The types of the code are nobody's business.
        assert!(!fault.message.contains("crm_fuzz"), "{fault:?}");
    }
}

/// What was accepted is as strict as is said: held against the octets, not against a parser.
fn accepted(data: &[u8]) {
    assert!(data.len() <= BYTES);
    let value: Value = serde_json::from_slice(data).unwrap();
    assert!(value.is_object());
    let (mut quoted, mut escaped) = (false, false);
    let (mut depth, mut deepest, mut colons) = (0_usize, 0, 0_usize);
    for byte in data {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth -= 1,
            b':' => colons += 1,
            _ => {}
        }
    }
    assert!(deepest <= NESTING, "nested {deepest} deep");
    // A key that is there twice would have gone.
    assert_eq!(members(&value), colons, "each member once");
}

fn members(value: &Value) -> usize {
    match value {
        Value::Object(map) => map.len() + map.values().map(members).sum::<usize>(),
        Value::Array(items) => items.iter().map(members).sum(),
        _ => 0,
    }
}

/// That a patch does what RFC 7396 says, written down here once more.
fn patched<T>(data: &[u8], patch: &MergePatch<T>)
where
    MergePatch<T>: Clone,
    T: Type + serde::de::DeserializeOwned + Serialize,
{
    let current = json!({
        "name": "Acme", "count": 3, "flag": true, "price": "12.50", "status": "open",
        "id": null, "inner": {"zipCode": "24103", "street": null}, "list": ["a", "b"],
        "any": {"deep": {"a": 1, "b": [1, 2]}}, "map": {"x": 1, "y": {"z": null}}, "version": 1
    });
    let asked: Value = serde_json::from_slice(data).unwrap();
    let expected = merged(&current, &asked);
    match patch.clone().apply(current) {
        Ok(input) => {
            let expected: T = serde_json::from_value(expected).unwrap();
            let (input, expected) = (json!(input), json!(expected));
            assert_eq!(input, expected);
        }
        Err(error) => {
            refused(&error);
            let unknown = |asked: &Map<String, Value>| {
                asked.iter().any(|(key, value)| value.is_null() && expected.get(key).is_none())
            };
            let strict = serde_json::from_value::<T>(expected.clone()).is_err();
            assert!(strict || asked.as_object().is_some_and(unknown), "{error:?}");
        }
    }
}

fn merged(target: &Value, patch: &Value) -> Value {
    let Value::Object(patch) = patch else { return patch.clone() };
    let mut out = target.as_object().cloned().unwrap_or_default();
    for (name, value) in patch {
        if value.is_null() {
            out.remove(name);
        } else {
            let before = out.get(name).cloned().unwrap_or(Value::Null);
            out.insert(name.clone(), merged(&before, value));
        }
    }
    Value::Object(out)
}
