//! Filters: what is refused before anything runs.

use super::*;
use crate::error::Error;
use crate::store::{Comparison, MAX_DEPTH, MAX_TERMS, MAX_VALUES};

// What a refused filter is told: the field and the code.
fn refusal(filter: Filter) -> (String, &'static str) {
    match Query::new(things()).filter(filter) {
        Err(Error::Unreadable(fault)) => (fault.field, fault.code),
        Err(Error::Internal(_)) => ("".to_owned(), "INTERNAL"),
        Err(Error::Limit { what, .. }) => (what, "LIMIT"),
        other => panic!("expected a refusal, got {other:?}"),
    }
}

fn is_refused(filter: Filter, field: &str, code: &str) {
    let description = format!("{filter:?}");
    assert_eq!(refusal(filter), (field.to_owned(), code), "{description}");
}

fn accepted(filter: Filter) {
    checked(filter);
}

#[test]
fn only_filterable_fields_are_filtered_by() {
    is_refused(Filter::eq(at(HIDDEN), "x"), "hidden", "INVALID_FILTER");
    is_refused(Filter::Absent(at(HIDDEN)), "hidden", "INVALID_FILTER");
    is_refused(Filter::Contains(at(HIDDEN), "x".into()), "hidden", "INVALID_FILTER");
    is_refused(Filter::Absent(at(LAYOUT)), "layout", "INVALID_FILTER");
}

#[test]
fn a_position_of_another_schema_is_a_fault_and_no_crash() {
    is_refused(Filter::Absent(at(99)), "", "INTERNAL");
    is_refused(Filter::Related(99, things(), Box::new(Filter::All)), "", "INTERNAL");
}

#[test]
fn a_value_has_the_kind_of_its_field() {
    for (path, value, code) in [
        (at(COUNT), Value::from("1"), "INVALID_TYPE"),
        (at(COUNT), decimal("1").into(), "INVALID_TYPE"),
        (at(PRICE), 1.into(), "INVALID_TYPE"),
        (at(SEEN), day(1).into(), "INVALID_TYPE"),
        (at(TAGS), codes(&["a"]), "INVALID_TYPE"),
        (at(NAME), "\0".into(), "INVALID_TEXT"),
        (at(NAME), Value::Null, "INVALID_FILTER"),
    ] {
        let name = path.name(&things());
        is_refused(Filter::eq(path, value), &name, code);
    }
    let bound = Filter::Compare(at(COUNT), Comparison::Lt, Value::Null);
    is_refused(bound, "count", "INVALID_FILTER");
}

#[test]
fn only_what_has_an_order_is_compared_and_only_text_is_looked_into() {
    let compare = |field, value| Filter::Compare(at(field), Comparison::Lt, value);
    is_refused(compare(TAGS, "a".into()), "tags", "INVALID_FILTER");
    is_refused(Filter::HasAll(at(CODE), vec!["a".into()]), "code", "INVALID_FILTER");
    is_refused(Filter::Contains(at(COUNT), "1".into()), "count", "INVALID_FILTER");
    is_refused(Filter::StartsWith(at(TAGS), "a".into()), "tags", "INVALID_FILTER");
    is_refused(Filter::Contains(at(NAME), "\0".into()), "name", "INVALID_FILTER");
}

#[test]
fn a_number_beyond_what_is_stored_is_a_fine_bound() {
    accepted(Filter::Compare(at(PRICE), Comparison::Lt, decimal("99999999999999999.123").into()));
}

#[test]
fn a_tenants_own_field_needs_a_key_and_no_other_field_has_one() {
    accepted(Filter::eq(Path::custom(CUSTOM, "region", Kind::Code), "north"));
    is_refused(Filter::Absent(at(CUSTOM)), "customFields", "INVALID_FILTER");
    for (path, name) in [
        (Path::custom(CUSTOM, "region", Kind::Custom), "customFields.region"),
        (Path::custom(CUSTOM, "region", Kind::Json), "customFields.region"),
        (Path::custom(CUSTOM, "\0", Kind::Code), "customFields.\0"),
        (Path::custom(NAME, "region", Kind::Code), "name.region"),
    ] {
        is_refused(Filter::Absent(path), name, "INVALID_FILTER");
    }
}

#[test]
fn a_code_that_the_field_never_holds_is_a_slip() {
    let schema = Schema::builder("deals", Scoping::Tenant, Owners::Nobody)
        .field(Field::new("state", Kind::Code).filterable().choices(Some(&["won", "lost"] as &[_])))
        .field(Field::new("past", Kind::Codes).filterable().choices(Some(&["won"] as &[_])))
        .build()
        .unwrap();
    let filter = |filter| Query::new(Arc::clone(&schema)).filter(filter);
    assert!(filter(Filter::eq(at(5), "won").and(Filter::eq(at(6), "won"))).is_ok());
    for (path, expected) in [(at(5), "won, lost"), (at(6), "won")] {
        let Err(Error::Unreadable(fault)) = filter(Filter::eq(path, "Won")) else {
            panic!("is refused")
        };
        assert_eq!(fault.code, "INVALID_CHOICE");
        assert_eq!(fault.message, format!("expected one of {expected}, got \"Won\""));
    }
}

#[test]
fn a_search_needs_something_to_look_into() {
    let search = Query::new(users()).filter(Filter::search("x"));
    assert!(matches!(search, Err(Error::Unreadable(fault)) if fault.code == "NOT_SEARCHABLE"));
    is_refused(Filter::Search(vec!["a\0".into()]), "search", "INVALID_TEXT");
}

#[test]
fn a_related_filter_follows_a_declared_reference_and_fits_its_target() {
    let related = |field, schema, filter| Filter::Related(field, schema, Box::new(filter));
    accepted(related(PARENT, things(), Filter::eq(at(COUNT), 1)));
    is_refused(related(PARENT, users(), Filter::All), "", "INTERNAL");
    is_refused(related(CODE, things(), Filter::All), "", "INTERNAL");
    is_refused(related(PARENT, things(), Filter::Absent(at(HIDDEN))), "hidden", "INVALID_FILTER");
}

#[test]
fn a_filter_is_refused_beyond_its_limits_and_never_cut() {
    let terms = |count| Filter::Or(vec![Filter::Absent(at(NAME)); count]);
    accepted(terms(MAX_TERMS - 1));
    assert_eq!(refusal(terms(MAX_TERMS)).1, "LIMIT");

    let nested = |depth| (0..depth).fold(Filter::Nothing, |f, _| Filter::Not(Box::new(f)));
    accepted(nested(MAX_DEPTH));
    assert_eq!(refusal(nested(MAX_DEPTH + 1)).1, "LIMIT");

    let values = |count: i64| Filter::In(at(COUNT), (0..count).map(Value::from).collect());
    accepted(values(MAX_VALUES as i64));
    assert_eq!(refusal(values(MAX_VALUES as i64 + 1)).1, "LIMIT");

    let words =
        |count: usize| Filter::search(&(0..count).map(|i| format!("w{i} ")).collect::<String>());
    accepted(words(MAX_TERMS - 1));
    assert_eq!(refusal(words(MAX_TERMS)).1, "LIMIT");

    let related = |filter| Filter::Related(PARENT, things(), Box::new(filter));
    assert_eq!(refusal(related(terms(MAX_TERMS - 1))).1, "LIMIT", "terms behind a reference count");
}

#[test]
fn texts_and_values_are_brought_to_the_form_in_which_they_are_compared() {
    let name = Filter::eq(at(NAME), "Müller");
    assert_eq!(checked(name), Filter::eq(at(NAME), "muller"));
    let code = Filter::eq(at(CODE), "Müller");
    assert_eq!(checked(code.clone()), code);
    assert_eq!(
        checked(Filter::Contains(at(NAME), "É".into())),
        Filter::Contains(at(NAME), "e".into())
    );
    let words = Filter::Search(vec!["Two Words".into(), "WORDS".into()]);
    assert_eq!(checked(words), Filter::Search(vec!["two".into(), "words".into()]));
    let nanos = time(0) + TimeDelta::nanoseconds(1_500);
    assert_eq!(
        checked(Filter::eq(at(SEEN), nanos)),
        Filter::eq(at(SEEN), time(0) + TimeDelta::microseconds(1))
    );
}

#[test]
fn connectives_leave_out_what_does_not_matter() {
    let (a, b) = (Filter::Absent(at(NAME)), Filter::Absent(at(CODE)));
    assert_eq!(Filter::All.and(a.clone()), a);
    assert_eq!(a.clone().and(Filter::Nothing), Filter::Nothing);
    assert_eq!(a.clone().or(Filter::All), Filter::All);
    assert_eq!(Filter::Nothing.or(a.clone()), a);
    assert_eq!(a.clone().not().not(), a);
    assert_eq!(Filter::All.not(), Filter::Nothing);
    assert_eq!(
        a.clone().and(b.clone()).and(a.clone()),
        Filter::And(vec![a.clone(), b.clone(), a.clone()])
    );
    assert_eq!(Filter::search(" \n"), Filter::All);
}

#[test]
fn an_id_that_every_match_must_have_is_found() {
    let id = Uuid::from_u128(7);
    let by_id = Filter::eq(at(system::ID), id);
    let other = Filter::Absent(at(NAME));
    assert_eq!(by_id.required_id(), Some(id));
    assert_eq!(other.clone().and(by_id.clone()).required_id(), Some(id));
    assert_eq!(by_id.clone().or(other).required_id(), None);
    assert_eq!(by_id.not().required_id(), None);
    assert_eq!(Filter::eq(at(PARENT), id).required_id(), None);
}
