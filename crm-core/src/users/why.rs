//! Why somebody may or may not do something with a record.
//!
//! Whoever asks learns nothing about records that they could not read themselves.

use std::sync::Arc;

use super::effective::{HeldPermission, permissions_of};
use super::{Member, Members, Source, UserId};
use crate::access::{Actor, Grant, Permission, RESOURCES, Reach};
use crate::crm::is_product;
use crate::entity::Entity;
use crate::error::{Error, Result};
use crate::id::Id;
use crate::near::near;
use crate::records::ends::{end_of, end_type};
use crate::records::{EndRef, can};
use crate::roles::{CustomRole, Roles};
use crate::store::{Filter, Path, Query, Record, Schema, Scoping, Value, Window};
use crate::teams::managed_by;

/// What somebody may do with a record, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The permission that it takes.
    pub permission: Permission,
    /// The reach at which it is held; none where it is not.
    pub held: Option<Reach>,
    /// The fields that it leaves out.
    pub without: Vec<String>,
    /// What gives it, each at its own reach.
    pub from: Vec<(Source, Reach)>,
    /// What lacks; none where it may be done. What cannot be read cannot be changed: then it is the
    /// permission to read that lacks.
    pub lacking: Option<Lacking>,
}

/// A permission that is not held, or not as far as a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lacking {
    /// The permission.
    pub permission: Permission,
    /// The reach at which it is held; none where it is not.
    pub held: Option<Reach>,
    /// The least reach that would do.
    pub needed: Reach,
}

impl Members {
    /// What a user may do with a record, by each action that can be done with one that is there,
    /// as far as permissions decide. Anybody asks it of themselves; asking it of somebody else needs
    /// `users:read`. Of another user it tells what holds while no token narrows it.
    ///
    /// # Errors
    /// [`Error::NotFound`] where whoever asks cannot read the record, or see the user;
    /// [`Error::Forbidden`]; [`Error::Unreadable`] where there is no such type.
    pub async fn decisions(&self, user: UserId, record: &EndRef) -> Result<Vec<Decision>> {
        let within = self.within();
        let itself = user == within.actor().user();
        let member = match itself {
            true => self.ever(user).await?,
            false => Some(self.get(user.cast()).await?),
        };
        let schema = self.type_of(record)?;
        let found = self.found(within.actor(), &schema, record).await?;
        let found = found.ok_or_else(|| Error::not_found(&record.record_type, record.id))?;
        let held = match member {
            Some(member) => permissions_of(within, member).await?.held,
            None => Vec::new(),
        };
        let actor = match itself {
            true => within.actor().clone(),
            false => {
                let tenant = within.actor().tenant();
                let team = managed_by(within.crm(), tenant, user).await?;
                let grants =
                    held.iter().map(|HeldPermission { permission, reach, without, .. }| {
                        Grant::new(permission.clone(), *reach).leaving_out(without)
                    });
                Actor::new(tenant, user).with_grants(&grants.collect()).with_team(team)
            }
        };
        let unread = match self.reads(&actor, &schema, record).await? {
            true => None,
            false => Some(self.unread(&actor, &schema, &found).await?),
        };
        let actions = actions(&schema);
        let mut decisions = Vec::with_capacity(actions.len());
        for permission in actions {
            let reach = actor.reach(&permission);
            let one = std::slice::from_ref(&found);
            let covered = match reach {
                Some(reach) => can::covered(within, &actor, reach, &schema, one).await? == [true],
                None => false,
            };
            let lacking = match &unread {
                Some(unread) => Some(unread.clone()),
                None if covered => None,
                None => Some(self.lacking(&actor, permission.clone(), &schema, &found).await?),
            };
            // What a key's scopes leave out is not given by anything.
            let from = held.iter().find(|held| held.permission == permission && reach.is_some());
            let from = from.map(|held| held.from.clone()).unwrap_or_default();
            let without = actor.grants().left_out(&permission).filter(|_| reach.is_some());
            let without = without.into_iter().flatten().cloned().collect();
            decisions.push(Decision { permission, held: reach, without, from, lacking });
        }
        Ok(decisions)
    }

    async fn lacking(
        &self,
        actor: &Actor,
        permission: Permission,
        schema: &Schema,
        record: &Record,
    ) -> Result<Lacking> {
        let needed = can::needed(self.within(), actor, &permission, schema, record).await?;
        Ok(Lacking { held: actor.reach(&permission), needed, permission })
    }

    /// What lacks to somebody who cannot read a record: the permission to read it, or to read what
    /// it names, where that is what decides.
    async fn unread(&self, actor: &Actor, schema: &Schema, found: &Record) -> Result<Lacking> {
        let read = Permission::on(schema, "read");
        if actor.reach(&read).is_some() {
            for end in schema.ends() {
                let catalogue = self.within().crm().catalogue();
                let Some(named) = end_of(end, found) else { continue };
                let Some(of) = end_type(catalogue, &named.record_type) else { continue };
                if of.name() == Member::ENTITY || self.reads(actor, of, &named).await? {
                    continue;
                }
                if let Some(end) = self.found(self.within().actor(), of, &named).await? {
                    return self.lacking(actor, Permission::on(of, "read"), of, &end).await;
                }
            }
        }
        self.lacking(actor, read, schema, found).await
    }

    async fn reads(&self, actor: &Actor, schema: &Arc<Schema>, record: &EndRef) -> Result<bool> {
        match actor.reach(&Permission::on(schema, "read")) {
            None => Ok(false),
            Some(_) => Ok(self.found(actor, schema, record).await?.is_some()),
        }
    }

    /// The type of a record, where its records are read by a permission.
    fn type_of(&self, record: &EndRef) -> Result<Arc<Schema>> {
        let is_one = |schema: &&Arc<Schema>| {
            let is_known = RESOURCES.iter().any(|resource| {
                resource.name == schema.resource() && resource.actions.contains(&"read")
            });
            schema.scoping() == Scoping::Tenant && (is_known || !is_product(schema))
        };
        let catalogue = self.within().crm().catalogue();
        let mut known = catalogue.iter().filter(is_one);
        // Of several types under one resource, the one that others name by it.
        let named = end_type(catalogue, &record.record_type);
        let found = named.or_else(|| known.find(|schema| schema.resource() == record.record_type));
        found.cloned().ok_or_else(|| {
            let known: Vec<&str> =
                catalogue.iter().filter(is_one).map(|schema| schema.resource()).collect();
            let meant = near(&record.record_type, known.iter().copied());
            let meant = meant.first().map(|meant| format!(", did you mean {meant}?"));
            let wanted: String = record.record_type.chars().take(60).collect();
            let message = format!(
                "there are no records of type {wanted:?}{}",
                meant.unwrap_or_else(|| format!("; known are {}", known.join(", ")))
            );
            Error::unreadable("resource", "UNKNOWN_RECORD_TYPE", message)
        })
    }

    /// The record, where it is live and this actor may read it.
    async fn found(
        &self,
        actor: &Actor,
        schema: &Arc<Schema>,
        record: &EndRef,
    ) -> Result<Option<Record>> {
        let within = self.within().crm().tenant(actor.clone());
        if schema.name() == CustomRole::ENTITY && Roles::built_in(Id::new(record.id)).is_some() {
            let role = within.roles().get(Id::new(record.id)).await?;
            return Ok(Some(role.into_record(Some(actor.tenant()))?));
        }
        let read = Permission::on(schema, "read");
        let id = Filter::In(Path::field(schema.known_by()), vec![Value::Uuid(record.id)]);
        let query = Query::new(Arc::clone(schema))
            .filter(id)?
            .window(Window::Page { offset: 0, limit: 1 })?;
        Ok(within.query_stored(&read, query).await?.items.into_iter().next())
    }
}

/// The permissions for what is done with a record of a type that is there.
fn actions(schema: &Schema) -> Vec<Permission> {
    let resource = RESOURCES.iter().find(|resource| resource.name == schema.resource());
    let known: &[&'static str] =
        resource.map_or(&["read", "update", "delete", "export"], |resource| resource.actions);
    let of_one = known.iter().filter(|action| !["create", "import"].contains(*action));
    of_one.copied().map(|action| Permission::on(schema, action)).collect()
}
