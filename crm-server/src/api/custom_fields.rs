//! The definitions of a tenant's own fields.

use chrono::{DateTime, Utc};
use crm_core::custom_fields::{
    CustomField, CustomFieldDefinitions, CustomFieldDraft, CustomType, Task, Work,
};
use crm_core::{Id, Result, TenantCrm};
use poem_openapi::param::Path;
use poem_openapi::{Object, OpenApi};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::caller::Caller;
use super::crud::{self, Resource};
use super::envelope::Reply;
use super::error::ApiError;
use super::values::Code;

/// Definitions of custom fields.
#[derive(Debug)]
pub struct CustomFieldResource;

/// The definition of a custom field.
#[derive(Debug, Clone, Serialize, Object)]
#[serde(rename_all = "camelCase")]
#[oai(rename = "CustomField", rename_all = "camelCase")]
pub struct CustomFieldView {
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
    /// The type whose records have it: `customers`.
    pub record_type: String,
    /// Its key in records and filters.
    pub key: String,
    /// What people call it.
    pub label: String,
    /// What it holds.
    #[serde(rename = "type")]
    #[oai(rename = "type")]
    pub field_type: Code<CustomType>,
    /// Whether every record needs a value from now on.
    pub required: bool,
    /// Whether no two live records share a value. Text compares without case and accents.
    pub unique: bool,
    /// What can be chosen, for choices.
    pub options: Vec<String>,
    /// The value of a record that is created without one.
    pub default: Option<Value>,
    /// A hint for whoever fills it in.
    pub help: Option<String>,
    /// What is still to be done to stored values; null where that is nothing. `POST
    /// /custom-fields/{id}/proceed` does the next part of it.
    pub work: Option<WorkView>,
}

/// What is still to be done to stored values after a definition has changed.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(rename = "CustomFieldWork")]
pub struct WorkView {
    /// What is done: `uniqueness` claims each value for its record.
    pub task: String,
    /// How many records it has come past.
    pub done: u64,
    /// How many there were when it began.
    pub total: u64,
}

impl From<Work> for WorkView {
    fn from(work: Work) -> Self {
        let Work { task, done, total, .. } = work;
        let task = match task {
            Task::Uniqueness => "uniqueness",
        };
        Self { task: task.to_owned(), done, total }
    }
}

/// The definition of a custom field to write. Its record type, key and type cannot be changed.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Object)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[oai(rename_all = "camelCase")]
pub struct CustomFieldInput {
    /// The version that is expected, in place of `If-Match`.
    pub version: Option<i64>,
    /// The type whose records have it: `customers`.
    pub record_type: String,
    /// Its key in records and filters: letters, digits and `_`, beginning with a letter.
    pub key: String,
    /// What people call it.
    pub label: String,
    /// What it holds.
    #[serde(rename = "type")]
    #[oai(rename = "type", default)]
    pub field_type: Code<CustomType>,
    /// Whether every record needs a value from now on.
    #[oai(default)]
    pub required: bool,
    /// Whether no two live records share a value. Where records share one already, it is refused;
    /// else stored values are claimed, a part at once and the rest as `work`.
    #[oai(default)]
    pub unique: bool,
    /// What can be chosen, for choices.
    #[oai(default)]
    pub options: Vec<String>,
    /// The value of a record that is created without one.
    pub default: Option<Value>,
    /// A hint for whoever fills it in.
    pub help: Option<String>,
}

/// What definitions have beside the usual.
#[derive(Debug, Clone, Copy)]
pub struct CustomFieldsApi;

#[OpenApi(prefix_path = "/custom-fields")]
impl CustomFieldsApi {
    /// Go on with what a definition asks of stored values
    ///
    /// One part of some hundred records, until `work` is null. Can be called again at any time.
    #[oai(path = "/:id/proceed", method = "post")]
    async fn proceed(
        &self,
        caller: Caller,
        id: Path<Uuid>,
    ) -> Result<Reply<CustomFieldView>, ApiError> {
        let field = caller.crm().custom_fields().proceed(Id::new(id.0)).await?;
        crud::reply::<CustomFieldResource>(&caller, field).await
    }
}

impl Resource for CustomFieldResource {
    type Entity = CustomField;
    type Service = CustomFieldDefinitions;
    type View = CustomFieldView;
    type Input = CustomFieldInput;

    const PATH: &'static str = "/custom-fields";

    fn service(crm: &TenantCrm) -> CustomFieldDefinitions {
        crm.custom_fields()
    }

    fn view(field: CustomField) -> CustomFieldView {
        let CustomField {
            id,
            version,
            created_at,
            updated_at,
            deleted_at,
            record_type,
            key,
            label,
            field_type,
            required,
            unique,
            options,
            default,
            help,
            unique_round: _,
            work,
        } = field;
        CustomFieldView {
            id: id.uuid(),
            version,
            created_at,
            updated_at,
            deleted_at,
            record_type,
            key,
            label,
            field_type: Code(field_type),
            required,
            unique,
            options,
            default,
            help,
            work: work.map(WorkView::from),
        }
    }

    fn input(field: CustomField) -> CustomFieldInput {
        let CustomField {
            id: _,
            version: _,
            created_at: _,
            updated_at: _,
            deleted_at: _,
            record_type,
            key,
            label,
            field_type,
            required,
            unique,
            options,
            default,
            help,
            unique_round: _,
            work: _,
        } = field;
        let field_type = Code(field_type);
        CustomFieldInput {
            version: None,
            record_type,
            key,
            label,
            field_type,
            required,
            unique,
            options,
            default,
            help,
        }
    }

    fn expected(input: &CustomFieldInput) -> Option<i64> {
        input.version
    }

    fn draft(input: CustomFieldInput) -> Result<CustomFieldDraft> {
        let CustomFieldInput {
            version: _,
            record_type,
            key,
            label,
            field_type,
            required,
            unique,
            options,
            default,
            help,
        } = input;
        let field_type = field_type.0;
        Ok(CustomFieldDraft {
            record_type,
            key,
            label,
            field_type,
            required,
            unique,
            options,
            default,
            help,
        })
    }
}
