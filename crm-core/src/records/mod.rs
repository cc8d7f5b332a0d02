//! What can be done with records of any type: found, created, changed, deleted, brought back.
//!
//! Every area's service stands on [`Records`]; it alone asks for permissions, so that none can
//! be forgotten. Rules of a type live in its [`Rules`]; nothing here knows a particular type.

mod along;
mod bulk;
pub(crate) mod can;
pub(crate) mod ends;
mod export;
mod figures;
mod rewrite;
mod unit;

use std::marker::PhantomData;

use async_trait::async_trait;

pub use along::Along;
pub use bulk::{Bulk, How, MAX_BATCH, MAX_BULK, Outcome, Selection};
pub use can::Can;
pub use ends::{End, EndRef, Ends};
pub use export::Export;
pub use figures::{Counts, Money};
pub(crate) use figures::{Tally, counts};
pub(crate) use unit::Unit;

use rewrite::Step;

use crate::access::fields::LeftOut;
use crate::access::{Permission, Reach, scoping};
use crate::audit::Action;
use crate::crm::TenantCrm;
use crate::custom_fields;
use crate::entity::{Draft, Entity, Find, Patch, Where};
use crate::error::{Error, Faults, Result};
use crate::id::Id;
use crate::store::{
    Aggregate, Cursor, Deleted, Filter, Group, MAX_LIMIT, Operation, Page, Path, Query, Record,
    Schema, Scoping, Value, Window, system,
};
use crate::users::UserId;

/// How often a change is tried again when somebody else was faster.
pub(crate) const ATTEMPTS: u32 = 5;

/// What must hold of an entity before it is stored.
///
/// ```
/// use async_trait::async_trait;
/// use chrono::{DateTime, Utc};
/// use crm_core::{Entity, Error, Id, Result, Rules, TenantCrm};
///
/// /// A meeting room, as a host's own record type.
/// #[derive(Debug, Clone, PartialEq, Entity)]
/// #[entity(name = "rooms", tenant, owners(everybody))]
/// pub struct Room {
///     id: Id<Self>,
///     version: i64,
///     created_at: DateTime<Utc>,
///     updated_at: DateTime<Utc>,
///     deleted_at: Option<DateTime<Utc>>,
///     /// How many people fit.
///     #[entity(filter, sort)]
///     pub seats: i64,
/// }
///
/// #[async_trait]
/// impl Rules for Room {
///     async fn check(&mut self, _before: Option<&Self>, _within: &TenantCrm) -> Result<()> {
///         if self.seats > 0 {
///             return Ok(());
///         }
///         Err(Error::invalid("seats", "OUT_OF_RANGE", "expected at least 1"))
///     }
/// }
/// ```
#[async_trait]
pub trait Rules: Entity {
    /// Cleans the values, sets those that the library computes, and refuses what cannot be; all
    /// faults at once. `before` is the entity as stored, none where it is being created.
    async fn check(&mut self, before: Option<&Self>, within: &TenantCrm) -> Result<()>;

    /// The action that permissions name for one of `read`, `create`, `update` and `delete`: itself
    /// unless a type says otherwise.
    fn action(action: &'static str) -> &'static str {
        action
    }

    /// Refuses what must not happen to the record as it stands among others, whatever its own
    /// values, and says what the commit rests on or must do besides. Called for every write,
    /// after [`Rules::check`] and the permission; `before` is none where the record is created.
    async fn accompany(
        action: Action,
        before: Option<&Self>,
        after: &Self,
        within: &TenantCrm,
        along: &mut Along<'_>,
    ) -> Result<()> {
        let _ = (action, before, after, within, along);
        Ok(())
    }

    /// Forgets what is remembered of records of this type, now that one was written, or may have
    /// been. Nothing is remembered unless a type says so.
    fn forget(within: &TenantCrm) {
        let _ = within;
    }
}

/// The records of one type within a tenant, as far as an actor's permissions reach.
#[derive(Debug, Clone)]
pub struct Records<E> {
    within: TenantCrm,
    entity: PhantomData<fn() -> E>,
}

impl<E: Rules> Records<E> {
    pub(crate) fn new(within: TenantCrm) -> Self {
        Self { within, entity: PhantomData }
    }

    /// The tenant and the actor.
    pub fn within(&self) -> &TenantCrm {
        &self.within
    }

    /// The permission for an action on these records.
    pub fn permission(action: &'static str) -> Permission {
        Permission::of(E::RESOURCE, E::action(action))
    }

    /// Whom a new record is for where it names nobody: its creator, where they may create records
    /// for themselves only.
    pub(crate) fn for_creator(within: &TenantCrm) -> Option<UserId> {
        let reach = within.actor().reach(&Self::permission("create"));
        (reach == Some(Reach::Assigned)).then(|| within.actor().user())
    }

    /// The part of the records that is asked for. Needs `read`; deleted ones need `delete` too.
    ///
    /// # Errors
    /// [`Error::Forbidden`]; [`Error::Unreadable`] and [`Error::Limit`] where the question makes
    /// no sense.
    pub async fn find(&self, find: impl Into<Find<E>>) -> Result<Page<E>> {
        self.select(find.into().into_query()?).await
    }

    /// The same for a question in the language of the store.
    ///
    /// # Errors
    /// As [`Records::find`]; [`Error::Internal`] where it asks for another type.
    pub async fn select(&self, query: Query) -> Result<Page<E>> {
        Self::require_own(query.schema())?;
        let query = self.with_deleted(query)?;
        let page = self.within.query(&Self::permission("read"), query).await?;
        page.try_map(|record| E::from_values(record.into_values()))
    }

    /// How many records match.
    ///
    /// # Errors
    /// As [`Records::find`].
    pub async fn count(&self, filter: Where<E>) -> Result<u64> {
        let aggregate = Aggregate::count(E::schema().clone()).filter(filter.into_filter())?;
        Group::only(self.aggregate(aggregate).await?)?.count(0)
    }

    /// Figures over the records. Needs `read`; over deleted ones, `delete` too.
    ///
    /// # Errors
    /// As [`Records::find`]; [`Error::Internal`] where they are over another type.
    pub async fn aggregate(&self, aggregate: Aggregate) -> Result<Vec<Group>> {
        Self::require_own(aggregate.schema())?;
        let aggregate = match aggregate.get_deleted() {
            Deleted::Exclude => aggregate,
            _ => aggregate.filter(self.deleted_filter()?)?,
        };
        self.within.aggregate(&Self::permission("read"), aggregate).await
    }

    /// The record. Needs `read`.
    ///
    /// # Errors
    /// [`Error::NotFound`] where there is none, it is deleted, or out of reach.
    pub async fn get(&self, id: Id<E>) -> Result<E> {
        self.load(id, Deleted::Exclude).await
    }

    /// Those of these records that exist, are live and in reach, in no particular order.
    ///
    /// # Errors
    /// As [`Records::find`].
    pub async fn get_many(&self, ids: impl IntoIterator<Item = Id<E>>) -> Result<Vec<E>> {
        let mut ids: Vec<Value> = ids.into_iter().map(|id| Value::Uuid(id.uuid())).collect();
        ids.sort_by(|a, b| a.compare(b, crate::store::Kind::Uuid));
        ids.dedup();
        let mut found = Vec::with_capacity(ids.len());
        for part in ids.chunks(MAX_LIMIT as usize) {
            let filter = Filter::In(Path::field(system::ID), part.to_vec());
            let window = Window::Page { offset: 0, limit: MAX_LIMIT };
            let query = Query::new(E::schema().clone()).filter(filter)?.window(window)?;
            found.extend(self.select(query).await?.items);
        }
        Ok(found)
    }

    /// Walks all records that are asked for, a part at a time: for exports of any size in bounded
    /// memory. Hand in the cursor of the part before, none for the first.
    ///
    /// # Errors
    /// As [`Records::find`].
    pub async fn walk(&self, find: Find<E>, after: Option<Cursor>) -> Result<Page<E>> {
        let window = Window::Cursor { after, limit: MAX_LIMIT };
        self.select(find.into_query()?.window(window)?).await
    }

    /// Creates a record. Needs `create`, at a reach that contains the new record, and `read` of
    /// what it refers to.
    ///
    /// # Errors
    /// [`Error::Forbidden`]; [`Error::Invalid`] with every fault; [`Error::Conflict`] where a
    /// unique key is taken, or with code `BUSY` where what it refers to keeps being changed.
    pub async fn create(&self, draft: E::Draft) -> Result<E> {
        let mut attempt = 1;
        loop {
            let unit = Unit::within(&self.within);
            let entity = draft.clone().into_entity(unit.fresh());
            match self.admit(unit, entity).await {
                Err(Error::Stale { .. }) if attempt < ATTEMPTS => attempt += 1,
                Err(Error::Stale { kind, id, .. }) => return Err(Error::busy(&kind, id)),
                done => return done,
            }
        }
    }

    /// Adds a new record to a unit and commits it, once: whoever calls may try again where it is
    /// stale.
    pub(crate) async fn admit(&self, mut unit: Unit, mut entity: E) -> Result<E> {
        let permission = Self::permission("create");
        let reach = self.within.actor().require(&permission)?;
        entity = self.kept(None, entity)?;
        let held = self.check(None, &mut entity).await?;
        self.require_reach(&permission, reach, &entity).await?;
        let mut along = Along::new(&mut unit);
        E::accompany(Action::Created, None, &entity, &self.within, &mut along).await?;
        unit.insert(entity.clone())?;
        unit.hold(held);
        self.commit(unit).await?;
        self.as_shown(entity).await
    }

    /// Puts a draft in place of a record's values. Needs `update`, at a reach that contains the
    /// record as it was and as it will be, and `read` of what it refers to from now on.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::Invalid`], [`Error::Conflict`];
    /// [`Error::Stale`] where the record is not at the version expected. Where none was, a
    /// conflict with code `BUSY` once others were faster too often.
    pub async fn replace(&self, id: Id<E>, expected: Option<i64>, draft: E::Draft) -> Result<E> {
        self.change(id, expected, |entity| draft.clone().replace(entity)).await
    }

    /// Changes the fields that a patch names. Needs what [`Records::replace`] needs.
    ///
    /// # Errors
    /// As [`Records::replace`].
    pub async fn patch(&self, id: Id<E>, expected: Option<i64>, patch: E::Patch) -> Result<E> {
        self.change(id, expected, |entity| patch.clone().apply(entity)).await
    }

    /// Deletes a record softly: it can be brought back, and references to it stay readable.
    /// Needs `delete`.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`]; [`Error::Stale`] where the record is not at the
    /// version expected.
    pub async fn delete(&self, id: Id<E>, expected: Option<i64>) -> Result<E> {
        self.rewrite(id, expected, &Step::new(Action::Deleted, &|_| Ok(()))).await.map(|(e, _)| e)
    }

    /// Brings a deleted record back. Needs `delete`.
    ///
    /// # Errors
    /// As [`Records::delete`]; [`Error::Conflict`] where a unique key was taken meanwhile.
    pub async fn restore(&self, id: Id<E>, expected: Option<i64>) -> Result<E> {
        self.rewrite(id, expected, &Step::new(Action::Restored, &|_| Ok(()))).await.map(|(e, _)| e)
    }

    /// Changes a record by a function, which may be called again where somebody else was faster
    /// and no version was expected. Needs what [`Records::replace`] needs.
    ///
    /// # Errors
    /// As [`Records::replace`].
    pub async fn change(
        &self,
        id: Id<E>,
        expected: Option<i64>,
        change: impl Fn(&mut E) + Send + Sync,
    ) -> Result<E> {
        let change = |entity: &mut E| {
            change(entity);
            Ok(())
        };
        self.rewrite(id, expected, &Step::new(Action::Updated, &change)).await.map(|(e, _)| e)
    }

    /// A record, also a deleted one, for those who may bring it back.
    ///
    /// # Errors
    /// As [`Records::get`].
    pub async fn load(&self, id: Id<E>, deleted: Deleted) -> Result<E> {
        self.load_among(&Filter::All, id, deleted).await
    }

    /// A record, where it is one of those that match.
    async fn load_among(&self, among: &Filter, id: Id<E>, deleted: Deleted) -> Result<E> {
        let found = self.select(Self::one_among(among, id, deleted)?).await?;
        Self::found(id, found)
    }

    /// The same with what the actor does not see, to be written again.
    async fn load_kept(&self, among: &Filter, id: Id<E>, deleted: Deleted) -> Result<E> {
        let found = self.select_kept(Self::one_among(among, id, deleted)?).await?;
        Self::found(id, found)
    }

    fn one_among(among: &Filter, id: Id<E>, deleted: Deleted) -> Result<Query> {
        let query = Query::new(E::schema().clone())
            .filter(Filter::In(Path::field(system::ID), vec![Value::Uuid(id.uuid())]))?
            .filter(among.clone())?
            .window(Window::Page { offset: 0, limit: 1 })?;
        Ok(query.deleted(deleted))
    }

    fn found(id: Id<E>, found: Page<E>) -> Result<E> {
        found.items.into_iter().next().ok_or_else(|| Error::not_found(E::ENTITY, id))
    }

    /// As [`Records::select`], with what the actor does not see, to be written again.
    async fn select_kept(&self, query: Query) -> Result<Page<E>> {
        let query = self.with_deleted(query)?;
        let page = self.within.query_kept(&Self::permission("read"), query).await?;
        page.try_map(|record| E::from_values(record.into_values()))
    }

    /// An entity as the actor sees it.
    async fn seen(&self, entity: E) -> Result<E> {
        match LeftOut::of(self.within.actor(), E::schema()).is_some() {
            true => self.as_shown(entity).await,
            false => Ok(entity),
        }
    }

    /// An entity that the actor has made or changed as it sees it, with what it does not see as it
    /// was.
    fn kept(&self, stored: Option<&E>, entity: E) -> Result<E> {
        let Some(left_out) = LeftOut::of(self.within.actor(), E::schema()) else {
            return Ok(entity);
        };
        let mut values = entity.into_values();
        let stored = stored.map(|stored| stored.clone().into_values());
        left_out.keep(stored.as_deref(), &mut values)?;
        E::from_values(values.into())
    }

    /// Cleans an entity and refuses what cannot be, all faults at once; gives what has to stay as
    /// it is until the change is committed.
    async fn check(&self, before: Option<&E>, entity: &mut E) -> Result<Vec<Operation>> {
        let mut faults = Faults::default();
        faults.absorb(entity.check(before, &self.within).await)?;
        faults.absorb(self.check_own(before, entity).await)?;
        let before = before.map(|before| self.as_record(before));
        let after = self.as_record(entity);
        let held = ends::hold_references(&self.within, E::schema(), before.as_ref(), &after).await;
        let held = faults.absorb(held)?;
        faults.into_result()?;
        Ok(held.unwrap_or_default())
    }

    /// Checks the tenant's own fields, as far as the actor sees any; others stay as they are, and to
    /// name one is to name none.
    async fn check_own(&self, before: Option<&E>, entity: &mut E) -> Result<()> {
        let stored = match LeftOut::of(self.within.actor(), E::schema()).is_some() {
            true => before.map(|before| before.clone().into_values()),
            false => None,
        };
        let Some(stored) = stored else {
            return custom_fields::check(entity, before, &self.within).await;
        };
        let seen = |values: &[Value]| -> Result<E> {
            let mut values = values.to_vec();
            if let Some(left_out) = LeftOut::of(self.within.actor(), E::schema()) {
                left_out.hide_own(&mut values);
            }
            E::from_values(values.into())
        };
        custom_fields::check(entity, Some(&seen(&stored)?), &self.within).await?;
        if let Some(left_out) = LeftOut::of(self.within.actor(), E::schema()) {
            let mut values = entity.clone().into_values();
            left_out.keep_own(&stored, &mut values);
            *entity = E::from_values(values.into())?;
        }
        Ok(())
    }

    fn as_record(&self, entity: &E) -> Record {
        Record::from_stored(Some(self.within.actor().tenant()), entity.clone().into_values())
    }

    /// The entity as a read would give it: values in stored form, and hidden ones hidden.
    async fn as_shown(&self, entity: E) -> Result<E> {
        // The tenant plays no part in the form of values.
        let tenant =
            (E::schema().scoping() == Scoping::Tenant).then(|| self.within.actor().tenant());
        let mut records = [entity.into_record(tenant)?];
        custom_fields::hide(E::schema(), &mut records, &self.within).await?;
        self.within.leave_out(E::schema(), &mut records);
        let [record] = records;
        E::from_values(record.into_values())
    }

    async fn commit(&self, unit: Unit) -> Result<()> {
        let done = unit.commit(&self.within).await;
        E::forget(&self.within);
        done.map(drop)
    }

    /// That a reach contains an entity; where it does not, says which one would.
    pub(crate) async fn require_reach(
        &self,
        permission: &Permission,
        reach: Reach,
        entity: &E,
    ) -> Result<()> {
        let actor = self.within.actor();
        let record = self.as_record(entity);
        let one = std::slice::from_ref(&record);
        if can::covered(&self.within, actor, reach, E::schema(), one).await? == [true] {
            return Ok(());
        }
        let needed = can::needed(&self.within, actor, permission, E::schema(), &record).await?;
        Err(Error::Forbidden { permission: permission.clone(), held: Some(reach), needed })
    }

    // The permission asked for is the one on these records: it says nothing of others.
    pub(crate) fn require_own(schema: &Schema) -> Result<()> {
        if *schema == **E::schema() {
            return Ok(());
        }
        let own = E::ENTITY;
        Err(Error::internal(format!("the service of {own} was asked for {schema}")))
    }

    fn with_deleted(&self, query: Query) -> Result<Query> {
        match query.get_deleted() {
            Deleted::Exclude => Ok(query),
            _ => query.filter(self.deleted_filter()?),
        }
    }

    // Live records, and those deleted ones that the actor could bring back.
    fn deleted_filter(&self) -> Result<Filter> {
        let permission = Self::permission("delete");
        let catalogue = self.within.crm().catalogue();
        let reach =
            scoping::reach_filter(self.within.actor(), catalogue, &permission, E::schema())?;
        Ok(Filter::Absent(Path::field(system::DELETED_AT)).or(reach))
    }
}
