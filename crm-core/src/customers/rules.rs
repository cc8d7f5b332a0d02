//! What must hold of a customer.

use async_trait::async_trait;

use super::Customer;
use crate::companies::check_figures;
use crate::crm::TenantCrm;
use crate::error::{Faults, Result};
use crate::records::{Records, Rules};
use crate::tags::check_tags;
use crate::users::{Named, check_named};
use crate::values::{Contacts, Multiline, clean_texts};

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
        check_figures(self.employee_count, self.annual_revenue, &mut faults);
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
            if self.people().iter().all(|(_, user)| user.is_none()) {
                self.assigned_to = Records::<Self>::for_creator(within);
            }
        }
        check_named(within, before.map(Self::people), self.people(), &mut faults).await?;
        faults.into_result()
    }
}

impl Customer {
    fn clean_texts(&mut self, faults: &mut Faults) -> Result<()> {
        let texts = [
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
        clean_texts(texts, faults)
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

    fn people(&self) -> Named<4> {
        [
            ("assignedTo", self.assigned_to),
            ("coach", self.coach),
            ("closer", self.closer),
            ("setter", self.setter),
        ]
    }
}
