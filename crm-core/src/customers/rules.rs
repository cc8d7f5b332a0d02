//! What must hold of a customer.

use async_trait::async_trait;

use super::Customer;
use crate::access::Reach;
use crate::crm::TenantCrm;
use crate::error::{Faults, FieldError, Result};
use crate::records::{Records, Rules};
use crate::tags::check_tags;
use crate::users::{UserId, check_members};
use crate::values::{Contacts, Multiline, clean_text};

#[async_trait]
impl Rules for Customer {
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
        self.check_figures(&mut faults);
        self.name = self.shown_name();
        if self.name.is_empty() {
            faults.add(
                "companyName",
                "REQUIRED",
                "expected a company name, a contact name, a first or last name or an e-mail address",
            );
        }
        let old_tags = before.map_or(&[][..], |before| &before.tags);
        faults.absorb(check_tags(within, &mut self.tags, old_tags).await)?;
        if before.is_none() {
            self.created_by = Some(within.actor().user());
            self.assign_to_creator(within);
        }
        for FieldError { field, code, message } in self.check_people(before, within).await? {
            faults.add(field, code, message);
        }
        faults.into_result()
    }
}

impl Customer {
    fn clean_texts(&mut self, faults: &mut Faults) -> Result<()> {
        let texts: [(&str, &mut Option<String>, usize, Multiline); 11] = [
            ("companyName", &mut self.company_name, 200, Multiline::No),
            ("contactName", &mut self.contact_name, 200, Multiline::No),
            ("firstName", &mut self.first_name, 100, Multiline::No),
            ("lastName", &mut self.last_name, 100, Multiline::No),
            ("address", &mut self.address, 500, Multiline::Yes),
            ("city", &mut self.city, 100, Multiline::No),
            ("region", &mut self.region, 100, Multiline::No),
            ("postalCode", &mut self.postal_code, 20, Multiline::No),
            ("industry", &mut self.industry, 100, Multiline::No),
            ("source", &mut self.source, 100, Multiline::No),
            ("notes", &mut self.notes, 10_000, Multiline::Yes),
        ];
        for (field, text, most, multiline) in texts {
            if let Some(given) = text
                && let Some(cleaned) = faults.absorb(clean_text(field, given, most, multiline))?
            {
                *text = cleaned;
            }
        }
        Ok(())
    }

    fn check_figures(&self, faults: &mut Faults) {
        if self.employee_count.is_some_and(|count| count < 0) {
            faults.add("employeeCount", "OUT_OF_RANGE", "expected 0 or more");
        }
        if self.annual_revenue.is_some_and(|revenue| revenue.is_sign_negative()) {
            faults.add("annualRevenue", "OUT_OF_RANGE", "expected 0 or more");
        }
    }

    fn shown_name(&self) -> String {
        let person = [&self.first_name, &self.last_name]
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(" ");
        let person = Some(person).filter(|name| !name.is_empty());
        self.company_name
            .clone()
            .or_else(|| self.contact_name.clone())
            .or(person)
            .or_else(|| self.email.clone())
            .unwrap_or_default()
    }

    // Whoever may create records for itself only gets what it creates.
    fn assign_to_creator(&mut self, within: &TenantCrm) {
        let people = [self.assigned_to, self.coach, self.closer, self.setter];
        let reach = within.actor().reach(&Records::<Self>::permission("create"));
        if reach == Some(Reach::Assigned) && people.iter().all(Option::is_none) {
            self.assigned_to = Some(within.actor().user());
        }
    }

    // Only people who were not there before are asked about: a leaver stays where they were.
    async fn check_people(
        &self,
        before: Option<&Self>,
        within: &TenantCrm,
    ) -> Result<Vec<FieldError>> {
        let named = |of: &Self| {
            [
                ("assignedTo", of.assigned_to),
                ("coach", of.coach),
                ("closer", of.closer),
                ("setter", of.setter),
            ]
        };
        let old = before.map(named);
        let added: Vec<(&'static str, UserId)> = named(self)
            .into_iter()
            .filter(|new| !old.as_ref().is_some_and(|old| old.contains(new)))
            .filter_map(|(field, user)| user.map(|user| (field, user)))
            .collect();
        check_members(within, &added).await
    }
}
