//! Unique keys and references.

use super::world::{
    Failure, Outcome, World, ensure, ensure_eq, expect_rejected, joined, removal, taken,
};
use crate::error::{Error, Rejection, Result};
use crate::store::Value;

const EMAIL: &str = "conformance_accounts_email";
const REGION: &str = "conformance_accounts_region_name_number";

pub(super) async fn a_unique_key_compares_text_folded(world: World) -> Outcome {
    let accounts = &world.types().accounts;
    let with = |email: &str| world.account("one").with("email", email);
    let one = world.insert(with("Zoé@Example.org")).await?;
    expect_rejected(world.insert(with("ZOE@EXAMPLE.ORG")).await, 0, &taken(EMAIL))?;
    world.insert(with("zoe@example.org ")).await?;
    // It may keep its own key, also in another form.
    let one = world.change(accounts, &one, &[("email", "zoe@example.ORG".into())]).await?;
    world.change(accounts, &one, &[("number", 1.into())]).await?;
    let other = world.insert(with("other@example.org")).await?;
    let clash = world.change(accounts, &other, &[("email", "ZOÉ@example.org".into())]).await;
    expect_rejected(clash, 0, &taken(EMAIL))
}

pub(super) async fn a_record_without_part_of_a_key_is_not_held_to_it(world: World) -> Outcome {
    let with = |region: Option<&str>, name: Option<&str>, number: Option<i64>| {
        let text = |text: Option<&str>| text.map_or(Value::Null, Value::from);
        let draft = world.account("one").with("region", text(region)).with("name", text(name));
        draft.with("number", number.map_or(Value::Null, Value::from))
    };
    for _ in 0..2 {
        world.insert(with(None, None, None)).await?;
        world.insert(with(Some("de"), None, Some(1))).await?;
        world.insert(with(None, Some("a"), Some(1))).await?;
        world.insert(with(Some("de"), Some("a"), None)).await?;
    }
    world.insert(with(Some("de"), Some("Ä"), Some(1))).await?;
    expect_rejected(world.insert(with(Some("de"), Some("a"), Some(1))).await, 0, &taken(REGION))?;
    world.insert(with(Some("DE"), Some("a"), Some(1))).await?;
    world.insert(with(Some("de"), Some("a"), Some(2))).await?;
    world.insert(with(Some("de"), Some(""), Some(1))).await?;
    expect_rejected(world.insert(with(Some("de"), Some(""), Some(1))).await, 0, &taken(REGION))
}

pub(super) async fn deleted_records_hold_no_unique_key(world: World) -> Outcome {
    let accounts = &world.types().accounts;
    let with = |label| world.account(label).with("email", "a@x.org");
    let first = world.insert(with("first")).await?;
    let first = world.delete(accounts, &first).await?;
    let second = world.insert(with("second")).await?;
    expect_rejected(world.restore(accounts, &first).await, 0, &taken(EMAIL))?;
    world.expect_stored(accounts, &first).await?;
    // A deleted record may be changed to anything.
    let first = world.change(accounts, &first, &[("number", 1.into())]).await?;
    let second = world.delete(accounts, &second).await?;
    world.restore(accounts, &first).await?;
    expect_rejected(world.insert(with("third")).await, 0, &taken(EMAIL))?;
    world.remove(accounts, &second).await?;
    Ok(())
}

pub(super) async fn the_first_declared_key_at_fault_is_named(world: World) -> Outcome {
    let with = |email: &str| {
        let draft = world.account("one").with("email", email).with("region", "de");
        draft.with("name", "a").with("number", 1)
    };
    world.insert(with("a@x.org")).await?;
    expect_rejected(world.insert(with("A@x.org")).await, 0, &taken(EMAIL))?;
    expect_rejected(world.insert(with("b@x.org")).await, 0, &taken(REGION))
}

pub(super) async fn two_operations_cannot_take_one_key(world: World) -> Outcome {
    let with =
        |email: &str| Ok::<_, Error>(world.account("one").with("email", email).insertion()?.0);
    let batch = vec![with("a@x.org")?, with("b@x.org")?, with("A@X.ORG")?];
    expect_rejected(world.commit(batch).await, 2, &taken(EMAIL))?;
    world.commit(vec![with("a@x.org")?, with("b@x.org")?]).await.map(drop)?;
    Ok(())
}

pub(super) async fn of_two_who_take_a_key_at_once_one_wins(world: World) -> Outcome {
    for round in 0..10 {
        let tasks: Vec<_> = (0..4)
            .map(|n| {
                let world = world.clone();
                tokio::spawn(async move {
                    let email = format!("{}@x.org", if n % 2 == 0 { "race" } else { "RACE" });
                    let draft = world.account("one").with("email", format!("{round}{email}"));
                    match world.insert(draft).await {
                        Ok(_) => Ok(1),
                        Err(Error::Rejected { operation: 0, reason }) if reason == taken(EMAIL) => {
                            Ok(0)
                        }
                        Err(other) => Err(Failure::from(other)),
                    }
                })
            })
            .collect();
        let mut winners = 0;
        for task in tasks {
            winners += joined(task).await?;
        }
        ensure_eq!(winners, 1, "winners of a unique key");
    }
    Ok(())
}

fn missing(field: &str) -> Rejection {
    Rejection::MissingReference(field.to_owned())
}

fn referenced(by: &str) -> Rejection {
    Rejection::Referenced(by.to_owned())
}

pub(super) async fn a_reference_to_nothing_is_rejected(world: World) -> Outcome {
    let types = world.types();
    let nothing = world.id();
    let draft = world.account("one").with("parentId", nothing);
    expect_rejected(world.insert(draft).await, 0, &missing("parentId"))?;
    let draft = world.account("one").with("parentId", nothing).with("agentId", nothing);
    expect_rejected(world.insert(draft).await, 0, &missing("parentId"))?;
    let draft = world.account("one").with("agentId", nothing);
    expect_rejected(world.insert(draft).await, 0, &missing("agentId"))?;
    let account = world.insert(world.account("one")).await?;
    let update = world.change(&types.accounts, &account, &[("parentId", nothing.into())]).await;
    expect_rejected(update, 0, &missing("parentId"))?;
    // The id of a record of another type is no such record.
    let specimen = world.insert(world.specimen("one")).await?;
    let draft = world.account("two").with("parentId", specimen.id());
    expect_rejected(world.insert(draft).await, 0, &missing("parentId"))
}

pub(super) async fn a_reference_may_be_to_a_record_of_the_same_batch(world: World) -> Outcome {
    let types = world.types();
    let account = world.account("one");
    let note = world.note("note", &account.clone().record()?);
    // Whichever comes first.
    world.insert_all(vec![note, account]).await?;
    let narcissus = world.id();
    let draft = world.account("self").with("id", narcissus).with("parentId", narcissus);
    let narcissus = world.insert(draft).await?;
    world.expect_stored(&types.accounts, &narcissus).await?;
    world.remove(&types.accounts, &narcissus).await?;
    let (a, b) = (world.id(), world.id());
    let cycle = vec![
        world.account("a").with("id", a).with("parentId", b),
        world.account("b").with("id", b).with("parentId", a),
    ];
    world.insert_all(cycle).await?;
    Ok(())
}

pub(super) async fn a_reference_may_be_to_a_deleted_record(world: World) -> Outcome {
    let types = world.types();
    let account = world.insert(world.account("one")).await?;
    let account = world.delete(&types.accounts, &account).await?;
    let note = world.insert(world.note("note", &account)).await?;
    world.expect_stored(&types.notes, &note).await
}

pub(super) async fn a_record_that_is_referred_to_cannot_be_removed(world: World) -> Outcome {
    let types = world.types();
    let by_note = referenced("conformance_notes");
    let account = world.insert(world.account("one")).await?;
    let note = world.insert(world.note("note", &account)).await?;
    expect_rejected(world.remove(&types.accounts, &account).await, 0, &by_note)?;
    let note = world.delete(&types.notes, &note).await?;
    expect_rejected(world.remove(&types.accounts, &account).await, 0, &by_note)?;
    let deleted = world.delete(&types.accounts, &account).await?;
    expect_rejected(world.remove(&types.accounts, &deleted).await, 0, &by_note)?;
    // Of several types the first of the catalogue is named.
    let child = world.insert(world.account("child").with("parentId", account.id())).await?;
    let by_account = referenced("conformance_accounts");
    expect_rejected(world.remove(&types.accounts, &deleted).await, 0, &by_account)?;
    world.change(&types.accounts, &child, &[("parentId", Value::Null)]).await?;
    expect_rejected(world.remove(&types.accounts, &deleted).await, 0, &by_note)?;
    world.remove(&types.notes, &note).await?;
    world.remove(&types.accounts, &deleted).await?;
    ensure_eq!(world.get(&types.accounts, account.id()).await?, None, "the removed record");
    Ok(())
}

pub(super) async fn a_removal_sees_the_state_before_its_batch(world: World) -> Outcome {
    let types = world.types();
    let (accounts, notes) = (&types.accounts, &types.notes);
    let account = world.insert(world.account("one")).await?;
    let other = world.insert(world.account("other")).await?;
    let note = world.insert(world.note("note", &account)).await?;
    let by_note = referenced("conformance_notes");
    let both = vec![removal(notes, &note), removal(accounts, &account)];
    expect_rejected(world.commit(both).await, 1, &by_note)?;
    let (moved, _) = world.update(notes, &note, &[("accountId", other.id().into())])?;
    let move_away = vec![moved.clone(), removal(accounts, &account)];
    expect_rejected(world.commit(move_away).await, 1, &by_note)?;
    let move_there = vec![removal(accounts, &other), moved];
    expect_rejected(world.commit(move_there).await, 0, &by_note)?;
    let (insert, _) = world.note("new", &other).insertion()?;
    let refer_anew = vec![insert, removal(accounts, &other)];
    expect_rejected(world.commit(refer_anew).await, 1, &by_note)?;
    world.remove(accounts, &other).await?;
    Ok(())
}

pub(super) async fn of_a_reference_and_a_removal_at_once_one_wins(world: World) -> Outcome {
    let types = world.types();
    for _ in 0..10 {
        let account = world.insert(world.account("one")).await?;
        let (adding, removing) = (world.clone(), world.clone());
        let (parent, target) = (account.clone(), account.clone());
        let add = tokio::spawn(async move {
            match adding.insert(adding.note("note", &parent)).await {
                Ok(_) => Ok(true),
                Err(Error::Rejected { reason: Rejection::MissingReference(_), .. }) => Ok(false),
                Err(other) => Err(Failure::from(other)),
            }
        });
        let remove = tokio::spawn(async move {
            match removing.remove(&removing.types().accounts, &target).await {
                Ok(()) => Ok(true),
                Err(Error::Rejected { reason: Rejection::Referenced(_), .. }) => Ok(false),
                Err(other) => Err(Failure::from(other)),
            }
        });
        let (added, removed) = (joined(add).await?, joined(remove).await?);
        ensure!(added != removed, "added: {added}, removed: {removed}");
        let there = world.get(&types.accounts, account.id()).await?.is_some();
        ensure_eq!(there, added, "whether the record is still there");
    }
    Ok(())
}

pub(super) async fn lists_of_ids_are_no_references(world: World) -> Outcome {
    let draft = world.account("one").with("relatedIds", Value::Uuids(vec![world.id()]));
    world.insert(draft.with("ownerId", world.id())).await?;
    Ok(())
}

pub(super) async fn references_to_global_records_hold(world: World) -> Outcome {
    let types = world.types();
    let system = world.system();
    let agent = system.insert(world.agent("agent")).await?;
    let draft = |world: &World| world.account("one").with("agentId", agent.id());
    let other = world.another();
    let account = world.insert(draft(&world)).await?;
    let foreign = other.insert(draft(&other)).await?;
    let by_account = referenced("conformance_accounts");
    expect_rejected(system.remove(&types.agents, &agent).await, 0, &by_account)?;
    world.remove(&types.accounts, &account).await?;
    expect_rejected(system.remove(&types.agents, &agent).await, 0, &by_account)?;
    other.remove(&types.accounts, &foreign).await?;
    system.remove(&types.agents, &agent).await?;
    expect_rejected(world.insert(draft(&world)).await, 0, &missing("agentId"))
}

pub(super) async fn global_records_have_unique_keys_of_their_own(world: World) -> Outcome {
    let system = world.system();
    let email = world.unique("Zoé");
    let draft = || world.agent("agent").with("email", email.as_str());
    let first = system.insert(draft()).await?;
    let again: Result<_> = system.insert(draft()).await;
    expect_rejected(again, 0, &taken("conformance_agents_email"))?;
    system.delete(&world.types().agents, &first).await?;
    system.insert(draft()).await?;
    Ok(())
}
