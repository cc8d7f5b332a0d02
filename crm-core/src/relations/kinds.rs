//! The kinds of relations: those that every tenant has, and the tenant's own.
//!
//! The built-in ones are part of the program: they cannot be deleted, renamed or missing. A
//! tenant's own are records, because people make, rename and delete them, and who did is to be
//! known; so they have permissions, versions and a log like any other.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::error::{Error, Faults, Result};
use crate::id::Id;
use crate::records::{Records, Rules};
use crate::store::{Deleted, Filter, MAX_LIMIT, Page, Query, Value, Window};
use crate::values::{Multiline, clean_texts, required_text};
use crate::{Entity, TenantCrm};

/// The most kinds that a tenant can define.
pub const MOST_KINDS: usize = 200;

/// The service of a tenant's own kinds.
///
/// A kind's key, and whether it is symmetric, stay as they are. Where one is deleted, relations of
/// it stay and keep its names; no new ones can be made.
pub type RelationKinds = Records<RelationKind>;

/// A kind that every tenant has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BuiltInKind {
    /// What relations name it by.
    pub key: &'static str,
    /// What the record it goes from is or does to the other one.
    pub name: &'static str,
    /// The same seen from the record that it goes to.
    pub inverse_name: &'static str,
    /// Whether both directions are the same.
    pub symmetric: bool,
    /// The types that it goes from; any where there are none.
    pub from_types: &'static [&'static str],
    /// The types that it goes to; any where there are none.
    pub to_types: &'static [&'static str],
}

const fn directed(
    key: &'static str,
    name: &'static str,
    inverse_name: &'static str,
    from_types: &'static [&'static str],
    to_types: &'static [&'static str],
) -> BuiltInKind {
    BuiltInKind { key, name, inverse_name, symmetric: false, from_types, to_types }
}

const fn symmetric(key: &'static str, name: &'static str) -> BuiltInKind {
    let any: &[&str] = &[];
    BuiltInKind { key, name, inverse_name: name, symmetric: true, from_types: any, to_types: any }
}

// A customer can be an organisation as well as a person.
const FIRMS: &[&str] = &["companies", "customers"];

/// The kinds that every tenant has.
pub const BUILT_IN: &[BuiltInKind] = &[
    directed("employs", "employs", "is employed by", FIRMS, &["customers", "users"]),
    directed("parent_of", "is the parent of", "is a subsidiary of", FIRMS, FIRMS),
    directed("supplies", "supplies", "is supplied by", &[], &[]),
    directed("refers", "referred", "was referred by", &[], &[]),
    directed("advises", "advises", "is advised by", &[], &[]),
    directed("decides_for", "decides for", "has as decision maker", &[], &[]),
    symmetric("partner_of", "is a partner of"),
    symmetric("competes_with", "competes with"),
    symmetric("related_to", "is related to"),
];

/// A kind of relation that a tenant made.
#[derive(Debug, Clone, PartialEq, Entity)]
#[entity(name = "relation_kinds", tenant, owners(everybody))]
#[entity(unique(name = "relation_kinds_key", fields(key)))]
pub struct RelationKind {
    /// The identifier.
    pub id: Id<Self>,
    /// The version.
    pub version: i64,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
    /// When it was deleted.
    pub deleted_at: Option<DateTime<Utc>>,
    /// What relations name it by: small letters, digits and `_`, beginning with a letter.
    #[entity(filter, sort, code)]
    pub key: String,
    /// What the record it goes from is or does to the other one: `is a mentor of`.
    #[entity(filter, sort, search)]
    pub name: String,
    /// The same seen from the record that it goes to: `is mentored by`. Of a symmetric kind, the
    /// name.
    #[entity(filter, search)]
    pub inverse_name: Option<String>,
    /// Whether both directions are the same.
    #[entity(filter)]
    pub symmetric: bool,
    /// The types that it goes from; any where there are none.
    #[entity(filter)]
    pub from_types: Vec<String>,
    /// The types that it goes to; any where there are none.
    #[entity(filter)]
    pub to_types: Vec<String>,
    /// When to use it.
    pub description: Option<String>,
}

/// A kind as relations know it, built in or the tenant's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kind {
    /// What relations name it by.
    pub key: String,
    /// What the record it goes from is or does to the other one.
    pub name: String,
    /// The same seen from the record that it goes to.
    pub inverse_name: String,
    /// Whether both directions are the same.
    pub symmetric: bool,
    /// The types that it goes from; any where there are none.
    pub from_types: Vec<String>,
    /// The types that it goes to; any where there are none.
    pub to_types: Vec<String>,
    /// Whether every tenant has it.
    pub built_in: bool,
}

impl From<&BuiltInKind> for Kind {
    fn from(kind: &BuiltInKind) -> Self {
        let BuiltInKind { key, name, inverse_name, symmetric, from_types, to_types } = *kind;
        let owned = |types: &[&str]| types.iter().map(|name| (*name).to_owned()).collect();
        Self {
            key: key.to_owned(),
            name: name.to_owned(),
            inverse_name: inverse_name.to_owned(),
            symmetric,
            from_types: owned(from_types),
            to_types: owned(to_types),
            built_in: true,
        }
    }
}

impl From<RelationKind> for Kind {
    fn from(kind: RelationKind) -> Self {
        let RelationKind { key, name, inverse_name, symmetric, from_types, to_types, .. } = kind;
        Self {
            inverse_name: inverse_name.unwrap_or_else(|| name.clone()),
            key,
            name,
            symmetric,
            from_types,
            to_types,
            built_in: false,
        }
    }
}

impl Kind {
    /// Whether a relation of this kind can go from a record of one type to one of another.
    pub fn joins(&self, from: &str, to: &str) -> bool {
        let allows =
            |types: &[String], named: &str| types.is_empty() || types.iter().any(|t| t == named);
        let is_fit =
            |from: &str, to: &str| allows(&self.from_types, from) && allows(&self.to_types, to);
        is_fit(from, to) || (self.symmetric && is_fit(to, from))
    }
}

/// The kinds that relations can have, the built-in ones first. Needs `relation_kinds:read`.
///
/// # Errors
/// [`Error::Forbidden`]; where the store fails.
pub async fn kinds(within: &TenantCrm) -> Result<Vec<Kind>> {
    within.actor().require(&RelationKinds::permission("read"))?;
    usable(within).await
}

/// The kinds of these keys, the tenant's own also where they were deleted: for telling what
/// relations mean to those who see them. One query, and none where all are built in.
///
/// # Errors
/// Where the store fails.
pub async fn kinds_named<'a>(
    within: &TenantCrm,
    keys: impl IntoIterator<Item = &'a str>,
) -> Result<BTreeMap<String, Kind>> {
    let keys: BTreeSet<&str> = keys.into_iter().collect();
    let built_in = BUILT_IN.iter().filter(|kind| keys.contains(kind.key));
    let mut named: BTreeMap<String, Kind> =
        built_in.map(|kind| (kind.key.to_owned(), kind.into())).collect();
    let own = keys.iter().filter(|key| !named.contains_key(**key));
    let own: Vec<Value> = own.map(|key| Value::Text((*key).to_owned())).collect();
    for own in own.chunks(MAX_LIMIT as usize) {
        let asked = Filter::In(RelationKind::KEY.path(), own.to_vec());
        // Several were called so, one after the other: the live one counts, else the last.
        for kind in read(within, asked, Deleted::Include).await? {
            let is_live = kind.deleted_at.is_none();
            if is_live || !named.contains_key(&kind.key) {
                named.insert(kind.key.clone(), kind.into());
            }
        }
    }
    Ok(named)
}

/// The kinds that new relations can have.
pub(super) async fn usable(within: &TenantCrm) -> Result<Vec<Kind>> {
    let own = read(within, Filter::All, Deleted::Exclude).await?;
    let mut own: Vec<Kind> = own.into_iter().map(Kind::from).collect();
    own.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(BUILT_IN.iter().map(Kind::from).chain(own).collect())
}

// Newest first.
async fn read(within: &TenantCrm, filter: Filter, deleted: Deleted) -> Result<Vec<RelationKind>> {
    let mut kinds = Vec::new();
    let mut after = None;
    loop {
        let query = Query::new(RelationKind::schema().clone()).filter(filter.clone())?;
        let query = query.window(Window::Cursor { after, limit: MAX_LIMIT })?.deleted(deleted);
        let Page { items, next, .. } = within.query_for_rules(query).await?;
        for record in items {
            kinds.push(RelationKind::from_values(record.into_values())?);
        }
        after = next;
        if after.is_none() {
            return Ok(kinds);
        }
    }
}

#[async_trait]
impl Rules for RelationKind {
    async fn check(&mut self, before: Option<&Self>, within: &TenantCrm) -> Result<()> {
        let mut faults = Faults::default();
        self.check_key(&mut faults);
        self.clean_names(&mut faults)?;
        for (field, types) in [("fromTypes", &mut self.from_types), ("toTypes", &mut self.to_types)]
        {
            let mut seen = BTreeSet::new();
            types.retain(|name| seen.insert(name.clone()));
            let known: Vec<&str> = within.end_types().collect();
            for unknown in types.iter().filter(|name| !known.contains(&name.as_str())) {
                let message = format!("expected some of {}, got {unknown:?}", known.join(", "));
                faults.add(field, "UNKNOWN_RECORD_TYPE", message);
            }
        }
        if let Some(before) = before {
            for (field, same) in
                [("key", self.key == before.key), ("symmetric", self.symmetric == before.symmetric)]
            {
                if !same {
                    faults.add(field, "IMMUTABLE", "cannot be changed once relations can have it");
                }
            }
        }
        // A kind that is brought back counts like one that is new.
        if before.is_none_or(|before| before.deleted_at.is_some())
            && read(within, Filter::All, Deleted::Exclude).await?.len() >= MOST_KINDS
        {
            faults.add("", "TOO_MANY", format!("there are {MOST_KINDS} kinds of your own already"));
        }
        faults.into_result()
    }
}

impl RelationKind {
    fn check_key(&self, faults: &mut Faults) {
        let is_key = self.key.starts_with(|c: char| c.is_ascii_lowercase())
            && self.key.len() <= 50
            && self.key.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        if !is_key {
            let message = format!(
                "expected up to 50 small letters, digits and _, beginning with a letter, got {:?}",
                self.key
            );
            faults.add("key", "INVALID_KEY", message);
        }
        if BUILT_IN.iter().any(|kind| kind.key == self.key) {
            faults.add("key", "NOT_ALLOWED", format!("every tenant has {} already", self.key));
        }
    }

    fn clean_names(&mut self, faults: &mut Faults) -> Result<()> {
        if let Some(name) = faults.absorb(required_text("name", &self.name, 60, Multiline::No))? {
            self.name = name;
        }
        let texts = [
            ("inverseName", &mut self.inverse_name, 60, Multiline::No),
            ("description", &mut self.description, 500, Multiline::Yes),
        ];
        clean_texts(texts, faults)?;
        match (&self.inverse_name, self.symmetric) {
            (None, false) => {
                let message = "is required, unless both directions are the same";
                faults.add("inverseName", "REQUIRED", message);
            }
            (Some(inverse), true) if *inverse != self.name => {
                let message = "a symmetric kind has one name for both directions";
                faults.add("inverseName", "NOT_ALLOWED", message);
            }
            (_, true) => self.inverse_name = Some(self.name.clone()),
            _ => {}
        }
        Ok(())
    }
}

/// The fault of a kind that there is not, naming those that there are.
pub(super) fn unknown(kinds: &[Kind], key: &str) -> Error {
    let known: Vec<&str> = kinds.iter().map(|kind| kind.key.as_str()).collect();
    let message = format!("expected one of {}, got {key:?}", known.join(", "));
    Error::invalid("kind", "UNKNOWN_KIND", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_kinds_name_both_directions_and_types_that_there_are() {
        let catalogue = crate::catalogue().unwrap();
        for kind in BUILT_IN {
            assert_eq!(kind.symmetric, kind.name == kind.inverse_name, "{}", kind.key);
            for name in kind.from_types.iter().chain(kind.to_types) {
                assert!(crate::records::ends::end_type(&catalogue, name).is_some(), "{name}");
            }
            let same = BUILT_IN.iter().filter(|other| other.key == kind.key);
            assert_eq!(same.count(), 1, "{}", kind.key);
        }
    }

    #[test]
    fn a_symmetric_kind_joins_its_types_in_either_order() {
        let mut kind = Kind::from(&BUILT_IN[0]);
        assert!(kind.joins("companies", "customers") && !kind.joins("users", "companies"));
        kind.symmetric = true;
        assert!(kind.joins("users", "companies") && !kind.joins("users", "users"));
    }
}
