//! Companies: firms that customers belong to.
//!
//! A customer is who buys, a company is where they are: several customers can belong to one. Who
//! points a customer at a company must be able to read it.

mod rules;
mod stats;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

pub(crate) use rules::check_figures;
pub use stats::CompanyStats;

use crate::crm::TenantCrm;
use crate::custom_fields::CustomFields;
use crate::id::Id;
use crate::records::Records;
use crate::tags::Tag;
use crate::users::UserId;
use crate::values::{Country, Currency, Domain, Email, Phone, WebUrl};
use crate::{Choice, Entity};

/// How many people an organisation has, roughly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Choice)]
pub enum CompanySize {
    /// Up to nine.
    Micro,
    /// Up to 49.
    Small,
    /// Up to 249.
    Medium,
    /// Up to 999.
    Large,
    /// More.
    Enterprise,
}

/// A firm.
#[derive(Debug, Clone, PartialEq, Entity)]
#[entity(name = "companies", tenant, owners(assigned(assigned_to), creator(created_by)))]
#[entity(index(name), index(domain), index(assigned_to), index(industry))]
pub struct Company {
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
    /// What it is called.
    #[entity(filter, sort, search, title)]
    pub name: String,
    /// The domain that it is known by, `example.com`. A link's is taken.
    #[entity(filter, sort, search, code, reads = Domain)]
    pub domain: Option<String>,
    /// The address on the web.
    #[entity(filter, reads = WebUrl)]
    pub website: Option<String>,
    /// What line of business it is in.
    #[entity(filter, sort, search)]
    pub industry: Option<String>,
    /// How many people it has, roughly.
    #[entity(filter, sort)]
    pub size: Option<CompanySize>,
    /// How many people it has.
    #[entity(filter, sort)]
    pub employee_count: Option<i64>,
    /// What it turns over in a year, in `currency`.
    #[entity(filter, sort, scale = 2)]
    pub annual_revenue: Option<Decimal>,
    /// The currency it reckons in: ISO 4217.
    #[entity(filter, sort, code, reads = Currency)]
    pub currency: Option<String>,
    /// The general e-mail address, compared without case.
    #[entity(filter, sort, search, reads = Email)]
    pub email: Option<String>,
    /// The phone number: E.164 where it is one, else as typed.
    #[entity(filter, search, reads = Phone)]
    pub phone: Option<String>,
    /// Street and number.
    pub address: Option<String>,
    /// The city.
    #[entity(filter, sort, search)]
    pub city: Option<String>,
    /// State, province or region.
    #[entity(filter, sort)]
    pub region: Option<String>,
    /// The postal code.
    #[entity(filter)]
    pub postal_code: Option<String>,
    /// The country: ISO 3166-1 alpha-2. Alpha-3 and English names are taken and normalised.
    #[entity(filter, sort, code, reads = Country)]
    pub country: Option<String>,
    /// What it does, and what else there is to know.
    pub description: Option<String>,
    /// Its tags.
    #[entity(filter)]
    pub tags: Vec<Id<Tag>>,
    /// Who looks after it.
    #[entity(filter)]
    pub assigned_to: Option<UserId>,
    /// Who entered it.
    #[entity(computed, filter)]
    pub created_by: Option<UserId>,
    /// The tenant's own fields.
    #[entity(filter, search)]
    pub custom_fields: CustomFields,
}

impl CompanyDraft {
    /// A firm of this name.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }
}

/// The service of companies.
#[derive(Debug, Clone)]
pub struct Companies(Records<Company>);

impl std::ops::Deref for Companies {
    type Target = Records<Company>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Companies {
    pub(crate) fn new(within: TenantCrm) -> Self {
        Self(within.records())
    }
}
