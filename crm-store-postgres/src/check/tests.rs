use sqlx::{AssertSqlSafe, Connection};

use super::*;
use crate::tables::{create_tables_sql, tests::examples};
use crate::testing::TestDatabase;

async fn deviations_after(change: &str) -> Vec<String> {
    let catalogue = examples();
    let database = TestDatabase::with(&create_tables_sql(&catalogue)).await.unwrap();
    let mut superuser = PgConnection::connect(&database.superuser_url()).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(change.to_owned())).execute(&mut superuser).await.unwrap();
    let mut app = PgConnection::connect(&database.app_url()).await.unwrap();
    sqlx::raw_sql("SET ROLE crm_app").execute(&mut app).await.unwrap();
    let deviations = deviations(&mut app, &catalogue).await.unwrap();
    assert_eq!(check(&mut app, &catalogue).await.is_err(), !deviations.is_empty());
    deviations.iter().map(Deviation::to_string).collect()
}

#[tokio::test]
async fn tables_that_were_made_as_declared_have_no_deviation() {
    assert_eq!(deviations_after("").await, [""; 0]);
}

#[tokio::test]
async fn what_operators_may_add_is_no_deviation() {
    let added = "ALTER TABLE articles ADD COLUMN remark_of_ours text;
        ALTER TABLE articles ADD COLUMN ours int NOT NULL DEFAULT 1;
        CREATE INDEX ours ON articles (remark);
        ALTER INDEX articles_terms_idx SET (gin_pending_list_limit = 4096);
        ALTER TABLE articles SET (fillfactor = 80)";
    assert_eq!(deviations_after(added).await, [""; 0]);
}

#[tokio::test]
async fn each_deviation_is_named() {
    let cases: [(&str, &str); 32] = [
        ("DROP TABLE articles", "articles: the table is missing"),
        ("DROP TABLE counters", "counters: the table is missing"),
        ("ALTER TABLE articles DROP COLUMN picture", "articles: column picture is missing"),
        (
            "ALTER TABLE articles ALTER unit_price TYPE numeric(28,3)",
            "articles: column unit_price is numeric(28,3), expected numeric(28,2)",
        ),
        (
            "ALTER TABLE articles ALTER sold SET NOT NULL",
            "articles: column sold is NOT NULL, expected nullable",
        ),
        (
            "ALTER TABLE articles ALTER tags DROP NOT NULL",
            "articles: column tags is nullable, expected NOT NULL",
        ),
        (
            "ALTER TABLE articles ALTER remark TYPE text COLLATE \"POSIX\"",
            "articles: column remark has collation POSIX, expected C",
        ),
        (
            "ALTER TABLE articles ADD COLUMN more int NOT NULL",
            "articles: column more is not declared, and every row needs a value for it",
        ),
        (
            "ALTER TABLE articles DROP CONSTRAINT articles_pkey CASCADE;
             ALTER TABLE articles ADD CONSTRAINT articles_pkey PRIMARY KEY (id, tenant_id);
             ALTER TABLE articles ADD CONSTRAINT articles_parent_id_fkey FOREIGN KEY (tenant_id, \
             parent_id) REFERENCES articles (tenant_id, id)",
            "articles: constraint articles_pkey is PRIMARY KEY (id, tenant_id), expected PRIMARY \
             KEY (tenant_id, id)",
        ),
        (
            "ALTER TABLE articles DROP CONSTRAINT articles_owner_id_fkey",
            "articles: constraint articles_owner_id_fkey is missing, expected FOREIGN KEY \
             (owner_id) REFERENCES people(id)",
        ),
        (
            "ALTER TABLE articles DROP CONSTRAINT articles_firm_id_fkey;
             CREATE UNIQUE INDEX firm_ids ON firms (id);
             ALTER TABLE articles ADD CONSTRAINT articles_firm_id_fkey FOREIGN KEY (firm_id) \
             REFERENCES firms (id); ALTER TABLE firms ENABLE ROW LEVEL SECURITY",
            "articles: constraint articles_firm_id_fkey is FOREIGN KEY (firm_id) REFERENCES \
             firms(id), expected FOREIGN KEY (tenant_id, firm_id) REFERENCES firms(tenant_id, id)",
        ),
        (
            "ALTER TABLE articles ADD CONSTRAINT cheap CHECK (unit_price < 10)",
            "articles: constraint cheap is not declared: CHECK ((unit_price < (10)::numeric))",
        ),
        (
            "DROP INDEX articles_title",
            "articles: index articles_title is missing, expected btree (tenant_id, firm_id, \
             title_key) WHERE (deleted_at IS NULL)",
        ),
        (
            "DROP INDEX articles_title; CREATE INDEX articles_title ON articles (tenant_id, \
             firm_id, title_key) WHERE deleted_at IS NULL",
            "articles: index articles_title is not unique, expected unique",
        ),
        (
            "DROP INDEX articles_title; CREATE UNIQUE INDEX articles_title ON articles \
             (firm_id, title_key) WHERE deleted_at IS NULL",
            "articles: index articles_title is btree (firm_id, title_key) WHERE (deleted_at IS \
             NULL), expected btree (tenant_id, firm_id, title_key) WHERE (deleted_at IS NULL)",
        ),
        (
            "DROP INDEX articles_title; CREATE UNIQUE INDEX articles_title ON articles \
             (tenant_id, firm_id, title_key)",
            "articles: index articles_title is btree (tenant_id, firm_id, title_key), expected \
             btree (tenant_id, firm_id, title_key) WHERE (deleted_at IS NULL)",
        ),
        (
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = \
             'articles_sold_idx'::regclass",
            "articles: index articles_sold_idx is invalid: its building was broken off",
        ),
        (
            "CREATE UNIQUE INDEX one_remark ON articles (remark)",
            "articles: unique index one_remark is not declared: btree (remark)",
        ),
        (
            "ALTER TABLE articles DISABLE ROW LEVEL SECURITY",
            "articles: row security is not enabled",
        ),
        (
            "ALTER TABLE record_counts NO FORCE ROW LEVEL SECURITY",
            "record_counts: row security is not forced",
        ),
        ("DROP POLICY of_tenant ON articles", "articles: policy of_tenant is missing"),
        (
            "ALTER POLICY of_tenant ON firms USING (true)",
            "firms: policy of_tenant is PERMISSIVE ALL TO crm_app USING true WITH CHECK \
             (tenant_id = (NULLIF(current_setting('app.tenant'::text, true), ''::text))::uuid), \
             expected PERMISSIVE ALL TO crm_app USING (tenant_id = \
             (NULLIF(current_setting('app.tenant'::text, true), ''::text))::uuid) WITH CHECK \
             (tenant_id = (NULLIF(current_setting('app.tenant'::text, true), ''::text))::uuid)",
        ),
        (
            "CREATE POLICY hole ON firms USING (true)",
            "firms: policy hole is not declared: PERMISSIVE ALL TO public USING true WITH CHECK \
             nothing",
        ),
        (
            "REVOKE DELETE ON articles FROM crm_app",
            "articles: role crm_app may not read and write it",
        ),
        (
            "REVOKE SELECT ON people FROM crm_system",
            "people: role crm_system may not read and write it",
        ),
        (
            "GRANT SELECT ON people TO crm_app",
            "people: role crm_app may read it, though its rows belong to no tenant",
        ),
        (
            "DROP FUNCTION search_firms",
            "firms: function search_firms(integer[], text[], integer) is missing",
        ),
        (
            "ALTER FUNCTION search_firms SECURITY INVOKER",
            "firms: function search_firms is not SECURITY DEFINER",
        ),
        (
            "ALTER FUNCTION search_firms OWNER TO crm_test_owner",
            "firms: function search_firms is not owned by crm_system",
        ),
        (
            "ALTER FUNCTION search_firms RESET search_path",
            "firms: function search_firms does not fix its search path",
        ),
        (
            "GRANT EXECUTE ON FUNCTION search_firms TO PUBLIC",
            "firms: function search_firms may be called by anyone",
        ),
        (
            "CREATE OR REPLACE FUNCTION search_firms(terms integer[], patterns text[], most \
             integer) RETURNS SETOF uuid LANGUAGE sql STABLE SECURITY DEFINER SET search_path = \
             pg_catalog, public, pg_temp AS 'SELECT id FROM firms'",
            "firms: function search_firms has another body",
        ),
    ];
    for (change, expected) in cases {
        let deviations = deviations_after(change).await;
        assert!(deviations.iter().any(|what| what == expected), "{change}: {deviations:#?}");
    }
}
