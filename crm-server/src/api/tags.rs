//! The tenant's tags.

use chrono::{DateTime, Utc};
use crm_core::tags::{Tag, TagDraft, Tags};
use crm_core::{Entity, Result, TenantCrm};
use poem_openapi::Object;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::crud::{CanView, Resource};

/// Tags.
#[derive(Debug)]
pub struct TagResource;

/// A tag.
#[derive(Debug, Clone, Serialize, Object)]
#[serde(rename_all = "camelCase")]
#[oai(rename = "Tag", rename_all = "camelCase")]
pub struct TagView {
    /// The identifier.
    pub id: Uuid,
    /// The version, which is also the `ETag`.
    pub version: i64,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
    /// When it was deleted.
    pub deleted_at: Option<DateTime<Utc>>,
    /// What it says; unique in the tenant, without case or accents.
    pub name: String,
    /// Its colour, `#rrggbb`.
    pub color: Option<String>,
    /// What the caller may do with it; where `expand` asks for it.
    #[serde(rename = "_can", skip_serializing_if = "Option::is_none")]
    #[oai(rename = "_can")]
    pub can: Option<CanView>,
}

/// A tag to write.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Object)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[oai(rename_all = "camelCase")]
pub struct TagInput {
    /// The version that is expected, in place of `If-Match`.
    pub version: Option<i64>,
    /// What it says; unique in the tenant, without case or accents.
    pub name: String,
    /// Its colour, `#rrggbb`.
    pub color: Option<String>,
}

impl Resource for TagResource {
    type Entity = Tag;
    type Service = Tags;
    type View = TagView;
    type Input = TagInput;

    const PATH: &'static str = "/customers/tags";

    fn service(crm: &TenantCrm) -> Tags {
        crm.tags()
    }

    fn view(tag: Tag) -> TagView {
        let Tag { id, version, created_at, updated_at, deleted_at, name, color } = tag;
        TagView {
            id: id.uuid(),
            version,
            created_at,
            updated_at,
            deleted_at,
            name,
            color,
            can: None,
        }
    }

    fn can(view: &mut TagView) -> &mut Option<CanView> {
        &mut view.can
    }

    fn input(tag: Tag) -> TagInput {
        let Tag { id: _, version: _, created_at: _, updated_at: _, deleted_at: _, name, color } =
            tag;
        TagInput { version: None, name, color }
    }

    fn expected(input: &TagInput) -> Option<i64> {
        input.version
    }

    fn draft(input: TagInput) -> Result<<Tag as Entity>::Draft> {
        let TagInput { version: _, name, color } = input;
        Ok(TagDraft { name, color })
    }
}
