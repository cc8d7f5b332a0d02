//! Versions, batches and counters: what a commit does, and when it does nothing.

use std::collections::HashSet;
use std::sync::Arc;

use uuid::Uuid;

use super::world::{
    Outcome, World, check, ensure, ensure_eq, expect_rejected, joined, removal, taken,
};
use crate::error::{Error, Rejection};
use crate::store::{Filter, MAX_OPERATIONS, Operation, Path, Value, system};

pub(super) async fn a_stale_version_is_rejected(world: World) -> Outcome {
    let specimens = &world.types().specimens;
    let old = world.insert(world.specimen("one")).await?;
    let new = world.change(specimens, &old, &[("number", 1.into())]).await?;
    let update = world.change(specimens, &old, &[("number", 2.into())]).await;
    expect_rejected(update, 0, &Rejection::Stale)?;
    expect_rejected(world.remove(specimens, &old).await, 0, &Rejection::Stale)?;
    expect_rejected(world.commit(vec![check(specimens, &old)]).await, 0, &Rejection::Stale)?;
    world.expect_stored(specimens, &new).await?;
    world.commit(vec![check(specimens, &new)]).await?;
    world.expect_stored(specimens, &new).await
}

pub(super) async fn a_record_that_is_gone_is_stale(world: World) -> Outcome {
    let specimens = &world.types().specimens;
    let record = world.insert(world.specimen("one")).await?;
    world.remove(specimens, &record).await?;
    let update = world.change(specimens, &record, &[]).await;
    expect_rejected(update, 0, &Rejection::Stale)?;
    expect_rejected(world.remove(specimens, &record).await, 0, &Rejection::Stale)?;
    expect_rejected(world.commit(vec![check(specimens, &record)]).await, 0, &Rejection::Stale)?;
    ensure_eq!(world.get(specimens, record.id()).await?, None, "the removed record");
    let never = world.specimen("never").record()?;
    expect_rejected(world.remove(specimens, &never).await, 0, &Rejection::Stale)
}

pub(super) async fn an_id_is_taken_by_live_and_deleted_records(world: World) -> Outcome {
    let specimens = &world.types().specimens;
    let record = world.insert(world.specimen("one")).await?;
    let again = || world.specimen("again").with("id", record.id());
    expect_rejected(world.insert(again()).await, 0, &taken("id"))?;
    let record = world.delete(specimens, &record).await?;
    expect_rejected(world.insert(again()).await, 0, &taken("id"))?;
    world.remove(specimens, &record).await?;
    world.insert(again()).await?;
    world.expect(Filter::All, &["again"]).await?;
    // Another type has ids of its own.
    world.insert(world.account("other").with("id", record.id())).await?;
    Ok(())
}

pub(super) async fn concurrent_updates_lose_nothing(world: World) -> Outcome {
    const TASKS: i64 = 8;
    const ROUNDS: i64 = 5;
    let specimens = &world.types().specimens;
    let record = world.insert(world.specimen("sum").with("number", 0)).await?;
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let (world, id) = (world.clone(), record.id());
            tokio::spawn(async move {
                let specimens = &world.types().specimens;
                let number = specimens.index_of("number").unwrap_or(u16::MAX);
                let mut done = 0;
                while done < ROUNDS {
                    let Some(read) = world.get(specimens, id).await? else {
                        return Err(super::Failure::new("the record is gone"));
                    };
                    let Value::Int(n) = read.get(number) else { continue };
                    match world.change(specimens, &read, &[("number", (n + 1).into())]).await {
                        Ok(_) => done += 1,
                        Err(Error::Rejected { reason: Rejection::Stale, .. }) => {
                            tokio::task::yield_now().await;
                        }
                        Err(other) => return Err(other.into()),
                    }
                }
                Ok(())
            })
        })
        .collect();
    for task in tasks {
        joined(task).await?;
    }
    let read = world.get(specimens, record.id()).await?;
    let number = read.as_ref().map(|r| r.get(specimens.index_of("number").unwrap_or(u16::MAX)));
    ensure_eq!(number, Some(&Value::Int(TASKS * ROUNDS)), "the sum of all increments");
    ensure_eq!(read.map(|r| r.version()), Some(TASKS * ROUNDS + 1), "the version");
    Ok(())
}

pub(super) async fn a_batch_that_fails_leaves_nothing(world: World) -> Outcome {
    let types = world.types();
    let (accounts, specimens) = (&types.accounts, &types.specimens);
    let parent = world.insert(world.account("parent").with("email", "p@x.org")).await?;
    world.insert(world.account("child").with("parentId", parent.id())).await?;
    let kept = world.insert(world.specimen("kept").with("number", 1)).await?;
    let old = world.insert(world.specimen("old")).await?;
    let gone = world.insert(world.specimen("gone")).await?;
    world.change(specimens, &old, &[]).await?;
    let (unknown, failing) = (world.id(), world.account("x").with("parentId", world.id()));
    let (same_id, _) = world.specimen("again").with("id", kept.id()).insertion()?;
    let (same_email, _) = world.account("x").with("email", "P@X.ORG").insertion()?;
    let (no_parent, _) = failing.insertion()?;
    let (stale, _) = world.update(specimens, &old, &[])?;
    for (last, reason) in [
        (same_id, None),
        (same_email, Some(taken("conformance_accounts_email"))),
        (no_parent, Some(Rejection::MissingReference("parentId".into()))),
        (stale, Some(Rejection::Stale)),
        (check(specimens, &old), Some(Rejection::Stale)),
        (removal(specimens, &old), Some(Rejection::Stale)),
        (removal(accounts, &parent), Some(Rejection::Referenced("conformance_accounts".into()))),
    ] {
        let (insert, _) = world.specimen("new").with("id", unknown).insertion()?;
        let increment = Operation::Increment { counter: "tickets".into(), by: 1 };
        let mut batch = vec![insert, increment, removal(specimens, &gone)];
        // Not where the last operation concerns this very record.
        if last.target().map(|(_, id)| id) != Some(kept.id()) {
            batch.push(world.update(specimens, &kept, &[("number", 2.into())])?.0);
        }
        let at = batch.len();
        batch.push(last);
        let expected = reason.unwrap_or_else(|| taken("id"));
        expect_rejected(world.commit(batch).await, at, &expected)?;
        world.expect_stored(specimens, &kept).await?;
        world.expect_stored(specimens, &gone).await?;
        ensure_eq!(world.get(specimens, unknown).await?, None, "the insert of a failed batch");
    }
    ensure_eq!(world.increment("tickets", 1).await?, 1, "a counter that only failed batches took");
    Ok(())
}

pub(super) async fn rejections_come_in_the_order_of_their_reasons(world: World) -> Outcome {
    let types = world.types();
    let (accounts, specimens) = (&types.accounts, &types.specimens);
    let parent = world.insert(world.account("parent")).await?;
    world.insert(world.account("holder").with("email", "a@x.org")).await?;
    world.insert(world.account("child").with("parentId", parent.id())).await?;
    let old = world.insert(world.specimen("old")).await?;
    world.change(specimens, &old, &[]).await?;
    let referenced = removal(accounts, &parent);
    let missing = || world.account("m").with("parentId", Uuid::nil()).insertion();
    let double = || world.account("d").with("email", "A@X.org").insertion();
    let stale = check(specimens, &old);
    let mut batch = vec![referenced];
    let is_referenced = Rejection::Referenced("conformance_accounts".into());
    expect_rejected(world.commit(batch.clone()).await, 0, &is_referenced)?;
    batch.push(missing()?.0);
    let is_missing = Rejection::MissingReference("parentId".into());
    expect_rejected(world.commit(batch.clone()).await, 1, &is_missing)?;
    batch.push(double()?.0);
    let is_taken = taken("conformance_accounts_email");
    expect_rejected(world.commit(batch.clone()).await, 2, &is_taken)?;
    batch.push(stale);
    expect_rejected(world.commit(batch.clone()).await, 3, &Rejection::Stale)?;
    // Within a reason the first operation counts.
    batch.push(world.specimen("again").with("id", old.id()).insertion()?.0);
    batch.remove(3);
    expect_rejected(world.commit(batch.clone()).await, 3, &taken("id"))?;
    let never = world.specimen("never").record()?;
    batch.push(check(specimens, &never));
    expect_rejected(world.commit(batch.clone()).await, 3, &taken("id"))?;
    batch.reverse();
    expect_rejected(world.commit(batch).await, 0, &Rejection::Stale)
}

pub(super) async fn an_empty_batch_does_nothing(world: World) -> Outcome {
    let commit = world.commit(vec![]).await?;
    ensure!(commit.counters.is_empty(), "counters out of nothing: {commit:?}");
    Ok(())
}

pub(super) async fn the_largest_batch_is_committed_whole(world: World) -> Outcome {
    let specimens = &world.types().specimens;
    let one = |n: usize| world.specimen(&n.to_string()).with("number", n as i64);
    let records = world.insert_all((0..MAX_OPERATIONS).map(one).collect()).await?;
    let count = |world: World| async move {
        let count = crate::store::Aggregate::count(Arc::clone(&world.types().specimens));
        world.aggregate(count).await
    };
    let all = count(world.clone()).await?;
    ensure_eq!(all[0].values, [Value::Int(MAX_OPERATIONS as i64)], "inserted");
    let mut batch = Vec::with_capacity(MAX_OPERATIONS);
    for (n, record) in records.iter().enumerate() {
        batch.push(match n % 3 {
            0 => world.update(specimens, record, &[("number", Value::Null)])?.0,
            1 => removal(specimens, record),
            _ => check(specimens, record),
        });
    }
    world.commit(batch).await?;
    let left = count(world.clone()).await?;
    ensure_eq!(left[0].values, [Value::Int(MAX_OPERATIONS as i64 * 2 / 3)], "left");
    let cleared = world.find(specimens, Filter::Absent(super::world::field("number"))).await?;
    ensure_eq!(cleared.len(), MAX_OPERATIONS / 3, "updated");
    let beyond = (0..=MAX_OPERATIONS).map(one).collect();
    let refused = world.insert_all(beyond).await;
    ensure!(matches!(refused, Err(Error::Limit { .. })), "a batch beyond the limit was taken");
    Ok(())
}

pub(super) async fn a_commit_is_seen_by_every_query_after_it(world: World) -> Outcome {
    let specimens = &world.types().specimens;
    for n in 0..20 {
        let record = world.insert(world.specimen("one").with("number", n)).await?;
        let other = world.clone();
        let id = record.id();
        let seen = tokio::spawn(async move {
            let filter = Filter::eq(Path::field(system::ID), id);
            Ok(other.find(&other.types().specimens, filter).await?.len())
        });
        ensure_eq!(joined(seen).await?, 1, "a committed record, read by another task");
        world.remove(specimens, &record).await?;
    }
    Ok(())
}

pub(super) async fn counters_begin_at_nothing_and_only_go_up(world: World) -> Outcome {
    ensure_eq!(world.increment("a", 1).await?, 1, "the first value");
    ensure_eq!(world.increment("a", 5).await?, 6, "by five");
    ensure_eq!(world.increment("A", 1).await?, 1, "a counter of another name");
    let increment = |counter: &str, by| Operation::Increment { counter: counter.into(), by };
    let (insert, _) = world.specimen("between").insertion()?;
    let commit = world.commit(vec![increment("b", 2), insert, increment("a", 1)]).await?;
    ensure_eq!(commit.counters, [2, 7], "in the order of the operations");
    Ok(())
}

pub(super) async fn counters_belong_to_their_tenant(world: World) -> Outcome {
    let (other, system) = (world.another(), world.system());
    let name = world.unique("counter");
    ensure_eq!(world.increment(&name, 3).await?, 3, "one tenant");
    ensure_eq!(other.increment(&name, 1).await?, 1, "another tenant");
    ensure_eq!(system.increment(&name, 10).await?, 10, "the installation");
    ensure_eq!(world.increment(&name, 1).await?, 4, "the first tenant again");
    Ok(())
}

pub(super) async fn concurrent_increments_never_give_a_value_twice(world: World) -> Outcome {
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let world = world.clone();
            tokio::spawn(async move {
                let mut values = Vec::new();
                for _ in 0..10 {
                    values.push(world.increment("invoices", 1).await?);
                }
                Ok(values)
            })
        })
        .collect();
    let mut all = Vec::new();
    for task in tasks {
        let values = joined(task).await?;
        ensure!(values.is_sorted_by(|a, b| a < b), "one task's values: {values:?}");
        all.extend(values);
    }
    let different: HashSet<i64> = all.iter().copied().collect();
    ensure_eq!(different.len(), 80, "different values");
    ensure_eq!(all.iter().max(), Some(&80), "the last value");
    Ok(())
}
