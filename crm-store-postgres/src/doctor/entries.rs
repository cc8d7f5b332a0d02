//! The entries of tenants' own fields: that they say what the records say that they repeat.
//!
//! Filters and orders find records by them, so an entry that is missing hides a record from
//! whoever asks for it. Each part of the comparison is one statement, which sees one state.

use std::collections::BTreeMap;

use crm_core::store::{Schema, Value};
use crm_core::{Error, Result};
use sqlx::postgres::PgRow;
use sqlx::types::Uuid;
use sqlx::{AssertSqlSafe, PgConnection};

use super::{Check, Expected, Finding, fails, get, row, warns};
use crate::connection::store_error;
use crate::rows::{entries_of, json_to_fields, numbers_of, own_fields};
use crate::tables::names::{CUSTOM_VALUES, quoted};

const NAME: &str = "custom-values";
const PROVES: &str =
    "the index of tenants' own fields says what the records say; a sample unless all is asked for";

/// How many records, and how many entries, a sample has of each type.
const SAMPLE: i64 = 2_000;

/// Compares, as a user who can become `crm_system`, or is it.
pub(super) async fn check(connection: &mut PgConnection, expected: &Expected<'_>) -> Check {
    let findings = async {
        let sql = "SELECT current_user <> 'crm_system' AS becomes";
        // Behind a pooler in transaction mode a role that was taken would stay with others.
        let becomes: bool = get(&row(connection, sql).await?, "becomes")?;
        if becomes {
            run(connection, "SET ROLE crm_system").await?;
        }
        let compared = compare(connection, expected).await;
        if becomes {
            run(connection, "RESET ROLE").await?;
        }
        compared
    };
    Check::of(NAME, PROVES, findings.await)
}

/// The check where others say already that the database is not as it must be.
pub(super) fn unasked() -> Check {
    let finding = warns("nothing was compared, because of what failed above");
    Check::of(NAME, PROVES, Ok(vec![finding]))
}

async fn run(connection: &mut PgConnection, sql: &'static str) -> Result<()> {
    sqlx::raw_sql(sql).execute(connection).await.map(drop).map_err(store_error)
}

async fn compare(connection: &mut PgConnection, expected: &Expected<'_>) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for schema in expected.catalogue.iter().filter(|schema| own_fields(schema).is_some()) {
        let mut wrong = Wrong::default();
        let mut after = (Uuid::nil(), Uuid::nil());
        loop {
            let part = records(connection, schema, expected.all.then_some(after)).await?;
            let more = expected.all && part.len() as i64 == SAMPLE;
            for row in part {
                let named = (get(&row, "tenant_id")?, get(&row, "id")?);
                wrong.looked += 1;
                if !agrees(schema, &row)? {
                    wrong.number += 1;
                    wrong.first.get_or_insert(named);
                }
                after = named;
            }
            if !more {
                break;
            }
        }
        if let Some((tenant, id)) = wrong.first {
            findings.push(fails(format!(
                "{schema}: the entries of {} of {} records do not say what these say, as those of \
                 {id} of tenant {tenant}: deleting and restoring a record writes them anew",
                wrong.number, wrong.looked
            )));
        }
        if let Some((tenant, id)) = orphan(connection, schema, expected.all).await? {
            findings.push(fails(format!(
                "{schema}: there are entries of records that are not there, as of {id} of tenant \
                 {tenant}"
            )));
        }
    }
    Ok(findings)
}

#[derive(Debug, Default)]
struct Wrong {
    looked: u64,
    number: u64,
    first: Option<(Uuid, Uuid)>,
}

/// Records with their entries: all behind one in the order of their keys, or a sample.
async fn records(
    connection: &mut PgConnection,
    schema: &Schema,
    after: Option<(Uuid, Uuid)>,
) -> Result<Vec<PgRow>> {
    let table = quoted(schema.name()).into_owned();
    let field = own_fields(schema).ok_or_else(|| Error::internal("no fields of a tenant"))?;
    let document = quoted(schema.field(field).column()).into_owned();
    let part = match after {
        Some(_) => format!(
            "SELECT * FROM {table} WHERE (tenant_id, id) > ($3::uuid, $4::uuid)
             ORDER BY tenant_id, id LIMIT {SAMPLE}"
        ),
        // Whole pages at random, as many as have so many rows.
        None => format!(
            "SELECT * FROM {table} TABLESAMPLE SYSTEM ({}) LIMIT {SAMPLE}",
            percent(connection, schema.name()).await?
        ),
    };
    let sql = format!(
        "SELECT r.tenant_id, r.id, r.deleted_at IS NULL AS live, r.{document} AS document,
                e.fields, e.parts, e.contents
         FROM ({part}) r
         CROSS JOIN LATERAL (
             SELECT coalesce(array_agg(v.field), '{{}}') AS fields,
                    coalesce(array_agg(v.part), '{{}}') AS parts,
                    coalesce(array_agg(v.value), '{{}}') AS contents
             FROM {CUSTOM_VALUES} v
             WHERE v.tenant_id = r.tenant_id AND v.record_id = r.id AND v.value IS NOT NULL
               AND v.field >= $1 AND v.field < $2) e
         ORDER BY r.tenant_id, r.id"
    );
    let (least, beyond) = numbers_of(schema);
    let mut query = sqlx::query(AssertSqlSafe(sql)).bind(least).bind(beyond);
    if let Some((tenant, id)) = after {
        query = query.bind(tenant).bind(id);
    }
    query.fetch_all(connection).await.map_err(store_error)
}

fn agrees(schema: &Schema, row: &PgRow) -> Result<bool> {
    let document = json_to_fields(get(row, "document")?)?;
    let expected = match get(row, "live")? {
        true => entries_of(schema, &Value::Custom(document)),
        false => BTreeMap::new(),
    };
    let (fields, parts): (Vec<i64>, Vec<i64>) = (get(row, "fields")?, get(row, "parts")?);
    let contents: Vec<Vec<u8>> = get(row, "contents")?;
    let found: BTreeMap<(i64, i64), Vec<u8>> =
        fields.into_iter().zip(parts).zip(contents).collect();
    Ok(found == expected)
}

/// A record that entries name and that is not there, or deleted.
async fn orphan(
    connection: &mut PgConnection,
    schema: &Schema,
    all: bool,
) -> Result<Option<(Uuid, Uuid)>> {
    let table = quoted(schema.name()).into_owned();
    let sample = match all {
        true => String::new(),
        false => format!("TABLESAMPLE SYSTEM ({}) ", percent(connection, CUSTOM_VALUES).await?),
    };
    let sql = format!(
        "SELECT v.tenant_id, v.record_id FROM {CUSTOM_VALUES} v {sample}
         WHERE v.value IS NOT NULL AND v.field >= $1 AND v.field < $2
           AND NOT EXISTS (SELECT FROM {table} r
                           WHERE r.tenant_id = v.tenant_id AND r.id = v.record_id
                             AND r.deleted_at IS NULL)
         LIMIT 1"
    );
    let (least, beyond) = numbers_of(schema);
    let query = sqlx::query(AssertSqlSafe(sql)).bind(least).bind(beyond);
    let found = query.fetch_optional(connection).await.map_err(store_error)?;
    found.map(|row| Ok((get(&row, "tenant_id")?, get(&row, "record_id")?))).transpose()
}

/// Of how much of a table a sample is made, in percent.
async fn percent(connection: &mut PgConnection, table: &str) -> Result<f64> {
    // A table that was never analysed says -1, and is small.
    let sql = "SELECT greatest(reltuples, 1)::float8 AS rows FROM pg_class
        WHERE oid = to_regclass(quote_ident($1))";
    let row = sqlx::query(sql).bind(table).fetch_one(connection).await.map_err(store_error)?;
    let rows: f64 = get(&row, "rows")?;
    // Twice as many as are wanted, because pages are not evenly full.
    Ok((200.0 * SAMPLE as f64 / rows).clamp(0.000_1, 100.0))
}
