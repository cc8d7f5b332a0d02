//! What must hold of a company.

use async_trait::async_trait;
use rust_decimal::Decimal;

use super::Company;
use crate::crm::TenantCrm;
use crate::error::{Faults, Result};
use crate::records::{Records, Rules};
use crate::tags::check_tags;
use crate::users::{Named, check_named};
use crate::values::{Contacts, Domain, Multiline, clean_texts, required_text};

#[async_trait]
impl Rules for Company {
    async fn check(&mut self, before: Option<&Self>, within: &TenantCrm) -> Result<()> {
        let mut faults = Faults::default();
        self.clean_texts(&mut faults)?;
        let contacts = Contacts {
            email: &mut self.email,
            phone: &mut self.phone,
            website: &mut self.website,
            country: &mut self.country,
            currency: &mut self.currency,
        };
        contacts.clean(&mut faults)?;
        check_figures(self.employee_count, self.annual_revenue, &mut faults);
        let old_tags = before.map_or(&[][..], |before| &before.tags);
        faults.absorb(check_tags(within, &mut self.tags, old_tags).await)?;
        if before.is_none() {
            self.created_by = Some(within.actor().user());
            self.assigned_to = self.assigned_to.or_else(|| Records::<Self>::for_creator(within));
        }
        check_named(within, before.map(Self::people), self.people(), &mut faults).await?;
        faults.into_result()
    }
}

impl Company {
    fn clean_texts(&mut self, faults: &mut Faults) -> Result<()> {
        if let Some(name) = faults.absorb(required_text("name", &self.name, 200, Multiline::No))? {
            self.name = name;
        }
        let texts = [
            ("industry", &mut self.industry, 100, Multiline::No),
            ("address", &mut self.address, 500, Multiline::Yes),
            ("city", &mut self.city, 100, Multiline::No),
            ("region", &mut self.region, 100, Multiline::No),
            ("postalCode", &mut self.postal_code, 20, Multiline::No),
            ("description", &mut self.description, 10_000, Multiline::Yes),
        ];
        clean_texts(texts, faults)?;
        if self.domain.as_deref().is_some_and(|domain| domain.trim().is_empty()) {
            self.domain = None;
        }
        if let Some(given) = &self.domain
            && let Some(domain) = faults.absorb(Domain::parse("domain", given))?
        {
            self.domain = Some(domain.as_str().to_owned());
        }
        Ok(())
    }

    fn people(&self) -> Named<1> {
        [("assignedTo", self.assigned_to)]
    }
}

/// Notes figures of an organisation that there cannot be.
pub(crate) fn check_figures(
    employee_count: Option<i64>,
    annual_revenue: Option<Decimal>,
    faults: &mut Faults,
) {
    if employee_count.is_some_and(|count| count < 0) {
        faults.add("employeeCount", "OUT_OF_RANGE", "expected 0 or more");
    }
    if annual_revenue.is_some_and(|revenue| revenue.is_sign_negative()) {
        faults.add("annualRevenue", "OUT_OF_RANGE", "expected 0 or more");
    }
}
