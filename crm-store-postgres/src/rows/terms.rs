//! The numbers by which an index narrows a search down. They never decide: two things may have
//! one number, and whoever asks by numbers compares what comes back.

use crm_core::store::{FieldIndex, Record, Schema, Value, trigrams};
use crm_core::tenants::TenantId;
use uuid::Uuid;

/// The terms of a record: of its search text, and of each element of its lists of identifiers.
pub(crate) fn terms_of(schema: &Schema, record: &Record, search_text: &str) -> Vec<i32> {
    let tenant = record.tenant();
    let mut terms = search_terms(tenant, search_text);
    for (field, value) in (0..).zip(record.values()) {
        if let Value::Uuids(ids) = value {
            terms.extend(ids.iter().map(|id| element_term(schema, tenant, field, *id)));
        }
    }
    terms.sort_unstable();
    terms.dedup();
    terms
}

/// The terms that a text has, and so every text that contains it. None for fewer than three
/// characters.
pub(crate) fn search_terms(tenant: Option<TenantId>, folded: &str) -> Vec<i32> {
    trigrams(folded).map(|gram| mix(tenant, gram)).collect()
}

/// The term of a record in whose list of identifiers `id` is.
pub(crate) fn element_term(
    schema: &Schema,
    tenant: Option<TenantId>,
    field: FieldIndex,
    id: Uuid,
) -> i32 {
    let name = schema.field(field).name.bytes();
    mix(tenant, hash(name.chain(id.into_bytes())))
}

// The tenant leads with 12 bits, so that what one tenant writes and looks for lies together in
// the index, and stirs the other 20, so that tenants with the same 12 still differ.
fn mix(tenant: Option<TenantId>, term: u32) -> i32 {
    let Some(tenant) = tenant else { return term.cast_signed() };
    let seed = hash(tenant.uuid().into_bytes().into_iter());
    ((seed & 0xfff0_0000) | (scatter(seed ^ scatter(term)) >> 12)).cast_signed()
}

fn hash(bytes: impl Iterator<Item = u8>) -> u32 {
    scatter(bytes.fold(0x811c_9dc5, |hash, b| (hash ^ u32::from(b)).wrapping_mul(16_777_619)))
}

fn scatter(mut x: u32) -> u32 {
    x = (x ^ (x >> 16)).wrapping_mul(0x85eb_ca6b);
    x = (x ^ (x >> 13)).wrapping_mul(0xc2b2_ae35);
    x ^ (x >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(n: u128) -> Option<TenantId> {
        Some(TenantId::new(Uuid::from_u128(n)))
    }

    #[test]
    fn a_word_has_terms_that_every_text_with_it_has() {
        let text = search_terms(tenant(1), "acme corporation\ninfo@acme.com");
        assert!(search_terms(tenant(1), "corpo").iter().all(|term| text.contains(term)));
        assert!(search_terms(tenant(1), "ab").is_empty());
    }

    #[test]
    fn tenants_do_not_share_terms() {
        let text = search_terms(tenant(1), "acme corporation");
        assert!(search_terms(tenant(2), "acme corporation").iter().all(|t| !text.contains(t)));
    }
}
