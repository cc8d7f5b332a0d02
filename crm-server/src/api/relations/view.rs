//! A relation as it is shown and as it is written.

use chrono::{DateTime, Utc};
use crm_core::language::ParameterDescription;
use crm_core::relations::{Kind, Relation, RelationDraft, Relations, kinds_named};
use crm_core::store::Filter;
use crm_core::users::UserId;
use crm_core::{Choice, EndRef, Ends, Result, TenantCrm};
use poem_openapi::Object;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{by_ends, described_ends, named};
use crate::api::crud::{CAN, CanView, Resource};
use crate::api::error::ApiError;
use crate::api::values::Code;

/// Relations.
#[derive(Debug)]
pub struct RelationResource;

/// A link between two records.
#[derive(Debug, Clone, Serialize, Object)]
#[serde(rename_all = "camelCase")]
#[oai(rename = "Relation", rename_all = "camelCase")]
pub struct RelationView {
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
    /// The key of its kind.
    pub kind: String,
    /// What the record it goes from is or does to the other one: `employs`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The same seen from the record that it goes to: `is employed by`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inverse_name: Option<String>,
    /// The record that it goes from.
    pub from: RelationEndView,
    /// The record that it goes to.
    pub to: RelationEndView,
    /// What else there is to know of it.
    pub attributes: Value,
    /// Who entered it.
    pub created_by: Option<Uuid>,
    /// How the record sees it that the list was asked for by `record`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seen: Option<SeenView>,
    /// What the caller may do with it; where `expand` asks for it.
    #[serde(rename = "_can", skip_serializing_if = "Option::is_none")]
    #[oai(rename = "_can")]
    pub can: Option<CanView>,
}

/// A record at the end of a relation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Object)]
#[oai(rename = "RelationEnd")]
pub struct RelationEndView {
    /// Its type: `customers`, `companies`, `users`.
    #[serde(rename = "type")]
    #[oai(rename = "type")]
    pub record_type: String,
    /// Its identifier.
    pub id: Uuid,
    /// What it is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
}

impl RelationEndView {
    pub(super) fn of(end: EndRef, known: Option<&Ends>) -> Self {
        let title = known.and_then(|known| known.get(&end)).map(|end| end.title.clone());
        Self { record_type: end.record_type, id: end.id, title }
    }
}

/// Which way a relation goes, seen from a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Choice)]
pub enum Direction {
    /// From the record to another.
    Outgoing,
    /// From another record to this one.
    Incoming,
}

/// A relation seen from one of its ends.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(rename = "RelationSeen")]
pub struct SeenView {
    /// Whether it goes from there or comes in.
    pub direction: Code<Direction>,
    /// What the direction is called: `is employed by`.
    pub name: Option<String>,
    /// The record at the other end.
    pub other: RelationEndView,
}

/// A link between two records to write.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Object)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[oai(rename_all = "camelCase")]
pub struct RelationInput {
    /// The version that is expected, in place of `If-Match`.
    pub version: Option<i64>,
    /// The key of its kind: one of `/relations/kinds/known`.
    pub kind: String,
    /// The record that it goes from.
    pub from: RelationEndInput,
    /// The record that it goes to.
    pub to: RelationEndInput,
    /// What else there is to know of it: an object.
    pub attributes: Option<Value>,
}

/// A record that a relation names.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Object)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[oai(rename = "RelationEndInput", rename_all = "camelCase")]
pub struct RelationEndInput {
    /// Its type: `customers`, `companies`, `users`.
    #[serde(rename = "type")]
    #[oai(rename = "type")]
    pub record_type: String,
    /// Its identifier.
    pub id: Uuid,
}

impl From<EndRef> for RelationEndInput {
    fn from(end: EndRef) -> Self {
        Self { record_type: end.record_type, id: end.id }
    }
}

/// The titles of the ends, and the names of the directions.
const TITLES: &str = "titles";
const NAMES: &str = "names";

impl Resource for RelationResource {
    type Entity = Relation;
    type Service = Relations;
    type View = RelationView;
    type Input = RelationInput;

    const PATH: &'static str = "/relations";
    const EXPANSIONS: &'static [&'static str] = &[TITLES, NAMES, CAN];
    const PARAMETERS: &'static [&'static str] = &["record", "from", "to"];

    fn service(crm: &TenantCrm) -> Relations {
        crm.relations()
    }

    fn described() -> Vec<ParameterDescription> {
        described_ends()
    }

    fn asked(crm: &TenantCrm, parameters: &[(String, String)]) -> Result<Filter, ApiError> {
        by_ends(crm, parameters)
    }

    fn seen(
        crm: &TenantCrm,
        parameters: &[(String, String)],
        views: &mut [RelationView],
    ) -> Result<(), ApiError> {
        let Some(record) = named(crm, parameters, "record")? else { return Ok(()) };
        for view in views {
            let goes_out = view.from.record_type == record.record_type && view.from.id == record.id;
            let (direction, name, other) = match goes_out {
                true => (Direction::Outgoing, &view.name, &view.to),
                false => (Direction::Incoming, &view.inverse_name, &view.from),
            };
            let (direction, name, other) = (Code(direction), name.clone(), other.clone());
            view.seen = Some(SeenView { direction, name, other });
        }
        Ok(())
    }

    fn view(relation: Relation) -> RelationView {
        let (from, to) = (relation.from(), relation.to());
        let Relation {
            id,
            version,
            created_at,
            updated_at,
            deleted_at,
            kind,
            from_type: _,
            from_id: _,
            to_type: _,
            to_id: _,
            attributes,
            ends: _,
            created_by,
        } = relation;
        RelationView {
            id: id.uuid(),
            version,
            created_at,
            updated_at,
            deleted_at,
            kind,
            name: None,
            inverse_name: None,
            from: RelationEndView::of(from, None),
            to: RelationEndView::of(to, None),
            attributes,
            created_by: created_by.map(UserId::uuid),
            seen: None,
            can: None,
        }
    }

    fn can(view: &mut RelationView) -> &mut Option<CanView> {
        &mut view.can
    }

    fn input(relation: Relation) -> RelationInput {
        let (from, to) = (relation.from().into(), relation.to().into());
        let Relation {
            id: _,
            version: _,
            created_at: _,
            updated_at: _,
            deleted_at: _,
            kind,
            from_type: _,
            from_id: _,
            to_type: _,
            to_id: _,
            attributes,
            ends: _,
            created_by: _,
        } = relation;
        RelationInput { version: None, kind, from, to, attributes: Some(attributes) }
    }

    fn expected(input: &RelationInput) -> Option<i64> {
        input.version
    }

    fn draft(input: RelationInput) -> Result<RelationDraft> {
        let RelationInput { version: _, kind, from, to, attributes } = input;
        Ok(RelationDraft {
            kind,
            from_type: from.record_type,
            from_id: from.id,
            to_type: to.record_type,
            to_id: to.id,
            attributes: attributes.unwrap_or_else(|| Value::Object(Map::new())),
        })
    }

    async fn expand(crm: &TenantCrm, views: &mut [RelationView], wanted: &[String]) -> Result<()> {
        let is_wanted = |name: &str| wanted.iter().any(|wanted| wanted == name);
        if is_wanted(TITLES) {
            let end = |end: &RelationEndView| EndRef::new(end.record_type.clone(), end.id);
            let ends: Vec<EndRef> =
                views.iter().flat_map(|view| [end(&view.from), end(&view.to)]).collect();
            let known = crm.ends(ends).await?;
            for view in &mut *views {
                for shown in [&mut view.from, &mut view.to] {
                    *shown = RelationEndView::of(end(shown), Some(&known));
                }
            }
        }
        if is_wanted(NAMES) {
            let keys: Vec<String> = views.iter().map(|view| view.kind.clone()).collect();
            let kinds = kinds_named(crm, keys.iter().map(String::as_str)).await?;
            for view in views {
                let kind: Option<&Kind> = kinds.get(&view.kind);
                view.name = kind.map(|kind| kind.name.clone());
                view.inverse_name = kind.map(|kind| kind.inverse_name.clone());
            }
        }
        Ok(())
    }
}
