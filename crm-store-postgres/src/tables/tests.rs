use std::sync::Arc;

use crm_core::store::{Catalogue, Field, Kind, Owners, Schema, Scoping};
use sqlx::{Connection, PgConnection, Row};

use super::*;
use crate::testing::TestDatabase;

/// One of each kind, in a type that refers to itself, to another and to a global one.
pub(crate) fn examples() -> Catalogue {
    let build = |builder: crm_core::store::SchemaBuilder| builder.build().unwrap();
    let people = build(
        Schema::builder("people", Scoping::Global, Owners::Everybody)
            .field(Field::new("email", Kind::Text).required().filterable().searchable())
            .unique("people_email", &["email"])
            .unwrap(),
    );
    let firms = build(
        Schema::builder("firms", Scoping::Tenant, Owners::Nobody)
            .field(Field::new("name", Kind::Text).required().filterable().sortable().searchable()),
    );
    Catalogue::new([people, firms, articles()]).unwrap()
}

fn articles() -> Arc<Schema> {
    Schema::builder("articles", Scoping::Tenant, Owners::Nobody)
        .field(Field::new("title", Kind::Text).required().filterable().sortable().searchable())
        .field(Field::new("remark", Kind::Text))
        .field(Field::new("status", Kind::Code).required().filterable())
        .field(Field::new("order", Kind::Int).filterable().sortable())
        .field(Field::new("unitPrice", Kind::Decimal { scale: 2 }).filterable().sortable())
        .field(Field::new("isActive", Kind::Bool).required().filterable())
        .field(Field::new("sold", Kind::Date).filterable().sortable())
        .field(Field::new("ownerId", Kind::Uuid).filterable().references("people"))
        .field(Field::new("firmId", Kind::Uuid).required().filterable().references("firms"))
        .field(Field::new("parentId", Kind::Uuid).filterable().references("articles"))
        .field(Field::new("tags", Kind::Uuids).filterable())
        .field(Field::new("labels", Kind::Codes).filterable())
        .field(Field::new("picture", Kind::Json))
        .field(Field::new("customFields", Kind::Custom).filterable().searchable())
        .unique("title", &["firmId", "title"])
        .unwrap()
        .index(&["status", "createdAt"])
        .unwrap()
        .index(&["sold"])
        .unwrap()
        .index(&["firmId"])
        .unwrap()
        .build()
        .unwrap()
}

/// `UPDATE_GOLDEN=1` writes it anew; review what changed, and write a migration for it.
#[test]
fn the_statements_are_those_in_the_golden_file() {
    let statements = create_tables_sql(&examples()).join(";\n\n") + ";\n";
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/tables/golden.sql");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, &statements).unwrap();
    }
    let golden = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(statements, golden, "run with UPDATE_GOLDEN=1 and review the difference");
}

#[tokio::test]
async fn the_server_takes_the_statements_and_knows_no_other_reserved_words() {
    let database = TestDatabase::with(&create_tables_sql(&examples())).await.unwrap();
    let mut connection = PgConnection::connect(&database.owner_url()).await.unwrap();
    let reserved: Vec<String> =
        sqlx::query("SELECT word::text FROM pg_get_keywords() WHERE catcode IN ('R', 'T')")
            .fetch_all(&mut connection)
            .await
            .unwrap()
            .iter()
            .map(|row| row.get(0))
            .collect();
    for word in reserved {
        assert_ne!(names::quoted(&word), word, "{word} is reserved and not in the list");
    }
}
