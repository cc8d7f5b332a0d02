//! The differential test: programs made by chance, run on a plain model and on a store, which
//! must answer alike to the letter, refusals included.
//!
//! A failure names the seed of its case and shows the smallest part of the program that still
//! fails. Put the seed into `seeds.txt` beside this file with a word on what it found: kept seeds
//! run first, always, on every backend. To run one case alone, set `CRM_DIFFERENTIAL_SEED` to its
//! seed and `CRM_DIFFERENTIAL_CASES` to 1. A change of the generator changes what a seed means.

mod dice;
mod generate;
mod model;
mod schemas;
mod values;

use std::collections::BTreeSet;
use std::sync::Arc;

use self::generate::{Step, program};
use self::model::Model;
pub(super) use self::schemas::schemas;
use super::types::catalogue;
use super::world::{Failure, Outcome};
use crate::error::{Error, Result};
use crate::id::{Random, SystemRandom};
use crate::store::{Batch, Catalogue, Page, Record, Scope, Scoped, Store};

const KEPT: &str = include_str!("seeds.txt");

/// How many programs to run, and which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How many, beside those of the kept seeds.
    pub cases: u64,
    /// The seed of the first; the others count on from it.
    pub seed: u64,
}

impl Settings {
    /// `CRM_DIFFERENTIAL_CASES`, 300 unless set, and `CRM_DIFFERENTIAL_SEED`, a new one each time
    /// unless set.
    pub fn from_env() -> Self {
        let read = |name| std::env::var(name).ok().and_then(|text| text.parse().ok());
        Self {
            cases: read("CRM_DIFFERENTIAL_CASES").unwrap_or(300),
            seed: read("CRM_DIFFERENTIAL_SEED").unwrap_or_else(fresh),
        }
    }
}

fn fresh() -> u64 {
    let mut bytes = [0; 8];
    SystemRandom.fill(&mut bytes);
    u64::from_be_bytes(bytes)
}

/// Runs programs on a model and on a store, and compares every answer. A store is opened for every
/// five hundred of them; it may be the same one.
///
/// # Errors
/// The first difference, with the seed and the shortest program found that shows it.
pub async fn differential(
    open: impl AsyncFn(Catalogue) -> Result<Arc<dyn Store>>,
    settings: Settings,
) -> Outcome {
    let mut store = open(catalogue()).await?;
    let kept = KEPT.lines().filter_map(|line| line.split_whitespace().next()?.parse().ok());
    let new = (0..settings.cases).map(|n| settings.seed.wrapping_add(n));
    for (number, seed) in kept.chain(new).enumerate() {
        // The system's questions look at all that earlier programs left behind.
        if number % 500 == 499 {
            store = open(catalogue()).await?;
        }
        let steps = program(seed, fresh());
        let all = parts_of(&steps);
        if let Some(difference) = compare(&*store, &steps, &all).await {
            return Err(shrink(&*store, seed, all, difference).await);
        }
    }
    Ok(())
}

/// A part of a program: a step, and for a commit one of its operations.
type Part = (usize, usize);

fn parts_of(steps: &[Step]) -> BTreeSet<Part> {
    let mut parts = BTreeSet::new();
    for (number, step) in steps.iter().enumerate() {
        let count = match step {
            Step::Commit(_, operations) => operations.len(),
            Step::Query(..) | Step::Aggregate(..) => 1,
        };
        parts.extend((0..count).map(|part| (number, part)));
    }
    parts
}

struct Difference {
    step: usize,
    text: String,
}

/// Runs the parts of a program on a new model and on the store.
async fn compare(store: &dyn Store, steps: &[Step], parts: &BTreeSet<Part>) -> Option<Difference> {
    let mut model = Model::new(schemas());
    for (number, step) in steps.iter().enumerate() {
        let kept: Vec<usize> = parts.range((number, 0)..(number + 1, 0)).map(|p| p.1).collect();
        if kept.is_empty() {
            continue;
        }
        let (expected, got) = match step {
            Step::Commit(scope, operations) => {
                let operations = kept.iter().map(|part| operations[*part].clone()).collect();
                let Ok(batch) = Batch::new(operations) else { continue };
                let expected = model.commit(*scope, &batch);
                let got = store.commit(&Scoped::new(*scope, batch)).await;
                (answer(&expected), answer(&got))
            }
            Step::Query(scope, query) => {
                let expected = model.query(*scope, query);
                let got = store.query(&Scoped::new(*scope, (**query).clone())).await;
                let is_whole = *scope == Scope::System && query.get_window().limit() == 1_000;
                let form =
                    |page: &Page<Record>| if is_whole { unordered(page) } else { page.clone() };
                (answer(&Ok(form(&expected))), answer(&got.map(|page| form(&page))))
            }
            Step::Aggregate(scope, aggregate) => {
                let expected = model.aggregate(*scope, aggregate);
                let got = store.aggregate(&Scoped::new(*scope, (**aggregate).clone())).await;
                // Sums compare as numbers, and print so.
                (answer(&expected.map(normal)), answer(&got.map(normal)))
            }
        };
        if expected != got {
            let text = format!("step {number} should answer\n  {expected}\nbut answers\n  {got}");
            return Some(Difference { step: number, text });
        }
    }
    None
}

// Where ids are shared, records of several tenants have no order among them.
fn unordered(page: &Page<Record>) -> Page<Record> {
    let mut page = page.clone();
    page.items.sort_by_key(|record| (record.id(), record.tenant()));
    page
}

fn normal(groups: Vec<crate::store::Group>) -> Vec<crate::store::Group> {
    use crate::store::Value;
    let plain = |value: Value| match value {
        Value::Decimal(decimal) => Value::Decimal(decimal.normalize()),
        other => other,
    };
    let all = |values: Vec<Value>| values.into_iter().map(plain).collect();
    let each = |group: crate::store::Group| crate::store::Group {
        keys: all(group.keys),
        values: all(group.values),
    };
    groups.into_iter().map(each).collect()
}

// What is compared: all of an answer, of an error its kind, of a rejection what it says.
fn answer<T: std::fmt::Debug>(result: &Result<T>) -> String {
    match result {
        Ok(value) => format!("{value:?}"),
        Err(Error::Rejected { operation, reason }) => format!("rejected {operation}: {reason:?}"),
        Err(error) => format!("error {}", error.code()),
    }
}

/// Leaves out part after part as long as a difference remains, each time as a new run.
async fn shrink(
    store: &dyn Store,
    seed: u64,
    mut parts: BTreeSet<Part>,
    mut difference: Difference,
) -> Failure {
    parts.retain(|(step, _)| *step <= difference.step);
    let mut size = parts.len().div_ceil(2);
    while size > 0 {
        let all: Vec<Part> = parts.iter().copied().collect();
        let mut has_shrunk = false;
        for some in all.chunks(size) {
            let mut fewer = parts.clone();
            some.iter().for_each(|part| {
                fewer.remove(part);
            });
            let steps = program(seed, fresh());
            if let Some(other) = compare(store, &steps, &fewer).await {
                fewer.retain(|(step, _)| *step <= other.step);
                parts = fewer;
                difference = other;
                has_shrunk = true;
            }
        }
        if !has_shrunk || size > parts.len() {
            size /= 2;
        }
    }
    let steps = program(seed, 0);
    let mut shown = String::new();
    for (step, part) in &parts {
        let text = match &steps[*step] {
            Step::Commit(scope, operations) => {
                format!("commit in {scope:?}: {:?}", operations[*part])
            }
            Step::Query(scope, query) => format!("query in {scope:?}: {query:?}"),
            Step::Aggregate(scope, aggregate) => format!("figures in {scope:?}: {aggregate:?}"),
        };
        shown.push_str(&format!("\n{step}.{part}: {text}"));
    }
    // A type's name says enough.
    for schema in schemas() {
        shown = shown.replace(&format!("{schema:?}"), schema.name());
    }
    Failure::new(format!(
        "seed {seed}: {}\nThe program, with the salt 0 in its ids:{shown}",
        difference.text
    ))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::error::Rejection;

    #[test]
    fn the_salt_changes_no_choice() {
        for seed in 0..50 {
            let (one, other) = (program(seed, 0), program(seed, 0x1234_5678_9abc_def0));
            assert_eq!(parts_of(&one), parts_of(&other), "seed {seed}");
        }
    }

    #[test]
    fn programs_come_upon_every_kind_of_answer() {
        let mut seen: BTreeMap<&str, u32> = BTreeMap::new();
        let mut note = |what| *seen.entry(what).or_default() += 1;
        for seed in 0..300 {
            let mut model = Model::new(schemas());
            for step in program(seed, 0) {
                match step {
                    Step::Commit(scope, operations) => {
                        let batch = Batch::new(operations).unwrap();
                        note(match model.commit(scope, &batch) {
                            Ok(_) => "committed",
                            Err(Error::Rejected { reason: Rejection::Stale, .. }) => "stale",
                            Err(Error::Rejected { reason: Rejection::Taken(key), .. }) => {
                                if key == "id" { "id taken" } else { "key taken" }
                            }
                            Err(Error::Rejected {
                                reason: Rejection::MissingReference(_), ..
                            }) => "missing",
                            Err(Error::Rejected { reason: Rejection::Referenced(_), .. }) => {
                                "referenced"
                            }
                            Err(_) => "out of scope",
                        });
                    }
                    Step::Query(scope, query) => {
                        let page = model.query(scope, &query);
                        note(if page.items.is_empty() { "nothing" } else { "records" });
                        if page.items.len() > 1 {
                            note("several records");
                        }
                        if page.next.is_some() {
                            note("a part");
                        }
                    }
                    Step::Aggregate(scope, aggregate) => match model.aggregate(scope, &aggregate) {
                        Ok(groups) if groups.len() > 1 => note("several groups"),
                        Ok(_) => note("one group"),
                        Err(_) => note("no figures"),
                    },
                }
            }
        }
        println!("{seen:?}");
        for (what, least) in [
            ("committed", 1_000),
            ("stale", 50),
            ("id taken", 50),
            ("key taken", 50),
            ("missing", 50),
            ("referenced", 20),
            ("out of scope", 50),
            ("records", 500),
            ("several records", 200),
            ("a part", 100),
            ("several groups", 100),
        ] {
            assert!(seen.get(what).is_some_and(|count| *count >= least), "{what}: {seen:?}");
        }
    }
}
