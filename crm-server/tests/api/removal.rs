//! Tenants that were deleted long ago are removed for good, as the servers do it in the background,
//! with the demonstration data, which has something of nearly every type.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::TimeDelta;
use crm_core::auth::SignIn;
use crm_core::customers::Customer;
use crm_core::store::{Deleted, Store};
use crm_core::tenants::Purged;
use crm_core::{Clock, Crm, Error, Find, ManualClock, SystemClock, TenantCrm, Where};
use crm_server::config::Passwords;
use crm_server::demo;
use crm_server::passwords::Argon2Hasher;
use crm_store_memory::MemoryStore;
use crm_store_postgres::PostgresStore;
use crm_store_postgres::testing::TestDatabase;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

/// Rows of a tenant, by table; all tables that name tenants.
async fn rows(database: &TestDatabase, tenant: &str) -> BTreeMap<String, i64> {
    let mut connection = PgConnection::connect(&database.superuser_url()).await.unwrap();
    let tables = "SELECT c.relname::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
                  WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
                  AND a.attname = 'tenant_id'";
    let mut rows = BTreeMap::new();
    for table in sqlx::query(tables).fetch_all(&mut connection).await.unwrap() {
        let table: String = table.get(0);
        let counting = format!("SELECT count(*) FROM \"{table}\" WHERE tenant_id = '{tenant}'");
        let counted = sqlx::query(AssertSqlSafe(counting)).fetch_one(&mut connection).await;
        rows.insert(table, counted.unwrap().get(0));
    }
    rows
}

async fn over(store: &Arc<dyn Store>, clock: &Arc<ManualClock>, grace: TimeDelta) -> Crm {
    let quick = Passwords { memory_kib: 64, iterations: 1, ..Passwords::default() };
    let builder = Crm::builder_on(Arc::clone(store)).shared_clock(Arc::clone(clock) as _);
    let builder = builder.users(Argon2Hasher::new(&quick).unwrap()).tenant_grace(grace);
    builder.build().await.unwrap()
}

/// Purges until there is nothing more to do; everything that went.
async fn purged(crm: &Crm) -> Purged {
    let mut all = Purged::default();
    for _ in 0..100 {
        let Purged { tenant_records, tenants, more, .. } = crm.system().purge().await.unwrap();
        assert!(tenant_records <= 500, "a step is bounded");
        all.tenant_records += tenant_records;
        all.tenants += tenants;
        if !more {
            return all;
        }
    }
    panic!("it does not end: {all:?}");
}

async fn customers(within: &TenantCrm) -> u64 {
    within.records::<Customer>().count(Where::all()).await.unwrap()
}

async fn nothing_stays(store: Arc<dyn Store>, database: Option<&TestDatabase>) {
    let users = demo::fill(Arc::clone(&store)).await.unwrap();
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    let grace = TimeDelta::days(10);
    let crm = over(&store, &clock, grace).await;
    let mut owners = Vec::new();
    for user in users.iter().filter(|user| user.role == crm_core::access::BuiltIn::Owner) {
        let login = user.email.clone();
        let asked = SignIn { login, password: demo::PASSWORD.to_owned(), ..SignIn::default() };
        let signed_in = crm.auth().sign_in(asked).await.unwrap();
        owners.push(crm.tenant(signed_in.membership.unwrap().actor()));
    }
    let [leaving, staying] = &owners[..] else { panic!("{users:?}") };
    let gone = leaving.actor().tenant().to_string();
    let others = staying.actor().tenant().to_string();
    let (before, theirs) = (customers(leaving).await, customers(staying).await);
    assert!(before > 100 && theirs > 100);
    // Deleted records go, too.
    let some = leaving.customers().find(Find::all().page(1, 3)).await.unwrap().items;
    for customer in some {
        leaving.customers().delete(customer.id, None).await.unwrap();
    }
    let rows_before = match database {
        Some(database) => Some(rows(database, &others).await),
        None => None,
    };

    leaving.tenant_settings().delete(None).await.unwrap();
    clock.advance(grace - TimeDelta::seconds(1));
    assert_eq!(purged(&crm).await, Purged::default(), "it can still be brought back");
    let mine = crm.tenants_of(leaving.actor().user());
    mine.restore(leaving.actor().tenant()).await.unwrap();
    assert_eq!(customers(leaving).await, before - 3, "and is whole");

    leaving.tenant_settings().delete(None).await.unwrap();
    clock.advance(grace);
    let first = crm.system().purge().await.unwrap();
    assert!(first.tenant_records > 0 && first.more, "{first:?}");
    // Not by a server that would wait longer, either.
    let slower = over(&store, &clock, TimeDelta::days(60)).await;
    let mine = slower.tenants_of(leaving.actor().user());
    let back = mine.restore(leaving.actor().tenant()).await;
    assert!(matches!(back, Err(Error::NotFound { .. })), "{back:?}");
    let deleted = Find::all().deleted(Deleted::Include);
    assert!(mine.find(deleted).await.unwrap().items.is_empty());
    // Whichever of them goes on with it.
    let second = slower.system().purge().await.unwrap();
    assert!(second.tenant_records > 0, "{second:?}");
    let rest = purged(&crm).await;
    assert_eq!(rest.tenants, 1);
    let removed = first.tenant_records + second.tenant_records + rest.tenant_records;
    assert!(removed > 1_000, "{removed}");
    assert_eq!(purged(&crm).await, Purged::default());
    assert_eq!((customers(leaving).await, customers(staying).await), (0, theirs));

    if let (Some(database), Some(before)) = (database, rows_before) {
        assert_eq!(rows(database, &others).await, before, "the other one is as it was");
        let mut left = rows(database, &gone).await;
        // Deleted, brought back, deleted, removed; and the event of the last.
        assert_eq!((left.remove("audit_entries"), left.remove("events")), (Some(4), Some(1)));
        left.remove("record_counts");
        assert!(left.len() > 8 && left.values().all(|rows| *rows == 0), "{left:?}");
        let mut connection = PgConnection::connect(&database.superuser_url()).await.unwrap();
        let nothing = format!(
            "SELECT count(*) FROM (SELECT FROM record_counts WHERE tenant_id = '{gone}'
             AND record_type NOT IN ('audit_entries', 'events')
             GROUP BY record_type HAVING sum(n) <> 0) c"
        );
        let wrong = sqlx::query(AssertSqlSafe(nothing)).fetch_one(&mut connection).await.unwrap();
        assert_eq!(wrong.get::<i64, _>(0), 0, "what is counted is none");
        let told = format!(
            "SELECT string_agg(action, ' ' ORDER BY record_version) FROM audit_entries
             WHERE tenant_id = '{gone}'"
        );
        let told = sqlx::query(AssertSqlSafe(told)).fetch_one(&mut connection).await.unwrap();
        assert_eq!(told.get::<String, _>(0), "deleted restored deleted removed");
        let tenants = "SELECT count(*) FROM tenants";
        let tenants = sqlx::query(tenants).fetch_one(&mut connection).await.unwrap();
        assert_eq!(tenants.get::<i64, _>(0), 1);
    }

    // Its people are still who they are, and may begin anew.
    let again = crm.tenants_of(leaving.actor().user());
    assert!(again.find(Find::all()).await.unwrap().items.is_empty());
    let named = crm_core::tenants::TenantDraft { name: "Anew".into(), ..Default::default() };
    again.create(named).await.unwrap();

    // The other one goes the same way; the counts of the memory store are of everything.
    staying.tenant_settings().delete(None).await.unwrap();
    clock.advance(grace);
    assert_eq!(purged(&crm).await.tenants, 1);
    if database.is_none() {
        let counts = format!("{store:?}");
        for (name, count) in [
            ("tenants", 1),
            ("users", 12),
            ("members", 1),
            ("customers", 0),
            ("companies", 0),
            ("tags", 0),
            ("relations", 0),
            ("relation_kinds", 0),
            ("custom_fields", 0),
            ("custom_claims", 0),
            ("roles", 0),
            ("idempotency_claims", 0),
            // Of both: their ends. Of the new one: the tenant, and its member.
            ("audit_entries", 4 + 2 + 2),
            ("events", 2 + 2),
        ] {
            let line = format!("\"{name}\": {count}");
            let there =
                counts.contains(&format!("{line},")) || counts.contains(&format!("{line}}}"));
            assert!(there, "{line} in {counts}");
        }
    }
}

#[tokio::test]
async fn nothing_stays_of_a_tenant_whose_time_is_over_in_memory() {
    nothing_stays(Arc::new(MemoryStore::new()), None).await;
}

#[tokio::test]
async fn nothing_stays_of_a_tenant_whose_time_is_over_on_postgres() {
    let database = TestDatabase::migrated().await.unwrap();
    let store = PostgresStore::connect(database.app_url()).await.unwrap();
    nothing_stays(Arc::new(store), Some(&database)).await;
}
