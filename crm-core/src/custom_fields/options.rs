//! The options of a choice over their life: which records have one, and what becomes of their
//! values where it is renamed or taken away.
//!
//! The definition changes at once, so that nobody can choose what is gone; stored values follow in
//! steps, and count as they are stored until then. No value goes without somebody having said so.

use std::fmt::Write;

use super::stored::rewritten;
use super::unique::sees_all;
use super::work::{Task, Work};
use super::{CustomField, CustomFieldDefinitions, CustomType};
use crate::TenantCrm;
use crate::access::{Permission, Reach};
use crate::entity::{Entity, SystemFields};
use crate::error::{Error, Faults, Result};
use crate::id::Id;
use crate::records::{ATTEMPTS, Records};
use crate::store::evaluate::value_at;
use crate::store::{Aggregate, Deleted, Filter, Group, Record, Value};
use crate::values::{Multiline, required_text};

/// What records get in place of an option that is taken away.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Instead {
    /// Nothing is decided: the option stays where a record has it.
    #[default]
    Refuse,
    /// Another option.
    Option(String),
    /// No value.
    Nothing,
}

/// A change of one option.
#[derive(Debug, Clone)]
enum Change {
    Rename { to: String },
    Remove { instead: Instead },
}

impl CustomFieldDefinitions {
    /// Calls an option something else, in its place among the others and in all records. Needs
    /// `update`, and `update` of all records of the type.
    ///
    /// # Errors
    /// As [`Records::replace`]; [`Error::Invalid`] where there is no such option, or one is called
    /// so; a conflict with code `WORK_PENDING` where an earlier change is not done with.
    pub async fn rename_option(
        &self,
        id: Id<CustomField>,
        expected: Option<i64>,
        option: &str,
        to: &str,
    ) -> Result<CustomField> {
        self.revise(id, expected, option, &Change::Rename { to: to.to_owned() }).await
    }

    /// Takes an option away, and gives the records that have it what is said instead. Needs what
    /// [`rename_option`](Self::rename_option) needs.
    ///
    /// # Errors
    /// As there; a conflict with code `OPTION_IN_USE` and the number of records where some have it
    /// and nothing was decided.
    pub async fn remove_option(
        &self,
        id: Id<CustomField>,
        expected: Option<i64>,
        option: &str,
        instead: Instead,
    ) -> Result<CustomField> {
        self.revise(id, expected, option, &Change::Remove { instead }).await
    }

    async fn revise(
        &self,
        id: Id<CustomField>,
        expected: Option<i64>,
        option: &str,
        change: &Change,
    ) -> Result<CustomField> {
        let within = self.0.within();
        for _ in 0..ATTEMPTS {
            let before = self.0.get(id).await?;
            within.actor().require(&Records::<CustomField>::permission("update"))?;
            may_rewrite(&before, within)?;
            if let Some(expected) = expected.filter(|expected| *expected != before.version) {
                let (kind, id) = (CustomField::ENTITY.to_owned(), id.to_string());
                return Err(Error::Stale { kind, id, expected });
            }
            let after = revised(&before, option, change, within).await?;
            let put = |field: &mut CustomField| {
                let system = SystemFields::of(&*field);
                field.clone_from(&after);
                field.set_system(system);
            };
            match self.0.change(id, Some(before.version), put).await {
                Err(Error::Stale { .. }) if expected.is_none() => {}
                done => return self.begin(done?).await,
            }
        }
        Err(Error::busy(CustomField::ENTITY, id))
    }

    /// One step of putting something else in the place of an option.
    pub(super) async fn replace_some(
        &self,
        field: &CustomField,
        work: &Work,
        option: &str,
        replacement: Option<&str>,
    ) -> Result<CustomField> {
        let within = self.0.within();
        let Some((schema, path)) = field.place(within.crm().catalogue()) else {
            return self.settle(field, |after| after.work = None).await;
        };
        may_rewrite(field, within)?;
        let having = Filter::eq(path.clone(), option);
        let records = self.some(field, work, having, Deleted::Include).await?;
        let ids: Vec<_> = records.iter().map(Record::id).collect();
        let mut step = self.step(field, |after| after.work = work.past(&ids))?;
        for before in records {
            let value = replaced(value_at(&before, &path).into_owned(), option, replacement);
            let after = rewritten(schema, &before, field, value, &step.unit)?;
            step.unit.update_record(schema, before, after)?;
        }
        self.finish(step).await
    }

    /// Options that were taken away because nobody had them come back where somebody was given one
    /// at that moment.
    pub(super) async fn put_back_used(
        &self,
        field: &CustomField,
        options: &[String],
    ) -> Result<CustomField> {
        let used = used(field, options, self.0.within()).await?;
        if used.is_empty() {
            return self.settle(field, |after| after.work = None).await;
        }
        let back = used.iter().map(|(option, _)| option.clone());
        let put_back = |after: &mut CustomField| {
            after.options.extend(back);
            after.work = None;
        };
        self.settle(field, put_back).await?;
        Err(in_use(field, &used, self.0.within()))
    }
}

/// That the actor may change every record of the type: nobody changes what they do not reach by
/// way of a definition.
pub(super) fn may_rewrite(field: &CustomField, within: &TenantCrm) -> Result<()> {
    let Some((schema, _)) = field.place(within.crm().catalogue()) else { return Ok(()) };
    let permission = Permission::on(schema, "update");
    match within.actor().require(&permission)? {
        Reach::All => Ok(()),
        held => Err(Error::Forbidden { permission, held: Some(held), needed: Reach::All }),
    }
}

/// Which of these options records have, live ones and deleted ones, and how many.
pub(super) async fn used(
    field: &CustomField,
    options: &[String],
    within: &TenantCrm,
) -> Result<Vec<(String, u64)>> {
    let Some((schema, path)) = field.place(within.crm().catalogue()) else {
        return Ok(Vec::new());
    };
    let count = |options: &[String]| {
        let values = options.iter().map(|option| Value::from(option.as_str())).collect();
        let of = Aggregate::count(schema.clone()).filter(Filter::In(path.clone(), values));
        async move {
            let groups = within.aggregate_for_rules(of?.deleted(Deleted::Include)).await?;
            Group::only(groups)?.count(0)
        }
    };
    let mut used = Vec::new();
    if options.is_empty() || count(options).await? == 0 {
        return Ok(used);
    }
    for option in options {
        let number = count(std::slice::from_ref(option)).await?;
        if number > 0 {
            used.push((option.clone(), number));
        }
    }
    Ok(used)
}

/// Why options stay: how many records have each, where the actor sees all of them.
pub(super) fn in_use(field: &CustomField, used: &[(String, u64)], within: &TenantCrm) -> Error {
    let counts = sees_all(field, within);
    let mut message = format!("{} have options that are to go: ", field.record_type);
    for (i, (option, number)) in used.iter().enumerate() {
        let between = if i == 0 { "" } else { ", " };
        // Writing to a text does not fail.
        let _ = if counts {
            write!(message, "{between}{option:?} in {number}")
        } else {
            write!(message, "{between}{option:?}")
        };
    }
    message.push_str("; say what they get instead when one is removed");
    Error::Conflict { code: "OPTION_IN_USE", field: Some("options".to_owned()), message }
}

/// That stored values are as the definition has them: one change at a time asks something of them.
pub(super) fn pending(field: &CustomField) -> Result<()> {
    if field.work.is_none() {
        return Ok(());
    }
    let message = "an earlier change is not done with: proceed with it first".to_owned();
    Err(Error::Conflict { code: "WORK_PENDING", field: None, message })
}

async fn revised(
    before: &CustomField,
    option: &str,
    change: &Change,
    within: &TenantCrm,
) -> Result<CustomField> {
    let mut faults = Faults::default();
    let place = before.options.iter().position(|known| known == option);
    let is_choice = matches!(before.field_type, CustomType::Choice | CustomType::Choices);
    if !is_choice {
        let message = format!("a {} has no options", before.field_type);
        faults.add("option", "NOT_ALLOWED", message);
    } else if place.is_none() {
        let message = format!("expected one of {}, got {option:?}", before.options.join(", "));
        faults.add("option", "INVALID_OPTION", message);
    }
    let replacement = match change {
        Change::Rename { to } => {
            let to = faults.absorb(required_text("to", to, 100, Multiline::No))?;
            if let Some(to) = to.as_ref().filter(|to| *to != option && before.options.contains(to))
            {
                let message = format!("{to:?} is there already");
                faults.add("to", "DUPLICATE", message);
            }
            to
        }
        Change::Remove { instead: Instead::Option(other) } => {
            if is_choice && (other == option || !before.options.contains(other)) {
                let message = format!("expected another of the options, got {other:?}");
                faults.add("replacement", "INVALID_OPTION", message);
            }
            Some(other.clone())
        }
        Change::Remove { .. } => None,
    };
    faults.into_result()?;
    if matches!(change, Change::Rename { .. }) && replacement.as_deref() == Some(option) {
        return Ok(before.clone());
    }
    pending(before)?;
    let used = used(before, &[option.to_owned()], within).await?;
    let number = used.iter().map(|(_, number)| number).sum();
    if number > 0 && matches!(change, Change::Remove { instead: Instead::Refuse }) {
        return Err(in_use(before, &used, within));
    }
    if number > 0 && before.required && replacement.is_none() {
        let message = "a required field needs another option in its place";
        return Err(Error::invalid("replacement", "REQUIRED", message));
    }
    let mut after = before.clone();
    if let Some(place) = place {
        match change {
            Change::Rename { .. } => {
                if let (Some(known), Some(to)) = (after.options.get_mut(place), &replacement) {
                    known.clone_from(to);
                }
            }
            Change::Remove { .. } => drop(after.options.remove(place)),
        }
    }
    if let Some(default) = after.default.take() {
        after.default = replaced_default(default, option, replacement.as_deref());
    }
    let task = match change {
        // Where somebody is given the option at this moment, it is not lost.
        Change::Remove { instead: Instead::Refuse } => {
            Task::Unused { options: vec![option.to_owned()] }
        }
        _ => Task::Option { option: option.to_owned(), replacement },
    };
    after.work = Some(Work::begin(task, number));
    Ok(after)
}

fn replaced_default(
    default: serde_json::Value,
    option: &str,
    replacement: Option<&str>,
) -> Option<serde_json::Value> {
    let value = super::values::from_json(&default)?;
    replaced(value, option, replacement).map(|value| crate::audit::json(&value))
}

/// A value without an option, with another one in its place. None where nothing is left.
fn replaced(value: Value, option: &str, replacement: Option<&str>) -> Option<Value> {
    match value {
        Value::Text(text) if text == option => replacement.map(Value::from),
        Value::Codes(codes) => {
            let mut chosen: Vec<String> = Vec::new();
            for code in codes {
                let code = if code == option { replacement.map(str::to_owned) } else { Some(code) };
                if let Some(code) = code.filter(|code| !chosen.contains(code)) {
                    chosen.push(code);
                }
            }
            (!chosen.is_empty()).then_some(Value::Codes(chosen))
        }
        other => Some(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_gives_way_to_another_one_once() {
        let list = |codes: &[&str]| Value::Codes(codes.iter().map(|c| (*c).to_owned()).collect());
        assert_eq!(replaced("a".into(), "a", Some("b")), Some("b".into()));
        assert_eq!(replaced("a".into(), "a", None), None);
        assert_eq!(replaced("c".into(), "a", None), Some("c".into()));
        assert_eq!(replaced(list(&["a", "b", "c"]), "a", Some("b")), Some(list(&["b", "c"])));
        assert_eq!(replaced(list(&["c", "a"]), "a", Some("b")), Some(list(&["c", "b"])));
        assert_eq!(replaced(list(&["a"]), "a", None), None);
    }
}
