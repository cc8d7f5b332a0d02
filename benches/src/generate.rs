//! Customers by the hundred thousand, made in the database by one statement per tenant.
//!
//! What the store would have computed for each (keys, search text, search terms) is put together
//! out of looked-up pieces: words are searched word by word, so a record's terms are those of its
//! words, and addresses and phone numbers are made of two halves that overlap enough. A sample of
//! what came out is written again through the store and compared, column by column.

use std::time::Instant;

use crm_core::customers::{Customer, CustomerPatch};
use crm_core::store::Kind;
use crm_core::tags::Tag;
use crm_core::tenants::TenantId;
use crm_core::{Change, Entity, Id, TenantCrm};
use crm_store_postgres::testing::{element_term, own_field_number, search_terms};
use sqlx::{AssertSqlSafe, PgConnection, Row};
use uuid::Uuid;

use crate::Result;
use crate::sample::{COUNTRIES, FORMS, INDUSTRIES, city, given, word};

/// The key of a field that each tenant has of its own: a whole number, evenly spread.
pub const SEATS: &str = "seats";
/// What is below it: one in so many customers has the same.
pub const MOST_SEATS: i64 = 10_000;
/// From how many customers on indexes are made anew instead of kept up.
const MANY: usize = 20_000;
/// How many generated customers of a tenant are compared with what the store writes.
const SAMPLE: i64 = 5;

type Tags = Vec<Id<Tag>>;
/// A kind of pieces: its name, how many there are, and each by its number.
type Pieces<'a> = (&'a str, usize, &'a dyn Fn(usize) -> String);

/// Generates so many customers into each of these empty tenants, with these ten tags.
///
/// # Errors
/// Where the database refuses, or a generated row is not as the store would have written it.
pub async fn fill(
    connection: &mut PgConnection,
    tenants: &[(TenantCrm, usize, Tags)],
) -> Result<()> {
    if tenants.is_empty() {
        return Ok(());
    }
    let begun = Instant::now();
    let rows: usize = tenants.iter().map(|(_, rows, _)| rows).sum();
    run(connection, "SET maintenance_work_mem = '1GB'; SET work_mem = '64MB'").await?;
    run(connection, "SET synchronous_commit = off; SET statement_timeout = 0").await?;
    let indexes = if rows >= MANY { drop_indexes(connection).await? } else { Vec::new() };
    run(connection, PIECES).await?;
    for (within, rows, tags) in tenants {
        let tenant = within.actor().tenant();
        pieces(connection, tenant, tags).await?;
        sqlx::query(AssertSqlSafe(statement()))
            .bind(tenant.uuid())
            .bind(i64::try_from(*rows)?)
            .bind(tags.iter().map(|tag| tag.uuid()).collect::<Vec<_>>())
            .execute(&mut *connection)
            .await?;
        let seats = own_field_number(Customer::schema(), SEATS, Kind::Int);
        sqlx::query(ENTRIES).bind(tenant.uuid()).bind(seats).execute(&mut *connection).await?;
        sqlx::query(COUNT).bind(tenant.uuid()).execute(&mut *connection).await?;
    }
    for index in indexes {
        run(connection, &index).await?;
    }
    run(connection, "VACUUM ANALYZE customers").await?;
    run(connection, "VACUUM ANALYZE custom_values").await?;
    run(connection, "CHECKPOINT").await?;
    for (within, ..) in tenants.iter().filter(|(_, rows, _)| *rows >= 1_000) {
        verify(connection, within).await?;
    }
    let (tenants, seconds) = (tenants.len(), begun.elapsed().as_secs());
    tell(&format!("generated {rows} customers of {tenants} tenants in {seconds} s"));
    Ok(())
}

#[expect(clippy::print_stderr, reason = "whoever started a benchmark wants to know what it does")]
fn tell(what: &str) {
    eprintln!("{what}");
}

async fn run(connection: &mut PgConnection, sql: &str) -> Result<()> {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(connection).await?;
    Ok(())
}

// All but the primary key; gives the statements that make them again.
async fn drop_indexes(connection: &mut PgConnection) -> Result<Vec<String>> {
    let found = sqlx::query(
        "SELECT indexname::text, indexdef FROM pg_indexes
         WHERE schemaname = 'public' AND tablename = 'customers' AND indexname <> 'customers_pkey'",
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut definitions = Vec::new();
    for row in found {
        run(connection, &format!("DROP INDEX \"{}\"", row.try_get::<String, _>(0)?)).await?;
        definitions.push(row.try_get(1)?);
    }
    Ok(definitions)
}

const PIECES: &str = "CREATE TEMP TABLE IF NOT EXISTS pieces (
    kind text, n int, piece text COLLATE \"C\", terms int[], PRIMARY KEY (kind, n))";

async fn pieces(connection: &mut PgConnection, tenant: TenantId, tags: &Tags) -> Result<()> {
    run(connection, "TRUNCATE pieces").await?;
    let people = |n: usize| format!("{} {}", given(n / 400), word(n % 400));
    // Each half of an address or a number ends, or begins, with what the other one shares.
    let local = |n: usize| format!("{}.{}@at", given(n / 400), word(n % 400)).to_lowercase();
    let kinds: [Pieces<'_>; 8] = [
        ("word", 400, &word),
        ("form", FORMS.len(), &|n| FORMS[n].to_owned()),
        ("person", 40_000, &people),
        ("city", 60, &city),
        ("local", 40_000, &local),
        ("domain", 2_000, &|n| format!("at{n:04}.example")),
        ("line", 1_000, &|n| format!("+4930{n:03}55")),
        ("extension", 1_000, &|n| format!("55{n:03}")),
    ];
    for (kind, count, piece) in kinds {
        let pieces: Vec<String> = (0..count).map(piece).collect();
        let terms: Vec<String> = pieces
            .iter()
            .map(|piece| literal(&search_terms(Some(tenant), &crm_core::store::fold(piece))))
            .collect();
        add(connection, kind, &pieces, &terms).await?;
    }
    let schema = Customer::schema();
    let field = Customer::TAGS.index();
    let terms: Vec<String> = tags
        .iter()
        .map(|tag| literal(&[element_term(schema, Some(tenant), field, tag.uuid())]))
        .collect();
    let names: Vec<String> = tags.iter().map(ToString::to_string).collect();
    add(connection, "tag", &names, &terms).await?;
    run(connection, "ANALYZE pieces").await
}

fn literal(terms: &[i32]) -> String {
    let terms: Vec<String> = terms.iter().map(i32::to_string).collect();
    format!("{{{}}}", terms.join(","))
}

async fn add(
    connection: &mut PgConnection,
    kind: &str,
    pieces: &[String],
    terms: &[String],
) -> Result<()> {
    sqlx::query(
        "INSERT INTO pieces SELECT $1::text, n - 1, piece, terms::int[]
         FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS u(piece, terms, n)",
    )
    .bind(kind)
    .bind(pieces)
    .bind(terms)
    .execute(connection)
    .await?;
    Ok(())
}

// Keys of texts in ASCII are the texts in lower case. One customer in fifty is deleted, one in
// three has two tags. The newest came last, a minute after the one before it.
const CUSTOMERS: &str = "
INSERT INTO customers (
    tenant_id, id, version, created_at, updated_at, deleted_at, name, name_key,
    company_name, company_name_key, contact_name, contact_name_key, email, email_key,
    phone, phone_key, website, website_key, address, city, city_key, postal_code, postal_code_key,
    country, industry, industry_key, employee_count, annual_revenue, currency, status, engagement,
    notes, tags, assigned_to, created_by, custom_fields, search_text, terms)
SELECT $1::uuid, r.id, 1, r.at, r.at, CASE WHEN r.i % 50 = 7 THEN r.at + interval '1 day' END,
    t.company, lower(t.company), t.company, lower(t.company), t.contact, lower(t.contact),
    t.email, t.email, t.phone, t.phone, t.website, t.website,
    'High Street ' || r.i % 300, ci.piece, lower(ci.piece), t.postal, t.postal,
    ({countries})[1 + r.h2 % 8], t.industry, lower(t.industry), r.h3 % 5000,
    (r.h4 % 100000000)::numeric / 100, ({currencies})[1 + r.h2 % 8],
    ('{onboarding,active,active,active,active,active,paused,inactive,inactive,cancelled}'
        ::text[])[1 + r.h5 % 10],
    ('{hot,warm,warm,inactive}'::text[])[1 + r.h6 % 4],
    CASE WHEN r.i % 4 = 0 THEN 'Met at the fair; wants an offer by the end of the quarter.' END,
    CASE WHEN r.i % 3 = 0 THEN ARRAY[t1.piece::uuid, t2.piece::uuid] ELSE '{}' END,
    md5($1::text || 'owner' || r.h1 % 20)::uuid, md5($1::text || 'owner' || r.h4 % 20)::uuid,
    jsonb_build_object('i:seats', r.h6 / 64 % {seats}),
    concat_ws(E'\\n', lower(t.company), lower(t.contact), t.email, t.phone, lower(ci.piece)),
    ARRAY(SELECT DISTINCT term FROM unnest(
        w1.terms || w2.terms || fo.terms || pe.terms || lo.terms || dm.terms || li.terms
        || ex.terms || ci.terms || CASE WHEN r.i % 3 = 0 THEN t1.terms || t2.terms ELSE '{}' END
    ) AS term ORDER BY term)
FROM (
    SELECT i, at,
        (lpad(to_hex((extract(epoch FROM at) * 1000)::int8), 12, '0') || '7' || substr(m, 1, 3)
            || '8' || substr(m, 4, 15))::uuid AS id,
        {hashes}
    FROM (
        SELECT i, md5($1::text || i) AS m,
            timestamptz '2026-06-01' - ($2::int8 - i) * interval '1 minute' AS at
        FROM generate_series(1, $2::int8) AS i
    ) AS n
) AS r
JOIN pieces w1 ON w1.kind = 'word' AND w1.n = r.h1 % 400
JOIN pieces w2 ON w2.kind = 'word' AND w2.n = r.h2 / 8 % 400
JOIN pieces fo ON fo.kind = 'form' AND fo.n = r.h3 % 6
JOIN pieces pe ON pe.kind = 'person' AND pe.n = r.h4 % 40000
JOIN pieces lo ON lo.kind = 'local' AND lo.n = r.h4 % 40000
JOIN pieces dm ON dm.kind = 'domain' AND dm.n = r.h5 % 2000
JOIN pieces li ON li.kind = 'line' AND li.n = r.h6 % 1000
JOIN pieces ex ON ex.kind = 'extension' AND ex.n = r.h1 / 400 % 1000
JOIN pieces ci ON ci.kind = 'city' AND ci.n = r.h6 / 1000 % 60
JOIN pieces t1 ON t1.kind = 'tag' AND t1.n = r.h2 % 10
JOIN pieces t2 ON t2.kind = 'tag' AND t2.n = (r.h2 % 10 + 3) % 10
CROSS JOIN LATERAL (SELECT
    w1.piece || ' ' || w2.piece || ' ' || fo.piece AS company,
    pe.piece AS contact,
    lo.piece || substr(dm.piece, 3) AS email,
    li.piece || substr(ex.piece, 3) AS phone,
    'https://' || dm.piece || '/' AS website,
    lpad((r.h5 % 100000)::text, 5, '0') AS postal,
    ({industries})[1 + r.h3 % 10] AS industry
) AS t
ORDER BY r.i";

// As whole numbers compare by their octets, with the sign turned round.
const ENTRIES: &str = "
INSERT INTO custom_values (tenant_id, record_id, field, part, value)
SELECT tenant_id, id, $2::int8, 0,
    int8send((custom_fields ->> 'i:seats')::int8 # '-9223372036854775808'::int8)
FROM customers WHERE tenant_id = $1::uuid AND deleted_at IS NULL
ORDER BY id";

const COUNT: &str = "
INSERT INTO record_counts AS c (tenant_id, record_type, slot, n)
SELECT $1::uuid, 'customers', 0, count(*) FROM customers
WHERE tenant_id = $1::uuid AND deleted_at IS NULL
ON CONFLICT (tenant_id, record_type, slot) DO UPDATE SET n = excluded.n";

fn statement() -> String {
    let array = |words: &[&str]| format!("'{{{}}}'::text[]", words.join(","));
    let hash = |n: usize| {
        let from = 1 + (n - 1) * 5;
        format!("('x' || lpad(substr(m, {from}, 7), 8, '0'))::bit(32)::int4 AS h{n}")
    };
    let hashes: Vec<String> = (1..=6).map(hash).collect();
    CUSTOMERS
        .replace("{countries}", &array(&COUNTRIES.map(|(country, _)| country)))
        .replace("{currencies}", &array(&COUNTRIES.map(|(_, currency)| currency)))
        .replace("{industries}", &array(&INDUSTRIES))
        .replace("{seats}", &MOST_SEATS.to_string())
        .replace("{hashes}", &hashes.join(", "))
}

/// Writes some customers again through the store, and compares.
async fn verify(connection: &mut PgConnection, within: &TenantCrm) -> Result<()> {
    let tenant = within.actor().tenant();
    let ids = sqlx::query(
        "SELECT id FROM customers WHERE tenant_id = $1::uuid AND deleted_at IS NULL
         ORDER BY md5(id::text) LIMIT $2::int8",
    )
    .bind(tenant.uuid())
    .bind(SAMPLE)
    .fetch_all(&mut *connection)
    .await?;
    for row in ids {
        let id: Uuid = row.try_get(0)?;
        let generated = stored(connection, tenant, id).await?;
        let notes = Change::Set("Written through the store.".to_owned());
        let patch = CustomerPatch { notes, ..CustomerPatch::default() };
        within.customers().patch(Id::new(id), None, patch).await?;
        let written = stored(connection, tenant, id).await?;
        if generated != written {
            return Err(format!("generated: {generated}; the store wrote: {written}").into());
        }
    }
    Ok(())
}

async fn stored(connection: &mut PgConnection, tenant: TenantId, id: Uuid) -> Result<String> {
    let row = sqlx::query(
        "SELECT (to_jsonb(c) - 'version' - 'updated_at' - 'notes')::text FROM customers c
         WHERE tenant_id = $1::uuid AND id = $2::uuid",
    )
    .bind(tenant.uuid())
    .bind(id)
    .fetch_one(connection)
    .await?;
    Ok(row.try_get(0)?)
}
