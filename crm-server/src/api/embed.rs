//! What records embed of others: people, tags and companies, each with at most one query however many
//! records there are.
//!
//! What the caller may not read is left out; the identifiers in the record itself stay.

use std::collections::BTreeMap;

use crm_core::custom_fields::definitions;
use crm_core::tags::{Tag, named};
use crm_core::users::{Member, UserId, colleagues};
use crm_core::{EndRef, Entity, Error, Id, Result, TenantCrm};
use poem_openapi::Object;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

/// A tag on a record; its words where they are embedded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Object)]
pub struct TagBrief {
    /// The identifier.
    pub id: Uuid,
    /// What it says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its colour, `#rrggbb`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub color: Option<String>,
}

impl TagBrief {
    /// A tag of which only the identifier is told.
    pub(super) fn untold(tag: Id<Tag>) -> Self {
        Self { id: tag.uuid(), name: None, color: None }
    }
}

/// A colleague.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Object)]
pub struct UserBrief {
    /// The identifier of the user.
    pub id: Uuid,
    /// What they are called.
    pub name: String,
    /// Their e-mail address.
    pub email: String,
}

/// A company that a record belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Object)]
pub struct CompanyBrief {
    /// The identifier.
    pub id: Uuid,
    /// What it is called.
    pub name: String,
    /// Whether it was deleted meanwhile.
    pub deleted: bool,
}

/// What a view knows of a person, and where that person is embedded.
pub(super) type Person<V> = (fn(&V) -> Option<Uuid>, fn(&mut V) -> &mut Option<UserBrief>);

/// Embeds those of the people who are wanted, each under its name.
pub(super) async fn people<V>(
    crm: &TenantCrm,
    views: &mut [V],
    people: &[(&str, Person<V>)],
    wanted: &[String],
) -> Result<()> {
    let people: Vec<Person<V>> = people
        .iter()
        .filter(|(name, _)| wanted.iter().any(|wanted| wanted == name))
        .map(|(_, person)| *person)
        .collect();
    let named = |view: &V| -> Vec<UserId> {
        people.iter().filter_map(|(who, _)| who(view)).map(UserId::new).collect()
    };
    let known = known_people(crm, views.iter().flat_map(named).map(UserId::uuid)).await?;
    for view in views {
        for (who, embedded) in &people {
            *embedded(view) = who(view).and_then(|id| known.get(&id).cloned());
        }
    }
    Ok(())
}

/// Those of these users who are or were members of the tenant.
pub(super) async fn known_people(
    crm: &TenantCrm,
    users: impl Iterator<Item = Uuid>,
) -> Result<BTreeMap<Uuid, UserBrief>> {
    let mut ids: Vec<UserId> = users.map(UserId::new).collect();
    ids.sort_unstable();
    ids.dedup();
    let mut known = BTreeMap::new();
    for ids in ids.chunks(crm_core::store::MAX_LIMIT as usize) {
        for Member { user, name, email, .. } in colleagues(crm, ids).await? {
            let id = user.uuid();
            known.insert(id, UserBrief { id, name, email });
        }
    }
    Ok(known)
}

/// Tags that were deleted meanwhile are left out; for a caller who may not read tags, all keep
/// their identifiers only.
pub(super) async fn tags<V>(
    crm: &TenantCrm,
    views: &mut [V],
    tags: fn(&mut V) -> &mut Vec<TagBrief>,
) -> Result<()> {
    let mut ids: Vec<Id<Tag>> = Vec::new();
    for view in &mut *views {
        ids.extend(tags(view).iter().map(|tag| Id::new(tag.id)));
    }
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
        let own = std::mem::take(tags(view));
        *tags(view) = own.into_iter().filter_map(|tag| known.get(&tag.id).cloned()).collect();
    }
    Ok(())
}

/// A record that one of the tenant's own fields names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Object)]
pub struct RecordBrief {
    /// Its type: `customers`, `companies`, `users`.
    #[serde(rename = "type")]
    #[oai(rename = "type")]
    pub record_type: String,
    /// The identifier.
    pub id: Uuid,
    /// What it is called.
    pub name: String,
    /// Whether it was deleted meanwhile.
    pub deleted: bool,
}

/// What the tenant's own references name, by their keys: with one query for each type. Records out
/// of reach are left out, deleted ones are shown as such.
pub(super) async fn references<V>(
    crm: &TenantCrm,
    record_type: &str,
    views: &mut [V],
    own: fn(&V) -> &BTreeMap<String, Value>,
    embedded: fn(&mut V) -> &mut Option<BTreeMap<String, RecordBrief>>,
) -> Result<()> {
    if views.iter().all(|view| own(view).is_empty()) {
        return Ok(());
    }
    let mut fields = definitions(crm, record_type).await?;
    fields.retain(|field| field.references.is_some());
    if fields.is_empty() {
        return Ok(());
    }
    let named = |view: &V| -> Vec<(String, EndRef)> {
        let each = fields.iter().filter_map(|field| {
            let id = own(view).get(&field.key)?.as_str()?.parse::<Uuid>().ok()?;
            Some((field.key.clone(), EndRef::new(field.references.clone()?, id)))
        });
        each.collect()
    };
    let all: Vec<EndRef> = views.iter().flat_map(named).map(|(_, named)| named).collect();
    let known = crm.ends(all).await?;
    for view in views {
        let brief = |(key, named): (String, EndRef)| {
            let end = known.get(&named)?;
            let EndRef { record_type, id } = named;
            let brief =
                RecordBrief { record_type, id, name: end.title.clone(), deleted: !end.live };
            Some((key, brief))
        };
        *embedded(view) = Some(named(view).into_iter().filter_map(brief).collect());
    }
    Ok(())
}

/// A company that was deleted meanwhile is shown as such.
pub(super) async fn companies<V>(
    crm: &TenantCrm,
    views: &mut [V],
    company: fn(&V) -> Option<Uuid>,
    embedded: fn(&mut V) -> &mut Option<CompanyBrief>,
) -> Result<()> {
    let named = |id: Uuid| EndRef::new("companies", id);
    let ids: Vec<Uuid> = views.iter().filter_map(company).collect();
    let known = crm.ends(ids.into_iter().map(named)).await?;
    for view in views {
        let found = company(view).and_then(|id| known.get(&named(id)));
        *embedded(view) = found.map(|end| CompanyBrief {
            id: end.named.id,
            name: end.title.clone(),
            deleted: !end.live,
        });
    }
    Ok(())
}
