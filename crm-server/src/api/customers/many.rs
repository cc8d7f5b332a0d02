//! What is often done to many customers at once: they change hands, or get and lose tags.

use std::collections::BTreeMap;

use crm_core::customers::Customer;
use crm_core::language::Custom;
use crm_core::records::Bulk;
use crm_core::tags::Tag;
use crm_core::users::UserId;
use crm_core::{Entity, Error, Id};
use poem_openapi::Object;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::CustomerResource;
use crate::api::bulk::{self, BulkInput, BulkView};
use crate::api::caller::Caller;
use crate::api::envelope::Reply;
use crate::api::error::ApiError;
use crate::api::known::Known;

/// Which customers are to be assigned to whom.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[oai(rename_all = "camelCase")]
pub struct BulkAssignInput {
    /// The identifiers of the customers.
    pub ids: Option<Vec<Uuid>>,
    /// The versions that are expected, by identifier; others are changed at whatever version they
    /// have.
    pub versions: Option<BTreeMap<String, i64>>,
    /// In place of `ids`: an AIP-160 expression, or an object with the parameters of the list.
    pub filter: Option<Value>,
    /// Whether all are to be changed or none; otherwise each one that can be is.
    #[serde(default)]
    #[oai(default)]
    pub atomic: bool,
    /// Who looks after them from now on; null for nobody. It has to be there.
    #[serde(deserialize_with = "said")]
    pub assigned_to: Option<Uuid>,
}

/// Which customers are to have which tags, by identifier or by name.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Object)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[oai(rename_all = "camelCase")]
pub struct BulkTagInput {
    /// The identifiers of the customers.
    pub ids: Option<Vec<Uuid>>,
    /// The versions that are expected, by identifier; others are changed at whatever version they
    /// have.
    pub versions: Option<BTreeMap<String, i64>>,
    /// In place of `ids`: an AIP-160 expression, or an object with the parameters of the list.
    pub filter: Option<Value>,
    /// Whether all are to be changed or none; otherwise each one that can be is.
    #[oai(default)]
    pub atomic: bool,
    /// Tags that each is to have besides its own.
    #[oai(default)]
    pub add: Vec<String>,
    /// Tags that none is to have any more.
    #[oai(default)]
    pub remove: Vec<String>,
    /// The tags that each is to have in place of its own.
    pub set: Option<Vec<String>>,
}

/// With `deserialize_with`, what is left out is missing and not null.
fn said<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Uuid>, D::Error> {
    Option::deserialize(deserializer)
}

pub(super) async fn assign(
    caller: &Caller,
    input: BulkAssignInput,
) -> Result<Reply<BulkView>, ApiError> {
    let BulkAssignInput { ids, versions, filter, atomic, assigned_to } = input;
    let assigned_to = assigned_to.map(UserId::new);
    let change = move |customer: &mut Customer| {
        customer.assigned_to = assigned_to;
        Ok(())
    };
    let input = BulkInput { ids, versions, filter, atomic };
    bulk::run::<CustomerResource>(caller, input, Bulk::Change(Box::new(change))).await
}

pub(super) async fn tag(caller: &Caller, input: BulkTagInput) -> Result<Reply<BulkView>, ApiError> {
    let BulkTagInput { ids, versions, filter, atomic, add, remove, set } = input;
    if set.is_some() && !(add.is_empty() && remove.is_empty()) {
        let message = "expected set alone, or add and remove";
        return Err(Error::invalid("set", "CONTRADICTION", message).into());
    }
    if set.is_none() && add.is_empty() && remove.is_empty() {
        let message = "expected tags to add, to remove or to set";
        return Err(Error::invalid("add", "REQUIRED", message).into());
    }
    let named = [("tags".to_owned(), String::new())];
    let known = Known::about(caller.crm(), Customer::schema(), &named).await?;
    let tags = |field: &str, names: Vec<String>| -> Result<Vec<Id<Tag>>, Error> {
        let each = |name: String| {
            let id = name.parse().ok().or_else(|| known.id_of("tags", &name));
            let message = || format!("expected tags of the tenant, got {name:?}");
            id.map(Id::new).ok_or_else(|| Error::invalid(field, "UNKNOWN_TAG", message()))
        };
        names.into_iter().map(each).collect()
    };
    let (add, remove) = (tags("add", add)?, tags("remove", remove)?);
    let set = set.map(|names| tags("set", names)).transpose()?;
    let change = move |customer: &mut Customer| {
        if let Some(set) = &set {
            customer.tags.clone_from(set);
        }
        customer.tags.retain(|tag| !remove.contains(tag));
        let new = add.iter().filter(|tag| !customer.tags.contains(tag));
        let new: Vec<Id<Tag>> = new.copied().collect();
        customer.tags.extend(new);
        Ok(())
    };
    let input = BulkInput { ids, versions, filter, atomic };
    bulk::run::<CustomerResource>(caller, input, Bulk::Change(Box::new(change))).await
}
