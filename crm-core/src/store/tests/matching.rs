//! Filters: which records match.

use super::*;
use crate::store::Comparison;

fn compare(field: FieldIndex, comparison: Comparison, value: impl Into<Value>) -> Filter {
    Filter::Compare(at(field), comparison, value.into())
}

fn region(kind: Kind) -> Path {
    Path::custom(CUSTOM, "region", kind)
}

#[test]
fn a_comparison_with_an_absent_value_is_false_and_its_opposite_is_true() {
    for filter in [
        Filter::eq(at(CODE), "lost"),
        compare(COUNT, Comparison::Lt, 1),
        compare(COUNT, Comparison::Ge, 1),
        Filter::Contains(at(NAME), "a".into()),
        Filter::StartsWith(at(NAME), "a".into()),
        Filter::Related(PARENT, things(), Box::new(Filter::All)),
        Filter::eq(region(Kind::Code), "north"),
    ] {
        assert!(!holds(filter.clone(), &[]), "{filter:?}");
        assert!(holds(filter.clone().not(), &[]), "not {filter:?}");
    }
}

#[test]
fn each_comparison_holds_on_its_side_of_the_bound() {
    use Comparison::{Ge, Gt, Le, Lt};
    for (comparison, below, equal, above) in [
        (Lt, true, false, false),
        (Le, true, true, false),
        (Gt, false, false, true),
        (Ge, false, true, true),
    ] {
        for (count, expected) in [(1, below), (2, equal), (3, above)] {
            let found = holds(compare(COUNT, comparison, 2), &[(COUNT, count.into())]);
            assert_eq!(found, expected, "{count} {comparison:?} 2");
        }
    }
}

#[test]
fn text_is_compared_without_case_or_accents_and_codes_as_they_are() {
    let zoe: &[(FieldIndex, Value)] = &[(NAME, "Zoë".into()), (CODE, "Zoë".into())];
    assert!(holds(Filter::eq(at(NAME), "ZOE"), zoe));
    assert!(!holds(Filter::eq(at(CODE), "ZOE"), zoe));
    assert!(holds(Filter::eq(at(CODE), "Zoë"), zoe));
    assert!(holds(compare(NAME, Comparison::Gt, "Adam"), zoe));
    assert!(holds(compare(NAME, Comparison::Le, "zoe"), zoe));
    assert!(holds(compare(CODE, Comparison::Lt, "a"), zoe), "capitals come before small letters");
}

#[test]
fn numbers_compare_as_numbers() {
    let one = &[(PRICE, decimal("1").into())];
    assert!(holds(Filter::eq(at(PRICE), decimal("1.000")), one));
    assert!(holds(compare(PRICE, Comparison::Lt, decimal("1.0000001")), one));
    let ten = &[(PRICE, decimal("10").into())];
    assert!(holds(compare(PRICE, Comparison::Gt, decimal("9")), ten));
}

#[test]
fn dates_times_and_booleans_compare() {
    let present: &[(FieldIndex, Value)] =
        &[(DAY, day(2).into()), (SEEN, time(2).into()), (ACTIVE, true.into())];
    assert!(holds(compare(DAY, Comparison::Gt, day(1)), present));
    assert!(holds(compare(SEEN, Comparison::Le, time(2)), present));
    assert!(holds(compare(ACTIVE, Comparison::Gt, false), present));
    assert!(holds(Filter::eq(at(ACTIVE), true), present));
}

#[test]
fn in_matches_any_of_its_values_and_none_of_none() {
    let any = |values: &[&str]| {
        Filter::In(at(CODE), values.iter().map(|value| Value::from(*value)).collect())
    };
    let b = &[(CODE, "b".into())];
    assert!(holds(any(&["a", "b"]), b));
    assert!(!holds(any(&["a", "c"]), b));
    assert!(!holds(any(&[]), b));
    assert!(holds(any(&[]).not(), b));
}

#[test]
fn a_list_is_in_where_it_has_any_and_has_all_where_it_has_each() {
    let present = &[(TAGS, codes(&["a", "b"])), (PEOPLE, uuids(&[1, 2]))];
    let (a, b, c) = (Value::from("a"), Value::from("b"), Value::from("c"));
    assert!(holds(Filter::In(at(TAGS), vec![c.clone(), b.clone()]), present));
    assert!(!holds(Filter::In(at(TAGS), vec![c.clone()]), present));
    assert!(holds(Filter::HasAll(at(TAGS), vec![b, a.clone()]), present));
    assert!(!holds(Filter::HasAll(at(TAGS), vec![a, c]), present));
    let (one, three) = (Value::from(Uuid::from_u128(1)), Value::from(Uuid::from_u128(3)));
    assert!(holds(Filter::In(at(PEOPLE), vec![three.clone(), one.clone()]), present));
    assert!(!holds(Filter::HasAll(at(PEOPLE), vec![three, one]), present));
}

#[test]
fn has_all_of_nothing_matches_every_record() {
    assert!(holds(Filter::HasAll(at(TAGS), Vec::new()), &[]));
    assert!(holds(Filter::HasAll(at(PEOPLE), Vec::new()), &[(PEOPLE, uuids(&[1]))]));
}

#[test]
fn an_empty_list_is_absent_and_an_empty_text_is_not() {
    assert!(holds(Filter::Absent(at(TAGS)), &[]));
    assert!(!holds(Filter::Absent(at(TAGS)), &[(TAGS, codes(&[""]))]));
    assert!(holds(Filter::Absent(at(NAME)), &[]));
    assert!(!holds(Filter::Absent(at(NAME)), &[(NAME, "".into())]));
}

#[test]
fn contains_and_starts_with_take_their_argument_literally() {
    let name = &[(NAME, "100% a_b \\ Größe".into())];
    for part in ["0%", "a_b", "\\", "GROSSE", ""] {
        assert!(holds(Filter::Contains(at(NAME), part.into()), name), "{part}");
    }
    for part in ["1%a", "a.b", "a%b"] {
        assert!(!holds(Filter::Contains(at(NAME), part.into()), name), "{part}");
    }
    assert!(holds(Filter::StartsWith(at(NAME), "100%".into()), name));
    assert!(holds(Filter::StartsWith(at(NAME), "".into()), name));
    assert!(!holds(Filter::StartsWith(at(NAME), "00".into()), name));
}

#[test]
fn codes_are_looked_into_as_they_are() {
    let code = &[(CODE, "Ab".into())];
    assert!(holds(Filter::Contains(at(CODE), "b".into()), code));
    assert!(!holds(Filter::Contains(at(CODE), "ab".into()), code));
    assert!(!holds(Filter::StartsWith(at(CODE), "a".into()), code));
}

#[test]
fn every_word_of_a_search_occurs_somewhere() {
    let present = &[
        (NAME, "Jürgen Meier".into()),
        (CODE, "VIP".into()),
        (CUSTOM, custom(&[("city", "Köln".into()), ("floor", 3.into())])),
        (HIDDEN, "secret".into()),
    ];
    for words in ["MEIER jurgen", "vip", "koln eier", ""] {
        assert!(holds(Filter::search(words), present), "{words}");
    }
    for words in ["meier berlin", "secret", "3"] {
        assert!(!holds(Filter::search(words), present), "{words}");
    }
}

#[test]
fn no_word_of_a_search_matches_across_fields() {
    let present = &[(NAME, "ab".into()), (CODE, "cd".into())];
    assert!(!holds(Filter::search("abcd"), present));
    // Made by hand, a word could hold the line break between the fields.
    assert!(holds(Filter::Search(vec!["b\nc".into()]), present), "two words, each of which occurs");
    assert!(!holds(Filter::Search(vec!["b\nd".into(), "bc".into()]), present));
}

#[test]
fn a_tenants_own_field_of_another_kind_counts_as_absent() {
    let text = &[(CUSTOM, custom(&[("region", "Nord".into())]))];
    assert!(holds(Filter::eq(region(Kind::Text), "NORD"), text));
    assert!(!holds(Filter::eq(region(Kind::Code), "NORD"), text), "as a code case matters");
    assert!(holds(Filter::eq(region(Kind::Code), "Nord"), text));
    for kind in [Kind::Int, Kind::Bool, Kind::Uuid, Kind::Date, Kind::Codes, Kind::Uuids] {
        assert!(holds(Filter::Absent(region(kind)), text), "{kind:?}");
    }
    let number = &[(CUSTOM, custom(&[("region", 1.into())]))];
    let scale = Kind::Decimal { scale: 2 };
    assert!(holds(Filter::Absent(region(scale)), number), "a whole number is no decimal");
    let decimals = &[(CUSTOM, custom(&[("region", decimal("1.5").into())]))];
    assert!(holds(Filter::eq(region(scale), decimal("1.50")), decimals), "whatever the scale");
}

#[test]
fn a_tenants_own_list_that_was_never_set_is_empty() {
    assert!(holds(Filter::Absent(region(Kind::Codes)), &[]));
    assert!(holds(Filter::HasAll(region(Kind::Codes), Vec::new()), &[]));
    let list = &[(CUSTOM, custom(&[("region", codes(&["a", "b"]))]))];
    assert!(holds(Filter::eq(region(Kind::Codes), "b"), list));
    assert!(!holds(Filter::Absent(region(Kind::Codes)), list));
}

fn related(filter: Filter) -> Filter {
    checked(Filter::Related(PARENT, things(), Box::new(filter)))
}

#[test]
fn a_related_filter_looks_at_the_record_referred_to_live_or_deleted() {
    let deleted = (system::DELETED_AT, Value::from(time(9)));
    let others = Others::default()
        .with(&things(), thing(2, &[(COUNT, 5.into())]))
        .with(&things(), thing(3, &[(COUNT, 5.into()), deleted]));
    let matches = |filter: &Filter, parent: u128| {
        let row = of(thing(1, &[(PARENT, Uuid::from_u128(parent).into())]));
        super::super::evaluate::matches(&things(), filter, &row, &others)
    };
    for parent in [2, 3] {
        assert!(matches(&related(Filter::eq(at(COUNT), 5)), parent));
        assert!(!matches(&related(Filter::eq(at(COUNT), 6)), parent));
    }
    assert!(!matches(&related(Filter::All), 4), "there is no such record");
}

#[test]
fn a_reference_to_a_global_type_is_looked_up_outside_the_tenant() {
    let mut values = values(7);
    values.truncate(users().fields().len());
    values[5] = "A@b.de".into();
    let user = Record::new(&users(), None, values).unwrap();
    let others = Others::default().with(&users(), user);
    let row = of(thing(1, &[(USER, Uuid::from_u128(7).into())]));
    let filter = Filter::Related(USER, users(), Box::new(Filter::eq(at(5), "a@B.DE")));
    assert!(super::super::evaluate::matches(&things(), &checked(filter), &row, &others));
}

#[test]
fn connectives_mean_what_they_say_of_nothing_too() {
    let (yes, no) = (Filter::All, Filter::Nothing);
    assert!(holds(Filter::And(Vec::new()), &[]));
    assert!(!holds(Filter::Or(Vec::new()), &[]));
    assert!(holds(Filter::Or(vec![no.clone(), yes.clone()]), &[]));
    assert!(!holds(Filter::And(vec![yes, no.clone()]), &[]));
    assert!(holds(Filter::Not(Box::new(no)), &[]));
}
