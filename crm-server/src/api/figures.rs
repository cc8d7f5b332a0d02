//! Figures over the records of a list: what is asked for, and what all of them have in common.
//!
//! They are of those records that the parameters of the list choose, and have no parts and no
//! order: a parameter that would mean nothing is refused, not ignored.

use std::collections::BTreeMap;

use crm_core::custom_fields::{CustomFigures, Figures, MOST_FIGURES};
use crm_core::language::ParameterDescription;
use crm_core::records::{Counts, Money};
use crm_core::store::Kind;
use crm_core::{Entity, Where};
use poem::Request;
use poem_openapi::Object;
use rust_decimal::Decimal;
use serde::Serialize;

use super::bulk::{NO_CHOICE, must_choose};
use super::caller::Caller;
use super::crud::{self, Resource, parameters};
use super::error::ApiError;

/// The parameter that names the tenant's own fields that figures are given over.
const FIGURES: &str = "customFields";

/// How many there are of one kind.
#[derive(Debug, Clone, Serialize, Object)]
pub struct Counted {
    /// The kind; null for those that are of none.
    pub key: Option<String>,
    /// How many.
    pub count: u64,
}

/// Figures over one of the tenant's own fields.
#[derive(Debug, Clone, Default, Serialize, Object)]
#[oai(rename = "CustomFieldFigures")]
pub struct CustomFiguresView {
    /// How many there are of each value: of choices, references, yes and no. A record with several
    /// options counts under each of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counts: Option<Vec<Counted>>,
    /// How many have a number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// The sum of the numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sum: Option<Decimal>,
    /// The least of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<Decimal>,
    /// The greatest of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<Decimal>,
}

impl From<Figures> for CustomFiguresView {
    fn from(figures: Figures) -> Self {
        match figures {
            Figures::Counts(counts) => Self { counts: Some(counted(counts)), ..Self::default() },
            Figures::Numbers { count, sum, min, max } => {
                Self { count: Some(count), sum: Some(sum), min, max, ..Self::default() }
            }
        }
    }
}

/// Those counts.
pub(super) fn counted(counts: Counts) -> Vec<Counted> {
    counts.into_iter().map(|(key, count)| Counted { key, count }).collect()
}

/// What records come to in one currency.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(rename = "MoneyFigures")]
pub struct MoneyView {
    /// The currency (ISO 4217); null for those that name none.
    pub currency: Option<String>,
    /// How many have an amount.
    pub count: u64,
    /// The amounts together.
    pub sum: Decimal,
}

impl From<Money> for MoneyView {
    fn from(money: Money) -> Self {
        let Money { currency, count, sum } = money;
        Self { currency, count, sum }
    }
}

/// Those figures over the tenant's own fields, by their keys.
pub(super) fn by_key(figures: Vec<CustomFigures>) -> BTreeMap<String, CustomFiguresView> {
    let each = |CustomFigures { key, figures }| (key, CustomFiguresView::from(figures));
    figures.into_iter().map(each).collect()
}

/// The records that figures are asked for, and the tenant's own fields to give them over.
///
/// # Errors
/// 400 naming the parameter that cannot be understood, or that figures have no use for.
pub(super) async fn asked<R: Resource>(
    caller: &Caller,
    request: &Request,
) -> Result<(Where<R::Entity>, Vec<String>), ApiError> {
    let parameters = parameters(request)?;
    for (name, _) in &parameters {
        must_choose(name, name.clone())?;
    }
    let own = parameters.iter().filter(|(name, _)| name == FIGURES).flat_map(|(_, keys)| {
        keys.split(',').map(str::trim).filter(|key| !str::is_empty(key)).map(str::to_owned)
    });
    let own: Vec<String> = own.collect();
    let of_own: &[&str] = if R::Entity::schema().custom().is_some() { &[FIGURES] } else { &[] };
    let asked = crud::asked::<R>(caller, &parameters, of_own).await?;
    Ok((Where::new(asked.filter), own))
}

/// The parameters of figures, for the document.
pub(super) fn described<R: Resource>() -> Vec<ParameterDescription> {
    let (_, mut parameters) = crud::described::<R>();
    parameters.retain(|parameter| !NO_CHOICE.contains(&parameter.name.as_str()));
    if R::Entity::schema().custom().is_none() {
        return parameters;
    }
    parameters.push(ParameterDescription {
        name: FIGURES.to_owned(),
        kind: Kind::Text,
        multiple: true,
        suffixes: Vec::new(),
        choices: None,
        one_of: Vec::new(),
        description: format!(
            "The keys of the tenant's own fields to give figures over, at most {MOST_FIGURES}: \
             choices, references, yes or no, and numbers."
        ),
        example: "plan".to_owned(),
    });
    parameters
}
