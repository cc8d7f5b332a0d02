//! A tenant's own fields, where a backend has an index of them: what it finds must be what is
//! there, whatever the value, however many have it, and whatever became of the record.

use std::sync::Arc;

use super::order::by;
use super::values::fields;
use super::world::{Draft, Outcome, World, custom, ensure, ensure_eq, labels};
use crate::error::Result;
use crate::store::{
    CUSTOM_SCALE, Comparison, Deleted, Filter, Kind, Measure, Query, Sort, Value, Window,
};

const DECIMAL: Kind = Kind::Decimal { scale: CUSTOM_SCALE };

fn with(world: &World, label: &str, custom: Value) -> Draft {
    world.specimen(label).with("custom", custom)
}

fn compare(key: &str, kind: Kind, comparison: Comparison, value: impl Into<Value>) -> Filter {
    Filter::Compare(custom(key, kind), comparison, value.into())
}

fn decimal(text: &str) -> Value {
    text.parse().map_or(Value::Null, Value::Decimal)
}

pub(super) async fn a_custom_value_is_found_where_it_is_and_no_longer_where_it_was(
    world: World,
) -> Outcome {
    let specimens = &world.types().specimens;
    let codes = |codes: &[&str]| Value::Codes(codes.iter().map(|code| (*code).into()).collect());
    let seats = |seats: i64| Filter::eq(custom("seats", Kind::Int), seats);
    let speaks = |language: &str| Filter::eq(custom("langs", Kind::Codes), language);
    let one = fields([("seats", 5.into()), ("langs", codes(&["de", "en", "de"]))]);
    let one = world.insert(with(&world, "one", one)).await?;
    world.insert(with(&world, "two", fields([("seats", 6.into())]))).await?;
    world.expect(seats(5), &["one"]).await?;
    world.expect(speaks("de"), &["one"]).await?;
    let changed = fields([("seats", 7.into()), ("langs", codes(&["en", "fr"]))]);
    let one = world.change(specimens, &one, &[("custom", changed)]).await?;
    world.expect(seats(5), &[]).await?;
    world.expect(seats(7), &["one"]).await?;
    world.expect(speaks("de"), &[]).await?;
    world.expect(speaks("fr"), &["one"]).await?;
    world.expect(compare("seats", Kind::Int, Comparison::Ge, 6), &["one", "two"]).await?;
    // What else changes leaves it alone.
    let one = world.change(specimens, &one, &[("title", "x".into())]).await?;
    world.expect(seats(7), &["one"]).await?;
    let one = world.delete(specimens, &one).await?;
    world.expect(seats(7), &[]).await?;
    let deleted = Query::new(Arc::clone(specimens)).filter(seats(7))?.deleted(Deleted::Only);
    ensure_eq!(labels(specimens, &world.query(deleted).await?.items), ["one"], "deleted");
    let one = world.restore(specimens, &one).await?;
    world.expect(seats(7), &["one"]).await?;
    world.expect(speaks("en"), &["one"]).await?;
    // Of another kind under the same key.
    let text = fields([("seats", "7".into())]);
    let one = world.change(specimens, &one, &[("custom", text)]).await?;
    world.expect(seats(7), &[]).await?;
    world.expect(Filter::eq(custom("seats", Kind::Text), "7"), &["one"]).await?;
    world.expect(Filter::Absent(custom("langs", Kind::Codes)).not(), &[]).await?;
    let one = world.change(specimens, &one, &[("custom", fields([]))]).await?;
    world.expect(Filter::eq(custom("seats", Kind::Text), "7"), &[]).await?;
    let back = fields([("seats", "7".into())]);
    let one = world.change(specimens, &one, &[("custom", back.clone())]).await?;
    world.remove(specimens, &one).await?;
    world.expect(Filter::eq(custom("seats", Kind::Text), "7"), &[]).await?;
    // Another record of the same id, of another tenant.
    let other = world.another();
    other.expect(Filter::Absent(custom("seats", Kind::Int)).not(), &[]).await?;
    world.expect(Filter::Absent(custom("seats", Kind::Int)).not(), &["two"]).await
}

pub(super) async fn long_custom_texts_are_compared_to_their_end(world: World) -> Outcome {
    let specimens = &world.types().specimens;
    let long = "\u{e9}".repeat(1_500);
    let text = |tail: &str| format!("{long}{tail}");
    for tail in ["c", "a", "", "b"] {
        let custom = fields([("text", text(tail).into())]);
        world.insert(with(&world, &format!("{tail}-"), custom)).await?;
    }
    world.insert(with(&world, "none", fields([]))).await?;
    world.insert(with(&world, "short", fields([("text", "e".into())]))).await?;
    let path = || custom("text", Kind::Text);
    let eq = |tail: &str| Filter::eq(path(), text(tail));
    world.expect(eq("a"), &["a-"]).await?;
    world.expect(eq(""), &["-"]).await?;
    world.expect(eq("d"), &[]).await?;
    let over = compare("text", Kind::Text, Comparison::Gt, text("a"));
    world.expect(over, &["c-", "b-"]).await?;
    let up_to = compare("text", Kind::Text, Comparison::Le, text("a"));
    world.expect(up_to, &["a-", "-", "short"]).await?;
    world.expect(Filter::StartsWith(path(), text("b")), &["b-"]).await?;
    world.expect(Filter::StartsWith(path(), long.clone()), &["c-", "a-", "-", "b-"]).await?;
    for (descending, expected) in [
        (false, ["short", "-", "a-", "b-", "c-", "none"]),
        (true, ["c-", "b-", "a-", "-", "short", "none"]),
    ] {
        let sort = vec![by(path(), descending)];
        let walked = walk(&world, &Query::new(Arc::clone(specimens)).sort(sort)?, 2).await?;
        ensure_eq!(walked, expected, "descending {descending}");
    }
    Ok(())
}

pub(super) async fn custom_values_at_their_limits_are_compared_exactly(world: World) -> Outcome {
    let values: [(&str, Value, Value, Value); 6] = [
        ("zero", 0.into(), decimal("-0"), "".into()),
        ("least", i64::MIN.into(), decimal("-999999999999999.999999"), "\u{1F642}".into()),
        ("most", i64::MAX.into(), decimal("999999999999999.999999"), "\u{10ffff}".into()),
        ("minus", (-1).into(), decimal("-0.000001"), "A".into()),
        ("one", 1.into(), decimal("0.000001"), "a\u{301}b".into()),
        ("two", 2.into(), decimal("0.5"), "%_\\".into()),
    ];
    for (label, int, decimal, text) in values {
        let custom = fields([("int", int), ("decimal", decimal), ("text", text)]);
        world.insert(with(&world, label, custom)).await?;
    }
    world.insert(with(&world, "none", fields([]))).await?;
    let int = |comparison, value: i64| compare("int", Kind::Int, comparison, value);
    world.expect(int(Comparison::Lt, i64::MIN), &[]).await?;
    world.expect(int(Comparison::Le, i64::MIN), &["least"]).await?;
    world.expect(int(Comparison::Ge, i64::MAX), &["most"]).await?;
    world.expect(int(Comparison::Gt, -1), &["zero", "most", "one", "two"]).await?;
    let dec = |comparison, text: &str| compare("decimal", DECIMAL, comparison, decimal(text));
    world.expect(Filter::eq(custom("decimal", DECIMAL), decimal("0")), &["zero"]).await?;
    world.expect(Filter::eq(custom("decimal", DECIMAL), decimal("0.0000005")), &[]).await?;
    // Bounds that no stored value can have.
    world.expect(dec(Comparison::Lt, "0.0000001"), &["zero", "least", "minus"]).await?;
    world.expect(dec(Comparison::Gt, "-0.0000001"), &["zero", "most", "one", "two"]).await?;
    world.expect(dec(Comparison::Le, "-0.0000011"), &["least"]).await?;
    world.expect(dec(Comparison::Ge, "0.0000011"), &["most", "two"]).await?;
    let vast = Value::Decimal(rust_decimal::Decimal::MAX);
    let all = &["zero", "least", "most", "minus", "one", "two"];
    world.expect(compare("decimal", DECIMAL, Comparison::Lt, vast.clone()), all).await?;
    world.expect(compare("decimal", DECIMAL, Comparison::Gt, vast), &[]).await?;
    let text = || custom("text", Kind::Text);
    world.expect(Filter::eq(text(), ""), &["zero"]).await?;
    world.expect(Filter::StartsWith(text(), String::new()), all).await?;
    world.expect(Filter::StartsWith(text(), "\u{10ffff}".into()), &["most"]).await?;
    world.expect(Filter::StartsWith(text(), "\u{c1}".into()), &["minus", "one"]).await?;
    world.expect(Filter::eq(text(), "\u{1F642}"), &["least"]).await?;
    world.expect(compare("text", Kind::Text, Comparison::Gt, "z"), &["least", "most"]).await?;
    // A code is compared as it is, whatever its text folds to.
    let code = || custom("text", Kind::Code);
    world.expect(Filter::eq(code(), "A"), &["minus"]).await?;
    world.expect(Filter::eq(code(), "a"), &[]).await?;
    world.expect(compare("text", Kind::Code, Comparison::Lt, "a"), &["zero", "minus", "two"]).await
}

pub(super) async fn a_common_custom_value_is_asked_for_as_a_rare_one_is(world: World) -> Outcome {
    let specimens = &world.types().specimens;
    // More than a backend may care to look up one by one.
    let mut drafts = Vec::new();
    for number in 0..2_400_i64 {
        let mut own = vec![("number", Value::Int(number)), ("common", true.into())];
        own.push(("rare", Value::Bool(number % 1_000 == 7)));
        own.push(("plan", if number % 2 == 0 { "gold" } else { "silver" }.into()));
        let own = own.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        drafts.push(with(&world, &format!("n{number:04}"), Value::Custom(own)));
    }
    world.insert_all(drafts).await?;
    world.insert(with(&world, "none", fields([]))).await?;
    let common = || Filter::eq(custom("common", Kind::Bool), true);
    let rare = || Filter::eq(custom("rare", Kind::Bool), true);
    let gold = || Filter::eq(custom("plan", Kind::Code), "gold");
    let from = |from: i64| compare("number", Kind::Int, Comparison::Ge, from);
    let page = |filter: Filter, sort: Vec<Sort>, offset: u64| -> Result<Query> {
        let window = Window::Page { offset, limit: 3 };
        Ok(Query::new(Arc::clone(specimens)).filter(filter)?.sort(sort)?.window(window)?.counted())
    };
    let number = |descending| vec![by(custom("number", Kind::Int), descending)];
    for (what, query, expected, total) in [
        ("common", page(common(), number(false), 0)?, vec!["n0000", "n0001", "n0002"], 2_400),
        ("its end", page(common(), number(false), 2_398)?, vec!["n2398", "n2399"], 2_400),
        ("from the top", page(common(), number(true), 1)?, vec!["n2398", "n2397", "n2396"], 2_400),
        ("rare", page(rare(), number(true), 0)?, vec!["n2007", "n1007", "n0007"], 3),
        ("both", page(common().and(rare()), number(false), 2)?, vec!["n2007"], 3),
        ("neither", page(rare().and(gold()), number(false), 0)?, vec![], 0),
        (
            "half",
            page(gold().and(common()), number(true), 0)?,
            vec!["n2398", "n2396", "n2394"],
            1_200,
        ),
        ("a range", page(from(2_398), number(false), 0)?, vec!["n2398", "n2399"], 2),
        ("all of them", page(from(0), number(true), 2_399)?, vec!["n0000"], 2_400),
        ("everything", page(Filter::All, number(true), 2_399)?, vec!["n0000", "none"], 2_401),
        ("but", page(common().not(), number(false), 0)?, vec!["none"], 1),
        (
            "a search",
            page(common().and(Filter::search("silver")), number(true), 0)?,
            vec!["n2399", "n2397", "n2395"],
            1_200,
        ),
    ] {
        let page = world.query(query).await?;
        ensure_eq!(labels(specimens, &page.items), expected, "{what}");
        ensure_eq!(page.total, Some(total), "{what}");
    }
    let sum = crate::store::Aggregate::count(Arc::clone(specimens))
        .filter(common().and(from(2_398)))?
        .measures(vec![Measure::Count, Measure::Sum(custom("number", Kind::Int))])?;
    let groups = world.aggregate(sum).await?;
    let figures = groups.first().map(|group| group.values.clone()).unwrap_or_default();
    ensure_eq!(figures, [Value::Int(2), decimal("4797")], "figures");
    Ok(())
}

pub(super) async fn a_walk_by_a_custom_value_goes_on_to_those_without(world: World) -> Outcome {
    let specimens = &world.types().specimens;
    let mut present = Vec::new();
    for (number, text) in ["b", "a", "B", "\u{e4}", "c"].into_iter().enumerate() {
        let label = format!("{text}{number}");
        present.push(world.insert(with(&world, &label, fields([("text", text.into())]))).await?);
        world.insert(with(&world, &format!("none{number}"), fields([]))).await?;
    }
    let sort = |descending| vec![by(custom("text", Kind::Text), descending)];
    let query = |descending| Query::new(Arc::clone(specimens)).sort(sort(descending));
    let up = ["a1", "\u{e4}3", "b0", "B2", "c4", "none0", "none1", "none2", "none3", "none4"];
    let down = ["c4", "B2", "b0", "\u{e4}3", "a1", "none4", "none3", "none2", "none1", "none0"];
    for limit in [1, 2, 3, 5, 6, 20] {
        ensure_eq!(walk(&world, &query(false)?, limit).await?, up, "up by {limit}");
        ensure_eq!(walk(&world, &query(true)?, limit).await?, down, "down by {limit}");
    }
    // A place stays one when the record that it came from has moved.
    let part = query(false)?.window(Window::Cursor { after: None, limit: 2 })?;
    let after = world.query(part).await?.next;
    ensure!(after.is_some(), "more lies behind");
    let moved = fields([("text", "z".into())]);
    world.change(specimens, &present[3], &[("custom", moved)]).await?;
    let rest = query(false)?.window(Window::Cursor { after, limit: 4 })?;
    let rest = labels(specimens, &world.query(rest).await?.items);
    ensure_eq!(rest, ["b0", "B2", "c4", "\u{e4}3"], "behind where it was");
    Ok(())
}

async fn walk(
    world: &World,
    query: &Query,
    limit: u32,
) -> std::result::Result<Vec<String>, super::Failure> {
    let mut walked = Vec::new();
    let mut after = None;
    loop {
        let part = query.clone().window(Window::Cursor { after, limit })?;
        let page = world.query(part).await?;
        walked.extend(labels(query.schema(), &page.items));
        ensure!(walked.len() < 100, "a walk that does not end");
        after = page.next;
        if after.is_none() {
            return Ok(walked);
        }
    }
}
