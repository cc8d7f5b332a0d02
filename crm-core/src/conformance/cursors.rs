//! Walking through a result by cursor.

use std::collections::HashSet;
use std::sync::Arc;

use uuid::Uuid;

use super::filters::ordered_kinds;
use super::order::by;
use super::values::{dec, fields};
use super::world::{Failure, Outcome, World, custom, ensure, ensure_eq, field, joined, labels};
use crate::error::{Error, Result};
use crate::store::{Cursor, Kind, Path, Query, Record, Sort, Value, Window, system};

fn part(query: &Query, after: Option<Cursor>, limit: u32) -> Result<Query> {
    query.clone().window(Window::Cursor { after, limit })
}

/// All records, a part at a time; each cursor goes through its text on the way.
async fn walk(
    world: &World,
    query: &Query,
    limit: u32,
) -> std::result::Result<Vec<Record>, Failure> {
    let mut all = Vec::new();
    let mut after = None;
    loop {
        let page = world.query(part(query, after, limit)?).await?;
        ensure!(page.items.len() <= limit as usize, "a part of more than {limit}");
        let is_full = page.items.len() == limit as usize;
        all.extend(page.items);
        let Some(next) = page.next else { return Ok(all) };
        ensure!(is_full, "more is said to lie behind a part that is not full");
        let decoded = Cursor::decode(&next.encode())?;
        ensure_eq!(decoded, next, "a cursor after encoding and decoding");
        after = Some(decoded);
    }
}

async fn expect_whole(world: &World, sort: Vec<Sort>) -> Outcome {
    let specimens = &world.types().specimens;
    let query = Query::new(Arc::clone(specimens)).sort(sort.clone())?;
    let whole = query.clone().window(Window::Page { offset: 0, limit: 1_000 })?;
    let whole = labels(specimens, &world.query(whole).await?.items);
    for limit in [1, 2, 3, whole.len() as u32, 100] {
        let walked = walk(world, &query, limit).await?;
        ensure_eq!(labels(specimens, &walked), whole, "walking by {limit} in {sort:?}");
    }
    Ok(())
}

pub(super) async fn a_walk_gives_each_record_once_for_each_kind_of_key(world: World) -> Outcome {
    for (name, values) in ordered_kinds() {
        let world = world.another();
        let kind = world.types().specimens.field(field(name).field).kind;
        let mut drafts = Vec::new();
        // Each value twice, and two records without.
        for (i, value) in values.iter().chain(&values).enumerate() {
            let draft = world.specimen(&i.to_string()).with(name, value.clone());
            drafts.push(draft.with("custom", fields([("key", value.clone())])));
        }
        drafts.push(world.specimen("none"));
        drafts.insert(3, world.specimen("nobody"));
        world.insert_all(drafts).await?;
        for descending in [false, true] {
            expect_whole(&world, vec![by(field(name), descending)]).await?;
            expect_whole(&world, vec![by(custom("key", kind), descending)]).await?;
            let id = by(Path::field(system::ID), !descending);
            expect_whole(&world, vec![by(field(name), descending), id]).await?;
        }
    }
    Ok(())
}

pub(super) async fn a_walk_may_have_several_keys(world: World) -> Outcome {
    let mut drafts = Vec::new();
    for n in 0..24_i64 {
        let flag = [Value::Null, true.into(), false.into()][(n % 3) as usize].clone();
        let code = [Value::Null, "a".into(), "b".into(), "B".into()][(n % 4) as usize].clone();
        let draft = world.specimen(&n.to_string()).with("flag", flag).with("title", code.clone());
        drafts.push(draft.with("code", code).with("number", n / 8));
    }
    world.insert_all(drafts).await?;
    for up in [false, true] {
        for first in ["flag", "title", "code", "number"] {
            for second in ["code", "number", "title"] {
                let sort =
                    vec![by(field(first), up), by(field(second), false), by(field("flag"), true)];
                expect_whole(&world, sort).await?;
            }
        }
    }
    expect_whole(&world, vec![]).await
}

pub(super) async fn custom_decimals_walk_at_their_own_scale(world: World) -> Outcome {
    for n in 0..6 {
        let custom = fields([("rate", dec(n * 111_111, 6))]);
        world.insert(world.specimen(&n.to_string()).with("custom", custom)).await?;
    }
    expect_whole(&world, vec![by(custom("rate", Kind::Decimal { scale: 2 }), false)]).await
}

pub(super) async fn next_is_given_exactly_where_more_lies_behind(world: World) -> Outcome {
    let specimens = &world.types().specimens;
    let query = Query::new(Arc::clone(specimens));
    let empty = world.query(part(&query, None, 5)?).await?;
    ensure!(empty.items.is_empty() && empty.next.is_none(), "an empty result goes on");
    world.insert_all((0..10).map(|n| world.specimen(&n.to_string())).collect()).await?;
    let first = world.query(part(&query, None, 5)?).await?;
    ensure!(first.next.is_some(), "five more lie behind the first five");
    let second = world.query(part(&query, first.next, 5)?).await?;
    ensure_eq!(second.items.len(), 5, "the second part");
    ensure!(second.next.is_none(), "nothing lies behind the last record");
    let all = world.query(part(&query, None, 10)?).await?;
    ensure!(all.items.len() == 10 && all.next.is_none(), "all ten fit");
    Ok(())
}

pub(super) async fn a_cursor_names_a_place_and_not_a_record(world: World) -> Outcome {
    let specimens = &world.types().specimens;
    let one = |n: i64| world.specimen(&n.to_string()).with("number", n);
    let records = world.insert_all((0..6).map(one).collect()).await?;
    let query = Query::new(Arc::clone(specimens)).sort(vec![by(field("number"), false)])?;
    let first = world.query(part(&query, None, 3)?).await?;
    ensure_eq!(labels(specimens, &first.items), ["0", "1", "2"], "the first part");
    // The record that it came from moves on, one before it goes, one comes in behind it.
    world.change(specimens, &records[2], &[("number", 9.into())]).await?;
    world.remove(specimens, &records[1]).await?;
    world.insert(world.specimen("new").with("number", 2)).await?;
    let rest = world.query(part(&query, first.next, 10)?).await?;
    ensure_eq!(labels(specimens, &rest.items), ["new", "3", "4", "5", "2"], "the rest");
    Ok(())
}

pub(super) async fn keys_behind_the_id_name_no_place(world: World) -> Outcome {
    let specimens = &world.types().specimens;
    let one = |n: i64| world.specimen(&n.to_string()).with("number", n);
    let records = world.insert_all((0..3).map(one).collect()).await?;
    let sort = vec![by(Path::field(system::ID), false), by(field("number"), false)];
    let query = Query::new(Arc::clone(specimens)).sort(sort)?;
    let first = world.query(part(&query, None, 1)?).await?;
    world.change(specimens, &records[0], &[("number", 9.into())]).await?;
    let rest = world.query(part(&query, first.next, 10)?).await?;
    ensure_eq!(labels(specimens, &rest.items), ["1", "2"], "the rest");
    Ok(())
}

pub(super) async fn a_walk_is_steady_while_others_write(world: World) -> Outcome {
    let specimens = &world.types().specimens;
    let kept = (0..60).map(|n| world.specimen("kept").with("number", n % 7)).collect();
    let kept: HashSet<Uuid> = world.insert_all(kept).await?.iter().map(Record::id).collect();
    let other = world.clone();
    let writer = tokio::spawn(async move {
        for n in 0..40_i64 {
            let record = other.insert(other.specimen("passing").with("number", n % 9)).await?;
            let specimens = &other.types().specimens;
            let record = other.change(specimens, &record, &[("number", (n % 5).into())]).await?;
            other.remove(specimens, &record).await?;
        }
        Ok(())
    });
    for descending in [false, true, false, true] {
        let query =
            Query::new(Arc::clone(specimens)).sort(vec![by(field("number"), descending)])?;
        let walked = walk(&world, &query, 4).await?;
        let seen: Vec<Uuid> =
            walked.iter().map(Record::id).filter(|id| kept.contains(id)).collect();
        ensure_eq!(seen.len(), kept.len(), "records that were there all along");
        let once: HashSet<Uuid> = seen.into_iter().collect();
        ensure_eq!(once, kept, "records that were there all along, once each");
    }
    joined(writer).await
}

pub(super) async fn a_cursor_of_another_order_is_refused(world: World) -> Outcome {
    let specimens = &world.types().specimens;
    let drafts = (0..3).map(|n| world.specimen(&n.to_string()).with("number", n)).collect();
    world.insert_all(drafts).await?;
    let query = Query::new(Arc::clone(specimens));
    let page = world.query(part(&query, None, 1)?).await?;
    let other = query.sort(vec![by(field("number"), false)])?;
    let refused = part(&other, page.next, 1);
    ensure!(matches!(refused, Err(Error::Unreadable(_))), "taken: {refused:?}");
    for text in ["", "!", "bm90IGpzb24", "W10", "WyJ4IiwieDEiXQ"] {
        ensure!(matches!(Cursor::decode(text), Err(Error::Unreadable(_))), "{text:?} decoded");
    }
    Ok(())
}
