//! From an expression's tree to a filter over a record type.

use super::fault;
use super::parse::{Argument, Comparator, Literal, Member, Tree};
use crate::error::{Error, Result};
use crate::language::Context;
use crate::language::fields::Fault;
use crate::language::operator::Operator;
use crate::store::{Filter, Kind, Path};

/// The filter that a tree means.
pub(super) fn build(context: Context<'_>, text: &str, tree: &Tree) -> Result<Filter> {
    Builder { context, text }.tree(tree, None)
}

struct Builder<'a> {
    context: Context<'a>,
    text: &'a str,
}

impl Builder<'_> {
    // `of` is the field whose values a group lists.
    fn tree(&self, tree: &Tree, of: Option<(&Path, Comparator)>) -> Result<Filter> {
        match tree {
            Tree::And(all) => {
                all.iter().try_fold(Filter::All, |filter, t| Ok(filter.and(self.tree(t, of)?)))
            }
            Tree::Or(any) => {
                any.iter().try_fold(Filter::Nothing, |filter, t| Ok(filter.or(self.tree(t, of)?)))
            }
            Tree::Not(tree) => Ok(self.tree(tree, of)?.not()),
            Tree::Word(word) => match of {
                Some((path, comparator)) => self.restrict(path, comparator, word),
                None => self.search(word),
            },
            Tree::Restriction(member, comparator, argument) => match of {
                Some(_) => {
                    let message = "expected values only, got a comparison";
                    Err(fault(self.text, member.at, "INVALID_FILTER", message))
                }
                None => self.restriction(member, *comparator, argument),
            },
        }
    }

    // A word without a field is searched for.
    fn search(&self, word: &Literal) -> Result<Filter> {
        if self.context.schema.searchable().next().is_none() {
            let message = format!("{} have no searchable fields", self.context.schema);
            return Err(fault(self.text, word.at, "NOT_SEARCHABLE", &message));
        }
        Ok(Filter::search(&word.text))
    }

    fn restriction(
        &self,
        member: &Member,
        comparator: Comparator,
        argument: &Argument,
    ) -> Result<Filter> {
        // `customFields:region` asks whether the record has such a field.
        if let (Comparator::Has, Argument::Value(key)) = (comparator, argument)
            && self.context.is_custom(&member.name)
            && !key.text.is_empty()
        {
            let path = self.path(&format!("{}.{}", member.name, key.text), key.at)?;
            return Ok(Filter::Absent(path).not());
        }
        let path = self.path(&member.name, member.at)?;
        match argument {
            Argument::Value(literal) => self.restrict(&path, comparator, literal),
            Argument::Group(tree) => match comparator {
                Comparator::Is | Comparator::Has => self.tree(tree, Some((&path, comparator))),
                // Not one of the values in the group.
                Comparator::IsNot => Ok(self.tree(tree, Some((&path, Comparator::Is)))?.not()),
                Comparator::Order(_) => {
                    let message = "expected one value to compare with, got several";
                    Err(fault(self.text, member.at, "INVALID_FILTER", message))
                }
            },
        }
    }

    fn restrict(&self, path: &Path, comparator: Comparator, literal: &Literal) -> Result<Filter> {
        let positive = match comparator {
            Comparator::Order(comparison) => {
                if literal.open_start || literal.open_end {
                    return Err(self.pattern(literal, "cannot be compared by order with a pattern"));
                }
                return self.ask(path, Operator::Compare(comparison), literal);
            }
            Comparator::Is | Comparator::IsNot => self.is(path, literal, false)?,
            Comparator::Has => self.is(path, literal, true)?,
        };
        Ok(if comparator == Comparator::IsNot { positive.not() } else { positive })
    }

    fn is(&self, path: &Path, literal: &Literal, has: bool) -> Result<Filter> {
        let kind = path.kind(self.context.schema);
        let star = literal.open_start || literal.open_end;
        if star && literal.text.is_empty() {
            return Ok(Filter::Absent(path.clone()).not());
        }
        if !literal.quoted && literal.text == "null" && !star {
            return Ok(Filter::Absent(path.clone()));
        }
        if literal.star_inside {
            return Err(
                self.pattern(literal, "may have a star at its ends only; write \\* for one")
            );
        }
        if star && !matches!(kind, Kind::Text | Kind::Code) {
            return Err(self.pattern(literal, "is a pattern, and the field is not text"));
        }
        match (literal.open_start, literal.open_end) {
            (false, true) => self.ask(path, Operator::StartsWith, literal),
            (true, true) => self.ask(path, Operator::Contains, literal),
            (true, false) => {
                Err(self.pattern(literal, "may begin with a star only if it ends with one"))
            }
            (false, false) if has && kind == Kind::Text => {
                self.ask(path, Operator::Contains, literal)
            }
            (false, false) => self.ask(path, Operator::Any, literal),
        }
    }

    fn ask(&self, path: &Path, operator: Operator, literal: &Literal) -> Result<Filter> {
        let texts = std::slice::from_ref(&literal.text);
        let asked = self.context.ask(path.clone(), operator, texts);
        asked.map_err(|fault| self.at(literal.at, fault))
    }

    fn path(&self, name: &str, at: usize) -> Result<Path> {
        self.context.filterable(name).map_err(|fault| self.at(at, fault))
    }

    fn at(&self, at: usize, found: Fault) -> Error {
        fault(self.text, at, found.code, &found.message)
    }

    fn pattern(&self, literal: &Literal, message: &str) -> Error {
        let text = super::super::values::shown(&literal.text);
        fault(self.text, literal.at, "INVALID_VALUE", &format!("{text} {message}"))
    }
}
