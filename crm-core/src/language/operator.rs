//! What may be asked of a field, by its kind, and the filter that asks it.

use super::Context;
use super::fields::Fault;
use crate::store::{Comparison, Filter, Kind, Path, Value};

/// What is asked of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    /// Is one of the values; a list has any of them.
    Any,
    /// As `Any`, written out as a list.
    In,
    /// Is none of the values; a list has none of them.
    NotAny,
    /// A list has none of the values.
    NoneOf,
    /// A list has all the values.
    All,
    /// Stands so to the value.
    Compare(Comparison),
    /// Is absent, or is not.
    Null,
    /// Contains the text.
    Contains,
    /// Starts with the text.
    StartsWith,
}

impl Operator {
    /// The operator of a suffix: `gte` of `value[gte]`.
    pub(super) fn from_suffix(suffix: &str) -> Option<Self> {
        SUFFIXES.iter().find(|(known, _)| *known == suffix).map(|(_, operator)| *operator)
    }

    /// Whether its value is a list, separated by commas.
    pub(super) fn takes_list(self) -> bool {
        matches!(self, Self::In | Self::NotAny | Self::All | Self::NoneOf)
    }

    fn suits(self, kind: Kind) -> bool {
        match self {
            Self::Any | Self::In | Self::NotAny | Self::Null => true,
            Self::All | Self::NoneOf => kind.is_list(),
            Self::Compare(_) => kind.is_ordered() && !matches!(kind, Kind::Bool | Kind::Uuid),
            Self::Contains | Self::StartsWith => matches!(kind, Kind::Text | Kind::Code),
        }
    }
}

/// The suffixes, as they are documented.
pub(super) const SUFFIXES: &[(&str, Operator)] = &[
    ("eq", Operator::Any),
    ("ne", Operator::NotAny),
    ("in", Operator::In),
    ("gt", Operator::Compare(Comparison::Gt)),
    ("gte", Operator::Compare(Comparison::Ge)),
    ("lt", Operator::Compare(Comparison::Lt)),
    ("lte", Operator::Compare(Comparison::Le)),
    ("contains", Operator::Contains),
    ("startsWith", Operator::StartsWith),
    ("all", Operator::All),
    ("none", Operator::NoneOf),
    ("null", Operator::Null),
];

/// The suffixes that suit a kind.
pub(super) fn suffixes_of(kind: Kind) -> Vec<&'static str> {
    let suit = |(_, operator): &&(&str, Operator)| operator.suits(kind);
    SUFFIXES.iter().filter(suit).map(|(suffix, _)| *suffix).collect()
}

impl Context<'_> {
    /// Refuses an operator that does not suit the field.
    pub(super) fn suits(&self, path: &Path, operator: Operator) -> Result<(), Fault> {
        let kind = path.kind(self.schema);
        if operator.suits(kind) {
            return Ok(());
        }
        let name = path.name(self.schema);
        let what = match operator {
            Operator::Compare(_) => "cannot be compared by order",
            Operator::Contains | Operator::StartsWith => "is not text",
            _ => "is not a list",
        };
        let message = format!("{name} {what}; it takes {}", suffixes_of(kind).join(", "));
        Err(Fault::new("INVALID_OPERATOR", message))
    }

    /// The filter that asks this of the field.
    pub(super) fn ask(
        &self,
        path: Path,
        operator: Operator,
        texts: &[String],
    ) -> Result<Filter, Fault> {
        self.suits(&path, operator)?;
        let name = || path.name(self.schema);
        let one = || match texts {
            [one] => Ok(one.as_str()),
            _ => Err(Fault::new("INVALID_VALUE", format!("{} expects one value", name()))),
        };
        match operator {
            Operator::Null => match super::values::flag(one()?) {
                Some(true) => Ok(Filter::Absent(path)),
                Some(false) => Ok(Filter::Absent(path).not()),
                None => {
                    let message = format!("{}[null] expects true or false", name());
                    Err(Fault::new("INVALID_VALUE", message))
                }
            },
            Operator::Contains => Ok(Filter::Contains(path.clone(), one()?.to_owned())),
            Operator::StartsWith => Ok(Filter::StartsWith(path.clone(), one()?.to_owned())),
            Operator::Compare(comparison) => {
                // A bound need not be a whole address or country: `email[gte]=m`.
                let value = match self.schema.field(path.field).reading {
                    Some(_) => Value::Text(one()?.to_owned()),
                    None => self.value(&path, one()?)?,
                };
                Ok(Filter::Compare(path, comparison, value))
            }
            Operator::Any | Operator::In => {
                let values = self.all(&path, texts)?;
                Ok(Filter::In(path, values))
            }
            Operator::NotAny | Operator::NoneOf => {
                let values = self.all(&path, texts)?;
                Ok(Filter::In(path, values).not())
            }
            Operator::All => {
                let values = self.all(&path, texts)?;
                Ok(Filter::HasAll(path, values))
            }
        }
    }

    fn all(&self, path: &Path, texts: &[String]) -> Result<Vec<Value>, Fault> {
        texts.iter().map(|text| self.value(path, text)).collect()
    }
}
