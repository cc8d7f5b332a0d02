//! Writes, each with its audit entry and its event in one statement.

use std::sync::atomic::{AtomicI16, Ordering};

use chrono::{DateTime, Utc};
use crm_core::customers::CustomerDraft;
use crm_core::store::fold;
use crm_core::tenants::TenantId;
use crm_core::{Clock, Random, SystemClock, SystemRandom};
use crm_store_postgres::testing::search_terms;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{ByHand, Customer};
use crate::Result;

const INSERT: &str = "
WITH s AS MATERIALIZED (SELECT set_config('app.tenant', $1::text, true)::uuid AS t),
c AS (
    INSERT INTO customers (
        tenant_id, id, version, created_at, updated_at, name, name_key, company_name,
        company_name_key, contact_name, contact_name_key, first_name, first_name_key, last_name,
        last_name_key, email, email_key, phone, phone_key, website, website_key, address, city,
        city_key, region, region_key, postal_code, postal_code_key, country, industry,
        industry_key, size, employee_count, annual_revenue, currency, status, engagement, source,
        source_key, notes, tags, assigned_to, coach, closer, setter, created_by, custom_fields,
        search_text, terms)
    SELECT s.t, $2::uuid, 1, $3::timestamptz, $3::timestamptz, $4::text, $5::text, $6::text,
        $7::text, $8::text, $9::text, $10::text, $11::text, $12::text, $13::text, $14::text,
        $15::text, $16::text, $17::text, $18::text, $19::text, $20::text, $21::text, $22::text,
        $23::text, $24::text, $25::text, $26::text, $27::text, $28::text, $29::text, $30::text,
        $31::int8, $32::numeric, $33::text, $34::text, 'warm', $35::text, $36::text, $37::text,
        $38::uuid[], $39::uuid, $40::uuid, $41::uuid, $42::uuid, $43::uuid, $44::jsonb, $45::text,
        $46::int4[]
    FROM s RETURNING 1),
a AS (
    INSERT INTO audit_entries (
        tenant_id, id, version, created_at, updated_at, actor, action, resource, record_id,
        record_version, changes)
    SELECT s.t, $47::uuid, 1, $3::timestamptz, $3::timestamptz, $43::uuid, 'created', 'customers',
        $2::uuid, 1, $48::jsonb
    FROM s RETURNING 1),
e AS (
    INSERT INTO events (
        tenant_id, id, version, created_at, updated_at, kind, record_id, record_version)
    SELECT s.t, $47::uuid, 1, $3::timestamptz, $3::timestamptz, 'customers.created', $2::uuid, 1
    FROM s RETURNING 1),
n AS (
    INSERT INTO record_counts AS c (tenant_id, record_type, slot, n)
    SELECT s.t, 'customers', $49::int2, 1 FROM s
    ON CONFLICT (tenant_id, record_type, slot) DO UPDATE SET n = c.n + 1 RETURNING 1)
SELECT (SELECT count(*) FROM c) + (SELECT count(*) FROM a) + (SELECT count(*) FROM e)
    + (SELECT count(*) FROM n)";

// The rows of `a` and `e` are asked for first, and with them the setting, before row security looks
// at the row to change.
const UPDATE: &str = "
WITH s AS MATERIALIZED (SELECT set_config('app.tenant', $1::text, true)::uuid AS t),
l AS MATERIALIZED (
    SELECT s.t, r.id FROM s CROSS JOIN LATERAL (
        SELECT c.id FROM customers c
        WHERE c.tenant_id = s.t AND c.id = $2::uuid AND c.version = $3::int8
        LIMIT 1 FOR NO KEY UPDATE) r),
c AS (
    UPDATE customers c SET version = c.version + 1, updated_at = $4::timestamptz, notes = $5::text
    WHERE c.tenant_id = (SELECT l.t FROM l) AND c.id = (SELECT l.id FROM l) RETURNING 1),
a AS (
    INSERT INTO audit_entries (
        tenant_id, id, version, created_at, updated_at, actor, action, resource, record_id,
        record_version, changes)
    SELECT l.t, $6::uuid, 1, $4::timestamptz, $4::timestamptz, $7::uuid, 'updated', 'customers',
        l.id, $3::int8 + 1, $8::jsonb
    FROM l RETURNING 1),
e AS (
    INSERT INTO events (
        tenant_id, id, version, created_at, updated_at, kind, record_id, record_version)
    SELECT l.t, $6::uuid, 1, $4::timestamptz, $4::timestamptz, 'customers.updated', l.id,
        $3::int8 + 1
    FROM l RETURNING 1)
SELECT (SELECT count(*) FROM a) + (SELECT count(*) FROM e), (SELECT count(*) FROM c)";

static SLOT: AtomicI16 = AtomicI16::new(0);

fn now() -> DateTime<Utc> {
    SystemClock.now()
}

impl ByHand {
    /// Adds a customer.
    ///
    /// # Errors
    /// Where the database refuses.
    pub async fn create(&self, draft: CustomerDraft) -> Result<Customer> {
        let at = now();
        let created = customer(draft, at, self.actor);
        let c = &created;
        let key = |text: &Option<String>| text.as_deref().map(fold);
        let searched = [
            &c.company_name,
            &c.contact_name,
            &c.first_name,
            &c.last_name,
            &c.email,
            &c.phone,
            &c.city,
        ];
        let search_text =
            searched.into_iter().flatten().map(|text| fold(text)).collect::<Vec<_>>().join("\n");
        let mut terms = search_terms(Some(TenantId::new(self.tenant)), &search_text);
        terms.sort_unstable();
        terms.dedup();
        sqlx::query(INSERT)
            .bind(self.tenant.to_string())
            .bind(c.id)
            .bind(at)
            .bind(&c.name)
            .bind(fold(&c.name))
            .bind(&c.company_name)
            .bind(key(&c.company_name))
            .bind(&c.contact_name)
            .bind(key(&c.contact_name))
            .bind(&c.first_name)
            .bind(key(&c.first_name))
            .bind(&c.last_name)
            .bind(key(&c.last_name))
            .bind(&c.email)
            .bind(key(&c.email))
            .bind(&c.phone)
            .bind(key(&c.phone))
            .bind(&c.website)
            .bind(key(&c.website))
            .bind(&c.address)
            .bind(&c.city)
            .bind(key(&c.city))
            .bind(&c.region)
            .bind(key(&c.region))
            .bind(&c.postal_code)
            .bind(key(&c.postal_code))
            .bind(&c.country)
            .bind(&c.industry)
            .bind(key(&c.industry))
            .bind(&c.size)
            .bind(c.employee_count)
            .bind(c.annual_revenue)
            .bind(&c.currency)
            .bind(&c.status)
            .bind(&c.source)
            .bind(key(&c.source))
            .bind(&c.notes)
            .bind(&c.tags)
            .bind(c.assigned_to)
            .bind(c.coach)
            .bind(c.closer)
            .bind(c.setter)
            .bind(c.created_by)
            .bind(&c.custom_fields)
            .bind(&search_text)
            .bind(&terms)
            .bind(SystemRandom.uuid(at))
            .bind(given(c)?)
            .bind(SLOT.fetch_add(1, Ordering::Relaxed) % 16)
            .fetch_one(&self.pool)
            .await?;
        Ok(created)
    }

    /// Gives a customer other notes; reads it first, as the audit entry tells what they were.
    ///
    /// # Errors
    /// Where it is not there, somebody else was faster, or the database refuses.
    pub async fn update(&self, id: Uuid, notes: &str) -> Result<Customer> {
        let mut customer = self.get(id).await?.ok_or("no such customer")?;
        let at = now();
        let mut change = Map::new();
        if let Some(before) = &customer.notes {
            change.insert("from".to_owned(), before.as_str().into());
        }
        change.insert("to".to_owned(), notes.into());
        let row = sqlx::query(UPDATE)
            .bind(self.tenant.to_string())
            .bind(id)
            .bind(customer.version)
            .bind(at)
            .bind(notes)
            .bind(SystemRandom.uuid(at))
            .bind(self.actor)
            .bind(json!({"notes": change}))
            .fetch_one(&self.pool)
            .await?;
        if sqlx::Row::try_get::<i64, _>(&row, 1)? != 1 {
            return Err("somebody else was faster".into());
        }
        customer.version += 1;
        customer.updated_at = at;
        customer.notes = Some(notes.to_owned());
        Ok(customer)
    }
}

fn customer(draft: CustomerDraft, at: DateTime<Utc>, actor: Uuid) -> Customer {
    Customer {
        id: SystemRandom.uuid(at),
        version: 1,
        created_at: at,
        updated_at: at,
        deleted_at: None,
        name: draft.company_name.clone().unwrap_or_default(),
        company_name: draft.company_name,
        contact_name: draft.contact_name,
        first_name: draft.first_name,
        last_name: draft.last_name,
        email: draft.email,
        phone: draft.phone,
        website: draft.website,
        address: draft.address,
        city: draft.city,
        region: draft.region,
        postal_code: draft.postal_code,
        country: draft.country,
        industry: draft.industry,
        size: draft.size.map(|size| size.to_string()),
        employee_count: draft.employee_count,
        annual_revenue: draft.annual_revenue,
        currency: draft.currency,
        status: draft.status.to_string(),
        engagement: "warm".to_owned(),
        source: draft.source,
        notes: draft.notes,
        tags: draft.tags.into_iter().map(crm_core::Id::uuid).collect(),
        assigned_to: draft.assigned_to.map(crm_core::Id::uuid),
        coach: draft.coach.map(crm_core::Id::uuid),
        closer: draft.closer.map(crm_core::Id::uuid),
        setter: draft.setter.map(crm_core::Id::uuid),
        created_by: Some(actor),
        last_contacted_at: None,
        custom_fields: Value::Object(Map::new()),
    }
}

/// What an audit entry tells of a new customer: `{"city": {"to": "…"}}`.
fn given(customer: &Customer) -> Result<Value> {
    let Value::Object(fields) = serde_json::to_value(customer)? else {
        return Err("expected a customer to be an object".into());
    };
    let own = ["id", "version", "createdAt", "updatedAt"];
    let is_given = |key: &str, value: &Value| match value {
        Value::Null => false,
        Value::Array(list) => !list.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        _ => !own.contains(&key),
    };
    let given = fields.into_iter().filter(|(key, value)| is_given(key, value));
    Ok(Value::Object(given.map(|(key, value)| (key, json!({"to": value}))).collect()))
}
