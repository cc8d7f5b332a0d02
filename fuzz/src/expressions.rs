//! Filter expressions: text → filter.

use crm_core::Entity;
use crm_core::language::{MAX_LENGTH, parse_expression, parse_list};
use crm_core::store::{Deleted, Filter, Query};

use crate::deals::{Deal, Own, WORLD, refused};
use crate::print::printed;

fn parse(text: &str) -> crm_core::Result<Filter> {
    parse_expression(Deal::schema(), &Own, text)
}

/// Refused for its size, which a printed or wrapped form may be where the first was not.
fn too_much(error: &crm_core::Error) -> bool {
    ["FILTER_TOO_COMPLEX", "FILTER_TOO_LONG"].contains(&refused(error).code)
}

pub(crate) fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let filter = match parse(text) {
        Ok(filter) => filter,
        Err(error) => {
            assert_eq!(refused(&error).field, "filter");
            return;
        }
    };
    assert!(text.len() <= MAX_LENGTH);
    let found = WORLD.found(&filter);

    // It means the same as the parameter of a list.
    let params = [("filter".to_owned(), text.to_owned())];
    match parse_list(Deal::schema(), &Own, &params, &[]) {
        Ok(list) => assert_eq!(list.filter, filter),
        Err(error) => panic!("taken as an expression, refused as a parameter: {error}"),
    }

    same_when_printed(&filter, found);

    // What is not so is everything else.
    if !text.trim().is_empty() {
        match parse(&format!("NOT ({text})")) {
            Ok(negated) => assert_eq!(WORLD.found(&negated), WORLD.all() & !found),
            Err(error) => assert!(too_much(&error), "{error}"),
        }
    }

    // The store and its indexes agree with the evaluator.
    let query = Query::new(Deal::schema().clone()).filter(filter.clone()).unwrap();
    let query = query.deleted(Deleted::Include).counted();
    let stored = WORLD.stored(query.clone()).unwrap();
    assert_eq!(stored, WORLD.evaluated(&query));
    assert_eq!(stored.total, Some(u64::from(found.count_ones())));
}

/// That a filter, printed and parsed again, finds the same records.
pub(crate) fn same_when_printed(filter: &Filter, found: u32) {
    let Some(text) = printed(filter) else { return };
    match parse(&text) {
        Ok(again) => assert_eq!(WORLD.found(&again), found, "{text}"),
        Err(error) => assert!(too_much(&error), "{text}: {error}"),
    }
}
