//! A tenant's own fields: defined once, then typed, checked, filtered and sorted like built-in
//! ones.

mod claims;
mod definition;
mod guard;
mod handle;
mod options;
mod rules;
mod service;
mod stored;
mod unique;
mod values;
mod work;

use std::sync::Arc;

pub use claims::CustomClaim;
pub use definition::{CustomField, CustomFieldDraft, CustomFieldPatch, CustomType};
pub(crate) use guard::{Guard, Meaning, guard};
pub use handle::CustomOf;
pub use options::Instead;
pub use service::CustomFieldDefinitions;
pub use values::CustomFields;
pub(crate) use values::check;
pub use work::{Task, Work};

use crate::error::Result;
use crate::store::{MAX_LIMIT, Page, Path, Query, Sort, Window, system};
use crate::{Entity, TenantCrm};

/// The most fields that a tenant can define for one record type.
pub const MOST_PER_TYPE: usize = 200;

/// The live definitions for a record type, the oldest first, as they were a moment ago.
///
/// # Errors
/// Where the store fails.
pub async fn definitions(within: &TenantCrm, record_type: &str) -> Result<Vec<CustomField>> {
    let known = within.crm().definitions();
    let tenant = within.actor().tenant();
    let all = match known.get(tenant, within.crm().clock().now()) {
        Ok(all) => all,
        Err(reading) => {
            let all: Arc<[CustomField]> = read(within).await?.into();
            known.put(tenant, reading, Arc::clone(&all));
            all
        }
    };
    Ok(all.iter().filter(|field| field.record_type == record_type).cloned().collect())
}

async fn read(within: &TenantCrm) -> Result<Vec<CustomField>> {
    let mut fields = Vec::new();
    let mut after = None;
    loop {
        let query = Query::new(CustomField::schema().clone());
        let query = query.sort(vec![Sort::ascending(Path::field(system::ID))])?;
        let query = query.window(Window::Cursor { after, limit: MAX_LIMIT })?;
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
