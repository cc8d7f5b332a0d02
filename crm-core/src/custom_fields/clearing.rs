//! What becomes of the values of a deleted definition.
//!
//! They are hidden at once (see [`super::hidden`]) and can come back with the definition until
//! somebody asks for them to be cleared, a step at a time. Until that is done, no other definition
//! can have the key, so that none shows what was another one's.

use super::guard::{claim_of, held_by};
use super::stored::{held, rewritten};
use super::work::{Task, Work};
use super::{CustomField, CustomFieldDefinitions};
use crate::TenantCrm;
use crate::entity::Entity;
use crate::error::{Error, Result};
use crate::store::{Aggregate, Deleted, Group, MAX_LIMIT, Query, Record, Window};

impl CustomFieldDefinitions {
    /// One step of clearing: the first looks how many records there are, and takes nothing.
    pub(super) async fn clear_some(&self, field: &CustomField, work: &Work) -> Result<CustomField> {
        let within = self.0.within();
        let done = |after: &mut CustomField| {
            after.work = None;
            after.cleared = true;
        };
        let Some((schema, _)) = field.place(within.crm().catalogue()) else {
            return self.settle(field, done).await;
        };
        let Some(having) = held(schema, &field.key) else { return self.settle(field, done).await };
        if field.work.as_ref() != Some(work) {
            let count = Aggregate::count(schema.clone()).filter(having)?.deleted(Deleted::Include);
            let total = Group::only(within.aggregate_for_rules(count).await?)?.count(0)?;
            if total == 0 {
                return self.settle(field, done).await;
            }
            let begin = |after: &mut CustomField| {
                after.work = Some(Work::begin(Task::Clearing, total));
            };
            return self.settle(field, begin).await;
        }
        let records = self.some(field, work, having, Deleted::Include).await?;
        let ids: Vec<_> = records.iter().map(Record::id).collect();
        // What was claimed goes too: a claim repeats the value.
        let mut claims = held_by(ids.iter().map(|id| (field.id, *id)), within).await?;
        let next = work.past(&ids);
        let mut step = self.step(field, |after| match next {
            Some(next) => after.work = Some(next),
            None => done(after),
        })?;
        for before in records {
            let claim = claims.remove(&(field.id, before.id()));
            let claim = claim_of(claim, field, before.id(), None, &step.unit, within)?;
            if let Some(claim) = claim {
                step.unit.add(claim);
            }
            let after = rewritten(schema, &before, field, None, &step.unit)?;
            step.unit.update_record(schema, before, after)?;
        }
        self.finish(step).await
    }
}

impl CustomField {
    /// That nobody's values appear under its key, now that it comes to be or is brought back.
    pub(super) async fn takes_key(
        &mut self,
        before: Option<&Self>,
        within: &TenantCrm,
    ) -> Result<()> {
        if let Some(before) = before {
            let begun = before.work.as_ref().filter(|work| work.task == Task::Clearing);
            if let Some(work) = begun.filter(|work| work.done > 0) {
                let message = format!(
                    "{} of {} values are cleared already: proceed, and it can be restored without \
                     them",
                    work.done, work.total
                );
                return Err(pending(None, message));
            }
            self.work = None;
            self.cleared = false;
        }
        let of_key = CustomField::RECORD_TYPE
            .eq(self.record_type.as_str())
            .and(CustomField::KEY.eq(self.key.as_str()))
            .and(CustomField::CLEARED.eq(false));
        let query = Query::new(CustomField::schema().clone())
            .filter(of_key.into_filter())?
            .window(Window::Page { offset: 0, limit: MAX_LIMIT })?
            .deleted(Deleted::Only);
        for record in within.query_for_rules(query).await?.items {
            if record.id() != self.id.uuid() {
                let message = format!(
                    "records still have values of a deleted field of this key: proceed with {}",
                    record.id()
                );
                return Err(pending(Some("key".to_owned()), message));
            }
        }
        Ok(())
    }
}

fn pending(field: Option<String>, message: String) -> Error {
    Error::Conflict { code: "WORK_PENDING", field, message }
}
