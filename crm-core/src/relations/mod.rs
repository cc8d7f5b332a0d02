//! Relations: typed links between any two records of a tenant.
//!
//! A relation is seen by whoever sees both its ends, and by nobody else: it belongs to no one, and
//! an end that is deleted or out of reach takes it out of every list, count and figure until it is
//! back. That is a filter of the request, made where all reach is made, so that nothing tells of
//! what it leaves out.

mod kinds;
mod newest;
mod rules;

use chrono::{DateTime, Utc};
use uuid::Uuid;

pub use kinds::{
    BUILT_IN, BuiltInKind, Kind, MOST_KINDS, RelationKind, RelationKindDraft, RelationKindPatch,
    RelationKinds, kinds, kinds_named,
};
pub use newest::{MOST_NEWEST, Newest, newest};
pub use rules::{MOST_ATTRIBUTE_LEVELS, MOST_ATTRIBUTE_OCTETS};

use crate::id::Id;
use crate::records::{EndRef, Records};
use crate::users::UserId;
use crate::{Entity, Where};

/// The service of relations.
///
/// Needs `read` on both ends, whatever is done: who does not see both sees no relation. Both are
/// held while one is written, so that none comes to be with an end that goes at that moment.
///
/// No two live relations of a tenant have the same kind and ends, in either order where the kind
/// is symmetric. The refusal of a second one says that there is one and nothing else of it; whoever
/// gets it reads both ends, and so sees the relation by itself unless it may not read relations at
/// all.
pub type Relations = Records<Relation>;

/// A link between two records.
#[derive(Debug, Clone, PartialEq, Entity)]
#[entity(
    name = "relations",
    tenant,
    owners(ends),
    ends(from(from_type, from_id), to(to_type, to_id))
)]
#[entity(unique(name = "relations_ends", fields(kind, ends)))]
#[entity(index(from_id), index(to_id), index(kind))]
pub struct Relation {
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
    /// The key of its kind: `employs`.
    #[entity(filter, sort, code)]
    pub kind: String,
    /// The type of the record that it goes from: `companies`.
    #[entity(filter, sort, code)]
    pub from_type: String,
    /// The identifier of the record that it goes from.
    #[entity(filter)]
    pub from_id: Uuid,
    /// The type of the record that it goes to.
    #[entity(filter, sort, code)]
    pub to_type: String,
    /// The identifier of the record that it goes to.
    #[entity(filter)]
    pub to_id: Uuid,
    /// What else there is to know of it: a JSON object.
    pub attributes: serde_json::Value,
    /// Both ends in one text, the smaller first where the kind is symmetric: what no two share.
    #[entity(computed, code)]
    pub ends: String,
    /// Who entered it.
    #[entity(computed, filter)]
    pub created_by: Option<UserId>,
}

impl Relation {
    /// The record that it goes from.
    pub fn from(&self) -> EndRef {
        EndRef::new(self.from_type.clone(), self.from_id)
    }

    /// The record that it goes to.
    pub fn to(&self) -> EndRef {
        EndRef::new(self.to_type.clone(), self.to_id)
    }

    /// Those that go from a record.
    pub fn goes_from(end: &EndRef) -> Where<Self> {
        Self::FROM_ID.eq(end.id).and(Self::FROM_TYPE.eq(end.record_type.clone()))
    }

    /// Those that go to a record.
    pub fn goes_to(end: &EndRef) -> Where<Self> {
        Self::TO_ID.eq(end.id).and(Self::TO_TYPE.eq(end.record_type.clone()))
    }

    /// Those of a record, whichever end it is.
    pub fn has(end: &EndRef) -> Where<Self> {
        Self::goes_from(end).or(Self::goes_to(end))
    }
}

impl RelationDraft {
    /// A link of this kind from one record to another, without attributes.
    pub fn new(kind: impl Into<String>, from: EndRef, to: EndRef) -> Self {
        Self {
            kind: kind.into(),
            from_type: from.record_type,
            from_id: from.id,
            to_type: to.record_type,
            to_id: to.id,
            attributes: serde_json::Value::default(),
        }
    }
}
