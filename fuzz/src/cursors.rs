//! Cursors: text of a caller → place in a list. One that was made up leads somewhere in the list,
//! nowhere, or is refused.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use crm_core::Entity;
use crm_core::language::parse_list;
use crm_core::store::{Cursor, Deleted, Window};

use crate::deals::{Deal, Own, WORLD, refused};

const SORTS: &[&str] = &[
    "",
    "name",
    "-createdAt",
    "-value,status",
    "score,closesOn",
    "customFields.seats,-customFields.region",
    "customFields.paid,customFields.tier,-customFields.seen,customFields.since",
];

pub(crate) fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    as_text(text);
    // As what cursors are made of, which chance would hardly ever encode.
    as_text(&URL_SAFE_NO_PAD.encode(text));
}

fn as_text(text: &str) {
    let cursor = match Cursor::decode(text) {
        Ok(cursor) => cursor,
        Err(error) => {
            assert_eq!(refused(&error).code, "INVALID_CURSOR");
            return;
        }
    };
    let again = Cursor::decode(&cursor.encode()).unwrap();
    assert_eq!(again, cursor);
    for sort in SORTS {
        let params =
            [("cursor", text), ("sort", *sort), ("limit", "3"), ("includeDeleted", "true")];
        let params = params.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let list = parse_list(Deal::schema(), &Own, &params, &[]).unwrap();
        let query = match list.into_query(Deal::schema().clone()) {
            Ok(query) => query,
            Err(error) => {
                assert_eq!(refused(&error).code, "INVALID_CURSOR");
                continue;
            }
        };
        let stored = WORLD.stored(query.clone()).unwrap();
        assert_eq!(stored, WORLD.evaluated(&query));
        // It leads to the end of the list from some place on: nothing is left out behind it.
        let rest = query.clone().window(Window::Cursor { after: Some(cursor.clone()), limit: 200 });
        let rest = WORLD.stored(rest.unwrap()).unwrap().items;
        let whole = query.window(Window::Page { offset: 0, limit: 200 }).unwrap();
        let whole = WORLD.stored(whole.deleted(Deleted::Include)).unwrap().items;
        assert!(whole.ends_with(&rest), "{sort}");
    }
}
