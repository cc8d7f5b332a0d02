//! Handing the records of somebody who leaves to somebody else.
//!
//! Which records those are is read from the schemas, so that new types come along by themselves:
//! every type whose owner fields name users, but those that describe the person, not the
//! business. A record that names nobody belongs to who created it, and is handed over as well.
//! It happens in steps, each a commit with the entries and events of its changes. A call that
//! comes to an end half-way has done whole steps, and calling again goes on.

use std::sync::Arc;

use super::{Member, Members, UserId};
use crate::access::{Class, Permission, RESOURCES, Reach, scoping};
use crate::crm::is_product;
use crate::entity::Entity;
use crate::error::{Error, Faults, Result};
use crate::near::near;
use crate::records::{ATTEMPTS, Records, Unit};
use crate::store::{Filter, Owners, Path, Query, Record, Schema, Scoping, Value, Window};

/// How many records one step hands over.
const STEP: u32 = 200;

/// What was handed over: how many records of each type that was looked through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandedOver {
    /// The type, by its plural name, and how many.
    pub records: Vec<(String, u64)>,
}

/// Where the owners of a type are named.
struct Owned {
    schema: Arc<Schema>,
    assigned: Vec<u16>,
    creator: Option<u16>,
}

impl Members {
    /// The record types that can be handed over.
    pub fn handed_over(&self) -> Vec<String> {
        self.owned().iter().map(|owned| owned.schema.name().to_owned()).collect()
    }

    /// Puts a member in the place of another one, who may have left, in all records of these
    /// types, or of all types: as their owner, or as the owner of what nobody is assigned to
    /// where the other one created it. Needs `users:update` for the other member, and `update`
    /// for each type at a reach that contains both.
    ///
    /// # Errors
    /// [`Error::NotFound`] where the actor sees no such member; [`Error::Forbidden`], before
    /// anything is done; [`Error::Invalid`] where `to` is no active member or a type cannot be
    /// handed over. Where a later step fails, those before it are done.
    pub async fn hand_over(
        &self,
        from: UserId,
        to: UserId,
        types: Option<&[String]>,
    ) -> Result<HandedOver> {
        let update = Records::<Member>::permission("update");
        let within = self.within();
        let reach = within.actor().require(&update)?;
        let not_found = || Error::not_found(Member::ENTITY, from);
        let leaver = self.ever(from).await?.ok_or_else(not_found)?;
        let record = leaver.into_record(Some(within.actor().tenant()))?;
        if !matches!(
            scoping::covers(within.actor(), reach, Member::schema(), &record),
            scoping::Cover::Settled(true)
        ) {
            return Err(not_found());
        }
        let owned = self.chosen(from, to, types)?;
        self.receiver(to).await?;
        for owned in &owned {
            self.require_both(&owned.schema, from, to)?;
        }
        let mut records = Vec::new();
        for owned in &owned {
            let mut count = 0;
            while let Some(step) = self.step(owned, from, to).await? {
                count += step;
            }
            records.push((owned.schema.name().to_owned(), count));
        }
        Ok(HandedOver { records })
    }

    fn chosen(&self, from: UserId, to: UserId, types: Option<&[String]>) -> Result<Vec<Owned>> {
        let mut faults = Faults::default();
        let mut all = self.owned();
        if from == to {
            faults.add("to", "CONTRADICTION", "expected somebody else");
        }
        for (i, wanted) in types.into_iter().flatten().enumerate() {
            if all.iter().any(|owned| owned.schema.name() == wanted) {
                continue;
            }
            let meant = near(wanted, all.iter().map(|owned| owned.schema.name()));
            let meant = meant.first().map(|meant| format!(", did you mean {meant}?"));
            let wanted: String = wanted.chars().take(60).collect();
            let message = format!(
                "records of type {wanted:?} are not handed over{}",
                meant.unwrap_or_default()
            );
            faults.add(format!("types[{i}]"), "UNKNOWN_RECORD_TYPE", message);
        }
        faults.into_result()?;
        if let Some(types) = types {
            all.retain(|owned| types.iter().any(|wanted| wanted == owned.schema.name()));
        }
        Ok(all)
    }

    /// An active member to hand over to.
    async fn receiver(&self, to: UserId) -> Result<Member> {
        let receiver = self.ever(to).await?.filter(Member::is_at_work);
        receiver.ok_or_else(|| {
            Error::invalid("to", "UNKNOWN_USER", "expected an active member of the tenant")
        })
    }

    fn owned(&self) -> Vec<Owned> {
        let of_business = |schema: &Schema| {
            let resource = RESOURCES.iter().find(|resource| resource.name == schema.resource());
            schema.scoping() == Scoping::Tenant
                && schema.name() != Member::ENTITY
                && resource.map_or(!is_product(schema), |r| r.class == Class::Record)
        };
        let each = |schema: &Arc<Schema>| match schema.owners() {
            Owners::Users { assigned, creator } if !assigned.is_empty() => Some(Owned {
                schema: Arc::clone(schema),
                assigned: assigned.clone(),
                creator: *creator,
            }),
            _ => None,
        };
        let catalogue = self.within().crm().catalogue();
        catalogue.iter().filter(|schema| of_business(schema)).filter_map(each).collect()
    }

    /// That the actor may change records of the type, whether the one owns them or the other.
    fn require_both(&self, schema: &Schema, from: UserId, to: UserId) -> Result<()> {
        let actor = self.within().actor();
        let permission = updating(schema);
        let held = actor.require(&permission)?;
        let mine = |user: UserId| match held {
            Reach::All => true,
            Reach::Team => user == actor.user() || actor.team().contains(&user),
            Reach::Assigned => false,
        };
        if mine(from) && mine(to) {
            return Ok(());
        }
        Err(Error::Forbidden { permission, held: Some(held), needed: Reach::All })
    }

    /// One step; how many records it handed over, none where there were none left.
    async fn step(&self, owned: &Owned, from: UserId, to: UserId) -> Result<Option<u64>> {
        let within = self.within();
        let schema = &owned.schema;
        for _ in 0..ATTEMPTS {
            let receiver = self.receiver(to).await?;
            let query = Query::new(Arc::clone(schema))
                .filter(owned.by(from))?
                .window(Window::Page { offset: 0, limit: STEP })?;
            let found = within.query_stored(&updating(schema), query).await?.items;
            if found.is_empty() {
                return Ok(None);
            }
            let count = found.len() as u64;
            let mut unit = Unit::within(within);
            unit.check(receiver)?;
            for before in found {
                let after = owned.handed(&before, from, to, &unit)?;
                unit.update_record(schema, before, after)?;
            }
            match unit.commit(within).await {
                Ok(_) => return Ok(Some(count)),
                // Somebody changed one of them, or the receiver: looked at again.
                Err(Error::Stale { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::busy(schema.name(), from))
    }
}

impl Owned {
    /// The records that a user owns.
    fn by(&self, user: UserId) -> Filter {
        let user = vec![Value::Uuid(user.uuid())];
        let is = |field: &u16| Filter::In(Path::field(*field), user.clone());
        let named = self.assigned.iter().map(is).fold(Filter::Nothing, Filter::or);
        let nobody = self.assigned.iter().map(|field| Filter::Absent(Path::field(*field)));
        let nobody = nobody.fold(Filter::All, Filter::and);
        match &self.creator {
            Some(creator) => named.or(nobody.and(is(creator))),
            None => named,
        }
    }

    /// A record with one user in the place of the other. Who created it stays as it was.
    fn handed(&self, before: &Record, from: UserId, to: UserId, unit: &Unit) -> Result<Record> {
        let (from, to) = (from.uuid(), to.uuid());
        let handed = |value: &Value| match value {
            Value::Uuid(user) if *user == from => Some(Value::Uuid(to)),
            Value::Uuids(users) if users.contains(&from) => {
                let mut users = users.clone();
                users.retain(|user| *user != to);
                users.iter_mut().filter(|user| **user == from).for_each(|user| *user = to);
                Some(Value::Uuids(users))
            }
            _ => None,
        };
        let named = self.assigned.iter().filter_map(|f| Some((*f, handed(before.get(*f))?)));
        let mut places: Vec<(u16, Value)> = named.collect();
        if places.is_empty()
            && let Some(first) = self.assigned.first()
        {
            let several = self.schema.field(*first).kind.is_list();
            let to = if several { Value::Uuids(vec![to]) } else { Value::Uuid(to) };
            places.push((*first, to));
        }
        unit.next_record(&self.schema, before, places)
    }
}

fn updating(schema: &Schema) -> Permission {
    Permission::on(schema, "update")
}
