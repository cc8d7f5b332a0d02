//! The script that spreads the tables over several machines with Citus.

use crm_core::store::Catalogue;

use super::names::{TENANT, quoted};
use super::{Table, support_tables};

/// The statements that distribute the tables of an installation by tenant, with the Citus
/// extension: tables of tenants' records by `tenant_id`, all colocated; those of the installation
/// as reference tables, on every node. References are dropped and made again, because Citus takes
/// a table only after those that it refers to, and types may refer to each other in a ring.
///
/// The statements that the store then sends are another matter: see `docs/operating.md`.
pub fn distribute_tables_sql(catalogue: &Catalogue) -> Vec<String> {
    let mut tables = support_tables();
    tables.extend(catalogue.iter().map(|schema| Table::of(schema, catalogue)));
    let mut statements = Vec::new();
    for table in &tables {
        for key in &table.foreign_keys {
            let name = quoted(&table.name);
            statements.push(format!("ALTER TABLE {name} DROP CONSTRAINT {}", key.name));
        }
    }
    for table in tables.iter().filter(|table| !table.tenant) {
        statements.push(format!("SELECT create_reference_table('{}')", quoted(&table.name)));
    }
    let mut first: Option<&str> = None;
    for table in tables.iter().filter(|table| table.tenant) {
        let colocated = first.unwrap_or("default");
        statements.push(format!(
            "SELECT create_distributed_table('{}', '{TENANT}', colocate_with => '{colocated}')",
            quoted(&table.name)
        ));
        first.get_or_insert(&table.name);
    }
    statements.extend(tables.iter().flat_map(Table::refer));
    statements
}

#[cfg(test)]
mod tests {
    use sqlx::{AssertSqlSafe, Connection, PgConnection};

    use super::*;
    use crate::testing::TestDatabase;

    /// In Citus's place: insists on what Citus insists on, as far as keys and references go.
    const RULES: &str = "
        CREATE TABLE placed (relation regclass PRIMARY KEY, by_column text);
        CREATE FUNCTION create_reference_table(relation regclass) RETURNS void
        LANGUAGE sql AS $$ INSERT INTO placed VALUES (relation, NULL) $$;
        CREATE FUNCTION create_distributed_table(
            relation regclass, by_column text, colocate_with text
        ) RETURNS void LANGUAGE plpgsql AS $$
        DECLARE place smallint;
        BEGIN
            SELECT attnum INTO STRICT place FROM pg_attribute
                WHERE attrelid = relation AND attname = by_column AND attnotnull;
            IF EXISTS (SELECT FROM pg_index WHERE indrelid = relation AND indisunique
                       AND NOT place = ANY (indkey)) THEN
                RAISE 'a unique index of % does not contain %', relation, by_column;
            END IF;
            IF colocate_with <> 'default' THEN
                PERFORM FROM placed WHERE placed.relation = colocate_with::regclass;
                IF NOT FOUND THEN RAISE '% is not distributed yet', colocate_with; END IF;
            END IF;
            INSERT INTO placed VALUES (relation, by_column);
        END $$";
    /// References that Citus would refuse: to a table that is on no node, from a reference table
    /// to one that is spread, and between spread ones without the tenant.
    const REFUSED: &str = "
        DO $$ BEGIN
            IF EXISTS (
                SELECT FROM pg_constraint c
                LEFT JOIN placed here ON here.relation = c.conrelid
                LEFT JOIN placed there ON there.relation = c.confrelid
                WHERE c.contype = 'f' AND (
                    here.relation IS NULL OR there.relation IS NULL
                    OR here.by_column IS NULL AND there.by_column IS NOT NULL
                    OR there.by_column IS NOT NULL AND NOT EXISTS (
                        SELECT FROM generate_subscripts(c.conkey, 1) i
                        JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[i]
                        JOIN pg_attribute b ON b.attrelid = c.confrelid AND b.attnum = c.confkey[i]
                        WHERE a.attname = here.by_column AND b.attname = there.by_column
                    )
                )
            ) THEN RAISE 'a reference that Citus does not take'; END IF;
        END $$";

    #[tokio::test]
    async fn all_tables_can_be_spread_by_tenant_and_are_as_declared_afterwards() {
        let catalogue = crm_core::catalogue().unwrap();
        let database = TestDatabase::migrated().await.unwrap();
        let mut owner = PgConnection::connect(&database.owner_url()).await.unwrap();
        let mut superuser = PgConnection::connect(&database.superuser_url()).await.unwrap();
        sqlx::raw_sql(RULES).execute(&mut superuser).await.unwrap();
        let grant = "GRANT ALL ON placed TO crm_test_owner";
        sqlx::raw_sql(grant).execute(&mut superuser).await.unwrap();
        for statement in distribute_tables_sql(&catalogue) {
            let done = sqlx::raw_sql(AssertSqlSafe(statement.clone())).execute(&mut owner).await;
            done.unwrap_or_else(|error| panic!("{error}, in: {statement}"));
        }
        sqlx::raw_sql(REFUSED).execute(&mut owner).await.unwrap();
        crate::check(&mut owner, &catalogue).await.unwrap();
    }
}
