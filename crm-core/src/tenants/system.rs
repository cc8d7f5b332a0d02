//! The handle of the installation itself.

use super::{Tenant, TenantDraft, TenantId, load};
use crate::crm::Crm;
use crate::entity::Draft;
use crate::error::Result;
use crate::records::Unit;
use crate::store::{Query, Window};

/// Work of the installation: no actor, no permission, every tenant. For set-up, scheduled jobs
/// and tests; never for a request.
#[derive(Debug, Clone)]
pub struct System(Crm);

impl System {
    pub(crate) fn new(crm: Crm) -> Self {
        Self(crm)
    }

    /// Makes a tenant of this name, with the usual settings.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) where the name is empty or longer than 200
    /// characters.
    pub async fn create_tenant(&self, name: &str) -> Result<Tenant> {
        self.create_tenant_with(TenantDraft { name: name.to_owned(), ..TenantDraft::default() })
            .await
    }

    /// Makes a tenant with these settings.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) naming each setting that is none.
    pub async fn create_tenant_with(&self, draft: TenantDraft) -> Result<Tenant> {
        let mut unit = Unit::system(&self.0, None, None);
        let mut tenant: Tenant = draft.into_entity(unit.fresh());
        tenant.check()?;
        unit.insert(tenant.clone())?;
        unit.commit_as_system().await?;
        Ok(tenant)
    }

    /// A tenant.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) where there is none or it is deleted.
    pub async fn tenant(&self, id: TenantId) -> Result<Tenant> {
        load(&self.0, id).await
    }

    /// Whether the store answers.
    ///
    /// # Errors
    /// [`Error::Unavailable`](crate::Error::Unavailable) where it does not.
    pub async fn ping(&self) -> Result<()> {
        use crate::Entity;
        let query = Query::new(Tenant::schema().clone());
        let query = query.window(Window::Page { offset: 0, limit: 1 })?;
        self.0.system_query(query).await.map(drop)
    }
}
