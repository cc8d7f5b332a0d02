//! What tells one request from another: its path, its parameters and its body.
//!
//! Clients that send a body again may write it anew, and not all of them write the members of an
//! object in the same order. So bodies that differ in that, or in white space between values, are
//! the same. Numbers and texts are compared as they are written.
//!
//! A body may hold a password, so a fingerprint is made under a key of the server: whoever reads
//! the database cannot try passwords on it.

use aws_lc_rs::hmac;
use poem::http::{HeaderMap, header};
use uuid::Uuid;

/// How deep is looked; what nests deeper is compared octet by octet.
const DEEPEST: usize = 64;

/// A hash of a POST. `by` is the API key that makes it; `body` is none where it was not read.
pub(super) fn fingerprint(
    key: &hmac::Key,
    by: Option<Uuid>,
    path: &str,
    query: Option<&str>,
    headers: &HeaderMap,
    body: Option<&[u8]>,
) -> String {
    let mut hash = hmac::Context::with_key(key);
    for part in ["POST", path, query.unwrap_or_default()] {
        hash.update(part.as_bytes());
        hash.update(&[0]);
    }
    if let Some(by) = by {
        hash.update(by.as_bytes());
    }
    match body {
        Some(body) => hash.update(canonical(body).as_deref().unwrap_or(body)),
        None => {
            for name in [header::CONTENT_TYPE, header::CONTENT_LENGTH] {
                hash.update(headers.get(name).map_or(&b""[..], |value| value.as_bytes()));
                hash.update(&[0]);
            }
        }
    }
    hash.sign().as_ref().iter().map(|octet| format!("{octet:02x}")).collect()
}

/// JSON without white space between values and with its members in order; none where it is no
/// JSON that is worth it.
fn canonical(json: &[u8]) -> Option<Vec<u8>> {
    let mut reader = Reader { rest: json };
    let value = reader.value(DEEPEST)?;
    reader.space();
    reader.rest.is_empty().then_some(value)
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn space(&mut self) {
        self.rest = self.rest.trim_ascii_start();
    }

    /// The octet that comes next, if it is this one.
    fn eat(&mut self, octet: u8) -> bool {
        self.space();
        match self.rest.split_first() {
            Some((first, behind)) if *first == octet => {
                self.rest = behind;
                true
            }
            _ => false,
        }
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, behind) = self.rest.split_at_checked(length)?;
        self.rest = behind;
        (!taken.is_empty()).then_some(taken)
    }

    fn value(&mut self, deep: usize) -> Option<Vec<u8>> {
        self.space();
        let deeper = deep.checked_sub(1)?;
        match self.rest.first()? {
            b'{' => {
                let mut members = self.several(b'}', |reader| {
                    reader.space();
                    let mut member = reader.text()?.to_vec();
                    let name = member.len();
                    member.push(b':');
                    if !reader.eat(b':') {
                        return None;
                    }
                    member.extend(reader.value(deeper)?);
                    Some((name, member))
                })?;
                members.sort_by(|(a, one), (b, other)| one[..*a].cmp(&other[..*b]));
                let members: Vec<_> = members.into_iter().map(|(_, member)| member).collect();
                Some([b"{", members.join(&b',').as_slice(), b"}"].concat())
            }
            b'[' => {
                let items = self.several(b']', |reader| reader.value(deeper))?;
                Some([b"[", items.join(&b',').as_slice(), b"]"].concat())
            }
            b'"' => self.text().map(<[u8]>::to_vec),
            _ => {
                let ends = |octet: &u8| b",]}: \t\r\n".contains(octet);
                let length = self.rest.iter().position(ends).unwrap_or(self.rest.len());
                self.take(length).map(<[u8]>::to_vec)
            }
        }
    }

    /// What stands between brackets, separated by commas.
    fn several<T>(
        &mut self,
        end: u8,
        mut one: impl FnMut(&mut Self) -> Option<T>,
    ) -> Option<Vec<T>> {
        self.take(1)?;
        let mut all = Vec::new();
        if self.eat(end) {
            return Some(all);
        }
        loop {
            all.push(one(self)?);
            if self.eat(end) {
                return Some(all);
            }
            if !self.eat(b',') {
                return None;
            }
        }
    }

    /// A text with its quotes, as it is written.
    fn text(&mut self) -> Option<&'a [u8]> {
        let mut escaped = false;
        let (first, behind) = self.rest.split_first()?;
        if *first != b'"' {
            return None;
        }
        let end = behind.iter().position(|octet| {
            let ends = *octet == b'"' && !escaped;
            escaped = *octet == b'\\' && !escaped;
            ends
        })?;
        self.take(end + 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, b"a key")
    }

    fn of(body: &str) -> String {
        fingerprint(&key(), None, "/customers", None, &HeaderMap::new(), Some(body.as_bytes()))
    }

    #[test]
    fn without_the_key_nothing_can_be_tried_on_it() {
        let other = hmac::Key::new(hmac::HMAC_SHA256, b"another key");
        let none = HeaderMap::new();
        let by_other = fingerprint(&other, None, "/customers", None, &none, Some(b"{}"));
        assert_ne!(of("{}"), by_other);
    }

    #[test]
    fn order_and_white_space_make_no_other_request() {
        let one = of(r#"{"a": [1, {"b": "x y", "c": null}], "d": {}}"#);
        assert_eq!(one, of("{\"d\":{},\n\t\"a\":[1,{\"c\":null,\"b\":\"x y\"}]}"));
        assert_eq!(of("{}"), of(" { } "));
    }

    #[test]
    fn another_value_makes_another_request() {
        let texts = [
            r#"{"a":1}"#,
            r#"{"a":1.0}"#,
            r#"{"a":"1"}"#,
            r#"{"a":"1 "}"#,
            r#"{"a":"1\""}"#,
            r#"{"a":"1\\"}"#,
            r#"{"a":[1]}"#,
            r#"{"a":[1,2]}"#,
            r#"{"a":[2,1]}"#,
            r#"{"a":10000000000000000000001}"#,
            r#"{"a":10000000000000000000002}"#,
            r#"{"b":1}"#,
            r#"{"a":{"b":1}}"#,
            r#"{"a":1,"b":1}"#,
            "{}",
            "",
            "not JSON",
            "not  JSON",
        ];
        for (i, one) in texts.iter().enumerate() {
            for other in &texts[i + 1..] {
                assert_ne!(of(one), of(other), "{one} {other}");
            }
        }
    }

    #[test]
    fn another_path_or_parameter_makes_another_request() {
        let none = HeaderMap::new();
        let by_key = Some(Uuid::nil());
        let plain = fingerprint(&key(), None, "/customers", None, &none, Some(b"{}"));
        let other = |path, query| fingerprint(&key(), None, path, query, &none, Some(b"{}"));
        assert_ne!(plain, other("/customers/tags", None));
        assert_ne!(plain, other("/customers", Some("dryRun=true")));
        assert_ne!(plain, fingerprint(&key(), by_key, "/customers", None, &none, Some(b"{}")));
    }

    #[test]
    fn what_nests_endlessly_is_compared_as_it_is() {
        let deep = "[".repeat(100_000);
        assert_eq!(canonical(deep.as_bytes()), None);
        assert_ne!(of(&deep), of(&format!(" {deep}")));
    }
}
