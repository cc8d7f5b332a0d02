//! A customer as it is shown and as it is written.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use crm_core::companies::CompanySize;
use crm_core::custom_fields::CustomFields;
use crm_core::customers::{Customer, CustomerDraft, CustomerStatus, Engagement};
use crm_core::users::UserId;
use crm_core::{Id, Records, Result, TenantCrm};
use poem_openapi::Object;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::api::crud::{CAN, CanView, Resource};
use crate::api::embed::{self, CompanyBrief, Person, RecordBrief, TagBrief, UserBrief};
use crate::api::relations::{RelationsBrief, embed_relations};
use crate::api::values::Code;

/// Customers.
#[derive(Debug)]
pub struct CustomerResource;

/// A customer.
#[derive(Debug, Clone, Serialize, Object)]
#[serde(rename_all = "camelCase")]
#[oai(rename = "Customer", rename_all = "camelCase")]
pub struct CustomerView {
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
    /// What it is shown as: the company's name, else the contact's, else first and last name,
    /// else the e-mail address.
    pub name: String,
    /// The organisation's name.
    pub company_name: Option<String>,
    /// The company that it belongs to.
    pub company_id: Option<Uuid>,
    /// Whom to talk to there.
    pub contact_name: Option<String>,
    /// A person's given name.
    pub first_name: Option<String>,
    /// A person's family name.
    pub last_name: Option<String>,
    /// The e-mail address, compared without case.
    pub email: Option<String>,
    /// The phone number: E.164 where it is one, else as typed.
    pub phone: Option<String>,
    /// The address on the web.
    pub website: Option<String>,
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
    /// What line of business it is in.
    pub industry: Option<String>,
    /// How many people it has, roughly.
    pub size: Option<Code<CompanySize>>,
    /// How many people it has.
    pub employee_count: Option<i64>,
    /// What it turns over in a year, in `currency`.
    pub annual_revenue: Option<Decimal>,
    /// The currency it pays in: ISO 4217.
    pub currency: Option<String>,
    /// How far it has come.
    pub status: Code<CustomerStatus>,
    /// Where it came from.
    pub source: Option<String>,
    /// What else there is to know.
    pub notes: Option<String>,
    /// Its tags.
    pub tags: Vec<TagBrief>,
    /// Who looks after it.
    pub assigned_to: Option<Uuid>,
    /// Who coaches it.
    pub coach: Option<Uuid>,
    /// Who closed it.
    pub closer: Option<Uuid>,
    /// Who set the first meeting.
    pub setter: Option<Uuid>,
    /// The tenant's own fields, by their keys.
    pub custom_fields: BTreeMap<String, Value>,
    /// How much contact there was of late.
    pub engagement: Code<Engagement>,
    /// Who entered it.
    pub created_by: Option<Uuid>,
    /// When somebody last communicated with it.
    pub last_contacted_at: Option<DateTime<Utc>>,
    /// Who looks after it, embedded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assigned_user: Option<UserBrief>,
    /// Who coaches it, embedded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coach_user: Option<UserBrief>,
    /// Who closed it, embedded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closer_user: Option<UserBrief>,
    /// Who set the first meeting, embedded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub setter_user: Option<UserBrief>,
    /// The company that it belongs to, embedded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub company: Option<CompanyBrief>,
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

/// A customer to write. One of the names or an e-mail address has to be there.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Object)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[oai(rename_all = "camelCase")]
pub struct CustomerInput {
    /// The version that is expected, in place of `If-Match`.
    pub version: Option<i64>,
    /// The organisation's name.
    pub company_name: Option<String>,
    /// The company that it belongs to.
    pub company_id: Option<Uuid>,
    /// Whom to talk to there.
    pub contact_name: Option<String>,
    /// A person's given name.
    pub first_name: Option<String>,
    /// A person's family name.
    pub last_name: Option<String>,
    /// The e-mail address, compared without case.
    pub email: Option<String>,
    /// The phone number: E.164 where it is one, else as typed.
    pub phone: Option<String>,
    /// The address on the web.
    pub website: Option<String>,
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
    /// What line of business it is in.
    pub industry: Option<String>,
    /// How many people it has, roughly.
    pub size: Option<Code<CompanySize>>,
    /// How many people it has.
    pub employee_count: Option<i64>,
    /// What it turns over in a year, in `currency`.
    pub annual_revenue: Option<Decimal>,
    /// The currency it pays in: ISO 4217.
    pub currency: Option<String>,
    /// How far it has come.
    #[oai(default)]
    pub status: Code<CustomerStatus>,
    /// Where it came from.
    pub source: Option<String>,
    /// What else there is to know.
    pub notes: Option<String>,
    /// The identifiers of its tags.
    #[oai(default)]
    pub tags: Vec<Uuid>,
    /// Who looks after it.
    pub assigned_to: Option<Uuid>,
    /// Who coaches it.
    pub coach: Option<Uuid>,
    /// Who closed it.
    pub closer: Option<Uuid>,
    /// Who set the first meeting.
    pub setter: Option<Uuid>,
    /// The tenant's own fields, by their keys.
    #[oai(default)]
    pub custom_fields: BTreeMap<String, Value>,
}

const PEOPLE: [(&str, Person<CustomerView>); 4] = [
    ("assignedUser", (|view| view.assigned_to, |view| &mut view.assigned_user)),
    ("coachUser", (|view| view.coach, |view| &mut view.coach_user)),
    ("closerUser", (|view| view.closer, |view| &mut view.closer_user)),
    ("setterUser", (|view| view.setter, |view| &mut view.setter_user)),
];

impl Resource for CustomerResource {
    type Entity = Customer;
    type Service = Records<Customer>;
    type View = CustomerView;
    type Input = CustomerInput;

    const PATH: &'static str = "/customers";
    const EXPANSIONS: &'static [&'static str] = &[
        "assignedUser",
        "coachUser",
        "closerUser",
        "setterUser",
        "tags",
        "company",
        "references",
        "relations",
        CAN,
    ];
    const ON_DEMAND: &'static [&'static str] = &["relations", CAN];

    fn service(crm: &TenantCrm) -> Records<Customer> {
        crm.records()
    }

    fn view(customer: Customer) -> CustomerView {
        let Customer {
            id,
            version,
            created_at,
            updated_at,
            deleted_at,
            name,
            company_name,
            company_id,
            contact_name,
            first_name,
            last_name,
            email,
            phone,
            website,
            address,
            city,
            region,
            postal_code,
            country,
            industry,
            size,
            employee_count,
            annual_revenue,
            currency,
            status,
            source,
            notes,
            tags,
            assigned_to,
            coach,
            closer,
            setter,
            custom_fields,
            engagement,
            created_by,
            last_contacted_at,
        } = customer;
        CustomerView {
            id: id.uuid(),
            version,
            created_at,
            updated_at,
            deleted_at,
            name,
            company_name,
            company_id: company_id.map(Id::uuid),
            contact_name,
            first_name,
            last_name,
            email,
            phone,
            website,
            address,
            city,
            region,
            postal_code,
            country,
            industry,
            size: size.map(Code),
            employee_count,
            annual_revenue,
            currency,
            status: Code(status),
            source,
            notes,
            tags: tags.into_iter().map(TagBrief::untold).collect(),
            assigned_to: assigned_to.map(UserId::uuid),
            coach: coach.map(UserId::uuid),
            closer: closer.map(UserId::uuid),
            setter: setter.map(UserId::uuid),
            custom_fields: custom_fields.to_json().into_iter().collect(),
            engagement: Code(engagement),
            created_by: created_by.map(UserId::uuid),
            last_contacted_at,
            assigned_user: None,
            coach_user: None,
            closer_user: None,
            setter_user: None,
            company: None,
            references: None,
            relations: None,
            can: None,
        }
    }

    fn can(view: &mut CustomerView) -> &mut Option<CanView> {
        &mut view.can
    }

    fn input(customer: Customer) -> CustomerInput {
        let Customer {
            id: _,
            version: _,
            created_at: _,
            updated_at: _,
            deleted_at: _,
            name: _,
            company_name,
            company_id,
            contact_name,
            first_name,
            last_name,
            email,
            phone,
            website,
            address,
            city,
            region,
            postal_code,
            country,
            industry,
            size,
            employee_count,
            annual_revenue,
            currency,
            status,
            source,
            notes,
            tags,
            assigned_to,
            coach,
            closer,
            setter,
            custom_fields,
            engagement: _,
            created_by: _,
            last_contacted_at: _,
        } = customer;
        CustomerInput {
            version: None,
            company_name,
            company_id: company_id.map(Id::uuid),
            contact_name,
            first_name,
            last_name,
            email,
            phone,
            website,
            address,
            city,
            region,
            postal_code,
            country,
            industry,
            size: size.map(Code),
            employee_count,
            annual_revenue,
            currency,
            status: Code(status),
            source,
            notes,
            tags: tags.into_iter().map(Id::uuid).collect(),
            assigned_to: assigned_to.map(UserId::uuid),
            coach: coach.map(UserId::uuid),
            closer: closer.map(UserId::uuid),
            setter: setter.map(UserId::uuid),
            custom_fields: custom_fields.to_json().into_iter().collect(),
        }
    }

    fn expected(input: &CustomerInput) -> Option<i64> {
        input.version
    }

    fn draft(input: CustomerInput) -> Result<CustomerDraft> {
        let CustomerInput {
            version: _,
            company_name,
            company_id,
            contact_name,
            first_name,
            last_name,
            email,
            phone,
            website,
            address,
            city,
            region,
            postal_code,
            country,
            industry,
            size,
            employee_count,
            annual_revenue,
            currency,
            status,
            source,
            notes,
            tags,
            assigned_to,
            coach,
            closer,
            setter,
            custom_fields,
        } = input;
        let custom_fields = CustomFields::from_json(&custom_fields.into_iter().collect())?;
        Ok(CustomerDraft {
            company_name,
            company_id: company_id.map(Id::new),
            contact_name,
            first_name,
            last_name,
            email,
            phone,
            website,
            address,
            city,
            region,
            postal_code,
            country,
            industry,
            size: size.map(|size| size.0),
            employee_count,
            annual_revenue,
            currency,
            status: status.0,
            source,
            notes,
            tags: tags.into_iter().map(Id::new).collect(),
            assigned_to: assigned_to.map(UserId::new),
            coach: coach.map(UserId::new),
            closer: closer.map(UserId::new),
            setter: setter.map(UserId::new),
            custom_fields,
        })
    }

    async fn expand(crm: &TenantCrm, views: &mut [CustomerView], wanted: &[String]) -> Result<()> {
        if wanted.iter().any(|name| name == "tags") {
            embed::tags(crm, views, |view| &mut view.tags).await?;
        }
        if wanted.iter().any(|name| name == "company") {
            embed::companies(crm, views, |view| view.company_id, |view| &mut view.company).await?;
        }
        if wanted.iter().any(|name| name == "references") {
            embed::references(crm, "customers", views, |v| &v.custom_fields, |v| &mut v.references)
                .await?;
        }
        if wanted.iter().any(|name| name == "relations") {
            embed_relations(crm, views, "customers", |view| view.id, |view| &mut view.relations)
                .await?;
        }
        embed::people(crm, views, &PEOPLE, wanted).await
    }
}
