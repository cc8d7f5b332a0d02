//! From an expression's text to its tree. Knows no fields.

use super::fault;
use crate::error::Result;
use crate::language::MAX_NESTING;
use crate::store::{Comparison, MAX_TERMS};

/// What an expression says.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Tree {
    /// All of these.
    And(Vec<Tree>),
    /// Any of these.
    Or(Vec<Tree>),
    /// Not this.
    Not(Box<Tree>),
    /// A word or text alone.
    Word(Literal),
    /// A field and what is asked of it.
    Restriction(Member, Comparator, Argument),
}

/// A field's name as it was written, its segments joined by points.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Member {
    pub(super) name: String,
    pub(super) at: usize,
}

/// How a field is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparator {
    /// `=`
    Is,
    /// `!=`
    IsNot,
    /// `:`
    Has,
    /// `<`, `<=`, `>`, `>=`
    Order(Comparison),
}

/// What a field is compared with.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Argument {
    /// One value.
    Value(Literal),
    /// Values combined in parentheses.
    Group(Box<Tree>),
}

/// A value, or a word to search for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Literal {
    /// Without quotes, escapes and the stars at its ends.
    pub(super) text: String,
    /// Whether a `*` stood before it.
    pub(super) open_start: bool,
    /// Whether a `*` stood behind it.
    pub(super) open_end: bool,
    /// Whether a `*` stood within it.
    pub(super) star_inside: bool,
    /// Whether it was written in quotes.
    pub(super) quoted: bool,
    pub(super) at: usize,
}

/// The tree of an expression; none where it says nothing.
pub(super) fn parse(text: &str) -> Result<Option<Tree>> {
    let mut parser = Parser { text, at: 0, nesting: 0, terms: 0, values: false };
    parser.space();
    if parser.rest().is_empty() {
        return Ok(None);
    }
    let tree = parser.expression()?;
    match parser.peek() {
        None => Ok(Some(tree)),
        Some(c) => parser.expected(&format!("expected the end, got {c:?}")),
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    nesting: usize,
    terms: usize,
    // Within a group of values, where -5 is a number.
    values: bool,
}

impl<'a> Parser<'a> {
    // factor { [AND] factor }, where no AND between two factors means AND.
    fn expression(&mut self) -> Result<Tree> {
        let mut all = vec![self.factor()?];
        loop {
            self.space();
            if matches!(self.peek(), None | Some(')')) {
                break;
            }
            self.keyword("AND");
            all.push(self.factor()?);
        }
        Ok(one_or(all, Tree::And))
    }

    // term { OR term }
    fn factor(&mut self) -> Result<Tree> {
        let mut any = vec![self.term()?];
        loop {
            self.space();
            if !self.keyword("OR") {
                break;
            }
            any.push(self.term()?);
        }
        Ok(one_or(any, Tree::Or))
    }

    // [NOT | -] simple
    fn term(&mut self) -> Result<Tree> {
        self.space();
        let negated = if self.keyword("NOT") {
            self.space();
            true
        } else {
            !self.at_negative_value() && self.take('-')
        };
        let tree = self.simple()?;
        Ok(if negated { Tree::Not(Box::new(tree)) } else { tree })
    }

    fn at_negative_value(&self) -> bool {
        let digit = |rest: &str| rest.starts_with(|c: char| c.is_ascii_digit());
        self.values && self.rest().strip_prefix('-').is_some_and(digit)
    }

    fn simple(&mut self) -> Result<Tree> {
        if self.peek() == Some('(') { self.group() } else { self.restriction() }
    }

    fn group(&mut self) -> Result<Tree> {
        let opened = self.at;
        self.nesting += 1;
        if self.nesting > MAX_NESTING {
            let message = format!("parentheses nest deeper than {MAX_NESTING}");
            return Err(fault(self.text, opened, "FILTER_TOO_COMPLEX", &message));
        }
        self.take('(');
        let tree = self.expression()?;
        self.space();
        if !self.take(')') {
            return Err(fault(self.text, opened, "INVALID_FILTER", "this ( is not closed"));
        }
        self.nesting -= 1;
        Ok(tree)
    }

    fn restriction(&mut self) -> Result<Tree> {
        self.terms += 1;
        if self.terms > MAX_TERMS {
            let message = format!("expected at most {MAX_TERMS} terms");
            return Err(fault(self.text, self.at, "FILTER_TOO_COMPLEX", &message));
        }
        let (member, word) = self.comparable()?;
        let behind = self.at;
        self.space();
        let Some(comparator) = self.comparator()? else {
            self.at = behind;
            if self.peek() == Some('(') && !word.quoted {
                return self.refuse(word.at, "functions are not supported");
            }
            return Ok(Tree::Word(word));
        };
        self.space();
        let argument = if self.peek() == Some('(') {
            let outside = std::mem::replace(&mut self.values, true);
            let group = self.group()?;
            self.values = outside;
            Argument::Group(Box::new(group))
        } else {
            Argument::Value(self.argument()?)
        };
        Ok(Tree::Restriction(member, comparator, argument))
    }

    // A field's name or a word to search for: which of them shows only behind it.
    fn comparable(&mut self) -> Result<(Member, Literal)> {
        let at = self.at;
        if let Some(quote @ ('"' | '\'')) = self.peek() {
            let literal = self.quoted(quote)?;
            let mut name = literal.text.clone();
            self.segments(&mut name)?;
            return Ok((Member { name, at }, literal));
        }
        let negative = self.at_negative_value();
        let word = self.run(|c| c.is_whitespace() || "()\"=!<>:,".contains(c));
        if word.starts_with('-') && !negative {
            return self.refuse(at, "expected a field or a word, got '-'");
        }
        if word.is_empty() {
            return match self.peek() {
                None => self.expected("expected a field or a word, got the end"),
                Some(c) => self.expected(&format!("expected a field or a word, got {c:?}")),
            };
        }
        if ["and", "or", "not"].iter().any(|keyword| word.eq_ignore_ascii_case(keyword)) {
            let upper = word.to_ascii_uppercase();
            let message = if upper == word {
                format!("expected a field or a word, got {word}")
            } else {
                format!("write {upper} in capitals, or \"{word}\" to search for the word")
            };
            return self.refuse(at, &message);
        }
        let mut name = word.to_owned();
        self.segments(&mut name)?;
        Ok((Member { name, at }, literal(word.chars().map(|c| (c, c == '*')), false, at)))
    }

    // Segments in quotes: customFields."my key".
    fn segments(&mut self, name: &mut String) -> Result<()> {
        loop {
            match self.peek() {
                Some(quote @ ('"' | '\'')) if name.ends_with('.') => {
                    name.push_str(&self.quoted(quote)?.text);
                }
                Some('.') => {
                    self.take('.');
                    name.push('.');
                    name.push_str(self.run(|c| c.is_whitespace() || "()\"=!<>:,".contains(c)));
                }
                _ => return Ok(()),
            }
        }
    }

    fn comparator(&mut self) -> Result<Option<Comparator>> {
        const COMPARATORS: &[(&str, Comparator)] = &[
            ("<=", Comparator::Order(Comparison::Le)),
            (">=", Comparator::Order(Comparison::Ge)),
            ("!=", Comparator::IsNot),
            ("<", Comparator::Order(Comparison::Lt)),
            (">", Comparator::Order(Comparison::Gt)),
            ("=", Comparator::Is),
            (":", Comparator::Has),
        ];
        let rest = self.rest();
        if let Some((sign, comparator)) =
            COMPARATORS.iter().find(|(sign, _)| rest.starts_with(sign))
        {
            self.at += sign.len();
            return Ok(Some(*comparator));
        }
        match self.peek() {
            Some('!') => self.expected("expected !=, got !"),
            Some(',') => self.expected("expected AND or OR, got a comma"),
            _ => Ok(None),
        }
    }

    // Behind a comparator, more characters need no quotes: 2026-01-31T09:30:00Z, -5.
    fn argument(&mut self) -> Result<Literal> {
        let at = self.at;
        if let Some(quote @ ('"' | '\'')) = self.peek() {
            let literal = self.quoted(quote)?;
            return match self.peek() {
                None | Some(')') => Ok(literal),
                Some(c) if c.is_whitespace() => Ok(literal),
                Some(c) => self.expected(&format!("expected a space behind the text, got {c:?}")),
            };
        }
        let word = self.run(|c| c.is_whitespace() || "()\"=!<>,".contains(c));
        match self.peek() {
            Some(',') => self.expected(
                "a comma does not list values here; write (a OR b), or put the value in quotes",
            ),
            Some(c @ ('=' | '!' | '<' | '>' | '"' | '(')) => {
                self.expected(&format!("expected a value, got {c:?}; put it in quotes"))
            }
            _ if word.is_empty() => self.expected("expected a value"),
            _ => Ok(literal(word.chars().map(|c| (c, c == '*')), false, at)),
        }
    }

    fn quoted(&mut self, quote: char) -> Result<Literal> {
        let at = self.at;
        self.take(quote);
        let mut chars: Vec<(char, bool)> = Vec::new();
        loop {
            let Some(c) = self.next() else {
                return self.refuse(at, "this quote is not closed");
            };
            match c {
                c if c == quote => return Ok(literal(chars, true, at)),
                '\\' => match self.next() {
                    Some('n') => chars.push(('\n', false)),
                    Some('t') => chars.push(('\t', false)),
                    Some('r') => chars.push(('\r', false)),
                    Some(c @ ('"' | '\'' | '\\' | '*' | '/')) => chars.push((c, false)),
                    _ => {
                        let message =
                            "expected one of \\\" \\' \\\\ \\* \\n \\t behind the backslash";
                        return self.expected(message);
                    }
                },
                c => chars.push((c, c == '*')),
            }
        }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn take(&mut self, wanted: char) -> bool {
        let there = self.peek() == Some(wanted);
        if there {
            self.at += wanted.len_utf8();
        }
        there
    }

    fn space(&mut self) {
        self.run(|c| !c.is_whitespace());
    }

    fn run(&mut self, ends: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let length = rest.find(ends).unwrap_or(rest.len());
        self.at += length;
        rest.get(..length).unwrap_or_default()
    }

    fn keyword(&mut self, keyword: &str) -> bool {
        let Some(behind) = self.rest().strip_prefix(keyword) else { return false };
        let ends = behind.starts_with(|c: char| c.is_whitespace() || "()\"'-".contains(c));
        if ends || behind.is_empty() {
            self.at += keyword.len();
            true
        } else {
            false
        }
    }

    fn expected<T>(&self, message: &str) -> Result<T> {
        self.refuse(self.at, message)
    }

    fn refuse<T>(&self, at: usize, message: &str) -> Result<T> {
        Err(fault(self.text, at, "INVALID_FILTER", message))
    }
}

fn one_or(mut trees: Vec<Tree>, many: impl Fn(Vec<Tree>) -> Tree) -> Tree {
    match (trees.len(), trees.pop()) {
        (1, Some(one)) => one,
        (_, last) => {
            trees.extend(last);
            many(trees)
        }
    }
}

// The characters of a literal, each with whether it is a star that stands for anything.
fn literal(chars: impl IntoIterator<Item = (char, bool)>, quoted: bool, at: usize) -> Literal {
    let chars: Vec<(char, bool)> = chars.into_iter().collect();
    let is_star = |place: Option<&(char, bool)>| place.is_some_and(|(_, star)| *star);
    let open_start = is_star(chars.first());
    let open_end = is_star(chars.last());
    let trimmed = chars.get(usize::from(open_start)..).unwrap_or_default();
    let kept = trimmed.len().saturating_sub(usize::from(open_end));
    let inner = trimmed.get(..kept).unwrap_or_default();
    Literal {
        text: inner.iter().map(|(c, _)| *c).collect(),
        open_start,
        open_end,
        star_inside: inner.iter().any(|(_, star)| *star),
        quoted,
        at,
    }
}
