//! A database that was migrated is what the record types declare.

use crm_store_postgres::testing::TestDatabase;
use sqlx::{Connection, PgConnection};

/// Fails for a new record type, or a new field, whose migration was forgotten.
/// `cargo run -p crm-store-postgres --example table_sql -- <type>` prints the statements; a file
/// of `migrations/` that has not been released yet may still be edited.
#[tokio::test]
async fn a_migrated_database_has_every_table_as_declared() {
    let database = TestDatabase::migrated().await.unwrap();
    let mut connection = PgConnection::connect(&database.app_url()).await.unwrap();
    let catalogue = crm_core::catalogue().unwrap();
    let deviations = crm_store_postgres::deviations(&mut connection, &catalogue).await.unwrap();
    let deviations: Vec<String> = deviations.iter().map(ToString::to_string).collect();
    assert!(deviations.is_empty(), "{deviations:#?}");
}
