//! A tenant's own fields: defined once, then typed, checked, filtered and sorted like built-in
//! ones.

mod definition;
mod handle;
mod values;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use chrono::{DateTime, TimeDelta, Utc};

pub use definition::{CustomField, CustomFieldDraft, CustomFieldPatch, CustomType};
pub use handle::CustomOf;
pub use values::CustomFields;

use crate::error::Result;
use crate::records::Records;
use crate::store::{MAX_LIMIT, Page, Query, Window};
use crate::tenants::TenantId;
use crate::{Entity, TenantCrm};

/// The most fields that a tenant can define for one record type.
pub const MOST_PER_TYPE: usize = 200;

/// How long definitions are remembered. Another instance's change is seen after that.
const REMEMBERED: TimeDelta = TimeDelta::seconds(2);
/// How many tenants' definitions are remembered at once.
const MOST_TENANTS: usize = 10_000;

type Known = HashMap<TenantId, (DateTime<Utc>, Arc<[CustomField]>)>;

/// Definitions that were read lately, by tenant.
#[derive(Debug, Default)]
pub(crate) struct Definitions(RwLock<Known>);

impl Definitions {
    async fn all(&self, within: &TenantCrm) -> Result<Arc<[CustomField]>> {
        let tenant = within.actor().tenant();
        let now = within.crm().clock().now();
        if let Some((read, fields)) =
            self.0.read().unwrap_or_else(PoisonError::into_inner).get(&tenant)
            && (now - *read).abs() < REMEMBERED
        {
            return Ok(Arc::clone(fields));
        }
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
                break;
            }
        }
        let fields: Arc<[CustomField]> = fields.into();
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST_TENANTS {
            known.clear();
        }
        known.insert(tenant, (now, Arc::clone(&fields)));
        Ok(fields)
    }

    pub(crate) fn forget(&self, tenant: TenantId) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(&tenant);
    }
}

/// The service of definitions.
///
/// One counts from the next write of a record on. Its record type, key and type stay as they are.
/// Where one is deleted, stored values stay as long as they are left alone, can no longer be set
/// or filtered by, and count again when it is brought back.
pub type CustomFieldDefinitions = Records<CustomField>;

/// The live definitions for a record type.
///
/// # Errors
/// Where the store fails.
pub async fn definitions(within: &TenantCrm, record_type: &str) -> Result<Vec<CustomField>> {
    let all = within.crm().definitions().all(within).await?;
    Ok(all.iter().filter(|field| field.record_type == record_type).cloned().collect())
}
