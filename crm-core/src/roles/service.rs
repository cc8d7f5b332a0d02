//! The service of roles.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Map;
use uuid::Uuid;

use super::CustomRole;
use crate::access::{BuiltIn, Grant, Permission};
use crate::entity::{Entity, Find, Where};
use crate::error::{Error, Result};
use crate::id::Id;
use crate::records::{Bulk, Can, Export, How, Outcome, Records, Selection};
use crate::store::evaluate::{self, Row};
use crate::store::{Aggregate, Cursor, Deleted, Group, MAX_LIMIT, Page, Query, Schema, Window};
use crate::tenants::{TenantId, lately};
use crate::{Choice, TenantCrm};

/// The roles of a tenant: its own, and the built-in ones, which every tenant has and nobody
/// changes.
///
/// A host that keeps its users itself keeps their roles by code, too, and asks for what those may
/// do ([`System::grants`](crate::tenants::System::grants)):
///
/// ```
/// # #[tokio::main] async fn main() -> crm_core::Result<()> {
/// use crm_core::access::{Actor, BuiltIn, Grant, Permission, Reach};
/// use crm_core::roles::CustomRoleDraft;
/// # let crm = crm_core::Crm::new(crm_store_memory::MemoryStore::new()).await?;
/// # let tenant = crm.system().create_tenant("Acme").await?.id;
/// # let (ada, bob) = (crm.new_id(), crm.new_id());
///
/// let owner = crm.tenant(Actor::new(tenant, ada).with_role(BuiltIn::Owner));
/// let auditor = CustomRoleDraft {
///     name: "Auditor".into(),
///     grants: vec![Grant::new(Permission::of("audit", "view"), Reach::All)],
///     ..CustomRoleDraft::default()
/// };
/// let auditor = owner.roles().create(auditor).await?;
/// assert_eq!(auditor.code, "auditor");
///
/// let grants = crm.system().grants(tenant, ["auditor", "readonly"]).await?;
/// let actor = Actor::new(tenant, bob).with_grants(&grants);
/// assert!(actor.require(&Permission::of("audit", "view")).is_ok());
/// # Ok(()) }
/// ```
// No `Deref` to the records: what those answer leaves out the built-in ones.
#[derive(Debug, Clone)]
pub struct Roles(Records<CustomRole>);

impl Roles {
    pub(crate) fn new(within: TenantCrm) -> Self {
        Self(within.records())
    }

    /// The built-in role that has this identifier, the same in every tenant.
    pub fn built_in(id: Id<CustomRole>) -> Option<BuiltIn> {
        BuiltIn::ALL.iter().copied().find(|role| id_of(*role) == id)
    }

    /// The tenant and the actor.
    pub fn within(&self) -> &TenantCrm {
        self.0.within()
    }

    /// Creates a role of the tenant's own. Needs `roles:manage`.
    ///
    /// # Errors
    /// As [`Records::create`].
    pub async fn create(&self, draft: <CustomRole as Entity>::Draft) -> Result<CustomRole> {
        self.0.create(draft).await
    }

    /// Those of the roles, built-in ones among them, that are asked for. Needs `roles:read`.
    ///
    /// # Errors
    /// As [`Records::find`].
    pub async fn find(&self, find: impl Into<Find<CustomRole>>) -> Result<Page<CustomRole>> {
        self.select(find.into().into_query()?).await
    }

    /// The same for a question in the language of the store.
    ///
    /// # Errors
    /// As [`Records::find`].
    pub async fn select(&self, query: Query) -> Result<Page<CustomRole>> {
        Records::<CustomRole>::require_own(query.schema())?;
        let rows = self.rows(query.get_deleted()).await?;
        let page = evaluate::select(&query, rows.iter(), &Unrelated);
        page.try_map(|record| CustomRole::from_values(record.into_values()))
    }

    /// How many roles match, built-in ones among them. Needs `roles:read`.
    ///
    /// # Errors
    /// As [`Records::find`].
    pub async fn count(&self, filter: Where<CustomRole>) -> Result<u64> {
        let count = Aggregate::count(Arc::clone(CustomRole::schema()));
        Group::only(self.aggregate(count.filter(filter.into_filter())?).await?)?.count(0)
    }

    /// Figures over the roles, built-in ones among them. Needs `roles:read`.
    ///
    /// # Errors
    /// As [`Records::aggregate`].
    pub async fn aggregate(&self, aggregate: Aggregate) -> Result<Vec<Group>> {
        Records::<CustomRole>::require_own(aggregate.schema())?;
        let rows = self.rows(aggregate.get_deleted()).await?;
        evaluate::aggregate(&aggregate, rows.iter(), &Unrelated)
    }

    /// Those of these roles that exist, in no particular order. Needs `roles:read`.
    ///
    /// # Errors
    /// As [`Records::find`].
    pub async fn get_many(
        &self,
        ids: impl IntoIterator<Item = Id<CustomRole>>,
    ) -> Result<Vec<CustomRole>> {
        self.0.within().actor().require(&Records::<CustomRole>::permission("read"))?;
        let (built_in, own): (Vec<_>, Vec<_>) =
            ids.into_iter().partition(|id| Self::built_in(*id).is_some());
        let mut found = self.0.get_many(own).await?;
        for role in BuiltIn::ALL.iter().filter(|role| built_in.contains(&id_of(**role))) {
            found.push(self.described(*role).await?);
        }
        Ok(found)
    }

    /// As [`Records::walk`], built-in ones among them.
    ///
    /// # Errors
    /// As there.
    pub async fn walk(
        &self,
        find: Find<CustomRole>,
        after: Option<Cursor>,
    ) -> Result<Page<CustomRole>> {
        self.select(find.into_query()?.window(Window::Cursor { after, limit: MAX_LIMIT })?).await
    }

    /// As [`Records::export`], built-in ones among them. Needs `roles:manage`.
    ///
    /// # Errors
    /// As there.
    pub async fn export(
        &self,
        query: Query,
        most: Option<u64>,
        told: Map<String, serde_json::Value>,
    ) -> Result<Export<CustomRole>> {
        self.0.within().actor().require(&Records::<CustomRole>::permission("export"))?;
        let mut roles = Vec::new();
        let mut after = None;
        loop {
            let window = Window::Cursor { after, limit: MAX_LIMIT };
            let page = self.select(query.clone().window(window)?).await?;
            roles.extend(page.items);
            after = page.next;
            if after.is_none() {
                return self.0.export_these(roles, most, told).await;
            }
        }
    }

    /// As [`Records::bulk`]. A filter chooses among the tenant's own; a built-in one that is named
    /// fails with code `BUILT_IN_ROLE`.
    ///
    /// # Errors
    /// As there.
    pub async fn bulk(
        &self,
        which: Selection<CustomRole>,
        what: &Bulk<CustomRole>,
        how: How,
    ) -> Result<Vec<Outcome<CustomRole>>> {
        let Selection::Ids(ids) = which else { return self.0.bulk(which, what, how).await };
        let built_in = ids.iter().filter_map(|(id, _)| Some((*id, self.require_own(*id).err()?)));
        let refused: HashMap<Id<CustomRole>, Error> = built_in.collect();
        let order: Vec<Id<CustomRole>> = ids.iter().map(|(id, _)| *id).collect();
        let own = ids.into_iter().filter(|(id, _)| !refused.contains_key(id)).collect();
        let refusals = || {
            let of = order.iter().filter_map(|id| Some((*id, refused.get(id)?.clone())));
            of.map(|(id, error)| Outcome { id, result: Err(error) }).collect::<Vec<_>>()
        };
        if how.atomic && !refused.is_empty() {
            return Ok(refusals());
        }
        let mut outcomes = self.0.bulk(Selection::Ids(own), what, how).await?;
        outcomes.extend(refusals());
        // Of one that is named twice, the first place.
        let places: HashMap<Id<CustomRole>, usize> =
            order.iter().enumerate().rev().map(|(place, id)| (*id, place)).collect();
        outcomes.sort_by_key(|outcome| places.get(&outcome.id).copied());
        outcomes.dedup_by_key(|outcome| outcome.id);
        Ok(outcomes)
    }

    /// A role, built in or not. Needs `roles:read`.
    ///
    /// # Errors
    /// As [`Records::get`].
    pub async fn get(&self, id: Id<CustomRole>) -> Result<CustomRole> {
        self.load(id, Deleted::Exclude).await
    }

    /// The same, also a deleted one, for those who may bring it back.
    ///
    /// # Errors
    /// As [`Records::get`].
    pub async fn load(&self, id: Id<CustomRole>, deleted: Deleted) -> Result<CustomRole> {
        match Self::built_in(id) {
            Some(role) => {
                self.0.within().actor().require(&Records::<CustomRole>::permission("read"))?;
                self.described(role).await
            }
            None => self.0.load(id, deleted).await,
        }
    }

    /// As [`Records::replace`]; the built-in ones cannot be.
    ///
    /// # Errors
    /// As [`Records::replace`]; a refusal with code `BUILT_IN_ROLE`.
    pub async fn replace(
        &self,
        id: Id<CustomRole>,
        expected: Option<i64>,
        draft: <CustomRole as Entity>::Draft,
    ) -> Result<CustomRole> {
        self.require_own(id)?;
        self.0.replace(id, expected, draft).await
    }

    /// As [`Records::patch`]; the built-in ones cannot be.
    ///
    /// # Errors
    /// As [`Roles::replace`].
    pub async fn patch(
        &self,
        id: Id<CustomRole>,
        expected: Option<i64>,
        patch: <CustomRole as Entity>::Patch,
    ) -> Result<CustomRole> {
        self.require_own(id)?;
        self.0.patch(id, expected, patch).await
    }

    /// Deletes a role that nobody has.
    ///
    /// # Errors
    /// As [`Records::delete`]; a conflict with code `IN_USE` that says how many have it; a refusal
    /// with code `BUILT_IN_ROLE`.
    pub async fn delete(&self, id: Id<CustomRole>, expected: Option<i64>) -> Result<CustomRole> {
        self.require_own(id)?;
        self.0.delete(id, expected).await
    }

    /// As [`Records::restore`]; the built-in ones are always there.
    ///
    /// # Errors
    /// As there; a refusal with code `BUILT_IN_ROLE`.
    pub async fn restore(&self, id: Id<CustomRole>, expected: Option<i64>) -> Result<CustomRole> {
        self.require_own(id)?;
        self.0.restore(id, expected).await
    }

    /// As [`Records::can`]; nobody changes the built-in ones.
    ///
    /// # Errors
    /// As there.
    pub async fn can(&self, roles: &[CustomRole]) -> Result<Vec<Can>> {
        let mut can = self.0.can(roles).await?;
        for (can, role) in can.iter_mut().zip(roles) {
            if Self::built_in(role.id).is_some() {
                *can = Can::default();
            }
        }
        Ok(can)
    }

    /// Adds a permission to a role; one that it has already is then had at this reach.
    ///
    /// # Errors
    /// As [`Roles::replace`].
    pub async fn grant(
        &self,
        id: Id<CustomRole>,
        expected: Option<i64>,
        grant: Grant,
    ) -> Result<CustomRole> {
        self.require_own(id)?;
        let change = move |role: &mut CustomRole| {
            role.grants.retain(|held| held.permission != grant.permission);
            role.grants.push(grant.clone());
        };
        self.0.change(id, expected, change).await
    }

    /// Takes a permission from a role.
    ///
    /// # Errors
    /// As [`Roles::replace`]; [`Error::NotFound`] where the role does not have it.
    pub async fn revoke(
        &self,
        id: Id<CustomRole>,
        expected: Option<i64>,
        permission: Permission,
    ) -> Result<CustomRole> {
        let before = self.get(id).await?;
        self.require_own(id)?;
        if !before.grants.iter().any(|held| held.permission == permission) {
            return Err(Error::not_found("permissions", permission));
        }
        let change =
            move |role: &mut CustomRole| role.grants.retain(|held| held.permission != permission);
        self.0.change(id, expected, change).await
    }

    pub(super) fn records(&self) -> &Records<CustomRole> {
        &self.0
    }

    pub(super) fn require_own(&self, id: Id<CustomRole>) -> Result<()> {
        let Some(role) = Self::built_in(id) else { return Ok(()) };
        self.0.within().actor().require(&Records::<CustomRole>::permission("update"))?;
        let message = format!("{role} is built in: it cannot be changed or deleted");
        Err(Error::Refused { code: "BUILT_IN_ROLE", message })
    }

    /// All roles, the built-in ones among them.
    async fn rows(&self, deleted: Deleted) -> Result<Vec<Row>> {
        let mut rows: Vec<Row> = Vec::new();
        let mut after: Option<Cursor> = None;
        loop {
            let part = Query::new(Arc::clone(CustomRole::schema()))
                .deleted(deleted)
                .window(Window::Cursor { after, limit: MAX_LIMIT })?;
            let page = self.0.select(part).await?;
            for role in page.items {
                rows.push(self.row(role)?);
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        if deleted != Deleted::Only {
            for role in BuiltIn::ALL {
                rows.push(self.row(self.described(*role).await?)?);
            }
        }
        Ok(rows)
    }

    /// A built-in role in the form of the tenant's own. It is as old as the tenant.
    async fn described(&self, role: BuiltIn) -> Result<CustomRole> {
        let within = self.0.within();
        let since = lately(within.crm(), within.actor().tenant()).await?.created_at;
        let held = role.grants().list().into_iter();
        Ok(CustomRole {
            id: id_of(role),
            version: 1,
            created_at: since,
            updated_at: since,
            deleted_at: None,
            code: role.code().to_owned(),
            name: name_of(role),
            description: Some(role.description().to_owned()),
            grants: held.map(|(permission, reach)| Grant::new(permission, reach)).collect(),
        })
    }

    fn row(&self, role: CustomRole) -> Result<Row> {
        let tenant = self.0.within().actor().tenant();
        Ok(Row::new(CustomRole::schema(), role.into_record(Some(tenant))?))
    }
}

/// Roles refer to nothing.
struct Unrelated;

impl evaluate::Lookup for Unrelated {
    fn find(&self, _: &Schema, _: Option<TenantId>, _: Uuid) -> Option<&Row> {
        None
    }

    fn known_by(&self, _: &Schema, _: Option<TenantId>, _: Uuid) -> Vec<&Row> {
        Vec::new()
    }
}

/// Identifiers that no time-ordered one can be (version 8 of RFC 9562). Newest first, as lists are
/// unless told otherwise, the tenant's own come before them, and they come from the widest down.
fn id_of(role: BuiltIn) -> Id<CustomRole> {
    let position = BuiltIn::ALL.iter().position(|known| *known == role).unwrap_or_default();
    let first = 0x0000_0000_0000_8000_8000_0000_0000_00ff_u128;
    Id::new(Uuid::from_u128(first - position as u128))
}

/// `sales_rep` as `Sales rep`.
fn name_of(role: BuiltIn) -> String {
    let words = role.code().replace('_', " ");
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
