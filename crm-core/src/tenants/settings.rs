//! The tenant itself, as its own people see and change it.

use super::{Tenant, TenantDraft, load};
use crate::TenantCrm;
use crate::access::{Permission, Reach};
use crate::audit::Action;
use crate::entity::{Draft, Entity};
use crate::error::{Error, Result};
use crate::records::{ATTEMPTS, Unit};

/// The name and settings of the actor's tenant.
///
/// ```
/// # #[tokio::main] async fn main() -> crm_core::Result<()> {
/// # use crm_core::access::{Actor, BuiltIn};
/// use crm_core::tenants::TenantDraft;
/// # let crm = crm_core::Crm::new(crm_store_memory::MemoryStore::new()).await?;
/// # let tenant = crm.system().create_tenant("Acme").await?.id;
/// # let ada = crm.tenant(Actor::new(tenant, crm.new_id()).with_role(BuiltIn::Owner));
///
/// let german = TenantDraft {
///     name: "Acme GmbH".into(),
///     locale: Some("de-DE".into()),
///     time_zone: Some("europe/berlin".into()),
///     currency: Some("eur".into()),
///     ..TenantDraft::default()
/// };
/// let acme = ada.tenant_settings().replace(None, german).await?;
/// assert_eq!(acme.time_zone.as_deref(), Some("Europe/Berlin"));
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct TenantSettings(TenantCrm);

impl TenantSettings {
    pub(crate) fn new(within: TenantCrm) -> Self {
        Self(within)
    }

    /// The tenant. Whoever works in it may see it.
    ///
    /// # Errors
    /// [`Error::NotFound`] where it is deleted.
    pub async fn get(&self) -> Result<Tenant> {
        load(self.0.crm(), self.0.actor().tenant()).await
    }

    /// Puts these settings in place of the tenant's. Needs `tenants:update`.
    ///
    /// # Errors
    /// [`Error::Forbidden`]; [`Error::Invalid`] naming each setting that is none;
    /// [`Error::Stale`] where the tenant is not at the version expected.
    pub async fn replace(&self, expected: Option<i64>, draft: TenantDraft) -> Result<Tenant> {
        let change = |tenant: &mut Tenant| draft.clone().replace(tenant);
        self.write("update", Action::Updated, expected, &change).await
    }

    /// Deletes the tenant softly: nobody works in it any more, and who could delete it can bring
    /// it back for a time ([`TenantsOf::restore`](super::TenantsOf::restore)). Needs
    /// `tenants:delete`, which owners hold.
    ///
    /// # Errors
    /// [`Error::Forbidden`]; [`Error::Stale`] where the tenant is not at the version expected.
    pub async fn delete(&self, expected: Option<i64>) -> Result<Tenant> {
        self.write("delete", Action::Deleted, expected, &|_| {}).await
    }

    async fn write(
        &self,
        action: &'static str,
        done: Action,
        expected: Option<i64>,
        change: &(dyn Fn(&mut Tenant) + Send + Sync),
    ) -> Result<Tenant> {
        // A tenant has no owners among its people that a narrower reach could be about.
        let permission = Permission::of(Tenant::ENTITY, action);
        let held = self.0.actor().require(&permission)?;
        if held != Reach::All {
            return Err(Error::Forbidden { permission, held: Some(held), needed: Reach::All });
        }
        let id = self.0.actor().tenant();
        for _ in 0..ATTEMPTS {
            let before = self.get().await?;
            if let Some(expected) = expected.filter(|expected| *expected != before.version) {
                let kind = Tenant::ENTITY.to_owned();
                return Err(Error::Stale { kind, id: id.to_string(), expected });
            }
            let mut after = before.clone();
            change(&mut after);
            if done != Action::Deleted {
                after.check()?;
                if after == before {
                    return Ok(before);
                }
            }
            let mut unit = Unit::within(&self.0);
            let mut system = unit.next(&before);
            if done == Action::Deleted {
                system.deleted_at = Some(unit.now());
            }
            after.set_system(system);
            unit.update(before, after.clone(), done)?;
            let committed = unit.commit(&self.0).await;
            self.0.crm().tenants().forget(id);
            match committed {
                Ok(_) => return Ok(after),
                Err(Error::Stale { .. }) if expected.is_none() => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::busy(Tenant::ENTITY, id))
    }
}
