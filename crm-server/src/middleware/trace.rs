//! Where a request stands in a trace: the W3C's Trace Context, <https://www.w3.org/TR/trace-context/>.
//!
//! What a caller sends is taken where it is well-formed, and replaced by a trace of our own where
//! it is not. Each request is a span of its own, which its log lines and whatever it calls name.

use std::fmt;

use crm_core::Random;
use poem::http::{HeaderMap, HeaderName};

/// The header that a trace is named in.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// What tracing systems add for themselves.
pub const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
/// The header that an answer names its span in.
pub(super) const TRACERESPONSE: HeaderName = HeaderName::from_static("traceresponse");

/// The longest state that is handed on: what the standard asks for at least.
const STATE: usize = 512;
/// Version, trace, span and flags with what separates them.
const LENGTH: usize = 55;
const SAMPLED: u8 = 1;

/// An identifier, written in lower-case hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hex<const N: usize>(pub [u8; N]);

impl<const N: usize> Hex<N> {
    /// None where these are other digits, or all are zero.
    fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; N];
        if text.len() != 2 * N || !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return None;
        }
        for (byte, i) in bytes.iter_mut().zip((0..).step_by(2)) {
            *byte = u8::from_str_radix(text.get(i..i + 2)?, 16).ok()?;
        }
        bytes.iter().any(|byte| *byte != 0).then_some(Self(bytes))
    }

    pub(crate) fn random(random: &dyn Random) -> Self {
        let mut bytes = [0; N];
        random.fill(&mut bytes);
        // All zeros is no identifier.
        if bytes.iter().all(|byte| *byte == 0) {
            bytes = [1; N];
        }
        Self(bytes)
    }
}

impl<const N: usize> fmt::Display for Hex<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A request's place in a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace: all that came of one thing that somebody did.
    pub trace: Hex<16>,
    /// The span that called, where the caller named one.
    pub parent: Option<Hex<8>>,
    /// The request's own.
    pub span: Hex<8>,
    /// Whether somebody records the trace: whoever began it has decided.
    pub sampled: bool,
    /// What tracing systems told each other.
    pub state: Option<String>,
}

impl TraceContext {
    /// The place of a request with these headers. `samples` decides on traces that begin with it.
    pub(super) fn of(
        headers: &HeaderMap,
        random: &dyn Random,
        samples: impl FnOnce(Hex<16>) -> bool,
    ) -> Self {
        let span = Hex::random(random);
        let mut all = headers.get_all(TRACEPARENT).iter();
        // Two of them are as good as none: nobody could say which is meant.
        let only = all.next().filter(|_| all.next().is_none());
        match only.and_then(|value| parse(value.to_str().ok()?)) {
            Some((trace, parent, flags)) => Self {
                trace,
                parent: Some(parent),
                span,
                sampled: flags & SAMPLED != 0,
                state: state(headers),
            },
            None => {
                let trace = Hex::random(random);
                Self { trace, parent: None, span, sampled: samples(trace), state: None }
            }
        }
    }

    /// What to send to whoever this request calls, as `traceparent`.
    pub fn traceparent(&self) -> String {
        format!("00-{}-{}-{:02x}", self.trace, self.span, u8::from(self.sampled))
    }
}

/// Trace, calling span and flags.
fn parse(text: &str) -> Option<(Hex<16>, Hex<8>, u8)> {
    let known = text.get(..LENGTH)?;
    let [version, trace, span, flags] = known.split('-').collect::<Vec<_>>().try_into().ok()?;
    let version = byte(version)?;
    // Later versions may say more behind it; there will be none of this number.
    let rest = text.get(LENGTH..)?;
    let whole =
        if version == 0 { rest.is_empty() } else { rest.is_empty() || rest.starts_with('-') };
    if version == u8::MAX || !whole {
        return None;
    }
    Some((Hex::parse(trace)?, Hex::parse(span)?, byte(flags)?))
}

fn byte(text: &str) -> Option<u8> {
    let digits = text.len() == 2 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    digits.then(|| u8::from_str_radix(text, 16).ok())?
}

fn state(headers: &HeaderMap) -> Option<String> {
    let values = headers.get_all(TRACESTATE).iter();
    let texts = values.map(|value| value.to_str().ok()).collect::<Option<Vec<_>>>()?;
    let joined = texts.join(",");
    (!joined.is_empty() && joined.len() <= STATE).then_some(joined)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crm_core::SeededRandom;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn of(pairs: &[(HeaderName, &str)]) -> TraceContext {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name.clone(), value.parse().unwrap());
        }
        TraceContext::of(&headers, &SeededRandom::new(1), |_| false)
    }

    #[test]
    fn whoever_begins_a_trace_decides_whether_it_is_recorded() {
        let decide = |headers: &HeaderMap, ours| {
            TraceContext::of(headers, &SeededRandom::new(1), |_| ours).sampled
        };
        assert!(decide(&HeaderMap::new(), true) && !decide(&HeaderMap::new(), false));
        for (flags, theirs) in [("01", true), ("00", false), ("03", true), ("02", false)] {
            let parent = GOOD[..GOOD.len() - 2].to_owned() + flags;
            let headers = HeaderMap::from_iter([(TRACEPARENT, parent.parse().unwrap())]);
            for ours in [true, false] {
                assert_eq!(decide(&headers, ours), theirs, "{flags}");
            }
        }
    }

    #[test]
    fn a_trace_is_gone_on_with_under_a_span_of_its_own() {
        let context = of(&[(TRACEPARENT, GOOD), (TRACESTATE, "a=1"), (TRACESTATE, "b=2")]);
        assert_eq!(context.trace.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(context.parent.unwrap().to_string(), "00f067aa0ba902b7");
        assert_ne!(Some(context.span), context.parent);
        assert_eq!(context.state.as_deref(), Some("a=1,b=2"));
        let given = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-{}-01", context.span);
        assert_eq!(context.traceparent(), given);
    }

    #[test]
    fn a_later_version_is_read_as_far_as_it_is_known() {
        for text in [GOOD.replacen("00", "01", 1), format!("{}-more", GOOD.replacen("00", "cc", 1))]
        {
            let context = of(&[(TRACEPARENT, &text)]);
            assert!(context.parent.is_some(), "{text}");
            assert!(context.traceparent().starts_with("00-4bf92f35"), "{text}");
        }
    }

    #[test]
    fn what_is_malformed_is_replaced_and_its_state_dropped() {
        let bad = [
            "",
            "00",
            "nonsense",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-001",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-zz",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "0-4bf92f3577b34da6a3ce929d0e0e47360-00f067aa0ba902b7-01",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01x",
        ];
        for text in bad {
            let context = of(&[(TRACEPARENT, text), (TRACESTATE, "a=1")]);
            assert_eq!((context.parent, context.state), (None, None), "{text}");
            assert!(!context.trace.to_string().starts_with("4bf92f35"), "{text}");
        }
        let twice = of(&[(TRACEPARENT, GOOD), (TRACEPARENT, GOOD)]);
        assert_eq!(twice.parent, None);
        let long = "a=".to_owned() + &"x".repeat(600);
        assert_eq!(of(&[(TRACEPARENT, GOOD), (TRACESTATE, &long)]).state, None);
    }
}
