//! A tenant's own fields: defined once, then typed, checked, filtered and sorted like built-in
//! ones.

mod claims;
mod clearing;
mod definition;
mod figures;
mod guard;
mod handle;
mod hidden;
mod options;
mod references;
mod rules;
mod service;
mod stored;
mod unique;
mod values;
mod work;

use std::sync::Arc;

pub use claims::CustomClaim;
pub use definition::{CustomField, CustomFieldDraft, CustomFieldPatch, CustomType};
pub(crate) use figures::figures;
pub use figures::{CustomFigures, Figures, MOST_FIGURES};
pub(crate) use guard::{Guard, Meaning, guard};
pub use handle::CustomOf;
pub(crate) use hidden::{hide, question, questions};
pub use options::Instead;
pub(crate) use references::newly_named;
pub use service::CustomFieldDefinitions;
pub use values::CustomFields;
pub(crate) use values::{HIDDEN, check};
pub use work::{Task, Work};

use crate::access::fields::LeftOut;
use crate::error::Result;
use crate::store::{Deleted, Filter, MAX_LIMIT, Page, Path, Query, Sort, Window, system};
use crate::{Entity, TenantCrm};

/// The most fields that a tenant can define for one record type.
pub const MOST_PER_TYPE: usize = 200;

/// The live definitions for a record type whose values the actor may see, the oldest first, as
/// they were a moment ago.
///
/// # Errors
/// Where the store fails.
pub async fn definitions(within: &TenantCrm, record_type: &str) -> Result<Vec<CustomField>> {
    Ok(live(&known(within).await?, record_type))
}

/// The same whatever the actor may see, for rules.
pub(crate) async fn all_definitions(
    within: &TenantCrm,
    record_type: &str,
) -> Result<Vec<CustomField>> {
    Ok(live(&all_known(within).await?, record_type))
}

fn live(all: &[CustomField], record_type: &str) -> Vec<CustomField> {
    let live = |field: &&CustomField| field.deleted_at.is_none();
    all.iter().filter(live).filter(|field| field.record_type == record_type).cloned().collect()
}

/// Whether an actor does not see the values of a field, whatever becomes of its definition.
fn is_left_out(field: &CustomField, within: &TenantCrm) -> bool {
    let schema = within.crm().catalogue().get(&field.record_type);
    let left_out = schema.and_then(|schema| LeftOut::of(within.actor(), schema));
    left_out.is_some_and(|left_out| left_out.has_key(&field.key))
}

/// All definitions that are live, or of which records may still have values. To an actor who does
/// not see the values of one, it is as one that is deleted.
async fn known(within: &TenantCrm) -> Result<Arc<[CustomField]>> {
    let all = all_known(within).await?;
    if !all.iter().any(|field| is_left_out(field, within)) {
        return Ok(all);
    }
    let seen = |field: &CustomField| match is_left_out(field, within) {
        true => CustomField {
            deleted_at: Some(field.deleted_at.unwrap_or(field.updated_at)),
            cleared: false,
            ..field.clone()
        },
        false => field.clone(),
    };
    Ok(all.iter().map(seen).collect())
}

async fn all_known(within: &TenantCrm) -> Result<Arc<[CustomField]>> {
    let known = within.crm().definitions();
    let tenant = within.actor().tenant();
    match known.get(tenant, within.crm().clock().now()) {
        Ok(all) => Ok(all),
        Err(reading) => {
            let all: Arc<[CustomField]> = read(within).await?.into();
            known.put(tenant, reading, Arc::clone(&all));
            Ok(all)
        }
    }
}

async fn read(within: &TenantCrm) -> Result<Vec<CustomField>> {
    let mut fields = Vec::new();
    let mut after = None;
    let live = Filter::Absent(Path::field(system::DELETED_AT));
    let either = live.or(CustomField::CLEARED.eq(false).into_filter());
    loop {
        let query = Query::new(CustomField::schema().clone())
            .filter(either.clone())?
            .sort(vec![Sort::ascending(Path::field(system::ID))])?
            .window(Window::Cursor { after, limit: MAX_LIMIT })?
            .deleted(Deleted::Include);
        let Page { items, next, .. } = within.query_for_rules(query).await?;
        for record in items {
            fields.push(CustomField::from_values(record.into_values())?);
        }
        after = next;
        if after.is_none() {
            return Ok(fields);
        }
    }
}
