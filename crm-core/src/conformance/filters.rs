//! Which records match.

use std::sync::Arc;

use uuid::Uuid;

use super::values::{TEXTS, codes, day, dec, fields, time, uuid, uuids};
use super::world::{Outcome, World, custom, ensure_eq, field, labels};
use crate::error::Result;
use crate::store::{Comparison, Deleted, Filter, Kind, Path, Query, Sort, Value, system};

/// For each ordered kind its field, and four values in ascending order.
pub(super) fn ordered_kinds() -> Vec<(&'static str, [Value; 4])> {
    vec![
        ("number", [i64::MIN, -1, 0, i64::MAX].map(Value::Int)),
        ("amount", [dec(-150, 2), dec(0, 0), dec(99, 2), dec(100_000, 2)]),
        ("ratio", [dec(-1, 6), dec(1, 6), dec(2, 6), dec(1, 0)]),
        ("whole", [dec(-2, 0), dec(-1, 0), dec(9, 0), dec(10, 0)]),
        ("title", ["Ähre", "apfel", "Banane", "Zoé"].map(Value::from)),
        ("code", ["A", "Z", "a", "ä"].map(Value::from)),
        ("link", [uuid(1), uuid(2), uuid(u128::MAX >> 1), uuid(u128::MAX)]),
        ("day", [day(1, 1, 1), day(1969, 7, 20), day(2024, 2, 29), day(9999, 12, 31)]),
        (
            "at",
            [
                time("0001-01-01T00:00:00Z"),
                time("2026-01-01T00:00:00.000001Z"),
                time("2026-01-01T00:00:00.000002Z"),
                time("9999-12-31T23:59:59.999999Z"),
            ],
        ),
    ]
}

/// Four specimens `a` to `d` with values in ascending order, and `none` without.
pub(super) async fn five(world: &World, name: &str, values: &[Value; 4]) -> Result<()> {
    let mut drafts = vec![world.specimen("none")];
    for (label, value) in ["a", "b", "c", "d"].iter().zip(values) {
        drafts.push(world.specimen(label).with(name, value.clone()));
    }
    world.insert_all(drafts).await.map(drop)
}

fn compare(path: Path, comparison: Comparison, value: &Value) -> Filter {
    Filter::Compare(path, comparison, value.clone())
}

pub(super) async fn in_finds_values_of_each_kind(world: World) -> Outcome {
    for (name, values) in ordered_kinds() {
        let world = world.another();
        five(&world, name, &values).await?;
        let one = Filter::eq(field(name), values[1].clone());
        world.expect(one.clone(), &["b"]).await?;
        world.expect(one.not(), &["none", "a", "c", "d"]).await?;
        let several = vec![values[3].clone(), values[0].clone(), values[3].clone()];
        world.expect(Filter::In(field(name), several), &["a", "d"]).await?;
    }
    let world = world.another();
    let yes = world.specimen("yes").with("flag", true);
    let no = world.specimen("no").with("flag", false);
    world.insert_all(vec![yes, no, world.specimen("none")]).await?;
    world.expect(Filter::eq(field("flag"), true), &["yes"]).await?;
    world.expect(Filter::eq(field("flag"), false), &["no"]).await?;
    world.expect(Filter::eq(field("flag"), false).not(), &["yes", "none"]).await
}

pub(super) async fn comparisons_follow_the_order_of_each_kind(world: World) -> Outcome {
    for (name, values) in ordered_kinds() {
        let world = world.another();
        five(&world, name, &values).await?;
        for (comparison, expected) in [
            (Comparison::Lt, &["a", "b"][..]),
            (Comparison::Le, &["a", "b", "c"]),
            (Comparison::Gt, &["d"]),
            (Comparison::Ge, &["c", "d"]),
        ] {
            world.expect(compare(field(name), comparison, &values[2]), expected).await?;
        }
        let below = compare(field(name), Comparison::Lt, &values[0]);
        world.expect(below, &[]).await?;
    }
    let world = world.another();
    let yes = world.specimen("yes").with("flag", true);
    let no = world.specimen("no").with("flag", false);
    world.insert_all(vec![yes, no, world.specimen("none")]).await?;
    world.expect(compare(field("flag"), Comparison::Lt, &true.into()), &["no"]).await?;
    world.expect(compare(field("flag"), Comparison::Ge, &false.into()), &["yes", "no"]).await
}

pub(super) async fn a_comparison_with_an_absent_value_is_false_and_its_not_true(
    world: World,
) -> Outcome {
    for (name, values) in ordered_kinds() {
        let world = world.another();
        five(&world, name, &values).await?;
        let all = ["none", "a", "b", "c", "d"];
        for comparison in [Comparison::Lt, Comparison::Le, Comparison::Gt, Comparison::Ge] {
            for value in &values {
                let filter = compare(field(name), comparison, value);
                let matching = world.labels(&world.types().specimens, filter.clone()).await?;
                let rest: Vec<&str> =
                    all.iter().copied().filter(|l| !matching.iter().any(|m| m == l)).collect();
                ensure_eq!(rest.first(), Some(&"none"), "{name}: the absent value compared");
                world.expect(filter.not(), &rest).await?;
            }
        }
        world.expect(Filter::Absent(field(name)), &["none"]).await?;
        world.expect(Filter::Absent(field(name)).not(), &["a", "b", "c", "d"]).await?;
        let nested = Filter::eq(field(name), values[0].clone())
            .not()
            .and(Filter::Or(vec![compare(field(name), Comparison::Ge, &values[1])]).not());
        world.expect(nested, &["none"]).await?;
    }
    Ok(())
}

pub(super) async fn an_empty_in_matches_nothing(world: World) -> Outcome {
    let draft = world.specimen("one").with("labels", codes(&["a"])).with("number", 1);
    world.insert_all(vec![draft, world.specimen("two")]).await?;
    for name in ["number", "title", "code", "flag", "labels", "members", "id", "at"] {
        world.expect(Filter::In(field(name), vec![]), &[]).await?;
        world
            .expect(Filter::Not(Box::new(Filter::In(field(name), vec![]))), &["one", "two"])
            .await?;
    }
    world.expect(Filter::In(custom("x", Kind::Text), vec![]), &[]).await?;
    world.expect(Filter::HasAll(field("labels"), vec![]), &["one", "two"]).await?;
    world.expect(Filter::HasAll(field("members"), vec![]), &["one", "two"]).await?;
    world.expect(Filter::HasAll(custom("x", Kind::Codes), vec![]), &["one", "two"]).await
}

pub(super) async fn lists_are_asked_for_any_or_all_of_some_values(world: World) -> Outcome {
    let custom_of = |labels: &[&str], members: &[u128]| {
        fields([("labels", codes(labels)), ("members", uuids(members))])
    };
    let mut drafts = Vec::new();
    for (label, labels, members) in [
        ("none", &[][..], &[][..]),
        ("a", &["a"][..], &[1][..]),
        ("ab", &["b", "a", "a"][..], &[2, 1, 2][..]),
        ("case", &["A", "a b", "a,b", "\"", "\\", ""][..], &[3][..]),
    ] {
        let draft = world.specimen(label).with("labels", codes(labels));
        let draft = draft.with("members", uuids(members));
        drafts.push(draft.with("custom", custom_of(labels, members)));
    }
    world.insert_all(drafts).await?;
    let texts = |texts: &[&str]| texts.iter().map(|text| Value::from(*text)).collect::<Vec<_>>();
    for path in [field("labels"), custom("labels", Kind::Codes)] {
        let any = |values: &[&str]| Filter::In(path.clone(), texts(values));
        let all = |values: &[&str]| Filter::HasAll(path.clone(), texts(values));
        world.expect(any(&["a"]), &["a", "ab"]).await?;
        world.expect(any(&["b", "A"]), &["ab", "case"]).await?;
        world.expect(any(&["a"]).not(), &["none", "case"]).await?;
        world.expect(all(&["a", "b"]), &["ab"]).await?;
        world.expect(all(&["b", "b"]), &["ab"]).await?;
        world.expect(all(&["a", "z"]), &[]).await?;
        world.expect(all(&["a", "b"]).not(), &["none", "a", "case"]).await?;
        for odd in ["a b", "a,b", "\"", "\\", ""] {
            world.expect(any(&[odd]), &["case"]).await?;
            world.expect(all(&[odd, "A"]), &["case"]).await?;
        }
        world.expect(Filter::Absent(path.clone()), &["none"]).await?;
        world.expect(Filter::Absent(path.clone()).not(), &["a", "ab", "case"]).await?;
    }
    for path in [field("members"), custom("members", Kind::Uuids)] {
        let any = |ids: &[u128]| Filter::In(path.clone(), ids.iter().map(|n| uuid(*n)).collect());
        let all =
            |ids: &[u128]| Filter::HasAll(path.clone(), ids.iter().map(|n| uuid(*n)).collect());
        world.expect(any(&[1]), &["a", "ab"]).await?;
        world.expect(any(&[2, 3]), &["ab", "case"]).await?;
        world.expect(all(&[1, 2]), &["ab"]).await?;
        world.expect(all(&[1, 3]), &[]).await?;
        world.expect(Filter::Absent(path.clone()), &["none"]).await?;
    }
    Ok(())
}

pub(super) async fn text_is_equal_without_case_accents_and_compatibility_forms(
    world: World,
) -> Outcome {
    let mut drafts = Vec::new();
    for title in
        ["Straße", "STRASSE", "Zoé", "zoe", "ZOE\u{301}", "Ｚｏｅ", "ﬁn", "Fin", "Ὀδυσσεύς"]
    {
        let custom = fields([("title", title.into())]);
        drafts.push(world.specimen(title).with("title", title).with("custom", custom));
    }
    world.insert_all(drafts).await?;
    for path in [field("title"), custom("title", Kind::Text)] {
        for (asked, expected) in [
            ("strasse", &["Straße", "STRASSE"][..]),
            ("ẞ", &[]),
            ("ZOÉ", &["Zoé", "zoe", "ZOE\u{301}", "Ｚｏｅ"]),
            ("FIN", &["ﬁn", "Fin"]),
            ("ΟΔΥΣΣΕΥΣ", &["Ὀδυσσεύς"]),
            ("zoe ", &[]),
        ] {
            world.expect(Filter::eq(path.clone(), asked), expected).await?;
        }
        let starts = Filter::StartsWith(path.clone(), "STRAß".into());
        world.expect(starts, &["Straße", "STRASSE"]).await?;
        let contains = Filter::Contains(path.clone(), "Ó".into());
        world.expect(contains, &["Zoé", "zoe", "ZOE\u{301}", "Ｚｏｅ"]).await?;
    }
    Ok(())
}

pub(super) async fn codes_are_compared_byte_by_byte(world: World) -> Outcome {
    let mut drafts = Vec::new();
    for code in ["DE", "de", "dé", "de\u{301}", "DE "] {
        let custom = fields([("code", code.into())]);
        drafts.push(world.specimen(code).with("code", code).with("custom", custom));
    }
    world.insert_all(drafts).await?;
    for path in [field("code"), custom("code", Kind::Code)] {
        for code in ["DE", "de", "dé", "de\u{301}", "DE "] {
            world.expect(Filter::eq(path.clone(), code), &[code]).await?;
        }
        world.expect(Filter::Contains(path.clone(), "E".into()), &["DE", "DE "]).await?;
        world.expect(Filter::StartsWith(path.clone(), "de".into()), &["de", "de\u{301}"]).await?;
    }
    Ok(())
}

pub(super) async fn parts_of_text_are_taken_literally(world: World) -> Outcome {
    let texts = ["100%", "1000", "a_b", "axb", "c\\d", "c\\\\d", "it's", "a\"b", "a\nb", "(a|b).*"];
    let mut drafts = Vec::new();
    for text in texts {
        let custom = fields([("text", text.into())]);
        let draft = world.specimen(text).with("title", text).with("code", text);
        drafts.push(draft.with("custom", custom));
    }
    world.insert_all(drafts).await?;
    let paths =
        [field("title"), field("code"), custom("text", Kind::Text), custom("text", Kind::Code)];
    for path in paths {
        for (part, expected) in [
            ("%", &["100%"][..]),
            ("0%", &["100%"]),
            ("_", &["a_b"]),
            ("a_", &["a_b"]),
            ("\\", &["c\\d", "c\\\\d"]),
            ("\\\\", &["c\\\\d"]),
            ("'", &["it's"]),
            ("\"", &["a\"b"]),
            ("\n", &["a\nb"]),
            (".*", &["(a|b).*"]),
            ("a%b", &[]),
        ] {
            world.expect(Filter::Contains(path.clone(), part.into()), expected).await?;
        }
        for (part, expected) in [
            ("1_0", &[][..]),
            ("100", &["100%", "1000"]),
            ("100%", &["100%"]),
            ("a_", &["a_b"]),
            ("c\\", &["c\\d", "c\\\\d"]),
            ("%", &[]),
            ("(a|", &["(a|b).*"]),
        ] {
            world.expect(Filter::StartsWith(path.clone(), part.into()), expected).await?;
        }
    }
    Ok(())
}

pub(super) async fn the_empty_text_is_contained_in_every_present_text(world: World) -> Outcome {
    let empty = world.specimen("empty").with("title", "").with("code", "");
    let full = world.specimen("full").with("title", "x").with("code", "x");
    world.insert_all(vec![empty, full, world.specimen("none")]).await?;
    for name in ["title", "code"] {
        world.expect(Filter::Contains(field(name), String::new()), &["empty", "full"]).await?;
        world.expect(Filter::StartsWith(field(name), String::new()), &["empty", "full"]).await?;
        world.expect(Filter::Contains(field(name), String::new()).not(), &["none"]).await?;
        world.expect(Filter::eq(field(name), ""), &["empty"]).await?;
        world.expect(Filter::Absent(field(name)), &["none"]).await?;
    }
    // A mark without a letter folds to nothing.
    world.expect(Filter::Contains(field("title"), "\u{301}".into()), &["empty", "full"]).await
}

pub(super) async fn any_text_finds_itself(world: World) -> Outcome {
    let draft = |text: &&str| world.specimen(text).with("title", *text).with("code", *text);
    world.insert_all(TEXTS.iter().map(draft).collect()).await?;
    for text in TEXTS {
        world.expect(Filter::eq(field("code"), *text), &[text]).await?;
        let found =
            world.labels(&world.types().specimens, Filter::eq(field("title"), *text)).await?;
        super::world::ensure!(found.iter().any(|label| label == text), "{text:?}: {found:?}");
    }
    Ok(())
}

pub(super) async fn decimals_compare_as_numbers(world: World) -> Outcome {
    let one = world.specimen("one").with("amount", dec(100, 2));
    let more = world.specimen("more").with("amount", dec(101, 2));
    world.insert_all(vec![one, more]).await?;
    world.expect(Filter::eq(field("amount"), dec(1, 0)), &["one"]).await?;
    world.expect(Filter::eq(field("amount"), dec(100_000, 5)), &["one"]).await?;
    world.expect(Filter::eq(field("amount"), dec(1_001, 3)), &[]).await?;
    world.expect(compare(field("amount"), Comparison::Gt, &dec(1_001, 3)), &["more"]).await?;
    let vast = Value::Decimal(rust_decimal::Decimal::MAX);
    world.expect(compare(field("amount"), Comparison::Lt, &vast), &["one", "more"]).await?;
    world.expect(Filter::eq(field("amount"), vast), &[]).await
}

pub(super) async fn custom_fields_are_compared_by_their_kind(world: World) -> Outcome {
    for (name, values) in ordered_kinds() {
        let kind = world.types().specimens.field(field(name).field).kind;
        let world = world.another();
        let mut drafts = vec![world.specimen("none")];
        for (label, value) in ["a", "b", "c", "d"].iter().zip(&values) {
            let custom = fields([("key", value.clone()), ("other", 1.into())]);
            drafts.push(world.specimen(label).with("custom", custom));
        }
        world.insert_all(drafts).await?;
        let path = || custom("key", kind);
        world.expect(Filter::eq(path(), values[1].clone()), &["b"]).await?;
        world.expect(compare(path(), Comparison::Ge, &values[1]), &["b", "c", "d"]).await?;
        world
            .expect(compare(path(), Comparison::Lt, &values[1]).not(), &["none", "b", "c", "d"])
            .await?;
        world.expect(Filter::Absent(path()), &["none"]).await?;
    }
    Ok(())
}

pub(super) async fn a_custom_value_of_another_kind_counts_as_absent(world: World) -> Outcome {
    let values = [
        ("bool", Value::Bool(true), Kind::Bool),
        ("int", Value::Int(1), Kind::Int),
        ("decimal", dec(1, 0), Kind::Decimal { scale: 6 }),
        ("text", "1".into(), Kind::Text),
        ("uuid", uuid(1), Kind::Uuid),
        ("date", day(2026, 1, 1), Kind::Date),
        ("time", time("2026-01-01T00:00:00Z"), Kind::Time),
        ("uuids", uuids(&[1]), Kind::Uuids),
        ("codes", codes(&["1"]), Kind::Codes),
    ];
    for (label, value, _) in &values {
        let draft = world.specimen(label).with("custom", fields([("key", value.clone())]));
        world.insert(draft).await?;
    }
    for (label, _, kind) in &values {
        let rest: Vec<&str> = values.iter().map(|(l, ..)| *l).filter(|l| l != label).collect();
        world.expect(Filter::Absent(custom("key", *kind)), &rest).await?;
    }
    // Text may be asked for as a code, and then compares as one.
    world.expect(Filter::eq(custom("key", Kind::Code), "1"), &["text"]).await?;
    let dates = custom("key", Kind::Date);
    world.expect(compare(dates, Comparison::Gt, &day(1, 1, 1)), &["date"]).await?;
    let date = fields([("key", "2026-01-01".into())]);
    world.insert(world.specimen("like a date").with("custom", date)).await?;
    world.expect(Filter::eq(custom("key", Kind::Date), day(2026, 1, 1)), &["date"]).await
}

pub(super) async fn custom_keys_are_taken_literally(world: World) -> Outcome {
    for (key, number) in TEXTS.iter().zip(0..) {
        let custom = fields([(key, Value::Int(number))]);
        world.insert(world.specimen(key).with("custom", custom)).await?;
    }
    for (key, number) in TEXTS.iter().zip(0..) {
        world.expect(Filter::eq(custom(key, Kind::Int), i64::from(number)), &[key]).await?;
        world.expect(Filter::Absent(custom(key, Kind::Int)).not(), &[key]).await?;
    }
    Ok(())
}

pub(super) async fn connectives_nest(world: World) -> Outcome {
    for number in 0..8 {
        world.insert(world.specimen(&number.to_string()).with("number", number)).await?;
    }
    let is = |n: i64| Filter::eq(field("number"), n);
    world.expect(Filter::And(vec![]), &["0", "1", "2", "3", "4", "5", "6", "7"]).await?;
    world.expect(Filter::Or(vec![]), &[]).await?;
    world.expect(Filter::Not(Box::new(Filter::And(vec![]))), &[]).await?;
    world.expect(Filter::Nothing, &[]).await?;
    world.expect(Filter::Or(vec![is(1), is(3).or(is(5))]), &["1", "3", "5"]).await?;
    let small = compare(field("number"), Comparison::Lt, &4.into());
    let mixed = Filter::And(vec![
        small.clone(),
        Filter::Or(vec![is(0), is(5), Filter::Not(Box::new(Filter::Or(vec![is(1), is(2)])))]),
    ]);
    world.expect(mixed.clone(), &["0", "3"]).await?;
    world.expect(mixed.not().and(small), &["1", "2"]).await
}

pub(super) async fn system_fields_are_filtered_by(world: World) -> Outcome {
    let specimens = &world.types().specimens;
    let one = world.insert(world.specimen("one")).await?;
    let two = world.insert(world.specimen("two")).await?;
    world.change(specimens, &two, &[]).await?;
    world.expect(Filter::eq(Path::field(system::ID), one.id()), &["one"]).await?;
    world.expect(Filter::eq(Path::field(system::VERSION), 2), &["two"]).await?;
    let created = Path::field(system::CREATED_AT);
    let since = two.get(system::CREATED_AT);
    world.expect(compare(created.clone(), Comparison::Ge, since), &["two"]).await?;
    world.expect(compare(created, Comparison::Lt, since), &["one"]).await?;
    let ids = vec![two.id().into(), one.id().into(), Uuid::nil().into()];
    world.expect(Filter::In(Path::field(system::ID), ids), &["one", "two"]).await
}

pub(super) async fn deleted_records_are_left_out_unless_asked_for(world: World) -> Outcome {
    let specimens = &world.types().specimens;
    let draft = |label| world.specimen(label).with("title", "same");
    let gone = world.insert(draft("gone")).await?;
    world.insert(draft("here")).await?;
    let gone = world.delete(specimens, &gone).await?;
    let query = |deleted| -> Result<Query> {
        let by_id = vec![Sort::ascending(Path::field(system::ID))];
        let query = Query::new(Arc::clone(specimens)).sort(by_id)?;
        Ok(query.filter(Filter::eq(field("title"), "SAME"))?.deleted(deleted).counted())
    };
    for (deleted, expected) in [
        (Deleted::Exclude, &["here"][..]),
        (Deleted::Include, &["gone", "here"]),
        (Deleted::Only, &["gone"]),
    ] {
        let page = world.query(query(deleted)?).await?;
        ensure_eq!(labels(specimens, &page.items), expected, "{deleted:?}");
        ensure_eq!(page.total, Some(expected.len() as u64), "{deleted:?}");
    }
    world.restore(specimens, &gone).await?;
    world.expect(Filter::All, &["gone", "here"]).await
}
