//! Access tokens and API keys that hold nothing.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm as Alg, EncodingKey};
use serde_json::{Value, json};

use crate::config::{Algorithm, Secret};
use crate::tokens::{TokenError, generate_key};

/// A token that must open nothing.
#[derive(Debug, Clone)]
pub struct BadToken {
    /// What is wrong with it.
    pub what: String,
    /// The token.
    pub token: String,
}

fn bad(what: impl Into<String>, token: String) -> BadToken {
    BadToken { what: what.into(), token }
}

/// The parts of a token: header, claims, and the signature as it stands.
fn parts(token: &str) -> Option<(Value, Value, &str)> {
    let mut parts = token.split('.');
    let read = |part: Option<&str>| -> Option<Value> {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part?).ok()?).ok()
    };
    let (header, claims) = (read(parts.next())?, read(parts.next())?);
    Some((header, claims, parts.next()?))
}

fn head(header: &Value, claims: &Value) -> String {
    let encoded = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    format!("{}.{}", encoded(header), encoded(claims))
}

fn with(object: &Value, name: &str, value: impl Into<Value>) -> Value {
    let mut object = object.clone();
    object[name] = value.into();
    object
}

/// What can be made of a token that holds and of the published keys (a JWK set), without knowing
/// a private key: no algorithm, the public key taken for a shared secret, another key under the
/// same name, claims changed under the old signature. `other` is a tenant to break into.
///
/// # Errors
/// Where `token` is no token, or no key can be made.
pub fn unsigned(token: &str, keys: &Value, other: &str) -> Result<Vec<BadToken>, TokenError> {
    let malformed = || TokenError::Malformed("expected an access token".to_owned());
    let (header, claims, signature) = parts(token).ok_or_else(malformed)?;
    let mut all = Vec::new();
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        let head = head(&with(&header, "alg", alg), &claims);
        all.push(bad(format!("alg {alg:?}"), format!("{head}.")));
        all.push(bad(format!("alg {alg:?}, signed"), format!("{head}.{signature}")));
    }
    for (what, secret) in public_octets(keys) {
        for (alg, algorithm) in [("HS256", hmac::HMAC_SHA256), ("HS512", hmac::HMAC_SHA512)] {
            let head = head(&with(&header, "alg", alg), &claims);
            let tag = hmac::sign(&hmac::Key::new(algorithm, &secret), head.as_bytes());
            let tag = URL_SAFE_NO_PAD.encode(tag.as_ref());
            all.push(bad(format!("{alg} by {what}"), format!("{head}.{tag}")));
        }
    }
    for (name, algorithm, alg) in
        [("EdDSA", Algorithm::EdDsa, Alg::EdDSA), ("RS256", Algorithm::Rs256, Alg::RS256)]
    {
        let key = encoding(&generate_key(algorithm)?, alg)?;
        let head = head(&with(&header, "alg", name), &claims);
        let unsigned = |error: jsonwebtoken::errors::Error| TokenError::Unsigned(error.to_string());
        let tag = jsonwebtoken::crypto::sign(head.as_bytes(), &key, alg).map_err(unsigned)?;
        all.push(bad(format!("signed by another {name} key"), format!("{head}.{tag}")));
    }
    for (name, value) in [
        ("tid", json!(other)),
        ("sub", json!(other)),
        ("exp", json!(9_999_999_999_i64)),
        ("aud", json!("*")),
        ("roles", json!(["owner"])),
    ] {
        let head = head(&header, &with(&claims, name, value));
        all.push(bad(format!("{name} changed"), format!("{head}.{signature}")));
    }
    for (name, value) in [
        ("kid", json!("../../dev/null")),
        ("typ", json!("JWT")),
        ("jku", json!("https://evil.example")),
    ] {
        let head = head(&with(&header, name, value), &claims);
        all.push(bad(format!("{name} changed"), format!("{head}.{signature}")));
    }
    let head = head(&header, &claims);
    all.push(bad("signature cut off", format!("{head}.")));
    all.push(bad("signature left out", head));
    all.push(bad("no token at all", "null".to_owned()));
    Ok(all)
}

/// What can be made of an API key that holds, without knowing another one: parts of it, slips, and
/// what surrounds it.
pub fn spoilt_keys(key: &str) -> Vec<BadToken> {
    let swapped = |at: usize| {
        let other = |c: char| if c == 'a' { 'b' } else { 'a' };
        key.char_indices().map(|(i, c)| if i == at { other(c) } else { c }).collect::<String>()
    };
    let (head, tail) = key.split_at(key.len() / 2);
    [
        ("cut off", key[..key.len() - 1].to_owned()),
        ("half", head.to_owned()),
        ("the other half", tail.to_owned()),
        ("one more", format!("{key}0")),
        ("a slip in front", swapped(5)),
        ("a slip", swapped(30)),
        ("a slip in the sum", swapped(key.len() - 1)),
        ("in capitals", key.to_uppercase()),
        ("in small letters", key.to_lowercase()),
        ("twice", format!("{key},{key}")),
        ("what is shown of it", key.chars().take(12).collect()),
        ("its beginning", "crm_".to_owned()),
        ("nothing in it", format!("crm_{}_{}", "0".repeat(8), "0".repeat(49))),
    ]
    .into_iter()
    .map(|(what, key)| bad(format!("API key, {what}"), key))
    .collect()
}

/// Whatever a server might take for a shared secret that everybody knows.
fn public_octets(keys: &Value) -> Vec<(String, Vec<u8>)> {
    let mut all = vec![
        ("nothing".to_owned(), Vec::new()),
        ("the published keys".to_owned(), keys.to_string().into_bytes()),
    ];
    for key in keys["keys"].as_array().into_iter().flatten() {
        all.push(("the public key in JSON".to_owned(), key.to_string().into_bytes()));
        for part in ["x", "n", "kid"] {
            let Some(text) = key[part].as_str() else { continue };
            all.push((format!("the text of {part}"), text.as_bytes().to_vec()));
            let Ok(octets) = URL_SAFE_NO_PAD.decode(text) else { continue };
            if part == "x" {
                // RFC 8410: the key as it stands in a certificate, and the PEM of it.
                let mut der =
                    vec![0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0];
                der.extend(&octets);
                let text = STANDARD.encode(&der);
                let pem = format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n");
                all.push(("the public key in DER".to_owned(), der));
                all.push(("the public key in PEM".to_owned(), pem.into_bytes()));
            }
            all.push((format!("the octets of {part}"), octets));
        }
    }
    all
}

/// What whoever has the private key must not sign by mistake: tokens that were true once, are not
/// yet, or are for something else. `now` is the server's time in seconds since 1970.
///
/// # Errors
/// Where `token` is no token, or `key` is none of its algorithm.
pub fn signed_otherwise(token: &str, key: &Secret, now: i64) -> Result<Vec<BadToken>, TokenError> {
    let malformed = || TokenError::Malformed("expected an access token".to_owned());
    let (header, claims, _) = parts(token).ok_or_else(malformed)?;
    let alg = if header["alg"] == "RS256" { Alg::RS256 } else { Alg::EdDSA };
    let key = encoding(key, alg)?;
    let signed = |header: &Value, claims: &Value| {
        let head = head(header, claims);
        jsonwebtoken::crypto::sign(head.as_bytes(), &key, alg)
            .map(|tag| format!("{head}.{tag}"))
            .map_err(|error| TokenError::Unsigned(error.to_string()))
    };
    let mut all = Vec::new();
    let day = 86_400;
    for (what, name, value) in [
        ("expired", "exp", json!(now - day)),
        ("not yet", "nbf", json!(now + day)),
        ("for somebody else", "aud", json!("other")),
        ("by somebody else", "iss", json!("https://evil.example")),
        ("without an end", "exp", Value::Null),
        ("for nobody", "sub", Value::Null),
    ] {
        all.push(bad(what, signed(&header, &with(&claims, name, value))?));
    }
    for typ in ["JWT", "rt+jwt", "refresh+jwt", "id+jwt", "mfa+jwt", "invitation+jwt", "jwt", ""] {
        all.push(bad(format!("of type {typ:?}"), signed(&with(&header, "typ", typ), &claims)?));
    }
    all.push(bad("of no type", signed(&with(&header, "typ", Value::Null), &claims)?));
    all.push(bad("critical", signed(&with(&header, "crit", json!(["exp"])), &claims)?));
    Ok(all)
}

fn encoding(key: &Secret, alg: Alg) -> Result<EncodingKey, TokenError> {
    let pem = key.reveal().trim().as_bytes();
    let key = match alg {
        Alg::RS256 => EncodingKey::from_rsa_pem(pem),
        _ => EncodingKey::from_ed_pem(pem),
    };
    key.map_err(|error| TokenError::Unsigned(error.to_string()))
}
