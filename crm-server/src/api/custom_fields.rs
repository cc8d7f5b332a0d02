//! The definitions of a tenant's own fields.

use chrono::{DateTime, Utc};
use crm_core::custom_fields::{CustomField, CustomFieldDefinitions, CustomFieldDraft, CustomType};
use crm_core::{Result, TenantCrm};
use poem_openapi::Object;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::crud::Resource;
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
    /// What can be chosen, for choices.
    pub options: Vec<String>,
    /// The value of a record that is created without one.
    pub default: Option<Value>,
    /// A hint for whoever fills it in.
    pub help: Option<String>,
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
    /// What can be chosen, for choices.
    #[oai(default)]
    pub options: Vec<String>,
    /// The value of a record that is created without one.
    pub default: Option<Value>,
    /// A hint for whoever fills it in.
    pub help: Option<String>,
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
            options,
            default,
            help,
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
            options,
            default,
            help,
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
            options,
            default,
            help,
        } = field;
        let field_type = Code(field_type);
        CustomFieldInput {
            version: None,
            record_type,
            key,
            label,
            field_type,
            required,
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
            options,
            default,
            help,
        })
    }
}
