//! The handle of the installation itself.

use super::settings::check_roles;
use super::{Tenant, TenantDraft, TenantId, TenantStatus, load};
use crate::Entity;
use crate::access::{BuiltIn, Grants};
use crate::audit::Action;
use crate::auth::Session;
use crate::crm::Crm;
use crate::entity::{Draft, Find, SystemFields};
use crate::error::{Error, Result};
use crate::records::{ATTEMPTS, Unit};
use crate::roles::known;
use crate::store::{Query, Window};
use crate::teams::managed_by;
use crate::users::{Member, UserId};

/// Work of the installation: no actor, no permission, every tenant. For set-up, scheduled jobs
/// and tests; never for a request.
#[derive(Debug, Clone)]
pub struct System(Crm);

impl System {
    pub(crate) fn new(crm: Crm) -> Self {
        Self(crm)
    }

    pub(crate) fn crm(&self) -> &Crm {
        &self.0
    }

    /// Makes a tenant of this name, with the usual settings.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the name is empty or longer than 200
    /// characters.
    pub async fn create_tenant(&self, name: &str) -> Result<Tenant> {
        self.create_tenant_with(TenantDraft { name: name.to_owned(), ..TenantDraft::default() })
            .await
    }

    /// Makes a tenant with these settings.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming each setting that is none.
    pub async fn create_tenant_with(&self, draft: TenantDraft) -> Result<Tenant> {
        // The tenant's own log begins with it.
        let id: TenantId = self.0.new_id();
        let mut unit = Unit::system(&self.0, Some(id), None);
        let mut tenant: Tenant = draft.into_entity(SystemFields { id, ..unit.fresh() });
        tenant.check()?;
        let roles: Vec<&str> = tenant.require_mfa_roles.iter().map(String::as_str).collect();
        check_roles(&self.0, id, &roles).await?;
        unit.insert(tenant.clone())?;
        unit.commit_as_system().await?;
        Ok(tenant)
    }

    /// A tenant.
    ///
    /// # Errors
    /// [`Error::NotFound`] where there is none or it is deleted.
    pub async fn tenant(&self, id: TenantId) -> Result<Tenant> {
        load(&self.0, id).await
    }

    /// Lets nobody work in a tenant until it is resumed. Suspending it twice changes nothing.
    ///
    /// # Errors
    /// [`Error::NotFound`] where there is none; a conflict with code `BUSY` where others keep
    /// changing it.
    pub async fn suspend(&self, id: TenantId) -> Result<Tenant> {
        self.set_status(id, TenantStatus::Suspended).await
    }

    /// Lets the people of a suspended tenant work again.
    ///
    /// # Errors
    /// As [`System::suspend`].
    pub async fn resume(&self, id: TenantId) -> Result<Tenant> {
        self.set_status(id, TenantStatus::Active).await
    }

    async fn set_status(&self, id: TenantId, status: TenantStatus) -> Result<Tenant> {
        let mut attempt = 1;
        loop {
            let before = load(&self.0, id).await?;
            if before.status == status {
                return Ok(before);
            }
            let mut unit = Unit::system(&self.0, Some(id), None);
            let mut after = Tenant { status, ..before.clone() };
            after.set_system(unit.next(&before));
            unit.update(before, after.clone(), Action::Updated)?;
            match unit.commit_as_system().await {
                Ok(_) => {
                    self.0.tenants().forget(id);
                    return Ok(after);
                }
                Err(Error::Stale { .. }) if attempt < ATTEMPTS => attempt += 1,
                Err(Error::Stale { .. }) => return Err(Error::busy(Tenant::ENTITY, id)),
                Err(error) => return Err(error),
            }
        }
    }

    /// What roles may do together in a tenant, by their codes: for a host that keeps its users
    /// itself and makes their [`Actor`](crate::access::Actor). A code that no role has gives
    /// nothing.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn grants<'a>(
        &self,
        tenant: TenantId,
        roles: impl IntoIterator<Item = &'a str>,
    ) -> Result<Grants> {
        let codes: Vec<String> = roles.into_iter().map(str::to_owned).collect();
        let roles = known(&self.0, tenant, codes.iter().map(String::as_str)).await?;
        Ok(roles.together(&codes, &[]))
    }

    /// Whom a user manages in a tenant, by its teams: for a host that keeps its users itself and
    /// makes their [`Actor`](crate::access::Actor), which takes them by
    /// [`with_team`](crate::access::Actor::with_team).
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn managed_by(&self, tenant: TenantId, user: UserId) -> Result<Vec<UserId>> {
        managed_by(&self.0, tenant, user).await
    }

    /// Makes a user a member of a tenant, with these roles. The user must exist.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) where there is no such user;
    /// [`Error::Conflict`](crate::Error::Conflict) where it is a member already.
    pub async fn add_member(
        &self,
        tenant: TenantId,
        user: UserId,
        roles: &[BuiltIn],
    ) -> Result<Member> {
        self.0.auth().add_member(tenant, user, roles).await
    }

    /// How many users are signed in, counting each device: sessions that were neither ended nor
    /// have run out.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn live_sessions(&self) -> Result<u64> {
        let live = Session::ENDED_AT.absent().and(Session::EXPIRES_AT.gt(self.0.clock().now()));
        let query = Find::<Session>::from(live).page(1, 1).counted().into_query()?;
        Ok(self.0.system_query(query).await?.total.unwrap_or_default())
    }

    /// Whether the store answers.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where it does not.
    pub async fn ping(&self) -> Result<()> {
        let query = Query::new(Tenant::schema().clone());
        let query = query.window(Window::Page { offset: 0, limit: 1 })?;
        self.0.system_query(query).await.map(drop)
    }
}
