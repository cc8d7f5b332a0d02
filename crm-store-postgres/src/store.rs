//! The store: requests in, statements out, answers back.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use crm_core::store::{
    Aggregate, Batch, Catalogue, Commit, Filter, Group, Operation, Page, Query, Record, Schema,
    Scope, Scoped, Store,
};
use crm_core::{Error, Result};
use sqlx::postgres::PgRow;
use sqlx::{Acquire as _, PgPool, Row as _};

use crate::check::check;
use crate::connection::{Pools, PostgresOptions, store_error, within};
use crate::failure::{self, Reaction};
use crate::read::scope::{is_out_of_sight, looks_beyond};
use crate::read::{aggregate, query};
use crate::run::fetch;
use crate::sql::{Bind, Binds};
use crate::write::batch::{self, Writing};
use crate::write::diagnosis::diagnose;

/// How often a batch that others were in the way of is tried.
const TRIES: usize = 5;
/// Into how many rows the number of a tenant's records of a type is split.
const SLOTS: u32 = 16;

/// A [`Store`] on PostgreSQL.
///
/// ```no_run
/// # async fn example() -> crm_core::Result<()> {
/// use crm_core::Crm;
/// use crm_store_postgres::PostgresStore;
///
/// let store = PostgresStore::connect("postgres://crm@localhost/crm").await?;
/// let crm = Crm::new(store).await?;
/// # let _ = crm;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct PostgresStore {
    pools: Pools,
    catalogue: OnceLock<Catalogue>,
    slot: AtomicU32,
}

impl PostgresStore {
    /// A store on a database that has been migrated: its URL, or the options with it.
    ///
    /// # Errors
    /// Those of [`Pools::connect`].
    pub async fn connect(options: impl Into<PostgresOptions>) -> Result<Self> {
        Ok(Self::on(Pools::connect(&options.into()).await?))
    }

    /// A store on a database that is brought to the version of this build first, by the same
    /// user, who owns it and may create roles: for one program with a database to itself. A new
    /// database is enough. Where several users share the work, see [`PostgresOptions`] and
    /// [`migrate`](crate::migrate).
    ///
    /// # Errors
    /// Those of [`migrate`](crate::migrate) and of [`Pools::connect`].
    pub async fn migrate_and_connect(options: impl Into<PostgresOptions>) -> Result<Self> {
        let options = options.into();
        crate::migrate(&options.url).await?;
        Self::connect(options).await
    }

    /// A store on these connections.
    pub fn on(pools: Pools) -> Self {
        Self { pools, catalogue: OnceLock::new(), slot: AtomicU32::new(0) }
    }

    /// Its connections: to ask whether the database answers, and to end them.
    pub fn pools(&self) -> &Pools {
        &self.pools
    }

    fn catalogue(&self) -> Result<&Catalogue> {
        self.catalogue.get().ok_or_else(|| Error::internal("the store was never prepared"))
    }

    fn check_prepared(&self, schema: &Arc<Schema>) -> Result<()> {
        match self.catalogue()?.get(schema.name()) {
            Some(known) if Arc::ptr_eq(known, schema) || known == schema => Ok(()),
            Some(_) => Err(Error::internal(format!(
                "record type {schema} was prepared as declared otherwise"
            ))),
            None => Err(Error::internal(format!("record type {schema} was never prepared"))),
        }
    }

    /// The connections for a request.
    fn pool(&self, scope: Scope, filter: &Filter) -> &PgPool {
        match scope {
            Scope::Tenant(_) if !looks_beyond(filter) => &self.pools.app,
            Scope::Tenant(_) | Scope::System => &self.pools.system,
        }
    }

    pub(crate) async fn answer(&self, scope: Scope, request: &Query) -> Result<Page<Record>> {
        self.check_prepared(request.schema())?;
        let filter = request.get_filter();
        if *filter == Filter::Nothing || is_out_of_sight(scope, request.schema()) {
            let total = request.is_counted().then_some(0);
            return Ok(Page { items: Vec::new(), total, next: None });
        }
        let (statement, binds) = query::render(scope, request);
        let rows = self.pools.ask(self.pool(scope, filter), &statement, binds).await?;
        query::read(scope, request, &rows)
    }

    pub(crate) async fn figures(&self, scope: Scope, request: &Aggregate) -> Result<Vec<Group>> {
        self.check_prepared(request.schema())?;
        let filter = request.get_filter();
        if *filter == Filter::Nothing || is_out_of_sight(scope, request.schema()) {
            return Ok(aggregate::of_nothing(request));
        }
        let (statement, binds) = aggregate::render(scope, request);
        let rows = self.pools.ask(self.pool(scope, filter), &statement, binds).await?;
        aggregate::read(request, &rows)
    }

    pub(crate) async fn write(&self, scope: Scope, request: &Batch) -> Result<Commit> {
        for operation in request.operations() {
            if let Some((schema, _)) = operation.target() {
                self.check_prepared(schema)?;
            }
        }
        if request.is_empty() {
            return Ok(Commit::default());
        }
        let catalogue = self.catalogue()?;
        let slot = i64::from(self.slot.fetch_add(1, Ordering::Relaxed) % SLOTS);
        for _ in 0..TRIES {
            let writing = batch::render(scope, request, catalogue, slot)?;
            let has_counters = writing.counts;
            let error =
                match within(self.pools.deadline, async { Ok(self.run(scope, writing).await) })
                    .await?
                {
                    Ok(row) if get::<bool>(&row, 0)? => {
                        return if has_counters {
                            commit_of(request, &row)
                        } else {
                            Ok(Commit::default())
                        };
                    }
                    Ok(_) => None,
                    Err(error) => Some(error),
                };
            match error.as_ref().map_or(Reaction::Diagnose, failure::reaction) {
                Reaction::Again => {}
                Reaction::Diagnose => {
                    if let Some(rejection) = diagnose(&self.pools, catalogue, request).await? {
                        return Err(rejection);
                    }
                }
                Reaction::GiveUp => return Err(error.map_or_else(failure::contended, store_error)),
            }
        }
        Err(failure::contended())
    }

    async fn run(&self, scope: Scope, writing: Writing) -> sqlx::Result<PgRow> {
        let sql = writing.statement.render();
        let pool = match scope {
            Scope::Tenant(_) => &self.pools.app,
            Scope::System => &self.pools.system,
        };
        let rows = match scope {
            Scope::Tenant(tenant) if writing.needs_transaction => {
                let mut connection = self.pools.connection(pool).await?;
                let mut transaction = connection.begin().await?;
                let mut binds = Binds::default();
                binds.add(Bind::Text(Some(tenant.to_string())));
                let set = "SELECT set_config('app.tenant', $1::text, true)".to_owned();
                fetch(&mut *transaction, set, binds).await?;
                let rows = fetch(&mut *transaction, sql, writing.binds).await?;
                transaction.commit().await?;
                rows
            }
            _ => {
                let mut connection = self.pools.connection(pool).await?;
                fetch(&mut *connection, sql, writing.binds).await?
            }
        };
        rows.into_iter().next().ok_or(sqlx::Error::RowNotFound)
    }
}

fn commit_of(batch: &Batch, row: &PgRow) -> Result<Commit> {
    let names: Vec<String> = get(row, 2)?;
    let values: Vec<i64> = get(row, 3)?;
    let mut counters = Vec::with_capacity(names.len());
    for operation in batch.operations() {
        let Operation::Increment { counter, .. } = operation else { continue };
        let place = names.iter().position(|name| name == counter);
        let value = place.and_then(|place| values.get(place)).copied();
        counters.push(value.ok_or_else(|| Error::internal("a counter came back without a value"))?);
    }
    Ok(Commit { counters })
}

fn get<'r, T>(row: &'r PgRow, i: usize) -> Result<T>
where
    T: sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
{
    row.try_get(i).map_err(|error| Error::internal(format!("{error}")))
}

#[async_trait]
impl Store for PostgresStore {
    async fn prepare(&self, catalogue: &Catalogue) -> Result<()> {
        let checking = async {
            let mut connection = self.pools.system.acquire().await.map_err(store_error)?;
            check(&mut connection, catalogue).await
        };
        within(self.pools.deadline, checking).await?;
        let known = self.catalogue.get_or_init(|| catalogue.clone());
        let same = known.iter().count() == catalogue.iter().count()
            && catalogue.iter().all(|schema| known.get(schema.name()) == Some(schema));
        if same {
            Ok(())
        } else {
            Err(Error::internal("the store was prepared with another catalogue"))
        }
    }

    async fn query(&self, query: &Scoped<Query>) -> Result<Page<Record>> {
        self.answer(query.scope(), query.request()).await
    }

    async fn aggregate(&self, aggregate: &Scoped<Aggregate>) -> Result<Vec<Group>> {
        self.figures(aggregate.scope(), aggregate.request()).await
    }

    async fn commit(&self, batch: &Scoped<Batch>) -> Result<Commit> {
        self.write(batch.scope(), batch.request()).await
    }
}
