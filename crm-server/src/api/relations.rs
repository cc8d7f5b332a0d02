//! Relations, and the kinds that they can have.

mod kinds;
mod of;
mod view;

use crm_core::relations::{Relation, kinds as usable};
use crm_core::store::{Filter, Kind};
use crm_core::{EndRef, TenantCrm, Where};
use poem_openapi::OpenApi;

use super::caller::Caller;
use super::envelope::Reply;
use super::error::ApiError;
use crm_core::language::ParameterDescription;

pub use kinds::{KnownKindView, RelationKindInput, RelationKindResource, RelationKindView};
pub(super) use of::relations as embed_relations;
pub use of::{RelatedView, RelationsBrief};
pub use view::{
    Direction, RelationEndInput, RelationEndView, RelationInput, RelationResource, RelationView,
    SeenView,
};

/// What relations have beside the usual.
#[derive(Debug, Clone, Copy)]
pub struct RelationsApi;

#[OpenApi(prefix_path = "/relations")]
impl RelationsApi {
    /// List the kinds that relations can have
    ///
    /// Those that every tenant has, then the tenant's own, which are made and changed at
    /// `/relations/kinds`.
    #[oai(path = "/kinds/known", method = "get")]
    async fn known_kinds(&self, caller: Caller) -> Result<Reply<Vec<KnownKindView>>, ApiError> {
        let kinds = usable(caller.crm()).await?;
        Ok(Reply::new(kinds.into_iter().map(KnownKindView::from).collect()))
    }
}

/// The relations of a record, on a side of theirs.
type ByEnd = fn(&EndRef) -> Where<Relation>;

/// The parameters by which a list names records, and which relations of theirs it means.
const BY_END: [(&str, ByEnd, &str); 3] = [
    ("record", Relation::has, "Those of this record, whichever end it is; says how it sees them."),
    ("from", Relation::goes_from, "Those that go from this record."),
    ("to", Relation::goes_to, "Those that go to this record."),
];

/// The relations that the parameters of a list name by their ends.
fn by_ends(crm: &TenantCrm, parameters: &[(String, String)]) -> Result<Filter, ApiError> {
    let mut filter = Filter::All;
    for (name, relations_of, _) in BY_END {
        if let Some(end) = named(crm, parameters, name)? {
            filter = filter.and(relations_of(&end).into_filter());
        }
    }
    Ok(filter)
}

/// The record that a parameter names.
fn named(
    crm: &TenantCrm,
    parameters: &[(String, String)],
    name: &str,
) -> Result<Option<EndRef>, ApiError> {
    let mut given = parameters.iter().filter(|(given, _)| given == name).map(|(_, value)| value);
    let Some(text) = given.next() else { return Ok(None) };
    if given.next().is_some() {
        return Err(ApiError::unreadable(name, "DUPLICATE_PARAMETER", "is given twice"));
    }
    let end: EndRef = text.parse().map_err(|_| {
        let message = format!("expected a type and an identifier, type:id, got {text:?}");
        ApiError::unreadable(name, "INVALID_RECORD", message)
    })?;
    let known: Vec<&str> = crm.end_types().collect();
    if known.contains(&end.record_type.as_str()) {
        return Ok(Some(end));
    }
    let message = format!("expected one of {}, got {:?}", known.join(", "), end.record_type);
    Err(ApiError::unreadable(name, "UNKNOWN_RECORD_TYPE", message))
}

/// Those parameters, for the document.
fn described_ends() -> Vec<ParameterDescription> {
    let each = |(name, _, description): (&str, _, &str)| ParameterDescription {
        name: name.to_owned(),
        kind: Kind::Text,
        multiple: false,
        one_of: Vec::new(),
        suffixes: Vec::new(),
        choices: None,
        description: description.to_owned(),
        example: "customers:0197d8a0-0000-7000-8000-000000000000".to_owned(),
    };
    BY_END.into_iter().map(each).collect()
}
