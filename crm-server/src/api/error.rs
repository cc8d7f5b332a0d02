//! How a fault reaches a caller: a status, and an envelope that names each field at fault.
//!
//! What went wrong inside is logged under the id of the request and never told.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use crm_core::access::{Permission, Reach};
use crm_core::idempotency::IN_USE;
use crm_core::{Error, FieldError, Rejection};
use poem::error::{MethodNotAllowedError, NotFoundError, ReadBodyError, ResponseError};
use poem::http::{HeaderValue, StatusCode, header};
use poem::{IntoResponse, Response};
use poem_openapi::error::{ParseParamError, ParsePathError};
use poem_openapi::registry::{MetaResponses, Registry};
use poem_openapi::{ApiResponse, Object};
use serde::Serialize;

use super::values::Code;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Stable, upper case.
    pub code: Cow<'static, str>,
    /// What was expected and what came.
    pub message: String,
    /// The path of the field at fault, as the caller wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The permission that is lacking, where one is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<MissingPermission>,
}

/// A permission that would be needed and is not held, or not as far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Object)]
pub struct MissingPermission {
    /// The permission: `customers:update`.
    pub permission: String,
    /// The reach at which it is held; none where it is not held at all.
    pub held: Option<Code<Reach>>,
    /// The least reach that would do.
    pub needed: Code<Reach>,
}

impl MissingPermission {
    /// This permission, which is held so far and needed so far.
    pub fn new(permission: &Permission, held: Option<Reach>, needed: Reach) -> Self {
        let permission = permission.to_string();
        Self { permission, held: held.map(Code), needed: Code(needed) }
    }
}

impl Fault {
    /// A fault of the request as a whole.
    pub fn new(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), field: None, missing: None }
    }

    /// A fault of one field; of none where its name is empty.
    pub fn at(
        field: impl Into<String>,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
    ) -> Self {
        let field = field.into();
        let field = if field.is_empty() { None } else { Some(field) };
        Self { code: code.into(), message: message.into(), field, missing: None }
    }
}

impl From<FieldError> for Fault {
    fn from(fault: FieldError) -> Self {
        Self::at(fault.field, fault.code, fault.message)
    }
}

/// A request that came to nothing.
#[derive(Debug, Clone)]
pub struct ApiError {
    status: StatusCode,
    faults: Vec<Fault>,
    retry_after: Option<Duration>,
    /// The methods that the path takes, where another one came.
    allow: Option<String>,
    /// For the log only.
    detail: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ErrorEnvelope<'a> {
    success: bool,
    message: &'a str,
    errors: &'a [Fault],
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
}

impl ApiError {
    /// With a status and a fault.
    pub fn new(status: StatusCode, fault: Fault) -> Self {
        Self::with_faults(status, vec![fault])
    }

    /// With several faults.
    pub fn with_faults(status: StatusCode, faults: Vec<Fault>) -> Self {
        Self { status, faults, retry_after: None, allow: None, detail: None }
    }

    /// What came cannot be read.
    pub fn unreadable(
        field: impl Into<String>,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
    ) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Fault::at(field, code, message))
    }

    /// A field that has to be there and is not.
    pub fn required(field: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, Fault::at(field, "REQUIRED", "is required"))
    }

    /// No credentials, or none that hold.
    pub fn unauthenticated(message: &'static str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, Fault::new("UNAUTHENTICATED", message))
    }

    /// Nothing there, or nothing for the caller to see.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, Fault::new("NOT_FOUND", message))
    }

    /// The path takes other methods: these, as `Allow` has them.
    pub fn method_not_allowed(allow: impl Into<String>) -> Self {
        let fault = Fault::new("METHOD_NOT_ALLOWED", "this path does not take that method");
        let mut error = Self::new(StatusCode::METHOD_NOT_ALLOWED, fault);
        error.allow = Some(allow.into());
        error
    }

    /// Not now; the same request may succeed later.
    pub fn unavailable(code: &'static str, message: &'static str, retry_after: Duration) -> Self {
        let mut error = Self::new(StatusCode::SERVICE_UNAVAILABLE, Fault::new(code, message));
        error.retry_after = Some(retry_after);
        error
    }

    /// With when the same request may succeed.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// Not now, because these things do not answer.
    pub fn away(faults: Vec<Fault>) -> Self {
        let mut error = Self::with_faults(StatusCode::SERVICE_UNAVAILABLE, faults);
        error.retry_after = Some(Duration::from_secs(1));
        error
    }

    /// A fault of ours, told in the log only.
    pub fn internal(detail: impl fmt::Display) -> Self {
        let fault = Fault::new("INTERNAL", "something went wrong on our side");
        let mut error = Self::new(StatusCode::INTERNAL_SERVER_ERROR, fault);
        error.detail = Some(detail.to_string());
        error
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// What the log is to say and the caller is not.
    pub fn detail(&self) -> Option<&str> {
        self.detail.as_deref()
    }

    /// What is wrong.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    fn message(&self) -> &str {
        match self.faults.as_slice() {
            [only] if only.field.is_none() => &only.message,
            [] => self.status.canonical_reason().unwrap_or("error"),
            _ if self.status == StatusCode::UNPROCESSABLE_ENTITY => {
                "some values are not acceptable"
            }
            [first, ..] => &first.message,
        }
    }

    /// The envelope's text, under the id of the request.
    pub fn to_json(&self, request_id: Option<&str>) -> Vec<u8> {
        let envelope = ErrorEnvelope {
            success: false,
            message: self.message(),
            errors: &self.faults,
            request_id,
        };
        serde_json::to_vec(&envelope).unwrap_or_default()
    }

    /// The envelope, under the id of the request.
    pub fn to_response(&self, request_id: Option<&str>) -> Response {
        let body = self.to_json(request_id);
        let mut response = Response::builder()
            .status(self.status)
            .content_type("application/json; charset=utf-8")
            .header(header::CONTENT_LENGTH, body.len())
            .body(body);
        let headers = response.headers_mut();
        if let Some(retry_after) = self.retry_after {
            let seconds = retry_after.as_secs().max(1);
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        let allow = self.allow.as_deref().and_then(|allow| HeaderValue::from_str(allow).ok());
        if let Some(allow) = allow {
            headers.insert(header::ALLOW, allow);
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }

    /// What any error that left the routes means to the caller.
    pub fn from_poem(error: poem::Error) -> Self {
        if let Some(known) = error.downcast_ref::<Self>() {
            return known.clone();
        }
        if error.is::<NotFoundError>() {
            return Self::not_found("there is nothing at this path");
        }
        if error.is::<MethodNotAllowedError>() {
            return Self::method_not_allowed("GET, HEAD");
        }
        if let Some(error) = error.downcast_ref::<ParsePathError>() {
            let name = if error.name.starts_with("param") { "id" } else { error.name };
            let message = "expected a UUID in the path, got something else";
            return Self::unreadable(name, "INVALID_PARAMETER", message);
        }
        if error.is::<poem::error::ParsePathError>() {
            let message = "expected UTF-8 in the path, got other octets";
            return Self::unreadable("", "INVALID_PARAMETER", message);
        }
        if let Some(error) = error.downcast_ref::<ParseParamError>() {
            return Self::unreadable(error.name, "INVALID_PARAMETER", error.reason.clone());
        }
        if let Some(error) = error.downcast_ref::<ReadBodyError>() {
            return Self::from(error);
        }
        let status = error.status();
        if status.is_server_error() {
            return Self::internal(error);
        }
        let reason = status.canonical_reason().unwrap_or("refused");
        let code = reason.to_ascii_uppercase().replace([' ', '-'], "_");
        Self::new(status, Fault::new(code, reason.to_ascii_lowercase()))
    }
}

impl From<&ReadBodyError> for ApiError {
    fn from(error: &ReadBodyError) -> Self {
        match error {
            ReadBodyError::PayloadTooLarge => Self::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                Fault::new("BODY_TOO_LARGE", "the body is larger than this server takes"),
            ),
            ReadBodyError::Io(error) if error.kind() == std::io::ErrorKind::TimedOut => Self::new(
                StatusCode::REQUEST_TIMEOUT,
                Fault::new("BODY_TIMEOUT", error.to_string()),
            ),
            _ => Self::unreadable("", "INVALID_BODY", "the body ended before it was complete"),
        }
    }
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        let code = error.code();
        let message = error.to_string();
        let plain = |status| Self::new(status, Fault::new(code, message.clone()));
        match error {
            Error::Invalid(faults) => {
                let faults = faults.into_iter().map(Fault::from).collect();
                Self::with_faults(StatusCode::UNPROCESSABLE_ENTITY, faults)
            }
            Error::Unreadable(fault) => Self::new(StatusCode::BAD_REQUEST, fault.into()),
            Error::NotFound { .. } => plain(StatusCode::NOT_FOUND),
            Error::Unauthenticated(_) => plain(StatusCode::UNAUTHORIZED),
            Error::Forbidden { permission, held, needed } => {
                let missing = MissingPermission::new(&permission, held, needed);
                let fault = Fault { missing: Some(missing), ..Fault::new(code, message) };
                Self::new(StatusCode::FORBIDDEN, fault)
            }
            Error::LeftOut(fields) => {
                let fault = |field: String| {
                    let message = format!("{field} is left out of what you may read and write");
                    Fault::at(field, code, message)
                };
                let faults = fields.into_iter().map(fault).collect();
                Self::with_faults(StatusCode::FORBIDDEN, faults)
            }
            Error::Refused { .. } => plain(StatusCode::FORBIDDEN),
            Error::Stale { .. } => plain(StatusCode::PRECONDITION_FAILED),
            Error::Conflict { code, field, message } => {
                let fault = Fault::at(field.unwrap_or_default(), code, message);
                let error = Self::new(StatusCode::CONFLICT, fault);
                // Others are at it right now: in a moment they are not.
                let busy = matches!(code, "BUSY" | IN_USE);
                if busy { error.retry_after(Duration::from_secs(1)) } else { error }
            }
            Error::Rejected { reason: Rejection::Stale, .. } => {
                plain(StatusCode::PRECONDITION_FAILED)
            }
            Error::Rejected { .. } => plain(StatusCode::CONFLICT),
            Error::Limit { .. } => plain(StatusCode::UNPROCESSABLE_ENTITY),
            Error::TooManyAttempts { retry_after } => {
                plain(StatusCode::TOO_MANY_REQUESTS).retry_after(retry_after)
            }
            Error::Unavailable { message, retry_after } => {
                let mut error =
                    Self::unavailable(code, "the store is away for a moment", retry_after);
                error.detail = Some(message);
                error
            }
            other => Self::internal(other),
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status.as_u16(), self.message())
    }
}

impl std::error::Error for ApiError {}

impl ResponseError for ApiError {
    fn status(&self) -> StatusCode {
        self.status
    }

    fn as_response(&self) -> Response {
        self.to_response(None)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        self.to_response(None)
    }
}

/// Errors are documented for all operations at once, see [`openapi`](crate::openapi).
impl ApiResponse for ApiError {
    fn meta() -> MetaResponses {
        MetaResponses { responses: Vec::new() }
    }

    fn register(_registry: &mut Registry) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(error: Error) -> u16 {
        ApiError::from(error).status().as_u16()
    }

    #[test]
    fn each_kind_of_error_has_its_status() {
        let text = || "x".to_owned();
        let fault = FieldError::new("email", "INVALID_EMAIL", "expected an e-mail address");
        assert_eq!(status(Error::Invalid(vec![fault.clone()])), 422);
        assert_eq!(status(Error::Unreadable(fault)), 400);
        assert_eq!(status(Error::not_found("customers", 1)), 404);
        assert_eq!(status(Error::Unauthenticated("no")), 401);
        let permission = Permission::of("customers", "read");
        assert_eq!(status(Error::Forbidden { permission, held: None, needed: Reach::All }), 403);
        assert_eq!(status(Error::Refused { code: "LAST_OWNER", message: text() }), 403);
        assert_eq!(status(Error::Stale { kind: text(), id: text(), expected: 1 }), 412);
        assert_eq!(
            status(Error::Conflict { code: "DUPLICATE", field: None, message: text() }),
            409
        );
        assert_eq!(status(Error::Rejected { operation: 0, reason: Rejection::Stale }), 412);
        assert_eq!(status(Error::Rejected { operation: 0, reason: Rejection::Taken(text()) }), 409);
        assert_eq!(status(Error::Limit { what: text(), limit: 1 }), 422);
        let retry_after = Duration::from_secs(2);
        assert_eq!(status(Error::TooManyAttempts { retry_after }), 429);
        assert_eq!(status(Error::Unavailable { message: text(), retry_after }), 503);
        assert_eq!(status(Error::internal("x")), 500);
    }

    #[tokio::test]
    async fn a_fault_of_ours_tells_the_caller_nothing_but_the_request() {
        let error = ApiError::from(Error::internal("password of the database is hunter2"));
        assert!(error.detail().unwrap().contains("hunter2"), "the log knows");
        let body = error.to_response(Some("r1")).into_body().into_string().await.unwrap();
        assert!(!body.contains("hunter2") && body.contains(r#""requestId":"r1""#), "{body}");
    }

    #[test]
    fn a_store_that_is_away_says_when_to_come_back() {
        let error =
            Error::Unavailable { message: "gone".into(), retry_after: Duration::from_secs(7) };
        let response = ApiError::from(error).to_response(None);
        assert_eq!(response.headers()[header::RETRY_AFTER], "7");
    }

    #[tokio::test]
    async fn all_faults_come_at_once_each_with_its_field() {
        let error = Error::Invalid(vec![
            FieldError::new("email", "INVALID_EMAIL", "a"),
            FieldError::new("customFields.size", "REQUIRED", "b"),
        ]);
        let body = ApiError::from(error).to_response(None).into_body().into_string().await.unwrap();
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["success"], false);
        assert_eq!(body["errors"][1]["field"], "customFields.size");
        assert_eq!(body["errors"][0]["code"], "INVALID_EMAIL");
    }
}
