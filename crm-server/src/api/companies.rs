//! Companies: what the generic controller does, and figures over them.

mod stats;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use crm_core::companies::{Company, CompanyDraft, CompanySize};
use crm_core::custom_fields::CustomFields;
use crm_core::language::ParameterDescription;
use crm_core::users::UserId;
use crm_core::{Id, Records, Result, TenantCrm};
use poem::Request;
use poem_openapi::{Object, OpenApi};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::caller::Caller;
use super::crud::{CAN, CanView, Resource};
use super::embed::{self, Person, RecordBrief, TagBrief, UserBrief};
use super::envelope::Reply;
use super::error::ApiError;
use super::figures;
use super::relations::{RelationsBrief, embed_relations};
use super::values::Code;

pub use stats::CompanyStatsView;

/// What companies have beside the usual.
#[derive(Debug, Clone, Copy)]
pub struct CompaniesApi;

#[OpenApi(prefix_path = "/companies")]
impl CompaniesApi {
    /// Get figures over companies
    ///
    /// Of those that the parameters of the list ask for; over the tenant's own fields where
    /// `customFields` names them.
    #[oai(path = "/stats", method = "get")]
    async fn stats(
        &self,
        caller: Caller,
        request: &Request,
    ) -> Result<Reply<CompanyStatsView>, ApiError> {
        let (these, own) = figures::asked::<CompanyResource>(&caller, request).await?;
        let stats = caller.crm().companies().stats_with(these, &own).await?;
        Ok(Reply::new(stats.into()))
    }
}

/// The figures over companies, with their path and their parameters.
pub fn lists() -> Vec<(&'static str, Vec<ParameterDescription>)> {
    vec![("/companies/stats", figures::described::<CompanyResource>())]
}

/// Companies.
#[derive(Debug)]
pub struct CompanyResource;

/// A company.
#[derive(Debug, Clone, Serialize, Object)]
#[serde(rename_all = "camelCase")]
#[oai(rename = "Company", rename_all = "camelCase")]
pub struct CompanyView {
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
    /// What it is called.
    pub name: String,
    /// The domain that it is known by; a link's is taken.
    pub domain: Option<String>,
    /// The address on the web.
    pub website: Option<String>,
    /// What line of business it is in.
    pub industry: Option<String>,
    /// How many people it has, roughly.
    pub size: Option<Code<CompanySize>>,
    /// How many people it has.
    pub employee_count: Option<i64>,
    /// What it turns over in a year, in `currency`.
    pub annual_revenue: Option<Decimal>,
    /// The currency it reckons in: ISO 4217.
    pub currency: Option<String>,
    /// The general e-mail address, compared without case.
    pub email: Option<String>,
    /// The phone number: E.164 where it is one, else as typed.
    pub phone: Option<String>,
    /// Street and number.
    pub address: Option<String>,
    /// The city.
    pub city: Option<String>,
    /// State, province or region.
    pub region: Option<String>,
    /// The postal code.
    pub postal_code: Option<String>,
    /// The country: ISO 3166-1 alpha-2; alpha-3 and English names are taken too.
    pub country: Option<String>,
    /// What it does, and what else there is to know.
    pub description: Option<String>,
    /// Its tags.
    pub tags: Vec<TagBrief>,
    /// Who looks after it.
    pub assigned_to: Option<Uuid>,
    /// Who entered it.
    pub created_by: Option<Uuid>,
    /// The tenant's own fields, by their keys.
    pub custom_fields: BTreeMap<String, Value>,
    /// Who looks after it, embedded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assigned_user: Option<UserBrief>,
    /// What the tenant's own references name, by their keys, embedded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub references: Option<BTreeMap<String, RecordBrief>>,
    /// Its relations to other records, embedded where asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relations: Option<RelationsBrief>,
    /// What the caller may do with it; where `expand` asks for it.
    #[serde(rename = "_can", skip_serializing_if = "Option::is_none")]
    #[oai(rename = "_can")]
    pub can: Option<CanView>,
}

/// A company to write. It has to have a name.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Object)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[oai(rename_all = "camelCase")]
pub struct CompanyInput {
    /// The version that is expected, in place of `If-Match`.
    pub version: Option<i64>,
    /// What it is called.
    pub name: String,
    /// The domain that it is known by; a link's is taken.
    pub domain: Option<String>,
    /// The address on the web.
    pub website: Option<String>,
    /// What line of business it is in.
    pub industry: Option<String>,
    /// How many people it has, roughly.
    pub size: Option<Code<CompanySize>>,
    /// How many people it has.
    pub employee_count: Option<i64>,
    /// What it turns over in a year, in `currency`.
    pub annual_revenue: Option<Decimal>,
    /// The currency it reckons in: ISO 4217.
    pub currency: Option<String>,
    /// The general e-mail address, compared without case.
    pub email: Option<String>,
    /// The phone number: E.164 where it is one, else as typed.
    pub phone: Option<String>,
    /// Street and number.
    pub address: Option<String>,
    /// The city.
    pub city: Option<String>,
    /// State, province or region.
    pub region: Option<String>,
    /// The postal code.
    pub postal_code: Option<String>,
    /// The country: ISO 3166-1 alpha-2; alpha-3 and English names are taken too.
    pub country: Option<String>,
    /// What it does, and what else there is to know.
    pub description: Option<String>,
    /// The identifiers of its tags.
    #[oai(default)]
    pub tags: Vec<Uuid>,
    /// Who looks after it.
    pub assigned_to: Option<Uuid>,
    /// The tenant's own fields, by their keys.
    #[oai(default)]
    pub custom_fields: BTreeMap<String, Value>,
}

const PEOPLE: [(&str, Person<CompanyView>); 1] =
    [("assignedUser", (|view| view.assigned_to, |view| &mut view.assigned_user))];

impl Resource for CompanyResource {
    type Entity = Company;
    type Service = Records<Company>;
    type View = CompanyView;
    type Input = CompanyInput;

    const PATH: &'static str = "/companies";
    const EXPANSIONS: &'static [&'static str] =
        &["assignedUser", "tags", "references", "relations", CAN];
    const ON_DEMAND: &'static [&'static str] = &["relations", CAN];

    fn service(crm: &TenantCrm) -> Records<Company> {
        crm.records()
    }

    fn view(company: Company) -> CompanyView {
        let Company {
            id,
            version,
            created_at,
            updated_at,
            deleted_at,
            name,
            domain,
            website,
            industry,
            size,
            employee_count,
            annual_revenue,
            currency,
            email,
            phone,
            address,
            city,
            region,
            postal_code,
            country,
            description,
            tags,
            assigned_to,
            created_by,
            custom_fields,
        } = company;
        CompanyView {
            id: id.uuid(),
            version,
            created_at,
            updated_at,
            deleted_at,
            name,
            domain,
            website,
            industry,
            size: size.map(Code),
            employee_count,
            annual_revenue,
            currency,
            email,
            phone,
            address,
            city,
            region,
            postal_code,
            country,
            description,
            tags: tags.into_iter().map(TagBrief::untold).collect(),
            assigned_to: assigned_to.map(UserId::uuid),
            created_by: created_by.map(UserId::uuid),
            custom_fields: custom_fields.to_json().into_iter().collect(),
            assigned_user: None,
            references: None,
            relations: None,
            can: None,
        }
    }

    fn can(view: &mut CompanyView) -> &mut Option<CanView> {
        &mut view.can
    }

    fn input(company: Company) -> CompanyInput {
        let Company {
            id: _,
            version: _,
            created_at: _,
            updated_at: _,
            deleted_at: _,
            name,
            domain,
            website,
            industry,
            size,
            employee_count,
            annual_revenue,
            currency,
            email,
            phone,
            address,
            city,
            region,
            postal_code,
            country,
            description,
            tags,
            assigned_to,
            created_by: _,
            custom_fields,
        } = company;
        CompanyInput {
            version: None,
            name,
            domain,
            website,
            industry,
            size: size.map(Code),
            employee_count,
            annual_revenue,
            currency,
            email,
            phone,
            address,
            city,
            region,
            postal_code,
            country,
            description,
            tags: tags.into_iter().map(Id::uuid).collect(),
            assigned_to: assigned_to.map(UserId::uuid),
            custom_fields: custom_fields.to_json().into_iter().collect(),
        }
    }

    fn expected(input: &CompanyInput) -> Option<i64> {
        input.version
    }

    fn draft(input: CompanyInput) -> Result<CompanyDraft> {
        let CompanyInput {
            version: _,
            name,
            domain,
            website,
            industry,
            size,
            employee_count,
            annual_revenue,
            currency,
            email,
            phone,
            address,
            city,
            region,
            postal_code,
            country,
            description,
            tags,
            assigned_to,
            custom_fields,
        } = input;
        let custom_fields = CustomFields::from_json(&custom_fields.into_iter().collect())?;
        Ok(CompanyDraft {
            name,
            domain,
            website,
            industry,
            size: size.map(|size| size.0),
            employee_count,
            annual_revenue,
            currency,
            email,
            phone,
            address,
            city,
            region,
            postal_code,
            country,
            description,
            tags: tags.into_iter().map(Id::new).collect(),
            assigned_to: assigned_to.map(UserId::new),
            custom_fields,
        })
    }

    async fn expand(crm: &TenantCrm, views: &mut [CompanyView], wanted: &[String]) -> Result<()> {
        if wanted.iter().any(|name| name == "tags") {
            embed::tags(crm, views, |view| &mut view.tags).await?;
        }
        if wanted.iter().any(|name| name == "references") {
            embed::references(crm, "companies", views, |v| &v.custom_fields, |v| &mut v.references)
                .await?;
        }
        if wanted.iter().any(|name| name == "relations") {
            embed_relations(crm, views, "companies", |view| view.id, |view| &mut view.relations)
                .await?;
        }
        embed::people(crm, views, &PEOPLE, wanted).await
    }
}
