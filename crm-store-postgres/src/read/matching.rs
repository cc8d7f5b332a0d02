//! The rows that a request is about: its filter, the deleted ones left out, and the detour that
//! searches take.
//!
//! Under row security only operators that cannot leak may use an index, and those that search
//! are not among them. So `search_<table>`, which runs as the role that sees every tenant and
//! names the tenant itself, gives the ids, at most [`MOST`] and one. With no more than that, the
//! rows are read by their ids; with more, the search is a condition of an ordinary scan, which
//! finds a first page soon because matches are common. Both ways stand in the one statement, and
//! the number of ids found switches one of them off before it begins.

use crm_core::store::{Deleted, Filter, Kind, Schema, Scope, Value};

use super::filter::{Filters, contains_pattern};
use super::scope::{C, S, own};
use crate::rows::{element_term, has_tenant, search_terms};
use crate::sql::{Alias, Bind, Binds, Expr, Join, Select, Source};
use crate::tables::has_search;
use crate::tables::names::search_function;

/// The most ids that a search gives to read rows by.
pub(crate) const MOST: i64 = 2_000;
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
    search: Option<Detour>,
}

#[derive(Debug)]
struct Detour {
    ids: Select,
    /// What a row fulfils that is not read by its id.
    scanned: Vec<Expr>,
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
        let mut filters = Filters::new(binds);
        for filter in all {
            if !(sought.is_some() && matches!(filter, Filter::Search(_))) {
                conditions.push(filters.matches(schema, C, filter));
            }
        }
        let search = sought.map(|sought| sought.detour(schema, binds));
        Self { table: schema.name().to_owned(), conditions, search }
    }

    /// Joins what the ways need to know, behind the setting.
    pub(crate) fn join(&self, select: Select) -> Select {
        match &self.search {
            None => select,
            Some(detour) => {
                select.join(Join::Lateral, Source::Select(Box::new(detour.ids.clone())), M)
            }
        }
    }

    /// A query over the matching rows, called [`C`]: `finish` says what of them, in which order,
    /// how many. Where there are two ways, that is said of each.
    pub(crate) fn source(&self, finish: impl Fn(Select) -> Select) -> Source {
        let mut ways = self.ways().into_iter().map(finish);
        match (ways.next(), ways.next()) {
            (Some(one), None) => Source::Select(Box::new(one)),
            (one, other) => Source::UnionAll(one.into_iter().chain(other).collect()),
        }
    }

    /// Whether there are two ways.
    pub(crate) fn is_search(&self) -> bool {
        self.search.is_some()
    }

    fn ways(&self) -> Vec<Select> {
        let scan = || {
            Select::default()
                .from(Source::Table(self.table.clone()), C)
                .filter(self.conditions.iter().cloned())
        };
        let Some(detour) = &self.search else { return vec![scan()] };
        let few = M.column("n").infix("<=", Expr::Number(MOST));
        let many = M.column("n").infix(">", Expr::Number(MOST));
        let found = Expr::Any(Box::new(C.column("id")), "=", Box::new(M.column("ids")));
        vec![
            scan().filter([found, few]),
            scan().filter(detour.scanned.iter().cloned()).filter([many]),
        ]
    }
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

    fn detour(self, schema: &Schema, binds: &mut Binds) -> Detour {
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
        let scanned = if self.words.is_empty() {
            Vec::new()
        } else {
            let patterns = Expr::Call("", vec![patterns]);
            let contains = C.column("search_text").infix("LIKE ALL", patterns);
            vec![Expr::Likely(Box::new(contains))]
        };
        Detour { ids, scanned }
    }
}

fn flatten<'a>(filter: &'a Filter, out: &mut Vec<&'a Filter>) {
    match filter {
        Filter::All => {}
        Filter::And(all) => all.iter().for_each(|filter| flatten(filter, out)),
        other => out.push(other),
    }
}
