//! Figures over many records.

use std::sync::Arc;

use rust_decimal::Decimal;

use super::filters::{five, ordered_kinds};
use super::values::{codes, dec, fields, time, uuid, uuids};
use super::world::{Draft, Outcome, World, custom, ensure, ensure_eq, field};
use crate::error::{Error, Result};
use crate::store::{
    Aggregate, Comparison, Deleted, Filter, Group, GroupBy, Kind, MAX_GROUPS, Measure, Value, fold,
};

fn over(world: &World) -> Aggregate {
    Aggregate::count(Arc::clone(&world.types().specimens))
}

async fn grouped(
    world: &World,
    groups: Vec<GroupBy>,
    measures: Vec<Measure>,
) -> Result<Vec<(Vec<Value>, Vec<Value>)>> {
    let aggregate = over(world).group_by(groups)?.measures(measures)?;
    let groups = world.aggregate(aggregate).await?;
    Ok(groups.into_iter().map(|Group { keys, values }| (keys, values)).collect())
}

fn int(n: i64) -> Value {
    Value::Int(n)
}

pub(super) async fn no_records_give_one_group_of_nothing(world: World) -> Outcome {
    let measures = vec![
        Measure::Count,
        Measure::Sum(field("number")),
        Measure::Sum(field("amount")),
        Measure::Min(field("number")),
        Measure::Max(field("title")),
        Measure::Distinct(field("code")),
    ];
    let nothing = vec![int(0), dec(0, 0), dec(0, 0), Value::Null, Value::Null, int(0)];
    let groups = grouped(&world, vec![], measures.clone()).await?;
    ensure_eq!(groups, [(vec![], nothing.clone())], "over no records");
    world.insert(world.specimen("without values")).await?;
    let none = over(&world).filter(Filter::Nothing)?.measures(measures.clone())?;
    let none = world.aggregate(none).await?;
    ensure_eq!(none, [Group { keys: vec![], values: nothing }], "over no matching records");
    let groups = grouped(&world, vec![GroupBy::Value(field("code"))], vec![Measure::Count]).await?;
    ensure_eq!(groups, [(vec![Value::Null], vec![int(1)])], "the absent group");
    let absent = grouped(&world, vec![], measures).await?;
    let values = vec![int(1), dec(0, 0), dec(0, 0), Value::Null, Value::Null, int(0)];
    ensure_eq!(absent, [(vec![], values)], "over absent values");
    let empty = world.another();
    let groups = grouped(&empty, vec![GroupBy::Value(field("code"))], vec![Measure::Count]).await?;
    ensure!(groups.is_empty(), "groups without records: {groups:?}");
    Ok(())
}

pub(super) async fn each_kind_is_grouped_in_order_with_absent_keys_last(world: World) -> Outcome {
    for (name, values) in ordered_kinds() {
        let world = world.another();
        five(&world, name, &values).await?;
        world.insert(world.specimen("again").with(name, values[2].clone())).await?;
        let groups =
            grouped(&world, vec![GroupBy::Value(field(name))], vec![Measure::Count]).await?;
        let expected: Vec<_> = values
            .iter()
            .cloned()
            .zip([1, 1, 2, 1])
            .chain([(Value::Null, 1)])
            .map(|(key, count)| (vec![key], vec![int(count)]))
            .collect();
        ensure_eq!(groups, expected, "groups by {name}");
    }
    let world = world.another();
    let flag = |flag: bool| world.specimen("flag").with("flag", flag);
    world.insert_all(vec![flag(true), world.specimen("none"), flag(false), flag(true)]).await?;
    let groups = grouped(&world, vec![GroupBy::Value(field("flag"))], vec![Measure::Count]).await?;
    let expected = [(false.into(), 1), (true.into(), 2), (Value::Null, 1)];
    let expected = expected.map(|(key, count): (Value, _)| (vec![key], vec![int(count)]));
    ensure_eq!(groups, expected, "groups by flag");
    Ok(())
}

pub(super) async fn each_kind_has_extremes_and_a_number_of_different_values(
    world: World,
) -> Outcome {
    for (name, values) in ordered_kinds() {
        let kind = world.types().specimens.field(field(name).field).kind;
        let world = world.another();
        five(&world, name, &values).await?;
        let twice = world.specimen("again").with(name, values[1].clone());
        let own = world.specimen("own").with("custom", fields([("key", values[1].clone())]));
        world.insert_all(vec![twice, own]).await?;
        let shown = |value: &Value| match (kind, value) {
            (Kind::Text, Value::Text(text)) => Value::Text(fold(text)),
            (_, value) => value.clone(),
        };
        for (path, expected) in [
            (field(name), [shown(&values[0]), shown(&values[3]), int(4)]),
            (custom("key", kind), [shown(&values[1]), shown(&values[1]), int(1)]),
        ] {
            let measures = vec![
                Measure::Min(path.clone()),
                Measure::Max(path.clone()),
                Measure::Distinct(path),
            ];
            let groups = grouped(&world, vec![], measures).await?;
            ensure_eq!(groups, [(vec![], expected.to_vec())], "extremes of {name}");
        }
    }
    let world = world.another();
    let flag = |flag: bool| world.specimen("flag").with("flag", flag);
    world.insert_all(vec![flag(true), world.specimen("none"), flag(false), flag(true)]).await?;
    let path = field("flag");
    let measures =
        vec![Measure::Min(path.clone()), Measure::Max(path.clone()), Measure::Distinct(path)];
    let groups = grouped(&world, vec![], measures).await?;
    ensure_eq!(groups, [(vec![], vec![false.into(), true.into(), int(2)])], "extremes of flag");
    Ok(())
}

pub(super) async fn texts_that_fold_alike_are_one_group_under_the_smallest(
    world: World,
) -> Outcome {
    let titled = |title: &str| {
        let custom = fields([("title", title.into())]);
        world.specimen(title).with("title", title).with("code", title).with("custom", custom)
    };
    let titles = ["zoe", "Zoé", "ZOE", "adam", "Ädam", "", "STRASSE", "straße"];
    world.insert_all(titles.iter().map(|title| titled(title)).collect()).await?;
    for path in [field("title"), custom("title", Kind::Text)] {
        let groups = vec![GroupBy::Value(path.clone())];
        let measures = vec![Measure::Count, Measure::Distinct(path.clone()), Measure::Max(path)];
        let groups = grouped(&world, groups, measures).await?;
        let expected: Vec<_> =
            [("", 1, ""), ("adam", 2, "adam"), ("STRASSE", 2, "strasse"), ("ZOE", 3, "zoe")]
                .map(|(key, n, max)| (vec![key.into()], vec![int(n), int(1), max.into()]))
                .into();
        ensure_eq!(groups, expected, "groups of texts");
    }
    let groups = grouped(&world, vec![GroupBy::Value(field("code"))], vec![Measure::Count]).await?;
    ensure_eq!(groups.len(), titles.len(), "groups of codes");
    // What each group shows is chosen for each key by itself.
    let both = vec![GroupBy::Value(field("title")), GroupBy::Value(field("flag"))];
    let groups = grouped(&world, both, vec![Measure::Count]).await?;
    ensure_eq!(groups[3].0, ["ZOE".into(), Value::Null], "the keys of two groupings");
    Ok(())
}

pub(super) async fn each_element_of_a_list_is_a_group(world: World) -> Outcome {
    let listed = |label: &str, labels: &[&str], members: &[u128], number: i64| {
        let draft = world.specimen(label).with("labels", codes(labels));
        draft.with("members", uuids(members)).with("number", number)
    };
    let drafts = vec![
        listed("both", &["b", "a", "b"], &[2, 1, 2], 1),
        listed("a", &["a"], &[1], 10),
        listed("case", &["A"], &[3], 100),
        listed("none", &[], &[], 1_000),
    ];
    world.insert_all(drafts).await?;
    let measures = || vec![Measure::Count, Measure::Sum(field("number"))];
    let groups = grouped(&world, vec![GroupBy::Each(field("labels"))], measures()).await?;
    let expected: Vec<_> =
        [("A".into(), 1, 100), ("a".into(), 2, 11), ("b".into(), 1, 1), (Value::Null, 1, 1_000)]
            .map(|(key, count, sum): (Value, _, _)| (vec![key], vec![int(count), dec(sum, 0)]))
            .into();
    ensure_eq!(groups, expected, "groups of codes");
    let groups = grouped(&world, vec![GroupBy::Each(field("members"))], measures()).await?;
    let expected: Vec<_> =
        [(uuid(1), 2, 11), (uuid(2), 1, 1), (uuid(3), 1, 100), (Value::Null, 1, 1_000)]
            .map(|(key, count, sum)| (vec![key], vec![int(count), dec(sum, 0)]))
            .into();
    ensure_eq!(groups, expected, "groups of ids");
    let both = vec![GroupBy::Each(field("labels")), GroupBy::Each(field("members"))];
    let groups = grouped(&world, both, vec![Measure::Count]).await?;
    ensure_eq!(groups.len(), 6, "combinations: {groups:?}");
    Ok(())
}

pub(super) async fn spans_count_the_bounds_behind_a_time(world: World) -> Outcome {
    let times = [
        "2026-01-01T00:00:00Z",
        "2026-01-31T23:59:59.999999Z",
        "2026-02-01T00:00:00Z",
        "2026-02-01T00:00:00.000001Z",
        "2026-05-01T00:00:00Z",
        "1999-01-01T00:00:00Z",
    ];
    let mut drafts = vec![world.specimen("none")];
    for at in times {
        let custom = fields([("at", time(at))]);
        drafts.push(world.specimen(at).with("at", time(at)).with("custom", custom));
    }
    world.insert_all(drafts).await?;
    let months = ["2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z"];
    let bounds: Vec<_> = months.iter().filter_map(|text| text.parse().ok()).collect();
    ensure_eq!(bounds.len(), 3, "bounds");
    for path in [field("at"), custom("at", Kind::Time)] {
        let spans = vec![GroupBy::Span(path.clone(), bounds.clone())];
        let groups = grouped(&world, spans, vec![Measure::Count]).await?;
        let expected: Vec<_> =
            [(int(0), 1), (int(1), 2), (int(2), 2), (int(3), 1), (Value::Null, 1)]
                .map(|(key, count)| (vec![key], vec![int(count)]))
                .into();
        ensure_eq!(groups, expected, "spans");
        let unbounded = grouped(&world, vec![GroupBy::Span(path, vec![])], vec![Measure::Count]);
        let expected = [(vec![int(0)], vec![int(6)]), (vec![Value::Null], vec![int(1)])];
        ensure_eq!(unbounded.await?, expected, "one span without bounds");
    }
    Ok(())
}

pub(super) async fn sums_are_exact(world: World) -> Outcome {
    let one = |number: i64, amount: i64, ratio: i64| {
        let custom = fields([("amount", dec(amount, 2)), ("number", number.into())]);
        let draft = world.specimen("one").with("number", number).with("amount", dec(amount, 2));
        draft.with("ratio", dec(ratio, 6)).with("custom", custom)
    };
    let largest = 99_999_999_999_999_999;
    world
        .insert_all(vec![one(i64::MAX, largest, 1), one(i64::MAX, largest, -3), one(-1, 1, 1)])
        .await?;
    let numbers = Decimal::from(i64::MAX) + Decimal::from(i64::MAX) - Decimal::ONE;
    let amounts = Decimal::new(largest, 2) + Decimal::new(largest, 2) + Decimal::new(1, 2);
    let measures = vec![
        Measure::Sum(field("number")),
        Measure::Sum(field("amount")),
        Measure::Sum(field("ratio")),
        Measure::Sum(custom("amount", Kind::Decimal { scale: 2 })),
        Measure::Sum(custom("number", Kind::Int)),
        Measure::Sum(custom("number", Kind::Decimal { scale: 2 })),
        Measure::Sum(field("whole")),
    ];
    let groups = grouped(&world, vec![], measures).await?;
    let (numbers, amounts) = (Value::Decimal(numbers), Value::Decimal(amounts));
    let expected =
        vec![numbers.clone(), amounts.clone(), dec(-1, 6), amounts, numbers, dec(0, 0), dec(0, 0)];
    ensure_eq!(groups, [(vec![], expected)], "sums");
    Ok(())
}

fn sale(world: &World, code: Option<&str>, flag: Option<bool>, number: i64) -> Draft {
    let draft = world.specimen("sale").with("number", number);
    let draft = draft.with("code", code.map_or(Value::Null, Value::from));
    draft.with("flag", flag.map_or(Value::Null, Value::from))
}

pub(super) async fn several_groupings_and_measures_combine(world: World) -> Outcome {
    let drafts = vec![
        sale(&world, Some("b"), Some(true), 1),
        sale(&world, Some("a"), None, 2),
        sale(&world, None, Some(true), 4),
        sale(&world, Some("a"), Some(false), 8),
        sale(&world, Some("a"), Some(false), 16),
        sale(&world, None, None, 32),
    ];
    world.insert_all(drafts).await?;
    let groups = vec![GroupBy::Value(field("code")), GroupBy::Value(field("flag"))];
    let measures =
        vec![Measure::Count, Measure::Sum(field("number")), Measure::Max(field("number"))];
    let got = grouped(&world, groups, measures).await?;
    let expected: Vec<_> = [
        (Some("a"), Some(false), 2, 24, 16),
        (Some("a"), None, 1, 2, 2),
        (Some("b"), Some(true), 1, 1, 1),
        (None, Some(true), 1, 4, 4),
        (None, None, 1, 32, 32),
    ]
    .map(|(code, flag, count, sum, max)| {
        let keys =
            vec![code.map_or(Value::Null, Value::from), flag.map_or(Value::Null, Value::from)];
        (keys, vec![int(count), dec(sum, 0), int(max)])
    })
    .into();
    ensure_eq!(got, expected, "groups by code and flag");
    Ok(())
}

pub(super) async fn figures_are_of_what_matches(world: World) -> Outcome {
    let specimens = &world.types().specimens;
    let sales = (1..=4).map(|n| sale(&world, Some("a"), None, n)).collect();
    let sales = world.insert_all(sales).await?;
    world.delete(specimens, &sales[3]).await?;
    let big = || Filter::Compare(field("number"), Comparison::Gt, 1.into());
    for (deleted, count, sum) in
        [(Deleted::Exclude, 2, 5), (Deleted::Include, 3, 9), (Deleted::Only, 1, 4)]
    {
        let measures = vec![Measure::Count, Measure::Sum(field("number"))];
        let aggregate = over(&world).filter(big())?.deleted(deleted).measures(measures)?;
        let groups = world.aggregate(aggregate).await?;
        ensure_eq!(groups[0].values, [int(count), dec(sum, 0)], "{deleted:?}");
    }
    for (deleted, count) in [(Deleted::Exclude, 3), (Deleted::Include, 4), (Deleted::Only, 1)] {
        let groups = world.aggregate(over(&world).deleted(deleted)).await?;
        ensure_eq!(groups[0].values, [int(count)], "{deleted:?} without a filter");
    }
    Ok(())
}

pub(super) async fn there_are_at_most_so_many_groups(world: World) -> Outcome {
    let by_number = || over(&world).group_by(vec![GroupBy::Value(field("number"))]);
    let mut number = 0_i64;
    while number < i64::from(MAX_GROUPS) {
        let next = (number + 2_500).min(i64::from(MAX_GROUPS));
        let drafts = (number..next).map(|n| world.specimen("one").with("number", n)).collect();
        world.insert_all(drafts).await?;
        number = next;
    }
    let groups = world.aggregate(by_number()?).await?;
    ensure_eq!(groups.len(), MAX_GROUPS as usize, "groups");
    world.insert(world.specimen("one too many").with("number", number)).await?;
    let beyond = world.aggregate(by_number()?).await;
    ensure!(
        matches!(beyond, Err(Error::Limit { limit, .. }) if limit == u64::from(MAX_GROUPS)),
        "beyond the limit: {:?}",
        beyond.map(|groups| groups.len())
    );
    Ok(())
}
