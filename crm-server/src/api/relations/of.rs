//! The relations of a record, embedded in it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use crm_core::relations::{Newest, Relation, kinds_named, newest};
use crm_core::{EndRef, Error, Result, TenantCrm};
use poem_openapi::Object;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::view::{Direction, RelationEndView};
use crate::api::values::Code;

/// The relations of a record: the newest of them, and how many there are.
#[derive(Debug, Clone, Default, Serialize, Object)]
pub struct RelationsBrief {
    /// How many there are; `/relations?record=` lists them all.
    pub total: u64,
    /// The newest, newest first, at most ten.
    pub items: Vec<RelatedView>,
}

/// A relation seen from the record that it is embedded in.
#[derive(Debug, Clone, Serialize, Object)]
#[serde(rename_all = "camelCase")]
#[oai(rename = "Related", rename_all = "camelCase")]
pub struct RelatedView {
    /// The identifier of the relation.
    pub id: Uuid,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// The key of its kind.
    pub kind: String,
    /// Whether it goes from this record or comes in.
    pub direction: Code<Direction>,
    /// What the direction is called: `is employed by`.
    pub name: Option<String>,
    /// The record at the other end.
    pub other: RelationEndView,
    /// What else there is to know of it.
    pub attributes: Value,
}

/// Embeds the relations of each record of a type: a few queries for all of them, one for each type
/// at the other ends. For a caller who may not read relations nothing is embedded.
pub(in crate::api) async fn relations<V>(
    crm: &TenantCrm,
    views: &mut [V],
    record_type: &str,
    id: fn(&V) -> Uuid,
    embedded: fn(&mut V) -> &mut Option<RelationsBrief>,
) -> Result<()> {
    let ids: Vec<Uuid> = views.iter().map(id).collect();
    let mut found = match newest(&crm.relations(), record_type, ids).await {
        Ok(found) => found,
        Err(Error::Forbidden { .. }) => return Ok(()),
        Err(error) => return Err(error),
    };
    let all = || found.values().flat_map(|newest| &newest.relations);
    let ends: Vec<EndRef> = all().flat_map(|relation| [relation.from(), relation.to()]).collect();
    let ends = crm.ends(ends).await?;
    let kinds = kinds_named(crm, all().map(|relation| relation.kind.as_str())).await?;
    let mut briefs: BTreeMap<Uuid, RelationsBrief> = BTreeMap::new();
    for (id, Newest { total, relations }) in std::mem::take(&mut found) {
        let here = EndRef::new(record_type, id);
        let items = relations.into_iter().map(|relation| {
            let goes_out = relation.from() == here;
            let other = if goes_out { relation.to() } else { relation.from() };
            let kind = kinds.get(&relation.kind);
            let name = kind.map(|kind| if goes_out { &kind.name } else { &kind.inverse_name });
            let name = name.cloned();
            let Relation { id, created_at, kind, attributes, .. } = relation;
            RelatedView {
                id: id.uuid(),
                created_at,
                kind,
                direction: Code(if goes_out { Direction::Outgoing } else { Direction::Incoming }),
                name,
                other: RelationEndView::of(other, Some(&ends)),
                attributes,
            }
        });
        briefs.insert(id, RelationsBrief { total, items: items.collect() });
    }
    for view in views {
        *embedded(view) = Some(briefs.remove(&id(view)).unwrap_or_default());
    }
    Ok(())
}
