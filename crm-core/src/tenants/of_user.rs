//! The tenants of one user: which there are, a new one, and one brought back.

use std::collections::HashMap;
use std::sync::Arc;

use super::settings::check_roles;
use super::{Tenant, TenantDraft, TenantId, TenantStatus};
use crate::access::{Actor, BuiltIn, Origin, Permission, Reach};
use crate::audit::Action;
use crate::auth;
use crate::crm::Crm;
use crate::entity::{Draft, Entity, Find, SystemFields};
use crate::error::{Error, Result};
use crate::records::{ATTEMPTS, Unit};
use crate::roles::known;
use crate::store::{Deleted, Filter, MAX_LIMIT, Page, Path, Query, Value, Window, system};
use crate::users::{Member, UserId, UserStatus};
use crate::{Choice, Where};

/// A user's tenants. For whoever is that user: nothing else is asked for.
#[derive(Debug, Clone)]
pub struct TenantsOf {
    crm: Crm,
    user: UserId,
    origin: Origin,
}

impl TenantsOf {
    pub(crate) fn new(crm: Crm, user: UserId) -> Self {
        Self { crm, user, origin: Origin::default() }
    }

    /// Asking from this place.
    #[must_use]
    pub fn with_origin(mut self, origin: Origin) -> Self {
        self.origin = origin;
        self
    }

    /// Those that are asked for of the tenants of which the user is an active member, each with
    /// the user's place in it; suspended ones among them. Of deleted ones, those that the user
    /// can still bring back.
    ///
    /// # Errors
    /// [`Error::Unreadable`] and [`Error::Limit`] where the question makes no sense.
    pub async fn find(&self, find: impl Into<Find<Tenant>>) -> Result<Page<(Tenant, Member)>> {
        self.select(find.into().into_query()?).await
    }

    /// The same for a question in the language of the store.
    ///
    /// # Errors
    /// As [`TenantsOf::find`]; [`Error::Internal`] where it asks for another type.
    pub async fn select(&self, query: Query) -> Result<Page<(Tenant, Member)>> {
        if *query.schema() != *Tenant::schema() {
            return Err(Error::internal("the tenants of a user were asked for something else"));
        }
        let mut places = self.places().await?;
        let these = |ids: Vec<TenantId>| {
            let ids = ids.into_iter().map(|id| Value::Uuid(id.uuid())).collect();
            Filter::In(Path::field(system::ID), ids)
        };
        let mut mine = these(places.keys().copied().collect());
        if query.get_deleted() != Deleted::Exclude {
            let within_grace = self.within_grace().into_filter();
            // Of which there are few: what may be done in the others is not asked.
            let deleted = Query::new(Arc::clone(Tenant::schema()))
                .filter(mine.clone().and(within_grace.clone()))?
                .window(Window::Page { offset: 0, limit: MAX_LIMIT })?
                .deleted(Deleted::Only);
            let mut owned = Vec::new();
            for record in self.crm.system_query(deleted).await?.items {
                let tenant = TenantId::new(record.id());
                if let Some(member) = places.get(&tenant)
                    && self.may_delete(tenant, member).await?
                {
                    owned.push(tenant);
                }
            }
            let live = Filter::Absent(Path::field(system::DELETED_AT));
            mine = mine.and(live.or(within_grace.and(these(owned))));
        }
        let Page { items, total, next } = self.crm.system_query(query.filter(mine)?).await?;
        let mut found = Vec::with_capacity(items.len());
        for record in items {
            let tenant = Tenant::from_values(record.into_values())?;
            if let Some(member) = places.remove(&tenant.id) {
                found.push((tenant, member));
            }
        }
        Ok(Page { items: found, total, next })
    }

    /// Makes a tenant, of which the user becomes the owner.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming each setting that is none.
    pub async fn create(&self, draft: TenantDraft) -> Result<(Tenant, Member)> {
        let user = self.crm.auth().user(self.user).await?;
        let id: TenantId = self.crm.new_id();
        let unit = Unit::system(&self.crm, Some(id), Some(self.user));
        let mut unit = unit.with_origin(self.origin.clone());
        let mut tenant: Tenant = draft.into_entity(SystemFields { id, ..unit.fresh() });
        tenant.check()?;
        let roles: Vec<&str> = tenant.require_mfa_roles.iter().map(String::as_str).collect();
        check_roles(&self.crm, id, &roles).await?;
        let member = auth::member(&unit, &user, &[BuiltIn::Owner.code().to_owned()]);
        unit.insert(tenant.clone())?;
        unit.insert(member.clone())?;
        unit.commit_as_system().await?;
        Ok((tenant, member))
    }

    /// Brings a deleted tenant back while there is time. Who could delete it can.
    ///
    /// # Errors
    /// [`Error::NotFound`] where there is none, the user is no active member of it, or its time
    /// is over; [`Error::Forbidden`] where the user may not.
    pub async fn restore(&self, id: TenantId) -> Result<(Tenant, Member)> {
        for _ in 0..ATTEMPTS {
            let find = Find::from(Where::<Tenant>::new(Filter::In(
                Path::field(system::ID),
                vec![Value::Uuid(id.uuid())],
            )));
            let find = find.filter(self.within_grace());
            let query = find.deleted(Deleted::Only).page(1, 1).into_query()?;
            let found = self.crm.system_query(query).await?.items.into_iter().next();
            let member = self.places().await?.remove(&id);
            let (Some(record), Some(member)) = (found, member) else {
                return Err(Error::not_found(Tenant::ENTITY, id));
            };
            let before = Tenant::from_values(record.into_values())?;
            if !self.may_delete(id, &member).await? {
                Actor::new(id, self.user).require(&deleting())?;
            }
            let unit = Unit::system(&self.crm, Some(id), Some(self.user));
            let mut unit = unit.with_origin(self.origin.clone());
            let mut after = before.clone();
            after.set_system(SystemFields { deleted_at: None, ..unit.next(&before) });
            unit.update(before, after.clone(), Action::Restored)?;
            let committed = unit.commit_as_system().await;
            self.crm.tenants().forget(id);
            match committed {
                Ok(_) => return Ok((after, member)),
                Err(Error::Stale { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::busy(Tenant::ENTITY, id))
    }

    /// Of deleted tenants, those that can still be brought back: whatever this server's time and
    /// settings are, not those whose removal another one has begun.
    fn within_grace(&self) -> Where<Tenant> {
        let begins = self.crm.clock().now() - self.crm.tenant_grace();
        Tenant::DELETED_AT.gt(begins).and(Tenant::STATUS.ne(TenantStatus::Removing))
    }

    /// Where the user is an active member; at most [`MAX_LIMIT`] tenants, those joined first.
    async fn places(&self) -> Result<HashMap<TenantId, Member>> {
        let active = Member::USER.eq(self.user).and(Member::STATUS.eq(UserStatus::Active));
        let query = Find::from(active).sort(Member::CREATED_AT.asc()).page(1, MAX_LIMIT);
        let found = self.crm.system_query(query.into_query()?).await?.items;
        let each = |record: crate::store::Record| {
            let tenant = record.tenant()?;
            Some(Member::from_values(record.into_values()).map(|member| (tenant, member)))
        };
        found.into_iter().filter_map(each).collect()
    }

    async fn may_delete(&self, tenant: TenantId, member: &Member) -> Result<bool> {
        let codes = member.roles.iter().map(String::as_str);
        let roles = known(&self.crm, tenant, codes).await?;
        let grants = roles.together(&member.roles, &member.grants);
        Ok(grants.reach(&deleting()) == Some(Reach::All))
    }
}

const fn deleting() -> Permission {
    Permission::of(Tenant::ENTITY, "delete")
}
