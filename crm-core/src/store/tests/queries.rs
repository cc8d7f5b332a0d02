//! Orders, windows and cursors.

use super::*;
use crate::store::{Cursor, Deleted, MAX_LIMIT, MAX_SORTS, Page, Sort, Window};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

fn query() -> Query {
    Query::new(things())
}

fn select(query: &Query, records: &[Record]) -> Page<Record> {
    let rows: Vec<Row> = records.iter().cloned().map(of).collect();
    crate::store::evaluate::select(query, rows.iter(), &Others::default())
}

fn ids(page: &Page<Record>) -> Vec<u128> {
    page.items.iter().map(|record| record.id().as_u128()).collect()
}

// The ids in an order.
fn sorted(sort: Vec<Sort>, records: &[Record]) -> Vec<u128> {
    ids(&select(&query().sort(sort).unwrap(), records))
}

fn named(names: &[(u128, Option<&str>)]) -> Vec<Record> {
    let name = |name: &Option<&str>| name.map_or(Value::Null, Value::from);
    names.iter().map(|(id, text)| thing(*id, &[(NAME, name(text))])).collect()
}

fn code_of<T: std::fmt::Debug>(result: crate::Result<T>) -> &'static str {
    result.expect_err("is refused").code()
}

#[test]
fn without_an_order_the_newest_id_comes_first() {
    assert_eq!(sorted(Vec::new(), &named(&[(2, None), (3, None), (1, None)])), [3, 2, 1]);
}

#[test]
fn absent_values_come_last_in_either_direction() {
    let records = named(&[(1, None), (2, Some("b")), (3, Some("a"))]);
    assert_eq!(sorted(vec![Sort::ascending(at(NAME))], &records), [3, 2, 1]);
    assert_eq!(sorted(vec![Sort::descending(at(NAME))], &records), [2, 3, 1]);
}

#[test]
fn ties_are_broken_by_the_id_in_the_direction_of_the_last_key() {
    let records = named(&[(2, Some("A")), (1, Some("á")), (3, Some("a")), (5, None), (4, None)]);
    assert_eq!(sorted(vec![Sort::ascending(at(NAME))], &records), [1, 2, 3, 4, 5]);
    assert_eq!(sorted(vec![Sort::descending(at(NAME))], &records), [3, 2, 1, 5, 4]);
    let mixed = vec![Sort::descending(at(NAME)), Sort::ascending(at(COUNT))];
    assert_eq!(sorted(mixed, &records), [1, 2, 3, 4, 5]);
    let by_id = vec![Sort::ascending(at(system::ID))];
    assert_eq!(sorted(by_id, &records), [1, 2, 3, 4, 5]);
}

#[test]
fn text_sorts_by_its_key_and_codes_byte_by_byte() {
    let texts = ["b", "Z", "ä", "ab"];
    let records: Vec<Record> = (1..)
        .zip(texts)
        .map(|(id, text)| thing(id, &[(NAME, text.into()), (CODE, text.into())]))
        .collect();
    assert_eq!(sorted(vec![Sort::ascending(at(NAME))], &records), [3, 4, 1, 2]);
    assert_eq!(sorted(vec![Sort::ascending(at(CODE))], &records), [2, 4, 1, 3]);
}

#[test]
fn false_comes_before_true() {
    let records: Vec<Record> = [true, false]
        .iter()
        .zip(1..)
        .map(|(active, id)| thing(id, &[(ACTIVE, (*active).into())]))
        .collect();
    assert_eq!(sorted(vec![Sort::ascending(at(ACTIVE))], &records), [2, 1]);
}

#[test]
fn a_tenants_own_field_sorts_as_its_kind_and_another_kind_is_absent() {
    let field = |value: Value| (CUSTOM, custom(&[("rank", value)]));
    let records = [
        thing(1, &[field(10.into())]),
        thing(2, &[field(9.into())]),
        thing(3, &[field("1".into())]),
    ];
    let rank = Path::custom(CUSTOM, "rank", Kind::Int);
    assert_eq!(sorted(vec![Sort::ascending(rank.clone())], &records), [2, 1, 3]);
    assert_eq!(sorted(vec![Sort::descending(rank)], &records), [1, 2, 3]);
}

#[test]
fn only_sortable_fields_are_sorted_by() {
    let by = |path| query().sort(vec![Sort::ascending(path)]);
    let plain = Schema::builder("plain", Scoping::Tenant, Owners::Nobody)
        .field(Field::new("rank", Kind::Int).sortable())
        .build()
        .unwrap();
    let sort = vec![Sort::ascending(at(5))];
    assert!(Query::new(plain).sort(sort).is_ok(), "it need not be filterable");
    for path in [
        at(HIDDEN),
        at(TAGS),
        at(LAYOUT),
        at(CUSTOM),
        at(system::VERSION),
        Path::custom(CUSTOM, "tags", Kind::Codes),
        Path::custom(NAME, "tags", Kind::Code),
    ] {
        assert_eq!(code_of(by(path.clone())), "NOT_SORTABLE", "{path:?}");
    }
    assert_eq!(code_of(by(at(99))), "INTERNAL");
    let keys = |count| query().sort(vec![Sort::ascending(at(NAME)); count]);
    assert!(keys(MAX_SORTS).is_ok());
    assert_eq!(code_of(keys(MAX_SORTS + 1)), "LIMIT_EXCEEDED");
}

#[test]
fn a_window_has_bounds() {
    let page = |offset, limit| query().window(Window::Page { offset, limit });
    assert!(page(i64::MAX as u64, MAX_LIMIT).is_ok());
    assert_eq!(code_of(page(0, 0)), "OUT_OF_RANGE");
    assert_eq!(code_of(page(0, MAX_LIMIT + 1)), "LIMIT_EXCEEDED");
    assert_eq!(code_of(page(u64::MAX, 1)), "OUT_OF_RANGE");
}

#[test]
fn a_page_is_a_part_with_the_total_of_all_and_no_cursor() {
    let records = named(&[(1, None), (2, None), (3, None)]);
    let page = |offset| {
        let query = query().window(Window::Page { offset, limit: 2 }).unwrap().counted();
        select(&query, &records)
    };
    assert_eq!((ids(&page(0)), page(0).total, page(0).next), (vec![3, 2], Some(3), None));
    assert_eq!((ids(&page(2)), page(2).total), (vec![1], Some(3)));
    assert_eq!((ids(&page(9)), page(9).total), (Vec::new(), Some(3)));
    assert_eq!(select(&query(), &records).total, None, "nobody asked");
}

#[test]
fn deleted_records_are_seen_by_those_who_ask() {
    let records = [thing(1, &[]), thing(2, &[(system::DELETED_AT, time(5).into())])];
    let found = |deleted| ids(&select(&query().deleted(deleted), &records));
    assert_eq!(found(Deleted::Exclude), [1]);
    assert_eq!(found(Deleted::Include), [2, 1]);
    assert_eq!(found(Deleted::Only), [2]);
}

// The parts of a walk in this order, cursors passed as text.
fn walk(sort: &[Sort], limit: u32, records: &[Record]) -> Vec<Vec<u128>> {
    let mut parts = Vec::new();
    let mut after = None;
    loop {
        let query = query().sort(sort.to_vec()).unwrap();
        let part = select(&query.window(Window::Cursor { after, limit }).unwrap(), records);
        parts.push(ids(&part));
        let Some(next) = part.next else { return parts };
        after = Some(Cursor::decode(&next.encode()).unwrap());
    }
}

#[test]
fn a_walk_gives_every_record_once_in_order() {
    let mut records =
        named(&[(1, None), (2, Some("b")), (3, Some("B")), (4, None), (5, Some("a"))]);
    records.push(thing(6, &[(NAME, "a".into()), (COUNT, 1.into())]));
    for sort in [
        vec![],
        vec![Sort::ascending(at(NAME))],
        vec![Sort::descending(at(NAME))],
        vec![Sort::ascending(at(NAME)), Sort::descending(at(COUNT))],
        vec![Sort::descending(at(COUNT)), Sort::ascending(at(NAME))],
    ] {
        let whole = sorted(sort.clone(), &records);
        for limit in [1, 2, 3, 6, 7] {
            let parts = walk(&sort, limit, &records);
            assert_eq!(parts.concat(), whole, "{sort:?} by {limit}");
            assert_eq!(parts.len(), 6_usize.div_ceil(limit as usize), "{sort:?} by {limit}");
        }
    }
}

#[test]
fn a_walk_goes_on_behind_a_record_that_is_gone() {
    let records = named(&[(1, Some("a")), (2, Some("b")), (3, Some("c"))]);
    let sort = vec![Sort::ascending(at(NAME))];
    let window = |after| Window::Cursor { after, limit: 2 };
    let first = query().sort(sort).unwrap().window(window(None)).unwrap();
    let next = select(&first, &records).next;
    let rest = select(&first.clone().window(window(next)).unwrap(), &records[2..]);
    assert_eq!(ids(&rest), [3]);
}

// A cursor over keys of every kind there is an order for.
fn every_kind() -> Vec<(FieldIndex, Value)> {
    vec![
        (NAME, "Ünï\"\\\n".into()),
        (CODE, "A b".into()),
        (ACTIVE, true.into()),
        (COUNT, i64::MIN.into()),
        (PRICE, decimal("-0.10").into()),
        (DAY, NaiveDate::from_ymd_opt(1, 2, 3).unwrap().into()),
        (SEEN, (time(-1) + TimeDelta::microseconds(1)).into()),
        (PARENT, Uuid::from_u128(7).into()),
    ]
}

#[test]
fn a_cursor_survives_its_text_whatever_its_keys_hold() {
    for (field, value) in every_kind() {
        for value in [value, Value::Null] {
            let query = query().sort(vec![Sort::descending(at(field))]).unwrap();
            let cursor = Cursor::behind(&query, &thing(1, &[(field, value)]));
            let text = cursor.encode();
            assert!(text.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c)), "{text}");
            assert_eq!(Cursor::decode(&text).unwrap(), cursor);
            let window = Window::Cursor { after: Some(cursor), limit: 1 };
            assert!(query.window(window).is_ok(), "{}", things().field(field).name);
        }
    }
}

#[test]
fn a_cursor_is_of_one_order_only() {
    let record = thing(1, &every_kind());
    let by = |sort: Vec<Sort>| query().sort(sort).unwrap();
    let cursor = Cursor::behind(&by(vec![Sort::ascending(at(system::CREATED_AT))]), &record);
    let window = Window::Cursor { after: Some(cursor), limit: 1 };
    for sort in [
        vec![],
        vec![Sort::descending(at(system::CREATED_AT))],
        vec![Sort::ascending(at(system::UPDATED_AT))],
        vec![Sort::ascending(at(NAME))],
        vec![Sort::ascending(at(system::CREATED_AT)), Sort::ascending(at(NAME))],
    ] {
        assert_eq!(code_of(by(sort.clone()).window(window.clone())), "INVALID_CURSOR", "{sort:?}");
        let fitting = by(vec![Sort::ascending(at(system::CREATED_AT))]).window(window.clone());
        assert_eq!(code_of(fitting.unwrap().sort(sort.clone())), "INVALID_CURSOR", "{sort:?}");
    }
    let other = Query::new(users()).sort(vec![Sort::ascending(at(system::CREATED_AT))]).unwrap();
    assert_eq!(code_of(other.window(window)), "INVALID_CURSOR", "of another list");
}

#[test]
fn a_text_that_is_no_cursor_is_refused() {
    let encode = |json: &str| URL_SAFE_NO_PAD.encode(json);
    let garbage = [
        String::new(),
        "%%%".to_owned(),
        "Zm9v".to_owned(),
        "A".repeat(9_000),
        encode("{}"),
        encode("[]"),
        encode("[null]"),
        encode("[1]"),
        encode(r#"["things","x1"]"#),
        encode(r#"["things",""]"#),
        encode(r#"["things","é"]"#),
        encode(r#"["things","b2"]"#),
        encode(r#"["things","i9223372036854775808"]"#),
        encode(r#"["things","d1.2.3"]"#),
        encode(r#"["things","u12"]"#),
        encode(r#"["things","D2026-02-30"]"#),
        encode(r#"["things","T99999999999999999999"]"#),
        encode(r#"["things","i1","i1","i1","i1","i1","i1"]"#),
    ];
    for text in garbage {
        assert_eq!(code_of(Cursor::decode(&text)), "INVALID_CURSOR", "{text}");
    }
}

#[test]
fn a_forged_cursor_holds_what_its_order_could_hold() {
    let order = query().sort(vec![Sort::ascending(at(system::CREATED_AT))]).unwrap();
    let window = |keys: &str| {
        let text = format!(r#"["things+createdAt+id",{keys}]"#);
        let after = Some(Cursor::decode(&URL_SAFE_NO_PAD.encode(text)).unwrap());
        order.clone().window(Window::Cursor { after, limit: 1 })
    };
    let id = "\"u00000000000000000000000000000001\"";
    assert!(window(&format!(r#""T0",{id}"#)).is_ok());
    for keys in [
        r#""T0""#.to_owned(),
        format!(r#""i0",{id}"#),
        format!("null,{id}"),
        r#""T0",null"#.to_owned(),
        format!(r#""T253402300800000000",{id}"#),
    ] {
        assert_eq!(code_of(window(&keys)), "INVALID_CURSOR", "{keys}");
    }
}
