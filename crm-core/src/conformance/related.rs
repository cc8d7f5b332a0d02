//! Filters that look at the record referred to, and searches.

use std::sync::Arc;

use uuid::Uuid;

use super::values::fields;
use super::world::{Draft, Outcome, World, ensure, field, field_of};
use crate::error::{Error, Result};
use crate::store::{Filter, Record, Schema, Value};

fn related(schema: &Schema, name: &str, target: &Arc<Schema>, filter: Filter) -> Filter {
    Filter::Related(field_of(schema, name).field, Arc::clone(target), Box::new(filter))
}

/// Accounts `child` of `parent`, and `orphan` of nobody.
async fn family(world: &World) -> Result<(Record, Record, Record)> {
    let parent = world.insert(world.account("parent").with("name", "Müller")).await?;
    let child = world.account("child").with("parentId", parent.id()).with("name", "Kind");
    let child = world.insert(child).await?;
    let orphan = world.insert(world.account("orphan")).await?;
    Ok((parent, child, orphan))
}

pub(super) async fn related_looks_at_live_and_deleted_records(world: World) -> Outcome {
    let accounts = &world.types().accounts;
    let (parent, _, _) = family(&world).await?;
    let of = |filter| related(accounts, "parentId", accounts, filter);
    let named = |name: &str| of(Filter::eq(field_of(accounts, "name"), name));
    world.expect_of(accounts, named("MULLER"), &["child"]).await?;
    world.expect_of(accounts, named("other"), &[]).await?;
    world.delete(accounts, &parent).await?;
    world.expect_of(accounts, named("MULLER"), &["child"]).await?;
    world.expect_of(accounts, of(Filter::All), &["child"]).await
}

pub(super) async fn an_absent_reference_matches_no_related_filter(world: World) -> Outcome {
    let accounts = &world.types().accounts;
    family(&world).await?;
    let of = |filter| related(accounts, "parentId", accounts, filter);
    world.expect_of(accounts, of(Filter::All), &["child"]).await?;
    world.expect_of(accounts, of(Filter::Nothing), &[]).await?;
    let never = Filter::eq(field_of(accounts, "name"), "nobody");
    world.expect_of(accounts, of(never.clone().not()), &["child"]).await?;
    world.expect_of(accounts, of(never).not(), &["parent", "child", "orphan"]).await?;
    let without_name = Filter::Absent(field_of(accounts, "region"));
    world.expect_of(accounts, of(without_name), &["child"]).await
}

pub(super) async fn related_reaches_on_to_global_records(world: World) -> Outcome {
    let types = world.types();
    let chief = world.system().insert(world.agent("chief")).await?;
    let agent = world.agent("agent").with("chiefId", chief.id());
    let agent = world.system().insert(agent).await?;
    let served = world.insert(world.account("served").with("agentId", agent.id())).await?;
    let other = world.insert(world.account("other").with("agentId", chief.id())).await?;
    let plain = world.insert(world.account("plain")).await?;
    for (label, account) in [("n1", &served), ("n2", &other), ("n3", &plain)] {
        world.insert(world.note(label, account)).await?;
    }
    let by_agent = |filter| {
        let agents = related(&types.accounts, "agentId", &types.agents, filter);
        related(&types.notes, "accountId", &types.accounts, agents)
    };
    let label = |label: &str| Filter::eq(field_of(&types.agents, "label"), label);
    world.expect_of(&types.notes, by_agent(label("agent")), &["n1"]).await?;
    world.expect_of(&types.notes, by_agent(Filter::All), &["n1", "n2"]).await?;
    world.expect_of(&types.notes, by_agent(Filter::All).not(), &["n3"]).await?;
    let by_chief = by_agent(related(&types.agents, "chiefId", &types.agents, label("chief")));
    world.expect_of(&types.notes, by_chief, &["n1"]).await
}

pub(super) async fn related_mixes_with_filters_of_the_record_itself(world: World) -> Outcome {
    let accounts = &world.types().accounts;
    let (parent, ..) = family(&world).await?;
    let twin = world.account("twin").with("parentId", parent.id()).with("name", "Müller");
    world.insert(twin).await?;
    let name = |name: &str| Filter::eq(field_of(accounts, "name"), name);
    let of = |filter| related(accounts, "parentId", accounts, filter);
    let both = name("Müller").and(of(name("Müller")));
    world.expect_of(accounts, both, &["twin"]).await?;
    let either =
        name("Kind").or(of(Filter::Nothing)).or(Filter::Absent(field_of(accounts, "name")));
    world.expect_of(accounts, either, &["child", "orphan"]).await
}

const SOURCE: usize = 0;
const TARGET: usize = 1;

fn link(world: &World, label: &str, of: &Schema, id: Uuid) -> Draft {
    let link = world.draft(&world.types().links).with("label", label);
    link.with("sourceType", of.resource()).with("sourceId", id)
}

fn labelled(schema: &Schema, label: &str) -> Filter {
    Filter::eq(field_of(schema, "label"), label)
}

pub(super) async fn an_end_is_of_the_type_and_identifier_that_it_names(world: World) -> Outcome {
    let types = world.types();
    let (links, accounts, specimens) = (&types.links, &types.accounts, &types.specimens);
    let account = world.insert(world.account("one")).await?;
    // The same identifier, of another type.
    let twin = world.specimen("twin").with("id", account.id());
    world.insert(twin).await?;
    let other = world.insert(world.account("other")).await?;
    for (label, of, id) in [
        ("to account", accounts, account.id()),
        ("to specimen", specimens, account.id()),
        ("to other", accounts, other.id()),
    ] {
        world.insert(link(&world, label, of, id)).await?;
    }
    let end = |cases: &[(&Arc<Schema>, Filter)]| {
        let cases = cases.iter().map(|(of, filter)| (Arc::clone(of), filter.clone()));
        Filter::End(SOURCE, cases.collect())
    };
    let all = |of| end(&[(of, Filter::All)]);
    world.expect_of(links, all(accounts), &["to account", "to other"]).await?;
    world.expect_of(links, all(specimens), &["to specimen"]).await?;
    world.expect_of(links, all(accounts).not(), &["to specimen"]).await?;
    world.expect_of(links, end(&[]), &[]).await?;
    world.expect_of(links, end(&[]).not(), &["to account", "to specimen", "to other"]).await?;
    let either = end(&[(accounts, labelled(accounts, "other")), (specimens, Filter::All)]);
    world.expect_of(links, either.clone(), &["to specimen", "to other"]).await?;
    let both = either.and(labelled(links, "to other"));
    world.expect_of(links, both, &["to other"]).await?;
    // A type given twice is asked about in either way.
    let twice =
        end(&[(accounts, labelled(accounts, "one")), (accounts, labelled(accounts, "other"))]);
    world.expect_of(links, twice, &["to account", "to other"]).await?;
    // Deleted records are looked at as well; whether they count is for the filter to say.
    let live = || end(&[(accounts, Filter::Absent(field_of(accounts, "deletedAt")))]);
    let deleted = world.delete(accounts, &account).await?;
    world.expect_of(links, all(accounts), &["to account", "to other"]).await?;
    world.expect_of(links, live(), &["to other"]).await?;
    world.restore(accounts, &deleted).await?;
    world.expect_of(links, live(), &["to account", "to other"]).await
}

pub(super) async fn an_end_that_names_nothing_matches_no_filter(world: World) -> Outcome {
    let types = world.types();
    let (links, accounts) = (&types.links, &types.accounts);
    let account = world.insert(world.account("one")).await?;
    // It is not refused either: what is named is for services to look after.
    world.insert(link(&world, "to nobody", accounts, world.id())).await?;
    let nowhere = world.draft(links).with("label", "to no type");
    let nowhere = nowhere.with("sourceType", "conformance_nothing").with("sourceId", account.id());
    world.insert(nowhere).await?;
    let whole = link(&world, "whole", accounts, account.id());
    let whole = whole.with("targetType", accounts.resource()).with("targetId", account.id());
    world.insert(whole).await?;
    let typed =
        link(&world, "half", accounts, account.id()).with("targetType", accounts.resource());
    world.insert(typed).await?;
    let untyped = link(&world, "other half", accounts, account.id()).with("targetId", account.id());
    world.insert(untyped).await?;
    let end = |end, filter| Filter::End(end, vec![(Arc::clone(accounts), filter)]);
    let halves = &["whole", "half", "other half"];
    world.expect_of(links, end(SOURCE, Filter::All), halves).await?;
    world.expect_of(links, end(SOURCE, Filter::All).not(), &["to nobody", "to no type"]).await?;
    world.expect_of(links, end(TARGET, Filter::All), &["whole"]).await?;
    let never = end(TARGET, labelled(accounts, "never")).not();
    let all = &["to nobody", "to no type", "whole", "half", "other half"];
    world.expect_of(links, never, all).await?;
    // What is named can be removed for good, and the end names nothing from then on.
    world.remove(accounts, &account).await?;
    world.expect_of(links, end(SOURCE, Filter::All), &[]).await
}

pub(super) async fn an_end_never_leads_into_another_tenant(world: World) -> Outcome {
    let types = world.types();
    let (links, accounts) = (&types.links, &types.accounts);
    let other = world.another();
    let theirs = other.insert(other.account("theirs")).await?;
    world.insert(link(&world, "ours", accounts, theirs.id())).await?;
    other.insert(link(&other, "their own", accounts, theirs.id())).await?;
    let end = || Filter::End(SOURCE, vec![(Arc::clone(accounts), Filter::All)]);
    world.expect_of(links, end(), &[]).await?;
    other.expect_of(links, end(), &["their own"]).await?;
    // Nor for the installation, which sees both.
    let own = Filter::In(field_of(links, "sourceId"), vec![theirs.id().into()]);
    world.system().expect_of(links, own.and(end()), &["their own"]).await
}

pub(super) async fn an_end_is_known_by_what_its_type_declares(world: World) -> Outcome {
    let types = world.types();
    let (links, people) = (&types.links, &types.people);
    let user = world.id();
    let person = |label: &str| world.draft(people).with("label", label).with("userId", user);
    let left = world.insert(person("left")).await?;
    world.insert(link(&world, "by user", people, user)).await?;
    world.insert(link(&world, "by id", people, left.id())).await?;
    let end = |filter| Filter::End(SOURCE, vec![(Arc::clone(people), filter)]);
    let live = || end(Filter::Absent(field_of(people, "deletedAt")));
    world.expect_of(links, end(Filter::All), &["by user"]).await?;
    world.delete(people, &left).await?;
    world.expect_of(links, end(Filter::All), &["by user"]).await?;
    world.expect_of(links, live(), &[]).await?;
    // Several share the identifier: one that matches is enough.
    world.insert(person("back")).await?;
    world.expect_of(links, live(), &["by user"]).await?;
    world.expect_of(links, end(labelled(people, "left")), &["by user"]).await?;
    world.expect_of(links, end(labelled(people, "never")), &[]).await
}

async fn library(world: &World) -> Result<()> {
    let custom =
        |text: &str| fields([("a", text.into()), ("b", Value::Int(7)), ("c", "Zürich".into())]);
    world
        .insert_all(vec![
            world.specimen("acme").with("title", "Acme Corporation").with("code", "ACME-1"),
            world
                .specimen("body")
                .with("title", "Other")
                .with("body", "knows Acme and 50% of _all_"),
            world.specimen("custom").with("custom", custom("Straße 12")),
            world.specimen("split").with("title", "foo").with("body", "bar"),
            world.specimen("none"),
        ])
        .await
        .map(drop)
}

pub(super) async fn every_word_must_occur_in_one_of_the_searchable_fields(world: World) -> Outcome {
    library(&world).await?;
    for (search, expected) in [
        ("acme", &["acme", "body"][..]),
        ("ACME corporation", &["acme"]),
        ("corp acme-1", &["acme"]),
        ("acme zürich", &[]),
        ("foo bar", &["split"]),
        ("", &["acme", "body", "custom", "split", "none"]),
        ("   ", &["acme", "body", "custom", "split", "none"]),
        ("none", &[]),
    ] {
        world.expect(Filter::search(search), expected).await?;
    }
    world.expect(Filter::search("acme").not(), &["custom", "split", "none"]).await
}

pub(super) async fn a_search_ignores_case_and_accents(world: World) -> Outcome {
    library(&world).await?;
    world.expect(Filter::search("ÁCMÉ"), &["acme", "body"]).await?;
    world.expect(Filter::search("STRASSE zurich"), &["custom"]).await?;
    world.expect(Filter::search("straße"), &["custom"]).await
}

pub(super) async fn short_words_and_signs_are_searched_literally(world: World) -> Outcome {
    library(&world).await?;
    for (search, expected) in [
        ("a", &["acme", "body", "custom", "split"][..]),
        ("50", &["body"]),
        ("%", &["body"]),
        ("_", &["body"]),
        ("_all_", &["body"]),
        ("5_%", &[]),
        ("-1", &["acme"]),
        ("ä", &["acme", "body", "custom", "split"]),
        ("7", &[]),
    ] {
        world.expect(Filter::search(search), expected).await?;
    }
    Ok(())
}

pub(super) async fn no_word_matches_across_fields(world: World) -> Outcome {
    library(&world).await?;
    for search in ["foobar", "corporationacme", "12z", "oo\nb"] {
        let words = search.split('\n').count();
        let expected: &[&str] = if words > 1 { &["split"] } else { &[] };
        world.expect(Filter::search(search), expected).await?;
    }
    // A word given with white space inside is two words.
    world.expect(Filter::Search(vec!["foo\nbar".into()]), &["split"]).await?;
    world.expect(Filter::Search(vec!["Foo".into()]), &["split"]).await
}

pub(super) async fn a_search_follows_changes(world: World) -> Outcome {
    let specimens = &world.types().specimens;
    let record = world.insert(world.specimen("one").with("title", "before")).await?;
    world.expect(Filter::search("before"), &["one"]).await?;
    let changes = [("title", Value::Null), ("body", "after".into())];
    let record = world.change(specimens, &record, &changes).await?;
    world.expect(Filter::search("before"), &[]).await?;
    world.expect(Filter::search("after"), &["one"]).await?;
    world.delete(specimens, &record).await?;
    world.expect(Filter::search("after"), &[]).await
}

pub(super) async fn only_declared_questions_are_answered(world: World) -> Outcome {
    let specimens = &world.types().specimens;
    for filter in [
        Filter::eq(field("body"), "x"),
        Filter::eq(field("number"), "x"),
        Filter::eq(field("number"), Value::Null),
        Filter::HasAll(field("code"), vec!["x".into()]),
        Filter::Contains(field("number"), "1".into()),
        Filter::eq(field("custom"), 1),
    ] {
        let refused = world.find(specimens, filter.clone()).await;
        ensure!(matches!(refused, Err(Error::Unreadable(_))), "{filter:?}: {refused:?}");
    }
    Ok(())
}
