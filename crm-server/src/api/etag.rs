//! A record's version as its `ETag`, and what `If-Match` asks of it.

use poem::Request;
use poem::http::{HeaderValue, header};

use super::error::ApiError;

/// The `ETag` of a version: `"3"`.
pub fn of(version: i64) -> HeaderValue {
    // Digits and quotes are always a valid header.
    HeaderValue::from_str(&format!("\"{version}\"")).unwrap_or(HeaderValue::from_static("\"0\""))
}

/// The version that a write expects: that of `If-Match`, or of the body. None where neither says.
///
/// # Errors
/// 400 where `If-Match` is not the `ETag` of one version, or says another than the body.
pub fn expected(request: &Request, body: Option<i64>) -> Result<Option<i64>, ApiError> {
    let invalid = |message: &str| Err(ApiError::unreadable("If-Match", "INVALID_HEADER", message));
    let mut values = request.headers().get_all(header::IF_MATCH).iter();
    let Some(value) = values.next() else { return Ok(body) };
    if values.next().is_some() {
        return invalid("expected one If-Match, got several");
    }
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(body);
    }
    let quoted = text.strip_prefix("W/").unwrap_or(text);
    let version = quoted
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .and_then(|digits| digits.parse::<i64>().ok());
    match (version, body) {
        (None, _) => invalid("expected one ETag such as \"3\", or *"),
        (Some(header), Some(body)) if header != body => {
            invalid("If-Match and the version in the body differ")
        }
        (version, _) => Ok(version),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(header: Option<&str>, body: Option<i64>) -> Option<Option<i64>> {
        let mut request = Request::builder();
        if let Some(header) = header {
            request = request.header("If-Match", header);
        }
        expected(&request.finish(), body).ok()
    }

    #[test]
    fn the_header_or_the_body_says_which_version_is_meant() {
        assert_eq!(asked(None, None), Some(None));
        assert_eq!(asked(None, Some(4)), Some(Some(4)));
        assert_eq!(asked(Some("\"4\""), None), Some(Some(4)));
        assert_eq!(asked(Some("W/\"4\""), Some(4)), Some(Some(4)));
        assert_eq!(asked(Some("*"), None), Some(None));
    }

    #[test]
    fn what_is_no_version_is_refused_and_so_is_a_contradiction() {
        for header in ["4", "\"x\"", "\"1\", \"2\"", ""] {
            assert_eq!(asked(Some(header), None), None, "{header}");
        }
        assert_eq!(asked(Some("\"4\""), Some(5)), None);
    }
}
