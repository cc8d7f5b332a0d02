//! Nothing crosses from one tenant to another.

use std::sync::Arc;

use super::world::{
    Outcome, World, check, ensure, ensure_eq, expect_rejected, field, field_of, labels, removal,
};
use crate::error::{Error, Rejection};
use crate::store::{Aggregate, Deleted, Filter, GroupBy, Path, Query, Sort, Value, system};

pub(super) async fn tenants_may_have_the_same_ids_and_keys(world: World) -> Outcome {
    let accounts = &world.types().accounts;
    let other = world.another();
    let id = world.id();
    let draft = |world: &World, label| {
        world.account(label).with("id", id).with("email", "same@x.org").with("number", 1)
    };
    let ours = world.insert(draft(&world, "ours")).await?;
    let theirs = other.insert(draft(&other, "theirs")).await?;
    world.expect_stored(accounts, &ours).await?;
    other.expect_stored(accounts, &theirs).await?;
    let ours = world.change(accounts, &ours, &[("number", 2.into())]).await?;
    other.expect_stored(accounts, &theirs).await?;
    world.remove(accounts, &ours).await?;
    other.expect_stored(accounts, &theirs).await?;
    ensure_eq!(world.get(accounts, id).await?, None, "our removed record");
    Ok(())
}

pub(super) async fn a_tenant_sees_its_own_records_only(world: World) -> Outcome {
    let specimens = &world.types().specimens;
    let other = world.another();
    for (world, label) in [(&world, "ours"), (&other, "theirs")] {
        let draft = world.specimen(label).with("title", "common word").with("number", 7);
        world.insert(draft).await?;
        let gone = world.insert(world.specimen("gone").with("title", "common")).await?;
        world.delete(specimens, &gone).await?;
    }
    for (world, label) in [(&world, "ours"), (&other, "theirs")] {
        for filter in [
            Filter::All,
            Filter::search("common"),
            Filter::eq(field("number"), 7),
            Filter::Contains(field("title"), "word".into()),
            Filter::eq(field("number"), 8).not(),
            Filter::Nothing.or(Filter::Absent(field("flag"))),
        ] {
            world.expect(filter.clone(), &[label]).await?;
            let query = Query::new(Arc::clone(specimens)).filter(filter.clone())?.counted();
            let live = world.query(query.clone()).await?;
            ensure_eq!(live.total, Some(1), "the total of {filter:?}");
            let both = world.query(query.deleted(Deleted::Include)).await?;
            ensure!(both.total <= Some(2), "the total of {filter:?} with deleted: {both:?}");
            let figures = Aggregate::count(Arc::clone(specimens)).filter(filter.clone())?;
            let figures = world.aggregate(figures).await?;
            ensure_eq!(figures[0].values, [Value::Int(1)], "the count of {filter:?}");
        }
        let by_label = vec![GroupBy::Value(field("label"))];
        let groups = Aggregate::count(Arc::clone(specimens)).group_by(by_label)?;
        let groups = world.aggregate(groups).await?;
        ensure_eq!(groups.len(), 1, "groups");
        ensure_eq!(groups[0].keys, [Value::from(label)], "the key");
    }
    Ok(())
}

pub(super) async fn a_foreign_id_finds_nothing(world: World) -> Outcome {
    let specimens = &world.types().specimens;
    let other = world.another();
    let theirs = other.insert(other.specimen("theirs")).await?;
    ensure_eq!(world.get(specimens, theirs.id()).await?, None, "another tenant's record");
    let ids = vec![theirs.id().into(), world.id().into()];
    world.expect(Filter::In(Path::field(system::ID), ids), &[]).await
}

pub(super) async fn a_reference_into_another_tenant_is_missing(world: World) -> Outcome {
    let types = world.types();
    let other = world.another();
    let theirs = other.insert(other.account("theirs")).await?;
    let missing = |field: &str| Rejection::MissingReference(field.to_owned());
    let draft = world.account("ours").with("parentId", theirs.id());
    expect_rejected(world.insert(draft).await, 0, &missing("parentId"))?;
    let note = world.note("note", &theirs);
    expect_rejected(world.insert(note).await, 0, &missing("accountId"))?;
    // Nor does a record of theirs with the same id keep ours.
    let ours = world.insert(world.account("ours").with("id", theirs.id())).await?;
    other.insert(other.note("note", &theirs)).await?;
    world.remove(&types.accounts, &ours).await?;
    Ok(())
}

pub(super) async fn related_stays_in_the_tenant(world: World) -> Outcome {
    let types = world.types();
    let other = world.another();
    let id = world.id();
    for (world, name) in [(&world, "ours"), (&other, "theirs")] {
        let account = world.account("account").with("id", id).with("name", name);
        let account = world.insert(account).await?;
        world.insert(world.note(name, &account)).await?;
    }
    let named = |name: &str| {
        let name = Filter::eq(field_of(&types.accounts, "name"), name);
        let field = field_of(&types.notes, "accountId").field;
        Filter::Related(field, Arc::clone(&types.accounts), Box::new(name))
    };
    world.expect_of(&types.notes, named("ours"), &["ours"]).await?;
    world.expect_of(&types.notes, named("theirs"), &[]).await?;
    other.expect_of(&types.notes, named("theirs"), &["theirs"]).await
}

pub(super) async fn a_batch_writes_inside_its_scope_only(world: World) -> Outcome {
    let types = world.types();
    let other = world.another();
    let theirs = other.insert(other.specimen("theirs")).await?;
    let agent = world.system().insert(world.agent("agent")).await?;
    let (insert, _) = world.specimen("x").of_tenant(other.tenant()).insertion()?;
    let (global, _) = world.agent("x").insertion()?;
    let (update, _) = world.update(&types.specimens, &theirs, &[("number", 1.into())])?;
    for operation in [
        insert,
        global,
        update,
        removal(&types.specimens, &theirs),
        check(&types.specimens, &theirs),
        removal(&types.agents, &agent),
        check(&types.agents, &agent),
    ] {
        let (own, _) = world.specimen("own").insertion()?;
        let refused = world.commit(vec![own, operation]).await;
        ensure!(matches!(refused, Err(Error::Internal(_))), "taken: {refused:?}");
    }
    other.expect(Filter::All, &["theirs"]).await?;
    world.expect(Filter::All, &[]).await?;
    other.expect_stored(&types.specimens, &theirs).await?;
    world.system().expect_stored(&types.agents, &agent).await
}

pub(super) async fn a_tenant_sees_no_global_records(world: World) -> Outcome {
    let agents = &world.types().agents;
    let agent = world.system().insert(world.agent("agent")).await?;
    ensure_eq!(world.get(agents, agent.id()).await?, None, "a global record");
    let page = world.query(Query::new(Arc::clone(agents)).counted()).await?;
    ensure!(page.items.is_empty() && page.total == Some(0), "global records: {page:?}");
    let figures = world.aggregate(Aggregate::count(Arc::clone(agents))).await?;
    ensure_eq!(figures[0].values, [Value::Int(0)], "the count of global records");
    let by_label = vec![GroupBy::Value(field_of(agents, "label"))];
    let groups = Aggregate::count(Arc::clone(agents)).group_by(by_label)?;
    ensure!(world.aggregate(groups).await?.is_empty(), "groups of global records");
    Ok(())
}

pub(super) async fn the_system_sees_and_writes_every_tenant(world: World) -> Outcome {
    let specimens = &world.types().specimens;
    let (other, system) = (world.another(), world.system());
    let code = world.unique("code");
    let ours = world.insert(world.specimen("ours").with("code", code.as_str())).await?;
    let theirs = other.specimen("theirs").with("code", code.as_str());
    let theirs = other.insert(theirs).await?;
    let filter = || Filter::eq(field("code"), code.as_str());
    system.expect(filter(), &["ours", "theirs"]).await?;
    let found = system.find(specimens, filter()).await?;
    let tenants: Vec<_> = found.iter().map(crate::store::Record::tenant).collect();
    ensure_eq!(tenants, [Some(world.tenant()), Some(other.tenant())], "whose they are");
    let newest = Query::new(Arc::clone(specimens)).filter(filter())?.counted();
    let page = system.query(newest).await?;
    ensure_eq!(labels(specimens, &page.items), ["theirs", "ours"], "newest first");
    ensure_eq!(page.total, Some(2), "the total over tenants");
    let by_age = vec![Sort::ascending(Path::field(system::CREATED_AT))];
    let by_age = Query::new(Arc::clone(specimens)).filter(filter())?.sort(by_age)?;
    let page = system.query(by_age).await?;
    ensure_eq!(labels(specimens, &page.items), ["ours", "theirs"], "oldest first");
    let figures = Aggregate::count(Arc::clone(specimens)).filter(filter())?;
    ensure_eq!(system.aggregate(figures).await?[0].values, [Value::Int(2)], "the count");
    // One batch may write to several tenants.
    let (first, _) = system.update(specimens, &ours, &[("number", 1.into())])?;
    let (second, _) = system.update(specimens, &theirs, &[("number", 1.into())])?;
    system.commit(vec![first, second]).await?;
    world.expect(Filter::eq(field("number"), 1), &["ours"]).await?;
    other.expect(Filter::eq(field("number"), 1), &["theirs"]).await
}

pub(super) async fn the_system_keeps_tenants_with_the_same_ids_apart(world: World) -> Outcome {
    let types = world.types();
    let (other, system) = (world.another(), world.system());
    let id = world.id();
    let code = world.unique("name");
    let draft = |world: &World, label, number: i64| {
        let draft = world.account(label).with("id", id).with("region", code.as_str());
        draft.with("number", number)
    };
    let ours = world.insert(draft(&world, "ours", 1)).await?;
    let theirs = other.insert(draft(&other, "theirs", 2)).await?;
    let in_region = Filter::eq(field_of(&types.accounts, "region"), code.as_str());
    let mut found = system.labels(&types.accounts, in_region).await?;
    found.sort();
    ensure_eq!(found, ["ours", "theirs"], "both records");
    // Both may be written by one batch, and each reference stays in its tenant.
    let (first, ours) = system.update(&types.accounts, &ours, &[("parentId", id.into())])?;
    let (second, theirs) = system.update(&types.accounts, &theirs, &[("number", 3.into())])?;
    system.commit(vec![first, second]).await?;
    world.expect_stored(&types.accounts, &ours).await?;
    other.expect_stored(&types.accounts, &theirs).await?;
    system.remove(&types.accounts, &theirs).await?;
    world.expect_stored(&types.accounts, &ours).await
}
