use std::collections::BTreeMap;

use crm_core::store::evaluate::{self, Lookup, Row};
use crm_core::store::{
    Aggregate, Comparison, Cursor, Deleted, Filter, GroupBy, Kind, Measure, Path, Sort, Window,
};
use rust_decimal::Decimal;

use super::*;

struct Rows<'a>(&'a [(String, Row)]);

impl Lookup for Rows<'_> {
    fn find(&self, schema: &Schema, tenant: Option<TenantId>, id: Uuid) -> Option<&Row> {
        let is = |(name, row): &&(String, Row)| {
            name == schema.name() && row.record().tenant() == tenant && row.record().id() == id
        };
        self.0.iter().find(is).map(|(_, row)| row)
    }

    fn known_by(&self, schema: &Schema, tenant: Option<TenantId>, id: Uuid) -> Vec<&Row> {
        let is = |(name, row): &&(String, Row)| {
            let record = row.record();
            name == schema.name()
                && record.tenant() == tenant
                && *record.get(schema.known_by()) == Value::Uuid(id)
        };
        self.0.iter().filter(is).map(|(_, row)| row).collect()
    }
}

fn decimal(text: &str) -> Value {
    Value::Decimal(text.parse::<Decimal>().unwrap())
}

/// Thirty articles in which every kind of value is there and absent.
async fn filled() -> (World, Vec<(String, Row)>) {
    let world = World::new().await;
    let mut records: Vec<(&str, Record)> = Vec::new();
    for (id, email) in [(1, "Ann@example.com"), (2, "bob@example.com")] {
        records.push(("people", record(world.schema("people"), id, &[("email", email.into())])));
    }
    for (id, name) in [(1, "Müller & Söhne"), (2, "ACME 50%_\\")] {
        records.push(("firms", world.firm(id, name)));
    }
    for id in 1..=30_u128 {
        let own: BTreeMap<String, Value> = match id % 5 {
            0 => BTreeMap::new(),
            1 => [("seats".to_owned(), Value::from(id as i64)), ("vip".to_owned(), true.into())]
                .into(),
            2 => [("seats".to_owned(), Value::from("many")), ("price".to_owned(), decimal("1.5"))]
                .into(),
            3 => [
                ("region".to_owned(), Value::from(["Emea", "ÉMEA", "apac"][id as usize % 3])),
                ("langs".to_owned(), Value::Codes(vec!["de".into(), "\"x, y\"\\".into()])),
            ]
            .into(),
            _ => [
                ("since".to_owned(), Value::Date("2026-01-01".parse().unwrap())),
                ("seen".to_owned(), Value::Time(at(id as i64))),
                ("ref".to_owned(), Value::Uuid(Uuid::from_u128(id % 2))),
                ("refs".to_owned(), Value::Uuids(vec![Uuid::from_u128(7)])),
            ]
            .into(),
        };
        let mut values: Vec<(&str, Value)> = vec![
            ("title", ["Straße", "strasse", "Zebra", "äpfel"][id as usize % 4].into()),
            (
                "title",
                format!("{} {id}", ["Straße", "STRASSE", "Zebra", "äpfel"][id as usize % 4]).into(),
            ),
            ("status", ["active", "Active", "lost"][id as usize % 3].into()),
            ("isActive", (id % 2 == 0).into()),
            ("customFields", Value::Custom(own)),
        ];
        if id % 3 != 0 {
            values.push(("order", (id as i64 % 4).into()));
            values.push(("unitPrice", decimal(["1.5", "20", "-3.25"][id as usize % 3])));
            values.push(("tags", Value::Uuids((0..id % 4).map(Uuid::from_u128).collect())));
        }
        if id % 4 != 0 {
            values.push(("sold", Value::Date(at(86_400 * (id as i64 % 3)).date_naive())));
            values.push(("ownerId", Uuid::from_u128(1 + id % 2).into()));
            values.push(("labels", Value::Codes(vec!["a".into(), format!("l{}", id % 3)])));
            values.push((
                "picture",
                Value::Json(Box::new(serde_json::json!({"a": [id as u64, null, "x"]}))),
            ));
        }
        if id > 10 {
            values.push(("parentId", Uuid::from_u128(id % 10 + 1).into()));
        }
        if id % 7 == 0 {
            values.push(("deletedAt", at(5).into()));
        }
        records.push(("articles", world.article(id, 1 + id % 2, &values)));
    }
    let operations = |name: &str| {
        let of_type = records.iter().filter(|(known, _)| *known == name);
        of_type.map(|(name, record)| world.insert(name, record.clone())).collect::<Vec<_>>()
    };
    let people = Batch::new(operations("people")).unwrap();
    world.store.write(Scope::System, &people).await.unwrap();
    world.commit(operations("firms")).await.unwrap();
    let mut articles = operations("articles");
    let last = articles.split_off(29);
    world.commit(articles).await.unwrap();
    world.commit(last).await.unwrap();
    let rows = records
        .into_iter()
        .map(|(name, record)| (name.to_owned(), Row::new(world.schema(name), record)))
        .collect();
    (world, rows)
}

fn filters(world: &World) -> Vec<Filter> {
    let path = |name: &str| Path::field(world.field("articles", name));
    let own = |key: &str, kind| Path::custom(world.field("articles", "customFields"), key, kind);
    let person = Filter::Contains(Path::field(world.field("people", "email")), "ANN".into());
    let firm = Filter::StartsWith(Path::field(world.field("firms", "name")), "MÜ".into());
    let uuid = |n| Value::Uuid(Uuid::from_u128(n));
    let mut all = vec![
        Filter::All,
        Filter::Nothing,
        Filter::eq(path("id"), uuid(3)),
        Filter::In(path("id"), vec![uuid(3), uuid(4), uuid(99)]),
        Filter::In(path("status"), vec!["active".into(), "lost".into()]),
        Filter::In(path("status"), vec![]),
        Filter::eq(path("title"), "STRASSE 4"),
        Filter::eq(path("order"), 1),
        Filter::eq(path("unitPrice"), decimal("1.50")),
        Filter::In(path("unitPrice"), vec![decimal("20.000"), decimal("1.555")]),
        Filter::eq(path("isActive"), true),
        Filter::Absent(path("order")),
        Filter::Absent(path("tags")),
        Filter::Absent(path("labels")),
        Filter::Absent(own("langs", Kind::Codes)),
        Filter::Absent(own("seats", Kind::Int)),
        Filter::Absent(own("seats", Kind::Text)),
        Filter::Contains(path("title"), "Ss".into()),
        Filter::Contains(path("title"), String::new()),
        Filter::Contains(path("status"), "ct".into()),
        Filter::StartsWith(path("title"), "STR".into()),
        Filter::StartsWith(path("status"), "a".into()),
        Filter::Contains(own("region", Kind::Text), "MEA".into()),
        Filter::Contains(own("region", Kind::Code), "MEA".into()),
        Filter::eq(own("region", Kind::Text), "emea"),
        Filter::eq(own("region", Kind::Code), "ÉMEA"),
        Filter::eq(own("vip", Kind::Bool), true),
        Filter::eq(own("price", Kind::Decimal { scale: 6 }), decimal("1.5")),
        Filter::eq(own("ref", Kind::Uuid), Uuid::from_u128(0)),
        Filter::In(own("langs", Kind::Codes), vec!["de".into(), "fr".into()]),
        Filter::HasAll(own("langs", Kind::Codes), vec!["de".into(), "\"x, y\"\\".into()]),
        Filter::HasAll(own("refs", Kind::Uuids), vec![uuid(7)]),
        Filter::HasAll(own("refs", Kind::Uuids), vec![]),
        Filter::In(path("tags"), vec![uuid(1)]),
        Filter::In(path("tags"), vec![uuid(1), uuid(2)]),
        Filter::HasAll(path("tags"), vec![uuid(0), uuid(2)]),
        Filter::HasAll(path("labels"), vec!["a".into(), "l1".into()]),
        Filter::In(path("labels"), vec!["l1".into(), "l2".into()]),
        Filter::search("stra"),
        Filter::search("1 zeb"),
        Filter::search("em"),
        Filter::search("%"),
        Filter::search("EMEA"),
        Filter::search("nothing-there"),
        Filter::search("stra").and(Filter::eq(path("status"), "lost")),
        Filter::search("stra").and(Filter::HasAll(path("tags"), vec![uuid(1)])),
        Filter::search("stra").or(Filter::eq(path("status"), "lost")),
        Filter::Related(
            world.field("articles", "ownerId"),
            Arc::clone(world.schema("people")),
            Box::new(person),
        ),
        Filter::Related(
            world.field("articles", "firmId"),
            Arc::clone(world.schema("firms")),
            Box::new(firm),
        ),
        Filter::Related(
            world.field("articles", "ownerId"),
            Arc::clone(world.schema("people")),
            Box::new(Filter::All),
        ),
        Filter::Related(
            world.field("articles", "parentId"),
            Arc::clone(world.schema("articles")),
            Box::new(Filter::Related(
                world.field("articles", "firmId"),
                Arc::clone(world.schema("firms")),
                Box::new(Filter::search("acme %_")),
            )),
        ),
    ];
    for (bound, name) in [
        (Value::from(2), "order"),
        (decimal("1.5"), "unitPrice"),
        ("strasse 2".into(), "title"),
        ("active".into(), "status"),
        (true.into(), "isActive"),
        (uuid(15), "id"),
        (Value::Date(at(86_400).date_naive()), "sold"),
        (at(9).into(), "createdAt"),
    ] {
        for comparison in [Comparison::Lt, Comparison::Le, Comparison::Gt, Comparison::Ge] {
            all.push(Filter::Compare(path(name), comparison, bound.clone()));
        }
    }
    for (bound, key, kind) in [
        (Value::from(6), "seats", Kind::Int),
        ("f".into(), "region", Kind::Text),
        ("f".into(), "region", Kind::Code),
        (at(14).into(), "seen", Kind::Time),
        (Value::Date("2026-01-01".parse().unwrap()), "since", Kind::Date),
    ] {
        all.push(Filter::Compare(own(key, kind), Comparison::Ge, bound));
    }
    let negated: Vec<Filter> = all.iter().cloned().map(Filter::not).collect();
    all.extend(negated);
    all
}

async fn check(world: &World, rows: &[(String, Row)], query: Query) {
    let name = query.schema().name();
    let articles = rows.iter().filter(|(known, _)| known == name).map(|(_, row)| row);
    let expected = evaluate::select(&query, articles, &Rows(rows));
    let found = world.store.answer(SCOPE, &query).await;
    let found = found.unwrap_or_else(|error| panic!("{query:?}: {error}"));
    assert_eq!(found, expected, "{query:?}");
}

#[tokio::test]
async fn every_form_of_filter_agrees_with_the_evaluator() {
    let (world, rows) = filled().await;
    for filter in filters(&world) {
        for deleted in [Deleted::Exclude, Deleted::Include, Deleted::Only] {
            let query = Query::new(Arc::clone(world.schema("articles")))
                .filter(filter.clone())
                .unwrap()
                .window(Window::Page { offset: 1, limit: 7 })
                .unwrap()
                .deleted(deleted)
                .counted();
            check(&world, &rows, query).await;
        }
    }
}

#[tokio::test]
async fn every_order_is_walked_by_cursor_as_the_evaluator_walks_it() {
    let (world, rows) = filled().await;
    let path = |name: &str| Path::field(world.field("articles", name));
    let own = |key: &str, kind| Path::custom(world.field("articles", "customFields"), key, kind);
    let keys = [
        path("title"),
        path("order"),
        path("unitPrice"),
        path("sold"),
        path("id"),
        path("createdAt"),
        own("region", Kind::Text),
        own("seats", Kind::Int),
        own("vip", Kind::Bool),
    ];
    let mut orders: Vec<Vec<Sort>> = vec![vec![]];
    for (i, key) in keys.iter().enumerate() {
        for descending in [false, true] {
            let sort = Sort { path: key.clone(), descending };
            let other = Sort { path: keys[(i + 1) % keys.len()].clone(), descending: i % 2 == 0 };
            orders.push(vec![sort.clone()]);
            orders.push(vec![sort, other]);
        }
    }
    for order in orders {
        let mut after: Option<Cursor> = None;
        loop {
            let query = Query::new(Arc::clone(world.schema("articles")))
                .sort(order.clone())
                .unwrap()
                .window(Window::Cursor { after: after.take(), limit: 4 })
                .unwrap()
                .counted();
            check(&world, &rows, query.clone()).await;
            match world.store.answer(SCOPE, &query).await.unwrap().next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
    }
}

#[tokio::test]
async fn every_figure_agrees_with_the_evaluator() {
    let (world, rows) = filled().await;
    let path = |name: &str| Path::field(world.field("articles", name));
    let own = |key: &str, kind| Path::custom(world.field("articles", "customFields"), key, kind);
    let numbers = [path("order"), path("unitPrice"), own("seats", Kind::Int)];
    let mut measures: Vec<Measure> = vec![Measure::Count];
    measures.extend(numbers.iter().cloned().map(Measure::Sum));
    let values =
        [path("title"), path("isActive"), path("firmId"), path("sold"), own("region", Kind::Text)];
    for value in values.iter().chain(&numbers[..1]) {
        measures.push(Measure::Distinct(value.clone()));
        measures.push(Measure::Min(value.clone()));
        measures.push(Measure::Max(value.clone()));
    }
    let bounds = vec![at(3), at(10), at(20)];
    let groupings = [
        vec![],
        vec![GroupBy::Value(path("status"))],
        vec![GroupBy::Value(own("region", Kind::Text))],
        vec![GroupBy::Value(path("unitPrice")), GroupBy::Value(path("isActive"))],
        vec![GroupBy::Each(path("tags"))],
        vec![GroupBy::Each(path("labels")), GroupBy::Value(path("title"))],
        vec![GroupBy::Span(path("createdAt"), bounds.clone())],
        vec![GroupBy::Span(own("seen", Kind::Time), bounds), GroupBy::Each(path("labels"))],
        vec![GroupBy::Span(path("createdAt"), vec![])],
    ];
    let filters = [
        Filter::All,
        Filter::Nothing,
        Filter::search("stra"),
        Filter::eq(path("status"), "none-such"),
        Filter::eq(path("status"), "lost").not(),
    ];
    for grouping in &groupings {
        for filter in &filters {
            for measures in measures.chunks(9).map(<[Measure]>::to_vec) {
                let aggregate = Aggregate::count(Arc::clone(world.schema("articles")))
                    .filter(filter.clone())
                    .unwrap()
                    .group_by(grouping.clone())
                    .unwrap()
                    .measures(measures)
                    .unwrap();
                let articles = rows.iter().filter(|(name, _)| name == "articles");
                let articles = articles.map(|(_, row)| row);
                let expected = evaluate::aggregate(&aggregate, articles, &Rows(&rows)).unwrap();
                let found = world.store.figures(SCOPE, &aggregate).await;
                let found = found.unwrap_or_else(|error| panic!("{aggregate:?}: {error}"));
                assert_eq!(found, expected, "{aggregate:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_search_with_many_matches_takes_the_other_way_to_the_same_page() {
    let world = World::new().await;
    let firms =
        (1..=2_100).map(|id| world.insert("firms", world.firm(id, &format!("Common {id}"))));
    world.commit(firms.collect()).await.unwrap();
    for search in ["common", "common 209", "ommon 1"] {
        let query = Query::new(Arc::clone(world.schema("firms")))
            .filter(Filter::search(search))
            .unwrap()
            .sort(vec![Sort::ascending(Path::field(world.field("firms", "name")))])
            .unwrap()
            .counted();
        let page = world.store.answer(SCOPE, &query).await.unwrap();
        assert!(page.items.is_sorted_by_key(|record| format!("{:?}", record.get(5))));
        let expected = (1..=2_100)
            .filter(|id| search.split(' ').all(|word| format!("common {id}").contains(word)))
            .count();
        assert_eq!((page.items.len(), page.total), (20.min(expected), Some(expected as u64)));
    }
}
