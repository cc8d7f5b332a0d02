use std::time::Duration;

use crm_core::store::{Aggregate, Deleted, Measure, system};
use crm_core::{Error, Rejection};
use sqlx::{Connection, PgConnection};

use super::*;

async fn count(world: &World, schema: &str) -> Value {
    let aggregate = Aggregate::count(Arc::clone(world.schema(schema)));
    world.store.figures(SCOPE, &aggregate).await.unwrap().remove(0).values.remove(0)
}

fn rejection(result: Result<Commit>) -> (usize, Rejection) {
    match result {
        Err(Error::Rejected { operation, reason }) => (operation, reason),
        other => panic!("expected a rejection, got {other:?}"),
    }
}

#[tokio::test]
async fn records_come_back_as_they_were_written_one_by_one_and_many_at_once() {
    let world = World::new().await;
    let firms: Vec<Record> = (1..=3)
        .map(|id| world.firm(id, ["Müller", "a\"b\\c,{}", "NULL"][id as usize - 1]))
        .collect();
    world.commit(vec![world.insert("firms", firms[0].clone())]).await.unwrap();
    let rest = firms[1..].iter().map(|firm| world.insert("firms", firm.clone())).collect();
    world.commit(rest).await.unwrap();
    let mut found = world.all("firms").await;
    found.reverse();
    assert_eq!(found, firms);
    assert_eq!(count(&world, "firms").await, 3.into());
}

#[tokio::test]
async fn zeros_keep_their_scale_and_floats_stay_floats() {
    let world = World::new().await;
    let picture = serde_json::json!([
        0.1,
        1.0,
        1e15,
        1e16,
        -1e16,
        1.5e300,
        1.5e-300,
        10_000_000_000_000_000_u64
    ]);
    let values = [
        ("unitPrice", Value::Decimal(rust_decimal::Decimal::ZERO)),
        ("picture", Value::Json(Box::new(picture))),
    ];
    let articles: Vec<Record> = (1..=3).map(|id| world.article(id, 1, &values)).collect();
    world.commit(vec![world.insert("firms", world.firm(1, "One"))]).await.unwrap();
    world.commit(vec![world.insert("articles", articles[0].clone())]).await.unwrap();
    let rest = articles[1..].iter().map(|article| world.insert("articles", article.clone()));
    world.commit(rest.collect()).await.unwrap();
    for (found, article) in world.all("articles").await.iter().rev().zip(&articles) {
        assert_eq!(format!("{found:?}"), format!("{article:?}"));
    }
}

#[tokio::test]
async fn a_change_of_a_version_that_is_gone_is_stale_and_changes_nothing() {
    let world = World::new().await;
    let firms = Arc::clone(world.schema("firms"));
    let (one, two) = (world.firm(1, "One"), world.firm(2, "Two"));
    let inserts = vec![world.insert("firms", one.clone()), world.insert("firms", two.clone())];
    world.commit(inserts).await.unwrap();
    world.commit(vec![changed(&firms, &one, "name", "New".into())]).await.unwrap();
    let stale = vec![
        changed(&firms, &two, "name", "Newer".into()),
        changed(&firms, &one, "name", "Newer".into()),
        world.insert("firms", world.firm(3, "Three")),
        Operation::Increment { counter: "n".into(), by: 1 },
    ];
    assert_eq!(rejection(world.commit(stale).await), (1, Rejection::Stale));
    assert_eq!(world.all("firms").await.iter().map(Record::version).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(count(&world, "firms").await, 2.into());
    let counter = vec![Operation::Increment { counter: "n".into(), by: 2 }];
    assert_eq!(world.commit(counter).await.unwrap().counters, [2]);
}

#[tokio::test]
async fn deleting_and_restoring_moves_the_count() {
    let world = World::new().await;
    let firms = Arc::clone(world.schema("firms"));
    world.commit(vec![world.insert("firms", world.firm(1, "One"))]).await.unwrap();
    let one = world.all("firms").await.remove(0);
    let delete = changed(&firms, &one, "deletedAt", at(9).into());
    let deleted = delete.after().unwrap().1.clone();
    world.commit(vec![delete]).await.unwrap();
    assert_eq!(count(&world, "firms").await, 0.into());
    assert!(world.all("firms").await.is_empty());
    world.commit(vec![changed(&firms, &deleted, "deletedAt", Value::Null)]).await.unwrap();
    assert_eq!(count(&world, "firms").await, 1.into());
}

#[tokio::test]
async fn removals_happen_unless_another_record_refers_to_theirs() {
    let world = World::new().await;
    let firm = world.firm(1, "One");
    let article = world.article(1, 1, &[("parentId", Uuid::from_u128(1).into())]);
    world
        .commit(vec![
            world.insert("firms", firm.clone()),
            world.insert("articles", article.clone()),
        ])
        .await
        .unwrap();
    let remove = |name: &str, before: &Record| Operation::Remove {
        schema: Arc::clone(world.schema(name)),
        before: before.clone(),
    };
    let refused = (0, Rejection::Referenced("articles".into()));
    assert_eq!(rejection(world.commit(vec![remove("firms", &firm)]).await), refused);
    // Not even together: a batch sees the state before it.
    let both = vec![remove("firms", &firm), remove("articles", &article)];
    assert_eq!(rejection(world.commit(both).await), refused);
    world.commit(vec![remove("articles", &article)]).await.unwrap();
    world.commit(vec![remove("firms", &firm)]).await.unwrap();
    assert_eq!(
        (count(&world, "firms").await, count(&world, "articles").await),
        (0.into(), 0.into())
    );
    assert_eq!(rejection(world.commit(vec![remove("firms", &firm)]).await), (0, Rejection::Stale));
}

#[tokio::test]
async fn faults_are_told_in_the_order_of_the_semantics() {
    let world = World::new().await;
    let firm = world.firm(1, "One");
    let article = world.article(1, 1, &[("title", "Taken".into())]);
    let firm_insert = world.insert("firms", firm.clone());
    world.commit(vec![firm_insert.clone(), world.insert("articles", article)]).await.unwrap();

    let missing = world.insert("articles", world.article(2, 9, &[]));
    let taken = world.insert("articles", world.article(3, 1, &[("title", "TAKEN".into())]));
    let twice = world.insert("articles", world.article(4, 1, &[("title", "Article 3".into())]));
    let plain = world.insert("articles", world.article(5, 1, &[("title", "Article 3".into())]));
    let same_id = world.insert("articles", world.article(1, 1, &[("title", "Other".into())]));
    let remove = Operation::Remove { schema: Arc::clone(world.schema("firms")), before: firm };

    let reasons = [
        (vec![missing.clone()], (0, Rejection::MissingReference("firmId".into()))),
        (vec![missing.clone(), taken.clone()], (1, Rejection::Taken("title".into()))),
        (vec![missing.clone(), twice, plain], (2, Rejection::Taken("title".into()))),
        (vec![missing.clone(), taken.clone(), same_id], (2, Rejection::Taken("id".into()))),
        (vec![taken, firm_insert], (1, Rejection::Taken("id".into()))),
        (vec![remove, missing], (1, Rejection::MissingReference("firmId".into()))),
    ];
    for (operations, expected) in reasons {
        assert_eq!(rejection(world.commit(operations).await), expected);
    }
    assert_eq!(count(&world, "articles").await, 1.into());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_concurrent_changes_to_one_version_one_wins() {
    let world = World::new().await;
    let firms = Arc::clone(world.schema("firms"));
    let inserts = (1..=8).map(|id| world.insert("firms", world.firm(id, "Firm"))).collect();
    world.commit(inserts).await.unwrap();
    for round in 1..=10 {
        let all = world.all("firms").await;
        let mut racing = Vec::new();
        for racer in 0..8 {
            // Each changes all of them, in an order of its own.
            let mut operations: Vec<Operation> = all
                .iter()
                .map(|before| changed(&firms, before, "name", format!("{racer}").into()))
                .collect();
            operations.rotate_left(racer);
            operations.push(Operation::Increment { counter: "n".into(), by: 1 });
            let (store, batch) = (Arc::clone(&world.store), Batch::new(operations).unwrap());
            racing.push(tokio::spawn(async move { store.write(SCOPE, &batch).await }));
        }
        let mut won = Vec::new();
        for race in racing {
            match race.await.unwrap() {
                Ok(commit) => won.push(commit.counters[0]),
                lost => assert_eq!(rejection(lost).1, Rejection::Stale),
            }
        }
        assert_eq!(won, [round]);
        let names: Vec<String> =
            world.all("firms").await.iter().map(|firm| format!("{:?}", firm.get(5))).collect();
        assert!(names.iter().all(|name| *name == names[0]), "{names:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_inserts_lose_no_count_and_no_number() {
    let world = World::new().await;
    let mut writers = Vec::new();
    for writer in 0..8_u128 {
        let batches: Vec<Batch> = (0..20)
            .map(|i| {
                let firm = world.firm(1 + writer * 100 + i, "Firm");
                let number = Operation::Increment { counter: "n".into(), by: 1 };
                Batch::new(vec![world.insert("firms", firm), number]).unwrap()
            })
            .collect();
        let store = Arc::clone(&world.store);
        writers.push(tokio::spawn(async move {
            let mut numbers = Vec::new();
            for batch in batches {
                numbers.extend(store.write(SCOPE, &batch).await.unwrap().counters);
            }
            numbers
        }));
    }
    let mut numbers = Vec::new();
    for writer in writers {
        numbers.extend(writer.await.unwrap());
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=160).collect::<Vec<i64>>());
    assert_eq!(count(&world, "firms").await, 160.into());
}

#[tokio::test]
async fn a_change_does_not_wait_for_those_who_refer_to_the_record() {
    let world = World::new().await;
    let firms = Arc::clone(world.schema("firms"));
    let firm = world.firm(1, "One");
    world.commit(vec![world.insert("firms", firm.clone())]).await.unwrap();
    // What an insert that refers to the record holds until it is committed.
    let mut other = PgConnection::connect(&world.database.superuser_url()).await.unwrap();
    sqlx::raw_sql("BEGIN; SELECT FROM firms FOR KEY SHARE").execute(&mut other).await.unwrap();
    let change = world.commit(vec![changed(&firms, &firm, "name", "New".into())]);
    tokio::time::timeout(Duration::from_secs(2), change).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_tenants_batch_cannot_write_another_tenants_or_a_global_record() {
    let world = World::new().await;
    let person = record(world.schema("people"), 1, &[("email", "a@example.com".into())]);
    let foreign = Scope::Tenant(TenantId::new(Uuid::from_u128(5)));
    let person = Batch::new(vec![world.insert("people", person)]).unwrap();
    let firm = Batch::new(vec![world.insert("firms", world.firm(1, "One"))]).unwrap();
    assert!(matches!(world.store.write(SCOPE, &person).await, Err(Error::Internal(_))));
    assert!(matches!(world.store.write(foreign, &firm).await, Err(Error::Internal(_))));
    world.store.write(Scope::System, &person).await.unwrap();
    world.store.write(Scope::System, &firm).await.unwrap();
    // Nor see it.
    let all =
        |name: &str| Query::new(Arc::clone(world.schema(name))).deleted(Deleted::Include).counted();
    for (scope, name, total) in [
        (SCOPE, "people", 0),
        (Scope::System, "people", 1),
        (foreign, "firms", 0),
        (SCOPE, "firms", 1),
        (Scope::System, "firms", 1),
    ] {
        let page = world.store.answer(scope, &all(name)).await.unwrap();
        assert_eq!((page.total, page.items.len() as u64), (Some(total), total), "{scope:?} {name}");
        assert!(page.items.iter().all(|record| record.version() == 1));
    }
    let measures = vec![Measure::Count, Measure::Max(crm_core::store::Path::field(system::ID))];
    let people = Aggregate::count(Arc::clone(world.schema("people"))).measures(measures).unwrap();
    assert_eq!(
        world.store.figures(SCOPE, &people).await.unwrap()[0].values,
        [Value::Int(0), Value::Null]
    );
}
