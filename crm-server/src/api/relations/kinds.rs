//! Kinds of relations as they are shown and written.

use chrono::{DateTime, Utc};
use crm_core::relations::{Kind, RelationKind, RelationKindDraft, RelationKinds};
use crm_core::{Result, TenantCrm};
use poem_openapi::Object;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::api::crud::{CanView, Resource};

/// A tenant's own kinds of relations.
#[derive(Debug)]
pub struct RelationKindResource;

/// A kind of relation that the tenant made.
#[derive(Debug, Clone, Serialize, Object)]
#[serde(rename_all = "camelCase")]
#[oai(rename = "RelationKind", rename_all = "camelCase")]
pub struct RelationKindView {
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
    /// What relations name it by.
    pub key: String,
    /// What the record it goes from is or does to the other one.
    pub name: String,
    /// The same seen from the record that it goes to.
    pub inverse_name: Option<String>,
    /// Whether both directions are the same.
    pub symmetric: bool,
    /// The types that it goes from; any where there are none.
    pub from_types: Vec<String>,
    /// The types that it goes to; any where there are none.
    pub to_types: Vec<String>,
    /// When to use it.
    pub description: Option<String>,
    /// What the caller may do with it; where `expand` asks for it.
    #[serde(rename = "_can", skip_serializing_if = "Option::is_none")]
    #[oai(rename = "_can")]
    pub can: Option<CanView>,
}

/// A kind of relation to write. Its key, and whether it is symmetric, cannot be changed.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Object)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[oai(rename_all = "camelCase")]
pub struct RelationKindInput {
    /// The version that is expected, in place of `If-Match`.
    pub version: Option<i64>,
    /// What relations name it by: small letters, digits and `_`, beginning with a letter.
    pub key: String,
    /// What the record it goes from is or does to the other one: `is a mentor of`.
    pub name: String,
    /// The same seen from the record that it goes to: `is mentored by`. Required unless symmetric.
    pub inverse_name: Option<String>,
    /// Whether both directions are the same.
    #[oai(default)]
    pub symmetric: bool,
    /// The types that it goes from; any where there are none.
    #[oai(default)]
    pub from_types: Vec<String>,
    /// The types that it goes to; any where there are none.
    #[oai(default)]
    pub to_types: Vec<String>,
    /// When to use it.
    pub description: Option<String>,
}

/// A kind that relations can have.
#[derive(Debug, Clone, Serialize, Object)]
#[serde(rename_all = "camelCase")]
#[oai(rename = "KnownRelationKind", rename_all = "camelCase")]
pub struct KnownKindView {
    /// What relations name it by.
    pub key: String,
    /// What the record it goes from is or does to the other one.
    pub name: String,
    /// The same seen from the record that it goes to.
    pub inverse_name: String,
    /// Whether both directions are the same.
    pub symmetric: bool,
    /// The types that it goes from; any where there are none.
    pub from_types: Vec<String>,
    /// The types that it goes to; any where there are none.
    pub to_types: Vec<String>,
    /// Whether every tenant has it.
    pub built_in: bool,
}

impl From<Kind> for KnownKindView {
    fn from(kind: Kind) -> Self {
        let Kind { key, name, inverse_name, symmetric, from_types, to_types, built_in } = kind;
        Self { key, name, inverse_name, symmetric, from_types, to_types, built_in }
    }
}

impl Resource for RelationKindResource {
    type Entity = RelationKind;
    type Service = RelationKinds;
    type View = RelationKindView;
    type Input = RelationKindInput;

    const PATH: &'static str = "/relations/kinds";

    fn service(crm: &TenantCrm) -> RelationKinds {
        crm.relation_kinds()
    }

    fn view(kind: RelationKind) -> RelationKindView {
        let RelationKind {
            id,
            version,
            created_at,
            updated_at,
            deleted_at,
            key,
            name,
            inverse_name,
            symmetric,
            from_types,
            to_types,
            description,
        } = kind;
        RelationKindView {
            id: id.uuid(),
            version,
            created_at,
            updated_at,
            deleted_at,
            key,
            name,
            inverse_name,
            symmetric,
            from_types,
            to_types,
            description,
            can: None,
        }
    }

    fn can(view: &mut RelationKindView) -> &mut Option<CanView> {
        &mut view.can
    }

    fn input(kind: RelationKind) -> RelationKindInput {
        let RelationKind {
            id: _,
            version: _,
            created_at: _,
            updated_at: _,
            deleted_at: _,
            key,
            name,
            inverse_name,
            symmetric,
            from_types,
            to_types,
            description,
        } = kind;
        // The one name of a symmetric kind is told once, so that changing it is one change.
        let inverse_name = inverse_name.filter(|_| !symmetric);
        RelationKindInput {
            version: None,
            key,
            name,
            inverse_name,
            symmetric,
            from_types,
            to_types,
            description,
        }
    }

    fn expected(input: &RelationKindInput) -> Option<i64> {
        input.version
    }

    fn draft(input: RelationKindInput) -> Result<RelationKindDraft> {
        let RelationKindInput {
            version: _,
            key,
            name,
            inverse_name,
            symmetric,
            from_types,
            to_types,
            description,
        } = input;
        Ok(RelationKindDraft {
            key,
            name,
            inverse_name,
            symmetric,
            from_types,
            to_types,
            description,
        })
    }
}
