//! `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): a POST that is sent again under
//! the same key is answered what the first one was, and happens once.
//!
//! The key travels with the caller's origin to the commit that it is claimed in; see
//! [`crm_core::idempotency`]. Here the request is told from another one, its answer is kept, and a
//! repetition is answered. A POST without the header costs one look at its headers.
//!
//! Answers are stored in the clear, so nothing that answers a secret may take a key: see
//! [`takes_key`]. Nor does what works in steps.

mod fingerprint;

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use crm_core::idempotency::{Answer, Attempt, Begun, Claim, Idempotency, MAX_BODY, REUSED};
use crm_core::{Error, Id};
use poem::http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use poem::{Body, Endpoint, IntoResponse, PathPattern, Request, Response, Result};

use self::fingerprint::fingerprint;
use super::caller::SignedIn;
use super::error::{ApiError, Fault};
use crate::app::App;
use crate::middleware::RequestContext;
use crate::openapi::{self, BASE};

/// The header that names the key.
pub const HEADER: &str = "Idempotency-Key";
/// The header that says that an answer is one given before.
pub const REPLAYED: &str = "Idempotency-Replayed";

/// Paths whose answers are secret: tokens, keys, recovery codes. Their POSTs take no key.
const SECRET: &[&str] = &["/auth/"];
/// What works in steps, each a commit of its own, and goes on where it is called again: the first
/// step must not stand for all of them.
const IN_STEPS: &[&str] = &["/hand-over", "/proceed"];
/// What changes nothing, however often it is asked.
const CHANGELESS: &[&str] = &["/preview"];
/// How long a repetition waits for the answer of the first.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// The headers that belong to an answer.
const KEPT: [HeaderName; 3] = [header::CONTENT_TYPE, header::ETAG, header::LOCATION];

/// Whether POSTs to a path below the base take a key.
pub fn takes_key(path: &str) -> bool {
    !SECRET.iter().any(|secret| path.starts_with(secret))
        && !IN_STEPS.iter().chain(CHANGELESS).any(|ending| path.ends_with(ending))
}

/// What is needed to ask for a record in place of a lost answer.
struct Asked {
    app: Arc<App>,
    keys: Idempotency,
    key: String,
    fingerprint: String,
    path: String,
    headers: HeaderMap,
    extensions: Extensions,
}

/// Lets a request with a key happen once.
///
/// # Errors
/// 400 where the key is none; 422 where it was used with another request; 409 where the first one
/// is still being worked on, or its answer was lost.
pub async fn apply<E: Endpoint>(next: Arc<E>, mut request: Request) -> Result<Response> {
    if request.method() != Method::POST || !request.headers().contains_key(HEADER) {
        return next.call(request).await.map(IntoResponse::into_response);
    }
    let path = path(&request);
    if !takes_key(&path) {
        return next.call(request).await.map(IntoResponse::into_response);
    }
    // Whoever may not call is told so by the operation itself. Where nobody can tell who calls, or
    // it calls too often, the request must not go on: a moment later it would be let in, without
    // its key.
    let for_now =
        |status: StatusCode| status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
    let signed_in = match SignedIn::of(&request).await {
        Err(error) if for_now(error.status()) => return Err(error.into()),
        signed_in => signed_in.ok(),
    };
    let membership = signed_in.as_ref().and_then(|signed_in| signed_in.membership.as_deref());
    let (Some(signed_in), Some(membership)) = (&signed_in, membership) else {
        return next.call(request).await.map(IntoResponse::into_response);
    };
    let app = Arc::clone(signed_in.app());
    let key = key(&request)?;
    let body = body(&mut request, app.config().limits.body_bytes).await?;
    let query = request.uri().query();
    // What somebody was answered is not repeated to a key of theirs, which may see less.
    let by = signed_in.api_key().map(Id::uuid);
    let fingerprints = app.tokens().fingerprints();
    let fingerprints = fingerprints
        .iter()
        .map(|under| fingerprint(under, by, &path, query, request.headers(), body.as_deref()));
    let fingerprints: Vec<String> = fingerprints.collect();
    let keys = app.crm().tenant(membership.actor()).idempotency();
    let (fingerprint, begun) = begin(&keys, &key, fingerprints).await?;
    let (headers, extensions) = (request.headers().clone(), request.extensions().clone());
    let asked = Asked { app, keys, key, fingerprint, path, headers, extensions };
    match begun {
        Begun::Before(claim) => asked.repeat(&*next, *claim).await,
        Begun::First(attempt) => {
            request.extensions_mut().insert(Arc::clone(&attempt));
            let answer = next.call(request).await.map(IntoResponse::into_response);
            asked.keep(&*next, &attempt, answer).await
        }
    }
}

/// Begins a request, by the fingerprint that it has or had before the server's own key was changed.
async fn begin(
    keys: &Idempotency,
    key: &str,
    fingerprints: Vec<String>,
) -> Result<(String, Begun), ApiError> {
    let mut other = Error::internal("there is no fingerprint");
    for fingerprint in fingerprints {
        match keys.begin(key, &fingerprint).await {
            Ok(begun) => return Ok((fingerprint, begun)),
            Err(Error::Invalid(faults)) if faults.iter().any(|fault| fault.code == REUSED) => {
                other = Error::Invalid(faults);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(other.into())
}

impl Asked {
    /// Keeps the answer of the first request. Where it came to nothing because another one with
    /// its key was faster, gives that one's answer.
    async fn keep<E: Endpoint>(
        &self,
        next: &E,
        attempt: &Attempt,
        answer: Result<Response>,
    ) -> Result<Response> {
        let claimed = attempt.is_claimed();
        let answer = match answer {
            Ok(response) if claimed || response.status().is_success() => response,
            // Part of it was done, so the fault is what it is answered from now on.
            Err(error) if claimed => self.told(error),
            failed => {
                let before = self.keys.claimed(&self.key, &self.fingerprint).await;
                return match before.map_err(ApiError::from)? {
                    Some(claim) => self.repeat(next, claim).await,
                    None => failed,
                };
            }
        };
        if answer.status().is_server_error() {
            return Ok(answer);
        }
        let (kept, answer) = copied(answer).await?;
        match self.keys.keep(attempt, Some(kept)).await {
            Ok(true) => Ok(answer),
            // It wrote nothing, because another one had done so: that one's answer is its answer.
            Ok(false) => match self.keys.claimed(&self.key, &self.fingerprint).await {
                Ok(Some(claim)) => self.repeat(next, claim).await,
                Ok(None) => Ok(answer),
                Err(error) => Err(ApiError::from(error).into()),
            },
            Err(error) => {
                // It happened and is claimed: only a repetition is worse off.
                tracing::warn!(%error, "cannot keep the answer of a request with a key");
                Ok(answer)
            }
        }
    }

    /// Answers a request that was made before.
    async fn repeat<E: Endpoint>(&self, next: &E, mut claim: Claim) -> Result<Response> {
        let limit = self.app.config().limits.request_timeout.time_delta();
        let age = |claim: &Claim| self.app.crm().clock().now() - claim.created_at;
        let begun = std::time::Instant::now();
        while claim.answer.is_none() && age(&claim) <= limit && begun.elapsed() < PATIENCE {
            tokio::time::sleep(LOOK_EVERY).await;
            let again = self.keys.claimed(&self.key, &self.fingerprint).await;
            claim = again.map_err(ApiError::from)?.unwrap_or(claim);
        }
        if let Some(response) = claim.answer().and_then(replayed) {
            return Ok(self.routed(response));
        }
        if let Some((_, id)) = claim.created()
            && let Some(response) = self.anew(next, id).await
        {
            return Ok(self.routed(response));
        }
        let conflict = |code, message: &str| {
            ApiError::new(StatusCode::CONFLICT, Fault::at(HEADER, code, message))
        };
        Err(if claim.answer.is_none() && age(&claim) <= limit.max(TimeDelta::zero()) {
            let message = "the first request with this key is still being worked on";
            conflict(crm_core::idempotency::IN_USE, message).retry_after(Duration::from_secs(1))
        } else {
            let message = "the request with this key took effect, but what it was answered is \
                           not known any more: read the records concerned";
            conflict("IDEMPOTENCY_ANSWER_LOST", message)
        }
        .into())
    }

    /// The answer to a creation, made from the record as it is now.
    async fn anew<E: Endpoint>(&self, next: &E, id: uuid::Uuid) -> Option<Response> {
        let path = format!("{}/{id}", self.path);
        let mut request = Request::builder().method(Method::GET).uri(path.parse().ok()?).finish();
        *request.headers_mut() = self.headers.clone();
        *request.extensions_mut() = self.extensions.clone();
        let mut response = next.call(request).await.ok()?.into_response();
        if response.status() != StatusCode::OK {
            return None;
        }
        response.set_status(StatusCode::CREATED);
        let location = HeaderValue::from_str(&format!("{BASE}{path}")).ok()?;
        response.headers_mut().insert(header::LOCATION, location);
        mark(&mut response);
        Some(response)
    }

    /// An answer that no route gave counts with those of the route that would have.
    fn routed(&self, mut response: Response) -> Response {
        if let Some(route) = openapi::route(&format!("{BASE}{}", self.path)) {
            response.set_data(PathPattern(route.into()));
        }
        response
    }

    /// A fault as it is shown, under the id of its request.
    fn told(&self, error: poem::Error) -> Response {
        let context = self.extensions.get::<Arc<RequestContext>>();
        ApiError::from_poem(error).to_response(context.map(|context| context.id.as_str()))
    }
}

/// The path below the base, in our words.
fn path(request: &Request) -> String {
    let path = request.uri().path();
    let path = path.strip_prefix(BASE).unwrap_or(path);
    format!("/{}", path.trim_matches('/'))
}

/// The key. What it must look like is for the library to say.
fn key(request: &Request) -> Result<String, ApiError> {
    let invalid = |message: &str| Err(ApiError::unreadable(HEADER, "INVALID_HEADER", message));
    let mut values = request.headers().get_all(HEADER).iter();
    match (values.next().map(HeaderValue::to_str), values.next()) {
        (Some(Ok(key)), None) => Ok(key.trim().to_owned()),
        (Some(Ok(_)), Some(_)) => invalid("expected one Idempotency-Key, got several"),
        _ => invalid("expected visible ASCII characters"),
    }
}

/// The body, which stays where it is. None where it is not JSON: files are compared by their size.
async fn body(request: &mut Request, limit: usize) -> Result<Option<Vec<u8>>, ApiError> {
    let content_type = request.content_type().unwrap_or_default().to_ascii_lowercase();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    if !essence.is_empty() && !essence.ends_with("json") {
        return Ok(None);
    }
    let bytes = request.take_body().into_bytes_limit(limit).await;
    let bytes = bytes.map_err(|error| ApiError::from(&error))?;
    request.set_body(bytes.clone());
    Ok(Some(bytes.into()))
}

/// What is kept of an answer, and the answer. Streams and long bodies are not looked into.
async fn copied(mut answer: Response) -> Result<(Answer, Response), ApiError> {
    let text = |value: &HeaderValue| value.to_str().ok().map(str::to_owned);
    let headers = KEPT.into_iter().filter_map(|name| {
        let value = answer.headers().get(&name).and_then(text)?;
        Some((name.as_str().to_owned(), value))
    });
    let headers = headers.collect();
    let length = answer.headers().get(header::CONTENT_LENGTH).and_then(text);
    let length = length.and_then(|length| length.parse::<usize>().ok());
    let body = match length.filter(|length| *length <= MAX_BODY) {
        None => None,
        Some(_) => {
            let bytes = answer.take_body().into_bytes().await.map_err(ApiError::internal)?;
            answer.set_body(bytes.clone());
            String::from_utf8(bytes.into()).ok()
        }
    };
    Ok((Answer { status: answer.status().as_u16(), headers, body }, answer))
}

/// The answer that was kept; none where its body was not.
fn replayed(answer: Answer) -> Option<Response> {
    let Answer { status, headers, body } = answer;
    let body = body?;
    let mut response = Response::builder().status(StatusCode::from_u16(status).ok()?);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    let length = body.len();
    let mut response =
        response.header(header::CONTENT_LENGTH, length).body(Body::from_string(body));
    mark(&mut response);
    Some(response)
}

fn mark(response: &mut Response) {
    let name = HeaderName::from_static("idempotency-replayed");
    response.headers_mut().insert(name, HeaderValue::from_static("true"));
}
