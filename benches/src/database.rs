//! The database that benchmarks run on, and the connections to it.

use std::str::FromStr;

use crm_core::access::{Actor, BuiltIn};
use crm_core::custom_fields::{CustomFieldDraft, CustomType};
use crm_core::customers::Customer;
use crm_core::tags::TagDraft;
use crm_core::tenants::TenantId;
use crm_core::{Crm, Entity, Find, Id, Random, SystemRandom, TenantCrm};
use crm_store_postgres::testing::TestDatabase;
use crm_store_postgres::{APP_ROLE, PostgresOptions, PostgresStore, migrate};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool, Row};
use url::Url;
use uuid::Uuid;

use crate::Result;
use crate::generate::{SEATS, fill};

/// Names a server for its superuser; the database in it is kept between runs.
pub const URL: &str = "BENCH_DATABASE_URL";
/// How many customers the tenants have: `1000,100000`.
pub const ROWS: &str = "BENCH_ROWS";

const NAME: &str = "crm_bench";
/// Tenants beside the measured ones, and how many customers each has.
const OTHERS: (usize, usize) = (100, 500);

/// A database with customers of many tenants.
#[derive(Debug)]
pub struct Database {
    /// The library on it.
    pub crm: Crm,
    /// Connections as an expert would set them up: under the application role, without a ping
    /// before each statement.
    pub by_hand: PgPool,
    /// Connections that row security does not bind.
    pub plain: PgPool,
    /// Its URL for the superuser.
    pub url: String,
    // Dropped last, where it is not kept.
    _throw_away: Option<TestDatabase>,
}

/// A tenant with many customers.
#[derive(Debug, Clone)]
pub struct Tenant {
    /// The tenant.
    pub id: TenantId,
    /// How many customers were generated.
    pub rows: usize,
    /// Some live customers, all over the tenant.
    pub some: Vec<Id<Customer>>,
    /// Its CRM for somebody who may do everything.
    pub within: TenantCrm,
}

impl Database {
    /// The database that [`URL`] asks to keep, else one that is thrown away.
    ///
    /// # Errors
    /// Where there is no PostgreSQL, or it refuses.
    pub async fn open() -> Result<Self> {
        let (url, throw_away) = match std::env::var(URL) {
            Ok(server) if !server.is_empty() => (kept(&server).await?, None),
            _ => {
                let database = TestDatabase::migrated().await?;
                (database.superuser_url(), Some(database))
            }
        };
        let mut options = PostgresOptions::new(&url);
        options.max_connections = 8;
        let crm = Crm::new(PostgresStore::connect(&options).await?).await?;
        let by_hand = by_hand_pool(&url, 6)?;
        let plain = pool(&url, 2, "")?;
        Ok(Self { crm, by_hand, plain, url, _throw_away: throw_away })
    }

    /// What the server is and what it promises, for the reader of the figures.
    ///
    /// # Errors
    /// Where it does not answer.
    pub async fn describe(&self) -> Result<String> {
        let row = sqlx::query(
            "SELECT current_setting('server_version'), current_setting('fsync'),
                    current_setting('synchronous_commit'), current_setting('shared_buffers'),
                    pg_size_pretty(pg_database_size(current_database()))",
        )
        .fetch_one(&self.plain)
        .await?;
        let text = |i: usize| row.try_get::<String, _>(i);
        Ok(format!(
            "PostgreSQL {}, fsync {}, synchronous_commit {}, shared_buffers {}, database {}",
            text(0)?,
            text(1)?,
            text(2)?,
            text(3)?,
            text(4)?
        ))
    }

    /// The tenants that [`ROWS`] asks for, else those with 1,000, 100,000 and 1,000,000
    /// customers; filled where they are not yet, other tenants beside them.
    ///
    /// # Errors
    /// Where the database refuses, or what the generator wrote is not what the store would have
    /// written.
    pub async fn tenants(&self) -> Result<Vec<Tenant>> {
        let sizes = match std::env::var(ROWS) {
            Ok(sizes) => sizes
                .split(',')
                .map(|size| size.trim().parse::<usize>())
                .collect::<std::result::Result<Vec<_>, _>>()?,
            Err(_) => vec![1_000, 100_000, 1_000_000],
        };
        let mut missing = Vec::new();
        let mut named = Vec::new();
        for size in sizes {
            let (id, is_new) = self.named(&format!("Bench {size}")).await?;
            named.push((id, size));
            if is_new {
                missing.push((id, size));
            }
        }
        for number in 0..OTHERS.0 {
            let (id, is_new) = self.named(&format!("Bench other {number}")).await?;
            if is_new {
                missing.push((id, OTHERS.1));
            }
        }
        self.fill(&missing).await?;
        let mut tenants = Vec::new();
        for (id, rows) in named {
            tenants.push(self.tenant(id, rows).await?);
        }
        Ok(tenants)
    }

    /// Generates customers into tenants, each with ten tags.
    ///
    /// # Errors
    /// As [`Database::tenants`].
    pub async fn fill(&self, tenants: &[(TenantId, usize)]) -> Result<()> {
        let mut filled = Vec::new();
        for (id, rows) in tenants {
            let within = self.crm.tenant(owner(*id));
            let found = within.tags().find(Find::all()).await?.items;
            let mut tags: Vec<_> = found.into_iter().map(|tag| tag.id).collect();
            for number in tags.len()..10 {
                let name = format!("Tag {number}");
                let tag = within.tags().create(TagDraft { name, ..TagDraft::default() }).await?;
                tags.push(tag.id);
            }
            if within.custom_fields().find(Find::all()).await?.items.is_empty() {
                within.custom_fields().create(seats()).await?;
            }
            filled.push((within, *rows, tags));
        }
        let mut connection = PgConnection::connect(&self.url).await?;
        fill(&mut connection, &filled).await
    }

    /// A tenant with what is measured in it.
    ///
    /// # Errors
    /// Where the database refuses.
    pub async fn tenant(&self, id: TenantId, rows: usize) -> Result<Tenant> {
        // Spread evenly, whatever the order of the rows on disk.
        let found = sqlx::query(
            "SELECT id FROM customers WHERE tenant_id = $1::uuid AND deleted_at IS NULL
             ORDER BY md5(id::text) LIMIT 2000",
        )
        .bind(id.uuid())
        .fetch_all(&self.plain)
        .await?;
        let some = found
            .iter()
            .map(|row| row.try_get::<Uuid, _>(0).map(Id::new))
            .collect::<std::result::Result<_, _>>()?;
        Ok(Tenant { id, rows, some, within: self.crm.tenant(owner(id)) })
    }

    async fn named(&self, name: &str) -> Result<(TenantId, bool)> {
        let found = sqlx::query(
            "SELECT t.id, NOT EXISTS (SELECT FROM customers c WHERE c.tenant_id = t.id)
             FROM tenants t WHERE t.name = $1::text",
        )
        .bind(name)
        .fetch_optional(&self.plain)
        .await?;
        match found {
            Some(row) => Ok((TenantId::new(row.try_get(0)?), row.try_get(1)?)),
            None => Ok((self.crm.system().create_tenant(name).await?.id, true)),
        }
    }
}

fn seats() -> CustomFieldDraft {
    CustomFieldDraft {
        record_type: Customer::ENTITY.to_owned(),
        key: SEATS.to_owned(),
        label: "Seats".to_owned(),
        field_type: CustomType::Number,
        ..CustomFieldDraft::default()
    }
}

/// Somebody who may do everything in a tenant.
pub fn owner(tenant: TenantId) -> Actor {
    let mut id = [0; 16];
    SystemRandom.fill(&mut id);
    let user = uuid::Builder::from_random_bytes(id).into_uuid();
    Actor::new(tenant, Id::new(user)).with_role(BuiltIn::Owner)
}

async fn kept(server: &str) -> Result<String> {
    let mut connection = PgConnection::connect(server).await?;
    let found = sqlx::query("SELECT 1 FROM pg_database WHERE datname = $1::text")
        .bind(NAME)
        .fetch_optional(&mut connection)
        .await?;
    if found.is_none() {
        let create = format!("CREATE DATABASE {NAME} TEMPLATE template0 ENCODING UTF8");
        sqlx::raw_sql(AssertSqlSafe(create)).execute(&mut connection).await?;
    }
    connection.close().await?;
    let mut url = Url::parse(server)?;
    url.set_path(NAME);
    migrate(url.as_str()).await?;
    Ok(url.into())
}

/// Connections as an expert would set them up for tenants' requests.
///
/// # Errors
/// Where the URL is none.
pub fn by_hand_pool(url: &str, connections: u32) -> Result<PgPool> {
    pool(url, connections, &format!("SET ROLE {APP_ROLE}"))
}

fn pool(url: &str, connections: u32, set_up: &str) -> Result<PgPool> {
    let set_up = format!("SET search_path = public; SET statement_timeout = 30000; {set_up}");
    Ok(PgPoolOptions::new()
        .max_connections(connections)
        .test_before_acquire(false)
        .after_connect(move |connection, _| {
            let set_up = set_up.clone();
            Box::pin(async move {
                sqlx::raw_sql(AssertSqlSafe(set_up)).execute(connection).await.map(drop)
            })
        })
        .connect_lazy_with(PgConnectOptions::from_str(url)?))
}
