//! What must hold of a company.

use async_trait::async_trait;

use super::Company;
use crate::access::Reach;
use crate::crm::TenantCrm;
use crate::error::{Faults, FieldError, Result};
use crate::records::{Records, Rules};
use crate::tags::check_tags;
use crate::users::check_members;
use crate::values::{Contacts, Domain, Multiline, clean_text, required_text};

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
        if self.employee_count.is_some_and(|count| count < 0) {
            faults.add("employeeCount", "OUT_OF_RANGE", "expected 0 or more");
        }
        if self.annual_revenue.is_some_and(|revenue| revenue.is_sign_negative()) {
            faults.add("annualRevenue", "OUT_OF_RANGE", "expected 0 or more");
        }
        let old_tags = before.map_or(&[][..], |before| &before.tags);
        faults.absorb(check_tags(within, &mut self.tags, old_tags).await)?;
        if before.is_none() {
            self.created_by = Some(within.actor().user());
            // Whoever may create records for itself only gets what it creates.
            let reach = within.actor().reach(&Records::<Self>::permission("create"));
            if reach == Some(Reach::Assigned) && self.assigned_to.is_none() {
                self.assigned_to = Some(within.actor().user());
            }
        }
        // A leaver stays where they were.
        if let Some(user) = self.assigned_to
            && before.and_then(|before| before.assigned_to) != Some(user)
        {
            for FieldError { field, code, message } in
                check_members(within, &[("assignedTo", user)]).await?
            {
                faults.add(field, code, message);
            }
        }
        faults.into_result()
    }
}

impl Company {
    fn clean_texts(&mut self, faults: &mut Faults) -> Result<()> {
        if let Some(name) = faults.absorb(required_text("name", &self.name, 200, Multiline::No))? {
            self.name = name;
        }
        let texts: [(&str, &mut Option<String>, usize, Multiline); 6] = [
            ("industry", &mut self.industry, 100, Multiline::No),
            ("address", &mut self.address, 500, Multiline::Yes),
            ("city", &mut self.city, 100, Multiline::No),
            ("region", &mut self.region, 100, Multiline::No),
            ("postalCode", &mut self.postal_code, 20, Multiline::No),
            ("description", &mut self.description, 10_000, Multiline::Yes),
        ];
        for (field, text, most, multiline) in texts {
            if let Some(given) = text
                && let Some(cleaned) = faults.absorb(clean_text(field, given, most, multiline))?
            {
                *text = cleaned;
            }
        }
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
}
