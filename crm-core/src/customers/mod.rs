//! Customers: who buys, a person or an organisation.

mod rules;
mod stats;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

pub use stats::CustomerStats;

use crate::companies::Company;
pub use crate::companies::CompanySize;
use crate::crm::TenantCrm;
use crate::custom_fields::CustomFields;
use crate::error::Result;
use crate::id::Id;
use crate::records::Records;
use crate::store::{Page, Query};
use crate::tags::Tag;
use crate::users::UserId;
use crate::values::{Country, Currency, Email, Phone, WebUrl};
use crate::{Choice, Entity, Find, Where};

/// How far a customer has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Choice)]
pub enum CustomerStatus {
    /// Being set up.
    Onboarding,
    /// Buys.
    #[default]
    Active,
    /// Pauses.
    Paused,
    /// Does not buy at the moment.
    Inactive,
    /// Has left.
    Cancelled,
}

/// How much contact there was of late. Computed from communications, never set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Choice)]
pub enum Engagement {
    /// Several in the last days.
    Hot,
    /// Some.
    #[default]
    Warm,
    /// None for long.
    Inactive,
}

/// Who buys: a person or an organisation.
#[derive(Debug, Clone, PartialEq, Entity)]
#[entity(name = "customers", tenant)]
#[entity(owners(assigned(assigned_to, coach, closer, setter), creator(created_by)))]
#[entity(index(name), index(email), index(assigned_to), index(status), index(country))]
pub struct Customer {
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
    /// What it is shown as: the company's name, else the contact's, else first and last name,
    /// else the e-mail address.
    #[entity(computed, filter, sort, title)]
    #[entity(made_of = "companyName|contactName|firstName lastName|email")]
    pub name: String,
    /// The organisation's name.
    #[entity(filter, sort, search)]
    pub company_name: Option<String>,
    /// The company that it belongs to.
    #[entity(filter, references = "companies")]
    pub company_id: Option<Id<Company>>,
    /// Whom to talk to there.
    #[entity(filter, sort, search)]
    pub contact_name: Option<String>,
    /// A person's given name.
    #[entity(filter, sort, search)]
    pub first_name: Option<String>,
    /// A person's family name.
    #[entity(filter, sort, search)]
    pub last_name: Option<String>,
    /// The e-mail address, compared without case.
    #[entity(filter, sort, search, reads = Email)]
    pub email: Option<String>,
    /// The phone number: E.164 where it is one, else as typed.
    #[entity(filter, search, reads = Phone)]
    pub phone: Option<String>,
    /// The address on the web.
    #[entity(filter, reads = WebUrl)]
    pub website: Option<String>,
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
    /// What line of business it is in.
    #[entity(filter, sort)]
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
    /// The currency it pays in: ISO 4217.
    #[entity(filter, sort, code, reads = Currency)]
    pub currency: Option<String>,
    /// How far it has come.
    #[entity(filter, sort)]
    pub status: CustomerStatus,
    /// How much contact there was of late.
    #[entity(computed, filter, sort)]
    pub engagement: Engagement,
    /// Where it came from.
    #[entity(filter, sort)]
    pub source: Option<String>,
    /// What else there is to know.
    pub notes: Option<String>,
    /// Its tags.
    #[entity(filter)]
    pub tags: Vec<Id<Tag>>,
    /// Who looks after it.
    #[entity(filter)]
    pub assigned_to: Option<UserId>,
    /// Who coaches it.
    #[entity(filter)]
    pub coach: Option<UserId>,
    /// Who closed it.
    #[entity(filter)]
    pub closer: Option<UserId>,
    /// Who set the first meeting.
    #[entity(filter)]
    pub setter: Option<UserId>,
    /// Who entered it.
    #[entity(computed, filter)]
    pub created_by: Option<UserId>,
    /// When somebody last communicated with it. Never moves back.
    #[entity(computed, filter, sort)]
    pub last_contacted_at: Option<DateTime<Utc>>,
    /// The tenant's own fields.
    #[entity(filter, search)]
    pub custom_fields: CustomFields,
}

impl CustomerDraft {
    /// An organisation of this name.
    pub fn company(name: impl Into<String>) -> Self {
        Self { company_name: Some(name.into()), ..Self::default() }
    }

    /// A person of this given and family name.
    pub fn person(first_name: impl Into<String>, last_name: impl Into<String>) -> Self {
        Self {
            first_name: Some(first_name.into()),
            last_name: Some(last_name.into()),
            ..Self::default()
        }
    }
}

/// The service of customers.
#[derive(Debug, Clone)]
pub struct Customers(Records<Customer>);

impl std::ops::Deref for Customers {
    type Target = Records<Customer>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Customers {
    pub(crate) fn new(within: TenantCrm) -> Self {
        Self(within.records())
    }

    /// Those in which the actor is owner, coach, closer or setter, among those asked for.
    ///
    /// # Errors
    /// As [`Records::find`].
    pub async fn mine(&self, find: Find<Customer>) -> Result<Page<Customer>> {
        self.0.find(find.filter(self.is_mine())).await
    }

    /// The same for a question in the language of the store.
    ///
    /// # Errors
    /// As [`Records::find`].
    pub async fn select_mine(&self, query: Query) -> Result<Page<Customer>> {
        self.0.select(query.filter(self.is_mine().into_filter())?).await
    }

    /// Whether the actor is owner, coach, closer or setter.
    pub fn is_mine(&self) -> Where<Customer> {
        let me = self.0.within().actor().user();
        Customer::ASSIGNED_TO
            .eq(me)
            .or(Customer::COACH.eq(me))
            .or(Customer::CLOSER.eq(me))
            .or(Customer::SETTER.eq(me))
    }
}
