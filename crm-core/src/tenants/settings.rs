//! The tenant itself, as its own people see and change it.

use super::{Tenant, TenantDraft, TenantId, load};
use crate::access::{Permission, Reach};
use crate::audit::Action;
use crate::crm::{Crm, TenantCrm};
use crate::entity::{Draft, Entity};
use crate::error::{Error, Result};
use crate::records::{ATTEMPTS, Unit};
use crate::roles::known;

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
    /// [`Error::Stale`] where the tenant is not at the version expected; a refusal with code
    /// `NOT_BY_KEY` where an API key changes who has to show a second factor.
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
                self.check_second_factors(&before, &after).await?;
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

    /// Who has to show a second factor is for people who have signed in to say, and said of roles
    /// that there are. A role that was deleted since it was named may stay.
    async fn check_second_factors(&self, before: &Tenant, after: &Tenant) -> Result<()> {
        let (crm, actor) = (self.0.crm(), self.0.actor());
        let same = (before.require_mfa, &before.require_mfa_roles)
            == (after.require_mfa, &after.require_mfa_roles);
        if actor.is_key() && !same {
            let message = "an API key cannot do that: sign in".to_owned();
            return Err(Error::Refused { code: "NOT_BY_KEY", message });
        }
        let codes = after.require_mfa_roles.iter();
        let new = codes.filter(|code| !before.require_mfa_roles.contains(code));
        let new: Vec<&str> = new.map(String::as_str).collect();
        check_roles(crm, actor.tenant(), &new).await
    }
}

/// Refuses roles that there are not in a tenant, as such whose people have to show a second factor.
pub(super) async fn check_roles(crm: &Crm, tenant: TenantId, codes: &[&str]) -> Result<()> {
    if codes.is_empty() {
        return Ok(());
    }
    let found = known(crm, tenant, codes.iter().copied()).await?;
    match codes.iter().find(|code| found.grants(code).is_none()) {
        None => Ok(()),
        Some(code) => {
            let code: String = code.chars().take(60).collect();
            let message = format!("there is no role {code:?}");
            Err(Error::invalid("requireMfaRoles", "UNKNOWN_ROLE", message))
        }
    }
}
