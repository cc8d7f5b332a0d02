//! In which order, which part, and how many in all.

use std::sync::Arc;

use super::filters::{five, ordered_kinds};
use super::values::fields;
use super::world::{Outcome, World, custom, ensure_eq, field, labels};
use crate::error::Result;
use crate::store::{Comparison, Deleted, Filter, Kind, Path, Query, Sort, Value, Window, system};

pub(super) fn by(path: Path, descending: bool) -> Sort {
    Sort { path, descending }
}

async fn sorted(world: &World, sort: Vec<Sort>) -> Result<Vec<String>> {
    let specimens = &world.types().specimens;
    let page = Query::new(Arc::clone(specimens)).sort(sort)?;
    Ok(labels(specimens, &world.query(page).await?.items))
}

pub(super) async fn each_kind_sorts_both_ways_with_absent_values_last(world: World) -> Outcome {
    for (name, values) in ordered_kinds() {
        let world = world.another();
        five(&world, name, &values).await?;
        let up = sorted(&world, vec![by(field(name), false)]).await?;
        ensure_eq!(up, ["a", "b", "c", "d", "none"], "{name} ascending");
        let down = sorted(&world, vec![by(field(name), true)]).await?;
        ensure_eq!(down, ["d", "c", "b", "a", "none"], "{name} descending");
    }
    let world = world.another();
    let (yes, no) =
        (world.specimen("yes").with("flag", true), world.specimen("no").with("flag", false));
    world.insert_all(vec![world.specimen("none"), yes, no]).await?;
    ensure_eq!(
        sorted(&world, vec![by(field("flag"), false)]).await?,
        ["no", "yes", "none"],
        "flag"
    );
    ensure_eq!(sorted(&world, vec![by(field("flag"), true)]).await?, ["yes", "no", "none"], "flag");
    Ok(())
}

pub(super) async fn custom_fields_sort_by_their_kind(world: World) -> Outcome {
    for (name, values) in ordered_kinds() {
        let kind = world.types().specimens.field(field(name).field).kind;
        let world = world.another();
        // What is of another kind counts as absent.
        let other = if kind == Kind::Int { Value::Bool(true) } else { Value::Int(5) };
        let mut drafts = vec![world.specimen("none")];
        drafts.push(world.specimen("other").with("custom", fields([("key", other)])));
        for (label, value) in ["a", "b", "c", "d"].iter().zip(values) {
            drafts.push(world.specimen(label).with("custom", fields([("key", value)])));
        }
        world.insert_all(drafts).await?;
        let up = sorted(&world, vec![by(custom("key", kind), false)]).await?;
        ensure_eq!(up, ["a", "b", "c", "d", "none", "other"], "{name} ascending");
        let down = sorted(&world, vec![by(custom("key", kind), true)]).await?;
        ensure_eq!(down, ["d", "c", "b", "a", "other", "none"], "{name} descending");
    }
    Ok(())
}

pub(super) async fn text_sorts_by_its_key_and_codes_by_their_bytes(world: World) -> Outcome {
    let texts = ["b", "A", "a b", "a-b", "ab", "Äb", "_", "Z", "z", "", "1", "ß", "st"];
    let mut drafts = Vec::new();
    for text in texts {
        drafts.push(world.specimen(text).with("title", text).with("code", text));
    }
    world.insert_all(drafts).await?;
    let by_key = ["", "1", "_", "A", "a b", "a-b", "ab", "Äb", "b", "ß", "st", "Z", "z"];
    ensure_eq!(sorted(&world, vec![by(field("title"), false)]).await?, by_key, "by title");
    let by_bytes = ["", "1", "A", "Z", "_", "a b", "a-b", "ab", "b", "st", "z", "Äb", "ß"];
    ensure_eq!(sorted(&world, vec![by(field("code"), false)]).await?, by_bytes, "by code");
    Ok(())
}

pub(super) async fn ties_are_broken_by_the_id_in_the_last_direction(world: World) -> Outcome {
    let one = |label, number: i64| world.specimen(label).with("number", number).with("code", "x");
    world.insert_all(vec![one("a", 1), one("b", 1), one("c", 2), one("d", 2)]).await?;
    let number = |descending| by(field("number"), descending);
    let code = |descending| by(field("code"), descending);
    let id = |descending| by(Path::field(system::ID), descending);
    for (sort, expected) in [
        (vec![], ["d", "c", "b", "a"]),
        (vec![number(false)], ["a", "b", "c", "d"]),
        (vec![number(true)], ["d", "c", "b", "a"]),
        (vec![number(false), code(true)], ["b", "a", "d", "c"]),
        (vec![number(true), code(false)], ["c", "d", "a", "b"]),
        (vec![number(false), id(true)], ["b", "a", "d", "c"]),
        (vec![id(false)], ["a", "b", "c", "d"]),
        (vec![id(true), number(false)], ["d", "c", "b", "a"]),
    ] {
        ensure_eq!(sorted(&world, sort.clone()).await?, expected, "{sort:?}");
    }
    Ok(())
}

pub(super) async fn several_keys_apply_in_turn(world: World) -> Outcome {
    let one = |label: &str, code: Option<&str>, number: Option<i64>| {
        let draft = world.specimen(label).with("code", code.map_or(Value::Null, Value::from));
        draft.with("number", number.map_or(Value::Null, Value::from))
    };
    let drafts = vec![
        one("a1", Some("a"), Some(1)),
        one("a-", Some("a"), None),
        one("--", None, None),
        one("b2", Some("b"), Some(2)),
        one("a2", Some("a"), Some(2)),
        one("-1", None, Some(1)),
    ];
    world.insert_all(drafts).await?;
    for (code, number, expected) in [
        (false, false, ["a1", "a2", "a-", "b2", "-1", "--"]),
        (false, true, ["a2", "a1", "a-", "b2", "-1", "--"]),
        (true, false, ["b2", "a1", "a2", "a-", "-1", "--"]),
        (true, true, ["b2", "a2", "a1", "a-", "-1", "--"]),
    ] {
        let sort = vec![by(field("code"), code), by(field("number"), number)];
        ensure_eq!(sorted(&world, sort).await?, expected, "code {code}, number {number}");
    }
    Ok(())
}

pub(super) async fn pages_divide_the_result_and_totals_count_it_all(world: World) -> Outcome {
    let specimens = &world.types().specimens;
    let drafts = (0..23).map(|n| world.specimen(&n.to_string()).with("number", n % 5)).collect();
    world.insert_all(drafts).await?;
    let below = Filter::Compare(field("number"), Comparison::Lt, 3.into());
    for (filter, count) in [(Filter::All, 23), (below, 15)] {
        let query = Query::new(Arc::clone(specimens)).filter(filter)?;
        let query = query.sort(vec![by(field("number"), true)])?.counted();
        let whole = query.clone().window(Window::Page { offset: 0, limit: 1_000 })?;
        let whole = world.query(whole).await?;
        ensure_eq!((whole.items.len(), whole.total), (count, Some(count as u64)), "the whole");
        let mut parts = Vec::new();
        for offset in (0..30).step_by(4) {
            let page = query.clone().window(Window::Page { offset, limit: 4 })?;
            let page = world.query(page).await?;
            ensure_eq!(page.total, Some(count as u64), "the total at {offset}");
            ensure_eq!(page.next, None, "a page's cursor");
            parts.extend(page.items);
        }
        ensure_eq!(labels(specimens, &parts), labels(specimens, &whole.items), "the pages");
        let far = query.clone().window(Window::Page { offset: i64::MAX as u64, limit: 4 })?;
        let far = world.query(far).await?;
        ensure_eq!((far.items.len(), far.total), (0, Some(count as u64)), "a page far behind");
        let part = query.clone().window(Window::Cursor { after: None, limit: 4 })?;
        let part = world.query(part).await?;
        ensure_eq!(part.total, Some(count as u64), "the total of a first part");
        let rest = query.window(Window::Cursor { after: part.next, limit: 4 })?;
        ensure_eq!(world.query(rest).await?.total, Some(count as u64), "a total behind a cursor");
    }
    Ok(())
}

pub(super) async fn a_total_comes_only_where_it_is_asked_for(world: World) -> Outcome {
    let specimens = &world.types().specimens;
    let gone = world.insert(world.specimen("gone")).await?;
    world.insert(world.specimen("here")).await?;
    world.delete(specimens, &gone).await?;
    let query = Query::new(Arc::clone(specimens));
    ensure_eq!(world.query(query.clone()).await?.total, None, "not asked for");
    for (deleted, total) in [(Deleted::Exclude, 1), (Deleted::Only, 1), (Deleted::Include, 2)] {
        let page = world.query(query.clone().deleted(deleted).counted()).await?;
        ensure_eq!(page.total, Some(total), "{deleted:?}");
    }
    Ok(())
}
