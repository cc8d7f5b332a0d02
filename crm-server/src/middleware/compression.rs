//! Large answers of text are compressed with Brotli or gzip, as the caller prefers.

use std::sync::Arc;

use poem::http::{HeaderMap, HeaderValue, header};
use poem::web::{Compress, CompressionAlgo};
use poem::{Endpoint, IntoResponse, Request, Response, Result};

/// Below this many bytes it costs more than it saves.
const WORTHWHILE: u64 = 1_024;

pub(super) async fn compress<E: Endpoint>(next: Arc<E>, request: Request) -> Result<Response> {
    let algorithm = choose(request.headers());
    let mut response = next.call(request).await?.into_response();
    if !is_worthwhile(&response) {
        return Ok(response);
    }
    response.headers_mut().append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    Ok(match algorithm {
        Some(algorithm) => Compress::new(response, algorithm).into_response(),
        None => response,
    })
}

/// The best of what is accepted; equals go to Brotli.
fn choose(headers: &HeaderMap) -> Option<CompressionAlgo> {
    let values = headers.get_all(header::ACCEPT_ENCODING);
    let mut best = None;
    for item in values.iter().filter_map(|value| value.to_str().ok()).flat_map(|v| v.split(',')) {
        let mut parts = item.split(';').map(str::trim);
        let algorithm = match parts.next().map(str::to_ascii_lowercase).as_deref() {
            Some("br") => CompressionAlgo::BR,
            Some("gzip") => CompressionAlgo::GZIP,
            _ => continue,
        };
        let weight =
            parts.find_map(|part| part.strip_prefix("q=")).map_or(Some(1.0), |q| q.parse().ok());
        let weight: f32 = weight.unwrap_or(0.0);
        if weight <= 0.0 {
            continue;
        }
        let wins = match best {
            None => true,
            Some((_, other)) if weight == other => algorithm == CompressionAlgo::BR,
            Some((_, other)) => weight > other,
        };
        if wins {
            best = Some((algorithm, weight));
        }
    }
    best.map(|(algorithm, _)| algorithm)
}

fn is_worthwhile(response: &Response) -> bool {
    let headers = response.headers();
    let text = response.content_type().is_some_and(|content_type| {
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        essence != "text/event-stream"
            && (essence.starts_with("text/")
                || essence.ends_with("json")
                || essence == "application/javascript")
    });
    // An answer that does not tell its length is a stream, and may be long.
    let length =
        headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    text && !headers.contains_key(header::CONTENT_ENCODING)
        && length.is_none_or(|n| n >= WORTHWHILE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(accepted: &str) -> Option<CompressionAlgo> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_ENCODING, accepted.parse().unwrap());
        choose(&headers)
    }

    #[test]
    fn the_caller_decides_and_brotli_wins_a_tie() {
        assert_eq!(chosen("gzip, deflate, br"), Some(CompressionAlgo::BR));
        assert_eq!(chosen("gzip;q=1.0, br;q=0.5"), Some(CompressionAlgo::GZIP));
        assert_eq!(chosen("gzip"), Some(CompressionAlgo::GZIP));
        assert_eq!(chosen("br;q=0, identity"), None);
        assert_eq!(chosen("zstd, *"), None);
    }
}
