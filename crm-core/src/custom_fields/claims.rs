//! Claims: which record has a value of a unique field.
//!
//! A claim is a record like any other, with a unique key that the store enforces, and is written
//! in the batch of the change that it belongs to. So a value is unique among concurrent writers on
//! every store, and nothing here compares values with those of other records. Nobody asks for
//! claims, and no log tells of them: they repeat what the records say.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::CustomField;
use crate::Entity;
use crate::id::Id;
use crate::store::{Value, fold};

/// The key that no two claims share.
pub(super) const BY_VALUE: &str = "custom_claims_value";

/// Of longer values the digest is claimed: an index takes no key of any length.
const LONGEST: usize = 400;

/// That a record has a value of a unique field. There is at most one of a record and field.
#[derive(Debug, Clone, PartialEq, Entity)]
#[entity(name = "custom_claims", tenant, owners(nobody), no_default_draft)]
#[entity(unique(name = "custom_claims_value", fields(field, round, value)))]
#[entity(unique(name = "custom_claims_record", fields(record_id, field)))]
#[expect(clippy::duplicated_attributes, reason = "two keys may share a field")]
pub struct CustomClaim {
    /// The identifier.
    pub id: Id<Self>,
    /// The version.
    pub version: i64,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
    /// Never; a claim that was given up has no value.
    pub deleted_at: Option<DateTime<Utc>>,
    /// The definition.
    #[entity(filter)]
    pub field: Id<CustomField>,
    /// The definition's round; an earlier one's claims count for nothing.
    pub round: i64,
    /// The record.
    #[entity(filter)]
    pub record_id: Uuid,
    /// The value in the form in which it is compared; none where the record has none, or is
    /// deleted.
    #[entity(code)]
    pub value: Option<String>,
}

/// A value in the form in which it is claimed: equal exactly where values compare equal. None for
/// those that cannot be unique.
pub(super) fn claimed(value: &Value) -> Option<String> {
    let text = match value {
        Value::Text(text) => fold(text),
        Value::Int(int) => int.to_string(),
        Value::Decimal(decimal) => decimal.normalize().to_string(),
        Value::Date(date) => date.to_string(),
        Value::Time(time) => time.timestamp_micros().to_string(),
        Value::Uuid(id) => id.to_string(),
        _ => return None,
    };
    Some(if text.len() <= LONGEST {
        format!("={text}")
    } else {
        format!("#{}", STANDARD_NO_PAD.encode(Sha256::digest(text)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_claimed_alike_where_they_compare_equal() {
        let claim = |value: Value| claimed(&value).unwrap();
        let decimal = |text: &str| claim(Value::Decimal(text.parse().unwrap()));
        assert_eq!(claim("STRASSE".into()), claim("Straße".into()));
        assert_eq!(claim("🙂É".into()), claim("🙂e".into()));
        assert_ne!(claim("🙂".into()), claim("🙃".into()));
        assert_eq!(decimal("-0"), decimal("0.000000"));
        assert_eq!(decimal("1.10"), decimal("1.1"));
        assert_ne!(claim(i64::MIN.into()), claim(i64::MAX.into()));
        let long = "x".repeat(LONGEST + 1);
        assert_eq!(claim(long.as_str().into()), claim(long.to_uppercase().into()));
        assert_ne!(claim(long.as_str().into()), claim(format!("{long}x").into()));
        assert!(claim(long.into()).len() < LONGEST);
        assert_eq!(claimed(&true.into()), None);
    }
}
