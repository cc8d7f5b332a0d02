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
use crate::id::Id;
use crate::records::Records;
use crate::store::{Deleted, MAX_LIMIT, Page, Query, Window};
use crate::tenants::TenantId;
use crate::{Entity, Find, TenantCrm};

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

    fn forget(&self, tenant: TenantId) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(&tenant);
    }
}

/// The live definitions for a record type.
///
/// # Errors
/// Where the store fails.
pub async fn definitions(within: &TenantCrm, record_type: &str) -> Result<Vec<CustomField>> {
    let all = within.crm().definitions().all(within).await?;
    Ok(all.iter().filter(|field| field.record_type == record_type).cloned().collect())
}

/// The service of definitions.
#[derive(Debug, Clone)]
pub struct CustomFieldDefinitions(Records<CustomField>);

impl CustomFieldDefinitions {
    pub(crate) fn new(within: TenantCrm) -> Self {
        Self(within.records())
    }

    /// The definitions that are asked for.
    ///
    /// # Errors
    /// As [`Records::find`].
    pub async fn find(&self, find: impl Into<Find<CustomField>>) -> Result<Page<CustomField>> {
        self.0.find(find).await
    }

    /// The plain records, for generic code that only reads.
    pub fn records(&self) -> &Records<CustomField> {
        &self.0
    }

    /// A definition.
    ///
    /// # Errors
    /// As [`Records::get`].
    pub async fn get(&self, id: Id<CustomField>) -> Result<CustomField> {
        self.0.get(id).await
    }

    /// A definition, also a deleted one.
    ///
    /// # Errors
    /// As [`Records::load`].
    pub async fn load(&self, id: Id<CustomField>, deleted: Deleted) -> Result<CustomField> {
        self.0.load(id, deleted).await
    }

    /// Defines a field. It counts from the next write of a record on.
    ///
    /// # Errors
    /// As [`Records::create`].
    pub async fn create(&self, draft: CustomFieldDraft) -> Result<CustomField> {
        self.forgetting(self.0.create(draft).await)
    }

    /// Replaces a definition. Its record type, key and type stay as they are.
    ///
    /// # Errors
    /// As [`Records::replace`]; `IMMUTABLE` where one of those would change.
    pub async fn replace(
        &self,
        id: Id<CustomField>,
        expected: Option<i64>,
        draft: CustomFieldDraft,
    ) -> Result<CustomField> {
        self.forgetting(self.0.replace(id, expected, draft).await)
    }

    /// Changes a definition. Its record type, key and type stay as they are.
    ///
    /// # Errors
    /// As [`Records::patch`]; `IMMUTABLE` where one of those would change.
    pub async fn patch(
        &self,
        id: Id<CustomField>,
        expected: Option<i64>,
        patch: CustomFieldPatch,
    ) -> Result<CustomField> {
        self.forgetting(self.0.patch(id, expected, patch).await)
    }

    /// Deletes a definition. Stored values stay where they are left alone, can no longer be set or
    /// filtered by, and count again when it is brought back.
    ///
    /// # Errors
    /// As [`Records::delete`].
    pub async fn delete(&self, id: Id<CustomField>, expected: Option<i64>) -> Result<CustomField> {
        self.forgetting(self.0.delete(id, expected).await)
    }

    /// Brings a definition back.
    ///
    /// # Errors
    /// As [`Records::restore`].
    pub async fn restore(&self, id: Id<CustomField>, expected: Option<i64>) -> Result<CustomField> {
        self.forgetting(self.0.restore(id, expected).await)
    }

    fn forgetting<T>(&self, result: T) -> T {
        let within = self.0.within();
        within.crm().definitions().forget(within.actor().tenant());
        result
    }
}
