//! Two tenants to look round in, made through the same services as any other.
//!
//! Nobody in them exists. They are for a store in memory: everything is made anew at each start.

use std::sync::Arc;

use chrono::TimeDelta;
use crm_core::access::{Actor, BuiltIn};
use crm_core::auth::SignUp;
use crm_core::companies::{Company, CompanyDraft, CompanySize};
use crm_core::custom_fields::{CustomFieldDraft, CustomFields, CustomType};
use crm_core::customers::{Customer, CustomerDraft, CustomerStatus};
use crm_core::demo::{Demo, DemoCompany, DemoPerson, Flavour};
use crm_core::relations::RelationDraft;
use crm_core::store::Store;
use crm_core::tags::{Tag, TagDraft};
use crm_core::tenants::{TenantDraft, TenantId};
use crm_core::users::UserId;
use crm_core::{Clock, Crm, EndRef, Entity, Id, ManualClock, Result, SystemClock, TenantCrm};
use rust_decimal::Decimal;

use crate::config::Passwords;
use crate::passwords::Argon2Hasher;

/// Everybody's password.
pub const PASSWORD: &str = "look-around";

const SEED: u64 = 2_026;
/// How far back the first customer came.
const HISTORY: TimeDelta = TimeDelta::days(540);

const ROLES: [BuiltIn; 6] = [
    BuiltIn::Owner,
    BuiltIn::Admin,
    BuiltIn::Manager,
    BuiltIn::User,
    BuiltIn::SalesRep,
    BuiltIn::Readonly,
];

/// Somebody to sign in as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DemoUser {
    /// The tenant.
    pub tenant: &'static str,
    /// The role in it.
    pub role: BuiltIn,
    /// The name.
    pub name: String,
    /// The address to sign in with.
    pub email: String,
}

/// Fills an empty store; answers whom one can sign in as.
///
/// # Errors
/// Where the store fails, or is not empty.
pub async fn fill(store: Arc<dyn Store>) -> Result<Vec<DemoUser>> {
    // The past is made by a clock that moves through it.
    let now = SystemClock.now();
    let clock = Arc::new(ManualClock::at(now - HISTORY));
    // Everybody knows the password; a slow hash of it would only delay the start.
    let quick = Passwords { memory_kib: 64, iterations: 1, ..Passwords::default() };
    let hasher = Argon2Hasher::new(&quick).map_err(crm_core::Error::internal)?;
    let crm =
        Crm::builder_on(store).shared_clock(Arc::clone(&clock) as _).users(hasher).build().await?;
    let mut users = Vec::new();
    for (flavour, customers) in [(Flavour::Software, 260), (Flavour::Coaching, 180)] {
        clock.set(now - HISTORY);
        let mut tenant = Filling::begin(&crm, flavour, &mut users).await?;
        let step = (HISTORY - TimeDelta::days(1)) / customers;
        for _ in 0..customers {
            clock.advance(step);
            tenant.customer().await?;
        }
    }
    Ok(users)
}

struct Filling {
    demo: Demo,
    flavour: Flavour,
    within: TenantCrm,
    people: Vec<UserId>,
    tags: Vec<Id<Tag>>,
    companies: Vec<(Company, DemoCompany)>,
    customers: Vec<Id<Customer>>,
}

impl Filling {
    async fn begin(crm: &Crm, flavour: Flavour, users: &mut Vec<DemoUser>) -> Result<Self> {
        let mut demo = Demo::new(flavour, SEED);
        let described = demo.tenant();
        let draft = TenantDraft {
            name: described.name.to_owned(),
            domain: Some(described.domain.to_owned()),
            time_zone: Some(described.time_zone.to_owned()),
            currency: Some(described.currency.to_owned()),
            ..TenantDraft::default()
        };
        let tenant = crm.system().create_tenant_with(draft).await?.id;
        let mut people = Vec::new();
        for role in ROLES {
            let person = demo.colleague();
            let email = format!("{}@{}", role.to_string().replace('_', "."), described.domain);
            people.push(colleague(crm, tenant, role, &person, &email).await?);
            let (tenant, name) = (described.name, person.full_name());
            users.push(DemoUser { tenant, role, name, email });
        }
        let within = crm.tenant(Actor::new(tenant, people[0]).with_role(BuiltIn::Owner));
        let tags = make_tags(&within, flavour).await?;
        define_fields(&within, flavour).await?;
        Ok(Self {
            demo,
            flavour,
            within,
            people,
            tags,
            companies: Vec::new(),
            customers: Vec::new(),
        })
    }

    async fn customer(&mut self) -> Result<()> {
        let draft = match self.flavour {
            Flavour::Software => self.firm().await?,
            Flavour::Coaching => self.person(),
        };
        let made = self.within.customers().create(draft).await?.id();
        if !self.customers.is_empty() && self.demo.chance(25) {
            let earlier = *self.demo.pick(&self.customers);
            let [from, to] = [earlier, made].map(|id| EndRef::new("customers", id));
            self.within.relations().create(RelationDraft::new("refers", from, to)).await?;
        }
        self.customers.push(made);
        Ok(())
    }

    /// A firm that buys software, or a part of one that does already.
    async fn firm(&mut self) -> Result<CustomerDraft> {
        let (belongs_to, company) = if !self.companies.is_empty() && self.demo.chance(20) {
            self.demo.pick(&self.companies).clone()
        } else {
            self.company().await?
        };
        let person = self.demo.person_at(&company);
        let mut fields = CustomFields::default();
        fields.set("seats", i64::max(1, company.employees / 4));
        fields.set("plan", *self.demo.pick(&["starter", "team", "enterprise"]));
        Ok(CustomerDraft {
            contact_name: Some(person.full_name()),
            notes: self.demo.chance(40).then(|| self.demo.note(&person)),
            company_name: Some(company.name),
            company_id: Some(belongs_to.id),
            email: Some(company.email),
            website: Some(company.website),
            industry: Some(company.industry.to_owned()),
            size: belongs_to.size,
            employee_count: Some(company.employees),
            annual_revenue: Some(Decimal::from(company.annual_revenue)),
            currency: Some(company.currency.to_owned()),
            custom_fields: fields,
            assigned_to: belongs_to.assigned_to,
            ..self.at(&person)
        })
    }

    async fn company(&mut self) -> Result<(Company, DemoCompany)> {
        let company = self.demo.company();
        let size = match company.employees {
            ..=9 => CompanySize::Micro,
            10..=49 => CompanySize::Small,
            50..=249 => CompanySize::Medium,
            250..=999 => CompanySize::Large,
            _ => CompanySize::Enterprise,
        };
        let draft = CompanyDraft {
            name: company.name.clone(),
            domain: Some(company.domain.clone()),
            website: Some(company.website.clone()),
            industry: Some(company.industry.to_owned()),
            size: Some(size),
            employee_count: Some(company.employees),
            annual_revenue: Some(Decimal::from(company.annual_revenue)),
            currency: Some(company.currency.to_owned()),
            email: Some(company.email.clone()),
            phone: Some(company.phone.clone()),
            address: Some(company.address.street.clone()),
            city: Some(company.address.city.to_owned()),
            region: Some(company.address.region.to_owned()),
            postal_code: Some(company.address.postal_code.clone()),
            country: Some(company.address.country.to_owned()),
            // The owner and the reader look after nobody.
            assigned_to: self.demo.chance(85).then(|| *self.demo.pick(&self.people[1..5])),
            ..CompanyDraft::default()
        };
        let made = (self.within.companies().create(draft).await?, company);
        if !self.companies.is_empty() && self.demo.chance(30) {
            let kinds = ["parent_of", "supplies", "partner_of", "competes_with", "advises"];
            let kind = *self.demo.pick(&kinds);
            let earlier = self.demo.pick(&self.companies).0.id;
            let [from, to] = [earlier, made.0.id].map(|id| EndRef::new("companies", id));
            self.within.relations().create(RelationDraft::new(kind, from, to)).await?;
        }
        self.companies.push(made.clone());
        Ok(made)
    }

    /// A person who is coached.
    fn person(&mut self) -> CustomerDraft {
        let person = self.demo.person();
        let mut fields = CustomFields::default();
        fields.set("sessions", i64::try_from(self.demo.below(24)).unwrap_or(0));
        fields.set("programme", *self.demo.pick(&["reset", "leadership", "executive", "career"]));
        let someone =
            |demo: &mut Demo, people: &[UserId]| demo.chance(80).then(|| *demo.pick(people));
        CustomerDraft {
            email: Some(person.email.clone()),
            notes: self.demo.chance(50).then(|| self.demo.note(&person)),
            first_name: Some(person.given_name.clone()),
            last_name: Some(person.family_name.clone()),
            coach: someone(&mut self.demo, &self.people[2..5]),
            closer: someone(&mut self.demo, &self.people[3..5]),
            setter: someone(&mut self.demo, &self.people[3..5]),
            custom_fields: fields,
            ..self.at(&person)
        }
    }

    /// What firms and people have in common.
    fn at(&mut self, person: &DemoPerson) -> CustomerDraft {
        let statuses = [
            CustomerStatus::Active,
            CustomerStatus::Active,
            CustomerStatus::Active,
            CustomerStatus::Onboarding,
            CustomerStatus::Paused,
            CustomerStatus::Inactive,
            CustomerStatus::Cancelled,
        ];
        let mut tags: Vec<Id<Tag>> = Vec::new();
        for _ in 0..self.demo.below(4) {
            let tag = *self.demo.pick(&self.tags);
            if !tags.contains(&tag) {
                tags.push(tag);
            }
        }
        let sources = ["referral", "web form", "trade fair", "cold call", "newsletter"];
        CustomerDraft {
            phone: Some(person.phone.clone()),
            address: Some(person.address.street.clone()),
            postal_code: Some(person.address.postal_code.clone()),
            city: Some(person.address.city.to_owned()),
            region: Some(person.address.region.to_owned()),
            country: Some(person.address.country.to_owned()),
            status: *self.demo.pick(&statuses),
            source: Some((*self.demo.pick(&sources)).to_owned()),
            // The owner and the reader look after nobody.
            assigned_to: self.demo.chance(85).then(|| *self.demo.pick(&self.people[1..5])),
            tags,
            ..CustomerDraft::default()
        }
    }
}

async fn colleague(
    crm: &Crm,
    tenant: TenantId,
    role: BuiltIn,
    person: &DemoPerson,
    email: &str,
) -> Result<UserId> {
    let asked = SignUp {
        email: email.to_owned(),
        password: PASSWORD.to_owned(),
        name: Some(person.full_name()),
        ..SignUp::default()
    };
    let user = crm.auth().sign_up(asked).await?.user.id;
    crm.system().add_member(tenant, user, &[role]).await?;
    Ok(user)
}

async fn make_tags(within: &TenantCrm, flavour: Flavour) -> Result<Vec<Id<Tag>>> {
    let words = match flavour {
        Flavour::Software => [
            ("VIP", "#d4380d"),
            ("Reference", "#389e0d"),
            ("Partner", "#096dd9"),
            ("At risk", "#cf1322"),
            ("Beta", "#722ed1"),
            ("Nonprofit", "#08979c"),
        ],
        Flavour::Coaching => [
            ("VIP", "#d4380d"),
            ("Alumni", "#389e0d"),
            ("Group", "#096dd9"),
            ("Payment plan", "#d48806"),
            ("Evenings only", "#722ed1"),
            ("Speaks Spanish", "#08979c"),
        ],
    };
    let mut tags = Vec::new();
    for (name, color) in words {
        let draft = TagDraft { name: name.to_owned(), color: Some(color.to_owned()) };
        tags.push(within.tags().create(draft).await?.id());
    }
    Ok(tags)
}

async fn define_fields(within: &TenantCrm, flavour: Flavour) -> Result<()> {
    let number =
        |key: &str, label: &str| (key.to_owned(), label.to_owned(), CustomType::Number, &[][..]);
    let choice = |key: &str, label: &str, options: &'static [&'static str]| {
        (key.to_owned(), label.to_owned(), CustomType::Choice, options)
    };
    let fields = match flavour {
        Flavour::Software => {
            [number("seats", "Seats"), choice("plan", "Plan", &["starter", "team", "enterprise"])]
        }
        Flavour::Coaching => [
            number("sessions", "Sessions so far"),
            choice("programme", "Programme", &["reset", "leadership", "executive", "career"]),
        ],
    };
    for (key, label, field_type, options) in fields {
        let draft = CustomFieldDraft {
            record_type: "customers".to_owned(),
            key,
            label,
            field_type,
            options: options.iter().map(|option| (*option).to_owned()).collect(),
            ..CustomFieldDraft::default()
        };
        within.custom_fields().create(draft).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crm_core::Where;
    use crm_store_memory::MemoryStore;

    #[tokio::test]
    async fn two_tenants_are_filled_over_time_with_somebody_of_each_role() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let users = fill(Arc::clone(&store)).await.unwrap();
        assert_eq!(users.len(), 12);
        let quick = Passwords { memory_kib: 64, iterations: 1, ..Passwords::default() };
        let hasher = Argon2Hasher::new(&quick).unwrap();
        let crm = Crm::builder_on(store).users(hasher).build().await.unwrap();
        for user in users.iter().filter(|user| user.role == BuiltIn::Owner) {
            let asked = crm_core::auth::SignIn {
                login: user.email.clone(),
                password: PASSWORD.to_owned(),
                ..Default::default()
            };
            let membership = crm.auth().sign_in(asked).await.unwrap().membership.unwrap();
            assert_eq!(membership.tenant.name, user.tenant);
            let customers = crm.tenant(membership.actor()).customers();
            let stats = customers.stats(Where::all()).await.unwrap();
            assert!(stats.total >= 180 && stats.new_this_month < stats.total / 4);
            let tagged = customers.find(crm_core::Find::<Customer>::all()).await.unwrap();
            assert!(tagged.items.iter().any(|customer| !customer.tags.is_empty()));
            let relations = crm.tenant(membership.actor()).relations();
            assert!(relations.count(Where::all()).await.unwrap() > 20);
            if user.tenant.contains("Software") {
                let belonging = customers.count(Customer::COMPANY_ID.present()).await.unwrap();
                let companies = crm.tenant(membership.actor()).companies();
                let companies = companies.count(Where::all()).await.unwrap();
                assert!(companies > 100 && companies < belonging, "{companies}, {belonging}");
            }
        }
    }
}
