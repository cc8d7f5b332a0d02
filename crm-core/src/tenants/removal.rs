//! A deleted tenant whose time to come back is over is removed for good: every record of it, of
//! every type, a bounded step at a time, and the tenant at last.
//!
//! It cannot be brought back from the first step on. What stays is that it was deleted, brought
//! back, or removed: those entries of its log, and the event that tells of the removal. Users
//! stay, because they are nobody's but their own.

use std::sync::Arc;

use super::purge::STEP;
use super::{System, Tenant, TenantId, TenantStatus};
use crate::audit::{Action, AuditEntry};
use crate::auth::ApiKey;
use crate::entity::{Entity, Find};
use crate::error::{Error, Result};
use crate::records::Unit;
use crate::store::{Deleted, Query, Record, Schema, Scoping, Window};

/// What a step removed.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Removal {
    /// Records of a tenant.
    pub(super) records: usize,
    /// Tenants of which nothing was left.
    pub(super) tenants: usize,
    /// Whether there is more to do.
    pub(super) more: bool,
}

/// What became of an attempt to remove records.
enum Outcome {
    /// So many are gone.
    Gone(usize),
    /// Others refer to each of them.
    Held,
}

impl System {
    /// Removes some records of a tenant whose time is over, or the tenant itself where it has none
    /// left.
    pub(super) async fn remove_overdue(&self) -> Result<Removal> {
        let Some(tenant) = self.overdue().await? else { return Ok(Removal::default()) };
        let Some(tenant) = self.begin_removal(tenant).await? else {
            return Ok(Removal { more: true, ..Removal::default() });
        };
        let mut held = None;
        // Types refer to those before them.
        let types: Vec<Arc<Schema>> = self.crm().catalogue().iter().cloned().collect();
        for schema in types.iter().rev().filter(|schema| schema.scoping() == Scoping::Tenant) {
            match self.remove_some(tenant.id, schema).await? {
                Outcome::Gone(0) => {}
                Outcome::Gone(records) => {
                    return Ok(Removal { records, tenants: 0, more: true });
                }
                Outcome::Held => held = Some(schema),
            }
        }
        if let Some(schema) = held {
            return Err(Error::internal(format!(
                "the {schema} of a tenant that is being removed refer to each other in a ring"
            )));
        }
        let keys = self.remove_keys(tenant.id).await?;
        if keys > 0 {
            return Ok(Removal { records: keys, tenants: 0, more: true });
        }
        let mut unit = Unit::system(self.crm(), Some(tenant.id), None);
        unit.remove(tenant)?;
        match unit.commit_as_system().await {
            Ok(_) => Ok(Removal { records: 0, tenants: 1, more: true }),
            // Another server was faster.
            Err(Error::Stale { .. }) => Ok(Removal { more: true, ..Removal::default() }),
            Err(error) => Err(error),
        }
    }

    /// A tenant whose time is over: the one whose removal was begun, where there is one.
    async fn overdue(&self) -> Result<Option<Tenant>> {
        let begun = Tenant::STATUS.eq(TenantStatus::Removing);
        let over = Tenant::DELETED_AT.le(self.crm().clock().now() - self.crm().tenant_grace());
        for filter in [begun, over] {
            let find = Find::from(filter).deleted(Deleted::Only).page(1, 1);
            let found = self.crm().system_query(find.into_query()?).await?.items;
            if let Some(record) = found.into_iter().next() {
                return Tenant::from_values(record.into_values()).map(Some);
            }
        }
        Ok(None)
    }

    /// From now on nobody can bring it back. None where somebody just did.
    async fn begin_removal(&self, before: Tenant) -> Result<Option<Tenant>> {
        if before.status == TenantStatus::Removing {
            return Ok(Some(before));
        }
        let id = before.id;
        let mut unit = Unit::system(self.crm(), Some(id), None);
        let mut after = Tenant { status: TenantStatus::Removing, ..before.clone() };
        after.set_system(unit.next(&before));
        unit.update(before, after.clone(), Action::Updated)?;
        let committed = unit.commit_as_system().await;
        self.crm().tenants().forget(id);
        match committed {
            Ok(_) => Ok(Some(after)),
            Err(Error::Stale { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The keys that were good in it are records of the installation.
    async fn remove_keys(&self, tenant: TenantId) -> Result<usize> {
        let find = Find::from(ApiKey::TENANT.eq(tenant)).deleted(Deleted::Include).page(1, STEP);
        let found = self.crm().system_query(find.into_query()?).await?.items;
        if found.is_empty() {
            return Ok(0);
        }
        let count = found.len();
        // One that was used just now is met again.
        self.remove_all(ApiKey::schema(), found).await.map(|_| count)
    }

    async fn remove_some(&self, tenant: TenantId, schema: &Arc<Schema>) -> Result<Outcome> {
        let mut query = Query::new(Arc::clone(schema))
            .window(Window::Page { offset: 0, limit: STEP })?
            .deleted(Deleted::Include);
        if *schema == *AuditEntry::schema() {
            let ends = [Action::Deleted, Action::Restored, Action::Removed];
            let ends = AuditEntry::ACTION.any_of(ends);
            let kept = AuditEntry::RESOURCE.eq(Tenant::ENTITY).and(ends);
            query = query.filter(kept.not().into_filter())?;
        }
        let found = self.crm().tenant_query(tenant, query).await?.items;
        if found.is_empty() {
            return Ok(Outcome::Gone(0));
        }
        match self.remove_all(schema, found.clone()).await {
            Err(Error::Conflict { code: "REFERENCED", .. }) => {}
            done => return done.map(Outcome::Gone),
        }
        // They refer to each other: those go that nobody refers to.
        let mut gone = 0;
        for record in found {
            match self.remove_all(schema, vec![record]).await {
                Err(Error::Conflict { code: "REFERENCED", .. }) => {}
                done => gone += done?,
            }
        }
        Ok(if gone > 0 { Outcome::Gone(gone) } else { Outcome::Held })
    }

    /// Removes records for good, all or none; how many.
    pub(super) async fn remove_all(
        &self,
        schema: &Arc<Schema>,
        records: Vec<Record>,
    ) -> Result<usize> {
        let count = records.len();
        let mut unit = Unit::system(self.crm(), None, None);
        for record in records {
            unit.remove_record(schema, record);
        }
        match unit.commit_as_system().await {
            Ok(_) => Ok(count),
            // Another server was faster, or somebody else just used one of them.
            Err(Error::Stale { .. }) => Ok(0),
            Err(error) => Err(error),
        }
    }
}
