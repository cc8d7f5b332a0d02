//! The plans that PostgreSQL makes of the statements, at the size of a busy installation: the
//! declared indexes give the rows, and their order, also to a plan that was made without knowing
//! the values.

use crm_core::store::{Comparison, Cursor, Filter, Kind, Path, Sort, Window};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row as _};

use super::*;
use crate::read::query;
use crate::rows::field_number;
use crate::sql::Statement;
use crate::write::batch;

/// Three tenants of 20,000 articles each.
async fn crowded() -> (World, PgConnection) {
    let world = World::new().await;
    let mut owner = PgConnection::connect(&world.database.superuser_url()).await.unwrap();
    let fill = "INSERT INTO firms SELECT t, u, 1, now(), now(), NULL, 'Firm', 'firm', 'firm', '{}'
        FROM (VALUES ('00000000-0000-7000-8000-000000000001'::uuid),
            ('00000000-0000-7000-8000-000000000002'), ('00000000-0000-7000-8000-000000000003')) x(t),
            (VALUES ('00000000-0000-0000-0000-000000000001'::uuid)) y(u);
        INSERT INTO articles (tenant_id, id, version, created_at, updated_at, title, title_key,
            status, \"order\", is_active, sold, firm_id, tags, labels, custom_fields, search_text, terms)
        SELECT ('00000000-0000-7000-8000-00000000000' || 1 + i % 3)::uuid, gen_random_uuid(), 1,
            now() - i * interval '1 s', now(), 'Article ' || i, 'article ' || i,
            (ARRAY['active', 'lost', 'paused', 'new'])[1 + i % 4], i, true,
            CASE WHEN i % 2 = 0 THEN '2026-01-01'::date + i % 1000 END,
            '00000000-0000-0000-0000-000000000001', '{}', '{}', '{}', 'article ' || i,
            ARRAY[i % 7, 1000 + i]
        FROM generate_series(1, 60000) i;
        INSERT INTO custom_values SELECT tenant_id, id, FIELD, 0, int8send(\"order\")
        FROM articles;
        VACUUM ANALYZE";
    let seats = field_number(world.schema("articles"), &seats(&world)).unwrap().to_string();
    for statement in fill.split(";\n") {
        let statement = statement.trim().replace("FIELD", &seats);
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut owner).await.unwrap();
    }
    let mut app = PgConnection::connect(&world.database.app_url()).await.unwrap();
    sqlx::raw_sql("SET ROLE crm_app; SET plan_cache_mode = force_generic_plan")
        .execute(&mut app)
        .await
        .unwrap();
    (world, app)
}

fn seats(world: &World) -> Path {
    Path::custom(world.field("articles", "customFields"), "seats", Kind::Int)
}

async fn plan(connection: &mut PgConnection, statement: &Statement, binds: usize) -> String {
    let prepare = format!("PREPARE p AS {}", statement.render());
    let nulls = vec!["NULL"; binds].join(", ");
    let nulls = if binds == 0 { nulls } else { format!("({nulls})") };
    sqlx::raw_sql(AssertSqlSafe(prepare)).execute(&mut *connection).await.unwrap();
    let explain = format!("EXPLAIN (COSTS OFF) EXECUTE p{nulls}");
    let lines = sqlx::raw_sql(AssertSqlSafe(explain)).fetch_all(&mut *connection).await.unwrap();
    sqlx::raw_sql("DEALLOCATE p").execute(connection).await.unwrap();
    let lines: Vec<String> = lines.iter().map(|line| line.get(0)).collect();
    lines.join("\n")
}

#[track_caller]
fn assert_uses(plan: &str, index: &str, without: &[&str]) {
    assert!(plan.contains(index), "expected {index}:\n{plan}");
    for word in without.iter().chain(&["Seq Scan on articles"]) {
        assert!(!plan.contains(word), "expected no {word}:\n{plan}");
    }
}

#[tokio::test]
async fn lists_read_no_more_rows_than_they_show() {
    let (world, mut app) = crowded().await;
    let path = |name: &str| Path::field(world.field("articles", name));
    let articles = || Query::new(Arc::clone(world.schema("articles")));
    let newest = vec![Sort::descending(path("createdAt"))];
    let cursor = |query: &Query| {
        let record = world.article(1, 1, &[]);
        Window::Cursor { after: Some(Cursor::behind(query, &record)), limit: 20 }
    };
    let by_status = Filter::eq(path("status"), "active");
    let behind_newest = {
        let query = articles().sort(newest.clone()).unwrap();
        let window = cursor(&query);
        query.window(window).unwrap()
    };
    let behind_id = {
        let query = articles();
        let window = cursor(&query);
        query.window(window).unwrap()
    };
    for (what, query, index) in [
        ("the default list", articles().counted(), "articles_pkey"),
        ("by id", articles().filter(Filter::eq(path("id"), Uuid::nil())).unwrap(), "articles_pkey"),
        ("newest first", articles().sort(newest.clone()).unwrap(), "articles_created_at_idx"),
        (
            "filtered, newest first",
            articles().filter(by_status).unwrap().sort(newest.clone()).unwrap(),
            "articles_status_created_at_idx",
        ),
        (
            "optional, ascending",
            articles().sort(vec![Sort::ascending(path("sold"))]).unwrap(),
            "articles_sold_idx",
        ),
        (
            "optional, descending",
            articles().sort(vec![Sort::descending(path("sold"))]).unwrap(),
            "articles_sold_desc_idx",
        ),
        ("behind a cursor", behind_newest, "articles_created_at_idx"),
        ("behind an id", behind_id, "articles_pkey"),
    ] {
        let (statement, binds) = query::render(SCOPE, &query);
        let plan = plan(&mut app, &statement, binds.len()).await;
        assert_uses(&plan, index, if what == "by id" { &[] } else { &["Sort"] });
        if what.starts_with("behind") {
            let condition = plan.lines().find(|line| line.contains("Index Cond")).unwrap();
            assert!(condition.contains("ROW(") || condition.contains("id <"), "{what}:\n{plan}");
        }
    }
}

#[tokio::test]
async fn unique_keys_and_references_are_looked_up() {
    let (world, mut app) = crowded().await;
    let path = |name: &str| Path::field(world.field("articles", name));
    let key = Filter::eq(path("title"), "a").and(Filter::eq(path("firmId"), Uuid::nil()));
    let query = Query::new(Arc::clone(world.schema("articles"))).filter(key).unwrap();
    let (statement, binds) = query::render(SCOPE, &query);
    let plan = plan(&mut app, &statement, binds.len()).await;
    assert_uses(&plan, "articles_title", &[]);
    assert!(plan.contains("title_key ="), "{plan}");
}

#[tokio::test]
async fn a_search_reads_rows_by_the_ids_found_or_in_order() {
    let (world, mut app) = crowded().await;
    let query =
        Query::new(Arc::clone(world.schema("articles"))).filter(Filter::search("article")).unwrap();
    let (statement, binds) = query::render(SCOPE, &query);
    let plan = plan(&mut app, &statement, binds.len()).await;
    assert_uses(&plan, "Function Scan on search_articles", &[]);
    assert!(plan.contains("One-Time Filter: (m.n <= 2000)") || plan.contains("<= 2000"), "{plan}");
    assert!(plan.contains("id = ANY"), "{plan}");
    assert!(plan.contains("Index Scan Backward using articles_pkey"), "{plan}");

    // The function's own query, as its owner plans it.
    let mut owner = PgConnection::connect(&world.database.superuser_url()).await.unwrap();
    sqlx::raw_sql("SET ROLE crm_system; SET plan_cache_mode = force_generic_plan")
        .execute(&mut owner)
        .await
        .unwrap();
    let body = crate::tables::Table::of(world.schema("articles"), &world.catalogue).search_body();
    let prepare = format!("PREPARE f (int4[], text[], int4) AS {body}");
    sqlx::raw_sql(AssertSqlSafe(prepare)).execute(&mut owner).await.unwrap();
    let explain = "EXPLAIN (COSTS OFF) EXECUTE f (NULL, NULL, NULL)";
    let lines = sqlx::raw_sql(explain).fetch_all(&mut owner).await.unwrap();
    let lines: Vec<String> = lines.iter().map(|line| line.get(0)).collect();
    assert_uses(&lines.join("\n"), "articles_terms_idx", &[]);
}

#[tokio::test]
async fn a_change_finds_its_record_by_its_key() {
    let (world, mut app) = crowded().await;
    for number in [1, 5] {
        let changes = (1..=number).map(|id| {
            let before = world.article(id, 1, &[]);
            changed(world.schema("articles"), &before, "title", format!("New {id}").into())
        });
        let batch = Batch::new(changes.collect()).unwrap();
        let writing = batch::render(SCOPE, &batch, &world.catalogue, 0).unwrap();
        let plan = plan(&mut app, &writing.statement, writing.binds.len()).await;
        assert_uses(&plan, "LockRows", &[]);
        assert!(plan.contains("Index Scan using articles_pkey"), "{plan}");
    }
}

#[tokio::test]
async fn a_tenants_own_field_is_found_and_sorted_by_through_its_entries() {
    let (world, mut app) = crowded().await;
    let own = |key: &str, kind| Path::custom(world.field("articles", "customFields"), key, kind);
    let region = || own("region", Kind::Text);
    let articles = || Query::new(Arc::clone(world.schema("articles")));
    for (what, filter) in [
        ("equal", Filter::eq(seats(&world), 5)),
        ("one of some", Filter::In(seats(&world), vec![5.into(), 6.into()])),
        ("a range", Filter::Compare(seats(&world), Comparison::Ge, 5.into())),
        ("a text", Filter::eq(region(), "EMEA")),
        ("a beginning", Filter::StartsWith(region(), "em".into())),
        ("a code", Filter::eq(own("plan", Kind::Code), "gold")),
        ("an element", Filter::eq(own("langs", Kind::Codes), "de")),
        ("present", Filter::Absent(region()).not()),
        (
            "a decimal",
            Filter::Compare(
                own("price", Kind::Decimal { scale: 6 }),
                Comparison::Lt,
                Value::Decimal("9.5".parse().unwrap()),
            ),
        ),
    ] {
        let query = articles().filter(filter).unwrap();
        let (statement, binds) = query::render(SCOPE, &query);
        let plan = plan(&mut app, &statement, binds.len()).await;
        assert_uses(&plan, "custom_values_value_idx", &["Seq Scan on custom_values"]);
        assert!(plan.contains("id = ANY"), "{what}:\n{plan}");
        let entries: Vec<&str> = plan
            .lines()
            .filter(|line| line.contains("Index Cond") && line.contains("field ="))
            .collect();
        assert!(!entries.is_empty(), "{what}:\n{plan}");
        if what != "present" {
            assert!(entries.iter().any(|line| line.contains("value")), "{what}:\n{plan}");
        }
    }
    for descending in [false, true] {
        let sort = vec![Sort { path: seats(&world), descending }];
        let query = articles().sort(sort).unwrap();
        let (statement, binds) = query::render(SCOPE, &query);
        let plan = plan(&mut app, &statement, binds.len()).await;
        assert_uses(&plan, "custom_values_value_idx", &["Sort", "Seq Scan on custom_values"]);
        assert_eq!(plan.contains("Backward using custom_values_value_idx"), descending, "{plan}");
    }
}
