//! Aggregates: what is refused, and what the figures are.

use super::*;
use crate::error::Error;
use crate::store::{Aggregate, Deleted, Group, GroupBy, Measure};

fn aggregate(groups: Vec<GroupBy>, measures: Vec<Measure>) -> Aggregate {
    Aggregate::count(things()).group_by(groups).unwrap().measures(measures).unwrap()
}

fn figures(aggregate: &Aggregate, records: &[Record]) -> Vec<(Vec<Value>, Vec<Value>)> {
    let rows: Vec<Row> = records.iter().cloned().map(of).collect();
    let groups =
        crate::store::evaluate::aggregate(aggregate, rows.iter(), &Others::default()).unwrap();
    groups.into_iter().map(|Group { keys, values }| (keys, values)).collect()
}

fn counts(group: GroupBy, records: &[Record]) -> Vec<(Value, i64)> {
    let found = figures(&aggregate(vec![group], vec![Measure::Count]), records);
    found
        .into_iter()
        .map(|(mut keys, values)| match values[..] {
            [Value::Int(count)] => (keys.remove(0), count),
            _ => panic!("expected a count, got {values:?}"),
        })
        .collect()
}

#[test]
fn without_a_grouping_there_is_one_group_even_over_nothing() {
    let all = vec![
        Measure::Count,
        Measure::Distinct(at(NAME)),
        Measure::Sum(at(PRICE)),
        Measure::Sum(at(COUNT)),
        Measure::Min(at(PRICE)),
        Measure::Max(at(PRICE)),
    ];
    let zero = || Value::from(Decimal::ZERO);
    let expected = vec![0.into(), 0.into(), zero(), zero(), Value::Null, Value::Null];
    assert_eq!(figures(&aggregate(Vec::new(), all), &[]), [(Vec::new(), expected)]);
}

#[test]
fn with_a_grouping_there_are_only_groups_that_have_records() {
    assert_eq!(counts(GroupBy::Value(at(CODE)), &[]), []);
}

#[test]
fn absent_values_count_in_no_figure_but_the_count() {
    let records = [thing(1, &[(PRICE, decimal("1.50").into())]), thing(2, &[])];
    let measures = vec![
        Measure::Count,
        Measure::Distinct(at(PRICE)),
        Measure::Sum(at(PRICE)),
        Measure::Min(at(PRICE)),
        Measure::Max(at(PRICE)),
    ];
    let price = || Value::from(decimal("1.50"));
    let expected = vec![2.into(), 1.into(), price(), price(), price()];
    assert_eq!(figures(&aggregate(Vec::new(), measures), &records), [(Vec::new(), expected)]);
}

#[test]
fn sums_are_exact_beyond_what_a_whole_number_holds() {
    let records = [thing(1, &[(COUNT, i64::MAX.into())]), thing(2, &[(COUNT, i64::MAX.into())])];
    let found = figures(&aggregate(Vec::new(), vec![Measure::Sum(at(COUNT))]), &records);
    assert_eq!(found[0].1, [decimal("18446744073709551614").into()]);
}

#[test]
fn groups_come_in_the_order_of_their_keys_absent_ones_last() {
    let records = [
        thing(1, &[]),
        thing(2, &[(COUNT, 10.into())]),
        thing(3, &[(COUNT, 9.into())]),
        thing(4, &[(COUNT, 9.into())]),
    ];
    let expected = [(9.into(), 2), (10.into(), 1), (Value::Null, 1)];
    assert_eq!(counts(GroupBy::Value(at(COUNT)), &records), expected);
}

#[test]
fn texts_that_compare_equal_are_one_group_under_the_smallest_of_them() {
    let named = |id, name: &str| thing(id, &[(NAME, name.into())]);
    let records = [named(1, "köln"), named(2, "Köln"), named(3, "KOLN"), named(4, "aachen")];
    let expected = [("aachen".into(), 1), ("KOLN".into(), 3)];
    assert_eq!(counts(GroupBy::Value(at(NAME)), &records), expected);
}

#[test]
fn min_and_max_of_a_text_are_its_key_and_distinct_counts_keys() {
    let named = |id, name: &str| thing(id, &[(NAME, name.into())]);
    let records = [named(1, "Ähre"), named(2, "ahre"), named(3, "Zoë")];
    let measures =
        vec![Measure::Min(at(NAME)), Measure::Max(at(NAME)), Measure::Distinct(at(NAME))];
    let found = figures(&aggregate(Vec::new(), measures), &records);
    assert_eq!(found[0].1, ["ahre".into(), "zoe".into(), 2.into()]);
}

#[test]
fn a_record_counts_once_for_each_element_of_its_list() {
    let records =
        [thing(1, &[(TAGS, codes(&["b", "a", "b"]))]), thing(2, &[(TAGS, codes(&["a"]))])];
    let expected = [("a".into(), 2), ("b".into(), 1)];
    assert_eq!(counts(GroupBy::Each(at(TAGS)), &records), expected);
    assert_eq!(counts(GroupBy::Each(at(TAGS)), &[thing(1, &[])]), [(Value::Null, 1)]);
}

#[test]
fn a_span_begins_with_its_bound() {
    let seen = |id: u128, at: i64| thing(id, &[(SEEN, time(at).into())]);
    let records = [seen(1, 9), seen(2, 10), seen(3, 19), seen(4, 20), thing(5, &[])];
    let spans = GroupBy::Span(at(SEEN), vec![time(10), time(20)]);
    let expected = [(0.into(), 1), (1.into(), 2), (2.into(), 1), (Value::Null, 1)];
    assert_eq!(counts(spans, &records), expected);
}

#[test]
fn groupings_combine() {
    let records = [
        thing(1, &[(CODE, "x".into()), (TAGS, codes(&["a", "b"]))]),
        thing(2, &[(CODE, "y".into()), (TAGS, codes(&["a"]))]),
    ];
    let both =
        aggregate(vec![GroupBy::Value(at(CODE)), GroupBy::Each(at(TAGS))], vec![Measure::Count]);
    let keys: Vec<_> = figures(&both, &records).into_iter().map(|(keys, _)| keys).collect();
    let pair = |a: &str, b: &str| vec![Value::from(a), Value::from(b)];
    assert_eq!(keys, [pair("x", "a"), pair("x", "b"), pair("y", "a")]);
}

#[test]
fn only_matching_live_records_count_unless_asked_otherwise() {
    let records = [
        thing(1, &[(COUNT, 1.into())]),
        thing(2, &[(COUNT, 2.into())]),
        thing(3, &[(COUNT, 1.into()), (system::DELETED_AT, time(1).into())]),
    ];
    let ones = || Aggregate::count(things()).filter(Filter::eq(at(COUNT), 1)).unwrap();
    assert_eq!(figures(&ones(), &records)[0].1, [1.into()]);
    assert_eq!(figures(&ones().deleted(Deleted::Include), &records)[0].1, [2.into()]);
    assert_eq!(figures(&ones().deleted(Deleted::Only), &records)[0].1, [1.into()]);
}

#[test]
fn a_figure_is_of_a_field_that_has_it() {
    let count = || Aggregate::count(things());
    for measure in [
        Measure::Sum(at(NAME)),
        Measure::Min(at(TAGS)),
        Measure::Max(at(CUSTOM)),
        Measure::Distinct(at(PEOPLE)),
        Measure::Sum(at(HIDDEN)),
    ] {
        let refusal = count().measures(vec![measure.clone()]);
        assert!(matches!(refusal, Err(Error::Unreadable(_))), "{measure:?}");
    }
    for group in [
        GroupBy::Value(at(TAGS)),
        GroupBy::Each(at(CODE)),
        GroupBy::Span(at(DAY), vec![time(1)]),
        GroupBy::Value(at(HIDDEN)),
        GroupBy::Each(Path::custom(CUSTOM, "tags", Kind::Uuids)),
    ] {
        let refusal = count().group_by(vec![group.clone()]);
        assert!(matches!(refusal, Err(Error::Unreadable(_))), "{group:?}");
    }
}

#[test]
fn an_aggregate_has_limits() {
    let count = || Aggregate::count(things());
    let by_code = |times: usize| vec![GroupBy::Value(at(CODE)); times];
    assert!(count().group_by(by_code(4)).is_ok());
    assert!(matches!(count().group_by(by_code(5)), Err(Error::Limit { .. })));
    assert!(count().measures(vec![Measure::Count; 16]).is_ok());
    assert!(count().measures(vec![Measure::Count; 17]).is_err());
    assert!(count().measures(Vec::new()).is_err());
    let spans = |bounds| count().group_by(vec![GroupBy::Span(at(SEEN), bounds)]);
    assert!(spans(vec![time(2), time(1)]).is_err(), "bounds ascend");
    assert!(spans(vec![time(1), time(1)]).is_err(), "bounds differ");
}

#[test]
fn a_plain_count_is_known_as_one() {
    let count = || Aggregate::count(things());
    assert!(count().is_plain_count());
    assert!(!count().deleted(Deleted::Include).is_plain_count());
    assert!(!count().filter(Filter::eq(at(COUNT), 1)).unwrap().is_plain_count());
    assert!(!count().measures(vec![Measure::Count, Measure::Count]).unwrap().is_plain_count());
}
