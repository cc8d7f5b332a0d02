//! Tags: a tenant's own words for its records, each with a colour.
//!
//! A record keeps the identifiers of its tags. Deleting a tag hides it everywhere; the records
//! keep the identifier, so that restoring the tag brings everything back.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::error::{Error, Faults, Result};
use crate::id::Id;
use crate::records::{Records, Rules};
use crate::store::{Filter, MAX_LIMIT, Path, Query, Value, Window, system};
use crate::values::{Color, Multiline, required_text};
use crate::{Entity, TenantCrm};

/// The service of tags.
pub type Tags = Records<Tag>;

/// The most tags of one record.
pub const MOST_PER_RECORD: usize = 50;

/// A tag.
#[derive(Debug, Clone, PartialEq, Entity)]
#[entity(name = "tags", tenant, owners(everybody), unique(name = "tags_name", fields(name)))]
pub struct Tag {
    /// The identifier.
    pub id: Id<Self>,
    /// The version.
    pub version: i64,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
    /// When it was deleted.
    pub deleted_at: Option<DateTime<Utc>>,
    /// What it says; unique in the tenant, without case or accents.
    #[entity(filter, sort, search)]
    pub name: String,
    /// Its colour, `#rrggbb`.
    #[entity(code)]
    pub color: Option<String>,
}

#[async_trait]
impl Rules for Tag {
    async fn check(&mut self, _before: Option<&Self>, _within: &TenantCrm) -> Result<()> {
        let mut faults = Faults::default();
        if let Some(name) = faults.absorb(required_text("name", &self.name, 60, Multiline::No))? {
            self.name = name;
        }
        if let Some(color) = &self.color
            && let Some(color) = faults.absorb(Color::parse("color", color))?
        {
            self.color = Some(color.as_str().to_owned());
        }
        faults.into_result()
    }
}

/// The live tags of a tenant, as they were a moment ago.
#[derive(Debug)]
pub(crate) enum Vocabulary {
    /// All of them.
    Whole(HashMap<Id<Tag>, Tag>),
    /// Too many to remember.
    TooLarge,
}

/// Those of these tags that are live, in no particular order, as they were a moment ago: for
/// showing them with records. Needs `tags:read`.
///
/// # Errors
/// [`Error::Forbidden`]; where the store fails.
pub async fn named(within: &TenantCrm, ids: &[Id<Tag>]) -> Result<Vec<Tag>> {
    within.actor().require(&Tags::permission("read"))?;
    let remembered = within.crm().vocabularies();
    let tenant = within.actor().tenant();
    let vocabulary = match remembered.get(tenant, within.crm().clock().now()) {
        Ok(vocabulary) => vocabulary,
        Err(reading) => {
            let vocabulary = Arc::new(vocabulary(within).await?);
            remembered.put(tenant, reading, Arc::clone(&vocabulary));
            vocabulary
        }
    };
    match &*vocabulary {
        Vocabulary::Whole(tags) => {
            let wanted: HashSet<&Id<Tag>> = ids.iter().collect();
            Ok(wanted.into_iter().filter_map(|id| tags.get(id).cloned()).collect())
        }
        Vocabulary::TooLarge => within.tags().get_many(ids.iter().copied()).await,
    }
}

async fn vocabulary(within: &TenantCrm) -> Result<Vocabulary> {
    let query = Query::new(Tag::schema().clone());
    let query = query.window(Window::Cursor { after: None, limit: MAX_LIMIT })?;
    let found = within.query_for_rules(query).await?;
    if found.next.is_some() {
        return Ok(Vocabulary::TooLarge);
    }
    let tags = found.items.into_iter().map(|record| Tag::from_values(record.into_values()));
    let tags = tags.map(|tag| tag.map(|tag| (tag.id, tag)));
    Ok(Vocabulary::Whole(tags.collect::<Result<_>>()?))
}

/// Refuses tags that the tenant does not have, of those that were not there before, and drops
/// repeated ones.
pub(crate) async fn check_tags(
    within: &TenantCrm,
    tags: &mut Vec<Id<Tag>>,
    before: &[Id<Tag>],
) -> Result<()> {
    let mut seen = HashSet::new();
    tags.retain(|tag| seen.insert(*tag));
    if tags.len() > MOST_PER_RECORD {
        return Err(Error::invalid(
            "tags",
            "TOO_MANY",
            format!("expected at most {MOST_PER_RECORD} tags, got {}", tags.len()),
        ));
    }
    let added = tags.iter().filter(|tag| !before.contains(tag));
    let added: Vec<Value> = added.map(|tag| Value::Uuid(tag.uuid())).collect();
    if added.is_empty() {
        return Ok(());
    }
    let query = Query::new(Tag::schema().clone())
        .filter(Filter::In(Path::field(system::ID), added.clone()))?
        .window(Window::Page { offset: 0, limit: MAX_LIMIT })?;
    let known = within.query_for_rules(query).await?;
    let missing = added.iter().find(|id| !known.items.iter().any(|tag| tag.get(system::ID) == *id));
    match missing {
        Some(Value::Uuid(id)) => Err(Error::invalid(
            "tags",
            "UNKNOWN_TAG",
            format!("expected tags of the tenant, got {id}"),
        )),
        _ => Ok(()),
    }
}
