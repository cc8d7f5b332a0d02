//! The definitions of a tenant's own fields.

use chrono::{DateTime, Utc};
use crm_core::custom_fields::{
    CustomField, CustomFieldDefinitions, CustomFieldDraft, CustomType, Instead, Task, Work,
};
use crm_core::{Error, Id, Result, TenantCrm};
use poem::Request;
use poem_openapi::param::Path;
use poem_openapi::{Object, OpenApi};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::body::Body;
use super::caller::Caller;
use super::crud::{self, CanView, Resource};
use super::envelope::Reply;
use super::error::ApiError;
use super::etag;
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
    /// The type whose records it names, for references: `companies`, `users`.
    pub references: Option<String>,
    /// The value of a record that is created without one.
    pub default: Option<Value>,
    /// A hint for whoever fills it in.
    pub help: Option<String>,
    /// What is still to be done to stored values; null where that is nothing. `POST
    /// /custom-fields/{id}/proceed` does the next part of it.
    pub work: Option<WorkView>,
    /// What the caller may do with it; where `expand` asks for it.
    #[serde(rename = "_can", skip_serializing_if = "Option::is_none")]
    #[oai(rename = "_can")]
    pub can: Option<CanView>,
}

/// What is still to be done to stored values after a definition has changed.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(rename = "CustomFieldWork")]
pub struct WorkView {
    /// What is done: `uniqueness` claims each value for its record, `option` puts `replacement` in
    /// the place of `option`, `clearing` takes the values of a deleted definition out of records,
    /// `unused` looks once more whether options that were taken away are
    /// unused.
    pub task: String,
    /// The option that is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub option: Option<String>,
    /// What takes its place; absent where its value is taken away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replacement: Option<String>,
    /// How many records it has come past.
    pub done: u64,
    /// How many there were when it began.
    pub total: u64,
}

impl From<Work> for WorkView {
    fn from(work: Work) -> Self {
        let Work { task, done, total, .. } = work;
        let (task, option, replacement) = match task {
            Task::Uniqueness => ("uniqueness", None, None),
            Task::Option { option, replacement } => ("option", Some(option), replacement),
            Task::Clearing => ("clearing", None, None),
            Task::Unused { .. } => ("unused", None, None),
        };
        Self { task: task.to_owned(), option, replacement, done, total }
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
    /// What can be chosen, for choices. Leaving one out that records have is refused: see
    /// `/custom-fields/{id}/options/remove`.
    #[oai(default)]
    pub options: Vec<String>,
    /// The type whose records it names, for references: `companies`, `users`. It cannot be changed.
    pub references: Option<String>,
    /// The value of a record that is created without one.
    pub default: Option<Value>,
    /// A hint for whoever fills it in.
    pub help: Option<String>,
}

/// Another word for an option.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Object)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[oai(rename_all = "camelCase")]
pub struct RenameOptionInput {
    /// The option as it is called now.
    pub option: String,
    /// What it is to be called.
    pub to: String,
}

/// An option to take away, and what records get that have it. Where neither `replacement` nor
/// `clear` says so, it is only taken away if no record has it.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Object)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[oai(rename_all = "camelCase")]
pub struct RemoveOptionInput {
    /// The option.
    pub option: String,
    /// Another option that they get instead.
    pub replacement: Option<String>,
    /// Whether they get no value instead.
    #[oai(default)]
    pub clear: bool,
}

/// What definitions have beside the usual.
#[derive(Debug, Clone, Copy)]
pub struct CustomFieldsApi;

#[OpenApi(prefix_path = "/custom-fields")]
impl CustomFieldsApi {
    /// Go on with what a definition asks of stored values
    ///
    /// One part of some hundred records, until `work` is null. Can be called again at any time.
    /// The values of a deleted definition are hidden at once and cleared by this; until the first
    /// part of it, restoring the definition brings them back.
    #[oai(path = "/:id/proceed", method = "post")]
    async fn proceed(
        &self,
        caller: Caller,
        id: Path<Uuid>,
    ) -> Result<Reply<CustomFieldView>, ApiError> {
        let field = caller.crm().custom_fields().proceed(Id::new(id.0)).await?;
        crud::reply::<CustomFieldResource>(&caller, field).await
    }

    /// Rename an option of a choice
    ///
    /// In the definition at once, in records that have it a part at once and the rest as `work`.
    /// Needs to be able to change all records of the type.
    #[oai(path = "/:id/options/rename", method = "post")]
    async fn rename_option(
        &self,
        caller: Caller,
        id: Path<Uuid>,
        input: Body<RenameOptionInput>,
        request: &Request,
    ) -> Result<Reply<CustomFieldView>, ApiError> {
        let expected = etag::expected(request, None)?;
        let RenameOptionInput { option, to } = input.0;
        let fields = caller.crm().custom_fields();
        let field = fields.rename_option(Id::new(id.0), expected, &option, &to).await?;
        crud::reply::<CustomFieldResource>(&caller, field).await
    }

    /// Take an option of a choice away
    ///
    /// Refused with 409 and the number of records where some have it, unless it is said what they
    /// get instead: that is put in a part of them at once, and in the rest as `work`. Needs to be
    /// able to change all records of the type.
    #[oai(path = "/:id/options/remove", method = "post")]
    async fn remove_option(
        &self,
        caller: Caller,
        id: Path<Uuid>,
        input: Body<RemoveOptionInput>,
        request: &Request,
    ) -> Result<Reply<CustomFieldView>, ApiError> {
        let expected = etag::expected(request, None)?;
        let RemoveOptionInput { option, replacement, clear } = input.0;
        let instead = match (replacement, clear) {
            (None, false) => Instead::Refuse,
            (Some(other), false) => Instead::Option(other),
            (None, true) => Instead::Nothing,
            (Some(_), true) => {
                let message = "expected either another option or none";
                return Err(Error::invalid("clear", "CONTRADICTION", message).into());
            }
        };
        let fields = caller.crm().custom_fields();
        let field = fields.remove_option(Id::new(id.0), expected, &option, instead).await?;
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
        let work = field.to_do().map(WorkView::from);
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
            references,
            default,
            help,
            unique_round: _,
            work: _,
            cleared: _,
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
            references,
            default,
            help,
            work,
            can: None,
        }
    }

    fn can(view: &mut CustomFieldView) -> &mut Option<CanView> {
        &mut view.can
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
            references,
            default,
            help,
            unique_round: _,
            work: _,
            cleared: _,
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
            references,
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
            references,
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
            references,
            default,
            help,
        })
    }
}
