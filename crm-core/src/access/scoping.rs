//! The one place that scopes a request: tenant AND reach AND what was asked.
//!
//! Every request of an actor passes through here, so that a list, a count, a sum, an expansion
//! and a write all mean the same records.

mod notes;

use std::sync::Arc;

pub(crate) use notes::{batch_with_notes, is_beyond_the_tenant};

use super::actor::Actor;
use super::permission::{Permission, Reach};
use crate::Entity;
use crate::error::{Error, Result};
use crate::records::ends::end_types;
use crate::store::{
    Aggregate, Batch, Catalogue, Filter, Owners, Path, Query, Record, Schema, Scope, Scoped,
    Scoping, Value, system,
};
use crate::users::Member;

/// A query over what the actor may read of it.
pub(crate) fn query(
    actor: &Actor,
    catalogue: &Catalogue,
    permission: &Permission,
    query: Query,
) -> Result<Scoped<Query>> {
    let reach = reach_filter(actor, catalogue, permission, query.schema())?;
    Ok(Scoped::new(scope(actor, query.schema())?, query.filter(reach)?))
}

/// A query over what is the actor's own, whatever it may do.
pub(crate) fn own(actor: &Actor, catalogue: &Catalogue, query: Query) -> Result<Scoped<Query>> {
    let own = of_reach(actor, catalogue, Reach::Assigned, query.schema(), 0)?;
    Ok(Scoped::new(scope(actor, query.schema())?, query.filter(own)?))
}

/// An aggregate over what the actor may read of it.
pub(crate) fn aggregate(
    actor: &Actor,
    catalogue: &Catalogue,
    permission: &Permission,
    aggregate: Aggregate,
) -> Result<Scoped<Aggregate>> {
    let reach = reach_filter(actor, catalogue, permission, aggregate.schema())?;
    Ok(Scoped::new(scope(actor, aggregate.schema())?, aggregate.filter(reach)?))
}

/// A query over what the actor may read where other records name it; none where it may read
/// nothing of that type.
pub(crate) fn named(
    actor: &Actor,
    catalogue: &Catalogue,
    query: Query,
) -> Result<Option<Scoped<Query>>> {
    let Some(reach) = named_filter(actor, catalogue, query.schema())? else { return Ok(None) };
    Ok(Some(Scoped::new(scope(actor, query.schema())?, query.filter(reach)?)))
}

/// Which records of a type the actor may read where other records name them; none where it may
/// read nothing of that type. Names of colleagues are no secret within a tenant.
fn named_filter(actor: &Actor, catalogue: &Catalogue, schema: &Schema) -> Result<Option<Filter>> {
    if schema.name() == Member::ENTITY {
        return Ok(Some(Filter::All));
    }
    match actor.reach(&Permission::on(schema, "read")) {
        None => Ok(None),
        Some(reach) => of_reach(actor, catalogue, reach, schema, 0).map(Some),
    }
}

/// A batch in the actor's tenant. Each record in it has passed [`covers`] before; that the tenant
/// is the actor's is asserted here once more.
pub(crate) fn batch(actor: &Actor, batch: Batch) -> Result<Scoped<Batch>> {
    let foreign = batch.operations().iter().any(|operation| {
        let records = operation.before().into_iter().chain(operation.after());
        records.into_iter().any(|(_, record)| record.tenant() != Some(actor.tenant()))
    });
    if foreign {
        return Err(Error::internal("a tenant's batch holds a record that is not the tenant's"));
    }
    Ok(Scoped::new(Scope::Tenant(actor.tenant()), batch))
}

/// Which records of a type a permission reaches.
///
/// # Errors
/// [`Error::Forbidden`] where it is not held.
pub(crate) fn reach_filter(
    actor: &Actor,
    catalogue: &Catalogue,
    permission: &Permission,
    schema: &Schema,
) -> Result<Filter> {
    let reach = actor.require(permission)?;
    of_reach(actor, catalogue, reach, schema, 0)
}

/// Whether a permission reaches a record, or, where its owner is found through another record,
/// which record must then be asked about.
pub(crate) enum Cover<'a> {
    /// It does or does not.
    Settled(bool),
    /// Whoever reaches the record of that type reaches this one.
    AsWith(&'a str, uuid::Uuid),
}

/// Whether `reach` contains a record, as far as the record itself tells.
pub(crate) fn covers<'a>(
    actor: &Actor,
    reach: Reach,
    schema: &'a Schema,
    record: &Record,
) -> Cover<'a> {
    match (reach, schema.owners()) {
        // Ends are asked about when they are named, and a record whose ends are out of reach is
        // not read.
        (Reach::All, _) | (_, Owners::Everybody | Owners::Ends) => Cover::Settled(true),
        (_, Owners::Nobody) => Cover::Settled(false),
        (_, Owners::Users { assigned, creator }) => {
            let is_in_reach = |user: &uuid::Uuid| {
                *user == actor.user().uuid()
                    || (reach == Reach::Team && actor.team().iter().any(|u| u.uuid() == *user))
            };
            let is_mine = |field: &u16| match record.get(*field) {
                Value::Uuid(user) => is_in_reach(user),
                Value::Uuids(users) => users.iter().any(is_in_reach),
                _ => false,
            };
            let is_empty = |value: &Value| match value {
                Value::Uuids(users) => users.is_empty(),
                value => value.is_null(),
            };
            let unassigned = assigned.iter().all(|field| is_empty(record.get(*field)));
            Cover::Settled(
                assigned.iter().any(is_mine)
                    || (unassigned && creator.as_ref().is_some_and(is_mine)),
            )
        }
        (_, Owners::Through { field }) => {
            match (schema.field(*field).references.as_deref(), record.get(*field)) {
                (Some(parent), Value::Uuid(id)) => Cover::AsWith(parent, *id),
                _ => Cover::Settled(false),
            }
        }
    }
}

/// The filter of a reach over a type.
pub(crate) fn of_reach(
    actor: &Actor,
    catalogue: &Catalogue,
    reach: Reach,
    schema: &Schema,
    depth: usize,
) -> Result<Filter> {
    if *schema.owners() == Owners::Ends {
        return ends_filter(actor, catalogue, schema);
    }
    if reach == Reach::All {
        return Ok(Filter::All);
    }
    Ok(match schema.owners() {
        Owners::Everybody | Owners::Ends => Filter::All,
        Owners::Nobody => Filter::Nothing,
        Owners::Users { assigned, creator } => {
            let mut users = vec![Value::Uuid(actor.user().uuid())];
            if reach == Reach::Team {
                users.extend(actor.team().iter().map(|user| Value::Uuid(user.uuid())));
            }
            let named = assigned.iter().map(|f| Filter::In(Path::field(*f), users.clone()));
            let mine = named.fold(Filter::Nothing, Filter::or);
            let unassigned = assigned.iter().map(|f| Filter::Absent(Path::field(*f)));
            let unassigned = unassigned.fold(Filter::All, Filter::and);
            match creator {
                Some(f) => mine.or(unassigned.and(Filter::In(Path::field(*f), users))),
                None => mine,
            }
        }
        Owners::Through { field } => {
            let target = schema.field(*field).references.as_deref().unwrap_or_default();
            let parent = catalogue
                .get(target)
                .filter(|_| depth < 4)
                .ok_or_else(|| Error::internal(format!("{schema} have owners too far away")))?;
            let filter = of_reach(actor, catalogue, reach, parent, depth + 1)?;
            Filter::Related(*field, parent.clone(), Box::new(filter))
        }
    })
}

// Each end names a live record that the actor may read. What it may not read at all is no case, so
// that its records match as little as ones that are not there.
fn ends_filter(actor: &Actor, catalogue: &Catalogue, schema: &Schema) -> Result<Filter> {
    let mut cases = Vec::new();
    for target in end_types(catalogue) {
        if let Some(filter) = named_filter(actor, catalogue, target)? {
            let live = Filter::Absent(Path::field(system::DELETED_AT));
            cases.push((Arc::clone(target), live.and(filter)));
        }
    }
    let ends = (0..schema.ends().len()).map(|end| Filter::End(end, cases.clone()));
    Ok(ends.fold(Filter::All, Filter::and))
}

fn scope(actor: &Actor, schema: &Schema) -> Result<Scope> {
    match schema.scoping() {
        Scoping::Tenant => Ok(Scope::Tenant(actor.tenant())),
        Scoping::Global => {
            Err(Error::internal(format!("{schema} belong to the installation, not to a tenant")))
        }
    }
}
