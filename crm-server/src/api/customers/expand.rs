//! What customers embed: people and tags, each with at most one query however many customers
//! there are.

use std::collections::BTreeMap;

use crm_core::tags::{Tag, named};
use crm_core::users::{Member, UserId, colleagues};
use crm_core::{Entity, Error, Id, Result, TenantCrm};
use uuid::Uuid;

use super::view::{CustomerView, TagBrief, UserBrief};

/// What a view knows of a person, and where that person is embedded.
type Person = (fn(&CustomerView) -> Option<Uuid>, fn(&mut CustomerView) -> &mut Option<UserBrief>);

const PEOPLE: [(&str, Person); 4] = [
    ("assignedUser", (|view| view.assigned_to, |view| &mut view.assigned_user)),
    ("coachUser", (|view| view.coach, |view| &mut view.coach_user)),
    ("closerUser", (|view| view.closer, |view| &mut view.closer_user)),
    ("setterUser", (|view| view.setter, |view| &mut view.setter_user)),
];

pub(super) async fn expand_people(
    crm: &TenantCrm,
    views: &mut [CustomerView],
    wanted: &[String],
) -> Result<()> {
    let people: Vec<Person> = PEOPLE
        .into_iter()
        .filter(|(name, _)| wanted.iter().any(|wanted| wanted == name))
        .map(|(_, person)| person)
        .collect();
    let named = |view: &CustomerView| -> Vec<UserId> {
        people.iter().filter_map(|(who, _)| who(view)).map(UserId::new).collect()
    };
    let mut ids: Vec<UserId> = views.iter().flat_map(named).collect();
    ids.sort_unstable();
    ids.dedup();
    let mut known: BTreeMap<Uuid, UserBrief> = BTreeMap::new();
    for ids in ids.chunks(crm_core::store::MAX_LIMIT as usize) {
        for Member { user, name, email, .. } in colleagues(crm, ids).await? {
            let id = user.uuid();
            known.insert(id, UserBrief { id, name, email });
        }
    }
    for view in views {
        for (who, embedded) in &people {
            *embedded(view) = who(view).and_then(|id| known.get(&id).cloned());
        }
    }
    Ok(())
}

/// Tags that were deleted meanwhile are left out; for a caller who may not read tags, all keep
/// their identifiers only.
pub(super) async fn expand_tags(crm: &TenantCrm, views: &mut [CustomerView]) -> Result<()> {
    let ids = views.iter().flat_map(|view| view.tags.iter().map(|tag| Id::new(tag.id)));
    let ids: Vec<Id<Tag>> = ids.collect();
    if ids.is_empty() {
        return Ok(());
    }
    let found = match named(crm, &ids).await {
        Ok(found) => found,
        Err(Error::Forbidden { .. }) => return Ok(()),
        Err(error) => return Err(error),
    };
    let brief = |tag: Tag| {
        let id = tag.id().uuid();
        (id, TagBrief { id, name: Some(tag.name), color: tag.color })
    };
    let known: BTreeMap<Uuid, TagBrief> = found.into_iter().map(brief).collect();
    for view in views {
        let tags = std::mem::take(&mut view.tags);
        view.tags = tags.into_iter().filter_map(|tag| known.get(&tag.id).cloned()).collect();
    }
    Ok(())
}
