//! What an actor may do with records, told beforehand: for a front end that shows only what will
//! come through.
//!
//! It says what permissions and their reach allow. What a type's own rules refuse besides, as
//! taking the last owner's place away, is found out by trying.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::{Records, Rules};
use crate::access::{Actor, Permission, Reach, scoping};
use crate::crm::TenantCrm;
use crate::error::{Error, Result};
use crate::store::{
    Deleted, Filter, MAX_LIMIT, Path, Query, Record, Schema, Value, Window, system,
};

/// What may be done with one record, besides reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Can {
    /// It may be changed.
    pub update: bool,
    /// It may be deleted.
    pub delete: bool,
}

impl<E: Rules> Records<E> {
    /// What the actor may do with each of these records, which it has read: with no question to
    /// the store, or with one for each action where their owners are found through other records.
    /// Nothing is done with deleted ones.
    ///
    /// ```
    /// # #[tokio::main] async fn main() -> crm_core::Result<()> {
    /// use crm_core::access::{Actor, BuiltIn};
    /// use crm_core::customers::CustomerDraft;
    /// use crm_core::records::Can;
    /// # let crm = crm_core::Crm::new(crm_store_memory::MemoryStore::new()).await?;
    /// # let tenant = crm.system().create_tenant("Acme").await?.id;
    /// # let bob = crm.new_id();
    ///
    /// let owner = crm.tenant(Actor::new(tenant, crm.new_id()).with_role(BuiltIn::Owner));
    /// let draft = CustomerDraft { assigned_to: Some(bob), ..CustomerDraft::company("Acme") };
    /// let acme = owner.customers().create(draft).await?;
    /// let rep = crm.tenant(Actor::new(tenant, bob).with_role(BuiltIn::SalesRep));
    /// assert_eq!(rep.customers().can(&[acme]).await?, [Can { update: true, delete: false }]);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn can(&self, entities: &[E]) -> Result<Vec<Can>> {
        let records: Vec<Record> = entities.iter().map(|entity| self.as_record(entity)).collect();
        let update = self.allowed("update", &records).await?;
        let delete = self.allowed("delete", &records).await?;
        let live = entities.iter().map(|entity| entity.deleted_at().is_none());
        let each = live.zip(update.into_iter().zip(delete));
        Ok(each
            .map(|(live, (update, delete))| Can { update: live && update, delete: live && delete })
            .collect())
    }

    async fn allowed(&self, action: &'static str, records: &[Record]) -> Result<Vec<bool>> {
        let actor = self.within.actor();
        match actor.reach(&Self::permission(action)) {
            Some(reach) => covered(&self.within, actor, reach, E::schema(), records).await,
            None => Ok(vec![false; records.len()]),
        }
    }
}

/// Which of these records a reach contains.
pub(crate) async fn covered(
    within: &TenantCrm,
    actor: &Actor,
    reach: Reach,
    schema: &Schema,
    records: &[Record],
) -> Result<Vec<bool>> {
    let mut found = Vec::with_capacity(records.len());
    let mut through: BTreeMap<&str, BTreeSet<Uuid>> = BTreeMap::new();
    for record in records {
        found.push(match scoping::covers(actor, reach, schema, record) {
            scoping::Cover::Settled(covered) => Ok(covered),
            scoping::Cover::AsWith(parent, id) => {
                through.entry(parent).or_default().insert(id);
                Err((parent, id))
            }
        });
    }
    let mut reached: BTreeSet<(&str, Uuid)> = BTreeSet::new();
    for (parent, ids) in through {
        let catalogue = within.crm().catalogue();
        let schema = catalogue
            .get(parent)
            .ok_or_else(|| Error::internal(format!("there are no {parent}")))?;
        let filter = scoping::of_reach(actor, catalogue, reach, schema, 0)?;
        let ids: Vec<Uuid> = ids.into_iter().collect();
        for ids in ids.chunks(MAX_LIMIT as usize) {
            let these = ids.iter().map(|id| Value::Uuid(*id)).collect();
            let query = Query::new(schema.clone())
                .filter(filter.clone().and(Filter::In(Path::field(system::ID), these)))?
                .window(Window::Page { offset: 0, limit: MAX_LIMIT })?
                .deleted(Deleted::Include);
            let records = within.query_for_rules(query).await?.items;
            reached.extend(records.iter().map(|record| (parent, record.id())));
        }
    }
    Ok(found.into_iter().map(|found| found.unwrap_or_else(|of| reached.contains(&of))).collect())
}

/// The least reach that contains a record which a narrower one does not.
pub(crate) async fn needed(
    within: &TenantCrm,
    actor: &Actor,
    permission: &Permission,
    schema: &Schema,
    record: &Record,
) -> Result<Reach> {
    let held = actor.reach(permission);
    for reach in [Reach::Assigned, Reach::Team] {
        let one = std::slice::from_ref(record);
        if held < Some(reach) && covered(within, actor, reach, schema, one).await? == [true] {
            return Ok(reach);
        }
    }
    Ok(Reach::All)
}
