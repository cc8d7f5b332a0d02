//! The largest requests are answered, larger ones refused.

use std::sync::Arc;

use super::world::{Outcome, World, ensure, ensure_eq, field};
use crate::error::Error;
use crate::store::{
    Filter, MAX_DEPTH, MAX_LIMIT, MAX_TERMS, MAX_VALUES, Path, Query, Value, Window, system,
};

pub(super) async fn the_largest_part_is_given_whole(world: World) -> Outcome {
    let specimens = &world.types().specimens;
    let text = "x".repeat(200);
    let one = |n: u32| world.specimen(&n.to_string()).with("title", text.as_str());
    world.insert_all((0..=MAX_LIMIT).map(one).collect()).await?;
    let query = Query::new(Arc::clone(specimens));
    let page = query.clone().window(Window::Page { offset: 0, limit: MAX_LIMIT })?;
    ensure_eq!(world.query(page).await?.items.len(), MAX_LIMIT as usize, "a page");
    let part = query.clone().window(Window::Cursor { after: None, limit: MAX_LIMIT })?;
    let part = world.query(part).await?;
    ensure_eq!(part.items.len(), MAX_LIMIT as usize, "a part");
    let rest = query.clone().window(Window::Cursor { after: part.next, limit: MAX_LIMIT })?;
    let rest = world.query(rest).await?;
    ensure!(rest.items.len() == 1 && rest.next.is_none(), "the rest: {}", rest.items.len());
    let window = |limit| query.clone().window(Window::Page { offset: 0, limit });
    let beyond = window(MAX_LIMIT + 1);
    ensure!(matches!(beyond, Err(Error::Limit { .. })), "beyond the limit: {beyond:?}");
    ensure!(window(0).is_err(), "a page of nothing");
    Ok(())
}

pub(super) async fn the_longest_in_is_answered(world: World) -> Outcome {
    let one = |n: i64| {
        let draft = world.specimen(&n.to_string()).with("number", n);
        draft.with("code", n.to_string()).with("title", n.to_string())
    };
    world.insert_all((0..3).map(one).collect()).await?;
    let count = MAX_VALUES as i64;
    let numbers = || (1..=count).map(Value::from).collect::<Vec<_>>();
    let texts = || (1..=count).map(|n| Value::from(n.to_string())).collect::<Vec<_>>();
    world.expect(Filter::In(field("number"), numbers()), &["1", "2"]).await?;
    world.expect(Filter::In(field("code"), texts()), &["1", "2"]).await?;
    world.expect(Filter::In(field("title"), texts()), &["1", "2"]).await?;
    let ids = (1..=count).map(|_| world.id().into()).collect();
    world.expect(Filter::In(Path::field(system::ID), ids), &[]).await?;
    let mut beyond = numbers();
    beyond.push(0.into());
    let refused = world.find(&world.types().specimens, Filter::In(field("number"), beyond)).await;
    ensure!(matches!(refused, Err(Error::Limit { .. })), "one value too many");
    Ok(())
}

pub(super) async fn the_widest_and_deepest_filters_are_answered(world: World) -> Outcome {
    let specimens = &world.types().specimens;
    world
        .insert_all((0..3).map(|n| world.specimen(&n.to_string()).with("number", n)).collect())
        .await?;
    let is = |n: i64| Filter::eq(field("number"), n);
    let wide = |terms: i64| Filter::Or((1..terms).map(is).collect());
    world.expect(wide(MAX_TERMS as i64), &["1", "2"]).await?;
    let refused = world.find(specimens, wide(MAX_TERMS as i64 + 1)).await;
    ensure!(matches!(refused, Err(Error::Limit { .. })), "too wide: {refused:?}");
    let deep = |depth: usize| {
        (0..depth).fold(is(1), |inner, level| match level % 3 {
            0 => Filter::Not(Box::new(inner)),
            1 => Filter::And(vec![inner]),
            _ => Filter::Or(vec![inner]),
        })
    };
    // Sixteen levels, six of which turn it round.
    world.expect(deep(MAX_DEPTH), &["1"]).await?;
    let refused = world.find(specimens, deep(MAX_DEPTH + 1)).await;
    ensure!(matches!(refused, Err(Error::Limit { .. })), "too deep: {refused:?}");
    Ok(())
}
