//! The statements themselves, for people to read. `INSTA_UPDATE=always` writes them anew; review
//! what changed.

use crm_core::store::{
    Aggregate, Comparison, Cursor, Filter, GroupBy, Kind, Measure, Path, Sort, Window,
};

use super::*;
use crate::read::{aggregate, query};
use crate::write::batch;

fn field(schema: &str, name: &str) -> FieldIndex {
    examples().get(schema).unwrap().index_of(name).unwrap()
}

fn path(name: &str) -> Path {
    Path::field(field("articles", name))
}

// A line for each part of a statement.
fn lines(sql: &str) -> String {
    let mut out = sql.to_owned();
    for word in [" FROM ", " WHERE ", " CROSS JOIN ", " LEFT JOIN ", " ORDER BY ", " UNION ALL "] {
        out = out.replace(word, &format!("\n {word}"));
    }
    for word in [", l", ", g AS", ", w", ", n AS (", ", v AS (", ") SELECT (", " ON CONFLICT"] {
        out = out.replace(word, &format!("\n{word}"));
    }
    out.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

fn list(scope: Scope, adjust: impl FnOnce(Query) -> Query) -> String {
    let articles = Arc::clone(examples().get("articles").unwrap());
    lines(&query::render(scope, &adjust(Query::new(articles))).0.render())
}

fn own(key: &str, kind: Kind) -> Path {
    Path::custom(field("articles", "customFields"), key, kind)
}

fn filtered(filter: Filter) -> String {
    let sql = list(SCOPE, |query| query.filter(filter).unwrap());
    // What comes before is the same in all of them.
    let start = sql.find("WHERE (c.\"tenant_id\"").unwrap();
    sql[start..].to_owned()
}

#[test]
fn a_list_with_its_total() {
    insta::assert_snapshot!(list(SCOPE, |query| query.counted()));
}

#[test]
fn a_record_by_its_id() {
    insta::assert_snapshot!(list(SCOPE, |query| {
        query.filter(Filter::eq(path("id"), Uuid::nil())).unwrap()
    }));
}

#[test]
fn a_page_in_an_order() {
    insta::assert_snapshot!(list(SCOPE, |query| {
        query
            .filter(Filter::eq(path("status"), "active"))
            .unwrap()
            .sort(vec![Sort::descending(path("sold")), Sort::ascending(path("title"))])
            .unwrap()
            .window(Window::Page { offset: 40, limit: 20 })
            .unwrap()
            .counted()
    }));
}

#[test]
fn a_part_behind_a_cursor() {
    let cursor = |sorts: Vec<Sort>| {
        list(SCOPE, |query| {
            let query = query.sort(sorts).unwrap();
            let record = record(
                query.schema(),
                1,
                &[
                    ("title", "A".into()),
                    ("status", "active".into()),
                    ("isActive", true.into()),
                    ("firmId", Uuid::nil().into()),
                ],
            );
            let after = Some(Cursor::behind(&query, &record));
            query.window(Window::Cursor { after, limit: 20 }).unwrap()
        })
    };
    let required = cursor(vec![Sort::descending(path("createdAt"))]);
    let optional = cursor(vec![Sort::ascending(path("title")), Sort::descending(path("sold"))]);
    insta::assert_snapshot!(format!("{required}\n\n{optional}"));
}

#[test]
fn a_search() {
    insta::assert_snapshot!(list(SCOPE, |query| {
        query
            .filter(Filter::search("acme gmbh").and(Filter::eq(path("status"), "active")))
            .unwrap()
            .counted()
    }));
}

#[test]
fn a_list_by_a_tenants_own_fields() {
    let filtered = list(SCOPE, |query| {
        let plan = Filter::eq(own("plan", Kind::Code), "gold");
        let seats = Filter::Compare(own("seats", Kind::Int), Comparison::Ge, 5.into());
        query.filter(plan.and(seats).and(Filter::search("acme"))).unwrap().counted()
    });
    let sorted = list(SCOPE, |query| {
        let by = vec![Sort::descending(own("region", Kind::Text))];
        query.sort(by).unwrap().window(Window::Page { offset: 40, limit: 20 }).unwrap()
    });
    insta::assert_snapshot!(format!("{filtered}\n\n{sorted}"));
}

#[test]
fn a_change_of_a_tenants_own_fields() {
    let articles = Arc::clone(examples().get("articles").unwrap());
    let before = record(
        &articles,
        1,
        &[
            ("title", "A".into()),
            ("status", "active".into()),
            ("isActive", true.into()),
            ("firmId", Uuid::nil().into()),
        ],
    );
    let fields = Value::Custom([("seats".to_owned(), 5.into())].into());
    let change = changed(&articles, &before, "customFields", fields);
    let sql = writing(SCOPE, vec![change]);
    let start = sql.find(r#"INSERT INTO "custom_values""#).unwrap();
    insta::assert_snapshot!(&sql[start..]);
    let other = writing(SCOPE, vec![changed(&articles, &before, "remark", "x".into())]);
    assert!(!other.contains("custom_values"), "nothing to do, so nothing is done: {other}");
}

#[test]
fn a_list_across_tenants() {
    insta::assert_snapshot!(list(Scope::System, |query| {
        query.filter(Filter::search("acme")).unwrap().counted()
    }));
}

#[test]
fn conditions() {
    let people = Arc::clone(examples().get("people").unwrap());
    let ann = Filter::Contains(Path::field(field("people", "email")), "50%".into());
    let filters = [
        Filter::eq(path("title"), "A"),
        Filter::In(path("status"), vec!["a".into(), "b".into()]),
        Filter::eq(path("status"), "a").not(),
        Filter::Compare(path("order"), Comparison::Ge, 5.into()),
        Filter::Absent(path("sold")).not(),
        Filter::Absent(path("tags")),
        Filter::Contains(path("title"), "a".into()),
        Filter::StartsWith(path("title"), "ab".into()),
        Filter::In(path("labels"), vec!["a".into(), "b".into()]),
        Filter::HasAll(own("langs", Kind::Codes), vec!["de".into()]),
        Filter::eq(own("region", Kind::Text), "EMEA"),
        Filter::Compare(own("seats", Kind::Int), Comparison::Lt, 5.into()),
        Filter::search("ab"),
        Filter::search("abc").or(Filter::eq(path("isActive"), true)),
        Filter::Related(field("articles", "ownerId"), people, Box::new(ann)),
    ];
    insta::assert_snapshot!(filters.map(filtered).join("\n\n"));
}

#[test]
fn figures() {
    let articles = Arc::clone(examples().get("articles").unwrap());
    let render = |aggregate: Aggregate| lines(&aggregate::render(SCOPE, &aggregate).0.render());
    let count = render(Aggregate::count(Arc::clone(&articles)));
    let groups = vec![
        GroupBy::Value(path("title")),
        GroupBy::Each(path("tags")),
        GroupBy::Span(path("createdAt"), vec![at(0), at(9)]),
    ];
    let measures = vec![
        Measure::Count,
        Measure::Sum(path("unitPrice")),
        Measure::Distinct(path("title")),
        Measure::Min(path("isActive")),
        Measure::Max(path("firmId")),
    ];
    let grouped = Aggregate::count(articles).group_by(groups).unwrap().measures(measures).unwrap();
    insta::assert_snapshot!(format!("{count}\n\n{}", render(grouped)));
}

fn writing(scope: Scope, operations: Vec<Operation>) -> String {
    let batch = Batch::new(operations).unwrap();
    lines(&batch::render(scope, &batch, &examples(), 3).unwrap().statement.render())
}

fn firm(id: u128) -> (Arc<Schema>, Record) {
    let firms = Arc::clone(examples().get("firms").unwrap());
    let record = record(&firms, id, &[("name", "One".into())]);
    (firms, record)
}

#[test]
fn one_of_each_operation() {
    let ((schema, one), (_, two)) = (firm(1), firm(2));
    let (_, three) = firm(3);
    insta::assert_snapshot!(writing(
        SCOPE,
        vec![
            Operation::Insert { schema: Arc::clone(&schema), record: one },
            changed(&schema, &two, "name", "New".into()),
            Operation::Check { schema, before: three },
            Operation::Increment { counter: "invoices".into(), by: 1 },
        ]
    ));
}

#[test]
fn many_changes_at_once_have_one_text_whatever_their_number() {
    let changes = |last: u128| {
        let change = |id| {
            let (schema, record) = firm(id);
            changed(&schema, &record, "name", "New".into())
        };
        writing(SCOPE, (1..=last).map(change).collect())
    };
    assert_eq!(changes(2), changes(9));
    insta::assert_snapshot!(changes(2));
}

#[test]
fn a_removal() {
    let (schema, before) = firm(1);
    insta::assert_snapshot!(writing(SCOPE, vec![Operation::Remove { schema, before }]));
}
