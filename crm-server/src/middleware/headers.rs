//! Headers that tell browsers to be careful: those of OWASP's REST Security and HTTP Headers Cheat
//! Sheets, for an API that is never a page, and for the one page that is its reference.

use std::sync::Arc;

use poem::http::{HeaderName, HeaderValue, header};
use poem::{Endpoint, IntoResponse, Request, Response, Result};

use crate::config::Config;

/// Nothing in an answer is to be loaded, framed or run.
const API_POLICY: &str =
    "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
/// The reference is one page with its script in it, and asks this server only.
const DOCS_POLICY: &str = "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; \
     style-src 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; \
     connect-src 'self'; worker-src blob:; frame-ancestors 'none'; base-uri 'none'; \
     form-action 'none'";
/// Nothing here asks for what a device can do.
const PERMISSIONS: &str = "accelerometer=(), autoplay=(), camera=(), display-capture=(), \
     encrypted-media=(), fullscreen=(), geolocation=(), gyroscope=(), magnetometer=(), \
     microphone=(), midi=(), payment=(), picture-in-picture=(), publickey-credentials-get=(), \
     screen-wake-lock=(), sync-xhr=(), usb=(), xr-spatial-tracking=()";
/// Those without a name in the standard library of headers.
const OTHERS: [(HeaderName, &str); 5] = [
    (HeaderName::from_static("permissions-policy"), PERMISSIONS),
    // No other site's window holds ours, and no other site loads our answers as its own parts.
    // Reading them by CORS is another matter.
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("x-permitted-cross-domain-policies"), "none"),
    (HeaderName::from_static("x-dns-prefetch-control"), "off"),
];

#[derive(Debug, Clone)]
pub(super) struct Headers {
    encrypted: bool,
}

impl Headers {
    pub(super) fn new(config: &Config) -> Self {
        Self { encrypted: config.public_url.starts_with("https://") }
    }
}

pub(super) async fn secure<E: Endpoint>(
    next: Arc<E>,
    request: Request,
    settings: Headers,
) -> Result<Response> {
    let path = request.uri().path();
    let docs = path.trim_end_matches('/') == "/docs";
    let private = path.starts_with("/api");
    let mut response = next.call(request).await?.into_response();
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::X_FRAME_OPTIONS, "DENY");
    set(header::REFERRER_POLICY, "no-referrer");
    set(header::CONTENT_SECURITY_POLICY, if docs { DOCS_POLICY } else { API_POLICY });
    for (name, value) in OTHERS {
        set(name, value);
    }
    if private {
        set(header::CACHE_CONTROL, "no-store");
    }
    if settings.encrypted {
        set(header::STRICT_TRANSPORT_SECURITY, "max-age=31536000; includeSubDomains");
    }
    Ok(response)
}
