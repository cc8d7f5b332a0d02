//! Relations on the tables of an installation: found by their ends among a million, and never
//! across tenants, whoever wrote the rows.

use crm_core::access::{Actor, BuiltIn};
use crm_core::companies::CompanyDraft;
use crm_core::relations::{Relation, RelationDraft};
use crm_core::store::{Filter, Path, Query, system};
use crm_core::{Crm, EndRef, Entity, Find};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row as _};

use super::*;
use crate::read::query;

/// As somebody asks who may read companies and customers.
fn of_a_record(end: &EndRef) -> Query {
    let catalogue = crm_core::catalogue().unwrap();
    let cases = ["companies", "customers"].map(|name| {
        let live = Filter::Absent(Path::field(system::DELETED_AT));
        (Arc::clone(catalogue.get(name).unwrap()), live)
    });
    let ends = Filter::End(0, cases.to_vec()).and(Filter::End(1, cases.to_vec()));
    let query = Query::new(Relation::schema().clone()).filter(Relation::has(end).into_filter());
    query.unwrap().filter(ends).unwrap().counted()
}

#[tokio::test]
async fn a_records_relations_are_found_by_its_ends_among_a_million() {
    let database = TestDatabase::migrated().await.unwrap();
    let mut owner = PgConnection::connect(&database.superuser_url()).await.unwrap();
    // A hundred thousand companies, each at ten ends from which and ten to which a relation goes.
    let fill = "SET synchronous_commit = off;
        INSERT INTO companies (tenant_id, id, version, created_at, updated_at, name, name_key, tags,
            custom_fields, search_text, terms)
        SELECT '00000000-0000-7000-8000-000000000001', ('00000000-0000-7000-8000-' || lpad(i::text, 12, '0'))::uuid,
            1, now(), now(), 'Firm', 'firm', '{}', '{}', 'firm', '{}' FROM generate_series(1, 100000) i;
        INSERT INTO relations (tenant_id, id, version, created_at, updated_at, kind, from_type, from_id,
            to_type, to_id, attributes, ends)
        SELECT '00000000-0000-7000-8000-000000000001', gen_random_uuid(), 1, now(), now(), 'supplies',
            'companies', ('00000000-0000-7000-8000-' || lpad((1 + i % 100000)::text, 12, '0'))::uuid,
            'companies', ('00000000-0000-7000-8000-' || lpad((1 + i * 7 % 99991)::text, 12, '0'))::uuid,
            '{}', i::text
        FROM generate_series(1, 1000000) i;
        VACUUM ANALYZE";
    for statement in fill.split(";\n") {
        sqlx::raw_sql(AssertSqlSafe(statement.trim())).execute(&mut owner).await.unwrap();
    }
    let mut app = PgConnection::connect(&database.app_url()).await.unwrap();
    sqlx::raw_sql("SET ROLE crm_app; SET plan_cache_mode = force_generic_plan")
        .execute(&mut app)
        .await
        .unwrap();
    let end = EndRef::new("companies", Uuid::from_u128(0x7000_8000_0000_0000_0007));
    let (statement, binds) = query::render(SCOPE, &of_a_record(&end));
    let prepare = format!("PREPARE p AS {}", statement.render());
    sqlx::raw_sql(AssertSqlSafe(prepare)).execute(&mut app).await.unwrap();
    let nulls = vec!["NULL"; binds.len()].join(", ");
    let explain = format!("EXPLAIN (COSTS OFF) EXECUTE p({nulls})");
    let lines = sqlx::raw_sql(AssertSqlSafe(explain)).fetch_all(&mut app).await.unwrap();
    let plan: Vec<String> = lines.iter().map(|line| line.get(0)).collect();
    let plan = plan.join("\n");
    for index in ["relations_from_id_idx", "relations_to_id_idx"] {
        assert!(plan.matches(index).count() >= 2, "expected {index} for page and total:\n{plan}");
    }
    for never in ["Seq Scan on relations", "Seq Scan on companies", "using relations_pkey"] {
        assert!(!plan.contains(never), "expected no {never}:\n{plan}");
    }
}

#[tokio::test]
async fn a_row_written_by_hand_leads_into_no_other_tenant() {
    let database = TestDatabase::migrated().await.unwrap();
    let store = PostgresStore::connect(&PostgresOptions::new(database.app_url())).await.unwrap();
    let crm = Crm::new(store).await.unwrap();
    let mut firms = Vec::new();
    for name in ["ours", "theirs"] {
        let tenant = crm.system().create_tenant(name).await.unwrap();
        let within = crm.tenant(Actor::new(tenant.id, crm.new_id()).with_role(BuiltIn::Owner));
        let mut pair = Vec::new();
        for number in 0..2 {
            let draft = CompanyDraft::named(format!("{name} {number}"));
            pair.push(within.companies().create(draft).await.unwrap().id.uuid());
        }
        firms.push((within, tenant.id, pair));
    }
    let [(ours, our_tenant, our), (theirs, their_tenant, their)] = &firms[..] else { panic!() };
    let row = |tenant: TenantId, from: Uuid, to: Uuid| {
        format!(
            "INSERT INTO relations (tenant_id, id, version, created_at, updated_at, kind, from_type,
                from_id, to_type, to_id, attributes, ends)
            VALUES ('{tenant}', gen_random_uuid(), 1, now(), now(), 'supplies', 'companies', '{from}',
                'companies', '{to}', '{{}}', '{from} {to}')"
        )
    };
    // Nobody but a superuser gets as far as this, and even then the row leads nowhere.
    let mut superuser = PgConnection::connect(&database.superuser_url()).await.unwrap();
    for (tenant, from, to) in [
        (*our_tenant, our[0], their[0]),
        (*our_tenant, their[0], our[0]),
        (*our_tenant, their[0], their[1]),
        (*their_tenant, their[1], our[1]),
    ] {
        sqlx::raw_sql(AssertSqlSafe(row(tenant, from, to))).execute(&mut superuser).await.unwrap();
    }
    for (within, ids) in [(ours, our), (theirs, their)] {
        let all = within.relations().find(Find::all().counted()).await.unwrap();
        assert_eq!((all.items.len(), all.total), (0, Some(0)));
        for id in ids.iter().chain(their) {
            let end = EndRef::new("companies", *id);
            assert_eq!(within.relations().count(Relation::has(&end)).await.unwrap(), 0);
        }
    }
    // Whoever works for one tenant can write no row of another.
    let mut app = PgConnection::connect(&database.app_url()).await.unwrap();
    let set = format!("SET ROLE crm_app; SET app.tenant = '{our_tenant}'");
    sqlx::raw_sql(AssertSqlSafe(set)).execute(&mut app).await.unwrap();
    let refused = sqlx::raw_sql(AssertSqlSafe(row(*their_tenant, their[0], their[1])));
    let refused = refused.execute(&mut app).await.unwrap_err().to_string();
    assert!(refused.contains("row-level security"), "{refused}");
    // Their own are theirs all the same.
    let link = |ids: &[Uuid]| {
        let end = |id: Uuid| EndRef::new("companies", id);
        RelationDraft::new("supplies", end(ids[0]), end(ids[1]))
    };
    theirs.relations().create(link(their)).await.unwrap();
    assert_eq!(theirs.relations().count(crm_core::Where::all()).await.unwrap(), 1);
    assert_eq!(ours.relations().count(crm_core::Where::all()).await.unwrap(), 0);
}
