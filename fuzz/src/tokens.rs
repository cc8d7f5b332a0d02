//! Access tokens: whatever text comes, only what this server signed, as an access token, for
//! itself and for now, holds.

use std::sync::{Arc, LazyLock};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use crm_core::{Clock, ManualClock, SeededRandom};
use crm_server::config::{Algorithm, Config, Secret};
use crm_server::tokens::{TOKEN_TYPE, Tokens, generate_key};
use jsonwebtoken::{Algorithm as Alg, EncodingKey};
use serde_json::Value;
use uuid::Uuid;

struct World {
    tokens: Tokens,
    key: EncodingKey,
    kid: String,
    issuer: String,
    audience: String,
    now: DateTime<Utc>,
    leeway: i64,
    real: String,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let mut config = Config::default();
    config.tokens.algorithm = Algorithm::EdDsa;
    let secret: Secret = generate_key(Algorithm::EdDsa).unwrap();
    config.tokens.key = Some(secret.clone());
    let clock = Arc::new(ManualClock::at("2026-03-16T09:30:00Z".parse().unwrap()));
    let now = clock.now();
    let random = Arc::new(SeededRandom::new(1));
    let tokens = Tokens::new(&config, clock as Arc<dyn Clock>, random).unwrap();
    let user = Uuid::from_u128(7);
    let real = tokens.sign(user, Some(Uuid::from_u128(8)), Uuid::from_u128(9)).unwrap().token;
    let kid = tokens.jwks().keys[0].common.key_id.clone().unwrap();
    World {
        key: EncodingKey::from_ed_pem(secret.reveal().as_bytes()).unwrap(),
        kid,
        issuer: config.public_url.clone(),
        audience: config.tokens.audience.clone(),
        now,
        leeway: config.tokens.leeway.time_delta().num_seconds(),
        tokens,
        real,
    }
});

pub(crate) fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    as_it_is(text);
    spliced(data);
    signed(text);
}

/// Any text: it holds only where it is the one that was signed.
fn as_it_is(text: &str) {
    if let Ok(claims) = WORLD.tokens.verify(text) {
        assert_eq!(text, WORLD.real, "{claims:?}");
    }
}

/// The real token with one place changed: `place` (two octets), then what stands there.
fn spliced(data: &[u8]) {
    let [high, low, octets @ ..] = data else { return };
    let Ok(inserted) = std::str::from_utf8(octets) else { return };
    let real = &WORLD.real;
    let at = usize::from(u16::from_be_bytes([*high, *low])) % (real.len() + 1);
    let (before, behind) = real.split_at(at);
    as_it_is(&format!("{before}{inserted}{behind}"));
    as_it_is(&format!("{before}{inserted}{}", behind.get(inserted.len()..).unwrap_or_default()));
}

/// A header and claims of anybody's making (two lines of JSON; `KID` stands for the key's name),
/// under a true signature: each thing that is to be checked is checked.
fn signed(text: &str) {
    let text = text.replace("KID", &WORLD.kid);
    let Some((header, claims)) = text.split_once('\n') else { return };
    let head = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let Ok(signature) = jsonwebtoken::crypto::sign(head.as_bytes(), &WORLD.key, Alg::EdDSA) else {
        return;
    };
    let Ok(held) = WORLD.tokens.verify(&format!("{head}.{signature}")) else { return };
    // Serde takes the last of two equal keys where it takes two at all.
    let header: Value = serde_json::from_str(header).unwrap();
    let claims: Value = serde_json::from_str(claims).unwrap();
    assert_eq!(header["alg"], "EdDSA");
    assert_eq!(header["kid"], WORLD.kid.as_str());
    assert!(header["typ"].as_str().unwrap().eq_ignore_ascii_case(TOKEN_TYPE));
    assert!(header["crit"].is_null());
    assert_eq!((&held.iss, &held.aud), (&WORLD.issuer, &WORLD.audience));
    assert_eq!(claims["iss"], held.iss);
    assert_eq!(claims["aud"], held.aud);
    let now = WORLD.now.timestamp();
    assert!(held.exp.saturating_add(WORLD.leeway) > now, "{held:?}");
    assert!(held.nbf.saturating_sub(WORLD.leeway) <= now, "{held:?}");
}
