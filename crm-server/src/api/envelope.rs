//! The envelope around every answer: `{"success": true, "data": …, "message"?, "meta"?}`.
//!
//! Answers are written by serde, straight into bytes; poem-openapi only describes them.

use crm_core::store::Cursor;
use poem::http::{HeaderValue, StatusCode, header};
use poem::{IntoResponse, Response};
use poem_openapi::registry::{
    MetaHeader, MetaMediaType, MetaResponse, MetaResponses, MetaSchema, MetaSchemaRef, Registry,
};
use poem_openapi::types::Type;
use poem_openapi::{ApiResponse, Object};
use serde::Serialize;

use super::error::ApiError;
use super::etag;

const CONTENT_TYPE: &str = "application/json; charset=utf-8";

/// Which part of a list an answer is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Object)]
#[serde(rename_all = "camelCase")]
#[oai(rename_all = "camelCase")]
pub struct Meta {
    /// The number of the page, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page: Option<u64>,
    /// The most records on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// How many records there are on all pages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    /// How many pages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_pages: Option<u64>,
    /// Where to go on, where there is more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

impl Meta {
    /// Of a page, or of a part behind a cursor.
    pub fn new(page: Option<u64>, limit: u32, total: Option<u64>, next: Option<&Cursor>) -> Self {
        Self {
            page,
            limit: Some(limit),
            total,
            total_pages: total.map(|total| total.div_ceil(u64::from(limit.max(1)))),
            next_cursor: next.map(Cursor::encode),
        }
    }
}

#[derive(Serialize)]
struct Envelope<'a, T> {
    success: bool,
    data: &'a T,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    meta: Option<&'a Meta>,
}

fn respond<T: Serialize>(
    status: StatusCode,
    data: &T,
    message: Option<&str>,
    meta: Option<&Meta>,
) -> Response {
    match serde_json::to_vec(&Envelope { success: true, data, message, meta }) {
        // The length is told ahead, so that small answers are known to be not worth compressing.
        Ok(body) => Response::builder()
            .status(status)
            .content_type(CONTENT_TYPE)
            .header(header::CONTENT_LENGTH, body.len())
            .body(body),
        Err(error) => ApiError::internal(error).into_response(),
    }
}

/// An answer with one thing in it.
#[derive(Debug)]
pub struct Reply<T> {
    data: T,
    version: Option<i64>,
    message: Option<String>,
}

impl<T> Reply<T> {
    /// With its data.
    pub fn new(data: T) -> Self {
        Self { data, version: None, message: None }
    }

    /// With the version of the record as its `ETag`.
    #[must_use]
    pub fn version(mut self, version: i64) -> Self {
        self.version = Some(version);
        self
    }

    /// With a sentence for people.
    #[must_use]
    pub fn message(mut self, message: impl Into<String>) -> Self {
        self.message = Some(message.into());
        self
    }
}

impl<T: Serialize> IntoResponse for Reply<T>
where
    T: Send,
{
    fn into_response(self) -> Response {
        let mut response = respond(StatusCode::OK, &self.data, self.message.as_deref(), None);
        if let Some(version) = self.version {
            response.headers_mut().insert(header::ETAG, etag::of(version));
        }
        response
    }
}

impl<T: Type + Serialize + Send> ApiResponse for Reply<T> {
    fn meta() -> MetaResponses {
        describe(200, "As asked for", T::schema_ref(), false, Vec::new())
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

/// An answer to what is done afterwards: 202.
#[derive(Debug)]
pub struct Accepted<T> {
    data: T,
    message: Option<String>,
}

impl<T> Accepted<T> {
    /// With its data.
    pub fn new(data: T) -> Self {
        Self { data, message: None }
    }

    /// With a sentence for people.
    #[must_use]
    pub fn message(mut self, message: impl Into<String>) -> Self {
        self.message = Some(message.into());
        self
    }
}

impl<T: Serialize + Send> IntoResponse for Accepted<T> {
    fn into_response(self) -> Response {
        respond(StatusCode::ACCEPTED, &self.data, self.message.as_deref(), None)
    }
}

impl<T: Type + Serialize + Send> ApiResponse for Accepted<T> {
    fn meta() -> MetaResponses {
        describe(202, "To be done", T::schema_ref(), false, Vec::new())
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

/// An answer to a creation: 201, with the address of what was created.
#[derive(Debug)]
pub struct Created<T> {
    data: T,
    version: Option<i64>,
    location: String,
}

impl<T> Created<T> {
    /// With what was created and its path, such as `/api/v1/customers/{id}`.
    pub fn new(data: T, location: impl Into<String>) -> Self {
        Self { data, version: None, location: location.into() }
    }

    /// With the version of the record as its `ETag`.
    #[must_use]
    pub fn version(mut self, version: i64) -> Self {
        self.version = Some(version);
        self
    }
}

impl<T: Serialize + Send> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        let mut response = respond(StatusCode::CREATED, &self.data, None, None);
        let headers = response.headers_mut();
        if let Ok(location) = HeaderValue::from_str(&self.location) {
            headers.insert(header::LOCATION, location);
        }
        if let Some(version) = self.version {
            headers.insert(header::ETAG, etag::of(version));
        }
        response
    }
}

impl<T: Type + Serialize + Send> ApiResponse for Created<T> {
    fn meta() -> MetaResponses {
        let location = MetaHeader {
            name: "Location".to_owned(),
            description: Some("The path of what was created".to_owned()),
            required: true,
            deprecated: false,
            schema: String::schema_ref(),
        };
        describe(201, "Created", T::schema_ref(), false, vec![location])
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

/// A part of a list.
#[derive(Debug)]
pub struct Listed<T> {
    data: Vec<T>,
    meta: Meta,
}

impl<T> Listed<T> {
    /// With its records, and which part they are.
    pub fn new(data: Vec<T>, meta: Meta) -> Self {
        Self { data, meta }
    }

    /// Its records, to be completed.
    pub fn items_mut(&mut self) -> &mut [T] {
        &mut self.data
    }
}

impl<T: Serialize + Send> IntoResponse for Listed<T> {
    fn into_response(self) -> Response {
        respond(StatusCode::OK, &self.data, None, Some(&self.meta))
    }
}

impl<T: Type + Serialize + Send> ApiResponse for Listed<T> {
    fn meta() -> MetaResponses {
        let items =
            MetaSchema { items: Some(Box::new(T::schema_ref())), ..MetaSchema::new("array") };
        let data = MetaSchemaRef::Inline(Box::new(items));
        describe(200, "A part of the list", data, true, Vec::new())
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
        Meta::register(registry);
    }
}

fn describe(
    status: u16,
    description: &'static str,
    data: MetaSchemaRef,
    listed: bool,
    headers: Vec<MetaHeader>,
) -> MetaResponses {
    let mut properties = vec![("success", bool::schema_ref()), ("data", data)];
    let mut required = vec!["success", "data"];
    if listed {
        properties.push(("meta", Meta::schema_ref()));
        required.push("meta");
    } else {
        properties.push(("message", String::schema_ref()));
    }
    let envelope = MetaSchema { properties, required, ..MetaSchema::new("object") };
    let content = MetaMediaType {
        content_type: CONTENT_TYPE,
        schema: MetaSchemaRef::Inline(Box::new(envelope)),
    };
    let response = MetaResponse {
        description,
        status: Some(status),
        status_range: None,
        content: vec![content],
        headers,
    };
    MetaResponses { responses: vec![response] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    async fn body(response: Response) -> serde_json::Value {
        serde_json::from_slice(&response.into_body().into_bytes().await.unwrap()).unwrap()
    }

    #[tokio::test]
    async fn a_reply_carries_its_version_as_etag() {
        let response = Reply::new("x").version(3).into_response();
        assert_eq!(response.headers()[header::ETAG], "\"3\"");
        assert_eq!(body(response).await, json!({"success": true, "data": "x"}));
    }

    #[tokio::test]
    async fn a_creation_is_201_and_says_where() {
        let response = Created::new(1, "/api/v1/customers/1").into_response();
        assert_eq!(response.status(), StatusCode::CREATED);
        assert_eq!(response.headers()[header::LOCATION], "/api/v1/customers/1");
    }

    #[tokio::test]
    async fn a_list_says_which_part_it_is() {
        let meta = Meta::new(Some(1), 20, Some(0), None);
        let response = Listed::<u8>::new(Vec::new(), meta).into_response();
        let meta = json!({"page": 1, "limit": 20, "total": 0, "totalPages": 0});
        assert_eq!(body(response).await, json!({"success": true, "data": [], "meta": meta}));
    }
}
