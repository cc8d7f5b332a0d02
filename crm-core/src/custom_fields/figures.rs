//! Figures over a tenant's own fields, under the same filter and reach as those over built-in ones.

use std::sync::Arc;

use rust_decimal::Decimal;

use super::{CustomType, definitions};
use crate::error::{Error, Result};
use crate::records::{Counts, Records, Rules, counts};
use crate::store::{Aggregate, Filter, Group, GroupBy, Measure, Value};

/// Over how many fields there are figures at once: each is a question of its own.
pub const MOST_FIGURES: usize = 16;

/// Figures over one of the tenant's own fields.
#[derive(Debug, Clone, PartialEq)]
pub struct CustomFigures {
    /// The key of the field.
    pub key: String,
    /// The figures.
    pub figures: Figures,
}

/// Figures, by what a field holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Figures {
    /// How many records there are of each value. A record with several options counts under each
    /// of them, one without a value under none.
    Counts(Counts),
    /// Of numbers.
    Numbers {
        /// How many records have one.
        count: u64,
        /// Their sum.
        sum: Decimal,
        /// The least of them.
        min: Option<Decimal>,
        /// The greatest of them.
        max: Option<Decimal>,
    },
}

/// The figures over these fields of the records that match.
///
/// # Errors
/// [`Error::Unreadable`] where there is no such field, it is neither a choice, yes or no, a
/// reference nor a number, or there are more than [`MOST_FIGURES`].
pub(crate) async fn figures<E: Rules>(
    records: &Records<E>,
    filter: &Filter,
    keys: &[String],
) -> Result<Vec<CustomFigures>> {
    let refused = |code, message: String| Err(Error::unreadable("customFields", code, message));
    if keys.len() > MOST_FIGURES {
        return refused("OUT_OF_RANGE", format!("expected at most {MOST_FIGURES} fields"));
    }
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let defined = definitions(records.within(), E::ENTITY).await?;
    let mut all = Vec::with_capacity(keys.len());
    for key in keys {
        let Some(field) = defined.iter().find(|field| field.key == *key) else {
            let known: Vec<&str> = defined.iter().map(|field| field.key.as_str()).collect();
            let known = known.join(", ");
            return refused("UNKNOWN_FIELD", format!("expected some of [{known}], got {key:?}"));
        };
        let Some((schema, path)) = field.place(records.within().crm().catalogue()) else {
            continue;
        };
        let over = |filter: Filter| Aggregate::count(Arc::clone(schema)).filter(filter);
        let counted = match field.field_type {
            CustomType::Choice | CustomType::Boolean | CustomType::Reference => {
                Some(GroupBy::Value(path.clone()))
            }
            CustomType::Choices => Some(GroupBy::Each(path.clone())),
            CustomType::Number | CustomType::Decimal => None,
            other => {
                let message = format!("there are no figures over a {other}, as {key} is");
                return refused("INVALID_VALUE", message);
            }
        };
        let figures = match counted {
            Some(by) => {
                let groups = records.aggregate(over(filter.clone())?.group_by(vec![by])?).await?;
                Figures::Counts(counts(&groups)?)
            }
            None => {
                let present = filter.clone().and(Filter::Absent(path.clone()).not());
                let measures = vec![
                    Measure::Count,
                    Measure::Sum(path.clone()),
                    Measure::Min(path.clone()),
                    Measure::Max(path),
                ];
                numbers(records.aggregate(over(present)?.measures(measures)?).await?)?
            }
        };
        all.push(CustomFigures { key: key.clone(), figures });
    }
    Ok(all)
}

fn numbers(groups: Vec<Group>) -> Result<Figures> {
    let number = |value: &Value| match value {
        Value::Int(int) => Some(Decimal::from(*int)),
        Value::Decimal(decimal) => Some(decimal.normalize()),
        _ => None,
    };
    let group = Group::only(groups)?;
    let [_, sum, min, max] = &group.values[..] else {
        return Err(Error::internal("figures are missing"));
    };
    Ok(Figures::Numbers {
        count: group.count(0)?,
        sum: number(sum).unwrap_or_default(),
        min: number(min),
        max: number(max),
    })
}
