//! What holds of methods, whatever the path: HEAD is answered as GET is, without the body
//! (RFC 9110, 9.3.2), and a refused method is told what the path takes (15.5.6).

use std::sync::Arc;

use poem::error::MethodNotAllowedError;
use poem::http::Method;
use poem::{Body, Endpoint, IntoResponse, Request, Response, Result};

use crate::api::error::ApiError;
use crate::openapi;

pub(super) async fn apply<E: Endpoint>(next: Arc<E>, mut request: Request) -> Result<Response> {
    let head = request.method() == Method::HEAD;
    if head {
        request.set_method(Method::GET);
    }
    let uri = request.uri().clone();
    let mut response = match next.call(request).await {
        Ok(response) => response.into_response(),
        Err(error) if error.is::<MethodNotAllowedError>() => {
            return Err(ApiError::method_not_allowed(openapi::allowed(uri.path())).into());
        }
        Err(error) => return Err(error),
    };
    if head {
        // Its length stays told.
        response.set_body(Body::empty());
    }
    Ok(response)
}
