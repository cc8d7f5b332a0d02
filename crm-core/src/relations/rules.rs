//! What must hold of a relation.

use async_trait::async_trait;
use serde_json::{Map, Value};

use super::{Relation, kinds};
use crate::crm::TenantCrm;
use crate::error::{Faults, Result};
use crate::records::{EndRef, Rules};

/// The most octets of a relation's attributes, written as JSON.
pub const MOST_ATTRIBUTE_OCTETS: usize = 16_384;
/// How many levels a relation's attributes may nest, the object itself being the first.
pub const MOST_ATTRIBUTE_LEVELS: usize = 5;

#[async_trait]
impl Rules for Relation {
    async fn check(&mut self, before: Option<&Self>, within: &TenantCrm) -> Result<()> {
        let mut faults = Faults::default();
        let (from, to) = (self.from(), self.to());
        let known: Vec<&str> = within.end_types().collect();
        for (field, end) in [("from.type", &from), ("to.type", &to)] {
            if !known.contains(&end.record_type.as_str()) {
                let (expected, got) = (known.join(", "), &end.record_type);
                let message = format!("expected one of {expected}, got {got:?}");
                faults.add(field, "UNKNOWN_RECORD_TYPE", message);
            }
        }
        if from == to {
            faults.add("to", "SELF_REFERENCE", "a record cannot be related to itself");
        }
        if let Some(symmetric) = faults.absorb(self.check_kind(before, within).await)? {
            self.ends = ends_of(&from, &to, symmetric);
        }
        self.check_attributes(&mut faults);
        if before.is_none() {
            self.created_by = Some(within.actor().user());
        }
        faults.into_result()
    }
}

impl Relation {
    /// Whether the kind is symmetric. What a relation was, it can stay: its kind may have been
    /// deleted since, or be for other types now.
    async fn check_kind(&self, before: Option<&Self>, within: &TenantCrm) -> Result<bool> {
        let stays = |before: &&Self| {
            (&before.kind, &before.from_type, &before.to_type)
                == (&self.kind, &self.from_type, &self.to_type)
        };
        if before.filter(stays).is_some()
            && let Some(kind) = kinds::kinds_named(within, [&*self.kind]).await?.remove(&self.kind)
        {
            return Ok(kind.symmetric);
        }
        let usable = kinds::usable(within).await?;
        let Some(kind) = usable.iter().find(|kind| kind.key == self.kind) else {
            return Err(kinds::unknown(&usable, &self.kind));
        };
        if kind.joins(&self.from_type, &self.to_type) {
            return Ok(kind.symmetric);
        }
        let named = |types: &[String]| match types {
            [] => "any".to_owned(),
            types => types.join(" or "),
        };
        let mut faults = Faults::default();
        faults.add(
            "kind",
            "NOT_ALLOWED",
            format!(
                "{} goes from {} to {}, got {} and {}",
                kind.key,
                named(&kind.from_types),
                named(&kind.to_types),
                self.from_type,
                self.to_type
            ),
        );
        faults.into_result().map(|()| kind.symmetric)
    }

    fn check_attributes(&mut self, faults: &mut Faults) {
        if self.attributes.is_null() {
            self.attributes = Value::Object(Map::new());
        }
        if !self.attributes.is_object() {
            faults.add("attributes", "INVALID_TYPE", "expected an object");
            return;
        }
        if levels(&self.attributes) > MOST_ATTRIBUTE_LEVELS {
            let message = format!("expected at most {MOST_ATTRIBUTE_LEVELS} levels");
            faults.add("attributes", "TOO_DEEP", message);
        }
        if self.attributes.to_string().len() > MOST_ATTRIBUTE_OCTETS {
            let message = format!("expected at most {MOST_ATTRIBUTE_OCTETS} octets of JSON");
            faults.add("attributes", "TOO_LONG", message);
        }
    }
}

/// What no two relations of a kind share.
fn ends_of(from: &EndRef, to: &EndRef, symmetric: bool) -> String {
    if symmetric && to < from { format!("{to} {from}") } else { format!("{from} {to}") }
}

fn levels(value: &Value) -> usize {
    match value {
        Value::Object(entries) => 1 + entries.values().map(levels).max().unwrap_or(0),
        Value::Array(items) => 1 + items.iter().map(levels).max().unwrap_or(0),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn levels_are_counted_from_the_object_itself() {
        for (value, expected) in
            [(json!({}), 1), (json!({"a": 1}), 1), (json!({"a": [1, {"b": []}]}), 4)]
        {
            assert_eq!(levels(&value), expected, "{value}");
        }
    }

    #[test]
    fn the_order_of_symmetric_ends_does_not_matter() {
        let one = EndRef::new("companies", uuid::Uuid::from_u128(9));
        let other = EndRef::new("customers", uuid::Uuid::from_u128(1));
        assert_eq!(ends_of(&one, &other, true), ends_of(&other, &one, true));
        assert_ne!(ends_of(&one, &other, false), ends_of(&other, &one, false));
    }
}
