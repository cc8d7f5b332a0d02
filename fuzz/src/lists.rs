//! The parameters of lists: `status=open&value[gte]=1000&sort=-name&cursor=…`.

use crm_core::Entity;
use crm_core::language::{ListRequest, parse_list};
use crm_core::store::evaluate::{Row, order};
use crm_core::store::{Cursor, Query, Window};

use crate::deals::{Deal, Own, WORLD, refused};
use crate::expressions::same_when_printed;

fn pairs(text: &str) -> Vec<(String, String)> {
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn read(params: &[(String, String)]) -> Option<ListRequest> {
    match parse_list(Deal::schema(), &Own, params, &["format"]) {
        Ok(list) => Some(list),
        Err(error) => {
            refused(&error);
            None
        }
    }
}

pub(crate) fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut params = pairs(text);
    let Some(list) = read(&params) else { return };
    let found = WORLD.found(&list.filter);
    same_when_printed(&list.filter, found);
    if let Some(page) = list.page() {
        assert!(page >= 1);
    }

    // What is passed over is passed over.
    params.push(("format".to_owned(), "csv".to_owned()));
    if params.len() <= crm_core::language::MAX_PARAMETERS {
        assert_eq!(read(&params).as_ref(), Some(&list));
    }

    let query = match list.into_query(Deal::schema().clone()) {
        Ok(query) => query,
        Err(error) => {
            refused(&error);
            return;
        }
    };
    let stored = WORLD.stored(query.clone()).unwrap();
    assert_eq!(stored, WORLD.evaluated(&query));
    assert!(stored.items.len() <= query.get_window().limit() as usize);
    let rows: Vec<Row> =
        stored.items.iter().map(|item| Row::new(Deal::schema(), item.clone())).collect();
    for pair in rows.windows(2) {
        assert!(order(Deal::schema(), &query.order(), &pair[0], &pair[1]).is_lt());
    }
    walk(&query);
}

/// That a walk by cursors passes every record once, in the order of the pages.
fn walk(query: &Query) {
    let whole = query.clone().window(Window::Page { offset: 0, limit: 200 }).unwrap();
    let whole = WORLD.evaluated(&whole).items;
    let mut walked = Vec::new();
    let mut after: Option<Cursor> = None;
    loop {
        let part = query.clone().window(Window::Cursor { after, limit: 2 }).unwrap();
        let part = WORLD.stored(part).unwrap();
        walked.extend(part.items);
        assert!(walked.len() <= whole.len());
        after = match part.next {
            Some(next) => Some(Cursor::decode(&next.encode()).unwrap()),
            None => break,
        };
    }
    assert_eq!(walked, whole);
}
