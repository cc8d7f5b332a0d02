//! Many records changed by one request: which, how, and what became of each.
//!
//! What is done to a record is decided by the library, as for one alone. Here a body becomes a
//! selection and a change, and the outcomes become an answer.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use crm_core::records::{Bulk, How, Outcome, Selection};
use crm_core::store::{Deleted, Filter};
use crm_core::{Choice, Entity, Error, FieldError, Id};
use poem::http::StatusCode;
use poem_openapi::Object;
use poem_openapi::registry::{MetaSchemaRef, Registry};
use poem_openapi::types::Type;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::body::MergePatch;
use super::caller::Caller;
use super::crud::{self, Resource, Service};
use super::envelope::Reply;
use super::error::{ApiError, Fault, MissingPermission};
use super::values::Code;

/// Parameters of a list that choose no records.
pub(super) const NO_CHOICE: &[&str] = &[
    "page",
    "limit",
    "page_size",
    "pageSize",
    "cursor",
    "count",
    "sort",
    "order",
    "ordering",
    "expand",
    "includeDeleted",
    "include_deleted",
];

/// Which records are meant: `ids`, or `filter`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Object)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[oai(rename_all = "camelCase")]
pub struct BulkInput {
    /// The identifiers of the records.
    pub ids: Option<Vec<Uuid>>,
    /// The versions that are expected, by identifier; others are changed at whatever version they
    /// have.
    pub versions: Option<BTreeMap<String, i64>>,
    /// In place of `ids`: an AIP-160 expression, or an object with the parameters of the list.
    pub filter: Option<Value>,
    /// Whether all are to be changed or none; otherwise each one that can be is.
    #[oai(default)]
    pub atomic: bool,
}

/// Which records are meant, and what is to be changed in each.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Object)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[oai(rename_all = "camelCase")]
pub struct BulkUpdateInput {
    /// The identifiers of the records.
    pub ids: Option<Vec<Uuid>>,
    /// The versions that are expected, by identifier; others are changed at whatever version they
    /// have.
    pub versions: Option<BTreeMap<String, i64>>,
    /// In place of `ids`: an AIP-160 expression, or an object with the parameters of the list.
    pub filter: Option<Value>,
    /// Whether all are to be changed or none; otherwise each one that can be is.
    #[oai(default)]
    pub atomic: bool,
    /// A JSON merge patch (RFC 7396) that is applied to each.
    pub changes: Value,
}

/// What became of many records.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Object)]
#[serde(rename_all = "camelCase")]
#[oai(rename = "BulkResult", rename_all = "camelCase")]
pub struct BulkView {
    /// How many are another than before.
    pub changed: u64,
    /// How many were so already.
    pub unchanged: u64,
    /// How many stayed as they were because they could not be changed.
    pub failed: u64,
    /// What became of each, in the order of `ids`.
    pub results: Vec<BulkOutcome>,
}

/// What came of what was to be done to a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Choice)]
pub enum BulkChange {
    /// It is another than before.
    Changed,
    /// It was so already.
    Unchanged,
    /// It stayed as it was, because that cannot be done to it.
    Failed,
}

/// What became of one record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Object)]
#[serde(rename_all = "camelCase")]
#[oai(rename_all = "camelCase")]
pub struct BulkOutcome {
    /// The record.
    pub id: Uuid,
    /// What came of it.
    pub outcome: Code<BulkChange>,
    /// The version that it has now, where it did not fail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<i64>,
    /// Why it failed; empty where it did not.
    pub errors: Vec<BulkFault>,
}

/// One thing that is wrong with one record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Object)]
#[serde(rename_all = "camelCase")]
#[oai(rename_all = "camelCase")]
pub struct BulkFault {
    /// Stable: what a program decides by.
    pub code: String,
    /// What was expected and what came.
    pub message: String,
    /// The path of the field at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The permission that is lacking, where one is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<MissingPermission>,
}

impl BulkUpdateInput {
    /// Which records, apart from what is changed.
    pub fn split(self) -> (BulkInput, Value) {
        let Self { ids, versions, filter, atomic, changes } = self;
        (BulkInput { ids, versions, filter, atomic }, changes)
    }
}

/// Deletes what is selected.
///
/// # Errors
/// As [`run`].
pub async fn delete<R: Resource>(
    caller: &Caller,
    input: BulkInput,
) -> Result<Reply<BulkView>, ApiError> {
    run::<R>(caller, input, Bulk::Delete).await
}

/// Applies a merge patch to what is selected.
///
/// # Errors
/// As [`run`]; 400 where the patch names a field that there is not.
pub async fn update<R: Resource>(
    caller: &Caller,
    input: BulkUpdateInput,
) -> Result<Reply<BulkView>, ApiError> {
    let (input, changes) = input.split();
    let Some(fields) = changes.as_object() else {
        let message = "expected an object with the fields to change";
        return Err(ApiError::unreadable("changes", "INVALID_VALUE", message));
    };
    // Also where no record is found that it could be applied to.
    let known = properties::<R::Input>();
    for name in fields.keys() {
        let field = format!("changes.{name}");
        if name == "version" {
            let message = "expected the versions of records in versions, by identifier";
            return Err(ApiError::unreadable(field, "CONTRADICTION", message));
        }
        if !known.contains(&name.as_str()) {
            let message = format!("unknown field `{name}`");
            return Err(ApiError::unreadable(field, "UNKNOWN_FIELD", message));
        }
    }
    let patch = MergePatch::<R::Input>::of(changes);
    let change = move |entity: &mut R::Entity| {
        let current = serde_json::to_value(R::input(entity.clone())).map_err(Error::internal)?;
        let input = patch.clone().apply(current).map_err(in_changes)?;
        R::put(R::draft(input)?, entity);
        Ok(())
    };
    run::<R>(caller, input, Bulk::Change(Box::new(change))).await
}

/// The names of a body's fields.
fn properties<T: Type>() -> Vec<&'static str> {
    let mut registry = Registry::new();
    T::register(&mut registry);
    let MetaSchemaRef::Reference(name) = T::schema_ref() else { return Vec::new() };
    let properties = registry.schemas.remove(&name).map(|schema| schema.properties);
    properties.into_iter().flatten().map(|(name, _)| name).collect()
}

/// Does something with what is selected.
///
/// # Errors
/// 400 or 422 where the selection cannot be understood, chooses nothing by itself, or is too
/// large; 403 where the caller may do that to no record. With `atomic`, every record that cannot
/// be changed, with the status of the first.
pub async fn run<R: Resource>(
    caller: &Caller,
    input: BulkInput,
    what: Bulk<R::Entity>,
) -> Result<Reply<BulkView>, ApiError> {
    let BulkInput { ids, versions, filter, atomic } = input;
    let places = ids.clone().unwrap_or_default();
    let selection = selection::<R>(caller, ids, versions, filter).await?;
    // Half of what a request has: what was done by then is told, and what was not.
    let patience = caller.limits().request_timeout.duration() / 2;
    let now = caller.crm().crm().clock().now();
    let until =
        TimeDelta::from_std(patience).ok().and_then(|patience| now.checked_add_signed(patience));
    let done = R::service(caller.crm()).bulk(selection, &what, How { atomic, until }).await;
    R::written(caller);
    let outcomes = done?;
    if atomic && let Some(error) = refusal(&outcomes, &places) {
        return Err(error);
    }
    let mut view = BulkView::default();
    for Outcome { id, result } in outcomes {
        let id = id.uuid();
        let outcome = match result {
            Ok((entity, changed)) => {
                let (count, outcome) = match changed {
                    true => (&mut view.changed, BulkChange::Changed),
                    false => (&mut view.unchanged, BulkChange::Unchanged),
                };
                *count += 1;
                let version = Some(entity.version());
                BulkOutcome { id, outcome: Code(outcome), version, errors: Vec::new() }
            }
            Err(error) => {
                view.failed += 1;
                let outcome = Code(BulkChange::Failed);
                BulkOutcome { id, outcome, version: None, errors: told(id, error) }
            }
        };
        view.results.push(outcome);
    }
    Ok(Reply::new(view))
}

/// What a caller is told of one record's fault; one of ours is logged.
fn told(id: Uuid, error: Error) -> Vec<BulkFault> {
    let error = ApiError::from(error);
    if error.status() == StatusCode::INTERNAL_SERVER_ERROR {
        let detail = error.detail().unwrap_or_default();
        tracing::error!(record = %id, detail, "a record could not be changed with others");
    }
    let each = |Fault { code, message, field, missing }: Fault| BulkFault {
        code: code.into_owned(),
        message,
        field,
        missing,
    };
    error.faults().iter().cloned().map(each).collect()
}

/// Why nothing was done: each fault under the record that has it, by its place in `ids`, or by its
/// identifier where a filter chose it, with the status of the first.
fn refusal<E>(outcomes: &[Outcome<E>], places: &[Uuid]) -> Option<ApiError> {
    let mut status = None;
    let mut faults = Vec::new();
    for Outcome { id, result } in outcomes {
        let Err(error) = result else { continue };
        let error = ApiError::from(error.clone());
        status.get_or_insert(error.status());
        let place = places.iter().position(|place| *place == id.uuid());
        let record = place.map_or_else(|| id.to_string(), |place| format!("ids[{place}]"));
        faults.extend(error.faults().iter().cloned().map(|fault| {
            let of = fault.field.as_ref();
            let field = of.map_or_else(|| record.clone(), |field| format!("{record}.{field}"));
            Fault { field: Some(field), ..fault }
        }));
    }
    status.map(|status| ApiError::with_faults(status, faults))
}

async fn selection<R: Resource>(
    caller: &Caller,
    ids: Option<Vec<Uuid>>,
    versions: Option<BTreeMap<String, i64>>,
    filter: Option<Value>,
) -> Result<Selection<R::Entity>, ApiError> {
    let invalid =
        |field: &str, code, message: &str| Err(Error::invalid(field, code, message).into());
    match (ids, filter) {
        (Some(_), Some(_)) => {
            invalid("filter", "CONTRADICTION", "expected ids or filter, got both")
        }
        (None, None) => invalid("ids", "REQUIRED", "expected ids or filter"),
        (Some(ids), None) if ids.is_empty() => {
            invalid("ids", "REQUIRED", "expected at least one identifier")
        }
        (Some(ids), None) => {
            let mut expected = BTreeMap::new();
            let named: BTreeSet<Uuid> = ids.iter().copied().collect();
            for (id, version) in versions.unwrap_or_default() {
                match id.parse::<Uuid>().ok().filter(|id| named.contains(id)) {
                    Some(known) => drop(expected.insert(known, version)),
                    None => {
                        let message = "expected one of the identifiers in ids";
                        return invalid(&format!("versions.{id}"), "INVALID_KEY", message);
                    }
                }
            }
            let each = |id: Uuid| (Id::new(id), expected.get(&id).copied());
            Ok(Selection::Ids(ids.into_iter().map(each).collect()))
        }
        (None, Some(_)) if versions.is_some() => {
            invalid("versions", "CONTRADICTION", "expected versions together with ids only")
        }
        (None, Some(filter)) => {
            let asked = crud::asked::<R>(caller, &parameters(filter)?, &[]).await?;
            if asked.filter == Filter::All || asked.deleted != Deleted::Exclude {
                return invalid("filter", "REQUIRED", "expected a filter that chooses records");
            }
            Ok(Selection::Filter(asked.filter))
        }
    }
}

/// A filter in a body as the parameters of a list.
fn parameters(filter: Value) -> Result<Vec<(String, String)>, ApiError> {
    let wrong =
        |field: &str, message: &str| Err(ApiError::unreadable(field, "INVALID_VALUE", message));
    match filter {
        Value::String(expression) => Ok(vec![("filter".to_owned(), expression)]),
        Value::Object(fields) => read(fields),
        _ => wrong("filter", "expected an expression, or an object with parameters of the list"),
    }
}

fn read(fields: Map<String, Value>) -> Result<Vec<(String, String)>, ApiError> {
    let mut parameters = Vec::with_capacity(fields.len());
    for (name, value) in fields {
        let field = format!("filter.{name}");
        must_choose(&name, field.clone())?;
        let one = |value: &Value| match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(bool) => Some(bool.to_string()),
            _ => None,
        };
        let text = match &value {
            Value::Array(items) => items
                .iter()
                .map(|item| one(item).map(|text| quoted(&text)))
                .collect::<Option<Vec<_>>>()
                .map(|items| items.join(",")),
            value => one(value),
        };
        match text {
            Some(text) => parameters.push((name, text)),
            None => {
                let message = "expected a text, a number, true, false, or a list of them";
                return Err(ApiError::unreadable(field, "INVALID_VALUE", message));
            }
        }
    }
    Ok(parameters)
}

/// Refuses a parameter of a list that chooses no records.
///
/// # Errors
/// 400 naming the field that it stands in.
pub(super) fn must_choose(name: &str, field: String) -> Result<(), ApiError> {
    if NO_CHOICE.contains(&name) {
        let message = "expected parameters that choose records";
        return Err(ApiError::unreadable(field, "NOT_FILTERABLE", message));
    }
    Ok(())
}

/// One of several values, whatever it contains.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A fault of the patch, under the field of the body that it stands in.
fn in_changes(error: ApiError) -> Error {
    let unreadable = error.status() == StatusCode::BAD_REQUEST;
    let mut faults = error.faults().iter().map(|Fault { code, message, field, missing: _ }| {
        let code = match code {
            std::borrow::Cow::Borrowed(code) => code,
            std::borrow::Cow::Owned(_) => "INVALID_VALUE",
        };
        let field = field.as_deref().unwrap_or_default();
        let field = if unreadable { format!("changes.{field}") } else { field.to_owned() };
        FieldError::new(field, code, message.clone())
    });
    match faults.next() {
        Some(first) if unreadable => Error::Unreadable(first),
        Some(first) => Error::Invalid(std::iter::once(first).chain(faults).collect()),
        None => Error::internal(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn text(filter: Value) -> Vec<(String, String)> {
        parameters(filter).unwrap()
    }

    fn pair(name: &str, value: &str) -> Vec<(String, String)> {
        vec![(name.to_owned(), value.to_owned())]
    }

    #[test]
    fn a_filter_is_an_expression_or_the_parameters_of_a_list() {
        assert_eq!(text(json!("status = active")), pair("filter", "status = active"));
        assert_eq!(text(json!({"value[gte]": 10})), pair("value[gte]", "10"));
        assert_eq!(text(json!({"city": ["a,b", "c\"d"]})), pair("city", r#""a,b","c\"d""#));
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        let bad = [
            json!(1),
            json!(["a"]),
            json!({"a": {"b": 1}}),
            json!({"page": 1}),
            json!({"a": [[]]}),
        ];
        for filter in bad {
            assert!(parameters(filter.clone()).is_err(), "{filter}");
        }
    }
}
