//! A tenant's own fields: defined once, then typed, checked, filtered and sorted like built-in
//! ones.

mod definition;
mod handle;
mod values;

use std::sync::Arc;

pub use definition::{CustomField, CustomFieldDraft, CustomFieldPatch, CustomType};
pub use handle::CustomOf;
pub use values::CustomFields;

use crate::error::Result;
use crate::records::Records;
use crate::store::{MAX_LIMIT, Page, Query, Window};
use crate::{Entity, TenantCrm};

/// The most fields that a tenant can define for one record type.
pub const MOST_PER_TYPE: usize = 200;

/// The service of definitions.
///
/// One counts from the next write of a record on. Its record type, key and type stay as they are.
/// Where one is deleted, stored values stay as long as they are left alone, can no longer be set
/// or filtered by, and count again when it is brought back.
pub type CustomFieldDefinitions = Records<CustomField>;

/// The live definitions for a record type, as they were a moment ago.
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
