//! The rows that a request is about: its filter, the deleted ones left out, and the detours that
//! searches and a tenant's own fields take.
//!
//! Under row security only operators that cannot leak may use an index, and those that search
//! are not among them. So `search_<table>`, which runs as the role that sees every tenant and
//! names the tenant itself, gives the ids, at most [`MOST`] and one. What a tenant's own fields
//! must be is asked of `custom_values`, in the same way. With no more than that, the
//! rows are read by their ids; with more, the search is a condition of an ordinary scan, which
//! finds a first page soon because matches are common. Both ways stand in the one statement, and
//! the number of ids found switches one of them off before it begins. Of several detours the one
//! that found the fewest is taken.

use crm_core::store::{Deleted, Filter, Kind, Schema, Scope, Value};

use super::filter::{Filters, contains_pattern};
use super::narrow::Narrow;
use super::scope::{C, S, own};
use crate::rows::{element_term, has_tenant, search_terms};
use crate::sql::{Alias, Bind, Binds, Expr, Join, Order, Select, Source};
use crate::tables::has_search;
use crate::tables::names::search_function;

/// The most ids that a detour gives to read rows by.
pub(crate) const MOST: i64 = 2_000;
/// The most of a tenant's own fields that are asked about before the rows are.
const MOST_NARROWED: usize = 3;
/// How many of a word's terms are looked up, spread over it. More would hardly narrow the search
/// and cost a common word dearly.
const TERMS_OF_A_WORD: usize = 4;
/// The ids found, and how many.
const M: Alias = Alias::named("m");
const F: Alias = Alias::named("f");

/// The rows that a request is about.
#[derive(Debug)]
pub(crate) struct Matching {
    table: String,
    /// What each row fulfils on either way.
    conditions: Vec<Expr>,
    /// What is looked for in the tenant's own fields, which a row fulfils on either way too.
    narrowed: Vec<Expr>,
    /// What a row fulfils that was not found by a search.
    searched: Vec<Expr>,
    /// The ids that each detour finds, and how many. The search's is the last.
    detours: Vec<Select>,
}

impl Matching {
    pub(crate) fn new(
        schema: &Schema,
        scope: Scope,
        filter: &Filter,
        deleted: Deleted,
        binds: &mut Binds,
    ) -> Self {
        let mut conditions: Vec<Expr> = own(scope, schema).into_iter().collect();
        match deleted {
            Deleted::Exclude => conditions.push(C.column("deleted_at").suffix("IS NULL")),
            Deleted::Include => {}
            Deleted::Only => conditions.push(C.column("deleted_at").suffix("IS NOT NULL")),
        }
        let mut all = Vec::new();
        flatten(filter, &mut all);
        let sought = Sought::new(schema, scope, &all);
        // Entries are of live records, and a row that is asked for by its id needs none.
        let narrows = matches!(scope, Scope::Tenant(_))
            && deleted == Deleted::Exclude
            && filter.required_id().is_none();
        let (mut narrowed, mut narrow) = (Vec::new(), Vec::new());
        let mut filters = Filters::new(binds);
        for filter in all {
            if sought.is_some() && matches!(filter, Filter::Search(_)) {
                continue;
            }
            let condition = filters.matches(schema, C, filter);
            let entries = if narrows && narrow.len() < MOST_NARROWED {
                Narrow::of(schema, filter)
            } else {
                None
            };
            match entries {
                Some(entries) => {
                    narrow.push(entries);
                    narrowed.push(condition);
                }
                None => conditions.push(condition),
            }
        }
        let mut detours: Vec<Select> =
            narrow.into_iter().map(|narrow| ids(narrow.records(MOST + 1, binds))).collect();
        let mut searched = Vec::new();
        if let Some(sought) = sought {
            let (found, contains) = sought.detour(schema, binds);
            detours.push(found);
            searched.extend(contains);
        }
        Self { table: schema.name().to_owned(), conditions, narrowed, searched, detours }
    }

    /// Joins what the ways need to know, behind the setting.
    pub(crate) fn join(&self, select: Select) -> Select {
        match &self.detours[..] {
            [] => select,
            [one] => select.join(Join::Lateral, Source::Select(Box::new(one.clone())), M),
            several => {
                let all = several.iter().enumerate().fold(select, |select, (i, detour)| {
                    let detour = Source::Select(Box::new(detour.clone()));
                    select.join(Join::Lateral, detour, Alias::numbered("m", i))
                });
                let found = (0..several.len()).map(|i| {
                    let found = Alias::numbered("m", i);
                    Select::default()
                        .item(found.column("ids"), Alias::named("ids"))
                        .item(found.column("n"), Alias::named("n"))
                });
                let mut fewest = Select::of([F.column("ids"), F.column("n")])
                    .from(Source::UnionAll(found.collect()), F);
                let key = F.column("n");
                fewest.order = vec![Order { key, descending: false, nullable: false }];
                fewest.limit = Some(Expr::Number(1));
                all.join(Join::Lateral, Source::Select(Box::new(fewest)), M)
            }
        }
    }

    /// A query over the matching rows, called [`C`]: `finish` says what of them, in which order,
    /// how many. Where there are two ways, that is said of each.
    pub(crate) fn source(&self, finish: impl Fn(Select) -> Select) -> Source {
        match self.by_ids() {
            None => Source::Select(Box::new(finish(self.scan()))),
            Some(few) => Source::UnionAll(vec![finish(few), finish(self.scan())]),
        }
    }

    /// Whether there are two ways.
    pub(crate) fn has_detour(&self) -> bool {
        !self.detours.is_empty()
    }

    /// The rows whose ids were found, where they are few.
    pub(crate) fn by_ids(&self) -> Option<Select> {
        let several = match &self.detours[..] {
            [] => return None,
            detours => detours.len() > 1,
        };
        let few = M.column("n").infix("<=", Expr::Number(MOST));
        let found = Expr::Any(Box::new(C.column("id")), "=", Box::new(M.column("ids")));
        let mut select = self.rows().filter(self.narrowed.iter().cloned());
        // Whether the ids came from the search is known to the statement alone.
        if several {
            select = select.filter(self.searched.iter().cloned());
        }
        Some(select.filter([found, few]))
    }

    /// The rows one after the other, where no detour found few.
    pub(crate) fn scan(&self) -> Select {
        let likely = |condition: &Expr| Expr::Likely(Box::new(condition.clone()));
        let mut select = self.rows().filter(self.narrowed.iter().map(likely));
        select = select.filter(self.searched.iter().map(likely));
        if self.has_detour() {
            select.filter.push(M.column("n").infix(">", Expr::Number(MOST)));
        }
        select
    }

    fn rows(&self) -> Select {
        Select::default()
            .from(Source::Table(self.table.clone()), C)
            .filter(self.conditions.iter().cloned())
    }
}

/// The ids that a query gives, as one list, and their number.
fn ids(found: Select) -> Select {
    Select::default()
        .item(Expr::Call("array_agg", vec![F.column("id")]), Alias::named("ids"))
        .item(Expr::Sql("count(*)"), Alias::named("n"))
        .from(Source::Select(Box::new(found)), F)
}

// What an index can look up: words of three characters or more, and elements of lists, where a
// record must have all of them.
struct Sought {
    terms: Vec<i32>,
    words: Vec<String>,
}

impl Sought {
    fn new(schema: &Schema, scope: Scope, all: &[&Filter]) -> Option<Self> {
        let Scope::Tenant(tenant) = scope else { return None };
        if !has_search(schema) || !has_tenant(schema) {
            return None;
        }
        let mut sought = Self { terms: Vec::new(), words: Vec::new() };
        for filter in all {
            match filter {
                Filter::Search(words) => {
                    for word in words {
                        let terms = search_terms(Some(tenant), word);
                        let step = terms.len().div_ceil(TERMS_OF_A_WORD).max(1);
                        sought.terms.extend(terms.into_iter().step_by(step));
                        sought.words.push(word.clone());
                    }
                }
                Filter::In(path, values) | Filter::HasAll(path, values)
                    if path.kind(schema) == Kind::Uuids && path.custom.is_none() =>
                {
                    if matches!(filter, Filter::In(..)) && values.len() != 1 {
                        continue;
                    }
                    for value in values {
                        if let Value::Uuid(id) = value {
                            let term = element_term(schema, Some(tenant), path.field, *id);
                            sought.terms.push(term);
                        }
                    }
                }
                _ => {}
            }
        }
        sought.terms.sort_unstable();
        sought.terms.dedup();
        (!sought.terms.is_empty()).then_some(sought)
    }

    /// The ids that the search finds, and what a row fulfils that was not found by it.
    fn detour(self, schema: &Schema, binds: &mut Binds) -> (Select, Option<Expr>) {
        let patterns = self.words.iter().map(|word| Some(contains_pattern(word))).collect();
        let terms = binds.add(Bind::Terms(self.terms));
        let patterns = binds.add(Bind::Texts(patterns));
        let most = Expr::Number(MOST + 1);
        let call =
            Expr::CallNamed(search_function(schema.name()), vec![terms, patterns.clone(), most]);
        let ids = Select::default()
            .item(Expr::Call("array_agg", vec![F.column("id")]), Alias::named("ids"))
            .item(Expr::Sql("count(*)"), Alias::named("n"))
            .from(Source::Function(call, vec!["id".to_owned()]), F)
            // Always so; it makes the search wait for the setting.
            .filter([S.column("t").suffix("IS NOT NULL")]);
        let contains = (!self.words.is_empty()).then(|| {
            let patterns = Expr::Call("", vec![patterns]);
            C.column("search_text").infix("LIKE ALL", patterns)
        });
        (ids, contains)
    }
}

fn flatten<'a>(filter: &'a Filter, out: &mut Vec<&'a Filter>) {
    match filter {
        Filter::All => {}
        Filter::And(all) => all.iter().for_each(|filter| flatten(filter, out)),
        other => out.push(other),
    }
}
