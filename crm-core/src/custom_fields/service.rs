//! What can be done with definitions: what can be done with any record, and the work on stored
//! values that a change of one asks for.

use std::sync::Arc;

use super::claims::claimed;
use super::guard::{claim_of, held_by};
use super::work::{STEP, Task, Work};
use super::{CustomField, CustomFieldDraft, CustomFieldPatch, unique};
use crate::TenantCrm;
use crate::audit::Action;
use crate::entity::Entity;
use crate::error::{Error, Result};
use crate::id::Id;
use crate::records::{ATTEMPTS, Bulk, How, Outcome, Records, Rules, Selection, Unit};
use crate::store::{
    Comparison, Deleted, Filter, Operation, Path, Query, Record, Sort, Value, Window,
    evaluate::value_at, system,
};

/// The service of definitions.
///
/// A definition counts from the next write of a record on. Its record type, key and type stay as
/// they are, because stored values are of them. What a change asks of stored values is done a step
/// of some hundred records at a time: the first with the change itself, the others by
/// [`proceed`](Self::proceed) until [`CustomField::work`] is none.
#[derive(Debug, Clone)]
pub struct CustomFieldDefinitions(pub(super) Records<CustomField>);

/// One step of the work: the definition as it will be, and what else is in its commit.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) unit: Unit,
    after: CustomField,
}

impl std::ops::Deref for CustomFieldDefinitions {
    type Target = Records<CustomField>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl CustomFieldDefinitions {
    pub(crate) fn new(within: TenantCrm) -> Self {
        Self(within.records())
    }

    /// As [`Records::create`].
    ///
    /// # Errors
    /// As there.
    pub async fn create(&self, draft: CustomFieldDraft) -> Result<CustomField> {
        self.begin(self.0.create(draft).await?).await
    }

    /// As [`Records::replace`]; making it unique claims stored values.
    ///
    /// # Errors
    /// As there; a conflict with code `DUPLICATE_VALUES` where records share a value, `OPTION_IN_USE`
    /// where they have an option that is left out, `WORK_PENDING` where an earlier change is not
    /// done with.
    pub async fn replace(
        &self,
        id: Id<CustomField>,
        expected: Option<i64>,
        draft: CustomFieldDraft,
    ) -> Result<CustomField> {
        self.begin(self.0.replace(id, expected, draft).await?).await
    }

    /// As [`Records::patch`]; making it unique claims stored values.
    ///
    /// # Errors
    /// As [`CustomFieldDefinitions::replace`].
    pub async fn patch(
        &self,
        id: Id<CustomField>,
        expected: Option<i64>,
        patch: CustomFieldPatch,
    ) -> Result<CustomField> {
        self.begin(self.0.patch(id, expected, patch).await?).await
    }

    /// As [`Records::delete`]. Its values are seen nowhere from then on, and stay in records until
    /// somebody [proceeds](Self::proceed) with clearing them.
    ///
    /// # Errors
    /// As there.
    pub async fn delete(&self, id: Id<CustomField>, expected: Option<i64>) -> Result<CustomField> {
        self.begin(self.0.delete(id, expected).await?).await
    }

    /// As [`Records::restore`], with its values where none was cleared; one that is unique claims
    /// them anew.
    ///
    /// # Errors
    /// As there; a conflict with code `DUPLICATE_VALUES` where records share a value by now,
    /// `WORK_PENDING` where some values are cleared and others are not.
    pub async fn restore(&self, id: Id<CustomField>, expected: Option<i64>) -> Result<CustomField> {
        self.begin(self.0.restore(id, expected).await?).await
    }

    /// As [`Records::bulk`]; what is made unique claims stored values.
    ///
    /// # Errors
    /// As there.
    pub async fn bulk(
        &self,
        which: Selection<CustomField>,
        what: &Bulk<CustomField>,
        how: How,
    ) -> Result<Vec<Outcome<CustomField>>> {
        let mut outcomes = self.0.bulk(which, what, how).await?;
        for outcome in &mut outcomes {
            if let Ok((field, true)) = &outcome.result {
                let begun = self.begin(field.clone()).await;
                outcome.result = begun.map(|field| (field, true));
            }
        }
        Ok(outcomes)
    }

    /// Goes on with what is still to be done to stored values, one step; gives the definition as
    /// it is then. Can be called again at any time, also after a crash. Needs `update`, and
    /// `delete` to clear the values of a deleted definition.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`]; a conflict with code `DUPLICATE_VALUES` where
    /// records came to share a value of a field that was to be unique: then it is not.
    pub async fn proceed(&self, id: Id<CustomField>) -> Result<CustomField> {
        let within = self.0.within();
        for _ in 0..ATTEMPTS {
            // Whoever may not delete does not see deleted ones.
            let field = match self.0.load(id, Deleted::Include).await {
                Err(Error::Forbidden { .. }) => self.0.load(id, Deleted::Exclude).await?,
                field => field?,
            };
            let needed = if field.deleted_at.is_some() { "delete" } else { "update" };
            within.actor().require(&Records::<CustomField>::permission(needed))?;
            let Some(work) = field.to_do() else { return Ok(field) };
            // What is written below is held against the definition that was just read.
            CustomField::forget(within);
            let stepped = match &work.task {
                Task::Uniqueness => self.claim_some(&field, &work).await,
                Task::Option { option, replacement } => {
                    self.replace_some(&field, &work, option, replacement.as_deref()).await
                }
                Task::Clearing => self.clear_some(&field, &work).await,
                Task::Unused { options } => self.put_back_used(&field, options).await,
            };
            match stepped {
                // Somebody was faster, with a record or with the definition itself.
                Err(Error::Stale { .. }) => CustomField::forget(within),
                stepped => return stepped,
            }
        }
        Err(Error::busy(CustomField::ENTITY, id))
    }

    // The change itself has been made by now, so that only what contradicts it is an error.
    pub(super) async fn begin(&self, field: CustomField) -> Result<CustomField> {
        if field.to_do().is_none() {
            return Ok(field);
        }
        match self.proceed(field.id).await {
            Ok(field) => Ok(field),
            Err(refused @ Error::Conflict { code: "DUPLICATE_VALUES" | "OPTION_IN_USE", .. }) => {
                Err(refused)
            }
            Err(_) => Ok(field),
        }
    }

    async fn claim_some(&self, field: &CustomField, work: &Work) -> Result<CustomField> {
        let within = self.0.within();
        let Some((schema, path)) = field.place(within.crm().catalogue()) else {
            return self.settle(field, |after| after.work = None).await;
        };
        let having = Filter::Absent(path.clone()).not();
        let records = self.some(field, work, having, Deleted::Exclude).await?;
        let ids: Vec<_> = records.iter().map(Record::id).collect();
        let mut held = held_by(ids.iter().map(|id| (field.id, *id)), within).await?;
        let mut step = self.step(field, |after| after.work = work.past(&ids))?;
        for record in records {
            let id = record.id();
            let value = claimed(&value_at(&record, &path));
            let claim = held.remove(&(field.id, id));
            if let Some(claim) = claim_of(claim, field, id, value, &step.unit, within)? {
                // A record that changes meanwhile claims by itself.
                let schema = Arc::clone(schema);
                step.unit.add(Operation::Check { schema, before: record });
                step.unit.add(claim);
            }
        }
        match self.finish(step).await {
            Err(Error::Conflict { code: "DUPLICATE", .. }) => {
                let shared = unique::shared(field, within).await?;
                if shared.duplicates() == 0 {
                    // The same claim was made by another step.
                    let kind = CustomField::ENTITY.to_owned();
                    let (id, expected) = (field.id.to_string(), field.version);
                    return Err(Error::Stale { kind, id, expected });
                }
                let undo = |after: &mut CustomField| {
                    after.unique = false;
                    after.work = None;
                };
                self.settle(field, undo).await?;
                Err(unique::refusal(field, &shared, within).await?)
            }
            written => written,
        }
    }

    /// The next records that the work looks at, in the order of their ids.
    pub(super) async fn some(
        &self,
        field: &CustomField,
        work: &Work,
        having: Filter,
        deleted: Deleted,
    ) -> Result<Vec<Record>> {
        let within = self.0.within();
        let Some((schema, _)) = field.place(within.crm().catalogue()) else {
            return Ok(Vec::new());
        };
        let id = Path::field(system::ID);
        let mut filter = having;
        if let Some(after) = work.after {
            let behind = Filter::Compare(id.clone(), Comparison::Gt, Value::Uuid(after));
            filter = filter.and(behind);
        }
        let query = Query::new(Arc::clone(schema))
            .filter(filter)?
            .sort(vec![Sort::ascending(id)])?
            .window(Window::Page { offset: 0, limit: STEP })?
            .deleted(deleted);
        Ok(within.query_for_rules(query).await?.items)
    }

    /// A step that begins with what becomes of the definition.
    pub(super) fn step(
        &self,
        before: &CustomField,
        change: impl FnOnce(&mut CustomField),
    ) -> Result<Step> {
        let mut unit = Unit::within(self.0.within());
        let mut after = before.clone();
        change(&mut after);
        after.set_system(unit.next(before));
        unit.update(before.clone(), after.clone(), Action::Updated)?;
        Ok(Step { unit, after })
    }

    /// Commits a step; gives the definition as it is then.
    pub(super) async fn finish(&self, step: Step) -> Result<CustomField> {
        let done = step.unit.commit(self.0.within()).await;
        CustomField::forget(self.0.within());
        done.map(|_| step.after)
    }

    /// A step that changes the definition and nothing else.
    pub(super) async fn settle(
        &self,
        before: &CustomField,
        change: impl FnOnce(&mut CustomField),
    ) -> Result<CustomField> {
        self.finish(self.step(before, change)?).await
    }
}
