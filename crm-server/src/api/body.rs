//! JSON bodies, read strictly: what cannot be read says where and why, and nothing is ignored.
//!
//! A body is bounded in bytes and depth before it becomes anything, names no key twice, and is
//! parsed by serde into a DTO that refuses unknown fields.

mod patch;
mod shape;

use std::marker::PhantomData;

use poem::error::ReadBodyError;
use poem::http::{StatusCode, header};
use poem::{Request, RequestBody};
use poem_openapi::registry::{MetaMediaType, MetaRequest, MetaSchemaRef, Registry};
use poem_openapi::types::Type;
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use serde::de::{DeserializeOwned, Deserializer};
use serde_json::Value;

use patch::merge;
use shape::check_shape;

use super::error::{ApiError, Fault};
use super::values::NOT_A_CHOICE;
use crate::config::Limits;

/// A JSON body that was parsed into a DTO.
#[derive(Debug, Clone)]
pub struct Body<T>(pub T);

/// A JSON body that may be left out altogether.
#[derive(Debug, Clone)]
pub struct OptionalBody<T>(pub T);

/// A JSON merge patch (RFC 7396) of a DTO: an object, not yet applied.
#[derive(Debug)]
pub struct MergePatch<T> {
    patch: Value,
    of: PhantomData<fn() -> T>,
}

impl<T> Clone for MergePatch<T> {
    fn clone(&self) -> Self {
        Self { patch: self.patch.clone(), of: PhantomData }
    }
}

impl<T> MergePatch<T> {
    /// A patch that stands within another body.
    pub fn of(patch: Value) -> Self {
        Self { patch, of: PhantomData }
    }
}

impl<T: DeserializeOwned + Type> MergePatch<T> {
    /// The DTO that results where the patch is applied to what `current` serialises to.
    ///
    /// # Errors
    /// Where the result is not such a DTO: 400 naming the field.
    pub fn apply(self, mut current: Value) -> Result<T, ApiError> {
        // A null for what is not there would otherwise vanish in the merge.
        let fields = current.as_object().zip(self.patch.as_object());
        if let Some((known, patch)) = fields
            && let Some((name, _)) =
                patch.iter().find(|(k, v)| v.is_null() && !known.contains_key(*k))
        {
            let message = format!("unknown field `{name}`");
            return Err(ApiError::unreadable(name, "UNKNOWN_FIELD", message));
        }
        merge(&mut current, self.patch);
        let required = missing::<T>(&current);
        parse(current, required)
    }

    /// The version that the patch expects, where it names one.
    ///
    /// # Errors
    /// 400 where it is no whole number.
    pub fn version(&self) -> Result<Option<i64>, ApiError> {
        match self.patch.get("version") {
            None | Some(Value::Null) => Ok(None),
            Some(version) => version.as_i64().map(Some).ok_or_else(|| {
                ApiError::unreadable("version", "INVALID_VALUE", "expected a whole number")
            }),
        }
    }
}

async fn read(request: &Request, body: &mut RequestBody) -> Result<Vec<u8>, ApiError> {
    let unsupported = |message: &str| {
        let fault = Fault::new("UNSUPPORTED_MEDIA_TYPE", message);
        ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, fault)
    };
    let content_type = request.content_type().unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if essence != "application/json"
        && !(essence.starts_with("application/") && essence.ends_with("+json"))
    {
        return Err(unsupported("expected Content-Type: application/json"));
    }
    if request.headers().contains_key(header::CONTENT_ENCODING) {
        return Err(unsupported("expected a body without Content-Encoding"));
    }
    let limits = request.data::<Limits>().cloned().unwrap_or_default();
    let body = body.take().map_err(ApiError::internal)?;
    let most = limits.body_bytes;
    let bytes = body.into_bytes_limit(most).await.map_err(|error| match error {
        ReadBodyError::PayloadTooLarge => {
            let message = format!("expected a body of at most {most} bytes: limits.body_bytes");
            ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, Fault::new("BODY_TOO_LARGE", message))
        }
        other => ApiError::from(&other),
    })?;
    check_shape(&bytes, limits.nesting)?;
    // Serde would take a list for an object, as the values of its fields in their order.
    if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
        return Err(ApiError::unreadable("", "INVALID_VALUE", "expected an object"));
    }
    Ok(bytes.into())
}

fn parse<'de, T: DeserializeOwned>(
    json: impl Deserializer<'de, Error = serde_json::Error>,
    missing: Vec<Fault>,
) -> Result<T, ApiError> {
    serde_path_to_error::deserialize(json).map_err(|error| {
        let path = error.path().to_string();
        let path = if path == "." { String::new() } else { path };
        let message = plain(&error.inner().to_string());
        if message.starts_with("missing field") {
            let faults = if missing.is_empty() {
                vec![Fault::at(join(&path, quoted(&message)), "REQUIRED", "is required")]
            } else {
                missing
            };
            return ApiError::with_faults(StatusCode::UNPROCESSABLE_ENTITY, faults);
        }
        if message.starts_with("unknown field") {
            let name = quoted(&message);
            let field = if path.ends_with(name) { path } else { join(&path, name) };
            return ApiError::unreadable(field, "UNKNOWN_FIELD", message);
        }
        if message.starts_with(NOT_A_CHOICE) {
            // It can be read: it is a text, only not one of those.
            let fault = Fault::at(path, "INVALID_CHOICE", message);
            return ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, fault);
        }
        if message.starts_with("UUID parsing failed") {
            return ApiError::unreadable(path, "INVALID_VALUE", "expected an identifier (a UUID)");
        }
        ApiError::unreadable(path, "INVALID_VALUE", message)
    })
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// What stands between the first backticks.
fn quoted(message: &str) -> &str {
    message.split('`').nth(1).unwrap_or_default()
}

/// A message of serde_json without the place in the text, which says less than the path.
fn plain(message: &str) -> String {
    match message.rfind(" at line ") {
        Some(at) => message[..at].to_owned(),
        None => message.to_owned(),
    }
}

/// The fields that `T` requires and a body lacks, so that all are named at once.
fn missing<T: Type>(value: &Value) -> Vec<Fault> {
    let mut registry = Registry::new();
    T::register(&mut registry);
    let (MetaSchemaRef::Reference(name), Some(object)) = (T::schema_ref(), value.as_object())
    else {
        return Vec::new();
    };
    let required = registry.schemas.get(&name).map(|schema| schema.required.as_slice());
    let absent = required.unwrap_or_default().iter().filter(|name| !object.contains_key(**name));
    absent.map(|name| Fault::at(*name, "REQUIRED", "is required")).collect()
}

impl<T: DeserializeOwned + Type + Send> Body<T> {
    fn parse(bytes: &[u8]) -> Result<T, ApiError> {
        let result = parse(&mut serde_json::Deserializer::from_slice(bytes), Vec::new());
        match result {
            Err(error) if error.faults().iter().any(|fault| fault.code == "REQUIRED") => {
                let value: Value = serde_json::from_slice(bytes).unwrap_or_default();
                let faults = missing::<T>(&value);
                if faults.is_empty() {
                    return Err(error);
                }
                Err(ApiError::with_faults(StatusCode::UNPROCESSABLE_ENTITY, faults))
            }
            other => other,
        }
    }
}

fn request_meta<T: Type>(content_type: &'static str) -> MetaRequest {
    MetaRequest {
        description: None,
        content: vec![MetaMediaType { content_type, schema: T::schema_ref() }],
        required: true,
    }
}

impl<'a, T: DeserializeOwned + Type + Send> ApiExtractor<'a> for Body<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];
    const PARAM_IS_REQUIRED: bool = true;
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        Some(request_meta::<T>("application/json"))
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        let bytes = read(request, body).await?;
        Ok(Self(Self::parse(&bytes)?))
    }
}

impl<'a, T: DeserializeOwned + Type + Default + Send> ApiExtractor<'a> for OptionalBody<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        Some(MetaRequest { required: false, ..request_meta::<T>("application/json") })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        options: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        let none = body.is_some()
            && request.content_type().is_none()
            && matches!(request.header(header::CONTENT_LENGTH), None | Some("0"))
            && !request.headers().contains_key(header::TRANSFER_ENCODING);
        if none {
            return Ok(Self(T::default()));
        }
        Body::from_request(request, body, options).await.map(|Body(body)| Self(body))
    }
}

impl<'a, T: DeserializeOwned + Type + Send> ApiExtractor<'a> for MergePatch<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];
    const PARAM_IS_REQUIRED: bool = true;
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    /// All fields optional, each may be null: the pass over the document says so.
    fn request_meta() -> Option<MetaRequest> {
        let mut meta = request_meta::<T>("application/merge-patch+json");
        let json = MetaMediaType { content_type: "application/json", schema: T::schema_ref() };
        meta.content.push(json);
        Some(meta)
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        let bytes = read(request, body).await?;
        let patch: Value = serde_json::from_slice(&bytes).map_err(ApiError::internal)?;
        Ok(Self { patch, of: PhantomData })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use poem_openapi::Object;
    use serde::{Deserialize, Serialize};

    #[derive(Debug, PartialEq, Serialize, Deserialize, Object)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    #[oai(rename_all = "camelCase")]
    struct Inner {
        zip_code: i64,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize, Object)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    #[oai(rename_all = "camelCase")]
    struct Input {
        name: String,
        city: String,
        address: Option<Inner>,
    }

    async fn body(
        content_type: Option<&str>,
        body: impl Into<poem::Body>,
    ) -> Result<Input, ApiError> {
        let mut request = Request::builder();
        if let Some(content_type) = content_type {
            request = request.header("Content-Type", content_type);
        }
        let (mut request, mut body) = request.body(body.into()).split();
        request.set_data(Limits { body_bytes: 300, nesting: 4, ..Limits::default() });
        let options = ExtractParamOptions { explode: true, ..ExtractParamOptions::default() };
        <Body<Input> as ApiExtractor>::from_request(&request, &mut body, options)
            .await
            .map(|body| body.0)
            .map_err(ApiError::from_poem)
    }

    async fn fault(text: impl Into<poem::Body>) -> (u16, String, String) {
        let error = body(Some("application/json; charset=utf-8"), text).await.unwrap_err();
        let fault = error.faults()[0].clone();
        (error.status().as_u16(), fault.code.into_owned(), fault.field.unwrap_or_default())
    }

    fn at(status: u16, code: &str, field: &str) -> (u16, String, String) {
        (status, code.to_owned(), field.to_owned())
    }

    #[tokio::test]
    async fn a_wrong_type_names_the_path_of_its_field() {
        let text = r#"{"name": "a", "city": "b", "address": {"zipCode": "x"}}"#;
        assert_eq!(fault(text).await, at(400, "INVALID_VALUE", "address.zipCode"));
    }

    #[tokio::test]
    async fn an_unknown_field_is_named_and_refused() {
        let text = r#"{"name": "a", "city": "b", "colour": 1}"#;
        assert_eq!(fault(text).await, at(400, "UNKNOWN_FIELD", "colour"));
        let text = r#"{"name": "a", "city": "b", "address": {"zipCode": 1, "colour": 1}}"#;
        assert_eq!(fault(text).await, at(400, "UNKNOWN_FIELD", "address.colour"));
    }

    #[tokio::test]
    async fn all_missing_fields_are_named_at_once() {
        let error = body(Some("application/json"), "{}").await.unwrap_err();
        assert_eq!(error.status(), StatusCode::UNPROCESSABLE_ENTITY);
        let fields: Vec<_> = error.faults().iter().filter_map(|f| f.field.as_deref()).collect();
        assert_eq!(fields, ["name", "city"]);
    }

    #[tokio::test]
    async fn what_is_no_json_is_400() {
        let invalid = at(400, "INVALID_JSON", "");
        assert_eq!(fault("").await, invalid);
        assert_eq!(fault(r#"{"name": "a""#).await, invalid);
        assert_eq!(fault(r#"{"name": "a"} x"#).await, invalid);
        assert_eq!(fault(vec![b'"', 0xff, b'"']).await, invalid);
        assert_eq!(
            fault(r#"{"name": "a", "name": "b", "city": "c"}"#).await,
            at(400, "DUPLICATE_FIELD", "name")
        );
        assert_eq!(fault("[[[[[1]]]]]").await, at(400, "TOO_DEEP", ""));
        assert_eq!(fault("[[[[1]]]]").await.1, "INVALID_VALUE", "four levels are allowed");
        assert_eq!(fault(r#"["name", "city"]"#).await, at(400, "INVALID_VALUE", ""));
    }

    #[tokio::test]
    async fn a_large_body_is_413_and_another_type_415() {
        let large = format!(r#"{{"name": "{}", "city": "b"}}"#, "a".repeat(300));
        assert_eq!(fault(large).await, at(413, "BODY_TOO_LARGE", ""));
        for content_type in [None, Some("text/plain"), Some("application/jsonp")] {
            let error = body(content_type, "{}").await.unwrap_err();
            assert_eq!(error.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
        }
    }
}
