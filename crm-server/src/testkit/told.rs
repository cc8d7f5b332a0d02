//! What an answer tells, so that two of them can be held against each other.

use serde_json::{Value, json};

use super::server::Answer;

/// Headers that differ from answer to answer.
const OF_THE_MOMENT: &[&str] = &["date", "ratelimit", "traceresponse", "x-request-id"];

/// What an answer says, without what the caller sent and what is of the moment.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Told {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
}

/// A value as answers repeat it.
pub(super) fn said(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(map) => map.keys().next().cloned().unwrap_or_default(),
        other => other.to_string(),
    }
}

/// What an answer to a request at a path says, where `sent` was sent.
pub(super) fn told(answer: &Answer, sent: &[&str], path: &str) -> Told {
    let mut body = answer.json();
    let text = match body.as_object_mut() {
        Some(object) => {
            object.remove("requestId");
            body.to_string()
        }
        None => String::from_utf8_lossy(&answer.body).into_owned(),
    };
    // A record that was made for this question alone has an id of its own.
    let own = path.split(['/', '?']).filter(|part| part.len() == 36);
    let hide = |text: String| {
        let text = sent.iter().filter(|s| !s.is_empty()).fold(text, |text, s| {
            text.replace(&json!(s).to_string().replace('"', ""), "…").replace(s, "…")
        });
        own.clone().fold(text, |text, id| text.replace(id, "own"))
    };
    let headers = answer.headers.iter().filter(|(name, _)| !OF_THE_MOMENT.contains(&name.as_str()));
    let headers = headers.map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        (name.to_string(), hide(value))
    });
    let headers = headers.filter(|(name, _)| name != "content-length").collect();
    Told { status: answer.status, headers, body: hide(text) }
}

/// The same without what every record has of its own: identifiers, numbers, times.
pub(super) fn masked(told: &Told) -> (u16, Vec<(String, String)>, String) {
    let headers = told.headers.iter().map(|(name, value)| (name.clone(), unnumbered(value)));
    (told.status, headers.collect(), unnumbered(&told.body))
}

fn unnumbered(text: &str) -> String {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        let (word, behind) = rest.split_at(end);
        if word == "crm" && behind.starts_with('_') {
            // An API key, or what it begins with.
            let end = behind.find(|c: char| !is_part(c) && c != '_').unwrap_or(behind.len());
            out.push_str("key");
            rest = &behind[end..];
            continue;
        }
        if end > 0 && word.parse::<uuid::Uuid>().is_ok() {
            out.push_str("id");
        } else if end > 0 {
            let mut digits = false;
            for c in word.chars() {
                if !c.is_ascii_digit() {
                    out.push(c);
                } else if !digits {
                    out.push('#');
                }
                digits = c.is_ascii_digit();
            }
        }
        rest = behind;
        if end == 0 {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_record_has_of_its_own_is_masked() {
        let id = "019cf5fb-19c0-7000-b06d-e17d83ba68af";
        let text = format!("{{\"id\":\"{id}\",\"at\":\"2026-03-16T09:30:00Z\",\"name\":\"a 17\"}}");
        assert_eq!(unnumbered(&text), "{\"id\":\"id\",\"at\":\"#-#-#T#:#:#Z\",\"name\":\"a #\"}");
        assert_eq!(unnumbered("[\"crm_SAnVKs1H_fqGe8Y\",\"crm_x\"]"), "[\"key\",\"key\"]");
    }
}
