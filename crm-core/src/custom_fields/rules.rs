//! What must hold of a definition, and what may become of one.

use async_trait::async_trait;

use super::work::{Task, Work};
use super::{CustomField, CustomType, MOST_PER_TYPE, options, unique};
use crate::TenantCrm;
use crate::error::{Error, Faults, FieldError, Result};
use crate::records::Rules;
use crate::values::{Multiline, clean_texts, required_text};

#[async_trait]
impl Rules for CustomField {
    async fn check(&mut self, before: Option<&Self>, within: &TenantCrm) -> Result<()> {
        let mut faults = Faults::default();
        let is_key = self.key.starts_with(|c: char| c.is_ascii_alphabetic())
            && self.key.len() <= 50
            && self.key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !is_key {
            faults.add(
                "key",
                "INVALID_KEY",
                format!(
                    "expected up to 50 letters, digits and _, beginning with a letter, got {:?}",
                    self.key
                ),
            );
        }
        let known = within.crm().catalogue().get(&self.record_type);
        if known.is_none_or(|schema| schema.custom().is_none()) {
            faults.add(
                "recordType",
                "UNKNOWN_RECORD_TYPE",
                format!("expected a type with custom fields, got {:?}", self.record_type),
            );
        }
        if let Some(label) =
            faults.absorb(required_text("label", &self.label, 100, Multiline::No))?
        {
            self.label = label;
        }
        clean_texts([("help", &mut self.help, 500, Multiline::Yes)], &mut faults)?;
        self.check_options(&mut faults)?;
        self.check_reference(within, &mut faults);
        self.check_unique(&mut faults);
        // A definition that is brought back counts like one that is new.
        if before.is_none_or(|before| before.deleted_at.is_some()) {
            let defined = super::all_definitions(within, &self.record_type).await?;
            if defined.len() >= MOST_PER_TYPE {
                let message = format!("there are {MOST_PER_TYPE} for {} already", self.record_type);
                faults.add("", "TOO_MANY", message);
            }
        }
        if let Some(before) = before {
            for (field, same) in [
                ("recordType", self.record_type == before.record_type),
                ("key", self.key == before.key),
                ("type", self.field_type == before.field_type),
                ("references", self.references == before.references),
            ] {
                if !same {
                    faults.add(field, "IMMUTABLE", "cannot be changed once records can have it");
                }
            }
        }
        if let Some(default) = &self.default {
            let value = super::values::from_json(default);
            let coerced = value
                .ok_or_else(|| Error::invalid("default", "INVALID_TYPE", "expected a plain value"))
                .and_then(|value| self.coerce(value));
            if let Err(Error::Invalid(wrong)) = coerced {
                for FieldError { code, message, .. } in wrong {
                    faults.add("default", code, message);
                }
            }
        }
        faults.into_result()?;
        match before.filter(|before| before.deleted_at.is_none()) {
            Some(before) => self.prepare_options(before, within).await?,
            None => self.takes_key(before, within).await?,
        }
        self.prepare_uniqueness(before, within).await
    }

    fn forget(within: &TenantCrm) {
        within.crm().definitions().forget(within.actor().tenant());
    }
}

impl CustomField {
    fn check_unique(&self, faults: &mut Faults) {
        if self.unique && !self.field_type.can_be_unique() {
            let message = format!("a {} cannot be unique", self.field_type);
            faults.add("unique", "NOT_ALLOWED", message);
        }
        if self.unique && self.default.is_some() {
            let message = "a unique field has no default: a second record could not have it";
            faults.add("default", "NOT_ALLOWED", message);
        }
    }

    fn check_reference(&self, within: &TenantCrm, faults: &mut Faults) {
        let known = || within.end_types().collect::<Vec<_>>().join(", ");
        match (self.field_type, &self.references) {
            (CustomType::Reference, None) => {
                faults.add("references", "REQUIRED", format!("expected one of {}", known()));
            }
            (CustomType::Reference, Some(of)) if !within.end_types().any(|known| known == of) => {
                let message = format!("expected one of {}, got {of:?}", known());
                faults.add("references", "UNKNOWN_RECORD_TYPE", message);
            }
            (CustomType::Reference, Some(_)) | (_, None) => {}
            (_, Some(_)) => {
                faults.add("references", "NOT_ALLOWED", "only a reference names records of a type");
            }
        }
        if self.field_type == CustomType::Reference && self.default.is_some() {
            let message = "a reference has no default: the record may go";
            faults.add("default", "NOT_ALLOWED", message);
        }
    }

    // Where it becomes unique, stored values are claimed in steps from then on; where values are
    // shared already, it does not.
    async fn prepare_uniqueness(
        &mut self,
        before: Option<&Self>,
        within: &TenantCrm,
    ) -> Result<()> {
        if !self.unique {
            if self.work.as_ref().is_some_and(|work| work.task == Task::Uniqueness) {
                self.work = None;
            }
            return Ok(());
        }
        // While it was deleted, nobody claimed.
        let was = before.is_some_and(|before| before.unique && before.deleted_at.is_none());
        if was {
            return Ok(());
        }
        self.unique_round += 1;
        let shared = unique::shared(self, within).await?;
        if shared.duplicates() > 0 {
            return Err(unique::refusal(self, &shared, within).await?);
        }
        // No record can have got a value yet of a field that was not there.
        if before.is_some() || shared.held > 0 {
            self.work = Some(Work::begin(Task::Uniqueness, shared.held));
        }
        Ok(())
    }

    // An option that records have does not go without saying what they get instead.
    async fn prepare_options(&mut self, before: &Self, within: &TenantCrm) -> Result<()> {
        if self.options == before.options {
            return Ok(());
        }
        options::pending(before)?;
        if self.work.is_some() {
            return Ok(());
        }
        let gone = before.options.iter().filter(|option| !self.options.contains(option));
        let gone: Vec<String> = gone.cloned().collect();
        if gone.is_empty() {
            return Ok(());
        }
        let used = options::used(before, &gone, within).await?;
        if !used.is_empty() {
            return Err(options::in_use(before, &used, within));
        }
        self.work = Some(Work::begin(Task::Unused { options: gone }, 0));
        Ok(())
    }

    fn check_options(&mut self, faults: &mut Faults) -> Result<()> {
        let chosen = matches!(self.field_type, CustomType::Choice | CustomType::Choices);
        if chosen == self.options.is_empty() || self.options.len() > 200 {
            faults.add(
                "options",
                if chosen { "REQUIRED" } else { "NOT_ALLOWED" },
                "expected 1 to 200 options for a choice, none for other types",
            );
            // Not looked into: there may be any number.
            return Ok(());
        }
        let mut cleaned: Vec<String> = Vec::new();
        for (i, option) in self.options.iter().enumerate() {
            let field = format!("options[{i}]");
            if let Some(option) =
                faults.absorb(required_text(&field, option, 100, Multiline::No))?
            {
                if cleaned.contains(&option) {
                    faults.add(field, "DUPLICATE", format!("{option:?} is there already"));
                } else {
                    cleaned.push(option);
                }
            }
        }
        self.options = cleaned;
        Ok(())
    }
}
