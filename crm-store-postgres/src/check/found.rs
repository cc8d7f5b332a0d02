//! What the database's own catalogue says about tables.

use std::collections::BTreeMap;

use crm_core::Result;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use crate::connection::store_error;
use crate::tables::names;

/// All that is compared, by name.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) tables: BTreeMap<String, FoundTable>,
    pub(super) functions: BTreeMap<String, FoundFunction>,
}

#[derive(Debug, Default)]
pub(super) struct FoundTable {
    pub(super) secured: bool,
    pub(super) forced: bool,
    pub(super) app_may_read: bool,
    pub(super) app_may_write: bool,
    pub(super) system_may_write: bool,
    pub(super) columns: BTreeMap<String, FoundColumn>,
    pub(super) constraints: BTreeMap<String, String>,
    pub(super) indexes: BTreeMap<String, FoundIndex>,
    pub(super) policies: BTreeMap<String, String>,
}

#[derive(Debug)]
pub(super) struct FoundColumn {
    pub(super) sql_type: String,
    pub(super) required: bool,
    pub(super) has_default: bool,
    pub(super) collation: Option<String>,
}

#[derive(Debug)]
pub(super) struct FoundIndex {
    pub(super) unique: bool,
    pub(super) valid: bool,
    pub(super) definition: String,
}

#[derive(Debug)]
pub(super) struct FoundFunction {
    pub(super) owner: String,
    pub(super) definer: bool,
    pub(super) stable: bool,
    pub(super) settings: String,
    pub(super) body: String,
    pub(super) app_may_call: bool,
    pub(super) anyone_may_call: bool,
}

impl Found {
    /// What is there under these names, in schema `public`.
    pub(super) async fn read(connection: &mut PgConnection, tables: &[String]) -> Result<Self> {
        let mut found = Self::default();
        found.read_tables(connection, tables).await?;
        found.read_columns(connection, tables).await?;
        found.read_constraints(connection, tables).await?;
        found.read_indexes(connection, tables).await?;
        found.read_policies(connection, tables).await?;
        found.read_functions(connection, tables).await?;
        Ok(found)
    }

    async fn read_tables(&mut self, connection: &mut PgConnection, names: &[String]) -> Result<()> {
        let sql = "WITH role AS (
                SELECT (SELECT oid FROM pg_roles WHERE rolname = 'crm_app') AS app,
                       (SELECT oid FROM pg_roles WHERE rolname = 'crm_system') AS system)
            SELECT relname::text, relrowsecurity, relforcerowsecurity,
                   coalesce(has_table_privilege(app, c.oid, 'SELECT'), false) AS app_reads,
                   coalesce(has_table_privilege(app, c.oid, 'SELECT')
                        AND has_table_privilege(app, c.oid, 'INSERT')
                        AND has_table_privilege(app, c.oid, 'UPDATE')
                        AND has_table_privilege(app, c.oid, 'DELETE'), false) AS app_writes,
                   coalesce(has_table_privilege(system, c.oid, 'SELECT')
                        AND has_table_privilege(system, c.oid, 'INSERT')
                        AND has_table_privilege(system, c.oid, 'UPDATE')
                        AND has_table_privilege(system, c.oid, 'DELETE'), false) AS system_writes
            FROM pg_class c, role
            WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
              AND relname = ANY($1::text[])";
        for row in rows(connection, sql, names).await? {
            let table = FoundTable {
                secured: get(&row, "relrowsecurity")?,
                forced: get(&row, "relforcerowsecurity")?,
                app_may_read: get(&row, "app_reads")?,
                app_may_write: get(&row, "app_writes")?,
                system_may_write: get(&row, "system_writes")?,
                ..FoundTable::default()
            };
            self.tables.insert(get(&row, "relname")?, table);
        }
        Ok(())
    }

    async fn read_columns(
        &mut self,
        connection: &mut PgConnection,
        names: &[String],
    ) -> Result<()> {
        let sql = "SELECT relname::text AS table_name, attname::text,
                   format_type(atttypid, atttypmod) AS sql_type, attnotnull,
                   atthasdef OR attidentity <> '' AS has_default, collname::text
            FROM pg_attribute a
            JOIN pg_class c ON c.oid = attrelid
            LEFT JOIN pg_collation l ON l.oid = attcollation
            WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
              AND relname = ANY($1::text[]) AND attnum > 0 AND NOT attisdropped";
        for row in rows(connection, sql, names).await? {
            let column = FoundColumn {
                sql_type: get(&row, "sql_type")?,
                required: get(&row, "attnotnull")?,
                has_default: get(&row, "has_default")?,
                collation: get(&row, "collname")?,
            };
            let name = get(&row, "attname")?;
            if let Some(table) = self.table(&row)? {
                table.columns.insert(name, column);
            }
        }
        Ok(())
    }

    // Those that refuse something: not the trigger kind, nor NOT NULL, which columns tell.
    async fn read_constraints(
        &mut self,
        connection: &mut PgConnection,
        names: &[String],
    ) -> Result<()> {
        let sql = "SELECT relname::text AS table_name, conname::text,
                   pg_get_constraintdef(o.oid) AS definition
            FROM pg_constraint o
            JOIN pg_class c ON c.oid = conrelid
            WHERE relnamespace = 'public'::regnamespace AND relname = ANY($1::text[])
              AND contype IN ('p', 'f', 'u', 'c', 'x')";
        for row in rows(connection, sql, names).await? {
            let definition: String = get(&row, "definition")?;
            let name = get(&row, "conname")?;
            if let Some(table) = self.table(&row)? {
                table.constraints.insert(name, plain(&definition));
            }
        }
        Ok(())
    }

    async fn read_indexes(
        &mut self,
        connection: &mut PgConnection,
        names: &[String],
    ) -> Result<()> {
        let sql = "SELECT c.relname::text AS table_name, i.relname::text AS index_name,
                   indisunique, indisvalid, pg_get_indexdef(indexrelid) AS definition
            FROM pg_index x
            JOIN pg_class c ON c.oid = indrelid
            JOIN pg_class i ON i.oid = indexrelid
            WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY($1::text[])";
        for row in rows(connection, sql, names).await? {
            let whole: String = get(&row, "definition")?;
            let definition = whole.split_once(" USING ").map_or(&*whole, |(_, behind)| behind);
            let index = FoundIndex {
                unique: get(&row, "indisunique")?,
                valid: get(&row, "indisvalid")?,
                definition: without_storage(&plain(definition)),
            };
            let name = get(&row, "index_name")?;
            if let Some(table) = self.table(&row)? {
                table.indexes.insert(name, index);
            }
        }
        Ok(())
    }

    async fn read_policies(
        &mut self,
        connection: &mut PgConnection,
        names: &[String],
    ) -> Result<()> {
        let sql = "SELECT tablename::text AS table_name, policyname::text,
                   concat(permissive, ' ', cmd, ' TO ', array_to_string(roles, ', '),
                          ' USING ', coalesce(qual, 'nothing'),
                          ' WITH CHECK ', coalesce(with_check, 'nothing')) AS definition
            FROM pg_policies WHERE schemaname = 'public' AND tablename = ANY($1::text[])";
        for row in rows(connection, sql, names).await? {
            let (name, definition) = (get(&row, "policyname")?, get(&row, "definition")?);
            if let Some(table) = self.table(&row)? {
                table.policies.insert(name, definition);
            }
        }
        Ok(())
    }

    async fn read_functions(
        &mut self,
        connection: &mut PgConnection,
        tables: &[String],
    ) -> Result<()> {
        let names: Vec<String> = tables.iter().map(|name| names::search_function(name)).collect();
        let sql = "SELECT proname::text, pg_get_userbyid(proowner)::text AS owner, prosecdef,
                   provolatile = 's' AS stable, prosrc,
                   array_to_string(coalesce(proconfig, '{}'), '; ') AS settings,
                   coalesce((SELECT has_function_privilege(r.oid, p.oid, 'EXECUTE')
                             FROM pg_roles r WHERE rolname = 'crm_app'), false) AS app_calls,
                   EXISTS (SELECT FROM aclexplode(coalesce(proacl, acldefault('f', proowner)))
                           WHERE grantee = 0) AS anyone_calls
            FROM pg_proc p
            WHERE pronamespace = 'public'::regnamespace AND proname = ANY($1::text[])
              AND proargtypes = '1007 1009 23'::oidvector AND proretset
              AND prorettype = 'uuid'::regtype";
        for row in rows(connection, sql, &names).await? {
            let function = FoundFunction {
                owner: get(&row, "owner")?,
                definer: get(&row, "prosecdef")?,
                stable: get(&row, "stable")?,
                settings: get(&row, "settings")?,
                body: get(&row, "prosrc")?,
                app_may_call: get(&row, "app_calls")?,
                anyone_may_call: get(&row, "anyone_calls")?,
            };
            self.functions.insert(get(&row, "proname")?, function);
        }
        Ok(())
    }

    fn table(&mut self, row: &PgRow) -> Result<Option<&mut FoundTable>> {
        Ok(self.tables.get_mut(&get::<String>(row, "table_name")?))
    }
}

async fn rows(
    connection: &mut PgConnection,
    sql: &'static str,
    names: &[String],
) -> Result<Vec<PgRow>> {
    sqlx::query(sql).bind(names).fetch_all(connection).await.map_err(store_error)
}

fn get<'r, T>(row: &'r PgRow, column: &str) -> Result<T>
where
    T: sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
{
    row.try_get(column).map_err(store_error)
}

// Which names PostgreSQL puts into quotes and qualifies depends on its version and settings.
fn plain(definition: &str) -> String {
    definition.replace('"', "").replace("public.", "")
}

// `WITH (…)` is for operators to tune.
fn without_storage(definition: &str) -> String {
    let Some((before, behind)) = definition.split_once(" WITH (") else {
        return definition.to_owned();
    };
    let behind = behind.split_once(')').map_or("", |(_, behind)| behind);
    format!("{before}{behind}")
}
