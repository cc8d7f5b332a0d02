//! The newest relations of several records, for showing them with the records.

use std::collections::{BTreeMap, BTreeSet};

use super::{Relation, Relations};
use crate::error::Result;
use crate::records::EndRef;
use crate::store::{Aggregate, GroupBy, MAX_LIMIT, Value};
use crate::{Entity, Find, Where};

/// The most relations that are shown of one record.
pub const MOST_NEWEST: usize = 10;
/// Of so many records, a full answer of the store holds all that are to be shown of at least one:
/// fewer each would not fill it.
const TOGETHER: usize = (MAX_LIMIT as usize - 1) / (MOST_NEWEST - 1);

/// The relations of a record.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Newest {
    /// How many there are that the actor sees.
    pub total: u64,
    /// The newest of them, newest first.
    pub relations: Vec<Relation>,
}

/// The newest [`MOST_NEWEST`] relations of each of these records of one type, with the number of
/// all that the actor sees: one query for the relations and two for the numbers, up to a hundred
/// records at once. Records without any are left out.
///
/// # Errors
/// As [`Records::find`](crate::Records::find).
pub async fn newest(
    relations: &Relations,
    record_type: &str,
    ids: impl IntoIterator<Item = uuid::Uuid>,
) -> Result<BTreeMap<uuid::Uuid, Newest>> {
    let ids: BTreeSet<uuid::Uuid> = ids.into_iter().collect();
    let ids: Vec<uuid::Uuid> = ids.into_iter().collect();
    let mut all = BTreeMap::new();
    for ids in ids.chunks(TOGETHER) {
        count(relations, record_type, ids, &mut all).await?;
        let mut missing: Vec<uuid::Uuid> =
            ids.iter().filter(|id| all.contains_key(*id)).copied().collect();
        while !missing.is_empty() {
            missing = gather(relations, record_type, &missing, &mut all).await?;
        }
    }
    Ok(all)
}

fn goes_from(record_type: &str, ids: &[uuid::Uuid]) -> Where<Relation> {
    Relation::FROM_ID
        .any_of(ids.iter().copied())
        .and(Relation::FROM_TYPE.eq(record_type.to_owned()))
}

fn goes_to(record_type: &str, ids: &[uuid::Uuid]) -> Where<Relation> {
    Relation::TO_ID.any_of(ids.iter().copied()).and(Relation::TO_TYPE.eq(record_type.to_owned()))
}

// No relation has the same record at both ends, so that none is counted twice.
async fn count(
    relations: &Relations,
    record_type: &str,
    ids: &[uuid::Uuid],
    all: &mut BTreeMap<uuid::Uuid, Newest>,
) -> Result<()> {
    let sides = [
        (goes_from(record_type, ids), Relation::FROM_ID),
        (goes_to(record_type, ids), Relation::TO_ID),
    ];
    for (filter, end) in sides {
        let aggregate = Aggregate::count(Relation::schema().clone())
            .filter(filter.into_filter())?
            .group_by(vec![GroupBy::Value(end.path())])?;
        for group in relations.aggregate(aggregate).await? {
            let Some(Value::Uuid(id)) = group.keys.first() else { continue };
            all.entry(*id).or_default().total += group.count(0)?;
        }
    }
    Ok(())
}

// One query for what is still missing; those of which it did not give all are given back.
async fn gather(
    relations: &Relations,
    record_type: &str,
    missing: &[uuid::Uuid],
    all: &mut BTreeMap<uuid::Uuid, Newest>,
) -> Result<Vec<uuid::Uuid>> {
    let filter = goes_from(record_type, missing).or(goes_to(record_type, missing));
    let most = u32::try_from(missing.len() * MOST_NEWEST).unwrap_or(MAX_LIMIT).min(MAX_LIMIT);
    let found = relations.find(Find::from(filter).first(most)).await?;
    for id in missing {
        all.entry(*id).or_default().relations.clear();
    }
    for relation in found.items {
        for end in [relation.from(), relation.to()] {
            let EndRef { record_type: named, id } = end;
            if named == record_type
                && missing.contains(&id)
                && let Some(newest) = all.get_mut(&id)
                && newest.relations.len() < MOST_NEWEST
            {
                newest.relations.push(relation.clone());
            }
        }
    }
    if found.next.is_none() {
        return Ok(Vec::new());
    }
    let is_short =
        |id: &&uuid::Uuid| all.get(*id).is_some_and(|newest| newest.relations.len() < MOST_NEWEST);
    let short: Vec<uuid::Uuid> = missing.iter().filter(is_short).copied().collect();
    // Each answer settles at least one; one that settles none is not asked for again.
    Ok(if short.len() < missing.len() { short } else { Vec::new() })
}
